//! El almacén en MongoDB o Atlas, con la crate `mongodb` en su versión síncrona.
//!
//! Cada llamada al servidor la hace un hilo aparte, que se deja atrás si no acaba a tiempo: la crate no pone
//! límite ni al DNS ni a una escritura a medias. Está en [`conexion`], y por ahí llama también el panel.

mod bson;
pub mod conexion;
mod escritura;
mod frases;
mod uri;

use std::time::{Duration, Instant};

use ::mongodb::IndexModel;
use ::mongodb::bson::{Bson, Document, doc};
use ::mongodb::error::Error;
use ::mongodb::sync::Database;

pub use self::bson::EN_JSON;
use self::conexion::{Conexion, la_coleccion};
use self::escritura::{Resultado, Trozo};
use self::frases::{INDICE_PARECIDO, SIN_PERMISO, codigo};
use super::{Almacen, Documento, ErrorAlmacen, ids_de_ventanas};
use crate::guardadas::Ventana;
use crate::nombres::{CRUDOS, DESCARTADOS, KPIS};

/// Lo que dura, como mucho, [`AlmacenMongo::comprobar`].
const LIMITE_COMPROBAR: Duration = Duration::from_secs(5);
/// Lo que pueden tardar en llegar las ventanas guardadas, que casi siempre son pocas.
const LIMITE_VENTANAS: Duration = Duration::from_secs(30);
/// Los bytes que van en una llamada: salen a tiempo hasta por una línea lenta. El servidor admite seis veces
/// más: <https://www.mongodb.com/docs/manual/reference/command/hello/> (`maxMessageSizeBytes`, 48 MB).
const MAX_TROZO: usize = 8 << 20;
/// Documentos por llamada.
const MAX_DOCUMENTOS: usize = 10_000;

/// Una base de datos de MongoDB.
pub struct AlmacenMongo {
    conexion: Conexion,
    con_indices: bool,
}

impl AlmacenMongo {
    /// Entiende la URI (`MONGODB_URI`) y el nombre de la base de datos. No conecta todavía.
    ///
    /// # Errors
    /// [`ErrorAlmacen::Definitivo`], con lo que hay que cambiar. Ninguna frase repite la URI, que lleva la
    /// contraseña.
    pub fn new(uri: &str, base: &str) -> Result<Self, ErrorAlmacen> {
        let conexion = Conexion::new(uri, base).map_err(|frase| ErrorAlmacen::Definitivo(frase.0))?;
        Ok(AlmacenMongo { conexion, con_indices: false })
    }

    /// Comprueba, en 5 s como mucho, que el servidor contesta y deja entrar. La primera vez crea los
    /// índices de las consultas; si el usuario no tiene permiso para eso, sigue sin ellos.
    ///
    /// # Errors
    /// [`ErrorAlmacen`], con una frase para cada causa.
    pub fn comprobar(&mut self) -> Result<(), ErrorAlmacen> {
        let hasta = Instant::now() + LIMITE_COMPROBAR;
        self.conexion.hacer(hasta, |base| base.run_command(doc! { "ping": 1 }).run().map(drop))?;
        if self.con_indices {
            return Ok(());
        }
        // Con millones de documentos un índice tarda: el servidor acaba de hacerlo por su cuenta.
        let Some(hechos) = self.conexion.intentar(hasta, crear_indices) else { return Ok(()) };
        if let Err(error) = hechos {
            let uri = &self.conexion.uri;
            match codigo(&error) {
                Some(codigo) if codigo == SIN_PERMISO[0] && !uri.con_credenciales => {
                    return Err(uri.pide_credenciales());
                }
                Some(codigo) if SIN_PERMISO.contains(&codigo) || INDICE_PARECIDO.contains(&codigo) => {}
                _ => return Err(uri.explicar(&error)),
            }
        }
        self.con_indices = true;
        Ok(())
    }
}

impl Almacen for AlmacenMongo {
    fn insertar(&mut self, coleccion: &str, documentos: &[Documento]) -> Result<usize, ErrorAlmacen> {
        let mut total = Resultado::default();
        let mut trozo = Trozo::default();
        for documento in documentos {
            let Some(codificado) = bson::codificar(documento).or_else(|| bson::con_texto_json(documento))
            else {
                total.rechazado =
                    Some(self.conexion.uri.rechazo(&documento.id, "no cabe en un documento de 16 MB"));
                continue;
            };
            let bytes = codificado.as_bytes().len();
            if trozo.bytes + bytes > MAX_TROZO || trozo.documentos.len() == MAX_DOCUMENTOS {
                let lleno = std::mem::take(&mut trozo);
                total.sumar(escritura::mandar(&mut self.conexion, coleccion, lleno)?);
            }
            trozo.bytes += bytes;
            trozo.documentos.push(documento);
            trozo.codificados.push(codificado);
        }
        // insert_many no admite una lista vacía.
        if !trozo.documentos.is_empty() {
            total.sumar(escritura::mandar(&mut self.conexion, coleccion, trozo)?);
        }
        total.rechazado.map_or(Ok(total.nuevos), |frase| Err(ErrorAlmacen::Definitivo(frase)))
    }

    fn ventanas(&mut self, topic: &str, particion: i32, desde: i64) -> Result<Vec<Ventana>, ErrorAlmacen> {
        let (primero, fuera) = ids_de_ventanas(topic, particion);
        let filtro = doc! { "_id": { "$gte": primero, "$lt": fuera }, "offset_fin": { "$gte": desde } };
        self.conexion.hacer(Instant::now() + LIMITE_VENTANAS, move |base| {
            let kpis = la_coleccion::<Document>(base, KPIS).find(filtro).run()?;
            kpis.map(|kpi| kpi.map(|kpi| ventana(&kpi))).collect()
        })
    }
}

fn ventana(kpi: &Document) -> Ventana {
    let entero = |campo: &str| match kpi.get(campo) {
        Some(Bson::Int32(n)) => i64::from(*n),
        Some(Bson::Int64(n)) => *n,
        _ => 0,
    };
    let mensajes = u64::try_from(entero("num_mensajes")).unwrap_or(0);
    Ventana { inicio: entero("offset_inicio"), fin: entero("offset_fin"), mensajes }
}

fn crear_indices(base: &Database) -> Result<(), Error> {
    for (coleccion, campo) in
        [(CRUDOS, "kafka.recibido_en"), (DESCARTADOS, "kafka.recibido_en"), (KPIS, "ventana_fin")]
    {
        let indice = IndexModel::builder().keys(doc! { campo: 1 }).build();
        la_coleccion::<Document>(base, coleccion).create_index(indice).run()?;
    }
    Ok(())
}
