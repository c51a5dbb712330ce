//! Los documentos de MongoDB, que están en BSON. Sin interpretar: con `Document`, un campo `$date` de un
//! mensaje sería un error.

use ::mongodb::bson::Bson;
use ::mongodb::bson::raw::{RawBsonRef, RawDocument};

use super::campos::Campos;

impl Campos for RawDocument {
    fn sub(&self, nombre: &str) -> Option<&Self> {
        campo(self, nombre)?.as_document()
    }

    fn texto(&self, nombre: &str) -> Option<String> {
        match campo(self, nombre)? {
            RawBsonRef::Null => None,
            RawBsonRef::String(texto) => Some(texto.to_owned()),
            otro => Some(Bson::try_from(otro).map_or_else(|_| String::new(), |valor| valor.to_string())),
        }
    }

    fn numero(&self, nombre: &str) -> Option<f64> {
        match campo(self, nombre)? {
            RawBsonRef::Double(x) => Some(x),
            RawBsonRef::Int32(n) => Some(f64::from(n)),
            RawBsonRef::Int64(n) => Some(n as f64),
            RawBsonRef::Decimal128(n) => n.to_string().parse().ok(),
            _ => None,
        }
    }

    fn entero(&self, nombre: &str) -> Option<i64> {
        match campo(self, nombre)? {
            RawBsonRef::Int32(n) => Some(i64::from(n)),
            RawBsonRef::Int64(n) => Some(n),
            _ => None,
        }
    }

    fn milis(&self, nombre: &str) -> Option<i64> {
        Some(campo(self, nombre)?.as_datetime()?.timestamp_millis())
    }

    fn principio(&self, nombre: &str, max: usize) -> Option<String> {
        let bytes = campo(self, nombre)?.as_binary()?.bytes;
        Some(String::from_utf8_lossy(bytes.get(..max).unwrap_or(bytes)).into_owned())
    }
}

fn campo<'a>(documento: &'a RawDocument, nombre: &str) -> Option<RawBsonRef<'a>> {
    documento.get(nombre).ok().flatten()
}
