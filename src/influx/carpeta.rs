//! La carpeta de un agente: una por `host_id` y destino, y un solo agente a la vez en ella.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use flate2::Crc;

use crate::herramientas::causa::causa;
use crate::herramientas::lineas;

/// El fichero que dice de quién es la carpeta, para que el nombre corto no engañe.
pub(super) const FICHA: &str = "identidad.txt";

/// Una carpeta reservada. Se libera al soltarla, o cuando el proceso muere de cualquier manera.
#[derive(Debug)]
pub struct Carpeta {
    /// Dónde está.
    pub ruta: PathBuf,
    _cerrojo: File,
}

/// Por qué no se ha podido reservar la carpeta.
#[derive(Debug)]
pub enum ErrorCarpeta {
    /// Otro agente ya escribe con ese `host_id` en ese destino.
    Ocupada {
        /// El `host_id` repetido.
        host_id: String,
        /// El destino repetido.
        destino: String,
    },
    /// La carpeta no se puede crear, o su disco no admite cerrojos.
    Sistema(PathBuf, io::Error),
}

impl Carpeta {
    /// Reserva la carpeta de `host_id` hacia `destino`, dentro de `datos`. `nombre_destino` es como se
    /// llama en los avisos.
    ///
    /// # Errors
    /// [`ErrorCarpeta`], que es una frase para el usuario.
    pub fn reservar(
        datos: &Path,
        host_id: &str,
        destino: &str,
        nombre_destino: &str,
    ) -> Result<Self, ErrorCarpeta> {
        let identidad = format!("host_id={host_id}\ndestino={destino}\n");
        // La suma distingue lo que el nombre legible confunde: «a b» y «a_b», o las mayúsculas.
        let mut suma = Crc::new();
        suma.update(identidad.as_bytes());
        let corto = destino.split_once("://").map_or(destino, |(_, resto)| resto);
        let corto = corto.lines().next().unwrap_or_default();
        let nombre = format!("{}@{}-{:08x}", legible(host_id), legible(corto), suma.sum());
        let ruta = datos.join("agente").join(nombre);
        let fallo = |error| ErrorCarpeta::Sistema(ruta.clone(), error);

        fs::create_dir_all(&ruta).map_err(fallo)?;
        let cerrojo = match cerrar(&ruta) {
            Ok(cerrojo) => cerrojo,
            Err(TryLockError::WouldBlock) => {
                let (host_id, destino) = (host_id.to_owned(), nombre_destino.to_owned());
                return Err(ErrorCarpeta::Ocupada { host_id, destino });
            }
            Err(TryLockError::Error(error)) => return Err(fallo(error)),
        };
        let ficha = ruta.join(FICHA);
        match fs::read_to_string(&ficha) {
            Ok(otra) if otra == identidad => {}
            Ok(otra) if identidad.starts_with(&otra) => fs::write(&ficha, identidad).map_err(fallo)?,
            Ok(_) => return Err(fallo(io::Error::other("la carpeta es de otro host_id u otro destino"))),
            Err(_) => fs::write(&ficha, identidad).map_err(fallo)?,
        }
        Ok(Carpeta { ruta, _cerrojo: cerrojo })
    }

    /// Reserva una carpeta que ya existe, de quien sea. `None` si la usa otro agente o no es de ninguno.
    pub(super) fn otra(ruta: PathBuf) -> io::Result<Option<Self>> {
        if !ruta.join("cerrojo").exists() {
            return Ok(None);
        }
        match cerrar(&ruta) {
            Ok(cerrojo) => Ok(Some(Carpeta { ruta, _cerrojo: cerrojo })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Echa el cerrojo de una carpeta, que se abre solo cuando se suelta el fichero.
fn cerrar(ruta: &Path) -> Result<File, TryLockError> {
    let cerrojo = lineas::abrir(&ruta.join("cerrojo")).map_err(TryLockError::Error)?;
    cerrojo.try_lock()?;
    Ok(cerrojo)
}

/// Letras, cifras, punto y guion; lo demás, `_`. Sin pasarse del largo que admite un disco.
fn legible(texto: &str) -> String {
    let sirve = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
    texto.chars().map(sirve).take(60).collect()
}

impl fmt::Display for ErrorCarpeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorCarpeta::Ocupada { host_id, destino } => write!(
                f,
                "ya hay un agente en marcha con el host_id «{host_id}» y el mismo destino ({destino}): para aquel, o da a este otro nombre con --host-id"
            ),
            ErrorCarpeta::Sistema(ruta, error) => write!(
                f,
                "no se puede usar la carpeta {} ({}): elige otra con --datos, mejor en un disco de esta máquina",
                ruta.display(),
                match error.kind() {
                    io::ErrorKind::AlreadyExists => "ya existe y no es una carpeta".to_owned(),
                    io::ErrorKind::Unsupported => "ese disco no admite cerrojos".to_owned(),
                    _ => causa(error),
                }
            ),
        }
    }
}

impl std::error::Error for ErrorCarpeta {}
