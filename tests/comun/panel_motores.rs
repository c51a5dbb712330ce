//! El panel y los demás programas, con motores de verdad.
#![allow(dead_code)] // cada prueba usa una parte

use std::path::Path;

use mongodb::sync::{Client, Database};

use super::comun::ejecutable;
use super::motores::{Motor, con};
use super::panel::Panel;

/// Lanza un programa con la configuración de estos motores y espera a que acabe bien.
pub fn correr(ruta: &str, carpeta: &Path, motores: &[&Motor], argumentos: &[&str]) {
    let salida = con(ejecutable(ruta, carpeta, argumentos), motores).output().unwrap();
    assert!(salida.status.success(), "{}", String::from_utf8_lossy(&salida.stderr));
}

/// El panel con estos motores.
pub fn lanzar(carpeta: &Path, motores: &[&Motor]) -> Panel {
    Panel::esperar(&mut con(
        ejecutable(env!("CARGO_BIN_EXE_panel_metricas"), carpeta, &["--puerto", "0"]),
        motores,
    ))
}

/// La base de datos de un motor.
pub fn base(motor: &Motor) -> Database {
    Client::with_uri_str(&motor.entorno["MONGODB_URI"]).unwrap().database(&motor.entorno["MONGODB_DATABASE"])
}
