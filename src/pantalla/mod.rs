//! Lo que se ve: en un terminal, unas líneas vivas que se reescriben; en una tubería, líneas sueltas.
//!
//! Las lecturas salen por la salida normal y los avisos por la de errores.

mod log;
mod salida;
mod terminal;

use std::sync::{Arc, Mutex};

use self::log::Log;
use self::salida::Salida;
use crate::avisos::{self, Avisos, Nivel};
use crate::config;
use crate::fallo::Fallo;
use crate::herramientas::candado::candado;
use crate::herramientas::causa::causa;
use crate::herramientas::texto::limpiar;
use crate::parada::Parada;

/// La salida de un programa. Se puede clonar y usar desde varios hilos.
#[derive(Clone)]
pub struct Pantalla {
    minimo: Nivel,
    silencioso: bool,
    log: Option<Log>,
    salida: Salida,
    ultimo: Arc<Mutex<String>>, // lo último que se ha dicho
}

impl Pantalla {
    /// Prepara la salida. Si quien lee la tubería se va (`| head`), se pide la parada.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si el fichero de log no se puede abrir; [`Fallo::Ejecucion`] si el sistema no deja crear
    /// el hilo que escribe.
    pub fn new(salida: &config::Salida, parada: &Parada) -> Result<Self, Fallo> {
        let abrir_log = |ruta: &std::path::PathBuf| {
            Log::abrir(ruta).map_err(|error| {
                Fallo::Uso(format!("no se puede escribir en {}: {}", ruta.display(), causa(&error)))
            })
        };
        let log = salida.log.as_ref().map(abrir_log).transpose()?;
        let minimo = match (salida.silencioso, salida.detalle) {
            (true, _) => Nivel::Aviso,
            (false, true) => Nivel::Detalle,
            (false, false) => Nivel::Info,
        };
        let hilo = Salida::abrir(log.clone(), parada)?;
        let ultimo = Arc::default();
        let pantalla = Pantalla { minimo, silencioso: salida.silencioso, log, salida: hilo, ultimo };
        let ultima = pantalla.salida.clone();
        avisos::dar_voz(pantalla.avisos(), Box::new(move || ultima.vaciar()));
        salida.avisos.iter().for_each(|frase| pantalla.avisar(Nivel::Aviso, frase));
        Ok(pantalla)
    }

    /// Por donde los demás cuartos cuentan lo que pasa.
    pub fn avisos(&self) -> Avisos {
        let pantalla = self.clone();
        Arc::new(move |nivel, frase| pantalla.avisar(nivel, frase))
    }

    /// Dice una frase. El log las lleva todas; en la salida, un aviso que repite lo último que se ha dicho no se
    /// vuelve a decir, salvo que se haya pedido todo con `-v`.
    pub fn avisar(&self, nivel: Nivel, frase: &str) {
        // Algunas frases llevan palabras de fuera, como las de un servidor.
        let frase = frase.lines().map(limpiar).collect::<Vec<_>>().join("\n");
        if let Some(log) = &self.log {
            log.anotar(nivel, &frase);
        }
        if nivel < self.minimo {
            return;
        }
        let mut ultimo = candado(&self.ultimo);
        if *ultimo == frase && nivel >= Nivel::Aviso && self.minimo > Nivel::Detalle {
            return;
        }
        self.salida.aviso(format!("{}{frase}", nivel.etiqueta()));
        *ultimo = frase;
    }

    /// Cómo va el programa: en un terminal, las líneas vivas; en una tubería, una suelta.
    pub fn progreso(&self, en_terminal: &[String], en_tuberia: &str) {
        if !self.silencioso {
            self.salida.progreso(en_terminal, en_tuberia);
        }
    }

    /// Si solo se enseñan avisos y errores: entonces no hay que preparar nada más.
    pub fn silenciosa(&self) -> bool {
        self.silencioso
    }

    /// Una línea que se queda, por la salida normal.
    pub fn dato(&self, linea: &str) {
        if !self.silencioso {
            self.salida.dato(linea.to_owned());
        }
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
