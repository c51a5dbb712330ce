//! Lo que comparten los dos InfluxDB: cada cuánto se pregunta qué hosts hay, y desde dónde se lee cada
//! serie.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{ADELANTO, DE_HOSTS, Puntos, Seguida, Visto};
use crate::fallo::Frase;
use crate::panel::serie::Serie;

/// Cada cuánto se pregunta qué hosts hay.
const CADA_HOSTS: Duration = Duration::from_secs(10);
/// Cada cuánto se relee una serie entera: los puntos que han llegado tarde aparecen entonces.
const REPASO: Duration = Duration::from_secs(60);

/// El último milisegundo que sabe escribir un InfluxDB, en el año 2262.
const LEJOS: i64 = i64::MAX / 1_000_000;

/// Las preguntas que sabe hacer cada versión.
pub trait Lector: Send {
    /// El nombre del motor y dónde está, sin credenciales.
    fn motor(&self) -> (&'static str, String);

    /// El instante del último punto de cada host entre esos dos, en milisegundos.
    ///
    /// # Errors
    /// Una frase.
    fn ultimos(&self, desde: i64, hasta: i64) -> Result<BTreeMap<String, i64>, Frase>;

    /// Los cubos de una serie desde un instante, sin los del futuro. Pone también su último punto.
    ///
    /// # Errors
    /// Una frase.
    fn leer_serie(&self, seguida: &mut Seguida, desde: i64, ahora: i64) -> Result<Serie<3>, Frase>;
}

/// Un InfluxDB como fuente de puntos.
pub struct PuntosDeInflux<L> {
    lector: L,
    hosts: BTreeMap<String, Visto>,
    hosts_leidos: Option<Instant>,
}

impl<L: Lector> PuntosDeInflux<L> {
    /// Los puntos que da este lector.
    pub fn new(lector: L) -> Self {
        PuntosDeInflux { lector, hosts: BTreeMap::new(), hosts_leidos: None }
    }
}

impl<L: Lector> Puntos for PuntosDeInflux<L> {
    fn motor(&self) -> (&'static str, String) {
        self.lector.motor()
    }

    fn poner_al_dia(&mut self, ahora: i64, series: &mut [Seguida]) -> Result<BTreeMap<String, Visto>, Frase> {
        if self.hosts_leidos.is_none_or(|t| t.elapsed() > CADA_HOSTS) {
            self.hosts = leer_hosts(&self.lector, ahora)?;
            self.hosts_leidos = Some(Instant::now());
        }
        for seguida in series {
            poner(seguida, ahora, |seguida, desde| self.lector.leer_serie(seguida, desde, ahora))?;
        }
        Ok(self.hosts.clone())
    }
}

fn leer_hosts(lector: &impl Lector, ahora: i64) -> Result<BTreeMap<String, Visto>, Frase> {
    let mut hosts: BTreeMap<String, Visto> = BTreeMap::new();
    for (host, t) in lector.ultimos(ahora - DE_HOSTS, ahora + ADELANTO)? {
        hosts.entry(host).or_default().ultimo = Some(t);
    }
    for (host, t) in lector.ultimos(ahora + ADELANTO, LEJOS)? {
        hosts.entry(host).or_default().futuro = Some(t);
    }
    Ok(hosts)
}

/// Pone al día una serie: entera, si toca, o desde su último cubo, que estaría a medias.
fn poner(
    seguida: &mut Seguida,
    ahora: i64,
    leer: impl FnOnce(&mut Seguida, i64) -> Result<Serie<3>, Frase>,
) -> Result<(), Frase> {
    let entera = seguida.entera.is_none_or(|t| t.elapsed() > REPASO);
    let ultimo = seguida.serie.entre(seguida.desde, ahora).next_back().map(|(t, _)| t);
    let desde = ultimo.filter(|_| !entera).unwrap_or(seguida.desde);
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
            poner(seguida, 60_000, |_, desde| {
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
