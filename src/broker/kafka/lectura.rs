//! Leer las particiones de un topic, sin perder ningún mensaje por el camino.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use kafka::client::fetch::{self, Message, Response};
use kafka::client::{FetchPartition, KafkaClient};
use kafka::error::{Error, KafkaCode};

use super::errores::{sin_nombre, traducir};
use super::sonda::{self, Respuesta};
use crate::broker::limites::BYTES_POR_LECTURA;
use crate::broker::{ErrorBroker, Registro};

/// Lo más que se deja esperando al broker una lectura: la crate corta a los 120 s.
const ESPERA_MAXIMA: Duration = Duration::from_secs(30);

/// Bytes que se piden de una partición, como poco, aunque haya muchas.
const MIN_BYTES: i32 = 128 * 1024;

/// Los mismos, como mucho, cuando un mensaje no cabe.
const MAX_BYTES: i32 = 64 * 1024 * 1024;

/// Un cliente conectado y por dónde va en cada partición.
pub struct Lectura {
    pub cliente: KafkaClient,
    pub broker: String,
    particiones: Vec<Particion>,
}

struct Particion {
    id: i32,
    siguiente: i64,
    /// Bytes que se piden en cada lectura.
    bytes: i32,
}

impl Lectura {
    /// Por dónde va cada partición.
    pub fn new(cliente: KafkaClient, broker: String, particiones: BTreeMap<i32, i64>) -> Self {
        let cuantas = u32::try_from(particiones.len()).unwrap_or(u32::MAX).max(1);
        let reparto = i32::try_from(BYTES_POR_LECTURA / cuantas).unwrap_or(MIN_BYTES).max(MIN_BYTES);
        let particion = |(id, siguiente)| Particion { id, siguiente, bytes: reparto };
        Lectura { cliente, broker, particiones: particiones.into_iter().map(particion).collect() }
    }

    /// Mensajes que quedan por leer, si cada partición acaba ahí.
    pub fn faltan(&self, finales: &HashMap<i32, i64>) -> u64 {
        let faltan = |p: &Particion| finales.get(&p.id).map_or(0, |fin| (fin - p.siguiente).max(0));
        self.particiones.iter().map(faltan).sum::<i64>().unsigned_abs()
    }

    /// Por dónde va cada partición.
    pub fn posiciones(&self) -> impl Iterator<Item = (i32, i64)> {
        self.particiones.iter().map(|p| (p.id, p.siguiente))
    }

    /// Una lectura de todas las particiones, o las que hagan falta hasta que algo quepa entero.
    pub fn recibir(&mut self, topic: &str, espera: Duration) -> Result<Vec<Registro>, ErrorBroker> {
        let limite = Instant::now() + espera.min(ESPERA_MAXIMA);
        let mut registros = Vec::new();
        loop {
            let queda = limite.saturating_duration_since(Instant::now());
            let pedir = |p: &Particion| FetchPartition::new(topic, p.id, p.siguiente).with_max_bytes(p.bytes);
            let peticiones: Vec<_> = self.particiones.iter().map(pedir).collect();
            let respuestas = self.leer(&peticiones, queda)?;
            let mut atascada = false;
            for parte in partes(&respuestas) {
                let Some(i) = self.particiones.iter().position(|p| p.id == parte.partition()) else {
                    continue;
                };
                let datos = parte.data().map_err(|e| self.causa(topic, i, &e))?;
                let (mensajes, fin) = (datos.messages(), datos.highwatermark_offset());
                atascada |= self.anadir(&mut registros, topic, i, mensajes, fin)?;
            }
            if !registros.is_empty() || (!atascada && Instant::now() >= limite) {
                return Ok(registros);
            }
        }
    }

