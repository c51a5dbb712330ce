//! Opciones de los programas: primero la línea de órdenes, luego el entorno y luego el `.env`.
//!
//! Cada programa tiene una tabla de [`Opcion`]; de ella salen la lectura y la `--ayuda`. Hay un fichero por
//! motor ([`influxdb`], [`kafka`], [`mongodb`]) y uno por programa.

pub mod agente;
pub mod consumidor;
pub mod dotenv;
pub mod fuentes;
pub mod influxdb;
pub mod kafka;
pub mod mongodb;
pub mod opciones;
#[cfg(feature = "panel")]
pub mod panel;
mod parecidas;
pub mod productor;
pub mod valores;

use std::path::PathBuf;

pub use opciones::{Opcion, Programa};
pub use valores::Valores;

const SILENCIOSO: Opcion = Opcion::interruptor("silencioso", "Solo avisos y errores");
const DETALLE: Opcion =
    Opcion { corta: Some('v'), ..Opcion::interruptor("detalle", "Cuenta también los detalles") };
const LOG: Opcion = Opcion::new("log", "FICHERO", "", "Añade los avisos, con hora y nivel, a un fichero");

/// Las opciones que tienen todos los programas.
pub const GENERALES: &[Opcion] = &[SILENCIOSO, DETALLE, LOG];

/// Lo que un programa enseña: las opciones comunes a todos.
#[derive(Debug, Clone, Default)]
pub struct Salida {
    /// Solo avisos y errores.
    pub silencioso: bool,
    /// También los detalles.
    pub detalle: bool,
    /// Fichero al que se añaden los avisos.
    pub log: Option<PathBuf>,
    /// Lo que hay que decir de la configuración al empezar.
    pub avisos: Vec<String>,
}

impl Salida {
    fn de(valores: &Valores) -> Self {
        Salida {
            silencioso: valores.puesto(&SILENCIOSO),
            detalle: valores.puesto(&DETALLE),
            log: valores.texto(&LOG).map(PathBuf::from),
            avisos: valores.avisos().to_vec(),
        }
    }
}

/// La carpeta de datos. La tienen todos, y cada uno dice qué guarda en ella.
const fn de_datos(ayuda: &'static str) -> Opcion {
    Opcion::new("datos", "CARPETA", "", ayuda)
}

fn datos(valores: &Valores) -> PathBuf {
    valores.texto(&de_datos("")).unwrap_or_else(|| "datos".to_owned()).into()
}
