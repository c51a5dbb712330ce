//! Un solo vigía para todos los que miran: un hilo pregunta a cada fuente, y quien pide la página se lleva
//! lo último que haya. Treinta personas cuestan a la base de datos lo que una; si no mira nadie, nada.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::herramientas::candado::{candado, sin_veneno};

/// Cada cuánto se pregunta a una fuente, mientras alguien mire.
const CADENCIA: Duration = Duration::from_secs(1);
/// Lo más que se espera entre intentos cuando la fuente falla.
const MAX_CADENCIA: u32 = 5;
/// Sin que nadie lo pida en este tiempo, se deja de preguntar.
const NADIE_MIRA: Duration = Duration::from_secs(10);
/// Y en este, se olvida.
const OLVIDO: Duration = Duration::from_secs(60);
/// Cosas distintas que se vigilan a la vez.
const MAX_INTERESES: usize = 64;
/// Lo que espera quien pide algo que no se estaba vigilando.
const PRIMERA: Duration = Duration::from_secs(2);

/// Lo que comparten quien pregunta a una fuente y quienes miran. `C` es lo que se puede pedir, y `D` lo
/// que se sabe.
pub struct Mesa<C, D> {
    interior: Mutex<Interior<C, D>>,
    timbre: Condvar,
}

struct Interior<C, D> {
    intereses: HashMap<C, Interes>,
    datos: D,
    fallo: Option<String>,
}

struct Interes {
    pedido: Instant,
    al_dia: bool, // ya se ha preguntado por él desde que se pide
}

/// Cómo está lo que se mira.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Situacion {
    /// Al día.
    AlDia,
    /// Todavía no ha dado tiempo a leerlo.
    Leyendo,
    /// La fuente falla; lo que se sabe es de antes.
    Falla(String),
}

impl<C: Hash + Eq + Clone, D: Default> Default for Mesa<C, D> {
    fn default() -> Self {
        let interior = Interior { intereses: HashMap::new(), datos: D::default(), fallo: None };
        Mesa { interior: Mutex::new(interior), timbre: Condvar::new() }
    }
}

impl<C: Hash + Eq + Clone, D> Mesa<C, D> {
    fn candado(&self) -> MutexGuard<'_, Interior<C, D>> {
        candado(&self.interior)
    }

    /// Pide algo y lo mira. Si no se estaba vigilando, espera un poco a que se lea.
    pub fn pedir<R>(&self, clave: &C, mirar: impl FnOnce(&D, Situacion) -> R) -> R {
        let ahora = Instant::now();
        let mut interior = self.candado();
        let interes =
            interior.intereses.entry(clave.clone()).or_insert(Interes { pedido: ahora, al_dia: false });
        if interes.pedido.elapsed() > NADIE_MIRA {
            interes.al_dia = false;
        }
        interes.pedido = ahora;
        if !interes.al_dia {
            interior.recortar();
            self.timbre.notify_all();
        }
        let pendiente = |i: &mut Interior<C, D>| i.intereses.get(clave).is_some_and(|i| !i.al_dia);
        let esperado = self.timbre.wait_timeout_while(interior, PRIMERA, pendiente);
        let interior = sin_veneno(esperado).0;
        let situacion = match &interior.fallo {
            Some(frase) => Situacion::Falla(frase.clone()),
            None if interior.intereses.get(clave).is_some_and(|i| i.al_dia) => Situacion::AlDia,
            None => Situacion::Leyendo,
        };
        mirar(&interior.datos, situacion)
    }

    /// Pregunta por lo que se pide, sin volver nunca. `vuelta` habla con la fuente, sin el candado puesto,
    /// y devuelve cómo cambia lo que se sabe.
    pub fn vigilar<F: FnOnce(&mut D)>(&self, mut vuelta: impl FnMut(&[C]) -> Result<F, String>) -> ! {
        let (mut fallos, mut cuando) = (0, Instant::now());
        loop {
            let claves = self.esperar(cuando, fallos > 0);
            let resultado = vuelta(&claves);
            let mut interior = self.candado();
            match resultado {
                Ok(cambiar) => {
                    cambiar(&mut interior.datos);
                    interior.fallo = None;
                    fallos = 0;
                }
                Err(frase) => {
                    interior.fallo = Some(frase);
                    fallos = MAX_CADENCIA.min(fallos + 1);
                }
            }
            for clave in &claves {
                if let Some(interes) = interior.intereses.get_mut(clave) {
                    interes.al_dia = true;
                }
            }
            drop(interior);
            self.timbre.notify_all();
            cuando = Instant::now() + CADENCIA * fallos.max(1);
        }
    }

    /// Duerme hasta que toque preguntar, y dice por qué. Lo que se acaba de pedir no espera su turno, salvo
    /// si la fuente falla.
    fn esperar(&self, cuando: Instant, falla: bool) -> Vec<C> {
        let mut interior = self.candado();
        loop {
            interior.intereses.retain(|_, i| i.pedido.elapsed() < OLVIDO);
            let vivos = interior.intereses.iter().filter(|(_, i)| i.pedido.elapsed() < NADIE_MIRA);
            let (claves, al_dia): (Vec<_>, Vec<_>) = vivos.map(|(c, i)| (c.clone(), i.al_dia)).unzip();
            let falta = cuando.saturating_duration_since(Instant::now());
            let ya = falta.is_zero() || !falla && al_dia.contains(&false);
            interior = match claves.is_empty() {
                true => sin_veneno(self.timbre.wait(interior)),
                false if ya => return claves,
                false => sin_veneno(self.timbre.wait_timeout(interior, falta)).0,
            };
        }
    }
}

impl<C: Hash + Eq + Clone, D> Interior<C, D> {
    /// Si se piden demasiadas cosas, deja de vigilar la que hace más que no se pide.
    fn recortar(&mut self) {
        if self.intereses.len() > MAX_INTERESES
            && let Some(clave) = self.intereses.iter().min_by_key(|(_, i)| i.pedido).map(|(c, _)| c.clone())
        {
            self.intereses.remove(&clave);
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
                _ => Err("no está".to_owned()),
            })
        });
        (mesa, veces)
    }

    #[test]
    fn si_nadie_mira_no_se_pregunta_y_muchos_cuestan_como_uno() {
        let (mesa, veces) = mesa(Arc::default());
        thread::sleep(Duration::from_millis(50)); // tiempo de sobra para preguntar, si fuera a hacerlo
        assert_eq!(veces.load(Ordering::SeqCst), 0);
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
        let conservado = hasta_que(|s| *s == Situacion::Falla("no está".to_owned()));
        assert!(conservado > 0, "los datos se quedan");
        falla.store(0, Ordering::SeqCst);
        assert!(hasta_que(|s| *s == Situacion::AlDia) > conservado);
    }

    #[test]
    fn lo_que_se_vigila_tiene_tope() {
        let mesa: Mesa<u32, u32> = Mesa::default();
        let mut interior = mesa.candado();
        for clave in 0..200 {
            interior.intereses.insert(clave, Interes { pedido: Instant::now(), al_dia: false });
            interior.recortar();
        }
        assert_eq!(interior.intereses.len(), MAX_INTERESES);
        assert!(interior.intereses.contains_key(&199) && !interior.intereses.contains_key(&0));
    }
}
