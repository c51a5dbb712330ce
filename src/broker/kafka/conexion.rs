//! Conectar con un Kafka: encontrar un broker que responda, el topic listo y saber qué va mal si no.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use kafka::client::{FetchOffset, KafkaClient};
use kafka::error::Error;

use super::errores::{es_corte, falta_topic, traducir};
use crate::broker::ErrorBroker;
use crate::broker::direcciones::{primero_que_responde, probar_anunciadas};
use crate::broker::frases::{self, sin_topic};
use crate::broker::limites::{PAUSA, PLAZO_LIDER, PLAZO_TOPIC};

/// Un cliente con el topic listo y el broker al que se ha conectado.
pub struct Conexion {
    pub cliente: KafkaClient,
    pub broker: String,
    /// Dónde acaba cada partición que tiene líder.
    pub finales: HashMap<i32, i64>,
    /// Las que no lo tienen: ahora no se pueden leer ni escribir.
    pub sin_lider: Vec<i32>,
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
        "{broker} es un Kafka 4 o posterior, que ya no entiende a la crate kafka: usa el Kafka 3.9 de docker-compose.yml, o compila con --features librdkafka"
    )))
}

/// Espera a que el topic esté listo; pedir sus metadatos lo crea.
fn preparar(broker: &str, direccion: SocketAddr, topic: &str) -> Result<Conexion, SinConexion> {
    let otro = |e: &Error| SinConexion::Otro(traducir(e, broker));
    let mut cliente = KafkaClient::new(vec![direccion.to_string()]);
    cliente.set_client_id(env!("CARGO_PKG_NAME").to_owned());
    let inicio = Instant::now();
    let mut probada = false;
    loop {
        cliente.load_metadata(&[topic]).map_err(|e| otro(&e))?;
        let (lideres, sin_lider) = lideres(&cliente, topic);
        if lideres.is_empty() && inicio.elapsed() >= PLAZO_TOPIC {
            return Err(SinConexion::Otro(match sin_lider[..] {
                [] => sin_topic(broker, topic),
                _ => ErrorBroker::Pasajero(frases::sin_lider(topic, &sin_lider)),
            }));
        }
        // Las de un topic recién creado tardan un momento en tenerlo.
        if !lideres.is_empty() && (sin_lider.is_empty() || inicio.elapsed() >= PLAZO_LIDER) {
            if !probada {
                probar_anunciadas(broker, &lideres).map_err(SinConexion::Otro)?;
                probada = true;
            }
            match offsets(&mut cliente, topic, FetchOffset::Latest) {
                Ok(finales) => {
                    return Ok(Conexion { cliente, broker: broker.to_owned(), finales, sin_lider });
                }
                Err(error) if es_corte(&error) => return Err(SinConexion::Cuelga),
                Err(error) if inicio.elapsed() >= PLAZO_TOPIC || !falta_topic(&error) => {
                    return Err(otro(&error));
                }
                Err(_) => {}
            }
        }
        thread::sleep(PAUSA);
    }
}

/// Las direcciones de los brokers que llevan las particiones, y las que no lleva ninguno.
pub fn lideres(cliente: &KafkaClient, topic: &str) -> (Vec<String>, Vec<i32>) {
    let topics = cliente.topics();
    let (mut lideres, mut sin_lider) = (Vec::new(), Vec::new());
    // La crate se salta sin decirlo las particiones sin broker.
    for particion in topics.partitions(topic).iter().flat_map(|p| p.iter()) {
        match particion.leader() {
            Some(broker) => lideres.push(broker.host().to_owned()),
            None => sin_lider.push(particion.id()),
        }
    }
    lideres.sort();
    lideres.dedup();
    (lideres, sin_lider)
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
