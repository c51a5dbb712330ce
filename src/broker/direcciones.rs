//! Las direcciones de un Kafka, antes de hablar con él: si responde alguien y, si no, por qué.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::ErrorBroker;
use crate::herramientas::causa::causa;

/// Lo que se espera a que alguien acepte la conexión, entre todas las direcciones de una lista.
const PLAZO_CONEXION: Duration = Duration::from_secs(3);

/// El primer broker de la lista que acepta una conexión.
pub fn primero_que_responde(brokers: &[String]) -> Result<(String, SocketAddr), ErrorBroker> {
    let limite = PLAZO_CONEXION / u32::try_from(brokers.len()).unwrap_or(u32::MAX).max(1);
    let mut causas = Vec::new();
    for broker in brokers {
        match probar(broker, limite) {
            Ok(direccion) => return Ok((broker.clone(), direccion)),
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return Err(ErrorBroker::Definitivo(format!(
                    "«{broker}» no es la dirección de un broker: se escribe equipo:puerto, como localhost:29092"
                )));
            }
            Err(error) => causas.push(format!("{broker} ({})", causa(&error))),
        }
    }
    Err(ErrorBroker::Pasajero(format!(
        "no responde ningún Kafka en {}: mira si está en marcha (docker compose ps) y si la dirección es esa",
        causas.join(" ni en ")
    )))
}

/// Prueba las direcciones a las que el broker manda a sus clientes.
pub fn probar_anunciadas(broker: &str, anunciadas: &[String]) -> Result<(), ErrorBroker> {
    let limite = PLAZO_CONEXION / u32::try_from(anunciadas.len()).unwrap_or(u32::MAX).max(1);
    for anunciada in anunciadas {
        if let Err(error) = probar(anunciada, limite) {
            return Err(ErrorBroker::Pasajero(format!(
                "Kafka contesta en {broker}, pero manda seguir en {anunciada} y ahí no hay respuesta ({}): \
                 pon en KAFKA_ADVERTISED_LISTENERS (o en IP_LOCAL) una dirección a la que llegue este ordenador",
                causa(&error)
            )));
        }
    }
    Ok(())
}

/// Comprueba que alguien acepta conexiones: la crate puede quedarse minutos intentándolo.
fn probar(direccion: &str, limite: Duration) -> io::Result<SocketAddr> {
    let mut ultimo = io::Error::from(ErrorKind::NotFound);
    let direcciones: Vec<_> = direccion.to_socket_addrs()?.collect();
    let limite = limite / u32::try_from(direcciones.len()).unwrap_or(u32::MAX).max(1);
    for direccion in direcciones {
        match TcpStream::connect_timeout(&direccion, limite) {
            Ok(_) => return Ok(direccion),
            Err(error) => ultimo = error,
        }
    }
    Err(ultimo)
}
