//! El servidor HTTP: un hilo por conexión y solo GET y HEAD. No sabe qué se contesta.
//!
//! Pedir, y llevarse la contestación, tiene un tiempo máximo en total (no desde el último byte). De los
//! sitios que hay se ocupa `aforo`.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::aforo::{Aforo, Sitio};
use super::http::{Leida, MAX_PETICION, Peticion, RespuestaHttp, entender};

/// Conexiones a la vez. Una clase entera cabe de sobra: quien pierde una conexión ociosa abre otra.
const MAX_CONEXIONES: usize = 128;
/// Lo que puede tardar en llegar una petición entera, contando la espera entre una y otra.
const LIMITE_PETICION: Duration = Duration::from_secs(10);
/// Lo que puede tardar un cliente en llevarse una contestación.
const LIMITE_CONTESTACION: Duration = Duration::from_secs(30);
/// Lo que se espera, tras la última contestación, a que el cliente cierre.
const LIMITE_CIERRE: Duration = Duration::from_secs(1);

type Responder = dyn Fn(&Peticion) -> RespuestaHttp + Send + Sync;

/// Atiende conexiones, sin volver nunca.
pub fn atender(escucha: &TcpListener, responder: Arc<Responder>) -> ! {
    atender_con(Aforo::new(MAX_CONEXIONES), escucha, responder)
}

fn atender_con(aforo: Aforo, escucha: &TcpListener, responder: Arc<Responder>) -> ! {
    let aforo = Arc::new(aforo);
    let mut hilos = HashMap::new();
    loop {
        let Ok((conexion, _)) = escucha.accept() else {
            // Sin descriptores libres, por ejemplo: se espera a que se cierre alguno.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let (conexion, responder) = (Arc::new(conexion), Arc::clone(&responder));
        let sitio = Aforo::entrar(&aforo, &conexion);
        // Quien ha dejado su sitio está acabando: se le espera, y así nunca hay más hilos que sitios.
        for hilo in aforo.salidas().iter().filter_map(|numero| hilos.remove(numero)) {
            let _: thread::Result<()> = JoinHandle::join(hilo);
        }
        let numero = sitio.numero;
        let hilo = thread::Builder::new().name("panel".to_owned()).spawn(move || {
            // Un cliente que se va no es noticia.
            let _ = conversar(&conexion, &sitio, &*responder);
        });
        // Si el sistema no da más hilos, la conexión se ha cerrado al soltarla.
        hilos.extend(hilo.ok().map(|hilo| (numero, hilo)));
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
        let ultima = sitio.avanza() || ultima;
        let hasta = Instant::now() + LIMITE_CONTESTACION;
        enviar(conexion, respuesta.cabeza(ultima).as_bytes(), hasta)?;
        enviar(conexion, if con_cuerpo { &respuesta.cuerpo } else { &[] }, hasta)?;
        sitio.avanza();
        if ultima {
            return cerrar(conexion, &mut recibido);
        }
    }
}

/// Cierra con orden: lo que quede por leer se lee, hasta un tope. Cerrar antes borraría la contestación.
fn cerrar(conexion: &TcpStream, recibido: &mut Vec<u8>) -> io::Result<()> {
    conexion.shutdown(Shutdown::Write)?;
    let hasta = Instant::now() + LIMITE_CIERRE;
    let mut leidos = 0;
    while leidos < 64 * MAX_PETICION {
        recibido.clear();
        recibir(conexion, recibido, hasta)?;
        leidos += recibido.len();
    }
    Ok(())
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

fn enviar(mut conexion: &TcpStream, mut bytes: &[u8], hasta: Instant) -> io::Result<()> {
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
    use std::borrow::Cow;

    /// Un servidor con este aforo. En `/larga` contesta más de lo que cabe en ningún sistema.
    fn servidor(aforo: usize) -> impl Fn(&str) -> TcpStream {
        let larga: &'static [u8] = vec![b'x'; 64 << 20].leak();
        let escucha = TcpListener::bind("127.0.0.1:0").unwrap();
        let lugar = escucha.local_addr().unwrap();
        let responder = move |peticion: &Peticion| {
            let cuerpo = if peticion.ruta == "/larga" { larga } else { b"corta" };
            RespuestaHttp {
                codigo: 200,
                tipo: "text/plain",
                cache: "no-store",
                cuerpo: Cow::Borrowed(cuerpo),
            }
        };
        thread::spawn(move || atender_con(Aforo::new(aforo), &escucha, Arc::new(responder)));
        move |ruta| {
            let mut conexion = TcpStream::connect(lugar).unwrap();
            conexion.set_read_timeout(Some(LIMITE_PETICION / 2)).unwrap();
            write!(conexion, "GET {ruta} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            conexion
        }
    }

    #[test]
    fn quien_no_se_lleva_la_contestacion_deja_su_sitio_a_quien_llega() {
        let pedir = servidor(4);
        let mut atascadas: Vec<_> = (0..8).map(|_| pedir("/larga")).collect();
        let mut leido = [0; 4096];
        let n = pedir("/corta").read(&mut leido).unwrap();
        assert!(leido[..n].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&leido[..n]));
        // La primera se quedó sin acabar la suya.
        let mut todo = Vec::new();
        let _ = atascadas[0].read_to_end(&mut todo);
        assert!(todo.len() < 64 << 20, "{}", todo.len());
    }
}
