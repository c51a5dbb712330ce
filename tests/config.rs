//! La configuración de los cuatro programas: qué fuente manda y adónde llega cada valor.

use std::time::Duration;

use practicas_iabd06::config::kafka::Broker;
use practicas_iabd06::config::mongodb::BaseDeDatos;
#[cfg(feature = "panel")]
use practicas_iabd06::config::panel;
use practicas_iabd06::config::{agente, consumidor, productor};
use practicas_iabd06::fallo::Fallo;
use practicas_iabd06::influx::Acceso;
use practicas_iabd06::influx::{Lugar, WriteOptions};
use practicas_iabd06::nombres::{FICHERO_MOTOR, FICHERO_PUNTOS, TOPIC};

#[path = "comun/fuentes.rs"]
mod fuentes;
use fuentes::{ENV_V1, ENV_V2, Fuentes, broker, contiene, ordenes, url, uso};

/// Cada programa lee solo opciones de su tabla: si no, la lectura se para aquí (`debug_assert`).
#[test]
fn los_cuatro_programas_leen_solo_opciones_de_su_tabla() {
    let nada = Fuentes::default();
    assert_eq!(nada.agente().unwrap().lugar, Lugar::Fichero);
    assert_eq!(nada.productor().unwrap().broker, Broker::Embebido);
    let consumidor = nada.consumidor().unwrap();
    assert!(consumidor.broker == Broker::Embebido && consumidor.base == BaseDeDatos::Embebida);
    #[cfg(feature = "panel")]
    {
        let panel = nada.panel().unwrap();
        assert!(panel.puntos == Lugar::Fichero && panel.base == BaseDeDatos::Embebida);
    }
}

#[test]
fn ningun_programa_tiene_dos_opciones_con_el_mismo_nombre_o_variable() {
    let programas = [&agente::PROGRAMA, &productor::PROGRAMA, &consumidor::PROGRAMA];
    #[cfg(feature = "panel")]
    let programas = [&programas[..], &[&panel::PROGRAMA]].concat();
    for programa in programas {
        let mut vistas = Vec::new();
        for opcion in programa.todas() {
            let letra = opcion.corta.map(String::from).unwrap_or_default();
            for nombre in [opcion.nombre.to_owned(), opcion.variable.to_owned(), letra] {
                assert!(nombre.is_empty() || !vistas.contains(&nombre), "{}: {nombre}", programa.nombre);
                vistas.push(nombre);
            }
        }
    }
}

#[test]
fn la_ayuda_nombra_los_ficheros_y_el_topic_de_verdad() {
    contiene(&agente::PROGRAMA.ayuda(), FICHERO_PUNTOS);
    for programa in [&productor::PROGRAMA, &consumidor::PROGRAMA] {
        contiene(&programa.ayuda(), FICHERO_MOTOR);
        contiene(&programa.ayuda(), TOPIC);
    }
    #[cfg(feature = "panel")]
    {
        contiene(&panel::PROGRAMA.ayuda(), FICHERO_PUNTOS);
        contiene(&panel::PROGRAMA.ayuda(), FICHERO_MOTOR);
    }
}

#[test]
fn una_variable_que_se_confunde_con_una_nuestra_se_dice() {
    let dotenv = "MONGO_URI=mongodb://a\nDB_NAME=x\nKAFKA_BROKER=a:1\nINFLUX_TOKEN=t\n";
    let consumidor = Fuentes { dotenv, ..Fuentes::default() }.consumidor().unwrap();
    let avisos = consumidor.salida.avisos.join("\n");
    for dicho in
        ["MONGO_URI", "MONGODB_URI", "DB_NAME", "MONGODB_DATABASE", "KAFKA_BROKER", "KAFKA_BOOTSTRAP_SERVERS"]
    {
        assert!(avisos.contains(dicho), "{avisos}");
    }
    // Cada programa, lo suyo; y si la nuestra está puesta, o la otra está vacía, no hay nada que decir.
    assert!(!avisos.contains("INFLUX"), "{avisos}");
    let dotenv = "MONGO_URI=mongodb://a\nMONGODB_URI=mongodb://b\nKAFKA_BROKER=\n";
    let entorno = [("DB_NAME", "de otro programa"), ("INFLUX_URL", "http://x:1")];
    let fuentes = Fuentes { dotenv, entorno: &entorno, ..Fuentes::default() };
    assert_eq!(fuentes.consumidor().unwrap().salida.avisos, Vec::<String>::new());
    assert_eq!(fuentes.agente().unwrap().salida.avisos.len(), 1, "en el entorno también, si es de InfluxDB");
}

