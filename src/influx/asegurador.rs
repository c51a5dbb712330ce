//! El hilo que pide al sistema que lo escrito llegue al disco (fsync). En una tarjeta SD o un disco de red puede
//! tardar segundos: nadie que mida espera por él.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use crate::avisos::{Avisos, Nivel};
use crate::herramientas::causa::causa;

/// Lo que hay que asegurar.
pub(super) struct Tarea {
    pub(super) ficheros: Vec<File>,
    /// La carpeta, si hay ficheros nuevos en ella.
    pub(super) carpeta: Option<PathBuf>,
}

/// Por donde se le pide. El hilo acaba al soltarlo.
pub(super) struct Asegurador {
    tareas: SyncSender<Tarea>,
}

impl Asegurador {
    pub(super) fn new(avisos: Avisos) -> io::Result<Self> {
        let (tareas, recibidas) = mpsc::sync_channel::<Tarea>(0);
        thread::Builder::new().name("asegurador".to_owned()).spawn(move || {
            for tarea in recibidas {
                // Lo escrito ya lo tiene el sistema: que el disco falle al asegurarlo no lo quita.
                if let Err(error) = tarea.cumplir() {
                    avisos(Nivel::Detalle, &format!("fsync del diario: {}", causa(&error)));
                }
            }
        })?;
        Ok(Asegurador { tareas })
    }

    /// Empieza ya, y devuelve `false` si todavía está con la anterior.
    pub(super) fn empezar(&self, tarea: Tarea) -> bool {
        self.tareas.try_send(tarea).is_ok()
    }
}

impl Tarea {
    fn cumplir(self) -> io::Result<()> {
        for fichero in &self.ficheros {
            fichero.sync_data()?;
        }
        // En Unix, un fichero recién creado solo aguanta un apagón si se asegura su carpeta.
        match self.carpeta {
            Some(carpeta) if cfg!(unix) => File::open(carpeta)?.sync_all(),
            _ => Ok(()),
        }
    }
}
