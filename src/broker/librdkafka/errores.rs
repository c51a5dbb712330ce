//! Los errores de librdkafka, en frases.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::broker::ErrorBroker;

/// Lo último que ha ido mal, con las palabras de librdkafka, que son las que dicen por qué.
#[derive(Default)]
pub struct Problemas(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl Problemas {
    /// Lo anota, si dice algo que no se supiera: «no hay ningún broker» llega siempre tras la causa.
    pub fn anotar(&self, error: &KafkaError, palabras: &str) {
        let Some(codigo) = error.rdkafka_error_code() else { return };
        let mut ultimo = self.ultimo();
        if codigo != RDKafkaErrorCode::AllBrokersDown || ultimo.is_none() {
            *ultimo = Some((codigo, palabras.to_owned()));
        }
    }

    /// Lo último, en una frase, si ha pasado algo desde la vez anterior.
    pub fn tomar(&self, broker: &str) -> Option<ErrorBroker> {
        self.ultimo().take().map(|(codigo, palabras)| traducir(codigo, &palabras, broker))
    }

    pub fn olvidar(&self) {
        *self.ultimo() = None;
    }

    fn ultimo(&self) -> MutexGuard<'_, Option<(RDKafkaErrorCode, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        C::Authentication if palabras.contains("Unsupported SASL mechanism") => {
            Definitivo(format!("{broker} no admite ese KAFKA_SASL_MECHANISM"))
        }
        C::Authentication => Definitivo(format!(
            "{broker} no acepta ese usuario o esa contraseña: revisa KAFKA_SASL_USERNAME y KAFKA_SASL_PASSWORD"
        )),
        C::SSL if palabras.contains("PLAINTEXT broker listener") || palabras.contains("wrong version number") => {
            Definitivo(format!("{broker} no habla TLS en ese puerto: revisa el puerto y KAFKA_SECURITY_PROTOCOL"))
        }
        C::SSL if palabras.contains("verify failed") || palabras.contains("verification") => Definitivo(format!(
            "el certificado de {broker} no está firmado por quien dice KAFKA_SSL_CA_LOCATION, o es de otro nombre"
        )),
        C::SSL => Definitivo(format!("no se puede abrir una conexión TLS con {broker} ({palabras})")),
        C::BrokerTransportFailure if palabras.contains("security.protocol") => Pasajero(format!(
            "{broker} cuelga en cuanto se le habla: si en ese puerto pide TLS o contraseña, pon KAFKA_SECURITY_PROTOCOL"
        )),
        C::BrokerTransportFailure | C::AllBrokersDown | C::OperationTimedOut | C::Resolve => {
            Pasajero(format!("Kafka, en {broker}, no responde{}", parentesis(palabras)))
        }
        C::MessageSizeTooLarge => Definitivo(format!(
            "{broker} no admite mensajes tan grandes: sube message.max.bytes o envíalos más pequeños"
        )),
        C::InvalidTopic => Definitivo(format!("{broker} no admite ese nombre de topic")),
        C::InvalidGroupId => Definitivo(format!("{broker} no admite ese grupo: revisa --group-id")),
        C::TopicAuthorizationFailed
        | C::GroupAuthorizationFailed
        | C::ClusterAuthorizationFailed
        | C::SaslAuthenticationFailed => {
            Definitivo(format!("{broker} no te da permiso para usar ese topic o ese grupo ({codigo})"))
        }
        C::RebalanceInProgress | C::IllegalGeneration | C::UnknownMemberId | C::AssignmentLost => {
            Pasajero("Kafka está repartiendo otra vez las particiones del grupo".to_owned())
        }
        C::PollExceeded => Pasajero(
            "este consumidor ha pasado demasiado tiempo sin pedir mensajes, y Kafka ha dado sus particiones a otros"
                .to_owned(),
        ),
        C::CoordinatorNotAvailable => Pasajero(format!(
            "{broker} no tiene dónde guardar lo confirmado: con un solo broker hace falta KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1"
        )),
        _ => Pasajero(format!("{broker} no puede atender ahora a este topic ({codigo})")),
    }
}

/// Las palabras de librdkafka, sin su prefijo («sasl_ssl://equipo:puerto/1: »).
fn parentesis(palabras: &str) -> String {
    let corte = palabras.find("://").and_then(|i| palabras[i..].find(": ").map(|j| i + j + 2));
    match palabras[corte.unwrap_or(0)..].trim() {
        "" => String::new(),
        resto if resto.contains("Connection refused") => " (nadie escucha ahí)".to_owned(),
        resto => format!(" ({resto})"),
    }
}

/// El mismo error, pero de los que se esperan: con la conexión ya hecha una vez, no es la configuración.
pub fn pasajero(error: ErrorBroker) -> ErrorBroker {
    match error {
        ErrorBroker::Pasajero(frase) | ErrorBroker::Definitivo(frase) => ErrorBroker::Pasajero(frase),
    }
}
