//! Recibir mensajes de Kafka en nombre de un grupo, y confirmarlos.

use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

use kafka::client::fetch::{Message, Response};
use kafka::client::{CommitOffset, FetchOffset, FetchPartition, GroupOffsetStorage, KafkaClient};

use super::conexion::{Conexion, conectar, offsets};
use super::errores::traducir;
use crate::avisos::Avisos;
use crate::broker::historia::{Historia, avisar_borrados};
use crate::broker::{ErrorBroker, Receptor, Registro};

/// Veces que la crate insiste, cada 100 ms, mientras el coordinador del grupo no está listo.
const INTENTOS_COORDINADOR: u32 = 50;

/// Lo más que se deja esperando al broker una lectura. La crate corta a los 120 s.
const ESPERA_MAXIMA: Duration = Duration::from_secs(30);

/// Bytes que se piden en una lectura, entre todas las particiones: unos dos mil mensajes, que de camino a
/// la base de datos ocupan más de veinte veces eso.
const BYTES_POR_LECTURA: i32 = 512 * 1024;

/// Los mismos para una partición, como poco y como mucho.
const BYTES_POR_PARTICION: (i32, i32) = (128 * 1024, 64 * 1024 * 1024);

/// El receptor de Kafka. Conecta en la primera llamada.
///
/// Kafka no le reparte particiones: lee todas, y solo debe haber un receptor por grupo. Las que se
/// añadan al topic las ve cuando vuelve a conectar.
pub struct ReceptorKafka {
    brokers: Vec<String>,
    topic: String,
    grupo: String,
    avisos: Option<Avisos>,
    sesion: Option<Sesion>,
    reiniciadas: Vec<i32>,
    /// Lo leído y lo confirmado, aunque después se haya perdido la conexión.
    historia: Historia,
}

struct Sesion {
    cliente: KafkaClient,
    broker: String,
    particiones: Vec<Particion>,
}

struct Particion {
    id: i32,
    siguiente: i64,
    /// Bytes que se piden en cada lectura.
    bytes: i32,
}

impl ReceptorKafka {
    /// Un receptor de `topic` en nombre de `grupo`; `brokers` son direcciones `equipo:puerto`.
    pub fn new(brokers: Vec<String>, topic: &str, grupo: &str) -> Self {
        ReceptorKafka {
            brokers,
            topic: topic.to_owned(),
            grupo: grupo.to_owned(),
            avisos: None,
            sesion: None,
            reiniciadas: Vec::new(),
            historia: Historia::new(grupo),
        }
    }

    /// A quién se le cuenta que Kafka ha borrado mensajes sin leer.
    pub fn con_avisos(mut self, avisos: Avisos) -> Self {
        self.avisos = Some(avisos);
        self
    }

    /// Hace `algo` con la conexión, que se abre si hace falta y se tira si falla.
    fn con_sesion<T>(
        &mut self,
        algo: impl FnOnce(&mut Sesion, &str) -> Result<T, ErrorBroker>,
    ) -> Result<T, ErrorBroker> {
        let mut sesion = match self.sesion.take() {
            Some(sesion) => sesion,
            None => self.abrir()?,
        };
        let hecho = algo(&mut sesion, &self.topic)?;
        self.sesion = Some(sesion);
        Ok(hecho)
    }

