//! El almacén en MongoDB o Atlas, con la crate `mongodb` en su versión síncrona.
//!
//! Cada llamada al servidor la hace un hilo aparte, que se deja atrás si no acaba a tiempo: la crate no pone
//! límite ni al DNS ni a una escritura a medias. Está en [`conexion`], y por ahí llama también el panel.

mod bson;
mod causas;
mod cliente;
mod codigos;
mod colecciones;
mod comparacion;
pub mod conexion;
mod escritura;
mod frases;
mod opciones;
mod uri;

use std::mem;
use std::time::{Duration, Instant};

use ::mongodb::bson::{Bson, Document, doc};

pub use self::bson::EN_JSON;
use self::cliente::la_coleccion;
use self::codigos::{INDICE_PARECIDO, SIN_PERMISO};
use self::conexion::Conexion;
use self::escritura::{Escritura, primera_forma};
use self::frases::codigo;
use super::{Almacen, Documento, ErrorAlmacen, ids_de_ventanas};
use crate::avisos::Avisos;
use crate::guardadas::Ventana;
use crate::nombres::KPIS;

/// Lo que dura, como mucho, cada mitad de [`AlmacenMongo::comprobar`], sin contar el DNS.
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
    pub fn new(uri: &str, base: &str, avisos: Avisos) -> Result<Self, ErrorAlmacen> {
        let conexion =
            Conexion::new(uri, base, Some(avisos)).map_err(|frase| ErrorAlmacen::Definitivo(frase.0))?;
        Ok(AlmacenMongo { conexion, con_indices: false })
    }

    /// Comprueba que el servidor contesta y deja entrar, en 5 s como mucho desde que el DNS dice dónde está. La
    /// primera vez, en otros 5 s, mira de qué clase son las colecciones y crea los índices de las consultas; si
    /// el usuario no tiene permiso para eso, sigue sin ellos.
    ///
    /// # Errors
    /// [`ErrorAlmacen`], con una frase para cada causa.
    pub fn comprobar(&mut self) -> Result<(), ErrorAlmacen> {
        self.conexion.hacer(LIMITE_COMPROBAR, |base| base.run_command(doc! { "ping": 1 }).run().map(drop))?;
        if self.con_indices {
            return Ok(());
        }
        let hasta = Instant::now() + LIMITE_COMPROBAR;
        if let Some(Ok(Some(frase))) = self.conexion.intentar(LIMITE_COMPROBAR, colecciones::impropia) {
            return Err(ErrorAlmacen::Definitivo(frase));
        }
        // Con millones de documentos un índice tarda: el servidor acaba de hacerlo por su cuenta.
        let queda = hasta.saturating_duration_since(Instant::now());
        let Some(hechos) = self.conexion.intentar(queda, colecciones::crear_indices) else { return Ok(()) };
        if let Err(error) = hechos {
            let uri = &self.conexion.uri;
            match codigo(&error) {
                Some(codigo) if codigo == SIN_PERMISO[0] && !uri.con_credenciales => {
                    return Err(uri.pide_credenciales());
                }
                Some(codigo) if SIN_PERMISO.contains(&codigo) || INDICE_PARECIDO.contains(&codigo) => {}
                _ => return Err(uri.explicar_error(&error)),
            }
        }
        self.con_indices = true;
        Ok(())
    }
}

impl Almacen for AlmacenMongo {
    fn insertar(&mut self, coleccion: &str, documentos: &[Documento]) -> Result<usize, ErrorAlmacen> {
        let mut escritura = Escritura::new(&mut self.conexion, coleccion);
        let (mut trozo, mut codificados, mut bytes) = (Vec::new(), Vec::new(), 0);
        for documento in documentos {
            let Some(codificado) = primera_forma(documento) else {
                escritura.rechazar(documento, "no cabe en un documento de 16 MB");
                continue;
            };
            let suyos = codificado.as_bytes().len();
            if bytes + suyos > MAX_TROZO || trozo.len() == MAX_DOCUMENTOS {
                escritura.mandar(&trozo, mem::take(&mut codificados))?;
                trozo.clear();
                bytes = 0;
            }
            bytes += suyos;
            trozo.push(documento);
            codificados.push(codificado);
        }
        // insert_many no admite una lista vacía.
        if !trozo.is_empty() {
            escritura.mandar(&trozo, codificados)?;
        }
        escritura.acabar()
    }

    fn ventanas(&mut self, topic: &str, particion: i32, desde: i64) -> Result<Vec<Ventana>, ErrorAlmacen> {
        let (primero, fuera) = ids_de_ventanas(topic, particion);
        let filtro = doc! { "_id": { "$gte": primero, "$lt": fuera }, "offset_fin": { "$gte": desde } };
        self.conexion.hacer(LIMITE_VENTANAS, move |base| {
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
