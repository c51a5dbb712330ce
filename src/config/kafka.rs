//! El Kafka: adónde manda el productor y de dónde lee el consumidor.

use std::fmt;

use super::{Opcion, Valores, de_datos};
use crate::fallo::Fallo;

/// El puerto del broker que publica docker-compose.yml en `IP_LOCAL`.
pub const PUERTO: u16 = 29092;

/// De dónde salen o adónde van los mensajes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// Nada configurado: el fichero de la carpeta de datos.
    Embebido,
    /// Un Kafka: direcciones `host:puerto`, y lo que se le pide a librdkafka.
    Kafka(Vec<String>, Propiedades),
}

/// Propiedades de librdkafka y sus valores. Sin esa feature, ninguna.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Propiedades(pub Vec<(String, String)>);

impl fmt::Debug for Propiedades {
    /// Solo los nombres: entre los valores puede estar la contraseña.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(clave, _)| clave)).finish()
    }
}

const BROKER: Opcion = Opcion::new(
    "broker",
    "HOST:PUERTO",
    "KAFKA_BOOTSTRAP_SERVERS",
    "Kafka; varios, separados por comas [el motor embebido]",
);
const IP_LOCAL: Opcion =
    Opcion::new("ip-local", "IP", "IP_LOCAL", "Lo mismo que --broker IP:29092, el de docker-compose.yml");
const SECURITY_PROTOCOL: Opcion =
    Opcion::new("security-protocol", "MODO", "KAFKA_SECURITY_PROTOCOL", "Con librdkafka: SSL, SASL_SSL…");
const SASL_MECHANISM: Opcion =
    Opcion::new("sasl-mechanism", "MODO", "KAFKA_SASL_MECHANISM", "Con librdkafka: PLAIN, SCRAM-SHA-512…");
const SASL_USERNAME: Opcion =
    Opcion::new("sasl-username", "USUARIO", "KAFKA_SASL_USERNAME", "Con librdkafka: el usuario");
const SASL_PASSWORD: Opcion = Opcion::new(
    "sasl-password",
    "CLAVE",
    "KAFKA_SASL_PASSWORD",
    "Con librdkafka: su contraseña (mejor en .env)",
);
const SSL_CA_LOCATION: Opcion = Opcion::new(
    "ssl-ca-location",
    "FICHERO",
    "KAFKA_SSL_CA_LOCATION",
    "Con librdkafka: el certificado de quien firma",
);
const KAFKA_CONFIG: Opcion = Opcion::new(
    "kafka-config",
    "CLAVE=VALOR",
    "",
    "Con librdkafka: otras propiedades suyas, separadas por comas",
);
const DATOS: Opcion = de_datos("Dónde está el motor embebido [datos]");

/// Las opciones del broker.
pub(super) const DEL_BROKER: &[Opcion] = &[
    BROKER,
    IP_LOCAL,
    SECURITY_PROTOCOL,
    SASL_MECHANISM,
    SASL_USERNAME,
    SASL_PASSWORD,
    SSL_CA_LOCATION,
    KAFKA_CONFIG,
    DATOS,
];

/// Las que son propiedades de librdkafka. La propiedad se llama igual, con puntos.
const DE_LIBRDKAFKA: [Opcion; 5] =
    [SECURITY_PROTOCOL, SASL_MECHANISM, SASL_USERNAME, SASL_PASSWORD, SSL_CA_LOCATION];

/// Propiedades de las que depende que no se pierda ni se repita nada, o que ya tienen su opción; con sus
/// otros nombres.
const NUESTRAS: [&str; 12] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "transactional.id",
    "message.timeout.ms",
    "delivery.timeout.ms",
];

/// Lo que se le pide a librdkafka.
fn propiedades(valores: &Valores) -> Result<Propiedades, Fallo> {
    let puestas = DE_LIBRDKAFKA.iter().filter_map(|o| Some((o.nombre.replace('-', "."), valores.texto(o)?)));
    let mut propiedades: Vec<_> = puestas.collect();
    for par in valores.texto(&KAFKA_CONFIG).iter().flat_map(|texto| texto.split(',')) {
        let (clave, valor) =
            par.split_once('=').filter(|(clave, _)| !clave.trim().is_empty()).ok_or_else(|| {
                Fallo::Uso("--kafka-config se escribe clave=valor, o clave=valor,clave=valor".to_owned())
            })?;
        if NUESTRAS.contains(&clave.trim()) {
            return Err(Fallo::Uso(format!("{} no se puede cambiar con --kafka-config", clave.trim())));
        }
        propiedades.push((clave.trim().to_owned(), valor.to_owned()));
    }
    let puesta = DE_LIBRDKAFKA.into_iter().chain([KAFKA_CONFIG]).find(|o| valores.texto(o).is_some());
    match puesta {
        Some(puesta) if !cfg!(feature = "librdkafka") => Err(Fallo::Uso(format!(
            "{puesta} es para librdkafka, que este programa no lleva: compílalo con --features librdkafka"
        ))),
        Some(puesta) if pedido(valores).is_none() => {
            Err(Fallo::Uso(format!("está {puesta} pero falta el broker: {BROKER}")))
        }
        _ => Ok(Propiedades(propiedades)),
    }
}

/// El broker que se pide, como lo han escrito.
fn pedido(valores: &Valores) -> Option<String> {
    valores.texto(&BROKER).or_else(|| valores.texto(&IP_LOCAL))
}

/// Las direcciones de Kafka; sin puerto, el del docker-compose.yml.
pub(super) fn broker(valores: &Valores) -> Result<Broker, Fallo> {
    let propiedades = propiedades(valores)?;
    let Some(texto) = pedido(valores) else { return Ok(Broker::Embebido) };
    let direcciones = texto.split(',').map(str::trim).filter(|d| !d.is_empty());
    match direcciones.map(direccion).collect::<Result<Vec<_>, _>>()? {
        vacias if vacias.is_empty() => {
            Err(Fallo::Uso("el broker está vacío: se espera host:puerto".to_owned()))
        }
        direcciones => Ok(Broker::Kafka(direcciones, propiedades)),
    }
}

fn direccion(escrita: &str) -> Result<String, Fallo> {
    match escrita.rsplit_once(':') {
        None => Ok(format!("{escrita}:{PUERTO}")),
        Some((host, puerto)) if !host.is_empty() && puerto.parse::<u16>().is_ok_and(|p| p > 0) => {
            Ok(escrita.to_owned())
        }
        Some(_) => Err(Fallo::Uso(format!(
            "«{escrita}» no es un broker: se espera host:puerto, como localhost:{PUERTO}"
        ))),
    }
}
