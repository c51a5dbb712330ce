//! La configuración de `consumidor_metrics_iabd06`.

use std::path::PathBuf;

use super::kafka::{Broker, DEL_BROKER, broker};
use super::mongodb::{BaseDeDatos, DE_MONGODB, base_de_datos};
use super::{GENERALES, Opcion, Programa, Salida, Valores, datos};
use crate::fallo::Fallo;

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

const GROUP_ID: Opcion =
    Opcion::new("group-id", "GRUPO", "", "Grupo de consumidores [consumidor_metrics_iabd06]");
const VENTANA: Opcion = Opcion::new("ventana", "N", "", "Mensajes por ventana de KPIs [20]");
const MENSAJES: Opcion = Opcion::new("mensajes", "N", "", "Acaba tras leer N mensajes [hasta Ctrl-C]");

/// El programa y su ayuda.
pub const PROGRAMA: Programa = Programa {
    nombre: "consumidor_metrics_iabd06",
    resumen: "Guarda en crudo los mensajes del topic system-metrics-topic-iabd06 y, cada 20, sus KPIs.\n\
              Sin configurar nada, broker y base de datos son el motor embebido: datos/motor.sqlite3.",
    opciones: &[DEL_BROKER, DE_MONGODB, &[GROUP_ID, VENTANA, MENSAJES], GENERALES],
    pie: "Las variables se leen del entorno o de .env.",
};

impl Consumidor {
    /// Lee la configuración de este proceso.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no vale.
    pub fn leer() -> Result<Self, Fallo> {
        Consumidor::de(&Valores::del_proceso(&PROGRAMA)?)
    }

    /// La configuración que dicen los valores.
    ///
    /// # Errors
    /// Los de [`Consumidor::leer`].
    pub fn de(valores: &Valores) -> Result<Self, Fallo> {
        let group_id = valores.texto(&GROUP_ID).unwrap_or_else(|| PROGRAMA.nombre.to_owned());
        if group_id.is_empty() {
            return Err(Fallo::Uso(format!("{GROUP_ID} no puede estar vacío")));
        }
        let ventana = valores.entero(&VENTANA, 20, 1)?;
        if ventana > 1_000_000 {
            return Err(Fallo::Uso("--ventana no puede pasar de un millón".to_owned()));
        }
        Ok(Consumidor {
            broker: broker(valores)?,
            base: base_de_datos(valores)?,
            datos: datos(valores),
            group_id,
            ventana,
            mensajes: valores.opcional(&MENSAJES, 1)?,
            salida: Salida::de(valores),
        })
    }
}
