//! La causa de un error del sistema, del disco o de la red, en español: una tabla para todos.

use std::io::{self, ErrorKind};

/// Nadie acepta la conexión.
pub const NADIE_ESCUCHA: &str = "conexión rechazada, ahí no escucha nadie";
/// Se ha esperado y no ha llegado nada.
pub const MUDO: &str = "no contesta a tiempo";
/// El nombre no existe, o no hay a quién preguntarlo.
pub const SIN_DNS: &str = "no se encuentra ese nombre de servidor (DNS)";
/// La red no sabe llegar hasta él.
pub const SIN_CAMINO: &str = "no hay camino de red hasta él";
/// Se había conectado, y ya no.
pub const CORTADA: &str = "se ha cortado la conexión";

/// La causa de un error del sistema, en español si es de las habituales.
pub fn causa(error: &io::Error) -> String {
    let conocida = match error.kind() {
        ErrorKind::StorageFull => "no queda espacio en el disco",
        ErrorKind::QuotaExceeded => "has agotado tu cuota de disco",
        ErrorKind::FileTooLarge => "el fichero ha llegado a su tamaño máximo",
        ErrorKind::PermissionDenied => "no tienes permiso",
        ErrorKind::ReadOnlyFilesystem => "ese disco es de solo lectura",
        ErrorKind::NotFound => "no existe",
        ErrorKind::NotADirectory => "no es una carpeta",
        ErrorKind::AlreadyExists => "ya existe",
        ErrorKind::IsADirectory => "es una carpeta",
        ErrorKind::ConnectionRefused => NADIE_ESCUCHA,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => MUDO,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => SIN_CAMINO,
        _ if es_corte(error) => CORTADA,
        _ if es_de_dns(error) => SIN_DNS,
        _ => return error.to_string(),
    };
    conocida.to_owned()
}

/// Si la conexión se ha cortado a medias: no se sabe si el otro lado llegó a recibirlo todo.
pub fn es_corte(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// Si el error es de buscar un nombre. Para esto no hay [`ErrorKind`]: en Windows tiene códigos y en los
/// demás sistemas, un texto de la biblioteca estándar.
fn es_de_dns(error: &io::Error) -> bool {
    const DE_WINDOWS: [i32; 4] = [11001, 11002, 11003, 11004]; // WSAHOST_NOT_FOUND y siguientes
    match error.raw_os_error() {
        Some(codigo) => cfg!(windows) && DE_WINDOWS.contains(&codigo),
        None => error.to_string().contains("failed to lookup address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::ToSocketAddrs;

    #[test]
    fn un_nombre_que_no_existe_se_distingue_de_un_servidor_caido() {
        let error = "no-existe.invalid:1".to_socket_addrs().unwrap_err();
        assert_eq!(causa(&error), SIN_DNS);
        assert_eq!(causa(&ErrorKind::ConnectionRefused.into()), NADIE_ESCUCHA);
    }
}
