//! El panel entero sobre el fichero del agente y el motor embebido.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

mod comun;
#[path = "comun/panel.rs"]
mod panel;

use comun::ejecutable;
use panel::{Panel, correr, numeros};
use practicas_iabd06::broker::embebido::EmisorEmbebido;
use practicas_iabd06::broker::{Emisor, PorEnviar};
use practicas_iabd06::nombres::TOPIC;
use rusqlite::Connection;
use serde_json::{Value, json};

const AGENTE: &str = env!("CARGO_BIN_EXE_agente_monitoreo");
const PRODUCTOR: &str = env!("CARGO_BIN_EXE_productor_metrics_iabd06");
const CONSUMIDOR: &str = env!("CARGO_BIN_EXE_consumidor_metrics_iabd06");
const PANEL: &str = env!("CARGO_BIN_EXE_panel_metricas");

fn ahora_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn anadir(carpeta: &Path, texto: &str) {
    fs::create_dir_all(carpeta.join("datos")).unwrap();
    let ruta = carpeta.join("datos/rendimiento_servidor.lp");
    OpenOptions::new().create(true).append(true).open(ruta).unwrap().write_all(texto.as_bytes()).unwrap();
}

fn linea(host: &str, cpu: f64, t: i64) -> String {
    format!(
        "rendimiento_servidor,entorno=produccion,host_id={host} cpu_percent={cpu},ram_percent=40.5 {t}000000\n"
    )
}

/// Pone mensajes en el topic y los pasa por el consumidor.
fn consumir(carpeta: &Path, mensajes: &[String]) {
    let mut emisor = EmisorEmbebido::new(&carpeta.join("datos"), TOPIC).unwrap();
    let mensajes: Vec<_> =
        mensajes.iter().map(|m| PorEnviar { clave: "k".to_owned(), valor: m.clone().into_bytes() }).collect();
    emisor.enviar(&mensajes).unwrap();
    correr(CONSUMIDOR, carpeta, &["--mensajes", &mensajes.len().to_string(), "--silencioso"]);
}

fn mensaje(server_id: &Value, cpu: f64) -> String {
    json!({"server_id": server_id, "timestamp_utc": "2026-04-18T14:48:18.009002+00:00",
           "metrics": {"cpu_percent": cpu, "memory_percent": 50, "disk_io_mbps": 1.5, "network_mbps": 2.5,
                       "error_count": 0}})
    .to_string()
}

// --- las vistas ---------------------------------------------------------------------------------

#[test]
fn en_una_carpeta_vacia_cada_vista_dice_la_orden_que_la_llenaria_y_no_se_crea_nada() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    for (ruta, ordenes) in [
        ("/api/servidor", &["cargo run --bin agente_monitoreo"][..]),
        (
            "/api/flota",
            &["cargo run --bin productor_metrics_iabd06", "cargo run --bin consumidor_metrics_iabd06"],
        ),
        (
            "/api/kpis",
            &["cargo run --bin productor_metrics_iabd06", "cargo run --bin consumidor_metrics_iabd06"],
        ),
    ] {
        let vista = panel.json(ruta);
        assert_eq!(vista["aviso"]["nivel"], "info", "{vista}");
        assert!(vista["aviso"]["frase"].as_str().unwrap().starts_with("Aún no hay"), "{vista}");
        assert_eq!(vista["aviso"]["orden"], ordenes.join("\n"));
    }
    assert_eq!(fs::read_dir(carpeta.path()).unwrap().count(), 0, "el panel no escribe nada");
}

