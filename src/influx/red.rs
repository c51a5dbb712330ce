//! La salida a la red: el cliente de ureq, el proxy por el que pasa y en qué certificados confía.

use std::path::Path;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;

use super::acceso::{es_https, es_local, host_de};
use super::confianza::{causa_de_tls, tls};
use super::contestacion::{Contestacion, explicar};
use super::proxy::{Desvio, desvio};
use crate::fallo::Frase;

/// El camino hasta un servidor.
pub(super) struct Red {
    /// El cliente de ureq.
    pub(super) agente: Agent,
    /// Si el servidor está en esta misma máquina.
    pub(super) local: bool,
    host: String,
    desvio: Option<Desvio>,
}

impl Red {
    /// Prepara el camino; no conecta todavía. `limite` es lo que puede durar una petición.
    ///
    /// # Errors
    /// Una frase, si la URL, el proxy o el fichero de certificados no se entienden.
    pub(super) fn new(url: &str, ca: Option<&Path>, limite: Duration, programa: &str) -> Result<Self, Frase> {
        let host = host_de(url)?;
        let https = es_https(url);
        let puerto =
            url.parse::<Uri>().ok().and_then(|u| u.port_u16()).unwrap_or(if https { 443 } else { 80 });
        let desvio = desvio(https, &host, puerto, |nombre| std::env::var(nombre).ok())?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(limite))
            .timeout_connect(Some(limite / 2)) // así no conectar se distingue de no contestar
            .user_agent(programa)
            .proxy(desvio.as_ref().map(|d| d.proxy.clone()));
        if https {
            config = config.tls_config(tls(ca)?);
        }
        Ok(Red { agente: config.build().new_agent(), local: es_local(&host), host, desvio })
    }

    /// Por qué no hay contestación, y si por medio hay un proxy.
    pub(super) fn explicar(&self, error: &ureq::Error) -> Contestacion {
        let contestacion = match causa_de_tls(error) {
            Some(causa) => Contestacion::SinConexion(causa),
            None => explicar(error),
        };
        let Some(Desvio { nombre, .. }) = &self.desvio else { return contestacion };
        let host = &self.host;
        if let ureq::Error::ConnectProxyFailed(palabras) = error {
            let codigo: String = palabras.chars().filter(char::is_ascii_digit).take(3).collect();
            return Contestacion::SinConexion(match &*codigo {
                "" => format!(
                    "el proxy {nombre} no contesta; si no hay que pasar por él, pon {host} en NO_PROXY"
                ),
                "407" => format!(
                    "el proxy {nombre} pide usuario y contraseña (407): http://usuario:contraseña@proxy"
                ),
                _ => format!(
                    "el proxy {nombre} no deja llegar ({codigo}); si no hay que pasar por él, pon {host} en NO_PROXY"
                ),
            });
        }
        let por_el_proxy = |causa: String| {
            format!(
                "{causa}, pasando por el proxy {nombre}; si no hay que pasar por él, pon {host} en NO_PROXY"
            )
        };
        match contestacion {
            Contestacion::SinConexion(causa) => Contestacion::SinConexion(por_el_proxy(causa)),
            Contestacion::Cortada(causa) => Contestacion::Cortada(por_el_proxy(causa)),
            otra => otra,
        }
    }
}
