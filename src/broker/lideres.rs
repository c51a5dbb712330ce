//! Las particiones que ahora no lleva ningún broker: se dice cuáles, y se sigue con las demás.

use std::time::{Duration, Instant};

use super::frases;
use crate::avisos::{Avisos, Nivel};

/// Cada cuánto se mira si ya tienen líder.
const MIRAR: Duration = Duration::from_secs(5);

/// Las particiones sin líder de un topic que se está leyendo.
pub struct SinLider {
    topic: String,
    avisos: Avisos,
    ids: Vec<i32>,
    mirado: Instant,
}

impl SinLider {
    /// Ninguna, todavía.
    pub fn new(topic: &str, avisos: &Avisos) -> Self {
        SinLider { topic: topic.to_owned(), avisos: avisos.clone(), ids: Vec::new(), mirado: Instant::now() }
    }

    /// Ahora son estas. Se dice, si han cambiado; devuelve si es así.
    pub fn anotar(&mut self, ids: Vec<i32>) -> bool {
        self.mirado = Instant::now();
        let cambian = ids != self.ids;
        if cambian {
            let (nivel, frase) = match ids[..] {
                [] => (Nivel::Info, "Ya tienen líder todas las particiones.".to_owned()),
                _ => {
                    let frase = frases::sin_lider(&self.topic, &ids);
                    (Nivel::Aviso, format!("{frase}. Se sigue leyendo de las demás."))
                }
            };
            (self.avisos)(nivel, &frase);
            self.ids = ids;
        }
        cambian
    }

    /// Si falta alguna y ya es hora de mirar otra vez.
    pub fn toca(&self) -> bool {
        !self.ids.is_empty() && self.mirado.elapsed() >= MIRAR
    }

    /// Si no tiene líder.
    #[cfg(feature = "librdkafka")]
    pub fn contiene(&self, id: i32) -> bool {
        self.ids.contains(&id)
    }
}
