//! Leer las particiones de un topic, sin perder ningún mensaje por el camino.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use kafka::client::fetch::{Message, Response};
use kafka::client::{FetchPartition, KafkaClient};

use super::errores::traducir;
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
            for (id, mensajes, fin) in partes(&respuestas, &self.broker)? {
                let Some(i) = self.particiones.iter().position(|p| p.id == id) else { continue };
                atascada |= self.anadir(&mut registros, topic, i, mensajes, fin)?;
            }
            if !registros.is_empty() || (!atascada && Instant::now() >= limite) {
                return Ok(registros);
            }
        }
    }

    /// Añade lo leído de una partición. Si no hay nada y debería haberlo (`fin` es donde acaba), la próxima
    /// vez se pedirán más bytes, y devuelve `true`.
    fn anadir(
        &mut self,
        registros: &mut Vec<Registro>,
        topic: &str,
        i: usize,
        mensajes: &[Message<'_>],
        fin: i64,
    ) -> Result<bool, ErrorBroker> {
        let Particion { id, siguiente, .. } = self.particiones[i];
        let antes_del_hueco = match mensajes.first() {
            Some(primero) if primero.offset > siguiente => self.sin_hueco(topic, i)?,
            Some(_) => None,
            None if fin > siguiente => {
                self.crecer(i)?;
                return Ok(true);
            }
            None => return Ok(false),
        };
        let mut nuevos = antes_del_hueco.unwrap_or_else(|| copiar(id, mensajes));
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

    /// Pide más bytes de una partición en la que ni el primer mensaje ha cabido entero.
    fn crecer(&mut self, i: usize) -> Result<(), ErrorBroker> {
        let particion = &mut self.particiones[i];
        if particion.bytes >= MAX_BYTES {
            return Err(ErrorBroker::Definitivo(format!(
                "el mensaje {} de la partición {} no se puede leer: no cabe en {} MiB o es de una transacción",
                particion.siguiente,
                particion.id,
                MAX_BYTES >> 20
            )));
        }
        particion.bytes = particion.bytes.saturating_mul(2).min(MAX_BYTES);
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
