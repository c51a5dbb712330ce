//! El cliente HTTP: manda un cuerpo a `/write` y traduce la contestación. Con `consulta`, el único usuario de ureq.
//!
//! Fuentes: <https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite> y
//! <https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint>.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use ureq::Agent;
use ureq::http::{Response, Uri, header};

use crate::herramientas::causa::{CORTADA, MUDO, SIN_DNS, causa, es_corte};
use crate::herramientas::texto::recortar;

/// A partir de aquí, y fuera de esta máquina, comprimir cuesta menos que enviar.
const MIN_GZIP: usize = 1024;

/// Letras que se guardan de lo que dice el servidor: a veces repite la línea entera.
const MAX_PALABRAS: usize = 300;

/// Cómo se entra en un servidor. `Debug` no enseña ni el token ni la contraseña.
#[derive(Clone, PartialEq, Eq)]
pub enum Acceso {
    /// InfluxDB 2 y 3 (y lo que acepte `/api/v2/write`).
    V2 {
        /// El token de la API.
        token: String,
        /// La organización.
        org: String,
        /// El bucket.
        bucket: String,
    },
    /// InfluxDB 1.x.
    V1 {
        /// La base de datos.
        database: String,
        /// Usuario y contraseña, si el servidor los pide.
        credenciales: Option<(String, String)>,
    },
}

/// Lo que ha contestado el servidor a una petición.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contestacion {
    /// 2xx: escrito.
    Escrito,
    /// 400 o 422 de InfluxDB: hay líneas que no aceptará nunca. Con sus palabras.
    Rechazado(u16, String),
    /// 413: el cuerpo es demasiado grande.
    DemasiadoGrande(u16, String),
    /// 401, 403 o 404: hay algo que arreglar fuera.
    SinAcceso(u16, String),
    /// 429 o 503: que se espere, y quizá cuánto.
    Saturado(u16, Option<Duration>),
    /// Cualquier otro código, o una contestación que no es de InfluxDB.
    Otro(u16, String),
    /// No hay contestación: conexión rechazada, sin respuesta a tiempo, nombre que no existe...
    SinConexion(String),
    /// La conexión se ha cortado antes de la contestación.
    Cortada(String),
}

/// Un servidor al que escribir.
pub struct ClienteHttp {
    agente: Agent,
    url: String,
    parametros: Vec<(&'static str, String)>,
    autorizacion: Option<String>,
    comprimir: bool,
}

impl ClienteHttp {
    /// Prepara el cliente; no conecta todavía. `limite` es lo que puede durar una petición.
    ///
    /// # Errors
    /// Una frase, si la URL no se entiende.
    pub fn new(url: &str, acceso: &Acceso, limite: Duration) -> Result<Self, String> {
        let base = url.trim_end_matches('/');
        let local = es_local(&host_de(base)?);
        let agente = agente(local, limite, concat!("agente_monitoreo/", env!("CARGO_PKG_VERSION")));
        let (ruta, mut parametros, autorizacion) = match acceso {
            Acceso::V2 { token, org, bucket } => (
                "/api/v2/write",
                vec![("org", org.clone()), ("bucket", bucket.clone())],
                Some(format!("Token {token}")),
            ),
            Acceso::V1 { database, credenciales } => {
                let mut parametros = vec![("db", database.clone())];
                if let Some((usuario, clave)) = credenciales {
                    parametros.extend([("u", usuario.clone()), ("p", clave.clone())]);
                }
                ("/write", parametros, None)
            }
        };
        parametros.push(("precision", "ns".to_owned()));
        Ok(ClienteHttp { agente, url: format!("{base}{ruta}"), parametros, autorizacion, comprimir: !local })
    }