#[test]
fn se_ve_en_vivo_lo_que_hacen_el_agente_el_productor_y_el_consumidor() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    panel.json("/api/servidor"); // abierto desde antes de que haya nada
    panel.json("/api/kpis");

    correr(AGENTE, carpeta.path(), &["--lecturas", "3", "--intervalo", "200ms", "--silencioso"]);
    let de_ahora = |v: &Value| v["ultimo"]["t"].as_i64().is_some_and(|t| t > ahora_ms() - 60_000);
    let vista = panel.hasta_que("/api/servidor", de_ahora);
    assert_eq!(vista["aviso"], Value::Null);
    assert_eq!((&vista["host"], &vista["hosts"]), (&json!("servidor_A"), &json!(["servidor_A"])));
    assert_eq!(vista["motor"], json!({"nombre": "fichero", "donde": "datos/rendimiento_servidor.lp"}));
    let cubos = vista["t"].as_array().unwrap().len();
    for campo in ["cpu_percent", "ram_percent", "disk_percent"] {
        assert!((0.0..=100.0).contains(&vista["ultimo"][campo].as_f64().unwrap()));
        for columna in ["min", "max", "media"] {
            assert_eq!(numeros(&vista[campo][columna]).len(), cubos, "{campo} {columna}");
        }
    }
    let antes = vista["ultimo"]["t"].clone();
    correr(AGENTE, carpeta.path(), &["--lecturas", "1", "--intervalo", "200ms", "--silencioso"]);
    panel.hasta_que("/api/servidor?host=servidor_A&rango=1h", |v| v["ultimo"]["t"].as_i64() > antes.as_i64());

    let productor = |rondas: &str| {
        correr(PRODUCTOR, carpeta.path(), &["--rondas", rondas, "--sin-pausa", "--silencioso"]);
    };
    productor("2");
    correr(CONSUMIDOR, carpeta.path(), &["--mensajes", "10", "--silencioso"]);
    let vista = panel.hasta_que("/api/kpis", |v| v["abierta"]["mensajes"] == 10);
    assert_eq!(vista["abierta"], json!({"mensajes": 10, "de": 20, "faltan": 10}));
    assert_eq!(vista["aviso"]["frase"], "Aún no hay ventanas: faltan 10 mensajes.");
    assert_eq!(vista["aviso"]["orden"], "cargo run --bin productor_metrics_iabd06");

    productor("7"); // el consumidor relee los 10 de la ventana abierta
    correr(CONSUMIDOR, carpeta.path(), &["--mensajes", "45", "--silencioso"]);
    let vista = panel.hasta_que("/api/kpis?rango=5m", |v| v["ventanas_total"] == 2);
    assert_eq!(vista["aviso"], Value::Null);
    assert_eq!(vista["abierta"], json!({"mensajes": 5, "de": 20, "faltan": 15}));
    let ventanas = vista["ventanas"].as_array().unwrap();
    assert_eq!(ventanas[0]["_id"], format!("{TOPIC}#0#20-39"), "la más nueva, delante");
    assert_eq!(ventanas[1]["num_mensajes"], 20);
    let promedios: Vec<f64> = ventanas.iter().map(|v| v["cpu_percent_avg"].as_f64().unwrap()).collect();
    let extremos = |columna: &str| numeros(&vista["cpu_percent_avg"][columna]);
    assert!(extremos("min").contains(&promedios[0].min(promedios[1])), "{vista}");
    assert!(extremos("max").contains(&promedios[0].max(promedios[1])), "{vista}");

    let flota = panel.hasta_que("/api/flota", |v| v["mensajes"] == 45);
    assert_eq!((&flota["total"], &flota["encontrados"]), (&json!(5), &json!(5)));
    assert!(flota["msg_seg"].as_f64().unwrap() > 0.0);
    for servidor in flota["servidores"].as_array().unwrap() {
        assert_eq!(servidor["serie"]["t"].as_array().unwrap().len(), 9);
        let ultima = servidor["serie"]["network_mbps"].as_array().unwrap().last().unwrap();
        assert_eq!(ultima, &servidor["network_mbps"]);
        let alta = servidor["cpu_percent"].as_f64().unwrap() >= 85.0;
        assert_eq!(servidor["sobre"].as_array().unwrap().contains(&json!("cpu_percent")), alta);
    }
    assert_eq!(panel.json("/api/flota?buscar=WEB")["encontrados"], 2);
}

