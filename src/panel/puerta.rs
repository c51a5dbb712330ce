//! La puerta de la página: en qué dirección y puerto se escucha, y cómo se llega.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::avisos::{Avisos, Nivel};
use crate::config::panel::PUERTOS;
use crate::fallo::{Fallo, Frase};
use crate::herramientas::causa::causa;

/// Escucha en esa dirección: en ese puerto justo o, si no se dice, en el primero libre.
///
/// # Errors
/// [`Fallo`], con lo que se puede hacer.
pub fn escuchar(direccion: &str, puerto: Option<u16>) -> Result<TcpListener, Fallo> {
    let primero = puerto.unwrap_or(*PUERTOS.start());
    let lugar = (direccion, primero).to_socket_addrs().ok().and_then(|mut lugares| lugares.next());
    let Some(lugar) = lugar else {
        return Err(Fallo::Uso(format!(
            "--escuchar «{direccion}» no es una dirección de este ordenador: 127.0.0.1, o 0.0.0.0 para que entren otros"
        )));
    };
    let ultimo = puerto.unwrap_or(*PUERTOS.end());
    for puerto in primero..=ultimo {
        match TcpListener::bind(SocketAddr::new(lugar.ip(), puerto)) {
            Ok(escucha) => return Ok(escucha),
            Err(error) if error.kind() == ErrorKind::AddrInUse && puerto < ultimo => {}
            Err(error) => return Err(explicar(&error, direccion, primero, ultimo)),
        }
    }
    Err(Fallo::Ejecucion("no hay ningún puerto que probar".to_owned()))
}

fn explicar(error: &io::Error, direccion: &str, primero: u16, ultimo: u16) -> Fallo {
    Fallo::Ejecucion(match error.kind() {
        ErrorKind::AddrInUse if primero == ultimo => {
            format!("el puerto {primero} lo usa otro programa: elige otro con --puerto, o no digas ninguno")
        }
        ErrorKind::AddrInUse => {
            format!("los puertos del {primero} al {ultimo} están ocupados: elige uno con --puerto")
        }
        ErrorKind::AddrNotAvailable => {
            format!("--escuchar {direccion} no es una dirección de este ordenador")
        }
        _ => format!("no se puede escuchar en {direccion}, puerto {primero} ({})", causa(error)),
    })
}

/// La dirección de la página, vista desde este ordenador.
///
/// # Errors
/// Una frase, si el sistema no dice en qué puerto se escucha.
pub fn url(escucha: &TcpListener) -> Result<String, Frase> {
    let mut lugar = lugar(escucha)?;
    if lugar.ip().is_unspecified() {
        lugar.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Ok(format!("http://{lugar}"))
}

/// Lo que hay que saber si la página se ve desde fuera de este ordenador.
///
/// # Errors
/// La de [`url`].
pub fn aviso(escucha: &TcpListener) -> Result<Option<String>, Frase> {
    let mut lugar = lugar(escucha)?;
    if lugar.ip().is_loopback() {
        return Ok(None);
    }
    if lugar.ip().is_unspecified()
        && let Some(ip) = ip_de_la_red()
    {
        lugar.set_ip(ip);
    }
    Ok(Some(format!("cualquiera que llegue a este ordenador por la red puede ver la página: http://{lugar}")))
}

fn lugar(escucha: &TcpListener) -> Result<SocketAddr, Frase> {
    escucha
        .local_addr()
        .map_err(|e| Frase(format!("el sistema no dice en qué puerto se escucha ({})", causa(&e))))
}

/// La IP con la que este ordenador sale a la red. No se envía nada: un socket UDP solo elige camino.
fn ip_de_la_red() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?; // una dirección de ejemplo (RFC 5737)
    socket.local_addr().ok().map(|lugar| lugar.ip())
}

/// Lo que tarda, de sobra, en saberse si no hay navegador. El de verdad puede quedarse abierto horas.
const ABIERTO: Duration = Duration::from_secs(5);

/// Abre la página en el navegador, sin esperarlo. Si no se puede, lo cuenta por `avisos`.
pub fn abrir_navegador(url: &str, avisos: Avisos) {
    let a_mano = format!("abre tú {url}");
    let avisar = move |frase: &str| avisos(Nivel::Aviso, frase);
    let hijo = match orden_de_abrir(url).spawn() {
        Ok(hijo) => hijo,
        Err(error) => {
            return avisar(&format!("no se puede abrir el navegador ({}): {a_mano}", causa(&error)));
        }
    };
    let esperar = move || {
        let (mut hijo, inicio) = (hijo, Instant::now());
        match hijo.wait() {
            // Por ejemplo, xdg-open en un ordenador sin escritorio.
            Ok(estado) if !estado.success() && inicio.elapsed() < ABIERTO => {
                let codigo = estado.code().map_or_else(String::new, |codigo| format!(" (código {codigo})"));
                avisar(&format!("este ordenador no sabe abrir un navegador{codigo}: {a_mano}"));
            }
            _ => {}
        }
    };
    // Sin hilos no se sabe cómo acaba, y la página está abierta igual.
    let _ = thread::Builder::new().name("navegador".to_owned()).spawn(esperar);
}

fn orden_de_abrir(url: &str) -> Command {
    let mut orden = if cfg!(target_os = "windows") {
        let mut orden = Command::new("cmd");
        orden.args(["/C", "start", "", url]);
        orden
    } else {
        let mut orden = Command::new(if cfg!(target_os = "macos") { "open" } else { "xdg-open" });
        orden.arg(url);
        orden
    };
    orden.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    orden
}
