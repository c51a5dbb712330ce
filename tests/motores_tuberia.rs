//! Productor y consumidor contra un Kafka y un servidor de MongoDB de verdad.
//!
//! Se lanza con servicios/probar, que los instala. Sin servidor, falla: no se salta.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

mod comun;
#[path = "comun/motores.rs"]
mod motores;

use comun::EnMarcha;
use mongodb::bson::{Bson, Document};
use mongodb::sync::Client;
use motores::{Motor, segun};
use practicas_iabd06::almacen::{CRUDOS, DESCARTADOS, KPIS};
use practicas_iabd06::broker::TOPIC;

fn programa(nombre: &str, carpeta: &Path, motores: &[&Motor], argumentos: &[&str]) -> Command {
    let ruta = match nombre {
        "productor" => env!("CARGO_BIN_EXE_productor_metrics_iabd06"),
        _ => env!("CARGO_BIN_EXE_consumidor_metrics_iabd06"),
    };
    let mut orden = Command::new(ruta);
    orden.current_dir(carpeta).args(argumentos).stdin(Stdio::null());
    for variable in ["KAFKA_BOOTSTRAP_SERVERS", "IP_LOCAL", "MONGODB_URI", "MONGODB_DATABASE"] {
        orden.env_remove(variable);
    }
    for motor in motores {
        orden.envs(&motor.entorno);
    }
    orden
}

fn correr(orden: &mut Command) -> String {
    let salida = orden.output().unwrap();
    let errores = String::from_utf8(salida.stderr).unwrap();
    assert_eq!(salida.status.code(), Some(0), "{errores}");
    errores
}

/// Los documentos de una colección, por su `_id`.
fn documentos(mongo: &Motor, coleccion: &str) -> BTreeMap<String, Document> {
    let cliente = Client::with_uri_str(&mongo.entorno["MONGODB_URI"]).unwrap();
    let base = cliente.database(&mongo.entorno["MONGODB_DATABASE"]);
    let todos = base.collection::<Document>(coleccion).find(Document::new()).run().unwrap();
    todos.map(Result::unwrap).map(|d| (d.get_str("_id").unwrap().to_owned(), d)).collect()
}

fn numero(valor: Option<&Bson>) -> f64 {
    match valor {
        Some(Bson::Double(x)) => *x,
        Some(Bson::Int32(n)) => f64::from(*n),
        Some(Bson::Int64(n)) => *n as f64,
        otro => panic!("no es un número: {otro:?}"),
    }
}

/// Los KPIs guardados son las ventanas exactas de 20 crudos, y salen de ellos.
fn comprobar_ventanas(mongo: &Motor) -> (usize, usize) {
    let (crudos, kpis) = (documentos(mongo, CRUDOS), documentos(mongo, KPIS));
    let offset = |d: &Document| numero(d.get_document("kafka").unwrap().get("offset")) as i64;
    let mut por_offset: Vec<_> = crudos.values().collect();
    por_offset.sort_by_key(|d| offset(d));
    let ventanas: Vec<_> = por_offset.chunks_exact(20).collect();
    assert_eq!(kpis.len(), ventanas.len());
    for ventana in ventanas {
        let kpi = &kpis[&format!("{TOPIC}#0#{}-{}", offset(ventana[0]), offset(ventana[19]))];
        let suma = |m: &str| -> f64 {
            ventana.iter().map(|d| numero(d.get_document("metrics").unwrap().get(m))).sum()
        };
        for m in ["cpu_percent", "memory_percent", "disk_io_mbps", "network_mbps"] {
            assert!((numero(kpi.get(format!("{m}_avg"))) - suma(m) / 20.0).abs() < 1e-9);
        }
        assert_eq!(numero(kpi.get("error_count_sum")), suma("error_count"));
        assert!(matches!(kpi.get("ventana_fin"), Some(Bson::DateTime(_))), "una fecha de verdad");
    }
    assert!(crudos.values().all(|d| matches!(d.get("timestamp"), Some(Bson::DateTime(_)))));
    (crudos.len(), kpis.len())
}

