//! Los programas en Python y en Rust, cruzados: lo que escribe uno lo lee el otro, y guardan lo mismo.
//!
//! Se lanza con servicios/probar, que instala Kafka, MongoDB y Python. Sin ellos, falla: no se salta.

use std::path::Path;
use std::process::{Command, Stdio};

mod comun;
#[path = "comun/motores.rs"]
mod motores;

use comun::programa;
use motores::{Motor, administrar, con, crear_topic, en_python, faltan, kafkas, python, repositorio};
use practicas_iabd06::nombres::{CRUDOS, DESCARTADOS, KPIS, TOPIC};
use serde_json::{Value, json};

/// El productor o el consumidor en Python.
fn guion(nombre: &str, carpeta: &Path, argumentos: &[&str]) -> Command {
    let mut orden = Command::new(python());
    let guion = repositorio().join(format!("docs/python/{nombre}_metrics_iabd06.py"));
    orden.arg(guion).current_dir(carpeta).args(argumentos).stdin(Stdio::null());
    orden
}

/// Tiene que acabar con este código. Da lo que dice por la salida de errores.
fn correr(mut orden: Command, codigo: i32) -> String {
    let salida = orden.output().unwrap();
    let errores = String::from_utf8(salida.stderr).unwrap();
    assert_eq!(salida.status.code(), Some(codigo), "{errores}");
    errores
}

