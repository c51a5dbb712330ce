//! Lo que le falta por leer a un consumidor que va atrasado, y a qué paso baja.

use std::time::Instant;

/// Menos mensajes por leer que estos no son un atraso: están llegando.
const APRECIABLE: u64 = 100;

/// Lo que falta. El tiempo le llega como argumento.
#[derive(Debug, Default)]
pub struct Atraso {
    desde: Option<(Instant, u64)>, // cuándo era mayor, y cuánto
    quedan: u64,
}

impl Atraso {
    /// El broker dice que quedan estos.
    pub fn anotar(&mut self, ahora: Instant, quedan: u64) {
        self.quedan = quedan;
        match self.desde {
            _ if quedan == 0 => self.desde = None,
            Some((_, mayor)) if quedan <= mayor => {}
            None if quedan < APRECIABLE => {}
            _ => self.desde = Some((ahora, quedan)),
        }
    }

    /// Qué parte está hecha ya, de 0 a 100.
    pub fn hecho(&self) -> usize {
        self.desde.map_or(100, |(_, mayor)| (100 - 100 * self.quedan / mayor) as usize)
    }

    /// «quedan 5000 por leer, unos 12 s». Nada, si no queda ninguno.
    pub fn frase(&self, ahora: Instant) -> Option<String> {
        let (desde, mayor) = self.desde?;
        let mut frase = format!("quedan {} por leer", self.quedan);
        let bajado = mayor - self.quedan;
        if bajado > 0 {
            let segundos = ahora.duration_since(desde).as_secs_f64() * self.quedan as f64 / bajado as f64;
            frase += &match segundos.ceil() {
                s if s < 120.0 => format!(", unos {s} s"),
                s if s < 7200.0 => format!(", unos {} min", (s / 60.0).round()),
                s => format!(", unas {} h", (s / 3600.0).round()),
            };
        }
        Some(frase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn el_atraso_dice_cuanto_queda_y_cuanto_tardara_a_este_paso() {
        let inicio = Instant::now();
        let en = |s| inicio + Duration::from_secs(s);
        let mut atraso = Atraso::default();
        assert_eq!(atraso.frase(en(0)), None);
        atraso.anotar(en(0), APRECIABLE - 1); // están llegando
        assert_eq!(atraso.frase(en(0)), None);
        atraso.anotar(en(0), 10_000);
        assert_eq!(atraso.frase(en(0)).unwrap(), "quedan 10000 por leer");
        atraso.anotar(en(10), 7_500);
        assert_eq!(
            (atraso.hecho(), atraso.frase(en(10)).unwrap()),
            (25, "quedan 7500 por leer, unos 30 s".into())
        );
        atraso.anotar(en(20), 20_000); // llegan más deprisa de lo que se lee: se cuenta desde ahí
        assert_eq!((atraso.hecho(), atraso.frase(en(20)).unwrap()), (0, "quedan 20000 por leer".into()));
        atraso.anotar(en(60), 19_000);
        assert_eq!(atraso.frase(en(60)).unwrap(), "quedan 19000 por leer, unos 13 min");
        atraso.anotar(en(90), 0);
        assert_eq!((atraso.hecho(), atraso.frase(en(90))), (100, None));
    }
}
