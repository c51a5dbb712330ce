//! Cuánto esperar tras un fallo: exponencial con azar, y reposo cuando ya van demasiados.

use std::time::{Duration, Instant};

/// Cómo crece la espera. Los nombres son los de influxdb-client-python.
#[derive(Debug, Clone, PartialEq)]
pub struct Politica {
    /// Espera base, tras el primer fallo.
    pub retry_interval: Duration,
    /// Por cuánto se multiplica la espera tras cada fallo.
    pub exponential_base: u32,
    /// Tope de la espera.
    pub max_retry_delay: Duration,
    /// Reintentos seguidos antes del reposo.
    pub max_retries: u32,
    /// Tiempo total de reintentos antes del reposo.
    pub max_retry_time: Duration,
}

/// La cuenta de fallos seguidos. No mira el reloj: se le dice la hora.
#[derive(Debug)]
pub struct Reintentos {
    politica: Politica,
    fallos: u32,
    primero: Option<Instant>,
}

impl Reintentos {
    /// Sin fallos todavía.
    pub fn new(politica: Politica) -> Self {
        Reintentos { politica, fallos: 0, primero: None }
    }

    /// Ha salido bien: se empieza de cero.
    pub fn exito(&mut self) {
        self.fallos = 0;
        self.primero = None;
    }

    /// Un fallo más. Devuelve la espera hasta el próximo intento; `azar` está entre 0 y 1.
    ///
    /// La fórmula es la de influxdb-client-python: tras el fallo n, un valor al azar entre
    /// `retry_interval * base^(n-1)` y `retry_interval * base^n`, con tope `max_retry_delay`.
    /// Pasados `max_retries` o `max_retry_time`, reposo: se prueba cada `max_retry_delay`.
    pub fn fallo(&mut self, ahora: Instant, azar: f64) -> Duration {
        let primero = *self.primero.get_or_insert(ahora);
        self.fallos = self.fallos.saturating_add(1);
        let tope = self.politica.max_retry_delay;
        if self.fallos > self.politica.max_retries || ahora - primero >= self.politica.max_retry_time {
            return tope;
        }
        let base = f64::from(self.politica.exponential_base.max(1));
        let tope = tope.as_secs_f64();
        // Con el tope ya aquí: tras muchos fallos la potencia es infinita, y restar infinitos no es un número.
        let potencia = base.powf(f64::from(self.fallos - 1));
        let minima = (self.politica.retry_interval.as_secs_f64() * potencia).min(tope);
        let espera = minima + (minima * base - minima) * azar;
        Duration::from_secs_f64(espera.min(tope))
    }
}
