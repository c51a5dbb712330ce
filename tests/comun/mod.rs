//! Lo que comparten las pruebas: un servidor HTTP que contesta lo que se le diga, y los programas.
#![allow(dead_code)] // cada prueba usa una parte

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use practicas_iabd06::avisos::Avisos;

/// Lo que de verdad no debería agotarse nunca: solo evita que una prueba rota se cuelgue.
pub const PACIENCIA: Duration = Duration::from_secs(20);

/// El azar de una prueba. Dice su semilla, que se ve si la prueba falla; con `SEMILLA=n` se repite.
pub fn azar() -> fastrand::Rng {
    let pedida = std::env::var("SEMILLA").ok().map(|s| s.parse().expect("SEMILLA es un entero"));
    let semilla = pedida.unwrap_or_else(|| fastrand::u64(..));
    println!("SEMILLA={semilla}");
    fastrand::Rng::with_seed(semilla)
}

/// Que una frase diga todo esto.
#[track_caller]
pub fn contiene(frase: &str, trozos: &[&str]) {
    for trozo in trozos {
        assert!(frase.contains(trozo), "falta «{trozo}» en «{frase}»");
    }
}

#[derive(Debug, Clone)]
pub struct Peticion {
    pub ruta: String,
    pub cabeceras: HashMap<String, String>,
    pub cuerpo: Vec<u8>,
}

impl Peticion {
    pub fn lineas(&self) -> usize {
        self.cuerpo.iter().filter(|b| **b == b'\n').count()
    }

    pub fn texto(&self) -> String {
        String::from_utf8(self.cuerpo.clone()).unwrap()
    }
}

pub enum Accion {
    /// Código, cabeceras de más y cuerpo.
    Contestar(u16, &'static str, String),
    /// Empieza a contestar y cuelga.
    Cortar,
    /// No contesta nunca.
    Callar,
}

impl Accion {
    pub fn de(codigo: u16, cuerpo: &str) -> Self {
        Accion::Contestar(codigo, "", cuerpo.to_owned())
    }
}

/// Un servidor HTTP en un puerto libre de 127.0.0.1. Cada petición que atiende sale por `peticiones`.
pub struct ServidorFalso {
    pub url: String,
    pub peticiones: Receiver<Peticion>,
    direccion: SocketAddr,
    parado: Arc<AtomicBool>,
    hilo: JoinHandle<()>,
}

impl ServidorFalso {
    pub fn nuevo(regla: impl Fn(&Peticion) -> Accion + Send + Sync + 'static) -> Self {
        ServidorFalso::en(TcpListener::bind("127.0.0.1:0").unwrap(), regla)
    }

    pub fn en(escucha: TcpListener, regla: impl Fn(&Peticion) -> Accion + Send + Sync + 'static) -> Self {
        let url = format!("http://{}", escucha.local_addr().unwrap());
        let (anotar, peticiones) = mpsc::channel();
        let (regla, parado) = (Arc::new(regla), Arc::new(AtomicBool::new(false)));
        let (direccion, fin) = (escucha.local_addr().unwrap(), Arc::clone(&parado));
        let hilo = thread::spawn(move || {
            for conexion in escucha.incoming() {
                if fin.load(Ordering::SeqCst) {
                    return;
                }
                let (regla, anotar) = (Arc::clone(&regla), anotar.clone());
                thread::spawn(move || atender(conexion.unwrap(), &*regla, &anotar));
            }
        });
        ServidorFalso { url, peticiones, direccion, parado, hilo }
    }

    /// Deja de escuchar: su dirección queda libre.
    pub fn parar(self) {
        self.parado.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.direccion); // despierta al hilo
        self.hilo.join().unwrap();
    }

    /// La próxima petición con líneas: se salta el saludo.
    pub fn escritura(&self) -> Peticion {
        loop {
            let peticion = self.peticiones.recv_timeout(PACIENCIA).expect("no llega ninguna petición");
            if !peticion.cuerpo.is_empty() {
                return peticion;
            }
        }
    }
}

/// Escucha en una dirección que acaba de quedar libre; si otra prueba la ha cogido, espera su turno.
pub fn escuchar_en(direccion: SocketAddr) -> TcpListener {
    let hasta = Instant::now() + PACIENCIA;
    loop {
        match TcpListener::bind(direccion) {
            Ok(escucha) => return escucha,
            Err(error) => assert!(Instant::now() < hasta, "{direccion}: {error}"),
        }
        thread::yield_now();
    }
}

fn atender(conexion: TcpStream, regla: &dyn Fn(&Peticion) -> Accion, anotar: &Sender<Peticion>) {
    let mut lector = BufReader::new(conexion.try_clone().unwrap());
    let mut conexion = conexion;
    while let Some(peticion) = leer_peticion(&mut lector) {
        let accion = regla(&peticion);
        let _ = anotar.send(peticion);
        match accion {
            Accion::Contestar(codigo, cabeceras, cuerpo) => {
                let largo = if codigo == 204 {
                    String::new()
                } else {
                    format!("Content-Length: {}\r\n", cuerpo.len())
                };
                let texto = format!("HTTP/1.1 {codigo} x\r\n{largo}{cabeceras}\r\n{cuerpo}");
                let _ = conexion.write_all(texto.as_bytes()); // de una vez, sin esperar a Nagle
            }
            Accion::Cortar => {
                let _ = conexion.write_all(b"HTTP/1.1 2");
                return;
            }
            Accion::Callar => {
                let _ = lector.read_to_end(&mut Vec::new()); // hasta que el cliente se canse
                return;
            }
        }
    }
}

