//! Un receptor que da los mensajes que se le pidan y ninguno más: la opción `--mensajes`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ErrorBroker, Receptor, Recibido};

/// Un receptor con tope.
pub struct ConTope {
    receptor: Box<dyn Receptor>,
    quedan: Option<usize>,
}

impl ConTope {
    /// Da los `mensajes` primeros; sin ellos, todos los que lleguen.
    pub fn new(receptor: Box<dyn Receptor>, mensajes: Option<u64>) -> Self {
        ConTope { receptor, quedan: mensajes.map(|n| usize::try_from(n).unwrap_or(usize::MAX)) }
    }

    /// Si ya los ha dado todos.
    pub fn completo(&self) -> bool {
        self.quedan == Some(0)
    }
}

impl Receptor for ConTope {
    /// Los que sobran no se han leído: como no se confirman, los dará otra vez quien venga después.
    fn recibir(&mut self, espera: Duration) -> Result<Recibido, ErrorBroker> {
        let mut recibido = self.receptor.recibir(espera)?;
        if let Some(quedan) = &mut self.quedan {
            recibido.registros.truncate(*quedan);
            *quedan -= recibido.registros.len();
        }
        Ok(recibido)
    }

    fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker> {
        self.receptor.confirmar(siguientes)
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        self.receptor.atraso()
    }
}
