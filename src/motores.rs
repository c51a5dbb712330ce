//! De la configuración a los motores. Lo que se ha configurado se usa o es un error; nunca otra cosa.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::almacen::Almacen;
#[cfg(feature = "embebido")]
use crate::almacen::embebido::AlmacenEmbebido;
use crate::almacen::mongodb::AlmacenMongo;
use crate::avisos::{Avisos, Nivel};
use crate::broker::confirmador::Confirmador;
#[cfg(feature = "embebido")]
use crate::broker::embebido::{EmisorEmbebido, ReceptorEmbebido};
#[cfg(not(feature = "librdkafka"))]
use crate::broker::kafka::{EmisorKafka, ReceptorKafka};
#[cfg(feature = "librdkafka")]
use crate::broker::librdkafka::{EmisorLibrdkafka as EmisorKafka, ReceptorLibrdkafka as ReceptorKafka};
use crate::broker::{Emisor, Receptor};
use crate::config::kafka::{Broker, PUERTO};
use crate::config::mongodb::BaseDeDatos;
use crate::fallo::Fallo;
use crate::nombres::{FICHERO_MOTOR, TOPIC};

/// Abre algo del motor embebido o, en un programa compilado sin él, dice que no lo tiene.
#[cfg(feature = "embebido")]
macro_rules! embebido {
    ($tipo:ty, $motor:expr) => {
        Ok::<Box<$tipo>, Fallo>(Box::new($motor?))
    };
}
#[cfg(not(feature = "embebido"))]
macro_rules! embebido {
    ($tipo:ty, $motor:expr) => {
        Err::<Box<$tipo>, Fallo>(Fallo::Uso(
            "este programa se ha compilado sin el motor embebido: di qué usar con --broker y MONGODB_URI"
                .to_owned(),
        ))
    };
}

/// Por donde el productor manda sus mensajes.
///
/// # Errors
/// [`Fallo`] si el motor no se puede abrir.
pub fn emisor(broker: &Broker, datos: &Path, avisos: &Avisos) -> Result<Box<dyn Emisor>, Fallo> {
    match broker {
        Broker::Embebido => {
            let emisor = embebido!(dyn Emisor, EmisorEmbebido::new(datos, TOPIC, avisos))?;
            presentar(datos, avisos);
            Ok(emisor)
        }
        Broker::Kafka(brokers, propiedades) => {
            avisos(
                Nivel::Info,
                &format!("Los mensajes van a Kafka ({}), topic {TOPIC}.", brokers.join(", ")),
            );
            Ok(Box::new(EmisorKafka::new(brokers, propiedades, TOPIC, avisos.clone())))
        }
    }
}

/// Por donde el consumidor recibe los suyos, y los confirma sin olvidar ninguno.
///
/// # Errors
/// [`Fallo`] si el motor no se puede abrir.
pub fn receptor(
    broker: &Broker,
    datos: &Path,
    grupo: &str,
    avisos: &Avisos,
) -> Result<Box<dyn Receptor>, Fallo> {
    let receptor: Box<dyn Receptor> = match broker {
        Broker::Embebido => {
            let receptor = embebido!(dyn Receptor, ReceptorEmbebido::new(datos, TOPIC, grupo, avisos))?;
            presentar(datos, avisos);
            receptor
        }
        Broker::Kafka(brokers, propiedades) => {
            avisos(
                Nivel::Info,
                &format!("Los mensajes vienen de Kafka ({}), topic {TOPIC}.", brokers.join(", ")),
            );
            Box::new(ReceptorKafka::new(brokers, propiedades, TOPIC, grupo, avisos.clone()))
        }
    };
    Ok(Box::new(Confirmador::new(receptor, avisos)))
}

/// Donde el consumidor guarda los documentos.
///
/// # Errors
/// [`Fallo`] si el motor no se puede abrir o no responde.
pub fn almacen(base: &BaseDeDatos, datos: &Path, avisos: &Avisos) -> Result<Box<dyn Almacen>, Fallo> {
    match base {
        BaseDeDatos::Embebida => {
            let almacen = embebido!(dyn Almacen, AlmacenEmbebido::new(datos, avisos))?;
            let ruta = datos.join(FICHERO_MOTOR);
            avisos(Nivel::Info, &format!("Los documentos van al motor embebido: {}.", ruta.display()));
            Ok(almacen)
        }
        BaseDeDatos::Mongo { uri, base } => {
            let mut mongo = AlmacenMongo::new(uri, base, avisos.clone())?;
            mongo.comprobar()?;
            avisos(Nivel::Info, &format!("Los documentos van a MongoDB, base de datos {base}."));
            Ok(Box::new(mongo))
        }
    }
}

/// Dice que se usa el motor embebido, dónde está y, si hay un Kafka a mano, cómo usarlo.
fn presentar(datos: &Path, avisos: &Avisos) {
    let ruta = datos.join(FICHERO_MOTOR);
    let ruta = ruta.display();
    avisos(Nivel::Info, &format!("Motor embebido en {ruta}; se mira con: sqlite3 {ruta} .tables"));
    if let Some(frase) = a_mano(PUERTO) {
        avisos(Nivel::Info, &frase);
    }
}

/// Si en este puerto de este ordenador responde algo, cómo usarlo.
pub fn a_mano(puerto: u16) -> Option<String> {
    let local = SocketAddr::from(([127, 0, 0, 1], puerto));
    TcpStream::connect_timeout(&local, Duration::from_millis(200)).ok()?;
    Some(format!("En localhost:{puerto} responde algo: para usarlo, --broker localhost:{puerto}"))
}
