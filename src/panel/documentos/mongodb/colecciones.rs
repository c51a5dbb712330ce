//! Las colecciones de MongoDB, y las preguntas que se hacen a cada una.

use ::mongodb::bson::raw::{RawDocument, RawDocumentBuf};
use ::mongodb::bson::{Bson, DateTime, Document, doc};
use ::mongodb::error::Error;
use ::mongodb::sync::Database;

use crate::nombres::{CRUDOS, DESCARTADOS, KPIS};
use crate::panel::documentos::campos::Campos;
use crate::panel::documentos::{MAX_BYTES, MAX_DESCARTADOS, MAX_LECTURA};
use crate::panel::instante::{ADELANTO, ahora};

/// Mensajes de la primera lectura: el clúster gratuito de Atlas, o la red del centro, tardan con más.
const PRIMEROS: usize = 5_000;
/// Las ventanas más antiguas que se enseñan.
const SEMANA: i64 = 7 * 24 * 3_600_000;

/// Una colección, y lo que se lee de ella.
pub struct Coleccion {
    nombre: &'static str,
    fecha: &'static [&'static str], // el campo que dice cuándo llegó cada documento
    campos: &'static [&'static str], // los que hacen falta; ninguno, todos
    desde: Option<i64>,             // lo más antiguo que interesa: hace cuántos milisegundos
    max: [usize; 2],                // cuántos documentos, la primera vez y las demás
}

/// Lo que hay en una colección.
#[derive(Default)]
pub struct Leido {
    /// Cuántos documentos, de quien sean.
    pub total: u64,
    /// Los que no tienen la fecha de los nuestros.
    pub ajenos: u64,
    /// Los que la tienen del futuro.
    pub futuros: u64,
    /// Si el último que se había visto ya no está: es otra historia.
    pub falta_el_ultimo: bool,
    /// Lo nuevo, del más nuevo al más antiguo.
    pub documentos: Vec<RawDocumentBuf>,
    /// Si detrás de lo nuevo puede haber más, sin leer.
    pub al_tope: bool,
}

const LLEGADA: &[&str] = &["kafka", "recibido_en"];

/// Por su orden: los crudos se guardan antes que su ventana.
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
    /// Lo que hay y, si no es lo que había (`antes` y `futuros`), lo nuevo desde esa fecha.
    ///
    /// # Errors
    /// Los del servidor.
    pub fn leer(
        &self,
        base: &Database,
        antes: (u64, u64),
        desde: Option<i64>,
        ultimo: Option<(i64, String)>,
    ) -> Result<Leido, Error> {
        let coleccion = base.collection::<Document>(self.nombre);
        // La cuenta que el servidor lleva hecha.
        let total = coleccion.estimated_document_count().run()?;
        if antes == (total, 0) {
            return Ok(Leido { total, ..Leido::default() });
        }
        let fecha = self.fecha.join(".");
        // Las dos cuentas salen del índice de la fecha: cuestan lo que haya de cada. Sin ellas se puede vivir.
        let contar = |filtro: Document| coleccion.count_documents(filtro).run().unwrap_or_default();
        let ajenos = contar(doc! { &fecha: { "$not": { "$gte": DateTime::from_millis(0) } } });
        let tope = DateTime::from_millis(ahora() + ADELANTO);
        let futuros = contar(doc! { &fecha: { "$gt": tope } });
        let falta_el_ultimo = match ultimo {
            // Con su fecha: una base hecha otra vez repite los _id.
            Some((t, id)) => {
                coleccion.find_one(doc! { "_id": id, &fecha: DateTime::from_millis(t) }).run()?.is_none()
            }
            None => false,
        };
        let (documentos, al_tope) = self.buscar(base, desde, tope)?;
        Ok(Leido { total, ajenos, futuros, falta_el_ultimo, documentos, al_tope })
    }

    /// Los documentos desde esa fecha, del más nuevo al más antiguo, y si detrás de ellos puede haber más.
    fn buscar(
        &self,
        base: &Database,
        desde: Option<i64>,
        tope: DateTime,
    ) -> Result<(Vec<RawDocumentBuf>, bool), Error> {
        let fecha = self.fecha.join(".");
        // Solo fechas: lo que lleve ahí otra cosa no es nuestro.
        let primera = desde.or(self.desde.map(|hace| ahora() - hace));
        let primera = DateTime::from_millis(primera.unwrap_or_default());
        let filtro = doc! { &fecha: { "$gte": Bson::from(primera), "$lte": Bson::from(tope) } };
        let max = if desde.is_none() { self.max[0] } else { self.max[1] };
        let campos: Document = self.campos.iter().map(|campo| ((*campo).to_owned(), 1.into())).collect();
        let encontrados = base
            .collection::<RawDocumentBuf>(self.nombre)
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

    /// La fecha de llegada de un documento.
    pub fn fecha_de(&self, documento: &RawDocument) -> Option<i64> {
        buscar_fecha(documento, self.fecha)
    }
}

fn buscar_fecha(documento: &RawDocument, camino: &[&str]) -> Option<i64> {
    match camino {
        [] => None,
        [fecha] => documento.milis(fecha),
        [nombre, resto @ ..] => buscar_fecha(documento.sub(nombre)?, resto),
    }
}
