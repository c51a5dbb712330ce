//! El emisor y el receptor contra Kafka de verdad: los de la crate `kafka` o, con la feature
//! `librdkafka`, los suyos.

#[path = "comun/adaptador.rs"]
mod adaptador;
#[path = "comun/motores.rs"]
mod motores;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use motores::{
    ESPERA, Motor, PACIENCIA, administrar, borrar_topic, crear_topic, insistir, recibir, sin_avisos,
};
use practicas_iabd06::broker::{Emisor, ErrorBroker, PorEnviar, Receptor, Recibido, Registro};
use practicas_iabd06::config::kafka::Propiedades;

fn emisor(motor: &Motor, topic: &str) -> adaptador::Emisor {
    adaptador::Emisor::new(&[motor.broker()], &Propiedades::default(), topic, sin_avisos())
}

fn receptor(motor: &Motor, topic: &str) -> adaptador::Receptor {
    con_grupo(&motor.broker(), topic, "grupo")
}

fn con_grupo(broker: &str, topic: &str, grupo: &str) -> adaptador::Receptor {
    adaptador::Receptor::new(&[broker.to_owned()], &Propiedades::default(), topic, grupo, sin_avisos())
}

/// Los mensajes que llegan en una lectura.
fn leer(receptor: &mut adaptador::Receptor) -> Vec<Registro> {
    receptor.recibir(ESPERA).unwrap().registros
}

fn mensaje(clave: &str, n: usize) -> PorEnviar {
    PorEnviar { clave: clave.to_owned(), valor: format!("{clave} {n}").into_bytes() }
}

fn mensajes(rango: std::ops::Range<usize>) -> Vec<PorEnviar> {
    rango.map(|n| mensaje("web01", n)).collect()
}

fn textos(registros: &[Registro]) -> Vec<String> {
    registros.iter().map(|r| String::from_utf8(r.valor.clone()).unwrap()).collect()
}

fn de_web01(rango: std::ops::Range<usize>) -> Vec<String> {
    rango.map(|n| format!("web01 {n}")).collect()
}

#[test]
fn con_kafka_3_9() {
    todo("kafka");
}

#[cfg(feature = "librdkafka")]
#[test]
fn con_kafka_4() {
    todo("kafka4");
}

fn todo(version: &'static str) {
    let mut motor = Motor::arrancar(version);
    tres_particiones_en_orden(&motor);
    confirma_y_sigue_justo_ahi(&motor);
    cien_mil_de_golpe(&motor);
    mensajes_grandes(&motor);
    comprimidos_y_sin_comprimir(&motor);
    retencion(&motor);
    mas_alla_del_final(&motor);
    borrado_y_vuelto_a_crear(&motor);
    broker_que_cae_y_vuelve(&mut motor);
    topic_que_no_se_crea_solo(&mut motor);
    direccion_anunciada_que_no_responde(&mut motor);
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
    assert_eq!(textos(&recibir(&mut uno, 30)), de_web01(0..30));
    assert_eq!(uno.atraso().unwrap(), 0);
    assert!(leer(&mut uno).is_empty());
    drop(uno);

    // Sin confirmar nada, otro vuelve a empezar.
    let mut dos = receptor(motor, "nuevo");
    assert_eq!(textos(&recibir(&mut dos, 30)), de_web01(0..30));
    dos.confirmar(&[(0, 13)].into()).unwrap();
    drop(dos);
    let confirmado = administrar(
        motor,
        "c = Consumer({**BROKER, 'group.id': 'grupo'})\nprint(c.committed([TopicPartition('nuevo', 0)])[0].offset)",
    );
    assert_eq!(confirmado, "13", "el que sigue, como lo guardan los demás clientes de Kafka");

    let mut tres = receptor(motor, "nuevo");
    let primeros = recibir(&mut tres, 17);
    assert_eq!((primeros[0].offset, primeros.len()), (13, 17));
    tres.confirmar(&[(0, 20)].into()).unwrap();
    // Lo que llega después está por leer, y llega.
    emisor(motor, "nuevo").enviar(&mensajes(30..35)).unwrap();
    assert_eq!(tres.atraso().unwrap(), 5);
    assert_eq!(textos(&recibir(&mut tres, 5)), de_web01(30..35));
}

