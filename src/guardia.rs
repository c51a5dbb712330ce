//! La guardia: dice que alguien lleva demasiado sin contestar. Una llamada que se queda colgada no da ningún
//! error, y sin esto el programa parecería parado.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::avisos::{Avisos, Nivel};
use crate::herramientas::candado::{candado, sin_veneno};
use crate::herramientas::hilo::lanzar;

/// Lo que se espera sin decir nada.
const PACIENCIA: Duration = Duration::from_secs(10);

/// Vigila las llamadas a un motor. Tiene un hilo, que acaba con ella.
pub struct Guardia {
    quien: &'static str,
    avisos: Avisos,
    turno: Arc<(Mutex<Turno>, Condvar)>,
    hilo: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Turno {
    /// Cuándo empezó la llamada que está en marcha, si la hay.
    desde: Option<Instant>,
    dicho: bool,
    fin: bool,
}

impl Guardia {
    /// Vigila a `quien`: «el broker», «la base de datos».
    pub fn new(quien: &'static str, avisos: &Avisos) -> Self {
        Guardia::con_paciencia(quien, avisos, PACIENCIA)
    }

    fn con_paciencia(quien: &'static str, avisos: &Avisos, paciencia: Duration) -> Self {
        let turno = Arc::<(Mutex<Turno>, Condvar)>::default();
        let (del_hilo, a_quien) = (Arc::clone(&turno), avisos.clone());
        let vigilar = move || {
            let (turno, timbre) = &*del_hilo;
            let mut turno = candado(turno);
            while !turno.fin {
                // Empezar una llamada no despierta al hilo, que costaría más que ella: mira de vez en cuando.
                turno = sin_veneno(timbre.wait_timeout(turno, paciencia / 10)).0;
                if !turno.dicho && turno.desde.is_some_and(|desde| desde.elapsed() >= paciencia) {
                    turno.dicho = true;
                    let segundos = paciencia.as_secs();
                    let frase =
                        format!("{quien} lleva {segundos} s sin contestar a lo último. Se sigue esperando.");
                    a_quien(Nivel::Aviso, &frase);
                }
            }
        };
        // Sin él no se dice que tarda, y nada más.
        let hilo = lanzar("guardia", vigilar).ok();
        Guardia { quien, avisos: avisos.clone(), turno, hilo }
    }

    /// Hace la llamada. Si tarda demasiado se dice, y también que por fin ha contestado.
    pub fn vigilar<T, E>(&self, llamada: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        candado(&self.turno.0).desde = Some(Instant::now());
        let hecho = llamada();
        let mut turno = candado(&self.turno.0);
        turno.desde = None;
        let dicho = std::mem::take(&mut turno.dicho);
        drop(turno);
        if dicho && hecho.is_ok() {
            (self.avisos)(Nivel::Info, &format!("Ha contestado {}; se sigue donde se estaba.", self.quien));
        }
        hecho
    }
}

impl Drop for Guardia {
    fn drop(&mut self) {
        candado(&self.turno.0).fin = true;
        self.turno.1.notify_all();
        if let Some(hilo) = self.hilo.take() {
            let _ = hilo.join(); // no se queda hablando cuando ya no hay a quién vigilar
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn una_llamada_colgada_se_dice_una_vez_y_tambien_que_ha_contestado() {
        let (avisar, avisos) = mpsc::channel();
        let avisos_de = Arc::new(move |_, frase: &str| avisar.send(frase.to_owned()).unwrap());
        let guardia = Guardia::con_paciencia("el broker", &(avisos_de as Avisos), Duration::from_millis(20));
        guardia.vigilar(|| Ok::<_, ()>(())).unwrap();
        // La llamada no acaba hasta que se ha dicho.
        let dicho = guardia.vigilar(|| Ok::<_, ()>(avisos.recv().unwrap())).unwrap();
        assert!(dicho.starts_with("el broker lleva"), "{dicho}");
        assert_eq!(avisos.recv().unwrap(), "Ha contestado el broker; se sigue donde se estaba.");
        guardia.vigilar(|| Err::<(), _>(())).unwrap_err();
        drop(guardia);
        assert_eq!(avisos.iter().count(), 0);
    }
}
