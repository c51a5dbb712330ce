//! Herramientas de uso general, que no saben de ninguna práctica: las usan varios cuartos.

pub mod autoridades;
pub mod candado;
pub mod causa;
pub mod direccion;
pub mod hilo;
pub mod lineas;
pub mod reintentos;
pub mod sitio;
pub mod texto;