#[test]
fn un_dia_de_puntos_se_reduce_sin_perder_los_picos() {
    let carpeta = tempfile::tempdir().unwrap();
    let ahora = ahora_ms();
    let cpu = |i: i64| match i {
        1_000 => 99.75,  // hace casi 17 minutos
        70_000 => 0.125, // hace casi 20 horas
        _ => 10.0 + (i % 50) as f64,
    };
    let lineas: String = (0..86_400).rev().map(|i| linea("servidor_A", cpu(i), ahora - i * 1_000)).collect();
    anadir(carpeta.path(), &lineas);
    let panel = Panel::lanzar(carpeta.path());
    let extremos = |rango: &str| {
        let vista = panel.hasta_que(&format!("/api/servidor?rango={rango}"), |v| v["t"][0].is_number());
        let (min, max) = (numeros(&vista["cpu_percent"]["min"]), numeros(&vista["cpu_percent"]["max"]));
        assert!(max.len() > 250 && max.len() <= 722, "{rango}: {} cubos", max.len());
        assert!(numeros(&vista["t"]).is_sorted());
        assert_eq!(vista["disk_percent"]["max"][0], Value::Null, "el campo que falta es null");
        (min.into_iter().fold(f64::MAX, f64::min), max.into_iter().fold(0.0, f64::max))
    };
    assert_eq!(extremos("5m"), (10.0, 59.0));
    assert_eq!(extremos("1h"), (10.0, 99.75));
    assert_eq!(extremos("24h"), (0.125, 99.75));
}

#[test]
fn hacia_atras_no_se_pierde_ninguna_linea() {
    let carpeta = tempfile::tempdir().unwrap();
    let ahora = ahora_ms();
    // Líneas de un kilobyte: los 5 minutos ocupan varios trozos de lectura.
    let larga = |i: i64| linea("a", i as f64, ahora - i * 1_000).replace("produccion", &"x".repeat(1_000));
    anadir(carpeta.path(), &(0..400).rev().map(larga).collect::<String>());
    let panel = Panel::lanzar(carpeta.path());
    let vista = panel.hasta_que("/api/servidor", |v| v["t"][0].is_number());
    let max = numeros(&vista["cpu_percent"]["max"]);
    assert!(max.len() >= 295, "{} cubos", max.len());
    assert!(max.is_sorted_by(|a, b| a - b == 1.0), "falta alguna: {max:?}");
}

#[test]
fn del_fichero_se_leen_las_lineas_enteras_y_se_nota_si_es_otro() {
    let carpeta = tempfile::tempdir().unwrap();
    let ruta = carpeta.path().join("datos/rendimiento_servidor.lp");
    let ahora = ahora_ms();
    let (entera, cortada) = (linea("a", 1.0, ahora - 9_000), linea("a", 2.0, ahora - 8_000));
    let mala = "esto no es line protocol\nrendimiento_servidor,host_id=a cpu_percent=NaN 1\n\n";
    anadir(carpeta.path(), &format!("{mala}{entera}{}", &cortada[..60]));
    let panel = Panel::lanzar(carpeta.path());
    let cpus = |v: &Value| numeros(&v["cpu_percent"]["max"]);
    panel.hasta_que("/api/servidor", |v| cpus(v) == [1.0]);
    anadir(carpeta.path(), &cortada[60..]);
    panel.hasta_que("/api/servidor", |v| cpus(v) == [1.0, 2.0]);
    // Otro agente, y un nombre con todo lo que se escapa.
    anadir(carpeta.path(), &linea("b\\,\\ <b>\\=", 7.0, ahora - 7_000));
    let vista = panel.hasta_que("/api/servidor", |v| v["hosts_total"] == 2);
    assert_eq!((&vista["hosts"], &vista["host"]), (&json!(["a", "b, <b>="]), &json!("a")));
    panel.hasta_que("/api/servidor?host=b%2C%20%3Cb%3E%3D", |v| cpus(v) == [7.0]);

    // Cambiado por otro del mismo tamaño.
    let largo = fs::metadata(&ruta).unwrap().len() as usize;
    let nuevo = linea("otro", 3.0, ahora - 6_000);
    fs::write(&ruta, format!("{}{nuevo}", "\n".repeat(largo - nuevo.len()))).unwrap();
    panel.hasta_que("/api/servidor", |v| v["hosts"] == json!(["otro"]) && cpus(v) == [3.0]);
    // Recortado.
    fs::write(&ruta, linea("c", 4.0, ahora - 5_000)).unwrap();
    panel.hasta_que("/api/servidor", |v| v["hosts"] == json!(["c"]) && cpus(v) == [4.0]);
    // Borrado, y otra vez ahí.
    fs::remove_file(&ruta).unwrap();
    panel
        .hasta_que("/api/servidor", |v| v["hosts_total"] == 0 && v["aviso"]["frase"] == "Aún no hay puntos.");
    anadir(carpeta.path(), &linea("d", 5.0, ahora - 4_000));
    panel.hasta_que("/api/servidor", |v| v["host"] == "d" && cpus(v) == [5.0]);
}

