//! El almacén contra un servidor con el protocolo de MongoDB, de verdad.
//!
//! Se lanza con servicios/probar, que lo instala. Sin servidor, falla: no se salta.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

#[path = "comun/motores.rs"]
mod motores;

use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use mongodb::sync::{Client, Collection};
use motores::Motor;
use practicas_iabd06::almacen::mongodb::{AlmacenMongo, EN_JSON};
use practicas_iabd06::almacen::{Almacen, Dato, Documento, ErrorAlmacen};
use practicas_iabd06::avisos::Avisos;
use practicas_iabd06::nombres::{CRUDOS, DESCARTADOS, KPIS};
use serde_json::json;

/// Lo que de verdad no debería agotarse nunca.
const PACIENCIA: Duration = Duration::from_secs(60);

fn almacen(motor: &Motor) -> AlmacenMongo {
    almacen_de(&motor.entorno["MONGODB_URI"], &motor.entorno["MONGODB_DATABASE"]).unwrap()
}

fn coleccion(motor: &Motor, nombre: &str) -> Collection<Document> {
    let cliente = Client::with_uri_str(&motor.entorno["MONGODB_URI"]).unwrap();
    cliente.database(&motor.entorno["MONGODB_DATABASE"]).collection(nombre)
}

/// El almacén de esa URI, sin nadie a quien contarle nada.
fn almacen_de(uri: &str, base: &str) -> Result<AlmacenMongo, ErrorAlmacen> {
    let avisos: Avisos = Arc::new(|_, _| {});
    AlmacenMongo::new(uri, base, avisos)
}

fn documento(n: u32, crc: u32) -> Documento {
    let kafka = vec![("crc32".to_owned(), Dato::Json(json!(crc)))];
    Documento {
        id: format!("t#0#{n}"),
        crc32: Some(crc),
        campos: vec![("n".to_owned(), Dato::Json(json!(n))), ("kafka".to_owned(), Dato::Sub(kafka))],
    }
}

fn documentos(numeros: std::ops::Range<u32>) -> Vec<Documento> {
    numeros.map(|n| documento(n, u32::MAX - n)).collect()
}

