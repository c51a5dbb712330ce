//! Recibir mensajes de Kafka en nombre de un grupo, que se reparte las particiones.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use super::conexion::{configuracion, esperar_topic, quien_responde};
use super::errores::{Problemas, pasajero, sin_cliente, sin_respuesta, traducir};
use crate::avisos::{Avisos, Nivel};
use crate::broker::historia::{Historia, avisar_borrados};
use crate::broker::{ErrorBroker, Receptor, Registro};
use crate::config::kafka::Propiedades;
use crate::herramientas::candado::candado;

/// Lo que se espera una contestación del broker.
const PLAZO: Duration = Duration::from_secs(3);

/// Cada cuánto se comprueba, como poco, que el grupo sigue por donde iba.
const COMPROBAR: Duration = Duration::from_secs(1);

/// Lo que puede tardar en volver al grupo un consumidor, tras la última vez que falló algo.
const RECUPERARSE: Duration = Duration::from_secs(60);

/// Bytes que se dan juntos, más o menos: unos dos mil mensajes. Más juntos no se guardan antes.
const BYTES_POR_LECTURA: usize = 512 * 1024;

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
    topic: String,
    grupo: String,
    avisos: Option<Avisos>,
    sesion: Option<Sesion>,
    /// Cuándo falló algo por última vez.
    fallo: Option<Instant>,
    reiniciadas: BTreeSet<i32>,
    /// Lo leído y lo confirmado, también de particiones que ya son de otro.
    historia: Historia,
}

struct Sesion {
    consumidor: BaseConsumer<Contexto>,
    broker: String,
    /// Las particiones de este receptor, y el siguiente mensaje de cada una.
    siguientes: BTreeMap<i32, i64>,
    /// Hay que volver a lo último confirmado.
    volver: bool,
    /// Cuándo se comprobó por última vez que el grupo sigue por donde iba.
    comprobado: Instant,
}

/// Lo que librdkafka va contando.
#[derive(Default)]
struct Contexto {
    problemas: Problemas,
    reparto: Mutex<Option<BTreeSet<i32>>>,
}

impl Contexto {
    /// Si ha habido reparto, las particiones que se han ido o han llegado.
    fn reparto(&self) -> MutexGuard<'_, Option<BTreeSet<i32>>> {
        candado(&self.reparto)
    }
}

impl ClientContext for Contexto {
    fn error(&self, error: KafkaError, palabras: &str) {
        self.problemas.anotar(&error, palabras);
    }
}

impl ConsumerContext for Contexto {
    fn post_rebalance(&self, _consumidor: &BaseConsumer<Self>, cambio: &Rebalance<'_>) {
        if let Rebalance::Assign(particiones) | Rebalance::Revoke(particiones) = cambio {
            let ids = particiones.elements().into_iter().map(|p| p.partition());
            self.reparto().get_or_insert_default().extend(ids);
        }
    }
}

impl ReceptorLibrdkafka {
    /// Un receptor de `topic` en nombre de `grupo`; `brokers` son direcciones `equipo:puerto`.
    pub fn new(brokers: Vec<String>, propiedades: Propiedades, topic: &str, grupo: &str) -> Self {
        ReceptorLibrdkafka {
            brokers,
            propiedades,
            topic: topic.to_owned(),
            grupo: grupo.to_owned(),
            avisos: None,
            sesion: None,
            fallo: None,
            reiniciadas: BTreeSet::new(),
            historia: Historia::new(grupo),
        }
    }

    /// A quién se le cuenta cómo se reparten las particiones y si Kafka ha borrado mensajes sin leer.
    pub fn con_avisos(mut self, avisos: Avisos) -> Self {
        self.avisos = Some(avisos);
        self
    }

