//! El valor de un field: sus tipos y cómo se escribe cada uno en line protocol.

use std::fmt::Write;

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
        match self {
            // El decimal más corto que vuelve al mismo f64. NaN e infinito no llegan aquí: `field` los omite.
            Valor::Float(x) => salida.push_str(zmij::Buffer::new().format_finite(*x)),
            // Escribir en un String no puede fallar.
            Valor::Integer(n) => drop(write!(salida, "{n}i")),
            Valor::Unsigned(n) => drop(write!(salida, "{n}u")),
            Valor::Boolean(b) => salida.push_str(if *b { "true" } else { "false" }),
            Valor::String(texto) => {
                salida.push('"');
                escapar(texto, "\"\\", salida);
                salida.push('"');
            }
        }
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
