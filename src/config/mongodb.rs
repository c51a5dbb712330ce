//! El MongoDB: dónde guarda el consumidor y de dónde lee el panel.

use super::{Opcion, Valores};
use crate::fallo::Fallo;

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

const URI: Opcion =
    Opcion::new("mongodb-uri", "URI", "MONGODB_URI", "MongoDB o Atlas (mejor en .env: lleva la contraseña)");
const BASE: Opcion =
    Opcion::new("mongodb-database", "BASE", "MONGODB_DATABASE", "Base de datos de MongoDB [iabd06]");

/// Las opciones de la base de datos.
pub(super) const DE_MONGODB: &[Opcion] = &[URI, BASE];

/// La base de datos que dicen los valores. Si no hay ninguna, la embebida.
pub(super) fn base_de_datos(valores: &Valores) -> Result<BaseDeDatos, Fallo> {
    match (valores.texto(&URI), valores.texto(&BASE)) {
        (None, None) => Ok(BaseDeDatos::Embebida),
        (Some(uri), base) => {
            Ok(BaseDeDatos::Mongo { uri, base: base.unwrap_or_else(|| "iabd06".to_owned()) })
        }
        (None, Some(_)) => Err(Fallo::Uso(format!("está {BASE} pero falta la conexión: {URI}"))),
    }
}
