//! El panel en marcha, y un cliente HTTP de andar por casa.
#![allow(dead_code)] // cada prueba usa una parte

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use practicas_iabd06::broker::embebido::EmisorEmbebido;
use practicas_iabd06::broker::{Emisor, PorEnviar};
use practicas_iabd06::nombres::TOPIC;
use serde_json::{Value, json};

use super::comun::{EnMarcha, PACIENCIA, ejecutable};

/// Lo lanza y espera a que acabe bien.
pub fn correr(ruta: &str, carpeta: &Path, argumentos: &[&str]) {
    let salida = ejecutable(ruta, carpeta, argumentos).output().unwrap();
    assert!(salida.status.success(), "{}", String::from_utf8_lossy(&salida.stderr));
}

/// El panel en un puerto cualquiera. Se mata al soltarlo.
pub struct Panel {
    pub proceso: EnMarcha,
    pub direccion: SocketAddr,
    pub dicho: BufReader<ChildStderr>,
}

impl Panel {
    pub fn lanzar(carpeta: &Path) -> Self {
        let ruta = env!("CARGO_BIN_EXE_panel_metricas");
        Panel::esperar(&mut ejecutable(ruta, carpeta, &["--puerto", "0"]))
    }

    /// Lanza esta orden y espera a que diga dónde está la página.
    pub fn esperar(orden: &mut Command) -> Self {
        let hijo = orden.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut proceso = EnMarcha(hijo);
        let mut dicho = BufReader::new(proceso.0.stderr.take().unwrap());
        let mut linea = String::new();
        dicho.read_line(&mut linea).unwrap();
        let direccion = linea.strip_prefix("Panel en http://").and_then(|l| l.split(' ').next());
        let direccion = direccion.unwrap_or_else(|| panic!("el panel dice: {linea}")).parse().unwrap();
        Panel { proceso, direccion, dicho }
    }

    /// Manda esto tal cual y devuelve todo lo que se contesta hasta que se cierra.
    pub fn crudo(&self, peticion: &[u8]) -> String {
        let mut conexion = self.conectar();
        conexion.write_all(peticion).unwrap();
        let mut todo = Vec::new();
        conexion.read_to_end(&mut todo).unwrap();
        String::from_utf8(todo).unwrap()
    }

    pub fn conectar(&self) -> TcpStream {
        let conexion = TcpStream::connect(self.direccion).unwrap();
        conexion.set_read_timeout(Some(PACIENCIA)).unwrap();
        conexion
    }

    /// Un GET: código, cabeceras y cuerpo.
    pub fn get(&self, ruta: &str) -> (u16, String, String) {
        let todo = self
            .crudo(format!("GET {ruta} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
        let (cabeza, cuerpo) = todo.split_once("\r\n\r\n").unwrap_or_else(|| panic!("contesta: {todo}"));
        let codigo = cabeza.split(' ').nth(1).unwrap().parse().unwrap();
        (codigo, cabeza.to_owned(), cuerpo.to_owned())
    }

    /// El JSON de una vista.
    pub fn json(&self, ruta: &str) -> Value {
        let (codigo, _, cuerpo) = self.get(ruta);
        assert_eq!(codigo, 200, "{ruta}: {cuerpo}");
        serde_json::from_str(&cuerpo).unwrap()
    }

    /// Mira una vista hasta que enseñe lo que se espera.
    #[track_caller]
    pub fn hasta_que(&self, ruta: &str, que: impl Fn(&Value) -> bool) -> Value {
        let limite = Instant::now() + PACIENCIA;
        loop {
            let vista = self.json(ruta);
            if que(&vista) {
                return vista;
            }
            assert!(Instant::now() < limite, "{ruta} no llega a lo esperado: {vista}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Los números de una columna.
pub fn numeros(columna: &Value) -> Vec<f64> {
    columna.as_array().unwrap().iter().filter_map(Value::as_f64).collect()
}

/// Milisegundos desde 1970.
pub fn ahora_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Añade texto al fichero del agente.
pub fn anadir(carpeta: &Path, texto: &str) {
    fs::create_dir_all(carpeta.join("datos")).unwrap();
    let ruta = carpeta.join("datos/rendimiento_servidor.lp");
    OpenOptions::new().create(true).append(true).open(ruta).unwrap().write_all(texto.as_bytes()).unwrap();
}

/// Un punto, como lo escribe el agente; `t` en milisegundos.
pub fn linea(host: &str, cpu: f64, t: i64) -> String {
    format!(
        "rendimiento_servidor,entorno=produccion,host_id={host} cpu_percent={cpu},ram_percent=40.5 {t}000000\n"
    )
}

/// Pone mensajes en el topic y los pasa por el consumidor.
pub fn consumir(carpeta: &Path, mensajes: &[String]) {
    let mut emisor =
        EmisorEmbebido::new(&carpeta.join("datos"), TOPIC, &(Arc::new(|_, _: &str| {}) as _)).unwrap();
    let mensajes: Vec<_> =
        mensajes.iter().map(|m| PorEnviar { clave: "k".to_owned(), valor: m.clone().into_bytes() }).collect();
    emisor.enviar(&mensajes).unwrap();
    correr(
        env!("CARGO_BIN_EXE_consumidor_metrics_iabd06"),
        carpeta,
        &["--mensajes", &mensajes.len().to_string(), "--silencioso"],
    );
}

/// Un mensaje como los del ejercicio.
pub fn mensaje(server_id: &Value, cpu: f64) -> String {
    json!({"server_id": server_id, "timestamp_utc": "2026-04-18T14:48:18.009002+00:00",
           "metrics": {"cpu_percent": cpu, "memory_percent": 50, "disk_io_mbps": 1.5, "network_mbps": 2.5,
                       "error_count": 0}})
    .to_string()
}
