//! Lo que contesta un servidor a una petición, traducido: qué quiere decir cada código.
//!
//! Fuentes: <https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite> y
//! <https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint>.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use ureq::http::{Response, header};

use crate::herramientas::causa::{CORTADA, MUDO, SIN_DNS, causa, es_corte};
use crate::herramientas::texto::recortar;

/// Letras que se guardan de lo que dice el servidor: a veces repite la línea entera.
const MAX_PALABRAS: usize = 300;

/// Lo que ha contestado el servidor a una petición.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contestacion {
    /// 2xx: escrito.
    Escrito,
    /// 400 o 422 de InfluxDB: hay líneas que no aceptará nunca. Con sus palabras.
    Rechazado(u16, String),
    /// 413: el cuerpo es demasiado grande.
    DemasiadoGrande(u16, String),
    /// 401, 403 o 404: hay algo que arreglar fuera.
    SinAcceso(u16, String),
    /// 429 o 503: que se espere, y quizá cuánto.
    Saturado(u16, Option<Duration>),
    /// Cualquier otro código, o una contestación que no es de InfluxDB.
    Otro(u16, String),
    /// No hay contestación: conexión rechazada, sin respuesta a tiempo, nombre que no existe...
    SinConexion(String),
    /// La conexión se ha cortado antes de la contestación.
    Cortada(String),
}

/// La contestación, según su código, sus cabeceras y su `texto`.
pub(super) fn traducir<B>(contestacion: &Response<B>, texto: &str) -> Contestacion {
    let codigo = contestacion.status().as_u16();
    let (palabras, de_influx) = palabras(texto);
    match codigo {
        200..=299 => Contestacion::Escrito,
        413 => Contestacion::DemasiadoGrande(codigo, palabras),
        429 | 503 => {
            let valor = contestacion.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
            Contestacion::Saturado(codigo, valor.and_then(|v| retry_after(v, SystemTime::now())))
        }
        // Un proxy o un servidor web también dicen 400 o 404: eso no condena ningún punto.
        400 | 422 if de_influx => Contestacion::Rechazado(codigo, palabras),
        401 | 403 => Contestacion::SinAcceso(codigo, palabras),
        404 if de_influx => Contestacion::SinAcceso(codigo, palabras),
        _ => Contestacion::Otro(codigo, palabras),
    }
}

/// `Retry-After`: segundos o una fecha HTTP (RFC 9110, sección 10.2.3).
pub fn retry_after(valor: &str, ahora: SystemTime) -> Option<Duration> {
    if let Ok(segundos) = valor.trim().parse() {
        return Some(Duration::from_secs(segundos));
    }
    let fecha = OffsetDateTime::parse(valor.trim(), &Rfc2822).ok()?;
    Some(SystemTime::from(fecha).duration_since(ahora).unwrap_or_default())
}

/// Las palabras del servidor, y si son de InfluxDB: las da en JSON, en `message` (2) o `error` (1.x y 3).
fn palabras(texto: &str) -> (String, bool) {
    let json: serde_json::Value = serde_json::from_str(texto).unwrap_or_default();
    let campo = json.get("message").or_else(|| json.get("error")).and_then(|m| m.as_str());
    let palabras = campo.unwrap_or(texto).split_whitespace().collect::<Vec<_>>().join(" ");
    (recortar(&palabras, MAX_PALABRAS), campo.is_some())
}

/// Por qué no hay contestación.
pub(super) fn explicar(error: &ureq::Error) -> Contestacion {
    let causa = match error {
        ureq::Error::Io(error) if es_corte(error) => return Contestacion::Cortada(CORTADA.to_owned()),
        ureq::Error::Protocol(_) => return Contestacion::Cortada(CORTADA.to_owned()),
        ureq::Error::Io(error) => causa(error),
        ureq::Error::Timeout(_) => MUDO.to_owned(),
        ureq::Error::HostNotFound => SIN_DNS.to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => format!("fallo de TLS: {error}"),
        otro => format!("fallo de red: {otro}"),
    };
    Contestacion::SinConexion(causa)
}
