//! Mandar mensajes a Kafka.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::conexion::{configuracion, esperar_topic};
use super::desvio::Desvio;
use super::errores::{Problemas, pasajero, sin_cliente, sin_respuesta, traducir};
use crate::avisos::{Avisos, Nivel};
use crate::broker::direcciones::primero_que_responde;
use crate::broker::{Emisor, ErrorBroker, PorEnviar, frases};
use crate::config::kafka::Propiedades;
use crate::herramientas::candado::candado;

/// Lo que se espera una confirmación cuando librdkafka cuenta que algo va mal.
const PLAZO_PROBLEMA: Duration = Duration::from_secs(1);

/// Lo que se espera sin que llegue ninguna confirmación, aunque no cuente nada.
const PLAZO_CONFIRMACION: Duration = Duration::from_secs(10);

/// Lo que se esperan las confirmaciones antes de mirar si ya están todas.
const PASO: Duration = Duration::from_millis(1);

/// Se pueden cambiar con `--kafka-config`.
const INICIALES: &[(&str, &str)] = &[
    ("partitioner", "murmur2_random"), // el de los clientes de Java
    ("linger.ms", "1"),
    ("message.max.bytes", "67108864"), // el tope lo pone el broker
];

/// De estas depende que no se pierda ni se repita nada.
const FIJAS: &[(&str, &str)] = &[
    ("enable.idempotence", "true"), // y con ella, acks=all
    ("message.timeout.ms", "0"),    // insiste siempre: si reenviáramos nosotros, se repetirían
];

/// El emisor de Kafka con librdkafka. Conecta en el primer envío.
///
/// El productor es idempotente: un mensaje que librdkafka reenvía queda una vez en el topic. Por eso,
/// cuando el broker no responde, [`enviar`](Emisor::enviar) da el error pero no retira lo mandado: si se
/// le llama otra vez con los mismos mensajes, sigue esperando a esos.
pub struct EmisorLibrdkafka {
    brokers: Vec<String>,
    propiedades: Propiedades,
    topic: String,
    avisos: Avisos,
    envio: Option<Envio>,
}

struct Envio {
    productor: BaseProducer<Entregas>,
    broker: String,
    /// Si alguna partición no tiene líder.
    desvio: Option<Desvio>,
    /// Los mensajes que quedaron a medias, y cuántos se han puesto en la cola de librdkafka.
    a_medias: Vec<PorEnviar>,
    encolados: usize,
}

/// Lo que librdkafka va contando de los mensajes encolados.
#[derive(Default)]
struct Entregas {
    problemas: Problemas,
    cuenta: Mutex<Cuenta>,
}

#[derive(Default)]
struct Cuenta {
    confirmadas: usize,
    fallo: Option<KafkaError>,
}

impl Entregas {
    fn cuenta(&self) -> MutexGuard<'_, Cuenta> {
        candado(&self.cuenta)
    }
}

impl ClientContext for Entregas {
    fn error(&self, error: KafkaError, palabras: &str) {
        self.problemas.anotar(&error, palabras);
    }
}

impl ProducerContext for Entregas {
    type DeliveryOpaque = ();

    fn delivery(&self, entrega: &DeliveryResult<'_>, (): ()) {
        let mut cuenta = self.cuenta();
        match entrega {
            Ok(_) => cuenta.confirmadas += 1,
            Err((error, _)) => cuenta.fallo = Some(error.clone()),
        }
    }
}

impl EmisorLibrdkafka {
    /// Un emisor para `topic`; `brokers` son direcciones `equipo:puerto`.
    pub fn new(brokers: &[String], propiedades: &Propiedades, topic: &str, avisos: Avisos) -> Self {
        EmisorLibrdkafka {
            brokers: brokers.to_vec(),
            propiedades: propiedades.clone(),
            topic: topic.to_owned(),
            avisos,
            envio: None,
        }
    }

