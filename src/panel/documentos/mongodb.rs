//! Los documentos de MongoDB o Atlas. Solo lee: no crea ni índices.
//!
//! Lo nuevo se busca por la fecha de llegada, con los índices que crea el consumidor. Se mira también un
//! poco antes de lo último visto: dos consumidores no guardan en el orden exacto en que reciben, ni tienen
//! la misma hora.

mod colecciones;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::mongodb::bson::raw::RawDocumentBuf;

use super::campos::{Campos, crudo, descartado, ventana};
use super::{Documentos, Lectura};
use crate::almacen::ErrorAlmacen;
use crate::almacen::mongodb::conexion::Conexion;
use crate::fallo::Frase;
use crate::panel::instante::ahora;
use colecciones::{COLECCIONES, Coleccion, Leido};

/// Lo que puede tardar una lectura entera.
const LIMITE: Duration = Duration::from_secs(30);
/// Cuánto antes de lo último visto se vuelve a mirar, en milisegundos.
const MARGEN: i64 = 10_000;

/// Una base de datos de MongoDB.
pub struct DocumentosMongo {
    conexion: Conexion,
    donde: String,
    marcas: [Marca; 3],
}

/// Lo que se sabe de una colección.
#[derive(Debug, Clone, Default)]
struct Marca {
    total: u64,
    ajenos: u64,
    raros: u64, // con nuestra fecha, pero no con lo demás
    futuros: u64,
    ultimo: Option<(i64, String)>, // la fecha y el _id del más nuevo de los nuestros
    vistos: HashMap<String, i64>,  // los _id de alrededor, con su fecha
}

impl DocumentosMongo {
    /// La base de datos de esta URI. No conecta todavía.
    ///
    /// # Errors
    /// Lo que hay que cambiar en la URI o en el nombre de la base de datos.
    pub fn new(uri: &str, base: &str) -> Result<Self, Frase> {
        let conexion = Conexion::new(uri, base)?;
        let donde = format!("{}, base de datos {base}", conexion.direccion());
        Ok(DocumentosMongo { conexion, donde, marcas: Default::default() })
    }

    /// Lo que hay en cada colección y, si no es lo mismo que la última vez, lo nuevo.
    fn nuevos(&mut self) -> Result<Vec<Leido>, ErrorAlmacen> {
        let preguntas = self
            .marcas
            .each_ref()
            .map(|marca| ((marca.total, marca.futuros), marca.desde(), marca.ultimo.clone()));
        self.conexion.hacer(Instant::now() + LIMITE, move |base| {
            let colecciones = COLECCIONES.iter().zip(preguntas);
            colecciones
                .map(|(coleccion, (antes, desde, id))| coleccion.leer(base, antes, desde, id))
                .collect()
        })
    }
}

impl Documentos for DocumentosMongo {
    fn motor(&self) -> (&'static str, String) {
        ("MongoDB", self.donde.clone())
    }

    fn leer(&mut self) -> Result<Lectura, Frase> {
        let mut leidos = self.nuevos().map_err(|error| Frase(error.to_string()))?;
        let otra = |(leido, marca): (&Leido, &Marca)| leido.total < marca.total || leido.falta_el_ultimo;
        if leidos.iter().zip(&self.marcas).any(otra) {
            // Han vaciado alguna colección, o la base es otra: se vuelve a empezar, y esta vez con todo.
            self.marcas = Default::default();
            let lectura = self.leer()?;
            return Ok(Lectura { de_cero: true, ..lectura });
        }
        let mut lectura = Lectura {
            salteados: leidos.first().is_some_and(|crudos| crudos.al_tope),
            totales: std::array::from_fn(|i| leidos.get(i).map_or(0, |leido| leido.total)),
            ..Lectura::default()
        };
        for (leido, (marca, coleccion)) in leidos.iter_mut().zip(self.marcas.iter_mut().zip(&COLECCIONES)) {
            marca.apuntar(leido, coleccion);
        }
        if let ([crudos, ventanas, descartados], [de_crudos, de_ventanas, de_descartados]) =
            (leidos.as_slice(), &mut self.marcas)
        {
            lectura.crudos = de_crudos.entender(&crudos.documentos, |d| crudo(&**d));
            lectura.ventanas = de_ventanas.entender(&ventanas.documentos, |d| ventana(&**d));
            lectura.descartados = de_descartados.entender(&descartados.documentos, |d| descartado(&**d));
        }
        lectura.ajenos = self.marcas.each_ref().map(|marca| marca.ajenos + marca.raros);
        lectura.futuros = self.marcas.each_ref().map(|marca| marca.futuros);
        // Los de una misma tanda tienen la misma fecha: su orden es el de los offsets.
        lectura.crudos.sort_by_key(|c| (c.recibido, c.offset));
        lectura.ventanas.sort_by_key(|v| (v.entre[1], v.offsets[1]));
        lectura.descartados.sort_by_key(|d| (d.recibido, d.offset));
        Ok(lectura)
    }
}

impl Marca {
    /// Desde cuándo hay que mirar. La fecha de lo último visto puede ser del futuro; la hora, no.
    fn desde(&self) -> Option<i64> {
        self.ultimo.as_ref().map(|(fecha, _)| (*fecha).min(ahora()) - MARGEN)
    }

    /// Apunta lo que hay, y quita de los documentos los que ya se habían visto.
    fn apuntar(&mut self, leido: &mut Leido, coleccion: &Coleccion) {
        if (self.total, self.futuros) == (leido.total, 0) {
            return; // no se ha preguntado nada más
        }
        (self.total, self.ajenos, self.futuros) = (leido.total, leido.ajenos, leido.futuros);
        leido.documentos.retain(|documento| {
            let (Some(id), Some(fecha)) = (documento.texto("_id"), coleccion.fecha_de(documento)) else {
                return false;
            };
            if documento.get_str("_id").is_ok() && self.ultimo.as_ref().is_none_or(|(t, _)| fecha > *t) {
                self.ultimo = Some((fecha, id.clone()));
            }
            self.vistos.insert(id, fecha).is_none()
        });
        let desde = self.desde();
        self.vistos.retain(|_, fecha| Some(*fecha) >= desde);
    }

    /// Los documentos que tienen la forma de los nuestros. Los demás se cuentan.
    fn entender<T>(
        &mut self,
        documentos: &[RawDocumentBuf],
        leer: impl Fn(&RawDocumentBuf) -> Option<T>,
    ) -> Vec<T> {
        let entendidos: Vec<T> = documentos.iter().filter_map(leer).collect();
        self.raros += (documentos.len() - entendidos.len()) as u64;
        entendidos
    }
}
