//! Los documentos de MongoDB o Atlas. Solo lee: no crea ni índices.
//!
//! Lo nuevo se busca por la fecha de llegada, con los índices que crea el consumidor. Se mira también un
//! poco antes de lo último visto: dos consumidores no guardan en el orden exacto en que reciben.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::mongodb::bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use ::mongodb::bson::{Bson, DateTime, Document, doc};
use ::mongodb::error::Error;
use ::mongodb::sync::Database;

use super::{
    Crudo, Descartado, Documentos, KPIS, Lectura, MAX_BYTES, MAX_DESCARTADOS, MAX_LECTURA, MAX_LETRAS,
    METRICAS, SIN_NOMBRE, Ventana, hora,
};
use crate::almacen::ErrorAlmacen;
use crate::almacen::mongodb::AlmacenMongo;
use crate::herramientas::texto::recortar;
use crate::nombres::{CRUDOS, DESCARTADOS};

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
    mongo: AlmacenMongo,
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
        nombre: crate::nombres::KPIS,
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
    /// Los de [`AlmacenMongo::new`].
    pub fn new(uri: &str, base: &str) -> Result<Self, ErrorAlmacen> {
        let mongo = AlmacenMongo::new(uri, base)?;
        let donde = format!("{}, base de datos {base}", mongo.servidor());
        Ok(DocumentosMongo { mongo, donde, marcas: Default::default(), totales: [0; 3] })
    }

    /// Cuántos documentos hay y, de las colecciones con más que la última vez, los nuevos.
    fn nuevos(&mut self) -> Result<([u64; 3], [Leidos; 3]), ErrorAlmacen> {
        let (antes, fechas) = (self.totales, self.marcas.each_ref().map(|marca| marca.fecha));
        self.mongo.hacer(Instant::now() + LIMITE, move |base| {
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
    // Sin interpretar: con Document, un campo «$date» de un mensaje sería un error.
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

    fn leer(&mut self) -> Result<Lectura, String> {
        let (totales, documentos) = self.nuevos().map_err(|error| error.to_string())?;
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
            crudos: crudos.iter().filter_map(|d| crudo(d)).collect(),
            salteados,
            ventanas: ventanas.iter().filter_map(|d| ventana(d)).collect(),
            descartados: descartados.iter().filter_map(|d| descartado(d)).collect(),
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
            let id = campo(documento, "_id").map(texto);
            let (Some(id), Some(fecha)) = (id, buscar_fecha(documento, coleccion.fecha)) else {
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

// --- De BSON a lo que se enseña ----------------------------------------------------------------

fn campo<'a>(documento: &'a RawDocument, nombre: &str) -> Option<RawBsonRef<'a>> {
    documento.get(nombre).ok().flatten()
}

fn sub<'a>(documento: &'a RawDocument, nombre: &str) -> Option<&'a RawDocument> {
    campo(documento, nombre)?.as_document()
}

/// Un texto tal cual, y lo demás, escrito.
fn texto(valor: RawBsonRef<'_>) -> String {
    match valor {
        RawBsonRef::String(texto) => texto.to_owned(),
        otro => Bson::try_from(otro).map_or_else(|_| String::new(), |valor| valor.to_string()),
    }
}

fn numero(valor: RawBsonRef<'_>) -> Option<f64> {
    match valor {
        RawBsonRef::Double(x) => Some(x),
        RawBsonRef::Int32(n) => Some(f64::from(n)),
        RawBsonRef::Int64(n) => Some(n as f64),
        RawBsonRef::Decimal128(n) => n.to_string().parse().ok(),
        _ => None,
    }
}

fn entero(documento: &RawDocument, nombre: &str) -> Option<i64> {
    match campo(documento, nombre)? {
        RawBsonRef::Int32(n) => Some(i64::from(n)),
        RawBsonRef::Int64(n) => Some(n),
        _ => None,
    }
}

fn milis(documento: &RawDocument, nombre: &str) -> Option<i64> {
    Some(campo(documento, nombre)?.as_datetime()?.timestamp_millis())
}

fn buscar_fecha(documento: &RawDocument, camino: &[&str]) -> Option<i64> {
    match camino {
        [] => None,
        [fecha] => milis(documento, fecha),
        [nombre, resto @ ..] => buscar_fecha(sub(documento, nombre)?, resto),
    }
}

fn crudo(documento: &RawDocument) -> Option<Crudo> {
    let (kafka, metrics) = (sub(documento, "kafka")?, sub(documento, "metrics")?);
    let recibido = milis(kafka, "recibido_en")?;
    Some(Crudo {
        server_id: match campo(documento, "server_id") {
            None | Some(RawBsonRef::Null) => SIN_NOMBRE.to_owned(),
            Some(valor) => recortar(&texto(valor), MAX_LETRAS),
        },
        t: hora(milis(documento, "timestamp"), recibido),
        recibido,
        metricas: METRICAS.map(|m| campo(metrics, m).and_then(numero)),
        particion: entero(kafka, "partition")?,
        offset: entero(kafka, "offset")?,
    })
}

fn ventana(documento: &RawDocument) -> Option<Ventana> {
    Some(Ventana {
        id: recortar(&texto(campo(documento, "_id")?), MAX_LETRAS),
        particion: entero(documento, "particion")?,
        offsets: [entero(documento, "offset_inicio")?, entero(documento, "offset_fin")?],
        num_mensajes: entero(documento, "num_mensajes")?,
        entre: [milis(documento, "ventana_inicio")?, milis(documento, "ventana_fin")?],
        duracion: campo(documento, "duracion_ventana_seg").and_then(numero),
        kpis: KPIS.map(|k| campo(documento, k).and_then(numero)),
    })
}

fn descartado(documento: &RawDocument) -> Option<Descartado> {
    let kafka = sub(documento, "kafka")?;
    let bytes = campo(documento, "bytes")?.as_binary()?.bytes;
    let principio = bytes.get(..4 * MAX_LETRAS + 4).unwrap_or(bytes);
    Some(Descartado {
        id: recortar(&texto(campo(documento, "_id")?), MAX_LETRAS),
        particion: entero(kafka, "partition")?,
        offset: entero(kafka, "offset")?,
        razon: recortar(&texto(campo(documento, "razon")?), MAX_LETRAS),
        recibido: milis(kafka, "recibido_en")?,
        contenido: recortar(&String::from_utf8_lossy(principio), MAX_LETRAS),
    })
}
