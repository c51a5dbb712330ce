//! Lo que no vale en la configuración: se dice en una frase, con su opción, antes de mandar nada y sin repetir
//! secretos.

use std::ffi::OsString;
use std::fs;

use practicas_iabd06::config::{Programa, Valores, agente, consumidor, productor};

#[path = "comun/fuentes.rs"]
mod fuentes;
use fuentes::{Fuentes, contiene, ordenes, url, uso};

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
    for buena in ["http://host", "https://host:8086/", "http://[::1]:8086", "http://mi_pc/influx", "HTTP://x"]
    {
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
fn lo_que_no_se_ve_por_dentro_de_un_nombre_se_dice() {
    for opcion in ["--org", "--bucket", "--token", "--url"] {
        let base = ["--url", "http://x", "--token", "t", "--org", "o", "--bucket", "b", opcion, "a\u{200b}b"];
        contiene(&uso(ordenes(&base).agente()), "un carácter invisible (U+200B)");
    }
    let base = ["--mongodb-uri", "mongodb://x", "--mongodb-database", "a\u{ad}b"];
    contiene(&uso(ordenes(&base).consumidor()), "MONGODB_DATABASE (o --mongodb-database) lleva un carácter");
    let con_espacio = ["--url", "http://x", "--token", "t", "--org", "Mi centro", "--bucket", "b"];
    ordenes(&con_espacio).agente().unwrap();
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
