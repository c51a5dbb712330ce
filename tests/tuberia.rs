//! Productor y consumidor enteros, sobre el motor embebido.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Output, Stdio};

mod comun;
#[path = "comun/embebido.rs"]
mod embebido;

use comun::{EnMarcha, azar, programa};
use embebido::{bueno, comprobar_ventanas, documentos, mandar};
use practicas_iabd06::config::kafka::PUERTO;
use practicas_iabd06::motores::a_mano;
use practicas_iabd06::nombres::{CRUDOS, TOPIC};
use rusqlite::Connection;
use serde_json::{Value, json};

fn correr(nombre: &str, carpeta: &Path, argumentos: &[&str]) -> Output {
    programa(nombre, carpeta, argumentos).output().unwrap()
}

fn errores(salida: &Output) -> String {
    String::from_utf8(salida.stderr.clone()).unwrap()
}

#[test]
fn nueve_rondas_dan_45_crudos_y_2_kpis_que_salen_de_ellos() {
    let carpeta = tempfile::tempdir().unwrap();
    let salida = correr("productor", carpeta.path(), &["--rondas", "9", "--intervalo", "1ms"]);
    assert_eq!(salida.status.code(), Some(0), "{}", errores(&salida));
    assert!(errores(&salida).lines().next().unwrap().contains("Motor embebido en datos"));
    assert!(errores(&salida).contains("9 rondas: 45 mensajes confirmados, 0 sin confirmar."));
    let salida = correr("consumidor", carpeta.path(), &["--mensajes", "45"]);
    assert_eq!(salida.status.code(), Some(0), "{}", errores(&salida));
    assert!(errores(&salida).contains("ventana abierta: 5/20, se releerá"));
    assert_eq!(comprobar_ventanas(carpeta.path(), 20), (45, 2));

    // Cada KPI se enseña en JSON: lo guardado, con dos decimales.
    let normal = String::from_utf8(salida.stdout).unwrap();
    let ensenados: Vec<Value> =
        normal.lines().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut guardados: Vec<Value> = documentos(carpeta.path(), "system_metrics_kpis").into_values().collect();
    for valor in guardados.iter_mut().flat_map(|kpi| kpi.as_object_mut().unwrap().values_mut()) {
        if valor.is_f64() {
            *valor = json!((valor.as_f64().unwrap() * 100.0).round() / 100.0);
        }
    }
    assert_eq!(ensenados, guardados);
    let crudo = &documentos(carpeta.path(), "system_metrics_raw")[&format!("{TOPIC}#0#0")];
    assert_eq!((&crudo["server_id"], &crudo["kafka"]["key"]), (&json!("web01"), &json!("web01")));
    assert!(crudo["timestamp"].as_str().unwrap().starts_with("20") && crudo["kafka"]["crc32"].is_u64());
}

#[test]
fn parado_en_el_mensaje_5_de_20_al_volver_la_ventana_es_la_misma() {
    let carpeta = tempfile::tempdir().unwrap();
    correr("productor", carpeta.path(), &["--rondas", "8", "--sin-pausa"]);
    for mensajes in ["25", "1", "20"] {
        // Lee 25 (0 a 24), y las demás veces relee desde el 20, que es lo confirmado.
        let salida = correr("consumidor", carpeta.path(), &["--mensajes", mensajes]);
        assert_eq!(salida.status.code(), Some(0), "{}", errores(&salida));
    }
    assert_eq!(comprobar_ventanas(carpeta.path(), 20), (40, 2));
}

#[test]
fn mensajes_n_no_guarda_el_n_mas_1() {
    let carpeta = tempfile::tempdir().unwrap();
    correr("productor", carpeta.path(), &["--rondas", "4", "--sin-pausa"]);
    correr("consumidor", carpeta.path(), &["--mensajes", "7", "--ventana", "3"]);
    assert_eq!(comprobar_ventanas(carpeta.path(), 3), (7, 2));
}