#[test]
fn manda_la_orden_luego_el_entorno_y_luego_el_dotenv() {
    let dotenv = "KAFKA_BOOTSTRAP_SERVERS=c:3\n";
    let entorno = [("KAFKA_BOOTSTRAP_SERVERS", "b:2")];
    assert_eq!(broker(&Fuentes { dotenv, ..Fuentes::default() }), ["c:3"]);
    assert_eq!(broker(&Fuentes { dotenv, entorno: &entorno, ..Fuentes::default() }), ["b:2"]);
    assert_eq!(broker(&Fuentes { dotenv, entorno: &entorno, ordenes: &["--broker", "a:1"] }), ["a:1"]);
    // De una orden repetida, la última.
    assert_eq!(broker(&ordenes(&["--broker", "a:1", "--broker=z:9"])), ["z:9"]);
    // Una variable vacía es como si no estuviera.
    let vacia = [("KAFKA_BOOTSTRAP_SERVERS", "")];
    assert_eq!(broker(&Fuentes { dotenv, entorno: &vacia, ..Fuentes::default() }), ["c:3"]);
    assert!(broker(&Fuentes { dotenv: "KAFKA_BOOTSTRAP_SERVERS=\n", ..Fuentes::default() }).is_empty());
}

#[test]
fn la_ip_local_va_al_puerto_de_docker_compose() {
    assert_eq!(broker(&ordenes(&["--ip-local", "192.168.1.20"])), ["192.168.1.20:29092"]);
    assert_eq!(broker(&ordenes(&["--ip-local", "mi_pc:1"])), ["mi_pc:1"]);
    assert_eq!(broker(&ordenes(&["--broker", "uno:1, [::1]:9092,"])), ["uno:1", "[::1]:9092"]);
}

#[test]
fn entre_broker_e_ip_local_tambien_manda_la_orden_luego_el_entorno_y_luego_el_dotenv() {
    let dotenv = "KAFKA_BOOTSTRAP_SERVERS=c:3\nIP_LOCAL=10.0.0.3\n";
    let ip = [("IP_LOCAL", "10.0.0.2")];
    assert_eq!(broker(&Fuentes { dotenv, ..Fuentes::default() }), ["c:3"]);
    assert_eq!(broker(&Fuentes { dotenv, entorno: &ip, ..Fuentes::default() }), ["10.0.0.2:29092"]);
    let una = ["--ip-local", "127.0.0.2"];
    assert_eq!(broker(&Fuentes { dotenv, ordenes: &una, ..Fuentes::default() }), ["127.0.0.2:29092"]);
    let entorno = [("KAFKA_BOOTSTRAP_SERVERS", "b:2")];
    assert_eq!(broker(&Fuentes { dotenv, ordenes: &una, entorno: &entorno }), ["127.0.0.2:29092"]);
    let dotenv = "IP_LOCAL=10.0.0.3\n";
    assert_eq!(broker(&Fuentes { dotenv, entorno: &entorno, ..Fuentes::default() }), ["b:2"]);
    contiene(&uso(ordenes(&["--broker", "a:1", "--ip-local", "b"]).productor()), "deja una");
}

