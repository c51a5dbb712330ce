//! El Kafka: adónde manda el productor y de dónde lee el consumidor.

use std::fmt;

use super::fuentes::Fuente;
use super::{Opcion, Valores, de_datos};
use crate::fallo::Fallo;
use crate::herramientas::direccion::host_y_puerto;

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

/// Lo que se escribe en vez de un broker para pedir el motor embebido, aunque el `.env` nombre un Kafka.
const EMBEBIDO: &str = "embebido";

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
    "Kafka; varios, separados por comas [embebido]",
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
const KAFKA_CONFIG: Opcion =
    Opcion::new("kafka-config", "CLAVE=VALOR", "", "Con librdkafka: otra propiedad suya; se puede repetir");
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

/// El broker que dicen los valores. Si no hay ninguno, el embebido.
pub(super) fn broker(valores: &Valores) -> Result<Broker, Fallo> {
    let pedida = pedida(valores)?;
    let texto = pedida.and_then(|opcion| valores.texto(&opcion));
    if texto.as_deref() == Some(EMBEBIDO) {
        return Ok(Broker::Embebido);
    }
    let propiedades = propiedades(valores)?;
    let Some((pedida, texto)) = pedida.zip(texto) else {
        return match de_librdkafka(valores) {
            Some(puesta) => Err(Fallo::Uso(format!("está {puesta} pero falta el broker: {BROKER}"))),
            None => Ok(Broker::Embebido),
        };
    };
    if texto.split(',').all(|trozo| trozo.trim().is_empty()) {
        return Err(Fallo::Uso("el broker está vacío: se espera host:puerto".to_owned()));
    }
    let texto = valores.propio(&pedida)?.unwrap_or_default();
    let trozos = texto.split(',').map(str::trim).filter(|trozo| !trozo.is_empty());
    let leidas = trozos.map(|trozo| direccion(&pedida, trozo)).collect::<Result<Vec<_>, _>>();
    let direcciones = leidas.map_err(|razon| Fallo::Uso(format!("{pedida}: {razon}")))?;
    match &direcciones[..] {
        [_, otra, ..] if pedida.nombre == IP_LOCAL.nombre => Err(Fallo::Uso(format!(
            "{IP_LOCAL} es una sola dirección, y sobra «{otra}»: los demás, con {BROKER}"
        ))),
        _ => Ok(Broker::Kafka(direcciones, propiedades)),
    }
}

/// Cuál de las dos opciones que nombran un broker manda: la de la línea de órdenes, luego la del entorno y luego la
/// del `.env`. De dos variables, la que puede nombrar varios; dos órdenes se contradicen.
fn pedida(valores: &Valores) -> Result<Option<Opcion>, Fallo> {
    match (valores.fuente(&BROKER), valores.fuente(&IP_LOCAL)) {
        (Some(Fuente::Orden), Some(Fuente::Orden)) => {
            Err(Fallo::Uso("--broker y --ip-local son dos formas de decir lo mismo: deja una".to_owned()))
        }
        (Some(broker), Some(ip)) if ip < broker => Ok(Some(IP_LOCAL)),
        (Some(_), _) => Ok(Some(BROKER)),
        (None, ip) => Ok(ip.map(|_| IP_LOCAL)),
    }
}

/// Una dirección de Kafka. Solo a `IP_LOCAL` se le pone puerto: el del docker-compose.yml.
fn direccion(opcion: &Opcion, escrita: &str) -> Result<String, String> {
    let mal = |razon: &str| {
        Err(format!("«{escrita}» no es un broker ({razon}): se espera host:puerto, como localhost:{PUERTO}"))
    };
    if escrita.contains('@') {
        return Err(format!(
            "un broker no lleva usuario ni contraseña: van en {SASL_USERNAME} y {SASL_PASSWORD}"
        ));
    }
    if let Some((protocolo, _)) = escrita.split_once("://") {
        return mal(&format!("sobra «{protocolo}://»"));
    }
    if escrita.contains([';', ' ', '|']) {
        return mal("varios se separan con comas");
    }
    match host_y_puerto(escrita) {
        Ok((_, Some(_))) => Ok(escrita.to_owned()),
        Ok((_, None)) if opcion.nombre == IP_LOCAL.nombre => Ok(format!("{escrita}:{PUERTO}")),
        Ok((_, None)) => mal("le falta el puerto"),
        Err(razon) => mal(&razon),
    }
}

/// La primera opción de librdkafka que se ha dicho.
fn de_librdkafka(valores: &Valores) -> Option<Opcion> {
    DE_LIBRDKAFKA.into_iter().chain([KAFKA_CONFIG]).find(|o| valores.fuente(o).is_some())
}

/// Lo que se le pide a librdkafka.
fn propiedades(valores: &Valores) -> Result<Propiedades, Fallo> {
    let mut propiedades = Vec::new();
    for opcion in &DE_LIBRDKAFKA {
        if let Some(valor) = valores.propio(opcion)? {
            propiedades.push((opcion.nombre.replace('-', "."), valor));
        }
    }
    for par in valores.todos(&KAFKA_CONFIG).iter().flat_map(|texto| pares(texto)) {
        let clave_y_valor = par.split_once('=').map(|(clave, valor)| (clave.trim(), valor));
        let Some((clave, valor)) = clave_y_valor.filter(|(clave, _)| !clave.is_empty()) else {
            return Err(Fallo::Uso("--kafka-config se escribe clave=valor".to_owned()));
        };
        if NUESTRAS.contains(&clave) {
            return Err(Fallo::Uso(format!("{clave} no se puede cambiar con --kafka-config")));
        }
        propiedades.push((clave.to_owned(), valor.to_owned()));
    }
    if let Some(puesta) = de_librdkafka(valores)
        && !cfg!(feature = "librdkafka")
    {
        return Err(Fallo::Uso(format!(
            "{puesta} es para librdkafka, que este programa no lleva: compílalo con --features librdkafka"
        )));
    }
    Ok(Propiedades(propiedades))
}

/// `a=1,b=2` son dos propiedades; `a=1,2`, una. Detrás de una coma empieza otra si hay un nombre como los de
/// librdkafka y un signo igual.
fn pares(texto: &str) -> Vec<&str> {
    let empieza = |resto: &str| {
        let es_nombre = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_';
        resto.trim_start().split_once('=').is_some_and(|(clave, _)| clave.trim_end().chars().all(es_nombre))
    };
    let cortes = texto.match_indices(',').map(|(i, _)| i).filter(|i| empieza(&texto[i + 1..]));
    let mut desde = 0;
    let mut pares = Vec::new();
    for corte in cortes.chain([texto.len()]) {
        pares.push(&texto[desde..corte]);
        desde = corte + 1;
    }
    pares
}
