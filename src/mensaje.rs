//! El mensaje que viaja por Kafka: aquí se escribe y aquí se lee, y en ningún otro sitio.
//!
//! Es el formato del curso:
//!
//! ```json
//! {"server_id":"web01","timestamp_utc":"2026-04-18T14:48:18.009002+00:00",
//!  "metrics":{"cpu_percent":64.4,"memory_percent":37.13,"disk_io_mbps":27.54,"network_mbps":16.74,"error_count":0},
//!  "message_uuid":"8c5f0c2e-3b0e-4a53-9a39-1f6f5b1a7c11"}
//! ```

use std::fmt::Write;

use serde_json::{Map, Number, Value};
use time::OffsetDateTime;

use crate::json;

/// Una métrica mayor no es de este mundo, y la suma de una ventana podría no caber en un `f64`.
const MAX_METRICA: f64 = 1e300;

/// Errores de un mensaje, como mucho: así la suma de una ventana, aunque sea de un millón de mensajes, es
/// siempre exacta.
const MAX_ERRORES: f64 = 1e12;

/// Las métricas que un servidor manda en cada mensaje.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metricas {
    /// Uso de CPU, en %.
    pub cpu_percent: f64,
    /// Uso de memoria, en %.
    pub memory_percent: f64,
    /// Lectura y escritura en disco, en MB por segundo.
    pub disk_io_mbps: f64,
    /// Tráfico de red, en MB por segundo.
    pub network_mbps: f64,
    /// Errores desde el mensaje anterior.
    pub error_count: i64,
}

/// Un mensaje por enviar.
#[derive(Debug, Clone, PartialEq)]
pub struct Mensaje<'a> {
    /// Quién lo manda. Es también la clave con la que Kafka elige partición.
    pub server_id: &'a str,
    /// Cuándo, en UTC.
    pub timestamp_utc: OffsetDateTime,
    /// Lo medido.
    pub metrics: Metricas,
    /// Los 128 bits de un UUID aleatorio; los de versión y variante se ponen al escribirlo.
    pub uuid: u128,
}

/// Un mensaje recibido: todos sus campos, como vinieron, y las métricas ya comprobadas.
#[derive(Debug, Clone, PartialEq)]
pub struct Leido {
    /// El documento entero, con sus campos en su orden.
    pub campos: Map<String, Value>,
    /// Las métricas de `metrics`.
    pub metricas: Metricas,
}

impl Mensaje<'_> {
    /// Añade a `salida` el mensaje en JSON.
    pub fn escribir_json(&self, salida: &mut String) {
        let Metricas { cpu_percent, memory_percent, disk_io_mbps, network_mbps, error_count } = self.metrics;
        salida.push_str(r#"{"server_id":"#);
        salida.push_str(&Value::from(self.server_id).to_string());
        salida.push_str(r#","timestamp_utc":""#);
        escribir_instante(self.timestamp_utc, salida);
        let metricas = [
            (r#"","metrics":{"cpu_percent":"#, cpu_percent),
            (r#","memory_percent":"#, memory_percent),
            (r#","disk_io_mbps":"#, disk_io_mbps),
            (r#","network_mbps":"#, network_mbps),
        ];
        for (clave, valor) in metricas {
            salida.push_str(clave);
            match Number::from_f64(valor) {
                Some(numero) => _ = write!(salida, "{numero}"), // escribir en un String no falla
                None => salida.push_str("null"),
            }
        }
        let _ = write!(salida, r#","error_count":{error_count}}},"message_uuid":""#);
        escribir_uuid(self.uuid, salida);
        salida.push_str("\"}");
    }
}

/// Lee un mensaje. Admite enteros donde suele haber decimales, campos de más y cualquier orden.
///
/// # Errors
/// La razón por la que no cuenta para los KPIs, en español: no es JSON, falta una métrica o no es un
/// número.
pub fn leer(bytes: &[u8]) -> Result<Leido, String> {
    let campos = json::leer_objeto(bytes)?;
    let metrics = match campos.get("metrics") {
        Some(Value::Object(metrics)) => metrics,
        Some(_) => return Err("metrics no es un objeto".to_owned()),
        None if campos.contains_key("cpu_percent") => {
            return Err("falta metrics: las métricas están sueltas, y van dentro".to_owned());
        }
        None => return Err("falta metrics".to_owned()),
    };
    let metricas = Metricas {
        cpu_percent: numero(metrics, "cpu_percent")?,
        memory_percent: numero(metrics, "memory_percent")?,
        disk_io_mbps: numero(metrics, "disk_io_mbps")?,
        network_mbps: numero(metrics, "network_mbps")?,
        error_count: entero(metrics, "error_count")?,
    };
    Ok(Leido { campos, metricas })
}

fn numero(metrics: &Map<String, Value>, nombre: &str) -> Result<f64, String> {
    match metrics.get(nombre) {
        None => Err(format!("falta metrics.{nombre}")),
        Some(valor) => match valor.as_f64() {
            None => Err(format!("metrics.{nombre} no es un número")),
            Some(numero) if numero.abs() > MAX_METRICA => {
                Err(format!("metrics.{nombre} es demasiado grande"))
            }
            Some(numero) => Ok(numero),
        },
    }
}

/// Un entero, o un decimal sin decimales (`2.0`), que es como lo escriben algunas bibliotecas.
fn entero(metrics: &Map<String, Value>, nombre: &str) -> Result<i64, String> {
    let numero = numero(metrics, nombre)?;
    if numero.fract() != 0.0 {
        return Err(format!("metrics.{nombre} no es un entero"));
    }
    if numero.abs() > MAX_ERRORES {
        return Err(format!("metrics.{nombre} es demasiado grande"));
    }
    Ok(numero as i64) // exacto: por debajo de 2^53, un f64 distingue cada entero
}

/// `2026-04-18T14:48:18.009002+00:00`, como `datetime.now(timezone.utc).isoformat()`.
fn escribir_instante(instante: OffsetDateTime, salida: &mut String) {
    let utc = instante.to_offset(time::UtcOffset::UTC);
    let (fecha, (h, m, s, micros)) = (utc.date(), utc.to_hms_micro());
    let _ = write!(
        salida,
        "{:04}-{:02}-{:02}T{h:02}:{m:02}:{s:02}.{micros:06}+00:00",
        fecha.year(),
        u8::from(fecha.month()),
        fecha.day()
    );
}

/// Un UUID versión 4 (RFC 9562): 122 bits al azar y seis fijos.
fn escribir_uuid(azar: u128, salida: &mut String) {
    let bits = azar & !(0xF << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let _ = write!(
        salida,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xFFFF,
        bits >> 64 & 0xFFFF,
        bits >> 48 & 0xFFFF,
        bits & 0xFFFF_FFFF_FFFF
    );
}
