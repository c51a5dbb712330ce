//! Cómo se entra en un InfluxDB: la versión, las credenciales y la dirección.

use std::fmt;
use std::net::IpAddr;

use ureq::RequestBuilder;
use ureq::http::{Uri, header};

use crate::fallo::Frase;

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

impl Acceso {
    /// Pone las credenciales en una petición.
    pub(super) fn autorizar<C>(&self, peticion: RequestBuilder<C>) -> RequestBuilder<C> {
        match self {
            Acceso::V2 { token, .. } => peticion.header(header::AUTHORIZATION, format!("Token {token}")),
            Acceso::V1 { credenciales: Some((usuario, clave)), .. } => {
                peticion.query("u", usuario).query("p", clave)
            }
            Acceso::V1 { credenciales: None, .. } => peticion,
        }
    }
}

impl fmt::Debug for Acceso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Acceso::V2 { org, bucket, .. } => write!(f, "V2 {{ org: {org}, bucket: {bucket} }}"),
            Acceso::V1 { database, .. } => write!(f, "V1 {{ database: {database} }}"),
        }
    }
}

/// Si un host es esta misma máquina.
pub(super) fn es_local(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// El host de la URL de un servidor.
///
/// # Errors
/// Una frase, si la URL no se entiende o lleva credenciales.
pub fn host_de(url: &str) -> Result<String, Frase> {
    if url.contains('@') {
        return Err("la URL no lleva usuario ni contraseña: van en sus propias variables".into());
    }
    let uri: Option<Uri> = url.parse().ok();
    match uri.as_ref().map(|u| (u.scheme_str(), u.host())) {
        Some((Some("http" | "https"), Some(host))) => Ok(host.to_owned()),
        _ => {
            Err(format!("«{url}» no es una URL de servidor: se espera algo como http://localhost:8086")
                .into())
        }
    }
}
