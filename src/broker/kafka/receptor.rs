//! Recibir mensajes de Kafka en nombre de un grupo, y confirmarlos.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::time::Duration;

use kafka::client::{CommitOffset, FetchOffset, GroupOffsetStorage};

use super::conexion::{Conexion, conectar, lideres, offsets};
use super::errores::{codigo, traducir};
use super::lectura::Lectura;
use crate::avisos::Avisos;
use crate::broker::historia::{Historia, avisar_borrados};
use crate::broker::lideres::SinLider;
use crate::broker::{ErrorBroker, Receptor, Recibido, Registro};
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
    /// Lo de abajo se recuerda aunque se pierda la conexión. Por dónde va cada partición:
    posiciones: BTreeMap<i32, i64>,
    /// lo leído y lo confirmado,
    historia: Historia,
    /// las particiones que han vuelto a lo confirmado y aún no se ha dicho,
    reiniciadas: BTreeSet<i32>,
    /// y las que no tenían líder la última vez que se miró.
    sin_lider: SinLider,
}

impl ReceptorKafka {
    /// Un receptor de `topic` en nombre de `grupo`; `brokers` son direcciones `equipo:puerto`. Por `avisos`
    /// cuenta que Kafka ha borrado mensajes sin leer. Como el emisor, no tiene propiedades.
    pub fn new(brokers: &[String], _: &Propiedades, topic: &str, grupo: &str, avisos: Avisos) -> Self {
        ReceptorKafka {
            brokers: brokers.to_vec(),
            topic: topic.to_owned(),
            grupo: grupo.to_owned(),
            sin_lider: SinLider::new(topic, &avisos),
            avisos,
            lectura: None,
            posiciones: BTreeMap::new(),
            historia: Historia::new(grupo),
            reiniciadas: BTreeSet::new(),
        }
    }

    /// La conexión, que se abre si hace falta.
    fn lectura(&mut self) -> Result<&mut Lectura, ErrorBroker> {
        let lectura = match self.lectura.take() {
            Some(lectura) => lectura,
            None => self.abrir()?,
        };
        Ok(self.lectura.insert(lectura))
    }

    fn abrir(&mut self) -> Result<Lectura, ErrorBroker> {
        let mut conexion = conectar(&self.brokers, &self.topic)?;
        let principios = offsets(&mut conexion.cliente, &self.topic, FetchOffset::Earliest)
            .map_err(|e| traducir(&e, &conexion.broker))?;
        let confirmados = self.confirmados(&mut conexion)?;
        let Conexion { mut cliente, broker, finales, sin_lider } = conexion;
        // Con 4 KiB, lo de la crate, un mensaje suelto tarda en llegar toda la espera.
        cliente.set_fetch_min_bytes(1);
        let mut saltados = 0;
        let mut particiones = BTreeMap::new();
        for id in finales.into_keys() {
            let principio = principios.get(&id).copied().unwrap_or(0);
            let confirmado = confirmados.get(&id).copied();
            // Se sigue por donde se iba, si nadie ha movido lo confirmado ni Kafka lo ha borrado.
            let iba = self.posiciones.get(&id).filter(|_| self.historia.confirmado(id) == confirmado);
            let siguiente = iba.copied().or(confirmado).unwrap_or(principio);
            saltados += (principio - siguiente).max(0);
            if iba.is_none() || siguiente < principio {
                self.reiniciadas.insert(id);
            }
            particiones.insert(id, siguiente.max(principio));
        }
        avisar_borrados(&self.avisos, saltados);
        self.historia.anotar_confirmado(&confirmados);
        self.sin_lider.anotar(sin_lider);
        Ok(Lectura::new(cliente, broker, particiones))
    }

