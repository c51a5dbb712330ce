//! Lo que cuesta crear un punto y escribir su línea, frente al constructor del crate
//! `influxdb-line-protocol`, en la misma ejecución: `cargo bench --bench linea`.

use std::hint::black_box;
use std::time::Instant;

mod medidas;

use influxdb_line_protocol::LineProtocolBuilder;
use medidas::mediana;
use practicas_iabd06::influx::Point;

const PUNTOS: i64 = 200_000;
const RONDAS: usize = 11;

fn percent(n: i64) -> f64 {
    (n % 1000) as f64 / 10.0
}

fn nuestra() -> usize {
    let mut linea = String::new();
    let mut bytes = 0;
    for n in 0..PUNTOS {
        linea.clear();
        let punto = Point::new(black_box("rendimiento_servidor"))
            .tag("host_id", black_box("servidor_A"))
            .tag("entorno", black_box("produccion"))
            .field("cpu_percent", percent(n))
            .field("ram_percent", percent(n + 7))
            .field("disk_percent", percent(n + 13));
        if punto.escribir_linea(1_700_000_000_000_000_000 + n, &mut linea).is_ok() {
            bytes += black_box(&linea).len();
        }
    }
    bytes
}

fn la_del_crate() -> usize {
    let mut bytes = 0;
    for n in 0..PUNTOS {
        let linea = LineProtocolBuilder::new()
            .measurement(black_box("rendimiento_servidor"))
            .tag("entorno", black_box("produccion"))
            .tag("host_id", black_box("servidor_A"))
            .field("cpu_percent", percent(n))
            .field("disk_percent", percent(n + 13))
            .field("ram_percent", percent(n + 7))
            .timestamp(1_700_000_000_000_000_000 + n)
            .close_line()
            .build();
        bytes += black_box(&linea).len();
    }
    bytes
}

fn ns_por_punto(tarea: fn() -> usize) -> f64 {
    let inicio = Instant::now();
    black_box(tarea());
    inicio.elapsed().as_nanos() as f64 / PUNTOS as f64
}

fn main() {
    let parejas: Vec<_> = (0..RONDAS).map(|_| (ns_por_punto(nuestra), ns_por_punto(la_del_crate))).collect();
    let uno = mediana(parejas.iter().map(|p| p.0));
    let otro = mediana(parejas.iter().map(|p| p.1));
    let veces = mediana(parejas.iter().map(|p| p.1 / p.0));
    println!("punto y línea: {uno:.0} ns; influxdb-line-protocol: {otro:.0} ns; {veces:.1} veces más rápido");
}
