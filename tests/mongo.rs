//! El almacén de MongoDB sin MongoDB: un servidor que contesta lo que se le diga, o no contesta.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use practicas_iabd06::almacen::mongodb::{AlmacenMongo, EN_JSON};
use practicas_iabd06::almacen::{Almacen, Dato, Documento, ErrorAlmacen};
use practicas_iabd06::nombres::CRUDOS;
use serde_json::json;

/// El límite de comprobar, con un poco de aire para una máquina ocupada.
const LIMITE: Duration = Duration::from_millis(5500);

/// Un servidor en un puerto libre que contesta a cada orden con lo que diga `regla` y apunta las que llegan.
struct Falso {
    direccion: String,
    ordenes: Arc<Mutex<Vec<Document>>>,
}

impl Falso {
    fn nuevo(regla: impl Fn(&str, &Document) -> Option<Document> + Send + Sync + 'static) -> Self {
        let escucha = TcpListener::bind("127.0.0.1:0").unwrap();
        let direccion = escucha.local_addr().unwrap().to_string();
        let (regla, ordenes) = (Arc::new(regla), Arc::new(Mutex::new(Vec::new())));
        let apuntadas = Arc::clone(&ordenes);
        thread::spawn(move || {
            for conexion in escucha.incoming() {
                let (regla, apuntadas) = (Arc::clone(&regla), Arc::clone(&apuntadas));
                thread::spawn(move || atender(conexion.unwrap(), &*regla, &apuntadas));
            }
        });
        Falso { direccion, ordenes }
    }

    fn almacen(&self) -> AlmacenMongo {
        AlmacenMongo::new(&format!("mongodb://{}", self.direccion), "iabd06").unwrap()
    }

    fn insertados(&self) -> Vec<Document> {
        let ordenes = self.ordenes.lock().unwrap();
        ordenes.iter().filter(|o| o.contains_key("insert")).cloned().collect()
    }
}

/// Lo que contesta al saludo un servidor que vale para todo.
fn saludo() -> Document {
    doc! {
        "ismaster": true, "isWritablePrimary": true, "helloOk": true, "readOnly": false,
        "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 21, "ok": 1.0,
    }
}

fn es_saludo(orden: &str) -> bool {
    orden.eq_ignore_ascii_case("hello") || orden.eq_ignore_ascii_case("ismaster")
}

type Regla = dyn Fn(&str, &Document) -> Option<Document> + Send + Sync;

fn atender(mut conexion: TcpStream, regla: &Regla, ordenes: &Mutex<Vec<Document>>) {
    while let Some((numero, orden)) = leer(&mut conexion) {
        let nombre = orden.keys().next().unwrap().clone();
        let contestacion = match regla(&nombre, &orden) {
            Some(contestacion) => contestacion,
            None if es_saludo(&nombre) => saludo(),
            None if nombre == "insert" => {
                doc! { "n": orden.get_array("documents").unwrap().len() as i32, "ok": 1.0 }
            }
            None => doc! { "ok": 1.0 },
        };
        ordenes.lock().unwrap().push(orden);
        let cuerpo = contestacion.to_vec().unwrap();
        let mut mensaje = Vec::new();
        for campo in [21 + cuerpo.len() as i32, 0, numero, 2013, 0] {
            mensaje.extend(campo.to_le_bytes());
        }
        mensaje.push(0);
        mensaje.extend(cuerpo);
        if conexion.write_all(&mensaje).is_err() {
            return;
        }
    }
}

