//! El emisor y el receptor de la biblioteca de Kafka con la que se compila.
#![allow(dead_code)] // cada prueba usa una parte

pub use elegido::*;

#[cfg(not(feature = "librdkafka"))]
mod elegido {
    use kafka::client::{Compression, KafkaClient, RequiredAcks};
    use kafka::producer::{Producer, Record};
    pub use practicas_iabd06::broker::kafka::{EmisorKafka as Emisor, ReceptorKafka as Receptor};

    /// Las compresiones que entiende al leer.
    pub const COMPRESIONES: &[&str] = &["gzip", "snappy"];

    pub fn enviar_comprimidos(broker: String, topic: &str, compresion: &str, textos: &[String]) {
        let mut cliente = KafkaClient::new(vec![broker]);
        cliente.load_metadata_all().unwrap();
        let productor = Producer::from_client(cliente)
            .with_compression(if compresion == "gzip" { Compression::GZIP } else { Compression::SNAPPY })
            .with_required_acks(RequiredAcks::All);
        let registros: Vec<_> =
            textos.iter().map(|t| Record::from_key_value(topic, "web01", t.as_str())).collect();
        productor.create().unwrap().send_all(&registros).unwrap();
    }
}

#[cfg(feature = "librdkafka")]
mod elegido {
    use practicas_iabd06::broker::Emisor as _;
    use practicas_iabd06::broker::PorEnviar;
    pub use practicas_iabd06::broker::librdkafka::{
        EmisorLibrdkafka as Emisor, ReceptorLibrdkafka as Receptor,
    };
    use practicas_iabd06::config::kafka::Propiedades;

    /// Las compresiones que entiende al leer.
    pub const COMPRESIONES: &[&str] = &["gzip", "snappy", "lz4", "zstd"];

    pub fn enviar_comprimidos(broker: String, topic: &str, compresion: &str, textos: &[String]) {
        let propiedades = Propiedades(vec![("compression.type".to_owned(), compresion.to_owned())]);
        let mensaje = |t: &String| PorEnviar { clave: "web01".to_owned(), valor: t.as_bytes().to_vec() };
        let mensajes: Vec<_> = textos.iter().map(mensaje).collect();
        Emisor::new(&[broker], &propiedades, topic, std::sync::Arc::new(|_, _| {}))
            .enviar(&mensajes)
            .unwrap();
    }
}
