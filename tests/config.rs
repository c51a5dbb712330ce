//! La configuración de los cuatro programas: qué fuente manda, y qué se dice de lo que no vale.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use practicas_iabd06::config::agente::{self, Agente};
use practicas_iabd06::config::consumidor::{self, Consumidor};
use practicas_iabd06::config::kafka::Broker;
use practicas_iabd06::config::mongodb::BaseDeDatos;
#[cfg(feature = "panel")]
use practicas_iabd06::config::panel::{self, Panel};
use practicas_iabd06::config::productor::{self, Productor};
use practicas_iabd06::config::{Programa, Valores};
use practicas_iabd06::fallo::Fallo;
use practicas_iabd06::influx::http::Acceso;
use practicas_iabd06::influx::{Lugar, WriteOptions};
use practicas_iabd06::nombres::{FICHERO_MOTOR, FICHERO_PUNTOS, TOPIC};

/// De dónde se lee en una prueba.
#[derive(Default)]
struct Fuentes<'a> {
    ordenes: &'a [&'a str],
    entorno: &'a [(&'a str, &'a str)],
    dotenv: &'a str,
}

impl Fuentes<'_> {
    fn leer(&self, programa: &'static Programa) -> Result<Valores, Fallo> {
        let carpeta = tempfile::tempdir().unwrap();
        let ruta = carpeta.path().join(".env");
        fs::write(&ruta, self.dotenv).unwrap();
        let entorno = |nombre: &str| {
            self.entorno.iter().find(|(v, _)| *v == nombre).map(|(_, valor)| OsString::from(valor))
        };
        Valores::leer(programa, self.ordenes.iter().map(OsString::from), entorno, &ruta)
    }

    fn agente(&self) -> Result<Agente, Fallo> {
        Agente::de(&self.leer(&agente::PROGRAMA)?, WriteOptions::default())
    }

    fn productor(&self) -> Result<Productor, Fallo> {
        Productor::de(&self.leer(&productor::PROGRAMA)?)
    }

    fn consumidor(&self) -> Result<Consumidor, Fallo> {
        Consumidor::de(&self.leer(&consumidor::PROGRAMA)?)
    }

    #[cfg(feature = "panel")]
    fn panel(&self) -> Result<Panel, Fallo> {
        Panel::de(&self.leer(&panel::PROGRAMA)?)
    }
}

