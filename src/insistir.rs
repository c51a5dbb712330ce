//! Insistir hasta que salga: un servidor que se va y vuelve no para el programa.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::avisos::{Avisos, Nivel};
use crate::fallo::Fallo;
use crate::guardia::Guardia;
use crate::herramientas::reintentos::{Politica, Reintentos};
use crate::parada::Parada;

/// La espera crece hasta los cinco segundos, y no se deja nunca de probar.
pub const POLITICA: Politica = Politica {
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

/// Quien insiste con un motor, y dice por qué no sale.
pub struct Insistencia {
    guardia: Guardia,
    parada: Parada,
    avisos: Avisos,
    politica: Politica,
}

impl Insistencia {
    /// Insiste con `quien`: «el broker», «la base de datos».
    pub fn new(quien: &'static str, parada: &Parada, avisos: &Avisos) -> Self {
        Insistencia {
            guardia: Guardia::new(quien, avisos),
            parada: parada.clone(),
            avisos: avisos.clone(),
            politica: POLITICA,
        }
    }

    /// Repite `tarea` hasta que salga, esperando cada vez más. Nada, si mientras tanto se pide parar.
    ///
    /// # Errors
    /// El primer error que no se puede arreglar esperando.
    pub fn insistir<T, E: Reintentable>(
        &self,
        mut tarea: impl FnMut() -> Result<T, E>,
    ) -> Result<Option<T>, Fallo> {
        let mut reintentos = Reintentos::new(self.politica.clone());
        let mut dicho = String::new();
        loop {
            match self.guardia.vigilar(&mut tarea) {
                Ok(hecho) => {
                    if !dicho.is_empty() {
                        (self.avisos)(Nivel::Info, "Vuelve a responder; se sigue donde se estaba.");
                    }
                    return Ok(Some(hecho));
                }
                Err(error) if error.es_pasajero() => {
                    // Una frase por problema, no por reintento; si el problema cambia, la nueva.
                    let frase = format!("{error}. No se pierde nada: se reintenta solo.");
                    let nivel = if frase == dicho { Nivel::Detalle } else { Nivel::Aviso };
                    (self.avisos)(nivel, &frase);
                    dicho = frase;
                    let espera = reintentos.fallo(Instant::now(), fastrand::f64());
                    if self.parada.esperar_hasta(Instant::now() + espera) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(Fallo::Ejecucion(error.to_string())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::ErrorBroker;
    use std::sync::{Arc, Mutex};

    #[test]
    fn otra_causa_se_dice_y_la_misma_no_se_repite() {
        let dichas = Arc::new(Mutex::new(Vec::new()));
        let apuntar = Arc::clone(&dichas);
        let avisos: Avisos =
            Arc::new(move |nivel, frase| apuntar.lock().unwrap().push((nivel, frase.to_owned())));
        let mut broker = Insistencia::new("el broker", &Parada::default(), &avisos);
        broker.politica.max_retry_delay = Duration::ZERO;
        let mut causas = ["caído", "caído", "sin topic", "caído"].into_iter();
        let hecho = broker.insistir(|| match causas.next() {
            Some(causa) => Err(ErrorBroker::Pasajero(causa.to_owned())),
            None => Ok(7),
        });
        assert_eq!(hecho.unwrap(), Some(7));
        let dichas = dichas.lock().unwrap();
        let (niveles, frases): (Vec<_>, Vec<_>) = dichas.iter().map(|(n, f)| (*n, &**f)).unzip();
        assert_eq!(niveles, [Nivel::Aviso, Nivel::Detalle, Nivel::Aviso, Nivel::Aviso, Nivel::Info]);
        assert!(
            frases[2].starts_with("sin topic") && frases[4].starts_with("Vuelve a responder"),
            "{frases:?}"
        );
    }
}
