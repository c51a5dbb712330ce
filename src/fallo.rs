//! Cómo acaba un programa: código 0 si ha ido bien, 1 si ha fallado, 2 si se ha usado mal.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::avisos::{self, Nivel};

/// Una frase para el usuario, en español y sin punto final: lo que devuelve un cuarto cuando a quien lo
/// llama le basta con decirla. Si tiene que decidir algo según el error, ese cuarto tiene su propio tipo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frase(pub String);

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

/// El error de un cuarto, que ya es una frase. Uno del sistema o de una biblioteca no lo es: está en
/// inglés y no dice qué hacer.
macro_rules! es_frase {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Fallo {
            fn from(error: $error) -> Self {
                Fallo::Ejecucion(error.to_string())
            }
        })*
    };
}

es_frase!(
    Frase,
    crate::almacen::ErrorAlmacen,
    crate::broker::ErrorBroker,
    crate::influx::cliente::ErrorCliente,
    crate::sistema::ErrorSistema,
);

impl fmt::Display for Frase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Frase {}

impl From<&str> for Frase {
    fn from(frase: &str) -> Self {
        Frase(frase.to_owned())
    }
}

impl From<String> for Frase {
    fn from(frase: String) -> Self {
        Frase(frase)
    }
}

/// Dice lo que haya que decir y da el código de salida.
pub fn salir(resultado: Result<(), Fallo>) -> ExitCode {
    let codigo = match resultado {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fallo::Informacion(texto)) => {
            // Si nadie lee la salida no hay a quién decírselo.
            let _ = writeln!(io::stdout(), "{texto}");
            ExitCode::SUCCESS
        }
        Err(Fallo::Uso(frase)) => {
            avisos::decir(Nivel::Error, &format!("{frase}.\nCon --ayuda se ven todas las opciones."));
            ExitCode::from(2)
        }
        Err(Fallo::Ejecucion(frase)) => {
            avisos::decir(Nivel::Error, &format!("{frase}."));
            ExitCode::FAILURE
        }
    };
    avisos::despedirse();
    codigo
}
