//! Lo que enseña cada programa mientras trabaja, sobre [`pantalla`](crate::pantalla): el agente, y el
//! productor y el consumidor.

pub mod agente;
mod atraso;
mod cuentas;
pub mod tuberia;

pub use agente::TableroAgente;
pub use cuentas::Guardado;
pub use tuberia::Tablero;
