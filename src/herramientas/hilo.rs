//! Arrancar un hilo: el sistema puede no dejar, y `thread::spawn` acabaría con el programa.

use std::thread::{Builder, JoinHandle};

use crate::fallo::Frase;

/// Arranca un hilo con este nombre.
///
/// # Errors
/// Si el sistema no deja crear más.
pub fn lanzar<T: Send + 'static>(
    nombre: &str,
    tarea: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Frase> {
    let hilo = Builder::new().name(nombre.to_owned()).spawn(tarea);
    hilo.map_err(|error| Frase(format!("el sistema no deja crear otro hilo ({error})")))
}
