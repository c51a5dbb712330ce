//! La configuración de librdkafka, y la primera conversación con el broker.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext};
use rdkafka::metadata::Metadata;

use super::errores::{Problemas, no_contesta};
use crate::broker::ErrorBroker;
use crate::broker::direcciones::probar_anunciadas;
use crate::broker::frases::{self, sin_topic};
use crate::broker::limites::{PLAZO_LIDER, PLAZO_TOPIC};
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
/// librdkafka tenga pendientes de contar. Da las particiones que no tienen líder, si las demás lo tienen.
pub fn esperar_topic<C: ClientContext>(
    cliente: &Client<C>,
    broker: &str,
    topic: &str,
    problemas: &Problemas,
    atender: impl Fn(),
) -> Result<Vec<i32>, ErrorBroker> {
    let inicio = Instant::now();
    let (mut probada, mut definitivos) = (false, 0);
    loop {
        let Ok(metadatos) = cliente.fetch_metadata(Some(topic), PASO) else {
            atender();
            sin_metadatos(problemas.tomar(broker), broker, inicio, &mut definitivos)?;
            continue;
        };
        let (lideres, sin_lider) = lideres(&metadatos, topic);
        // Las de un topic recién creado tardan un momento en tenerlo.
        if !lideres.is_empty() && (sin_lider.is_empty() || inicio.elapsed() >= PLAZO_LIDER) {
            if !probada {
                probar_anunciadas(broker, &lideres)?;
                probada = true;
            }
            if sin_error(&metadatos, topic) {
                problemas.olvidar();
                return Ok(sin_lider);
            }
        }
        if inicio.elapsed() >= PLAZO_TOPIC {
            return Err(match sin_lider[..] {
                [] => sin_topic(broker, topic),
                _ => ErrorBroker::Pasajero(frases::sin_lider(topic, &sin_lider)),
            });
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

/// Las direcciones de los brokers que llevan las particiones del topic, y las que no lleva ninguno.
pub fn lideres(metadatos: &Metadata, topic: &str) -> (Vec<String>, Vec<i32>) {
    let particiones = metadatos.topics().iter().filter(|t| t.name() == topic).flat_map(|t| t.partitions());
    let (con, sin): (Vec<_>, Vec<_>) = particiones.partition(|p| p.leader() >= 0);
    let es_lider = |id| con.iter().any(|p| p.leader() == id);
    let brokers = metadatos.brokers().iter().filter(|b| es_lider(b.id()));
    let mut sin_lider: Vec<_> = sin.iter().map(|p| p.id()).collect();
    sin_lider.sort_unstable();
    (brokers.map(|b| format!("{}:{}", b.host(), b.port())).collect(), sin_lider)
}

fn sin_error(metadatos: &Metadata, topic: &str) -> bool {
    metadatos.topics().iter().any(|t| t.name() == topic && t.error().is_none())
}
