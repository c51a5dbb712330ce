//! Lo que cuesta cada parte, en microsegundos de procesador por mensaje: los dos adaptadores de Kafka, uno
//! al lado del otro en el mismo broker; el productor entero; 1, 2 y 4 consumidores de un grupo; e InfluxDB
//! según cuántas series tiene.
//!
//! `cargo bench --features motores,librdkafka --bench escala` (instala los motores si faltan). Solo Linux:
//! el tiempo de procesador sale de `/proc`. De lo que se repite se da la mediana.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[path = "../tests/comun/mod.rs"]
mod comun;
mod medidas;
#[path = "../tests/comun/motores.rs"]
mod motores;

use comun::{EnMarcha, programa};
use medidas::mediana;
use mongodb::bson::Document;
use mongodb::sync::Client;
use motores::{Motor, con, crear_topic, memoria, segun, sin_avisos, sin_proxy};
use practicas_iabd06::broker::kafka::{EmisorKafka, ReceptorKafka};
use practicas_iabd06::broker::librdkafka::{EmisorLibrdkafka, ReceptorLibrdkafka};
use practicas_iabd06::broker::{Emisor, PorEnviar, Receptor};
use practicas_iabd06::config::kafka::Propiedades;
use practicas_iabd06::embebido;
use practicas_iabd06::influx::Point;
use practicas_iabd06::nombres::{CRUDOS, TOPIC};
use practicas_iabd06::simulador::Simulador;
use rusqlite::{Connection, OpenFlags};
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

