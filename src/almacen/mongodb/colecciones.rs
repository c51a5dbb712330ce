//! Las tres colecciones: de qué clase son y qué índices necesitan.

use ::mongodb::IndexModel;
use ::mongodb::bson::{Document, doc};
use ::mongodb::error::Error;
use ::mongodb::results::CollectionType;
use ::mongodb::sync::Database;

use super::cliente::la_coleccion;
use crate::nombres::{CRUDOS, DESCARTADOS, KPIS};

/// Si alguna de las colecciones es de una clase en la que no se puede guardar sin repetir, qué hacer.
///
/// # Errors
/// Los del servidor: puede que no deje mirarlo.
pub(super) fn impropia(base: &Database) -> Result<Option<String>, Error> {
    let nuestras = doc! { "name": { "$in": [CRUDOS, DESCARTADOS, KPIS] } };
    for coleccion in base.list_collections().filter(nuestras).run()? {
        let coleccion = coleccion?;
        let clase = match coleccion.collection_type {
            CollectionType::Timeseries => "una serie temporal, donde el _id se puede repetir",
            CollectionType::View => "una vista, donde no se puede guardar",
            _ if coleccion.options.capped == Some(true) => {
                "de tamaño fijo (capped), donde MongoDB borra los más antiguos"
            }
            _ => continue,
        };
        return Ok(Some(format!(
            "la colección {} es {clase}: cámbiale el nombre, o usa otra MONGODB_DATABASE, y el programa creará una normal",
            coleccion.name
        )));
    }
    Ok(None)
}

/// Los índices de las consultas del panel y de Charts.
///
/// # Errors
/// Los del servidor.
pub(super) fn crear_indices(base: &Database) -> Result<(), Error> {
    for (coleccion, campo) in
        [(CRUDOS, "kafka.recibido_en"), (DESCARTADOS, "kafka.recibido_en"), (KPIS, "ventana_fin")]
    {
        let indice = IndexModel::builder().keys(doc! { campo: 1 }).build();
        la_coleccion::<Document>(base, coleccion).create_index(indice).run()?;
    }
    Ok(())
}
