//! Campañas contra InfluxDB 2.7: kill -9 con el servidor yendo y viniendo, y un millón de puntos.
//!
//! Quien escribe es otro proceso (la «prueba» `escritor` de este mismo programa), para poder matarlo
//! y medir su memoria. Cortas en servicios/probar; enteras con servicios/probar --largo.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

mod comun;
#[path = "comun/motores.rs"]
mod motores;

use comun::{Accion, EnMarcha, ServidorFalso, azar};
use motores::{Motor, filas, segun};
use practicas_iabd06::influx::diario::Limites;
use practicas_iabd06::influx::{Acceso, Ajustes, InfluxDBClient, Lugar, Point, WriteOptions};
use serde_json::{Value, json};

/// Lo que se pide al escritor.
#[derive(Clone)]
struct Encargo<'a> {
    url: &'a str,
    token: &'a str,
    datos: &'a Path,
    desde: u64,
    hasta: u64,
    base_ns: u64,
    pausa_us: u64,
    cierre_s: u64,
    total_mib: u64,
    progreso: Option<&'a Path>,
}

impl Encargo<'_> {
    fn lanzar(&self) -> EnMarcha {
        let encargo = json!({
            "url": self.url, "token": self.token, "datos": self.datos, "desde": self.desde,
            "hasta": self.hasta, "base_ns": self.base_ns, "pausa_us": self.pausa_us,
            "cierre_s": self.cierre_s, "total_mib": self.total_mib, "progreso": self.progreso,
        });
        let mut orden = Command::new(std::env::current_exe().unwrap());
        orden.args(["escritor", "--exact", "--ignored", "--nocapture"]).env("ENCARGO", encargo.to_string());
        EnMarcha(orden.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Lo lanza, espera a que acabe y devuelve su resumen.
    fn cumplir(&self) -> Value {
        let mut escritor = self.lanzar();
        let salida = std::io::read_to_string(escritor.0.stdout.take().unwrap()).unwrap();
        let errores = std::io::read_to_string(escritor.0.stderr.take().unwrap()).unwrap();
        let resumen =
            salida.lines().find_map(|l| l.split_once("RESUMEN ")).unwrap_or_else(|| panic!("{errores}")).1;
        serde_json::from_str(resumen).unwrap()
    }
}

#[test]
#[ignore = "lo lanzan las campañas, en otro proceso"]
fn escritor() {
    let Ok(encargo) = std::env::var("ENCARGO") else { return };
    let encargo: Value = serde_json::from_str(&encargo).unwrap();
    let texto = |clave: &str| encargo[clave].as_str().unwrap().to_owned();
    let entero = |clave: &str| encargo[clave].as_u64().unwrap();
    let acceso = Acceso::V2 { token: texto("token"), org: "iabd06".into(), bucket: "rendimiento".into() };
    let servidor = Lugar::Servidor { url: texto("url"), acceso, ca: None };
    let limites = Limites { total: entero("total_mib") << 20, ..Limites::default() };
    let opciones = WriteOptions {
        flush_interval: Duration::from_millis(20),
        retry_interval: Duration::from_millis(20),
        max_retry_delay: Duration::from_millis(200),
        max_close_wait: Duration::from_secs(entero("cierre_s")),
        ..WriteOptions::default()
    };
    let avisos = Arc::new(|nivel, frase: &str| eprintln!("{nivel:?} {frase}"));
    let datos = PathBuf::from(texto("datos"));
    let ajustes = Ajustes { host_id: "escritor", lugar: &servidor, datos: &datos, limites, recuperar: None };
    let api = InfluxDBClient::new(ajustes, avisos).unwrap().write_api(opciones).unwrap();
    let progreso = encargo["progreso"]
        .as_str()
        .map(|p| OpenOptions::new().create(true).truncate(false).write(true).open(p).unwrap());
    let inicio = Instant::now();
    for n in entero("desde")..entero("hasta") {
        let punto = Point::new("rendimiento_servidor")
            .tag("host_id", "servidor_A")
            .tag("entorno", "produccion")
            .field("cpu_percent", (n % 1000) as f64 / 10.0)
            .field("n", n)
            .field("disk_percent", 65.4)
            .time((entero("base_ns") + n) as i64);
        api.write(&punto).unwrap();
        if let Some(progreso) = &progreso {
            progreso.write_at(&(n + 1).to_le_bytes(), 0).unwrap();
        }
        if entero("pausa_us") > 0 {
            thread::sleep(Duration::from_micros(entero("pausa_us")));
        }
    }
    let escribir_s = inicio.elapsed().as_secs_f64();
    let resumen = api.close();
    let estado = fs::read_to_string("/proc/self/status").unwrap();
    let pico = estado.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    let pico_kib: u64 = pico.split_whitespace().nth(1).unwrap().parse().unwrap();
    let salida = json!({
        "enviados": resumen.enviados, "pendientes": resumen.pendientes, "perdidos": resumen.perdidos,
        "apartados": resumen.apartados, "escribir_s": escribir_s, "todo_s": inicio.elapsed().as_secs_f64(),
        "pico_mb": pico_kib as f64 / 1000.0,
    });
    println!("\nRESUMEN {salida}");
}

fn ahora_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Cuántos puntos hay, y la suma de su field `n`.
fn contar(motor: &Motor) -> (u64, u64) {
    let consulta = |fin: &str| {
        let csv = motor.flux(&format!(
            r#"from(bucket: "rendimiento") |> range(start: -1d, stop: 1d) |> filter(fn: (r) => r._field == "n") |> {fin}"#
        ));
        filas(&csv).first().map_or(0, |f| f["_value"].parse().unwrap())
    };
    (consulta("count()"), consulta("sum()"))
}

#[test]
fn matado_al_azar_con_el_servidor_yendo_y_viniendo_no_se_pierde_nada() {
    let muertes = segun(10, 100);
    let mut motor = Motor::arrancar("influx");
    let (url, token) = (motor.url().to_owned(), motor.entorno["INFLUXDB_V2_TOKEN"].clone());
    let carpeta = tempfile::tempdir().unwrap();
    let progreso = carpeta.path().join("progreso");

    // El servidor cae (de golpe o no) y vuelve, sin parar.
    let fin = Arc::new(AtomicBool::new(false));
    let otro_fin = Arc::clone(&fin);
    let mut azar = azar();
    let mut otro_azar = azar.fork();
    let vaiven = thread::spawn(move || {
        let mut caidas = 0;
        while !otro_fin.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(otro_azar.u64(50..800)));
            if otro_azar.bool() {
                motor.matar()
            } else {
                motor.parar()
            }
            thread::sleep(Duration::from_millis(otro_azar.u64(0..500)));
            motor.rearrancar();
            caidas += 1;
        }
        (motor, caidas)
    });

    let mut apuntados = 0; // write() ha vuelto para todos los anteriores a este
    let mut encargo = Encargo {
        url: &url,
        token: &token,
        datos: carpeta.path(),
        desde: 0,
        hasta: u64::MAX,
        base_ns: ahora_ns(),
        pausa_us: 50,
        cierre_s: 0,
        total_mib: 64,
        progreso: Some(&progreso),
    };
    for _ in 0..muertes {
        encargo.desde = apuntados;
        let escritor = encargo.lanzar();
        thread::sleep(Duration::from_millis(azar.u64(30..600)));
        drop(escritor); // kill -9
        let leido = fs::read(&progreso).unwrap_or_default();
        apuntados = leido.try_into().map_or(apuntados, u64::from_le_bytes).max(apuntados);
    }
    fin.store(true, Ordering::Relaxed);
    let (motor, caidas) = vaiven.join().unwrap();

    let ultimo = Encargo { desde: apuntados, hasta: apuntados + 10, cierre_s: 120, ..encargo }.cumplir();
    assert_eq!((&ultimo["pendientes"], &ultimo["perdidos"]), (&json!(0), &json!(0)), "{ultimo}");
    let total = apuntados + 10;
    println!("{muertes} muertes y {caidas} caídas del servidor: {total} puntos");
    assert!(apuntados > muertes * 20, "apenas se ha escrito: {apuntados}");
    assert_eq!(contar(&motor), (total, total * (total - 1) / 2), "cada punto, una vez");
}

