//! Recibir mensajes de Kafka en nombre de un grupo, que se reparte las particiones.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::conexion::{configuracion, esperar_topic};
use super::errores::{pasajero, sin_cliente, sin_respuesta};
use super::reparto::{DelGrupo, PLAZO, Suscripcion, de_otro};
use crate::avisos::Avisos;
use crate::broker::direcciones::primero_que_responde;
use crate::broker::historia::Historia;
use crate::broker::lideres::SinLider;
use crate::broker::limites::BYTES_POR_LECTURA;
use crate::broker::{ErrorBroker, Receptor, Recibido, Registro};
use crate::config::kafka::Propiedades;

/// Cada cuánto se comprueba, como poco, que el grupo sigue por donde iba.
const COMPROBAR: Duration = Duration::from_secs(1);

/// Lo que puede tardar en volver al grupo un consumidor, tras la última vez que falló algo.
const RECUPERARSE: Duration = Duration::from_secs(60);

/// Se pueden cambiar con `--kafka-config`.
const INICIALES: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("session.timeout.ms", "10000"), // lo que tarda en pasar a otro lo de un consumidor que muere
    ("socket.timeout.ms", "10000"),
    ("allow.auto.create.topics", "true"),
];

/// De estas depende que no se pierda nada.
const FIJAS: &[(&str, &str)] = &[("enable.auto.commit", "false"), ("auto.offset.reset", "earliest")];

/// El receptor de Kafka con librdkafka. Conecta en la primera llamada.
///
/// Kafka reparte las particiones entre los receptores del mismo grupo, y las vuelve a repartir cuando
/// uno llega o se va. Eso solo pasa dentro de [`recibir`](Receptor::recibir).
pub struct ReceptorLibrdkafka {
    brokers: Vec<String>,
    propiedades: Propiedades,
    pub(super) topic: String,
    grupo: String,
    pub(super) avisos: Avisos,
    suscripcion: Option<Suscripcion>,
    /// Cuándo falló algo por última vez.
    fallo: Option<Instant>,
    pub(super) reiniciadas: BTreeSet<i32>,
    pub(super) sin_lider: SinLider,
    /// Lo leído y lo confirmado, también de particiones que ya son de otro.
    pub(super) historia: Historia,
}

impl ReceptorLibrdkafka {
    /// Un receptor de `topic` en nombre de `grupo`; `brokers` son direcciones `equipo:puerto`. Por `avisos`
    /// cuenta cómo se reparten las particiones y si Kafka ha borrado mensajes sin leer.
    pub fn new(
        brokers: &[String],
        propiedades: &Propiedades,
        topic: &str,
        grupo: &str,
        avisos: Avisos,
    ) -> Self {
        ReceptorLibrdkafka {
            brokers: brokers.to_vec(),
            propiedades: propiedades.clone(),
            topic: topic.to_owned(),
            grupo: grupo.to_owned(),
            sin_lider: SinLider::new(topic, &avisos),
            avisos,
            suscripcion: None,
            fallo: None,
            reiniciadas: BTreeSet::new(),
            historia: Historia::new(grupo),
        }
    }

    /// Hace `algo` con la suscripción, que se abre si hace falta.
    ///
    /// Cuando Kafka echa del grupo a un consumidor, librdkafka ya no lo recupera. Tras una caída puede ser
    /// por él mismo, que vuelve a entrar: se empieza con otra suscripción. Si no, es que otro usa su nombre.
    fn suscrito<T>(
        &mut self,
        algo: impl FnOnce(&mut Self, &mut Suscripcion) -> Result<T, ErrorBroker>,
    ) -> Result<T, ErrorBroker> {
        let mut suscripcion = match self.suscripcion.take() {
            Some(suscripcion) => suscripcion,
            None => self.abrir()?,
        };
        let hecho = algo(self, &mut suscripcion);
        if let Err(error) = &hecho {
            if suscripcion.consumidor.client().fatal_error().is_none() {
                self.fallo = Some(Instant::now());
            } else if self.fallo.is_some_and(|fallo| fallo.elapsed() < RECUPERARSE) {
                self.reiniciadas.extend(suscripcion.siguientes.keys());
                return Err(pasajero(error.clone()));
            }
        }
        self.suscripcion = Some(suscripcion);
        hecho
    }

    fn abrir(&mut self) -> Result<Suscripcion, ErrorBroker> {
        let (broker, _) = primero_que_responde(&self.brokers)?;
        let mut config = configuracion(&self.brokers, INICIALES, &self.propiedades, FIJAS);
        config.set("group.id", &self.grupo);
        let consumidor: BaseConsumer<DelGrupo> =
            config.create_with_context(DelGrupo::default()).map_err(|e| sin_cliente(&e))?;
        let problemas = &consumidor.context().problemas;
        let sin_lider = esperar_topic(consumidor.client(), &broker, &self.topic, problemas, || {
            while consumidor.poll(Duration::from_millis(20)).is_some() {}
        })?;
        self.sin_lider.anotar(sin_lider);
        consumidor.subscribe(&[&self.topic]).map_err(|e| sin_respuesta(&e, &broker))?;
        Ok(Suscripcion {
            consumidor,
            broker,
            siguientes: BTreeMap::new(),
            volver: false,
            comprobado: Instant::now(),
        })
    }