    /// Lo que el grupo tiene confirmado en cada partición con líder. Comprueba que el topic sigue siendo el que
    /// era.
    fn confirmados(&self, conexion: &mut Conexion) -> Result<HashMap<i32, i64>, ErrorBroker> {
        let Conexion { cliente, broker, finales, .. } = conexion;
        cliente.set_group_offset_storage(Some(GroupOffsetStorage::Kafka));
        cliente.set_retry_max_attempts(INTENTOS_COORDINADOR);
        let confirmados: HashMap<i32, i64> = cliente
            .fetch_group_topic_offset(&self.grupo, &self.topic)
            .map_err(|e| traducir(&e, broker))?
            .into_iter()
            .filter(|p| p.offset >= 0)
            .map(|p| (p.partition, p.offset))
            .collect();
        let con_algo = self.historia.particiones().into_iter().chain(confirmados.keys().copied());
        for id in con_algo.filter(|id| !conexion.sin_lider.contains(id)) {
            let fin = |finales: &HashMap<i32, i64>| finales.get(&id).copied().unwrap_or(0);
            self.historia.comprobar(id, confirmados.get(&id).copied(), fin(finales), || {
                let finales = offsets(cliente, &self.topic, FetchOffset::Latest);
                finales.map(|f| fin(&f)).map_err(|e| traducir(&e, broker))
            })?;
        }
        Ok(confirmados)
    }

    /// Mientras falte algún líder, mira de vez en cuando si ya está: entonces se conecta otra vez.
    fn mirar_lideres(&mut self) -> Result<(), ErrorBroker> {
        if !self.sin_lider.toca() {
            return Ok(());
        }
        let topic = self.topic.clone();
        let lectura = self.lectura()?;
        lectura.cliente.load_metadata(&[&topic]).map_err(|e| traducir(&e, &lectura.broker))?;
        let ahora = lideres(&lectura.cliente, &topic).1;
        if self.sin_lider.anotar(ahora) {
            self.lectura = None;
        }
        Ok(())
    }

    fn leer(&mut self, espera: Duration) -> Result<Vec<Registro>, ErrorBroker> {
        self.mirar_lideres()?;
        let topic = self.topic.clone();
        let lectura = self.lectura()?;
        let registros = lectura.recibir(&topic, espera)?;
        let posiciones = lectura.posiciones().collect::<Vec<_>>();
        self.posiciones.extend(posiciones);
        Ok(registros)
    }
}

impl Receptor for ReceptorKafka {
    fn recibir(&mut self, espera: Duration) -> Result<Recibido, ErrorBroker> {
        // La crate no se recupera de una conexión rota: se tira y se hace otra.
        let registros = self.leer(espera).inspect_err(|_| self.lectura = None)?;
        for registro in &registros {
            self.historia.anotar_leido(registro);
        }
        Ok(Recibido { reiniciadas: mem::take(&mut self.reiniciadas).into_iter().collect(), registros })
    }

    fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker> {
        let (grupo, topic) = (self.grupo.clone(), self.topic.clone());
        let Lectura { cliente, broker, .. } = self.lectura()?;
        let partes: Vec<_> = siguientes.iter().map(|(p, o)| CommitOffset::new(&topic, *p, *o)).collect();
        // Al acabarse los intentos la crate no vuelve: da vueltas sin pausa. Así las da con ella.
        cliente.set_retry_max_attempts(u32::MAX);
        let hecho = cliente.commit_offsets(&grupo, &partes);
        cliente.set_retry_max_attempts(INTENTOS_COORDINADOR);
        if let Err(error) = hecho {
            let frase = traducir(&error, broker);
            if codigo(&error).is_none() {
                self.lectura = None;
            }
            return Err(frase);
        }
        self.historia.anotar_confirmado(siguientes);
        Ok(())
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        let topic = self.topic.clone();
        let lectura = self.lectura()?;
        match offsets(&mut lectura.cliente, &topic, FetchOffset::Latest) {
            Ok(finales) => Ok(lectura.faltan(&finales)),
            Err(error) => {
                let frase = traducir(&error, &lectura.broker);
                self.lectura = None;
                Err(frase)
            }
        }
    }
}
