//! La configuración de librdkafka, y la primera conversación con el broker.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext};
use rdkafka::metadata::Metadata;

use super::errores::{Problemas, no_contesta};
use crate::broker::ErrorBroker;
use crate::broker::direcciones::probar_anunciadas;
use crate::broker::frases::sin_topic;
use crate::broker::limites::PLAZO_TOPIC;
use crate::config::kafka::Propiedades;

/// Lo que se espera a que el broker dé sus metadatos.
const PLAZO_SALUDO: Duration = Duration::from_secs(5);

/// Lo que se espera una contestación antes de mirar si algo va mal.
const PASO: Duration = Duration::from_millis(250);

/// Lo que pide el usuario, entre lo que se puede cambiar (`iniciales`) y lo que no (`fijas`).
pub fn configuracion(
    brokers: &[String],
    iniciales: &[(&str, &str)],
    propiedades: &Propiedades,
    fijas: &[(&str, &str)],
) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", env!("CARGO_PKG_NAME"));
    config.set("reconnect.backoff.max.ms", "1000"); // lo de siempre, 10 s, retrasa la vuelta
    for (clave, valor) in iniciales {
        config.set(*clave, *valor);
    }
    for (clave, valor) in &propiedades.0 {
        config.set(clave, valor);
    }
    config.set("bootstrap.servers", brokers.join(","));
    for (clave, valor) in fijas {
        config.set(*clave, *valor);
    }
    config
}

/// Espera a que el topic esté listo; pedir sus metadatos lo crea. `atender` recoge los errores que
/// librdkafka tenga pendientes de contar.
pub fn esperar_topic<C: ClientContext>(
    cliente: &Client<C>,
    broker: &str,
    topic: &str,
    problemas: &Problemas,
    atender: impl Fn(),
) -> Result<(), ErrorBroker> {
    let inicio = Instant::now();
    let (mut probada, mut definitivos) = (false, 0);
    loop {
        let Ok(metadatos) = cliente.fetch_metadata(Some(topic), PASO) else {
            atender();
            sin_metadatos(problemas.tomar(broker), broker, inicio, &mut definitivos)?;
            continue;
        };
        if let Some(lideres) = lideres(&metadatos, topic) {
            if !probada {
                probar_anunciadas(broker, &lideres)?;
                probada = true;
            }
            if listo(&metadatos, topic) {
                problemas.olvidar();
                return Ok(());
            }
        }
        if inicio.elapsed() >= PLAZO_TOPIC {
            return Err(sin_topic(broker, topic));
        }
        thread::sleep(PASO);
    }
}

/// No ha llegado nada: si se puede esperar más o si ya se sabe qué pasa. Un broker que se está parando
/// también corta la conexión, pero no dos veces seguidas: `definitivos` las cuenta.
fn sin_metadatos(
    problema: Option<ErrorBroker>,
    broker: &str,
    inicio: Instant,
    definitivos: &mut u32,
) -> Result<(), ErrorBroker> {
    *definitivos += u32::from(matches!(problema, Some(ErrorBroker::Definitivo(_))));
    match problema {
        Some(definitivo @ ErrorBroker::Definitivo(_)) if *definitivos == 2 => Err(definitivo),
        _ if inicio.elapsed() >= PLAZO_SALUDO => Err(problema.unwrap_or_else(|| no_contesta(broker))),
        _ => Ok(()),
    }
}

/// Las direcciones de los brokers que llevan las particiones del topic, si las tiene.
fn lideres(metadatos: &Metadata, topic: &str) -> Option<Vec<String>> {
    let topic = metadatos.topics().iter().find(|t| t.name() == topic)?;
    let mut lideres: Vec<_> = topic.partitions().iter().map(|p| p.leader()).collect();
    lideres.sort_unstable();
    lideres.dedup();
    let brokers = metadatos.brokers().iter().filter(|b| lideres.contains(&b.id()));
    let direcciones: Vec<_> = brokers.map(|b| format!("{}:{}", b.host(), b.port())).collect();
    (!direcciones.is_empty()).then_some(direcciones)
}

fn listo(metadatos: &Metadata, topic: &str) -> bool {
    let topic = metadatos.topics().iter().find(|t| t.name() == topic);
    topic.is_some_and(|t| t.error().is_none() && t.partitions().iter().all(|p| p.leader() >= 0))
}
