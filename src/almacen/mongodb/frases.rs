//! De un error de la crate o del servidor a la frase que se dice: qué pasa, dónde y cómo se arregla.

use std::fmt::Display;

use ::mongodb::error::{Error, ErrorKind};

use super::uri::Uri;
use crate::almacen::ErrorAlmacen;
use crate::herramientas::causa::{CORTADA, MUDO, NADIE_ESCUCHA, SIN_CAMINO, SIN_DNS};
use crate::herramientas::texto::recortar;

/// Letras que se guardan de lo que dice el servidor.
const MAX_PALABRAS: usize = 300;

// Los códigos del servidor, con el nombre que les da MongoDB:
// <https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml>

/// Sin permiso: en un MongoDB propio (`Unauthorized`) y en Atlas.
pub(super) const SIN_PERMISO: [i32; 2] = [13, ATLAS];
/// Casi todo lo que Atlas pone de su parte, como la cuota (`AtlasError`).
const ATLAS: i32 = 8000;
/// Ya hay un índice igual con otro nombre u otras opciones (`IndexOptionsConflict`, `IndexKeySpecsConflict`).
pub(super) const INDICE_PARECIDO: [i32; 2] = [85, 86];
/// Cambio de primario, servidor que se para, esperas agotadas y choques: se arreglan solos.
pub(super) const PASAJEROS: [i32; 20] = [
    6,     // HostUnreachable
    7,     // HostNotFound
    24,    // LockTimeout
    46,    // LockBusy
    50,    // MaxTimeMSExpired
    64,    // WriteConcernTimeout
    89,    // NetworkTimeout
    91,    // ShutdownInProgress
    112,   // WriteConflict
    134,   // ReadConcernMajorityNotAvailableYet
    189,   // PrimarySteppedDown
    202,   // NetworkInterfaceExceededTimeLimit
    262,   // ExceededTimeLimit
    9001,  // SocketException
    10058, // LegacyNotPrimary
    10107, // NotWritablePrimary
    11600, // InterruptedAtShutdown
    11602, // InterruptedDueToReplStateChange
    13435, // NotPrimaryNoSecondaryOk
    13436, // NotPrimaryOrSecondary
];
/// Lo que la crate o el servidor marcan como pasajero, además:
/// <https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md>
const ETIQUETAS: [&str; 3] = ["RetryableWriteError", "RetryableError", "SystemOverloadedError"];

impl Uri {
    /// La frase de un error, y si se puede arreglar solo.
    pub(super) fn explicar(&self, error: &Error) -> ErrorAlmacen {
        let servidor = &self.servidor;
        let palabras = self.palabras(&error.kind);
        match error.kind.as_ref() {
            ErrorKind::DnsResolve { .. } => self.sin_dns(),
            _ if es_de_conexion(error) => self.no_contesta(&self.causa(error)),
            ErrorKind::Authentication { .. } => ErrorAlmacen::Definitivo(format!(
                "{servidor} no acepta ese usuario o esa contraseña: revisa MONGODB_URI (en Atlas son los de Database Access, no los de tu cuenta; en la contraseña, @ se escribe %40, / es %2F, : es %3A y % es %25)"
            )),
            _ => ErrorAlmacen::Definitivo(match codigo(error) {
                Some(ATLAS) if palabras.contains("quota") => {
                    format!("el clúster de Atlas está lleno ({palabras}): borra datos o amplíalo")
                }
                Some(codigo) if SIN_PERMISO.contains(&codigo) => format!(
                    "{servidor} no deja a ese usuario usar «{}» ({palabras}): dale el permiso readWrite",
                    self.base
                ),
                _ => format!("{servidor} no lo acepta ({palabras})"),
            }),
        }
    }

    /// Un documento que no se admite de ninguna forma.
    pub(super) fn rechazo(&self, id: &str, motivo: &str) -> String {
        format!(
            "MongoDB no admite el documento {id} ({}); los demás sí están guardados",
            self.palabras(motivo)
        )
    }

    /// Deja conectar sin usuario, pero no hacer nada.
    pub(super) fn pide_credenciales(&self) -> ErrorAlmacen {
        ErrorAlmacen::Definitivo(format!(
            "{} pide usuario y contraseña, y MONGODB_URI no los lleva: mongodb://usuario:contraseña@…",
            self.servidor
        ))
    }

    /// El nombre del clúster no se puede averiguar.
    pub(super) fn sin_dns(&self) -> ErrorAlmacen {
        ErrorAlmacen::Pasajero(format!(
            "el DNS no encuentra el clúster {}: revisa que el nombre de MONGODB_URI esté copiado entero y que haya Internet",
            self.servidor
        ))
    }