fn ordenes<'a>(ordenes: &'a [&'a str]) -> Fuentes<'a> {
    Fuentes { ordenes, ..Fuentes::default() }
}

/// La frase de un mal uso.
#[track_caller]
fn uso<T>(leido: Result<T, Fallo>) -> String {
    match leido {
        Err(Fallo::Uso(frase)) => frase,
        Err(otro) => panic!("no es un mal uso: {otro:?}"),
        Ok(_) => panic!("debía ser un mal uso"),
    }
}

#[track_caller]
fn contiene(frase: &str, trozo: &str) {
    assert!(frase.contains(trozo), "falta «{trozo}» en «{frase}»");
}

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

fn broker(fuentes: &Fuentes) -> Vec<String> {
    match fuentes.productor().unwrap().broker {
        Broker::Kafka(direcciones, _) => direcciones,
        Broker::Embebido => vec![],
    }
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
fn sin_puerto_se_usa_el_de_docker_compose() {
    assert_eq!(broker(&ordenes(&["--ip-local", "192.168.1.20"])), ["192.168.1.20:29092"]);
    assert_eq!(broker(&ordenes(&["--broker", "uno, dos:9092,"])), ["uno:29092", "dos:9092"]);
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
    assert_eq!(leido.lugar, Lugar::Servidor { url: "http://x".to_owned(), acceso });
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
fn lo_que_no_vale_en_el_agente_se_dice_en_una_frase() {
    let casos: &[(&[&str], &str)] = &[
        (&["--no-existe"], "no existe la opción"),
        (&["-z"], "no existe la opción"),
        (&["suelto"], "sobra «suelto»"),
        (&["--lecturas"], "falta el valor de"),
        (&["--silencioso=1"], "no lleva valor"),
        (&["--lecturas", "0"], "--lecturas tiene que ser un entero de 1 en adelante, y es «0»"),
        (&["--lecturas", "-1"], "«-1»"),
        (&["--lecturas", "18446744073709551616"], "es demasiado grande"),
        (&["--max-retries", "4294967296"], "--max-retries es demasiado grande: «4294967296»"),
        (&["--diario-max", "1"], "de 2 en adelante"),
        (&["--intervalo", "100ms"], "no puede bajar de 200ms"),
        (&["--flush-interval", "999999999h"], "no puede pasar de un año"),
        (&["--intervalo", "10"], "500ms, 10s o 2m"),
        (&["--host-id", ""], "--host-id no puede estar vacío"),
        (&["--entorno", "\\"], "--entorno no puede estar vacío"),
        (&["--token", "t"], "faltan INFLUXDB_V2_URL (o --url), INFLUXDB_V2_ORG"),
        (&["--v1-url", "http://x"], "falta INFLUXDB_V1_DATABASE (o --v1-database)"),
        (&["--v1-url", "http://x", "--v1-database", "d", "--v1-user", "u"], "falta INFLUXDB_V1_PASSWORD"),
        (&["--v1-url", "localhost:8086", "--v1-database", "d"], "«localhost:8086» no es una URL"),
        (&["--token", "t", "--v1-database", "d"], "deja solo lo de tu servidor"),
    ];
    for (argumentos, frase) in casos {
        contiene(&uso(ordenes(argumentos).agente()), frase);
    }
}

#[test]
fn lo_que_no_vale_en_la_tuberia_se_dice_en_una_frase() {
    let casos: &[(&[&str], &str)] = &[
        (&["--servidores", "1000001"], "no puede pasar de un millón"),
        (&["--servidores", "0"], "de 1 en adelante"),
        (&["--intervalo", "0s"], "no puede bajar de 1ms"),
        (&["--broker", ""], "el broker está vacío"),
        (&["--broker", ","], "el broker está vacío"),
        (&["--broker", "a:puerto"], "«a:puerto» no es un broker"),
        (&["--broker", ":9092"], "no es un broker"),
        (&["--broker", "a:65536"], "no es un broker"),
        (&["--broker", "a:0"], "no es un broker"),
    ];
    for (argumentos, frase) in casos {
        contiene(&uso(ordenes(argumentos).productor()), frase);
    }
    contiene(&uso(ordenes(&["--group-id", ""]).consumidor()), "--group-id no puede estar vacío");
    contiene(
        &uso(ordenes(&["--mongodb-database", "b"]).consumidor()),
        "está MONGODB_DATABASE (o --mongodb-database) pero falta la conexión: MONGODB_URI (o --mongodb-uri)",
    );
}

#[test]
#[cfg(not(feature = "librdkafka"))]
fn lo_de_librdkafka_se_dice_si_el_programa_no_la_lleva() {
    let con_ca = ["--ssl-ca-location", "ca.pem", "--broker", "a"];
    let frase = uso(ordenes(&con_ca).productor());
    contiene(&frase, "KAFKA_SSL_CA_LOCATION (o --ssl-ca-location) es para librdkafka");
    contiene(&uso(ordenes(&["--kafka-config", "a=b"]).productor()), "--kafka-config es para librdkafka");
}

#[test]
#[cfg(feature = "librdkafka")]
fn las_propiedades_de_librdkafka_llegan_con_su_nombre() {
    let leido = ordenes(&["--broker", "a", "--sasl-username", "u", "--kafka-config", "x.y=1, z=a b"]);
    let Broker::Kafka(_, propiedades) = leido.productor().unwrap().broker else { panic!("no es Kafka") };
    let esperadas = [("sasl.username", "u"), ("x.y", "1"), ("z", "a b")];
    assert_eq!(propiedades.0, esperadas.map(|(c, v)| (c.to_owned(), v.to_owned())));
    for mala in ["a", "=b", "acks=0,"] {
        uso(ordenes(&["--broker", "a", "--kafka-config", mala]).productor());
    }
    let frase = uso(ordenes(&["--broker", "a", "--kafka-config", "group.id=g"]).productor());
    contiene(&frase, "group.id no se puede cambiar");
    contiene(&uso(ordenes(&["--sasl-username", "u"]).productor()), "falta el broker");
}

#[test]
#[cfg(feature = "panel")]
fn lo_que_no_vale_en_el_panel_se_dice_en_una_frase() {
    for mala in ["65536", "-1", "web"] {
        contiene(&uso(ordenes(&["--puerto", mala]).panel()), "--puerto tiene que ser un número de 0 a 65535");
    }
    let leido = ordenes(&["--puerto", "0", "--abrir", "--escuchar", "::1"]).panel().unwrap();
    assert_eq!((leido.puerto, leido.abrir, &*leido.escuchar), (Some(0), true, "::1"));
}

#[test]
#[cfg(unix)]
fn un_valor_que_no_es_utf8_se_nombra() {
    use std::os::unix::ffi::OsStringExt;
    let argumentos = [OsString::from("--broker"), OsString::from_vec(b"a\xf1o".to_vec())];
    let carpeta = tempfile::tempdir().unwrap();
    let leido = Valores::leer(&productor::PROGRAMA, argumentos, |_| None, &carpeta.path().join(".env"));
    contiene(&uso(leido), "el valor de --broker no es texto UTF-8");
}
