//! Lo que va mal con un MongoDB y lo que se dice: cada error a lo suyo, y ninguna frase dice más de lo que se ha
//! comprobado.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

#[path = "comun/mongo.rs"]
mod comun;
#[path = "comun/tls.rs"]
mod tls;

use comun::{Falso, almacen_de, corta, documento, error, es_saludo, fallos, saludo};
use mongodb::bson::{Document, doc};
use practicas_iabd06::almacen::mongodb::EN_JSON;
use practicas_iabd06::almacen::{Almacen, Dato, Documento, ErrorAlmacen};
use practicas_iabd06::avisos::Avisos;
use practicas_iabd06::broker::embebido::EmisorEmbebido;
use practicas_iabd06::broker::{Emisor, PorEnviar};
use practicas_iabd06::nombres::{CRUDOS, KPIS, TOPIC};
use rcgen::{CertificateParams, date_time_ymd};
use serde_json::json;
use tls::Autoridad;

fn tres() -> Vec<Documento> {
    (0..3).map(documento).collect()
}

fn pasajero(error: ErrorAlmacen) -> String {
    let ErrorAlmacen::Pasajero(frase) = error else { panic!("{error:?}") };
    frase
}

fn definitivo(error: ErrorAlmacen) -> String {
    let ErrorAlmacen::Definitivo(frase) = error else { panic!("{error:?}") };
    frase
}

/// Los `_id` que han llegado en los `insert`, sin contar los que no se contestaron.
fn ids(insertados: &[Vec<Document>]) -> BTreeSet<String> {
    insertados.iter().flatten().map(|d| d.get_str("_id").unwrap().to_owned()).collect()
}

/// La URI de algo que a cada conexión le contesta esto y la cierra.
fn crudo(contestacion: &'static [u8]) -> String {
    let escucha = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("mongodb://{}", escucha.local_addr().unwrap());
    thread::spawn(move || {
        for conexion in escucha.incoming() {
            thread::spawn(move || {
                let mut conexion = conexion.unwrap();
                let _ = conexion.read(&mut [0; 4096]);
                let _ = conexion.write_all(contestacion);
            });
        }
    });
    uri
}

// --- De quién habla cada error -----------------------------------------------------------------

#[test]
fn un_error_que_no_habla_del_documento_espera_con_el_documento_intacto() {
    for codigo in [16500, 112, 91, 10107, 14031, 262, 54321] {
        let veces = AtomicU32::new(0);
        let falso = Falso::nuevo(move |nombre, _| {
            let primera = nombre == "insert" && veces.fetch_add(1, Ordering::SeqCst) == 0;
            primera.then(|| fallos(&[1, 2], codigo, "Request rate is large"))
        });
        let mut almacen = falso.almacen();
        let frase = pasajero(almacen.insertar(CRUDOS, &tres()).unwrap_err());
        assert!(frase.contains("MongoDB contesta") && frase.contains("Request rate is large"), "{frase}");
        assert!(frase.contains(&codigo.to_string()) && !frase.contains("guardado"), "{frase}");
        assert_eq!(almacen.insertar(CRUDOS, &tres()), Ok(3));
        let insertados = falso.insertados();
        assert_eq!(insertados.len(), 2, "{codigo}: no se prueba con otra forma");
        assert!(insertados.iter().flatten().all(|d| !d.contains_key(EN_JSON)), "{codigo}");
    }
}

#[test]
fn lo_que_no_arregla_esperar_acaba_aunque_lo_diga_de_un_documento() {
    for (codigo, palabras, pista) in
        [(13, "not authorized", "readWrite"), (8000, "you are over your space quota", "está lleno")]
    {
        let falso =
            Falso::nuevo(move |nombre, _| (nombre == "insert").then(|| fallos(&[0], codigo, palabras)));
        let frase = definitivo(falso.almacen().insertar(CRUDOS, &tres()).unwrap_err());
        assert!(frase.contains(pista), "{frase}");
    }
}

