//! Los puntos del agente, vistos desde el panel: la costura y lo que comparten sus motores.

mod csv;
pub mod fichero;
pub mod influx;
pub mod influx1;
pub mod influx2;
mod linea;

use std::collections::BTreeMap;
use std::time::Instant;

use super::instante::ADELANTO;
use super::rango::Rango;
use super::serie::Serie;
use crate::fallo::Frase;

/// Los hosts de los que hay puntos en un día, con el instante (ms) del último.
pub const DE_HOSTS: i64 = 24 * 3_600_000;
/// Hosts que se recuerdan, y letras de un nombre. Un host que pase de aquí no sale en el panel.
const MAX_HOSTS: usize = 10_000;
const MAX_NOMBRE: usize = 200;

/// Lo que mide un punto en un instante.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Punto {
    /// Milisegundos desde 1970.
    pub t: i64,
    /// Los tres campos, en el orden de [`CAMPOS`](crate::nombres::CAMPOS).
    pub valores: [Option<f64>; 3],
}

/// Lo que se sabe de un host, en milisegundos desde 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visto {
    /// Su último punto, sin contar los del futuro.
    pub ultimo: Option<i64>,
    /// El más lejano de los que tienen fecha del futuro.
    pub futuro: Option<i64>,
}

/// La serie de un host que alguien está mirando.
#[derive(Debug, Clone)]
pub struct Seguida {
    /// De quién es.
    pub host: String,
    /// Qué rango se mira.
    pub rango: Rango,
    /// Desde cuándo interesa (ms).
    pub desde: i64,
    /// Lo leído.
    pub serie: Serie<3>,
    /// El último punto.
    pub ultimo: Option<Punto>,
    /// Cuándo se leyó entera. Nada: hay que leerla entera.
    pub entera: Option<Instant>,
}

/// De dónde se leen los puntos del agente.
pub trait Puntos: Send {
    /// El nombre del motor y dónde está, sin credenciales.
    fn motor(&self) -> (&'static str, String);

    /// Pone al día las series: enteras las que no se han leído, y de las demás solo lo nuevo. Devuelve
    /// los hosts con puntos en el último día.
    ///
    /// # Errors
    /// Una frase; las series se quedan como estaban.
    fn poner_al_dia(&mut self, ahora: i64, series: &mut [Seguida]) -> Result<BTreeMap<String, Visto>, Frase>;
}

/// Si un host puede salir en el panel.
fn cabe(host: &str) -> bool {
    !host.is_empty() && host.chars().nth(MAX_NOMBRE).is_none()
}
