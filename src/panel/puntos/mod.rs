//! Los puntos del agente, vistos desde el panel: la costura y lo que comparten sus motores.

mod csv;
pub mod fichero;
pub mod influx1;
pub mod influx2;
mod linea;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::rango::Rango;
use super::serie::Serie;

/// Lo que escribe el agente.
pub const MEDIDA: &str = "rendimiento_servidor";
/// Sus fields.
pub const CAMPOS: [&str; 3] = ["cpu_percent", "ram_percent", "disk_percent"];

/// Los hosts de los que hay puntos en un día, con el instante (ms) del último.
pub const DE_HOSTS: i64 = 24 * 3_600_000;
/// Cada cuánto se pregunta a un InfluxDB qué hosts hay, y cada cuánto se relee una serie entera: los puntos
/// que han llegado tarde aparecen entonces.
const CADA_HOSTS: Duration = Duration::from_secs(10);
const REPASO: Duration = Duration::from_secs(60);
/// Hosts que se recuerdan, y letras de un nombre. Un host que pase de aquí no sale en el panel.
const MAX_HOSTS: usize = 10_000;
const MAX_NOMBRE: usize = 200;

/// Lo que mide un punto en un instante.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Punto {
    /// Milisegundos desde 1970.
    pub t: i64,
    /// Los tres campos, en el orden de [`CAMPOS`].
    pub valores: [Option<f64>; 3],
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
    /// los hosts con puntos en el último día y el instante del último.
    ///
    /// # Errors
    /// Una frase para el usuario, sin punto final; las series se quedan como estaban.
    fn poner_al_dia(&mut self, ahora: i64, series: &mut [Seguida]) -> Result<BTreeMap<String, i64>, String>;
}

/// Si un host puede salir en el panel.
fn cabe(host: &str) -> bool {
    !host.is_empty() && host.chars().nth(MAX_NOMBRE).is_none()
}

/// Pone al día la serie de un InfluxDB: entera, si toca, o desde su último cubo, que estaría a medias.
fn poner(
    seguida: &mut Seguida,
    leer: impl FnOnce(&mut Seguida, i64) -> Result<Serie<3>, String>,
) -> Result<(), String> {
    let entera = seguida.entera.is_none_or(|t| t.elapsed() > REPASO);
    let ultimo = seguida.serie.iter().next_back().map(|(t, _)| t).filter(|_| !entera);
    let desde = ultimo.unwrap_or(seguida.desde);
    let parte = leer(seguida, desde)?;
    seguida.serie.sustituir_desde(desde, parte);
    if entera {
        seguida.entera = Some(Instant::now());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn la_primera_vez_y_cada_repaso_se_lee_entera_y_si_no_desde_el_ultimo_cubo() {
        let mut seguida = Seguida {
            host: "a".to_owned(),
            rango: crate::panel::rango::DE_KPIS[0],
            desde: 10_000,
            serie: Serie::new(1_000),
            ultimo: None,
            entera: None,
        };
        let mut desdes = Vec::new();
        let mut leer = |seguida: &mut Seguida| {
            poner(seguida, |_, desde| {
                desdes.push(desde);
                let mut parte = Serie::new(1_000);
                parte.sumar(50_500, &[Some(1.0), None, None]);
                Ok(parte)
            })
            .unwrap();
        };
        leer(&mut seguida);
        leer(&mut seguida);
        seguida.entera = Instant::now().checked_sub(REPASO + Duration::from_secs(1));
        leer(&mut seguida);
        leer(&mut seguida);
        assert_eq!(desdes, [10_000, 50_000, 10_000, 50_000]);
        assert_eq!(seguida.serie.iter().count(), 1);
    }
}
