//! La costura de `WriteApi`: lo que necesita de un destino y lo que cuenta a quien lo usa.

use std::fmt;
use std::io;
use std::time::Duration;

use super::buffer::Lote;
use super::punto::ErrorPunto;
use crate::herramientas::causa::causa;

/// Adonde van los lotes: un servidor, un fichero o, en las pruebas, un vector.
pub trait Destino: Send + 'static {
    /// Se llama una vez, al arrancar el hilo: buen momento para comprobar el servidor.
    fn saludar(&mut self) {}

    /// Envía un lote y dice qué ha sido de él.
    fn enviar(&mut self, lote: &Lote) -> Entrega;
}

/// Lo que ha sido de un lote: las primeras `escritas + apartadas` líneas ya no están pendientes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Entrega {
    /// Líneas escritas en el destino.
    pub escritas: usize,
    /// Líneas que el destino no aceptará nunca, guardadas aparte.
    pub apartadas: usize,
    /// Si quedan líneas sin enviar: cuánto hay que esperar y por qué.
    pub esperar: Option<(Duration, String)>,
}

/// Cuentas de un `WriteApi`, en puntos.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Resumen {
    /// Confirmados por el destino.
    pub enviados: u64,
    /// Siguen en el buffer.
    pub pendientes: usize,
    /// De los pendientes, los que solo están en memoria: se pierden si acaba el programa.
    pub solo_en_memoria: usize,
    /// Rechazados por el destino y guardados aparte.
    pub apartados: u64,
    /// Tirados por falta de sitio en el buffer.
    pub perdidos: u64,
    /// Por qué queda algo pendiente.
    pub motivo: Option<String>,
    /// Lo que ha ido hacia atrás el reloj la última vez, si alguna vez se ha puesto en hora.
    pub retroceso: Option<Duration>,
}

/// Por qué `write()` no ha apuntado un punto.
#[derive(Debug)]
pub enum WriteError {
    /// El punto no se puede representar en line protocol.
    Punto(ErrorPunto),
    /// El buffer no lo admite: no hay sitio ni en disco ni en memoria.
    Buffer(io::Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Punto(error) => error.fmt(f),
            WriteError::Buffer(error) => write!(f, "el punto no cabe en el buffer: {}", causa(error)),
        }
    }
}

impl std::error::Error for WriteError {}
