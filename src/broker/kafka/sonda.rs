//! Qué hay de verdad en un offset: una petición Fetch v0 hecha a mano, de la que solo se lee el principio.
//!
//! Cuando una lectura no trae nada de donde debería haber algo, la crate no deja saber por qué: puede que el
//! mensaje no quepa en los bytes pedidos o que en ese offset no haya ninguno (el final de una transacción, lo que
//! se llevó la compactación). Pidiendo sin límite cabe todo, y con la cabecera del primer mensaje basta.
//!
//! El formato: <https://kafka.apache.org/protocol.html#The_Messages_Fetch> y, el de los mensajes,
//! <https://kafka.apache.org/documentation/#messageset>.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Lo que se espera la conexión y cada contestación.
const PLAZO: Duration = Duration::from_secs(5);

/// Lo que ocupa la cabecera de un mensaje: offset, tamaño, suma, versión y atributos.
const CABECERA: i32 = 8 + 4 + 4 + 1 + 1;

/// Lo que contesta el broker cuando se le pide un offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Respuesta {
    /// Desde ahí no hay nada que la crate pueda leer.
    Nada,
    /// El primer mensaje está en este offset. Si es una tanda comprimida, es el del último que lleva dentro.
    Primero { offset: i64, comprimido: bool },
    /// No lo da, con este código.
    Codigo(i16),
}

/// Pregunta al broker de una partición qué hay desde `offset`.
pub fn preguntar(direccion: &str, topic: &str, particion: i32, offset: i64) -> io::Result<Respuesta> {
    let direccion = direccion.to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    let mut conexion = TcpStream::connect_timeout(&direccion, PLAZO)?;
    conexion.set_read_timeout(Some(PLAZO))?;
    conexion.set_write_timeout(Some(PLAZO))?;
    conexion.write_all(&peticion(topic, particion, offset))?;
    leer(&mut BufReader::new(conexion), topic)
}

fn peticion(topic: &str, particion: i32, offset: i64) -> Vec<u8> {
    let texto = |t: &str| [&(t.len() as i16).to_be_bytes(), t.as_bytes()].concat();
    let cuerpo = [
        &[0, 1, 0, 0][..],    // Fetch, versión 0
        &0_i32.to_be_bytes(), // el número de esta petición
        &texto(env!("CARGO_PKG_NAME")),
        &(-1_i32).to_be_bytes(), // no es una réplica
        &0_i32.to_be_bytes(),    // sin esperar a que llegue nada
        &0_i32.to_be_bytes(),    // aunque no haya nada
        &1_i32.to_be_bytes(),    // un topic
        &texto(topic),
        &1_i32.to_be_bytes(), // una partición
        &particion.to_be_bytes(),
        &offset.to_be_bytes(),
        &i32::MAX.to_be_bytes(), // sin límite
    ]
    .concat();
    [&(cuerpo.len() as i32).to_be_bytes()[..], &cuerpo].concat()
}

fn leer(conexion: &mut impl Read, topic: &str) -> io::Result<Respuesta> {
    // Hasta el código: tamaños, números y nombres que ya se saben.
    trozo::<{ 4 + 4 + 4 + 2 }>(conexion)?;
    conexion.read_exact(&mut vec![0; topic.len()])?;
    trozo::<{ 4 + 4 }>(conexion)?;
    let codigo = i16::from_be_bytes(trozo(conexion)?);
    if codigo != 0 {
        return Ok(Respuesta::Codigo(codigo));
    }
    let _fin = i64::from_be_bytes(trozo(conexion)?);
    if i32::from_be_bytes(trozo(conexion)?) < CABECERA {
        return Ok(Respuesta::Nada);
    }
    let offset = i64::from_be_bytes(trozo(conexion)?);
    let [.., atributos] = trozo::<{ 4 + 4 + 1 + 1 }>(conexion)?;
    // Con -1, el broker rellena lo que no ha podido convertir.
    match offset {
        ..0 => Ok(Respuesta::Nada),
        _ => Ok(Respuesta::Primero { offset, comprimido: atributos & 7 != 0 }),
    }
}

/// Los `N` bytes siguientes.
fn trozo<const N: usize>(conexion: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    conexion.read_exact(&mut bytes)?;
    Ok(bytes)
}