#[test]
fn entre_influxdb_2_y_1_manda_la_orden_luego_el_entorno_y_luego_el_dotenv() {
    let v1 = ["--v1-url", "http://otro:1", "--v1-database", "d"];
    assert_eq!(url(&Fuentes { dotenv: ENV_V2, ordenes: &v1, ..Fuentes::default() }), "http://otro:1");
    let entorno = [("INFLUXDB_V1_URL", "http://e:1"), ("INFLUXDB_V1_DATABASE", "d")];
    assert_eq!(url(&Fuentes { dotenv: ENV_V2, entorno: &entorno, ..Fuentes::default() }), "http://e:1");
    let v2 = ["--url", "http://otro:2", "--token", "t", "--org", "o", "--bucket", "b"];
    assert_eq!(url(&Fuentes { dotenv: ENV_V1, ordenes: &v2, ..Fuentes::default() }), "http://otro:2");
    assert_eq!(url(&Fuentes { dotenv: ENV_V1, ordenes: &v2, entorno: &entorno }), "http://otro:2");
    // Con una sola orden basta: lo demás sigue viniendo del .env.
    let los_dos = format!("{ENV_V2}{ENV_V1}");
    let bucket = ["--bucket", "x"];
    assert_eq!(url(&Fuentes { dotenv: &los_dos, ordenes: &bucket, ..Fuentes::default() }), "http://dos:8086");
    contiene(
        &uso(Fuentes { dotenv: &los_dos, ..Fuentes::default() }.agente()),
        "deja solo lo de tu servidor",
    );
}

#[test]
fn se_puede_pedir_el_motor_embebido_aunque_el_dotenv_nombre_un_servidor() {
    let dotenv =
        format!("{ENV_V2}KAFKA_BOOTSTRAP_SERVERS=c:3\nMONGODB_URI=mongodb://x\nMONGODB_DATABASE=b\n");
    let con = |ordenes: &'static [&'static str]| Fuentes { dotenv: &dotenv, ordenes, ..Fuentes::default() };
    assert_eq!(url(&con(&["--url", "fichero"])), "fichero");
    assert_eq!(url(&con(&["--v1-url", "fichero"])), "fichero");
    assert!(broker(&con(&["--broker", "embebido"])).is_empty());
    let leido = con(&["--ip-local", "embebido", "--mongodb-uri", "embebido"]).consumidor().unwrap();
    assert!(leido.broker == Broker::Embebido && leido.base == BaseDeDatos::Embebida);
    #[cfg(feature = "panel")]
    assert!(con(&["--url", "fichero"]).panel().unwrap().puntos == Lugar::Fichero);
}

#[test]
fn la_ayuda_y_la_version_salen_diga_lo_que_diga_el_dotenv() {
    for orden in ["--ayuda", "-h", "--version"] {
        let leido = Fuentes { dotenv: "esto no\n", ordenes: &[orden], ..Fuentes::default() }.agente();
        assert!(matches!(leido, Err(Fallo::Informacion(_))), "{orden}");
    }
    contiene(&uso(Fuentes { dotenv: "esto no\n", ..Fuentes::default() }.agente()), "línea 1");
}

#[test]
fn lo_que_no_se_ve_se_quita_de_los_lados_en_las_tres_fuentes() {
    let buena = ["http://x:1", "\u{feff}http://x:1\r", "\u{a0}http://x:1\u{200b}", " http://x:1 \n"];
    for valor in buena {
        let resto = ["--token", "\u{feff}t\r", "--org", "o", "--bucket", "b"];
        let con_orden = [&["--url", valor][..], &resto].concat();
        let entorno = [("INFLUXDB_V2_URL", valor)];
        let dotenv = format!("INFLUXDB_V2_URL={}\n", valor.trim_end_matches('\n'));
        for fuentes in [
            ordenes(&con_orden),
            Fuentes { ordenes: &resto, entorno: &entorno, ..Fuentes::default() },
            Fuentes { ordenes: &resto, dotenv: &dotenv, ..Fuentes::default() },
        ] {
            let Lugar::Servidor { url, acceso, .. } = fuentes.agente().unwrap().lugar else {
                panic!("fichero")
            };
            let v2 = Acceso::V2 { token: "t".to_owned(), org: "o".to_owned(), bucket: "b".to_owned() };
            assert_eq!((&*url, acceso), ("http://x:1", v2));
        }
    }
    // Las comillas que dejan cmd.exe y `docker --env-file`.
    let entorno = [("KAFKA_BOOTSTRAP_SERVERS", "\"a:1\"")];
    assert_eq!(broker(&Fuentes { entorno: &entorno, ..Fuentes::default() }), ["a:1"]);
}

