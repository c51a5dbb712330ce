//! Kafka de verdad en lo que no es un mensaje detrás de otro: transacciones, compactación, formatos que no se
//! entienden, un grupo que ya usa otro programa y particiones sin líder. Con cada adaptador.

#[path = "comun/adaptador.rs"]
mod adaptador;
mod comun;
#[path = "comun/motores.rs"]
mod motores;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use comun::{EnMarcha, programa};
use motores::{
    ESPERA, Motor, PACIENCIA, administrar, con, crear_topic, esperar, insistir, python, recibir, sin_avisos,
};
use practicas_iabd06::avisos::Avisos;
use practicas_iabd06::broker::{Emisor, ErrorBroker, PorEnviar, Receptor, Recibido, Registro};
use practicas_iabd06::config::kafka::Propiedades;
use practicas_iabd06::nombres::TOPIC;

const CRATE: bool = !cfg!(feature = "librdkafka");

fn enviar(brokers: &[String], topic: &str, avisos: Avisos, rango: std::ops::Range<usize>) {
    let mensaje = |n: usize| PorEnviar { clave: format!("s{n}"), valor: n.to_string().into_bytes() };
    let mensajes: Vec<_> = rango.map(mensaje).collect();
    let mut emisor = adaptador::Emisor::new(brokers, &Propiedades::default(), topic, avisos);
    insistir(|| emisor.enviar(&mensajes));
}

fn receptor(brokers: &[String], topic: &str, avisos: Avisos) -> adaptador::Receptor {
    adaptador::Receptor::new(brokers, &Propiedades::default(), topic, "grupo", avisos)
}

/// Un receptor de otro grupo, que empieza por este offset.
fn receptor_desde(motor: &Motor, topic: &str, grupo: &str, offset: i64) -> adaptador::Receptor {
    let confirmar = format!(
        "Consumer({{**BROKER, 'group.id': '{grupo}'}}).commit(offsets=[TopicPartition('{topic}', 0, {offset})], asynchronous=False)"
    );
    administrar(motor, &confirmar);
    adaptador::Receptor::new(&[motor.broker()], &Propiedades::default(), topic, grupo, sin_avisos())
}

fn textos(registros: &[Registro]) -> Vec<String> {
    registros.iter().map(|r| String::from_utf8(r.valor.clone()).unwrap()).collect()
}

/// Avisos que se apuntan.
fn cuaderno() -> (Avisos, Arc<Mutex<Vec<String>>>) {
    let frases = Arc::new(Mutex::new(Vec::new()));
    let apuntar = Arc::clone(&frases);
    (Arc::new(move |_, frase| apuntar.lock().unwrap().push(frase.to_owned())), frases)
}

/// Espera al error que no se arregla esperando.
fn definitivo(receptor: &mut adaptador::Receptor) -> String {
    let fin = Instant::now() + PACIENCIA;
    loop {
        assert!(Instant::now() < fin);
        if let Err(ErrorBroker::Definitivo(frase)) = receptor.recibir(ESPERA) {
            return frase;
        }
    }
}

/// Transacciones de `cada` mensajes, con estos finales.
fn transacciones(motor: &Motor, topic: &str, cada: usize, finales: &[&str]) {
    transacciones_con(motor, topic, "none", cada, finales);
}

fn transacciones_con(motor: &Motor, topic: &str, compresion: &str, cada: usize, finales: &[&str]) {
    let lineas = format!(
        "p = Producer({{**BROKER, 'transactional.id': 't', 'compression.type': '{compresion}'}})\np.init_transactions()\n\
         for fin in {finales:?}:\n    p.begin_transaction()\n\
         \x20   [p.produce('{topic}', f'{{fin}} {{n}}') for n in range({cada})]\n    p.flush()\n    getattr(p, fin)()"
    );
    administrar(motor, &lineas);
}

