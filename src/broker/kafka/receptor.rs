//! Recibir mensajes de Kafka en nombre de un grupo, y confirmarlos.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::time::Duration;

use kafka::client::{CommitOffset, FetchOffset, GroupOffsetStorage};

use super::conexion::{Conexion, conectar, offsets};
use super::errores::traducir;
use super::lectura::Lectura;
use crate::avisos::Avisos;
use crate::broker::historia::{Historia, avisar_borrados};
use crate::broker::{ErrorBroker, Receptor, Recibido};
use crate::config::kafka::Propiedades;

/// Veces que la crate insiste, cada 100 ms, mientras el coordinador del grupo no está listo.
const INTENTOS_COORDINADOR: u32 = 50;

/// El receptor de Kafka. Conecta en la primera llamada.
///
/// Kafka no le reparte particiones: lee todas, y solo debe haber un receptor por grupo. Las que se
/// añadan al topic las ve cuando vuelve a conectar.
pub struct ReceptorKafka {
    brokers: Vec<String>,
    topic: String,
    grupo: String,
    avisos: Avisos,
    lectura: Option<Lectura>,
    reiniciadas: Vec<i32>,
    /// Lo leído y lo confirmado, aunque después se haya perdido la conexión.
    historia: Historia,
}

impl ReceptorKafka {
    /// Un receptor de `topic` en nombre de `grupo`; `brokers` son direcciones `equipo:puerto`. Por `avisos`
    /// cuenta que Kafka ha borrado mensajes sin leer. Como el emisor, no tiene propiedades.
    pub fn new(brokers: &[String], _: &Propiedades, topic: &str, grupo: &str, avisos: Avisos) -> Self {
        ReceptorKafka {
            brokers: brokers.to_vec(),
            topic: topic.to_owned(),
            grupo: grupo.to_owned(),
            avisos,
            lectura: None,
            reiniciadas: Vec::new(),
            historia: Historia::new(grupo),
        }
    }

    /// Hace `algo` con la conexión, que se abre si hace falta y se tira si falla.
    fn conectado<T>(
        &mut self,
        algo: impl FnOnce(&mut Lectura, &str) -> Result<T, ErrorBroker>,
    ) -> Result<T, ErrorBroker> {
        let mut lectura = match self.lectura.take() {
            Some(lectura) => lectura,
            None => self.abrir()?,
        };
        let hecho = algo(&mut lectura, &self.topic)?;
        self.lectura = Some(lectura);
        Ok(hecho)
    }

    fn abrir(&mut self) -> Result<Lectura, ErrorBroker> {
        let mut conexion = conectar(&self.brokers, &self.topic)?;
        let principios = offsets(&mut conexion.cliente, &self.topic, FetchOffset::Earliest)
            .map_err(|e| traducir(&e, &conexion.broker))?;
        let confirmados = self.confirmados(&mut conexion)?;
        let Conexion { mut cliente, broker, finales } = conexion;
        // Con 4 KiB, lo de la crate, un mensaje suelto tarda en llegar toda la espera.
        cliente.set_fetch_min_bytes(1);
        let mut saltados = 0;
        let particiones: BTreeMap<_, _> = finales
            .keys()
            .map(|id| {
                let principio = principios.get(id).copied().unwrap_or(0);
                let siguiente = confirmados.get(id).copied().unwrap_or(principio);
                saltados += (principio - siguiente).max(0);
                (*id, siguiente.max(principio))
            })
            .collect();
        avisar_borrados(&self.avisos, saltados);
        self.reiniciadas = particiones.keys().copied().collect();
        Ok(Lectura::new(cliente, broker, particiones))
    }

    /// Lo que el grupo tiene confirmado en cada partición. Comprueba que el topic sigue siendo el que era.
    fn confirmados(&self, conexion: &mut Conexion) -> Result<HashMap<i32, i64>, ErrorBroker> {
        let Conexion { cliente, broker, finales } = conexion;
        cliente.set_group_offset_storage(Some(GroupOffsetStorage::Kafka));
        cliente.set_retry_max_attempts(INTENTOS_COORDINADOR);
        let confirmados: HashMap<i32, i64> = cliente
            .fetch_group_topic_offset(&self.grupo, &self.topic)
            .map_err(|e| traducir(&e, broker))?
            .into_iter()
            .filter(|p| p.offset >= 0)
            .map(|p| (p.partition, p.offset))
            .collect();
        for id in self.historia.particiones().into_iter().chain(confirmados.keys().copied()) {
            let fin = |finales: &HashMap<i32, i64>| finales.get(&id).copied().unwrap_or(0);
            self.historia.comprobar(id, confirmados.get(&id).copied(), fin(finales), || {
                let finales = offsets(cliente, &self.topic, FetchOffset::Latest);
                finales.map(|f| fin(&f)).map_err(|e| traducir(&e, broker))
            })?;
        }
        Ok(confirmados)
    }
}

impl Receptor for ReceptorKafka {
    fn recibir(&mut self, espera: Duration) -> Result<Recibido, ErrorBroker> {
        let registros = self.conectado(|lectura, topic| lectura.recibir(topic, espera))?;
        for registro in &registros {
            self.historia.anotar_leido(registro);
        }
        Ok(Recibido { reiniciadas: mem::take(&mut self.reiniciadas), registros })
    }

    fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker> {
        let grupo = self.grupo.clone();
        self.conectado(|Lectura { cliente, broker, .. }, topic| {
            let partes: Vec<_> = siguientes.iter().map(|(p, o)| CommitOffset::new(topic, *p, *o)).collect();
            // Al acabarse los intentos la crate no vuelve: da vueltas sin pausa. Así las da con ella.
            cliente.set_retry_max_attempts(u32::MAX);
            let hecho = cliente.commit_offsets(&grupo, &partes);
            cliente.set_retry_max_attempts(INTENTOS_COORDINADOR);
            hecho.map_err(|e| traducir(&e, broker))
        })?;
        self.historia.anotar_confirmado(siguientes);
        Ok(())
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        self.conectado(|lectura, topic| {
            let finales = offsets(&mut lectura.cliente, topic, FetchOffset::Latest)
                .map_err(|e| traducir(&e, &lectura.broker))?;
            Ok(lectura.faltan(&finales))
        })
    }
}
