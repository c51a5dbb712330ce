//! Los errores de la crate, en frases.

use kafka::error::{Error, KafkaCode};

use crate::broker::{ErrorBroker, frases};
use crate::herramientas::causa::{self, causa};

/// El código con que ha contestado el broker, si ha contestado.
pub fn codigo(error: &Error) -> Option<KafkaCode> {
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
        Error::UnsupportedCompression => {
            Definitivo(format!("hay mensajes comprimidos con lz4, {NO_ENTIENDE}"))
        }
        Error::ArcSelf(error) => traducir(error, broker),
        _ => Pasajero(format!("Kafka, en {broker}, ha contestado algo que no se entiende ({error})")),
    }
}

/// Un código de los que la crate no tiene nombre: <https://kafka.apache.org/protocol.html#protocol_error_codes>.
pub fn sin_nombre(codigo: i16, broker: &str) -> ErrorBroker {
    const COMPRESION: i16 = 76; // UNSUPPORTED_COMPRESSION_TYPE
    match codigo {
        COMPRESION => ErrorBroker::Definitivo(format!("hay mensajes comprimidos con zstd, {NO_ENTIENDE}")),
        _ => frases::no_puede(broker, format_args!("error {codigo} de Kafka")),
    }
}

const NO_ENTIENDE: &str =
    "que la crate kafka no entiende: que se envíen con gzip o snappy, o compila con --features librdkafka";

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
        C::UnsupportedVersion => ErrorBroker::Definitivo(format!(
            "{broker} no pasa los mensajes al formato antiguo, el único que entiende la crate kafka \
             (message.downconversion.enable=false): cámbialo, o compila con --features librdkafka"
        )),
        C::UnknownMemberId | C::IllegalGeneration | C::RebalanceInProgress => {
            ErrorBroker::Pasajero(frases::GRUPO_OCUPADO.to_owned())
        }
        _ => frases::no_puede(broker, format_args!("{codigo:?}")),
    }
}