fn leer_peticion(lector: &mut BufReader<TcpStream>) -> Option<Peticion> {
    let mut primera = String::new();
    if lector.read_line(&mut primera).ok()? == 0 {
        return None;
    }
    let ruta = primera.split(' ').nth(1)?.to_owned();
    let mut cabeceras = HashMap::new();
    loop {
        let mut linea = String::new();
        lector.read_line(&mut linea).ok()?;
        let Some((nombre, valor)) = linea.trim_end().split_once(": ") else { break };
        cabeceras.insert(nombre.to_lowercase(), valor.to_owned());
    }
    let largo = cabeceras.get("content-length").map_or(0, |l| l.parse().unwrap());
    let mut cuerpo = vec![0; largo];
    lector.read_exact(&mut cuerpo).ok()?;
    Some(Peticion { ruta, cabeceras, cuerpo })
}

/// Los avisos que llegan, en orden.
#[derive(Clone, Default)]
pub struct Oido(Arc<Mutex<Vec<String>>>);

impl Oido {
    pub fn avisos(&self) -> Avisos {
        let frases = Arc::clone(&self.0);
        Arc::new(move |nivel, frase| frases.lock().unwrap().push(format!("{nivel:?} {frase}")))
    }

    /// Los avisos de nivel `Aviso` o más: lo que ve cualquiera.
    pub fn importantes(&self) -> Vec<String> {
        let frases = self.0.lock().unwrap();
        frases.iter().filter(|f| f.starts_with("Aviso") || f.starts_with("Error")).cloned().collect()
    }

    pub fn todos(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Un programa de los nuestros, en una carpeta y sin nada configurado desde fuera.
pub fn ejecutable(ruta: &str, carpeta: &Path, argumentos: &[&str]) -> Command {
    let mut orden = Command::new(ruta);
    orden.current_dir(carpeta).args(argumentos).stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let nombre = variable.to_string_lossy();
        if ["INFLUXDB_", "MONGODB_", "KAFKA_", "IP_LOCAL"].iter().any(|p| nombre.starts_with(p)) {
            orden.env_remove(&variable);
        }
    }
    orden
}

/// El agente.
pub fn agente(carpeta: &Path, argumentos: &[&str]) -> Command {
    ejecutable(env!("CARGO_BIN_EXE_agente_monitoreo"), carpeta, argumentos)
}

/// El productor o el consumidor.
pub fn programa(nombre: &str, carpeta: &Path, argumentos: &[&str]) -> Command {
    let ruta = match nombre {
        "productor" => env!("CARGO_BIN_EXE_productor_metrics_iabd06"),
        _ => env!("CARGO_BIN_EXE_consumidor_metrics_iabd06"),
    };
    ejecutable(ruta, carpeta, argumentos)
}

/// Lo lanza y espera a que acabe.
pub fn correr(carpeta: &Path, argumentos: &[&str]) -> Output {
    agente(carpeta, argumentos).output().unwrap()
}

/// Lo lanza con la salida en tuberías; se mata al soltarlo.
pub struct EnMarcha(pub Child);

impl EnMarcha {
    pub fn lanzar(carpeta: &Path, argumentos: &[&str]) -> Self {
        EnMarcha::de(agente(carpeta, argumentos))
    }

    pub fn de(mut orden: Command) -> Self {
        EnMarcha(orden.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Espera a que haya enseñado `n` lecturas.
    pub fn lecturas(&mut self, n: usize) {
        let salida = BufReader::new(self.0.stdout.as_mut().unwrap());
        assert_eq!(salida.lines().take(n).map(Result::unwrap).count(), n, "el agente ha acabado antes");
    }

    pub fn senal(&self, senal: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([senal, &pid]).status().unwrap().success());
    }

    /// Lo mismo que [`EnMarcha::fin`], sin soltar antes la tubería: lee hasta que acabe.
    pub fn fin_leyendo(mut self) -> (Option<i32>, String) {
        let salida = self.0.stdout.take();
        let leer = thread::spawn(move || salida.map(|mut s| s.read_to_string(&mut String::new())));
        let fin = self.fin();
        let _ = leer.join();
        fin
    }

    /// Espera a que acabe. Devuelve el código de salida y lo que ha dicho por la salida de errores.
    pub fn fin(mut self) -> (Option<i32>, String) {
        drop(self.0.stdout.take());
        let mut errores = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut errores).unwrap();
        (self.0.wait().unwrap().code(), errores)
    }
}

impl Drop for EnMarcha {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
