//! La configuración de `agente_monitoreo`.

use std::path::PathBuf;
use std::time::Duration;

use super::{GENERALES, Opcion, Programa, Valores, opcion};
use crate::fallo::Fallo;
use crate::herramientas::texto::enumerar;
use crate::influx::acceso::{Acceso, host_de};
use crate::influx::diario::Limites;
use crate::influx::{Ajustes, Lugar, WriteOptions};

/// Lo que se puede pedir al agente.
pub struct Agente {
    /// Tag `host_id`.
    pub host_id: String,
    /// Tag `entorno`.
    pub entorno: String,
    /// Tiempo entre lecturas.
    pub intervalo: Duration,
    /// Lecturas antes de acabar; sin ellas, hasta Ctrl-C.
    pub lecturas: Option<u64>,
    /// Carpeta de datos.
    pub datos: PathBuf,
    /// Adónde van los puntos.
    pub lugar: Lugar,
    /// Cómo se agrupan y se reintentan.
    pub write_options: WriteOptions,
    /// Tamaño del diario.
    pub limites: Limites,
    /// Lo que se enseña.
    pub salida: super::Salida,
}

const PROPIAS: &[Opcion] = &[
    opcion("host-id", "NOMBRE", "", "Tag host_id de los puntos [servidor_A]"),
    opcion("entorno", "NOMBRE", "", "Tag entorno de los puntos [produccion]"),
    opcion("intervalo", "TIEMPO", "", "Tiempo entre lecturas, de 200ms en adelante [1s]"),
    opcion("lecturas", "N", "", "Acaba tras N lecturas [hasta Ctrl-C]"),
    opcion("datos", "CARPETA", "", "Dónde guardar el diario o el fichero [datos]"),
];

/// El servidor, que es también de donde lee el panel.
pub(super) const SERVIDOR: &[Opcion] = &[
    opcion("url", "URL", "INFLUXDB_V2_URL", "InfluxDB 2 o 3: dirección del servidor"),
    opcion(
        "token",
        "TOKEN",
        "INFLUXDB_V2_TOKEN",
        "Token (mejor en .env: aquí se ve en la lista de procesos)",
    ),
    opcion("org", "ORG", "INFLUXDB_V2_ORG", "Organización"),
    opcion("bucket", "BUCKET", "INFLUXDB_BUCKET", "Bucket"),
    opcion("v1-url", "URL", "INFLUXDB_V1_URL", "InfluxDB 1.x: dirección del servidor"),
    opcion("v1-database", "BASE", "INFLUXDB_V1_DATABASE", "InfluxDB 1.x: base de datos"),
    opcion("v1-user", "USUARIO", "INFLUXDB_V1_USER", "InfluxDB 1.x: usuario, si lo pide"),
    opcion("v1-password", "CLAVE", "INFLUXDB_V1_PASSWORD", "InfluxDB 1.x: contraseña (mejor en .env)"),
];

const DE_ESCRITURA: &[Opcion] = &[
    opcion("batch-size", "N", "", "Puntos por lote [1000]"),
    opcion("flush-interval", "TIEMPO", "", "Cada cuánto se vacía el buffer [10s]"),
    opcion("jitter-interval", "TIEMPO", "", "Azar que se suma a flush-interval [0ms]"),
    opcion("retry-interval", "TIEMPO", "", "Espera base tras un fallo [5s]"),
    opcion("max-retries", "N", "", "Reintentos antes de dejar reposar un lote [5]"),
    opcion("max-retry-delay", "TIEMPO", "", "Tope entre reintentos, y ritmo del reposo [125s]"),
    opcion("max-retry-time", "TIEMPO", "", "Tiempo de reintentos antes del reposo [180s]"),
    opcion("exponential-base", "N", "", "Base de la espera exponencial [2]"),
    opcion("max-close-wait", "TIEMPO", "", "Lo más que espera close() al parar [5s]"),
    opcion("diario-max", "MIB", "", "Tope del diario en disco, en MiB [64]"),
];

/// El programa y su ayuda.
pub const PROGRAMA: Programa = Programa {
    nombre: "agente_monitoreo",
    resumen: "Lee CPU, RAM y disco de esta máquina y los escribe por lotes en InfluxDB (práctica PR0204).\n\
              Sin configurar nada, los escribe en datos/rendimiento_servidor.lp.",
    opciones: &[PROPIAS, SERVIDOR, DE_ESCRITURA, GENERALES],
    pie: "Las variables INFLUXDB_V2_URL, INFLUXDB_V2_TOKEN, INFLUXDB_V2_ORG e INFLUXDB_BUCKET (o INFLUXDB_V1_URL,\n\
          INFLUXDB_V1_DATABASE, INFLUXDB_V1_USER e INFLUXDB_V1_PASSWORD) se leen del entorno o de .env.\n\
          La guía paso a paso está en docs/01-agente-influxdb.md.",
};