/// Un OP_MSG: su número y su orden, con los documentos que vayan aparte ya dentro.
/// <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg>
fn leer(conexion: &mut TcpStream) -> Option<(i32, Document)> {
    let mut cabecera = [0; 20];
    conexion.read_exact(&mut cabecera).ok()?;
    let entero = |b: &[u8]| i32::from_le_bytes(b[..4].try_into().unwrap());
    let mut cuerpo = vec![0; entero(&cabecera) as usize - 20];
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

fn documento(n: u32) -> Documento {
    Documento {
        id: format!("t#0#{n}"),
        crc32: Some(n),
        campos: vec![
            ("server_id".to_owned(), Dato::Json(json!("web01"))),
            ("$x".to_owned(), Dato::Json(json!(n))),
        ],
    }
}

fn fallos(indices: &[i32], codigo: i32, frase: &str) -> Document {
    let fallos: Vec<_> =
        indices.iter().map(|i| doc! { "index": *i, "code": codigo, "errmsg": frase }).collect();
    doc! { "n": 3 - fallos.len() as i32, "writeErrors": fallos, "ok": 1.0 }
}

fn error(codigo: i32, frase: &str) -> Document {
    doc! { "ok": 0.0, "code": codigo, "codeName": "X", "errmsg": frase }
}

fn comprobado_a_tiempo(uri: &str) -> ErrorAlmacen {
    let mut almacen = AlmacenMongo::new(uri, "iabd06").unwrap();
    let inicio = Instant::now();
    let error = almacen.comprobar().unwrap_err();
    assert!(inicio.elapsed() < LIMITE, "{:?}: {error}", inicio.elapsed());
    assert!(!error.to_string().contains("secreta"), "{error}");
    error
}

#[test]
fn sin_servidor_se_dice_a_tiempo() {
    let libre = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = comprobado_a_tiempo(&format!("mongodb://ana:secreta@{libre}"));
    assert!(matches!(&error, ErrorAlmacen::Pasajero(f) if f.contains("no escucha nadie")), "{error}");
}

#[test]
fn un_servidor_mudo_se_nota_a_tiempo() {
    let mudo = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = comprobado_a_tiempo(&format!("mongodb://ana:secreta@{}", mudo.local_addr().unwrap()));
    assert!(matches!(&error, ErrorAlmacen::Pasajero(f) if f.contains("no contesta a tiempo")), "{error}");
}

#[test]
fn un_servidor_que_enmudece_despues_del_saludo_tambien() {
    let falso = Falso::nuevo(|nombre, _| {
        if nombre == "ping" {
            loop {
                thread::park();
            }
        }
        None
    });
    let error = comprobado_a_tiempo(&format!("mongodb://{}", falso.direccion));
    assert!(matches!(&error, ErrorAlmacen::Pasajero(f) if f.contains("no contesta a tiempo")), "{error}");
}

#[test]
fn un_nombre_srv_que_no_existe_se_dice_a_tiempo() {
    let error = comprobado_a_tiempo("mongodb+srv://ana:secreta@cluster0.no-existe.invalid");
    assert!(matches!(&error, ErrorAlmacen::Pasajero(f) if f.contains("DNS")), "{error}");
}

#[test]
fn un_servidor_que_dice_estar_en_otro_sitio_lo_dice_con_el_remedio() {
    // Como un MongoDB en Docker, cuyo conjunto de réplicas se llama por el nombre de dentro.
    const OTRA: &str = "mongo-de-docker.invalid:27017";
    let falso = Falso::nuevo(|nombre, _| {
        es_saludo(nombre).then(|| {
            let mut saludo = saludo();
            saludo.extend(doc! { "setName": "rs0", "setVersion": 1, "hosts": [OTRA], "me": OTRA });
            saludo
        })
    });
    let error = comprobado_a_tiempo(&format!("mongodb://{}", falso.direccion));
    let ErrorAlmacen::Pasajero(frase) = &error else { panic!("{error:?}") };
    assert!(frase.contains(&format!("dice que está en {OTRA}")), "{frase}");
    assert!(frase.contains("directConnection=true"), "{frase}");
}

#[test]
fn una_clave_mala_tiene_su_frase() {
    let falso = Falso::nuevo(|nombre, _| {
        (nombre == "saslStart").then(|| error(18, "Authentication failed: ana secreta"))
    });
    let error = comprobado_a_tiempo(&format!("mongodb://ana:secreta@{}", falso.direccion));
    assert!(matches!(&error, ErrorAlmacen::Definitivo(f) if f.contains("contraseña")), "{error}");
}

#[test]
fn sin_permiso_para_los_indices_se_sigue_si_hay_usuario_y_si_no_se_pide() {
    let falso = Falso::nuevo(|nombre, _| (nombre == "createIndexes").then(|| error(8000, "not allowed")));
    falso.almacen().comprobar().unwrap();
    let falso = Falso::nuevo(|nombre, _| (nombre == "createIndexes").then(|| error(13, "not allowed")));
    let error = falso.almacen().comprobar().unwrap_err();
    assert!(error.to_string().contains("pide usuario y contraseña"), "{error}");
}

#[test]
fn los_indices_se_crean_una_vez() {
    let falso = Falso::nuevo(|_, _| None);
    let mut almacen = falso.almacen();
    almacen.comprobar().unwrap();
    almacen.comprobar().unwrap();
    let ordenes = falso.ordenes.lock().unwrap();
    let indices: Vec<_> = ordenes.iter().filter(|o| o.contains_key("createIndexes")).collect();
    assert_eq!(indices.len(), 3, "uno por colección");
    assert!(indices.iter().all(|o| o.get_array("indexes").unwrap().len() == 1));
}

#[test]
fn una_lista_vacia_no_molesta_al_servidor() {
    let libre = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut almacen = AlmacenMongo::new(&format!("mongodb://{libre}"), "iabd06").unwrap();
    assert_eq!(almacen.insertar(CRUDOS, &[]), Ok(0));
}

#[test]
fn se_pide_la_mayoria_y_sin_orden_diga_lo_que_diga_la_uri() {
    let falso = Falso::nuevo(|_, _| None);
    let uri = format!("mongodb://{}/?w=1&readPreference=secondary", falso.direccion);
    let mut almacen = AlmacenMongo::new(&uri, "iabd06").unwrap();
    assert_eq!(almacen.insertar(CRUDOS, &[documento(1)]), Ok(1));
    let orden = &falso.insertados()[0];
    assert_eq!(orden.get_document("writeConcern").unwrap().get_str("w").unwrap(), "majority");
    assert!(!orden.get_bool("ordered").unwrap());
}

#[test]
fn muchos_documentos_van_en_trozos() {
    let falso = Falso::nuevo(|_, _| None);
    let muchos: Vec<_> = (0..25_000).map(documento).collect();
    assert_eq!(falso.almacen().insertar(CRUDOS, &muchos), Ok(25_000));
    let gordos: Vec<_> = (0..5)
        .map(|n| {
            let mut gordo = documento(n);
            gordo.campos.push(("g".to_owned(), Dato::Bytes(vec![0; 5 << 20])));
            gordo
        })
        .collect();
    assert_eq!(falso.almacen().insertar(CRUDOS, &gordos), Ok(5));
    let cuantos: Vec<_> =
        falso.insertados().iter().map(|o| o.get_array("documents").unwrap().len()).collect();
    assert_eq!(cuantos, [10_000, 10_000, 5_000, 1, 1, 1, 1, 1]);
}

#[test]
fn lo_que_el_servidor_no_admite_va_como_texto_y_lo_demas_sigue() {
    let falso = Falso::nuevo(|nombre, orden| {
        let tres = nombre == "insert" && orden.get_array("documents").unwrap().len() == 3;
        tres.then(|| fallos(&[1], 52, "Document can't have $ prefixed field names: $x"))
    });
    let tres: Vec<_> = (0..3).map(documento).collect();
    assert_eq!(falso.almacen().insertar(CRUDOS, &tres), Ok(3));
    let segunda = falso.insertados()[1].get_array("documents").unwrap().clone();
    let segundo = segunda[0].as_document().unwrap();
    assert_eq!(segundo, &doc! { "_id": "t#0#1", "server_id": "web01", EN_JSON: r#"{"$x":1}"# });
}

#[test]
fn lo_que_no_se_admite_de_ninguna_forma_se_dice_con_su_id() {
    let falso = Falso::nuevo(|nombre, orden| match nombre {
        "insert" if orden.get_array("documents").unwrap().len() == 3 => {
            Some(fallos(&[1], 121, "Document failed validation"))
        }
        "insert" => Some(doc! { "n": 0, "ok": 1.0, "writeErrors": [
        { "index": 0, "code": 121, "errmsg": "Document failed validation" }] }),
        _ => None,
    });
    let tres: Vec<_> = (0..3).map(documento).collect();
    let error = falso.almacen().insertar(CRUDOS, &tres).unwrap_err();
    assert!(matches!(&error, ErrorAlmacen::Definitivo(f) if f.contains("t#0#1")), "{error}");
}

#[test]
fn sin_la_mayoria_no_esta_guardado_aunque_lo_demas_sean_repetidos() {
    let falso = Falso::nuevo(|nombre, _| {
        (nombre == "insert").then(|| {
            let mut contestacion = fallos(&[0], 11000, "dup key, index: _id_");
            contestacion
                .insert("writeConcernError", doc! { "code": 64, "errmsg": "waiting for replication" });
            contestacion
        })
    });
    let tres: Vec<_> = (0..3).map(documento).collect();
    let error = falso.almacen().insertar(CRUDOS, &tres).unwrap_err();
    assert!(matches!(error, ErrorAlmacen::Pasajero(_)), "{error}");
}

#[test]
fn otro_indice_unico_no_pasa_por_repetido() {
    let falso = Falso::nuevo(|nombre, _| match nombre {
        "insert" => Some(fallos(&[2], 11000, "E11000 dup key, index: message_uuid_1")),
        "find" => Some(doc! { "ok": 1.0, "cursor": { "id": 0_i64, "ns": "iabd06.x", "firstBatch": [] } }),
        _ => None,
    });
    let tres: Vec<_> = (0..3).map(documento).collect();
    let error = falso.almacen().insertar(CRUDOS, &tres).unwrap_err();
    assert!(matches!(&error, ErrorAlmacen::Definitivo(f) if f.contains("índice único")), "{error}");
}

#[test]
fn los_errores_del_servidor_se_reparten_entre_pasajeros_y_definitivos() {
    for (codigo, pasajero) in [(10107, true), (91, true), (189, true), (13, false), (8000, false), (2, false)]
    {
        let falso = Falso::nuevo(move |nombre, _| (nombre == "insert").then(|| error(codigo, "frase")));
        let error = falso.almacen().insertar(CRUDOS, &[documento(1)]).unwrap_err();
        assert_eq!(matches!(error, ErrorAlmacen::Pasajero(_)), pasajero, "{codigo}: {error}");
    }
}
