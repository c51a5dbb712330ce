//! Lo que cuesta cada parte, en microsegundos de procesador por mensaje: los dos adaptadores de Kafka, uno
//! al lado del otro en el mismo broker; el productor entero; 1, 2 y 4 consumidores de un grupo; e InfluxDB
//! según cuántas series tiene.
//!
//! `cargo bench --features motores,librdkafka --bench escala` (instala los motores si faltan). Solo Linux:
//! el tiempo de procesador sale de `/proc`. De lo que se repite se da la mediana.

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[path = "../tests/comun/mod.rs"]
mod comun;
#[path = "../tests/comun/motores.rs"]
mod motores;

use comun::{EnMarcha, programa};
use mongodb::bson::Document;
use mongodb::sync::Client;
use motores::{Motor, con, crear_topic, segun, sin_proxy};
use practicas_iabd06::almacen::CRUDOS;
use practicas_iabd06::broker::kafka::{EmisorKafka, ReceptorKafka};
use practicas_iabd06::broker::librdkafka::{EmisorLibrdkafka, ReceptorLibrdkafka};
use practicas_iabd06::broker::{Emisor, PorEnviar, Receptor, TOPIC};
use practicas_iabd06::config::tuberia::Propiedades;
use practicas_iabd06::influx::Point;
use practicas_iabd06::simulador::Simulador;
use time::OffsetDateTime;

const RONDAS: usize = 5;
/// Mensajes que se mandan juntos, como el productor.
const TANDA: usize = 1_000;

/// El tiempo de procesador gastado hasta ahora por un proceso, de usuario y de sistema.
fn procesador(pid: u32) -> Duration {
    let estado = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("/proc");
    let campos = estado.rsplit_once(')').expect("stat").1.split_whitespace();
    let ticks = campos.skip(11).take(2).map(|c| c.parse::<u64>().expect("stat"));
    Duration::from_millis(10 * ticks.sum::<u64>()) // 100 por segundo, en todos los Linux de uso normal
}

/// La memoria residente de un proceso, en MB.
fn memoria(pid: u32) -> f64 {
    let estado = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("/proc");
    let linea = estado.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS");
    linea.trim().trim_end_matches(" kB").parse::<f64>().expect("VmRSS") / 1024.0
}

/// El proceso de un motor.
fn pid(motor: &Motor) -> u32 {
    let pid = std::fs::read_to_string(motor.carpeta().join("pid")).expect("pid");
    pid.trim().parse().expect("pid")
}

/// Lo que ha costado algo, en microsegundos por mensaje.
struct Coste {
    reloj: f64,
    /// De procesador, en cada proceso por el que se ha preguntado.
    procesador: Vec<f64>,
}

fn medir(mensajes: usize, pids: &[u32], algo: impl FnOnce()) -> Coste {
    let antes: Vec<_> = pids.iter().map(|pid| procesador(*pid)).collect();
    let inicio = Instant::now();
    algo();
    let por_mensaje = |tiempo: Duration| tiempo.as_secs_f64() * 1e6 / mensajes as f64;
    let reloj = por_mensaje(inicio.elapsed());
    let gastado = pids.iter().zip(antes).map(|(pid, antes)| por_mensaje(procesador(*pid) - antes)).collect();
    Coste { reloj, procesador: gastado }
}

fn mediana(valores: impl Iterator<Item = f64>) -> f64 {
    let mut valores: Vec<_> = valores.collect();
    valores.sort_by(f64::total_cmp);
    valores[valores.len() / 2]
}

fn direccion(kafka: &Motor) -> Vec<String> {
    vec![kafka.entorno["KAFKA_BOOTSTRAP_SERVERS"].clone()]
}

fn enviar(emisor: &mut dyn Emisor, mensajes: &[PorEnviar]) {
    for tanda in mensajes.chunks(TANDA) {
        emisor.enviar(tanda).expect("enviar");
    }
}

fn recibir(receptor: &mut dyn Receptor, cuantos: usize) {
    let mut recibidos = 0;
    while recibidos < cuantos {
        recibidos += receptor.recibir(Duration::from_secs(10)).expect("recibir").len();
    }
}