#[test]
fn lo_de_hace_mucho_se_dice_y_lo_que_no_se_puede_leer_tambien() {
    let carpeta = tempfile::tempdir().unwrap();
    anadir(carpeta.path(), &linea("a", 1.0, ahora_ms() - 3 * 3_600_000));
    fs::write(carpeta.path().join("datos/motor.sqlite3"), "esto no es SQLite, y es bastante largo").unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let vista = panel.json("/api/servidor");
    assert_eq!(vista["aviso"]["frase"], "No hay puntos en los últimos 5 minutos: el último es de hace 3 h.");
    assert_eq!(numeros(&panel.json("/api/servidor?rango=24h")["cpu_percent"]["max"]), [1.0]);
    let otro = panel.json("/api/servidor?host=no-existe");
    assert_eq!(otro["aviso"]["frase"], "No hay puntos de «no-existe» en las últimas 24 horas.");
    for ruta in ["/api/flota", "/api/kpis"] {
        let aviso = &panel.json(ruta)["aviso"];
        assert_eq!(aviso["nivel"], "error", "{aviso}");
        assert!(aviso["frase"].as_str().unwrap().contains("no es un fichero de SQLite"), "{aviso}");
    }
    // Y se recupera solo.
    fs::remove_file(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    correr(PRODUCTOR, carpeta.path(), &["--rondas", "1", "--silencioso"]);
    correr(CONSUMIDOR, carpeta.path(), &["--mensajes", "5", "--silencioso"]);
    panel.hasta_que("/api/flota", |v| v["total"] == 5 && v["aviso"].is_null());
}

// --- datos hostiles o enormes -------------------------------------------------------------------

#[test]
fn nombres_hostiles_textos_de_un_mega_y_metricas_raras_no_rompen_nada() {
    let carpeta = tempfile::tempdir().unwrap();
    let img = "<img src=x onerror=alert(1)>";
    let enorme = "ñ".repeat(500_000);
    let raros = [json!(img), json!(enorme), json!(null), json!({"a": 1}), json!("\u{0}\u{202e}\n")];
    let mut mensajes: Vec<_> = raros.iter().map(|r| mensaje(r, 99.5)).collect();
    mensajes.push(mensaje(&json!("enorme"), 1e300));
    mensajes.push(mensaje(&json!("texto"), 1.0).replace("1.0", "\"NaN\""));
    mensajes.push(format!("{img}{enorme}"));
    // Llegan desordenados, y uno dice ser del futuro.
    for fecha in ["2026-04-18T15:00:00Z", "2026-04-18T14:00:00Z", "9999-01-01T00:00:00Z"] {
        mensajes.push(mensaje(&json!("a"), 1.0).replace("2026-04-18T14:48:18.009002+00:00", fecha));
    }
    consumir(carpeta.path(), &mensajes);

    let panel = Panel::lanzar(carpeta.path());
    let (codigo, _, cuerpo) = panel.get("/api/flota");
    assert!(codigo == 200 && cuerpo.len() < 20_000, "ocupa {}", cuerpo.len());
    let flota: Value = serde_json::from_str(&cuerpo).unwrap();
    assert_eq!((&flota["total"], &flota["sobre_umbral"]), (&json!(7), &json!(6)));
    let tranquilo = &flota["servidores"][6];
    assert_eq!(tranquilo["server_id"], "a");
    let t = numeros(&tranquilo["serie"]["t"]);
    assert!(t.len() == 3 && t.is_sorted() && t[2] <= ahora_ms() as f64, "{t:?}");
    let nombres: Vec<&str> =
        flota["servidores"].as_array().unwrap().iter().map(|s| s["server_id"].as_str().unwrap()).collect();
    assert!(nombres.contains(&img), "{nombres:?}");
    assert!(nombres.contains(&format!("{}…", "ñ".repeat(200)).as_str()));
    assert!(nombres.contains(&"(sin server_id)"));
    let vista = panel.json("/api/kpis");
    assert_eq!(vista["descartados"]["total"], 2);
    let ultimos = vista["descartados"]["ultimos"].as_array().unwrap();
    assert!(ultimos[0]["contenido"].as_str().unwrap().starts_with(img), "el más nuevo, delante");
    assert!(ultimos[0]["contenido"].as_str().unwrap().chars().count() <= 201);
    assert!(ultimos[1]["razon"].as_str().unwrap().contains("metrics.cpu_percent no es un número"));
    assert_eq!(ultimos[1]["offset"], 6);
}

#[test]
fn diez_mil_servidores_y_diez_mil_hosts_van_por_paginas() {
    let carpeta = tempfile::tempdir().unwrap();
    correr(PRODUCTOR, carpeta.path(), &["--servidores", "10000", "--rondas", "1", "--silencioso"]);
    correr(CONSUMIDOR, carpeta.path(), &["--mensajes", "10000", "--silencioso"]);
    let ahora = ahora_ms();
    anadir(carpeta.path(), &(0..10_000).map(|i| linea(&format!("h{i:05}"), 1.0, ahora)).collect::<String>());
    let panel = Panel::lanzar(carpeta.path());
    let flota = panel.hasta_que("/api/flota?pagina=1", |v| v["total"] == 10_000);
    assert_eq!((&flota["pagina"], &flota["por_pagina"]), (&json!(1), &json!(24)));
    assert_eq!(flota["servidores"].as_array().unwrap().len(), 24);
    assert!(flota["sobre_umbral"].as_u64().unwrap() > 24, "{}", flota["sobre_umbral"]);
    assert!(
        flota["servidores"].as_array().unwrap().iter().all(|s| s["sobre"][0].is_string()),
        "ellos, primero"
    );
    let ultima = panel.json("/api/flota?pagina=999999");
    assert_eq!((&ultima["pagina"], ultima["servidores"].as_array().unwrap().len()), (&json!(416), 16));
    let hosts = panel.hasta_que("/api/servidor", |v| v["hosts_total"] == 10_000);
    assert_eq!(hosts["hosts"].as_array().unwrap().len(), 500);
    assert_eq!(hosts["host"], "h00000");
}

#[test]
fn de_una_historia_larga_solo_se_lee_lo_mas_nuevo() {
    let carpeta = tempfile::tempdir().unwrap();
    consumir(carpeta.path(), &[mensaje(&json!("primero"), 1.0)]);
    let base = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    // 100.000 mensajes más, copiados del primero.
    base.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         INSERT INTO system_metrics_raw_iabd06 SELECT 't#0#' || i, i,
             json_set(documento, '$._id', 't#0#' || i, '$.server_id', 's' || (i % 7), '$.kafka.offset', i)
         FROM n, system_metrics_raw_iabd06 WHERE crc32 = (SELECT max(crc32) FROM system_metrics_raw_iabd06)",
    )
    .unwrap();
    drop(base);
    let panel = Panel::lanzar(carpeta.path());
    let flota = panel.hasta_que("/api/flota", |v| v["mensajes"] == 100_001);
    assert_eq!(flota["total"], 7, "el primero queda fuera de los 20.000 más nuevos");
    // Y lo que llega después se ve.
    consumir(carpeta.path(), &[mensaje(&json!("primero"), 1.0), mensaje(&json!("ultimo"), 2.0)]);
    panel.hasta_que("/api/flota", |v| v["total"].as_u64() >= Some(8));
}

