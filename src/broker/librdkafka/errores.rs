//! Los errores de librdkafka, en frases.

use std::mem;
use std::sync::{Mutex, MutexGuard};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::broker::{ErrorBroker, frases};
use crate::herramientas::candado::candado;
use crate::herramientas::causa::NADIE_ESCUCHA;

/// Lo que librdkafka cuenta que va mal.
#[derive(Default)]
pub struct Problemas(Mutex<Contado>);

#[derive(Default)]
struct Contado {
    /// Lo último que dijo por qué, con sus palabras.
    causa: Option<(RDKafkaErrorCode, String)>,
    /// Si ha contado algo desde la última vez que se miró.
    nuevo: bool,
}

impl Problemas {
    pub fn anotar(&self, error: &KafkaError, palabras: &str) {
        let Some(codigo) = error.rdkafka_error_code() else { return };
        let mut contado = self.contado();
        contado.nuevo = true;
        // «No queda ningún broker» llega siempre tras la causa, y no la dice.
        if codigo != RDKafkaErrorCode::AllBrokersDown {
            contado.causa = Some((codigo, palabras.to_owned()));
        }
    }

    /// Lo último, en una frase, si ha contado algo desde la vez anterior.
    pub fn tomar(&self, broker: &str) -> Option<ErrorBroker> {
        let mut contado = self.contado();
        let nuevo = mem::take(&mut contado.nuevo);
        let causa = contado.causa.as_ref().filter(|_| nuevo);
        causa.map(|(codigo, palabras)| traducir(*codigo, palabras, broker))
    }

    pub fn olvidar(&self) {
        *self.contado() = Contado::default();
    }

    fn contado(&self) -> MutexGuard<'_, Contado> {
        candado(&self.0)
    }
}

/// Acepta la conexión, y nada más.
pub fn no_contesta(broker: &str) -> ErrorBroker {
    ErrorBroker::Pasajero(format!(
        "{broker} acepta la conexión pero no contesta como un Kafka: mira si ese es su puerto, si todavía arranca \
         o si pide TLS o contraseña (KAFKA_SECURITY_PROTOCOL)"
    ))
}

/// Por qué no se ha podido crear el cliente. El valor no se dice nunca: puede ser la contraseña.
pub fn sin_cliente(error: &KafkaError) -> ErrorBroker {
    ErrorBroker::Definitivo(match error {
        KafkaError::ClientConfig(_, _, clave, _) => {
            format!("librdkafka no tiene la propiedad «{clave}», o no le vale ese valor")
        }
        KafkaError::ClientCreation(palabras) if palabras.contains("ssl.ca.location") => {
            "no se puede leer el certificado de KAFKA_SSL_CA_LOCATION: tiene que ser un fichero PEM"
                .to_owned()
        }
        KafkaError::ClientCreation(palabras) if palabras.contains("SASL") || palabras.contains("sasl.") => {
            format!(
                "faltan datos para entrar en Kafka, o no valen: revisa KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME y KAFKA_SASL_PASSWORD ({palabras})"
            )
        }
        KafkaError::ClientCreation(palabras) => {
            format!("librdkafka no admite esa configuración ({palabras})")
        }
        otro => format!("librdkafka no admite esa configuración ({otro})"),
    })
}

/// Un fallo que no ha dejado dicho por qué.
pub fn sin_respuesta(error: &KafkaError, broker: &str) -> ErrorBroker {
    match error.rdkafka_error_code() {
        Some(codigo) => traducir(codigo, "", broker),
        None => ErrorBroker::Pasajero(format!("Kafka, en {broker}: {error}")),
    }
}