fn cien_mil_de_golpe(motor: &Motor) {
    emisor(motor, "cien-mil").enviar(&mensajes(0..100_000)).unwrap();
    let mut receptor = receptor(motor, "cien-mil");
    let mut recibidos = 0;
    while recibidos < 100_000 {
        let lote = receptor.recibir(Duration::from_secs(10)).unwrap().registros;
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
    let mut enviados = 7;
    for compresion in adaptador::COMPRESIONES {
        let comprimidos = de_web01(enviados..enviados + 200);
        adaptador::enviar_comprimidos(motor.broker(), "mezcla", compresion, &comprimidos);
        sin_comprimir.enviar(&mensajes(enviados + 200..enviados + 205)).unwrap();
        enviados += 205;
    }
    assert_eq!(textos(&recibir(&mut receptor(motor, "mezcla"), enviados)), de_web01(0..enviados));
}

/// Lee algo y confirma la partición 0.
fn confirmar(receptor: &mut adaptador::Receptor, siguiente: i64) {
    recibir(receptor, 1);
    receptor.confirmar(&[(0, siguiente)].into()).unwrap();
}

fn retencion(motor: &Motor) {
    emisor(motor, "viejo").enviar(&mensajes(0..30)).unwrap();
    confirmar(&mut receptor(motor, "viejo"), 4);
    administrar(
        motor,
        "[f.result() for f in admin.delete_records([TopicPartition('viejo', 0, 10)]).values()]",
    );
    let avisos = Arc::new(Mutex::new(Vec::new()));
    let cuaderno = Arc::clone(&avisos);
    let anotar = Arc::new(move |_, frase: &str| cuaderno.lock().unwrap().push(frase.to_owned()));
    let brokers = [motor.broker()];
    let mut receptor = adaptador::Receptor::new(&brokers, &Propiedades::default(), "viejo", "grupo", anotar);
    assert_eq!(textos(&recibir(&mut receptor, 20)), de_web01(10..30));
    let avisos = avisos.lock().unwrap();
    assert_eq!(avisos.iter().filter(|a| a.contains("ha borrado 6 mensajes")).count(), 1, "{avisos:?}");
}

fn es_otra_historia(error: &ErrorBroker) -> bool {
    matches!(error, ErrorBroker::Definitivo(frase) if frase.contains("este topic ya no es el mismo"))
}

/// Espera a que no se pueda seguir, sin recibir nada.
fn hasta_el_error(receptor: &mut adaptador::Receptor) -> ErrorBroker {
    let fin = Instant::now() + PACIENCIA;
    loop {
        assert!(Instant::now() < fin);
        match receptor.recibir(ESPERA) {
            Err(error @ ErrorBroker::Definitivo(_)) => return error,
            Err(ErrorBroker::Pasajero(_)) => {}
            Ok(recibido) => assert!(recibido.registros.is_empty()),
        }
    }
}

fn mas_alla_del_final(motor: &Motor) {
    emisor(motor, "corto").enviar(&mensajes(0..5)).unwrap();
    confirmar(&mut receptor(motor, "corto"), 6);
    let error = hasta_el_error(&mut receptor(motor, "corto"));
    assert!(es_otra_historia(&error), "{error:?}");
}

fn borrado_y_vuelto_a_crear(motor: &Motor) {
    // Uno que ha confirmado y otro que solo ha leído.
    emisor(motor, "efimero").enviar(&mensajes(0..30)).unwrap();
    let mut uno = receptor(motor, "efimero");
    recibir(&mut uno, 30);
    uno.confirmar(&[(0, 20)].into()).unwrap();
    let mut dos = con_grupo(&motor.broker(), "efimero", "otro-grupo");
    recibir(&mut dos, 30);
    borrar_topic(motor, "efimero");
    insistir(|| emisor(motor, "efimero").enviar(&mensajes(0..25)));
    for receptor in [&mut uno, &mut dos] {
        let error = hasta_el_error(receptor);
        assert!(es_otra_historia(&error), "{error:?}");
    }
}

/// Los diez mensajes que esperan, y las particiones que han vuelto a lo confirmado.
fn hasta_que_llegue(receptor: &mut adaptador::Receptor) -> Recibido {
    let fin = Instant::now() + PACIENCIA;
    let mut todo = Recibido::default();
    while todo.registros.len() < 10 {
        assert!(Instant::now() < fin, "{todo:?}");
        let recibido = insistir(|| receptor.recibir(ESPERA));
        todo.reiniciadas.extend(recibido.reiniciadas);
        todo.registros.extend(recibido.registros);
    }
    todo.reiniciadas.dedup();
    todo
}

fn broker_que_cae_y_vuelve(motor: &mut Motor) {
    let mut emisor = emisor(motor, "cae");
    let mut receptor = receptor(motor, "cae");
    emisor.enviar(&mensajes(0..10)).unwrap();
    let Recibido { reiniciadas, registros } = hasta_que_llegue(&mut receptor);
    assert_eq!((textos(&registros), reiniciadas), (de_web01(0..10), vec![0]));
    receptor.confirmar(&[(0, 10)].into()).unwrap();
    assert_eq!(receptor.recibir(ESPERA).unwrap(), Recibido::default());

    motor.matar();
    for error in [
        emisor.enviar(&mensajes(10..20)).unwrap_err(),
        emisor.enviar(&mensajes(10..20)).unwrap_err(),
        receptor.recibir(ESPERA).unwrap_err(),
        receptor.confirmar(&[(0, 10)].into()).unwrap_err(),
        receptor.atraso().unwrap_err(),
    ] {
        assert!(matches!(error, ErrorBroker::Pasajero(_)), "{error:?}");
    }
    motor.rearrancar();
    insistir(|| emisor.enviar(&mensajes(10..20)));
    let Recibido { reiniciadas, registros } = hasta_que_llegue(&mut receptor);
    // La crate sigue por donde iba; librdkafka vuelve a lo confirmado, y lo dice.
    let vuelve = if cfg!(feature = "librdkafka") { vec![0] } else { vec![] };
    assert_eq!((textos(&registros), reiniciadas), (de_web01(10..20), vuelve));
    insistir(|| receptor.confirmar(&[(0, 20)].into()));

    // En marcha y de golpe: nada se pierde, aunque con la crate algo pueda estar dos veces.
    let envio = thread::spawn(move || {
        for n in 20..400 {
            insistir(|| emisor.enviar(&mensajes(n..n + 1)));
        }
    });
    let fin = Instant::now() + PACIENCIA;
    let mut vistos = BTreeMap::new();
    let mut caidas = 0;
    while vistos.last_key_value().is_none_or(|(_, t)| t != "web01 399") {
        assert!(Instant::now() < fin, "{vistos:?}");
        for r in insistir(|| receptor.recibir(ESPERA)).registros {
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
    if !cfg!(feature = "librdkafka") {
        textos.dedup();
    }
    assert_eq!(textos, de_web01(20..400));
}

#[cfg(not(feature = "librdkafka"))]
#[test]
fn kafka_4_se_reconoce() {
    let motor = Motor::arrancar("kafka4");
    let errores = sin_conectar(&motor.broker());
    for error in errores {
        let ErrorBroker::Definitivo(frase) = error else { panic!("{error:?}") };
        assert!(frase.contains("Kafka 4") && frase.contains("docker-compose.yml"), "{frase}");
    }
}

fn topic_que_no_se_crea_solo(motor: &mut Motor) {
    let carpeta = tempfile::tempdir().unwrap();
    let propiedades = carpeta.path().join("sin-crear.properties");
    std::fs::write(&propiedades, "auto.create.topics.enable=false\n").unwrap();
    motor.parar();
    motor.rearrancar_con(&["--propiedades", propiedades.to_str().unwrap()]);
    for error in sin_conectar(&motor.broker()) {
        let ErrorBroker::Pasajero(frase) = &error else { panic!("{error:?}") };
        assert!(frase.contains("no tiene listo el topic «x»") && frase.contains("kafka-topics"), "{frase}");
    }
}

fn direccion_anunciada_que_no_responde(motor: &mut Motor) {
    motor.parar();
    motor.rearrancar_con(&["--anunciar", "127.0.0.1:1"]);
    for error in sin_conectar(&motor.broker()) {
        let ErrorBroker::Pasajero(frase) = &error else { panic!("{error:?}") };
        for parte in [&motor.broker(), "127.0.0.1:1", "KAFKA_ADVERTISED_LISTENERS", "IP_LOCAL"] {
            assert!(frase.contains(parte), "{frase}");
        }
    }
}

/// Lo que dicen el emisor y el receptor de un broker con el que no pueden hablar.
fn sin_conectar(broker: &str) -> [ErrorBroker; 2] {
    let mut emisor = adaptador::Emisor::new(&[broker.to_owned()], &Propiedades::default(), "x", sin_avisos());
    [
        emisor.enviar(&mensajes(0..1)).unwrap_err(),
        con_grupo(broker, "x", "grupo").recibir(ESPERA).unwrap_err(),
    ]
}

#[test]
fn nadie_escucha() {
    // 192.0.2.1 no es de nadie (RFC 5737): unas redes lo rechazan y otras no contestan nunca.
    for broker in ["127.0.0.1:1", "192.0.2.1:29092"] {
        let inicio = Instant::now();
        for error in sin_conectar(broker) {
            let ErrorBroker::Pasajero(frase) = error else { panic!("{error:?}") };
            assert!(frase.contains("no responde ningún Kafka") && frase.contains(broker), "{frase}");
        }
        assert!(inicio.elapsed() < Duration::from_secs(10), "{:?}", inicio.elapsed());
    }
    for mal in ["localhost", "localhost:puerto", ""] {
        for error in sin_conectar(mal) {
            assert!(matches!(&error, ErrorBroker::Definitivo(f) if f.contains("equipo:puerto")), "{error:?}");
        }
    }
}