#[test]
fn una_base_cambiada_por_otra_se_lee_desde_el_principio() {
    let carpeta = tempfile::tempdir().unwrap();
    let otra = tempfile::tempdir().unwrap();
    consumir(carpeta.path(), &[mensaje(&json!("viejo"), 1.0), mensaje(&json!("viejo"), 2.0)]);
    // La otra tiene ya más mensajes, con los mismos _id.
    let nuevos = [3.0, 4.0, 5.0].map(|cpu| mensaje(&json!("nuevo"), cpu));
    consumir(otra.path(), &nuevos);
    let panel = Panel::lanzar(carpeta.path());
    panel.hasta_que("/api/flota", |v| v["servidores"][0]["server_id"] == "viejo");
    fs::remove_dir_all(carpeta.path().join("datos")).unwrap();
    fs::rename(otra.path().join("datos"), carpeta.path().join("datos")).unwrap();
    let flota = panel.hasta_que("/api/flota", |v| v["servidores"][0]["server_id"] == "nuevo");
    assert_eq!((&flota["total"], &flota["mensajes"]), (&json!(1), &json!(3)));
    fs::remove_dir_all(carpeta.path().join("datos")).unwrap();
    panel.hasta_que("/api/flota", |v| v["total"] == 0 && v["aviso"]["nivel"] == "info");
}

