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
/// Lo leído hace más que esto no es de ahora: lo normal es un segundo, y algo más si la fuente va despacio.
const VIVO: Duration = Duration::from_secs(5);
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
    leido: Option<Instant>, // cuándo se empezó la última lectura que salió bien
    fallo: Option<Frase>,
    acabado: bool, // el vigía ya no vive
}

/// Cómo está lo que se mira.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Situacion {
    /// Al día: se ha leído hace unos segundos como mucho.
    AlDia,
    /// La fuente no acaba de contestar; lo que se sabe es de hace este tiempo.
    Atrasada(Duration),
    /// Todavía no ha dado tiempo a leerlo.
    Leyendo,
    /// La fuente falla; lo que se sabe es de antes.
    Falla(Frase),
    /// El vigía ha muerto: no se va a leer nada más.
    SinVigia,
}

impl<C, D: Default> Default for Mesa<C, D> {
    fn default() -> Self {
        let interior = Interior {
            intereses: Intereses::default(),
            datos: D::default(),
            leido: None,
            fallo: None,
            acabado: false,
        };
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
        let pendiente = |i: &mut Interior<C, D>| i.intereses.al_dia(clave) == Some(false) && !i.acabado;
        let interior = sin_veneno(self.timbre.wait_timeout_while(interior, PRIMERA, pendiente)).0;
        mirar(&interior.datos, interior.situacion(clave, Instant::now()))
    }

    /// Pregunta por lo que se pide, sin volver nunca. `vuelta` habla con la fuente, sin el candado puesto,
    /// y devuelve cómo cambia lo que se sabe. Si muere a medias, quien mira lo sabe.
    pub fn vigilar<F: FnOnce(&mut D)>(&self, mut vuelta: impl FnMut(&[C]) -> Result<F, Frase>) -> ! {
        let _guarda = Guarda(self);
        let (mut fallos, mut cuando) = (0, Instant::now());
        loop {
            let claves = self.esperar(cuando, fallos > 0);
            let inicio = Instant::now();
            let resultado = vuelta(&claves);
            let mut interior = candado(&self.interior);
            match resultado {
                Ok(cambiar) => {
                    cambiar(&mut interior.datos);
                    (interior.leido, interior.fallo) = (Some(inicio), None);
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

impl<C: Hash + Eq + Clone, D> Interior<C, D> {
    fn situacion(&self, clave: &C, ahora: Instant) -> Situacion {
        let hace = self.leido.map(|leido| ahora.saturating_duration_since(leido));
        match (&self.fallo, hace, self.intereses.al_dia(clave)) {
            _ if self.acabado => Situacion::SinVigia,
            (Some(frase), ..) => Situacion::Falla(frase.clone()),
            (None, Some(hace), _) if hace > VIVO => Situacion::Atrasada(hace),
            (None, Some(_), Some(true)) => Situacion::AlDia,
            (None, ..) => Situacion::Leyendo,
        }
    }
}

/// Lo que queda del vigía si su hilo muere: dice que ya no está, y despierta a quien lo espera.
struct Guarda<'a, C: Hash + Eq + Clone, D>(&'a Mesa<C, D>);

impl<C: Hash + Eq + Clone, D> Drop for Guarda<'_, C, D> {
    fn drop(&mut self) {
        candado(&self.0.interior).acabado = true;
        self.0.timbre.notify_all();
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
    fn un_vigia_muerto_se_dice_y_no_hace_esperar_a_nadie() {
        let mesa: Arc<Mesa<u32, u32>> = Arc::default();
        let otra = Arc::clone(&mesa);
        let mut vueltas = 0;
        let vigia = thread::spawn(move || {
            otra.vigilar(|_| {
                vueltas += 1;
                // Como si un driver hiciera panic, sin ensuciar la salida de las pruebas.
                if vueltas > 1 { std::panic::resume_unwind(Box::new(())) } else { Ok(|n: &mut u32| *n = 7) }
            })
        });
        assert_eq!(mesa.pedir(&1, |n, s| (*n, s)), (7, Situacion::AlDia));
        mesa.pedir(&2, |_, _| ()); // otra vuelta
        assert!(vigia.join().is_err());
        let inicio = Instant::now();
        for clave in [1, 3] {
            assert_eq!(mesa.pedir(&clave, |n, s| (*n, s)), (7, Situacion::SinVigia));
        }
        assert!(inicio.elapsed() < PRIMERA);
    }

    #[test]
    fn lo_leido_hace_rato_no_es_de_ahora() {
        let mesa: Mesa<u32, u32> = Mesa::default();
        let mut interior = candado(&mesa.interior);
        let leido = Instant::now();
        assert_eq!(interior.situacion(&1, leido), Situacion::Leyendo);
        interior.intereses.pedir(&1, leido);
        interior.intereses.preguntado(&[1]);
        interior.leido = Some(leido);
        assert_eq!(interior.situacion(&1, leido + VIVO), Situacion::AlDia);
        let hace = VIVO + Duration::from_millis(1);
        // Aunque nadie haya dicho que falla: la pregunta siguiente no acaba.
        assert_eq!(interior.situacion(&1, leido + hace), Situacion::Atrasada(hace));
        assert_eq!(
            interior.situacion(&2, leido + hace),
            Situacion::Atrasada(hace),
            "ni lo que se acaba de pedir"
        );
        assert_eq!(interior.situacion(&2, leido), Situacion::Leyendo);
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