    /// Hace `algo` con la sesión, que se abre si hace falta. Si falla, se volverá a lo confirmado.
    ///
    /// Cuando Kafka echa del grupo a un consumidor, librdkafka ya no lo recupera. Tras una caída puede ser
    /// por él mismo, que vuelve a entrar: se empieza con otra sesión. Si no, es que otro usa su nombre.
    fn con_sesion<T>(
        &mut self,
        algo: impl FnOnce(&mut Self, &mut Sesion) -> Result<T, ErrorBroker>,
    ) -> Result<T, ErrorBroker> {
        let mut sesion = match self.sesion.take() {
            Some(sesion) => sesion,
            None => self.abrir()?,
        };
        let hecho = algo(self, &mut sesion);
        if let Err(error) = &hecho {
            if sesion.consumidor.client().fatal_error().is_none() {
                self.fallo = Some(Instant::now());
            } else if self.fallo.is_some_and(|fallo| fallo.elapsed() < RECUPERARSE) {
                self.reiniciadas.extend(sesion.siguientes.keys());
                return Err(pasajero(error.clone()));
            }
            sesion.volver = true;
        }
        self.sesion = Some(sesion);
        hecho
    }

    fn abrir(&self) -> Result<Sesion, ErrorBroker> {
        let broker = quien_responde(&self.brokers)?;
        let mut config = configuracion(&self.brokers, INICIALES, &self.propiedades, FIJAS);
        config.set("group.id", &self.grupo);
        let consumidor: BaseConsumer<Contexto> =
            config.create_with_context(Contexto::default()).map_err(|e| sin_cliente(&e))?;
        esperar_topic(consumidor.client(), &broker, &self.topic, &consumidor.context().problemas, || {
            while consumidor.poll(Duration::from_millis(20)).is_some() {}
        })?;
        consumidor.subscribe(&[&self.topic]).map_err(|e| sin_respuesta(&e, &broker))?;
        Ok(Sesion {
            consumidor,
            broker,
            siguientes: BTreeMap::new(),
            volver: false,
            comprobado: Instant::now(),
        })
    }

    fn leer(&mut self, sesion: &mut Sesion, espera: Duration) -> Result<Vec<Registro>, ErrorBroker> {
        if sesion.volver {
            self.volver(sesion)?;
        }
        if sesion.comprobado.elapsed() >= COMPROBAR {
            self.comprobar_confirmado(sesion)?;
        }
        let limite = Instant::now() + espera;
        let (mut registros, mut bytes) = (Vec::new(), 0);
        while bytes < BYTES_POR_LECTURA {
            let queda = limite.saturating_duration_since(Instant::now());
            let leido = sesion.consumidor.poll(if registros.is_empty() { queda } else { Duration::ZERO });
            match leido {
                Some(Ok(mensaje)) => {
                    let registro = Registro {
                        particion: mensaje.partition(),
                        offset: mensaje.offset(),
                        // La crate kafka no distingue una clave vacía de ninguna: los documentos, iguales.
                        clave: mensaje.key().filter(|clave| !clave.is_empty()).map(<[u8]>::to_vec),
                        valor: mensaje.payload().unwrap_or_default().to_vec(),
                    };
                    bytes += registro.valor.len() + registro.clave.as_ref().map_or(0, Vec::len);
                    self.anotar(&mut sesion.siguientes, &registro)?;
                    registros.push(registro);
                }
                Some(Err(error)) => {
                    if let Some(error) = grave(&error, sesion) {
                        return Err(error);
                    }
                }
                None => {
                    let reparto = sesion.consumidor.context().reparto().take();
                    match reparto {
                        Some(movidas) => {
                            registros.retain(|r: &Registro| !movidas.contains(&r.particion));
                            self.repartir(sesion, &movidas)?;
                        }
                        None if !registros.is_empty() || queda.is_zero() => break,
                        None => {}
                    }
                }
            }
        }
        sesion.consumidor.context().problemas.olvidar();
        Ok(registros)
    }

