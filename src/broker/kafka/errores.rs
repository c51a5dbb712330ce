//! Los errores de la crate, en frases.

use kafka::error::{Error, KafkaCode};

use crate::broker::{ErrorBroker, frases};
use crate::herramientas::causa::{self, causa};

/// El código con que ha contestado el broker, si ha contestado.
fn codigo(error: &Error) -> Option<KafkaCode> {
    match error {
        Error::Kafka(codigo) | Error::TopicPartitionError { error_code: codigo, .. } => Some(*codigo),
        Error::ArcSelf(error) => codigo(error),
        _ => None,
    }
}

/// ¿El topic está a medio crear, o cambiando de broker?
pub fn falta_topic(error: &Error) -> bool {
    use KafkaCode::{LeaderNotAvailable, NotLeaderForPartition, UnknownTopicOrPartition};
    matches!(codigo(error), Some(UnknownTopicOrPartition | LeaderNotAvailable | NotLeaderForPartition))
}

pub fn es_corte(error: &Error) -> bool {
    matches!(error, Error::Io(e) if causa::es_corte(e))
}

/// Un error de la crate, en una frase.
pub fn traducir(error: &Error, broker: &str) -> ErrorBroker {
    use ErrorBroker::{Definitivo, Pasajero};
    if let Some(codigo) = codigo(error) {
        return traducir_codigo(codigo, broker);
    }
    match error {
        Error::Io(error) => Pasajero(format!("Kafka, en {broker}: {}", causa(error))),
        Error::NoHostReachable => Pasajero(format!(
            "{broker} acepta la conexión pero no contesta como un Kafka: mira si ese es su puerto o si todavía arranca"
        )),
        Error::UnsupportedCompression => Definitivo(
            "hay mensajes comprimidos con lz4 o zstd, que la crate kafka no entiende: que se envíen con gzip o snappy"
                .to_owned(),
        ),
        Error::ArcSelf(error) => traducir(error, broker),
        _ => Pasajero(format!("Kafka, en {broker}, ha contestado algo que no se entiende ({error})")),
    }
}

fn traducir_codigo(codigo: KafkaCode, broker: &str) -> ErrorBroker {
    use KafkaCode as C;
    match codigo {
        C::MessageSizeTooLarge | C::RecordListTooLarge => frases::mensaje_grande(broker),
        C::InvalidTopic => frases::topic_invalido(broker),
        C::InvalidGroupId => frases::grupo_invalido(broker),
        C::TopicAuthorizationFailed | C::GroupAuthorizationFailed | C::ClusterAuthorizationFailed => {
            frases::sin_permiso(broker, format_args!("{codigo:?}"))
        }
        C::GroupCoordinatorNotAvailable => frases::sin_coordinador(broker),
        C::OffsetOutOfRange => {
            ErrorBroker::Pasajero(format!("los mensajes que tocaba leer ya no están en {broker}"))
        }
        C::Unknown => ErrorBroker::Pasajero(format!(
            "{broker} da un error que la crate kafka no conoce: quizá hay mensajes comprimidos con zstd"
        )),
        _ => frases::no_puede(broker, format_args!("{codigo:?}")),
    }
}
