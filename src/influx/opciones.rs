//! Las opciones de [`WriteApi`](super::WriteApi).

use std::time::Duration;

use crate::herramientas::reintentos::Politica;

/// Cómo agrupa, espera y reintenta `WriteApi`.
///
/// Los nombres y los valores por defecto son los de `WriteOptions` en influxdb-client-python
/// (allí los tiempos son milisegundos; aquí, [`Duration`]).
#[derive(Debug, Clone, PartialEq)]
pub struct WriteOptions {
    /// Puntos por lote: al llegar a este número el buffer se envía sin esperar al temporizador.
    pub batch_size: usize,
    /// Cada cuánto vacía el buffer el temporizador, aunque el lote no esté lleno.
    pub flush_interval: Duration,
    /// Azar que se suma a `flush_interval`, para que treinta agentes no envíen a la vez.
    pub jitter_interval: Duration,
    /// Espera base tras un fallo.
    pub retry_interval: Duration,
    /// Reintentos seguidos antes de dejar reposar el lote (aquí nunca se tira).
    pub max_retries: u32,
    /// Tope de la espera entre reintentos, y cada cuánto se reintenta un lote que reposa.
    pub max_retry_delay: Duration,
    /// Tiempo total de reintentos antes de dejar reposar el lote.
    pub max_retry_time: Duration,
    /// Base de la espera exponencial.
    pub exponential_base: u32,
    /// Lo más que espera `close()` a que salga lo pendiente.
    pub max_close_wait: Duration,
}

impl WriteOptions {
    /// Cuánto falta para el próximo vaciado: `flush_interval` y un azar (entre 0 y 1) de `jitter_interval`.
    pub fn intervalo(&self, azar: f64) -> Duration {
        self.flush_interval.saturating_add(self.jitter_interval.mul_f64(azar))
    }

    /// Cómo se reintenta.
    pub fn politica(&self) -> Politica {
        Politica {
            retry_interval: self.retry_interval,
            exponential_base: self.exponential_base,
            max_retry_delay: self.max_retry_delay,
            max_retries: self.max_retries,
            max_retry_time: self.max_retry_time,
        }
    }
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions {
            batch_size: 1_000,
            flush_interval: Duration::from_millis(1_000),
            jitter_interval: Duration::ZERO,
            retry_interval: Duration::from_millis(5_000),
            max_retries: 5,
            max_retry_delay: Duration::from_secs(125),
            max_retry_time: Duration::from_secs(180),
            exponential_base: 2,
            max_close_wait: Duration::from_secs(300),
        }
    }
}
