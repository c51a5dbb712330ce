//! Los instantes del panel: milisegundos desde 1970.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Lo que puede adelantar el reloj de otro ordenador: lo que pase de ahí es del futuro, y ni se enseña como lo
/// último ni tapa a lo de ahora.
pub const ADELANTO: i64 = 60_000;

/// Ahora.
pub fn ahora() -> i64 {
    let desde_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(desde_1970.as_millis()).unwrap_or(i64::MAX)
}

/// Un instante escrito como `2026-04-18T14:48:18.009002Z` (RFC 3339).
pub fn leer(texto: &str) -> Option<i64> {
    let fecha = OffsetDateTime::parse(texto, &Rfc3339).ok()?;
    i64::try_from(fecha.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}