/// Una colección vista por pymongo, por orden de `_id`: JSON extendido, que dice el tipo de cada valor.
fn documentos(mongo: &Motor, base: &str, coleccion: &str) -> Vec<Value> {
    const LEER: &str = "
import os, sys
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from pymongo import MongoClient
base, coleccion = sys.argv[1:]
for d in MongoClient(os.environ['MONGODB_URI'])[base][coleccion].find().sort('_id'):
    print(dumps(d, json_options=CANONICAL_JSON_OPTIONS))
";
    let mut orden = Command::new(python());
    orden.args(["-c", LEER, base, coleccion]);
    let lineas = en_python(&mut con(orden, &[mongo]));
    lineas.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// El documento, con los campos en su orden, sin lo que depende de cuándo se consumió.
fn sin_horas(documento: &Value) -> String {
    let mut documento = documento.clone();
    let es_kpi = documento.get("ventana_fin").is_some();
    let es_descarte = documento.get("razon").is_some();
    let quitar = |valor: Option<&mut Value>, tipos: &[&str]| {
        let valor = valor.unwrap();
        let tipo = valor.as_object().map_or("null", |o| o.keys().next().unwrap());
        assert!(tipos.contains(&tipo), "{valor} no es {tipos:?}");
        *valor = json!("…");
    };
    if es_kpi {
        for campo in ["timestamp_utc", "ventana_inicio", "ventana_fin"] {
            quitar(documento.get_mut(campo), &["$date"]);
        }
        quitar(documento.get_mut("duracion_ventana_seg"), &["$numberDouble"]);
        quitar(documento.get_mut("tasa_procesamiento_msg_seg"), &["$numberDouble"]);
    } else {
        quitar(documento["kafka"].get_mut("recibido_en"), &["$date"]);
    }
    if es_descarte {
        quitar(documento.get_mut("timestamp"), &["$date"]);
        // De un JSON roto, el de Python no dice dónde.
        let razon = documento["razon"].as_str().unwrap();
        let rotos = ["no es JSON", "el JSON está cortado", "lleva un entero que no cabe"];
        if rotos.iter().any(|roto| razon.starts_with(roto)) && razon != "no es un objeto JSON" {
            documento["razon"] = json!("JSON roto");
        }
    }
    documento.to_string()
}

/// El documento con el tipo de cada valor en lugar del valor.
fn forma(valor: &Value) -> Value {
    match valor {
        Value::Object(campos) => match campos.iter().next() {
            Some((tipo, _)) if tipo.starts_with('$') => json!(tipo),
            _ => campos.iter().map(|(clave, valor)| (clave.clone(), forma(valor))).collect(),
        },
        Value::String(_) => json!("texto"),
        otro => otro.clone(),
    }
}

#[test]
fn rust_con_kafka_y_mongodb_leido_con_pymongo() {
    for version in kafkas() {
        leido_con_pymongo(version);
    }
}

fn leido_con_pymongo(version: &'static str) {
    let (kafka, mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    let argumentos = ["--rondas", "9", "--intervalo", "200ms"];
    correr(con(programa("productor", carpeta.path(), &argumentos), &[&kafka]), 0);
    correr(con(programa("consumidor", carpeta.path(), &["--mensajes", "45"]), &[&kafka, &mongo]), 0);

    let [crudos, kpis, descartados] = [CRUDOS, KPIS, DESCARTADOS].map(|c| documentos(&mongo, "iabd06", c));
    assert_eq!((crudos.len(), kpis.len(), descartados.len()), (45, 2, 0));
    for crudo in &crudos {
        let mut forma = forma(crudo);
        let crc32 = forma["kafka"]["crc32"].take(); // de 32 bits sin signo: no siempre cabe en un int
        assert!(crc32 == "$numberInt" || crc32 == "$numberLong", "{crc32}");
        assert_eq!(
            forma.to_string(),
            json!({
                "_id": "texto", "server_id": "texto", "timestamp_utc": "texto",
                "metrics": {
                    "cpu_percent": "$numberDouble", "memory_percent": "$numberDouble",
                    "disk_io_mbps": "$numberDouble", "network_mbps": "$numberDouble",
                    "error_count": "$numberInt",
                },
                "message_uuid": "texto", "timestamp": "$date",
                "kafka": {
                    "topic": "texto", "partition": "$numberInt", "offset": "$numberInt", "key": "texto",
                    "crc32": null, "recibido_en": "$date",
                },
            })
            .to_string()
        );
    }
    for kpi in &kpis {
        let mut forma = forma(kpi);
        let crc32 = forma["crc32"].take();
        assert!(crc32 == "$numberInt" || crc32 == "$numberLong", "{crc32}");
        assert_eq!(
            forma.to_string(),
            json!({
                "_id": "texto", "timestamp_utc": "$date", "ventana_inicio": "$date", "ventana_fin": "$date",
                "duracion_ventana_seg": "$numberDouble", "num_mensajes": "$numberInt",
                "cpu_percent_avg": "$numberDouble", "memory_percent_avg": "$numberDouble",
                "disk_io_mbps_avg": "$numberDouble", "network_mbps_avg": "$numberDouble",
                "error_count_sum": "$numberInt", "tasa_procesamiento_msg_seg": "$numberDouble",
                "particion": "$numberInt", "offset_inicio": "$numberInt", "offset_fin": "$numberInt",
                "crc32": null,
            })
            .to_string()
        );
    }
}

/// Mensajes raros, como bytes de Python: clave y contenido.
const RAROS: &str = r#"
def con(**cambios):
    metricas = dict(cpu_percent=64.4, memory_percent=37, disk_io_mbps=1e1, network_mbps=87, error_count=2.0)
    return json.dumps({"server_id": "ñ😀", "metrics": {**metricas, **cambios}}).encode()
def sin(campo):
    mensaje = json.loads(con())
    del mensaje["metrics"][campo]
    return json.dumps(mensaje).encode()
BUENO = con()[:-1]
RAROS = [
    (None, con()), (b"", con()), (b"\xff", con()), ("ñ".encode(), con(otra=[1, {"a": None}, "x", True])),
    # Campos que aquí significan otra cosa, repetidos, y fechas que no lo son.
    (b"k", BUENO + b', "kafka": 1, "_id": {"a": 1.5}, "original": null, "timestamp": "ayer"}'),
    (b"k", BUENO + b', "a": 1, "b": 2, "a": 1099511627776}'),
    (b"k", BUENO + b', "timestamp_utc": "2026-04-18T16:48:18.009999+02:00"}'),
    *((b"k", BUENO + b', "timestamp_utc": ' + fecha + b"}") for fecha in [
        b'"2026-04-18T16:48:18"', b"7", b'"20260418T144818Z"', b'"2026-04-18 14:48:18+0000"', b"1776523698",
        b"1776523698009", b"1776523698.5", b'"1500-01-01T00:00:00Z"', b'"9999-12-31T23:59:59-00:01"', b"null",
    ]),
    (b"k", b"\xef\xbb\xbf" + con(cpu_percent=98.88339545701953, memory_percent=0.9215686321258545)),
    # Los que no cuentan.
    (b"k", None), (b"k", b"hola"), (b"k", b"\xff\xfe\x00"), (b"k", con()[:40]), (b"k", b"[" * 5000),
    (b"k", b"[]"), (b"k", b"7"), (b"k", b"null"), (b"k", b"{}"), (b"k", b'{"metrics": null}'),
    *((b"k", sin(campo)) for campo in json.loads(con())["metrics"]),
    (b"k", con(cpu_percent="64.4")), (b"k", con(memory_percent=True)), (b"k", con(disk_io_mbps={})),
    (b"k", con(network_mbps=None)), (b"k", con(error_count=0.5)), (b"k", con(error_count="1")),
    (b"k", con(otro=float("nan"))), (b"k", con(otro=10**38)), (b"k", con(error_count=2**63 - 1)),
    (b"k", con(cpu_percent=-2e300)), (b"k", con().decode().encode("utf-16")), (b"k", str({"a": 1}).encode()),
]
"#;

#[test]
fn los_dos_productores_y_los_dos_consumidores_dan_los_mismos_documentos() {
    for version in kafkas() {
        los_mismos_documentos(version);
    }
}

fn los_mismos_documentos(version: &'static str) {
    let (kafka, mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    crear_topic(&kafka, TOPIC, 3);
    // 110 mensajes de Rust, 50 de Python y los raros, en tres particiones.
    let rust = ["--servidores", "11", "--rondas", "10", "--sin-pausa"];
    correr(con(programa("productor", carpeta.path(), &rust), &[&kafka]), 0);
    let en_python = ["--rondas", "10", "--intervalo", "0.01"];
    correr(con(guion("productor", carpeta.path(), &en_python), &[&kafka]), 0);
    let mandar = format!(
        "import json{RAROS}p = Producer(BROKER)\nfor clave, valor in RAROS: p.produce('{TOPIC}', valor, clave)\np.flush()\nprint(len(RAROS))"
    );
    let raros: u64 = administrar(&kafka, &mandar).parse().unwrap();

    // Con cada consumidor, y empezando con uno y siguiendo con el otro: su grupo, su base de datos y dos
    // paradas en medio.
    let en_rust = programa as fn(&str, &Path, &[&str]) -> Command;
    let turnos =
        [("de_rust", [en_rust; 3]), ("de_python", [guion; 3]), ("a_medias", [en_rust, guion, en_rust])];
    for (base, consumidores) in turnos {
        assert_eq!(faltan(&kafka, TOPIC, base), 160 + raros);
        for (i, consumidor) in consumidores.into_iter().enumerate() {
            let mensajes = [70, 1, faltan(&kafka, TOPIC, base)][i].to_string();
            let argumentos = ["--group-id", base, "--mensajes", &mensajes];
            let mut orden = con(consumidor("consumidor", carpeta.path(), &argumentos), &[&kafka, &mongo]);
            orden.env("MONGODB_DATABASE", base);
            correr(orden, 0);
        }
    }
    for (coleccion, minimo) in [(CRUDOS, 169), (KPIS, 6), (DESCARTADOS, 21)] {
        let rust = documentos(&mongo, "de_rust", coleccion);
        assert!(rust.len() >= minimo, "{coleccion}: {}", rust.len());
        for base in ["de_python", "a_medias"] {
            let otros = documentos(&mongo, base, coleccion);
            for (rust, otro) in rust.iter().zip(&otros) {
                assert_eq!(sin_horas(rust), sin_horas(otro), "{base}");
            }
            assert_eq!(rust.len(), otros.len(), "{coleccion} en {base}");
        }
    }
}