    /// Vuelve a lo último confirmado en todas las particiones.
    fn volver(&mut self, sesion: &mut Sesion) -> Result<(), ErrorBroker> {
        // Lo que ya había traído librdkafka sobra; así se sabe también si entretanto ha habido reparto.
        while let Some(leido) = sesion.consumidor.poll(Duration::ZERO) {
            if let Some(error) = leido.err().and_then(|e| grave(&e, sesion)) {
                return Err(error);
            }
        }
        let movidas = sesion.consumidor.context().reparto().take().unwrap_or_default();
        self.repartir(sesion, &movidas)?;
        let resto = sesion.siguientes.keys().copied().filter(|id| !movidas.contains(id)).collect();
        self.situar(sesion, &resto, true)?;
        sesion.volver = false;
        Ok(())
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

    /// Ha cambiado el reparto: unas particiones se han ido y otras han llegado.
    fn repartir(&mut self, sesion: &mut Sesion, movidas: &BTreeSet<i32>) -> Result<(), ErrorBroker> {
        let asignadas = sesion.consumidor.assignment().map_err(|e| sin_respuesta(&e, &sesion.broker))?;
        let asignadas: BTreeSet<_> = asignadas.elements().iter().map(|p| p.partition()).collect();
        let antes = mem::take(&mut sesion.siguientes);
        sesion.siguientes = asignadas.iter().map(|p| (*p, antes.get(p).copied().unwrap_or(0))).collect();
        self.reiniciadas.extend(movidas);
        if let (Some(avisos), false) = (&self.avisos, antes.keys().eq(asignadas.iter())) {
            let lista: Vec<_> = asignadas.iter().map(i32::to_string).collect();
            let frase = match lista.len() {
                0 => "Kafka no le da ahora ninguna partición a este consumidor.".to_owned(),
                1 => format!("Kafka le da a este consumidor la partición {}.", lista[0]),
                _ => format!("Kafka le da a este consumidor las particiones {}.", lista.join(", ")),
            };
            avisos(Nivel::Info, &frase);
        }
        let llegadas = movidas & &asignadas;
        self.situar(sesion, &llegadas, false)
    }

    /// Apunta que estas particiones empiezan por lo confirmado, y comprueba que el topic sigue siendo el
    /// que era. `mover` es para las que ya se estaban leyendo.
    fn situar(&mut self, sesion: &mut Sesion, ids: &BTreeSet<i32>, mover: bool) -> Result<(), ErrorBroker> {
        if ids.is_empty() {
            return Ok(());
        }
        self.reiniciadas.extend(ids);
        let confirmados = self.confirmados(sesion, ids)?;
        let Sesion { consumidor, broker, siguientes, .. } = sesion;
        let traducir = |e: &KafkaError| causa(e, consumidor, broker);
        let mut saltados = 0;
        let mut destino = TopicPartitionList::new();
        for (id, confirmado) in confirmados {
            let limites = || consumidor.fetch_watermarks(&self.topic, id, PLAZO).map_err(|e| traducir(&e));
            let (principio, fin) = limites()?;
            self.historia.comprobar(id, confirmado, fin, || Ok(limites()?.1))?;
            self.historia.anotar_confirmado(confirmado.map(|offset| (id, offset)));
            let siguiente = confirmado.unwrap_or(principio);
            saltados += (principio - siguiente).max(0);
            let siguiente = siguiente.max(principio);
            siguientes.insert(id, siguiente);
            destino
                .add_partition_offset(&self.topic, id, Offset::Offset(siguiente))
                .map_err(|e| traducir(&e))?;
        }
        if mover {
            for particion in consumidor.seek_partitions(destino, PLAZO).map_err(|e| traducir(&e))?.elements()
            {
                particion.error().map_err(|e| traducir(&e))?;
            }
        }
        avisar_borrados(self.avisos.as_ref(), saltados);
        Ok(())
    }

    /// Lo que tiene confirmado el grupo en estas particiones.
    fn confirmados(
        &self,
        sesion: &Sesion,
        ids: &BTreeSet<i32>,
    ) -> Result<Vec<(i32, Option<i64>)>, ErrorBroker> {
        let traducir = |e: &KafkaError| causa(e, &sesion.consumidor, &sesion.broker);
        let mut lista = TopicPartitionList::new();
        for id in ids {
            lista.add_partition(&self.topic, *id);
        }
        let confirmados = sesion.consumidor.committed_offsets(lista, PLAZO).map_err(|e| traducir(&e))?;
        let uno = |p: TopicPartitionListElem<'_>| {
            p.error().map_err(|e| traducir(&e))?;
            Ok((p.partition(), p.offset().to_raw().filter(|offset| *offset >= 0)))
        };
        confirmados.elements().into_iter().map(uno).collect()
    }

