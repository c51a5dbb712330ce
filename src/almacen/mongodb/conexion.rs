//! Hablar con el servidor, con un límite. Por aquí pasa toda llamada, del almacén o del panel.
//!
//! La crate no deja poner límite a la consulta de DNS ni a una escritura que se cuelga a medias. Por eso **cada
//! llamada arranca un hilo** y se espera a que conteste: si no llega a tiempo, el hilo se queda con la conexión
//! colgada y se sigue sin él. Arrancarlo cuesta unas decenas de microsegundos; la llamada, varios milisegundos.
//! Los hilos colgados tienen tope: con `MAX_COLGADOS` se espera a que acabe uno antes de arrancar otro.

use std::convert::Infallible;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use ::mongodb::error::Error;
use ::mongodb::sync::{Client, Database};

use super::cliente::conectar;
use super::uri::Uri;
use crate::almacen::ErrorAlmacen;
use crate::avisos::{Avisos, Nivel};
use crate::fallo::Frase;

/// Lo que se espera al DNS: son dos consultas, y en algunas redes cada una tarda varios segundos.
const LIMITE_DNS: Duration = Duration::from_secs(30);
/// Lo que tarda el DNS antes de decir que se le está esperando.
const DNS_LENTO: Duration = Duration::from_secs(2);
/// Hilos que se dejan colgados a la vez, cada uno con su conexión.
const MAX_COLGADOS: usize = 3;

/// Una base de datos, con el cliente que habla con ella cuando ya ha conectado.
pub(crate) struct Conexion {
    pub(super) uri: Uri,
    avisos: Option<Avisos>,
    cliente: Option<Client>,
    colgados: Vec<Receiver<Infallible>>, // cada uno se cierra cuando acaba su hilo
}

/// Por qué no ha salido una llamada.
#[derive(Debug)]
pub(super) enum Caida {
    /// Lo que dicen la crate o el servidor.
    Error(Error),
    /// El servidor no ha contestado a tiempo.
    Mudo,
    /// El DNS no ha contestado a tiempo.
    DnsMudo,
}

/// Lo que cuenta el hilo que habla con el servidor.
enum Paso<T> {
    Encontrado(Duration), // lo que ha tardado en contestar el DNS
    Conectado(Client),
    Hecho(Result<T, Error>),
}

impl Conexion {
    /// Entiende la URI y el nombre de la base de datos. No conecta todavía. Por `avisos` se cuenta que el DNS
    /// tarda, mientras tarda.
    ///
    /// # Errors
    /// Lo que hay que cambiar, sin repetir la URI, que lleva la contraseña.
    pub(crate) fn new(uri: &str, base: &str, avisos: Option<Avisos>) -> Result<Self, Frase> {
        Ok(Conexion { uri: Uri::leer(uri, base)?, avisos, cliente: None, colgados: Vec::new() })
    }

    /// La dirección del servidor, sin credenciales.
    #[cfg(feature = "panel")]
    pub(crate) fn direccion(&self) -> &str {
        &self.uri.servidor
    }

    /// Hace la tarea en este tiempo, conectando si hace falta.
    ///
    /// # Errors
    /// El de la tarea, o que no ha acabado a tiempo, ya en su frase.
    pub(crate) fn hacer<T: Send + 'static>(
        &mut self,
        limite: Duration,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ErrorAlmacen> {
        self.pedir(limite, tarea).map_err(|caida| self.uri.explicar(&caida))
    }

    /// Como [`Self::hacer`], para quien decide según lo que falle.
    pub(super) fn pedir<T: Send + 'static>(
        &mut self,
        limite: Duration,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Caida> {
        let hecho = self.hablar(limite, tarea);
        if matches!(hecho, Err(Caida::Mudo | Caida::DnsMudo)) {
            // La conexión colgada se queda con su hilo; la próxima llamada abre otra.
            self.cliente = None;
        }
        hecho
    }

    /// Como [`Self::pedir`], para lo que puede no acabar a tiempo: nada, y la conexión vale todavía.
    pub(super) fn intentar<T: Send + 'static>(
        &mut self,
        limite: Duration,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Option<Result<T, Error>> {
        match self.hablar(limite, tarea) {
            Ok(valor) => Some(Ok(valor)),
            Err(Caida::Error(error)) => Some(Err(error)),
            Err(Caida::Mudo | Caida::DnsMudo) => None,
        }
    }