#[test]
fn cada_tipo_vuelve_como_se_fue() {
    let motor = Motor::arrancar("mongo");
    let mut almacen = almacen(&motor);
    almacen.comprobar().unwrap();
    let fecha = SystemTime::UNIX_EPOCH + Duration::from_micros(1_776_523_698_009_002);
    let valor = json!({
        "i": 7, "l": 1_i64 << 40, "u": u64::MAX, "f": 37.13, "uno": 1.0, "t": "ñ \u{0} 😀", "nulo": null,
        "b": true, "lista": [1, [], {}], "$date": "no es una fecha", "a.b": 1, "": 2,
    });
    let uno = Documento {
        id: "t#0#0".to_owned(),
        crc32: None,
        campos: vec![
            ("v".to_owned(), Dato::Json(valor)),
            ("timestamp".to_owned(), Dato::Fecha(fecha)),
            ("bytes".to_owned(), Dato::Bytes(vec![0, 255, 7])),
            ("n\0".to_owned(), Dato::Json(json!(1))),
        ],
    };
    let mut sin_rarezas = uno.clone();
    sin_rarezas.id = "t#0#1".to_owned();
    sin_rarezas.campos.pop();
    assert_eq!(almacen.insertar(CRUDOS, &[uno, sin_rarezas]), Ok(2));

    let crudos = coleccion(&motor, CRUDOS);
    // Document, leído con serde, toma por suyo un campo «$date»: se lee sin interpretar.
    let sin_interpretar = crudos.clone_with_type::<RawDocumentBuf>();
    let leido = sin_interpretar.find_one(doc! { "_id": "t#0#1" }).run().unwrap().unwrap();
    let leido = Document::try_from(leido.as_ref()).unwrap();
    let esperado = doc! {
        "_id": "t#0#1",
        "v": {
            "i": 7, "l": 1_i64 << 40, "u": Bson::Decimal128("18446744073709551615".parse().unwrap()),
            "f": 37.13, "uno": 1.0, "t": "ñ \u{0} 😀", "nulo": null, "b": true, "lista": [1, [], {}],
            "$date": "no es una fecha", "a.b": 1, "": 2,
        },
        "timestamp": DateTime::from_millis(1_776_523_698_009),
        "bytes": mongodb::bson::Binary { subtype: mongodb::bson::spec::BinarySubtype::Generic, bytes: vec![0, 255, 7] },
    };
    assert_eq!(leido, esperado);
    let raro = crudos.find_one(doc! { "_id": "t#0#0" }).projection(doc! { "v": 0 }).run().unwrap().unwrap();
    assert!(raro.get_str(EN_JSON).unwrap().ends_with(r#""n\u0000":1}"#), "{raro}");
    assert_eq!(raro.get_datetime("timestamp").unwrap().timestamp_millis(), 1_776_523_698_009);

    for (nombre, indice) in
        [(CRUDOS, "kafka.recibido_en_1"), (DESCARTADOS, "kafka.recibido_en_1"), (KPIS, "ventana_fin_1")]
    {
        let indices: HashSet<_> =
            coleccion(&motor, nombre).list_index_names().run().unwrap().into_iter().collect();
        assert_eq!(indices, ["_id_".to_owned(), indice.to_owned()].into(), "{nombre}");
    }
}

#[test]
fn lo_repetido_no_se_repite_y_lo_de_otra_historia_no_se_pisa() {
    let motor = Motor::arrancar("mongo");
    let mut almacen = almacen(&motor);
    let crudos = coleccion(&motor, CRUDOS);
    assert_eq!(almacen.insertar(CRUDOS, &[]), Ok(0));
    assert_eq!(almacen.insertar(CRUDOS, &documentos(0..10)), Ok(10));
    assert_eq!(almacen.insertar(CRUDOS, &documentos(0..10)), Ok(0));
    assert_eq!(almacen.insertar(CRUDOS, &documentos(5..15)), Ok(5));
    // Repetido dentro de la misma llamada.
    assert_eq!(almacen.insertar(CRUDOS, &[documento(15, 1), documento(15, 1)]), Ok(1));

    let antes: Vec<_> = crudos.find(doc! {}).run().unwrap().map(Result::unwrap).collect();
    let mezcla = [documento(3, u32::MAX - 3), documento(4, 0)];
    assert_eq!(almacen.insertar(CRUDOS, &mezcla), Err(ErrorAlmacen::OtraHistoria("t#0#4".to_owned())));
    let despues: Vec<_> = crudos.find(doc! {}).run().unwrap().map(Result::unwrap).collect();
    assert_eq!(antes, despues);

    // Sin crc32, como los KPIs: el que ya está se queda como estaba.
    let kpi = |n: u32| Documento { id: "k".to_owned(), crc32: None, ..documento(n, n) };
    assert_eq!(almacen.insertar(KPIS, &[kpi(1)]), Ok(1));
    assert_eq!(almacen.insertar(KPIS, &[kpi(2)]), Ok(0));
    let guardado = coleccion(&motor, KPIS).find_one(doc! { "_id": "k" }).run().unwrap().unwrap();
    assert_eq!(guardado.get_i32("n").unwrap(), 1);
}

#[test]
fn tras_un_corte_de_golpe_sigue_solo_y_no_pierde_ni_repite() {
    let mut motor = Motor::arrancar("mongo");
    let mut almacen = almacen(&motor);
    almacen.comprobar().unwrap();
    for vuelta in 0..3 {
        let lote = documentos(vuelta * 100..vuelta * 100 + 100);
        assert_eq!(almacen.insertar(CRUDOS, &lote[..50]), Ok(50));
        motor.matar();
        let inicio = Instant::now();
        let error = almacen.insertar(CRUDOS, &lote).unwrap_err();
        assert!(matches!(error, ErrorAlmacen::Pasajero(_)), "{error}");
        assert!(inicio.elapsed() < PACIENCIA / 4, "{:?}", inicio.elapsed());
        motor.rearrancar();
        loop {
            match almacen.insertar(CRUDOS, &lote) {
                Ok(nuevos) => break assert!(nuevos >= 50, "{nuevos}"),
                Err(ErrorAlmacen::Pasajero(_)) => assert!(inicio.elapsed() < PACIENCIA),
                Err(otro) => panic!("{otro}"),
            }
        }
    }
    assert_eq!(coleccion(&motor, CRUDOS).count_documents(doc! {}).run().unwrap(), 300);
}

#[test]
fn una_clave_mala_se_dice_y_no_sale() {
    let motor = Motor::arrancar("mongo");
    let uri = &motor.entorno["MONGODB_URI"];
    let clave = uri.split([':', '@']).nth(2).unwrap();
    let mala = uri.replace(clave, "otra%40secreta");
    let error = almacen_de(&mala, "iabd06").unwrap().comprobar().unwrap_err();
    let ErrorAlmacen::Definitivo(frase) = error else { panic!("{error:?}") };
    assert!(frase.contains("no acepta ese usuario o esa contraseña") && frase.contains("%40"), "{frase}");
    assert!(!frase.contains("secreta"), "{frase}");
}
