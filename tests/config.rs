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
use practicas_iabd06::influx::acceso::Acceso;
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

/// Un `.env` con un InfluxDB 2 y otro con un InfluxDB 1.x, enteros.
const ENV_V2: &str =
    "INFLUXDB_V2_URL=http://dos:8086\nINFLUXDB_V2_TOKEN=t\nINFLUXDB_V2_ORG=o\nINFLUXDB_BUCKET=b\n";
const ENV_V1: &str = "INFLUXDB_V1_URL=http://uno:8086\nINFLUXDB_V1_DATABASE=d\n";

fn url(fuentes: &Fuentes) -> String {
    match fuentes.agente().unwrap().lugar {
        Lugar::Servidor { url, .. } => url,
        Lugar::Fichero => "fichero".to_owned(),
    }
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
fn cada_valor_del_ejemplo_sin_cambiar_se_nombra() {
    let ejemplo = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.ejemplo")).unwrap();
    let lineas = ejemplo.lines().filter_map(|l| l.strip_prefix('#')).filter(|l| !l.starts_with(' '));
    let mut vistas = 0;
    for linea in lineas.filter(|l| l.contains("tu-") || l.contains("pega-")) {
        let (variable, _) = linea.split_once('=').unwrap();
        let programas = [&agente::PROGRAMA, &consumidor::PROGRAMA];
        let de = |p: &&'static Programa| p.todas().find(|o| o.variable == variable).map(|o| (*p, o));
        let (programa, opcion) = programas.iter().find_map(de).unwrap();
        for dotenv in [linea.to_owned(), linea.to_uppercase().replacen(&variable.to_uppercase(), variable, 1)]
        {
            let valores = Fuentes { dotenv: &dotenv, ..Fuentes::default() }.leer(programa).unwrap();
            let frase = uso(valores.propio(opcion));
            contiene(&frase, variable);
            contiene(&frase, "del ejemplo");
            vistas += 1;
        }
    }
    assert!(vistas >= 18, "{vistas}");
    // Lo que no es del ejemplo, aunque empiece igual, vale.
    let tu = ["--url", "http://x", "--token", "tu", "--org", "tu-berlin", "--bucket", "mi-tu-bucket"];
    ordenes(&tu).agente().unwrap();
}

#[test]
fn una_variable_sin_sustituir_se_nombra_sin_repetir_lo_demas() {
    let dotenv = "IP_LOCAL=10.0.0.1\nKAFKA_BOOTSTRAP_SERVERS=${IP_LOCAL}:29092\n";
    let frase = uso(Fuentes { dotenv, ..Fuentes::default() }.productor());
    contiene(
        &frase,
        "KAFKA_BOOTSTRAP_SERVERS (o --broker) lleva «${IP_LOCAL}», y el .env no expande variables",
    );
    let dotenv = "MONGODB_URI=mongodb://ana:SECRETA@${IP_LOCAL}\n";
    let frase = uso(Fuentes { dotenv, ..Fuentes::default() }.consumidor());
    contiene(&frase, "MONGODB_URI");
    assert!(!frase.contains("SECRETA"), "{frase}");
    contiene(&uso(ordenes(&["--ip-local", "${IP}"]).productor()), "sin sustituir");
}

#[test]
fn la_uri_de_mongodb_se_mira_sin_ensenar_la_contrasena() {
    for buena in [
        "mongodb://x",
        "mongodb://x:1,y:2/?replicaSet=a",
        "mongodb+srv://ana:p@x.mongodb.net/b?w=majority",
        "mongodb://ana:SECRETA@[::1]:27017",
        "mongodb://%2Ftmp%2Fmongodb-27017.sock",
        "mongodb://ana:SE/CRETA@x", // lo dice almacen, que sabe cómo se codifica
    ] {
        ordenes(&["--mongodb-uri", buena]).consumidor().unwrap();
    }
    for (mala, trozo) in [
        ("mongodb://ana:SECRETA9", "le falta @servidor"),
        ("mongodb://ana:SECRETA9/?w=1", "le falta @servidor"),
        ("mongodb://ana:SECRETA@x:38o17", "su servidor no se entiende"),
        ("mongodb://ana:SECRETA@", "su servidor no se entiende"),
        ("mongodb://x:0", "del 1 al 65535"),
        ("mongodb://", "su servidor no se entiende"),
        ("localhost:27017", "empieza por mongodb://"),
        ("", "está vacío"),
    ] {
        let frase = uso(ordenes(&["--mongodb-uri", mala]).consumidor());
        contiene(&frase, trozo);
        contiene(&frase, "MONGODB_URI (o --mongodb-uri)");
        assert!(!frase.contains("SECRETA"), "{frase}");
    }
}

#[test]
fn una_url_que_llevaria_el_token_a_otra_parte_no_pasa() {
    let malas = [
        ("http://host:38o86", "«38o86»"),
        ("http://host:0", "«0»"),
        ("http://host:65536", "«65536»"),
        ("http://host:", "falta el puerto"),
        ("http://host: 80", "« 80»"),
        ("http:// host", "un espacio"),
        ("http://ho st/", "un espacio"),
        ("http://host/a b", "un espacio"),
        ("host:8086", "http://"),
        ("//host:8086", "http://"),
        ("http:/host", "http://"),
        ("ftp://host", "http://"),
        ("http://", "falta el nombre"),
        ("http:///api", "falta el nombre"),
        ("http://host?org=o", "sobra «?org=o»"),
        ("http://host/#x", "sobra «#x»"),
        ("http://host\\x", "«\\»"),
        ("http://::1:8086", "corchetes"),
        ("http://192.168.1.300:8086", "no es una IP"),
        ("http://<ip>:8086", "es un ejemplo"),
        ("http://IP_LOCAL:8086", "es un ejemplo"),
        ("http://tu-servidor:8086", "es un ejemplo"),
        ("http://año:1", "«ñ»"),
        ("http://a,b:1", "«,»"),
        ("http://${HOST}:8086", "«${HOST}»"),
        ("", "está vacío"),
    ];
    for (mala, trozo) in malas {
        let frase = uso(ordenes(&["--url", mala, "--token", "t", "--org", "o", "--bucket", "b"]).agente());
        contiene(&frase, trozo);
        contiene(&frase, "INFLUXDB_V2_URL (o --url)");
        let frase = uso(ordenes(&["--v1-url", mala, "--v1-database", "b"]).agente());
        contiene(&frase, "INFLUXDB_V1_URL (o --v1-url)");
    }
    for con_credenciales in ["http://ana:clave@host", "https://ana@host/"] {
        let frase = uso(ordenes(&["--v1-url", con_credenciales, "--v1-database", "b"]).agente());
        contiene(&frase, "no lleva usuario ni contraseña");
        assert!(!frase.contains("ana"), "{frase}");
    }
    for buena in ["http://host", "https://host:8086/", "http://[::1]:8086", "http://mi_pc/influx"] {
        assert_eq!(url(&ordenes(&["--v1-url", buena, "--v1-database", "b"])), buena);
    }
}

#[test]
fn un_token_que_no_puede_ser_cabecera_se_dice_sin_ensenarlo() {
    for (token, letra) in
        [("SECRETOñ", "«ñ»"), ("SE\u{200b}CRETO", "(U+200B)"), ("SE\nCRETO", "(U+000A)"), ("", "vacío")]
    {
        let frase =
            uso(ordenes(&["--url", "http://x", "--token", token, "--org", "o", "--bucket", "b"]).agente());
        contiene(&frase, "INFLUXDB_V2_TOKEN (o --token)");
        contiene(&frase, letra);
        assert!(!frase.contains("SE"), "{frase}");
    }
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
        (&["--broker", "a:puerto"], "KAFKA_BOOTSTRAP_SERVERS (o --broker): «a:puerto» no es un broker"),
        (&["--broker", "a"], "le falta el puerto"),
        (&["--broker", "a:1,b"], "«b» no es un broker (le falta el puerto)"),
        (&["--broker", "PLAINTEXT://a:1"], "sobra «PLAINTEXT://»"),
        (&["--broker", "http://a:1"], "sobra «http://»"),
        (&["--broker", "a:1;b:2"], "varios se separan con comas"),
        (&["--broker", "a:1 b:2"], "varios se separan con comas"),
        (&["--broker", "::1"], "entre corchetes"),
        (&["--broker", "::1:29092"], "entre corchetes"),
        (&["--broker", "IP_LOCAL:29092"], "es un ejemplo"),
        (&["--broker", "<ip>:29092"], "es un ejemplo"),
        (&["--broker", "a:1/"], "«1/»"),
        (&["--broker", "a:"], "falta el puerto"),
        (&["--broker", "192.168.1.300:1"], "no es una IP"),
        (&["--ip-local", "tu-ip"], "IP_LOCAL (o --ip-local): «tu-ip» no es un broker"),
        (&["--ip-local", "192.168.1"], "no es una IP"),
        (&["--ip-local", "a,b"], "es una sola dirección"),
        (&["--ip-local", "http://a"], "sobra «http://»"),
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
    let con_ca = ["--ssl-ca-location", "ca.pem", "--broker", "a:1"];
    let frase = uso(ordenes(&con_ca).productor());
    contiene(&frase, "KAFKA_SSL_CA_LOCATION (o --ssl-ca-location) es para librdkafka");
    contiene(&uso(ordenes(&["--kafka-config", "a=b"]).productor()), "--kafka-config es para librdkafka");
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
    let dotenv = carpeta.path().join(".env");
    let leido = Valores::leer(&productor::PROGRAMA, argumentos, |_| None, &dotenv);
    contiene(&uso(leido), "el valor de --broker no es texto UTF-8");
    let entorno = |v: &str| (v == "MONGODB_URI").then(|| OsString::from_vec(b"mongodb://a\xf1o".to_vec()));
    let leido = Valores::leer(&consumidor::PROGRAMA, [], entorno, &dotenv);
    contiene(&uso(leido), "MONGODB_URI no es texto UTF-8");
}