impl Agente {
    /// Lee la configuración. `por_defecto` son las opciones de escritura que elige el programa.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no vale o falta.
    pub fn leer(por_defecto: WriteOptions) -> Result<Self, Fallo> {
        let valores = &Valores::del_proceso(&PROGRAMA)?;
        let lecturas = match valores.texto("lecturas") {
            Some(_) => Some(valores.entero("lecturas", 0, 1)?),
            None => None,
        };
        let mib = valores.entero("diario-max", Limites::default().total >> 20, 2)?;
        Ok(Agente {
            host_id: nombre(valores, "host-id", "servidor_A")?,
            entorno: nombre(valores, "entorno", "produccion")?,
            intervalo: valores.duracion("intervalo", Duration::from_secs(1), Duration::from_millis(200))?,
            lecturas,
            datos: valores.texto("datos").unwrap_or_else(|| "datos".to_owned()).into(),
            lugar: lugar(valores)?,
            write_options: write_options(valores, por_defecto)?,
            limites: Limites { total: mib.saturating_mul(1 << 20), ..Limites::default() },
            salida: super::Salida::de(valores),
        })
    }

    /// Lo que necesita el cliente de InfluxDB.
    pub fn ajustes(&self) -> Ajustes<'_> {
        Ajustes { host_id: &self.host_id, lugar: &self.lugar, datos: &self.datos, limites: self.limites }
    }
}

fn nombre(valores: &Valores, opcion: &str, por_defecto: &str) -> Result<String, Fallo> {
    let nombre = valores.texto(opcion).unwrap_or_else(|| por_defecto.to_owned());
    if nombre.trim_end_matches('\\').is_empty() {
        return Err(Fallo::Uso(format!("--{opcion} no puede estar vacío: InfluxDB no admite tags vacíos")));
    }
    Ok(nombre)
}

fn write_options(valores: &Valores, por_defecto: WriteOptions) -> Result<WriteOptions, Fallo> {
    let duracion = |nombre, defecto, minima| valores.duracion(nombre, defecto, Duration::from_millis(minima));
    let entero = |nombre, defecto, minimo| valores.entero(nombre, defecto, minimo);
    let d = por_defecto;
    Ok(WriteOptions {
        batch_size: entero("batch-size", d.batch_size as u64, 1)? as usize,
        flush_interval: duracion("flush-interval", d.flush_interval, 1)?,
        jitter_interval: duracion("jitter-interval", d.jitter_interval, 0)?,
        retry_interval: duracion("retry-interval", d.retry_interval, 1)?,
        max_retries: u32::try_from(entero("max-retries", d.max_retries.into(), 0)?).unwrap_or(u32::MAX),
        max_retry_delay: duracion("max-retry-delay", d.max_retry_delay, 1)?,
        max_retry_time: duracion("max-retry-time", d.max_retry_time, 0)?,
        exponential_base: u32::try_from(entero("exponential-base", d.exponential_base.into(), 1)?)
            .unwrap_or(u32::MAX),
        max_close_wait: duracion("max-close-wait", d.max_close_wait, 0)?,
    })
}

/// El destino que dicen los valores. Si no hay ninguno, el fichero; si están a medias, un error.
pub(super) fn lugar(valores: &Valores) -> Result<Lugar, Fallo> {
    const V2: [&str; 4] = ["url", "token", "org", "bucket"];
    const V1: [&str; 4] = ["v1-url", "v1-database", "v1-user", "v1-password"];
    let puesto = |nombres: [&'static str; 4]| nombres.into_iter().find(|n| valores.texto(n).is_some());
    match (puesto(V2), puesto(V1)) {
        (None, None) => Ok(Lugar::Fichero),
        (Some(v2), Some(v1)) => Err(Fallo::Uso(format!(
            "{} es de InfluxDB 2 y {} es de InfluxDB 1.x: deja solo lo de tu servidor",
            valores.nombre(v2),
            valores.nombre(v1)
        ))),
        (Some(_), None) => {
            let [url, token, org, bucket] = todos(valores, V2)?;
            host_de(&url).map_err(|frase| Fallo::Uso(frase.0))?;
            Ok(Lugar::Servidor { url, acceso: Acceso::V2 { token, org, bucket } })
        }
        (None, Some(_)) => {
            let [url, database] = todos(valores, ["v1-url", "v1-database"])?;
            host_de(&url).map_err(|frase| Fallo::Uso(frase.0))?;
            let credenciales = match (valores.texto("v1-user"), valores.texto("v1-password")) {
                (None, None) => None,
                _ => Some(todos(valores, ["v1-user", "v1-password"])?.into()),
            };
            Ok(Lugar::Servidor { url, acceso: Acceso::V1 { database, credenciales } })
        }
    }
}

/// Los valores de estas opciones, o una frase con las que faltan.
fn todos<const N: usize>(valores: &Valores, nombres: [&str; N]) -> Result<[String; N], Fallo> {
    let leidos = nombres.map(|n| valores.texto(n).ok_or_else(|| valores.nombre(n)));
    let faltan: Vec<_> = leidos.iter().filter_map(|l| l.as_ref().err().cloned()).collect();
    if faltan.is_empty() {
        return Ok(leidos.map(Result::unwrap_or_default));
    }
    Err(Fallo::Uso(format!(
        "para usar InfluxDB {} {}",
        if faltan.len() == 1 { "falta" } else { "faltan" },
        enumerar(&faltan)
    )))
}
