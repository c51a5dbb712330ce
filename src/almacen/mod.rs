//! El almacén de documentos, visto desde el consumidor: insertar en una colección sin repetir.
//!
//! Los motores son el embebido (SQLite) y MongoDB. Reintentar es cosa de quien los usa: tras un
//! [`ErrorAlmacen::Pasajero`], la siguiente llamada vuelve a conectar si hace falta.

#[cfg(feature = "embebido")]
pub mod embebido;
pub mod mongodb;

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::guardadas::Ventana;
use crate::insistir::Reintentable;

/// Un documento por guardar.
#[derive(Debug, Clone, PartialEq)]
pub struct Documento {
    /// Su `_id`: el mismo mensaje o la misma ventana dan siempre el mismo.
    pub id: String,
    /// Suma del mensaje del que sale, o de los mensajes si es un KPI. Distingue una repetición de otra historia del topic.
    pub crc32: Option<u32>,
    /// Los demás campos, en orden.
    pub campos: Vec<(String, Dato)>,
}

/// El valor de un campo.
#[derive(Debug, Clone, PartialEq)]
pub enum Dato {
    /// Cualquier valor JSON.
    Json(Value),
    /// Una fecha (en MongoDB, de verdad; en el embebido, texto ISO 8601 en UTC).
    Fecha(SystemTime),
    /// Bytes tal cual.
    Bytes(Vec<u8>),
    /// Un documento dentro de otro.
    Sub(Vec<(String, Dato)>),
}

/// Donde se guardan los documentos.
pub trait Almacen: Send {
    /// Guarda los documentos que no estén ya y devuelve cuántos eran nuevos. Uno que ya está se queda
    /// como estaba.
    ///
    /// # Errors
    /// [`ErrorAlmacen::OtraHistoria`] si un `_id` ya está con otro `crc32`; los demás, del motor.
    fn insertar(&mut self, coleccion: &str, documentos: &[Documento]) -> Result<usize, ErrorAlmacen>;

    /// Las ventanas guardadas de una partición que acaban en el mensaje `desde` o después.
    ///
    /// # Errors
    /// Los del motor.
    fn ventanas(&mut self, topic: &str, particion: i32, desde: i64) -> Result<Vec<Ventana>, ErrorAlmacen>;

    /// Documentos nuevos que se guardaron y después se han perdido: solo si alguien borra el fichero del motor
    /// embebido.
    fn perdidos(&self) -> u64 {
        0
    }
}

/// Los `_id` de las ventanas de una partición: de este texto, incluido, hasta el otro, que ya no lo es.
fn ids_de_ventanas(topic: &str, particion: i32) -> (String, String) {
    (format!("{topic}#{particion}#"), format!("{topic}#{particion}$")) // `$` es la letra que sigue a `#`
}

/// Lo que puede ir mal con un almacén. La frase es para el usuario, sin punto final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorAlmacen {
    /// Se puede arreglar solo: se espera y se vuelve a llamar.
    Pasajero(String),
    /// Ya hay un documento con este `_id`, y es de otro mensaje.
    OtraHistoria(String),
    /// No se va a arreglar esperando.
    Definitivo(String),
}

impl Reintentable for ErrorAlmacen {
    fn es_pasajero(&self) -> bool {
        matches!(self, ErrorAlmacen::Pasajero(_))
    }
}

impl fmt::Display for ErrorAlmacen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorAlmacen::Pasajero(frase) | ErrorAlmacen::Definitivo(frase) => f.write_str(frase),
            ErrorAlmacen::OtraHistoria(id) => write!(
                f,
                "en la base de datos ya hay un {id} de otro mensaje: el topic se ha creado otra vez, o es de otro clúster. Usa otra MONGODB_DATABASE (con el motor embebido, otra carpeta: --datos); no se ha sobrescrito nada"
            ),
        }
    }
}

impl std::error::Error for ErrorAlmacen {}

/// El documento en JSON, con su `_id` delante.
pub fn a_json(documento: &Documento) -> Value {
    let id = ("_id".to_owned(), Value::from(documento.id.as_str()));
    let campos = documento.campos.iter().map(|(clave, dato)| (clave.clone(), valor(dato)));
    Value::Object([id].into_iter().chain(campos).collect::<Map<_, _>>())
}

fn valor(dato: &Dato) -> Value {
    match dato {
        Dato::Json(valor) => valor.clone(),
        Dato::Fecha(fecha) => Value::from(iso(*fecha)),
        // Lo que es texto se guarda legible; lo que no, en hexadecimal.
        Dato::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(texto) => Value::from(texto),
            Err(_) => {
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                Value::Object(Map::from_iter([("$hex".to_owned(), Value::from(hex))]))
            }
        },
        Dato::Sub(campos) => Value::Object(campos.iter().map(|(c, d)| (c.clone(), valor(d))).collect()),
    }
}

/// Una fecha en UTC, como `2026-04-18T14:48:18.009002Z`.
fn iso(fecha: SystemTime) -> String {
    OffsetDateTime::from(fecha).format(&Rfc3339).unwrap_or_default()
}
