//! Un servidor que habla como un MongoDB y contesta lo que se le diga, o no contesta.

#![allow(dead_code)] // cada prueba usa lo suyo

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use mongodb::bson::{Document, doc};
use practicas_iabd06::almacen::mongodb::AlmacenMongo;
use practicas_iabd06::almacen::{Dato, Documento, ErrorAlmacen};
use practicas_iabd06::avisos::Avisos;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

/// Un servidor en un puerto libre que contesta a cada orden con lo que diga `regla` y apunta las que llegan.
pub struct Falso {
    pub direccion: String,
    ordenes: Arc<Mutex<Vec<Document>>>,
}

impl Falso {
    pub fn nuevo(regla: impl Fn(&str, &Document) -> Option<Document> + Send + Sync + 'static) -> Self {
        Falso::en("127.0.0.1:0", regla)
    }

    /// En esta dirección.
    pub fn en(
        direccion: &str,
        regla: impl Fn(&str, &Document) -> Option<Document> + Send + Sync + 'static,
    ) -> Self {
        Falso::con(direccion, None, regla)
    }

    /// Con TLS.
    pub fn cifrado(tls: Arc<ServerConfig>) -> Self {
        Falso::con("127.0.0.1:0", Some(tls), |_, _| None)
    }

    fn con(
        donde: &str,
        tls: Option<Arc<ServerConfig>>,
        regla: impl Fn(&str, &Document) -> Option<Document> + Send + Sync + 'static,
    ) -> Self {
        let escucha = TcpListener::bind(donde).unwrap();
        let direccion = escucha.local_addr().unwrap().to_string();
        let (regla, ordenes) = (Arc::new(regla), Arc::new(Mutex::new(Vec::new())));
        let apuntadas = Arc::clone(&ordenes);
        thread::spawn(move || {
            for conexion in escucha.incoming() {
                let (regla, apuntadas, tls) = (Arc::clone(&regla), Arc::clone(&apuntadas), tls.clone());
                thread::spawn(move || match tls {
                    None => atender(conexion.unwrap(), &*regla, &apuntadas),
                    Some(config) => {
                        let cifrada = ServerConnection::new(config).unwrap();
                        atender(StreamOwned::new(cifrada, conexion.unwrap()), &*regla, &apuntadas);
                    }
                });
            }
        });
        Falso { direccion, ordenes }
    }

    pub fn uri(&self) -> String {
        format!("mongodb://{}", self.direccion)
    }

    /// Las órdenes que han llegado con ese nombre.
    pub fn recibidas(&self, nombre: &str) -> Vec<Document> {
        let ordenes = self.ordenes.lock().unwrap();
        ordenes.iter().filter(|o| o.contains_key(nombre)).cloned().collect()
    }

    pub fn almacen(&self) -> AlmacenMongo {
        almacen_de(&self.uri(), "iabd06").unwrap()
    }

    /// Los documentos de cada `insert`.
    pub fn insertados(&self) -> Vec<Vec<Document>> {
        let documentos = |o: &Document| o.get_array("documents").unwrap().clone();
        let suyos = |o| documentos(o).into_iter().map(|d| d.as_document().unwrap().clone()).collect();
        self.recibidas("insert").iter().map(suyos).collect()
    }
}

/// En vez de contestar, corta la conexión.
pub fn corta() -> Document {
    doc! { "cortar": 1 }
}

/// Lo que contesta al saludo un servidor que vale para todo.
pub fn saludo() -> Document {
    doc! {
        "ismaster": true, "isWritablePrimary": true, "helloOk": true, "readOnly": false,
        "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 21, "ok": 1.0,
    }
}

pub fn es_saludo(orden: &str) -> bool {
    orden.eq_ignore_ascii_case("hello") || orden.eq_ignore_ascii_case("ismaster")
}

type Regla = dyn Fn(&str, &Document) -> Option<Document> + Send + Sync;

