//! El emisor y el receptor contra Kafka de verdad.

#[path = "comun/motores.rs"]
mod motores;

use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kafka::client::{Compression, KafkaClient, RequiredAcks};
use kafka::producer::{Producer, Record};
use motores::{Motor, administrar, borrar_topic, crear_topic, repositorio};
use practicas_iabd06::broker::kafka::{EmisorKafka, ReceptorKafka};
use practicas_iabd06::broker::{Emisor, ErrorBroker, PorEnviar, Receptor, Registro};

const PACIENCIA: Duration = Duration::from_secs(90);
const ESPERA: Duration = Duration::from_millis(200);

fn direccion(motor: &Motor) -> String {
    motor.entorno["KAFKA_BOOTSTRAP_SERVERS"].clone()
}

fn emisor(motor: &Motor, topic: &str) -> EmisorKafka {
    EmisorKafka::new(vec![direccion(motor)], topic)
}

fn receptor(motor: &Motor, topic: &str) -> ReceptorKafka {
    ReceptorKafka::new(vec![direccion(motor)], topic, "grupo")
}

fn mensaje(clave: &str, n: usize) -> PorEnviar {
    PorEnviar { clave: clave.to_owned(), valor: format!("{clave} {n}").into_bytes() }
}

fn mensajes(rango: std::ops::Range<usize>) -> Vec<PorEnviar> {
    rango.map(|n| mensaje("web01", n)).collect()
}