/// El millón de puntos (o menos) contra un servidor que hace lo que diga `url`.
fn millon<'a>(url: &'a str, token: &'a str, datos: &'a Path, cierre_s: u64) -> Encargo<'a> {
    let (hasta, total_mib) = segun((100_000, 4), (1_000_000, 64));
    let base_ns = ahora_ns();
    Encargo { url, token, datos, desde: 0, hasta, base_ns, pausa_us: 0, cierre_s, total_mib, progreso: None }
}

#[track_caller]
fn comprobar(que: &str, encargo: &Encargo, resumen: &Value, en_el_servidor: u64) {
    println!("{que}: {} puntos, {en_el_servidor} en el servidor; {resumen}", encargo.hasta);
    let de = |clave: &str| resumen[clave].as_u64().unwrap();
    assert_eq!(de("enviados") + de("pendientes") + de("perdidos"), encargo.hasta);
    assert_eq!((de("enviados"), de("apartados")), (en_el_servidor, 0));
    assert!(resumen["pico_mb"].as_f64().unwrap() < 24.0, "memoria acotada");
}

#[test]
fn a_toda_velocidad_con_un_servidor_rapido() {
    let motor = Motor::arrancar("influx");
    let carpeta = tempfile::tempdir().unwrap();
    let encargo = millon(motor.url(), &motor.entorno["INFLUXDB_V2_TOKEN"], carpeta.path(), 300);
    let encargo = Encargo { total_mib: 256, ..encargo }; // caben todos: no se pierde ninguno
    let resumen = encargo.cumplir();
    assert_eq!((&resumen["pendientes"], &resumen["perdidos"]), (&json!(0), &json!(0)));
    comprobar("servidor rápido", &encargo, &resumen, contar(&motor).0);
}

