//! El servidor HTTP: un hilo por conexión y solo GET y HEAD. No sabe qué se contesta.
//!
//! Un cliente lento, o uno que abre conexiones sin parar, no deja a los demás sin página: pedir, y recibir
//! la contestación, tiene un tiempo máximo en total (no desde el último byte), y cuando se llega al tope
//! de conexiones se cierra la que lleva más tiempo sin acabar una petición, empezando por la máquina que
//! más tenga abiertas.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Conexiones a la vez. Una clase entera cabe de sobra: quien pierde una conexión ociosa abre otra.
const MAX_CONEXIONES: usize = 128;
/// Lo que puede tardar en llegar una petición entera, contando la espera entre una y otra.
const LIMITE_PETICION: Duration = Duration::from_secs(10);
/// Lo que puede tardar un cliente en llevarse una contestación.
const LIMITE_CONTESTACION: Duration = Duration::from_secs(30);
/// Bytes y cabeceras de una petición.
const MAX_PETICION: usize = 8 << 10;
const MAX_CABECERAS: usize = 64;

/// Van en todas las contestaciones.
const CABECERAS: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n";

/// Lo que se pide. Siempre es un GET (o un HEAD, que es lo mismo sin cuerpo).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peticion {
    /// La cabecera Host.
    pub host: String,
    /// La ruta, como viene.
    pub ruta: String,
    /// Lo que va tras el `?`.
    pub consulta: String,
}

/// Lo que se contesta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respuesta {
    /// Código de estado.
    pub codigo: u16,
    /// Tipo de contenido.
    pub tipo: &'static str,
    /// `Cache-Control`.
    pub cache: &'static str,
    /// El contenido.
    pub cuerpo: Cow<'static, [u8]>,
}

impl Respuesta {
    /// Una frase sola.
    pub fn frase(codigo: u16, frase: &str) -> Self {
        Respuesta {
            codigo,
            tipo: "text/plain; charset=utf-8",
            cache: "no-store",
            cuerpo: Cow::Owned(format!("{frase}\n").into_bytes()),
        }
    }

    fn escribir(&self, con_cuerpo: bool, ultima: bool) -> Vec<u8> {
        let motivo = match self.codigo {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            421 => "Misdirected Request",
            431 => "Request Header Fields Too Large",
            _ => "",
        };
        let mut cabeza = String::with_capacity(1024);
        // Escribir en un String no falla.
        let _ = write!(
            cabeza,
            "HTTP/1.1 {} {motivo}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: {}\r\n{CABECERAS}",
            self.codigo,
            self.tipo,
            self.cuerpo.len(),
            self.cache
        );
        if self.codigo == 405 {
            cabeza.push_str("Allow: GET, HEAD\r\n");
        }
        if ultima {
            cabeza.push_str("Connection: close\r\n");
        }
        cabeza.push_str("\r\n");
        let mut bytes = cabeza.into_bytes();
        if con_cuerpo {
            bytes.extend_from_slice(&self.cuerpo);
        }
        bytes
    }
}

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
        self.conexiones.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Lo que se ha entendido de lo recibido.
enum Leida {
    Incompleta,
    Mala(Respuesta),
    Buena { peticion: Peticion, bytes: usize, con_cuerpo: bool, ultima: bool },
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

fn entender(recibido: &[u8]) -> Leida {
    let mala = |codigo, frase: &str| Leida::Mala(Respuesta::frase(codigo, frase));
    let mut cabeceras = [httparse::EMPTY_HEADER; MAX_CABECERAS];
    let mut leida = httparse::Request::new(&mut cabeceras);
    let bytes = match leida.parse(recibido) {
        Ok(httparse::Status::Complete(bytes)) if bytes <= MAX_PETICION => bytes,
        Ok(httparse::Status::Partial) if recibido.len() <= MAX_PETICION => return Leida::Incompleta,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return mala(431, "La petición es demasiado larga."),
        Err(_) => return mala(400, "Eso no es una petición HTTP."),
    };
    let (metodo, destino) = (leida.method.unwrap_or_default(), leida.path.unwrap_or_default());
    if metodo != "GET" && metodo != "HEAD" {
        return mala(405, "Aquí solo se mira: GET o HEAD.");
    }
    let valores = |nombre: &'static str| {
        leida.headers.iter().filter(move |c| c.name.eq_ignore_ascii_case(nombre)).map(|c| c.value)
    };
    // Un cuerpo no hace falta, y leerlo mal sería confundirlo con la petición siguiente.
    if valores("transfer-encoding").next().is_some() || valores("content-length").any(|v| v != b"0") {
        return mala(400, "Una petición GET no lleva cuerpo.");
    }
    let mut hosts = valores("host");
    let (Some(Ok(host)), None) = (hosts.next().map(std::str::from_utf8), hosts.next()) else {
        return mala(400, "La petición ha de llevar una cabecera Host, y solo una.");
    };
    if !destino.starts_with('/') {
        return mala(400, "La dirección ha de empezar por una barra.");
    }
    let (ruta, consulta) = destino.split_once('?').unwrap_or((destino, ""));
    let cierra = |valor: &[u8]| valor.eq_ignore_ascii_case(b"close");
    Leida::Buena {
        peticion: Peticion { host: host.to_owned(), ruta: ruta.to_owned(), consulta: consulta.to_owned() },
        bytes,
        con_cuerpo: metodo == "GET",
        ultima: leida.version != Some(1) || valores("connection").any(cierra),
    }
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

    #[test]
    fn una_peticion_a_trozos_se_entiende_cuando_esta_entera() {
        let entera = b"GET /a?b=c HTTP/1.1\r\nhost: localhost\r\n\r\nGET /";
        for n in 0..entera.len() - 5 {
            assert!(matches!(entender(&entera[..n]), Leida::Incompleta), "{n}");
        }
        let Leida::Buena { peticion, bytes, con_cuerpo: true, ultima: false } = entender(entera) else {
            panic!("no se entiende")
        };
        assert_eq!(bytes, entera.len() - 5);
        assert_eq!((&*peticion.host, &*peticion.ruta, &*peticion.consulta), ("localhost", "/a", "b=c"));
    }

    #[test]
    fn cada_peticion_mala_tiene_su_codigo() {
        let larga = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(MAX_PETICION));
        let muchas = format!("GET / HTTP/1.1\r\n{}\r\n", "x: 1\r\n".repeat(MAX_CABECERAS + 1));
        let casos: [(&str, u16); 10] = [
            ("POST / HTTP/1.1\r\nhost: localhost\r\n\r\n", 405),
            ("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", 405),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n", 400),
            ("GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n", 400),
            ("\x16\x03\x01\x02\x00\x01", 400), // TLS: han escrito https
            (&larga, 431),
            (&muchas, 431),
        ];
        for (texto, codigo) in casos {
            match entender(texto.as_bytes()) {
                Leida::Mala(respuesta) => assert_eq!(respuesta.codigo, codigo, "{texto}"),
                _ => panic!("se acepta: {texto}"),
            }
        }
    }
}
