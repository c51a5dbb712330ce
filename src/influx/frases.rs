//! Las frases de cada problema con el servidor: qué pasa y qué hay que arreglar.

use super::acceso::Acceso;
use super::contestacion::Contestacion;

/// El código del problema (0 si no hay contestación) y su frase, sin punto final.
pub fn frase(contestacion: &Contestacion, acceso: &Acceso, servidor: &str) -> (u16, String) {
    match contestacion {
        Contestacion::SinConexion(causa) | Contestacion::Cortada(causa) => {
            (0, format!("{servidor}: {causa}"))
        }
        Contestacion::Saturado(codigo, _) => {
            (*codigo, format!("{servidor} está saturado y pide esperar ({codigo})"))
        }
        Contestacion::SinAcceso(codigo, palabras) => {
            let (queja, arreglo) = queja_y_arreglo(*codigo, acceso);
            (*codigo, format!("{servidor} {queja} ({codigo}: {palabras}); {arreglo}"))
        }
        Contestacion::Otro(codigo, palabras) if *codigo >= 500 => {
            (*codigo, format!("{servidor} tiene un fallo interno ({codigo}: {palabras})"))
        }
        Contestacion::Otro(404, palabras) if matches!(acceso, Acceso::V2 { .. }) => {
            let pista = "ahí no está /api/v2/write: ¿es un InfluxDB 1.x, que va con INFLUXDB_V1_URL?";
            (404, format!("{servidor} contesta 404 ({palabras}); {pista}"))
        }
        Contestacion::Otro(codigo, palabras)
        | Contestacion::Rechazado(codigo, palabras)
        | Contestacion::DemasiadoGrande(codigo, palabras) => {
            let pista = "no parece InfluxDB: revisa la URL y su puerto";
            (*codigo, format!("{servidor} contesta {codigo} ({palabras}); {pista}"))
        }
        Contestacion::Escrito => (204, format!("{servidor} acepta los puntos")),
    }
}

/// De qué se queja el servidor y qué hay que arreglar para que deje escribir.
fn queja_y_arreglo(codigo: u16, acceso: &Acceso) -> (String, &'static str) {
    match (codigo, acceso) {
        (401, Acceso::V2 { .. }) => ("no acepta el token".to_owned(), "revisa INFLUXDB_V2_TOKEN o --token"),
        (401, Acceso::V1 { .. }) => (
            "no acepta el usuario o la contraseña".to_owned(),
            "revisa INFLUXDB_V1_USER e INFLUXDB_V1_PASSWORD",
        ),
        (403, Acceso::V2 { bucket, .. }) => (
            format!("no deja a este token escribir en el bucket «{bucket}»"),
            "crea un token con permiso de escritura en él",
        ),
        (403, Acceso::V1 { database, .. }) => (
            format!("no deja a este usuario escribir en la base de datos «{database}»"),
            "dale permiso con GRANT WRITE",
        ),
        (_, Acceso::V2 { org, bucket, .. }) => (
            format!("no encuentra el bucket «{bucket}» o la organización «{org}»"),
            "créalos o corrige INFLUXDB_BUCKET e INFLUXDB_V2_ORG",
        ),
        (_, Acceso::V1 { database, .. }) => (
            format!("no encuentra la base de datos «{database}»"),
            "créala con CREATE DATABASE o corrige INFLUXDB_V1_DATABASE",
        ),
    }
}
