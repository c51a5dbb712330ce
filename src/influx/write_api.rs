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
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::buffer::Buffer;
use super::destino::{Destino, Resumen, WriteError};
use super::opciones::WriteOptions;
use super::punto::Point;

/// Escribe puntos por lotes. Se cierra con [`WriteApi::close`]; usarlo después no compila.
pub struct WriteApi {
    estado: Arc<Mutex<Estado>>,
    ordenes: Sender<Orden>,
    hilo: Option<JoinHandle<()>>,
    max_close_wait: Duration,
    batch_size: usize,
}

/// Lo que comparten quien escribe y el hilo temporizador.
struct Estado {
    buffer: Box<dyn Buffer>,
    linea: String, // se reutiliza en cada write(), para no pedir memoria
    ultimo_ns: i64,
    enviados: u64,
    apartados: u64,
    motivo: Option<String>,
    abandonado: bool, // close() se cansó de esperar
}

enum Orden {
    Lleno,
    Vaciar(Sender<()>),
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
        let estado = Arc::new(Mutex::new(Estado {
            buffer,
            linea: String::new(),
            ultimo_ns: 0,
            enviados: 0,
            apartados: 0,
            motivo: None,
            abandonado: false,
        }));
        let (ordenes, recibidas) = mpsc::channel();
        let (max_close_wait, batch_size) = (opciones.max_close_wait, opciones.batch_size.max(1));
        let temporizador = Temporizador { estado: Arc::clone(&estado), destino, opciones, batch_size };
        let hilo = thread::Builder::new()
            .name("temporizador".to_owned())
            .spawn(move || temporizador.bucle(&recibidas))?;
        Ok(WriteApi { estado, ordenes, hilo: Some(hilo), max_close_wait, batch_size })
    }

    /// Apunta un punto en el buffer y vuelve. Si no lleva instante, le pone el actual, siempre
    /// mayor que el anterior: dos puntos de una serie con el mismo instante se sobrescriben.
    ///
    /// # Errors
    /// [`WriteError`] si el punto no se puede representar o no cabe; entonces no se ha apuntado.
    pub fn write(&self, punto: &Point) -> Result<(), WriteError> {
        let lleno = {
            let mut estado = candado(&self.estado);
            let Estado { buffer, linea, ultimo_ns, .. } = &mut *estado;
            let ns = punto.ns().unwrap_or_else(|| ahora_ns().max(*ultimo_ns + 1));
            linea.clear();
            punto.escribir_linea(ns, linea).map_err(WriteError::Punto)?;
            buffer.anotar(linea).map_err(WriteError::Buffer)?;
            *ultimo_ns = ns.max(*ultimo_ns);
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
    pub fn close(mut self) -> Resumen {
        self.cerrar();
        self.resumen()
    }

    /// Las cuentas hasta este momento.
    pub fn resumen(&self) -> Resumen {
        let estado = candado(&self.estado);
        Resumen {
            enviados: estado.enviados,
            pendientes: estado.buffer.pendientes(),
            apartados: estado.apartados,
            perdidos: estado.buffer.perdidas(),
            motivo: estado.motivo.clone(),
        }
    }

    fn cerrar(&mut self) {
        let Some(hilo) = self.hilo.take() else { return };
        let (aviso, hecho) = mpsc::channel();
        let _ = self.ordenes.send(Orden::Cerrar(aviso));
        match hecho.recv_timeout(self.max_close_wait) {
            Err(RecvTimeoutError::Timeout) => {
                let mut estado = candado(&self.estado);
                estado.abandonado = true;
                estado.motivo.get_or_insert_with(|| {
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

struct Temporizador {
    estado: Arc<Mutex<Estado>>,
    destino: Box<dyn Destino>,
    opciones: WriteOptions,
    batch_size: usize,
}

impl Temporizador {
    /// Un solo `recv_timeout` es el despertador y el timbre: o se acaba el plazo, o llega una orden.
    fn bucle(mut self, ordenes: &Receiver<Orden>) {
        self.destino.saludar();
        let mut castigado = false; // el destino ha pedido esperar
        let mut despertador = Instant::now() + self.intervalo();
        loop {
            let plazo = despertador.saturating_duration_since(Instant::now());
            let orden = ordenes.recv_timeout(plazo);
            let pendientes = candado(&self.estado).buffer.pendientes();
            let espera = match orden {
                Ok(Orden::Lleno) if castigado => continue,
                Ok(Orden::Lleno) => self.enviar(pendientes - pendientes % self.batch_size),
                _ => self.enviar(pendientes),
            };
            castigado = espera.is_some();
            despertador = Instant::now() + espera.unwrap_or_else(|| self.intervalo());
            match orden {
                Ok(Orden::Lleno) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Orden::Vaciar(aviso)) => {
                    let _ = aviso.send(());
                }
                Ok(Orden::Cerrar(aviso)) => {
                    let _ = aviso.send(());
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Envía `faltan` líneas, lote a lote. Devuelve la espera si el destino la pide.
    fn enviar(&mut self, mut faltan: usize) -> Option<Duration> {
        while faltan > 0 {
            let lote = {
                let mut estado = candado(&self.estado);
                if estado.abandonado {
                    return None;
                }
                match estado.buffer.lote(faltan.min(self.batch_size)) {
                    Ok(lote) => lote,
                    Err(error) => {
                        estado.motivo = Some(format!("el buffer no se puede leer: {error}"));
                        return Some(self.opciones.retry_interval);
                    }
                }
            };
            if lote.lineas == 0 {
                return None;
            }
            let respuesta = self.destino.enviar(&lote);

            let mut estado = candado(&self.estado);
            let resueltas = respuesta.escritas + respuesta.apartadas;
            estado.enviados += respuesta.escritas as u64;
            estado.apartados += respuesta.apartadas as u64;
            estado.buffer.quitar(&lote, resueltas);
            let (espera, motivo) = respuesta.esperar.unzip();
            estado.motivo = motivo;
            if espera.is_some() {
                return espera;
            }
            faltan = faltan.saturating_sub(lote.lineas);
        }
        None
    }

    fn intervalo(&self) -> Duration {
        self.opciones.flush_interval + self.opciones.jitter_interval.mul_f64(fastrand::f64())
    }
}

fn candado(estado: &Mutex<Estado>) -> MutexGuard<'_, Estado> {
    // Si otro hilo murió con el candado puesto, las cuentas siguen siendo válidas.
    estado.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ahora_ns() -> i64 {
    let desde_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(desde_1970.as_nanos()).unwrap_or(i64::MAX)
}
