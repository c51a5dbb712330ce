//! Cuántas conexiones caben a la vez, y cuál deja su sitio cuando llega otra y no cabe.
//!
//! Cada conexión ocupa un sitio hasta que acaba su hilo, y a ese se le espera antes de empezar otro: el tope
//! de conexiones lo es también de hilos. Con el aforo completo, quien llega espera; sale la que más tiempo lleve sin avanzar, y las
//! demás se cierran tras contestar. Así ni mil clientes que no paran de pedir, ni otros tantos que no
//! acaban nunca, dejan a los demás sin página.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::herramientas::candado::{candado, sin_veneno};

/// Lo que nadie le quita a una conexión: en este tiempo, en la red de un aula, se pide y se contesta.
const CORTESIA: Duration = Duration::from_millis(250);

/// Las conexiones abiertas.
pub struct Aforo {
    max: usize,
    dentro: Mutex<Dentro>,
    hueco: Condvar, // suena cuando sale alguien
}

#[derive(Default)]
struct Dentro {
    ultimo: u64,
    conexiones: HashMap<u64, Abierta>,
    alguien_espera: bool,
    salidas: Vec<u64>, // las que han dejado su sitio, sin recoger
}

struct Abierta {
    desde: Instant, // cuándo empezó lo que está haciendo: pedir, o llevarse la contestación
    conexion: Arc<TcpStream>,
    echada: bool,
}

/// El sitio de una conexión. Se deja al soltarlo.
pub struct Sitio {
    aforo: Arc<Aforo>,
    /// Distinto para cada conexión.
    pub numero: u64,
}

impl Aforo {
    /// Nadie dentro, y sitio para `max` conexiones.
    pub fn new(max: usize) -> Self {
        Aforo { max, dentro: Mutex::default(), hueco: Condvar::new() }
    }

    /// Un sitio para esta conexión. Si no queda ninguno, espera a que lo haya.
    pub fn entrar(aforo: &Arc<Self>, conexion: &Arc<TcpStream>) -> Sitio {
        let mut dentro = candado(&aforo.dentro);
        while dentro.conexiones.len() >= aforo.max {
            dentro.alguien_espera = true;
            let espera = dentro.echar(Instant::now());
            dentro = sin_veneno(aforo.hueco.wait_timeout(dentro, espera)).0;
        }
        dentro.alguien_espera = false;
        dentro.ultimo += 1;
        let numero = dentro.ultimo;
        let abierta = Abierta { desde: Instant::now(), conexion: Arc::clone(conexion), echada: false };
        dentro.conexiones.insert(numero, abierta);
        Sitio { aforo: Arc::clone(aforo), numero }
    }

    /// Los números de las que han salido desde la última vez.
    pub fn salidas(&self) -> Vec<u64> {
        std::mem::take(&mut candado(&self.dentro).salidas)
    }
}

impl Dentro {
    /// Cierra la conexión que más tiempo lleva sin avanzar, si ya ha tenido su [`CORTESIA`]. Devuelve
    /// cuánto hay que esperar antes de volver a mirar.
    fn echar(&mut self, ahora: Instant) -> Duration {
        let parada = self.conexiones.values_mut().filter(|a| !a.echada).min_by_key(|a| a.desde);
        let Some(parada) = parada else { return CORTESIA };
        let lleva = ahora.saturating_duration_since(parada.desde);
        if lleva < CORTESIA {
            return CORTESIA - lleva;
        }
        parada.echada = true;
        let _ = parada.conexion.shutdown(Shutdown::Both); // su hilo se entera y acaba
        CORTESIA
    }
}

impl Sitio {
    /// Apunta que la conexión avanza, y dice si alguien espera su sitio.
    pub fn avanza(&self) -> bool {
        let mut dentro = candado(&self.aforo.dentro);
        if let Some(abierta) = dentro.conexiones.get_mut(&self.numero) {
            abierta.desde = Instant::now();
        }
        dentro.alguien_espera
    }
}

impl Drop for Sitio {
    fn drop(&mut self) {
        let mut dentro = candado(&self.aforo.dentro);
        dentro.conexiones.remove(&self.numero);
        dentro.salidas.push(self.numero);
        self.aforo.hueco.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn con_el_aforo_completo_quien_llega_espera_y_los_de_dentro_lo_saben() {
        let escucha = TcpListener::bind("127.0.0.1:0").unwrap();
        let conectar = || Arc::new(TcpStream::connect(escucha.local_addr().unwrap()).unwrap());
        let aforo = Arc::new(Aforo::new(2));
        let [primero, segundo] = [conectar(), conectar()].map(|c| Aforo::entrar(&aforo, &c));
        assert!(!primero.avanza() && !segundo.avanza());
        let (otro, conexion) = (Arc::clone(&aforo), conectar());
        let tercero = thread::spawn(move || Aforo::entrar(&otro, &conexion));
        // Mientras avancen no se echa a nadie: se les avisa.
        while !primero.avanza() | !segundo.avanza() {
            thread::yield_now();
        }
        assert!(candado(&aforo.dentro).conexiones.values().all(|a| !a.echada));
        drop(primero);
        let tercero = tercero.join().unwrap();
        assert!(!tercero.avanza() && !segundo.avanza());
        assert_eq!(candado(&aforo.dentro).conexiones.len(), 2);
    }

    #[test]
    fn se_echa_a_la_que_mas_lleva_parada_una_vez_y_nunca_antes_de_la_cortesia() {
        let escucha = TcpListener::bind("127.0.0.1:0").unwrap();
        let conectar = || Arc::new(TcpStream::connect(escucha.local_addr().unwrap()).unwrap());
        let conexiones = [conectar(), conectar(), conectar()];
        let inicio = Instant::now();
        let mut dentro = Dentro::default();
        for (numero, (conexion, desde)) in conexiones.iter().zip([60, 0, 40]).enumerate() {
            let desde = inicio + Duration::from_millis(desde);
            let abierta = Abierta { desde, conexion: Arc::clone(conexion), echada: false };
            dentro.conexiones.insert(numero as u64, abierta);
        }
        let echadas = |dentro: &Dentro| [0, 1, 2].map(|n| dentro.conexiones[&n].echada);
        let falta = dentro.echar(inicio + CORTESIA - Duration::from_millis(1));
        assert_eq!((falta, echadas(&dentro)), (Duration::from_millis(1), [false; 3]));
        assert_eq!(dentro.echar(inicio + CORTESIA), CORTESIA);
        assert_eq!(echadas(&dentro), [false, true, false]);
        conexiones[1].set_nonblocking(true).unwrap();
        assert!(matches!((&*conexiones[1]).read(&mut [0]), Ok(0)), "se ha cerrado de verdad");
        assert_eq!(dentro.echar(inicio + CORTESIA), Duration::from_millis(40));
        dentro.echar(inicio + 2 * CORTESIA);
        assert_eq!(echadas(&dentro), [false, true, true]);
    }
}