/// La memoria de un proceso, en MB.
fn megas(pid: u32) -> f64 {
    memoria(pid, "VmRSS").expect("/proc") as f64 / 1024.0
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

fn enviar(emisor: &mut dyn Emisor, mensajes: &[PorEnviar]) {
    for tanda in mensajes.chunks(TANDA) {
        emisor.enviar(tanda).expect("enviar");
    }
}

fn recibir(receptor: &mut dyn Receptor, cuantos: usize) {
    let mut recibidos = 0;
    while recibidos < cuantos {
        recibidos += receptor.recibir(Duration::from_secs(10)).expect("recibir").registros.len();
    }
}

/// Enviar y recibir los mismos mensajes con cada adaptador, en el mismo broker, con su conexión.
fn adaptadores(kafka: &Motor) {
    let pids = [std::process::id(), pid(kafka)];
    let mut simulador = Simulador::new(200_000, Some(1));
    let mensajes: Vec<_> = simulador.ronda(OffsetDateTime::now_utc()).map(|m| PorEnviar::from(&m)).collect();
    let bytes = mensajes.iter().map(|m| m.clave.len() + m.valor.len()).sum::<usize>() / mensajes.len();
    println!("{} mensajes de {bytes} bytes, en tandas de {TANDA}, en una partición", mensajes.len());
    let mut costes: HashMap<_, Vec<Coste>> = HashMap::new();
    for ronda in 0..=RONDAS {
        for nombre in ["crate kafka", "librdkafka"] {
            let (brokers, topic) = ([kafka.broker()], format!("{}-{ronda}", nombre.replace(' ', "-")));
            let propiedades = Propiedades::default();
            crear_topic(kafka, &topic, 1);
            let de_librdkafka = nombre == "librdkafka";
            let mut emisor: Box<dyn Emisor> = match de_librdkafka {
                true => Box::new(EmisorLibrdkafka::new(&brokers, &propiedades, &topic, sin_avisos())),
                false => Box::new(EmisorKafka::new(&brokers, &propiedades, &topic, sin_avisos())),
            };
            let envio = medir(mensajes.len(), &pids, || enviar(&mut *emisor, &mensajes));
            drop(emisor);
            // Se crea después: librdkafka va leyendo por su cuenta desde que entra en el grupo.
            let avisos = sin_avisos();
            let mut receptor: Box<dyn Receptor> = match de_librdkafka {
                true => Box::new(ReceptorLibrdkafka::new(&brokers, &propiedades, &topic, "banco", avisos)),
                false => Box::new(ReceptorKafka::new(&brokers, &propiedades, &topic, "banco", avisos)),
            };
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

/// El productor entero, con su arranque, en un broker que ya está en caliente.
fn productor(kafka: &Motor) {
    let carpeta = tempfile::tempdir().expect("carpeta temporal");
    crear_topic(kafka, TOPIC, 4);
    let producir = ["--servidores", "1000", "--rondas", "200", "--sin-pausa", "--silencioso"];
    let (mut propios, mut costes) = (Vec::new(), Vec::new());
    for _ in 0..RONDAS {
        costes.push(medir(200_000, &[pid(kafka)], || {
            let orden = con(programa("productor", carpeta.path(), &producir), &[kafka]).spawn();
            propios.push(acabar(orden.expect("el productor")).as_secs_f64() * 1e6 / 200_000.0);
        }));
    }
    println!(
        "productor: {:.0} mensajes/s; µs de procesador por mensaje: {:.1} en el productor, {:.1} en Kafka",
        1e6 / mediana(costes.iter().map(|c| c.reloj)),
        mediana(propios),
        mediana(costes.iter().map(|c| c.procesador[0]))
    );
}

/// 1, 2 y 4 consumidores de un topic de cuatro particiones: con una base de datos para todos, que pone el
/// tope, y con un SQLite para cada uno.
fn consumidores() {
    let (kafka, mongo) = (Motor::arrancar("kafka4"), Motor::arrancar("mongo"));
    let cliente = Client::with_uri_str(&mongo.entorno["MONGODB_URI"]).expect("cliente");
    let carpeta = tempfile::tempdir().expect("carpeta temporal");
    crear_topic(&kafka, TOPIC, 4);
    let producir = |mensajes: usize| {
        let rondas = (mensajes / 1_000).to_string();
        let argumentos = ["--servidores", "1000", "--rondas", &rondas, "--sin-pausa", "--silencioso"];
        acabar(
            con(programa("productor", carpeta.path(), &argumentos), &[&kafka]).spawn().expect("el productor"),
        );
    };
    let con_mongo = segun(20_000, 50_000);
    producir(con_mongo);
    for cuantos in [1, 2, 4] {
        let base = format!("banco_{cuantos}");
        let crudos = cliente.database(&base).collection::<Document>(CRUDOS);
        let guardados = || crudos.estimated_document_count().run().expect("contar") as usize;
        let consumidores = lanzar(&kafka, cuantos, |_| {
            let argumentos = ["--silencioso", "--group-id", &base, "--mongodb-database", &base];
            con(programa("consumidor", carpeta.path(), &argumentos), &[&mongo])
        });
        consumir(con_mongo, &consumidores, &[("Kafka", &kafka), ("SecantusDB", &mongo)], guardados);
    }
    let con_sqlite = segun(200_000, 500_000);
    producir(con_sqlite - con_mongo);
    for cuantos in [1, 2, 4] {
        let datos = |i: usize| carpeta.path().join(format!("{cuantos}-{i}"));
        // Nadie borra: la última fila es la cuenta.
        let consulta = format!("SELECT coalesce(max(rowid), 0) FROM \"{CRUDOS}\"");
        let guardados = || {
            let de_uno = |i| {
                let ruta = embebido::ruta(&datos(i));
                let conexion = Connection::open_with_flags(ruta, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                conexion.query_row(&consulta, [], |fila| fila.get::<_, u32>(0))
            };
            (0..cuantos).map(|i| de_uno(i).unwrap_or(0) as usize).sum()
        };
        let grupo = format!("sqlite_{cuantos}");
        let consumidores = lanzar(&kafka, cuantos, |i| {
            std::fs::create_dir(datos(i)).expect("carpeta");
            let argumentos = ["--silencioso", "--group-id", &grupo, "--datos", "."];
            programa("consumidor", &datos(i), &argumentos)
        });
        consumir(con_sqlite, &consumidores, &[("Kafka", &kafka)], guardados);
    }
}

fn lanzar(kafka: &Motor, cuantos: usize, orden: impl Fn(usize) -> Command) -> Vec<EnMarcha> {
    let lanzar = |i| con(orden(i), &[kafka]).stderr(Stdio::null()).spawn().expect("el consumidor");
    (0..cuantos).map(|i| EnMarcha(lanzar(i))).collect()
}

/// Mide desde que hay algo guardado hasta que está todo: ni el arranque ni el reparto del grupo cuentan.
fn consumir(
    mensajes: usize,
    consumidores: &[EnMarcha],
    motores: &[(&str, &Motor)],
    guardados: impl Fn() -> usize,
) {
    let esperar = |n| {
        while guardados() < n {
            thread::sleep(Duration::from_millis(50));
        }
    };
    esperar(1);
    let primeros = guardados();
    let de_consumidores = consumidores.iter().map(|c| c.0.id());
    let pids: Vec<_> = de_consumidores.chain(motores.iter().map(|(_, motor)| pid(motor))).collect();
    let coste = medir(mensajes - primeros, &pids, || esperar(mensajes));
    let (propios, ajenos) = coste.procesador.split_at(consumidores.len());
    print!(
        "{} consumidores: {:.0} mensajes/s; µs de procesador por mensaje: {:.1} en ellos",
        consumidores.len(),
        1e6 / coste.reloj,
        propios.iter().sum::<f64>()
    );
    for ((nombre, _), coste) in motores.iter().zip(ajenos) {
        print!(", {coste:.1} en {nombre}");
    }
    println!("; hasta {:.0} MB", consumidores.iter().map(|c| megas(c.0.id())).fold(0.0, f64::max));
}

/// Un punto de cada servidor, la primera vez (que crea su serie) y las siguientes.
fn series() {
    for series in segun([1_000, 50_000, 200_000], [1_000, 100_000, 1_000_000]) {
        let influx = Motor::arrancar("influx");
        let url = format!("{}/api/v2/write?org=iabd06&bucket=rendimiento&precision=ns", influx.url());
        let token = format!("Token {}", influx.entorno["INFLUXDB_V2_TOKEN"]);
        let agente = sin_proxy();
        let ahora = SystemTime::now().duration_since(UNIX_EPOCH).expect("reloj").as_nanos() as i64;
        let vacio = megas(pid(&influx));
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
            megas(pid(&influx)),
            vacio
        );
    }
}

fn main() {
    let kafka = Motor::arrancar("kafka");
    adaptadores(&kafka);
    productor(&kafka);
    drop(kafka);
    consumidores();
    series();
}
