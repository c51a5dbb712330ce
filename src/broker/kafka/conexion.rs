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
use crate::broker::frases::sin_topic;
use crate::broker::limites::{PAUSA, PLAZO_TOPIC};

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
        "{broker} es un Kafka 4 o posterior, que ya no entiende a la crate kafka: usa el Kafka 3.9 de docker-compose.yml, o compila con --features librdkafka"
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
            return Err(SinConexion::Otro(sin_topic(broker, topic)));
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
