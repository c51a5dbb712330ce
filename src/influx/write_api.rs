//! [`WriteApi`] en modo batching: un buffer, un hilo temporizador y un cierre que lo vacía.
//!
//! ```text
//!  write(punto) ──> Buffer ──lote──> hilo temporizador ──> Destino
//!  (vuelve ya)      (espera)         (cada flush_interval, o al llenarse batch_size)
//! ```
//!
//! `write()` nunca espera a la red: solo apunta la línea. El hilo coge el lote con el candado
//! puesto y lo envía con el candado suelto, así que se puede escribir mientras se envía.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::buffer::Buffer;
use super::destino::{Destino, Resumen, WriteError};
use super::opciones::WriteOptions;
use super::punto::{Point, instante};
use super::temporizador::Temporizador;
use crate::herramientas::candado::candado;

/// Escribe puntos por lotes. Se cierra con [`WriteApi::close`]; usarlo después no compila.
pub struct WriteApi {
    compartido: Arc<Mutex<Compartido>>,
    ordenes: Sender<Orden>,
    hilo: Option<JoinHandle<()>>,
    max_close_wait: Duration,
    batch_size: usize,
}

/// Lo que comparten quien escribe y el hilo.
pub(super) struct Compartido {
    pub(super) buffer: Box<dyn Buffer>,
    linea: String,  // se reutiliza en cada write(), para no pedir memoria
    ultimo_ns: i64, // el último instante que ha puesto write()
    retroceso: Option<Duration>,
    pub(super) enviados: u64,
    pub(super) apartados: u64,
    pub(super) motivo: Option<String>, // por qué no ha salido lo que queda
    pub(super) abandonado: bool,       // close() se cansó de esperar
}

/// Lo que se le puede pedir al hilo. `Sender` es por donde avisa de que ha acabado.
pub(super) enum Orden {
    /// Hay un lote completo.
    Lleno,
    /// Envía ya todo lo que haya.
    Vaciar(Sender<()>),
    /// Envía ya todo lo que haya y termina.
    Cerrar(Sender<()>),
}

impl WriteApi {
    /// Arranca el hilo temporizador.
    ///
    /// # Errors
    /// Si el sistema no puede crear el hilo.
    pub fn new(
        buffer: Box<dyn Buffer>,
        destino: Box<dyn Destino>,
        opciones: WriteOptions,
    ) -> io::Result<Self> {
        let compartido = Arc::new(Mutex::new(Compartido {
            buffer,
            linea: String::new(),
            ultimo_ns: 0,
            retroceso: None,
            enviados: 0,
            apartados: 0,
            motivo: None,
            abandonado: false,
        }));
        let (ordenes, recibidas) = mpsc::channel();
        let opciones = WriteOptions { batch_size: opciones.batch_size.max(1), ..opciones };
        let (max_close_wait, batch_size) = (opciones.max_close_wait, opciones.batch_size);
        let temporizador = Temporizador { compartido: Arc::clone(&compartido), destino, opciones };
        let hilo = thread::Builder::new()
            .name("temporizador".to_owned())
            .spawn(move || temporizador.bucle(&recibidas))?;
        Ok(WriteApi { compartido, ordenes, hilo: Some(hilo), max_close_wait, batch_size })
    }

    /// Apunta un punto en el buffer y vuelve. Si no lleva instante, le pone el actual, distinto del
    /// anterior: dos puntos de una serie con el mismo instante se sobrescriben.
    ///
    /// # Errors
    /// [`WriteError`] si el punto no se puede representar o no cabe; entonces no se ha apuntado.
    pub fn write(&self, punto: &Point) -> Result<(), WriteError> {
        let lleno = {
            let mut compartido = candado(&self.compartido);
            let Compartido { buffer, linea, ultimo_ns, retroceso, .. } = &mut *compartido;
            let ns = punto.ns().unwrap_or_else(|| {
                let anterior = std::mem::replace(ultimo_ns, instante(ahora_ns(), *ultimo_ns));
                if let Ok(atras @ 1..) = u64::try_from(anterior.saturating_sub(*ultimo_ns)) {
                    *retroceso = Some(Duration::from_nanos(atras));
                }
                *ultimo_ns
            });
            linea.clear();
            punto.escribir_linea(ns, linea).map_err(WriteError::Punto)?;
            buffer.anotar(linea).map_err(WriteError::Buffer)?;
            buffer.pendientes() % self.batch_size == 0
        };
        if lleno {
            let _ = self.ordenes.send(Orden::Lleno);
        }
        Ok(())
    }

    /// Envía ya todo lo que hay en el buffer y espera a saber qué ha pasado.
    pub fn flush(&self) -> Resumen {
        let (aviso, hecho) = mpsc::channel();
        if self.ordenes.send(Orden::Vaciar(aviso)).is_ok() {
            let _ = hecho.recv();
        }
        self.resumen()
    }

    /// Vacía el buffer y para el hilo. Espera `max_close_wait` como mucho; lo que no haya salido
    /// se queda en el buffer, y el resumen dice cuánto y por qué.
    ///
    /// ```compile_fail,E0382
    /// # use practicas_iabd06::influx::{Point, WriteApi};
    /// # fn ejemplo(write_api: WriteApi) {
    /// write_api.close();
    /// write_api.write(&Point::new("tarde").field("n", 1.0)); // no compila: ya está cerrado
    /// # }
    /// ```
    pub fn close(mut self) -> Resumen {
        self.cerrar();
        self.resumen()
    }

    /// Las cuentas hasta este momento.
    pub fn resumen(&self) -> Resumen {
        let compartido = candado(&self.compartido);
        Resumen {
            enviados: compartido.enviados,
            pendientes: compartido.buffer.pendientes(),
            solo_en_memoria: compartido.buffer.solo_en_memoria(),
            apartados: compartido.apartados,
            perdidos: compartido.buffer.perdidas(),
            motivo: compartido.motivo.clone(),
            retroceso: compartido.retroceso,
        }
    }

    fn cerrar(&mut self) {
        let Some(hilo) = self.hilo.take() else { return };
        let (aviso, hecho) = mpsc::channel();
        let _ = self.ordenes.send(Orden::Cerrar(aviso));
        match hecho.recv_timeout(self.max_close_wait) {
            Err(RecvTimeoutError::Timeout) => {
                let mut compartido = candado(&self.compartido);
                compartido.abandonado = true;
                compartido.motivo.get_or_insert_with(|| {
                    "el destino no ha contestado a tiempo (max_close_wait)".to_owned()
                });
            }
            _ => drop(hilo.join()),
        }
    }
}

/// Si el programa acaba sin `close()`, el buffer se vacía igual.
impl Drop for WriteApi {
    fn drop(&mut self) {
        self.cerrar();
    }
}

fn ahora_ns() -> i64 {
    let desde_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(desde_1970.as_nanos()).unwrap_or(i64::MAX)
}
