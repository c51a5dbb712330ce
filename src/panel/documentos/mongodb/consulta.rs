//! Las consultas a MongoDB: cuántos documentos hay, los nuevos y los que no se entienden.

use ::mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use ::mongodb::bson::{Bson, DateTime, Document, doc};
use ::mongodb::error::Error;
use ::mongodb::sync::Database;

use crate::nombres::{CRUDOS, DESCARTADOS, KPIS};
use crate::panel::documentos::campos::Campos;
use crate::panel::documentos::{MAX_BYTES, MAX_DESCARTADOS, MAX_LECTURA};
use crate::panel::instante::ADELANTO;

/// Mensajes de la primera lectura: el clúster gratuito de Atlas, o la red del centro, tardan con más.
const PRIMEROS: usize = 5_000;
/// Las ventanas más antiguas que se enseñan.
const SEMANA: i64 = 7 * 24 * 3_600_000;
/// Documentos que no se entienden que se cuentan, como mucho.
const MAX_EXTRANOS: u64 = 10_000;

/// Una colección, y lo que se lee de ella.
pub struct Coleccion {
    nombre: &'static str,
    fecha: &'static [&'static str], // el campo que dice cuándo llegó cada documento
    campos: &'static [&'static str], // los que hacen falta; ninguno, todos
    desde: Option<i64>,             // lo más antiguo que interesa: hace cuántos milisegundos
    max: [usize; 2],                // cuántos documentos, la primera vez y las demás
}

/// Lo que se le pregunta al servidor de una colección.
pub struct Pregunta {
    pub antes: u64,
    pub ultimo: Option<(Bson, i64)>,
    pub desde: Option<i64>,
    pub ahora: i64,
    pub leer_aunque: bool,
    pub contar: bool,
}

/// Lo que contesta.
#[derive(Default)]
pub struct Contestacion {
    pub total: u64,
    pub es_otra: bool, // lo último que se había visto ya no está
    pub documentos: Vec<RawDocumentBuf>,
    pub al_tope: bool, // puede haber más
    pub extranos: Option<[u64; 2]>,
}

const LLEGADA: &[&str] = &["kafka", "recibido_en"];

/// Las tres, por el orden en que se guardan.
pub const COLECCIONES: [Coleccion; 3] = [
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

impl Coleccion {
    /// Cuándo llegó un documento, en milisegundos desde 1970.
    pub fn fecha_de(&self, documento: &RawDocument) -> Option<i64> {
        buscar_fecha(documento, self.fecha)
    }

    /// Lo que hay y, si ha cambiado, los documentos nuevos.
    ///
    /// # Errors
    /// Los del servidor.
    pub fn contestar(&self, base: &Database, pregunta: &Pregunta) -> Result<Contestacion, Error> {
        // La cuenta que el servidor lleva hecha.
        let total = base.collection::<Document>(self.nombre).estimated_document_count().run()?;
        let mut una = Contestacion { total, ..Contestacion::default() };
        if let Some(ultimo) = &pregunta.ultimo
            && !self.sigue(base, ultimo)?
        {
            una.es_otra = true;
            return Ok(una);
        }
        let cambia = total != pregunta.antes;
        if cambia || pregunta.leer_aunque {
            (una.documentos, una.al_tope) = self.buscar(base, pregunta)?;
        }
        if total > 0 && (pregunta.contar || cambia && pregunta.antes == 0) {
            una.extranos = Some(self.contar_extranos(base, pregunta.ahora)?);
        }
        Ok(una)
    }

    fn campo(&self) -> String {
        self.fecha.join(".")
    }

    /// Si un documento que se vio sigue ahí, con su fecha: los `_id` se repiten en una base de datos hecha otra vez.
    fn sigue(&self, base: &Database, (id, fecha): &(Bson, i64)) -> Result<bool, Error> {
        let coleccion = base.collection::<RawDocumentBuf>(self.nombre);
        let encontrado =
            coleccion.find_one(doc! { "_id": id.clone() }).projection(doc! { self.campo(): 1 }).run()?;
        Ok(encontrado.is_some_and(|d| self.fecha_de(&d) == Some(*fecha)))
    }

    /// Los documentos desde esa fecha, del más nuevo al más antiguo, y si detrás de ellos puede haber más. Los de
    /// un futuro lejano no: taparían a los demás.
    fn buscar(&self, base: &Database, pregunta: &Pregunta) -> Result<(Vec<RawDocumentBuf>, bool), Error> {
        let mut entre = doc! { "$lt": DateTime::from_millis(pregunta.ahora + ADELANTO) };
        if let Some(desde) = pregunta.desde.or(self.desde.map(|hace| pregunta.ahora - hace)) {
            entre.insert("$gte", DateTime::from_millis(desde));
        }
        let max = if pregunta.desde.is_none() { self.max[0] } else { self.max[1] };
        let campos: Document = self.campos.iter().map(|campo| ((*campo).to_owned(), 1.into())).collect();
        let encontrados = base
            .collection::<RawDocumentBuf>(self.nombre)
            .find(doc! { self.campo(): entre })
            .sort(doc! { self.campo(): -1 })
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

    /// Los que no tienen nuestra fecha (no hay, es un texto o un número) y los de un futuro lejano. Por el índice.
    fn contar_extranos(&self, base: &Database, ahora: i64) -> Result<[u64; 2], Error> {
        let campo = &self.campo();
        let sin_fecha = doc! { "$or": [
            { campo: null }, { campo: { "$gte": "" } }, { campo: { "$gte": f64::MIN } },
        ] };
        let del_futuro = doc! { campo: { "$gte": DateTime::from_millis(ahora + ADELANTO) } };
        let contar = |filtro| {
            base.collection::<Document>(self.nombre).count_documents(filtro).limit(MAX_EXTRANOS).run()
        };
        Ok([contar(sin_fecha)?, contar(del_futuro)?])
    }
}

fn buscar_fecha(documento: &RawDocument, camino: &[&str]) -> Option<i64> {
    match camino {
        [] => None,
        [fecha] => documento.milis(fecha),
        [nombre, resto @ ..] => buscar_fecha(documento.sub(nombre)?, resto),
    }
}
