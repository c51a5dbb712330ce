//! Kafka de verdad, con la crate `kafka`: habla el protocolo v0, que entienden los Kafka 0.9 a 3.9.
//!
//! Tres cosas que la crate no hace y se hacen aquí: poner límite a las conexiones, reconocer por qué
//! no se llega al broker, y no perder mensajes cuando en un topic hay tandas comprimidas y sin comprimir.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use kafka::client::fetch::{Message, Response};
use kafka::client::{
    CommitOffset, FetchOffset, FetchPartition, GroupOffsetStorage, KafkaClient, RequiredAcks,
};
use kafka::error::{Error, KafkaCode};
use kafka::producer::{Producer, Record};

use super::{Emisor, ErrorBroker, PorEnviar, Receptor, Registro};
use crate::avisos::{Avisos, Nivel, contar};
use crate::fallo::causa;

/// Lo que se espera a que alguien acepte la conexión, entre todas las direcciones de una lista.
const PLAZO_CONEXION: Duration = Duration::from_secs(3);

/// Lo que se espera a que un topic recién pedido esté listo.
const PLAZO_TOPIC: Duration = Duration::from_secs(10);

/// Lo que se espera entre dos preguntas seguidas al broker.
const PAUSA: Duration = Duration::from_millis(100);

/// Veces que la crate insiste, cada 100 ms, mientras el coordinador del grupo no está listo.
const INTENTOS_COORDINADOR: u32 = 50;

/// Lo que tiene el broker para que confirmen todas las réplicas. La crate corta a los 120 s.
const PLAZO_CONFIRMACION: Duration = Duration::from_secs(10);

/// Lo más que se deja esperando al broker una lectura. La crate corta a los 120 s.
const ESPERA_MAXIMA: Duration = Duration::from_secs(30);

/// Mensajes por petición.
const MENSAJES_POR_ENVIO: usize = 1_000;

/// Bytes por petición: el broker rechaza las tandas de más de 1 MiB (`message.max.bytes`).
const BYTES_POR_ENVIO: usize = 512 * 1024;

/// Bytes que se piden en una lectura, entre todas las particiones.
const BYTES_POR_LECTURA: i32 = 2 * 1024 * 1024;

/// Los mismos para una partición, como poco y como mucho.
const BYTES_POR_PARTICION: (i32, i32) = (128 * 1024, 64 * 1024 * 1024);

/// El emisor de Kafka. Conecta en el primer envío.
pub struct EmisorKafka {
    brokers: Vec<String>,
    topic: String,
    /// Con el broker al que se ha conectado.
    productor: Option<(Producer, String)>,
}

impl EmisorKafka {
    /// Un emisor para `topic`; `brokers` son direcciones `equipo:puerto`.
    pub fn new(brokers: Vec<String>, topic: &str) -> Self {
        EmisorKafka { brokers, topic: topic.to_owned(), productor: None }
    }

    fn enviar_todos(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        if mensajes.is_empty() {
            return Ok(());
        }
        let (productor, broker) = match &mut self.productor {
            Some(abierto) => abierto,
            vacio => {
                let Conexion { cliente, broker, .. } = conectar(&self.brokers, &self.topic)?;
                let productor = Producer::from_client(cliente)
                    .with_required_acks(RequiredAcks::All)
                    .with_ack_timeout(PLAZO_CONFIRMACION)
                    .create()
                    .map_err(|e| traducir(&e, &broker))?;
                vacio.insert((productor, broker))
            }
        };
        let mut resto = mensajes;
        while !resto.is_empty() {
            let (trozo, despues) = resto.split_at(cuantos_caben(resto));
            let registros: Vec<_> = trozo
                .iter()
                .map(|m| Record::from_key_value(&self.topic, m.clave.as_str(), m.valor.as_slice()))
                .collect();
            let respuestas = productor.send_all(&registros).map_err(|e| traducir(&e, broker))?;
            // `send_all` va bien aunque el broker no haya aceptado alguna partición.
            for confirmacion in respuestas.iter().flat_map(|r| &r.partition_confirms) {
                if let Err(codigo) = confirmacion.offset {
                    return Err(traducir(&Error::Kafka(codigo), broker));
                }
            }
            resto = despues;
        }
        Ok(())
    }
}

