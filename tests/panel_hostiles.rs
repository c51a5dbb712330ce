//! El panel con datos hostiles, enormes o de otra base.

use std::fs;
use std::path::Path;

mod comun;
#[path = "comun/panel.rs"]
mod panel;

use panel::{Panel, ahora_ms, anadir, consumir, correr, linea, mensaje, numeros};
use rusqlite::Connection;
use serde_json::{Value, json};

const PRODUCTOR: &str = env!("CARGO_BIN_EXE_productor_metrics_iabd06");
const CONSUMIDOR: &str = env!("CARGO_BIN_EXE_consumidor_metrics_iabd06");

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

#[test]
fn un_punto_del_futuro_ni_es_lo_primero_que_se_ve_ni_tapa_a_los_de_ahora() {
    const HORA: i64 = 3_600_000;
    let carpeta = tempfile::tempdir().unwrap();
    let ahora = ahora_ms();
    let del_futuro =
        [linea("portatil_roto", 9.0, ahora + 365 * 24 * HORA), linea("servidor_A", 8.0, ahora + HORA)];
    anadir(carpeta.path(), &format!("{}{}", linea("servidor_A", 1.0, ahora - 2_000), del_futuro.concat()));
    let panel = Panel::lanzar(carpeta.path());
    let vista = panel.hasta_que("/api/servidor", |v| v["t"][0].is_number());
    assert_eq!((&vista["host"], &vista["ultimo"]["cpu_percent"]), (&json!("servidor_A"), &json!(1.0)));
    assert_eq!(vista["hosts"], json!(["portatil_roto", "servidor_A"]));
    assert!(numeros(&vista["t"]).iter().all(|t| *t <= vista["hasta"].as_f64().unwrap()), "{vista}");
    assert_eq!(numeros(&vista["cpu_percent"]["max"]), [1.0]);
    let frase = vista["aviso"]["frase"].as_str().unwrap();
    assert!(
        frase.starts_with("Hay puntos de «servidor_A» con fecha del futuro (hasta dentro de "),
        "{frase}"
    );
    let roto = panel.json("/api/servidor?host=portatil_roto&rango=24h");
    let frase = roto["aviso"]["frase"].as_str().unwrap();
    assert!(frase.contains("son del futuro") && frase.contains("revisa la hora"), "{frase}");
    assert_eq!((&roto["t"], &roto["ultimo"]), (&json!([]), &Value::Null));
    // Lo que llega después, ya con la hora buena, se ve.
    anadir(carpeta.path(), &linea("servidor_A", 2.0, ahora_ms()));
    panel.hasta_que("/api/servidor", |v| v["ultimo"]["cpu_percent"] == 2.0 && v["al_dia"] == true);
    // Unos segundos de más no son del futuro: los relojes de dos ordenadores nunca van iguales.
    anadir(carpeta.path(), &linea("b", 3.0, ahora_ms() + 10_000));
    panel.hasta_que("/api/servidor?host=b", |v| v["ultimo"]["cpu_percent"] == 3.0 && v["aviso"].is_null());
}

#[test]
fn si_solo_hay_puntos_del_futuro_se_dice() {
    let carpeta = tempfile::tempdir().unwrap();
    anadir(carpeta.path(), &linea("a", 1.0, ahora_ms() + 3 * 86_400_000));
    let vista = Panel::lanzar(carpeta.path()).hasta_que("/api/servidor", |v| v["host"] == "a");
    assert_eq!((&vista["t"], &vista["ultimo"]), (&json!([]), &Value::Null));
    assert!(vista["aviso"]["frase"].as_str().unwrap().contains("«a» son del futuro"), "{vista}");
}

/// Cambia un campo del último documento de una tabla, con la hora de dentro de tantos segundos.
fn fechar(carpeta: &Path, tabla: &str, campo: &str, dentro_de: i64) {
    let base = Connection::open(carpeta.join("datos/motor.sqlite3")).unwrap();
    let orden = format!(
        "UPDATE {tabla} SET documento = json_set(documento, '{campo}', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?1))
         WHERE rowid = (SELECT max(rowid) FROM {tabla})"
    );
    assert_eq!(base.execute(&orden, [format!("{dentro_de} seconds")]).unwrap(), 1);
}

