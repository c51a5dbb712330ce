//! El panel contra InfluxDB 2.7, InfluxDB 1.6.7, VictoriaMetrics y un servidor de MongoDB de verdad.
//!
//! Se lanza con servicios/probar, que los instala. Sin servidor, falla: no se salta.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

mod comun;
#[path = "comun/motores.rs"]
mod motores;
#[path = "comun/panel.rs"]
mod panel;
#[path = "comun/panel_motores.rs"]
mod panel_motores;

use comun::ejecutable;
use mongodb::bson::{Document, doc};
use motores::{Motor, memoria, segun, sin_avisos};
use panel::{Panel, ahora_ms, numeros};
use panel_motores::{base, correr, lanzar};
use practicas_iabd06::broker::embebido::EmisorEmbebido;
use practicas_iabd06::broker::{Emisor, PorEnviar};
use practicas_iabd06::influx::Lugar;
use practicas_iabd06::influx::contestacion::Contestacion;
use practicas_iabd06::influx::http::ClienteHttp;
use practicas_iabd06::nombres::{CRUDOS, KPIS, TOPIC};
use rusqlite::Connection;
use serde_json::{Value, json};

const AGENTE: &str = env!("CARGO_BIN_EXE_agente_monitoreo");
const PRODUCTOR: &str = env!("CARGO_BIN_EXE_productor_metrics_iabd06");
const PANEL: &str = env!("CARGO_BIN_EXE_panel_metricas");
const CONSUMIDOR: &str = env!("CARGO_BIN_EXE_consumidor_metrics_iabd06");

fn escribir(motor: &Motor, lineas: &str) {
    let Lugar::Servidor { url, acceso, .. } = motor.servidor() else { unreachable!() };
    let cliente = ClienteHttp::new(&url, &acceso, None, Duration::from_secs(30)).unwrap();
    assert_eq!(cliente.escribir(lineas.as_bytes()), Contestacion::Escrito);
}

fn sin_aviso(vista: &Value) -> bool {
    vista["aviso"].is_null()
}

fn con_error(vista: &Value) -> bool {
    vista["aviso"]["nivel"] == "error"
}

#[test]
fn cada_par_de_motores_se_ve_igual() {
    let (influx, influx1, mongo) =
        (Motor::arrancar("influx"), Motor::arrancar("influx1"), Motor::arrancar("mongo"));
    let del_agente = [(None, "fichero"), (Some(&influx), "InfluxDB 2"), (Some(&influx1), "InfluxDB 1.x")];
    for (puntos, nombre_puntos) in del_agente {
        for (documentos, nombre_documentos) in [(None, "motor embebido"), (Some(&mongo), "MongoDB")] {
            println!("{nombre_puntos} y {nombre_documentos}");
            let carpeta = tempfile::tempdir().unwrap();
            if let Some(mongo) = documentos {
                base(mongo).drop().run().unwrap(); // lo de la vuelta anterior
            }
            let motores: Vec<&Motor> = puntos.into_iter().chain(documentos).collect();
            let panel = lanzar(carpeta.path(), &motores);
            let host = format!("servidor de {nombre_documentos} ñ");
            panel.hasta_que("/api/flota", |v| v["total"] == 0 && v["aviso"]["nivel"] == "info");

            let antes = ahora_ms();
            let lecturas = ["--lecturas", "3", "--intervalo", "200ms", "--host-id", &host, "--silencioso"];
            correr(AGENTE, carpeta.path(), &motores, &lecturas);
            let url =
                format!("/api/servidor?rango=24h&host={}", host.replace(' ', "%20").replace('ñ', "%C3%B1"));
            let vista = panel.hasta_que(&url, |v| v["ultimo"]["t"].as_i64() > Some(antes));
            assert!(sin_aviso(&vista) && vista["motor"]["nombre"] == nombre_puntos, "{vista}");
            let cubos = vista["t"].as_array().unwrap().len();
            for campo in ["cpu_percent", "ram_percent", "disk_percent"] {
                assert!((0.0..=100.0).contains(&vista["ultimo"][campo].as_f64().unwrap()), "{vista}");
                let columnas = ["min", "max", "media"].map(|columna| numeros(&vista[campo][columna]));
                assert!(columnas.iter().all(|c| c.len() == cubos), "{vista}");
                assert!(columnas[0][0] <= columnas[2][0] && columnas[2][0] <= columnas[1][0], "{vista}");
            }

            let rondas = ["--rondas", "9", "--sin-pausa", "--silencioso"];
            correr(PRODUCTOR, carpeta.path(), &motores, &rondas);
            for n in ["7", "45", "5"] {
                correr(CONSUMIDOR, carpeta.path(), &motores, &["--mensajes", n, "--silencioso"]);
            }
            let vista = panel.hasta_que("/api/kpis?rango=5m", |v| v["ventanas_total"] == 2);
            assert!(sin_aviso(&vista) && vista["motor"]["nombre"] == nombre_documentos, "{vista}");
            assert_eq!(vista["abierta"], json!({"mensajes": 5, "de": 20, "faltan": 15}));
            assert_eq!(vista["ventanas"][0]["_id"], format!("{TOPIC}#0#20-39"));
            let vista = panel.hasta_que("/api/flota", |v| v["mensajes"] == 45);
            for servidor in vista["servidores"].as_array().unwrap() {
                assert_eq!(
                    servidor["serie"]["t"].as_array().unwrap().len(),
                    9,
                    "ni falta ni se repite: {servidor}"
                );
            }
            assert!(!vista["motor"]["donde"].as_str().unwrap().is_empty());
        }
    }
}