impl Emisor for EmisorKafka {
    fn enviar(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        let resultado = self.enviar_todos(mensajes);
        if resultado.is_err() {
            // La crate no se recupera de una conexión rota: se tira y se hace otra.
            self.productor = None;
        }
        resultado
    }
}

/// Cuántos de los primeros mensajes van juntos en una petición; uno al menos.
fn cuantos_caben(mensajes: &[PorEnviar]) -> usize {
    let mut bytes = 0;
    let caben = mensajes.iter().take(MENSAJES_POR_ENVIO).take_while(|m| {
        bytes += m.clave.len() + m.valor.len();
        bytes <= BYTES_POR_ENVIO
    });
    caben.count().max(1)
}

/// El receptor de Kafka. Conecta en la primera llamada.
///
/// Kafka no le reparte particiones: lee todas, y solo debe haber un receptor por grupo. Las que se
/// añadan al topic las ve cuando vuelve a conectar.
pub struct ReceptorKafka {
    brokers: Vec<String>,
    topic: String,
    grupo: String,
    avisos: Option<Avisos>,
    sesion: Option<Sesion>,
    /// Hasta dónde ha llegado, por partición, aunque después se haya perdido la conexión.
    visto: HashMap<i32, i64>,
    /// Lo último que ha confirmado, por partición.
    confirmado: HashMap<i32, i64>,
}

struct Sesion {
    cliente: KafkaClient,
    broker: String,
    particiones: Vec<Particion>,
}

struct Particion {
    id: i32,
    siguiente: i64,
    /// Bytes que se piden en cada lectura.
    bytes: i32,
}

impl ReceptorKafka {
    /// Un receptor de `topic` en nombre de `grupo`; `brokers` son direcciones `equipo:puerto`.
    pub fn new(brokers: Vec<String>, topic: &str, grupo: &str) -> Self {
        ReceptorKafka {
            brokers,
            topic: topic.to_owned(),
            grupo: grupo.to_owned(),
            avisos: None,
            sesion: None,
            visto: HashMap::new(),
            confirmado: HashMap::new(),
        }
    }

    /// A quién se le cuenta que Kafka ha borrado mensajes sin leer.
    pub fn con_avisos(mut self, avisos: Avisos) -> Self {
        self.avisos = Some(avisos);
        self
    }

    /// Hace `algo` con la conexión, que se abre si hace falta y se tira si falla.
    fn con_sesion<T>(
        &mut self,
        algo: impl FnOnce(&mut Sesion, &str) -> Result<T, ErrorBroker>,
    ) -> Result<T, ErrorBroker> {
        let mut sesion = match self.sesion.take() {
            Some(sesion) => sesion,
            None => self.abrir()?,
        };
        let hecho = algo(&mut sesion, &self.topic)?;
        self.sesion = Some(sesion);
        Ok(hecho)
    }

