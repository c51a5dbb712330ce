//! Productor y consumidor, los programas enteros, contra Kafka y un servidor de MongoDB: frente a los
//! guiones de Python de `benches/python` y frente a guardar documentos ya hechos, en la misma ejecución.
//!
//! `cargo bench --features motores --bench tuberia` (instala los motores si faltan). De los programas se
//! mide el proceso entero, con su arranque; de lo demás, solo el trabajo. Delante va la mediana de cada
//! velocidad; entre paréntesis, la mediana de los cocientes de cada ronda y el que se pide.
//!
//! `cargo test --features motores --bench tuberia` lo ejecuta en pequeño y sin optimizar: las cifras no
//! valen, salvo la memoria, pero se ve que todo funciona.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../tests/comun/mod.rs"]
mod comun;
mod medidas;
#[path = "../tests/comun/motores.rs"]
mod motores;

use comun::programa;
use medidas::mediana;
use mongodb::bson::{DateTime, RawDocumentBuf, doc};
use mongodb::options::WriteConcern;
use mongodb::sync::Client;
use motores::{Motor, con, en_python, python, repositorio};
use practicas_iabd06::nombres::CRUDOS;

const CORTO: bool = cfg!(debug_assertions);
const RONDAS: usize = if CORTO { 1 } else { 5 };
/// Mensajes de cada productor, y los que le da tiempo a los de Python.
const ENVIADOS: u64 = if CORTO { 50_000 } else { 200_000 };
const ENVIADOS_CONFLUENT: u64 = ENVIADOS / 2;
const ENVIADOS_KAFKA_PYTHON: u64 = ENVIADOS / 10;
/// Mensajes de cada consumidor, y los que le da tiempo a un insert_one por mensaje.
const LEIDOS: u64 = if CORTO { 1_000 } else { 10_000 };
const LEIDOS_PYTHON: u64 = LEIDOS / 10;
/// El tope de memoria de los dos programas, en MB.
const MEMORIA: f64 = 40.0;

/// Un programa que ha acabado: cuánto ha tardado y cuánta memoria ha llegado a ocupar, en MB.
struct Carrera {
    tiempo: Duration,
    memoria: f64,
}

fn correr(mut orden: Command) -> Carrera {
    let inicio = Instant::now();
    let mut hijo = orden.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("el programa");
    let mut memoria = 0.0;
    let estado = loop {
        if let Some(estado) = hijo.try_wait().expect("esperar") {
            break estado;
        }
        memoria = motores::memoria(hijo.id(), "VmHWM").map_or(memoria, |kib| kib as f64 / 1024.0);
        thread::sleep(Duration::from_millis(2));
    };
    assert!(estado.success(), "{orden:?}");
    Carrera { tiempo: inicio.elapsed(), memoria }
}

struct Banco {
    kafka: Motor,
    mongo: Motor,
    python: PathBuf,
    carpeta: tempfile::TempDir,
    bases: u32,
}

impl Banco {
    fn productor(&self, servidores: u64, mensajes: u64) -> Carrera {
        let (servidores, rondas) = (servidores.to_string(), (mensajes / servidores).to_string());
        let argumentos = ["--sin-pausa", "--silencioso", "--servidores", &servidores, "--rondas", &rondas];
        correr(con(programa("productor", self.carpeta.path(), &argumentos), &[&self.kafka]))
    }

    /// Lee desde el principio del topic, y guarda en una base de datos que no existía.
    fn consumidor(&mut self, mensajes: u64) -> (Carrera, String) {
        self.bases += 1;
        let (base, mensajes) = (format!("banco_{}", self.bases), mensajes.to_string());
        let argumentos =
            ["--silencioso", "--mensajes", &mensajes, "--group-id", &base, "--mongodb-database", &base];
        let orden = programa("consumidor", self.carpeta.path(), &argumentos);
        (correr(con(orden, &[&self.kafka, &self.mongo])), base)
    }

    /// Lo que da un guion de `benches/python`: sus mensajes por segundo.
    fn en_python(&self, guion: &str, argumentos: &[&str]) -> f64 {
        let mut orden = Command::new(&self.python);
        orden.arg(repositorio().join("benches/python").join(guion)).args(argumentos);
        orden.env("PYTHONPATH", repositorio().join("docs/python")).env("PYTHONDONTWRITEBYTECODE", "1");
        en_python(&mut con(orden, &[&self.kafka, &self.mongo])).parse().expect("una velocidad")
    }

    /// `insert_many` con los documentos que ha guardado un consumidor, en las mismas tandas; con los
    /// índices del consumidor o en una colección sin ellos.
    fn insert_many(&self, base: &str, con_indices: bool) -> f64 {
        let cliente = self.cliente();
        let crudos = cliente.database(base).collection::<RawDocumentBuf>(CRUDOS);
        let guardados = crudos.find(doc! {}).sort(doc! { "kafka.offset": 1 }).run().expect("leer");
        let mut tandas: Vec<(DateTime, Vec<RawDocumentBuf>)> = Vec::new();
        for crudo in guardados.map(|crudo| crudo.expect("leer")) {
            let recibido_en = crudo.get_document("kafka").and_then(|k| k.get_datetime("recibido_en"));
            let recibido_en = recibido_en.expect("recibido_en");
            match tandas.last_mut() {
                Some((de_esta, tanda)) if *de_esta == recibido_en => tanda.push(crudo),
                _ => tandas.push((recibido_en, vec![crudo])),
            }
        }
        let cuantos: usize = tandas.iter().map(|(_, tanda)| tanda.len()).sum();
        assert_eq!(cuantos as u64, LEIDOS);
        let otra = cliente.database("banco_hechos");
        let coleccion = otra.collection::<RawDocumentBuf>(CRUDOS);
        for indice in crudos.list_indexes().run().expect("índices").filter(|_| con_indices) {
            coleccion.create_index(indice.expect("índice")).run().expect("índice");
        }
        let inicio = Instant::now();
        for (_, tanda) in tandas {
            let escrito = coleccion.insert_many(tanda).ordered(false).write_concern(WriteConcern::majority());
            escrito.run().expect("insert_many");
        }
        let velocidad = cuantos as f64 / inicio.elapsed().as_secs_f64();
        otra.drop().run().expect("borrar");
        velocidad
    }

