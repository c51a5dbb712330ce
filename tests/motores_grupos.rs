//! Varios consumidores de un grupo, contra un Kafka 4 y un servidor de MongoDB de verdad.
//!
//! Se lanza con servicios/probar, que los instala. Sin servidor, falla: no se salta.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Instant;

mod comun;
#[path = "comun/motores.rs"]
mod motores;

use comun::{EnMarcha, programa};
use motores::{
    ESPERA, Motor, PACIENCIA, administrar, comprobar_ventanas, con, crear_topic, documentos, esperar,
    guardados, insistir, repositorio, segun, sin_avisos,
};
use practicas_iabd06::broker::librdkafka::{EmisorLibrdkafka, ReceptorLibrdkafka};
use practicas_iabd06::broker::{Emisor, ErrorBroker, PorEnviar, Receptor, Recibido, Registro};
use practicas_iabd06::config::kafka::Propiedades;
use practicas_iabd06::nombres::{CRUDOS, DESCARTADOS, KPIS, TOPIC};

const GRUPO: &str = "consumidor_metrics_iabd06";

/// El `LAG` y el consumidor de cada partición, como los ve la herramienta de Kafka.
fn describir(kafka: &Motor) -> Vec<(Option<u64>, String)> {
    let salida = Command::new(repositorio().join("servicios/kafka-herramienta"))
        .args(["kafka4", "kafka-consumer-groups", "--describe", "--group", GRUPO])
        .args(["--bootstrap-server", &kafka.broker()])
        .output()
        .unwrap();
    let texto = String::from_utf8(salida.stdout).unwrap();
    let filas = texto.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    let del_topic = filas.filter(|f| f.get(1) == Some(&TOPIC));
    del_topic.map(|f| (f[5].parse().ok(), f[6].to_owned())).collect()
}

/// Cuántos consumidores tienen particiones, si las cuatro están repartidas.
fn duenos(kafka: &Motor) -> usize {
    let duenos: BTreeSet<_> = describir(kafka).into_iter().map(|(_, dueno)| dueno).collect();
    if duenos.contains("-") { 0 } else { duenos.len() }
}