    fn abrir(&self) -> Result<Sesion, ErrorBroker> {
        let Conexion { mut cliente, broker, mut finales } = conectar(&self.brokers, &self.topic)?;
        let principios =
            offsets(&mut cliente, &self.topic, FetchOffset::Earliest).map_err(|e| traducir(&e, &broker))?;
        cliente.set_group_offset_storage(Some(GroupOffsetStorage::Kafka));
        cliente.set_retry_max_attempts(INTENTOS_COORDINADOR);
        let confirmados: HashMap<i32, i64> = cliente
            .fetch_group_topic_offset(&self.grupo, &self.topic)
            .map_err(|e| traducir(&e, &broker))?
            .into_iter()
            .filter(|p| p.offset >= 0)
            .map(|p| (p.partition, p.offset))
            .collect();
        self.comprobar_historia(&mut cliente, &broker, &mut finales, &confirmados)?;
        // Con 4 KiB, lo de la crate, un mensaje suelto tarda en llegar toda la espera.
        cliente.set_fetch_min_bytes(1);

        let reparto = BYTES_POR_LECTURA / i32::try_from(finales.len()).unwrap_or(i32::MAX).max(1);
        let mut particiones = Vec::new();
        let mut saltados = 0;
        for id in finales.keys().copied() {
            let principio = principios.get(&id).copied().unwrap_or(0);
            let siguiente = confirmados.get(&id).copied().unwrap_or(principio);
            saltados += (principio - siguiente).max(0);
            let siguiente = siguiente.max(principio);
            particiones.push(Particion { id, siguiente, bytes: reparto.max(BYTES_POR_PARTICION.0) });
        }
        particiones.sort_by_key(|p| p.id);
        if let (Some(avisos), 1..) = (&self.avisos, saltados) {
            let mensajes = contar(saltados.unsigned_abs(), "mensaje", "mensajes");
            avisos(
                Nivel::Error,
                &format!("Kafka ha borrado {mensajes} sin leer: ha pasado su plazo de retención."),
            );
        }
        Ok(Sesion { cliente, broker, particiones })
    }

    /// Comprueba que el topic sigue siendo el que se leía.
    fn comprobar_historia(
        &self,
        cliente: &mut KafkaClient,
        broker: &str,
        finales: &mut HashMap<i32, i64>,
        confirmados: &HashMap<i32, i64>,
    ) -> Result<(), ErrorBroker> {
        // Al borrar un topic, Kafka borra también lo que tenían confirmado sus grupos.
        if self.confirmado.keys().any(|id| !confirmados.contains_key(id)) {
            let detalle = format!("Kafka ya no tiene lo que confirmó el grupo «{}»", self.grupo);
            return Err(ErrorBroker::otra_historia(&detalle));
        }
        // Un broker que acaba de arrancar puede decir un final antiguo durante un instante.
        let fin = Instant::now() + Duration::from_secs(1);
        loop {
            let pasado = confirmados.iter().chain(&self.visto).find_map(|(id, leido)| {
                let fin = finales.get(id).copied().unwrap_or(0);
                (*leido > fin).then_some((*id, *leido, fin))
            });
            let Some((id, leido, hay)) = pasado else { return Ok(()) };
            if Instant::now() >= fin {
                return Err(ErrorBroker::otra_historia(&format!(
                    "el grupo «{}» va por el mensaje {leido} de la partición {id} y ahora solo hay {hay}",
                    self.grupo
                )));
            }
            thread::sleep(PAUSA);
            *finales =
                offsets(cliente, &self.topic, FetchOffset::Latest).map_err(|e| traducir(&e, broker))?;
        }
    }
}

impl Receptor for ReceptorKafka {
    fn recibir(&mut self, espera: Duration) -> Result<Vec<Registro>, ErrorBroker> {
        let registros = self.con_sesion(|sesion, topic| sesion.recibir(topic, espera))?;
        for registro in &registros {
            let visto = self.visto.entry(registro.particion).or_default();
            *visto = (*visto).max(registro.offset + 1);
        }
        Ok(registros)
    }