#[test]
fn una_base_de_una_version_anterior_se_dice() {
    let carpeta = tempfile::tempdir().unwrap();
    fs::create_dir(carpeta.path().join("datos")).unwrap();
    let base = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    base.execute_batch(
        "CREATE TABLE system_metrics_raw_iabd06 (_id TEXT PRIMARY KEY, crc32 INTEGER, documento TEXT) WITHOUT ROWID",
    )
    .unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let frase = panel.json("/api/flota")["aviso"]["frase"].as_str().unwrap().to_owned();
    assert!(frase.contains("versión anterior") && frase.contains("cámbiale el nombre"), "{frase}");
}

// --- la web -------------------------------------------------------------------------------------

#[test]
fn cada_contestacion_lleva_las_cabeceras_de_seguridad() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let (codigo, cabeza, cuerpo) = panel.get("/");
    assert!(codigo == 200 && cuerpo.starts_with("<!doctype html>"), "{cuerpo}");
    assert!(cabeza.contains("Cache-Control: no-cache\r\n"), "{cabeza}");
    assert!(panel.get("/api/flota").1.contains("Cache-Control: no-store\r\n"));
    let mala = panel.crudo(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for cabeza in [cabeza, panel.get("/no-existe").1, panel.get("/api/kpis").1, mala] {
        for cabecera in [
            "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
             img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'\r\n",
            "X-Content-Type-Options: nosniff\r\n",
            "Referrer-Policy: no-referrer\r\n",
            "Cross-Origin-Resource-Policy: same-origin\r\n",
        ] {
            assert!(cabeza.contains(cabecera), "falta {cabecera} en {cabeza}");
        }
    }
}

#[test]
fn cada_fichero_de_la_pagina_se_sirve_y_ninguno_mas() {
    let carpeta = tempfile::tempdir().unwrap();
    fs::write(carpeta.path().join("secreto.txt"), "secreto").unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let pagina = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/panel/pagina");
    for fichero in fs::read_dir(pagina).unwrap().map(|e| e.unwrap().path()) {
        let nombre = fichero.file_name().unwrap().to_str().unwrap();
        let ruta = if nombre == "index.html" { "/".to_owned() } else { format!("/{nombre}") };
        let (codigo, cabeza, cuerpo) = panel.get(&ruta);
        assert!(codigo == 200 && cuerpo == fs::read_to_string(&fichero).unwrap(), "{nombre}");
        assert!(cabeza.contains("charset=utf-8"), "{cabeza}");
    }
    for ruta in [
        "/secreto.txt",
        "/../secreto.txt",
        "/..%2fsecreto.txt",
        "/%2e%2e/secreto.txt",
        "//secreto.txt",
        "/./secreto.txt",
        "/index.html/",
        "/src/panel/mod.rs",
        "/.env",
        "/datos/motor.sqlite3",
        "/api",
        "/api/",
        "/%00",
        "/C:%5Csecreto.txt",
    ] {
        let (codigo, _, cuerpo) = panel.get(ruta);
        assert_eq!((codigo, cuerpo.as_str()), (404, "Aquí no hay nada: la página está en /\n"), "{ruta}");
    }
}

