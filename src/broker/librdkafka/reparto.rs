//! El reparto de las particiones entre los receptores del grupo: cuáles vienen, cuáles se van, por dónde
//! se empieza cada una y si siguen siendo de este.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use super::conexion::lideres;
use super::errores::{Problemas, causa, grave, sin_respuesta};
use super::receptor::ReceptorLibrdkafka;
use crate::avisos::Nivel;
use crate::broker::ErrorBroker;
use crate::broker::historia::avisar_borrados;
use crate::herramientas::candado::candado;

/// Lo que se espera una contestación del broker.
pub const PLAZO: Duration = Duration::from_secs(3);

/// Un consumidor apuntado al topic, y lo que le ha tocado.
pub struct Suscripcion {
    pub consumidor: BaseConsumer<DelGrupo>,
    pub broker: String,
    /// Las particiones de este receptor, y el siguiente mensaje de cada una.
    pub siguientes: BTreeMap<i32, i64>,
    /// Hay que volver a lo último confirmado.
    pub volver: bool,
    /// Cuándo se comprobó por última vez que el grupo sigue por donde iba.
    pub comprobado: Instant,
}

/// Lo que librdkafka va contando del grupo.
#[derive(Default)]
pub struct DelGrupo {
    pub problemas: Problemas,
    reparto: Mutex<Option<BTreeSet<i32>>>,
}

impl DelGrupo {
    /// Si ha habido reparto, las particiones que se han ido o han llegado.
    pub fn reparto(&self) -> MutexGuard<'_, Option<BTreeSet<i32>>> {
        candado(&self.reparto)
    }
}

impl ClientContext for DelGrupo {
    fn error(&self, error: KafkaError, palabras: &str) {
        self.problemas.anotar(&error, palabras);
    }
}

impl ConsumerContext for DelGrupo {
    fn post_rebalance(&self, _consumidor: &BaseConsumer<Self>, cambio: &Rebalance<'_>) {
        if let Rebalance::Assign(particiones) | Rebalance::Revoke(particiones) = cambio {
            let ids = particiones.elements().into_iter().map(|p| p.partition());
            self.reparto().get_or_insert_default().extend(ids);
        }
    }
}

impl Suscripcion {
    /// Por qué ha fallado una pregunta.
    pub fn causa(&self, error: &KafkaError) -> ErrorBroker {
        causa(error, &self.consumidor.context().problemas, &self.broker)
    }

    /// Un error de lectura, si impide seguir. De los demás se ocupa librdkafka.
    pub fn grave(&self, error: &KafkaError) -> Option<ErrorBroker> {
        grave(error, &self.consumidor.context().problemas, &self.broker)
    }
}

impl ReceptorLibrdkafka {
    /// Vuelve a lo último confirmado en todas las particiones.
    pub(super) fn volver(&mut self, suscripcion: &mut Suscripcion) -> Result<(), ErrorBroker> {
        self.mirar_lideres(suscripcion)?; // y si no contesta nadie, se sigue caído
        // Lo que ya había traído librdkafka sobra; así se sabe también si entretanto ha habido reparto.
        while let Some(leido) = suscripcion.consumidor.poll(Duration::ZERO) {
            if let Some(error) = leido.err().and_then(|e| suscripcion.grave(&e)) {
                return Err(error);
            }
        }
        let movidas = suscripcion.consumidor.context().reparto().take().unwrap_or_default();
        self.repartir(suscripcion, &movidas)?;
        let resto = suscripcion.siguientes.keys().copied().filter(|id| !movidas.contains(id)).collect();
        self.situar(suscripcion, &resto, true)?;
        suscripcion.volver = false;
        Ok(())
    }

    /// Pregunta qué particiones no tienen líder.
    pub(super) fn mirar_lideres(&mut self, suscripcion: &Suscripcion) -> Result<(), ErrorBroker> {
        let metadatos = suscripcion.consumidor.fetch_metadata(Some(&self.topic), PLAZO);
        let metadatos = metadatos.map_err(|e| suscripcion.causa(&e))?;
        self.sin_lider.anotar(lideres(&metadatos, &self.topic).1);
        Ok(())
    }

