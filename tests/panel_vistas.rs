//! Lo que enseña cada vista del panel, sobre el fichero del agente y el motor embebido.

use std::fs;

mod comun;
#[path = "comun/panel.rs"]
mod panel;

use panel::{Panel, ahora_ms, anadir, correr, linea, numeros};
use practicas_iabd06::nombres::TOPIC;
use serde_json::{Value, json};

const AGENTE: &str = env!("CARGO_BIN_EXE_agente_monitoreo");
const PRODUCTOR: &str = env!("CARGO_BIN_EXE_productor_metrics_iabd06");
const CONSUMIDOR: &str = env!("CARGO_BIN_EXE_consumidor_metrics_iabd06");

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
