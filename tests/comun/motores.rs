//! Los motores de verdad: los arranca y los para servicios/, cada uno en su carpeta y su puerto.
#![allow(dead_code)] // cada prueba usa una parte

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document};
use mongodb::sync::Client;
use practicas_iabd06::avisos::Avisos;
use practicas_iabd06::broker::{ErrorBroker, Receptor, Registro};
use practicas_iabd06::influx::Acceso;
use practicas_iabd06::influx::Lugar;
use practicas_iabd06::nombres::{CRUDOS, KPIS, TOPIC};
use serde_json::Value;

/// Lo que de verdad no debería agotarse nunca, ni con el ordenador ocupado: solo evita que una prueba se cuelgue.
pub const PACIENCIA: Duration = Duration::from_secs(90);

/// Lo que espera a los mensajes cada llamada a `recibir`.
pub const ESPERA: Duration = Duration::from_millis(200);

/// Un motor en marcha. Se para y se borra al soltarlo.
pub struct Motor {
    pub nombre: &'static str,
    pub entorno: HashMap<String, String>,
    dir: tempfile::TempDir,
}

impl Motor {
    pub fn arrancar(nombre: &'static str) -> Self {
        Motor::arrancar_con(nombre, &[])
    }

    /// Lo mismo, con opciones de servicios/arrancar.
    pub fn arrancar_con(nombre: &'static str, opciones: &[&str]) -> Self {
        let mut motor = Motor { nombre, entorno: HashMap::new(), dir: tempfile::tempdir().unwrap() };
        motor.rearrancar_con(opciones);
        motor
    }

    /// Lo pone en marcha otra vez: misma dirección, mismos datos.
    pub fn rearrancar(&mut self) {
        self.rearrancar_con(&[]);
    }

    /// Lo mismo, con opciones de servicios/arrancar.
    pub fn rearrancar_con(&mut self, opciones: &[&str]) {
        let salida = self.servicio("arrancar").arg(self.nombre).args(opciones).output().unwrap();
        let errores = String::from_utf8_lossy(&salida.stderr);
        assert!(salida.status.success(), "{} no arranca: {errores}", self.nombre);
        let lineas = String::from_utf8(salida.stdout).unwrap();
        self.entorno =
            lineas.lines().filter_map(|l| l.split_once('=')).map(|(c, v)| (c.into(), v.into())).collect();
    }

    pub fn parar(&self) {
        assert!(self.servicio("parar").output().unwrap().status.success());
    }

    pub fn matar(&self) {
        assert!(self.servicio("parar").arg("--de-golpe").output().unwrap().status.success());
    }

    pub fn carpeta(&self) -> &Path {
        self.dir.path()
    }

    /// La dirección de un Kafka.
    pub fn broker(&self) -> String {
        self.entorno["KAFKA_BOOTSTRAP_SERVERS"].clone()
    }

    fn servicio(&self, orden: &str) -> Command {
        let mut servicio = Command::new(repositorio().join("servicios").join(orden));
        servicio.arg("--dir").arg(self.dir.path());
        servicio
    }

    pub fn url(&self) -> &str {
        self.entorno.get("INFLUXDB_V2_URL").unwrap_or_else(|| &self.entorno["INFLUXDB_V1_URL"])
    }

    /// Cómo escribir en él.
    pub fn servidor(&self) -> Lugar {
        let de = |clave: &str| self.entorno[clave].clone();
        let acceso = match self.nombre {
            "influx1" => Acceso::V1 {
                database: de("INFLUXDB_V1_DATABASE"),
                credenciales: Some((de("INFLUXDB_V1_USER"), de("INFLUXDB_V1_PASSWORD"))),
            },
            _ => Acceso::V2 {
                token: de("INFLUXDB_V2_TOKEN"),
                org: de("INFLUXDB_V2_ORG"),
                bucket: de("INFLUXDB_BUCKET"),
            },
        };
        Lugar::Servidor { url: self.url().to_owned(), acceso, ca: None }
    }

