//! Lo que contesta un servidor a una escritura, traducido. Solo cuenta como escrito lo que contesta un InfluxDB
//! cuando escribe: un portal de acceso a la red o cualquier otro programa también dicen 200.
//!
//! Fuentes: <https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite>,
//! <https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint> y lo que contestan de verdad
//! InfluxDB 2.7.12, InfluxDB 1.6.7 y VictoriaMetrics.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use ureq::Timeout;
use ureq::http::Response;

use super::acceso::Acceso;
use super::rechazo::Rechazo;
use crate::herramientas::causa::{CORTADA, MUDO, SIN_DNS, causa, es_corte};
use crate::herramientas::texto::{limpiar, recortar};

/// Letras que se guardan de lo que dice el servidor: a veces repite la línea entera.
const MAX_PALABRAS: usize = 300;

/// Los códigos que un InfluxDB 2 pone en el `code` de su JSON.
const CODES: [&str; 14] = [
    "internal error",
    "not found",
    "conflict",
    "invalid",
    "unprocessable entity",
    "empty value",
    "unavailable",
    "forbidden",
    "too many requests",
    "unauthorized",
    "method not allowed",
    "request too large",
    "not implemented",
    "upstream server",
];

/// Por donde empieza lo que dice un InfluxDB, aunque falte el `code`: el 1.x y el 3 no lo llevan.
const CONOCIDAS: [&str; 13] = [
    "unauthorized access",
    "insufficient permissions",
    "bucket \"",
    "organization name \"",
    "failure writing points",
    "authorization failed",
    "database not found",
    "database is required",
    "partial write",
    "unable to parse '",
    "unable to parse authentication credentials",
    "points beyond retention policy",
    "field type conflict",
];

/// Lo que ha contestado el servidor a una petición: el código y sus palabras.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contestacion {
    /// Un 204: escrito.
    Escrito,
    /// 400 o 422 de InfluxDB que hablan de las líneas: hay alguna que no aceptará nunca.
    Rechazado(Rechazo),
    /// 413: el cuerpo es demasiado grande.
    DemasiadoGrande(u16, String),
    /// 401, 403 o 404 de InfluxDB: hay algo que arreglar fuera.
    SinAcceso(u16, String),
    /// Un InfluxDB, pero no de la versión que dicen las variables.
    OtraVersion(u16, String),
    /// Un InfluxDB, pero no su raíz: en ese camino no tiene nada.
    OtroCamino(u16, String),
    /// 429 o 503: que se espere, y quizá cuánto.
    Saturado(u16, Option<Duration>),
    /// Cualquier otra cosa que diga un InfluxDB: un límite, un fallo interno…
    Otro(u16, String),
    /// No parece que conteste un InfluxDB.
    Ajeno(u16, String),
    /// Lo que contesta ni siquiera es HTTP.
    NoEsHttp,
    /// No hay conexión: nadie escucha, el nombre no existe, no hay camino…
    SinConexion(String),
    /// Hay conexión, y no ha contestado a tiempo.
    Mudo,
    /// La conexión se ha cortado antes de la contestación.
    Cortada(String),
}

impl Contestacion {
    /// El código y las palabras, con este separador.
    pub(super) fn nota(&self, separador: &str) -> String {
        match self {
            Contestacion::Rechazado(Rechazo { codigo, palabras, .. })
            | Contestacion::DemasiadoGrande(codigo, palabras)
            | Contestacion::Otro(codigo, palabras)
            | Contestacion::Ajeno(codigo, palabras) => format!("{codigo}{separador}{palabras}"),
            Contestacion::Cortada(causa) | Contestacion::SinConexion(causa) => causa.clone(),
            _ => MUDO.to_owned(),
        }
    }

    /// Por qué pasa y qué hay que mirar, si se sabe.
    pub(super) fn pista(&self) -> &'static str {
        match self {
            Contestacion::Rechazado(Rechazo { por_fecha: true, .. }) => {
                ": son de una fecha que el servidor no guarda (su retención), o este ordenador no está en hora"
            }
            _ => "",
        }
    }

    /// Si con menos líneas, o sin alguna, podría entrar. Con un 404 o sin conexión, no.
    pub(super) fn quiza_por_lo_enviado(&self) -> bool {
        match self {
            Contestacion::Mudo | Contestacion::Cortada(_) | Contestacion::DemasiadoGrande(..) => true,
            Contestacion::Otro(codigo, _) | Contestacion::Ajeno(codigo, _) => {
                !matches!(codigo, 0..=399 | 401 | 402 | 404 | 405 | 407 | 410 | 421 | 501 | 505 | 511)
            }
            _ => false,
        }
    }

    /// Si podría ser un mal momento del servidor.
    pub(super) fn quiza_del_servidor(&self) -> bool {
        match self {
            Contestacion::Otro(codigo, _) | Contestacion::Ajeno(codigo, _) => *codigo >= 500,
            _ => matches!(self, Contestacion::Mudo | Contestacion::Cortada(_)),
        }
    }
}

