//! Ctrl-C y SIGTERM: la primera vez se para con orden; la segunda, en el acto.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Alguien ha pedido parar, o todavía no. Se puede clonar y repartir.
#[derive(Clone, Default)]
pub struct Parada {
    interior: Arc<(Mutex<bool>, Condvar)>,
}

impl Parada {
    /// Atiende Ctrl-C, SIGTERM y SIGHUP. Una segunda señal acaba el proceso al momento (código 130).
    ///
    /// # Errors
    /// Si el sistema no deja instalar el manejador.
    pub fn instalar() -> Result<Self, ctrlc::Error> {
        let parada = Parada::default();
        let otra = parada.clone();
        ctrlc::set_handler(move || {
            if otra.pedida() {
                std::process::exit(130);
            }
            otra.pedir();
        })?;
        Ok(parada)
    }

    /// Pide parar.
    pub fn pedir(&self) {
        let (pedida, timbre) = &*self.interior;
        *pedida.lock().unwrap_or_else(PoisonError::into_inner) = true;
        timbre.notify_all();
    }

    /// Si ya se ha pedido parar.
    pub fn pedida(&self) -> bool {
        *self.interior.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Duerme hasta `cuando`, o hasta que alguien pida parar. Devuelve `true` si se ha pedido.
    pub fn esperar_hasta(&self, cuando: Instant) -> bool {
        let (pedida, timbre) = &*self.interior;
        let mut pedida = pedida.lock().unwrap_or_else(PoisonError::into_inner);
        while !*pedida {
            let falta = cuando.saturating_duration_since(Instant::now());
            if falta.is_zero() {
                return false;
            }
            pedida = timbre.wait_timeout(pedida, falta).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
