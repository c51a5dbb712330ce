//! Productor y consumidor contra un Kafka y un servidor de MongoDB de verdad.
//!
//! Se lanza con servicios/probar, que los instala. Sin servidor, falla: no se salta.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

mod comun;
#[path = "comun/motores.rs"]
mod motores;

use comun::{EnMarcha, azar, programa};
use motores::{
    Motor, administrar, borrar_topic, comprobar_ventanas, con, crear_topic, documentos, esperar, faltan,
    guardados, kafkas, segun,
};
use practicas_iabd06::nombres::{CRUDOS, DESCARTADOS, KPIS, TOPIC};

fn correr(orden: &mut Command) -> String {
    let salida = orden.output().unwrap();
    let errores = String::from_utf8(salida.stderr).unwrap();
    assert_eq!(salida.status.code(), Some(0), "{errores}");
    errores
}

/// Espera a que estén guardados estos crudos y estos KPIs.
fn esperar_guardados(mongo: &Motor, crudos: usize, kpis: usize) {
    esperar(|| [CRUDOS, KPIS].map(|c| guardados(mongo, c)), |[c, k]| *c >= crudos && *k >= kpis);
}

#[test]
fn nueve_rondas_dan_45_crudos_y_2_kpis_que_salen_de_ellos() {
    let nuevos: &[_] = if cfg!(feature = "librdkafka") { &["kafka4"] } else { &[] };
    for version in ["kafka", "kafka34"].iter().chain(nuevos) {
        let (kafka, mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
        let carpeta = tempfile::tempdir().unwrap();
        let productor = programa("productor", carpeta.path(), &["--rondas", "9", "--sin-pausa"]);
        let errores = correr(&mut con(productor, &[&kafka]));
        assert!(errores.contains("45 mensajes confirmados, 0 sin confirmar"), "{errores}");
        let consumidor = |n| {
            let consumidor = programa("consumidor", carpeta.path(), &["--mensajes", n]);
            correr(&mut con(consumidor, &[&kafka, &mongo]))
        };
        assert!(consumidor("45").contains("ventana abierta: 5/20, se releerá"));
        consumidor("5"); // relee la ventana abierta
        assert_eq!(comprobar_ventanas(&mongo, "iabd06"), (45, 2), "{version}");
        assert!(!carpeta.path().join("datos").exists(), "lo configurado se usa, y nada más");
    }
}

#[test]
fn con_tres_particiones_las_ventanas_son_de_cada_una_y_las_mismas_tras_reiniciar() {
    for version in kafkas() {
        ventanas_de_tres_particiones(version);
    }
}

fn ventanas_de_tres_particiones(version: &'static str) {
    let (kafka, mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    crear_topic(&kafka, TOPIC, 3);
    let producir = ["--servidores", "30", "--rondas", "8", "--sin-pausa"];
    correr(&mut con(programa("productor", carpeta.path(), &producir), &[&kafka]));
    let consumidor = |base: &str, mas: &[&str]| {
        let argumentos = [&["--group-id", base, "--mongodb-database", base], mas].concat();
        con(programa("consumidor", carpeta.path(), &argumentos), &[&kafka, &mongo])
    };
    // La ventana que se enseña es la de una partición: nunca pasa de 20.
    let salida = consumidor("de_un_tiron", &["--mensajes", "240"]).output().unwrap();
    assert!(salida.status.success(), "{salida:?}");
    let dicho = String::from_utf8(salida.stdout).unwrap();
    let llenas = dicho.split("mensajes  ventana ").skip(1).filter_map(|t| t.split('/').next()?.parse().ok());
    let llenas: Vec<u64> = llenas.collect();
    assert!(!llenas.is_empty() && llenas.iter().all(|n| *n < 20), "{dicho}");
    for mensajes in ["50", "1", "70"] {
        correr(&mut consumidor("a_trozos", &["--mensajes", mensajes]));
    }
    let resto = faltan(&kafka, TOPIC, "a_trozos").to_string();
    correr(&mut consumidor("a_trozos", &["--mensajes", &resto]));

    let kpis = ["de_un_tiron", "a_trozos"].map(|base| {
        let (crudos, kpis) = comprobar_ventanas(&mongo, base);
        assert_eq!(crudos, 240);
        assert!((10..=12).contains(&kpis), "240 mensajes en tres particiones, y salen {kpis} ventanas");
        documentos(&mongo, base, KPIS).into_keys().collect::<Vec<_>>()
    });
    assert_eq!(kpis[0], kpis[1]);
    let particiones: BTreeSet<_> = kpis[0].iter().filter_map(|id| id.split('#').nth(1)).collect();
    assert_eq!(particiones.len(), 3, "{kpis:?}");
}

#[test]
fn si_el_broker_se_va_con_una_ventana_abierta_al_volver_se_rehace() {
    for version in kafkas() {
        ventana_que_se_rehace(version);
    }
}

/// El mismo consumidor cada vez: así Kafka no espera a que caduque el de antes para darle sus particiones.
const MISMO: &[&str] =
    if cfg!(feature = "librdkafka") { &["--kafka-config", "group.instance.id=uno"] } else { &[] };

fn ventana_que_se_rehace(version: &'static str) {
    let (mut kafka, mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    let producir = |kafka: &Motor, rondas: &str| {
        let argumentos = ["--rondas", rondas, "--sin-pausa"];
        correr(&mut con(programa("productor", carpeta.path(), &argumentos), &[kafka]));
    };
    producir(&kafka, "1");
    let mut orden = con(programa("consumidor", carpeta.path(), MISMO), &[&kafka, &mongo]);
    let mut consumidor = EnMarcha(orden.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    esperar_guardados(&mongo, 5, 0);
    kafka.matar();
    let mut avisos = BufReader::new(consumidor.0.stderr.as_mut().unwrap()).lines().map(Result::unwrap);
    assert!(avisos.any(|l| l.starts_with("aviso:")), "se ha notado");
    kafka.rearrancar();
    producir(&kafka, "3");
    esperar_guardados(&mongo, 20, 1);
    drop(consumidor);
    assert_eq!(comprobar_ventanas(&mongo, "iabd06"), (20, 1));
}

#[test]
fn un_topic_creado_otra_vez_se_dice_y_no_se_sobrescribe_nada() {
    for version in kafkas() {
        topic_creado_otra_vez(version);
    }
}

fn topic_creado_otra_vez(version: &'static str) {
    let (kafka, mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    let productor =
        || con(programa("productor", carpeta.path(), &["--rondas", "9", "--sin-pausa"]), &[&kafka]);
    let consumidor = || {
        let mut orden = con(programa("consumidor", carpeta.path(), &[]), &[&kafka, &mongo]);
        orden.stdout(Stdio::piped()).stderr(Stdio::piped());
        EnMarcha(orden.spawn().unwrap())
    };
    correr(&mut productor());
    let mut en_marcha = consumidor();
    en_marcha.lecturas(2); // los dos KPIs, que se enseñan después de confirmar
    esperar_guardados(&mongo, 45, 2);
    let todo = || [CRUDOS, KPIS, DESCARTADOS].map(|coleccion| documentos(&mongo, "iabd06", coleccion));
    let antes = todo();
    assert_eq!((antes[0].len(), antes[1].len()), (45, 2));

    borrar_topic(&kafka, TOPIC);
    correr(&mut productor());
    let (codigo, errores) = en_marcha.fin();
    assert_eq!(codigo, Some(1), "{errores}");
    assert!(errores.contains("este topic ya no es el mismo") && errores.contains("--group-id"), "{errores}");
    // Arrancado otra vez: Kafka ha olvidado el grupo, se lee desde el principio y el crc32 lo descubre.
    let (codigo, errores) = consumidor().fin();
    assert_eq!(codigo, Some(1), "{errores}");
    assert!(errores.contains("de otro mensaje") && errores.contains("MONGODB_DATABASE"), "{errores}");
    assert_eq!(todo(), antes);
}

#[test]
fn matado_al_azar_con_el_broker_y_la_base_yendo_y_viniendo_no_se_pierde_ni_se_repite_nada() {
    for version in kafkas() {
        muertes_al_azar(version);
    }
}

fn muertes_al_azar(version: &'static str) {
    let (muertes, rondas) = segun((6, 300), (50, 2_000));
    let (mut kafka, mut mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    let argumentos = ["--rondas", &rondas.to_string(), "--sin-pausa", "--silencioso"];
    let total = 5 * rondas;
    // El topic se llena antes: así se sabe cuántos mensajes hay, sin repetidos del productor.
    correr(&mut con(programa("productor", carpeta.path(), &argumentos), &[&kafka]));

    let (entorno_kafka, entorno_mongo) = (kafka.entorno.clone(), mongo.entorno.clone());
    let fin = Arc::new(AtomicBool::new(false));
    let otro_fin = Arc::clone(&fin);
    let mut azar = azar();
    let mut otro_azar = azar.fork();
    let vaiven = thread::spawn(move || {
        while !otro_fin.load(Ordering::Relaxed) {
            for motor in [&mut kafka, &mut mongo] {
                thread::sleep(Duration::from_millis(otro_azar.u64(100..1_500)));
                motor.parar();
                motor.rearrancar();
            }
        }
        (kafka, mongo)
    });
    for _ in 0..muertes {
        let mut orden = programa("consumidor", carpeta.path(), MISMO);
        orden.envs(&entorno_kafka).envs(&entorno_mongo).stdout(Stdio::null()).stderr(Stdio::null());
        let consumidor = EnMarcha(orden.spawn().unwrap());
        thread::sleep(Duration::from_millis(azar.u64(50..2_000))); // el azar de cuándo muere
        drop(consumidor); // kill -9
    }
    fin.store(true, Ordering::Relaxed);
    let (kafka, mongo) = vaiven.join().unwrap();

    // Uno último, con calma, hasta que estén todos; los que ya se confirmaron no se vuelven a leer.
    let mut orden = con(programa("consumidor", carpeta.path(), MISMO), &[&kafka, &mongo]);
    let ultimo = EnMarcha(orden.stdout(Stdio::null()).spawn().unwrap());
    esperar_guardados(&mongo, total, total / 20);
    drop(ultimo);
    assert!(documentos(&mongo, "iabd06", DESCARTADOS).is_empty());
    assert_eq!(comprobar_ventanas(&mongo, "iabd06"), (total, total / 20));
    println!("{version}: {muertes} muertes con los motores yendo y viniendo: {total} mensajes");
}

#[cfg(not(feature = "librdkafka"))]
#[test]
fn un_kafka_4_se_reconoce_y_se_dice_que_hacer() {
    let kafka = Motor::arrancar("kafka4");
    let carpeta = tempfile::tempdir().unwrap();
    for nombre in ["productor", "consumidor"] {
        let salida = con(programa(nombre, carpeta.path(), &[]), &[&kafka]).output().unwrap();
        let errores = String::from_utf8(salida.stderr).unwrap();
        assert_eq!(salida.status.code(), Some(1), "{errores}");
        assert!(errores.contains("3.9"), "{errores}");
    }
}

#[test]
fn con_los_offsets_del_grupo_hacia_atras_ningun_mensaje_se_cuenta_dos_veces() {
    for version in kafkas() {
        let (kafka, mongo) = (Motor::arrancar(version), Motor::arrancar("mongo"));
        let carpeta = tempfile::tempdir().unwrap();
        let producir = |rondas: &str| {
            let argumentos = ["--rondas", rondas, "--sin-pausa"];
            correr(&mut con(programa("productor", carpeta.path(), &argumentos), &[&kafka]));
        };
        let leer = |mensajes: &str| {
            let consumidor = programa("consumidor", carpeta.path(), &["--mensajes", mensajes]);
            correr(&mut con(consumidor, &[&kafka, &mongo])).matches("no se cuentan dos veces").count()
        };
        producir("9");
        assert_eq!(leer("45"), 0);
        administrar(
            &kafka,
            &format!(
                "[f.result() for f in admin.delete_consumer_groups(['consumidor_metrics_iabd06']).values()]\n\
                 [f.result() for f in admin.delete_records([TopicPartition('{TOPIC}', 0, 7)]).values()]"
            ),
        );
        producir("3");
        assert_eq!(leer("53"), 1, "{version}");
        assert_eq!(comprobar_ventanas(&mongo, "iabd06"), (60, 3));
    }
}
