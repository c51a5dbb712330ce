//! Las dos prácticas de Big Data, en Rust síncrono. Este es el plano de la casa:
//!
//! - [`sistema`]: las métricas de esta máquina (psutil en Rust).
//! - [`influx`]: el punto, su línea, `WriteApi` y el camino hasta InfluxDB.
//! - [`simulador`], [`mensaje`], [`kpis`]: los servidores simulados, el mensaje de Kafka y el agregador
//!   de la segunda práctica. [`consumo`] dice qué se guarda y hasta dónde se confirma; [`broker`] y
//!   [`almacen`] son los motores, y [`tablero`], lo que se ve mientras tanto.
//! - `panel`: la página en la que se ve lo que guardan los demás.
//! - [`config`], [`ritmo`], [`parada`], [`pantalla`], [`avisos`], [`fallo`]: opciones, reloj,
//!   Ctrl-C, terminal, avisos y códigos de salida.
//!
//! Cada programa de `src/bin` se lee de arriba abajo como el script al que refleja.
//! El porqué de cada cuarto está en `docs/ARQUITECTURA.md`.

// Nada que cause un usuario, una red o un disco acaba en un panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod almacen;
pub mod avisos;
pub mod broker;
pub mod config;
pub mod consumo;
#[cfg(feature = "embebido")]
pub mod embebido;
pub mod fallo;
pub mod fecha;
pub mod guardadas;
pub mod guardia;
pub mod herramientas;
pub mod influx;
pub mod insistir;
pub mod json;
pub mod kpis;
pub mod mensaje;
pub mod motores;
pub mod nombres;
#[cfg(feature = "panel")]
pub mod panel;
pub mod pantalla;
pub mod parada;
pub mod ritmo;
pub mod simulador;
pub mod sistema;
pub mod tablero;
