//! Ctrl-C y SIGTERM: la primera vez se para con orden; la segunda, en el acto.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::avisos::{self, Nivel};
use crate::fallo::Frase;
use crate::herramientas::candado::{candado, sin_veneno};
use crate::herramientas::hilo::lanzar;

/// Una segunda señal antes de esto no es impaciencia: al cerrar un terminal llegan dos SIGHUP seguidas, la de
/// `bash` a sus trabajos y la del sistema.
const IMPACIENCIA: Duration = Duration::from_millis(500);

/// Alguien ha pedido parar, o todavía no. Se puede clonar y repartir.
#[derive(Clone, Default)]
pub struct Parada {
    interior: Arc<(Mutex<bool>, Condvar)>,
}

impl Parada {
    /// Atiende Ctrl-C, SIGTERM y SIGHUP. Otra señal, medio segundo después o más, acaba el proceso al momento
    /// (código 130).
    ///
    /// # Errors
    /// Si el sistema no deja instalar el manejador.
    pub fn instalar() -> Result<Self, Frase> {
        let parada = Parada::default();
        let otra = parada.clone();
        let mut primera = None; // pedir() también lo llaman otros, y no es una señal
        ctrlc::set_handler(move || {
            let ahora = Instant::now();
            if con_impaciencia(*primera.get_or_insert(ahora), ahora) {
                std::process::exit(130);
            }
            otra.pedir();
        })
        .map_err(|error| Frase(format!("el sistema no deja atender a Ctrl-C ({error})")))?;
        Ok(parada)
    }

    /// Si a los `limite` de pedirse la parada el programa sigue (colgado de una red que no contesta), lo
    /// acaba con este código y esta frase. Para programas que pueden acabar en cualquier punto.
    pub fn limitar(&self, limite: Duration, codigo: i32, frase: &'static str) {
        let parada = self.clone();
        // Sin este hilo queda la segunda señal.
        let _ = lanzar("limite", move || {
            while !parada.esperar_hasta(Instant::now() + Duration::from_secs(3600)) {}
            thread::sleep(limite);
            avisos::decir(Nivel::Aviso, frase);
            avisos::despedirse();
            std::process::exit(codigo);
        });
    }

    /// Pide parar.
    pub fn pedir(&self) {
        let (pedida, timbre) = &*self.interior;
        *candado(pedida) = true;
        timbre.notify_all();
    }

    /// Si ya se ha pedido parar.
    pub fn pedida(&self) -> bool {
        *candado(&self.interior.0)
    }

    /// Duerme hasta `cuando`, o hasta que alguien pida parar. Devuelve `true` si se ha pedido.
    pub fn esperar_hasta(&self, cuando: Instant) -> bool {
        let (pedida, timbre) = &*self.interior;
        let mut pedida = candado(pedida);
        while !*pedida {
            let falta = cuando.saturating_duration_since(Instant::now());
            if falta.is_zero() {
                return false;
            }
            pedida = sin_veneno(timbre.wait_timeout(pedida, falta)).0;
        }
        true
    }
}

fn con_impaciencia(primera: Instant, ahora: Instant) -> bool {
    ahora.saturating_duration_since(primera) >= IMPACIENCIA
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const MUCHO: Duration = Duration::from_secs(3600);
    const PACIENCIA: Duration = Duration::from_secs(20);

    #[test]
    fn solo_una_senal_que_llega_bastante_despues_es_impaciencia() {
        let primera = Instant::now();
        for (ms, esperado) in [(0, false), (499, false), (500, true), (60_000, true)] {
            assert_eq!(con_impaciencia(primera, primera + Duration::from_millis(ms)), esperado, "{ms} ms");
        }
    }

    #[test]
    fn pedir_despierta_en_el_acto_a_todos_los_que_esperan() {
        let parada = Parada::default();
        let (contar, contados) = mpsc::channel();
        let esperar = |parada: Parada, contar: mpsc::Sender<bool>| {
            thread::spawn(move || {
                let _ = contar.send(false); // va a esperar
                let _ = contar.send(parada.esperar_hasta(Instant::now() + MUCHO));
            })
        };
        for _ in 0..3 {
            esperar(parada.clone(), contar.clone());
        }
        let hasta_que = |esperado| {
            for _ in 0..3 {
                assert_eq!(contados.recv_timeout(PACIENCIA), Ok(esperado));
            }
        };
        hasta_que(false);
        parada.pedir();
        hasta_que(true);
        assert!(parada.pedida() && parada.esperar_hasta(Instant::now() + MUCHO));
    }

    #[test]
    fn sin_pedirla_se_espera_lo_dicho_y_no_mas() {
        let parada = Parada::default();
        let cuando = Instant::now() + Duration::from_millis(5);
        assert!(!parada.esperar_hasta(cuando) && Instant::now() >= cuando);
        assert!(!parada.esperar_hasta(cuando), "lo que ya ha pasado no se espera");
        assert!(!parada.pedida());
    }
}
