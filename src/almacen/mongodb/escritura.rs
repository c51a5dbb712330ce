//! Mandar documentos y saber qué ha sido de cada uno: nuevo, repetido o rechazado.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::mongodb::bson::raw::RawDocumentBuf;
use ::mongodb::bson::{Bson, Document, doc};
use ::mongodb::error::{ErrorKind, IndexedWriteError};

use super::bson::con_texto_json;
use super::conexion::{Conexion, la_coleccion, mayoria};
use super::frases::PASAJEROS;
use crate::almacen::{Documento, ErrorAlmacen};

/// Lo que puede tardar una llamada: la crate no tiene otro límite si el servidor se cuelga a medias.
const LIMITE_LLAMADA: Duration = Duration::from_secs(30);
/// Documentos que se comparan de una vez con los guardados: un servidor lento no acabaría a tiempo con miles.
const MAX_COMPARADOS: usize = 100;
/// Ya hay un documento con ese `_id` (`DuplicateKey`).
const REPETIDO: i32 = 11000;

/// Lo que va en una llamada al servidor.
#[derive(Default)]
pub(super) struct Trozo<'a> {
    pub(super) documentos: Vec<&'a Documento>,
    pub(super) codificados: Vec<RawDocumentBuf>,
    pub(super) bytes: usize,
}

/// Cuántos documentos eran nuevos y, si alguno no se admite ni como texto, la frase.
#[derive(Default)]
pub(super) struct Resultado {
    pub(super) nuevos: usize,
    pub(super) rechazado: Option<String>,
}

impl Resultado {
    pub(super) fn sumar(&mut self, otro: Resultado) {
        self.nuevos += otro.nuevos;
        self.rechazado = otro.rechazado.or(self.rechazado.take());
    }
}

type Fallidos<'a> = Vec<(&'a Documento, IndexedWriteError)>;

/// Manda un trozo. Lo que el servidor no admite se manda otra vez, con esos campos como texto.
pub(super) fn mandar(
    conexion: &mut Conexion,
    coleccion: &str,
    trozo: Trozo<'_>,
) -> Result<Resultado, ErrorAlmacen> {
    let mut resultado = Resultado::default();
    let mut documentos = trozo.documentos;
    let fallos = escribir(conexion, coleccion, trozo.codificados)?;
    resultado.nuevos += documentos.len() - fallos.len();
    let (mut repetidos, rechazados) = separar(&documentos, fallos);
    let mut segundo = Vec::new();
    documentos.clear();
    for (documento, fallo) in rechazados {
        if PASAJEROS.contains(&fallo.code) {
            return Err(conexion.uri.no_contesta(&conexion.uri.palabras(&fallo.message)));
        }
        match con_texto_json(documento) {
            Some(codificado) => {
                documentos.push(documento);
                segundo.push(codificado);
            }
            None => resultado.rechazado = Some(conexion.uri.rechazo(&documento.id, &fallo.message)),
        }
    }
    if !segundo.is_empty() {
        let fallos = escribir(conexion, coleccion, segundo)?;
        resultado.nuevos += documentos.len() - fallos.len();
        let (mas, rechazados) = separar(&documentos, fallos);
        repetidos.extend(mas);
        for (documento, fallo) in rechazados {
            resultado.rechazado = Some(conexion.uri.rechazo(&documento.id, &fallo.message));
        }
    }
    repetidos.chunks(MAX_COMPARADOS).try_for_each(|trozo| comparar(conexion, coleccion, trozo))?;
    Ok(resultado)
}

/// Los que ya estaban, y los que no se admiten.
fn separar<'a>(documentos: &[&'a Documento], fallos: Vec<IndexedWriteError>) -> (Fallidos<'a>, Fallidos<'a>) {
    let con_documento = fallos.into_iter().filter_map(|f| documentos.get(f.index).map(|d| (*d, f)));
    con_documento.partition(|(_, fallo)| fallo.code == REPETIDO)
}

/// Los documentos que no se han escrito, cada uno con su error.
fn escribir(
    conexion: &mut Conexion,
    coleccion: &str,
    codificados: Vec<RawDocumentBuf>,
) -> Result<Vec<IndexedWriteError>, ErrorAlmacen> {
    let coleccion = coleccion.to_owned();
    conexion.hacer(Instant::now() + LIMITE_LLAMADA, move |base| {
        let escrito = la_coleccion::<RawDocumentBuf>(base, &coleccion)
            .insert_many(codificados)
            .ordered(false)
            .write_concern(mayoria())
            .run();
        match escrito {
            Ok(_) => Ok(Vec::new()),
            Err(error) => match error.kind.as_ref() {
                // Solo si cada documento o está escrito con su mayoría o tiene su propio error.
                ErrorKind::InsertMany(fallo) if fallo.write_concern_error.is_none() => {
                    Ok(fallo.write_errors.clone().unwrap_or_default())
                }
                _ => Err(error),
            },
        }
    })
}

/// Los que ya estaban han de ser del mismo mensaje.
fn comparar(
    conexion: &mut Conexion,
    coleccion: &str,
    repetidos: &[(&Documento, IndexedWriteError)],
) -> Result<(), ErrorAlmacen> {
    let guardadas = sumas_guardadas(conexion, coleccion, repetidos)?;
    for (documento, fallo) in repetidos {
        let id = &documento.id;
        match guardadas.get(id) {
            Some(guardada) => {
                if documento.crc32.is_some_and(|crc| *guardada != Some(i64::from(crc))) {
                    return Err(ErrorAlmacen::OtraHistoria(id.clone()));
                }
            }
            None if fallo.message.contains("index: _id_") => {
                return Err(ErrorAlmacen::Pasajero(format!(
                    "alguien ha borrado {id} de {coleccion} mientras se guardaba"
                )));
            }
            // El 11000 es también el de los demás índices únicos: este documento no está guardado.
            None => {
                return Err(ErrorAlmacen::Definitivo(format!(
                    "{id} choca en {coleccion} con un índice único que no es el de _id ({}): bórralo",
                    conexion.uri.palabras(&fallo.message)
                )));
            }
        }
    }
    Ok(())
}

/// De los que están guardados, su `kafka.crc32`.
fn sumas_guardadas(
    conexion: &mut Conexion,
    coleccion: &str,
    repetidos: &[(&Documento, IndexedWriteError)],
) -> Result<HashMap<String, Option<i64>>, ErrorAlmacen> {
    let ids: Vec<_> = repetidos.iter().map(|(documento, _)| documento.id.clone()).collect();
    let coleccion = coleccion.to_owned();
    conexion.hacer(Instant::now() + LIMITE_LLAMADA, move |base| {
        let guardados = la_coleccion::<Document>(base, &coleccion)
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "kafka.crc32": 1 })
            .run()?;
        guardados
            .map(|documento| documento.map(|d| (d.get_str("_id").unwrap_or_default().to_owned(), suma(&d))))
            .collect()
    })
}

fn suma(documento: &Document) -> Option<i64> {
    match documento.get_document("kafka").ok()?.get("crc32")? {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        // mongosh y JavaScript escriben así los números; un u32 cabe exacto.
        Bson::Double(n) => Some(*n as i64),
        _ => None,
    }
}
