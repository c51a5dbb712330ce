//! Tres brokers, y muere el que lleva las particiones con el productor a todo correr.
//!
//! Se lanza con servicios/probar --largo, que instala los motores.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

mod comun;
#[path = "comun/motores.rs"]
mod motores;

use comun::{EnMarcha, programa};
use motores::{Motor, administrar, comprobar_ventanas, con, documentos, en_topic, esperar, guardados, segun};
use practicas_iabd06::nombres::{CRUDOS, DESCARTADOS, TOPIC};

/// Quién lleva la partición 0.
fn lider(kafka: &Motor) -> String {
    administrar(
        kafka,
        &format!("print(admin.list_topics('{TOPIC}', timeout=10).topics['{TOPIC}'].partitions[0].leader)"),
    )
}

#[test]
fn muere_el_lider_dos_veces_y_no_se_pierde_ni_se_repite_ni_se_desordena_nada() {
    let minimo = segun(20_000, 100_000);
    let carpeta = tempfile::tempdir().unwrap();
    let replicas = carpeta.path().join("replicas.properties");
    fs::write(&replicas, "offsets.topic.replication.factor=3\nmin.insync.replicas=2\n").unwrap();
    let replicas = ["--propiedades", replicas.to_str().unwrap()];
    // El primero es también el controlador, el que elige líder, y no muere.
    let primero = Motor::arrancar_con("kafka4", &replicas);
    let unir = [&["--unir", primero.carpeta().to_str().unwrap()], &replicas[..]].concat();
    let (mut segundo, tercero) = (Motor::arrancar_con("kafka4", &unir), Motor::arrancar_con("kafka4", &unir));
    let mongo = Motor::arrancar("mongo");
    administrar(
        &primero,
        &format!(
            "[f.result() for f in admin.create_topics([NewTopic('{TOPIC}', 4, replica_assignment=[[2, 3, 1]] * 4)]).values()]"
        ),
    );
    let brokers = [&primero, &segundo, &tercero].map(Motor::broker).join(",");
    let con_los_tres = |nombre: &str, argumentos: &[&str]| {
        let mut orden = con(programa(nombre, carpeta.path(), argumentos), &[&mongo]);
        orden.env("KAFKA_BOOTSTRAP_SERVERS", &brokers);
        orden
    };

    let consumidor = con_los_tres("consumidor", &["--silencioso"]).spawn().map(EnMarcha).unwrap();
    let mut productor =
        con_los_tres("productor", &["--servidores", "50", "--intervalo", segun("50ms", "25ms")]);
    let productor = productor.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map(EnMarcha).unwrap();
    let crudos = || guardados(&mongo, CRUDOS);
    esperar(crudos, |n| *n > minimo / 10);
    assert_eq!(lider(&primero), "2");
    segundo.matar();
    esperar(|| lider(&primero), |nuevo| nuevo == "3");
    // Con el segundo otra vez al día, muere el tercero.
    segundo.rearrancar_con(&replicas);
    let al_dia = format!(
        "print(min(len(p.isrs) for p in admin.list_topics('{TOPIC}', timeout=10).topics['{TOPIC}'].partitions.values()))"
    );
    esperar(|| administrar(&primero, &al_dia), |replicas| replicas == "3");
    tercero.matar();
    esperar(|| lider(&primero), |nuevo| nuevo == "2");

    // Ctrl-C: el productor cierra y dice cuántos se han confirmado.
    esperar(crudos, |n| *n > minimo);
    productor.senal("-INT");
    let (codigo, errores) = productor.fin();
    assert_eq!(codigo, Some(0), "{errores}");
    assert!(errores.contains(", 0 sin confirmar"), "{errores}");
    let total = errores.split_once(" mensajes confirmados").and_then(|(antes, _)| antes.rsplit_once(' '));
    let total: usize = total.unwrap().1.parse().unwrap();
    assert_eq!(en_topic(&primero, TOPIC), total, "los confirmados, y ninguno dos veces");
    esperar(
        || (crudos(), guardados(&mongo, DESCARTADOS)),
        |(crudos, descartados)| crudos + descartados == total,
    );
    drop(consumidor);

    // El orden en que se guardó cada servidor en su partición es el orden en que salió.
    let mut por_servidor: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
    for crudo in documentos(&mongo, "iabd06", CRUDOS).values() {
        let kafka = crudo.get_document("kafka").unwrap();
        let clave = format!("{} en {}", crudo.get_str("server_id").unwrap(), kafka.get("partition").unwrap());
        let offset = kafka.get("offset").unwrap();
        let offset = offset.as_i64().or(offset.as_i32().map(i64::from)).unwrap();
        let hora = crudo.get_str("timestamp_utc").unwrap().to_owned();
        por_servidor.entry(clave).or_default().insert(offset, hora);
    }
    assert_eq!(por_servidor.len(), 50, "cada servidor, en una partición");
    for (servidor, horas) in &por_servidor {
        assert!(horas.values().is_sorted_by(|a, b| a < b), "{servidor}");
    }
    let (crudos, kpis) = comprobar_ventanas(&mongo, "iabd06");
    assert_eq!(crudos, total);
    println!("{total} mensajes, dos líderes muertos, {kpis} KPIs");
}
