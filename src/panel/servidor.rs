//! El servidor HTTP: un hilo por conexión y solo GET y HEAD. No sabe qué se contesta.
//!
//! Un cliente lento, o uno que abre conexiones sin parar, no deja a los demás sin página: pedir, y recibir
//! la contestación, tiene un tiempo máximo en total (no desde el último byte), y cuando se llega al tope
//! de conexiones se cierra la que lleva más tiempo sin acabar una petición, empezando por la máquina que
//! más tenga abiertas.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::http::{Leida, MAX_PETICION, Peticion, Respuesta, entender};
use crate::herramientas::candado::candado;

/// Conexiones a la vez. Una clase entera cabe de sobra: quien pierde una conexión ociosa abre otra.
const MAX_CONEXIONES: usize = 128;
/// Lo que puede tardar en llegar una petición entera, contando la espera entre una y otra.
const LIMITE_PETICION: Duration = Duration::from_secs(10);
/// Lo que puede tardar un cliente en llevarse una contestación.
const LIMITE_CONTESTACION: Duration = Duration::from_secs(30);
type Responder = dyn Fn(&Peticion) -> Respuesta + Send + Sync;

/// Atiende conexiones, sin volver nunca.
pub fn atender(escucha: &TcpListener, responder: Arc<Responder>) {
    let sala = Arc::new(Sala::default());
    loop {
        let Ok((conexion, quien)) = escucha.accept() else {
            // Sin descriptores libres, por ejemplo: se espera a que se cierre alguno.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let (conexion, responder) = (Arc::new(conexion), Arc::clone(&responder));
        let sitio = Sala::entrar(&sala, quien.ip(), &conexion);
        // Sin hilos libres, la conexión se cierra al soltarla.
        let _ = thread::Builder::new().name("panel".to_owned()).spawn(move || {
            // Un cliente que se va no es noticia.
            let _ = conversar(&conexion, &sitio, &*responder);
        });
    }
}

/// Las conexiones abiertas.
#[derive(Default)]
struct Sala {
    conexiones: Mutex<(u64, HashMap<u64, Abierta>)>,
}

struct Abierta {
    quien: IpAddr,
    ultima: Instant, // cuándo acabó su última petición; si no ha hecho ninguna, cuándo entró
    conexion: Arc<TcpStream>,
}

/// El sitio de una conexión: se deja al soltarlo.
struct Sitio {
    sala: Arc<Sala>,
    numero: u64,
}

impl Sala {
    fn candado(&self) -> MutexGuard<'_, (u64, HashMap<u64, Abierta>)> {
        candado(&self.conexiones)
    }

    fn entrar(sala: &Arc<Sala>, quien: IpAddr, conexion: &Arc<TcpStream>) -> Sitio {
        let mut candado = sala.candado();
        let (numero, abiertas) = &mut *candado;
        if abiertas.len() >= MAX_CONEXIONES
            && let Some(sobra) = quien_sobra(abiertas)
            && let Some(abierta) = abiertas.remove(&sobra)
        {
            let _ = abierta.conexion.shutdown(Shutdown::Both); // su hilo se entera y acaba
        }
        *numero += 1;
        abiertas.insert(*numero, Abierta { quien, ultima: Instant::now(), conexion: Arc::clone(conexion) });
        Sitio { sala: Arc::clone(sala), numero: *numero }
    }
}

/// De la máquina con más conexiones, la que lleva más tiempo sin acabar una petición.
fn quien_sobra(abiertas: &HashMap<u64, Abierta>) -> Option<u64> {
    let mut cuentas: HashMap<IpAddr, usize> = HashMap::new();
    for abierta in abiertas.values() {
        *cuentas.entry(abierta.quien).or_default() += 1;
    }
    let (quien, _) = cuentas.into_iter().max_by_key(|(_, n)| *n)?;
    abiertas.iter().filter(|(_, a)| a.quien == quien).min_by_key(|(_, a)| a.ultima).map(|(numero, _)| *numero)
}

impl Sitio {
    fn peticion_acabada(&self) {
        if let Some(abierta) = self.sala.candado().1.get_mut(&self.numero) {
            abierta.ultima = Instant::now();
        }
    }
}

impl Drop for Sitio {
    fn drop(&mut self) {
        self.sala.candado().1.remove(&self.numero);
    }
}

fn conversar(conexion: &TcpStream, sitio: &Sitio, responder: &Responder) -> io::Result<()> {
    conexion.set_nodelay(true)?;
    let mut recibido = Vec::new();
    loop {
        let hasta = Instant::now() + LIMITE_PETICION;
        let leida = loop {
            match entender(&recibido) {
                Leida::Incompleta => recibir(conexion, &mut recibido, hasta)?,
                leida => break leida,
            }
        };
        let (respuesta, con_cuerpo, ultima) = match leida {
            Leida::Incompleta => return Ok(()),
            Leida::Mala(respuesta) => (respuesta, true, true),
            Leida::Buena { peticion, bytes, con_cuerpo, ultima } => {
                recibido.drain(..bytes);
                (responder(&peticion), con_cuerpo, ultima)
            }
        };
        enviar(conexion, &respuesta.escribir(con_cuerpo, ultima))?;
        sitio.peticion_acabada();
        if ultima {
            conexion.shutdown(Shutdown::Write)?;
            // Lo que quede por leer, hasta un tope: cerrar antes borraría la contestación.
            let hasta = Instant::now() + Duration::from_secs(1);
            while recibido.len() < 64 * MAX_PETICION {
                recibir(conexion, &mut recibido, hasta)?;
            }
            return Ok(());
        }
    }
}

/// Lo que falta hasta `hasta`, como límite de una espera.
fn falta(hasta: Instant) -> io::Result<Option<Duration>> {
    let falta = hasta.saturating_duration_since(Instant::now());
    if falta.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(falta)) }
}

fn recibir(mut conexion: &TcpStream, recibido: &mut Vec<u8>, hasta: Instant) -> io::Result<()> {
    let mut trozo = [0; 4096];
    conexion.set_read_timeout(falta(hasta)?)?;
    match conexion.read(&mut trozo) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(n) => {
            recibido.extend_from_slice(trozo.get(..n).unwrap_or_default());
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}

fn enviar(mut conexion: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let hasta = Instant::now() + LIMITE_CONTESTACION;
    while !bytes.is_empty() {
        conexion.set_write_timeout(falta(hasta)?)?;
        match conexion.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sobra_la_mas_antigua_de_quien_mas_tiene() {
        let escucha = TcpListener::bind("127.0.0.1:0").unwrap();
        let conexion = Arc::new(TcpStream::connect(escucha.local_addr().unwrap()).unwrap());
        let ahora = Instant::now();
        let abierta = |ip: [u8; 4], hace: u64| Abierta {
            quien: ip.into(),
            ultima: ahora - Duration::from_secs(hace),
            conexion: Arc::clone(&conexion),
        };
        let (una, otra) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let abiertas =
            [(1, abierta(una, 9)), (2, abierta(otra, 1)), (3, abierta(otra, 2)), (4, abierta(otra, 0))];
        assert_eq!(quien_sobra(&abiertas.into()), Some(3));
    }
}
