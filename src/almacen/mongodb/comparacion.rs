//! Los documentos que ya estaban: si son del mismo mensaje o de otra historia del topic.

use std::collections::HashMap;

use ::mongodb::bson::{Bson, Document, doc};

use super::cliente::la_coleccion;
use super::conexion::Conexion;
use super::escritura::{Fallo, LIMITE_LLAMADA};
use crate::almacen::ErrorAlmacen;

/// Documentos que se comparan de una vez con los guardados: un servidor lento no acabaría a tiempo con miles.
const MAX_COMPARADOS: usize = 100;

/// Los que ya estaban han de ser del mismo mensaje.
pub(super) fn comparar(
    conexion: &mut Conexion,
    coleccion: &str,
    repetidos: &[Fallo<'_>],
) -> Result<(), ErrorAlmacen> {
    repetidos.chunks(MAX_COMPARADOS).try_for_each(|trozo| comparar_trozo(conexion, coleccion, trozo))
}

fn comparar_trozo(
    conexion: &mut Conexion,
    coleccion: &str,
    repetidos: &[Fallo<'_>],
) -> Result<(), ErrorAlmacen> {
    let guardadas = sumas_guardadas(conexion, coleccion, repetidos)?;
    for fallo in repetidos {
        let id = &fallo.documento.id;
        match guardadas.get(id) {
            Some(guardada) => {
                if let (Some(guardada), Some(crc)) = (guardada, fallo.documento.crc32)
                    && *guardada != i64::from(crc)
                {
                    return Err(ErrorAlmacen::OtraHistoria(id.clone()));
                }
            }
            None if fallo.mensaje.contains("index: _id_") => {
                return Err(ErrorAlmacen::Pasajero(format!(
                    "alguien ha borrado {id} de {coleccion} mientras se guardaba"
                )));
            }
            // El 11000 es también el de los demás índices únicos: este documento no está guardado.
            None => {
                return Err(ErrorAlmacen::Definitivo(format!(
                    "{id} choca en {coleccion} con un índice único que no es el de _id ({}): bórralo",
                    conexion.uri.palabras(&fallo.mensaje)
                )));
            }
        }
    }
    Ok(())
}

/// De los que están guardados, su suma: la de un mensaje está en `kafka` y la de un KPI, fuera.
fn sumas_guardadas(
    conexion: &mut Conexion,
    coleccion: &str,
    repetidos: &[Fallo<'_>],
) -> Result<HashMap<String, Option<i64>>, ErrorAlmacen> {
    let ids: Vec<_> = repetidos.iter().map(|fallo| fallo.documento.id.clone()).collect();
    let coleccion = coleccion.to_owned();
    conexion.hacer(LIMITE_LLAMADA, move |base| {
        let guardados = la_coleccion::<Document>(base, &coleccion)
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "kafka.crc32": 1, "crc32": 1 })
            .run()?;
        guardados
            .map(|documento| documento.map(|d| (d.get_str("_id").unwrap_or_default().to_owned(), suma(&d))))
            .collect()
    })
}

fn suma(documento: &Document) -> Option<i64> {
    match documento.get_document("kafka").unwrap_or(documento).get("crc32")? {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        // mongosh y JavaScript escriben así los números; un u32 cabe exacto.
        Bson::Double(n) => Some(*n as i64),
        _ => None,
    }
}