fn atender(mut conexion: impl Read + Write, regla: &Regla, ordenes: &Mutex<Vec<Document>>) {
    while let Some((numero, orden)) = leer(&mut conexion) {
        let nombre = orden.keys().next().unwrap().clone();
        let contestacion = match regla(&nombre, &orden) {
            Some(contestacion) => contestacion,
            None if es_saludo(&nombre) => saludo(),
            None if nombre == "insert" => {
                doc! { "n": orden.get_array("documents").unwrap().len() as i32, "ok": 1.0 }
            }
            None if nombre == "find" => {
                let cursor = doc! { "id": 0_i64, "ns": "iabd06.x", "firstBatch": [] };
                doc! { "cursor": cursor, "ok": 1.0 }
            }
            None => doc! { "ok": 1.0 },
        };
        ordenes.lock().unwrap().push(orden);
        if contestacion == corta() {
            return;
        }
        let cuerpo = contestacion.to_vec().unwrap();
        let mut mensaje = Vec::new();
        for campo in [21 + cuerpo.len() as i32, 0, numero, 2013, 0] {
            mensaje.extend(campo.to_le_bytes());
        }
        mensaje.push(0);
        mensaje.extend(cuerpo);
        if conexion.write_all(&mensaje).and_then(|()| conexion.flush()).is_err() {
            return;
        }
    }
}

/// Un OP_MSG: su número y su orden, con los documentos que vayan aparte ya dentro.
/// <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg>
fn leer(conexion: &mut impl Read) -> Option<(i32, Document)> {
    let mut cabecera = [0; 20];
    conexion.read_exact(&mut cabecera).ok()?;
    let entero = |b: &[u8]| i32::from_le_bytes(b[..4].try_into().unwrap());
    // Un saludo de TLS, y lo que no es su protocolo, se corta, como hace MongoDB.
    let largo = usize::try_from(entero(&cabecera)).ok().filter(|largo| (20..=48_000_000).contains(largo))?;
    if cabecera.starts_with(&[0x16, 3]) {
        return None;
    }
    let mut cuerpo = vec![0; largo - 20];
    conexion.read_exact(&mut cuerpo).ok()?;
    let (mut orden, mut aparte, mut resto) = (Document::new(), None, &cuerpo[..]);
    while let [clase, seccion @ ..] = resto {
        let largo = entero(seccion) as usize;
        if *clase == 0 {
            orden = Document::from_reader(&seccion[..largo]).unwrap();
        } else {
            let nombre = seccion[4..].split(|b| *b == 0).next().unwrap();
            let (mut documentos, mut lista) = (&seccion[5 + nombre.len()..largo], Vec::new());
            while !documentos.is_empty() {
                lista.push(Document::from_reader(&mut documentos).unwrap());
            }
            aparte = Some((String::from_utf8(nombre.to_vec()).unwrap(), lista));
        }
        resto = &seccion[largo..];
    }
    if let Some((nombre, lista)) = aparte {
        orden.insert(nombre, lista);
    }
    Some((entero(&cabecera[4..]), orden))
}

/// El almacén de esa URI, sin nadie a quien contarle nada.
pub fn almacen_de(uri: &str, base: &str) -> Result<AlmacenMongo, ErrorAlmacen> {
    let avisos: Avisos = Arc::new(|_, _| {});
    AlmacenMongo::new(uri, base, avisos)
}

pub fn documento(n: u32) -> Documento {
    Documento {
        id: format!("t#0#{n}"),
        crc32: Some(n),
        campos: vec![
            ("server_id".to_owned(), Dato::Json(json!("web01"))),
            ("$x".to_owned(), Dato::Json(json!(n))),
        ],
    }
}

pub fn fallos(indices: &[i32], codigo: i32, frase: &str) -> Document {
    let fallos: Vec<_> =
        indices.iter().map(|i| doc! { "index": *i, "code": codigo, "errmsg": frase }).collect();
    doc! { "n": 3 - fallos.len() as i32, "writeErrors": fallos, "ok": 1.0 }
}

pub fn error(codigo: i32, frase: &str) -> Document {
    doc! { "ok": 0.0, "code": codigo, "codeName": "X", "errmsg": frase }
}