#[test]
fn solo_se_puede_mirar() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    for metodo in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "get", "INVENTADO"] {
        let todo = panel.crudo(format!("{metodo} / HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        assert!(
            todo.starts_with("HTTP/1.1 405 ") && todo.contains("Allow: GET, HEAD\r\n"),
            "{metodo}: {todo}"
        );
    }
    let con_cuerpo = format!(
        "POST /api/flota HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n{}",
        "x".repeat(300_000)
    );
    assert!(panel.crudo(con_cuerpo.as_bytes()).starts_with("HTTP/1.1 405 "));
    let cabeza = panel.crudo(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (_, get, cuerpo) = panel.get("/");
    assert_eq!(cabeza, format!("{get}\r\n\r\n"), "lo mismo que un GET, sin el cuerpo");
    assert!(cabeza.contains(&format!("Content-Length: {}\r\n", cuerpo.len())));
    for basura in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"hola\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
    {
        assert!(panel.crudo(basura).starts_with("HTTP/1.1 400 "));
    }
}

#[test]
fn por_una_conexion_pasan_varias_peticiones() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let mut dos = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    dos.extend(b"GET /no HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let todo = panel.crudo(&dos);
    assert!(todo.starts_with("HTTP/1.1 200 ") && todo.contains("HTTP/1.1 404 "), "{todo}");
}

#[test]
fn un_nombre_que_no_es_el_de_este_ordenador_no_entra() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let con = |host: &str| {
        panel.crudo(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
    };
    for vale in [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1",
        "127.0.0.1:1",
        "192.168.1.20:8080",
        "[::1]:8080",
        "[::1]",
    ] {
        assert!(con(vale).starts_with("HTTP/1.1 200 "), "{vale}");
    }
    for malo in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "",
        "localhost@evil",
    ] {
        assert!(con(malo).starts_with("HTTP/1.1 421 "), "{malo}");
    }
    let sin_host = panel.crudo(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(sin_host.starts_with("HTTP/1.1 400 "));
}

#[test]
fn un_parametro_malo_es_un_400_con_su_frase() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let largo = format!("/api/flota?buscar={}", "a".repeat(201));
    for (ruta, pista) in [
        ("/api/servidor?rango=7d", "5m, 1h, 24h"),
        ("/api/kpis?rango=", "5m, 1h, 24h, 7d"),
        ("/api/flota?pagina=-1", "número"),
        ("/api/flota?pagina=99999999999999999999999", "número"),
        ("/api/flota?buscar=%zz", "hexadecimales"),
        ("/api/servidor?host=%ff", "UTF-8"),
        (&largo, "200"),
    ] {
        let (codigo, _, cuerpo) = panel.get(ruta);
        let cuerpo: Value = serde_json::from_str(&cuerpo).unwrap();
        assert_eq!(codigo, 400, "{ruta}");
        assert!(cuerpo["error"].as_str().unwrap().contains(pista), "{ruta}: {cuerpo}");
    }
}