    fn confirmar(&mut self, siguientes: &[(i32, i64)]) -> Result<(), ErrorBroker> {
        let grupo = self.grupo.clone();
        let recien_abierta = self.sesion.is_none();
        self.con_sesion(|sesion, topic| {
            let partes: Vec<_> = siguientes.iter().map(|(p, o)| CommitOffset::new(topic, *p, *o)).collect();
            // Al acabarse los intentos la crate no vuelve: da vueltas sin pausa. Así las da con ella.
            sesion.cliente.set_retry_max_attempts(u32::MAX);
            let hecho = sesion.cliente.commit_offsets(&grupo, &partes);
            sesion.cliente.set_retry_max_attempts(INTENTOS_COORDINADOR);
            hecho.map_err(|e| traducir(&e, &sesion.broker))?;
            if recien_abierta {
                sesion.seguir_por(siguientes);
            }
            Ok(())
        })?;
        self.confirmado.extend(siguientes.iter().copied());
        Ok(())
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        self.con_sesion(|sesion, topic| {
            let finales = offsets(&mut sesion.cliente, topic, FetchOffset::Latest)
                .map_err(|e| traducir(&e, &sesion.broker))?;
            let faltan = |p: &Particion| finales.get(&p.id).map_or(0, |fin| (fin - p.siguiente).max(0));
            Ok(sesion.particiones.iter().map(faltan).sum::<i64>().unsigned_abs())
        })
    }
}

impl Sesion {
    /// Una lectura de todas las particiones, o las que hagan falta hasta que algo quepa entero.
    fn recibir(&mut self, topic: &str, espera: Duration) -> Result<Vec<Registro>, ErrorBroker> {
        let espera = espera.min(ESPERA_MAXIMA);
        let limite = Instant::now() + espera;
        let mut registros = Vec::new();
        loop {
            let queda = limite.saturating_duration_since(Instant::now());
            let peticiones: Vec<_> = self
                .particiones
                .iter()
                .map(|p| FetchPartition::new(topic, p.id, p.siguiente).with_max_bytes(p.bytes))
                .collect();
            let respuestas = self.leer(&peticiones, queda)?;
            let mut atascada = false;
            for (id, mensajes, final_) in partes(&respuestas, &self.broker)? {
                let Some(i) = self.particiones.iter().position(|p| p.id == id) else { continue };
                let siguiente = self.particiones[i].siguiente;
                let mut nuevos = match mensajes.first() {
                    Some(primero) if primero.offset > siguiente => self.sin_hueco(topic, i)?,
                    Some(_) => None,
                    None => {
                        if final_ > siguiente {
                            atascada = true;
                            self.crecer(i)?;
                        }
                        continue;
                    }
                }
                .unwrap_or_else(|| copiar(id, mensajes));
                if let Some(ultimo) = nuevos.last() {
                    self.particiones[i].siguiente = ultimo.offset + 1;
                }
                registros.append(&mut nuevos);
            }
            if !registros.is_empty() || (!atascada && Instant::now() >= limite) {
                return Ok(registros);
            }
        }
    }

