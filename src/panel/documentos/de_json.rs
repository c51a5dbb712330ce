//! Los documentos del motor embebido, que están en JSON.

use serde_json::Value;

use super::campos::Campos;
use crate::panel::instante;

impl Campos for Value {
    fn sub(&self, nombre: &str) -> Option<&Self> {
        self.get(nombre).filter(|valor| valor.is_object())
    }

    fn texto(&self, nombre: &str) -> Option<String> {
        match self.get(nombre)? {
            Value::Null => None,
            Value::String(texto) => Some(texto.clone()),
            otro => Some(otro.to_string()),
        }
    }

    fn numero(&self, nombre: &str) -> Option<f64> {
        self.get(nombre)?.as_f64()
    }

    fn entero(&self, nombre: &str) -> Option<i64> {
        self.get(nombre)?.as_i64()
    }

    fn milis(&self, nombre: &str) -> Option<i64> {
        instante::leer(self.get(nombre)?.as_str()?)
    }

    /// Lo que no era texto está en hexadecimal, en `$hex`.
    fn principio(&self, nombre: &str, max: usize) -> Option<String> {
        let bytes = self.get(nombre)?;
        let Some(hex) = bytes.get("$hex").and_then(Value::as_str) else {
            return bytes.as_str().map(str::to_owned);
        };
        let byte = |par| u8::from_str_radix(std::str::from_utf8(par).ok()?, 16).ok();
        let bytes: Vec<u8> = hex.as_bytes().chunks(2).take(max).filter_map(byte).collect();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