    fn borrar(&self, base: &str) {
        self.cliente().database(base).drop().run().expect("borrar");
    }

    fn cliente(&self) -> Client {
        Client::with_uri_str(&self.mongo.entorno["MONGODB_URI"]).expect("cliente")
    }

    /// Lo que ocupa el consumidor con el topic lleno, y con diez veces más.
    fn memoria(&mut self) {
        self.productor(1_000, LEIDOS);
        let mut memorias = Vec::new();
        for mensajes in [LEIDOS, 10 * LEIDOS] {
            let (carrera, base) = self.consumidor(mensajes);
            self.borrar(&base);
            memorias.push(carrera.memoria);
            self.productor(1_000, 9 * LEIDOS);
        }
        println!(
            "consumidor: hasta {:.0} MB con {LEIDOS} mensajes atrasados y {:.0} MB con diez veces más (menos de {MEMORIA})",
            memorias[0], memorias[1]
        );
        assert!(memorias.iter().all(|m| *m < MEMORIA));
    }

    fn productores(&self) {
        let (mut nuestro, mut confluent, mut kafka_python) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RONDAS {
            nuestro.push(por_segundo(ENVIADOS, &self.productor(1_000, ENVIADOS)));
            let argumentos = ["confluent", &ENVIADOS_CONFLUENT.to_string()];
            confluent.push(self.en_python("productor.py", &argumentos));
            let argumentos = ["kafka-python", &ENVIADOS_KAFKA_PYTHON.to_string()];
            kafka_python.push(self.en_python("productor.py", &argumentos));
        }
        println!(
            "productor: {:.0} mensajes/s; confluent-kafka, {:.0} ({:.1} veces; se piden 3); kafka-python, {:.0} ({:.1} veces; se piden 10)",
            mediana(nuestro.iter().copied()),
            mediana(confluent.iter().copied()),
            cociente(&nuestro, &confluent),
            mediana(kafka_python.iter().copied()),
            cociente(&nuestro, &kafka_python)
        );
    }

    /// Lo que cuesta un mensaje, con pocos servidores y con muchos.
    fn servidores(&self) {
        let tamanos = [5, 500, 50_000];
        let mut costes = tamanos.map(|_| Vec::new());
        let mut memorias = tamanos.map(|_| 0.0_f64);
        for _ in 0..RONDAS {
            for (i, servidores) in tamanos.into_iter().enumerate() {
                let carrera = self.productor(servidores, ENVIADOS);
                costes[i].push(carrera.tiempo.as_secs_f64() * 1e6 / ENVIADOS as f64);
                memorias[i] = memorias[i].max(carrera.memoria);
            }
        }
        for (i, servidores) in tamanos.into_iter().enumerate() {
            println!(
                "productor con {servidores} servidores: {:.1} µs por mensaje ({:.2} veces lo que con 5), hasta {:.0} MB",
                mediana(costes[i].iter().copied()),
                cociente(&costes[i], &costes[0]),
                memorias[i]
            );
        }
        assert!(memorias.iter().all(|m| *m < MEMORIA));
    }

    fn consumidores(&mut self) {
        let (mut nuestro, mut usual) = (Vec::new(), Vec::new());
        let (mut hechos, mut sin_indices) = (Vec::new(), Vec::new());
        for _ in 0..RONDAS {
            let (carrera, base) = self.consumidor(LEIDOS);
            nuestro.push(por_segundo(LEIDOS, &carrera));
            hechos.push(self.insert_many(&base, true));
            sin_indices.push(self.insert_many(&base, false));
            self.borrar(&base);
            usual.push(self.en_python("consumidor.py", &[&LEIDOS_PYTHON.to_string()]));
        }
        println!(
            "consumidor: {:.0} mensajes/s; un insert_one por mensaje, {:.0} ({:.1} veces; se piden 5); insert_many de los mismos documentos, tandas e índices, {:.0} ({:.0} %; se pide el 85); sin índices, {:.0} ({:.0} %)",
            mediana(nuestro.iter().copied()),
            mediana(usual.iter().copied()),
            cociente(&nuestro, &usual),
            mediana(hechos.iter().copied()),
            100.0 * cociente(&nuestro, &hechos),
            mediana(sin_indices.iter().copied()),
            100.0 * cociente(&nuestro, &sin_indices)
        );
    }
}

fn por_segundo(mensajes: u64, carrera: &Carrera) -> f64 {
    mensajes as f64 / carrera.tiempo.as_secs_f64()
}

/// La mediana de los cocientes de cada ronda.
fn cociente(unos: &[f64], otros: &[f64]) -> f64 {
    mediana(unos.iter().zip(otros).map(|(a, b)| a / b))
}

fn main() {
    let mut banco = Banco {
        kafka: Motor::arrancar("kafka"),
        mongo: Motor::arrancar("mongo"),
        python: python(),
        carpeta: tempfile::tempdir().expect("carpeta temporal"),
        bases: 0,
    };
    banco.memoria();
    banco.productores();
    banco.servidores();
    banco.consumidores();
}
