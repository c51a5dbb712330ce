//! De la configuración a los motores. Lo que se ha configurado se usa o es un error; nunca otra cosa.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::almacen::Almacen;
use crate::avisos::{Avisos, Nivel};
use crate::broker::{Emisor, Receptor};
use crate::config::tuberia::{BaseDeDatos, Broker, PUERTO, Propiedades};
use crate::fallo::Fallo;
use crate::nombres::{FICHERO_MOTOR, TOPIC};

/// Por donde el productor manda sus mensajes.
///
/// # Errors
/// [`Fallo`] si el motor no se puede abrir.
pub fn emisor(broker: &Broker, datos: &Path, avisos: &Avisos) -> Result<Box<dyn Emisor>, Fallo> {
    match broker {
        Broker::Embebido => {
            presentar(datos, avisos);
            embebido::emisor(datos)
        }
        Broker::Kafka(brokers, propiedades) => {
            avisos(
                Nivel::Info,
                &format!("Los mensajes van a Kafka ({}), topic {TOPIC}.", brokers.join(", ")),
            );
            Ok(kafka::emisor(brokers.clone(), propiedades))
        }
    }
}

/// Por donde el consumidor recibe los suyos.
///
/// # Errors
/// [`Fallo`] si el motor no se puede abrir.
pub fn receptor(
    broker: &Broker,
    datos: &Path,
    grupo: &str,
    avisos: &Avisos,
) -> Result<Box<dyn Receptor>, Fallo> {
    match broker {
        Broker::Embebido => {
            presentar(datos, avisos);
            embebido::receptor(datos, grupo)
        }
        Broker::Kafka(brokers, propiedades) => {
            avisos(
                Nivel::Info,
                &format!("Los mensajes vienen de Kafka ({}), topic {TOPIC}.", brokers.join(", ")),
            );
            Ok(kafka::receptor(brokers.clone(), propiedades, grupo, avisos))
        }
    }
}

/// Donde el consumidor guarda los documentos.
///
/// # Errors
/// [`Fallo`] si el motor no se puede abrir o no responde.
pub fn almacen(base: &BaseDeDatos, datos: &Path, avisos: &Avisos) -> Result<Box<dyn Almacen>, Fallo> {
    match base {
        BaseDeDatos::Embebida => embebido::almacen(datos),
        BaseDeDatos::Mongo { uri, base } => {
            let mut mongo = crate::almacen::mongodb::AlmacenMongo::new(uri, base, avisos.clone())?;
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
    let local = SocketAddr::from(([127, 0, 0, 1], PUERTO));
    if TcpStream::connect_timeout(&local, Duration::from_millis(200)).is_ok() {
        avisos(
            Nivel::Info,
            &format!("En localhost:{PUERTO} responde algo: para usarlo, --broker localhost:{PUERTO}"),
        );
    }
}

/// Kafka, con la crate `kafka`, que no tiene propiedades.
#[cfg(not(feature = "librdkafka"))]
mod kafka {
    use super::{Avisos, Emisor, Propiedades, Receptor, TOPIC};
    use crate::broker::kafka::{EmisorKafka, ReceptorKafka};

    pub fn emisor(brokers: Vec<String>, _: &Propiedades) -> Box<dyn Emisor> {
        Box::new(EmisorKafka::new(brokers, TOPIC))
    }

    pub fn receptor(
        brokers: Vec<String>,
        _: &Propiedades,
        grupo: &str,
        avisos: &Avisos,
    ) -> Box<dyn Receptor> {
        Box::new(ReceptorKafka::new(brokers, TOPIC, grupo).con_avisos(avisos.clone()))
    }
}

/// Kafka, con librdkafka.
#[cfg(feature = "librdkafka")]
mod kafka {
    use super::{Avisos, Emisor, Propiedades, Receptor, TOPIC};
    use crate::broker::librdkafka::{EmisorLibrdkafka, ReceptorLibrdkafka};

    pub fn emisor(brokers: Vec<String>, propiedades: &Propiedades) -> Box<dyn Emisor> {
        Box::new(EmisorLibrdkafka::new(brokers, propiedades.clone(), TOPIC))
    }

    pub fn receptor(
        brokers: Vec<String>,
        propiedades: &Propiedades,
        grupo: &str,
        avisos: &Avisos,
    ) -> Box<dyn Receptor> {
        let receptor = ReceptorLibrdkafka::new(brokers, propiedades.clone(), TOPIC, grupo);
        Box::new(receptor.con_avisos(avisos.clone()))
    }
}

#[cfg(feature = "embebido")]
mod embebido {
    use super::{Almacen, Emisor, Fallo, Path, Receptor, TOPIC};
    use crate::almacen::embebido::AlmacenEmbebido;
    use crate::broker::embebido::{EmisorEmbebido, ReceptorEmbebido};

    pub fn emisor(datos: &Path) -> Result<Box<dyn Emisor>, Fallo> {
        Ok(Box::new(EmisorEmbebido::new(datos, TOPIC)?))
    }

    pub fn receptor(datos: &Path, grupo: &str) -> Result<Box<dyn Receptor>, Fallo> {
        Ok(Box::new(ReceptorEmbebido::new(datos, TOPIC, grupo)?))
    }

    pub fn almacen(datos: &Path) -> Result<Box<dyn Almacen>, Fallo> {
        Ok(Box::new(AlmacenEmbebido::new(datos)?))
    }
}

/// Compilado sin el motor embebido, hay que decir qué motores se usan.
#[cfg(not(feature = "embebido"))]
mod embebido {
    use super::{Almacen, Emisor, Fallo, Path, Receptor};

    fn falta<T>() -> Result<T, Fallo> {
        Err(Fallo::Uso(
            "este programa se ha compilado sin el motor embebido: di qué usar con --broker y MONGODB_URI"
                .to_owned(),
        ))
    }

    pub fn emisor(_datos: &Path) -> Result<Box<dyn Emisor>, Fallo> {
        falta()
    }

    pub fn receptor(_datos: &Path, _grupo: &str) -> Result<Box<dyn Receptor>, Fallo> {
        falta()
    }

    pub fn almacen(_datos: &Path) -> Result<Box<dyn Almacen>, Fallo> {
        falta()
    }
}
