//! Cómo acaba un programa: código 0 si ha ido bien, 1 si ha fallado, 2 si se ha usado mal.

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Lo que impide seguir, dicho en una frase.
#[derive(Debug)]
pub enum Fallo {
    /// No es un fallo: se ha pedido la ayuda o la versión. Sale por la salida normal, código 0.
    Informacion(String),
    /// Opciones o configuración que no valen: código 2.
    Uso(String),
    /// Lo demás: código 1.
    Ejecucion(String),
}

impl<E: Error> From<E> for Fallo {
    fn from(error: E) -> Self {
        Fallo::Ejecucion(error.to_string())
    }
}

/// La causa de un error del sistema, en español si es de las habituales.
pub fn causa(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull => "no queda espacio en el disco".to_owned(),
        ErrorKind::QuotaExceeded => "has agotado tu cuota de disco".to_owned(),
        ErrorKind::FileTooLarge => "el fichero ha llegado a su tamaño máximo".to_owned(),
        ErrorKind::PermissionDenied => "no tienes permiso".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "ese disco es de solo lectura".to_owned(),
        ErrorKind::NotFound => "no existe".to_owned(),
        ErrorKind::NotADirectory => "no es una carpeta".to_owned(),
        ErrorKind::AlreadyExists => "ya existe y no es una carpeta".to_owned(),
        ErrorKind::IsADirectory => "es una carpeta".to_owned(),
        ErrorKind::Unsupported => "ese disco no admite cerrojos".to_owned(),
        ErrorKind::InvalidData => "no está en UTF-8: guárdalo con esa codificación".to_owned(),
        _ => error.to_string(),
    }
}

/// Dice lo que haya que decir y da el código de salida.
pub fn salir(resultado: Result<(), Fallo>) -> ExitCode {
    // Si nadie lee la salida no hay a quién decírselo.
    match resultado {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fallo::Informacion(texto)) => {
            let _ = writeln!(io::stdout(), "{texto}");
            ExitCode::SUCCESS
        }
        Err(Fallo::Uso(frase)) => {
            let _ = writeln!(io::stderr(), "error: {frase}.\nCon --ayuda se ven todas las opciones.");
            ExitCode::from(2)
        }
        Err(Fallo::Ejecucion(frase)) => {
            let _ = writeln!(io::stderr(), "error: {frase}.");
            ExitCode::FAILURE
        }
    }
}
