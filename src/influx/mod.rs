//! Escribir en InfluxDB: del punto a la línea, de la línea al lote y del lote al servidor.
//!
//! La lección son cuatro ficheros, que se leen en este orden: [`punto`], [`buffer`], [`write_api`] y
//! `temporizador`.
//! Los demás son los cuartos de al lado: dónde esperan las líneas ([`diario`], [`fichero`],
//! [`respaldo`]), cómo viajan ([`http`], [`envio`]) y qué quiere decir lo que contesta el servidor
//! ([`contestacion`], [`frases`]).

pub mod acceso;
mod asegurador;
pub mod buffer;
pub mod carpeta;
pub mod cliente;
pub mod confianza;
#[cfg(feature = "panel")]
pub mod consulta;
pub mod contestacion;
pub mod destino;
pub mod diario;
pub mod envio;
mod escape;
pub mod fichero;
pub mod frases;
pub mod http;
mod juicio;
mod olvidados;
pub mod opciones;
mod proxy;
pub mod punto;
mod rechazados;
pub mod rechazo;
mod red;
pub mod respaldo;
mod segmento;
mod temporizador;
mod trozos;
pub mod valor;
mod voz;
pub mod write_api;

pub use acceso::Acceso;
pub use cliente::{Ajustes, InfluxDBClient, Lugar};
pub use destino::{Resumen, WriteError};
pub use opciones::WriteOptions;
pub use punto::Point;
pub use write_api::WriteApi;
