//! Conectar con un Kafka: encontrar un broker que responda, el topic listo y saber qué va mal si no.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use kafka::client::{FetchOffset, KafkaClient};
use kafka::error::Error;

use super::errores::{causa_de_red, es_corte, falta_topic, traducir};
use crate::broker::ErrorBroker;

/// Lo que se espera a que alguien acepte la conexión, entre todas las direcciones de una lista.
const PLAZO_CONEXION: Duration = Duration::from_secs(3);

/// Lo que se espera a que un topic recién pedido esté listo.
const PLAZO_TOPIC: Duration = Duration::from_secs(10);

/// Lo que se espera entre dos preguntas seguidas al broker.
pub const PAUSA: Duration = Duration::from_millis(100);

/// Un cliente con el topic listo, el broker al que se ha conectado y dónde acaba cada partición.
pub struct Conexion {
    pub cliente: KafkaClient,
    pub broker: String,
    pub finales: HashMap<i32, i64>,
}

/// Por qué no se ha podido conectar.
enum SinConexion {
    /// Da los metadatos y cuelga en la petición siguiente.
    Cuelga,
    Otro(ErrorBroker),
}

/// Conecta con el primero que responda.
pub fn conectar(brokers: &[String], topic: &str) -> Result<Conexion, ErrorBroker> {
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
pub fn offsets(
    cliente: &mut KafkaClient,
    topic: &str,
    cual: FetchOffset,
) -> Result<HashMap<i32, i64>, Error> {
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
