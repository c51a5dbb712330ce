//! Productor y consumidor enteros, sobre el motor embebido.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod comun;
use comun::{EnMarcha, azar, programa};
use practicas_iabd06::almacen::embebido::AlmacenEmbebido;
use practicas_iabd06::almacen::{Almacen, Dato, Documento, ErrorAlmacen, a_json};
use practicas_iabd06::broker::embebido::{EmisorEmbebido, ReceptorEmbebido};
use practicas_iabd06::broker::tope::ConTope;
use practicas_iabd06::broker::{Emisor, ErrorBroker, PorEnviar, Receptor, Recibido, Registro};
use practicas_iabd06::config::kafka::PUERTO;
use practicas_iabd06::consumo::Consumo;
use practicas_iabd06::motores::a_mano;
use practicas_iabd06::nombres::{CRUDOS, KPIS, TOPIC};
use rusqlite::Connection;
use serde_json::{Value, json};

fn correr(nombre: &str, carpeta: &Path, argumentos: &[&str]) -> Output {
    programa(nombre, carpeta, argumentos).output().unwrap()
}

fn errores(salida: &Output) -> String {
    String::from_utf8(salida.stderr.clone()).unwrap()
}

/// Los documentos de una colección, por su `_id`.
fn documentos(carpeta: &Path, coleccion: &str) -> BTreeMap<String, Value> {
    let conexion = Connection::open(carpeta.join("datos/motor.sqlite3")).unwrap();
    let mut consulta = conexion.prepare(&format!("SELECT _id, documento FROM {coleccion}_iabd06")).unwrap();
    let filas = consulta.query_map([], |f| Ok((f.get(0)?, f.get::<_, String>(1)?))).unwrap();
    filas.map(Result::unwrap).map(|(id, texto)| (id, serde_json::from_str(&texto).unwrap())).collect()
}