    fn leer(
        &mut self,
        peticiones: &[FetchPartition<'_>],
        espera: Duration,
    ) -> Result<Vec<Response>, ErrorBroker> {
        self.cliente
            .set_fetch_max_wait_time(espera)
            .and_then(|()| self.cliente.fetch_messages(peticiones))
            .map_err(|e| traducir(&e, &self.broker))
    }

    /// Pide más bytes de una partición en la que ni el primer mensaje ha cabido entero.
    fn crecer(&mut self, i: usize) -> Result<(), ErrorBroker> {
        let particion = &mut self.particiones[i];
        if particion.bytes >= BYTES_POR_PARTICION.1 {
            return Err(ErrorBroker::Definitivo(format!(
                "el mensaje {} de la partición {} no se puede leer: no cabe en {} MiB o es de una transacción",
                particion.siguiente,
                particion.id,
                BYTES_POR_PARTICION.1 >> 20
            )));
        }
        particion.bytes = particion.bytes.saturating_mul(2).min(BYTES_POR_PARTICION.1);
        Ok(())
    }

    /// Lo que hay antes de un hueco, si hay algo.
    ///
    /// Cuando en una lectura viene una tanda comprimida, la crate da solo esa y olvida los mensajes
    /// sin comprimir de delante. Salen pidiendo menos bytes, los justos para que no llegue la tanda.
    fn sin_hueco(&mut self, topic: &str, i: usize) -> Result<Option<Vec<Registro>>, ErrorBroker> {
        let Particion { id, siguiente, bytes } = self.particiones[i];
        let (mut pocos, mut muchos) = (0, bytes);
        while muchos - pocos > 1 {
            let medio = pocos + (muchos - pocos) / 2;
            let peticion = FetchPartition::new(topic, id, siguiente).with_max_bytes(medio);
            let respuestas = self.leer(&[peticion], Duration::ZERO)?;
            for (_, mensajes, _) in partes(&respuestas, &self.broker)? {
                match mensajes.first() {
                    None => pocos = medio,
                    Some(primero) if primero.offset > siguiente => muchos = medio,
                    Some(_) => return Ok(Some(copiar(id, mensajes))),
                }
            }
        }
        Ok(None) // el hueco es de verdad: compactación, por ejemplo
    }

    fn seguir_por(&mut self, siguientes: &[(i32, i64)]) {
        for (id, offset) in siguientes {
            for particion in self.particiones.iter_mut().filter(|p| p.id == *id) {
                particion.siguiente = *offset;
            }
        }
    }
}

/// Una partición leída: su número, sus mensajes y el offset en que acaba.
type Parte<'a> = (i32, &'a [Message<'a>], i64);

fn partes<'a>(respuestas: &'a [Response], broker: &str) -> Result<Vec<Parte<'a>>, ErrorBroker> {
    let particiones = respuestas.iter().flat_map(Response::topics).flat_map(|t| t.partitions());
    particiones
        .map(|p| match p.data() {
            Ok(datos) => Ok((p.partition(), datos.messages(), datos.highwatermark_offset())),
            Err(error) => Err(traducir(&error, broker)),
        })
        .collect()
}

fn copiar(particion: i32, mensajes: &[Message<'_>]) -> Vec<Registro> {
    let copia = |m: &Message<'_>| Registro {
        particion,
        offset: m.offset,
        clave: (!m.key.is_empty()).then(|| m.key.to_vec()), // la crate no distingue vacía de ninguna
        valor: m.value.to_vec(),
    };
    mensajes.iter().map(copia).collect()
}

/// Un cliente con el topic listo, el broker al que se ha conectado y dónde acaba cada partición.
struct Conexion {
    cliente: KafkaClient,
    broker: String,
    finales: HashMap<i32, i64>,
}

/// Por qué no se ha podido conectar.
enum SinConexion {
    /// Da los metadatos y cuelga en la petición siguiente.
    Cuelga,
    Otro(ErrorBroker),
}

fn conectar(brokers: &[String], topic: &str) -> Result<Conexion, ErrorBroker> {
    let (broker, direccion) = primero_que_responde(brokers)?;
    // Un broker que se está parando también cuelga, pero no dos veces seguidas.
    for _ in 0..2 {
        match preparar(&broker, direccion, topic) {
            Ok(conexion) => return Ok(conexion),
            Err(SinConexion::Otro(error)) => return Err(error),
            Err(SinConexion::Cuelga) => {}
        }
    }
    Err(ErrorBroker::Definitivo(format!(
        "{broker} es un Kafka 4 o posterior, que ya no entiende a la crate kafka: usa el Kafka 3.9 de docker-compose.yml"
    )))
}

