//! El panel sobre un MongoDB con documentos del futuro, de otros consumidores o de otra historia.
//!
//! Se lanza con servicios/probar, que instala los servidores. Sin servidor, falla: no se salta.

use std::path::Path;

mod comun;
#[path = "comun/motores.rs"]
mod motores;
#[path = "comun/panel.rs"]
mod panel;
#[path = "comun/panel_motores.rs"]
mod panel_motores;

use mongodb::bson::{Document, doc};
use motores::Motor;
use panel::{ahora_ms, numeros};
use panel_motores::{base, correr, lanzar};
use practicas_iabd06::nombres::{CRUDOS, KPIS, TOPIC};
use serde_json::{Value, json};

const PRODUCTOR: &str = env!("CARGO_BIN_EXE_productor_metrics_iabd06");
const CONSUMIDOR: &str = env!("CARGO_BIN_EXE_consumidor_metrics_iabd06");

#[test]
fn en_mongodb_lo_del_futuro_no_tapa_a_lo_nuestro_y_lo_ajeno_se_cuenta() {
    let mongo = Motor::arrancar("mongo");
    let carpeta = tempfile::tempdir().unwrap();
    let (crudos, kpis) =
        (base(&mongo).collection::<Document>(CRUDOS), base(&mongo).collection::<Document>(KPIS));
    let panel = lanzar(carpeta.path(), &[&mongo]);
    // Lo que han dejado otros consumidores, con las formas de otras entregas.
    crudos.insert_many((0..40).map(|i| doc! {"server_id": "web01", "cpu_percent": i})).run().unwrap();
    kpis.insert_one(doc! {"timestamp": "2026-04-18", "kpis": {"avg_cpu_percent": 3.5}}).run().unwrap();
    let vista =
        panel.hasta_que("/api/kpis", |v| v["aviso"]["frase"].to_string().contains("hay 41 documentos"));
    assert_eq!((&vista["ventanas_total"], &vista["descartados"]["total"]), (&json!(0), &json!(0)));
    assert_eq!(panel.json("/api/flota")["mensajes"], 0);

    let una_ventana = || {
        correr(PRODUCTOR, carpeta.path(), &[], &["--rondas", "4", "--sin-pausa", "--silencioso"]);
        correr(CONSUMIDOR, carpeta.path(), &[&mongo], &["--mensajes", "20", "--silencioso"]);
    };
    una_ventana();
    panel
        .hasta_que("/api/kpis", |v| v["ventanas_total"] == 1 && v["ventanas"].as_array().unwrap().len() == 1);
    // El de un ordenador cuyo reloj va 10 segundos adelantado, y el de otro que va una hora.
    let nuestra = kpis.find_one(doc! {"num_mensajes": 20}).run().unwrap().unwrap();
    for (id, dentro_de) in [("otro#0#0-19", 10_000), ("otro#0#20-39", 3_600_000)] {
        let mut adelantada = nuestra.clone();
        adelantada.insert("_id", id);
        adelantada.insert("ventana_fin", mongodb::bson::DateTime::from_millis(ahora_ms() + dentro_de));
        kpis.insert_one(adelantada).run().unwrap();
    }
    panel.hasta_que("/api/kpis", |v| {
        v["aviso"]["frase"].to_string().contains("ventanas con fecha del futuro")
    });
    una_ventana();
    let visto = |v: &Value, id: &str| v["ventanas"].as_array().unwrap().iter().any(|w| w["_id"] == id);
    let segunda = format!("{TOPIC}#0#20-39");
    let vista = panel.hasta_que("/api/kpis", |v| visto(v, &segunda));
    assert!(
        vista["al_dia"] == true && visto(&vista, "otro#0#0-19") && !visto(&vista, "otro#0#20-39"),
        "{vista}"
    );
    assert!(numeros(&vista["t"]).iter().all(|t| *t <= vista["hasta"].as_f64().unwrap()));
    assert_eq!(panel.json("/api/flota")["mensajes"], 40);
}

#[test]
fn una_base_de_mongodb_hecha_otra_vez_no_se_mezcla_con_la_de_antes() {
    let mongo = Motor::arrancar("mongo");
    let (vieja, nueva) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let llenar = |carpeta: &Path, rondas: &str, mensajes: &str, servidores: &str| {
        let ordenes = ["--rondas", rondas, "--servidores", servidores, "--sin-pausa", "--silencioso"];
        correr(PRODUCTOR, carpeta, &[], &ordenes);
        correr(CONSUMIDOR, carpeta, &[&mongo], &["--mensajes", mensajes, "--silencioso"]);
    };
    llenar(vieja.path(), "2", "20", "10");
    let panel = lanzar(vieja.path(), &[&mongo]);
    panel.hasta_que("/api/flota", |v| v["total"] == 10);
    // Sin nadie mirando: cuando se vuelve a preguntar, ya hay más que antes.
    base(&mongo).drop().run().unwrap();
    llenar(nueva.path(), "10", "30", "3");
    let flota = panel.hasta_que("/api/flota", |v| v["mensajes"] == 30);
    assert_eq!(flota["total"], 3, "{flota}");
}
