//! El almacén de MongoDB sin MongoDB: un servidor que contesta lo que se le diga, o no contesta.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

#[path = "comun/mongo.rs"]
mod comun;

use comun::{Falso, almacen_de, documento, error, es_saludo, fallos, saludo};
use mongodb::bson::doc;
use practicas_iabd06::almacen::mongodb::EN_JSON;
use practicas_iabd06::almacen::{Almacen, Dato, ErrorAlmacen};
use practicas_iabd06::nombres::CRUDOS;

/// El límite de comprobar, con un poco de aire para una máquina ocupada.
const LIMITE: Duration = Duration::from_millis(5500);

fn comprobado_a_tiempo(uri: &str) -> ErrorAlmacen {
    let mut almacen = almacen_de(uri, "iabd06").unwrap();
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
    let error = comprobado_a_tiempo(&falso.uri());
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
    let error = comprobado_a_tiempo(&falso.uri());
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
    let indices = falso.recibidas("createIndexes");
    assert_eq!(indices.len(), 3, "uno por colección");
    assert!(indices.iter().all(|o| o.get_array("indexes").unwrap().len() == 1));
}

#[test]
fn una_lista_vacia_no_molesta_al_servidor() {
    let libre = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut almacen = almacen_de(&format!("mongodb://{libre}"), "iabd06").unwrap();
    assert_eq!(almacen.insertar(CRUDOS, &[]), Ok(0));
}

#[test]
fn se_pide_la_mayoria_y_sin_orden_diga_lo_que_diga_la_uri() {
    let falso = Falso::nuevo(|_, _| None);
    let uri = format!("mongodb://{}/?w=1&readPreference=secondary", falso.direccion);
    let mut almacen = almacen_de(&uri, "iabd06").unwrap();
    assert_eq!(almacen.insertar(CRUDOS, &[documento(1)]), Ok(1));
    let orden = &falso.recibidas("insert")[0];
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
    let cuantos: Vec<_> = falso.insertados().iter().map(Vec::len).collect();
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
    assert_eq!(
        falso.insertados()[1][0],
        doc! { "_id": "t#0#1", "server_id": "web01", EN_JSON: r#"{"$x":1}"# }
    );
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
