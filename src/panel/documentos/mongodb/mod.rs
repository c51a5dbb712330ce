//! Los documentos de MongoDB o Atlas. Solo lee: no crea ni índices.
//!
//! Lo nuevo se busca por la fecha de llegada, con los índices que crea el consumidor. La cuenta dice si falta
//! alguno, y entonces se mira más atrás (`marca`).

mod consulta;
mod marca;

use std::time::{Duration, Instant};

use ::mongodb::bson::Bson;
use ::mongodb::bson::raw::{RawDocument, RawDocumentBuf};

use self::consulta::{COLECCIONES, Contestacion, Pregunta};
use self::marca::Marca;
use super::campos::{Campos, Separados, crudo, descartado, separar, ventana};
use super::{Documentos, Extranos, Lectura};
use crate::almacen::ErrorAlmacen;
use crate::almacen::mongodb::conexion::Conexion;
use crate::fallo::Frase;
use crate::panel::instante::ahora;

/// Lo que puede tardar una lectura entera.
const LIMITE: Duration = Duration::from_secs(30);
/// Cada cuánto se cuentan los documentos que no se entienden.
const CADA_EXTRANOS: Duration = Duration::from_secs(30);

/// Una base de datos de MongoDB.
pub struct DocumentosMongo {
    conexion: Conexion,
    donde: String,
    leido: [Leido; 3],
    contados: Option<Instant>, // cuándo se contaron los que no se entienden
}

/// Lo que se sabe de una colección.
#[derive(Debug, Clone, Default)]
struct Leido {
    marca: Marca,
    total: u64,
    mal_hechos: u64, // con su fecha, pero les falta algo
    sin_fecha: u64,
    del_futuro: u64,
}

impl DocumentosMongo {
    /// La base de datos de esta URI. No conecta todavía.
    ///
    /// # Errors
    /// Lo que hay que cambiar en la URI o en el nombre de la base de datos.
    pub fn new(uri: &str, base: &str) -> Result<Self, Frase> {
        let conexion = Conexion::new(uri, base, None)?;
        let donde = format!("{}, base de datos {base}", conexion.direccion());
        Ok(DocumentosMongo { conexion, donde, leido: Default::default(), contados: None })
    }

    fn preguntar(&mut self, ahora: i64, contar: bool) -> Result<[Contestacion; 3], ErrorAlmacen> {
        let preguntas = self.leido.each_ref().map(|leido| Pregunta {
            antes: leido.total,
            ultimo: leido.marca.ultimo.clone(),
            desde: leido.marca.desde(ahora),
            ahora,
            leer_aunque: leido.marca.falta_alguno(),
            contar,
        });
        self.conexion.hacer(LIMITE, move |base| {
            let mut contestaciones = <[Contestacion; 3]>::default();
            // Por su orden: los crudos se guardan antes que su ventana.
            for ((coleccion, pregunta), una) in COLECCIONES.iter().zip(preguntas).zip(&mut contestaciones) {
                *una = coleccion.contestar(base, &pregunta)?;
            }
            Ok(contestaciones)
        })
    }

