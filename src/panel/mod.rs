//! El panel: la página en la que se ve lo que guardan los otros programas. Solo mira.
//!
//! ```text
//! conexiones ─ web ─ vistas/ ─ sabido ─┬─ vigia ········ un hilo por fuente, para todos los que miran
//!   http                               ├─ puntos/ ······ el agente: fichero, InfluxDB 2, InfluxDB 1.x
//!                                      └─ documentos/ ·· crudos, KPIs y descartados: embebido, MongoDB
//! ```
//!
//! [`serie`], `flota` y `ventanas` son cuentas: no miran el reloj ni hablan con nadie.

pub mod abrir;
mod aforo;
pub mod conexiones;
pub mod documentos;
mod estaticos;
mod flota;
mod http;
mod instante;
mod intereses;
pub mod puerta;
pub mod puntos;
mod rango;
mod sabido;
pub mod secretos;
pub mod serie;
mod ventanas;
mod vigia;
mod vistas;
pub mod web;
