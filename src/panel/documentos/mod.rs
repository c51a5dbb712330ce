//! Los documentos del consumidor, vistos desde el panel: la costura y lo que comparten sus motores.

mod campos;
mod de_bson;
#[cfg(feature = "embebido")]
mod de_json;
#[cfg(feature = "embebido")]
pub mod embebido;
pub mod mongodb;

use super::instante::ADELANTO;
use crate::fallo::Frase;

/// Las métricas de un mensaje que se enseñan, en su orden.
pub const METRICAS: [&str; 5] =
    ["cpu_percent", "memory_percent", "disk_io_mbps", "network_mbps", "error_count"];
/// Los KPIs de una ventana, en su orden.
pub const CAMPOS_KPI: [&str; 6] = [
    "cpu_percent_avg",
    "memory_percent_avg",
    "disk_io_mbps_avg",
    "network_mbps_avg",
    "error_count_sum",
    "tasa_procesamiento_msg_seg",
];

/// Los documentos más nuevos que se leen de una vez de cada colección. Lo que haya detrás no se mira: así
/// un millón cuesta lo que diez mil. De ventanas, son más de las que hay en siete días a una cada 40 s.
pub const MAX_LECTURA: usize = 20_000;
/// Bytes que se leen de una vez: quien mande textos de un mega no llena la memoria.
pub const MAX_BYTES: usize = 64 << 20;
/// Descartados que se enseñan.
pub const MAX_DESCARTADOS: usize = 50;

/// Un mensaje en crudo. Los instantes son milisegundos desde 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Crudo {
    /// Quién lo manda, ya recortado.
    pub server_id: String,
    /// Su hora: la suya si es creíble y, si no, la de llegada.
    pub t: i64,
    /// Cuándo llegó.
    pub recibido: i64,
    /// Las métricas, en el orden de [`METRICAS`].
    pub metricas: [Option<f64>; 5],
    /// De qué partición.
    pub particion: i64,
    /// Su offset.
    pub offset: i64,
}

/// Una ventana cerrada.
#[derive(Debug, Clone, PartialEq)]
pub struct Ventana {
    /// Su `_id`.
    pub id: String,
    /// De qué partición.
    pub particion: i64,
    /// Offset del primer mensaje y del último.
    pub offsets: [i64; 2],
    /// Cuántos mensajes.
    pub num_mensajes: i64,
    /// `ventana_inicio` y `ventana_fin`.
    pub entre: [i64; 2],
    /// `duracion_ventana_seg`.
    pub duracion: Option<f64>,
    /// Los KPIs, en el orden de [`CAMPOS_KPI`].
    pub kpis: [Option<f64>; 6],
}

/// Un mensaje que no cuenta.
#[derive(Debug, Clone, PartialEq)]
pub struct Descartado {
    /// Su `_id`.
    pub id: String,
    /// De qué partición.
    pub particion: i64,
    /// Su offset.
    pub offset: i64,
    /// Por qué no cuenta.
    pub razon: String,
    /// Cuándo llegó.
    pub recibido: i64,
    /// Cómo empieza.
    pub contenido: String,
}

/// Lo nuevo desde la última vez; la primera, lo más nuevo que hay. Cada lista, por orden de llegada.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lectura {
    /// La base de datos es otra, o se ha vaciado: lo de antes no vale.
    pub de_cero: bool,
    /// Mensajes en crudo.
    pub crudos: Vec<Crudo>,
    /// Si de los crudos solo se han leído los más nuevos.
    pub salteados: bool,
    /// Ventanas cerradas.
    pub ventanas: Vec<Ventana>,
    /// Mensajes que no cuentan.
    pub descartados: Vec<Descartado>,
    /// Cuántos hay en total de cada: crudos, ventanas y descartados. Sin contar los ajenos.
    pub totales: [u64; 3],
    /// Los que hay y no se enseñan, de cada.
    pub extranos: [Extranos; 3],
}

/// Documentos que no se enseñan, en total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extranos {
    /// Los que no tienen la forma de los que guarda el consumidor: son de otro programa.
    pub ajenos: u64,
    /// Los que dicen haber llegado más de `ADELANTO` después de ahora.
    pub del_futuro: u64,
}

/// De dónde se leen los documentos.
pub trait Documentos: Send {
    /// El nombre del motor y dónde está, sin credenciales.
    fn motor(&self) -> (&'static str, String);

    /// Lee lo nuevo.
    ///
    /// # Errors
    /// Una frase para el usuario. La siguiente vez se sigue por donde se iba.
    fn leer(&mut self) -> Result<Lectura, Frase>;
}

/// Los documentos del motor embebido en un programa compilado sin él.
pub struct SinEmbebido;

impl Documentos for SinEmbebido {
    fn motor(&self) -> (&'static str, String) {
        ("motor embebido", "no compilado".to_owned())
    }

    fn leer(&mut self) -> Result<Lectura, Frase> {
        Err("este programa se ha compilado sin el motor embebido: di con MONGODB_URI dónde están los \
             mensajes y los KPIs"
            .into())
    }
}

/// Cómo se llama un servidor que no dice quién es.
const SIN_NOMBRE: &str = "(sin server_id)";
/// Letras de un `server_id`, de una razón y de un contenido.
pub const MAX_LETRAS: usize = 200;

/// La hora de un mensaje: la suya, salvo que falte o sea del futuro, que rompería los gráficos.
pub fn hora(suya: Option<i64>, recibido: i64) -> i64 {
    suya.filter(|t| (0..recibido.saturating_add(ADELANTO)).contains(t)).unwrap_or(recibido)
}