    fn abrir(&mut self) -> Result<Sesion, ErrorBroker> {
        let Conexion { mut cliente, broker, finales } = conectar(&self.brokers, &self.topic)?;
        let principios =
            offsets(&mut cliente, &self.topic, FetchOffset::Earliest).map_err(|e| traducir(&e, &broker))?;
        cliente.set_group_offset_storage(Some(GroupOffsetStorage::Kafka));
        cliente.set_retry_max_attempts(INTENTOS_COORDINADOR);
        let confirmados: HashMap<i32, i64> = cliente
            .fetch_group_topic_offset(&self.grupo, &self.topic)
            .map_err(|e| traducir(&e, &broker))?
            .into_iter()
            .filter(|p| p.offset >= 0)
            .map(|p| (p.partition, p.offset))
            .collect();
        for id in self.historia.particiones().into_iter().chain(confirmados.keys().copied()) {
            let fin = |finales: &HashMap<i32, i64>| finales.get(&id).copied().unwrap_or(0);
            self.historia.comprobar(id, confirmados.get(&id).copied(), fin(&finales), || {
                let finales = offsets(&mut cliente, &self.topic, FetchOffset::Latest);
                finales.map(|f| fin(&f)).map_err(|e| traducir(&e, &broker))
            })?;
        }
        // Con 4 KiB, lo de la crate, un mensaje suelto tarda en llegar toda la espera.
        cliente.set_fetch_min_bytes(1);

        let reparto = BYTES_POR_LECTURA / i32::try_from(finales.len()).unwrap_or(i32::MAX).max(1);
        let mut particiones = Vec::new();
        let mut saltados = 0;
        for id in finales.keys().copied() {
            let principio = principios.get(&id).copied().unwrap_or(0);
            let siguiente = confirmados.get(&id).copied().unwrap_or(principio);
            saltados += (principio - siguiente).max(0);
            let siguiente = siguiente.max(principio);
            particiones.push(Particion { id, siguiente, bytes: reparto.max(BYTES_POR_PARTICION.0) });
        }
        particiones.sort_by_key(|p| p.id);
        avisar_borrados(self.avisos.as_ref(), saltados);
        self.reiniciadas = particiones.iter().map(|p| p.id).collect();
        Ok(Sesion { cliente, broker, particiones })
    }
}

impl Receptor for ReceptorKafka {
    fn recibir(&mut self, espera: Duration) -> Result<Vec<Registro>, ErrorBroker> {
        let registros = self.con_sesion(|sesion, topic| sesion.recibir(topic, espera))?;
        for registro in &registros {
            self.historia.anotar_leido(registro);
        }
        Ok(registros)
    }

    fn reiniciadas(&mut self) -> Vec<i32> {
        mem::take(&mut self.reiniciadas)
    }

    fn confirmar(&mut self, siguientes: &[(i32, i64)]) -> Result<(), ErrorBroker> {
        let grupo = self.grupo.clone();
        let recien_abierta = self.sesion.is_none();
        self.con_sesion(|sesion, topic| {
            let partes: Vec<_> = siguientes.iter().map(|(p, o)| CommitOffset::new(topic, *p, *o)).collect();
            // Al acabarse los intentos la crate no vuelve: da vueltas sin pausa. Así las da con ella.
            sesion.cliente.set_retry_max_attempts(u32::MAX);
            let hecho = sesion.cliente.commit_offsets(&grupo, &partes);
            sesion.cliente.set_retry_max_attempts(INTENTOS_COORDINADOR);
            hecho.map_err(|e| traducir(&e, &sesion.broker))?;
            if recien_abierta {
                sesion.seguir_por(siguientes);
            }
            Ok(())
        })?;
        self.historia.anotar_confirmado(siguientes.iter().copied());
        Ok(())
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        self.con_sesion(|sesion, topic| {
            let finales = offsets(&mut sesion.cliente, topic, FetchOffset::Latest)
                .map_err(|e| traducir(&e, &sesion.broker))?;
            let faltan = |p: &Particion| finales.get(&p.id).map_or(0, |fin| (fin - p.siguiente).max(0));
            Ok(sesion.particiones.iter().map(faltan).sum::<i64>().unsigned_abs())
        })
    }
}

impl Sesion {
    /// Una lectura de todas las particiones, o las que hagan falta hasta que algo quepa entero.
    fn recibir(&mut self, topic: &str, espera: Duration) -> Result<Vec<Registro>, ErrorBroker> {
        let espera = espera.min(ESPERA_MAXIMA);
        let limite = Instant::now() + espera;
        let mut registros = Vec::new();
        loop {
            let queda = limite.saturating_duration_since(Instant::now());
            let peticiones: Vec<_> = self
                .particiones
                .iter()
                .map(|p| FetchPartition::new(topic, p.id, p.siguiente).with_max_bytes(p.bytes))
                .collect();
            let respuestas = self.leer(&peticiones, queda)?;
            let mut atascada = false;
            for (id, mensajes, final_) in partes(&respuestas, &self.broker)? {
                let Some(i) = self.particiones.iter().position(|p| p.id == id) else { continue };
                let siguiente = self.particiones[i].siguiente;
                let mut nuevos = match mensajes.first() {
                    Some(primero) if primero.offset > siguiente => self.sin_hueco(topic, i)?,
                    Some(_) => None,
                    None => {
                        if final_ > siguiente {
                            atascada = true;
                            self.crecer(i)?;
                        }
                        continue;
                    }
                }
                .unwrap_or_else(|| copiar(id, mensajes));
                if let Some(ultimo) = nuevos.last() {
                    self.particiones[i].siguiente = ultimo.offset + 1;
                }
                registros.append(&mut nuevos);
            }
            if !registros.is_empty() || (!atascada && Instant::now() >= limite) {
                return Ok(registros);
            }
        }
    }

