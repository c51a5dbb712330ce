//! Los documentos de MongoDB o Atlas. Solo lee: no crea ni índices.
//!
//! Lo nuevo se busca por la fecha de llegada, con los índices que crea el consumidor. Se mira también un
//! poco antes de lo último visto: dos consumidores no guardan en el orden exacto en que reciben.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use ::mongodb::bson::{DateTime, Document, doc};
use ::mongodb::error::Error;
use ::mongodb::sync::Database;

use super::campos::{Campos, crudo, descartado, ventana};
use super::{Documentos, Lectura, MAX_BYTES, MAX_DESCARTADOS, MAX_LECTURA};
use crate::almacen::ErrorAlmacen;
use crate::almacen::mongodb::conexion::Conexion;
use crate::fallo::Frase;
use crate::nombres::{CRUDOS, DESCARTADOS, KPIS};

/// Lo que puede tardar una lectura entera.
const LIMITE: Duration = Duration::from_secs(30);
/// Mensajes de la primera lectura: el clúster gratuito de Atlas, o la red del centro, tardan con más.
const PRIMEROS: usize = 5_000;
/// Las ventanas más antiguas que se enseñan.
const SEMANA: i64 = 7 * 24 * 3_600_000;
/// Cuánto antes de lo último visto se vuelve a mirar, en milisegundos.
const MARGEN: i64 = 2_000;

/// Una base de datos de MongoDB.
pub struct DocumentosMongo {
    conexion: Conexion,
    donde: String,
    marcas: [Marca; 3],
    totales: [u64; 3],
}

/// Lo último visto de una colección: la fecha más nueva y los `_id` de alrededor, con su fecha.
#[derive(Debug, Clone, Default)]
struct Marca {
    fecha: Option<i64>,
    vistos: HashMap<String, i64>,
}

/// Una colección, y lo que se lee de ella.
struct Coleccion {
    nombre: &'static str,
    fecha: &'static [&'static str], // el campo que dice cuándo llegó cada documento
    campos: &'static [&'static str], // los que hacen falta; ninguno, todos
    desde: Option<i64>,             // lo más antiguo que interesa: hace cuántos milisegundos
    max: [usize; 2],                // cuántos documentos, la primera vez y las demás
}

type Leidos = (Vec<RawDocumentBuf>, bool);

const LLEGADA: &[&str] = &["kafka", "recibido_en"];

const COLECCIONES: [Coleccion; 3] = [
    Coleccion {
        nombre: CRUDOS,
        fecha: LLEGADA,
        campos: &["server_id", "timestamp", "metrics", "kafka"],
        desde: None,
        max: [PRIMEROS, MAX_LECTURA],
    },
    Coleccion {
        nombre: KPIS,
        fecha: &["ventana_fin"],
        campos: &[],
        desde: Some(SEMANA),
        max: [MAX_LECTURA; 2],
    },
    Coleccion {
        nombre: DESCARTADOS,
        fecha: LLEGADA,
        campos: &["razon", "bytes", "kafka"],
        desde: None,
        max: [MAX_DESCARTADOS; 2],
    },
];

impl DocumentosMongo {
    /// La base de datos de esta URI. No conecta todavía.
    ///
    /// # Errors
    /// Lo que hay que cambiar en la URI o en el nombre de la base de datos.
    pub fn new(uri: &str, base: &str) -> Result<Self, Frase> {
        let conexion = Conexion::new(uri, base)?;
        let donde = format!("{}, base de datos {base}", conexion.direccion());
        Ok(DocumentosMongo { conexion, donde, marcas: Default::default(), totales: [0; 3] })
    }

    /// Cuántos documentos hay y, de las colecciones con más que la última vez, los nuevos.
    fn nuevos(&mut self) -> Result<([u64; 3], [Leidos; 3]), ErrorAlmacen> {
        let (antes, fechas) = (self.totales, self.marcas.each_ref().map(|marca| marca.fecha));
        self.conexion.hacer(Instant::now() + LIMITE, move |base| {
            let (mut totales, mut documentos) = ([0; 3], <[Leidos; 3]>::default());
            // Por su orden: los crudos se guardan antes que su ventana.
            for (i, coleccion) in COLECCIONES.iter().enumerate() {
                let (total, nuevos) = (&mut totales[i], &mut documentos[i]);
                // La cuenta que el servidor lleva hecha.
                *total = base.collection::<Document>(coleccion.nombre).estimated_document_count().run()?;
                if *total != antes[i] {
                    *nuevos = buscar(base, coleccion, fechas[i].map(|fecha| fecha - MARGEN))?;
                }
            }
            Ok((totales, documentos))
        })
    }
}

