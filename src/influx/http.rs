//! El cliente HTTP: manda un cuerpo a `/write`. Con `consulta`, el único usuario de ureq.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::Agent;
use ureq::http::header;

use super::acceso::es_local;
use super::contestacion::{explicar, traducir};
use crate::fallo::Frase;

pub use super::acceso::{Acceso, host_de};
pub use super::contestacion::Contestacion;

/// A partir de aquí, y fuera de esta máquina, comprimir cuesta menos que enviar.
const MIN_GZIP: usize = 1024;

/// Un servidor al que escribir.
pub struct ClienteHttp {
    agente: Agent,
    url: String,
    acceso: Acceso,
    comprimir: bool,
}

impl ClienteHttp {
    /// Prepara el cliente; no conecta todavía. `limite` es lo que puede durar una petición.
    ///
    /// # Errors
    /// Una frase, si la URL no se entiende.
    pub fn new(url: &str, acceso: &Acceso, limite: Duration) -> Result<Self, Frase> {
        let base = url.trim_end_matches('/');
        let local = es_local(&host_de(base)?);
        let ruta = match acceso {
            Acceso::V2 { .. } => "/api/v2/write",
            Acceso::V1 { .. } => "/write",
        };
        Ok(ClienteHttp {
            agente: agente(local, limite, concat!("agente_monitoreo/", env!("CARGO_PKG_VERSION"))),
            url: format!("{base}{ruta}"),
            acceso: acceso.clone(),
            comprimir: !local,
        })
    }

    /// Cómo se entra en este servidor.
    pub fn acceso(&self) -> &Acceso {
        &self.acceso
    }

    /// Manda `cuerpo` (líneas de line protocol) y espera la contestación.
    pub fn escribir(&self, cuerpo: &[u8]) -> Contestacion {
        let peticion = self.agente.post(&self.url);
        let peticion = match &self.acceso {
            Acceso::V2 { org, bucket, .. } => peticion.query("org", org).query("bucket", bucket),
            Acceso::V1 { database, .. } => peticion.query("db", database),
        };
        let peticion = self.acceso.autorizar(peticion).query("precision", "ns");
        let peticion = peticion.header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
        let enviada = match self.comprimido(cuerpo) {
            Some(gzip) => peticion.header(header::CONTENT_ENCODING, "gzip").send(&gzip[..]),
            None => peticion.send(cuerpo),
        };
        match enviada {
            Ok(mut contestacion) => {
                let texto = contestacion.body_mut().read_to_string().unwrap_or_default();
                traducir(&contestacion, &texto)
            }
            Err(error) => explicar(&error),
        }
    }

    fn comprimido(&self, cuerpo: &[u8]) -> Option<Vec<u8>> {
        if !self.comprimir || cuerpo.len() < MIN_GZIP {
            return None;
        }
        let mut gzip = GzEncoder::new(Vec::with_capacity(cuerpo.len() / 4), Compression::fast());
        gzip.write_all(cuerpo).ok()?;
        gzip.finish().ok()
    }
}

/// El cliente de ureq: con un límite por petición, sin redirecciones y con los errores como contestaciones.
pub(super) fn agente(local: bool, limite: Duration, programa: &str) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(limite))
        .user_agent(programa);
    if local {
        // El proxy del centro no sabe llegar al InfluxDB de este portátil.
        config = config.proxy(None);
    }
    config.build().new_agent()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cliente(url: &str) -> ClienteHttp {
        let acceso = Acceso::V1 { database: "b".to_owned(), credenciales: None };
        ClienteHttp::new(url, &acceso, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn solo_se_comprime_lo_grande_y_hacia_otra_maquina() {
        let grande = b"m n=1 1\n".repeat(500);
        let gzip = cliente("https://nube.example").comprimido(&grande).unwrap();
        assert!(gzip.len() < grande.len() / 10);
        let mut vuelta = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut vuelta).unwrap();
        assert_eq!(vuelta, grande);
        assert_eq!(cliente("https://nube.example").comprimido(b"m n=1 1\n"), None);
        for local in ["http://localhost:8086", "http://127.0.0.1:8086", "http://[::1]:8086"] {
            assert_eq!(cliente(local).comprimido(&grande), None, "{local}");
        }
    }
}