    /// Los documentos que no se habían visto, del más nuevo al más antiguo.
    fn sin_vistos(&mut self, i: usize, contestacion: Contestacion, ahora: i64) -> Vec<RawDocumentBuf> {
        let (Some(leido), Some(coleccion)) = (self.leido.get_mut(i), COLECCIONES.get(i)) else {
            return Vec::new();
        };
        let mut documentos = contestacion.documentos;
        let mut mas_antiguo: Option<i64> = None;
        documentos.retain(|documento| {
            let id = documento.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok());
            let (Some(texto), Some(id), Some(fecha)) =
                (documento.texto("_id"), id, coleccion.fecha_de(documento))
            else {
                return false;
            };
            let nuevo = leido.marca.apuntar(texto, id, fecha);
            if nuevo {
                mas_antiguo = Some(mas_antiguo.map_or(fecha, |antes| antes.min(fecha)));
            }
            nuevo
        });
        let sin_fecha_antes = leido.sin_fecha + leido.del_futuro;
        if let Some([sin_fecha, del_futuro]) = contestacion.extranos {
            (leido.sin_fecha, leido.del_futuro) = (sin_fecha, del_futuro);
        }
        let extranos_nuevos = (leido.sin_fecha + leido.del_futuro).saturating_sub(sin_fecha_antes);
        let esperados = contestacion.total.saturating_sub(leido.total).saturating_sub(extranos_nuevos);
        let nuevos = documentos.len() as u64;
        leido.marca.cerrar(nuevos, mas_antiguo, esperados, contestacion.al_tope, ahora);
        leido.total = contestacion.total;
        documentos
    }

    fn separar<T>(
        &mut self,
        i: usize,
        documentos: &[RawDocumentBuf],
        leer: impl Fn(&RawDocument) -> Option<T>,
    ) -> Vec<T> {
        let Separados { buenos, mal_hechos, .. } =
            separar(documentos.iter().map(|d| &**d), leer, |_| 0, i64::MAX);
        if let Some(leido) = self.leido.get_mut(i) {
            leido.mal_hechos += mal_hechos;
        }
        buenos
    }
}

impl Documentos for DocumentosMongo {
    fn motor(&self) -> (&'static str, String) {
        ("MongoDB", self.donde.clone())
    }

    fn leer(&mut self) -> Result<Lectura, Frase> {
        let ahora = ahora();
        // Si falta alguno, puede ser de los que no se entienden.
        let falta_alguno = self.leido.iter().any(|leido| leido.marca.falta_alguno());
        let contar = falta_alguno || self.contados.is_none_or(|cuando| cuando.elapsed() >= CADA_EXTRANOS);
        let contestaciones = self.preguntar(ahora, contar).map_err(|error| Frase(error.to_string()))?;
        let menos = |(una, leido): (&Contestacion, &Leido)| una.total < leido.total;
        if contestaciones.iter().any(|una| una.es_otra) || contestaciones.iter().zip(&self.leido).any(menos) {
            // Han vaciado alguna colección, o la base de datos es otra: se vuelve a empezar, con todo.
            (self.leido, self.contados) = (Default::default(), None);
            let lectura = self.leer()?;
            return Ok(Lectura { de_cero: true, ..lectura });
        }
        if contar {
            self.contados = Some(Instant::now());
        }
        let salteados = contestaciones[0].al_tope;
        let [crudos, ventanas, descartados] = contestaciones;
        let crudos = self.sin_vistos(0, crudos, ahora);
        let ventanas = self.sin_vistos(1, ventanas, ahora);
        let descartados = self.sin_vistos(2, descartados, ahora);
        let mut lectura = Lectura {
            de_cero: false,
            crudos: self.separar(0, &crudos, crudo),
            salteados,
            ventanas: self.separar(1, &ventanas, ventana),
            descartados: self.separar(2, &descartados, descartado),
            totales: self.leido.each_ref().map(Leido::nuestros),
            extranos: self.leido.each_ref().map(Leido::extranos),
        };
        // Los de una misma tanda tienen la misma fecha: su orden es el de los offsets.
        lectura.crudos.sort_by_key(|c| (c.recibido, c.offset));
        lectura.ventanas.sort_by_key(|v| (v.entre[1], v.offsets[1]));
        lectura.descartados.sort_by_key(|d| (d.recibido, d.offset));
        Ok(lectura)
    }
}

impl Leido {
    fn extranos(&self) -> Extranos {
        Extranos { ajenos: self.sin_fecha + self.mal_hechos, del_futuro: self.del_futuro }
    }

    fn nuestros(&self) -> u64 {
        self.total.saturating_sub(self.sin_fecha + self.mal_hechos)
    }
}
