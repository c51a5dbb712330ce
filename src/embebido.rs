//! El motor embebido: un fichero SQLite hace de broker y de base de datos. Se abre aquí.
//!
//! Los dos programas lo usan a la vez, y también quien mire con `sqlite3`: va en modo WAL, en el que
//! quien lee no estorba a quien escribe.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use crate::avisos::{Avisos, Nivel};
use crate::fallo::Frase;
use crate::herramientas::{causa, sitio};
use crate::nombres::FICHERO_MOTOR;

/// Lo que se espera a otro programa que lo tenga ocupado.
const OCUPADO: Duration = Duration::from_secs(5);

/// El fichero, dentro de la carpeta de datos.
pub fn ruta(datos: &Path) -> PathBuf {
    datos.join(FICHERO_MOTOR)
}

/// El fichero abierto, y lo que hace falta para notar que alguien lo borra o lo cambia por otro: SQLite
/// seguiría usando el que ya no está en la carpeta.
pub struct Abierto {
    datos: PathBuf,
    avisos: Avisos,
    conexion: Connection,
    identidad: Identidad,
}

impl Abierto {
    /// Abre el fichero de `datos`; lo crea si falta.
    ///
    /// # Errors
    /// Por qué no se puede, y qué hacer.
    pub fn new(datos: &Path, avisos: &Avisos) -> Result<Self, Frase> {
        let conexion = abrir(datos)?;
        let identidad = identidad(datos);
        Ok(Abierto { datos: datos.to_owned(), avisos: avisos.clone(), conexion, identidad })
    }

    /// La conexión.
    pub fn conexion(&mut self) -> &mut Connection {
        &mut self.conexion
    }

    /// Si el que está en la carpeta ya no es el que se abrió: entonces lo abre otra vez (lo crea, si falta) y lo
    /// dice, con lo que se ha perdido. Se mira después de usarlo; lo que se acabe de escribir hay que repetirlo.
    ///
    /// # Errors
    /// Si no se puede abrir otra vez.
    pub fn reabierto(&mut self, perdido: &str) -> Result<bool, Frase> {
        if identidad(&self.datos) == self.identidad {
            return Ok(false);
        }
        let ruta = ruta(&self.datos);
        let frase = format!(
            "Alguien ha borrado o cambiado {} con el programa en marcha: {perdido}. Se usa el nuevo.",
            ruta.display()
        );
        (self.avisos)(Nivel::Error, &frase);
        // Primero se cierra el de antes, que podría llevarse por delante los auxiliares del nuevo.
        self.conexion = Connection::open_in_memory().map_err(|e| Frase(causa(&e)))?;
        self.conexion = abrir(&self.datos)?;
        self.identidad = identidad(&self.datos);
        Ok(true)
    }
}

/// Cuál es el fichero del motor, si está. En Windows, donde no se sabe, uno abierto por SQLite no se puede borrar.
type Identidad = Option<Option<sitio::Numero>>;

/// No se abre otra vez para compararlo: al cerrarlo se soltarían los candados de SQLite
/// (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
fn identidad(datos: &Path) -> Identidad {
    fs::metadata(ruta(datos)).ok().map(|fichero| sitio::numero(&fichero))
}

/// Abre el fichero (lo crea si falta) con lo que necesitan sus dos usos.
fn abrir(datos: &Path) -> Result<Connection, Frase> {
    let ruta = ruta(datos);
    let preparar = || -> rusqlite::Result<(Connection, String)> {
        let conexion = Connection::open(&ruta)?;
        conexion.busy_timeout(OCUPADO)?;
        let modo = conexion.pragma_update_and_check(None, "journal_mode", "WAL", |fila| fila.get(0))?;
        conexion.execute_batch(
            "CREATE TABLE IF NOT EXISTS mensajes (
                 topic TEXT, particion INTEGER, offset INTEGER, clave BLOB, valor BLOB,
                 PRIMARY KEY (topic, particion, offset)) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS grupos (
                 grupo TEXT, topic TEXT, particion INTEGER, siguiente INTEGER,
                 PRIMARY KEY (grupo, topic, particion)) WITHOUT ROWID;",
        )?;
        Ok((conexion, modo))
    };
    let explicar = |causa: &str| {
        Frase(format!(
            "no se puede usar {} ({causa}): elige otra carpeta con --datos, mejor en un disco de esta máquina",
            ruta.display()
        ))
    };
    fs::create_dir_all(datos).map_err(|e| explicar(&causa::causa(&e)))?;
    // Cuando varios programas estrenan el fichero a la vez, al pasar a WAL SQLite no espera lo que se le ha dicho.
    let inicio = Instant::now();
    let mut preparado = preparar();
    while let Err(error) = &preparado
        && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
        && inicio.elapsed() < OCUPADO
    {
        thread::sleep(Duration::from_millis(5));
        preparado = preparar();
    }
    match preparado {
        Ok((conexion, modo)) if modo == "wal" => Ok(conexion),
        Ok(_) => Err(explicar("ese disco no admite el modo WAL de SQLite")),
        Err(error) => Err(explicar(&causa(&error))),
    }
}

/// El error de un cuarto cuando el motor falla: `pasajero` si se puede arreglar solo (otro programa lo tiene
/// bloqueado, o no queda espacio) y `definitivo` si no.
pub fn fallo<E>(error: &rusqlite::Error, pasajero: fn(String) -> E, definitivo: fn(String) -> E) -> E {
    let frase = format!("el motor embebido no responde ({})", causa(error));
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => pasajero(frase),
        _ => definitivo(frase),
    }
}

/// La causa de un error, en español si es de las habituales.
pub fn causa(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "otro programa lo tiene ocupado".to_owned()
        }
        Some(ErrorCode::DiskFull) => "no queda espacio en el disco: libera algo".to_owned(),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "no tienes permiso para escribir".to_owned()
        }
        Some(ErrorCode::CannotOpen) => "no se puede abrir".to_owned(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "no es un fichero de SQLite, o está dañado".to_owned()
        }
        Some(ErrorCode::FileLockingProtocolFailed | ErrorCode::SystemIoFailure) => {
            "el disco está lleno, ha fallado o no admite bloqueos".to_owned()
        }
        _ if ["no such column", "has no column", "no such table"]
            .iter()
            .any(|p| error.to_string().contains(p)) =>
        {
            "sus tablas son de otra versión de estos programas".to_owned()
        }
        _ => error.to_string(),
    }
}
