//! El broker, visto desde los programas: un [`Emisor`] para el productor y un [`Receptor`] para el
//! consumidor. Los motores son el embebido (SQLite) y Kafka.
//!
//! Para entenderlo basta con este fichero, `embebido.rs` (un broker entero, en SQLite) y, para el de
//! verdad, `kafka/`. Lo demás es opcional: `librdkafka/` es para quien necesita Kafka 4, TLS o varios
//! consumidores (docs/06-escala.md), y los ficheros sueltos son lo que comparten los dos Kafka.
//!
//! Reintentar no es cosa de los motores: dicen qué ha fallado, y quien los usa espera y vuelve a
//! llamar. Tras un [`ErrorBroker::Pasajero`], la siguiente llamada vuelve a conectar si hace falta.

pub mod confirmador;
mod direcciones;
#[cfg(feature = "embebido")]
pub mod embebido;
pub mod envios;
mod frases;
mod historia;
pub mod kafka;
#[cfg(feature = "librdkafka")]
pub mod librdkafka;
mod lideres;
mod limites;
pub mod tope;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::insistir::Reintentable;
use crate::mensaje::Mensaje;

/// Un mensaje por enviar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PorEnviar {
    /// Decide la partición: los mensajes de una clave van siempre a la misma.
    pub clave: String,
    /// El contenido.
    pub valor: Vec<u8>,
}

impl From<&Mensaje<'_>> for PorEnviar {
    /// La clave es el servidor, y el contenido, el mensaje en JSON.
    fn from(mensaje: &Mensaje<'_>) -> Self {
        let mut json = String::with_capacity(256);
        mensaje.escribir_json(&mut json);
        PorEnviar { clave: mensaje.server_id.to_owned(), valor: json.into_bytes() }
    }
}

/// Un mensaje recibido.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registro {
    /// La partición.
    pub particion: i32,
    /// Su número dentro de la partición.
    pub offset: i64,
    /// La clave, si la tiene.
    pub clave: Option<Vec<u8>>,
    /// El contenido.
    pub valor: Vec<u8>,
}

/// Lo que ha llegado en una lectura.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recibido {
    /// Las particiones que, desde la lectura anterior, se han empezado por lo confirmado (al abrir, tras un
    /// error) o se han ido a otro del grupo: antes de contar estos mensajes, sus ventanas abiertas se olvidan.
    pub reiniciadas: Vec<i32>,
    /// Los mensajes, por orden en cada partición.
    pub registros: Vec<Registro>,
}

/// Quien manda mensajes a un topic.
pub trait Emisor: Send {
    /// Envía los mensajes, en orden. Cuando vuelve bien, los han confirmado todas las réplicas.
    ///
    /// # Errors
    /// [`ErrorBroker`]. Entonces no se sabe cuáles han llegado: reenviarlos puede repetir alguno.
    fn enviar(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker>;

    /// Mensajes que se confirmaron y después se han perdido: solo si alguien borra el fichero del motor embebido.
    fn perdidos(&self) -> u64 {
        0
    }
}

/// Quien recibe los mensajes de un topic, en nombre de un grupo.
pub trait Receptor: Send {
    /// Los siguientes mensajes; ninguno si en `espera` no llega nada.
    ///
    /// Empieza por lo último confirmado del grupo y, si no hay nada confirmado, por el principio. Tras un
    /// error sigue por donde iba; la partición en que no puede, vuelve a lo confirmado y está en
    /// [`reiniciadas`](Recibido::reiniciadas).
    ///
    /// # Errors
    /// [`ErrorBroker`]; es definitivo, con [`ErrorBroker::otra_historia`], si lo confirmado está más
    /// allá del final del topic.
    fn recibir(&mut self, espera: Duration) -> Result<Recibido, ErrorBroker>;

    /// Confirma, por partición, el offset del siguiente mensaje por leer. Si falla no obliga a releer: se
    /// puede seguir recibiendo y confirmar más tarde.
    ///
    /// # Errors
    /// [`ErrorBroker`].
    fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker>;

    /// Mensajes que hay en el topic después de los ya recibidos, entre todas las particiones.
    ///
    /// # Errors
    /// [`ErrorBroker`].
    fn atraso(&mut self) -> Result<u64, ErrorBroker>;
}

/// Lo que puede ir mal con un broker. La frase es para el usuario, sin punto final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorBroker {
    /// Se puede arreglar solo: se espera y se vuelve a llamar.
    Pasajero(String),
    /// No se va a arreglar esperando.
    Definitivo(String),
}

impl ErrorBroker {
    /// Lo confirmado o lo guardado es de otra historia de este topic: borrado y vuelto a crear, por ejemplo.
    pub fn otra_historia(detalle: &str) -> Self {
        ErrorBroker::Definitivo(format!(
            "{detalle}: este topic ya no es el mismo (se ha borrado y creado otra vez, o es otro clúster). Usa otro --group-id y otra MONGODB_DATABASE (con el motor embebido, basta otra carpeta: --datos)"
        ))
    }
}

impl Reintentable for ErrorBroker {
    fn es_pasajero(&self) -> bool {
        matches!(self, ErrorBroker::Pasajero(_))
    }
}

impl fmt::Display for ErrorBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorBroker::Pasajero(frase) | ErrorBroker::Definitivo(frase) => f.write_str(frase),
        }
    }
}

impl std::error::Error for ErrorBroker {}
