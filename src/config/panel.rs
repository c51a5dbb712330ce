//! La configuración de `panel_metricas`.

use std::path::PathBuf;

use super::influxdb::{SERVIDOR, lugar};
use super::mongodb::{BaseDeDatos, DE_MONGODB, base_de_datos};
use super::{GENERALES, Opcion, Programa, Salida, Valores, datos, de_datos};
use crate::fallo::Fallo;
use crate::influx::Lugar;

/// Los puertos que se prueban si no se dice ninguno.
pub const PUERTOS: std::ops::RangeInclusive<u16> = 8080..=8099;

/// Lo que se puede pedir al panel.
pub struct Panel {
    /// La dirección en la que se escucha.
    pub escuchar: String,
    /// El puerto; sin él, el primero libre de [`PUERTOS`].
    pub puerto: Option<u16>,
    /// Si se abre el navegador.
    pub abrir: bool,
    /// Carpeta de datos.
    pub datos: PathBuf,
    /// De dónde se leen los puntos del agente.
    pub puntos: Lugar,
    /// De dónde se leen los documentos del consumidor.
    pub base: BaseDeDatos,
    /// Lo que se enseña.
    pub salida: Salida,
}

const PUERTO: Opcion =
    Opcion::new("puerto", "N", "", "Puerto de la página; 0, uno cualquiera [8080 o el siguiente libre]");
const ESCUCHAR: Opcion =
    Opcion::new("escuchar", "DIRECCIÓN", "", "Con 0.0.0.0 la ven también los demás ordenadores [127.0.0.1]");
const ABRIR: Opcion = Opcion::interruptor("abrir", "Abre la página en el navegador");
const DATOS: Opcion = de_datos("Dónde están el fichero del agente y el motor embebido [datos]");

/// El programa y su ayuda.
pub const PROGRAMA: Programa = Programa {
    nombre: "panel_metricas",
    resumen: "Enseña en una página web lo que guardan el agente y el consumidor. Solo lee.\n\
              Sin configurar nada, lee datos/rendimiento_servidor.lp y datos/motor.sqlite3.",
    opciones: &[&[PUERTO, ESCUCHAR, ABRIR, DATOS], SERVIDOR, DE_MONGODB, GENERALES],
    pie: "Las variables se leen del entorno o de .env: son las mismas que usan los otros programas.",
};

impl Panel {
    /// Lee la configuración de este proceso.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no vale o falta.
    pub fn leer() -> Result<Self, Fallo> {
        Panel::de(&Valores::del_proceso(&PROGRAMA)?)
    }

    /// La configuración que dicen los valores.
    ///
    /// # Errors
    /// Los de [`Panel::leer`].
    pub fn de(valores: &Valores) -> Result<Self, Fallo> {
        let puerto = match valores.texto(&PUERTO) {
            None => None,
            Some(texto) => Some(texto.parse().map_err(|_| {
                Fallo::Uso(format!("{PUERTO} tiene que ser un número de 0 a 65535, y es «{texto}»"))
            })?),
        };
        Ok(Panel {
            escuchar: valores.texto(&ESCUCHAR).unwrap_or_else(|| "127.0.0.1".to_owned()),
            puerto,
            abrir: valores.puesto(&ABRIR),
            datos: datos(valores),
            puntos: lugar(valores)?,
            base: base_de_datos(valores)?,
            salida: Salida::de(valores),
        })
    }
}
