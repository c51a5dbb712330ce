//! Lo que la página no enseña nunca, venga en la frase que venga: contraseñas y tokens.
//!
//! Cada cuarto tapa ya los suyos. Esto es por si alguno se escapa en las palabras de una biblioteca o de un
//! servidor: la página la ve toda la clase.

use crate::config::mongodb::BaseDeDatos;
use crate::influx::Acceso;
use crate::influx::Lugar;

/// Los que haya en la configuración.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Secretos(Vec<String>);

impl Secretos {
    /// Los de estas dos fuentes.
    pub fn de(puntos: &Lugar, base: &BaseDeDatos) -> Self {
        let mut secretos = Vec::new();
        if let Lugar::Servidor { url, acceso, .. } = puntos {
            secretos.extend(credenciales(url));
            secretos.extend(url.split_once('?').map(|(_, consulta)| consulta.to_owned()));
            match acceso {
                Acceso::V2 { token, .. } => secretos.push(token.clone()),
                Acceso::V1 { credenciales, .. } => {
                    secretos.extend(credenciales.iter().map(|(_, c)| c.clone()))
                }
            }
        }
        if let BaseDeDatos::Mongo { uri, .. } = base {
            match credenciales(uri) {
                Some(credenciales) => secretos.push(credenciales),
                None => secretos.extend(sin_host(uri)),
            }
        }
        // De «ana:secreta», también la segunda parte.
        let claves: Vec<_> =
            secretos.iter().filter_map(|s| s.split_once(':')).map(|(_, c)| c.to_owned()).collect();
        secretos.extend(claves);
        // Uno de una o dos letras está en cualquier palabra: tapándolo no se entendería nada.
        secretos.retain(|secreto| secreto.chars().nth(2).is_some());
        secretos.sort_by_key(|secreto| std::cmp::Reverse(secreto.len()));
        Secretos(secretos)
    }

    /// El texto sin ellos.
    pub fn tapar(&self, texto: &str) -> String {
        self.0.iter().fold(texto.to_owned(), |texto, secreto| texto.replace(secreto.as_str(), "***"))
    }
}

/// Lo que hay entre `://` y la última `@`.
fn credenciales(url: &str) -> Option<String> {
    let (_, resto) = url.split_once("://")?;
    resto.rsplit_once('@').map(|(credenciales, _)| credenciales.to_owned())
}

/// En `mongodb://ana:9999` falta la `@` con el servidor: lo que parece un puerto puede ser una contraseña. De
/// un servidor que de verdad se llame así, con 27017 o con un punto en el nombre, no hay duda.
fn sin_host(uri: &str) -> Option<String> {
    let (_, resto) = uri.split_once("://")?;
    let (host, puerto) = resto.split(['/', '?', ',']).next()?.split_once(':')?;
    let es_host = host == "localhost" || host.contains(['.', '[']) || puerto == "27017";
    (!es_host).then(|| puerto.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mongo(uri: &str) -> BaseDeDatos {
        BaseDeDatos::Mongo { uri: uri.to_owned(), base: "iabd06".to_owned() }
    }

    #[test]
    fn ni_un_token_ni_una_contrasena_salen_en_ninguna_frase() {
        let (token, org, bucket) = ("TOKEN+9==".to_owned(), "o".to_owned(), "b".to_owned());
        let v2 = Lugar::Servidor {
            url: "http://h:1".to_owned(),
            acceso: Acceso::V2 { token, org, bucket },
            ca: None,
        };
        let credenciales = Some(("ana".to_owned(), "DELUNO".to_owned()));
        let acceso = Acceso::V1 { database: "b".to_owned(), credenciales };
        let v1 =
            Lugar::Servidor { url: "http://ana:ENURL9@h/?u=ana&p=SECRETA9".to_owned(), acceso, ca: None };
        for (puntos, base) in [
            (&v2, BaseDeDatos::Embebida),
            (&v1, BaseDeDatos::Embebida),
            (&Lugar::Fichero, mongo("mongodb+srv://ana:SECRETA9@c.a.mongodb.net/?w=majority")),
            (&Lugar::Fichero, mongo("mongodb://ana:99887")),
            (&Lugar::Fichero, mongo("mongodb://ana:SECRETA9")),
        ] {
            let secretos = Secretos::de(puntos, &base);
            for frase in [
                "el servidor dice «token TOKEN+9== malo»",
                "no responde en http://ana:ENURL9@h/?u=ana&p=SECRETA9 con DELUNO",
                "MongoDB no responde en ana:99887, y ana:SECRETA9 no es un servidor",
            ] {
                let tapada = secretos.tapar(frase);
                let suyos = secretos.0.iter().filter(|s| frase.contains(s.as_str())).count();
                assert!(secretos.0.iter().all(|s| !tapada.contains(s.as_str())), "{tapada}");
                assert_eq!(suyos > 0, tapada != frase, "{tapada}");
            }
        }
    }

    #[test]
    fn un_puerto_no_es_una_contrasena() {
        assert_eq!(
            Secretos::de(&Lugar::Fichero, &mongo("mongodb://ana:99887")).tapar("ana:99887"),
            "ana:***"
        );
        for uri in [
            "mongodb://localhost:27018",
            "mongodb://mongo:27017",
            "mongodb://10.0.0.1:9",
            "mongodb://[::1]:9",
        ] {
            assert_eq!(Secretos::de(&Lugar::Fichero, &mongo(uri)), Secretos::default(), "{uri}");
        }
    }
}