#[test]
fn nueve_rondas_dan_45_crudos_y_2_kpis_que_salen_de_ellos() {
    for version in ["kafka", "kafka34"] {
        let (kafka, mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
        let carpeta = tempfile::tempdir().unwrap();
        let errores =
            correr(&mut programa("productor", carpeta.path(), &[&kafka], &["--rondas", "9", "--sin-pausa"]));
        assert!(errores.contains("45 mensajes confirmados, 0 sin confirmar"), "{errores}");
        let consumidor = |n| programa("consumidor", carpeta.path(), &[&kafka, &mongo], &["--mensajes", n]);
        assert!(correr(&mut consumidor("45")).contains("ventana abierta: 5/20, se releerá"));
        correr(&mut consumidor("5")); // relee la ventana abierta
        assert_eq!(comprobar_ventanas(&mongo), (45, 2), "{version}");
        assert!(!carpeta.path().join("datos").exists(), "lo configurado se usa, y nada más");
    }
}

#[test]
fn matado_al_azar_con_el_broker_y_la_base_yendo_y_viniendo_no_se_pierde_ni_se_repite_nada() {
    let (muertes, rondas) = segun((6, 300), (50, 2_000));
    let (mut kafka, mut mongo) = (Motor::arrancar("kafka"), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    let argumentos = ["--rondas", &rondas.to_string(), "--sin-pausa", "--silencioso"];
    let total = 5 * rondas;
    // El topic se llena antes: así se sabe cuántos mensajes hay, sin repetidos del productor.
    correr(&mut programa("productor", carpeta.path(), &[&kafka], &argumentos));

    let (entorno_kafka, entorno_mongo) = (kafka.entorno.clone(), mongo.entorno.clone());
    let fin = Arc::new(AtomicBool::new(false));
    let otro_fin = Arc::clone(&fin);
    let vaiven = thread::spawn(move || {
        while !otro_fin.load(Ordering::Relaxed) {
            for motor in [&mut kafka, &mut mongo] {
                thread::sleep(Duration::from_millis(fastrand::u64(100..1_500)));
                motor.parar();
                motor.rearrancar();
            }
        }
        (kafka, mongo)
    });
    for _ in 0..muertes {
        let mut orden = programa("consumidor", carpeta.path(), &[], &["--ventana", "20"]);
        orden.envs(&entorno_kafka).envs(&entorno_mongo).stdout(Stdio::null()).stderr(Stdio::null());
        let consumidor = EnMarcha(orden.spawn().unwrap());
        thread::sleep(Duration::from_millis(fastrand::u64(50..2_000))); // el azar de cuándo muere
        drop(consumidor); // kill -9
    }
    fin.store(true, Ordering::Relaxed);
    let (kafka, mongo) = vaiven.join().unwrap();

    // Uno último, con calma, hasta que estén todos; los que ya se confirmaron no se vuelven a leer.
    let mut orden = programa("consumidor", carpeta.path(), &[&kafka, &mongo], &[]);
    let ultimo = EnMarcha(orden.stdout(Stdio::null()).spawn().unwrap());
    let cuantos = || [CRUDOS, DESCARTADOS, KPIS].map(|coleccion| documentos(&mongo, coleccion).len());
    let (mut antes, mut quieto) = (cuantos(), Instant::now());
    while antes[0] + antes[1] < total || antes[2] < total / 20 {
        assert!(quieto.elapsed() < Duration::from_secs(60), "no llegan todos: {antes:?} de {total}");
        thread::sleep(Duration::from_millis(200));
        let ahora = cuantos();
        if ahora != antes {
            (antes, quieto) = (ahora, Instant::now());
        }
    }
    ultimo.senal("-INT");
    assert_eq!(comprobar_ventanas(&mongo), (total, total / 20));
    println!("{muertes} muertes con los motores yendo y viniendo: {total} mensajes");
}

#[test]
fn un_kafka_4_se_reconoce_y_se_dice_que_hacer() {
    let kafka = Motor::arrancar("kafka4");
    let carpeta = tempfile::tempdir().unwrap();
    for nombre in ["productor", "consumidor"] {
        let salida = programa(nombre, carpeta.path(), &[&kafka], &[]).output().unwrap();
        let errores = String::from_utf8(salida.stderr).unwrap();
        assert_eq!(salida.status.code(), Some(1), "{errores}");
        assert!(errores.contains("3.9"), "{errores}");
    }
}
