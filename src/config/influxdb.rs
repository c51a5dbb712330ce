//! El InfluxDB: adónde escribe el agente y de dónde lee el panel.

use std::path::PathBuf;

use super::{Opcion, Valores};
use crate::fallo::Fallo;
use crate::herramientas::texto::enumerar;
use crate::influx::acceso::{es_https, host_de, revisar_token};
use crate::influx::{Acceso, Lugar, confianza};

const URL: Opcion = Opcion::new(
    "url",
    "URL",
    "INFLUXDB_V2_URL",
    "InfluxDB 2 o 3: dirección del servidor; «fichero», ninguno",
);
const TOKEN: Opcion = Opcion::new(
    "token",
    "TOKEN",
    "INFLUXDB_V2_TOKEN",
    "Token (mejor en .env: aquí se ve en la lista de procesos)",
);
const ORG: Opcion = Opcion::new("org", "ORG", "INFLUXDB_V2_ORG", "Organización");
const BUCKET: Opcion = Opcion::new("bucket", "BUCKET", "INFLUXDB_BUCKET", "Bucket");

const V1_URL: Opcion =
    Opcion::new("v1-url", "URL", "INFLUXDB_V1_URL", "InfluxDB 1.x: dirección del servidor");
const V1_DATABASE: Opcion =
    Opcion::new("v1-database", "BASE", "INFLUXDB_V1_DATABASE", "InfluxDB 1.x: base de datos");
const V1_USER: Opcion =
    Opcion::new("v1-user", "USUARIO", "INFLUXDB_V1_USER", "InfluxDB 1.x: usuario, si lo pide");
const V1_PASSWORD: Opcion =
    Opcion::new("v1-password", "CLAVE", "INFLUXDB_V1_PASSWORD", "InfluxDB 1.x: contraseña (mejor en .env)");

const SSL_CA_CERT: Opcion = Opcion::new(
    "ssl-ca-cert",
    "FICHERO",
    "INFLUXDB_V2_SSL_CA_CERT",
    "Con https: certificados de quien firma el del servidor, en PEM [los del sistema]",
);

const V2: [Opcion; 4] = [URL, TOKEN, ORG, BUCKET];
const V1: [Opcion; 4] = [V1_URL, V1_DATABASE, V1_USER, V1_PASSWORD];

/// Las opciones del servidor.
pub(super) const SERVIDOR: &[Opcion] =
    &[URL, TOKEN, ORG, BUCKET, V1_URL, V1_DATABASE, V1_USER, V1_PASSWORD, SSL_CA_CERT];

/// Lo que se escribe en vez de una URL para pedir el fichero, aunque el `.env` nombre un servidor.
const FICHERO: &str = "fichero";

/// El destino que dicen los valores. Si no hay ninguno, el fichero; si están a medias, un error. Entre InfluxDB 2
/// y 1.x manda el de la línea de órdenes, luego el del entorno y luego el del `.env`.
pub(super) fn lugar(valores: &Valores) -> Result<Lugar, Fallo> {
    let quien = |opciones: [Opcion; 4]| {
        opciones.into_iter().filter_map(|o| Some((valores.fuente(&o)?, o))).min_by_key(|(fuente, _)| *fuente)
    };
    let es_v2 = match (quien(V2), quien(V1)) {
        (None, None) => return Ok(Lugar::Fichero),
        (Some((f2, v2)), Some((f1, v1))) if f2 == f1 => {
            return Err(Fallo::Uso(format!(
                "{v2} es de InfluxDB 2 y {v1} es de InfluxDB 1.x: deja solo lo de tu servidor"
            )));
        }
        (Some((f2, _)), Some((f1, _))) => f2 < f1,
        (v2, _) => v2.is_some(),
    };
    let url = if es_v2 { URL } else { V1_URL };
    if valores.texto(&url).as_deref() == Some(FICHERO) {
        return Ok(Lugar::Fichero);
    }
    if es_v2 { influxdb2(valores) } else { influxdb1(valores) }
}

fn influxdb2(valores: &Valores) -> Result<Lugar, Fallo> {
    let [url, token, org, bucket] = todos(valores, V2)?;
    if let Err(letra) = revisar_token(&token) {
        return Err(Fallo::Uso(format!(
            "{TOKEN} lleva {letra}, que no puede ir en un token: cópialo otra vez"
        )));
    }
    servidor(valores, &URL, url, Acceso::V2 { token, org, bucket })
}

fn influxdb1(valores: &Valores) -> Result<Lugar, Fallo> {
    let [url, database] = todos(valores, [V1_URL, V1_DATABASE])?;
    let credenciales = match (valores.texto(&V1_USER), valores.texto(&V1_PASSWORD)) {
        (None, None) => None,
        _ => Some(todos(valores, [V1_USER, V1_PASSWORD])?.into()),
    };
    servidor(valores, &V1_URL, url, Acceso::V1 { database, credenciales })
}

fn servidor(valores: &Valores, opcion: &Opcion, url: String, acceso: Acceso) -> Result<Lugar, Fallo> {
    host_de(&url).map_err(|frase| Fallo::Uso(format!("{opcion}: {frase}")))?;
    let ca = valores.propio(&SSL_CA_CERT)?.map(PathBuf::from).filter(|_| es_https(&url));
    confianza::tls(ca.as_deref()).map_err(|frase| Fallo::Uso(format!("{SSL_CA_CERT}: {frase}")))?;
    Ok(Lugar::Servidor { url, acceso, ca })
}

/// Los valores de estas opciones, o una frase con las que faltan.
fn todos<const N: usize>(valores: &Valores, opciones: [Opcion; N]) -> Result<[String; N], Fallo> {
    let faltan: Vec<_> =
        opciones.iter().filter(|o| valores.fuente(o).is_none()).map(Opcion::to_string).collect();
    if !faltan.is_empty() {
        let falta = if faltan.len() == 1 { "falta" } else { "faltan" };
        return Err(Fallo::Uso(format!("para usar InfluxDB {falta} {}", enumerar(&faltan))));
    }
    let mut leidos = [const { String::new() }; N];
    for (leido, opcion) in leidos.iter_mut().zip(&opciones) {
        *leido = valores.propio(opcion)?.unwrap_or_default();
    }
    Ok(leidos)
}