/// La contestación, según su código, sus cabeceras y su `texto`.
pub(super) fn traducir<B>(contestacion: &Response<B>, texto: &str, acceso: &Acceso) -> Contestacion {
    let codigo = contestacion.status().as_u16();
    let cabecera = |nombre| contestacion.headers().get(nombre).and_then(|v| v.to_str().ok());
    let version = cabecera("x-influxdb-version").unwrap_or_default();
    let (dicho, de_influx) = leer(texto);
    let de_influx = de_influx || !version.is_empty() || cabecera("x-influxdb-build").is_some();
    let palabras = match cabecera("location") {
        Some(otra) if (300..400).contains(&codigo) => recortar(&limpiar(otra), MAX_PALABRAS),
        _ => recortar(&limpiar(&dicho), MAX_PALABRAS),
    };
    let espera = cabecera("retry-after").and_then(|valor| retry_after(valor, SystemTime::now()));
    match codigo {
        204 => Contestacion::Escrito,
        // El mismo 204, por un intermediario que cambia los códigos. Con cuerpo, InfluxDB 1.x dice así que no.
        200 if !version.is_empty() && texto.trim().is_empty() => Contestacion::Escrito,
        413 => Contestacion::DemasiadoGrande(codigo, palabras),
        429 => Contestacion::Saturado(codigo, espera),
        503 if de_influx || espera.is_some() => Contestacion::Saturado(codigo, espera),
        _ if !de_influx => Contestacion::Ajeno(codigo, palabras),
        400 | 422 => match Rechazo::de(codigo, &dicho, &palabras) {
            Some(rechazo) => Contestacion::Rechazado(rechazo),
            None => Contestacion::Otro(codigo, palabras),
        },
        401 | 404 if otra_version(acceso, version, &palabras) => Contestacion::OtraVersion(codigo, palabras),
        404 if !falta_algo(&palabras) => Contestacion::OtroCamino(codigo, palabras),
        401 | 403 | 404 => Contestacion::SinAcceso(codigo, palabras),
        _ => Contestacion::Otro(codigo, palabras),
    }
}

/// Si quien contesta es de la otra versión: un 2 al que se habla como a un 1.x, o al revés.
fn otra_version(acceso: &Acceso, version: &str, palabras: &str) -> bool {
    let version = version.trim_start_matches('v');
    match acceso {
        Acceso::V1 { .. } => version.starts_with("2.") || palabras.contains("dbrp"),
        Acceso::V2 { .. } => version.starts_with("1."),
    }
}

/// Si un 404 es porque no existe aquello en lo que se escribe. Si no, lo que no existe es ese camino.
fn falta_algo(palabras: &str) -> bool {
    ["bucket", "organization", "database"].iter().any(|cosa| palabras.contains(cosa))
}

/// `Retry-After`: segundos o una fecha HTTP (RFC 9110, sección 10.2.3).
pub fn retry_after(valor: &str, ahora: SystemTime) -> Option<Duration> {
    if let Ok(segundos) = valor.trim().parse() {
        return Some(Duration::from_secs(segundos));
    }
    let fecha = OffsetDateTime::parse(valor.trim(), &Rfc2822).ok()?;
    Some(SystemTime::from(fecha).duration_since(ahora).unwrap_or_default())
}

/// Lo que dice el servidor, y si lo dice como un InfluxDB: en JSON, con `code` y `message` (2) o `error` (1.x y 3).
fn leer(texto: &str) -> (String, bool) {
    let json: serde_json::Value = serde_json::from_str(texto).unwrap_or_default();
    let campo = |nombre| json.get(nombre).and_then(|valor| valor.as_str());
    let de_la_2 = campo("code").is_some_and(|code| CODES.contains(&code)) && campo("message").is_some();
    let suyo = campo("message").or_else(|| campo("error"));
    let conocido = suyo.is_some_and(|dicho| CONOCIDAS.iter().any(|como| dicho.starts_with(como)));
    let mut dicho = suyo.unwrap_or(texto).to_owned();
    // El 3 cuenta aparte qué le pasa a cada línea.
    for linea in json.get("data").and_then(|data| data.as_array()).into_iter().flatten() {
        dicho += "\n";
        dicho += linea.get("error_message").and_then(|mensaje| mensaje.as_str()).unwrap_or_default();
    }
    (dicho, de_la_2 || conocido)
}

/// Por qué no hay contestación.
pub(super) fn explicar(error: &ureq::Error) -> Contestacion {
    let causa = match error {
        ureq::Error::Io(error) if es_corte(error) => return Contestacion::Cortada(CORTADA.to_owned()),
        // El tipo de estos errores es de otra biblioteca: se distinguen por su texto.
        ureq::Error::Protocol(error) => match error.to_string() {
            texto if texto.contains("authorization header") => NO_CABE.to_owned(),
            texto if texto.starts_with("http parse") => return Contestacion::NoEsHttp,
            _ => return Contestacion::Cortada(CORTADA.to_owned()),
        },
        ureq::Error::Http(_) => NO_CABE.to_owned(),
        ureq::Error::Io(error) => causa(error),
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => MUDO.to_owned(),
        ureq::Error::Timeout(_) => return Contestacion::Mudo,
        ureq::Error::HostNotFound => SIN_DNS.to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
            format!("fallo de TLS: {}", limpiar(&error.to_string()))
        }
        otro => format!("fallo de red: {}", limpiar(&otro.to_string())),
    };
    Contestacion::SinConexion(causa)
}

/// Una cabecera HTTP solo lleva letras de las sencillas.
const NO_CABE: &str =
    "el token lleva alguna letra que no puede viajar (una tilde, un salto de línea): cópialo otra vez";
