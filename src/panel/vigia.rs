//! Un solo vigía para todos los que miran: un hilo pregunta a cada fuente, y quien pide la página se lleva
//! lo último que haya. Treinta personas cuestan a la base de datos lo que una; si no mira nadie, nada.

use std::hash::Hash;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::intereses::{Intereses, Toca};
use crate::fallo::Frase;
use crate::herramientas::candado::{candado, sin_veneno};

/// Cada cuánto se pregunta a una fuente, mientras alguien mire.
const CADENCIA: Duration = Duration::from_secs(1);
/// Si la fuente falla, entre intentos se espera una cadencia más por cada fallo seguido, hasta tantas.
const MAX_CADENCIAS: u32 = 5;
/// Lo que espera quien pide algo que no se estaba vigilando.
const PRIMERA: Duration = Duration::from_secs(2);

/// Lo que comparten quien pregunta a una fuente y quienes miran. `C` es lo que se puede pedir, y `D` lo
/// que se sabe.
pub struct Mesa<C, D> {
    interior: Mutex<Interior<C, D>>,
    timbre: Condvar,
}

struct Interior<C, D> {
    intereses: Intereses<C>,
    datos: D,
    fallo: Option<Frase>,
}

/// Cómo está lo que se mira.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Situacion {
    /// Al día.
    AlDia,
    /// Todavía no ha dado tiempo a leerlo.
    Leyendo,
    /// La fuente falla; lo que se sabe es de antes.
    Falla(Frase),
}

impl<C, D: Default> Default for Mesa<C, D> {
    fn default() -> Self {
        let interior = Interior { intereses: Intereses::default(), datos: D::default(), fallo: None };
        Mesa { interior: Mutex::new(interior), timbre: Condvar::new() }
    }
}

impl<C: Hash + Eq + Clone, D> Mesa<C, D> {
    /// Pide algo y lo mira. Si no se estaba vigilando, espera un poco a que se lea.
    pub fn pedir<R>(&self, clave: &C, mirar: impl FnOnce(&D, Situacion) -> R) -> R {
        let mut interior = candado(&self.interior);
        interior.intereses.pedir(clave, Instant::now());
        if interior.intereses.al_dia(clave) != Some(true) {
            self.timbre.notify_all();
        }
        let pendiente = |i: &mut Interior<C, D>| i.intereses.al_dia(clave) == Some(false);
        let interior = sin_veneno(self.timbre.wait_timeout_while(interior, PRIMERA, pendiente)).0;
        let situacion = match &interior.fallo {
            Some(frase) => Situacion::Falla(frase.clone()),
            None if interior.intereses.al_dia(clave) == Some(true) => Situacion::AlDia,
            None => Situacion::Leyendo,
        };
        mirar(&interior.datos, situacion)
    }

    /// Pregunta por lo que se pide, sin volver nunca. `vuelta` habla con la fuente, sin el candado puesto,
    /// y devuelve cómo cambia lo que se sabe.
    pub fn vigilar<F: FnOnce(&mut D)>(&self, mut vuelta: impl FnMut(&[C]) -> Result<F, Frase>) -> ! {
        let (mut fallos, mut cuando) = (0, Instant::now());
        loop {
            let claves = self.esperar(cuando, fallos > 0);
            let resultado = vuelta(&claves);
            let mut interior = candado(&self.interior);
            match resultado {
                Ok(cambiar) => {
                    cambiar(&mut interior.datos);
                    interior.fallo = None;
                    fallos = 0;
                }
                Err(frase) => {
                    interior.fallo = Some(frase);
                    fallos = MAX_CADENCIAS.min(fallos + 1);
                }
            }
            interior.intereses.preguntado(&claves);
            drop(interior);
            self.timbre.notify_all();
            cuando = Instant::now() + CADENCIA * fallos.max(1);
        }
    }

    /// Duerme hasta que toque preguntar, y dice por qué.
    fn esperar(&self, cuando: Instant, falla: bool) -> Vec<C> {
        let mut interior = candado(&self.interior);
        loop {
            interior = match interior.intereses.toca(Instant::now(), cuando, falla) {
                Toca::Ya(claves) => return claves,
                Toca::Luego(falta) => sin_veneno(self.timbre.wait_timeout(interior, falta)).0,
                Toca::Nunca => sin_veneno(self.timbre.wait(interior)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    /// Una mesa cuya fuente cuenta las veces que le preguntan y falla cuando se le diga.
    fn mesa(falla: Arc<AtomicU32>) -> (Arc<Mesa<u32, u32>>, Arc<AtomicU32>) {
        let (mesa, veces) = (Arc::new(Mesa::default()), Arc::new(AtomicU32::new(0)));
        let (otra, cuenta) = (Arc::clone(&mesa), Arc::clone(&veces));
        thread::spawn(move || {
            otra.vigilar(|_| match falla.load(Ordering::SeqCst) {
                0 => {
                    let n = cuenta.fetch_add(1, Ordering::SeqCst) + 1;
                    Ok(move |datos: &mut u32| *datos = n)
                }
                _ => Err("no está".into()),
            })
        });
        (mesa, veces)
    }

    #[test]
    fn muchos_que_miran_cuestan_como_uno() {
        let (mesa, veces) = mesa(Arc::default());
        let inicio = Instant::now();
        let miran: Vec<_> = (0..30)
            .map(|_| {
                let mesa = Arc::clone(&mesa);
                thread::spawn(move || {
                    for _ in 0..50 {
                        assert!(mesa.pedir(&1, |n, s| s == Situacion::AlDia && *n > 0));
                    }
                })
            })
            .collect();
        miran.into_iter().for_each(|m| m.join().unwrap());
        let deberia = 1 + inicio.elapsed().as_secs() as u32;
        assert!((1..=deberia).contains(&veces.load(Ordering::SeqCst)));
    }

    #[test]
    fn una_fuente_que_falla_lo_dice_conserva_lo_ultimo_y_se_recupera_sola() {
        let falla = Arc::new(AtomicU32::new(0));
        let (mesa, _) = mesa(Arc::clone(&falla));
        assert_eq!(mesa.pedir(&1, |n, s| (*n, s)), (1, Situacion::AlDia));
        falla.store(1, Ordering::SeqCst);
        let hasta_que = |que: fn(&Situacion) -> bool| loop {
            let (n, situacion) = mesa.pedir(&1, |n, s| (*n, s));
            if que(&situacion) {
                return n;
            }
            thread::sleep(Duration::from_millis(10));
        };
        let conservado = hasta_que(|s| *s == Situacion::Falla("no está".into()));
        assert!(conservado > 0, "los datos se quedan");
        falla.store(0, Ordering::SeqCst);
        assert!(hasta_que(|s| *s == Situacion::AlDia) > conservado);
    }
}
