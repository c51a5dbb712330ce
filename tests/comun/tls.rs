//! Una autoridad de mentira y los certificados que firma, para las pruebas con TLS.

#![allow(dead_code)] // cada prueba usa lo suyo

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Una autoridad, y su fichero PEM.
pub struct Autoridad {
    emisor: CertifiedIssuer<'static, KeyPair>,
    pub pem: PathBuf,
}

impl Autoridad {
    pub fn nueva(carpeta: &Path, nombre: &str) -> Self {
        let mut ficha = CertificateParams::new([]).unwrap();
        ficha.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ficha.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        ficha.distinguished_name.push(DnType::CommonName, nombre);
        let emisor = CertifiedIssuer::self_signed(ficha, KeyPair::generate().unwrap()).unwrap();
        let pem = carpeta.join(format!("{nombre}.pem"));
        fs::write(&pem, emisor.pem()).unwrap();
        Autoridad { emisor, pem }
    }

    /// Lo que necesita un servidor con un certificado suyo.
    pub fn certificar(
        &self,
        nombre: &str,
        cambiar: impl FnOnce(&mut CertificateParams),
    ) -> Arc<ServerConfig> {
        let mut ficha = CertificateParams::new([nombre.to_owned()]).unwrap();
        cambiar(&mut ficha);
        let clave = KeyPair::generate().unwrap();
        let certificado = ficha.signed_by(&clave, &self.emisor).unwrap();
        config(certificado.der().clone(), &clave)
    }
}

/// Lo que necesita un servidor con este certificado.
pub fn config(certificado: CertificateDer<'static>, clave: &KeyPair) -> Arc<ServerConfig> {
    let clave = PrivateKeyDer::try_from(clave.serialize_der()).unwrap();
    let proveedor = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(proveedor).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificado], clave).unwrap())
}