#[test]
#[cfg(unix)]
fn matado_al_azar_mientras_se_produce_no_se_pierde_ni_se_repite_nada() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut orden = programa("productor", carpeta.path(), &["--intervalo", "5ms"]);
    let produccion = EnMarcha(orden.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut azar = azar();
    for _ in 0..10 {
        let mut orden = programa("consumidor", carpeta.path(), &[]);
        let mut consumidor = EnMarcha(orden.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        consumidor.lecturas(azar.usize(1..20)); // líneas de su salida: el azar de cuándo muere
        consumidor.senal("-KILL");
    }
    produccion.senal("-INT");
    let (codigo, resumen) = produccion.fin();
    let enviados = final_del_topic(carpeta.path());
    assert_eq!(codigo, Some(0), "{resumen}");
    assert!(resumen.contains(&format!(" {enviados} mensajes confirmados, 0 sin confirmar.")), "{resumen}");

    let relee = (enviados - confirmado(carpeta.path())).to_string();
    let salida = correr("consumidor", carpeta.path(), &["--mensajes", &relee]);
    assert_eq!(salida.status.code(), Some(0), "{}", errores(&salida));
    assert_eq!(comprobar_ventanas(carpeta.path(), 20), (enviados as usize, enviados as usize / 20));
}

fn final_del_topic(carpeta: &Path) -> i64 {
    let conexion = Connection::open(carpeta.join("datos/motor.sqlite3")).unwrap();
    conexion.query_row("SELECT max(offset) + 1 FROM mensajes", [], |f| f.get(0)).unwrap()
}

fn confirmado(carpeta: &Path) -> i64 {
    let conexion = Connection::open(carpeta.join("datos/motor.sqlite3")).unwrap();
    conexion.query_row("SELECT siguiente FROM grupos", [], |f| f.get(0)).unwrap_or(0)
}

#[test]
#[cfg(unix)]
fn ctrl_c_guarda_lo_recibido_y_deja_la_ventana_abierta_sin_confirmar() {
    let carpeta = tempfile::tempdir().unwrap();
    correr("productor", carpeta.path(), &["--rondas", "5", "--sin-pausa"]);
    for senal in ["-INT", "-TERM"] {
        let mut orden = programa("consumidor", carpeta.path(), &[]);
        let mut consumidor = EnMarcha(orden.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        consumidor.lecturas(1);
        consumidor.senal(senal);
        let (codigo, errores) = consumidor.fin();
        assert_eq!(codigo, Some(0), "{errores}");
        assert!(errores.contains("ventana abierta: 5/20, se releerá"), "{errores}");
        assert_eq!(confirmado(carpeta.path()), 20);
    }
    assert_eq!(comprobar_ventanas(carpeta.path(), 20), (25, 1));
}

#[test]
#[cfg(unix)]
fn colgado_de_un_broker_mudo_ctrl_c_tambien_lo_para() {
    let carpeta = tempfile::tempdir().unwrap();
    // Lo que no ha confirmado el broker se pierde; lo que no ha confirmado el consumidor se releerá.
    for (nombre, esperado) in [("productor", 1), ("consumidor", 0)] {
        let mudo = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let direccion = mudo.local_addr().unwrap().to_string();
        let mut orden = programa(nombre, carpeta.path(), &["--broker", &direccion]);
        let programa = EnMarcha(orden.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let _conexion = mudo.accept().unwrap(); // acepta y no contesta nunca
        programa.senal("-INT");
        let (codigo, errores) = programa.fin();
        assert_eq!(codigo, Some(esperado), "{errores}");
        assert!(errores.contains("Parado sin esperar más"), "{errores}");
    }
}

#[test]
fn mil_mensajes_malformados_de_veinte_clases_se_descartan_y_los_buenos_cuentan() {
    let carpeta = tempfile::tempdir().unwrap();
    let quitar = |campo: &str| {
        let mut mensaje: Value = serde_json::from_slice(&bueno(1)).unwrap();
        mensaje["metrics"].as_object_mut().unwrap().remove(campo);
        mensaje.to_string().into_bytes()
    };
    let poner = |campo: &str, valor: Value| {
        let mut mensaje: Value = serde_json::from_slice(&bueno(1)).unwrap();
        mensaje["metrics"][campo] = valor;
        mensaje.to_string().into_bytes()
    };
    let malos: Vec<Vec<u8>> = vec![
        vec![],
        b"hola".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        bueno(1)[..40].to_vec(),
        b"[]".to_vec(),
        b"7".to_vec(),
        b"null".to_vec(),
        b"{}".to_vec(),
        br#"{"metrics":null}"#.to_vec(),
        quitar("cpu_percent"),
        quitar("memory_percent"),
        quitar("disk_io_mbps"),
        quitar("network_mbps"),
        quitar("error_count"),
        poner("cpu_percent", json!("64.4")),
        poner("memory_percent", json!(true)),
        poner("disk_io_mbps", json!({})),
        poner("network_mbps", json!(null)),
        poner("error_count", json!(0.5)),
        "[".repeat(5_000).into_bytes(),
    ];
    assert_eq!(malos.iter().collect::<BTreeSet<_>>().len(), 20);
    let mezcla = (0..1_000).flat_map(|n| [malos[n % 20].clone(), bueno(n as u64)]);
    mandar(carpeta.path(), mezcla);
    let salida = correr("consumidor", carpeta.path(), &["--mensajes", "2000"]);
    assert_eq!(salida.status.code(), Some(0), "{}", errores(&salida));
    assert_eq!(comprobar_ventanas(carpeta.path(), 20), (1_000, 50));
    let descartados = documentos(carpeta.path(), "system_metrics_descartados");
    assert_eq!(descartados.len(), 1_000);
    assert!(
        descartados
            .values()
            .all(|d| !d["razon"].as_str().unwrap().is_empty() && d["kafka"]["offset"].is_i64())
    );
    assert_eq!(descartados[&format!("{TOPIC}#0#2")]["bytes"], "hola");
    assert_eq!(descartados[&format!("{TOPIC}#0#4")]["bytes"], json!({"$hex": "fffe00"}));

    // Un campo que choca con los nuestros se conserva, aparte.
    let crudo = &documentos(carpeta.path(), "system_metrics_raw")[&format!("{TOPIC}#0#1")];
    assert_eq!(crudo["original"], json!({"_id": 0, "kafka": "mío"}));
    assert_eq!(crudo["otro"], json!({"ñ": "😀"}));
}

#[test]
fn un_topic_creado_otra_vez_se_dice_y_no_se_sobrescribe_nada() {
    let carpeta = tempfile::tempdir().unwrap();
    mandar(carpeta.path(), (0..30).map(bueno));
    correr("consumidor", carpeta.path(), &["--mensajes", "30"]);
    let antes = documentos(carpeta.path(), "system_metrics_raw");

    // Borrado y creado otra vez, más corto: lo confirmado (20) queda más allá del final.
    let conexion = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    conexion.execute("DELETE FROM mensajes", []).unwrap();
    mandar(carpeta.path(), (100..105).map(bueno));
    let salida = correr("consumidor", carpeta.path(), &[]);
    assert_eq!(salida.status.code(), Some(1));
    assert!(errores(&salida).contains("iba por el offset 20") && errores(&salida).contains("--group-id"));

    // Con otro grupo se lee desde el principio, y los mismos _id son ahora de otros mensajes.
    let salida = correr("consumidor", carpeta.path(), &["--group-id", "otro"]);
    assert_eq!(salida.status.code(), Some(1));
    let frase = errores(&salida);
    assert!(frase.contains(&format!("{TOPIC}#0#0")) && frase.contains("MONGODB_DATABASE"), "{frase}");
    assert!(frase.contains("--datos"), "{frase}");
    assert_eq!(documentos(carpeta.path(), "system_metrics_raw"), antes);
}

#[test]
fn lo_que_se_usa_mal_se_dice_en_una_frase_y_acaba_con_2() {
    let carpeta = tempfile::tempdir().unwrap();
    let casos: &[(&str, &[&str], &str)] = &[
        ("productor", &["--rondas", "0"], "un entero de 1 en adelante"),
        ("productor", &["--servidores", "2000000"], "no puede pasar de un millón"),
        ("productor", &["--broker", "localhost:"], "se espera host:puerto"),
        ("productor", &["--broker", ""], "el broker está vacío"),
        ("productor", &["--mensajes", "3"], "no existe la opción"),
        ("consumidor", &["--ventana", "0"], "un entero de 1 en adelante"),
        ("consumidor", &["--ventana", "1000001"], "no puede pasar de un millón"),
        ("consumidor", &["--group-id", ""], "--group-id no puede estar vacío"),
        ("consumidor", &["--mongodb-database", "x"], "falta la conexión: MONGODB_URI"),
        ("productor", &["--kafka-config", "sin-igual"], "clave=valor"),
        ("consumidor", &["--kafka-config", "client.id=a,enable.auto.commit=true"], "no se puede cambiar"),
    ];
    for (nombre, argumentos, frase) in casos {
        let salida = correr(nombre, carpeta.path(), argumentos);
        assert_eq!(salida.status.code(), Some(2), "{argumentos:?}: {}", errores(&salida));
        assert!(errores(&salida).contains(frase), "{argumentos:?}: {}", errores(&salida));
    }
}

#[test]
fn lo_de_librdkafka_sin_ella_o_sin_broker_es_un_error_y_la_contrasena_no_sale() {
    let carpeta = tempfile::tempdir().unwrap();
    let frase = if cfg!(feature = "librdkafka") { "falta el broker" } else { "--features librdkafka" };
    for nombre in ["productor", "consumidor"] {
        for (variable, valor) in [
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SASL_MECHANISM", "PLAIN"),
            ("KAFKA_SASL_USERNAME", "ana"),
            ("KAFKA_SASL_PASSWORD", "muy-secreta"),
            ("KAFKA_SSL_CA_LOCATION", "ca.pem"),
        ] {
            let salida = programa(nombre, carpeta.path(), &[]).env(variable, valor).output().unwrap();
            let errores = errores(&salida);
            assert_eq!(salida.status.code(), Some(2), "{errores}");
            assert!(errores.contains(variable) && errores.contains(frase), "{errores}");
            assert!(!errores.contains("muy-secreta"), "{errores}");
        }
    }
}

#[test]
fn si_hay_un_kafka_a_mano_el_motor_embebido_dice_como_usarlo() {
    let escucha = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let puerto = escucha.local_addr().unwrap().port();
    assert!(a_mano(puerto).unwrap().contains(&format!("para usarlo, --broker localhost:{puerto}")));
    drop(escucha);
    assert_eq!(a_mano(puerto), None);

    // Y el programa lo dice del puerto de siempre, haya o no un Kafka en este ordenador.
    let carpeta = tempfile::tempdir().unwrap();
    let salida = correr("productor", carpeta.path(), &["--rondas", "1"]);
    assert_eq!(errores(&salida).contains("responde algo"), a_mano(PUERTO).is_some(), "{salida:?}");
}

#[test]
fn una_carpeta_que_no_vale_se_dice_y_se_pide_otra() {
    // Ni se puede abrir el fichero ni, como en una carpeta de red, trabajar en modo WAL.
    for (nombre, estorbo) in [("productor", "motor.sqlite3"), ("consumidor", "motor.sqlite3-wal")] {
        let carpeta = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(carpeta.path().join("datos").join(estorbo)).unwrap();
        let salida = correr(nombre, carpeta.path(), &[]);
        assert_eq!(salida.status.code(), Some(1), "{salida:?}");
        assert!(errores(&salida).contains("elige otra carpeta con --datos"), "{salida:?}");
    }
}

#[test]
fn un_mongodb_que_no_contesta_se_dice_por_que_y_la_clave_no_sale() {
    let carpeta = tempfile::tempdir().unwrap();
    let escucha = std::net::TcpListener::bind("127.0.0.1:0").unwrap(); // y nunca atiende
    let mudo = escucha.local_addr().unwrap();
    let libre = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let casos = [
        (format!("mongodb://ana:secreta@{libre}"), "ahí no escucha nadie"),
        (format!("mongodb://ana:secreta@{mudo}"), "no contesta a tiempo"),
        ("mongodb://ana:secreta@no-existe.invalid".to_owned(), "no se encuentra ese nombre de servidor"),
        ("mongodb+srv://ana:secreta@no-existe.invalid".to_owned(), "el DNS no encuentra el clúster"),
        ("mongodb+srv://ana:<db_password>@c.abc.mongodb.net".to_owned(), "está todavía <db_password>"),
    ];
    for (uri, frase) in casos {
        let salida = programa("consumidor", carpeta.path(), &["--detalle"]).env("MONGODB_URI", &uri).output();
        let salida = salida.unwrap();
        let errores = errores(&salida);
        assert!(matches!(salida.status.code(), Some(1 | 2)), "{uri}: {errores}");
        assert!(errores.contains(frase) && !errores.contains("secreta"), "{uri}: {errores}");
    }
}

#[test]
fn una_fecha_imposible_no_para_el_consumidor() {
    let carpeta = tempfile::tempdir().unwrap();
    let fechas = ["9999-12-31T23:59:59-00:01", "1500-01-01T00:00:00Z", "0000-01-01T00:00:00+23:59"];
    let valores = fechas.map(|fecha| {
        let mut mensaje: Value = serde_json::from_slice(&bueno(1)).unwrap();
        mensaje["timestamp_utc"] = json!(fecha);
        mensaje.to_string().into_bytes()
    });
    mandar(carpeta.path(), valores);
    let salida = correr("consumidor", carpeta.path(), &["--mensajes", "3", "--silencioso"]);
    assert!(errores(&salida).contains("no está entre 1970 y 9999"), "{}", errores(&salida));
    let crudos = documentos(carpeta.path(), "system_metrics_raw");
    assert_eq!(crudos.len(), 3);
    assert!(crudos.values().all(|c| c.get("timestamp").is_none() && c["timestamp_utc"].is_string()));
}

#[test]
fn los_kpis_de_otra_historia_se_notan_aunque_no_queden_sus_crudos() {
    let carpeta = tempfile::tempdir().unwrap();
    mandar(carpeta.path(), (0..20).map(bueno));
    correr("consumidor", carpeta.path(), &["--mensajes", "20"]);
    let base = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    base.execute_batch(&format!("DELETE FROM {CRUDOS}; DELETE FROM mensajes; DELETE FROM grupos")).unwrap();
    drop(base);
    mandar(carpeta.path(), (100..120).map(bueno));
    let salida = programa("consumidor", carpeta.path(), &["--mensajes", "20"]).output().unwrap();
    assert_eq!(salida.status.code(), Some(1));
    assert!(errores(&salida).contains(&format!("{TOPIC}#0#0-19")), "{}", errores(&salida));
}

#[test]
fn un_fichero_de_otra_version_se_dice_en_espanol() {
    let carpeta = tempfile::tempdir().unwrap();
    std::fs::create_dir(carpeta.path().join("datos")).unwrap();
    let base = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    base.execute_batch("CREATE TABLE mensajes (topic TEXT); CREATE TABLE grupos (grupo TEXT)").unwrap();
    drop(base);
    for programa_y_opcion in [("productor", "--rondas"), ("consumidor", "--mensajes")] {
        let (nombre, opcion) = programa_y_opcion;
        let salida = programa(nombre, carpeta.path(), &[opcion, "1"]).output().unwrap();
        assert_eq!(salida.status.code(), Some(1));
        assert!(errores(&salida).contains("sus tablas son de otra versión"), "{}", errores(&salida));
    }
}
