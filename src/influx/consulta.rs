//! Consultas a un InfluxDB: Flux en el 2, InfluxQL en el 1.x. Lo usa el panel; el agente solo escribe.
//!
//! Fuentes: <https://docs.influxdata.com/influxdb/v2/api/#operation/PostQuery> y
//! <https://docs.influxdata.com/influxdb/v1/tools/api/#query-http-endpoint>.

use std::time::Duration;

use ureq::Agent;
use ureq::http::header;

use super::acceso::{Acceso, es_local, host_de};
use super::contestacion::{Contestacion, explicar, traducir};
use super::{frases, http};
use crate::fallo::Frase;

/// Lo que puede tardar una consulta.
const LIMITE: Duration = Duration::from_secs(8);
/// Lo más que puede ocupar una contestación.
const MAX_CUERPO: u64 = 64 << 20;

/// Un servidor al que preguntar.
pub struct ClienteConsulta {
    agente: Agent,
    /// La dirección, sin la barra del final.
    pub url: String,
    acceso: Acceso,
}

impl ClienteConsulta {
    /// Prepara el cliente; no conecta todavía.
    ///
    /// # Errors
    /// Una frase, si la URL no se entiende.
    pub fn new(url: &str, acceso: Acceso) -> Result<Self, Frase> {
        let url = url.trim_end_matches('/').to_owned();
        let local = es_local(&host_de(&url)?);
        let agente = http::agente(local, LIMITE, concat!("panel_metricas/", env!("CARGO_PKG_VERSION")));
        Ok(ClienteConsulta { agente, url, acceso })
    }

    /// Hace una consulta y devuelve la contestación: CSV de Flux, o JSON de InfluxQL con los instantes en
    /// milisegundos.
    ///
    /// # Errors
    /// Lo que ha contestado el servidor, si no es lo pedido.
    pub fn consultar(&self, consulta: &str) -> Result<String, Contestacion> {
        let enviada = match &self.acceso {
            Acceso::V2 { org, .. } => {
                let peticion = self.agente.post(format!("{}/api/v2/query", self.url)).query("org", org);
                self.acceso
                    .autorizar(peticion)
                    .header(header::CONTENT_TYPE, "application/vnd.flux")
                    .header(header::ACCEPT, "application/csv")
                    .send(consulta)
            }
            Acceso::V1 { database, .. } => {
                let peticion = self.agente.get(format!("{}/query", self.url));
                let peticion = peticion.query("db", database).query("q", consulta).query("epoch", "ms");
                self.acceso.autorizar(peticion).call()
            }
        };
        let mut contestacion = enviada.map_err(|error| explicar(&error))?;
        let cuerpo = contestacion.body_mut().with_config().limit(MAX_CUERPO).read_to_string();
        match cuerpo {
            Ok(texto) if contestacion.status().is_success() => Ok(texto),
            Ok(texto) => Err(traducir(&contestacion, &texto)),
            Err(error) => Err(explicar(&error)),
        }
    }

    /// La frase de una contestación mala, sin punto final. `no_sabe` es lo que se dice si el servidor no
    /// entiende la consulta.
    pub fn frase(&self, contestacion: &Contestacion, no_sabe: &str) -> String {
        let url = &self.url;
        let nombre = match self.acceso {
            Acceso::V2 { .. } => "InfluxDB",
            Acceso::V1 { .. } => "InfluxDB 1.x",
        };
        match contestacion {
            Contestacion::SinConexion(causa) | Contestacion::Cortada(causa) => {
                format!("{nombre} no responde en {url} ({causa})")
            }
            Contestacion::SinAcceso(403, palabras) => {
                let lugar = match &self.acceso {
                    Acceso::V2 { bucket, .. } => format!("el bucket «{bucket}»"),
                    Acceso::V1 { database, .. } => format!("la base de datos «{database}»"),
                };
                format!(
                    "{nombre} no deja leer {lugar} con esas credenciales (403: {palabras}); dales permiso de lectura"
                )
            }
            // InfluxDB dice de varias formas que no encuentra algo; lo demás es de otro servidor.
            Contestacion::SinAcceso(codigo @ 404, palabras)
            | Contestacion::Rechazado(codigo, palabras)
            | Contestacion::Otro(codigo @ ..500, palabras) => {
                if palabras.contains("bucket") || palabras.contains("organization") {
                    let falta = Contestacion::SinAcceso(*codigo, palabras.clone());
                    return frases::frase(&falta, &self.acceso, &format!("{nombre} ({url})")).1;
                }
                format!("{no_sabe} ({url} contesta {codigo}: {palabras})")
            }
            otra => frases::frase(otra, &self.acceso, &format!("{nombre} ({url})")).1,
        }
    }
}
