//! El panel: la página en la que se ve lo que guardan los otros programas. Solo mira.
//!
//! ```text
//! servidor ─ web ─ vistas ─ estado ─┬─ vigia ········ un hilo por fuente, para todos los que miran
//!   http                            ├─ puntos/ ······ el agente: fichero, InfluxDB 2, InfluxDB 1.x
//!                                   └─ documentos/ ·· crudos, KPIs y descartados: embebido, MongoDB
//! ```
//!
//! [`serie`], `flota` y `ventanas` son cuentas: no miran el reloj ni hablan con nadie.

pub mod abrir;
pub mod documentos;
mod estado;
mod estaticos;
mod flota;
mod http;
mod instante;
pub mod puerta;
pub mod puntos;
mod rango;
pub mod serie;
pub mod servidor;
mod ventanas;
mod vigia;
mod vistas;
pub mod web;