#[test]
fn influxdb_reduce_un_dia_de_puntos_sin_perder_los_picos() {
    let ahora = ahora_ms();
    let cpu = |i: i64| match i {
        1_000 => 99.75,  // hace casi 17 minutos
        70_000 => 0.125, // hace casi 20 horas
        _ => 10.0 + (i % 50) as f64,
    };
    let linea = |host: &str, i: i64| {
        let (cpu, t) = (cpu(i), ahora - i * 1_000);
        format!(
            "rendimiento_servidor,entorno=produccion,host_id={host} cpu_percent={cpu},ram_percent=40.5 {t}000000\n"
        )
    };
    for nombre in ["influx", "influx1"] {
        let motor = Motor::arrancar(nombre);
        for lote in (0..86_400).collect::<Vec<_>>().chunks(20_000) {
            escribir(&motor, &lote.iter().rev().map(|i| linea("servidor_A", *i)).collect::<String>());
        }
        // Un nombre que, mal escapado, se saldría de su texto; y el mismo en dos entornos.
        let hostil = r#"b"\ or\ 'x'\=\ ${y}\,//"#;
        escribir(&motor, &linea(hostil, 3));
        escribir(&motor, &linea(hostil, 3).replace("produccion", "pruebas").replace("=13", "=15"));
        let carpeta = tempfile::tempdir().unwrap();
        let panel = lanzar(carpeta.path(), &[&motor]);
        let extremos = |rango: &str| {
            let url = format!("/api/servidor?host=servidor_A&rango={rango}");
            let vista = panel.hasta_que(&url, |v| v["t"][0].is_number());
            let (min, max) = (numeros(&vista["cpu_percent"]["min"]), numeros(&vista["cpu_percent"]["max"]));
            assert!(max.len() > 250 && max.len() <= 722, "{rango}: {} cubos", max.len());
            assert!(numeros(&vista["t"]).is_sorted());
            assert_eq!(
                (&vista["ultimo"]["t"], &vista["ultimo"]["cpu_percent"]),
                (&json!(ahora), &json!(10.0))
            );
            assert_eq!(vista["disk_percent"]["max"][0], Value::Null);
            (min.into_iter().fold(f64::MAX, f64::min), max.into_iter().fold(0.0, f64::max))
        };
        assert_eq!(extremos("5m"), (10.0, 59.0), "{nombre}");
        assert_eq!(extremos("1h"), (10.0, 99.75), "{nombre}");
        assert_eq!(extremos("24h"), (0.125, 99.75), "{nombre}");
        let vista = panel.json("/api/servidor?host=b%22+or+'x'%3D+$%7By%7D,//&rango=1h");
        assert_eq!(numeros(&vista["cpu_percent"]["min"]), [13.0], "{vista}");
        assert_eq!(numeros(&vista["cpu_percent"]["max"]), [15.0]);
        assert_eq!(numeros(&vista["cpu_percent"]["media"]), [14.0]);
        assert_eq!(vista["hosts_total"], 2);
        // Un portátil con la fecha del año que viene no es el que se enseña, ni tapa a nadie.
        let dentro_de_un_ano = ahora_ms() + 365 * 86_400_000;
        escribir(
            &motor,
            &format!("rendimiento_servidor,host_id=portatil_roto cpu_percent=1 {dentro_de_un_ano}000000\n"),
        );
        let frase = "Todos los puntos de «portatil_roto» son del futuro.";
        let url = "/api/servidor?host=portatil_roto";
        panel.hasta_que(url, |v| v["aviso"]["frase"].to_string().contains(frase));
        assert_ne!(panel.json("/api/servidor")["host"], "portatil_roto");
        // Y lo nuevo se ve.
        let nuevo = format!("rendimiento_servidor,host_id=servidor_A cpu_percent=77 {}000000\n", ahora_ms());
        escribir(&motor, &nuevo);
        panel.hasta_que("/api/servidor?host=servidor_A&rango=24h", |v| v["ultimo"]["cpu_percent"] == 77.0);
    }
}