/// Insiste mientras el error sea pasajero.
fn insistir<T>(mut algo: impl FnMut() -> Result<T, ErrorBroker>) -> T {
    let fin = Instant::now() + PACIENCIA;
    loop {
        match algo() {
            Ok(hecho) => return hecho,
            Err(ErrorBroker::Pasajero(_)) if Instant::now() < fin => {
                thread::sleep(Duration::from_millis(50)); // no satura al broker que arranca
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Recibe hasta tener `cuantos`.
fn recibir(receptor: &mut ReceptorKafka, cuantos: usize) -> Vec<Registro> {
    let fin = Instant::now() + PACIENCIA;
    let mut todos = Vec::new();
    while todos.len() < cuantos {
        assert!(Instant::now() < fin, "solo han llegado {}", todos.len());
        todos.extend(insistir(|| receptor.recibir(ESPERA)));
    }
    todos
}

fn textos(registros: &[Registro]) -> Vec<String> {
    registros.iter().map(|r| String::from_utf8(r.valor.clone()).unwrap()).collect()
}

fn de_web01(rango: std::ops::Range<usize>) -> Vec<String> {
    rango.map(|n| format!("web01 {n}")).collect()
}

#[test]
fn con_kafka_3_9() {
    let mut motor = Motor::arrancar("kafka");
    tres_particiones_en_orden(&motor);
    confirma_y_sigue_justo_ahi(&motor);
    cien_mil_de_golpe(&motor);
    mensajes_grandes(&motor);
    comprimidos_y_sin_comprimir(&motor);
    retencion(&motor);
    mas_alla_del_final(&motor);
    borrado_y_vuelto_a_crear(&motor);
    broker_que_cae_y_vuelve(&mut motor);
}

#[test]
fn con_kafka_3_4() {
    let mut motor = Motor::arrancar("kafka34");
    confirma_y_sigue_justo_ahi(&motor);
    broker_que_cae_y_vuelve(&mut motor);
}

fn tres_particiones_en_orden(motor: &Motor) {
    crear_topic(motor, "tres", 3);
    let claves: Vec<_> = (0..20).map(|n| format!("servidor{n}")).collect();
    let enviados: Vec<_> = (0..50).flat_map(|n| claves.iter().map(move |c| mensaje(c, n))).collect();
    emisor(motor, "tres").enviar(&enviados).unwrap();

    let recibidos = recibir(&mut receptor(motor, "tres"), enviados.len());
    assert_eq!(recibidos.len(), enviados.len());
    let mut por_clave: HashMap<String, Vec<&Registro>> = HashMap::new();
    let mut siguientes = BTreeMap::new();
    for r in &recibidos {
        assert_eq!(r.offset, *siguientes.entry(r.particion).and_modify(|n| *n += 1).or_insert(0));
        por_clave.entry(String::from_utf8(r.clave.clone().unwrap()).unwrap()).or_default().push(r);
    }
    assert_eq!(siguientes.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    for (clave, suyos) in por_clave {
        assert!(suyos.iter().all(|r| r.particion == suyos[0].particion));
        let textos: Vec<_> = suyos.iter().map(|r| String::from_utf8_lossy(&r.valor).into_owned()).collect();
        assert_eq!(textos, (0..50).map(|n| format!("{clave} {n}")).collect::<Vec<_>>());
    }
}

/// También: el primer envío crea el topic, y un grupo sin nada confirmado empieza por el principio.
fn confirma_y_sigue_justo_ahi(motor: &Motor) {
    emisor(motor, "nuevo").enviar(&mensajes(0..30)).unwrap();
    let mut uno = receptor(motor, "nuevo");
    assert_eq!(uno.atraso().unwrap(), 30);
    assert_eq!(textos(&recibir(&mut uno, 30)), de_web01(0..30));
    assert_eq!(uno.atraso().unwrap(), 0);
    assert!(uno.recibir(ESPERA).unwrap().is_empty());

    // Sin confirmar nada, otro vuelve a empezar.
    let mut dos = receptor(motor, "nuevo");
    assert_eq!(textos(&recibir(&mut dos, 30)), de_web01(0..30));
    uno.confirmar(&[(0, 13)]).unwrap();
    let confirmado = administrar(
        motor,
        "c = Consumer({**BROKER, 'group.id': 'grupo'})\nprint(c.committed([TopicPartition('nuevo', 0)])[0].offset)",
    );
    assert_eq!(confirmado, "13", "el que sigue, como lo guardan los demás clientes de Kafka");

    let mut tres = receptor(motor, "nuevo");
    assert_eq!(tres.atraso().unwrap(), 17);
    let primeros = recibir(&mut tres, 17);
    assert_eq!((primeros[0].offset, primeros.len()), (13, 17));
    // Confirmar sin haber leído: sigue por ahí.
    let mut cuatro = receptor(motor, "nuevo");
    cuatro.confirmar(&[(0, 20)]).unwrap();
    assert_eq!(textos(&recibir(&mut cuatro, 10)), de_web01(20..30));
    // Y lo que llega después, llega.
    emisor(motor, "nuevo").enviar(&mensajes(30..31)).unwrap();
    assert_eq!(textos(&recibir(&mut cuatro, 1)), de_web01(30..31));
}

fn cien_mil_de_golpe(motor: &Motor) {
    emisor(motor, "cien-mil").enviar(&mensajes(0..100_000)).unwrap();
    let mut receptor = receptor(motor, "cien-mil");
    let mut recibidos = 0;
    while recibidos < 100_000 {
        let lote = receptor.recibir(Duration::from_secs(10)).unwrap();
        assert!(!lote.is_empty());
        let bytes: usize = lote.iter().map(|r| r.valor.len() + r.clave.as_ref().map_or(0, Vec::len)).sum();
        assert!(bytes < 4 << 20, "{bytes} bytes a la vez");
        assert_eq!(textos(&lote), de_web01(recibidos..recibidos + lote.len()));
        recibidos += lote.len();
    }
    assert_eq!(receptor.atraso().unwrap(), 0);
}

fn mensajes_grandes(motor: &Motor) {
    administrar(
        motor,
        "[f.result() for f in admin.create_topics([NewTopic('grandes', 1, 1, \
         config={'max.message.bytes': '6000000'})]).values()]",
    );
    let grande = |n: usize| PorEnviar { clave: "a".to_owned(), valor: vec![b'x'; n] };
    let enviados: Vec<_> = [10, 900_000, 10, 5_000_000, 10].map(grande).into();
    emisor(motor, "grandes").enviar(&enviados).unwrap();
    let recibidos = recibir(&mut receptor(motor, "grandes"), 5);
    assert_eq!(recibidos.iter().map(|r| r.valor.len()).collect::<Vec<_>>(), [10, 900_000, 10, 5_000_000, 10]);
    let error = emisor(motor, "demasiado").enviar(&[grande(2_000_000)]).unwrap_err();
    assert!(matches!(&error, ErrorBroker::Definitivo(f) if f.contains("message.max.bytes")), "{error:?}");
}

/// La crate olvida los mensajes sin comprimir que van delante de una tanda comprimida.
fn comprimidos_y_sin_comprimir(motor: &Motor) {
    let mut sin_comprimir = emisor(motor, "mezcla");
    sin_comprimir.enviar(&mensajes(0..7)).unwrap();
    for (compresion, rango) in [(Compression::GZIP, 7..20), (Compression::SNAPPY, 25..40)] {
        let mut cliente = KafkaClient::new(vec![direccion(motor)]);
        cliente.load_metadata_all().unwrap();
        let mut productor = Producer::from_client(cliente)
            .with_compression(compresion)
            .with_required_acks(RequiredAcks::All)
            .create()
            .unwrap();
        let textos = de_web01(rango.clone());
        let registros: Vec<_> =
            textos.iter().map(|t| Record::from_key_value("mezcla", "web01", t.as_str())).collect();
        productor.send_all(&registros).unwrap();
        sin_comprimir.enviar(&mensajes(rango.end..rango.end + 5)).unwrap();
    }
    assert_eq!(textos(&recibir(&mut receptor(motor, "mezcla"), 45)), de_web01(0..45));
}

fn retencion(motor: &Motor) {
    emisor(motor, "viejo").enviar(&mensajes(0..30)).unwrap();
    receptor(motor, "viejo").confirmar(&[(0, 4)]).unwrap();
    administrar(
        motor,
        "[f.result() for f in admin.delete_records([TopicPartition('viejo', 0, 10)]).values()]",
    );
    let avisos = Arc::new(Mutex::new(Vec::new()));
    let cuaderno = Arc::clone(&avisos);
    let mut receptor = receptor(motor, "viejo")
        .con_avisos(Arc::new(move |_, frase: &str| cuaderno.lock().unwrap().push(frase.to_owned())));
    assert_eq!(textos(&recibir(&mut receptor, 20)), de_web01(10..30));
    let avisos = avisos.lock().unwrap();
    assert!(avisos.len() == 1 && avisos[0].contains("6 mensajes"), "{avisos:?}");
}

fn es_otra_historia(error: &ErrorBroker) -> bool {
    matches!(error, ErrorBroker::Definitivo(frase) if frase.contains("este topic ya no es el mismo"))
}

fn mas_alla_del_final(motor: &Motor) {
    emisor(motor, "corto").enviar(&mensajes(0..5)).unwrap();
    receptor(motor, "corto").confirmar(&[(0, 6)]).unwrap();
    let error = receptor(motor, "corto").recibir(ESPERA).unwrap_err();
    assert!(es_otra_historia(&error), "{error:?}");
    receptor(motor, "corto").confirmar(&[(0, 5)]).unwrap_err();
}

fn borrado_y_vuelto_a_crear(motor: &Motor) {
    // Uno que ha confirmado y otro que solo ha leído.
    emisor(motor, "efimero").enviar(&mensajes(0..30)).unwrap();
    let mut uno = receptor(motor, "efimero");
    recibir(&mut uno, 30);
    uno.confirmar(&[(0, 20)]).unwrap();
    let mut dos = ReceptorKafka::new(vec![direccion(motor)], "efimero", "otro-grupo");
    recibir(&mut dos, 30);
    borrar_topic(motor, "efimero");
    insistir(|| emisor(motor, "efimero").enviar(&mensajes(0..25)));
    for receptor in [&mut uno, &mut dos] {
        let fin = Instant::now() + PACIENCIA;
        let error = loop {
            assert!(Instant::now() < fin);
            match receptor.recibir(ESPERA) {
                Err(error @ ErrorBroker::Definitivo(_)) => break error,
                Err(ErrorBroker::Pasajero(_)) => {}
                Ok(registros) => assert!(registros.is_empty()),
            }
        };
        assert!(es_otra_historia(&error), "{error:?}");
    }
}

fn broker_que_cae_y_vuelve(motor: &mut Motor) {
    let mut emisor = emisor(motor, "cae");
    let mut receptor = receptor(motor, "cae");
    emisor.enviar(&mensajes(0..10)).unwrap();
    assert_eq!(textos(&recibir(&mut receptor, 10)), de_web01(0..10));
    receptor.confirmar(&[(0, 10)]).unwrap();

    motor.matar();
    for error in [
        emisor.enviar(&mensajes(10..20)).unwrap_err(),
        emisor.enviar(&mensajes(10..20)).unwrap_err(),
        receptor.recibir(ESPERA).unwrap_err(),
        receptor.confirmar(&[(0, 10)]).unwrap_err(),
        receptor.atraso().unwrap_err(),
    ] {
        assert!(matches!(error, ErrorBroker::Pasajero(_)), "{error:?}");
    }
    motor.rearrancar();
    insistir(|| emisor.enviar(&mensajes(10..20)));
    assert_eq!(textos(&recibir(&mut receptor, 10)), de_web01(10..20));
    insistir(|| receptor.confirmar(&[(0, 20)]));

    // En marcha y de golpe: nada se pierde, aunque algo pueda estar dos veces.
    let direccion = direccion(motor);
    let envio = thread::spawn(move || {
        let mut emisor = EmisorKafka::new(vec![direccion], "cae");
        for n in 20..400 {
            insistir(|| emisor.enviar(&mensajes(n..n + 1)));
        }
    });
    let fin = Instant::now() + PACIENCIA;
    let mut vistos = BTreeMap::new();
    let mut caidas = 0;
    while vistos.last_key_value().is_none_or(|(_, t)| t != "web01 399") {
        assert!(Instant::now() < fin, "{vistos:?}");
        for r in insistir(|| receptor.recibir(ESPERA)) {
            let texto = String::from_utf8(r.valor).unwrap();
            assert_eq!(*vistos.entry(r.offset).or_insert(texto.clone()), texto);
        }
        if caidas == 0 && vistos.len() > 50 {
            caidas = 1;
            motor.matar();
            motor.rearrancar();
        }
    }
    envio.join().unwrap();
    assert_eq!(caidas, 1);
    let offsets: Vec<_> = vistos.keys().copied().collect();
    assert_eq!(offsets, (20..20 + i64::try_from(offsets.len()).unwrap()).collect::<Vec<_>>());
    let mut textos: Vec<_> = vistos.into_values().collect();
    textos.dedup();
    assert_eq!(textos, de_web01(20..400));
}

#[test]
fn kafka_4_se_reconoce() {
    let motor = Motor::arrancar("kafka4");
    let errores =
        [emisor(&motor, "x").enviar(&mensajes(0..1)).err(), receptor(&motor, "x").recibir(ESPERA).err()];
    for error in errores {
        let Some(ErrorBroker::Definitivo(frase)) = error else { panic!("{error:?}") };
        assert!(frase.contains("Kafka 4") && frase.contains("docker-compose.yml"), "{frase}");
    }
}

#[test]
fn direccion_anunciada_que_no_responde() {
    let dir = tempfile::tempdir().unwrap();
    let servicio = |orden: &str| {
        let mut servicio = Command::new(repositorio().join("servicios").join(orden));
        servicio.arg("--dir").arg(dir.path());
        servicio
    };
    let arranque = servicio("arrancar").args(["kafka", "--anunciar", "127.0.0.1:1"]).output().unwrap();
    let lineas = String::from_utf8(arranque.stdout).unwrap();
    let intento = lineas.lines().find_map(|l| l.strip_prefix("KAFKA_BOOTSTRAP_SERVERS=")).map(|broker| {
        let error = EmisorKafka::new(vec![broker.to_owned()], "x").enviar(&mensajes(0..1));
        (broker.to_owned(), error)
    });
    assert!(servicio("parar").arg("--borrar").output().unwrap().status.success());
    let Some((broker, Err(ErrorBroker::Pasajero(frase)))) = intento else { panic!("{intento:?}") };
    for parte in [broker.as_str(), "127.0.0.1:1", "KAFKA_ADVERTISED_LISTENERS", "IP_LOCAL"] {
        assert!(frase.contains(parte), "{frase}");
    }
}

#[test]
fn nadie_escucha() {
    // 192.0.2.1 no es de nadie (RFC 5737): unas redes lo rechazan y otras no contestan nunca.
    for broker in ["127.0.0.1:1", "192.0.2.1:29092"] {
        let inicio = Instant::now();
        let error = EmisorKafka::new(vec![broker.to_owned()], "x").enviar(&mensajes(0..1)).unwrap_err();
        assert!(inicio.elapsed() < Duration::from_secs(5), "{:?}", inicio.elapsed());
        let ErrorBroker::Pasajero(frase) = error else { panic!("{error:?}") };
        assert!(frase.contains("no responde ningún Kafka") && frase.contains(broker), "{frase}");
    }
    for mal in ["localhost", "localhost:puerto", ""] {
        let error = ReceptorKafka::new(vec![mal.to_owned()], "x", "g").recibir(ESPERA).unwrap_err();
        assert!(matches!(&error, ErrorBroker::Definitivo(f) if f.contains("equipo:puerto")), "{error:?}");
    }
}