/// Enviar y recibir los mismos mensajes con cada adaptador, en el mismo broker.
fn adaptadores() {
    let kafka = Motor::arrancar("kafka");
    let pids = [std::process::id(), pid(&kafka)];
    let mut simulador = Simulador::new(segun(50_000, 200_000), Some(1));
    let mensajes: Vec<_> = simulador.ronda(OffsetDateTime::now_utc()).map(|m| PorEnviar::from(&m)).collect();
    let bytes = mensajes.iter().map(|m| m.clave.len() + m.valor.len()).sum::<usize>() / mensajes.len();
    println!("{} mensajes de {bytes} bytes, en tandas de {TANDA}, en una partición", mensajes.len());
    let mut costes: HashMap<_, Vec<Coste>> = HashMap::new();
    for ronda in 0..=RONDAS {
        for nombre in ["crate kafka", "librdkafka"] {
            let (brokers, topic) = (direccion(&kafka), format!("{}-{ronda}", nombre.replace(' ', "-")));
            crear_topic(&kafka, &topic, 1);
            let (mut emisor, mut receptor): (Box<dyn Emisor>, Box<dyn Receptor>) = match nombre {
                "librdkafka" => (
                    Box::new(EmisorLibrdkafka::new(brokers.clone(), Propiedades::default(), &topic)),
                    Box::new(ReceptorLibrdkafka::new(brokers, Propiedades::default(), &topic, "banco")),
                ),
                _ => (
                    Box::new(EmisorKafka::new(brokers.clone(), &topic)),
                    Box::new(ReceptorKafka::new(brokers, &topic, "banco")),
                ),
            };
            // El primero conecta y, en librdkafka, entra en el grupo: eso no se mide.
            enviar(&mut *emisor, &mensajes[..1]);
            recibir(&mut *receptor, 1);
            let envio = medir(mensajes.len(), &pids, || enviar(&mut *emisor, &mensajes));
            let lectura = medir(mensajes.len(), &pids, || recibir(&mut *receptor, mensajes.len()));
            if ronda > 0 {
                costes.entry(("envía", nombre)).or_default().push(envio);
                costes.entry(("recibe", nombre)).or_default().push(lectura);
            }
        }
    }
    for que in ["envía", "recibe"] {
        for nombre in ["crate kafka", "librdkafka"] {
            let costes = &costes[&(que, nombre)];
            let reloj = mediana(costes.iter().map(|c| c.reloj));
            println!(
                "{nombre} {que}: {:.0} mensajes/s; µs de procesador por mensaje: {:.2} aquí, {:.2} en Kafka",
                1e6 / reloj,
                mediana(costes.iter().map(|c| c.procesador[0])),
                mediana(costes.iter().map(|c| c.procesador[1]))
            );
        }
    }
}

/// Espera a que un programa acabe bien. Da el procesador que ha gastado.
fn acabar(mut hijo: Child) -> Duration {
    let mut gastado = Duration::ZERO;
    loop {
        if let Some(estado) = hijo.try_wait().expect("esperar") {
            assert!(estado.success());
            return gastado;
        }
        gastado = gastado.max(procesador(hijo.id()));
        thread::sleep(Duration::from_millis(2));
    }
}

