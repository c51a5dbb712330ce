//! Los certificados en los que confía el sistema, para quien los pide en un fichero PEM.

use std::env;
use std::path::PathBuf;

/// Dónde los guarda cada sistema: Debian y Ubuntu, Fedora, openSUSE, y macOS y Alpine.
const FICHEROS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// El fichero de las autoridades del sistema: el de `SSL_CERT_FILE`, que es la variable que entienden también
/// Python y OpenSSL, o el suyo. Nada, si no hay ninguno (Windows).
pub fn del_sistema() -> Option<PathBuf> {
    let pedido = env::var_os("SSL_CERT_FILE").map(PathBuf::from).filter(|ruta| ruta.is_file());
    pedido.or_else(|| FICHEROS.iter().map(PathBuf::from).find(|ruta| ruta.is_file()))
}
