//! El broker embebido: los mensajes son filas de SQLite, con su offset. Tiene una sola partición.

use std::collections::BTreeMap;
use std::mem;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{Emisor, ErrorBroker, PorEnviar, Receptor, Recibido, Registro};
use crate::avisos::Avisos;
use crate::embebido::{self, Abierto};
use crate::fallo::Frase;
use crate::herramientas::texto::contar;

/// Mensajes que se leen de una vez, como mucho.
const TANDA: i64 = 2_000;

/// Cada cuánto se mira si hay mensajes nuevos.
const PAUSA: Duration = Duration::from_millis(50);

/// Manda mensajes a un topic del fichero.
pub struct EmisorEmbebido {
    fichero: Abierto,
    topic: String,
    enviados: u64,
    perdidos: u64,
}

/// Recibe los mensajes de un topic del fichero.
pub struct ReceptorEmbebido {
    fichero: Abierto,
    topic: String,
    grupo: String,
    siguiente: Option<i64>, // nada: hay que empezar por lo confirmado
    reiniciada: bool,
}

impl EmisorEmbebido {
    /// Abre el fichero de `datos`. Por `avisos` dice si alguien lo borra.
    ///
    /// # Errors
    /// [`ErrorBroker::Definitivo`] si no se puede.
    pub fn new(datos: &Path, topic: &str, avisos: &Avisos) -> Result<Self, ErrorBroker> {
        let fichero = Abierto::new(datos, avisos).map_err(definitivo)?;
        Ok(EmisorEmbebido { fichero, topic: topic.to_owned(), enviados: 0, perdidos: 0 })
    }

    fn escribir(&mut self, mensajes: &[PorEnviar]) -> rusqlite::Result<()> {
        // IMMEDIATE: el candado se pide al empezar, así dos productores no eligen el mismo offset.
        let conexion = self.fichero.conexion();
        let transaccion = conexion.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let primero = final_de(&transaccion, &self.topic)?;
        let mut insertar = transaccion.prepare_cached("INSERT INTO mensajes VALUES (?1, 0, ?2, ?3, ?4)")?;
        for (offset, mensaje) in (primero..).zip(mensajes) {
            insertar.execute(params![self.topic, offset, mensaje.clave.as_bytes(), mensaje.valor])?;
        }
        drop(insertar);
        transaccion.commit()
    }
}

impl Emisor for EmisorEmbebido {
    fn enviar(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        loop {
            let hecho = self.escribir(mensajes).map_err(|e| fallo(&e));
            let perdido = contar(self.enviados, "mensaje ya confirmado", "mensajes ya confirmados");
            let perdido = format!("con él se ha perdido lo que tenía, y {perdido} de este programa");
            if !self.fichero.reabierto(&perdido).map_err(definitivo)? {
                self.enviados += if hecho.is_ok() { mensajes.len() as u64 } else { 0 };
                return hecho;
            }
            self.perdidos += mem::take(&mut self.enviados);
        }
    }

    fn perdidos(&self) -> u64 {
        self.perdidos
    }
}

impl ReceptorEmbebido {
    /// Abre el fichero de `datos`, en nombre de `grupo`. Por `avisos` dice si alguien lo borra.
    ///
    /// # Errors
    /// [`ErrorBroker::Definitivo`] si no se puede.
    pub fn new(datos: &Path, topic: &str, grupo: &str, avisos: &Avisos) -> Result<Self, ErrorBroker> {
        let fichero = Abierto::new(datos, avisos).map_err(definitivo)?;
        let (topic, grupo) = (topic.to_owned(), grupo.to_owned());
        Ok(ReceptorEmbebido { fichero, topic, grupo, siguiente: None, reiniciada: false })
    }

    /// El offset por el que va: si no se sabe, lo confirmado o el principio.
    fn posicion(&mut self) -> Result<i64, ErrorBroker> {
        if let Some(siguiente) = self.siguiente {
            return Ok(siguiente);
        }
        let conexion = self.fichero.conexion();
        let confirmado = conexion
            .query_row(
                "SELECT siguiente FROM grupos WHERE grupo = ?1 AND topic = ?2 AND particion = 0",
                params![self.grupo, self.topic],
                |fila| fila.get(0),
            )
            .optional()
            .map_err(|e| fallo(&e))?
            .unwrap_or(0);
        let fin = final_de(conexion, &self.topic).map_err(|e| fallo(&e))?;
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
        let (conexion, topic) = (self.fichero.conexion(), &self.topic);
        let leer = || -> rusqlite::Result<Vec<Registro>> {
            let mut consulta = conexion.prepare_cached(
                "SELECT offset, clave, valor FROM mensajes
                 WHERE topic = ?1 AND particion = 0 AND offset >= ?2 ORDER BY offset LIMIT ?3",
            )?;
            let registro = |fila: &rusqlite::Row| {
                Ok(Registro { particion: 0, offset: fila.get(0)?, clave: fila.get(1)?, valor: fila.get(2)? })
            };
            consulta.query_map(params![topic, desde, TANDA], registro)?.collect()
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
            let leido = self.leer();
            if self.fichero.reabierto("se lee desde el principio").map_err(definitivo)? {
                self.siguiente = None;
                continue;
            }
            let registros = leido?;
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
            let hecho = self.fichero.conexion().execute(
                "INSERT INTO grupos VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET siguiente = excluded.siguiente",
                params![self.grupo, self.topic, particion, siguiente],
            );
            hecho.map_err(|e| fallo(&e))?;
        }
        Ok(())
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        let siguiente = self.posicion()?;
        let fin = final_de(self.fichero.conexion(), &self.topic).map_err(|e| fallo(&e))?;
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

fn definitivo(frase: Frase) -> ErrorBroker {
    ErrorBroker::Definitivo(frase.0)
}