/// El productor entero, y después los consumidores, sobre un topic de cuatro particiones.
fn consumidores() {
    let (kafka, mongo) = (Motor::arrancar("kafka4"), Motor::arrancar("mongo"));
    let cliente = Client::with_uri_str(&mongo.entorno["MONGODB_URI"]).expect("cliente");
    let carpeta = tempfile::tempdir().expect("carpeta temporal");
    crear_topic(&kafka, TOPIC, 4);
    let mensajes = segun(20_000, 100_000);
    let rondas = (mensajes / 1_000).to_string();
    let producir = ["--servidores", "1000", "--rondas", &rondas, "--sin-pausa", "--silencioso"];
    let mut productor = Duration::ZERO;
    let coste = medir(mensajes, &[pid(&kafka)], || {
        let orden = con(programa("productor", carpeta.path(), &producir), &[&kafka]).spawn();
        productor = acabar(orden.expect("el productor"));
    });
    println!(
        "productor: {:.0} mensajes/s; µs de procesador por mensaje: {:.1} en el productor, {:.1} en Kafka",
        1e6 / coste.reloj,
        productor.as_secs_f64() * 1e6 / mensajes as f64,
        coste.procesador[0]
    );
    for cuantos in [1, 2, 4] {
        let grupo = format!("banco_{cuantos}");
        let consumidores: Vec<_> = (0..cuantos)
            .map(|_| {
                let argumentos = ["--silencioso", "--group-id", &grupo, "--mongodb-database", &grupo];
                let mut orden = con(programa("consumidor", carpeta.path(), &argumentos), &[&kafka, &mongo]);
                EnMarcha(orden.stderr(Stdio::null()).spawn().expect("el consumidor"))
            })
            .collect();
        let crudos = cliente.database(&grupo).collection::<Document>(CRUDOS);
        let guardados = || crudos.estimated_document_count().run().expect("contar") as usize;
        let esperar = |n| {
            while guardados() < n {
                thread::sleep(Duration::from_millis(100));
            }
        };
        esperar(1); // el arranque y el reparto del grupo no se miden
        let primeros = guardados();
        let pids: Vec<_> = consumidores.iter().map(|c| c.0.id()).chain([pid(&kafka), pid(&mongo)]).collect();
        let coste = medir(mensajes - primeros, &pids, || esperar(mensajes));
        let (de_consumidores, de_motores) = coste.procesador.split_at(cuantos);
        println!(
            "{cuantos} consumidores: {:.0} mensajes/s; µs de procesador por mensaje: {:.1} en los consumidores, {:.1} en Kafka, {:.1} en la base de datos; hasta {:.0} MB el mayor",
            1e6 / coste.reloj,
            de_consumidores.iter().sum::<f64>(),
            de_motores[0],
            de_motores[1],
            consumidores.iter().map(|c| memoria(c.0.id())).fold(0.0, f64::max)
        );
    }
}

/// Un punto de cada servidor, la primera vez (que crea su serie) y las siguientes.
fn series() {
    for series in segun([1_000, 50_000, 200_000], [1_000, 100_000, 1_000_000]) {
        let influx = Motor::arrancar("influx");
        let url = format!("{}/api/v2/write?org=iabd06&bucket=rendimiento&precision=ns", influx.url());
        let token = format!("Token {}", influx.entorno["INFLUXDB_V2_TOKEN"]);
        let agente = sin_proxy();
        let ahora = SystemTime::now().duration_since(UNIX_EPOCH).expect("reloj").as_nanos() as i64;
        let vacio = memoria(pid(&influx));
        let mut costes = Vec::new();
        for vuelta in 0..2 {
            let mut cuerpos = vec![String::new()];
            for n in 0..series {
                if n > 0 && n % 5_000 == 0 {
                    cuerpos.push(String::new());
                }
                let servidor = format!("srv{n:07}");
                let punto = Point::new("rendimiento_servidor")
                    .tag("host_id", &servidor)
                    .field("cpu_percent", (n % 1000) as f64 / 10.0)
                    .field("ram_percent", ((n + 7) % 1000) as f64 / 10.0)
                    .field("disk_percent", 65.4);
                let cuerpo = cuerpos.last_mut().expect("siempre hay uno");
                punto.escribir_linea(ahora + vuelta * 10_000_000_000, cuerpo).expect("línea");
            }
            costes.push(medir(series, &[pid(&influx)], || {
                for cuerpo in &cuerpos {
                    agente.post(&url).header("Authorization", &token).send(cuerpo).expect("204");
                }
            }));
        }
        println!(
            "InfluxDB con {series} servidores: {:.1} µs de procesador por punto que crea su serie, {:.1} por los demás; {:.0} MB de memoria, {:.0} al arrancar",
            costes[0].procesador[0],
            costes[1].procesador[0],
            memoria(pid(&influx)),
            vacio
        );
    }
}

fn main() {
    adaptadores();
    consumidores();
    series();
}