/// Espera a que el topic esté listo; pedir sus metadatos lo crea.
fn preparar(broker: &str, direccion: SocketAddr, topic: &str) -> Result<Conexion, SinConexion> {
    let otro = |e: &Error| SinConexion::Otro(traducir(e, broker));
    let mut cliente = KafkaClient::new(vec![direccion.to_string()]);
    cliente.set_client_id(env!("CARGO_PKG_NAME").to_owned());
    let fin = Instant::now() + PLAZO_TOPIC;
    let mut probada = false;
    loop {
        cliente.load_metadata(&[topic]).map_err(|e| otro(&e))?;
        if let Some(lideres) = lideres(&cliente, topic) {
            if !probada {
                probar_anunciadas(broker, &lideres).map_err(SinConexion::Otro)?;
                probada = true;
            }
            match offsets(&mut cliente, topic, FetchOffset::Latest) {
                Ok(finales) => return Ok(Conexion { cliente, broker: broker.to_owned(), finales }),
                Err(error) if es_corte(&error) => return Err(SinConexion::Cuelga),
                Err(error) if Instant::now() >= fin || !falta_topic(&error) => return Err(otro(&error)),
                Err(_) => {}
            }
        } else if Instant::now() >= fin {
            return Err(SinConexion::Otro(ErrorBroker::Pasajero(format!(
                "{broker} no tiene listo el topic «{topic}»: si no se crea solo, créalo con kafka-topics.sh --create"
            ))));
        }
        thread::sleep(PAUSA);
    }
}

/// Las direcciones de los brokers que llevan las particiones, si todas tienen el suyo.
fn lideres(cliente: &KafkaClient, topic: &str) -> Option<Vec<String>> {
    let particiones = cliente.topics();
    let particiones = particiones.partitions(topic)?;
    // La crate se salta sin decirlo las particiones sin broker.
    let mut lideres: Vec<_> =
        particiones.iter().map(|p| p.leader().map(|b| b.host().to_owned())).collect::<Option<_>>()?;
    lideres.sort();
    lideres.dedup();
    (!lideres.is_empty()).then_some(lideres)
}

/// El offset siguiente al último (o el primero) de cada partición.
fn offsets(cliente: &mut KafkaClient, topic: &str, cual: FetchOffset) -> Result<HashMap<i32, i64>, Error> {
    let offsets = cliente.fetch_topic_offsets(topic, cual)?;
    Ok(offsets.into_iter().map(|p| (p.partition, p.offset.max(0))).collect())
}

/// El primer broker de la lista que acepta una conexión.
fn primero_que_responde(brokers: &[String]) -> Result<(String, SocketAddr), ErrorBroker> {
    let limite = PLAZO_CONEXION / u32::try_from(brokers.len()).unwrap_or(u32::MAX).max(1);
    let mut causas = Vec::new();
    for broker in brokers {
        match probar(broker, limite) {
            Ok(direccion) => return Ok((broker.clone(), direccion)),
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return Err(ErrorBroker::Definitivo(format!(
                    "«{broker}» no es la dirección de un broker: se escribe equipo:puerto, como localhost:29092"
                )));
            }
            Err(error) => causas.push(format!("{broker} ({})", causa_de_red(&error))),
        }
    }
    Err(ErrorBroker::Pasajero(format!(
        "no responde ningún Kafka en {}: mira si está en marcha (docker compose ps) y si la dirección es esa",
        causas.join(" ni en ")
    )))
}

/// Prueba las direcciones a las que el broker manda a sus clientes.
fn probar_anunciadas(broker: &str, anunciadas: &[String]) -> Result<(), ErrorBroker> {
    let limite = PLAZO_CONEXION / u32::try_from(anunciadas.len()).unwrap_or(u32::MAX).max(1);
    for anunciada in anunciadas {
        if let Err(error) = probar(anunciada, limite) {
            return Err(ErrorBroker::Pasajero(format!(
                "Kafka contesta en {broker}, pero manda seguir en {anunciada} y ahí no hay respuesta ({}): \
                 pon en KAFKA_ADVERTISED_LISTENERS (o en IP_LOCAL) una dirección a la que llegue este ordenador",
                causa_de_red(&error)
            )));
        }
    }
    Ok(())
}

