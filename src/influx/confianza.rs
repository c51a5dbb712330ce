//! En qué certificados se confía: los del sistema o los de un fichero, nunca en cualquiera. Y por qué no se ha
//! podido confiar en uno.

use std::fs;
use std::path::Path;

use rustls::{CertificateError, Error, InvalidMessage};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::fallo::Frase;
use crate::herramientas::causa::causa;
use crate::herramientas::texto::enumerar;

/// Los nombres de un certificado que se enseñan, como mucho.
const MAX_NOMBRES: usize = 4;

/// La configuración de TLS: con `ca`, solo vale lo que firmen sus certificados, como en influxdb-client.
///
/// # Errors
/// Una frase, si el fichero no se puede leer o no tiene certificados.
pub fn tls(ca: Option<&Path>) -> Result<TlsConfig, Frase> {
    let raices = match ca {
        Some(ruta) => RootCerts::from(leer(ruta)?),
        None => RootCerts::PlatformVerifier,
    };
    Ok(TlsConfig::builder().root_certs(raices).build())
}

fn leer(ruta: &Path) -> Result<Vec<Certificate<'static>>, Frase> {
    let nombre = ruta.display();
    let pem = fs::read(ruta).map_err(|e| Frase(format!("no se puede leer {nombre} ({})", causa(&e))))?;
    let certificados = parse_pem(&pem).filter_map(|parte| match parte {
        Ok(PemItem::Certificate(certificado)) => Some(certificado),
        _ => None,
    });
    let certificados: Vec<_> = certificados.collect();
    if certificados.is_empty() {
        return Err(Frase(format!(
            "en {nombre} no hay ningún certificado en formato PEM, el de «-----BEGIN CERTIFICATE-----»"
        )));
    }
    Ok(certificados)
}

/// La causa, si el fallo es de TLS.
pub(super) fn causa_de_tls(error: &ureq::Error) -> Option<String> {
    match error {
        ureq::Error::Rustls(error) => Some(explicar(error)),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref::<Error>().map(explicar),
        ureq::Error::Tls(_) | ureq::Error::TlsRequired => Some(format!("fallo de TLS ({error})")),
        _ => None,
    }
}

fn explicar(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(malo) => del_certificado(malo),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "ahí no se habla TLS: prueba con http:// en vez de https://".to_owned()
        }
        Error::General(texto) if texto.contains("No CA certificates") => {
            "este ordenador no tiene certificados en los que confiar: instala ca-certificates, o da un fichero con INFLUXDB_V2_SSL_CA_CERT (o --ssl-ca-cert)".to_owned()
        }
        otro => format!("no se entiende con su TLS ({otro})"),
    }
}

fn del_certificado(malo: &CertificateError) -> String {
    use CertificateError as E;
    match malo {
        // BadSignature: el nombre de quien firma es el de alguien conocido, y la firma no es suya.
        E::UnknownIssuer | E::BadSignature => "su certificado lo firma alguien en quien este ordenador no confía: si es la autoridad de tu centro, da su fichero .pem con INFLUXDB_V2_SSL_CA_CERT (o --ssl-ca-cert)".to_owned(),
        E::Expired | E::ExpiredContext { .. } => {
            "su certificado ha caducado: hay que renovarlo, o este ordenador no está en hora".to_owned()
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "su certificado todavía no vale: mira si este ordenador está en hora".to_owned()
        }
        E::NotValidForName => "su certificado es de otro nombre: pon en la URL el suyo".to_owned(),
        E::NotValidForNameContext { presented, .. } => de_otro_nombre(presented),
        E::Revoked => "su certificado está revocado".to_owned(),
        // webpki no admite de servidor un certificado que puede firmar otros, como los que hace «openssl req -x509».
        otro if format!("{otro:?}").contains("CaUsedAsEndEntity") =>
        {
            "su certificado es el de una autoridad (CA:TRUE): el de un servidor se hace con «-addext basicConstraints=critical,CA:FALSE»".to_owned()
        }
        otro => format!("su certificado no vale ({otro})"),
    }
}

/// Los nombres llegan como los escribe rustls: `DnsName("influx.example")`.
fn de_otro_nombre(presentados: &[String]) -> String {
    let limpio = |nombre: &String| nombre.split('"').nth(1).unwrap_or(nombre).to_owned();
    let nombres: Vec<_> = presentados.iter().take(MAX_NOMBRES).map(limpio).collect();
    match nombres.is_empty() {
        true => "su certificado no dice de qué nombre es (le falta subjectAltName)".to_owned(),
        false => format!("su certificado es de otro nombre ({}): pon en la URL uno suyo", enumerar(&nombres)),
    }
}
