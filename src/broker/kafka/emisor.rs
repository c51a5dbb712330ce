//! Mandar mensajes a Kafka.

use std::hash::Hasher;
use std::time::Duration;

use kafka::client::ProduceMessage;
use kafka::client::RequiredAcks;
use kafka::error::Error;
use kafka::producer::{DefaultHasher, Partitioner, Producer, Record, Topics};

use super::conexion::{Conexion, conectar};
use super::errores::traducir;
use crate::avisos::{Avisos, Nivel};
use crate::broker::{Emisor, ErrorBroker, PorEnviar, frases};
use crate::config::kafka::Propiedades;

/// Lo que tiene el broker para que confirmen todas las réplicas. La crate corta a los 120 s
/// (`DEFAULT_CONNECTION_RW_TIMEOUT_SECS`, en su `client/mod.rs`), y no se puede cambiar.
const PLAZO_CONFIRMACION: Duration = Duration::from_secs(10);

/// Mensajes por petición.
const MENSAJES_POR_ENVIO: usize = 1_000;

/// Bytes por petición: el broker rechaza las tandas de más de 1 MiB (`message.max.bytes`, 1048588 de serie).
const BYTES_POR_ENVIO: usize = 512 * 1024;

/// El emisor de Kafka. Conecta en el primer envío.
pub struct EmisorKafka {
    brokers: Vec<String>,
    topic: String,
    avisos: Avisos,
    /// Con el broker al que se ha conectado.
    productor: Option<(Producer<ConLider>, String)>,
}

impl EmisorKafka {
    /// Un emisor para `topic`; `brokers` son direcciones `equipo:puerto`. La crate no tiene propiedades: sin
    /// la feature `librdkafka`, la configuración no deja pedirlas.
    ///
    /// Por `avisos` cuenta qué particiones no tienen líder.
    pub fn new(brokers: &[String], _: &Propiedades, topic: &str, avisos: Avisos) -> Self {
        EmisorKafka { brokers: brokers.to_vec(), topic: topic.to_owned(), avisos, productor: None }
    }

    fn enviar_todos(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        if mensajes.is_empty() {
            return Ok(());
        }
        let (productor, broker) = match &mut self.productor {
            Some(abierto) => abierto,
            vacio => {
                let Conexion { cliente, broker, sin_lider, .. } = conectar(&self.brokers, &self.topic)?;
                if !sin_lider.is_empty() {
                    let frase = frases::sin_lider(&self.topic, &sin_lider);
                    (self.avisos)(Nivel::Aviso, &format!("{frase}. Sus mensajes van a las demás."));
                }
                let productor = Producer::from_client(cliente)
                    .with_required_acks(RequiredAcks::All)
                    .with_ack_timeout(PLAZO_CONFIRMACION)
                    .with_partitioner(ConLider)
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

/// La partición de cada clave: la que elige la crate o, si no tiene líder, otra que lo tenga.
struct ConLider;

impl Partitioner for ConLider {
    fn partition(&mut self, topics: Topics<'_>, mensaje: &mut ProduceMessage<'_, '_>) {
        let (Some(particiones), Some(clave)) = (topics.partitions(mensaje.topic), mensaje.key) else {
            return;
        };
        let con_lider = particiones.available_ids();
        let mut suma = DefaultHasher::default();
        suma.write(clave);
        let suma = suma.finish() as u32 as usize; // la crate usa los 32 bits bajos
        let suya = i32::try_from(suma % particiones.num_all().max(1) as usize).unwrap_or_default();
        mensaje.partition = match con_lider.len() {
            0 => return,
            _ if con_lider.contains(&suya) => suya,
            n => con_lider[suma % n],
        };
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
