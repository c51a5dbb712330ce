//! Puntos por segundo hasta InfluxDB 2.7: `WriteApi` con su diario, frente a mandar cuerpos ya hechos
//! por una conexión y frente a influxdb-client-python en modo batching, en la misma ejecución.
//!
//! `cargo bench --features motores --bench caudal` (instala el motor si falta).

use std::process::Command;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

mod medidas;
#[path = "../tests/comun/motores.rs"]
mod motores;

use medidas::mediana;
use motores::{Motor, python, sin_proxy};
use practicas_iabd06::influx::diario::Limites;
use practicas_iabd06::influx::{Ajustes, InfluxDBClient, Point, WriteOptions};

const PUNTOS: u64 = 500_000;
const PUNTOS_PYTHON: u64 = 100_000;
const RONDAS: u64 = 5;

fn punto(n: u64) -> Point<'static> {
    Point::new("rendimiento_servidor")
        .tag("host_id", "servidor_A")
        .tag("entorno", "produccion")
        .field("cpu_percent", (n % 1000) as f64 / 10.0)
        .field("ram_percent", ((n + 7) % 1000) as f64 / 10.0)
        .field("disk_percent", 65.4)
}

fn con_write_api(motor: &Motor, base_ns: i64, batch_size: usize) -> f64 {
    let datos = tempfile::tempdir().expect("carpeta temporal");
    let limites = Limites { total: 1 << 30, ..Limites::default() }; // que quepan todos: no es esa la prueba
    let lugar = motor.servidor();
    let ajustes = Ajustes { host_id: "banco", lugar: &lugar, datos: datos.path(), limites, recuperar: None };
    let cliente = InfluxDBClient::new(ajustes, Arc::new(|_, _| {}));
    let opciones = WriteOptions { batch_size, ..WriteOptions::default() };
    let api = cliente.expect("cliente").write_api(opciones).expect("WriteApi");
    let inicio = Instant::now();
    for n in 0..PUNTOS {
        api.write(&punto(n).time(base_ns + n as i64)).expect("write()");
    }
    assert_eq!(api.close().enviados, PUNTOS);
    PUNTOS as f64 / inicio.elapsed().as_secs_f64()
}

fn con_cuerpos_hechos(motor: &Motor, base_ns: i64, batch_size: usize) -> f64 {
    let mut cuerpos = vec![String::new()];
    for n in 0..PUNTOS {
        if n > 0 && n % batch_size as u64 == 0 {
            cuerpos.push(String::new());
        }
        let cuerpo = cuerpos.last_mut().expect("siempre hay uno");
        punto(n).escribir_linea(base_ns + n as i64, cuerpo).expect("línea");
    }
    let url = format!("{}/api/v2/write?org=iabd06&bucket=rendimiento&precision=ns", motor.url());
    let token = format!("Token {}", motor.entorno["INFLUXDB_V2_TOKEN"]);
    let agente = sin_proxy();
    let inicio = Instant::now();
    for cuerpo in &cuerpos {
        let contestacion = agente.post(&url).header("Authorization", &token).send(cuerpo).expect("204");
        assert_eq!(contestacion.status(), 204);
    }
    PUNTOS as f64 / inicio.elapsed().as_secs_f64()
}

fn con_python(motor: &Motor, base_ns: i64, batch_size: usize) -> f64 {
    let guion = format!(
        r#"
import os, time
from influxdb_client import InfluxDBClient, Point, WriteOptions
with InfluxDBClient.from_env_properties() as cliente:
    api = cliente.write_api(write_options=WriteOptions(batch_size={batch_size}, max_close_wait=300_000))
    inicio = time.perf_counter()
    for n in range({PUNTOS_PYTHON}):
        punto = (Point("rendimiento_servidor").tag("host_id", "servidor_A").tag("entorno", "produccion")
                 .field("cpu_percent", (n % 1000) / 10).field("ram_percent", ((n + 7) % 1000) / 10)
                 .field("disk_percent", 65.4).time({base_ns} + n))
        api.write(bucket="rendimiento", record=punto)
    api.close()
    print({PUNTOS_PYTHON} / (time.perf_counter() - inicio))
"#
    );
    let salida = Command::new(python()).args(["-c", &guion]).envs(&motor.entorno).output().expect("python");
    let texto = String::from_utf8_lossy(&salida.stdout);
    texto.trim().parse().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&salida.stderr)))
}

fn main() {
    let motor = Motor::arrancar("influx");
    let ahora = SystemTime::now().duration_since(UNIX_EPOCH).expect("reloj").as_nanos() as i64;
    let mut tanda = 0;
    let mut base = || {
        tanda += 1;
        ahora + tanda * PUNTOS as i64
    };
    con_cuerpos_hechos(&motor, base(), 5_000); // en caliente
    for batch_size in [1_000, 5_000] {
        let (mut nuestros, mut hechos, mut suyos) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RONDAS {
            nuestros.push(con_write_api(&motor, base(), batch_size));
            hechos.push(con_cuerpos_hechos(&motor, base(), batch_size));
            suyos.push(con_python(&motor, base(), batch_size));
        }
        let cociente = |otros: &[f64]| mediana(nuestros.iter().zip(otros).map(|(a, b)| a / b));
        let (frente_a_hechos, frente_a_python) = (cociente(&hechos), cociente(&suyos));
        println!(
            "batch_size {batch_size}: WriteApi {:.0} puntos/s; cuerpos hechos {:.0} ({:.0} %); Python {:.0} ({:.1} veces)",
            mediana(nuestros),
            mediana(hechos),
            100.0 * frente_a_hechos,
            mediana(suyos),
            frente_a_python
        );
    }
}
