//! Los documentos que salen de un mensaje y de una ventana, campo a campo.

use std::time::SystemTime;

use flate2::Crc;
use serde_json::{Map, Number, Value};

use crate::almacen::{Dato, Documento};
use crate::broker::Registro;
use crate::kpis::Kpis;

pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn texto(clave: &str, valor: &str) -> (String, Dato) {
    (clave.to_owned(), Dato::Json(Value::from(valor)))
}

fn entero(clave: &str, valor: impl Into<Number>) -> (String, Dato) {
    (clave.to_owned(), Dato::Json(Value::Number(valor.into())))
}

fn decimal(clave: &str, valor: f64) -> (String, Dato) {
    (clave.to_owned(), Dato::Json(Value::from(valor)))
}

/// De dónde viene un mensaje.
fn procedencia(topic: &str, registro: &Registro, crc: u32, llegada: SystemTime) -> Vec<(String, Dato)> {
    let clave = match registro.clave.as_deref().map(std::str::from_utf8) {
        None => Dato::Json(Value::Null),
        Some(Ok(clave)) => Dato::Json(Value::from(clave)),
        Some(Err(_)) => Dato::Bytes(registro.clave.clone().unwrap_or_default()),
    };
    vec![
        texto("topic", topic),
        entero("partition", registro.particion),
        entero("offset", registro.offset),
        ("key".to_owned(), clave),
        entero("crc32", crc),
        ("recibido_en".to_owned(), Dato::Fecha(llegada)),
    ]
}

/// El mensaje como vino, más `timestamp` (fecha) y `kafka`. Si traía un campo con uno de esos nombres
/// o un `_id`, se conserva dentro de `original`.
pub(super) fn crudo(
    topic: &str,
    registro: &Registro,
    campos: Map<String, Value>,
    fecha: Option<SystemTime>,
    crc: u32,
    llegada: SystemTime,
) -> Documento {
    let (nuestros, suyos): (Vec<_>, Vec<_>) = campos
        .into_iter()
        .map(|(clave, valor)| (clave, Dato::Json(valor)))
        .partition(|(clave, _)| ["_id", "kafka", "timestamp", "original"].contains(&clave.as_str()));
    let mut campos = suyos;
    campos.extend(fecha.map(|f| ("timestamp".to_owned(), Dato::Fecha(f))));
    if !nuestros.is_empty() {
        campos.push(("original".to_owned(), Dato::Sub(nuestros)));
    }
    campos.push(("kafka".to_owned(), Dato::Sub(procedencia(topic, registro, crc, llegada))));
    Documento { id: identidad(topic, registro), crc32: Some(crc), campos }
}

pub(super) fn descartado(topic: &str, registro: &Registro, razon: &str, llegada: SystemTime) -> Documento {
    let crc = crc32(&registro.valor);
    let campos = vec![
        texto("razon", razon),
        ("bytes".to_owned(), Dato::Bytes(registro.valor.clone())),
        ("timestamp".to_owned(), Dato::Fecha(llegada)),
        ("kafka".to_owned(), Dato::Sub(procedencia(topic, registro, crc, llegada))),
    ];
    Documento { id: identidad(topic, registro), crc32: Some(crc), campos }
}

pub(super) fn de_kpis(topic: &str, particion: i32, kpis: &Kpis) -> Documento {
    let Kpis { offset_inicio, offset_fin, .. } = kpis;
    let ventana_inicio = kpis.ventana_fin.checked_sub(kpis.duracion).unwrap_or(kpis.ventana_fin);
    let campos = vec![
        ("timestamp_utc".to_owned(), Dato::Fecha(kpis.ventana_fin)),
        ("ventana_inicio".to_owned(), Dato::Fecha(ventana_inicio)),
        ("ventana_fin".to_owned(), Dato::Fecha(kpis.ventana_fin)),
        decimal("duracion_ventana_seg", kpis.duracion.as_secs_f64()),
        entero("num_mensajes", kpis.num_mensajes),
        decimal("cpu_percent_avg", kpis.cpu_percent_avg),
        decimal("memory_percent_avg", kpis.memory_percent_avg),
        decimal("disk_io_mbps_avg", kpis.disk_io_mbps_avg),
        decimal("network_mbps_avg", kpis.network_mbps_avg),
        entero("error_count_sum", kpis.error_count_sum),
        decimal("tasa_procesamiento_msg_seg", kpis.tasa_procesamiento_msg_seg),
        entero("particion", particion),
        entero("offset_inicio", *offset_inicio),
        entero("offset_fin", *offset_fin),
        entero("crc32", kpis.crc32),
    ];
    Documento {
        id: format!("{topic}#{particion}#{offset_inicio}-{offset_fin}"),
        crc32: Some(kpis.crc32),
        campos,
    }
}

pub(super) fn identidad(topic: &str, registro: &Registro) -> String {
    format!("{topic}#{}#{}", registro.particion, registro.offset)
}