#[test]
fn un_motor_que_se_va_se_dice_lo_ultimo_se_queda_y_al_volver_se_sigue() {
    let (mut influx, mut mongo) = (Motor::arrancar("influx"), Motor::arrancar("mongo"));
    let carpeta = tempfile::tempdir().unwrap();
    correr(AGENTE, carpeta.path(), &[&influx], &["--lecturas", "2", "--intervalo", "200ms"]);
    correr(PRODUCTOR, carpeta.path(), &[], &["--rondas", "5", "--sin-pausa"]);
    correr(CONSUMIDOR, carpeta.path(), &[&mongo], &["--mensajes", "25"]);
    let panel = lanzar(carpeta.path(), &[&influx, &mongo]);
    panel.hasta_que("/api/servidor", |v| v["host"] == "servidor_A" && sin_aviso(v));
    panel.hasta_que("/api/kpis", |v| v["ventanas_total"] == 1 && sin_aviso(v));

    influx.parar();
    mongo.parar();
    let vista = panel.hasta_que("/api/servidor", con_error);
    let frase = vista["aviso"]["frase"].as_str().unwrap();
    assert!(frase.starts_with("InfluxDB no responde en http://"), "{frase}");
    assert!(frase.ends_with("Lo que se ve es de hace un rato. Se sigue intentando."), "{frase}");
    assert!(vista["ultimo"]["cpu_percent"].is_number(), "lo último se queda: {vista}");
    let vista = panel.hasta_que("/api/kpis", con_error);
    assert!(vista["aviso"]["frase"].as_str().unwrap().starts_with("MongoDB no responde en"), "{vista}");
    assert_eq!(vista["ventanas"].as_array().unwrap().len(), 1);
    assert!(con_error(&panel.json("/api/flota")));

    influx.rearrancar();
    mongo.rearrancar();
    panel.hasta_que("/api/servidor", sin_aviso);
    panel.hasta_que("/api/kpis", sin_aviso);
    let antes = ahora_ms();
    correr(AGENTE, carpeta.path(), &[&influx], &["--lecturas", "1", "--intervalo", "200ms"]);
    panel.hasta_que("/api/servidor", |v| v["ultimo"]["t"].as_i64() > Some(antes));
    correr(PRODUCTOR, carpeta.path(), &[], &["--rondas", "3", "--sin-pausa"]);
    correr(CONSUMIDOR, carpeta.path(), &[&mongo], &["--mensajes", "20"]);
    panel.hasta_que("/api/kpis", |v| v["ventanas_total"] == 2);
}

#[test]
fn lo_que_impide_leer_un_influxdb_se_dice_con_su_arreglo() {
    let (influx, influx1, victoria) =
        (Motor::arrancar("influx"), Motor::arrancar("influx1"), Motor::arrancar("victoria"));
    for (motor, cambio, pistas) in [
        (&influx, ("INFLUXDB_V2_TOKEN", "malo"), &["no acepta el token", "INFLUXDB_V2_TOKEN"][..]),
        (&influx, ("INFLUXDB_BUCKET", "no-existe"), &["no encuentra el bucket «no-existe»"]),
        (&influx, ("INFLUXDB_V2_ORG", "no-existe"), &["la organización «no-existe»"]),
        (&influx1, ("INFLUXDB_V1_PASSWORD", "mala"), &["no acepta el usuario", "INFLUXDB_V1_PASSWORD"]),
        (&influx1, ("INFLUXDB_V1_DATABASE", "no-existe"), &["«no-existe»", "INFLUXDB_V1_DATABASE"]),
        (&victoria, ("NADA", ""), &["No se puede leer con Flux de este servidor", "InfluxDB 1.x"]),
    ] {
        let carpeta = tempfile::tempdir().unwrap();
        let mut orden = ejecutable(PANEL, carpeta.path(), &["--puerto", "0"]);
        orden.envs(&motor.entorno).env(cambio.0, cambio.1);
        let vista = Panel::esperar(&mut orden).hasta_que("/api/servidor", con_error);
        let frase = vista["aviso"]["frase"].as_str().unwrap();
        println!("{frase}");
        assert!(pistas.iter().all(|p| frase.contains(p)), "{cambio:?}: {frase}");
        assert!(!vista.to_string().contains(motor.entorno.get("INFLUXDB_V2_TOKEN").map_or("malo", |t| t)));
    }
}

