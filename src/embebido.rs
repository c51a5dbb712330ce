//! El motor embebido: un fichero SQLite hace de broker y de base de datos. Se abre aquí.
//!
//! Los dos programas lo usan a la vez, y también quien mire con `sqlite3`: va en modo WAL, en el que
//! quien lee no estorba a quien escribe.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::fallo::Frase;
use crate::herramientas::causa;
use crate::nombres::FICHERO_MOTOR;

/// El fichero, dentro de la carpeta de datos.
pub fn ruta(datos: &Path) -> PathBuf {
    datos.join(FICHERO_MOTOR)
}

/// Abre el fichero (lo crea si falta) con lo que necesitan sus dos usos.
///
/// # Errors
/// Por qué no se puede, y qué hacer.
pub fn abrir(datos: &Path) -> Result<Connection, Frase> {
    let ruta = ruta(datos);
    let preparar = || -> rusqlite::Result<(Connection, String)> {
        let conexion = Connection::open(&ruta)?;
        conexion.busy_timeout(Duration::from_secs(5))?;
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
    match preparar() {
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
        _ => error.to_string(),
    }
}