/// Comprueba que los KPIs guardados son las ventanas exactas de `n` crudos, y que salen de ellos.
fn comprobar_ventanas(carpeta: &Path, n: usize) -> (usize, usize) {
    let (crudos, kpis) =
        (documentos(carpeta, "system_metrics_raw"), documentos(carpeta, "system_metrics_kpis"));
    let mut por_offset: Vec<_> = crudos.values().collect();
    por_offset.sort_by_key(|d| d["kafka"]["offset"].as_i64());
    let ventanas: Vec<_> = por_offset.chunks_exact(n).collect();
    assert_eq!(kpis.len(), ventanas.len());
    for ventana in ventanas {
        let de = |i: usize| ventana[i]["kafka"]["offset"].as_i64().unwrap();
        let kpi = &kpis[&format!("{TOPIC}#0#{}-{}", de(0), de(n - 1))];
        let metrica = |m: &str| ventana.iter().map(|d| d["metrics"][m].as_f64().unwrap()).sum::<f64>();
        for m in ["cpu_percent", "memory_percent", "disk_io_mbps", "network_mbps"] {
            let promedio = kpi[format!("{m}_avg")].as_f64().unwrap();
            assert!((promedio - metrica(m) / n as f64).abs() < 1e-9, "{m}: {promedio}");
        }
        assert_eq!(kpi["error_count_sum"].as_f64().unwrap(), metrica("error_count"));
        assert_eq!((&kpi["num_mensajes"], &kpi["particion"]), (&json!(n), &json!(0)));
        assert_eq!((&kpi["offset_inicio"], &kpi["offset_fin"]), (&json!(de(0)), &json!(de(n - 1))));
    }
    (crudos.len(), kpis.len())
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
    for nombre in ["productor", "consumidor"] {
        let mudo = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let direccion = mudo.local_addr().unwrap().to_string();
        let mut orden = programa(nombre, carpeta.path(), &["--broker", &direccion]);
        let programa = EnMarcha(orden.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let _conexion = mudo.accept().unwrap(); // acepta y no contesta nunca
        programa.senal("-INT");
        let (codigo, errores) = programa.fin();
        assert_eq!(codigo, Some(0), "{errores}");
    }
}

/// Manda estos contenidos tal cual.
fn mandar(carpeta: &Path, contenidos: impl IntoIterator<Item = Vec<u8>>) {
    let mensajes: Vec<_> =
        contenidos.into_iter().map(|valor| PorEnviar { clave: "x".to_owned(), valor }).collect();
    EmisorEmbebido::new(&carpeta.join("datos"), TOPIC).unwrap().enviar(&mensajes).unwrap();
}

fn bueno(n: u64) -> Vec<u8> {
    json!({"server_id": "web01", "timestamp_utc": "2026-04-18T14:48:18.009002+00:00", "metrics": {
        "cpu_percent": n, "memory_percent": 2.5, "disk_io_mbps": 3, "network_mbps": 4.5, "error_count": 1},
        "_id": n, "kafka": "mío", "otro": {"ñ": "😀"}})
    .to_string()
    .into_bytes()
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

// --- las piezas, sin programas ------------------------------------------------------------------

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

fn registro(particion: i32, offset: i64, valor: Vec<u8>) -> Registro {
    Registro { particion, offset, clave: Some(b"web01".to_vec()), valor }
}

#[test]
fn las_ventanas_son_por_particion_y_se_confirma_donde_no_hay_ninguna_abierta() {
    let mut consumo = Consumo::new("t", 2);
    let malo = || b"malo".to_vec();
    let registros = vec![
        registro(0, 10, bueno(1)),
        registro(1, 5, malo()),    // sin ventana abierta: se confirma
        registro(0, 11, bueno(3)), // cierra la ventana de la 0
        registro(0, 12, malo()),   // sin ventana abierta: se confirma
        registro(2, 0, bueno(1)),
        registro(2, 1, malo()), // con la ventana abierta: no
        registro(0, 13, bueno(5)),
    ];
    let tanda = consumo.procesar(&Recibido { reiniciadas: vec![], registros }, UNIX_EPOCH);
    assert_eq!((tanda.crudos.len(), tanda.descartados.len()), (4, 3));
    assert_eq!(tanda.kpis.iter().map(|k| &*k.id).collect::<Vec<_>>(), ["t#0#10-11"]);
    assert_eq!(tanda.confirmar, BTreeMap::from([(0, 13), (1, 6)]));
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1), (2, 1)]);
    let otra_vez = |reiniciadas: &[i32]| Recibido { reiniciadas: reiniciadas.to_vec(), registros: vec![] };
    consumo.procesar(&otra_vez(&[1, 2]), UNIX_EPOCH);
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1)]);
    // Lo que llega con el aviso ya es de la ventana nueva.
    let recibido = Recibido { reiniciadas: vec![0], registros: vec![registro(0, 13, bueno(5))] };
    consumo.procesar(&recibido, UNIX_EPOCH);
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1)]);
    consumo.procesar(&otra_vez(&[0]), UNIX_EPOCH);
    assert_eq!(consumo.abiertas().count(), 0);
}

#[test]
fn releer_da_los_mismos_documentos_salvo_la_hora() {
    let registros = (0..5).map(|n| registro(0, n, bueno(n as u64))).collect();
    let recibido = Recibido { reiniciadas: vec![], registros };
    let ids = |llegada: SystemTime| {
        let tanda = Consumo::new("t", 3).procesar(&recibido, llegada);
        let todos = tanda.crudos.iter().chain(&tanda.kpis);
        todos.map(|d| (d.id.clone(), d.crc32)).collect::<Vec<_>>()
    };
    assert_eq!(ids(UNIX_EPOCH), ids(UNIX_EPOCH + Duration::from_secs(9)));
}

