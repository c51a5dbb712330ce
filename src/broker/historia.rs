//! Lo que un receptor de Kafka recuerda de su topic, para saber si sigue siendo el que leía.

use std::collections::{BTreeSet, HashMap};
use std::thread;
use std::time::{Duration, Instant};

use super::limites::PAUSA;
use super::{ErrorBroker, Registro};
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::texto::contar;

/// Un broker que acaba de arrancar puede decir un final antiguo durante un instante.
const PLAZO_FINAL: Duration = Duration::from_secs(1);

/// Hasta dónde se ha leído y confirmado un topic, por partición, en nombre de un grupo.
pub struct Historia {
    grupo: String,
    visto: HashMap<i32, i64>,
    confirmado: HashMap<i32, i64>,
}

impl Historia {
    pub fn new(grupo: &str) -> Self {
        Historia { grupo: grupo.to_owned(), visto: HashMap::new(), confirmado: HashMap::new() }
    }

    pub fn anotar_leido(&mut self, registro: &Registro) {
        let visto = self.visto.entry(registro.particion).or_default();
        *visto = (*visto).max(registro.offset + 1);
    }

    pub fn anotar_confirmado<'a>(&mut self, siguientes: impl IntoIterator<Item = (&'a i32, &'a i64)>) {
        self.confirmado.extend(siguientes);
    }

    /// Lo último que se ha confirmado de una partición.
    pub fn confirmado(&self, id: i32) -> Option<i64> {
        self.confirmado.get(&id).copied()
    }

    /// Las particiones de las que se recuerda algo.
    pub fn particiones(&self) -> BTreeSet<i32> {
        self.visto.keys().chain(self.confirmado.keys()).copied().collect()
    }

    /// Comprueba una partición: lo que el grupo tiene confirmado ahora en ella, y dónde acaba. `otra_vez`
    /// pregunta de nuevo dónde acaba.
    pub fn comprobar(
        &self,
        id: i32,
        confirmado: Option<i64>,
        mut fin: i64,
        mut otra_vez: impl FnMut() -> Result<i64, ErrorBroker>,
    ) -> Result<(), ErrorBroker> {
        self.comprobar_confirmado(id, confirmado)?;
        let leido = confirmado.max(self.visto.get(&id).copied()).unwrap_or(0);
        let limite = Instant::now() + PLAZO_FINAL;
        while leido > fin {
            if Instant::now() >= limite {
                return Err(self.otra(&format!(
                    "va por el mensaje {leido} de la partición {id} y ahora solo hay {fin}"
                )));
            }
            thread::sleep(PAUSA);
            fin = otra_vez()?;
        }
        Ok(())
    }

    /// Comprueba que el grupo no ha perdido lo que se confirmó: al borrar un topic, Kafka borra también eso.
    pub fn comprobar_confirmado(&self, id: i32, confirmado: Option<i64>) -> Result<(), ErrorBroker> {
        if confirmado.is_none() && self.confirmado.contains_key(&id) {
            return Err(self.otra(&format!("ya no tiene nada confirmado en la partición {id}")));
        }
        Ok(())
    }

    /// El topic ya no es el que se leía.
    pub fn otra(&self, detalle: &str) -> ErrorBroker {
        ErrorBroker::otra_historia(&format!("el grupo «{}» {detalle}", self.grupo))
    }
}

/// Dice que Kafka ha borrado mensajes que no se habían leído, si es así.
pub fn avisar_borrados(avisos: &Avisos, mensajes: i64) {
    if mensajes > 0 {
        let mensajes = contar(mensajes.unsigned_abs(), "mensaje", "mensajes");
        let frase = format!("Kafka ha borrado {mensajes} sin leer: ha pasado su plazo de retención.");
        avisos(Nivel::Error, &frase);
    }
}
