//! La configuración de `productor_metrics_iabd06`.

use std::path::PathBuf;
use std::time::Duration;

use super::kafka::{Broker, DEL_BROKER, broker};
use super::{GENERALES, Opcion, Programa, Salida, Valores, datos};
use crate::fallo::Fallo;

/// Los servidores simulados caben en memoria y en una pantalla de mensajes.
const MAX_SERVIDORES: usize = 1_000_000;

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

const SERVIDORES: Opcion = Opcion::new("servidores", "N", "", "Servidores simulados [5]");
const INTERVALO: Opcion = Opcion::new("intervalo", "TIEMPO", "", "Tiempo entre rondas [10s]");
const SIN_PAUSA: Opcion = Opcion::interruptor("sin-pausa", "Una ronda detrás de otra");
const RONDAS: Opcion = Opcion::new("rondas", "N", "", "Acaba tras N rondas [hasta Ctrl-C]");
const SEMILLA: Opcion =
    Opcion::new("semilla", "N", "", "Repite las mismas métricas (no los UUID ni la hora)");

/// El programa y su ayuda.
pub const PROGRAMA: Programa = Programa {
    nombre: "productor_metrics_iabd06",
    resumen: "Simula servidores que mandan sus métricas al topic system-metrics-topic-iabd06.\n\
              Sin configurar nada, el broker es el motor embebido: datos/motor.sqlite3.",
    opciones: &[DEL_BROKER, &[SERVIDORES, INTERVALO, SIN_PAUSA, RONDAS, SEMILLA], GENERALES],
    pie: "Las variables se leen del entorno o de .env.",
};

impl Productor {
    /// Lee la configuración de este proceso.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no vale.
    pub fn leer() -> Result<Self, Fallo> {
        Productor::de(&Valores::del_proceso(&PROGRAMA)?)
    }

    /// La configuración que dicen los valores.
    ///
    /// # Errors
    /// Los de [`Productor::leer`].
    pub fn de(valores: &Valores) -> Result<Self, Fallo> {
        let intervalo = valores.duracion(&INTERVALO, Duration::from_secs(10), Duration::from_millis(1))?;
        let servidores = valores.entero(&SERVIDORES, 5, 1)?;
        if servidores > MAX_SERVIDORES {
            return Err(Fallo::Uso("--servidores no puede pasar de un millón".to_owned()));
        }
        Ok(Productor {
            broker: broker(valores)?,
            datos: datos(valores),
            servidores,
            intervalo: if valores.puesto(&SIN_PAUSA) { Duration::ZERO } else { intervalo },
            rondas: valores.opcional(&RONDAS, 1)?,
            semilla: valores.opcional(&SEMILLA, 0)?,
            salida: Salida::de(valores),
        })
    }
}