#[test]
fn ni_doscientas_conexiones_ociosas_ni_las_que_van_a_gotas_dejan_a_los_demas_sin_pagina() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let inicio = Instant::now();
    let mut ociosas: Vec<TcpStream> = (0..200).map(|_| panel.conectar()).collect();
    // Con 200 ya sobran: la más antigua deja su sitio, mucho antes de que se le acabe el tiempo.
    assert!(!matches!(ociosas[0].read(&mut [0]), Ok(1..)));
    assert!(inicio.elapsed() < Duration::from_secs(5), "{:?}", inicio.elapsed());
    let fin = Arc::new(AtomicBool::new(false));
    // Cada una manda una letra de vez en cuando, y si la echan vuelve a entrar.
    let a_gotas: Vec<_> = (0..200)
        .map(|_| {
            let (fin, direccion) = (Arc::clone(&fin), panel.direccion);
            thread::spawn(move || {
                while !fin.load(Ordering::Relaxed) {
                    let Ok(mut conexion) = TcpStream::connect(direccion) else { continue };
                    let _ = conexion.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
                    while !fin.load(Ordering::Relaxed) && conexion.write_all(b"x").is_ok() {
                        thread::sleep(Duration::from_millis(200));
                    }
                }
            })
        })
        .collect();
    for _ in 0..20 {
        let inicio = Instant::now();
        assert_eq!(panel.get("/").0, 200);
        // Bastante menos que el límite de una petición: no se espera a que caduque ninguna.
        assert!(inicio.elapsed() < Duration::from_secs(5), "{:?}", inicio.elapsed());
        thread::sleep(Duration::from_millis(50));
    }
    fin.store(true, Ordering::Relaxed);
    a_gotas.into_iter().for_each(|h| h.join().unwrap());
    // Las ociosas se cierran solas, sin contestación.
    for mut ociosa in ociosas {
        let mut nada = Vec::new();
        let _ = ociosa.read_to_end(&mut nada); // cerrada con orden o de golpe
        assert!(nada.is_empty());
    }
}

#[test]
fn quien_no_se_lleva_la_contestacion_no_para_a_los_demas() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let atascadas: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut conexion = panel.conectar();
            conexion.write_all(&b"GET /api/kpis HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100)).unwrap();
            conexion // y no lee nada
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(panel.get("/api/kpis").0, 200);
    }
    drop(atascadas);
}

// --- el programa --------------------------------------------------------------------------------

#[test]
#[cfg(unix)]
fn ctrl_c_acaba_bien_aunque_haya_alguien_mirando() {
    let carpeta = tempfile::tempdir().unwrap();
    let Panel { mut proceso, direccion, .. } = Panel::lanzar(carpeta.path());
    let _conexion = TcpStream::connect(direccion).unwrap();
    proceso.senal("-INT");
    assert_eq!(proceso.0.wait().unwrap().code(), Some(0));
}

#[test]
fn el_puerto_pedido_es_ese_o_un_error_y_sin_pedirlo_el_siguiente_libre() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let ocupado = panel.direccion.port().to_string();
    let salida = ejecutable(PANEL, carpeta.path(), &["--puerto", &ocupado]).output().unwrap();
    let errores = String::from_utf8(salida.stderr).unwrap();
    assert_eq!(salida.status.code(), Some(1), "{errores}");
    assert!(errores.contains(&format!("el puerto {ocupado} lo usa otro programa")), "{errores}");
    let uno = Panel::esperar(&mut ejecutable(PANEL, carpeta.path(), &[]));
    let otro = Panel::esperar(&mut ejecutable(PANEL, carpeta.path(), &[]));
    assert!((8080..8100).contains(&uno.direccion.port()) && uno.direccion.port() < otro.direccion.port());
    for malo in [&["--puerto", "70000"][..], &["--puerto", "x"], &["--escuchar", "no-existe.invalid"]] {
        let salida = ejecutable(PANEL, carpeta.path(), malo).output().unwrap();
        assert_eq!(salida.status.code(), Some(2), "{malo:?}: {}", String::from_utf8_lossy(&salida.stderr));
    }
}

#[test]
fn abrirse_a_la_red_y_no_poder_abrir_el_navegador_se_dicen() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut orden = ejecutable(PANEL, carpeta.path(), &["--puerto", "0", "--escuchar", "0.0.0.0", "--abrir"]);
    orden.env("PATH", "/no-existe");
    let mut panel = Panel::esperar(&mut orden);
    assert_eq!(panel.get("/").0, 200);
    for pista in ["puede ver la página: http://", "no se puede abrir el navegador"] {
        let mut linea = String::new();
        panel.dicho.read_line(&mut linea).unwrap();
        assert!(linea.starts_with("aviso: ") && linea.contains(pista), "{linea}");
    }
}
