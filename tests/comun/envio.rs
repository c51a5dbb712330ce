//! Un [`Envio`] hacia un servidor de mentira, y lo que hace falta para mirar qué hace.
#![allow(dead_code)] // cada prueba usa una parte

use std::path::PathBuf;
use std::time::Duration;

use practicas_iabd06::influx::buffer::Lote;
use practicas_iabd06::influx::destino::{Destino, Entrega};
use practicas_iabd06::influx::envio::Envio;
use practicas_iabd06::influx::http::ClienteHttp;
use practicas_iabd06::influx::{Acceso, WriteOptions};

use crate::comun::{self, Accion, Oido, Peticion, ServidorFalso};

/// Las cabeceras de un InfluxDB 2.
pub const VERSION_2: &str = "X-Influxdb-Build: OSS\r\nX-Influxdb-Version: 2.7.12\r\n";
/// Las de un 1.x.
pub const VERSION_1: &str = "X-Influxdb-Version: 1.6.7~rc0\r\n";

pub fn v2() -> Acceso {
    Acceso::V2 { token: "secreto".into(), org: "mi org".into(), bucket: "mi&bucket".into() }
}

pub fn v1() -> Acceso {
    let credenciales = Some(("ana".to_owned(), "cl&ve".to_owned()));
    Acceso::V1 { database: "base".into(), credenciales }
}

/// Un envío hacia `url`, con lo que dice y el fichero de rechazados.
pub struct Prueba {
    pub envio: Envio,
    pub oido: Oido,
    pub rechazados: PathBuf,
    _carpeta: tempfile::TempDir,
}

pub fn hacia(url: &str, acceso: &Acceso, limite: Duration) -> Prueba {
    let carpeta = tempfile::tempdir().unwrap();
    let rechazados = carpeta.path().join("rechazados.lp");
    let oido = Oido::default();
    let http = ClienteHttp::new(url, acceso, None, limite).unwrap();
    let opciones = WriteOptions::default();
    let nombre = "InfluxDB".to_owned();
    let envio = Envio::new(http, nombre, rechazados.clone(), opciones.politica(), oido.avisos());
    Prueba { envio, oido, rechazados, _carpeta: carpeta }
}

/// Lo mismo, hacia un servidor que sigue `regla`.
pub fn con(regla: impl Fn(&Peticion) -> Accion + Send + Sync + 'static) -> (Prueba, ServidorFalso) {
    let servidor = ServidorFalso::nuevo(regla);
    (hacia(&servidor.url, &v2(), comun::PACIENCIA), servidor)
}

pub fn lote(lineas: usize) -> Lote {
    let texto = (0..lineas).map(|n| format!("m n={n} {n}\n")).collect::<String>().into_bytes();
    Lote { texto, lineas }
}

pub fn json(mensaje: &str) -> String {
    serde_json::json!({"code": "invalid", "message": mensaje}).to_string()
}

pub fn escritas(respuesta: &Entrega) -> (usize, usize, bool) {
    (respuesta.escritas, respuesta.apartadas, respuesta.esperar.is_some())
}

/// Envía el lote como lo hace el temporizador, hasta que no queda nada. Devuelve cuántas escritas y apartadas.
pub fn vaciar(p: &mut Prueba, lote: &Lote, intentos: usize) -> (usize, usize) {
    let (mut resto, mut total) = (lote.texto.clone(), (0, 0));
    for _ in 0..intentos {
        let lineas = resto.iter().filter(|b| **b == b'\n').count();
        if lineas == 0 {
            break;
        }
        let este = Lote { texto: resto.clone(), lineas };
        let Entrega { escritas, apartadas, .. } = p.envio.enviar(&este);
        total = (total.0 + escritas, total.1 + apartadas);
        resto.drain(..este.bytes_de(escritas + apartadas));
    }
    total
}
