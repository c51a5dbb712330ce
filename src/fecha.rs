//! La fecha de un mensaje: puede venir de muchas formas, y de ninguna puede parar el programa.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::{Iso8601, Rfc3339};

/// El primer segundo del año 10000.
const TOPE: u64 = 253_402_300_800;

/// La fecha de un `timestamp_utc`: un texto ISO 8601 con su zona horaria o, si no admite dudas, un
/// número de Unix (con diez cifras, segundos; con trece, milisegundos).
///
/// # Errors
/// Por qué no se puede usar, en español y sin punto final.
pub fn leer(valor: Option<&Value>) -> Result<SystemTime, &'static str> {
    let fecha = match valor {
        None | Some(Value::Null) => return Err("no lleva timestamp_utc"),
        Some(Value::String(texto)) => de_texto(texto.trim())?,
        Some(Value::Number(numero)) => de_numero(numero.as_f64()).ok_or("timestamp_utc no es una fecha")?,
        Some(_) => return Err("timestamp_utc no es una fecha"),
    };
    // Más lejos no llegan ni Python ni MongoDB y, antes, los relojes de todos los sistemas.
    if fecha.is_some_and(|f| f.as_secs() < TOPE) {
        let fecha = fecha.and_then(|f| UNIX_EPOCH.checked_add(f));
        return fecha.ok_or("timestamp_utc no está entre 1970 y 9999");
    }
    Err("timestamp_utc no está entre 1970 y 9999")
}

/// Desde 1970. Nada, si es de antes.
fn de_texto(texto: &str) -> Result<Option<Duration>, &'static str> {
    let con_t = texto.replacen(' ', "T", 1);
    let fecha = OffsetDateTime::parse(&con_t, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&con_t, &Iso8601::PARSING))
        .map_err(|_| match sin_zona(&con_t) {
            true => "timestamp_utc no dice su zona horaria",
            false => "timestamp_utc no es una fecha",
        })?;
    let nanos = fecha.unix_timestamp_nanos();
    Ok(u64::try_from(nanos / 1_000).ok().map(Duration::from_micros))
}

fn sin_zona(texto: &str) -> bool {
    OffsetDateTime::parse(&format!("{texto}Z"), &Iso8601::PARSING).is_ok()
}

fn de_numero(numero: Option<f64>) -> Option<Option<Duration>> {
    match numero? {
        segundos @ 1e9..1e10 => Some(Some(Duration::from_secs_f64(segundos))),
        milis @ 1e12..1e13 => Some(Some(Duration::from_secs_f64(milis / 1_000.0))),
        _ => None,
    }
}
