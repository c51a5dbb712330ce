//! El broker embebido: los mensajes son filas de SQLite, con su offset. Tiene una sola partición.

use std::collections::BTreeMap;
use std::mem;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{Emisor, ErrorBroker, PorEnviar, Receptor, Recibido, Registro};
use crate::embebido;

/// Mensajes que se leen de una vez, como mucho.
const TANDA: i64 = 2_000;

/// Cada cuánto se mira si hay mensajes nuevos.
const PAUSA: Duration = Duration::from_millis(50);

/// Manda mensajes a un topic del fichero.
pub struct EmisorEmbebido {
    conexion: Connection,
    topic: String,
}

/// Recibe los mensajes de un topic del fichero.
pub struct ReceptorEmbebido {
    conexion: Connection,
    topic: String,
    grupo: String,
    siguiente: Option<i64>, // nada: hay que volver a lo confirmado
    reiniciada: bool,
}

impl EmisorEmbebido {
    /// Abre el fichero de `datos`.
    ///
    /// # Errors
    /// [`ErrorBroker::Definitivo`] si no se puede.
    pub fn new(datos: &Path, topic: &str) -> Result<Self, ErrorBroker> {
        let conexion = embebido::abrir(datos).map_err(|frase| ErrorBroker::Definitivo(frase.0))?;
        Ok(EmisorEmbebido { conexion, topic: topic.to_owned() })
    }
}

impl Emisor for EmisorEmbebido {
    fn enviar(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        let (conexion, topic) = (&mut self.conexion, &self.topic);
        let mut enviar = || -> rusqlite::Result<()> {
            // IMMEDIATE: el candado se pide al empezar, así dos productores no eligen el mismo offset.
            let transaccion = conexion.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let primero = final_de(&transaccion, topic)?;
            let mut insertar =
                transaccion.prepare_cached("INSERT INTO mensajes VALUES (?1, 0, ?2, ?3, ?4)")?;
            for (offset, mensaje) in (primero..).zip(mensajes) {
                insertar.execute(params![topic, offset, mensaje.clave.as_bytes(), mensaje.valor])?;
            }
            drop(insertar);
            transaccion.commit()
        };
        enviar().map_err(|e| fallo(&e))
    }
}

impl ReceptorEmbebido {
    /// Abre el fichero de `datos`, en nombre de `grupo`.
    ///
    /// # Errors
    /// [`ErrorBroker::Definitivo`] si no se puede.
    pub fn new(datos: &Path, topic: &str, grupo: &str) -> Result<Self, ErrorBroker> {
        let conexion = embebido::abrir(datos).map_err(|frase| ErrorBroker::Definitivo(frase.0))?;
        let (topic, grupo) = (topic.to_owned(), grupo.to_owned());
        Ok(ReceptorEmbebido { conexion, topic, grupo, siguiente: None, reiniciada: false })
    }

    /// El offset por el que va: si no se sabe, lo confirmado o el principio.
    fn posicion(&mut self) -> Result<i64, ErrorBroker> {
        if let Some(siguiente) = self.siguiente {
            return Ok(siguiente);
        }
        let confirmado = self
            .conexion
            .query_row(
                "SELECT siguiente FROM grupos WHERE grupo = ?1 AND topic = ?2 AND particion = 0",
                params![self.grupo, self.topic],
                |fila| fila.get(0),
            )
            .optional()
            .map_err(|e| fallo(&e))?
            .unwrap_or(0);
        let fin = final_de(&self.conexion, &self.topic).map_err(|e| fallo(&e))?;
        if confirmado > fin {
            let detalle = format!(
                "el grupo {} iba por el offset {confirmado} y el topic acaba en el {fin}",
                self.grupo
            );
            return Err(ErrorBroker::otra_historia(&detalle));
        }
        self.siguiente = Some(confirmado);
        self.reiniciada = true;
        Ok(confirmado)
    }

    fn leer(&mut self) -> Result<Vec<Registro>, ErrorBroker> {
        let desde = self.posicion()?;
        let leer = || -> rusqlite::Result<Vec<Registro>> {
            let mut consulta = self.conexion.prepare_cached(
                "SELECT offset, clave, valor FROM mensajes
                 WHERE topic = ?1 AND particion = 0 AND offset >= ?2 ORDER BY offset LIMIT ?3",
            )?;
            let registro = |fila: &rusqlite::Row| {
                Ok(Registro { particion: 0, offset: fila.get(0)?, clave: fila.get(1)?, valor: fila.get(2)? })
            };
            consulta.query_map(params![self.topic, desde, TANDA], registro)?.collect()
        };
        let registros = leer().map_err(|e| fallo(&e))?;
        if let Some(ultimo) = registros.last() {
            self.siguiente = Some(ultimo.offset + 1);
        }
        Ok(registros)
    }
}

impl Receptor for ReceptorEmbebido {
    fn recibir(&mut self, espera: Duration) -> Result<Recibido, ErrorBroker> {
        let hasta = Instant::now() + espera;
        loop {
            let registros = self.leer().inspect_err(|_| self.siguiente = None)?;
            let falta = hasta.saturating_duration_since(Instant::now());
            if !registros.is_empty() || falta.is_zero() {
                let reiniciadas = if mem::take(&mut self.reiniciada) { vec![0] } else { Vec::new() };
                return Ok(Recibido { reiniciadas, registros });
            }
            thread::sleep(PAUSA.min(falta));
        }
    }

    fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker> {
        for (particion, siguiente) in siguientes {
            let hecho = self.conexion.execute(
                "INSERT INTO grupos VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET siguiente = excluded.siguiente",
                params![self.grupo, self.topic, particion, siguiente],
            );
            if let Err(error) = hecho {
                self.siguiente = None;
                return Err(fallo(&error));
            }
        }
        Ok(())
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        let siguiente = self.posicion()?;
        let fin = final_de(&self.conexion, &self.topic).map_err(|e| fallo(&e))?;
        Ok(u64::try_from(fin - siguiente).unwrap_or(0))
    }
}

/// El offset que tendrá el próximo mensaje.
fn final_de(conexion: &Connection, topic: &str) -> rusqlite::Result<i64> {
    let mut consulta =
        conexion.prepare_cached("SELECT max(offset) + 1 FROM mensajes WHERE topic = ?1 AND particion = 0")?;
    consulta.query_row([topic], |fila| Ok(fila.get::<_, Option<i64>>(0)?.unwrap_or(0)))
}

fn fallo(error: &rusqlite::Error) -> ErrorBroker {
    embebido::fallo(error, ErrorBroker::Pasajero, ErrorBroker::Definitivo)
}
