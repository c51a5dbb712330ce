//! El InfluxDB: adónde escribe el agente y de dónde lee el panel.

use super::{Opcion, Valores};
use crate::fallo::Fallo;
use crate::herramientas::texto::enumerar;
use crate::influx::Lugar;
use crate::influx::http::{Acceso, host_de};

const URL: Opcion = Opcion::new("url", "URL", "INFLUXDB_V2_URL", "InfluxDB 2 o 3: dirección del servidor");
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

const V2: [Opcion; 4] = [URL, TOKEN, ORG, BUCKET];
const V1: [Opcion; 4] = [V1_URL, V1_DATABASE, V1_USER, V1_PASSWORD];

/// Las opciones del servidor.
pub(super) const SERVIDOR: &[Opcion] = &[URL, TOKEN, ORG, BUCKET, V1_URL, V1_DATABASE, V1_USER, V1_PASSWORD];

/// El destino que dicen los valores. Si no hay ninguno, el fichero; si están a medias, un error.
pub(super) fn lugar(valores: &Valores) -> Result<Lugar, Fallo> {
    let puesta = |opciones: [Opcion; 4]| opciones.into_iter().find(|o| valores.texto(o).is_some());
    match (puesta(V2), puesta(V1)) {
        (None, None) => Ok(Lugar::Fichero),
        (Some(v2), Some(v1)) => Err(Fallo::Uso(format!(
            "{v2} es de InfluxDB 2 y {v1} es de InfluxDB 1.x: deja solo lo de tu servidor"
        ))),
        (Some(_), None) => {
            let [url, token, org, bucket] = todos(valores, V2)?;
            servidor(url, Acceso::V2 { token, org, bucket })
        }
        (None, Some(_)) => {
            let [url, database] = todos(valores, [V1_URL, V1_DATABASE])?;
            let credenciales = match (valores.texto(&V1_USER), valores.texto(&V1_PASSWORD)) {
                (None, None) => None,
                _ => Some(todos(valores, [V1_USER, V1_PASSWORD])?.into()),
            };
            servidor(url, Acceso::V1 { database, credenciales })
        }
    }
}

fn servidor(url: String, acceso: Acceso) -> Result<Lugar, Fallo> {
    host_de(&url).map_err(|frase| Fallo::Uso(frase.0))?;
    Ok(Lugar::Servidor { url, acceso })
}

/// Los valores de estas opciones, o una frase con las que faltan.
fn todos<const N: usize>(valores: &Valores, opciones: [Opcion; N]) -> Result<[String; N], Fallo> {
    let leidos = opciones.map(|o| valores.texto(&o).ok_or_else(|| o.to_string()));
    let faltan: Vec<_> = leidos.iter().filter_map(|l| l.as_ref().err().cloned()).collect();
    if faltan.is_empty() {
        return Ok(leidos.map(Result::unwrap_or_default));
    }
    Err(Fallo::Uso(format!(
        "para usar InfluxDB {} {}",
        if faltan.len() == 1 { "falta" } else { "faltan" },
        enumerar(&faltan)
    )))
}