    /// Añade lo leído de una partición. Devuelve `true` si no hay nada y debería haberlo (`fin` es donde
    /// acaba): hay que volver a pedirlo.
    fn anadir(
        &mut self,
        registros: &mut Vec<Registro>,
        topic: &str,
        i: usize,
        mensajes: &[Message<'_>],
        fin: i64,
    ) -> Result<bool, ErrorBroker> {
        let Particion { id, siguiente, .. } = self.particiones[i];
        let nuevos = match mensajes.first() {
            None if fin <= siguiente => return Ok(false),
            None => {
                self.desatascar(topic, i)?;
                return Ok(true);
            }
            Some(primero) if primero.offset > siguiente => self.sin_hueco(topic, i, primero.offset)?,
            Some(_) => None,
        };
        let mut nuevos = nuevos.unwrap_or_else(|| copiar(id, siguiente, mensajes));
        if let Some(ultimo) = nuevos.last() {
            self.particiones[i].siguiente = ultimo.offset + 1;
        }
        registros.append(&mut nuevos);
        Ok(false)
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

    /// No ha llegado nada de una partición en la que queda algo. Si en su offset no hay ningún mensaje, se
    /// pasa al siguiente; si lo hay, no ha cabido, y se piden más bytes.
    fn desatascar(&mut self, topic: &str, i: usize) -> Result<(), ErrorBroker> {
        let respuesta = self.sondear(topic, i)?;
        let particion = &mut self.particiones[i];
        match respuesta {
            Respuesta::Primero { offset, .. } if offset >= particion.siguiente => {
                if particion.bytes < MAX_BYTES {
                    particion.bytes = particion.bytes.saturating_mul(2).min(MAX_BYTES);
                    return Ok(());
                }
                let Particion { id, siguiente, .. } = particion;
                let megas = MAX_BYTES >> 20;
                Err(ErrorBroker::Definitivo(format!(
                    "el mensaje {siguiente} de la partición {id} no cabe en {megas} MiB, y no se lee más grande"
                )))
            }
            Respuesta::Codigo(codigo) => Err(sin_nombre(codigo, &self.broker)),
            // La marca que acaba una transacción, o lo que la compactación quitó de una tanda comprimida.
            Respuesta::Nada | Respuesta::Primero { .. } => {
                particion.siguiente += 1;
                Ok(())
            }
        }
    }

    /// Lo que hay antes del mensaje que ha llegado, si hay algo.
    ///
    /// Cuando en una lectura viene una tanda comprimida, la crate da solo esa y olvida los mensajes
    /// sin comprimir de delante. Salen pidiendo menos bytes, los justos para que no llegue la tanda.
    fn sin_hueco(&mut self, topic: &str, i: usize, llega: i64) -> Result<Option<Vec<Registro>>, ErrorBroker> {
        let siguiente = match self.sondear(topic, i)? {
            Respuesta::Primero { offset, comprimido: false } if offset < llega => offset,
            _ => return Ok(None), // el hueco es de verdad: una transacción o la compactación
        };
        let Particion { id, bytes, .. } = self.particiones[i];
        let (mut pocos, mut muchos) = (0, bytes);
        while muchos - pocos > 1 {
            let medio = pocos + (muchos - pocos) / 2;
            let peticion = FetchPartition::new(topic, id, siguiente).with_max_bytes(medio);
            let respuestas = self.leer(&[peticion], Duration::ZERO)?;
            for parte in partes(&respuestas) {
                let datos = parte.data().map_err(|e| self.causa(topic, i, &e))?;
                match datos.messages().first() {
                    None => pocos = medio,
                    Some(primero) if primero.offset > siguiente => muchos = medio,
                    Some(_) => return Ok(Some(copiar(id, siguiente, datos.messages()))),
                }
            }
        }
        Ok(None)
    }

    /// Qué hay de verdad en el offset por el que va una partición.
    fn sondear(&self, topic: &str, i: usize) -> Result<Respuesta, ErrorBroker> {
        let Particion { id, siguiente, .. } = self.particiones[i];
        let topics = self.cliente.topics();
        let lider = topics.partitions(topic).and_then(|p| p.partition(id)?.leader());
        let Some(lider) = lider else { return Err(traducir(&Error::NoHostReachable, &self.broker)) };
        sonda::preguntar(lider.host(), topic, id, siguiente)
            .map_err(|e| traducir(&Error::Io(e), &self.broker))
    }

    /// Por qué no da el broker una partición. Los códigos que la crate no conoce los dice la sonda.
    fn causa(&self, topic: &str, i: usize, error: &Error) -> ErrorBroker {
        match (error, self.sondear(topic, i)) {
            (Error::Kafka(KafkaCode::Unknown), Ok(Respuesta::Codigo(codigo))) => {
                sin_nombre(codigo, &self.broker)
            }
            _ => traducir(error, &self.broker),
        }
    }
}

/// Lo que ha llegado de cada partición.
fn partes(respuestas: &[Response]) -> impl Iterator<Item = &fetch::Partition<'_>> {
    respuestas.iter().flat_map(Response::topics).flat_map(|t| t.partitions())
}

/// Los mensajes desde `siguiente`, cada uno una vez: si lo primero que hay es la marca de una transacción, el broker
/// manda dos veces lo que va detrás, porque al saltársela cuenta una tanda de menos (en el Kafka 3.9, el constructor
/// de `LazyDownConversionRecords.Iterator`).
fn copiar(particion: i32, mut siguiente: i64, mensajes: &[Message<'_>]) -> Vec<Registro> {
    let mut copias = Vec::with_capacity(mensajes.len());
    for m in mensajes {
        if m.offset >= siguiente {
            siguiente = m.offset + 1;
            // La crate no distingue una clave vacía de ninguna.
            let clave = (!m.key.is_empty()).then(|| m.key.to_vec());
            copias.push(Registro { particion, offset: m.offset, clave, valor: m.value.to_vec() });
        }
    }
    copias
}
