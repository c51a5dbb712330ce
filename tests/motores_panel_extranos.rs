//! El panel sobre un MongoDB de verdad con documentos que no esperaba: de otro programa, del futuro, de un reloj
//! atrasado o de otra base de datos. Ninguno esconde los nuestros.
//!
//! Se lanza con servicios/probar. Sin servidor, falla: no se salta.

use std::path::Path;

mod comun;
#[path = "comun/motores.rs"]
mod motores;
#[path = "comun/panel.rs"]
mod panel;

use comun::ejecutable;
use mongodb::bson::{DateTime, Document, doc, oid::ObjectId};
use mongodb::sync::{Client, Collection};
use motores::{Motor, con};
use panel::{Panel, ahora_ms};
use practicas_iabd06::nombres::{CRUDOS, KPIS};
use serde_json::Value;

const PANEL: &str = env!("CARGO_BIN_EXE_panel_metricas");

fn lanzar(carpeta: &Path, mongo: &Motor) -> Panel {
    Panel::esperar(&mut con(ejecutable(PANEL, carpeta, &["--puerto", "0"]), &[mongo]))
}

fn coleccion(motor: &Motor, nombre: &str) -> Collection<Document> {
    let cliente = Client::with_uri_str(&motor.entorno["MONGODB_URI"]).unwrap();
    cliente.database(&motor.entorno["MONGODB_DATABASE"]).collection(nombre)
}

/// Un mensaje como los guarda el consumidor, que llegó `ms` después de ahora.
fn crudo(offset: i64, servidor: &str, ms: i64) -> Document {
    let llegada = DateTime::from_millis(ahora_ms() + ms);
    doc! {
        "_id": format!("t#0#{offset}"), "server_id": servidor, "timestamp": llegada,
        "metrics": { "cpu_percent": 1.5, "memory_percent": 2.5, "disk_io_mbps": 1.0, "network_mbps": 1.0, "error_count": 0 },
        "kafka": { "topic": "t", "partition": 0, "offset": offset, "crc32": offset, "recibido_en": llegada },
    }
}

fn kpi(inicio: i64, ms: i64) -> Document {
    let fin = DateTime::from_millis(ahora_ms() + ms);
    doc! {
        "_id": format!("t#0#{inicio}-{}", inicio + 19), "ventana_inicio": fin, "ventana_fin": fin,
        "num_mensajes": 20_i64, "particion": 0, "offset_inicio": inicio, "offset_fin": inicio + 19,
        "cpu_percent_avg": 50.0,
    }
}

fn se_ve(vista: &Value, servidor: &str) -> bool {
    vista["servidores"].as_array().unwrap().iter().any(|s| s["server_id"] == servidor)
}

fn ventanas(vista: &Value) -> usize {
    vista["ventanas"].as_array().unwrap().len()
}

#[test]
fn los_documentos_de_otro_programa_se_cuentan_y_los_nuestros_se_ven() {
    let mongo = Motor::arrancar("mongo");
    let carpeta = tempfile::tempdir().unwrap();
    let panel = lanzar(carpeta.path(), &mongo);
    let ajeno = |n: i32| {
        let mut uno = doc! { "_id": ObjectId::new(), "timestamp": "2026-04-18 14:48:18", "metrics": { "cpu_percent": n } };
        if n % 2 == 0 {
            uno.insert("kafka", doc! { "recibido_en": "ayer", "partition": 0, "offset": n });
        }
        uno
    };
    coleccion(&mongo, CRUDOS).insert_many((0..40).map(ajeno)).run().unwrap();
    coleccion(&mongo, KPIS).insert_one(doc! { "window_number": 1, "kpis": { "avg_cpu": 3 } }).run().unwrap();
    let flota = panel.hasta_que("/api/flota", |v| {
        v["aviso"]["frase"].as_str().is_some_and(|f| f.contains("40 documentos"))
    });
    assert_eq!(flota["mensajes"], 0, "{flota}");
    assert!(flota["aviso"]["frase"].as_str().unwrap().contains("Aún no hay mensajes"), "{flota}");
    let kpis = panel.json("/api/kpis");
    assert!(kpis["aviso"]["frase"].as_str().unwrap().contains("41 documentos"), "{kpis}");
    assert_eq!(kpis["ventanas_total"], 0);

    coleccion(&mongo, CRUDOS).insert_one(crudo(0, "nuestro", 0)).run().unwrap();
    let flota = panel.hasta_que("/api/flota", |v| se_ve(v, "nuestro"));
    assert_eq!((flota["mensajes"].as_i64(), flota["total"].as_i64()), (Some(1), Some(1)), "{flota}");
}

#[test]
fn ni_uno_del_futuro_ni_un_reloj_atrasado_esconden_nada() {
    let mongo = Motor::arrancar("mongo");
    let carpeta = tempfile::tempdir().unwrap();
    let panel = lanzar(carpeta.path(), &mongo);
    let (crudos, kpis) = (coleccion(&mongo, CRUDOS), coleccion(&mongo, KPIS));
    crudos.insert_one(crudo(0, "adelantado", 10_000)).run().unwrap();
    kpis.insert_one(kpi(0, 10_000)).run().unwrap();
    panel.hasta_que("/api/flota", |v| se_ve(v, "adelantado"));
    panel.hasta_que("/api/kpis", |v| ventanas(v) == 1);
    crudos.insert_one(crudo(1, "a su hora", 0)).run().unwrap();
    kpis.insert_one(kpi(20, 0)).run().unwrap();
    panel.hasta_que("/api/flota", |v| se_ve(v, "a su hora"));
    panel.hasta_que("/api/kpis", |v| ventanas(v) == 2);

    crudos.insert_one(crudo(2, "atrasado", -60_000)).run().unwrap();
    panel.hasta_que("/api/flota", |v| se_ve(v, "atrasado"));
    crudos.insert_one(crudo(3, "de mañana", 86_400_000)).run().unwrap();
    crudos.insert_one(crudo(4, "de ahora", 0)).run().unwrap();
    let flota = panel.hasta_que("/api/flota", |v| se_ve(v, "de ahora"));
    assert!(!se_ve(&flota, "de mañana"), "{flota}");

    // Otro panel, que los lee todos de una vez, lo dice.
    let otro = lanzar(carpeta.path(), &mongo);
    let flota = otro.hasta_que("/api/flota", |v| se_ve(v, "de ahora"));
    assert!(
        flota["aviso"]["frase"].as_str().unwrap().contains("Hay mensajes con fecha del futuro"),
        "{flota}"
    );
    assert_eq!(flota["total"], 4, "{flota}");
}

#[test]
fn una_base_de_datos_hecha_otra_vez_no_se_mezcla_con_la_anterior() {
    let mongo = Motor::arrancar("mongo");
    let carpeta = tempfile::tempdir().unwrap();
    let panel = lanzar(carpeta.path(), &mongo);
    let crudos = coleccion(&mongo, CRUDOS);
    crudos.insert_many((0..5).map(|n| crudo(n, "de antes", -5_000))).run().unwrap();
    panel.hasta_que("/api/flota", |v| se_ve(v, "de antes"));
    // Los mismos _id, y más que antes; y después, los mismos y los mismos que antes.
    for (cuantos, servidor) in [(8, "de la segunda"), (8, "de la tercera")] {
        crudos.drop().run().unwrap();
        crudos.insert_many((0..cuantos).map(|n| crudo(n, servidor, 0))).run().unwrap();
        let flota = panel.hasta_que("/api/flota", |v| se_ve(v, servidor));
        assert_eq!(flota["total"], 1, "{flota}");
        assert_eq!(flota["mensajes"], 8);
    }
}