    fn abrir(&self) -> Result<Envio, ErrorBroker> {
        let (broker, _) = primero_que_responde(&self.brokers)?;
        let config = configuracion(&self.brokers, INICIALES, &self.propiedades, FIJAS);
        let productor: BaseProducer<Entregas> =
            config.create_with_context(Entregas::default()).map_err(|e| sin_cliente(&e))?;
        let problemas = &productor.context().problemas;
        let sin_lider = esperar_topic(productor.client(), &broker, &self.topic, problemas, || {
            productor.poll(Duration::from_millis(20));
        })?;
        let mut desvio = None;
        if !sin_lider.is_empty() {
            let frase = frases::sin_lider(&self.topic, &sin_lider);
            (self.avisos)(Nivel::Aviso, &format!("{frase}. Sus mensajes van a las demás."));
            let metadatos = productor.client().fetch_metadata(Some(&self.topic), PLAZO_PROBLEMA);
            let metadatos = metadatos.map_err(|e| sin_respuesta(&e, &broker))?;
            let todas = metadatos.topics().iter().map(|t| t.partitions().len()).sum();
            desvio = Some(Desvio::new(todas, &sin_lider));
        }
        Ok(Envio { productor, broker, desvio, a_medias: Vec::new(), encolados: 0 })
    }
}

impl Emisor for EmisorLibrdkafka {
    fn enviar(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        // Si ya no son los que quedaron a medias, aquellos se retiran con su productor.
        let mismo = self.envio.take().filter(|e| e.a_medias.is_empty() || e.a_medias == mensajes);
        let mut envio = match mismo {
            Some(envio) => envio,
            None if mensajes.is_empty() => return Ok(()),
            None => self.abrir()?,
        };
        match envio.enviar(&self.topic, mensajes)? {
            None => {
                self.envio = Some(envio);
                Ok(())
            }
            Some(espera) => {
                envio.a_medias = mensajes.to_vec();
                self.envio = Some(envio);
                Err(espera)
            }
        }
    }
}

impl Envio {
    /// Manda los mensajes y espera a que se confirmen todos. Con un error dentro de `Ok`, siguen en
    /// camino; con los demás, este productor ya no sirve.
    fn enviar(&mut self, topic: &str, mensajes: &[PorEnviar]) -> Result<Option<ErrorBroker>, ErrorBroker> {
        let (mut antes, mut quieto) = (0, Instant::now());
        loop {
            self.encolar(topic, mensajes)?;
            self.productor.poll(PASO);
            let Cuenta { confirmadas, fallo } = &mut *self.productor.context().cuenta();
            if let Some(error) = fallo.take() {
                return Err(sin_respuesta(&error, &self.broker));
            }
            if *confirmadas == mensajes.len() {
                *confirmadas = 0;
                self.encolados = 0;
                self.a_medias.clear();
                self.productor.context().problemas.olvidar();
                return Ok(None);
            }
            if *confirmadas > antes {
                (antes, quieto) = (*confirmadas, Instant::now());
            }
            // Lo que dura menos se arregla solo, y no merece un aviso.
            if quieto.elapsed() >= PLAZO_PROBLEMA
                && let Some(problema) = self.productor.context().problemas.tomar(&self.broker)
            {
                return Ok(Some(pasajero(problema)));
            }
            if quieto.elapsed() >= PLAZO_CONFIRMACION {
                let frase = format!("Kafka, en {}, no confirma los mensajes", self.broker);
                return Ok(Some(ErrorBroker::Pasajero(frase)));
            }
        }
    }

    /// Pone en la cola de librdkafka los que quepan.
    fn encolar(&mut self, topic: &str, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        for mensaje in &mensajes[self.encolados..] {
            let mut registro = BaseRecord::to(topic).key(&mensaje.clave).payload(&mensaje.valor);
            registro.partition = self.desvio.as_ref().and_then(|d| d.de(mensaje.clave.as_bytes()));
            match self.productor.send(registro) {
                Ok(()) => self.encolados += 1,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => break,
                Err((KafkaError::MessageProduction(codigo), _)) => {
                    return Err(traducir(codigo, "", &self.broker));
                }
                Err((error, _)) => return Err(sin_respuesta(&error, &self.broker)),
            }
        }
        Ok(())
    }
}
