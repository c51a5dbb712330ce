//! Confirmar sin olvidar nada: lo que el broker no confirma ahora se guarda, se sigue leyendo y se vuelve a
//! probar, cada vez más espaciado.
//!
//! Los documentos ya están guardados: si el programa acaba antes, al volver se relee y no se repite ninguno.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{ErrorBroker, Receptor, Recibido};
use crate::avisos::{Avisos, Nivel};
use crate::guardia::Guardia;
use crate::herramientas::reintentos::Reintentos;
use crate::insistir::POLITICA;

/// Un receptor cuyo [`confirmar`](Receptor::confirmar) solo falla si no se va a arreglar esperando.
pub struct Confirmador {
    receptor: Box<dyn Receptor>,
    avisos: Avisos,
    guardia: Guardia,
    pendientes: BTreeMap<i32, i64>,
    reintentos: Reintentos,
    /// Tras un fallo: cuándo se vuelve a probar, y qué se dijo.
    despues: Option<(Instant, String)>,
}

impl Confirmador {
    /// Confirma por `receptor` y cuenta por `avisos` lo que no puede.
    pub fn new(receptor: Box<dyn Receptor>, avisos: &Avisos) -> Self {
        Confirmador {
            receptor,
            avisos: avisos.clone(),
            guardia: Guardia::new("el broker", avisos),
            pendientes: BTreeMap::new(),
            reintentos: Reintentos::new(POLITICA),
            despues: None,
        }
    }

    fn ha_fallado(&mut self, frase: String) {
        let antes = self.despues.take().map(|(_, frase)| frase);
        let nivel = if antes.as_ref() == Some(&frase) { Nivel::Detalle } else { Nivel::Aviso };
        (self.avisos)(
            nivel,
            &format!("{frase}. Se sigue leyendo, y se confirmará cuando se pueda; si no, se releerá."),
        );
        let espera = self.reintentos.fallo(Instant::now(), fastrand::f64());
        self.despues = Some((Instant::now() + espera, frase));
    }
}

impl Receptor for Confirmador {
    /// Lo que faltaba por confirmar de una partición reiniciada se olvida: ya es de otro, o viene otra vez.
    fn recibir(&mut self, espera: Duration) -> Result<Recibido, ErrorBroker> {
        let recibido = self.receptor.recibir(espera)?;
        self.pendientes.retain(|particion, _| !recibido.reiniciadas.contains(particion));
        Ok(recibido)
    }

    /// Confirma esto y lo que faltara de antes. Se puede llamar sin nada nuevo, para volver a probar.
    fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker> {
        self.pendientes.extend(siguientes);
        let toca = self.despues.as_ref().is_none_or(|(cuando, _)| *cuando <= Instant::now());
        if self.pendientes.is_empty() || !toca {
            return Ok(());
        }
        match self.guardia.vigilar(|| self.receptor.confirmar(&self.pendientes)) {
            Ok(()) => {
                self.pendientes.clear();
                self.reintentos.exito();
                if self.despues.take().is_some() {
                    (self.avisos)(Nivel::Info, "El broker ya ha confirmado lo que faltaba.");
                }
                Ok(())
            }
            Err(ErrorBroker::Pasajero(frase)) => {
                self.ha_fallado(frase);
                Ok(())
            }
            Err(definitivo) => Err(definitivo),
        }
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        self.guardia.vigilar(|| self.receptor.atraso())
    }
}