#[test]
fn mongodb_se_lee_sin_crear_nada_y_si_lo_vacian_se_empieza_otra_vez() {
    let mongo = Motor::arrancar("mongo");
    let carpeta = tempfile::tempdir().unwrap();
    let panel = lanzar(carpeta.path(), &[&mongo]);
    panel.hasta_que("/api/flota", |v| v["aviso"]["nivel"] == "info");
    assert_eq!(base(&mongo).list_collection_names().run().unwrap(), Vec::<String>::new());

    // Un mensaje con «$date» como texto, que leído con serde sería un error, y uno que no cuenta.
    let mensaje = |nombre: &Value| {
        json!({"server_id": nombre, "$date": "no es una fecha", "metrics": {"cpu_percent": 1, "memory_percent": 95.5,
               "disk_io_mbps": 1, "network_mbps": 1, "error_count": 2}})
        .to_string()
        .into_bytes()
    };
    let img = json!("<img src=x onerror=alert(1)>");
    let valores =
        [mensaje(&img), mensaje(&json!("x".repeat(1 << 20))), mensaje(&Value::Null), vec![0xff, 0, b'z']];
    let mensajes: Vec<_> = valores.map(|valor| PorEnviar { clave: "k".to_owned(), valor }).into();
    EmisorEmbebido::new(&carpeta.path().join("datos"), TOPIC, &sin_avisos())
        .unwrap()
        .enviar(&mensajes)
        .unwrap();
    correr(CONSUMIDOR, carpeta.path(), &[&mongo], &["--mensajes", "4"]);
    let flota = panel.hasta_que("/api/flota", |v| v["total"] == 3);
    assert_eq!((&flota["con_errores"], &flota["sobre_umbral"]), (&json!(3), &json!(3)));
    let servidores = flota["servidores"].as_array().unwrap();
    assert_eq!(servidores[0]["server_id"], "(sin server_id)");
    assert_eq!(servidores[1]["server_id"], img);
    assert_eq!(servidores[2]["server_id"].as_str().unwrap().chars().count(), 201);
    let kpis = panel.json("/api/kpis");
    assert_eq!(kpis["descartados"]["ultimos"][0]["contenido"], "\u{fffd}\u{0}z");
    assert_eq!(kpis["abierta"]["mensajes"], 3);

    for coleccion in base(&mongo).list_collection_names().run().unwrap() {
        base(&mongo).collection::<Document>(&coleccion).delete_many(doc! {}).run().unwrap();
    }
    panel.hasta_que("/api/flota", |v| v["total"] == 0);
}

#[test]
fn las_consultas_de_mongodb_usan_sus_indices() {
    let mongo = Motor::arrancar("mongo");
    let carpeta = tempfile::tempdir().unwrap();
    correr(PRODUCTOR, carpeta.path(), &[], &["--rondas", "10", "--sin-pausa"]);
    correr(CONSUMIDOR, carpeta.path(), &[&mongo], &["--mensajes", "50"]);
    for (coleccion, fecha) in [(CRUDOS, "kafka.recibido_en"), (KPIS, "ventana_fin")] {
        let plan = base(&mongo)
            .run_command(doc! {"explain": {
                "find": coleccion, "sort": {fecha: -1}, "limit": 20_000,
                "filter": {fecha: {"$gte": mongodb::bson::DateTime::from_millis(ahora_ms() - 60_000)}},
            }})
            .run()
            .unwrap()
            .to_string();
        assert!(plan.contains("IXSCAN") && !plan.contains("COLLSCAN"), "{plan}");
    }
}

