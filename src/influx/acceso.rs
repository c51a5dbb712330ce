//! Cómo se entra en un InfluxDB: la versión, las credenciales y la dirección.

use std::fmt;
use std::net::IpAddr;

use ureq::RequestBuilder;
use ureq::http::{Uri, header};

use crate::fallo::Frase;
use crate::herramientas::direccion::host_y_puerto;
use crate::herramientas::texto::raro;

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

/// El camino que lleva una URL y la URL sin él: `http://h:8086/api/v2` son `/api/v2` y `http://h:8086`.
pub(super) fn camino_de(url: &str) -> Option<(&str, &str)> {
    let (esquema, resto) = url.split_once("://")?;
    let (servidor, _) = resto.split_once('/')?;
    let camino = &resto[servidor.len()..];
    (camino != "/").then_some((camino, &url[..esquema.len() + 3 + servidor.len()]))
}

/// Si un host es esta misma máquina.
pub(super) fn es_local(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// El host de la URL de un servidor, si se puede mandar algo a ella: con otra cosa, el token acabaría donde
/// no se ha dicho.
///
/// # Errors
/// Una frase, si la URL no se entiende o lleva credenciales, que no se repiten.
pub fn host_de(url: &str) -> Result<String, Frase> {
    if url.contains('@') {
        return Err("la URL no lleva usuario ni contraseña: van en sus propias variables".into());
    }
    let mala = |razon: &str| {
        format!("«{url}» no es una URL de servidor ({razon}): se espera algo como http://localhost:8086")
    };
    let (esquema, resto) = url.split_once("://").ok_or_else(|| mala("le falta http:// delante"))?;
    if !["http", "https"].iter().any(|e| e.eq_ignore_ascii_case(esquema)) {
        return Err(mala("empieza por http:// o https://").into());
    }
    if let Some(sobra) = resto.find(['?', '#']).map(|i| &resto[i..]) {
        return Err(mala(&format!("sobra «{sobra}»")).into());
    }
    let (direccion, ruta) = resto.split_at(resto.find('/').unwrap_or(resto.len()));
    let (host, _) = host_y_puerto(direccion).map_err(|razon| mala(&razon))?;
    let vale = |c: char| c.is_ascii_graphic() && !['\\', '"', '<', '>', '^', '`', '{', '|', '}'].contains(&c);
    if let Some(letra) = ruta.chars().find(|c| !vale(*c)) {
        return Err(mala(&format!("lleva {}", raro(letra))).into());
    }
    url.parse::<Uri>().map(|_| host.to_owned()).map_err(|_| mala("no se entiende").into())
}

/// Si la URL pide TLS.
pub fn es_https(url: &str) -> bool {
    url.split_once(':').is_some_and(|(esquema, _)| esquema.eq_ignore_ascii_case("https"))
}

/// Si un token puede viajar en la cabecera de una petición.
///
/// # Errors
/// La letra que no puede.
pub fn revisar_token(token: &str) -> Result<(), String> {
    match token.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        Some(letra) => Err(raro(letra)),
        None => Ok(()),
    }
}
