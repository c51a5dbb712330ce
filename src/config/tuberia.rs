//! La configuración de `productor_metrics_iabd06` y `consumidor_metrics_iabd06`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{GENERALES, Opcion, Programa, Salida, Valores, opcion};
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

/// Dónde se guardan los documentos.
#[derive(Clone, PartialEq, Eq)]
pub enum BaseDeDatos {
    /// Nada configurado: el fichero de la carpeta de datos.
    Embebida,
    /// Un MongoDB.
    Mongo {
        /// La cadena de conexión, con su contraseña.
        uri: String,
        /// La base de datos.
        base: String,
    },
}

/// Lo que se puede pedir al productor.
pub struct Productor {
    /// Adónde van los mensajes.
    pub broker: Broker,
    /// Carpeta de datos.
    pub datos: PathBuf,
    /// Cuántos servidores se simulan.
    pub servidores: usize,
    /// Tiempo entre rondas; cero con `--sin-pausa`.
    pub intervalo: Duration,
    /// Rondas antes de acabar; sin ellas, hasta Ctrl-C.
    pub rondas: Option<u64>,
    /// Semilla de las métricas.
    pub semilla: Option<u64>,
    /// Lo que se enseña.
    pub salida: Salida,
}

/// Lo que se puede pedir al consumidor.
pub struct Consumidor {
    /// De dónde salen los mensajes.
    pub broker: Broker,
    /// Dónde se guardan los documentos.
    pub base: BaseDeDatos,
    /// Carpeta de datos.
    pub datos: PathBuf,
    /// El grupo de consumidores.
    pub group_id: String,
    /// Mensajes por ventana.
    pub ventana: u64,
    /// Mensajes que se leen antes de acabar; sin ellos, hasta Ctrl-C.
    pub mensajes: Option<u64>,
    /// Lo que se enseña.
    pub salida: Salida,
}

const DEL_BROKER: &[Opcion] = &[
    opcion(
        "broker",
        "HOST:PUERTO",
        "KAFKA_BOOTSTRAP_SERVERS",
        "Kafka; varios, separados por comas [el motor embebido]",
    ),
    opcion("ip-local", "IP", "IP_LOCAL", "Lo mismo que --broker IP:29092, el de docker-compose.yml"),
    opcion("security-protocol", "MODO", "KAFKA_SECURITY_PROTOCOL", "Con librdkafka: SSL, SASL_SSL…"),
    opcion("sasl-mechanism", "MODO", "KAFKA_SASL_MECHANISM", "Con librdkafka: PLAIN, SCRAM-SHA-512…"),
    opcion("sasl-username", "USUARIO", "KAFKA_SASL_USERNAME", "Con librdkafka: el usuario"),
    opcion("sasl-password", "CLAVE", "KAFKA_SASL_PASSWORD", "Con librdkafka: su contraseña (mejor en .env)"),
    opcion(
        "ssl-ca-location",
        "FICHERO",
        "KAFKA_SSL_CA_LOCATION",
        "Con librdkafka: el certificado de quien firma",
    ),
    opcion("kafka-config", "CLAVE=VALOR", "", "Con librdkafka: otras propiedades suyas, separadas por comas"),
    opcion("datos", "CARPETA", "", "Dónde está el motor embebido [datos]"),
];

/// La base de datos, que es también de donde lee el panel.
pub(super) const DE_MONGODB: &[Opcion] = &[
    opcion("mongodb-uri", "URI", "MONGODB_URI", "MongoDB o Atlas (mejor en .env: lleva la contraseña)"),
    opcion("mongodb-database", "BASE", "MONGODB_DATABASE", "Base de datos de MongoDB [iabd06]"),
];

/// El productor y su ayuda.
pub const PRODUCTOR: Programa = Programa {
    nombre: "productor_metrics_iabd06",
    resumen: "Simula servidores que mandan sus métricas al topic system-metrics-topic-iabd06.\n\
              Sin configurar nada, el broker es el motor embebido: datos/motor.sqlite3.",
    opciones: &[
        DEL_BROKER,
        &[
            opcion("servidores", "N", "", "Servidores simulados [5]"),
            opcion("intervalo", "TIEMPO", "", "Tiempo entre rondas [10s]"),
            opcion("sin-pausa", "", "", "Una ronda detrás de otra"),
            opcion("rondas", "N", "", "Acaba tras N rondas [hasta Ctrl-C]"),
            opcion("semilla", "N", "", "Repite las mismas métricas (no los UUID ni la hora)"),
        ],
        GENERALES,
    ],
    pie: PIE,
};

/// El consumidor y su ayuda.
pub const CONSUMIDOR: Programa = Programa {
    nombre: "consumidor_metrics_iabd06",
    resumen: "Guarda en crudo los mensajes del topic system-metrics-topic-iabd06 y, cada 20, sus KPIs.\n\
              Sin configurar nada, broker y base de datos son el motor embebido: datos/motor.sqlite3.",
    opciones: &[
        DEL_BROKER,
        DE_MONGODB,
        &[
            opcion("group-id", "GRUPO", "", "Grupo de consumidores [consumidor_metrics_iabd06]"),
            opcion("ventana", "N", "", "Mensajes por ventana de KPIs [20]"),
            opcion("mensajes", "N", "", "Acaba tras leer N mensajes [hasta Ctrl-C]"),
        ],
        GENERALES,
    ],
    pie: PIE,
};

const PIE: &str = "Las variables se leen del entorno o de .env.";