#[test]
fn de_un_mensaje_demasiado_grande_se_dice_lo_que_se_ha_guardado_y_nada_mas() {
    let falso = Falso::nuevo(|_, _| None);
    let mut lote = tres();
    lote[1].campos.push(("x".to_owned(), Dato::Json(json!("x".repeat(17 << 20)))));
    let frase = definitivo(falso.almacen().insertar(CRUDOS, &lote).unwrap_err());
    assert!(frase.contains("t#0#1") && frase.contains("16 MB"), "{frase}");
    assert!(frase.contains(&format!("los demás de {CRUDOS}")), "{frase}");
    assert_eq!(ids(&falso.insertados()), ["t#0#0".to_owned(), "t#0#2".to_owned()].into());
}

#[test]
fn un_mensaje_demasiado_grande_no_se_lleva_por_delante_a_los_que_no_cuentan() {
    let carpeta = tempfile::tempdir().unwrap();
    let metricas =
        r#""metrics":{"cpu_percent":1,"memory_percent":1,"disk_io_mbps":1,"network_mbps":1,"error_count":0}"#;
    let valores = [
        format!(r#"{{"x":"{}",{metricas}}}"#, "x".repeat(17 << 20)),
        "no es JSON".to_owned(),
        format!("{{{metricas}}}"),
    ];
    let mensajes = valores.map(|valor| PorEnviar { clave: "k".to_owned(), valor: valor.into_bytes() });
    let avisos: Avisos = Arc::new(|_, _| {});
    EmisorEmbebido::new(&carpeta.path().join("datos"), TOPIC, &avisos).unwrap().enviar(&mensajes).unwrap();
    let falso = Falso::nuevo(|_, _| None);
    let salida = Command::new(env!("CARGO_BIN_EXE_consumidor_metrics_iabd06"))
        .current_dir(carpeta.path())
        .env("MONGODB_URI", falso.uri())
        .output()
        .unwrap();
    let errores = String::from_utf8_lossy(&salida.stderr);
    assert_eq!(salida.status.code(), Some(1), "{errores}");
    assert!(errores.contains(&format!("{TOPIC}#0#0 (no cabe")), "{errores}");
    assert_eq!(ids(&falso.insertados()), [format!("{TOPIC}#0#1"), format!("{TOPIC}#0#2")].into());
}

#[test]
fn el_documento_que_corta_la_conexion_se_encuentra_y_va_como_texto() {
    // Como FerretDB con un Decimal128: uno por encima de 2^63.
    let cortan = |d: &Document| d.get("g").is_some_and(|g| matches!(g, mongodb::bson::Bson::Decimal128(_)));
    let falso = Falso::nuevo(move |nombre, orden| {
        let documentos = (nombre == "insert").then(|| orden.get_array("documents").unwrap());
        documentos?.iter().any(|d| cortan(d.as_document().unwrap())).then(corta)
    });
    let mut lote: Vec<_> = (0..20).map(documento).collect();
    lote[13].campos.push(("g".to_owned(), Dato::Json(json!(u64::MAX))));
    assert_eq!(falso.almacen().insertar(CRUDOS, &lote), Ok(20));
    let insertados = falso.insertados();
    let raro: Vec<_> = insertados.iter().flatten().filter(|d| d.contains_key(EN_JSON)).collect();
    assert_eq!(raro.len(), 1);
    assert_eq!(raro[0].get_str(EN_JSON).unwrap(), r#"{"$x":13,"g":18446744073709551615}"#);
}

#[test]
fn si_ni_como_texto_se_dice_cual_es_y_los_demas_se_guardan() {
    let falso = Falso::nuevo(|nombre, orden| {
        let documentos = (nombre == "insert").then(|| orden.get_array("documents").unwrap());
        documentos?.iter().any(|d| d.as_document().unwrap().get_str("_id").unwrap() == "t#0#2").then(corta)
    });
    let frase = definitivo(falso.almacen().insertar(CRUDOS, &tres()).unwrap_err());
    assert!(frase.contains("t#0#2") && frase.contains("corta la conexión"), "{frase}");
    let contestados: Vec<_> =
        falso.insertados().into_iter().filter(|i| !ids(std::slice::from_ref(i)).contains("t#0#2")).collect();
    assert_eq!(ids(&contestados), ["t#0#0".to_owned(), "t#0#1".to_owned()].into());
}

#[test]
fn un_servidor_que_lo_corta_todo_no_es_culpa_de_ningun_documento() {
    let falso = Falso::nuevo(|nombre, _| (!es_saludo(nombre)).then(corta));
    let frase = pasajero(falso.almacen().insertar(CRUDOS, &tres()).unwrap_err());
    assert!(frase.contains("no responde"), "{frase}");
    assert!(falso.insertados().iter().all(|i| i.len() == 3), "no se parte");
}

#[test]
fn sin_la_mayoria_se_dice_con_las_palabras_del_servidor() {
    for (codigo, palabras) in
        [(64, "waiting for replication timed out"), (100, "Not enough data-bearing nodes")]
    {
        let falso = Falso::nuevo(move |nombre, _| {
            (nombre == "insert").then(|| {
                doc! { "n": 3, "ok": 1.0,
                "writeConcernError": { "code": codigo, "codeName": "X", "errmsg": palabras } }
            })
        });
        let frase = falso.almacen().insertar(CRUDOS, &tres()).unwrap_err().to_string();
        assert!(frase.contains("mayoría de las réplicas") && frase.contains(palabras), "{frase}");
        assert!(!frase.contains('{') && !frase.contains("insert_many"), "{frase}");
    }
}

#[test]
fn una_coleccion_en_la_que_no_se_puede_guardar_sin_repetir_se_dice_al_empezar() {
    let casos = [
        (
            CRUDOS,
            doc! { "type": "timeseries", "options": { "timeseries": { "timeField": "timestamp" } } },
            "serie temporal",
        ),
        (KPIS, doc! { "type": "view", "options": { "viewOn": "otra", "pipeline": [] } }, "vista"),
        (CRUDOS, doc! { "type": "collection", "options": { "capped": true, "size": 4096 } }, "capped"),
    ];
    for (coleccion, clase, pista) in casos {
        let falso = Falso::nuevo(move |nombre, _| {
            let mut una = doc! { "name": coleccion, "info": { "readOnly": false } };
            una.extend(clase.clone());
            let cursor = doc! { "id": 0_i64, "ns": "iabd06.$cmd.listCollections", "firstBatch": [una] };
            (nombre == "listCollections").then(|| doc! { "ok": 1.0, "cursor": cursor })
        });
        let frase = definitivo(falso.almacen().comprobar().unwrap_err());
        assert!(frase.contains(coleccion) && frase.contains(pista), "{frase}");
    }
    let falso = Falso::nuevo(|nombre, _| (nombre == "listCollections").then(|| error(13, "not authorized")));
    falso.almacen().comprobar().unwrap();
}

// --- Contesta, pero no sirve -------------------------------------------------------------------

#[test]
fn un_servidor_que_contesta_no_se_da_por_mudo() {
    let casos = [
        (10107, "not primary", "no es el primario"),
        (13435, "not primary and secondaryOk=false", "no es el primario"),
        (189, "stepped down", "no es el primario"),
        (94, "no replset config has been received", "rs.initiate()"),
        (13436, "not primary or secondary", "rs.initiate()"),
        (91, "shutting down", "parando"),
        (11600, "interrupted at shutdown", "parando"),
        (50, "operation exceeded time limit", "no acaba a tiempo"),
    ];
    for (codigo, palabras, pista) in casos {
        let falso = Falso::nuevo(move |nombre, _| (!es_saludo(nombre)).then(|| error(codigo, palabras)));
        for fallo in
            [falso.almacen().comprobar().unwrap_err(), falso.almacen().insertar(CRUDOS, &tres()).unwrap_err()]
        {
            let frase = pasajero(fallo);
            assert!(frase.contains(pista) && frase.contains("MongoDB contesta en"), "{codigo}: {frase}");
            assert!(frase.contains(palabras) && !frase.contains("no responde"), "{codigo}: {frase}");
        }
    }
}

/// Lo que se dice de un servidor que saluda así.
fn dicho_de(saluda: Document, opciones: &str) -> String {
    let falso = Falso::nuevo(move |nombre, _| es_saludo(nombre).then(|| saluda.clone()));
    pasajero(almacen_de(&format!("{}/{opciones}", falso.uri()), "iabd06").unwrap().comprobar().unwrap_err())
}

#[test]
fn un_conjunto_de_replicas_sin_primario_o_sin_iniciar_se_dice() {
    let mut sin_iniciar = saludo();
    sin_iniciar.extend(doc! { "ismaster": false, "isWritablePrimary": false, "secondary": false,
    "isreplicaset": true, "info": "Does not have a valid replica set config" });
    let frase = dicho_de(sin_iniciar, "");
    assert!(frase.contains("contesta") && frase.contains("rs.initiate()"), "{frase}");

    let con_nombre = |primario: bool| {
        let mut saludo = saludo();
        saludo.extend(doc! { "ismaster": primario, "isWritablePrimary": primario, "secondary": !primario,
        "setName": "rs0", "setVersion": 1 });
        saludo
    };
    let frase = dicho_de(con_nombre(true), "?replicaSet=otro");
    assert!(frase.contains("contesta") && frase.contains("replicaSet"), "{frase}");
}

#[test]
fn una_replica_sin_primario_no_esta_muda() {
    let escucha = TcpListener::bind("127.0.0.1:0").unwrap();
    let suya = escucha.local_addr().unwrap().to_string();
    drop(escucha);
    let direccion = suya.clone();
    // La secundaria anuncia también a la que era el primario, que no está.
    let falso = Falso::en(&suya, move |nombre, _| {
        es_saludo(nombre).then(|| {
            let mut saludo = saludo();
            saludo.extend(doc! { "ismaster": false, "isWritablePrimary": false, "secondary": true,
            "setName": "rs0", "setVersion": 1, "hosts": [&direccion], "me": &direccion });
            saludo
        })
    });
    let frase = pasajero(falso.almacen().comprobar().unwrap_err());
    assert!(frase.contains("contesta") && frase.contains("no tienen primario"), "{frase}");
}

#[test]
fn lo_que_no_es_un_mongodb_se_dice() {
    let http = crudo(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let mut almacen = almacen_de(&http, "iabd06").unwrap();
    let frase = pasajero(almacen.comprobar().unwrap_err());
    assert!(frase.contains("no parece un MongoDB") && frase.contains("puerto"), "{frase}");
}

// --- TLS ---------------------------------------------------------------------------------------

#[test]
fn cada_certificado_que_no_vale_dice_por_que() {
    let carpeta = tempfile::tempdir().unwrap();
    let (centro, otra) =
        (Autoridad::nueva(carpeta.path(), "centro"), Autoridad::nueva(carpeta.path(), "otra"));
    let caducado = |ficha: &mut CertificateParams| ficha.not_after = date_time_ymd(2021, 1, 1);
    let temprano = |ficha: &mut CertificateParams| ficha.not_before = date_time_ymd(2120, 1, 1);
    for (config, pista) in [
        (otra.certificar("localhost", |_| ()), "tlsCAFile"),
        (centro.certificar("localhost", caducado), "ha caducado"),
        (centro.certificar("localhost", temprano), "todavía no vale"),
        (centro.certificar("otro.example", |_| ()), "es de otro nombre"),
    ] {
        let direccion = Falso::cifrado(config).direccion.replace("127.0.0.1", "localhost");
        let uri = format!("mongodb://ana:secreta@{direccion}/?tls=true&tlsCAFile={}", centro.pem.display());
        let frase = pasajero(almacen_de(&uri, "iabd06").unwrap().comprobar().unwrap_err());
        assert!(frase.contains("no se puede confiar") && frase.contains(pista), "{pista}: {frase}");
        assert!(!frase.contains("Network Access") && !frase.contains("secreta"), "{frase}");
    }
}

#[test]
fn con_la_autoridad_del_centro_se_entra_por_la_opcion_o_por_la_del_sistema() {
    let carpeta = tempfile::tempdir().unwrap();
    let (centro, otra) =
        (Autoridad::nueva(carpeta.path(), "centro"), Autoridad::nueva(carpeta.path(), "otra"));
    let falso = Falso::cifrado(centro.certificar("localhost", |_| ()));
    let uri = format!("{}/?tls=true", falso.uri().replace("127.0.0.1", "localhost"));
    let con_ca = format!("{uri}&tlsCAFile={}", centro.pem.display());
    almacen_de(&con_ca, "iabd06").unwrap().comprobar().unwrap();

    let mensajes = Command::new(env!("CARGO_BIN_EXE_productor_metrics_iabd06"))
        .args(["--rondas", "1", "--silencioso"])
        .current_dir(carpeta.path())
        .output()
        .unwrap();
    assert!(mensajes.status.success(), "{mensajes:?}");
    let consumidor = |sistema: &Autoridad| {
        Command::new(env!("CARGO_BIN_EXE_consumidor_metrics_iabd06"))
            .args(["--mensajes", "5"])
            .current_dir(carpeta.path())
            .env("MONGODB_URI", &uri)
            .env("SSL_CERT_FILE", &sistema.pem)
            .output()
            .unwrap()
    };
    let salida = consumidor(&otra);
    assert!(String::from_utf8_lossy(&salida.stderr).contains("tlsCAFile"), "{salida:?}");
    let salida = consumidor(&centro);
    assert!(salida.status.success(), "{}", String::from_utf8_lossy(&salida.stderr));
}

#[test]
fn pedir_tls_a_quien_no_lo_habla_o_no_pedirlo_a_quien_lo_exige_se_dice() {
    let falso = Falso::nuevo(|_, _| None);
    let mut almacen = almacen_de(&format!("{}/?tls=true", falso.uri()), "iabd06").unwrap();
    let frase = pasajero(almacen.comprobar().unwrap_err());
    assert!(frase.contains("sobre tls=true"), "{frase}");

    // Quien espera un saludo de TLS corta lo que no lo es.
    let escucha = crudo(b"\x15\x03\x01\x00\x02\x02\x46");
    let frase = pasajero(almacen_de(&escucha, "iabd06").unwrap().comprobar().unwrap_err());
    assert!(frase.contains("falte tls=true"), "{frase}");
}

#[test]
fn un_fichero_de_certificados_que_falta_o_no_lo_es_se_nombra() {
    let datos = tempfile::tempdir().unwrap();
    let vacio = datos.path().join("vacio.pem");
    std::fs::write(&vacio, "no es un certificado").unwrap();
    for (ruta, pista) in [(datos.path().join("falta.pem"), "no existe"), (vacio, "BEGIN CERTIFICATE")] {
        for opcion in ["tlsCAFile", "tlsCertificateKeyFile"] {
            let uri = format!("mongodb://ana:secreta@h/?{opcion}={}", ruta.display());
            let Err(fallo) = almacen_de(&uri, "iabd06") else { panic!("{uri}") };
            let frase = definitivo(fallo);
            assert!(frase.contains(opcion) && frase.contains(pista) && !frase.contains("secreta"), "{frase}");
        }
    }
}
