//! La frase de lo que va mal con MongoDB: qué pasa, dónde y cómo se arregla. Y si se arregla esperando.

use std::fmt::Display;

use ::mongodb::error::{Error, ErrorKind, WriteFailure};

use super::causas::{Causa, CausaDns, causa, causa_dns};
use super::codigos::{ATLAS, SIN_PERMISO, pasajero};
use super::conexion::Caida;
use super::uri::Uri;
use crate::almacen::ErrorAlmacen::{self, Definitivo, Pasajero};
use crate::herramientas::causa::MUDO;
use crate::herramientas::texto::{limpiar, recortar};

/// Letras que se guardan de lo que dice el servidor.
const MAX_PALABRAS: usize = 300;
/// Lo que la crate o el servidor marcan como pasajero, además de por su código:
/// <https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md>
const ETIQUETAS: [&str; 3] = ["RetryableWriteError", "RetryableError", "SystemOverloadedError"];

impl Uri {
    /// La frase de una llamada que no ha salido, y si se puede arreglar sola.
    pub(super) fn explicar(&self, caida: &Caida) -> ErrorAlmacen {
        match caida {
            Caida::DnsMudo => self.sin_dns(&CausaDns::Mudo, ""),
            Caida::Mudo => self.no_responde(MUDO),
            Caida::Error(error) => self.explicar_error(error),
        }
    }

    /// La de un error de la crate o del servidor.
    pub(super) fn explicar_error(&self, error: &Error) -> ErrorAlmacen {
        let (servidor, palabras) = (&self.servidor, self.palabras(&dicho(error)));
        match error.kind.as_ref() {
            ErrorKind::DnsResolve { message, .. } => self.sin_dns(&causa_dns(message), &palabras),
            ErrorKind::InvalidArgument { .. } => Definitivo(format!("MONGODB_URI no vale ({palabras})")),
            ErrorKind::InvalidTlsConfig { .. } => {
                Definitivo(format!("no se puede usar el certificado que dice MONGODB_URI ({palabras})"))
            }
            ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::ServerSelection { .. }
            | ErrorKind::Shutdown => self.sin_conexion(&error.kind.to_string()),
            ErrorKind::Authentication { .. } => Definitivo(format!(
                "{servidor} no acepta ese usuario o esa contraseña: revisa MONGODB_URI (en Atlas son los de Database Access, no los de tu cuenta; en la contraseña, @ se escribe %40, / es %2F, : es %3A y % es %25)"
            )),
            ErrorKind::InvalidResponse { .. } => self.no_es_mongo(),
            ErrorKind::InsertMany(_) => self.sin_mayoria(codigo(error), &palabras, es_reintentable(error)),
            _ => match codigo(error) {
                Some(codigo) => self.de_codigo(codigo, &palabras, es_reintentable(error)),
                None => Definitivo(format!("{servidor} no lo acepta ({palabras})")),
            },
        }
    }

    /// Lo que dice el servidor con un código. Los que no se conocen se esperan si `se_espera`.
    pub(super) fn de_codigo(&self, codigo: i32, palabras: &str, se_espera: bool) -> ErrorAlmacen {
        let servidor = &self.servidor;
        match pasajero(codigo) {
            Some(que) => self.contesta(&format!("{que} ({palabras})")),
            None if codigo == ATLAS && palabras.contains("quota") => {
                Definitivo(format!("el clúster de Atlas está lleno ({palabras}): borra datos o amplíalo"))
            }
            None if SIN_PERMISO.contains(&codigo) => Definitivo(format!(
                "{servidor} no deja a ese usuario usar «{}» ({palabras}): dale el permiso readWrite",
                self.base
            )),
            None if se_espera => self.contesta(&format!("ahora no puede ({palabras})")),
            None => Definitivo(format!("{servidor} no lo acepta ({palabras})")),
        }
    }

    /// Escrito en el primario, pero no confirmado por las demás réplicas.
    fn sin_mayoria(&self, codigo: Option<i32>, palabras: &str, se_espera: bool) -> ErrorAlmacen {
        let frase =
            format!("la mayoría de las réplicas de {} no confirma lo guardado ({palabras})", self.servidor);
        match codigo {
            Some(codigo) if pasajero(codigo).is_none() && !se_espera => Definitivo(frase),
            _ => Pasajero(frase),
        }
    }

    /// Un documento que no se admite de ninguna forma. Los demás de su colección están guardados: se dice al
    /// acabar con todos.
    pub(super) fn rechazo(&self, coleccion: &str, id: &str, motivo: &str) -> String {
        format!(
            "MongoDB no admite en {coleccion} el documento {id} ({}): sin él no se puede seguir; los demás de {coleccion} recibidos con él sí están guardados",
            self.palabras(motivo)
        )
    }

