//! Lo que enseña cada programa mientras trabaja, sobre [`pantalla`](crate::pantalla): el agente, y el
//! productor y el consumidor.

pub mod agente;
pub mod tuberia;

pub use agente::TableroAgente;
pub use tuberia::{Cuentas, Tablero};