#[test]
fn una_particion_que_se_va_con_su_ventana_abierta_y_vuelve_da_las_ventanas_exactas() {
    let (kafka, mongo) = (Motor::arrancar("kafka4"), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    crear_topic(&kafka, TOPIC, 4);
    let producir = |rondas: &str| {
        let argumentos = ["--servidores", "50", "--rondas", rondas, "--sin-pausa"];
        let salida = con(programa("productor", carpeta.path(), &argumentos), &[&kafka]).output().unwrap();
        assert!(salida.status.success(), "{}", String::from_utf8_lossy(&salida.stderr));
    };
    let consumidor = || {
        let mut orden = con(programa("consumidor", carpeta.path(), &[]), &[&kafka, &mongo]);
        EnMarcha(orden.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    producir("1"); // 50 mensajes en cuatro particiones: todas quedan a medias
    let queda = consumidor();
    esperar(|| guardados(&mongo, CRUDOS), |n| *n == 50);
    let mut otro = consumidor();
    esperar(|| duenos(&kafka), |n| *n == 2);
    otro.senal("-INT");
    assert!(otro.0.wait().unwrap().success());
    esperar(|| duenos(&kafka), |n| *n == 1);
    producir("9");
    let kpis: usize = (0..4).map(|p| en_particion(&kafka, p) / 20).sum();
    esperar(
        || [CRUDOS, KPIS].map(|coleccion| guardados(&mongo, coleccion)),
        |guardados| guardados[0] == 500 && guardados[1] >= kpis,
    );
    drop(queda);
    assert_eq!(comprobar_ventanas(&mongo, "iabd06"), (500, kpis));
}

/// Los mensajes que hay en una partición.
fn en_particion(kafka: &Motor, particion: u32) -> usize {
    let lineas = format!(
        "print(Consumer({{**BROKER, 'group.id': 'x'}}).get_watermark_offsets(TopicPartition('{TOPIC}', {particion}))[1])"
    );
    administrar(kafka, &lineas).parse().unwrap()
}

#[test]
fn tres_consumidores_se_reparten_el_topic_y_uno_muere_otro_se_va_y_otro_llega() {
    let rondas = segun(400, 4_000); // 20.000 mensajes, o 200.000
    let total = 50 * rondas;
    let (kafka, mongo) = (Motor::arrancar("kafka4"), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    crear_topic(&kafka, TOPIC, 4);
    let crudos = || guardados(&mongo, CRUDOS);

    let pausa = segun("25ms", "10ms");
    let producir =
        ["--servidores", "50", "--rondas", &rondas.to_string(), "--intervalo", pausa, "--silencioso"];
    let mut productor =
        EnMarcha(con(programa("productor", carpeta.path(), &producir), &[&kafka]).spawn().unwrap());
    let consumidor = || {
        let mut orden = con(programa("consumidor", carpeta.path(), &[]), &[&kafka, &mongo]);
        EnMarcha(orden.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let (muere, se_va, queda) = (consumidor(), consumidor(), consumidor());
    esperar(crudos, |n| *n > total / 10);
    drop(muere); // kill -9
    esperar(crudos, |n| *n > total / 4);
    se_va.senal("-INT");
    let mut se_va = se_va;
    assert!(se_va.0.wait().unwrap().success());
    let llega = consumidor();
    assert!(productor.0.wait().unwrap().success());

    // Al acabar, cada partición la tiene uno de los dos, y sin confirmar queda la ventana abierta.
    esperar(|| (crudos(), guardados(&mongo, DESCARTADOS)), |(c, d)| c + d >= total);
    esperar(
        || describir(&kafka),
        |filas| filas.len() == 4 && filas.iter().all(|(lag, _)| lag.is_some_and(|l| l < 20)),
    );
    assert_eq!(duenos(&kafka), 2);
    drop((queda, llega));

    assert!(documentos(&mongo, "iabd06", DESCARTADOS).is_empty());
    let (guardados, kpis) = comprobar_ventanas(&mongo, "iabd06");
    assert_eq!(guardados, total, "ni se pierde ni se repite ninguno");
    println!("{total} mensajes, tres consumidores, {kpis} KPIs");
}

fn emisor(motor: &Motor, topic: &str) -> EmisorLibrdkafka {
    EmisorLibrdkafka::new(&[motor.broker()], &Propiedades::default(), topic, sin_avisos())
}

fn receptor(motor: &Motor, topic: &str) -> ReceptorLibrdkafka {
    ReceptorLibrdkafka::new(&[motor.broker()], &Propiedades::default(), topic, "grupo", sin_avisos())
}

/// Recibe hasta tener `cuantos`, y apunta las particiones que entretanto han vuelto a lo confirmado.
fn recibir(receptor: &mut impl Receptor, cuantos: usize) -> Recibido {
    let fin = Instant::now() + PACIENCIA;
    let mut todo = Recibido::default();
    while todo.registros.len() < cuantos {
        assert!(Instant::now() < fin, "solo han llegado {}", todo.registros.len());
        let recibido = insistir(|| receptor.recibir(ESPERA));
        todo.reiniciadas.extend(recibido.reiniciadas);
        todo.registros.extend(recibido.registros);
    }
    todo.reiniciadas.sort_unstable();
    todo.reiniciadas.dedup();
    todo
}

fn mensajes(rango: std::ops::Range<usize>) -> Vec<PorEnviar> {
    rango.map(|n| PorEnviar { clave: format!("servidor{n}"), valor: n.to_string().into_bytes() }).collect()
}

fn numeros(registros: &[Registro]) -> Vec<usize> {
    registros.iter().map(|r| String::from_utf8_lossy(&r.valor).parse().unwrap()).collect()
}

#[test]
fn una_particion_que_se_va_ya_no_se_puede_confirmar_y_quien_la_recibe_sigue_por_lo_confirmado() {
    let kafka = Motor::arrancar("kafka4");
    crear_topic(&kafka, "dos", 2);
    emisor(&kafka, "dos").enviar(&mensajes(0..200)).unwrap();
    let mut uno = receptor(&kafka, "dos");
    let todo = recibir(&mut uno, 200);
    assert_eq!((todo.registros.len(), todo.reiniciadas), (200, vec![0, 1]), "han llegado las dos");
    uno.confirmar(&[(0, 10), (1, 20)].into()).unwrap();
    assert_eq!(uno.atraso().unwrap(), 0);

    let mut otro = receptor(&kafka, "dos");
    let fin = Instant::now() + PACIENCIA;
    let (mut suyos, mut ida, mut llegada) = (Vec::new(), Vec::new(), Vec::new());
    while suyos.is_empty() {
        assert!(Instant::now() < fin);
        let recibido = uno.recibir(ESPERA).unwrap();
        assert!(recibido.registros.is_empty(), "la que se queda no se vuelve a leer");
        ida.extend(recibido.reiniciadas);
        let recibido = otro.recibir(ESPERA).unwrap();
        llegada.extend(recibido.reiniciadas);
        suyos = recibido.registros;
    }
    llegada.dedup();
    ida.dedup();
    let [ida] = ida[..] else { panic!("{ida:?}") };
    assert_eq!(llegada, [ida]);
    let confirmado = [10, 20][ida as usize];
    assert_eq!((suyos[0].particion, suyos[0].offset), (ida, confirmado));
    let error = uno.confirmar(&[(ida, 50)].into()).unwrap_err();
    assert!(matches!(&error, ErrorBroker::Pasajero(f) if f.contains("otro consumidor")), "{error:?}");
    let confirmados = administrar(
        &kafka,
        "c = Consumer({**BROKER, 'group.id': 'grupo'})\n\
         print([p.offset for p in c.committed([TopicPartition('dos', 0), TopicPartition('dos', 1)])])",
    );
    assert_eq!(confirmados, "[10, 20]");

    // Tras ese error, uno vuelve a lo confirmado en la que le queda; y al irse el otro, recupera la suya.
    let queda = 1 - ida;
    let releidos = recibir(&mut uno, 1);
    let primero = &releidos.registros[0];
    assert_eq!((primero.particion, primero.offset), (queda, [10, 20][queda as usize]));
    assert_eq!(releidos.reiniciadas, [queda]);
    otro.confirmar(&[(ida, 60)].into()).unwrap();
    drop(otro);
    let devuelto = loop {
        if let Some(registro) = recibir(&mut uno, 1).registros.into_iter().find(|r| r.particion == ida) {
            break registro;
        }
    };
    assert_eq!(devuelto.offset, 60);
}

#[test]
fn las_claves_van_a_la_particion_que_les_da_java() {
    let kafka = Motor::arrancar("kafka4");
    crear_topic(&kafka, "claves", 7);
    emisor(&kafka, "claves").enviar(&mensajes(0..50)).unwrap();
    let mut particiones: Vec<_> = recibir(&mut receptor(&kafka, "claves"), 50).registros;
    particiones.sort_by_key(|r| numeros(std::slice::from_ref(r))[0]);
    let nuestras: Vec<_> = particiones.iter().map(|r| r.particion).collect();
    let suyas = administrar(
        &kafka,
        "from kafka.partitioner.default import murmur2\n\
         print([(murmur2(f'servidor{n}'.encode()) & 0x7fffffff) % 7 for n in range(50)])",
    );
    assert_eq!(format!("{nuestras:?}"), suyas);
}

#[test]
fn a_quien_otro_le_quita_el_group_instance_id_se_le_dice_y_no_insiste() {
    let kafka = Motor::arrancar("kafka4");
    emisor(&kafka, "fijo").enviar(&mensajes(0..10)).unwrap();
    let con_nombre = || {
        let propiedades = Propiedades(vec![("group.instance.id".to_owned(), "uno".to_owned())]);
        ReceptorLibrdkafka::new(&[kafka.broker()], &propiedades, "fijo", "grupo", sin_avisos())
    };
    let (mut uno, mut otro) = (con_nombre(), con_nombre());
    recibir(&mut uno, 10);
    recibir(&mut otro, 10); // enseguida: no se espera a que caduque el primero
    let fin = Instant::now() + PACIENCIA;
    let error = loop {
        assert!(Instant::now() < fin);
        match uno.recibir(ESPERA) {
            Err(error @ ErrorBroker::Definitivo(_)) => break error,
            Err(ErrorBroker::Pasajero(_)) => {}
            Ok(recibido) => assert!(recibido.registros.is_empty()),
        }
    };
    assert!(error.to_string().contains("group.instance.id"), "{error}");
}
