//! El hilo temporizador de [`WriteApi`](super::WriteApi): vacía el buffer cada `flush_interval`.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::destino::Destino;
use super::opciones::WriteOptions;
use super::write_api::{Compartido, Orden};
use crate::herramientas::candado::candado;
use crate::herramientas::causa::causa;

/// Lo que el hilo necesita.
pub(super) struct Temporizador {
    pub(super) compartido: Arc<Mutex<Compartido>>,
    pub(super) destino: Box<dyn Destino>,
    pub(super) opciones: WriteOptions,
}

impl Temporizador {
    /// Un solo `recv_timeout` es el despertador y el timbre: o se acaba el plazo, o llega una orden.
    pub(super) fn bucle(mut self, ordenes: &Receiver<Orden>) {
        self.destino.saludar();
        let mut castigado = false; // el destino ha pedido esperar
        let mut despertador = dentro_de(self.opciones.intervalo(fastrand::f64()));
        loop {
            let plazo = despertador.saturating_duration_since(Instant::now());
            let orden = ordenes.recv_timeout(plazo);
            let pendientes = candado(&self.compartido).buffer.pendientes();
            let espera = match orden {
                Ok(Orden::Lleno) if castigado => continue,
                Ok(Orden::Lleno) => self.enviar(pendientes - pendientes % self.opciones.batch_size),
                _ => self.enviar(pendientes),
            };
            castigado = espera.is_some();
            despertador = dentro_de(espera.unwrap_or_else(|| self.opciones.intervalo(fastrand::f64())));
            match orden {
                Ok(Orden::Lleno) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Orden::Vaciar(aviso)) => {
                    let _ = aviso.send(());
                }
                Ok(Orden::Cerrar(aviso)) => {
                    let _ = aviso.send(());
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Envía `faltan` líneas, lote a lote. Devuelve la espera si el destino la pide.
    fn enviar(&mut self, mut faltan: usize) -> Option<Duration> {
        while faltan > 0 {
            let lote = {
                let mut compartido = candado(&self.compartido);
                if compartido.abandonado {
                    return None;
                }
                match compartido.buffer.lote(faltan.min(self.opciones.batch_size)) {
                    Ok(lote) => lote,
                    Err(error) => {
                        compartido.motivo = Some(format!("el buffer no se puede leer: {}", causa(&error)));
                        return Some(self.opciones.retry_interval);
                    }
                }
            };
            if lote.lineas == 0 {
                return None;
            }
            let entrega = self.destino.enviar(&lote);

            let mut compartido = candado(&self.compartido);
            let resueltas = entrega.escritas + entrega.apartadas;
            compartido.enviados += entrega.escritas as u64;
            compartido.apartados += entrega.apartadas as u64;
            compartido.buffer.quitar(&lote, resueltas);
            let (espera, motivo) = entrega.esperar.unzip();
            compartido.motivo = motivo;
            if espera.is_some() {
                return espera;
            }
            faltan = faltan.saturating_sub(lote.lineas);
        }
        None
    }
}

/// Un instante futuro; si el reloj no llega tan lejos, dentro de un día.
fn dentro_de(espera: Duration) -> Instant {
    let ahora = Instant::now();
    ahora.checked_add(espera).unwrap_or(ahora + Duration::from_secs(86_400))
}