    /// Lo que haya que hacer antes de leer.
    fn ponerse_al_dia(&mut self, suscripcion: &mut Suscripcion) -> Result<(), ErrorBroker> {
        if suscripcion.volver {
            self.volver(suscripcion)?;
        }
        if self.sin_lider.toca() {
            self.mirar_lideres(suscripcion)?;
        }
        if suscripcion.comprobado.elapsed() >= COMPROBAR {
            self.comprobar_confirmado(suscripcion)?;
        }
        Ok(())
    }

    fn leer(
        &mut self,
        suscripcion: &mut Suscripcion,
        espera: Duration,
    ) -> Result<Vec<Registro>, ErrorBroker> {
        self.ponerse_al_dia(suscripcion)?;
        let limite = Instant::now() + espera;
        let (mut registros, mut bytes): (Vec<Registro>, _) = (Vec::new(), 0);
        while bytes < BYTES_POR_LECTURA as usize {
            let queda = limite.saturating_duration_since(Instant::now());
            let leido =
                suscripcion.consumidor.poll(if registros.is_empty() { queda } else { Duration::ZERO });
            match leido {
                Some(Ok(mensaje)) => {
                    let registro = copiar(&mensaje);
                    bytes += registro.valor.len() + registro.clave.as_ref().map_or(0, Vec::len);
                    self.anotar(&mut suscripcion.siguientes, &registro)?;
                    registros.push(registro);
                }
                Some(Err(error)) => suscripcion.grave(&error).map_or(Ok(()), Err)?,
                None => {
                    let movidas = suscripcion.consumidor.context().reparto().take();
                    if let Some(movidas) = movidas {
                        registros.retain(|r| !movidas.contains(&r.particion));
                        self.repartir(suscripcion, &movidas)?;
                    } else if !registros.is_empty() || queda.is_zero() {
                        break;
                    }
                }
            }
        }
        suscripcion.consumidor.context().problemas.olvidar();
        Ok(registros)
    }

    /// Apunta por dónde va una partición, que nunca retrocede.
    fn anotar(
        &mut self,
        siguientes: &mut BTreeMap<i32, i64>,
        registro: &Registro,
    ) -> Result<(), ErrorBroker> {
        let Registro { particion, offset, .. } = registro;
        let siguiente = siguientes.entry(*particion).or_insert(*offset);
        if offset < siguiente {
            let detalle =
                format!("iba por el mensaje {siguiente} de la partición {particion} y llega el {offset}");
            return Err(self.historia.otra(&detalle));
        }
        *siguiente = offset + 1;
        self.historia.anotar_leido(registro);
        Ok(())
    }
}

fn copiar(mensaje: &BorrowedMessage<'_>) -> Registro {
    Registro {
        particion: mensaje.partition(),
        offset: mensaje.offset(),
        // La crate kafka no distingue una clave vacía de ninguna: los documentos, iguales.
        clave: mensaje.key().filter(|clave| !clave.is_empty()).map(<[u8]>::to_vec),
        valor: mensaje.payload().unwrap_or_default().to_vec(),
    }
}

impl Receptor for ReceptorLibrdkafka {
    fn recibir(&mut self, espera: Duration) -> Result<Recibido, ErrorBroker> {
        let registros = self.suscrito(|receptor, suscripcion| {
            // Lo que se hubiera leído se pierde con el error: habrá que releerlo.
            receptor.leer(suscripcion, espera).inspect_err(|_| suscripcion.volver = true)
        })?;
        Ok(Recibido { reiniciadas: mem::take(&mut self.reiniciadas).into_iter().collect(), registros })
    }

    fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker> {
        self.suscrito(|receptor, suscripcion| {
            receptor.comprobar_confirmado(suscripcion)?;
            let Suscripcion { consumidor, broker, .. } = &*suscripcion;
            let mut lista = TopicPartitionList::new();
            for (id, siguiente) in siguientes {
                if !suscripcion.siguientes.contains_key(id) || consumidor.assignment_lost() {
                    suscripcion.volver = true;
                    return Err(de_otro(*id));
                }
                lista
                    .add_partition_offset(&receptor.topic, *id, Offset::Offset(*siguiente))
                    .map_err(|e| sin_respuesta(&e, broker))?;
            }
            consumidor.commit(&lista, CommitMode::Sync).map_err(|e| sin_respuesta(&e, broker))?;
            receptor.historia.anotar_confirmado(siguientes);
            Ok(())
        })
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        self.suscrito(|receptor, suscripcion| {
            let mut atraso = 0;
            for (id, siguiente) in &suscripcion.siguientes {
                if receptor.sin_lider.contiene(*id) {
                    continue;
                }
                let limites = suscripcion.consumidor.fetch_watermarks(&receptor.topic, *id, PLAZO);
                let (_, fin) = limites.map_err(|e| suscripcion.causa(&e))?;
                atraso += (fin - siguiente).max(0).unsigned_abs();
            }
            Ok(atraso)
        })
    }
}