    /// Deja conectar sin usuario, pero no hacer nada.
    pub(super) fn pide_credenciales(&self) -> ErrorAlmacen {
        Definitivo(format!(
            "{} pide usuario y contraseña, y MONGODB_URI no los lleva: mongodb://usuario:contraseña@…",
            self.servidor
        ))
    }

    /// Las palabras de la crate o del servidor, cortas, sin la contraseña y sin órdenes para el terminal.
    pub(super) fn palabras(&self, palabras: &(impl Display + ?Sized)) -> String {
        let tapadas = self.clave.tapar(palabras.to_string());
        recortar(&limpiar(&tapadas), MAX_PALABRAS)
    }

    fn sin_dns(&self, causa: &CausaDns, palabras: &str) -> ErrorAlmacen {
        let servidor = &self.servidor;
        Pasajero(match causa {
            CausaDns::Mudo => format!(
                "el DNS no contesta a tiempo al preguntarle por {servidor}: mira si hay Internet, o prueba con otra red, como la del móvil"
            ),
            CausaDns::NoExiste => format!(
                "el DNS no encuentra el clúster {servidor}, que no existe: revisa que el nombre de MONGODB_URI esté copiado entero (si es un servidor suelto, empieza por mongodb://, sin +srv)"
            ),
            CausaDns::Raro => format!(
                "el DNS contesta algo raro al preguntarle por el clúster {servidor} ({palabras}): prueba con otra red o con otro DNS"
            ),
        })
    }

    fn sin_conexion(&self, texto: &str) -> ErrorAlmacen {
        match causa(texto, self) {
            Some(Causa::NoResponde(causa)) => self.no_responde(&causa),
            Some(Causa::Contesta(que)) => self.contesta(&que),
            Some(Causa::Certificado(que)) => {
                Pasajero(format!("no se puede confiar en {}: su certificado {que}", self.servidor))
            }
            Some(Causa::NoEsMongo) => self.no_es_mongo(),
            Some(Causa::DnsMudo) => self.sin_dns(&CausaDns::Mudo, ""),
            None => self.no_responde(&self.palabras(texto)),
        }
    }

    fn no_es_mongo(&self) -> ErrorAlmacen {
        Pasajero(format!(
            "lo que contesta en {} no parece un MongoDB: revisa la dirección y el puerto de MONGODB_URI (el suyo suele ser 27017)",
            self.servidor
        ))
    }

    fn contesta(&self, que: &str) -> ErrorAlmacen {
        Pasajero(format!("MongoDB contesta en {}, pero {que}", self.servidor))
    }

    fn no_responde(&self, causa: &str) -> ErrorAlmacen {
        let servidor = &self.servidor;
        Pasajero(if self.es_atlas {
            format!(
                "el clúster de Atlas {servidor} no responde ({causa}). Suele ser que tu IP no está en su lista, que esta red corta el puerto 27017 o que está en pausa: mira en cloud.mongodb.com Network Access y si pone Paused, y prueba con otra red, como la del móvil"
            )
        } else {
            format!(
                "MongoDB no responde en {servidor} ({causa}): comprueba que está en marcha y que MONGODB_URI es la suya"
            )
        })
    }
}

fn es_reintentable(error: &Error) -> bool {
    ETIQUETAS.iter().any(|etiqueta| error.contains_label(etiqueta))
}

/// El código del servidor, si el error es suyo.
pub(super) fn codigo(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(orden) => Some(orden.code),
        ErrorKind::InsertMany(fallo) => fallo.write_concern_error.as_ref().map(|e| e.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(fallo)) => Some(fallo.code),
        ErrorKind::Write(WriteFailure::WriteError(fallo)) => Some(fallo.code),
        _ => None,
    }
}

/// Lo que dice el servidor, o la crate, sin lo que la crate le pone alrededor.
fn dicho(error: &Error) -> String {
    match error.kind.as_ref() {
        ErrorKind::Command(orden) => orden.message.clone(),
        ErrorKind::InsertMany(fallo) => {
            fallo.write_concern_error.as_ref().map_or_else(String::new, |e| e.message.clone())
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(fallo)) => fallo.message.clone(),
        ErrorKind::Write(WriteFailure::WriteError(fallo)) => fallo.message.clone(),
        ErrorKind::InvalidArgument { message, .. } | ErrorKind::DnsResolve { message, .. } => message.clone(),
        otro => otro.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn un_atlas_mudo_dice_las_tres_causas_y_la_clave_no_sale() {
        let uri = Uri::leer("mongodb+srv://ana:p%40ss@c.abc.mongodb.net", "iabd06").unwrap();
        let frase = uri.explicar(&Caida::Mudo).to_string();
        for pista in ["Network Access", "27017", "pausa", "móvil"] {
            assert!(frase.contains(pista), "{frase}");
        }
        let palabras = uri.palabras("clave p@ss, \u{1b}[2J escrita\n p%40ss");
        assert_eq!(palabras, "clave ***, [2J escrita ***");
    }
}