/// Comprueba que alguien acepta conexiones: la crate puede quedarse minutos intentándolo.
fn probar(direccion: &str, limite: Duration) -> io::Result<SocketAddr> {
    let mut ultimo = io::Error::from(ErrorKind::NotFound);
    let direcciones: Vec<_> = direccion.to_socket_addrs()?.collect();
    let limite = limite / u32::try_from(direcciones.len()).unwrap_or(u32::MAX).max(1);
    for direccion in direcciones {
        match TcpStream::connect_timeout(&direccion, limite) {
            Ok(_) => return Ok(direccion),
            Err(error) => ultimo = error,
        }
    }
    Err(ultimo)
}

fn causa_de_red(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nadie escucha ahí".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no contesta a tiempo".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no se llega a esa red".to_owned(),
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => "ha cortado la conexión".to_owned(),
        _ => causa(error),
    }
}

/// El código con que ha contestado el broker, si ha contestado.
fn codigo(error: &Error) -> Option<KafkaCode> {
    match error {
        Error::Kafka(codigo) | Error::TopicPartitionError { error_code: codigo, .. } => Some(*codigo),
        Error::ArcSelf(error) => codigo(error),
        _ => None,
    }
}

/// ¿El topic está a medio crear, o cambiando de broker?
fn falta_topic(error: &Error) -> bool {
    use KafkaCode::{LeaderNotAvailable, NotLeaderForPartition, UnknownTopicOrPartition};
    matches!(codigo(error), Some(UnknownTopicOrPartition | LeaderNotAvailable | NotLeaderForPartition))
}

fn es_corte(error: &Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let corte = |k| matches!(k, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe);
    matches!(error, Error::Io(e) if corte(e.kind()))
}

/// Un error de la crate, en una frase.
fn traducir(error: &Error, broker: &str) -> ErrorBroker {
    use ErrorBroker::{Definitivo, Pasajero};
    if let Some(codigo) = codigo(error) {
        return traducir_codigo(codigo, broker);
    }
    match error {
        Error::Io(error) => Pasajero(format!("Kafka, en {broker}: {}", causa_de_red(error))),
        Error::NoHostReachable => Pasajero(format!(
            "{broker} acepta la conexión pero no contesta como un Kafka: mira si ese es su puerto o si todavía arranca"
        )),
        Error::UnsupportedCompression => Definitivo(
            "hay mensajes comprimidos con lz4 o zstd, que la crate kafka no entiende: que se envíen con gzip o snappy"
                .to_owned(),
        ),
        Error::ArcSelf(error) => traducir(error, broker),
        _ => Pasajero(format!("Kafka, en {broker}, ha contestado algo que no se entiende ({error})")),
    }
}

fn traducir_codigo(codigo: KafkaCode, broker: &str) -> ErrorBroker {
    use ErrorBroker::{Definitivo, Pasajero};
    match codigo {
        KafkaCode::MessageSizeTooLarge | KafkaCode::RecordListTooLarge => Definitivo(format!(
            "{broker} no admite mensajes tan grandes: sube message.max.bytes o envíalos más pequeños"
        )),
        KafkaCode::InvalidTopic => Definitivo(format!("{broker} no admite ese nombre de topic")),
        KafkaCode::InvalidGroupId => Definitivo(format!("{broker} no admite ese grupo: revisa --group-id")),
        KafkaCode::TopicAuthorizationFailed
        | KafkaCode::GroupAuthorizationFailed
        | KafkaCode::ClusterAuthorizationFailed => {
            Definitivo(format!("{broker} no te da permiso para usar ese topic o ese grupo ({codigo:?})"))
        }
        KafkaCode::GroupCoordinatorNotAvailable => Pasajero(format!(
            "{broker} no tiene dónde guardar lo confirmado: con un solo broker hace falta KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1"
        )),
        KafkaCode::OffsetOutOfRange => {
            Pasajero(format!("los mensajes que tocaba leer ya no están en {broker}"))
        }
        KafkaCode::Unknown => Pasajero(format!(
            "{broker} da un error que la crate kafka no conoce: quizá hay mensajes comprimidos con zstd"
        )),
        _ => Pasajero(format!("{broker} no puede atender ahora a este topic ({codigo:?})")),
    }
}
