//! El motor embebido por dentro: lo que hay en él, y mensajes puestos a mano.
#![allow(dead_code)] // cada prueba usa una parte

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use practicas_iabd06::avisos::Avisos;
use practicas_iabd06::broker::embebido::EmisorEmbebido;
use practicas_iabd06::broker::{Emisor, PorEnviar};
use practicas_iabd06::nombres::TOPIC;
use rusqlite::Connection;
use serde_json::{Value, json};

/// Los documentos de una colección, por su `_id`.
pub fn documentos(carpeta: &Path, coleccion: &str) -> BTreeMap<String, Value> {
    let conexion = Connection::open(carpeta.join("datos/motor.sqlite3")).unwrap();
    let mut consulta = conexion.prepare(&format!("SELECT _id, documento FROM {coleccion}_iabd06")).unwrap();
    let filas = consulta.query_map([], |f| Ok((f.get(0)?, f.get::<_, String>(1)?))).unwrap();
    filas.map(Result::unwrap).map(|(id, texto)| (id, serde_json::from_str(&texto).unwrap())).collect()
}

/// Comprueba que los KPIs guardados son las ventanas exactas de `n` crudos, y que salen de ellos.
pub fn comprobar_ventanas(carpeta: &Path, n: usize) -> (usize, usize) {
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
        let (tasa, duracion) = (&kpi["tasa_procesamiento_msg_seg"], &kpi["duracion_ventana_seg"]);
        assert_eq!(tasa.as_f64().unwrap(), n as f64 / duracion.as_f64().unwrap());
        assert_eq!((&kpi["num_mensajes"], &kpi["particion"]), (&json!(n), &json!(0)));
        assert_eq!((&kpi["offset_inicio"], &kpi["offset_fin"]), (&json!(de(0)), &json!(de(n - 1))));
    }
    (crudos.len(), kpis.len())
}

/// Avisos que no mira nadie.
pub fn sin_avisos() -> Avisos {
    Arc::new(|_, _| {})
}

/// Manda estos contenidos tal cual.
pub fn mandar(carpeta: &Path, contenidos: impl IntoIterator<Item = Vec<u8>>) {
    let mensajes: Vec<_> =
        contenidos.into_iter().map(|valor| PorEnviar { clave: "x".to_owned(), valor }).collect();
    EmisorEmbebido::new(&carpeta.join("datos"), TOPIC, &sin_avisos()).unwrap().enviar(&mensajes).unwrap();
}

pub fn bueno(n: u64) -> Vec<u8> {
    json!({"server_id": "web01", "timestamp_utc": "2026-04-18T14:48:18.009002+00:00", "metrics": {
        "cpu_percent": n, "memory_percent": 2.5, "disk_io_mbps": 3, "network_mbps": 4.5, "error_count": 1},
        "_id": n, "kafka": "mío", "otro": {"ñ": "😀"}})
    .to_string()
    .into_bytes()
}