    /// Una consulta Flux: la contestación en CSV, con la cabecera de tipos.
    pub fn flux(&self, consulta: &str) -> String {
        let cuerpo = serde_json::json!({
            "query": consulta, "type": "flux", "dialect": {"annotations": ["datatype"]}
        });
        let url = format!("{}/api/v2/query?org={}", self.url(), self.entorno["INFLUXDB_V2_ORG"]);
        self.enviar_json("POST", &url, &cuerpo)
    }

    /// Una llamada a la API de InfluxDB 2.
    pub fn api(&self, metodo: &str, ruta: &str, cuerpo: &Value) -> Value {
        let url = format!("{}{ruta}", self.url());
        serde_json::from_str(&self.enviar_json(metodo, &url, cuerpo)).unwrap()
    }

    fn enviar_json(&self, metodo: &str, url: &str, cuerpo: &Value) -> String {
        let token = format!("Token {}", self.entorno["INFLUXDB_V2_TOKEN"]);
        let agente = sin_proxy();
        let mut contestacion = match metodo {
            "GET" => agente.get(url).header("Authorization", &token).call().unwrap(),
            _ => agente
                .post(url)
                .header("Authorization", &token)
                .header("Content-Type", "application/json")
                .send(cuerpo.to_string())
                .unwrap(),
        };
        contestacion.body_mut().with_config().limit(1 << 30).read_to_string().unwrap()
    }

    /// Una consulta InfluxQL (1.x).
    pub fn influxql(&self, consulta: &str) -> Value {
        let mut contestacion = sin_proxy()
            .post(format!("{}/query", self.url()))
            .query("db", &self.entorno["INFLUXDB_V1_DATABASE"])
            .query("u", &self.entorno["INFLUXDB_V1_USER"])
            .query("p", &self.entorno["INFLUXDB_V1_PASSWORD"])
            .query("q", consulta)
            .send_empty()
            .unwrap();
        serde_json::from_str(&contestacion.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Un GET a pelo.
    pub fn leer(&self, ruta: &str) -> String {
        let mut contestacion = sin_proxy().get(format!("{}{ruta}", self.url())).call().unwrap();
        contestacion.body_mut().read_to_string().unwrap()
    }
}

impl Drop for Motor {
    fn drop(&mut self) {
        let _ = self.servicio("parar").arg("--borrar").output();
    }
}

pub fn sin_proxy() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().new_agent()
}

pub fn repositorio() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// El Python que instala servicios/instalar.
pub fn python() -> PathBuf {
    let instalado = Command::new(repositorio().join("servicios/instalar")).arg("python").status().unwrap();
    assert!(instalado.success());
    let cache = std::env::var_os("SERVICIOS_CACHE").map_or_else(
        || {
            let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let base =
                base.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
            base.join("practicas-iabd06")
        },
        PathBuf::from,
    );
    cache.join("python/bin/python")
}

/// Unas líneas de Python con `admin`, el administrador de confluent-kafka. Da lo que escriben.
pub fn administrar(motor: &Motor, lineas: &str) -> String {
    let programa = format!(
        "from confluent_kafka import *\nfrom confluent_kafka.admin import *\n\
         BROKER = {{'bootstrap.servers': '{}'}}\nadmin = AdminClient(BROKER)\n{lineas}\n",
        motor.broker()
    );
    en_python(Command::new(python()).args(["-c", &programa]))
}

/// Crea un topic con estas particiones.
pub fn crear_topic(motor: &Motor, topic: &str, particiones: u32) {
    let lineas = format!(
        "[f.result() for f in admin.create_topics([NewTopic('{topic}', {particiones}, 1)]).values()]"
    );
    administrar(motor, &lineas);
}

/// Borra un topic y espera a que no esté.
pub fn borrar_topic(motor: &Motor, topic: &str) {
    let lineas =
        format!("[f.result() for f in admin.delete_topics(['{topic}'], operation_timeout=30).values()]");
    administrar(motor, &lineas);
}

/// Cuántos mensajes hay en un topic.
pub fn en_topic(motor: &Motor, topic: &str) -> usize {
    let lineas = format!(
        "c = Consumer({{**BROKER, 'group.id': 'x'}})\n\
         particiones = [TopicPartition('{topic}', p) for p in c.list_topics('{topic}').topics['{topic}'].partitions]\n\
         print(sum(c.get_watermark_offsets(p)[1] for p in particiones))"
    );
    administrar(motor, &lineas).parse().unwrap()
}

/// Cuántos mensajes le faltan a un grupo, desde lo confirmado: los que leerá la próxima vez.
pub fn faltan(motor: &Motor, topic: &str, grupo: &str) -> u64 {
    let lineas = format!(
        "c = Consumer({{**BROKER, 'group.id': '{grupo}'}})\n\
         particiones = [TopicPartition('{topic}', p) for p in c.list_topics('{topic}').topics['{topic}'].partitions]\n\
         finales = [c.get_watermark_offsets(p)[1] for p in particiones]\n\
         import time\n\
         for intento in range(50):\n \
           try: confirmados = c.committed(particiones); break\n \
           except Exception as e:\n  \
             if intento == 49: raise\n  \
             time.sleep(0.2) # el coordinador acaba de cambiar de sitio\n\
         print(sum(finales) - sum(max(p.offset, 0) for p in confirmados))"
    );
    administrar(motor, &lineas).parse().unwrap()
}

/// Ejecuta algo en Python, que tiene que salir bien. Da lo que escribe.
pub fn en_python(orden: &mut Command) -> String {
    let salida = orden.output().unwrap();
    assert!(salida.status.success(), "{}", String::from_utf8_lossy(&salida.stderr));
    String::from_utf8(salida.stdout).unwrap().trim().to_owned()
}

/// Un programa, con la configuración de estos motores.
pub fn con(mut programa: Command, motores: &[&Motor]) -> Command {
    programa.envs(motores.iter().flat_map(|m| &m.entorno));
    programa
}

/// `corto` normalmente; `largo` con servicios/probar --largo.
pub fn segun<T>(corto: T, largo: T) -> T {
    if std::env::var_os("PRUEBAS_LARGAS").is_some() { largo } else { corto }
}

/// Los Kafka contra los que se prueba todo: el de las prácticas y, con librdkafka, el 4.
pub fn kafkas() -> &'static [&'static str] {
    match cfg!(feature = "librdkafka") {
        false => &["kafka"],
        true => segun(&["kafka4"], &["kafka", "kafka4"]),
    }
}