    /// Comprueba que el grupo sigue por donde lo ha dejado este receptor. A un topic borrado y creado
    /// otra vez, librdkafka le sigue pidiendo los mensajes como si nada.
    fn comprobar_confirmado(&self, sesion: &mut Sesion) -> Result<(), ErrorBroker> {
        let con_confirmado = |id: &i32| self.historia.confirmado(*id).is_some();
        let ids: BTreeSet<_> = sesion.siguientes.keys().copied().filter(con_confirmado).collect();
        sesion.comprobado = Instant::now();
        if ids.is_empty() {
            return Ok(());
        }
        for (id, confirmado) in self.confirmados(sesion, &ids)? {
            self.historia.comprobar_confirmado(id, confirmado)?;
            if confirmado != self.historia.confirmado(id) {
                return Err(de_otro(id));
            }
        }
        Ok(())
    }
}

fn de_otro(id: i32) -> ErrorBroker {
    ErrorBroker::Pasajero(format!("Kafka ha dado la partición {id} a otro consumidor del grupo"))
}

/// Por qué ha fallado una pregunta: si librdkafka ha contado algo, es la causa.
fn causa(error: &KafkaError, consumidor: &BaseConsumer<Contexto>, broker: &str) -> ErrorBroker {
    let contado = consumidor.context().problemas.tomar(broker);
    contado.map_or_else(|| sin_respuesta(error, broker), pasajero)
}

/// Un error de lectura, si impide seguir. De los demás se ocupa librdkafka.
fn grave(error: &KafkaError, sesion: &Sesion) -> Option<ErrorBroker> {
    use RDKafkaErrorCode as C;
    match error {
        KafkaError::MessageConsumption(C::BrokerTransportFailure | C::Resolve | C::OperationTimedOut) => None,
        KafkaError::MessageConsumption(C::AllBrokersDown | C::Authentication | C::SSL) => {
            Some(pasajero(sesion.consumidor.context().problemas.tomar(&sesion.broker)?))
        }
        KafkaError::PartitionEOF(_) => None, // con enable.partition.eof
        // De lo que no se recupera en un consumidor, la única causa es esta.
        KafkaError::MessageConsumptionFatal(_) => Some(traducir(C::FencedInstanceId, "", &sesion.broker)),
        otro => Some(sin_respuesta(otro, &sesion.broker)),
    }
}

impl Receptor for ReceptorLibrdkafka {
    fn recibir(&mut self, espera: Duration) -> Result<Vec<Registro>, ErrorBroker> {
        self.con_sesion(|receptor, sesion| receptor.leer(sesion, espera))
    }

    fn reiniciadas(&mut self) -> Vec<i32> {
        mem::take(&mut self.reiniciadas).into_iter().collect()
    }

    fn confirmar(&mut self, siguientes: &[(i32, i64)]) -> Result<(), ErrorBroker> {
        self.con_sesion(|receptor, sesion| {
            receptor.comprobar_confirmado(sesion)?;
            let mut lista = TopicPartitionList::new();
            for (id, siguiente) in siguientes {
                if !sesion.siguientes.contains_key(id) || sesion.consumidor.assignment_lost() {
                    return Err(de_otro(*id));
                }
                lista
                    .add_partition_offset(&receptor.topic, *id, Offset::Offset(*siguiente))
                    .map_err(|e| sin_respuesta(&e, &sesion.broker))?;
            }
            sesion
                .consumidor
                .commit(&lista, CommitMode::Sync)
                .map_err(|e| sin_respuesta(&e, &sesion.broker))?;
            receptor.historia.anotar_confirmado(siguientes.iter().copied());
            Ok(())
        })
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        self.con_sesion(|receptor, sesion| {
            let mut atraso = 0;
            for (id, siguiente) in &sesion.siguientes {
                let limites = sesion.consumidor.fetch_watermarks(&receptor.topic, *id, PLAZO);
                let (_, fin) = limites.map_err(|e| causa(&e, &sesion.consumidor, &sesion.broker))?;
                atraso += (fin - siguiente).max(0).unsigned_abs();
            }
            Ok(atraso)
        })
    }
}
