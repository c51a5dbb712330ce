//! Consultas a un InfluxDB: Flux en el 2, InfluxQL en el 1.x. Lo usa el panel; el agente solo escribe.
//!
//! Fuentes: <https://docs.influxdata.com/influxdb/v2/api/#operation/PostQuery> y
//! <https://docs.influxdata.com/influxdb/v1/tools/api/#query-http-endpoint>.

use std::path::Path;
use std::time::Duration;

use ureq::http::header;

use super::acceso::Acceso;
use super::contestacion::{Contestacion, traducir};
use super::frases::{Servidor, frase};
use super::rechazo::Rechazo;
use super::red::Red;
use crate::fallo::Frase;
use crate::herramientas::causa::MUDO;

/// Lo que puede tardar una consulta.
const LIMITE: Duration = Duration::from_secs(8);
/// Lo más que puede ocupar una contestación.
const MAX_CUERPO: u64 = 64 << 20;

/// Un servidor al que preguntar.
pub struct ClienteConsulta {
    red: Red,
    /// La dirección, sin la barra del final.
    pub url: String,
    acceso: Acceso,
}

impl ClienteConsulta {
    /// Prepara el cliente; no conecta todavía. `ca`, como en [`super::http::ClienteHttp::new`].
    ///
    /// # Errors
    /// Una frase, si la URL, el proxy o los certificados no se entienden.
    pub fn new(url: &str, acceso: Acceso, ca: Option<&Path>) -> Result<Self, Frase> {
        let url = url.trim_end_matches('/').to_owned();
        let red = Red::new(&url, ca, LIMITE, concat!("panel_metricas/", env!("CARGO_PKG_VERSION")))?;
        Ok(ClienteConsulta { red, url, acceso })
    }

    /// Hace una consulta y devuelve la contestación: CSV de Flux, o JSON de InfluxQL con los instantes en
    /// milisegundos.
    ///
    /// # Errors
    /// Lo que ha contestado el servidor, si no es lo pedido.
    pub fn consultar(&self, consulta: &str) -> Result<String, Contestacion> {
        let enviada = match &self.acceso {
            Acceso::V2 { org, .. } => {
                let peticion = self.red.agente.post(format!("{}/api/v2/query", self.url)).query("org", org);
                self.acceso
                    .autorizar(peticion)
                    .header(header::CONTENT_TYPE, "application/vnd.flux")
                    .header(header::ACCEPT, "application/csv")
                    .send(consulta)
            }
            Acceso::V1 { database, .. } => {
                let peticion = self.red.agente.get(format!("{}/query", self.url));
                let peticion = peticion.query("db", database).query("q", consulta).query("epoch", "ms");
                self.acceso.autorizar(peticion).call()
            }
        };
        let mut contestacion = enviada.map_err(|error| self.red.explicar(&error))?;
        let cuerpo = contestacion.body_mut().with_config().limit(MAX_CUERPO).read_to_string();
        match cuerpo {
            Ok(texto) if contestacion.status().is_success() => Ok(texto),
            Ok(texto) => Err(traducir(&contestacion, &texto, &self.acceso)),
            Err(error) => Err(self.red.explicar(&error)),
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
        let servidor = &format!("{nombre} ({url})");
        let escribir = |contestacion: &Contestacion| {
            frase(contestacion, Servidor { nombre: servidor, url, acceso: &self.acceso })
        };
        match contestacion {
            Contestacion::Mudo => format!("{nombre} no responde en {url} ({MUDO})"),
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
            | Contestacion::OtroCamino(codigo, palabras)
            | Contestacion::Rechazado(Rechazo { codigo, palabras, .. })
            | Contestacion::Otro(codigo @ ..500, palabras)
            | Contestacion::Ajeno(codigo @ ..500, palabras) => {
                if palabras.contains("bucket") || palabras.contains("organization") {
                    return escribir(&Contestacion::SinAcceso(*codigo, palabras.clone()));
                }
                format!("{no_sabe} ({url} contesta {codigo}: {palabras})")
            }
            otra => escribir(otra),
        }
    }
}