    fn leer(
        &mut self,
        peticiones: &[FetchPartition<'_>],
        espera: Duration,
    ) -> Result<Vec<Response>, ErrorBroker> {
        self.cliente
            .set_fetch_max_wait_time(espera)
            .and_then(|()| self.cliente.fetch_messages(peticiones))
            .map_err(|e| traducir(&e, &self.broker))
    }

    /// Pide más bytes de una partición en la que ni el primer mensaje ha cabido entero.
    fn crecer(&mut self, i: usize) -> Result<(), ErrorBroker> {
        let particion = &mut self.particiones[i];
        if particion.bytes >= BYTES_POR_PARTICION.1 {
            return Err(ErrorBroker::Definitivo(format!(
                "el mensaje {} de la partición {} no se puede leer: no cabe en {} MiB o es de una transacción",
                particion.siguiente,
                particion.id,
                BYTES_POR_PARTICION.1 >> 20
            )));
        }
        particion.bytes = particion.bytes.saturating_mul(2).min(BYTES_POR_PARTICION.1);
        Ok(())
    }

    /// Lo que hay antes de un hueco, si hay algo.
    ///
    /// Cuando en una lectura viene una tanda comprimida, la crate da solo esa y olvida los mensajes
    /// sin comprimir de delante. Salen pidiendo menos bytes, los justos para que no llegue la tanda.
    fn sin_hueco(&mut self, topic: &str, i: usize) -> Result<Option<Vec<Registro>>, ErrorBroker> {
        let Particion { id, siguiente, bytes } = self.particiones[i];
        let (mut pocos, mut muchos) = (0, bytes);
        while muchos - pocos > 1 {
            let medio = pocos + (muchos - pocos) / 2;
            let peticion = FetchPartition::new(topic, id, siguiente).with_max_bytes(medio);
            let respuestas = self.leer(&[peticion], Duration::ZERO)?;
            for (_, mensajes, _) in partes(&respuestas, &self.broker)? {
                match mensajes.first() {
                    None => pocos = medio,
                    Some(primero) if primero.offset > siguiente => muchos = medio,
                    Some(_) => return Ok(Some(copiar(id, mensajes))),
                }
            }
        }
        Ok(None) // el hueco es de verdad: compactación, por ejemplo
    }

    fn seguir_por(&mut self, siguientes: &[(i32, i64)]) {
        for (id, offset) in siguientes {
            for particion in self.particiones.iter_mut().filter(|p| p.id == *id) {
                particion.siguiente = *offset;
            }
        }
    }
}

/// Una partición leída: su número, sus mensajes y el offset en que acaba.
type Parte<'a> = (i32, &'a [Message<'a>], i64);

fn partes<'a>(respuestas: &'a [Response], broker: &str) -> Result<Vec<Parte<'a>>, ErrorBroker> {
    let particiones = respuestas.iter().flat_map(Response::topics).flat_map(|t| t.partitions());
    particiones
        .map(|p| match p.data() {
            Ok(datos) => Ok((p.partition(), datos.messages(), datos.highwatermark_offset())),
            Err(error) => Err(traducir(&error, broker)),
        })
        .collect()
}

fn copiar(particion: i32, mensajes: &[Message<'_>]) -> Vec<Registro> {
    let copia = |m: &Message<'_>| Registro {
        particion,
        offset: m.offset,
        clave: (!m.key.is_empty()).then(|| m.key.to_vec()), // la crate no distingue vacía de ninguna
        valor: m.value.to_vec(),
    };
    mensajes.iter().map(copia).collect()
}
