//! La vista Servidor: CPU, RAM y disco de un host, como los mide el agente.

use serde_json::{Value, json};

use super::{Aviso, Comun, con, cuanto, hace, poner_serie};
use crate::nombres::CAMPOS;
use crate::panel::puntos::Visto;
use crate::panel::rango::Rango;
use crate::panel::sabido::DePuntos;

/// Hosts que se ofrecen para elegir.
const MAX_HOSTS: usize = 500;

const AGENTE: &str = "cargo run --bin agente_monitoreo";

/// La vista Servidor: CPU, RAM y disco de un host.
pub fn servidor(datos: &DePuntos, comun: &Comun, host: Option<&str>, rango: Rango) -> Value {
    let host = host.or(datos.por_defecto().map(String::as_str));
    let clave = host.map(|h| (h.to_owned(), rango));
    let seguida = clave.and_then(|clave| datos.series.get(&clave));
    let desde = comun.ahora - rango.duracion;
    let sin_puntos = seguida.is_none_or(|s| s.serie.entre(desde, comun.ahora).next().is_none());
    let falta = que_decir(datos, comun, host, rango, sin_puntos);
    let mut vista = comun.empezar(sin_puntos, falta);
    vista.insert("host".to_owned(), json!(host));
    vista.insert("hosts".to_owned(), datos.hosts.keys().take(MAX_HOSTS).map(|h| json!(h)).collect());
    vista.insert("hosts_total".to_owned(), json!(datos.hosts.len()));
    poner_serie(&mut vista, seguida.map(|s| &s.serie), CAMPOS, rango, comun.ahora);
    let ultimo = seguida.and_then(|s| s.ultimo).map(|punto| {
        let valores = CAMPOS.iter().zip(punto.valores).map(|(c, v)| ((*c).to_owned(), json!(v)));
        Value::Object([("t".to_owned(), json!(punto.t))].into_iter().chain(valores).collect())
    });
    vista.insert("ultimo".to_owned(), json!(ultimo));
    Value::Object(vista)
}

/// Lo que hay que decir: que no hay puntos, o que los hay del futuro.
fn que_decir(datos: &DePuntos, comun: &Comun, host: Option<&str>, rango: Rango, sin_puntos: bool) -> Aviso {
    let visto = host.and_then(|h| datos.hosts.get(h));
    let falta = sin_puntos.then(|| {
        let frase = match (host, visto) {
            (Some(_), Some(Visto { ultimo: Some(t), .. })) => {
                format!("No hay puntos en {}: el último es de {}.", rango.frase, hace(comun.ahora - t))
            }
            (Some(host), Some(_)) => format!("Todos los puntos de «{host}» son del futuro."),
            (Some(host), None) if !datos.hosts.is_empty() => {
                format!("No hay puntos de «{host}» en las últimas 24 horas.")
            }
            _ => "Aún no hay puntos.".to_owned(),
        };
        (frase, Some(AGENTE))
    });
    // Un reloj mal puesto: sus puntos saldrán cuando llegue su hora.
    let futuro = visto.and_then(|visto| visto.futuro).map(|t| {
        format!(
            "Hay puntos de «{}» con fecha del futuro (hasta dentro de {}), que no se enseñan: revisa la hora del \
             ordenador que los manda.",
            host.unwrap_or_default(),
            cuanto(t - comun.ahora)
        )
    });
    con(falta, futuro)
}