    /// No hay forma de hablar con él, por esta causa.
    pub(super) fn no_contesta(&self, causa: &str) -> ErrorAlmacen {
        let servidor = &self.servidor;
        ErrorAlmacen::Pasajero(if self.es_atlas {
            format!(
                "el clúster de Atlas {servidor} no responde ({causa}). Suele ser que tu IP no está en su lista, que esta red corta el puerto 27017 o que está en pausa: mira en cloud.mongodb.com Network Access y si pone Paused, y prueba con otra red, como la del móvil"
            )
        } else {
            format!(
                "MongoDB no responde en {servidor} ({causa}): comprueba que está en marcha y que MONGODB_URI es la suya"
            )
        })
    }

    /// Las palabras de la crate o del servidor, cortas y sin la contraseña.
    pub(super) fn palabras(&self, palabras: &(impl Display + ?Sized)) -> String {
        recortar(&self.clave.tapar(palabras.to_string()), MAX_PALABRAS)
    }

    /// Por qué no hay conexión. La crate lo da en inglés y dentro de un texto largo.
    fn causa(&self, error: &Error) -> String {
        let texto = error.kind.to_string();
        let hay = |pistas: &[&str]| pistas.iter().any(|pista| texto.contains(pista));
        if let Some(otra) = self.otra_direccion(&texto) {
            return format!(
                "dice que está en {otra}, y desde aquí no se llega: añade directConnection=true a MONGODB_URI"
            );
        }
        // Códigos de Windows incluidos: allí el texto sale en el idioma del sistema.
        if hay(&["Connection refused", "os error 10061"]) {
            NADIE_ESCUCHA.to_owned()
        } else if hay(&["lookup address", "os error 11001"]) {
            SIN_DNS.to_owned()
        } else if hay(&["certificate", "fatal alert", "TLS", "tls"]) {
            "ha cortado la conexión cifrada (TLS)".to_owned()
        } else if hay(&["unreachable", "os error 10051", "os error 10065"]) {
            SIN_CAMINO.to_owned()
        } else if hay(&["timed out", "deadline", "TimedOut", "os error 10060"]) {
            MUDO.to_owned()
        } else if hay(&["reset", "end of file", "early eof", "pipe", "closed", "os error 10054"]) {
            CORTADA.to_owned()
        } else if hay(&["ReplicaSetNoPrimary"]) {
            "sus réplicas no tienen primario todavía".to_owned()
        } else if hay(&["Type: Unknown"]) {
            MUDO.to_owned()
        } else {
            self.palabras(&error.kind)
        }
    }

    /// La dirección que anuncia un conjunto de réplicas, si no es ninguna de las de la URI: la de dentro de
    /// Docker, por ejemplo.
    fn otra_direccion(&self, texto: &str) -> Option<String> {
        if self.es_srv || !texto.contains("Topology:") || !texto.contains("lookup address") {
            return None;
        }
        let mut anunciadas = texto.split("Address: ").skip(1).filter_map(|t| t.split([',', ' ']).next());
        let primera = anunciadas.next()?;
        let conocida = |anunciada: &str| self.servidor.split(',').any(|nuestra| nuestra == anunciada);
        (!conocida(primera) && !anunciadas.any(conocida)).then(|| primera.to_owned())
    }
}

/// Si lo que falla es llegar al servidor, o se va a arreglar solo.
fn es_de_conexion(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::Shutdown => true,
        _ => {
            codigo(error).is_some_and(|c| PASAJEROS.contains(&c))
                || ETIQUETAS.iter().any(|etiqueta| error.contains_label(etiqueta))
        }
    }
}

/// El código del servidor, si el error es suyo.
pub(super) fn codigo(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(orden) => Some(orden.code),
        ErrorKind::InsertMany(fallo) => fallo.write_concern_error.as_ref().map(|e| e.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn un_atlas_mudo_dice_las_tres_causas_y_la_clave_no_sale() {
        let uri = Uri::leer("mongodb+srv://ana:p%40ss@c.abc.mongodb.net", "iabd06").unwrap();
        let frase = uri.no_contesta("no contesta a tiempo").to_string();
        for pista in ["Network Access", "27017", "pausa", "móvil"] {
            assert!(frase.contains(pista), "{frase}");
        }
        let palabras = uri.palabras("clave p@ss, escrita p%40ss");
        assert_eq!(palabras, "clave ***, escrita ***");
    }
}