/// Una línea de CSV de Flux por fila: columna → valor.
pub fn filas(csv: &str) -> Vec<HashMap<String, String>> {
    let mut cabecera: Vec<&str> = Vec::new();
    let mut filas = Vec::new();
    for linea in csv.lines().filter(|l| !l.is_empty()) {
        let campos: Vec<_> = linea.split(',').collect();
        if linea.starts_with('#') {
            cabecera.clear();
        } else if cabecera.is_empty() {
            cabecera = campos;
        } else {
            filas.push(cabecera.iter().zip(campos).map(|(c, v)| (c.to_string(), v.to_string())).collect());
        }
    }
    filas
}

/// Memoria de un proceso, en KiB, según un campo de /proc: VmRSS, la de ahora; VmHWM, la mayor. Solo en Linux.
pub fn memoria(pid: u32, campo: &str) -> Option<u64> {
    let estado = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let linea = estado.lines().find_map(|l| l.strip_prefix(campo)?.strip_prefix(':'))?;
    linea.split_whitespace().next()?.parse().ok()
}

/// Cuántos documentos hay en una colección, sin traerlos.
pub fn guardados(mongo: &Motor, coleccion: &str) -> usize {
    let cliente = Client::with_uri_str(&mongo.entorno["MONGODB_URI"]).unwrap();
    let coleccion = cliente.database("iabd06").collection::<Document>(coleccion);
    usize::try_from(coleccion.count_documents(Document::new()).run().unwrap()).unwrap()
}

