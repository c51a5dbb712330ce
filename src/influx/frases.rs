//! Las frases de cada problema con el servidor: qué pasa y qué hay que arreglar.

use super::acceso::{Acceso, camino_de, host_de};
use super::contestacion::Contestacion;
use super::rechazo::Rechazo;
use crate::herramientas::causa::{MUDO, SIN_DNS};

/// Lo que hay que poner para hablar con un InfluxDB de cada versión.
const VARIABLES_2: &str = "INFLUXDB_V2_URL, INFLUXDB_V2_TOKEN, INFLUXDB_V2_ORG e INFLUXDB_BUCKET";
const VARIABLES_1: &str = "INFLUXDB_V1_URL e INFLUXDB_V1_DATABASE";

const NO_ES_HTTP: &str = "lo que contesta no es HTTP, así que no es InfluxDB; revisa el puerto de la URL";
const LIMITE: &str = "mira qué límite tiene, o el del proxy que haya delante";

/// Un servidor, tal como está configurado.
#[derive(Debug, Clone, Copy)]
pub struct Servidor<'a> {
    /// Cómo se llama en los avisos.
    pub nombre: &'a str,
    /// Su dirección.
    pub url: &'a str,
    /// Cómo se entra.
    pub acceso: &'a Acceso,
}

/// La frase de una contestación, sin punto final.
pub fn frase(contestacion: &Contestacion, servidor: Servidor) -> String {
    let Servidor { nombre, url, acceso } = servidor;
    match contestacion {
        Contestacion::Escrito => format!("{nombre} acepta los puntos"),
        Contestacion::Mudo => format!("{nombre}: {MUDO}"),
        Contestacion::SinConexion(causa) if causa == SIN_DNS => {
            format!("{nombre}: {causa}{}", de_docker(url))
        }
        Contestacion::SinConexion(causa) | Contestacion::Cortada(causa) => format!("{nombre}: {causa}"),
        Contestacion::NoEsHttp => format!("{nombre}: {NO_ES_HTTP}"),
        Contestacion::Saturado(codigo, _) => format!("{nombre} está saturado y pide esperar ({codigo})"),
        Contestacion::SinAcceso(codigo, palabras) => {
            let (queja, arreglo) = queja_y_arreglo(*codigo, acceso);
            format!("{nombre} {queja} ({codigo}: {palabras}); {arreglo}")
        }
        Contestacion::OtraVersion(codigo, palabras) => {
            let (es, variables) = match acceso {
                Acceso::V1 { .. } => ("InfluxDB 2", VARIABLES_2),
                Acceso::V2 { .. } => ("InfluxDB 1.x", VARIABLES_1),
            };
            format!("{nombre} contesta {codigo} ({palabras}), y es un {es}: va con {variables}")
        }
        Contestacion::OtroCamino(codigo, palabras) => {
            let pista = sobra(url).unwrap_or_else(|| no_esta(acceso));
            format!("{nombre} contesta {codigo} ({palabras}); {pista}")
        }
        Contestacion::Otro(codigo, palabras) if *codigo >= 500 => {
            format!("{nombre} tiene un fallo interno ({codigo}: {palabras})")
        }
        Contestacion::Otro(codigo, palabras)
        | Contestacion::DemasiadoGrande(codigo, palabras)
        | Contestacion::Rechazado(Rechazo { codigo, palabras, .. }) => {
            format!("{nombre} no acepta ningún punto, ni uno solo ({codigo}: {palabras}); {LIMITE}")
        }
        Contestacion::Ajeno(codigo, palabras) => ajeno(*codigo, palabras, servidor),
    }
}

/// Qué se dice de quien no contesta como un InfluxDB.
fn ajeno(codigo: u16, palabras: &str, Servidor { nombre, url, acceso }: Servidor) -> String {
    let pista = match codigo {
        511 => "es el portal de acceso a la red: entra en él con el navegador".to_owned(),
        407 => "es un proxy, que pide sus credenciales".to_owned(),
        300..400 => {
            "manda a otra dirección: o es la buena, y va en la URL, o es el portal de acceso a la red, \
                     y hay que entrar en él con el navegador"
                .to_owned()
        }
        500.. => {
            return format!(
                "{nombre} no escribe: él, o un proxy que tenga delante, tiene un fallo interno ({codigo}: {palabras})"
            );
        }
        _ => sobra(url).unwrap_or_else(|| match codigo {
            200..300 => {
                "es otro programa, o el portal de acceso a la red: revisa la URL y su puerto".to_owned()
            }
            404 => no_esta(acceso),
            401 | 403 => format!(
                "revisa la URL y su puerto; si lo es, y hay un proxy en medio, {}",
                credenciales(acceso)
            ),
            _ => "revisa la URL y su puerto, y si hay un proxy en medio".to_owned(),
        }),
    };
    let palabras = if palabras.is_empty() { "sin más palabras" } else { palabras };
    format!("{nombre} contesta {codigo} ({palabras}) y no parece InfluxDB; {pista}")
}

/// Si la URL lleva un camino, sobra.
fn sobra(url: &str) -> Option<String> {
    let (camino, raiz) = camino_de(url)?;
    Some(format!("a la URL le sobra «{camino}»: déjala en {raiz}"))
}

/// Qué credenciales hay que mirar.
fn credenciales(acceso: &Acceso) -> &'static str {
    match acceso {
        Acceso::V2 { .. } => "revisa INFLUXDB_V2_TOKEN o --token",
        Acceso::V1 { .. } => "revisa INFLUXDB_V1_USER e INFLUXDB_V1_PASSWORD",
    }
}

/// En la raíz del servidor no está la dirección de escribir.
fn no_esta(acceso: &Acceso) -> String {
    match acceso {
        Acceso::V2 { .. } => {
            format!("ahí no está /api/v2/write: si es un InfluxDB 1.x, va con {VARIABLES_1}")
        }
        Acceso::V1 { .. } => format!("ahí no está /write: si es un InfluxDB 2 o 3, va con {VARIABLES_2}"),
    }
}

/// Un nombre sin puntos que el DNS no conoce suele ser el de un contenedor, que solo existe dentro de Docker.
fn de_docker(url: &str) -> String {
    match host_de(url) {
        Ok(host) if !host.contains('.') => format!(
            "; un nombre como «{host}» suele existir solo dentro de Docker: desde fuera es localhost, con el puerto publicado"
        ),
        _ => String::new(),
    }
}

/// De qué se queja el servidor y qué hay que arreglar para que deje escribir.
fn queja_y_arreglo(codigo: u16, acceso: &Acceso) -> (String, &'static str) {
    match (codigo, acceso) {
        (401, Acceso::V2 { .. }) => ("no acepta el token".to_owned(), credenciales(acceso)),
        (401, Acceso::V1 { .. }) => ("no acepta el usuario o la contraseña".to_owned(), credenciales(acceso)),
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