#[test]
fn cada_valor_del_agente_llega_a_su_sitio() {
    let leido = ordenes(&[
        "--host-id",
        "h",
        "--entorno",
        "e",
        "--intervalo",
        "300ms",
        "--lecturas",
        "7",
        "--datos",
        "d",
        "--v1-url",
        "http://x",
        "--v1-database",
        "b",
        "--v1-user",
        "u",
        "--v1-password",
        "p",
        "--batch-size",
        "8",
        "--flush-interval",
        "9s",
        "--jitter-interval",
        "1s",
        "--retry-interval",
        "2s",
        "--max-retries",
        "3",
        "--max-retry-delay",
        "4s",
        "--max-retry-time",
        "5s",
        "--exponential-base",
        "6",
        "--max-close-wait",
        "7s",
        "--diario-max",
        "8",
        "--silencioso",
        "-v",
        "--log",
        "l",
    ]);
    let leido = leido.agente().unwrap();
    assert_eq!((&*leido.host_id, &*leido.entorno, leido.lecturas), ("h", "e", Some(7)));
    assert_eq!((leido.intervalo, leido.datos), (Duration::from_millis(300), "d".into()));
    let acceso =
        Acceso::V1 { database: "b".to_owned(), credenciales: Some(("u".to_owned(), "p".to_owned())) };
    assert_eq!(leido.lugar, Lugar::Servidor { url: "http://x".to_owned(), acceso, ca: None });
    let s = Duration::from_secs;
    let esperadas = WriteOptions {
        batch_size: 8,
        flush_interval: s(9),
        jitter_interval: s(1),
        retry_interval: s(2),
        max_retries: 3,
        max_retry_delay: s(4),
        max_retry_time: s(5),
        exponential_base: 6,
        max_close_wait: s(7),
    };
    assert_eq!(leido.write_options, esperadas);
    assert_eq!(leido.limites.total, 8 << 20);
    assert!(leido.salida.silencioso && leido.salida.detalle && leido.salida.log == Some("l".into()));
}

#[test]
fn cada_valor_de_la_tuberia_llega_a_su_sitio() {
    let leido = ordenes(&["--servidores", "3", "--intervalo", "1s", "--rondas", "2", "--semilla", "0"]);
    let leido = leido.productor().unwrap();
    assert_eq!((leido.servidores, leido.intervalo), (3, Duration::from_secs(1)));
    assert_eq!((leido.rondas, leido.semilla), (Some(2), Some(0)));
    assert_eq!(ordenes(&["--sin-pausa"]).productor().unwrap().intervalo, Duration::ZERO);

    let dotenv = "MONGODB_URI=mongodb://x\n";
    let ordenes = ["--group-id", "g", "--ventana", "5", "--mensajes", "6", "--mongodb-database", "b"];
    let leido = Fuentes { ordenes: &ordenes, dotenv, ..Fuentes::default() }.consumidor().unwrap();
    assert_eq!((&*leido.group_id, leido.ventana, leido.mensajes), ("g", 5, Some(6)));
    assert!(leido.base == BaseDeDatos::Mongo { uri: "mongodb://x".to_owned(), base: "b".to_owned() });
    let leido = Fuentes { dotenv, ..Fuentes::default() }.consumidor().unwrap();
    assert!(leido.base == BaseDeDatos::Mongo { uri: "mongodb://x".to_owned(), base: "iabd06".to_owned() });
}

#[test]
#[cfg(feature = "librdkafka")]
fn las_propiedades_de_librdkafka_llegan_con_su_nombre() {
    let leido = ordenes(&[
        "--broker",
        "a:1",
        "--sasl-username",
        "u",
        "--kafka-config",
        "x.y=1, z=a b",
        "--kafka-config",
        "c.d=A,B",
    ]);
    let Broker::Kafka(_, propiedades) = leido.productor().unwrap().broker else { panic!("no es Kafka") };
    let esperadas = [("sasl.username", "u"), ("x.y", "1"), ("z", "a b"), ("c.d", "A,B")];
    assert_eq!(propiedades.0, esperadas.map(|(c, v)| (c.to_owned(), v.to_owned())));
    for mala in ["a", "=b", "acks=0,"] {
        uso(ordenes(&["--broker", "a:1", "--kafka-config", mala]).productor());
    }
    let frase = uso(ordenes(&["--broker", "a:1", "--kafka-config", "group.id=g"]).productor());
    contiene(&frase, "group.id no se puede cambiar");
    contiene(&uso(ordenes(&["--sasl-username", "u"]).productor()), "falta el broker");
}
