//! El MongoDB: dónde guarda el consumidor y de dónde lee el panel.

use super::{Opcion, Valores};
use crate::fallo::Fallo;
use crate::herramientas::direccion::host_y_puerto;

/// Dónde se guardan los documentos.
#[derive(Clone, PartialEq, Eq)]
pub enum BaseDeDatos {
    /// Nada configurado: el fichero de la carpeta de datos.
    Embebida,
    /// Un MongoDB.
    Mongo {
        /// La cadena de conexión, con su contraseña.
        uri: String,
        /// La base de datos.
        base: String,
    },
}

const URI: Opcion = Opcion::new(
    "mongodb-uri",
    "URI",
    "MONGODB_URI",
    "MongoDB o Atlas (mejor en .env: lleva la contraseña) [embebido]",
);
const BASE: Opcion =
    Opcion::new("mongodb-database", "BASE", "MONGODB_DATABASE", "Base de datos de MongoDB [iabd06]");

/// Las opciones de la base de datos.
pub(super) const DE_MONGODB: &[Opcion] = &[URI, BASE];

/// Lo que se escribe en vez de una URI para pedir el motor embebido, aunque el `.env` nombre un MongoDB.
const EMBEBIDO: &str = "embebido";

/// La base de datos que dicen los valores. Si no hay ninguna, la embebida.
pub(super) fn base_de_datos(valores: &Valores) -> Result<BaseDeDatos, Fallo> {
    if valores.texto(&URI).as_deref() == Some(EMBEBIDO) {
        return Ok(BaseDeDatos::Embebida);
    }
    match (valores.propio(&URI)?, valores.propio(&BASE)?) {
        (None, None) => Ok(BaseDeDatos::Embebida),
        (Some(uri), base) => {
            revisar(&uri).map_err(|razon| Fallo::Uso(format!("{URI}: {razon}")))?;
            Ok(BaseDeDatos::Mongo { uri, base: base.unwrap_or_else(|| "iabd06".to_owned()) })
        }
        (None, Some(_)) => Err(Fallo::Uso(format!("está {BASE} pero falta la conexión: {URI}"))),
    }
}

/// Si los servidores de la URI pueden serlo. Lo que no, no se repite: puede ser un trozo de la contraseña. Lo
/// demás lo mira `almacen`, que es quien se conecta.
fn revisar(uri: &str) -> Result<(), &'static str> {
    let Some((_, resto)) = uri.split_once("://") else {
        return Err("empieza por mongodb:// o mongodb+srv://");
    };
    let autoridad = resto.split(['/', '?']).next().unwrap_or_default();
    let (credenciales, servidores) = match autoridad.rsplit_once('@') {
        Some((credenciales, servidores)) => (Some(credenciales), servidores),
        None => (None, autoridad),
    };
    let es_servidor = |s: &str| s.contains('%') || host_y_puerto(s).is_ok(); // con %, un socket de Unix
    match credenciales {
        _ if servidores.split(',').all(es_servidor) => Ok(()),
        None if resto.contains('@') => Ok(()), // la contraseña tiene una / o un ? sin codificar
        None if servidores.contains(':') => Err(
            "detrás de los dos puntos va un puerto, del 1 al 65535; si es una contraseña, le falta @servidor detrás",
        ),
        _ => Err("su servidor no se entiende: se espera algo como localhost:27017"),
    }
}