    /// Manda `cuerpo` (líneas de line protocol) y espera la contestación.
    pub fn escribir(&self, cuerpo: &[u8]) -> Contestacion {
        let mut peticion = self
            .agente
            .post(&self.url)
            .query_pairs(self.parametros.iter().map(|(clave, valor)| (*clave, valor.as_str())))
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
        if let Some(autorizacion) = &self.autorizacion {
            peticion = peticion.header(header::AUTHORIZATION, autorizacion);
        }
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

impl std::fmt::Debug for Acceso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Acceso::V2 { org, bucket, .. } => write!(f, "V2 {{ org: {org}, bucket: {bucket} }}"),
            Acceso::V1 { database, .. } => write!(f, "V1 {{ database: {database} }}"),
        }
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

pub(super) fn traducir<B>(contestacion: &Response<B>, texto: &str) -> Contestacion {
    let codigo = contestacion.status().as_u16();
    let (palabras, de_influx) = palabras(texto);
    match codigo {
        200..=299 => Contestacion::Escrito,
        413 => Contestacion::DemasiadoGrande(codigo, palabras),
        429 | 503 => {
            let valor = contestacion.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
            Contestacion::Saturado(codigo, valor.and_then(|v| retry_after(v, SystemTime::now())))
        }
        // Un proxy o un servidor web también dicen 400 o 404: eso no condena ningún punto.
        400 | 422 if de_influx => Contestacion::Rechazado(codigo, palabras),
        401 | 403 => Contestacion::SinAcceso(codigo, palabras),
        404 if de_influx => Contestacion::SinAcceso(codigo, palabras),
        _ => Contestacion::Otro(codigo, palabras),
    }
}

/// `Retry-After`: segundos o una fecha HTTP (RFC 9110, sección 10.2.3).
pub fn retry_after(valor: &str, ahora: SystemTime) -> Option<Duration> {
    if let Ok(segundos) = valor.trim().parse() {
        return Some(Duration::from_secs(segundos));
    }
    let fecha = OffsetDateTime::parse(valor.trim(), &Rfc2822).ok()?;
    Some(SystemTime::from(fecha).duration_since(ahora).unwrap_or_default())
}

/// Las palabras del servidor, y si son de InfluxDB: las da en JSON, en `message` (2) o `error` (1.x y 3).
fn palabras(texto: &str) -> (String, bool) {
    let json: serde_json::Value = serde_json::from_str(texto).unwrap_or_default();
    let campo = json.get("message").or_else(|| json.get("error")).and_then(|m| m.as_str());
    let palabras = campo.unwrap_or(texto).split_whitespace().collect::<Vec<_>>().join(" ");
    (recortar(&palabras, MAX_PALABRAS), campo.is_some())
}

pub(super) fn explicar(error: &ureq::Error) -> Contestacion {
    let causa = match error {
        ureq::Error::Io(error) if es_corte(error) => return Contestacion::Cortada(CORTADA.to_owned()),
        ureq::Error::Protocol(_) => return Contestacion::Cortada(CORTADA.to_owned()),
        ureq::Error::Io(error) => causa(error),
        ureq::Error::Timeout(_) => MUDO.to_owned(),
        ureq::Error::HostNotFound => SIN_DNS.to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => format!("fallo de TLS: {error}"),
        otro => format!("fallo de red: {otro}"),
    };
    Contestacion::SinConexion(causa)
}

pub(super) fn es_local(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// El host de la URL de un servidor.
///
/// # Errors
/// Una frase, si la URL no se entiende o lleva credenciales.
pub fn host_de(url: &str) -> Result<String, String> {
    if url.contains('@') {
        return Err("la URL no lleva usuario ni contraseña: van en sus propias variables".to_owned());
    }
    let uri: Option<Uri> = url.parse().ok();
    match uri.as_ref().map(|u| (u.scheme_str(), u.host())) {
        Some((Some("http" | "https"), Some(host))) => Ok(host.to_owned()),
        _ => Err(format!("«{url}» no es una URL de servidor: se espera algo como http://localhost:8086")),
    }
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