    /// Ha cambiado el reparto: unas particiones se han ido y otras han llegado.
    pub(super) fn repartir(
        &mut self,
        suscripcion: &mut Suscripcion,
        movidas: &BTreeSet<i32>,
    ) -> Result<(), ErrorBroker> {
        let asignadas =
            suscripcion.consumidor.assignment().map_err(|e| sin_respuesta(&e, &suscripcion.broker))?;
        let asignadas: BTreeSet<_> = asignadas.elements().iter().map(|p| p.partition()).collect();
        let antes = mem::take(&mut suscripcion.siguientes);
        suscripcion.siguientes = asignadas.iter().map(|p| (*p, antes.get(p).copied().unwrap_or(0))).collect();
        self.reiniciadas.extend(movidas);
        if !antes.keys().eq(asignadas.iter()) {
            let lista: Vec<_> = asignadas.iter().map(i32::to_string).collect();
            let frase = match lista.len() {
                0 => "Kafka no le da ahora ninguna partición a este consumidor.".to_owned(),
                1 => format!("Kafka le da a este consumidor la partición {}.", lista[0]),
                _ => format!("Kafka le da a este consumidor las particiones {}.", lista.join(", ")),
            };
            (self.avisos)(Nivel::Info, &frase);
        }
        let llegadas = movidas & &asignadas;
        self.situar(suscripcion, &llegadas, false)
    }

    /// Apunta que estas particiones empiezan por lo confirmado, y comprueba que el topic sigue siendo el
    /// que era. `mover` es para las que ya se estaban leyendo.
    fn situar(
        &mut self,
        suscripcion: &mut Suscripcion,
        ids: &BTreeSet<i32>,
        mover: bool,
    ) -> Result<(), ErrorBroker> {
        if ids.is_empty() {
            return Ok(());
        }
        self.reiniciadas.extend(ids);
        let confirmados = self.confirmados(suscripcion, ids)?;
        let Suscripcion { consumidor, broker, siguientes, .. } = suscripcion;
        let traducir = |e: &KafkaError| causa(e, &consumidor.context().problemas, broker);
        let mut saltados = 0;
        let mut destino = TopicPartitionList::new();
        for (id, confirmado) in confirmados {
            if self.sin_lider.contiene(id) {
                siguientes.insert(id, confirmado.unwrap_or(0)); // librdkafka empezará por ahí
                continue;
            }
            let limites = || consumidor.fetch_watermarks(&self.topic, id, PLAZO).map_err(|e| traducir(&e));
            let (principio, fin) = limites()?;
            self.historia.comprobar(id, confirmado, fin, || Ok(limites()?.1))?;
            self.historia.anotar_confirmado(confirmado.iter().map(|offset| (&id, offset)));
            let siguiente = confirmado.unwrap_or(principio);
            saltados += (principio - siguiente).max(0);
            let siguiente = siguiente.max(principio);
            siguientes.insert(id, siguiente);
            destino
                .add_partition_offset(&self.topic, id, Offset::Offset(siguiente))
                .map_err(|e| traducir(&e))?;
        }
        if mover {
            let movidas = consumidor.seek_partitions(destino, PLAZO).map_err(|e| traducir(&e))?;
            movidas.elements().iter().try_for_each(|p| p.error()).map_err(|e| traducir(&e))?;
        }
        avisar_borrados(&self.avisos, saltados);
        Ok(())
    }

    /// Lo que tiene confirmado el grupo en estas particiones.
    fn confirmados(
        &self,
        suscripcion: &Suscripcion,
        ids: &BTreeSet<i32>,
    ) -> Result<Vec<(i32, Option<i64>)>, ErrorBroker> {
        let traducir = |e: &KafkaError| suscripcion.causa(e);
        let mut lista = TopicPartitionList::new();
        for id in ids {
            lista.add_partition(&self.topic, *id);
        }
        let confirmados = suscripcion.consumidor.committed_offsets(lista, PLAZO).map_err(|e| traducir(&e))?;
        let uno = |p: TopicPartitionListElem<'_>| {
            p.error().map_err(|e| traducir(&e))?;
            Ok((p.partition(), p.offset().to_raw().filter(|offset| *offset >= 0)))
        };
        confirmados.elements().into_iter().map(uno).collect()
    }

    /// Comprueba que el grupo sigue por donde lo ha dejado este receptor. A un topic borrado y creado
    /// otra vez, librdkafka le sigue pidiendo los mensajes como si nada.
    pub(super) fn comprobar_confirmado(&self, suscripcion: &mut Suscripcion) -> Result<(), ErrorBroker> {
        let con_confirmado = |id: &i32| self.historia.confirmado(*id).is_some();
        let ids: BTreeSet<_> = suscripcion.siguientes.keys().copied().filter(con_confirmado).collect();
        suscripcion.comprobado = Instant::now();
        if ids.is_empty() {
            return Ok(());
        }
        for (id, confirmado) in self.confirmados(suscripcion, &ids)? {
            self.historia.comprobar_confirmado(id, confirmado)?;
            if confirmado != self.historia.confirmado(id) {
                suscripcion.volver = true;
                return Err(de_otro(id));
            }
        }
        Ok(())
    }
}

pub fn de_otro(id: i32) -> ErrorBroker {
    ErrorBroker::Pasajero(format!("Kafka ha dado la partición {id} a otro consumidor del grupo"))
}