/// Apunta qué puntos le llegan, por su instante, y tarda en contestar.
fn lento(base_ns: u64, puntos: u64, tarda: Duration) -> (ServidorFalso, Arc<Mutex<Vec<bool>>>) {
    let llegados = Arc::new(Mutex::new(vec![false; puntos as usize]));
    let otros = Arc::clone(&llegados);
    let servidor = ServidorFalso::nuevo(move |peticion| {
        thread::sleep(tarda);
        let mut llegados = otros.lock().unwrap();
        for linea in peticion.texto().lines() {
            let ns: u64 = linea.rsplit(' ').next().unwrap().parse().unwrap();
            llegados[(ns - base_ns) as usize] = true;
        }
        Accion::de(204, "")
    });
    (servidor, llegados)
}

#[test]
fn a_toda_velocidad_con_un_servidor_lento() {
    let carpeta = tempfile::tempdir().unwrap();
    let base_ns = ahora_ns();
    let (servidor, llegados) = lento(base_ns, 1_000_000, Duration::from_millis(20));
    let encargo = Encargo { base_ns, ..millon(&servidor.url, "t", carpeta.path(), 300) };
    let resumen = encargo.cumplir();
    let distintos = llegados.lock().unwrap().iter().filter(|l| **l).count() as u64;
    assert!(resumen["perdidos"].as_u64().unwrap() > 0, "esta campaña tiene que pasarse del tope: {resumen}");
    comprobar("servidor lento", &encargo, &resumen, distintos);
}

#[test]
fn a_toda_velocidad_con_el_servidor_caido_y_luego_en_pie() {
    let mut motor = Motor::arrancar("influx");
    let token = motor.entorno["INFLUXDB_V2_TOKEN"].clone();
    let url = motor.url().to_owned();
    motor.parar();
    let carpeta = tempfile::tempdir().unwrap();
    let encargo = millon(&url, &token, carpeta.path(), 0);
    let caido = encargo.cumplir();
    comprobar("servidor caído", &encargo, &caido, 0);
    assert!(caido["perdidos"].as_u64().unwrap() > 0, "esta campaña tiene que pasarse del tope: {caido}");
    motor.rearrancar();
    let vacio = Encargo { desde: 0, hasta: 0, cierre_s: 300, ..encargo };
    let en_pie = vacio.cumplir();
    println!("en pie otra vez: {en_pie}");
    assert_eq!((&en_pie["enviados"], &en_pie["pendientes"]), (&caido["pendientes"], &json!(0)));
    // Se tiran los más antiguos: quedan los últimos, todos.
    let (n, quedan) = (segun(100_000, 1_000_000), caido["pendientes"].as_u64().unwrap());
    let suma = (n - quedan..n).sum::<u64>();
    assert_eq!(contar(&motor), (quedan, suma));
}
