//! Insistir hasta que salga: un servidor que se va y vuelve no para el programa.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::avisos::{Avisos, Nivel};
use crate::fallo::Fallo;
use crate::herramientas::reintentos::{Politica, Reintentos};
use crate::parada::Parada;

/// La espera crece hasta los cinco segundos, y no se deja nunca de probar.
const POLITICA: Politica = Politica {
    retry_interval: Duration::from_millis(250),
    exponential_base: 2,
    max_retry_delay: Duration::from_secs(5),
    max_retries: u32::MAX,
    max_retry_time: Duration::MAX,
};

/// Un error que sabe si se puede arreglar solo.
pub trait Reintentable: Display {
    /// Si tiene sentido esperar y volver a probar.
    fn es_pasajero(&self) -> bool;
}

/// Repite `tarea` hasta que salga, esperando cada vez más. Nada, si mientras tanto se pide parar.
///
/// # Errors
/// El primer error que no se puede arreglar esperando.
pub fn insistir<T, E: Reintentable>(
    parada: &Parada,
    avisos: &Avisos,
    mut tarea: impl FnMut() -> Result<T, E>,
) -> Result<Option<T>, Fallo> {
    let mut reintentos = Reintentos::new(POLITICA);
    let mut fallos = 0;
    loop {
        match tarea() {
            Ok(hecho) => {
                if fallos > 0 {
                    avisos(Nivel::Info, "Vuelve a responder; se sigue donde se estaba.");
                }
                return Ok(Some(hecho));
            }
            Err(error) if error.es_pasajero() => {
                // Una frase por problema, no por reintento.
                let nivel = if fallos == 0 { Nivel::Aviso } else { Nivel::Detalle };
                avisos(nivel, &format!("{error}. No se pierde nada: se reintenta solo."));
                fallos += 1;
                let espera = reintentos.fallo(Instant::now(), fastrand::f64());
                if parada.esperar_hasta(Instant::now() + espera) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(Fallo::Ejecucion(error.to_string())),
        }
    }
}
