//! Las frases de lo que contesta un Kafka, las mismas con cualquier biblioteca.

use std::fmt::Display;

use crate::herramientas::texto::enumerar;

use super::ErrorBroker::{self, Definitivo, Pasajero};

/// El topic no ha llegado a estar listo.
pub fn sin_topic(broker: &str, topic: &str) -> ErrorBroker {
    Pasajero(format!(
        "{broker} no tiene listo el topic «{topic}»: si no se crea solo, créalo con kafka-topics.sh --create"
    ))
}

/// A estas particiones no las lleva ahora ningún broker. Sin punto final.
pub fn sin_lider(topic: &str, ids: &[i32]) -> String {
    let lista = enumerar(&ids.iter().map(i32::to_string).collect::<Vec<_>>());
    let (cuales, tienen) = match ids {
        [_] => (format!("la partición {lista}"), "no tiene"),
        _ => (format!("las particiones {lista}"), "no tienen"),
    };
    format!("{cuales} del topic «{topic}» {tienen} ahora líder: falta en marcha el broker que la lleva")
}

pub fn mensaje_grande(broker: &str) -> ErrorBroker {
    Definitivo(format!(
        "{broker} no admite mensajes tan grandes: sube message.max.bytes o envíalos más pequeños"
    ))
}

pub fn topic_invalido(broker: &str) -> ErrorBroker {
    Definitivo(format!("{broker} no admite ese nombre de topic"))
}

pub fn grupo_invalido(broker: &str) -> ErrorBroker {
    Definitivo(format!("{broker} no admite ese grupo: revisa --group-id"))
}

/// En el grupo hay otro programa, que no es uno de los nuestros.
pub const GRUPO_OCUPADO: &str = "otro programa está usando este mismo grupo (¿un consumidor de Python abierto?): ciérralo o usa otro --group-id";

pub fn sin_permiso(broker: &str, codigo: impl Display) -> ErrorBroker {
    Definitivo(format!("{broker} no te da permiso para usar ese topic o ese grupo ({codigo})"))
}

pub fn sin_coordinador(broker: &str) -> ErrorBroker {
    Pasajero(format!(
        "{broker} no tiene dónde guardar lo confirmado: con un solo broker hace falta KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1"
    ))
}

/// Los demás códigos.
pub fn no_puede(broker: &str, codigo: impl Display) -> ErrorBroker {
    Pasajero(format!("{broker} no puede atender ahora a este topic ({codigo})"))
}