#[test]
fn los_documentos_del_futuro_no_salen_en_los_graficos_ni_tapan_a_los_de_ahora() {
    let carpeta = tempfile::tempdir().unwrap();
    let veinte = |nombre: &str| vec![mensaje(&json!(nombre), 50.0); 20];
    consumir(carpeta.path(), &veinte("adelantado"));
    fechar(carpeta.path(), "system_metrics_kpis_iabd06", "$.ventana_fin", 3_600);
    fechar(carpeta.path(), "system_metrics_raw_iabd06", "$.kafka.recibido_en", 3_600);
    let panel = Panel::lanzar(carpeta.path());
    let vista = panel.hasta_que("/api/kpis?rango=5m", |v| v["ventanas_total"] == 1);
    assert_eq!(vista["t"], json!([]), "{vista}");
    let frase = vista["aviso"]["frase"].as_str().unwrap();
    assert!(frase.contains("Hay ventanas con fecha del futuro"), "{frase}");
    assert!(
        numeros(&panel.json("/api/flota")["servidores"][0]["serie"]["t"])
            .iter()
            .all(|t| *t <= ahora_ms() as f64)
    );
    consumir(carpeta.path(), &veinte("puntual"));
    let vista = panel.hasta_que("/api/kpis?rango=5m", |v| v["ventanas_total"] == 2);
    assert_eq!(vista["t"].as_array().unwrap().len(), 1, "la de ahora, y solo esa: {vista}");
    let flota = panel.json("/api/flota");
    assert_eq!(flota["total"], 2);
    assert!(flota["msg_seg"].as_f64().unwrap() > 0.3, "los de ahora cuentan para el ritmo: {flota}");
}

#[test]
fn lo_que_no_ha_guardado_este_consumidor_se_cuenta_y_se_dice() {
    let carpeta = tempfile::tempdir().unwrap();
    consumir(carpeta.path(), &[mensaje(&json!("nuestro"), 1.0)]);
    let base = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    let meter = |tabla: &str, id: &str, documento: &Value| {
        let orden = format!(
            "CREATE TABLE IF NOT EXISTS {tabla} (_id TEXT PRIMARY KEY, crc32 INTEGER, documento TEXT);
             INSERT INTO {tabla} VALUES ('{id}', NULL, '{documento}')"
        );
        base.execute_batch(&orden).unwrap();
    };
    // Formas de otras entregas: en plano, con los KPIs dentro, y ni siquiera un objeto.
    meter(
        "system_metrics_raw_iabd06",
        "1",
        &json!({"server_id": "web01", "cpu_percent": 3, "timestamp": "2026-04-18"}),
    );
    meter("system_metrics_raw_iabd06", "2", &json!([1, 2]));
    meter("system_metrics_kpis_iabd06", "3", &json!({"timestamp": "ayer", "kpis": {"avg_cpu_percent": 3.1}}));
    let panel = Panel::lanzar(carpeta.path());
    let flota = panel.hasta_que("/api/flota", |v| v["total"] == 1);
    assert_eq!(flota["mensajes"], 1, "los ajenos no cuentan");
    let frase = flota["aviso"]["frase"].as_str().unwrap();
    assert!(frase.contains("hay 2 documentos que este consumidor no ha guardado"), "{frase}");
    let kpis = panel.json("/api/kpis");
    assert_eq!(kpis["ventanas_total"], 0);
    let frase = kpis["aviso"]["frase"].as_str().unwrap();
    assert!(
        frase.starts_with("Aún no hay ventanas: faltan 19 mensajes.") && frase.contains("hay 3 documentos"),
        "{frase}"
    );
}

#[test]
fn lo_de_otra_forma_y_lo_del_futuro_se_cuenta_se_dice_y_no_esconde_lo_demas() {
    let carpeta = tempfile::tempdir().unwrap();
    consumir(carpeta.path(), &[mensaje(&json!("nuestro"), 1.0)]);
    let base = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    let tabla = practicas_iabd06::nombres::CRUDOS;
    base.execute_batch(&format!(
        "INSERT INTO {tabla} VALUES ('a', NULL, '{{\"cpu\": 1}}'), ('b', NULL, 'no es JSON');
         INSERT INTO {tabla} SELECT 'c', 7, json_set(documento, '$.server_id', 'futuro',
             '$.kafka.recibido_en', '2999-01-01T00:00:00Z') FROM {tabla} WHERE rowid = 1;
         INSERT INTO {tabla} SELECT 'd', 8, json_set(documento, '$.server_id', 'detrás') FROM {tabla} WHERE rowid = 1"
    ))
    .unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let flota = panel.hasta_que("/api/flota", |v| v["total"] == 2);
    let frase = flota["aviso"]["frase"].as_str().unwrap();
    assert!(frase.contains("2 documentos que este consumidor no ha guardado"), "{frase}");
    assert!(frase.contains("Hay mensajes con fecha del futuro"), "{frase}");
    assert_eq!(flota["mensajes"], 3, "los nuestros, con el del futuro");
}