#[test]
fn el_receptor_sigue_por_lo_confirmado_y_tras_un_error_vuelve_a_ello() {
    let carpeta = tempfile::tempdir().unwrap();
    let nuevo = || ReceptorEmbebido::new(&carpeta.path().join("datos"), TOPIC, "g").unwrap();
    // Los offsets que llegan, y las particiones que han vuelto a lo confirmado.
    let leer = |receptor: &mut ReceptorEmbebido| {
        let Recibido { reiniciadas, registros } = receptor.recibir(Duration::ZERO).unwrap();
        (registros.iter().map(|r| r.offset).collect::<Vec<_>>(), reiniciadas)
    };
    let confirmar = |receptor: &mut ReceptorEmbebido, siguiente| receptor.confirmar(&[(0, siguiente)].into());
    mandar(carpeta.path(), (0..5).map(bueno));
    let mut receptor = nuevo();
    assert_eq!(receptor.atraso().unwrap(), 5);
    assert_eq!(leer(&mut receptor), (vec![0, 1, 2, 3, 4], vec![0]));
    assert_eq!((receptor.atraso().unwrap(), leer(&mut receptor)), (0, (vec![], vec![])));
    confirmar(&mut receptor, 3).unwrap();
    assert_eq!(leer(&mut nuevo()), (vec![3, 4], vec![0]));

    // Confirmar falla: se vuelve a lo confirmado, y se dice.
    let conexion = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    conexion.execute("ALTER TABLE grupos RENAME TO apartada", []).unwrap();
    confirmar(&mut receptor, 5).unwrap_err();
    conexion.execute("ALTER TABLE apartada RENAME TO grupos", []).unwrap();
    assert_eq!(leer(&mut receptor), (vec![3, 4], vec![0]));

    confirmar(&mut receptor, 9).unwrap();
    assert!(matches!(nuevo().recibir(Duration::ZERO), Err(ErrorBroker::Definitivo(_))));
}

#[test]
fn con_tope_llegan_los_primeros_y_ninguno_mas() {
    let carpeta = tempfile::tempdir().unwrap();
    mandar(carpeta.path(), (0..5).map(bueno));
    let embebido = || Box::new(ReceptorEmbebido::new(&carpeta.path().join("datos"), TOPIC, "g").unwrap());
    for (tope, esperados, completo) in [(Some(3), 3, true), (Some(9), 5, false), (None, 5, false)] {
        let mut receptor = ConTope::new(embebido(), tope);
        let recibido = receptor.recibir(Duration::ZERO).unwrap();
        assert_eq!((recibido.registros.len(), receptor.completo()), (esperados, completo));
        assert_eq!(recibido.reiniciadas, [0]);
    }
}

#[test]
fn el_almacen_no_repite_no_sustituye_y_distingue_otra_historia() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut almacen = AlmacenEmbebido::new(carpeta.path()).unwrap();
    let documento = |id: &str, crc32, n: u64| Documento {
        id: id.to_owned(),
        crc32,
        campos: vec![("n".to_owned(), Dato::Json(n.into()))],
    };
    assert_eq!(almacen.insertar(CRUDOS, &[documento("a", Some(1), 1), documento("b", Some(2), 2)]), Ok(2));
    assert_eq!(almacen.insertar(CRUDOS, &[documento("a", Some(1), 9), documento("c", Some(3), 3)]), Ok(1));
    let otra = almacen.insertar(CRUDOS, &[documento("d", Some(4), 4), documento("b", Some(7), 2)]);
    assert_eq!(otra, Err(ErrorAlmacen::OtraHistoria("b".to_owned())));
    assert_eq!(almacen.insertar(KPIS, &[documento("k", None, 1)]), Ok(1));
    assert_eq!(almacen.insertar(KPIS, &[documento("k", None, 2)]), Ok(0), "un KPI guardado se conserva");
    assert_eq!(almacen.insertar(KPIS, &[]), Ok(0));
    assert_eq!(a_json(&documento("a", None, 1)), json!({"_id": "a", "n": 1}));
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
