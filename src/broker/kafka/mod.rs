//! Kafka de verdad, con la crate `kafka`: habla el protocolo v0, que entienden los Kafka 0.9 a 3.9.
//!
//! Tres cosas que la crate no hace y se hacen aquí: poner límite a las conexiones (`conexion`),
//! reconocer por qué no se llega al broker (`errores`), y no perder mensajes ni quedarse parado cuando en
//! un topic hay tandas comprimidas y sin comprimir, u offsets sin mensaje (`lectura`, con `sonda`).

mod conexion;
mod emisor;
mod errores;
mod lectura;
mod receptor;
mod sonda;

pub use emisor::EmisorKafka;
pub use receptor::ReceptorKafka;
