//! La cola del productor: `send()` deja el mensaje y vuelve; un hilo los manda, en orden, y espera a que
//! el broker los confirme. Es lo que hacen por dentro kafka-python y confluent-kafka.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Emisor, PorEnviar};
use crate::avisos::Avisos;
use crate::fallo::{Fallo, Frase};
use crate::herramientas::candado::{candado, sin_veneno};
use crate::herramientas::hilo::lanzar;
use crate::herramientas::texto::contar;
use crate::insistir::Insistencia;
use crate::parada::Parada;

/// Mensajes sin confirmar, como mucho. Con la cola llena, `send()` espera.
const SIN_CONFIRMAR: usize = 10_000;

/// Mensajes que se mandan juntos, como mucho.
const TANDA: usize = 1_000;

/// Los mensajes en camino.
pub struct Envios {
    cola: SyncSender<PorEnviar>,
    aceptados: u64,
    marcador: Arc<Marcador>,
    hilo: JoinHandle<Result<(), Fallo>>,
}

/// Cómo ha acabado todo.
pub struct Cierre {
    /// Mensajes que el broker ha confirmado y tiene.
    pub confirmados: u64,
    /// Los aceptados que no ha confirmado: no se sabe si han llegado.
    pub pendientes: u64,
    /// Lo que ha impedido seguir, si es el caso.
    pub fin: Result<(), Fallo>,
}

/// Lo que el hilo va contando.
#[derive(Default)]
struct Marcador {
    cuenta: Mutex<Cuenta>,
    timbre: Condvar,
}

#[derive(Default)]
struct Cuenta {
    confirmados: u64,
    /// De los confirmados, los que ya no están.
    perdidos: u64,
    acabado: bool,
}

impl Envios {
    /// Pone en marcha el hilo que envía. Si se pide parar, manda lo que haya en la cola y acaba; con el
    /// broker caído, acaba sin mandarlo.
    ///
    /// # Errors
    /// Si el sistema no deja crear el hilo.
    pub fn new(mut emisor: Box<dyn Emisor>, parada: &Parada, avisos: Avisos) -> Result<Self, Frase> {
        // Los que están en la cola y los de la tanda que viaja.
        let (cola, pendientes) = mpsc::sync_channel(SIN_CONFIRMAR - TANDA);
        let (marcador, parada) = (Arc::<Marcador>::default(), parada.clone());
        let del_hilo = Arc::clone(&marcador);
        let hilo = lanzar("envios", move || {
            let mut final_ = Final { marcador: &del_hilo, parada: &parada, bien: false };
            let broker = Insistencia::new("el broker", &parada, &avisos);
            let resultado = enviar_todo(pendientes, &mut *emisor, &broker, &del_hilo);
            final_.bien = resultado.is_ok();
            resultado
        })?;
        Ok(Envios { cola, aceptados: 0, marcador, hilo })
    }

    /// Deja un mensaje en la cola; si está llena, espera a que haya sitio. Devuelve `false` si ya no se
    /// envía nada: se ha pedido parar, o hay un error que dirá [`close`](Self::close).
    pub fn send(&mut self, mensaje: PorEnviar) -> bool {
        let aceptado = self.cola.send(mensaje).is_ok();
        self.aceptados += u64::from(aceptado);
        aceptado
    }

    /// Espera a que esté confirmado todo lo aceptado, y `limite` como mucho.
    pub fn flush(&self, limite: Duration) {
        let hasta = Instant::now() + limite;
        let mut cuenta = self.marcador.cuenta();
        while cuenta.confirmados < self.aceptados && !cuenta.acabado {
            let falta = hasta.saturating_duration_since(Instant::now());
            if falta.is_zero() {
                return;
            }
            let despierto = self.marcador.timbre.wait_timeout(cuenta, falta);
            cuenta = sin_veneno(despierto).0;
        }
    }

    /// Mensajes que el broker ha confirmado y tiene.
    pub fn confirmados(&self) -> u64 {
        let cuenta = self.marcador.cuenta();
        cuenta.confirmados - cuenta.perdidos
    }

    /// Mensajes aceptados que el broker no ha confirmado todavía.
    pub fn pendientes(&self) -> u64 {
        self.aceptados - self.marcador.cuenta().confirmados
    }

    /// Manda lo que quede en la cola y dice cómo ha acabado.
    pub fn close(self) -> Cierre {
        drop(self.cola);
        let fin = self.hilo.join().unwrap_or_else(|_| {
            Err(Fallo::Ejecucion("el hilo que envía ha acabado mal: es un fallo del programa".to_owned()))
        });
        let Cuenta { confirmados, perdidos, .. } = *self.marcador.cuenta();
        let pendientes = self.aceptados - confirmados;
        let fin = fin.and(match (perdidos, pendientes) {
            (0, 0) => Ok(()),
            (0, _) => Err(Fallo::Ejecucion(format!(
                "el broker no ha confirmado {}: no se sabe si han llegado",
                contar(pendientes, "mensaje", "mensajes")
            ))),
            _ => Err(Fallo::Ejecucion(format!(
                "al borrarse el fichero del broker se perdió lo que tenía: {}",
                contar(perdidos, "mensaje que había confirmado", "mensajes que había confirmado")
            ))),
        });
        Cierre { confirmados: confirmados - perdidos, pendientes, fin }
    }
}

/// Al soltarlo marca que el hilo ha acabado, también si muere a medias: quien espera a que se confirme algo
/// no se queda esperando, y si no ha acabado bien el programa no tiene nada más que hacer.
struct Final<'a> {
    marcador: &'a Marcador,
    parada: &'a Parada,
    bien: bool,
}

impl Drop for Final<'_> {
    fn drop(&mut self) {
        if !self.bien {
            self.parada.pedir();
        }
        self.marcador.cuenta().acabado = true;
        self.marcador.timbre.notify_all();
    }
}

impl Marcador {
    fn cuenta(&self) -> MutexGuard<'_, Cuenta> {
        candado(&self.cuenta)
    }
}

/// El hilo: manda juntos los mensajes que haya en la cola, y repite hasta que se cierre. Al acabar suelta
/// la cola, y `send()` lo nota.
fn enviar_todo(
    pendientes: Receiver<PorEnviar>,
    emisor: &mut dyn Emisor,
    broker: &Insistencia,
    marcador: &Marcador,
) -> Result<(), Fallo> {
    while let Ok(primero) = pendientes.recv() {
        let tanda: Vec<_> = [primero].into_iter().chain(pendientes.try_iter().take(TANDA - 1)).collect();
        if broker.insistir(|| emisor.enviar(&tanda))?.is_none() {
            break; // se ha pedido parar con el broker caído
        }
        let mut cuenta = marcador.cuenta();
        cuenta.confirmados += tanda.len() as u64;
        cuenta.perdidos = emisor.perdidos();
        drop(cuenta);
        marcador.timbre.notify_all();
    }
    Ok(())
}