// --- historias largas ---------------------------------------------------------------------------

/// Llena el fichero y el motor embebido: un punto por segundo, y diez mensajes por segundo con sus ventanas.
fn llenar(carpeta: &Path, puntos: i64, mensajes: i64) {
    correr(PRODUCTOR, carpeta, &[], &["--rondas", "4", "--sin-pausa", "--silencioso"]);
    correr(CONSUMIDOR, carpeta, &[], &["--mensajes", "20", "--silencioso"]);
    let base = Connection::open(carpeta.join("datos/motor.sqlite3")).unwrap();
    // Copias del último mensaje y de la ventana, cada una con su _id, su offset y su fecha.
    let fecha = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || ((TOTAL - i) / 10.0) || ' seconds')";
    let crudos = fecha.replace("TOTAL", &mensajes.to_string());
    let ventanas = fecha.replace("TOTAL", &(mensajes / 20).to_string()).replace("/ 10.0", "* 2.0");
    base.execute_batch(&format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 20 UNION ALL SELECT i + 1 FROM n WHERE i < {mensajes} - 1)
             SELECT i FROM n;
         INSERT INTO {CRUDOS} SELECT 't#0#' || i, i, json_set(d.documento, '$._id', 't#0#' || i,
                 '$.kafka.offset', i, '$.kafka.recibido_en', {crudos}, '$.timestamp', {crudos})
             FROM n, (SELECT documento FROM {CRUDOS} WHERE rowid = 20) d;
         INSERT INTO {KPIS} SELECT 't#0#' || i, NULL, json_set(d.documento, '$._id', 't#0#' || i,
                 '$.offset_fin', i * 20 + 19, '$.ventana_fin', {ventanas})
             FROM n, (SELECT documento FROM {KPIS} WHERE rowid = 1) d WHERE i < {mensajes} / 20"
    ))
    .unwrap();
    let ahora = ahora_ms();
    let linea = |i: i64| {
        let t = ahora - i * 1_000;
        format!("rendimiento_servidor,host_id=a cpu_percent={},ram_percent=40.5 {t}000000\n", i % 97)
    };
    let lineas: String = (0..puntos).rev().map(linea).collect();
    std::fs::write(carpeta.join("datos/rendimiento_servidor.lp"), lineas).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn una_historia_diez_veces_mas_larga_no_cuesta_mas() {
    let (puntos, mensajes, vivo) = segun((86_400, 30_000, 5), (86_400, 100_000, 600));
    let mut memorias = Vec::new();
    for veces in [1, 10] {
        let carpeta = tempfile::tempdir().unwrap();
        llenar(carpeta.path(), veces * puntos, veces * mensajes);
        let panel = lanzar(carpeta.path(), &[]);
        let mut dicho = format!("{} puntos y {} mensajes:", veces * puntos, veces * mensajes);
        for ruta in ["/api/servidor?rango=24h", "/api/flota", "/api/kpis?rango=24h"] {
            let inicio = Instant::now();
            panel.hasta_que(ruta, sin_aviso);
            dicho += &format!(" {ruta} {:?}", inicio.elapsed());
        }
        assert_eq!(panel.json("/api/flota")["mensajes"], veces * mensajes);
        let memoria = || memoria(panel.proceso.0.id(), "VmRSS").unwrap();
        let antes = memoria();
        // En vivo: cada segundo, un punto más y una ronda más.
        for _ in 0..vivo {
            correr(AGENTE, carpeta.path(), &[], &["--lecturas", "1", "--intervalo", "200ms", "--silencioso"]);
            correr(PRODUCTOR, carpeta.path(), &[], &["--rondas", "1", "--silencioso"]);
            correr(CONSUMIDOR, carpeta.path(), &[], &["--mensajes", "5", "--silencioso"]);
            for ruta in ["/api/servidor?rango=24h", "/api/flota", "/api/kpis?rango=24h"] {
                panel.json(ruta);
            }
            thread::sleep(Duration::from_millis(500));
        }
        println!("{dicho}; {antes} KiB, y tras {vivo} rondas en vivo, {} KiB", memoria());
        assert!(memoria() < antes + 10_000, "{dicho}");
        memorias.push(antes);
    }
    assert!(memorias[1] < memorias[0] * 3 / 2, "{memorias:?}");
}