/// Un error de librdkafka, en una frase.
pub fn traducir(codigo: RDKafkaErrorCode, palabras: &str, broker: &str) -> ErrorBroker {
    use ErrorBroker::{Definitivo, Pasajero};
    use RDKafkaErrorCode as C;
    match codigo {
        _ if palabras.contains("SSL_HANDSHAKE") && palabras.contains("Disconnected") => {
            Definitivo(format!("{broker} no habla TLS en ese puerto: revisa el puerto y KAFKA_SECURITY_PROTOCOL"))
        }
        C::SSL if palabras.contains("verify failed") => Definitivo(format!(
            "el certificado de {broker} no está firmado por quien dice KAFKA_SSL_CA_LOCATION, o es de otro nombre"
        )),
        C::SSL => Definitivo(format!("no se puede abrir una conexión TLS con {broker}{}", parentesis(palabras))),
        C::Authentication if palabras.contains("Unsupported SASL mechanism") => {
            Definitivo(format!("{broker} no admite ese KAFKA_SASL_MECHANISM"))
        }
        C::Authentication if palabras.contains("mechanism handshake failed") => Definitivo(format!(
            "{broker} no pide contraseña en ese puerto: revisa el puerto y KAFKA_SECURITY_PROTOCOL"
        )),
        C::Authentication | C::SaslAuthenticationFailed => Definitivo(format!(
            "{broker} no acepta ese usuario o esa contraseña: revisa KAFKA_SASL_USERNAME y KAFKA_SASL_PASSWORD"
        )),
        C::BrokerTransportFailure | C::AllBrokersDown | C::OperationTimedOut | C::Resolve => {
            Pasajero(format!("Kafka, en {broker}, no responde{}", parentesis(palabras)))
        }
        C::MessageSizeTooLarge => frases::mensaje_grande(broker),
        C::InvalidTopic => frases::topic_invalido(broker),
        C::InvalidGroupId => frases::grupo_invalido(broker),
        C::TopicAuthorizationFailed | C::GroupAuthorizationFailed | C::ClusterAuthorizationFailed => {
            frases::sin_permiso(broker, codigo)
        }
        C::RebalanceInProgress | C::IllegalGeneration | C::UnknownMemberId | C::AssignmentLost => {
            Pasajero("Kafka está repartiendo otra vez las particiones del grupo".to_owned())
        }
        C::InconsistentGroupProtocol => otro_reparto(),
        C::FencedInstanceId => Definitivo(
            "Kafka ha echado a este consumidor del grupo: si usas group.instance.id, cada uno necesita el suyo"
                .to_owned(),
        ),
        C::PollExceeded => Pasajero(
            "este consumidor ha pasado demasiado tiempo sin pedir mensajes, y Kafka ha dado sus particiones a otros"
                .to_owned(),
        ),
        C::CoordinatorNotAvailable => frases::sin_coordinador(broker),
        _ => frases::no_puede(broker, codigo),
    }
}

fn otro_reparto() -> ErrorBroker {
    ErrorBroker::Pasajero(format!(
        "{}, o repártelas como él: --kafka-config partition.assignment.strategy=range",
        frases::GRUPO_OCUPADO
    ))
}

/// Las palabras de librdkafka, sin su prefijo («sasl_ssl://equipo:puerto/1: »).
fn parentesis(palabras: &str) -> String {
    let corte = palabras.find("://").and_then(|i| palabras[i..].find(": ").map(|j| i + j + 2));
    match palabras[corte.unwrap_or(0)..].trim() {
        "" => String::new(),
        resto if resto.contains("Connection refused") => format!(" ({NADIE_ESCUCHA})"),
        resto => format!(" ({resto})"),
    }
}

/// El mismo error, pero de los que se esperan: con la conexión ya hecha una vez, no es la configuración.
pub fn pasajero(error: ErrorBroker) -> ErrorBroker {
    match error {
        ErrorBroker::Pasajero(frase) | ErrorBroker::Definitivo(frase) => ErrorBroker::Pasajero(frase),
    }
}

/// Por qué ha fallado una pregunta: si librdkafka ha contado algo, es la causa.
pub fn causa(error: &KafkaError, problemas: &Problemas, broker: &str) -> ErrorBroker {
    problemas.tomar(broker).map_or_else(|| sin_respuesta(error, broker), pasajero)
}

/// Un error de lectura, si impide seguir. De los demás se ocupa librdkafka.
pub fn grave(error: &KafkaError, problemas: &Problemas, broker: &str) -> Option<ErrorBroker> {
    use RDKafkaErrorCode as C;
    match error {
        KafkaError::MessageConsumption(C::BrokerTransportFailure | C::Resolve | C::OperationTimedOut) => None,
        KafkaError::MessageConsumption(C::AllBrokersDown | C::Authentication | C::SSL) => {
            Some(pasajero(problemas.tomar(broker)?))
        }
        KafkaError::PartitionEOF(_) => None, // con enable.partition.eof
        // De lo que no se recupera en un consumidor, la única causa es esta.
        KafkaError::MessageConsumptionFatal(_) => Some(traducir(C::FencedInstanceId, "", broker)),
        otro => Some(sin_respuesta(otro, broker)),
    }
}
