//! El cliente HTTP: manda un cuerpo a `/write`.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::http::header;

use super::acceso::Acceso;
use super::contestacion::{Contestacion, traducir};
use super::red::Red;
use crate::fallo::Frase;

/// A partir de aquí, y fuera de esta máquina, comprimir cuesta menos que enviar.
const MIN_GZIP: usize = 1024;

/// Un servidor al que escribir.
pub struct ClienteHttp {
    red: Red,
    url: String,
    escritura: String, // la dirección de escribir
    acceso: Acceso,
}

impl ClienteHttp {
    /// Prepara el cliente; no conecta todavía. `ca` es el fichero con los certificados en los que se confía, si no
    /// son los del sistema; `limite`, lo que puede durar una petición.
    ///
    /// # Errors
    /// Una frase, si la URL, el proxy o los certificados no se entienden.
    pub fn new(url: &str, acceso: &Acceso, ca: Option<&Path>, limite: Duration) -> Result<Self, Frase> {
        let base = url.trim_end_matches('/');
        let red = Red::new(base, ca, limite, concat!("agente_monitoreo/", env!("CARGO_PKG_VERSION")))?;
        let ruta = match acceso {
            Acceso::V2 { .. } => "/api/v2/write",
            Acceso::V1 { .. } => "/write",
        };
        let escritura = format!("{base}{ruta}");
        Ok(ClienteHttp { red, url: base.to_owned(), escritura, acceso: acceso.clone() })
    }

    /// La dirección del servidor.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Cómo se entra en este servidor.
    pub fn acceso(&self) -> &Acceso {
        &self.acceso
    }

    /// Manda `cuerpo` (líneas de line protocol) y espera la contestación.
    pub fn escribir(&self, cuerpo: &[u8]) -> Contestacion {
        let peticion = self.red.agente.post(&self.escritura);
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
                // Una página en otra codificación también hay que verla; y si no se puede leer, algo traía.
                let texto = contestacion
                    .body_mut()
                    .read_to_vec()
                    .map_or("…".into(), |cuerpo| String::from_utf8_lossy(&cuerpo).into_owned());
                traducir(&contestacion, &texto, &self.acceso)
            }
            Err(error) => self.red.explicar(&error),
        }
    }

    fn comprimido(&self, cuerpo: &[u8]) -> Option<Vec<u8>> {
        if self.red.local || cuerpo.len() < MIN_GZIP {
            return None;
        }
        let mut gzip = GzEncoder::new(Vec::with_capacity(cuerpo.len() / 4), Compression::fast());
        gzip.write_all(cuerpo).ok()?;
        gzip.finish().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cliente(url: &str) -> ClienteHttp {
        let acceso = Acceso::V1 { database: "b".to_owned(), credenciales: None };
        ClienteHttp::new(url, &acceso, None, Duration::from_secs(1)).unwrap()
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