    /// Hace la tarea en otro hilo, que se arranca en cada llamada.
    fn hablar<T: Send + 'static>(
        &mut self,
        limite: Duration,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Caida> {
        let inicio = Instant::now();
        if !self.hay_sitio(limite) {
            return Err(Caida::Mudo);
        }
        let (contar, pasos) = mpsc::channel();
        let (vivo, colgado) = mpsc::channel::<Infallible>();
        let (cliente, cadena, base) = (self.cliente.clone(), self.uri.cadena.clone(), self.uri.base.clone());
        let hilo = thread::Builder::new().name("mongodb".to_owned()).spawn(move || {
            let _vivo = vivo;
            // Si ya no escucha nadie, se ha agotado el tiempo: el resultado no le importa a nadie.
            let encontrado = |del_dns| _ = contar.send(Paso::Encontrado(del_dns));
            let hecho = cliente.map_or_else(|| conectar(cadena, encontrado), Ok).and_then(|cliente| {
                let _ = contar.send(Paso::Conectado(cliente.clone()));
                tarea(&cliente.database(&base))
            });
            let _ = contar.send(Paso::Hecho(hecho));
        });
        if let Err(error) = hilo {
            return Err(Caida::Error(Error::from(error)));
        }
        let queda = limite.saturating_sub(inicio.elapsed());
        let hecho = self.escuchar(&pasos, queda);
        if matches!(hecho, Err(Caida::Mudo | Caida::DnsMudo)) {
            self.colgados.push(colgado);
        }
        hecho
    }

    /// Lo que cuenta el hilo, hasta que acabe o se agote el tiempo. El del servidor no empieza a contar hasta
    /// que el DNS dice dónde está.
    fn escuchar<T>(&mut self, pasos: &Receiver<Paso<T>>, limite: Duration) -> Result<T, Caida> {
        let mut buscando = self.cliente.is_none();
        let mut hasta = Instant::now() + if buscando { DNS_LENTO } else { limite };
        let mut dicho = false;
        loop {
            match pasos.recv_timeout(hasta.saturating_duration_since(Instant::now())) {
                Ok(Paso::Encontrado(del_dns)) => {
                    buscando = false;
                    hasta = Instant::now() + limite + del_dns;
                }
                Ok(Paso::Conectado(cliente)) => self.cliente = Some(cliente),
                Ok(Paso::Hecho(hecho)) => return hecho.map_err(Caida::Error),
                Err(RecvTimeoutError::Timeout) if buscando && !dicho => {
                    self.avisar_del_dns();
                    hasta += LIMITE_DNS - DNS_LENTO;
                    dicho = true;
                }
                Err(RecvTimeoutError::Timeout) if buscando => return Err(Caida::DnsMudo),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(Caida::Mudo),
            }
        }
    }

    fn avisar_del_dns(&self) {
        if let Some(avisos) = &self.avisos {
            let frase = format!(
                "El DNS tarda en decir dónde está {}: se le espera hasta {} s.",
                self.uri.servidor,
                LIMITE_DNS.as_secs()
            );
            avisos(Nivel::Info, &frase);
        }
    }

    /// Si hay sitio para otro hilo; si hay demasiados colgados, espera a que acabe el más antiguo.
    fn hay_sitio(&mut self, limite: Duration) -> bool {
        self.colgados.retain(|hilo| hilo.try_recv() == Err(TryRecvError::Empty));
        if self.colgados.len() < MAX_COLGADOS {
            return true;
        }
        let acaba =
            |hilo: &Receiver<Infallible>| hilo.recv_timeout(limite) == Err(RecvTimeoutError::Disconnected);
        self.colgados.first().is_some_and(acaba)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn los_hilos_colgados_tienen_tope_y_al_acabar_uno_se_sigue() {
        let mut conexion = Conexion::new("mongodb://localhost:1", "iabd06", None).unwrap();
        let (soltar, espera) = std::sync::mpsc::channel::<()>();
        let espera = Arc::new(std::sync::Mutex::new(espera));
        let empezadas = Arc::new(AtomicUsize::new(0));
        let colgarse = |conexion: &mut Conexion| {
            let (espera, empezadas) = (Arc::clone(&espera), Arc::clone(&empezadas));
            conexion.pedir(Duration::from_millis(50), move |_| {
                empezadas.fetch_add(1, Ordering::SeqCst);
                let _ = espera.lock().unwrap().recv();
                Ok(())
            })
        };
        for _ in 0..MAX_COLGADOS + 3 {
            assert!(matches!(colgarse(&mut conexion), Err(Caida::Mudo)));
        }
        assert_eq!(empezadas.load(Ordering::SeqCst), MAX_COLGADOS, "las demás no arrancan otro hilo");
        drop(soltar); // el servidor vuelve a contestar, a todos
        assert!(conexion.pedir(Duration::from_secs(60), |_| Ok(())).is_ok());
    }
}