impl Productor {
    /// Lee la configuración.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no vale.
    pub fn leer() -> Result<Self, Fallo> {
        let valores = &Valores::del_proceso(&PRODUCTOR)?;
        let intervalo = valores.duracion("intervalo", Duration::from_secs(10), Duration::from_millis(1))?;
        let servidores = valores.entero("servidores", 5, 1)?;
        if servidores > 1_000_000 {
            return Err(Fallo::Uso("--servidores no puede pasar de un millón".to_owned()));
        }
        Ok(Productor {
            broker: broker(valores)?,
            datos: datos(valores),
            servidores: usize::try_from(servidores).unwrap_or(usize::MAX),
            intervalo: if valores.puesto("sin-pausa") { Duration::ZERO } else { intervalo },
            rondas: opcional(valores, "rondas", 1)?,
            semilla: opcional(valores, "semilla", 0)?,
            salida: Salida::de(valores),
        })
    }
}

impl Consumidor {
    /// Lee la configuración.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no vale.
    pub fn leer() -> Result<Self, Fallo> {
        let valores = &Valores::del_proceso(&CONSUMIDOR)?;
        let group_id = valores.texto("group-id").unwrap_or_else(|| CONSUMIDOR.nombre.to_owned());
        if group_id.is_empty() {
            return Err(Fallo::Uso("--group-id no puede estar vacío".to_owned()));
        }
        Ok(Consumidor {
            broker: broker(valores)?,
            base: base_de_datos(valores)?,
            datos: datos(valores),
            group_id,
            ventana: valores.entero("ventana", 20, 1)?,
            mensajes: opcional(valores, "mensajes", 1)?,
            salida: Salida::de(valores),
        })
    }
}

/// La base de datos que dicen los valores. Si no hay ninguna, la embebida.
pub(super) fn base_de_datos(valores: &Valores) -> Result<BaseDeDatos, Fallo> {
    match (valores.texto("mongodb-uri"), valores.texto("mongodb-database")) {
        (None, None) => Ok(BaseDeDatos::Embebida),
        (Some(uri), base) => {
            Ok(BaseDeDatos::Mongo { uri, base: base.unwrap_or_else(|| "iabd06".to_owned()) })
        }
        (None, Some(_)) => {
            let (puesta, falta) = (valores.nombre("mongodb-database"), valores.nombre("mongodb-uri"));
            Err(Fallo::Uso(format!("está {puesta} pero falta la conexión: {falta}")))
        }
    }
}

pub(super) fn datos(valores: &Valores) -> PathBuf {
    valores.texto("datos").unwrap_or_else(|| "datos".to_owned()).into()
}

fn opcional(valores: &Valores, nombre: &str, minimo: u64) -> Result<Option<u64>, Fallo> {
    valores.texto(nombre).map(|_| valores.entero(nombre, minimo, minimo)).transpose()
}

/// Las opciones que son propiedades de librdkafka. La propiedad se llama igual, con puntos.
const DE_LIBRDKAFKA: [&str; 5] =
    ["security-protocol", "sasl-mechanism", "sasl-username", "sasl-password", "ssl-ca-location"];

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
    let nombres = DE_LIBRDKAFKA.iter().filter_map(|n| Some((n.replace('-', "."), valores.texto(n)?)));
    let mut propiedades: Vec<_> = nombres.collect();
    for par in valores.texto("kafka-config").iter().flat_map(|texto| texto.split(',')) {
        let (clave, valor) =
            par.split_once('=').filter(|(clave, _)| !clave.trim().is_empty()).ok_or_else(|| {
                Fallo::Uso("--kafka-config se escribe clave=valor, o clave=valor,clave=valor".to_owned())
            })?;
        if NUESTRAS.contains(&clave.trim()) {
            return Err(Fallo::Uso(format!("{} no se puede cambiar con --kafka-config", clave.trim())));
        }
        propiedades.push((clave.trim().to_owned(), valor.to_owned()));
    }
    let puesta = [&DE_LIBRDKAFKA[..], &["kafka-config"]].concat();
    match puesta.into_iter().find(|n| valores.texto(n).is_some()) {
        Some(puesta) if !cfg!(feature = "librdkafka") => Err(Fallo::Uso(format!(
            "{} es para librdkafka, que este programa no lleva: compílalo con --features librdkafka",
            valores.nombre(puesta)
        ))),
        Some(puesta) if valores.texto("broker").or_else(|| valores.texto("ip-local")).is_none() => {
            let (puesta, falta) = (valores.nombre(puesta), valores.nombre("broker"));
            Err(Fallo::Uso(format!("está {puesta} pero falta el broker: {falta}")))
        }
        _ => Ok(Propiedades(propiedades)),
    }
}

/// Las direcciones de Kafka; sin puerto, el del docker-compose.yml.
fn broker(valores: &Valores) -> Result<Broker, Fallo> {
    let propiedades = propiedades(valores)?;
    let texto = valores.texto("broker").or_else(|| valores.texto("ip-local"));
    let Some(texto) = texto else { return Ok(Broker::Embebido) };
    let direcciones = texto.split(',').map(str::trim).filter(|d| !d.is_empty());
    let direcciones = direcciones.map(|d| match d.rsplit_once(':') {
        None => Ok(format!("{d}:{PUERTO}")),
        Some((host, puerto)) if !host.is_empty() && puerto.parse::<u16>().is_ok_and(|p| p > 0) => {
            Ok(d.to_owned())
        }
        Some(_) => {
            Err(Fallo::Uso(format!("«{d}» no es un broker: se espera host:puerto, como localhost:{PUERTO}")))
        }
    });
    match direcciones.collect::<Result<Vec<_>, _>>()? {
        vacias if vacias.is_empty() => {
            Err(Fallo::Uso("el broker está vacío: se espera host:puerto".to_owned()))
        }
        direcciones => Ok(Broker::Kafka(direcciones, propiedades)),
    }
}
