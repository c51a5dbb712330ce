//! La configuración de `agente_monitoreo`.

use std::path::PathBuf;
use std::time::Duration;

use super::influxdb::{SERVIDOR, lugar};
use super::{GENERALES, Opcion, Programa, Salida, Valores, datos, de_datos};
use crate::fallo::Fallo;
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
    /// La carpeta de otro destino cuyos puntos pasan a este, o `todo`.
    pub recuperar: Option<String>,
    /// Lo que se enseña.
    pub salida: Salida,
}

const HOST_ID: Opcion = Opcion::new("host-id", "NOMBRE", "", "Tag host_id de los puntos [servidor_A]");
const ENTORNO: Opcion = Opcion::new("entorno", "NOMBRE", "", "Tag entorno de los puntos [produccion]");
const INTERVALO: Opcion =
    Opcion::new("intervalo", "TIEMPO", "", "Tiempo entre lecturas, de 200ms en adelante [1s]");
const LECTURAS: Opcion = Opcion::new("lecturas", "N", "", "Acaba tras N lecturas [hasta Ctrl-C]");
const DATOS: Opcion = de_datos("Dónde guardar el diario o el fichero [datos]");

const BATCH_SIZE: Opcion = Opcion::new("batch-size", "N", "", "Puntos por lote [1000]");
const FLUSH_INTERVAL: Opcion =
    Opcion::new("flush-interval", "TIEMPO", "", "Cada cuánto se vacía el buffer [10s]");
const JITTER_INTERVAL: Opcion =
    Opcion::new("jitter-interval", "TIEMPO", "", "Azar que se suma a flush-interval [0ms]");
const RETRY_INTERVAL: Opcion = Opcion::new("retry-interval", "TIEMPO", "", "Espera base tras un fallo [5s]");
const MAX_RETRIES: Opcion =
    Opcion::new("max-retries", "N", "", "Reintentos antes de dejar reposar un lote [5]");
const MAX_RETRY_DELAY: Opcion =
    Opcion::new("max-retry-delay", "TIEMPO", "", "Tope entre reintentos, y ritmo del reposo [125s]");
const MAX_RETRY_TIME: Opcion =
    Opcion::new("max-retry-time", "TIEMPO", "", "Tiempo de reintentos antes del reposo [180s]");
const EXPONENTIAL_BASE: Opcion =
    Opcion::new("exponential-base", "N", "", "Base de la espera exponencial [2]");
const MAX_CLOSE_WAIT: Opcion =
    Opcion::new("max-close-wait", "TIEMPO", "", "Lo más que espera close() al parar [5s]");
const DIARIO_MAX: Opcion = Opcion::new("diario-max", "MIB", "", "Tope del diario en disco, en MiB [64]");
const RECUPERAR: Opcion = Opcion::new(
    "recuperar",
    "CARPETA",
    "",
    "Envía también lo que espera en otra carpeta del diario, o en «todo»",
);

/// El programa y su ayuda.
pub const PROGRAMA: Programa = Programa {
    nombre: "agente_monitoreo",
    resumen: "Lee CPU, RAM y disco de esta máquina y los escribe por lotes en InfluxDB (práctica PR0204).\n\
              Sin configurar nada, los escribe en datos/rendimiento_servidor.lp.",
    opciones: &[
        &[HOST_ID, ENTORNO, INTERVALO, LECTURAS, DATOS],
        SERVIDOR,
        &[BATCH_SIZE, FLUSH_INTERVAL, JITTER_INTERVAL, RETRY_INTERVAL, MAX_RETRIES, MAX_RETRY_DELAY],
        &[MAX_RETRY_TIME, EXPONENTIAL_BASE, MAX_CLOSE_WAIT, DIARIO_MAX, RECUPERAR],
        GENERALES,
    ],
    pie: "Las variables INFLUXDB_V2_URL, INFLUXDB_V2_TOKEN, INFLUXDB_V2_ORG e INFLUXDB_BUCKET (o INFLUXDB_V1_URL,\n\
          INFLUXDB_V1_DATABASE, INFLUXDB_V1_USER e INFLUXDB_V1_PASSWORD; y, con https, INFLUXDB_V2_SSL_CA_CERT) se leen\n\
          del entorno o de .env.\n\
          La guía paso a paso está en docs/01-agente-influxdb.md.",
};

impl Agente {
    /// Lee la configuración de este proceso. `por_defecto` son las opciones de escritura que elige el programa.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no vale o falta.
    pub fn leer(por_defecto: WriteOptions) -> Result<Self, Fallo> {
        Agente::de(&Valores::del_proceso(&PROGRAMA)?, por_defecto)
    }

    /// La configuración que dicen los valores.
    ///
    /// # Errors
    /// Los de [`Agente::leer`].
    pub fn de(valores: &Valores, por_defecto: WriteOptions) -> Result<Self, Fallo> {
        let mib: u64 = valores.entero(&DIARIO_MAX, Limites::default().total >> 20, 2)?;
        Ok(Agente {
            host_id: nombre(valores, &HOST_ID, "servidor_A")?,
            entorno: nombre(valores, &ENTORNO, "produccion")?,
            intervalo: valores.duracion(&INTERVALO, Duration::from_secs(1), Duration::from_millis(200))?,
            lecturas: valores.opcional(&LECTURAS, 1)?,
            datos: datos(valores),
            lugar: lugar(valores)?,
            write_options: write_options(valores, por_defecto)?,
            limites: Limites { total: mib.saturating_mul(1 << 20), ..Limites::default() },
            recuperar: valores.texto(&RECUPERAR),
            salida: Salida::de(valores),
        })
    }

    /// Lo que necesita el cliente de InfluxDB.
    pub fn ajustes(&self) -> Ajustes<'_> {
        Ajustes {
            host_id: &self.host_id,
            lugar: &self.lugar,
            datos: &self.datos,
            limites: self.limites,
            recuperar: self.recuperar.as_deref(),
        }
    }
}

fn nombre(valores: &Valores, opcion: &Opcion, por_defecto: &str) -> Result<String, Fallo> {
    let nombre = valores.texto(opcion).unwrap_or_else(|| por_defecto.to_owned());
    if nombre.trim_end_matches('\\').is_empty() {
        return Err(Fallo::Uso(format!("{opcion} no puede estar vacío: InfluxDB no admite tags vacíos")));
    }
    Ok(nombre)
}

fn write_options(valores: &Valores, d: WriteOptions) -> Result<WriteOptions, Fallo> {
    let duracion = |opcion, defecto, minima| valores.duracion(opcion, defecto, Duration::from_millis(minima));
    Ok(WriteOptions {
        batch_size: valores.entero(&BATCH_SIZE, d.batch_size, 1)?,
        flush_interval: duracion(&FLUSH_INTERVAL, d.flush_interval, 1)?,
        jitter_interval: duracion(&JITTER_INTERVAL, d.jitter_interval, 0)?,
        retry_interval: duracion(&RETRY_INTERVAL, d.retry_interval, 1)?,
        max_retries: valores.entero(&MAX_RETRIES, d.max_retries, 0)?,
        max_retry_delay: duracion(&MAX_RETRY_DELAY, d.max_retry_delay, 1)?,
        max_retry_time: duracion(&MAX_RETRY_TIME, d.max_retry_time, 0)?,
        exponential_base: valores.entero(&EXPONENTIAL_BASE, d.exponential_base, 1)?,
        max_close_wait: duracion(&MAX_CLOSE_WAIT, d.max_close_wait, 0)?,
    })
}
