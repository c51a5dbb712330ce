//! Hablar con el servidor, con un límite. Por aquí pasa toda llamada, del almacén o del panel.
//!
//! La crate no deja poner límite a la consulta de DNS ni a una escritura que se cuelga a medias. Por eso **cada
//! llamada arranca un hilo** y se espera a que conteste: si no llega a tiempo, el hilo se queda con la conexión
//! colgada y se sigue sin él. Arrancarlo cuesta unas decenas de microsegundos; la llamada, varios milisegundos.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ::mongodb::error::Error;
use ::mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ConnectionString, ReadPreference, SelectionCriteria,
    WriteConcern,
};
use ::mongodb::sync::{Client, Collection, Database};

use super::uri::Uri;
use crate::almacen::ErrorAlmacen;
use crate::fallo::Frase;
use crate::herramientas::causa::MUDO;

/// Lo que se espera a un servidor que no está: 30 s de silencio, si no se dice nada.
const LIMITE_SERVIDOR: Duration = Duration::from_secs(3);
/// Lo que puede tardar en confirmar la mayoría de las réplicas.
const LIMITE_MAYORIA: Duration = Duration::from_secs(10);

/// Una base de datos, con el cliente que habla con ella cuando ya ha conectado.
pub(crate) struct Conexion {
    pub(super) uri: Uri,
    cliente: Option<Client>,
}

/// Lo que cuenta el hilo que habla con el servidor.
enum Paso<T> {
    Conectado(Client),
    Hecho(Result<T, Error>),
}

impl Conexion {
    /// Entiende la URI y el nombre de la base de datos. No conecta todavía.
    ///
    /// # Errors
    /// Lo que hay que cambiar, sin repetir la URI, que lleva la contraseña.
    pub(crate) fn new(uri: &str, base: &str) -> Result<Self, Frase> {
        Ok(Conexion { uri: Uri::leer(uri, base)?, cliente: None })
    }

    /// La dirección del servidor, sin credenciales.
    #[cfg(feature = "panel")]
    pub(crate) fn direccion(&self) -> &str {
        &self.uri.servidor
    }

    /// Hace la tarea antes de esa hora, conectando si hace falta.
    ///
    /// # Errors
    /// El de la tarea, o que no ha acabado a tiempo, ya en su frase.
    pub(crate) fn hacer<T: Send + 'static>(
        &mut self,
        hasta: Instant,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ErrorAlmacen> {
        match self.hablar(hasta, tarea) {
            Some(Ok(valor)) => Ok(valor),
            Some(Err(error)) => Err(self.uri.explicar(&error)),
            None if self.uri.es_srv && self.cliente.is_none() => Err(self.uri.sin_dns()),
            None => {
                // La conexión colgada se queda con su hilo; la próxima llamada abre otra.
                self.cliente = None;
                Err(self.uri.no_contesta(MUDO))
            }
        }
    }

    /// Como [`Self::hacer`], para lo que puede no acabar a tiempo: nada, y la conexión vale todavía.
    pub(super) fn intentar<T: Send + 'static>(
        &mut self,
        hasta: Instant,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Option<Result<T, Error>> {
        let cliente = self.cliente.clone();
        let hecho = self.hablar(hasta, tarea);
        self.cliente = cliente;
        hecho
    }

    /// Hace la tarea en otro hilo, que se arranca en cada llamada. Nada, si no ha acabado a tiempo.
    fn hablar<T: Send + 'static>(
        &mut self,
        hasta: Instant,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Option<Result<T, Error>> {
        let (contar, pasos) = mpsc::channel();
        let (cliente, cadena, base) = (self.cliente.clone(), self.uri.cadena.clone(), self.uri.base.clone());
        let hilo = thread::Builder::new().name("mongodb".to_owned()).spawn(move || {
            // Si ya no escucha nadie, se ha agotado el tiempo: el resultado no le importa a nadie.
            let hecho = cliente.map_or_else(|| conectar(cadena), Ok).and_then(|cliente| {
                let _ = contar.send(Paso::Conectado(cliente.clone()));
                tarea(&cliente.database(&base))
            });
            let _ = contar.send(Paso::Hecho(hecho));
        });
        if let Err(error) = hilo {
            return Some(Err(Error::from(error)));
        }
        loop {
            match pasos.recv_timeout(hasta.saturating_duration_since(Instant::now())) {
                Ok(Paso::Conectado(cliente)) => self.cliente = Some(cliente),
                Ok(Paso::Hecho(hecho)) => return Some(hecho),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

fn conectar(cadena: ConnectionString) -> Result<Client, Error> {
    let mut opciones = ClientOptions::parse(cadena).run()?;
    opciones.server_selection_timeout = Some(LIMITE_SERVIDOR);
    opciones.connect_timeout = Some(LIMITE_SERVIDOR);
    opciones.app_name.get_or_insert_with(|| env!("CARGO_PKG_NAME").to_owned());
    Client::with_options(opciones)
}

/// Siempre el primario y siempre la mayoría, diga lo que diga la URI: una réplica atrasada no sabe qué
/// documentos están ya.
pub(super) fn la_coleccion<T: Send + Sync>(base: &Database, nombre: &str) -> Collection<T> {
    let primario = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    let opciones = CollectionOptions::builder().selection_criteria(primario).write_concern(mayoria()).build();
    base.collection_with_options(nombre, opciones)
}

pub(super) fn mayoria() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).w_timeout(LIMITE_MAYORIA).build()
}
