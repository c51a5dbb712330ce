//! Lo que enseña cada programa mientras trabaja, sobre [`pantalla`](crate::pantalla): el agente, y el
//! productor y el consumidor.

pub mod agente;
mod atraso;
pub mod tuberia;

pub use agente::TableroAgente;
pub use tuberia::{Guardado, Tablero};