/// Los documentos desde esa fecha, del más nuevo al más antiguo, y si detrás de ellos puede haber más.
fn buscar(base: &Database, coleccion: &Coleccion, desde: Option<i64>) -> Result<Leidos, Error> {
    let fecha = coleccion.fecha.join(".");
    let primera = coleccion.desde.map(|hace| DateTime::now().timestamp_millis() - hace);
    let filtro = match desde.or(primera) {
        Some(t) => doc! { &fecha: { "$gte": DateTime::from_millis(t) } },
        None => Document::new(),
    };
    let max = if desde.is_none() { coleccion.max[0] } else { coleccion.max[1] };
    let campos: Document = coleccion.campos.iter().map(|campo| ((*campo).to_owned(), 1.into())).collect();
    let encontrados = base
        .collection::<RawDocumentBuf>(coleccion.nombre)
        .find(filtro)
        .sort(doc! { &fecha: -1 })
        .projection(campos)
        .limit(i64::try_from(max).unwrap_or(i64::MAX))
        .run()?;
    let (mut documentos, mut bytes) = (Vec::new(), 0);
    for documento in encontrados {
        let documento = documento?;
        bytes += documento.as_bytes().len();
        documentos.push(documento);
        if bytes > MAX_BYTES {
            break;
        }
    }
    let al_tope = documentos.len() == max || bytes > MAX_BYTES;
    Ok((documentos, al_tope))
}

impl Documentos for DocumentosMongo {
    fn motor(&self) -> (&'static str, String) {
        ("MongoDB", self.donde.clone())
    }

    fn leer(&mut self) -> Result<Lectura, Frase> {
        let (totales, documentos) = self.nuevos().map_err(|error| Frase(error.to_string()))?;
        if totales.iter().zip(self.totales).any(|(ahora, antes)| *ahora < antes) {
            // Han vaciado alguna colección: se vuelve a empezar, y esta vez con todo.
            (self.marcas, self.totales) = (Default::default(), [0; 3]);
            let lectura = self.leer()?;
            return Ok(Lectura { de_cero: true, ..lectura });
        }
        self.totales = totales;
        let [de_crudos, de_ventanas, de_descartados] = &mut self.marcas;
        let [(crudos, salteados), (ventanas, _), (descartados, _)] = documentos;
        let [crudos, ventanas, descartados] = [
            de_crudos.sin_vistos(&COLECCIONES[0], crudos),
            de_ventanas.sin_vistos(&COLECCIONES[1], ventanas),
            de_descartados.sin_vistos(&COLECCIONES[2], descartados),
        ];
        let mut lectura = Lectura {
            de_cero: false,
            crudos: crudos.iter().filter_map(|d| crudo(&**d)).collect(),
            salteados,
            ventanas: ventanas.iter().filter_map(|d| ventana(&**d)).collect(),
            descartados: descartados.iter().filter_map(|d| descartado(&**d)).collect(),
            totales,
        };
        // Los de una misma tanda tienen la misma fecha: su orden es el de los offsets.
        lectura.crudos.sort_by_key(|c| (c.recibido, c.offset));
        lectura.ventanas.sort_by_key(|v| (v.entre[1], v.offsets[1]));
        lectura.descartados.sort_by_key(|d| (d.recibido, d.offset));
        Ok(lectura)
    }
}

impl Marca {
    /// Los que no se habían visto.
    fn sin_vistos(&mut self, coleccion: &Coleccion, mut leidos: Vec<RawDocumentBuf>) -> Vec<RawDocumentBuf> {
        leidos.retain(|documento| {
            let (Some(id), Some(fecha)) = (documento.texto("_id"), buscar_fecha(documento, coleccion.fecha))
            else {
                return false;
            };
            self.fecha = Some(self.fecha.map_or(fecha, |antes| antes.max(fecha)));
            self.vistos.insert(id, fecha).is_none()
        });
        let desde = self.fecha.unwrap_or_default() - MARGEN;
        self.vistos.retain(|_, fecha| *fecha >= desde);
        leidos
    }
}

fn buscar_fecha(documento: &RawDocument, camino: &[&str]) -> Option<i64> {
    match camino {
        [] => None,
        [fecha] => documento.milis(fecha),
        [nombre, resto @ ..] => buscar_fecha(documento.sub(nombre)?, resto),
    }
}
