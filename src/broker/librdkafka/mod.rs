//! Kafka de verdad, con librdkafka: de la versión 3.4 a la 4, con grupos que se reparten las
//! particiones, TLS y SASL. Está con la feature `librdkafka`.
//!
//! librdkafka tiene sus hilos y vuelve a conectar sola. Aquí se espera a lo que hace, se dice en una
//! frase qué ha fallado, y se lleva la cuenta de las particiones que van y vienen.

mod conexion;
mod desvio;
mod emisor;
mod errores;
mod receptor;
mod reparto;

pub use emisor::EmisorLibrdkafka;
pub use receptor::ReceptorLibrdkafka;