#[test]
fn las_marcas_de_las_transacciones_no_paran_al_receptor_ni_al_final_ni_en_medio() {
    let motor = Motor::arrancar("kafka");
    let brokers = [motor.broker()];
    crear_topic(&motor, "trans", 1);
    transacciones(&motor, "trans", 3, &["commit_transaction"]);
    let mut uno = receptor(&brokers, "trans", sin_avisos());
    let primeros = recibir(&mut uno, 3);
    assert_eq!(primeros.iter().map(|r| r.offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(uno.recibir(ESPERA).unwrap(), Recibido::default(), "al final solo queda la marca");
    assert_eq!(uno.recibir(ESPERA).unwrap(), Recibido::default());
    // Quien empieza justo en la marca, también; y detrás hay marcas seguidas, mensajes y otra marca.
    let mut dos = receptor_desde(&motor, "trans", "dos", 3);
    assert!(insistir(|| dos.recibir(ESPERA)).registros.is_empty());
    enviar(&brokers, "trans", sin_avisos(), 0..2);
    transacciones(&motor, "trans", 1, &["commit_transaction"; 5]);
    for receptor in [&mut uno, &mut dos] {
        let recibidos = recibir(receptor, 7);
        assert_eq!(recibidos.iter().map(|r| r.offset).collect::<Vec<_>>(), [4, 5, 6, 8, 10, 12, 14]);
    }
    assert_eq!(uno.recibir(ESPERA).unwrap(), Recibido::default());
    if CRATE {
        assert_eq!(uno.atraso().unwrap(), 0);
    }
    // Una transacción que se deshace: el protocolo antiguo no la distingue, y la crate la lee.
    transacciones(&motor, "trans", 2, &["abort_transaction", "commit_transaction"]);
    let esperados = if CRATE { 4 } else { 2 };
    let recibidos = recibir(&mut uno, esperados);
    assert_eq!((recibidos.len(), uno.recibir(ESPERA).unwrap()), (esperados, Recibido::default()));
}

/// Los offsets de los mensajes que hay, según confluent-kafka.
fn offsets(motor: &Motor, topic: &str) -> Vec<i64> {
    let vistos = administrar(
        motor,
        &format!(
            "c = Consumer({{**BROKER, 'group.id': 'x', 'enable.partition.eof': True}})\n\
             c.assign([TopicPartition('{topic}', 0, 0)])\nvistos = []\n\
             while not (m := c.poll(10)).error(): vistos.append(str(m.offset()))\n\
             print(' '.join(vistos))"
        ),
    );
    vistos.split(' ').map(|offset| offset.parse().unwrap()).collect()
}

#[test]
fn transacciones_comprimidas_en_el_kafka_antiguo_y_mensajes_sueltos_entre_ellas() {
    let motor = Motor::arrancar("kafka34");
    let brokers = [motor.broker()];
    crear_topic(&motor, "mezcla", 1);
    let mut receptor = receptor(&brokers, "mezcla", sin_avisos());
    let mut leidos = Vec::new();
    for compresion in ["gzip", "none", "snappy"] {
        transacciones_con(&motor, "mezcla", compresion, 50, &["commit_transaction"; 2]);
        enviar(&brokers, "mezcla", sin_avisos(), 0..3);
        leidos.extend(recibir(&mut receptor, 103).iter().map(|r| r.offset));
        assert_eq!(receptor.recibir(ESPERA).unwrap(), Recibido::default(), "{compresion}");
    }
    let todos = offsets(&motor, "mezcla");
    assert_eq!(leidos, todos);
    // Otra vez, desde cada marca: detrás van mensajes sueltos, y detrás, una tanda comprimida.
    drop(receptor);
    for marca in (0..*todos.last().unwrap()).filter(|n| !todos.contains(n)) {
        let mut otro = receptor_desde(&motor, "mezcla", &format!("desde-{marca}"), marca);
        let esperados: Vec<_> = todos.iter().copied().filter(|n| *n > marca).collect();
        let recibidos = recibir(&mut otro, esperados.len());
        assert_eq!(recibidos.iter().map(|r| r.offset).collect::<Vec<_>>(), esperados, "desde {marca}");
    }
}

#[test]
fn lo_que_se_entiende_antes_de_lo_que_no_se_lee() {
    if !CRATE {
        return;
    }
    let motor = Motor::arrancar("kafka");
    let brokers = [motor.broker()];
    enviar(&brokers, "a-medias", sin_avisos(), 0..10);
    let mut receptor = receptor(&brokers, "a-medias", sin_avisos());
    assert_eq!(recibir(&mut receptor, 10).len(), 10);
    administrar(
        &motor,
        "p = Producer({**BROKER, 'compression.type': 'zstd', 'linger.ms': 50})\n\
         [p.produce('a-medias', 'x' * 100) for n in range(100)]\np.flush()",
    );
    assert!(definitivo(&mut receptor).contains("zstd"));
}

#[test]
fn lo_que_la_compactacion_quita_no_para_al_receptor() {
    let motor = Motor::arrancar("kafka");
    let brokers = [motor.broker()];
    for compresion in ["none", "gzip"] {
        // Tandas de 50 con dos claves: de cada una queda el último de cada clave.
        let topic = format!("compacto-{compresion}");
        let quedan = administrar(
            &motor,
            &format!(
                "import time\n\
                 config = {{'cleanup.policy': 'compact', 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001', 'min.compaction.lag.ms': '0'}}\n\
                 [f.result() for f in admin.create_topics([NewTopic('{topic}', 1, 1, config=config)]).values()]\n\
                 p = Producer({{**BROKER, 'compression.type': '{compresion}', 'linger.ms': 200}})\n\
                 for tanda in range(4):\n    [p.produce('{topic}', f'{{tanda}} {{n}}', key=f'k{{tanda}}-{{n % 2 if n < 40 else 0}}') for n in range(50)]\n    p.flush()\n    time.sleep(0.3)\n\
                 p.produce('{topic}', 'ultimo', key='u'); p.flush()\n\
                 def leer():\n    c = Consumer({{**BROKER, 'group.id': 'x', 'auto.offset.reset': 'earliest', 'enable.partition.eof': True}})\n\
                 \x20   c.assign([TopicPartition('{topic}', 0, 0)])\n    vistos = []\n\
                 \x20   while True:\n        m = c.poll(10)\n        if m.error(): c.close(); return vistos\n        vistos.append(m.value().decode())\n\
                 fin = time.time() + 80\n\
                 while len(quedan := leer()) > 30 and time.time() < fin: time.sleep(1)\n\
                 print('|'.join(quedan))"
            ),
        );
        let quedan: Vec<_> = quedan.split('|').map(str::to_owned).collect();
        assert!(quedan.len() < 30, "no se ha compactado: {quedan:?}");
        let mut receptor = receptor(&brokers, &topic, sin_avisos());
        assert_eq!(textos(&recibir(&mut receptor, quedan.len())), quedan);
        assert_eq!(receptor.recibir(ESPERA).unwrap(), Recibido::default());
        // También si se empieza dentro de un hueco.
        let offsets: Vec<_> = {
            let mut otro = receptor_desde(&motor, &topic, "desde-0", 0);
            recibir(&mut otro, quedan.len()).iter().map(|r| r.offset).collect()
        };
        let hueco = offsets.windows(2).find(|par| par[1] - par[0] > 5).unwrap();
        let mut desde_dentro = receptor_desde(&motor, &topic, "dentro", hueco[0] + 2);
        assert_eq!(recibir(&mut desde_dentro, 1)[0].offset, hueco[1]);
    }
}

#[test]
fn un_commit_que_no_se_admite_no_hace_releer() {
    let motor = Motor::arrancar("kafka");
    let brokers = [motor.broker()];
    enviar(&brokers, "compartido", sin_avisos(), 0..30);
    let mut otro = otro_programa(&motor, "compartido", "grupo");
    let mut receptor = receptor(&brokers, "compartido", sin_avisos());
    if !CRATE {
        // librdkafka entra en el grupo, y el otro no reparte las particiones como él: hasta que se va, no le tocan.
        let fin = Instant::now() + PACIENCIA;
        let error = loop {
            assert!(Instant::now() < fin);
            if let Err(error) = receptor.recibir(ESPERA) {
                break error;
            }
        };
        assert!(
            matches!(&error, ErrorBroker::Pasajero(f) if f.contains("ciérralo o usa otro --group-id")),
            "{error:?}"
        );
        otro.0.kill().unwrap();
        assert_eq!(recibir(&mut receptor, 30).len(), 30);
        return;
    }
    assert_eq!(recibir(&mut receptor, 30).len(), 30);
    for _ in 0..3 {
        let error = receptor.confirmar(&[(0, 20)].into()).unwrap_err();
        assert!(matches!(&error, ErrorBroker::Pasajero(f) if f.contains("otro --group-id")), "{error:?}");
        assert_eq!(receptor.recibir(ESPERA).unwrap(), Recibido::default());
    }
    // En cuanto se va el otro, se confirma; y se sigue donde se estaba.
    otro.0.kill().unwrap();
    insistir(|| receptor.confirmar(&[(0, 20)].into()));
    enviar(&brokers, "compartido", sin_avisos(), 30..33);
    let recibido = recibir(&mut receptor, 3);
    assert_eq!(textos(&recibido), ["30", "31", "32"]);
}

/// Un consumidor de Python abierto, con sus particiones ya asignadas.
fn otro_programa(motor: &Motor, topic: &str, grupo: &str) -> EnMarcha {
    let lineas = format!(
        "from confluent_kafka import *\n\
         c = Consumer({{'bootstrap.servers': '{}', 'group.id': '{grupo}', 'enable.auto.commit': False, 'session.timeout.ms': 6000}})\n\
         c.subscribe(['{topic}'], on_assign=lambda *_: print('listo', flush=True))\n\
         while True: c.poll(0.1)",
        motor.broker()
    );
    let mut otro =
        Command::new(python()).args(["-c", &lineas]).stdout(Stdio::piped()).spawn().map(EnMarcha).unwrap();
    let mut linea = String::new();
    BufReader::new(otro.0.stdout.as_mut().unwrap()).read_line(&mut linea).unwrap();
    assert_eq!(linea, "listo\n");
    otro
}

#[test]
fn con_el_grupo_ocupado_por_otro_programa_el_consumidor_lo_dice_una_vez_y_sigue() {
    if !CRATE {
        return;
    }
    let motor = Motor::arrancar("kafka");
    let carpeta = tempfile::tempdir().unwrap();
    let producir = ["--rondas", "9", "--sin-pausa", "--silencioso"];
    assert!(con(programa("productor", carpeta.path(), &producir), &[&motor]).status().unwrap().success());
    let _otro = otro_programa(&motor, TOPIC, "consumidor_metrics_iabd06");
    let mut orden = con(programa("consumidor", carpeta.path(), &[]), &[&motor]);
    let mut consumidor = EnMarcha(orden.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    consumidor.lecturas(3); // dos KPIs y la cuenta
    // Cinco más, cuando ya ha fallado el commit.
    let producir = ["--rondas", "1", "--silencioso"];
    assert!(con(programa("productor", carpeta.path(), &producir), &[&motor]).status().unwrap().success());
    consumidor.lecturas(1);
    consumidor.senal("-INT");
    let (codigo, errores) = consumidor.fin();
    assert_eq!(codigo, Some(0), "{errores}");
    assert_eq!(errores.matches("otro programa está usando este mismo grupo").count(), 1, "{errores}");
    assert!(errores.contains("50 mensajes leídos: 50 crudos, 0 descartados, 2 KPIs"), "{errores}");
}

#[test]
fn lo_que_no_se_arregla_esperando_acaba_con_su_causa_y_su_remedio() {
    if !CRATE {
        return; // librdkafka los lee
    }
    let motor = Motor::arrancar("kafka");
    let brokers = [motor.broker()];
    for (topic, config, compresion, causa) in [
        ("sin-convertir", "'message.downconversion.enable': 'false'", "none", "downconversion"),
        ("con-lz4", "", "lz4", "lz4"),
        ("con-zstd", "", "zstd", "zstd"),
        ("todo-zstd", "'compression.type': 'zstd'", "none", "zstd"),
    ] {
        administrar(
            &motor,
            &format!(
                "[f.result() for f in admin.create_topics([NewTopic('{topic}', 1, 1, config={{{config}}})]).values()]\n\
                 p = Producer({{**BROKER, 'compression.type': '{compresion}', 'linger.ms': 50}})\n\
                 [p.produce('{topic}', 'x' * 100) for n in range(100)]\np.flush()"
            ),
        );
        let frase = definitivo(&mut receptor(&brokers, topic, sin_avisos()));
        assert!(frase.contains(causa) && frase.contains("--features librdkafka"), "{topic}: {frase}");
    }
}

#[test]
fn una_particion_sin_lider_se_dice_y_no_para_a_las_demas() {
    let primero = Motor::arrancar("kafka");
    let brokers = [primero.broker()];
    // Lo confirmado de los grupos, en el primero, que no se va.
    enviar(&brokers, "antes", sin_avisos(), 0..1);
    let mut antes = receptor(&brokers, "antes", sin_avisos());
    recibir(&mut antes, 1);
    antes.confirmar(&[(0, 1)].into()).unwrap();
    drop(antes);

    let mut segundo = Motor::arrancar_con("kafka", &["--unir", primero.carpeta().to_str().unwrap()]);
    administrar(
        &primero,
        "[f.result() for f in admin.create_topics([NewTopic('coja', 2, replica_assignment=[[1], [2]])]).values()]",
    );
    enviar(&brokers, "coja", sin_avisos(), 0..20);
    segundo.matar();
    let lider = || {
        administrar(
            &primero,
            "print(admin.list_topics('coja', timeout=10).topics['coja'].partitions[1].leader)",
        )
    };
    esperar(lider, |lider| lider == "-1");

    let (avisos, dichos) = cuaderno();
    let mut receptor = receptor(&brokers, "coja", avisos);
    let de_la_cero = recibir(&mut receptor, 1);
    assert!(de_la_cero.iter().all(|r| r.particion == 0));
    let frase = "la partición 1 del topic «coja» no tiene ahora líder";
    let veces = |que: &str| dichos.lock().unwrap().iter().filter(|d| d.contains(que)).count();
    assert_eq!(veces(frase), 1, "{dichos:?}");
    receptor.confirmar(&[(0, 1)].into()).unwrap();
    receptor.atraso().unwrap();
    let (del_emisor, dichos_del_emisor) = cuaderno();
    enviar(&brokers, "coja", del_emisor, 20..40); // todas las claves encuentran sitio
    assert!(dichos_del_emisor.lock().unwrap()[0].contains(frase), "{dichos_del_emisor:?}");

    // Cuando vuelve, llega también lo suyo, sin releer la otra.
    segundo.rearrancar();
    let otros = recibir(&mut receptor, 40 - de_la_cero.len());
    assert!(otros.iter().any(|r| r.particion == 1));
    let mut todos: Vec<_> =
        textos(&de_la_cero).into_iter().chain(textos(&otros)).map(|t| t.parse::<usize>().unwrap()).collect();
    todos.sort_unstable();
    assert_eq!(todos, (0..40).collect::<Vec<_>>());
    let fin = Instant::now() + PACIENCIA;
    while veces("Ya tienen líder") == 0 {
        assert!(Instant::now() < fin, "{dichos:?}");
        assert!(insistir(|| receptor.recibir(ESPERA)).registros.is_empty());
    }
}

#[test]
fn mientras_el_broker_no_conteste_no_se_dice_que_ha_vuelto_ni_sin_particiones() {
    if CRATE {
        return; // no hay reparto: cada lectura es una pregunta al broker
    }
    let mut motor = Motor::arrancar("kafka");
    let brokers = [motor.broker()];
    enviar(&brokers, "una", sin_avisos(), 0..5);
    let mut uno = receptor(&brokers, "una", sin_avisos());
    recibir(&mut uno, 5);
    let mut sin_nada = receptor(&brokers, "una", sin_avisos());
    for _ in 0..5 {
        assert!(insistir(|| sin_nada.recibir(ESPERA)).registros.is_empty());
        uno.recibir(ESPERA).unwrap();
    }
    motor.matar();
    let fin = Instant::now() + PACIENCIA;
    while sin_nada.recibir(ESPERA).is_ok() {
        assert!(Instant::now() < fin);
    }
    for _ in 0..4 {
        sin_nada.recibir(ESPERA).unwrap_err();
    }
    motor.rearrancar();
    insistir(|| sin_nada.recibir(ESPERA));
}
