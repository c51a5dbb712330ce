//! Los servidores simulados del ejercicio y lo que mide cada uno.

use fastrand::Rng;
use time::OffsetDateTime;

use crate::mensaje::{Mensaje, Metricas};

/// Los cinco del curso. A partir del sexto se llaman srv00006, srv00007...
const DEL_CURSO: [&str; 5] = ["web01", "web02", "db01", "app01", "cache01"];

/// Una flota de servidores que inventan sus métricas.
pub struct Simulador {
    servidores: Vec<String>,
    metricas: Rng,
    uuids: Rng,
}

impl Simulador {
    /// `cuantos` servidores. Con la misma `semilla` salen las mismas métricas; los UUID y la hora, no.
    pub fn new(cuantos: usize, semilla: Option<u64>) -> Self {
        let nombre =
            |i: usize| DEL_CURSO.get(i).map_or_else(|| format!("srv{:05}", i + 1), |n| (*n).to_owned());
        Simulador {
            servidores: (0..cuantos).map(nombre).collect(),
            metricas: semilla.map_or_else(Rng::new, Rng::with_seed),
            uuids: Rng::new(),
        }
    }

    /// Una ronda: un mensaje de cada servidor, con esta hora.
    pub fn ronda(&mut self, ahora: OffsetDateTime) -> impl Iterator<Item = Mensaje<'_>> {
        let Simulador { servidores, metricas, uuids } = self;
        servidores.iter().map(move |server_id| Mensaje {
            server_id,
            timestamp_utc: ahora,
            metrics: inventar(metricas),
            uuid: uuids.u128(..),
        })
    }
}

/// Los rangos del curso: casi siempre tranquilo, y de vez en cuando un pico.
fn inventar(azar: &mut Rng) -> Metricas {
    Metricas {
        cpu_percent: if azar.f64() < 0.10 { entre(azar, 85.0, 98.0) } else { entre(azar, 5.0, 75.0) },
        memory_percent: if azar.f64() < 0.05 { entre(azar, 90.0, 99.0) } else { entre(azar, 20.0, 85.0) },
        disk_io_mbps: entre(azar, 0.1, 50.0),
        network_mbps: entre(azar, 1.0, 100.0),
        error_count: if azar.f64() < 0.08 { azar.i64(1..=3) } else { 0 },
    }
}

/// Un valor al azar, con dos decimales.
fn entre(azar: &mut Rng, minimo: f64, maximo: f64) -> f64 {
    ((minimo + (maximo - minimo) * azar.f64()) * 100.0).round() / 100.0
}
