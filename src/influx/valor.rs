//! El valor de un field: sus tipos y cómo se escribe cada uno en line protocol.

use std::fmt::Write;

use serde_json::Number;

use super::escape::escapar;

/// Los tipos de un field. InfluxDB fija el tipo de cada field con el primer valor que recibe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Valor<'a> {
    /// `12.5`. NaN e infinito no existen en line protocol: el field se omite.
    Float(f64),
    /// `3i`
    Integer(i64),
    /// `3u`
    Unsigned(u64),
    /// `true` o `false`
    Boolean(bool),
    /// `"texto"`
    String(&'a str),
}

impl Valor<'_> {
    /// Añade el valor a `salida`.
    pub(super) fn escribir(&self, salida: &mut String) {
        let _ = match self {
            // serde_json escribe el decimal más corto que vuelve al mismo f64, tres veces más deprisa
            // que `{x}`. Sin número (NaN, infinito) no se llega aquí: `field` lo ha omitido.
            Valor::Float(x) => Number::from_f64(*x).map_or(Ok(()), |n| write!(salida, "{n}")),
            Valor::Integer(n) => write!(salida, "{n}i"),
            Valor::Unsigned(n) => write!(salida, "{n}u"),
            Valor::Boolean(b) => write!(salida, "{b}"),
            Valor::String(texto) => {
                salida.push('"');
                escapar(texto, "\"\\", salida);
                salida.push('"');
                Ok(())
            }
        };
    }
}

impl From<f64> for Valor<'_> {
    fn from(x: f64) -> Self {
        Valor::Float(x)
    }
}

impl From<i64> for Valor<'_> {
    fn from(n: i64) -> Self {
        Valor::Integer(n)
    }
}

impl From<u64> for Valor<'_> {
    fn from(n: u64) -> Self {
        Valor::Unsigned(n)
    }
}

impl From<bool> for Valor<'_> {
    fn from(b: bool) -> Self {
        Valor::Boolean(b)
    }
}

impl<'a> From<&'a str> for Valor<'a> {
    fn from(texto: &'a str) -> Self {
        Valor::String(texto)
    }
}