/// Espera a que `hecho` lo sea. Si pasa mucho sin que nada cambie, dice cómo está.
pub fn esperar<T: std::fmt::Debug + PartialEq>(mut estado: impl FnMut() -> T, hecho: impl Fn(&T) -> bool) {
    let (mut antes, mut quieto) = (estado(), Instant::now());
    while !hecho(&antes) {
        assert!(quieto.elapsed() < PACIENCIA, "{antes:?}");
        thread::sleep(Duration::from_millis(200));
        let ahora = estado();
        if ahora != antes {
            (antes, quieto) = (ahora, Instant::now());
        }
    }
}

/// Los documentos de una colección, por su `_id`.
pub fn documentos(mongo: &Motor, base: &str, coleccion: &str) -> BTreeMap<String, Document> {
    let cliente = Client::with_uri_str(&mongo.entorno["MONGODB_URI"]).unwrap();
    let todos = cliente.database(base).collection::<Document>(coleccion).find(Document::new()).run().unwrap();
    todos.map(Result::unwrap).map(|d| (d.get_str("_id").unwrap().to_owned(), d)).collect()
}

fn numero(valor: Option<&Bson>) -> f64 {
    match valor {
        Some(Bson::Double(x)) => *x,
        Some(Bson::Int32(n)) => f64::from(*n),
        Some(Bson::Int64(n)) => *n as f64,
        otro => panic!("no es un número: {otro:?}"),
    }
}

/// Los KPIs guardados son las ventanas exactas de 20 crudos de cada partición, y salen de ellos.
pub fn comprobar_ventanas(mongo: &Motor, base: &str) -> (usize, usize) {
    let (crudos, kpis) = (documentos(mongo, base, CRUDOS), documentos(mongo, base, KPIS));
    let mut particiones: BTreeMap<i64, BTreeMap<i64, &Document>> = BTreeMap::new();
    for crudo in crudos.values() {
        let kafka = crudo.get_document("kafka").unwrap();
        let de = |campo: &str| numero(kafka.get(campo)) as i64;
        particiones.entry(de("partition")).or_default().insert(de("offset"), crudo);
    }
    let mut ventanas = 0;
    for (particion, mensajes) in particiones {
        let offsets: Vec<_> = mensajes.keys().copied().collect();
        for ventana in offsets.chunks_exact(20) {
            ventanas += 1;
            let kpi = &kpis[&format!("{TOPIC}#{particion}#{}-{}", ventana[0], ventana[19])];
            let metricas = ventana.iter().map(|o| mensajes[o].get_document("metrics").unwrap());
            let suma = |m: &str| metricas.clone().map(|d| numero(d.get(m))).sum::<f64>();
            for m in ["cpu_percent", "memory_percent", "disk_io_mbps", "network_mbps"] {
                assert!((numero(kpi.get(format!("{m}_avg"))) - suma(m) / 20.0).abs() < 1e-9);
            }
            assert_eq!(numero(kpi.get("error_count_sum")), suma("error_count"));
            assert!(matches!(kpi.get("ventana_fin"), Some(Bson::DateTime(_))), "una fecha de verdad");
        }
    }
    assert_eq!(kpis.len(), ventanas);
    assert!(crudos.values().all(|d| matches!(d.get("timestamp"), Some(Bson::DateTime(_)))));
    (crudos.len(), kpis.len())
}

/// Insiste mientras el error sea pasajero.
pub fn insistir<T>(mut algo: impl FnMut() -> Result<T, ErrorBroker>) -> T {
    let fin = Instant::now() + PACIENCIA;
    loop {
        match algo() {
            Ok(hecho) => return hecho,
            Err(ErrorBroker::Pasajero(_)) if Instant::now() < fin => {
                thread::sleep(Duration::from_millis(50)); // no satura al broker que arranca
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Recibe hasta tener `cuantos`.
pub fn recibir(receptor: &mut impl Receptor, cuantos: usize) -> Vec<Registro> {
    let fin = Instant::now() + PACIENCIA;
    let mut todos = Vec::new();
    while todos.len() < cuantos {
        assert!(Instant::now() < fin, "solo han llegado {}", todos.len());
        todos.extend(insistir(|| receptor.recibir(ESPERA)).registros);
    }
    todos
}

/// Avisos que no mira nadie.
pub fn sin_avisos() -> Avisos {
    Arc::new(|_, _| {})
}
