//! Qué se contesta a cada petición. No habla con ningún motor: mira lo que el vigía sabe.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::documentos::Documentos;
use super::estaticos::FICHEROS;
use super::http::{Peticion, RespuestaHttp};
use super::instante::ahora;
use super::puntos::Puntos;
use super::rango::{self, DE_KPIS, DEL_SERVIDOR};
use super::sabido::{self, DeDocumentos, DePuntos, Pedido};
use super::secretos::Secretos;
use super::vigia::{Mesa, Situacion};
use super::vistas::{self, Comun};
use crate::fallo::Frase;

/// Letras que se admiten en un host o en una búsqueda.
const MAX_TEXTO: usize = 200;

/// Lo que hay detrás de la página.
pub struct Pagina {
    escuchar: String,
    secretos: Secretos,
    motor_puntos: (&'static str, String),
    motor_documentos: (&'static str, String),
    puntos: Arc<Mesa<Pedido, DePuntos>>,
    documentos: Arc<Mesa<(), DeDocumentos>>,
}

impl Pagina {
    /// Pone en marcha los dos vigías. Hasta que alguien mire, no preguntan nada.
    ///
    /// # Errors
    /// Si el sistema no deja crear más hilos.
    pub fn new(
        escuchar: &str,
        puntos: Box<dyn Puntos>,
        documentos: Box<dyn Documentos>,
        secretos: Secretos,
    ) -> Result<Self, Frase> {
        let sin_secretos = |(nombre, donde): (&'static str, String)| (nombre, secretos.tapar(&donde));
        Ok(Pagina {
            escuchar: escuchar.to_owned(),
            motor_puntos: sin_secretos(puntos.motor()),
            motor_documentos: sin_secretos(documentos.motor()),
            puntos: sabido::vigilar_puntos(puntos)?,
            documentos: sabido::vigilar_documentos(documentos)?,
            secretos,
        })
    }

    /// La contestación a una petición.
    pub fn responder(&self, peticion: &Peticion) -> RespuestaHttp {
        if !self.host_vale(&peticion.host) {
            // Una página de fuera puede hacer que su nombre apunte a este ordenador (DNS rebinding).
            return RespuestaHttp::frase(
                421,
                "Entra con localhost o con la dirección IP, no con otro nombre.",
            );
        }
        if let Some((_, tipo, contenido)) = FICHEROS.iter().find(|(ruta, ..)| *ruta == peticion.ruta) {
            let cuerpo = Cow::Borrowed(*contenido);
            return RespuestaHttp { codigo: 200, tipo, cache: "no-cache", cuerpo };
        }
        let vista = match parametros(&peticion.consulta) {
            Err(frase) => Err(frase),
            Ok(parametros) => match peticion.ruta.as_str() {
                "/api/servidor" => self.servidor(&parametros),
                "/api/flota" => self.flota(&parametros),
                "/api/kpis" => self.kpis(&parametros),
                _ => return RespuestaHttp::frase(404, "Aquí no hay nada: la página está en /"),
            },
        };
        let (codigo, valor) = match vista {
            Ok(valor) => (200, valor),
            Err(frase) => (400, json!({ "error": format!("{frase}.") })),
        };
        let cuerpo = Cow::Owned(valor.to_string().into_bytes());
        RespuestaHttp { codigo, tipo: "application/json; charset=utf-8", cache: "no-store", cuerpo }
    }

    fn servidor(&self, parametros: &Parametros) -> Result<Value, Frase> {
        let host = corto(parametros, "host")?.filter(|h| !h.is_empty());
        let rango = rango::leer(DEL_SERVIDOR, parametros.texto("rango"), "5m")?;
        let pedido = (host.map(str::to_owned), rango);
        Ok(self.puntos.pedir(&pedido, |datos, situacion| {
            let comun = self.comun(&self.motor_puntos, situacion);
            vistas::servidor(datos, &comun, host, rango)
        }))
    }

    fn flota(&self, parametros: &Parametros) -> Result<Value, Frase> {
        let buscar = corto(parametros, "buscar")?.unwrap_or_default();
        let pagina = match parametros.texto("pagina") {
            None => 0,
            Some(texto) => {
                texto.parse().map_err(|_| Frase::from("La página es un número, de 0 en adelante"))?
            }
        };
        Ok(self.documentos.pedir(&(), |datos, situacion| {
            let comun = self.comun(&self.motor_documentos, situacion);
            vistas::flota(datos, &comun, buscar, pagina)
        }))
    }

    fn kpis(&self, parametros: &Parametros) -> Result<Value, Frase> {
        let rango = rango::leer(&DE_KPIS, parametros.texto("rango"), "1h")?;
        Ok(self.documentos.pedir(&(), |datos, situacion| {
            let comun = self.comun(&self.motor_documentos, situacion);
            vistas::kpis(datos, &comun, rango)
        }))
    }

    fn comun<'a>(&self, motor: &'a (&'static str, String), situacion: Situacion) -> Comun<'a> {
        let situacion = match situacion {
            Situacion::Falla(frase) => Situacion::Falla(Frase(self.secretos.tapar(&frase.0))),
            otra => otra,
        };
        Comun { ahora: ahora(), motor, situacion }
    }

    /// Vale `localhost`, una IP o el nombre de `--escuchar`, con cualquier puerto.
    fn host_vale(&self, host: &str) -> bool {
        let nombre = match host.rsplit_once(':') {
            Some((nombre, puerto)) if puerto.parse::<u16>().is_ok() => nombre,
            _ => host,
        };
        let ip = nombre.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(nombre);
        nombre.eq_ignore_ascii_case("localhost")
            || nombre.eq_ignore_ascii_case(&self.escuchar)
            || ip.parse::<IpAddr>().is_ok()
    }
}

/// Los parámetros de la dirección, ya descifrados.
struct Parametros(Vec<(String, String)>);

impl Parametros {
    fn texto(&self, nombre: &str) -> Option<&str> {
        self.0.iter().find(|(clave, _)| clave == nombre).map(|(_, valor)| valor.as_str())
    }
}

fn parametros(consulta: &str) -> Result<Parametros, Frase> {
    let pares = consulta.split('&').filter(|par| !par.is_empty());
    let pares = pares.map(|par| {
        let (clave, valor) = par.split_once('=').unwrap_or((par, ""));
        Ok((descifrar(clave)?, descifrar(valor)?))
    });
    Ok(Parametros(pares.collect::<Result<_, Frase>>()?))
}

fn corto<'a>(parametros: &'a Parametros, nombre: &str) -> Result<Option<&'a str>, Frase> {
    match parametros.texto(nombre) {
        Some(texto) if texto.chars().nth(MAX_TEXTO).is_some() => {
            Err(format!("El parámetro {nombre} es demasiado largo: {MAX_TEXTO} letras como mucho").into())
        }
        texto => Ok(texto),
    }
}

/// Deshace la codificación de una dirección: `%C3%B1` es una ñ, y `+`, un espacio.
fn descifrar(texto: &str) -> Result<String, Frase> {
    let mal = || Frase::from("La dirección está mal escrita: tras un % van dos cifras hexadecimales");
    let mut bytes = Vec::with_capacity(texto.len());
    let mut resto = texto.as_bytes();
    while let [byte, siguen @ ..] = resto {
        (resto, _) = match (byte, siguen) {
            (b'%', [a, b, siguen @ ..]) => {
                let cifra = |c: &u8| char::from(*c).to_digit(16);
                let valor = cifra(a).zip(cifra(b)).and_then(|(a, b)| u8::try_from(a * 16 + b).ok());
                (siguen, bytes.push(valor.ok_or_else(mal)?))
            }
            (b'%', _) => return Err(mal()),
            (b'+', _) => (siguen, bytes.push(b' ')),
            _ => (siguen, bytes.push(*byte)),
        };
    }
    String::from_utf8(bytes).map_err(|_| "La dirección no está en UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn las_direcciones_se_descifran() {
        assert_eq!(descifrar("a%C3%B1o+1%2b"), Ok("año 1+".to_owned()));
        assert_eq!(descifrar(""), Ok(String::new()));
        for mala in ["%", "%4", "%zz", "%+1", "%ff", "a%c3"] {
            assert!(descifrar(mala).is_err(), "{mala}");
        }
    }
}
