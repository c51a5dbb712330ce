//! Lo que se ve: en un terminal, unas líneas vivas que se reescriben; en una tubería, líneas sueltas.
//!
//! Las lecturas salen por la salida normal y los avisos por la de errores.

mod terminal;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use self::terminal::{Vivas, ancho, mueve_el_cursor};
use crate::avisos::{Avisos, Nivel};
use crate::config::Salida;
use crate::fallo::Fallo;
use crate::herramientas::candado::candado;
use crate::herramientas::causa::causa;
use crate::herramientas::lineas;
use crate::parada::Parada;

/// La salida de un programa. Se puede clonar y usar desde varios hilos.
#[derive(Clone)]
pub struct Pantalla {
    interior: Arc<Mutex<Interior>>,
}

struct Interior {
    terminal: bool,
    minimo: Nivel,
    silencioso: bool,
    log: Option<File>,
    vivas: Vivas,
    ultimo: String,
    parada: Parada,
}

impl Pantalla {
    /// Prepara la salida. Si quien lee la tubería se va (`| head`), se pide la parada.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si el fichero de log no se puede abrir.
    pub fn new(salida: &Salida, parada: &Parada) -> Result<Self, Fallo> {
        let log = match &salida.log {
            None => None,
            Some(ruta) => {
                let abierto = lineas::abrir(ruta);
                Some(abierto.map_err(|e| {
                    Fallo::Uso(format!("no se puede escribir en {}: {}", ruta.display(), causa(&e)))
                })?)
            }
        };
        let minimo = match (salida.silencioso, salida.detalle) {
            (true, _) => Nivel::Aviso,
            (false, true) => Nivel::Detalle,
            (false, false) => Nivel::Info,
        };
        let interior = Interior {
            terminal: io::stdout().is_terminal(),
            minimo,
            silencioso: salida.silencioso,
            log,
            vivas: Vivas::default(),
            ultimo: String::new(),
            parada: parada.clone(),
        };
        Ok(Pantalla { interior: Arc::new(Mutex::new(interior)) })
    }

    /// Por donde los demás cuartos cuentan lo que pasa.
    pub fn avisos(&self) -> Avisos {
        let pantalla = self.clone();
        Arc::new(move |nivel, frase| pantalla.avisar(nivel, frase))
    }

    /// Dice una frase, salvo que sea la misma que la última.
    pub fn avisar(&self, nivel: Nivel, frase: &str) {
        let mut pantalla = self.candado();
        if pantalla.ultimo == frase {
            return;
        }
        pantalla.ultimo = frase.to_owned();
        pantalla.al_log(nivel, frase);
        if nivel >= pantalla.minimo {
            pantalla.borrar_vivas();
            let etiqueta = match nivel {
                Nivel::Detalle | Nivel::Info => "",
                Nivel::Aviso => "aviso: ",
                Nivel::Error => "error: ",
            };
            let _ = writeln!(io::stderr(), "{etiqueta}{frase}");
        }
    }

    /// Cómo va el programa: en un terminal, las líneas vivas; en una tubería, una suelta.
    pub fn progreso(&self, en_terminal: &[String], en_tuberia: &str) {
        let mut pantalla = self.candado();
        if !pantalla.silencioso {
            pantalla.progreso(en_terminal, en_tuberia);
        }
    }

    /// Si solo se enseñan avisos y errores: entonces no hay que preparar nada más.
    pub fn silenciosa(&self) -> bool {
        self.candado().silencioso
    }

    /// Una línea que se queda, por la salida normal.
    pub fn dato(&self, linea: &str) {
        let mut pantalla = self.candado();
        if !pantalla.silencioso {
            pantalla.borrar_vivas();
            if writeln!(io::stdout(), "{linea}").is_err() {
                pantalla.parada.pedir();
            }
        }
    }

    fn candado(&self) -> MutexGuard<'_, Interior> {
        candado(&self.interior)
    }
}

impl Interior {
    /// En un terminal reescribe las líneas vivas; en una tubería, una línea más.
    fn progreso(&mut self, en_terminal: &[String], en_tuberia: &str) {
        let mut salida = io::stdout().lock();
        let escrito = if !self.terminal {
            writeln!(salida, "{en_tuberia}")
        } else if en_terminal.len() <= 1 || mueve_el_cursor() {
            self.vivas.pintar(&mut salida, ancho(), en_terminal)
        } else {
            self.vivas.pintar(&mut salida, ancho(), &[en_tuberia.to_owned()])
        };
        if escrito.and_then(|()| salida.flush()).is_err() {
            self.parada.pedir(); // ya no lee nadie
        }
    }

    fn borrar_vivas(&mut self) {
        let _ = self.vivas.borrar(&mut io::stdout().lock(), self.parada.pedida());
    }

    fn al_log(&mut self, nivel: Nivel, frase: &str) {
        let Some(log) = &mut self.log else { return };
        let hora = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let nivel = format!("{nivel:?}").to_uppercase();
        // Un log que no se puede escribir no para el agente.
        let _ = lineas::anadir(log, format!("{hora} {nivel:<7} {frase}\n").as_bytes());
    }
}

/// Diez casillas, llenas en proporción.
pub fn barra(puntos: usize, capacidad: usize) -> String {
    const CASILLAS: usize = 10;
    let llenas = (puntos * CASILLAS).div_ceil(capacidad.max(1)).min(CASILLAS);
    format!("{}{}", "#".repeat(llenas), "·".repeat(CASILLAS - llenas))
}

#[cfg(test)]
mod tests {
    use super::barra;

    #[test]
    fn la_barra_se_llena_en_proporcion_y_no_se_desborda() {
        assert_eq!(barra(0, 10), "··········");
        assert_eq!(barra(1, 1000), "#·········");
        assert_eq!(barra(7, 10), "#######···");
        assert_eq!(barra(500, 10), "##########");
    }
}
