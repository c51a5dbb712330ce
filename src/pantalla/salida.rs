//! El hilo que escribe en el terminal o en la tubería. Nadie más espera por ellos: un terminal parado (Ctrl-S,
//! o un texto seleccionado en Windows) o una tubería llena no paran la medida.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use super::log::Log;
use super::terminal::{Vivas, ancho, mueve_el_cursor};
use crate::avisos::Nivel;
use crate::fallo::Frase;
use crate::herramientas::causa::causa;
use crate::herramientas::hilo::lanzar;
use crate::parada::Parada;

/// Si hay más de esto por escribir, lo que llegue no se enseña: cómo va, enseguida; lo demás, casi nunca.
const MAX_PROGRESOS: usize = 16;
const MAX_AVISOS: usize = 4096;

/// Lo que se espera al final a que salga lo que quede.
const DESPEDIDA: Duration = Duration::from_secs(5);

/// Lo que hay que escribir. `Sender` es por donde se dice que ya está.
enum Orden {
    Aviso(String),
    Progreso(Vec<String>, String),
    Dato(String, Sender<()>),
    Nada(Sender<()>),
}

/// Por donde se le pide.
#[derive(Clone)]
pub(super) struct Salida {
    ordenes: Sender<Orden>,
    en_cola: Arc<AtomicUsize>,
}

impl Salida {
    /// Arranca el hilo.
    pub(super) fn abrir(log: Option<Log>, parada: &Parada) -> Result<Self, Frase> {
        let (ordenes, recibidas) = mpsc::channel();
        let en_cola = Arc::new(AtomicUsize::new(0));
        let hilo = Hilo {
            terminal: io::stdout().is_terminal(),
            vivas: Vivas::default(),
            log,
            parada: parada.clone(),
            averiada: false,
            en_cola: Arc::clone(&en_cola),
        };
        lanzar("pantalla", move || hilo.bucle(&recibidas))?;
        Ok(Salida { ordenes, en_cola })
    }

    /// Una línea por la salida de errores.
    pub(super) fn aviso(&self, linea: String) {
        self.pedir(Orden::Aviso(linea), MAX_AVISOS);
    }

    /// Cómo va el programa: de esto importa solo lo último.
    pub(super) fn progreso(&self, en_terminal: &[String], en_tuberia: &str) {
        self.pedir(Orden::Progreso(en_terminal.to_vec(), en_tuberia.to_owned()), MAX_PROGRESOS);
    }

    /// Una línea por la salida normal. De estas no se pierde ninguna: espera a que esté escrita.
    pub(super) fn dato(&self, linea: String) {
        let (hecho, esperar) = mpsc::channel();
        self.pedir(Orden::Dato(linea, hecho), usize::MAX);
        let _ = esperar.recv();
    }

    /// Espera a que salga lo que quede por salir.
    pub(super) fn vaciar(&self) {
        let (hecho, esperar) = mpsc::channel();
        self.pedir(Orden::Nada(hecho), usize::MAX);
        let _ = esperar.recv_timeout(DESPEDIDA);
    }

    fn pedir(&self, orden: Orden, tope: usize) {
        if self.en_cola.fetch_add(1, Ordering::Relaxed) >= tope || self.ordenes.send(orden).is_err() {
            self.en_cola.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

struct Hilo {
    terminal: bool,
    vivas: Vivas,
    log: Option<Log>,
    parada: Parada,
    averiada: bool, // la salida normal no se puede escribir, y ya se ha dicho
    en_cola: Arc<AtomicUsize>,
}

impl Hilo {
    fn bucle(mut self, ordenes: &Receiver<Orden>) {
        for orden in ordenes {
            match orden {
                Orden::Aviso(linea) => self.aviso(&linea),
                Orden::Progreso(en_terminal, en_tuberia) => {
                    let escrito = self.progreso(&en_terminal, en_tuberia);
                    self.comprobar(escrito);
                }
                Orden::Dato(linea, hecho) => {
                    self.borrar_vivas();
                    let escrito = writeln!(io::stdout(), "{linea}");
                    self.comprobar(escrito);
                    let _ = hecho.send(());
                }
                Orden::Nada(hecho) => drop(hecho.send(())),
            }
            self.en_cola.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn aviso(&mut self, linea: &str) {
        self.borrar_vivas();
        let _ = writeln!(io::stderr(), "{linea}");
    }

    /// En un terminal reescribe las líneas vivas; en una tubería, una línea más.
    fn progreso(&mut self, en_terminal: &[String], en_tuberia: String) -> io::Result<()> {
        let mut salida = io::stdout().lock();
        if !self.terminal {
            writeln!(salida, "{en_tuberia}")?;
        } else if en_terminal.len() <= 1 || mueve_el_cursor() {
            self.vivas.pintar(&mut salida, ancho(), en_terminal)?;
        } else {
            self.vivas.pintar(&mut salida, ancho(), &[en_tuberia])?;
        }
        salida.flush()
    }

    fn borrar_vivas(&mut self) {
        let _ = self.vivas.borrar(&mut io::stdout().lock(), self.parada.pedida());
    }

    /// Si ya no lee nadie la tubería, se pide parar. Si la salida falla por otra cosa (un disco lleno, un terminal
    /// que ya no está), se dice una vez y se sigue sin ella.
    fn comprobar(&mut self, escrito: io::Result<()>) {
        match escrito {
            Ok(()) => self.averiada = false,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.parada.pedir(),
            Err(_) if self.averiada => {}
            Err(error) => {
                self.averiada = true;
                let frase =
                    format!("No se puede escribir en la salida ({}). Se sigue sin ella.", causa(&error));
                if let Some(log) = &self.log {
                    log.anotar(Nivel::Aviso, &frase);
                }
                self.aviso(&format!("{}{frase}", Nivel::Aviso.etiqueta()));
            }
        }
    }
}
