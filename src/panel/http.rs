//! Una petición, entendida, y una contestación, escrita. No habla con la red.
//!
//! Solo GET y HEAD, que no llevan cuerpo. Fuente: RFC 9112.

use std::borrow::Cow;
use std::fmt::Write;

/// Bytes y cabeceras de una petición.
pub const MAX_PETICION: usize = 8 << 10;
const MAX_CABECERAS: usize = 64;

/// Van en todas las contestaciones.
const CABECERAS: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n";

/// Lo que se pide. Siempre es un GET (o un HEAD, que es lo mismo sin cuerpo).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peticion {
    /// La cabecera Host.
    pub host: String,
    /// La ruta, como viene.
    pub ruta: String,
    /// Lo que va tras el `?`.
    pub consulta: String,
}

/// Lo que se contesta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RespuestaHttp {
    /// Código de estado.
    pub codigo: u16,
    /// Tipo de contenido.
    pub tipo: &'static str,
    /// `Cache-Control`.
    pub cache: &'static str,
    /// El contenido.
    pub cuerpo: Cow<'static, [u8]>,
}

impl RespuestaHttp {
    /// Una frase sola.
    pub fn frase(codigo: u16, frase: &str) -> Self {
        RespuestaHttp {
            codigo,
            tipo: "text/plain; charset=utf-8",
            cache: "no-store",
            cuerpo: Cow::Owned(format!("{frase}\n").into_bytes()),
        }
    }

    /// Lo que va delante del cuerpo. `ultima`: tras esta contestación se cierra la conexión.
    pub fn cabeza(&self, ultima: bool) -> String {
        let motivo = match self.codigo {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            421 => "Misdirected Request",
            431 => "Request Header Fields Too Large",
            _ => "",
        };
        let mut cabeza = String::with_capacity(1024);
        // Escribir en un String no falla.
        let _ = write!(
            cabeza,
            "HTTP/1.1 {} {motivo}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: {}\r\n{CABECERAS}",
            self.codigo,
            self.tipo,
            self.cuerpo.len(),
            self.cache
        );
        if self.codigo == 405 {
            cabeza.push_str("Allow: GET, HEAD\r\n");
        }
        if ultima {
            cabeza.push_str("Connection: close\r\n");
        }
        cabeza.push_str("\r\n");
        cabeza
    }
}

/// Lo que se ha entendido de lo recibido.
pub enum Leida {
    /// Todavía no está entera.
    Incompleta,
    /// No se puede atender: se contesta esto y se cierra.
    Mala(RespuestaHttp),
    /// Una petición.
    Buena {
        /// Lo que se pide.
        peticion: Peticion,
        /// Lo que ocupa; lo que siga es de la siguiente.
        bytes: usize,
        /// Si la contestación lleva cuerpo: no, con HEAD.
        con_cuerpo: bool,
        /// Si tras ella se cierra la conexión.
        ultima: bool,
    },
}

/// Entiende lo recibido hasta ahora.
pub fn entender(recibido: &[u8]) -> Leida {
    let mala = |codigo, frase: &str| Leida::Mala(RespuestaHttp::frase(codigo, frase));
    let mut cabeceras = [httparse::EMPTY_HEADER; MAX_CABECERAS];
    let mut leida = httparse::Request::new(&mut cabeceras);
    let bytes = match leida.parse(recibido) {
        Ok(httparse::Status::Complete(bytes)) if bytes <= MAX_PETICION => bytes,
        Ok(httparse::Status::Partial) if recibido.len() <= MAX_PETICION => return Leida::Incompleta,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return mala(431, "La petición es demasiado larga."),
        Err(_) => return mala(400, "Eso no es una petición HTTP."),
    };
    let (metodo, destino) = (leida.method.unwrap_or_default(), leida.path.unwrap_or_default());
    if metodo != "GET" && metodo != "HEAD" {
        return mala(405, "Aquí solo se mira: GET o HEAD.");
    }
    let valores = |nombre: &'static str| {
        leida.headers.iter().filter(move |c| c.name.eq_ignore_ascii_case(nombre)).map(|c| c.value)
    };
    // Un cuerpo no hace falta, y leerlo mal sería confundirlo con la petición siguiente.
    if valores("transfer-encoding").next().is_some() || valores("content-length").any(|v| v != b"0") {
        return mala(400, "Una petición GET no lleva cuerpo.");
    }
    let mut hosts = valores("host");
    let (Some(Ok(host)), None) = (hosts.next().map(std::str::from_utf8), hosts.next()) else {
        return mala(400, "La petición ha de llevar una cabecera Host, y solo una.");
    };
    if !destino.starts_with('/') {
        return mala(400, "La dirección ha de empezar por una barra.");
    }
    let (ruta, consulta) = destino.split_once('?').unwrap_or((destino, ""));
    let cierra = |valor: &[u8]| valor.eq_ignore_ascii_case(b"close");
    Leida::Buena {
        peticion: Peticion { host: host.to_owned(), ruta: ruta.to_owned(), consulta: consulta.to_owned() },
        bytes,
        con_cuerpo: metodo == "GET",
        ultima: leida.version != Some(1) || valores("connection").any(cierra),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn una_peticion_a_trozos_se_entiende_cuando_esta_entera() {
        let entera = b"GET /a?b=c HTTP/1.1\r\nhost: localhost\r\n\r\nGET /";
        for n in 0..entera.len() - 5 {
            assert!(matches!(entender(&entera[..n]), Leida::Incompleta), "{n}");
        }
        let Leida::Buena { peticion, bytes, con_cuerpo: true, ultima: false } = entender(entera) else {
            panic!("no se entiende")
        };
        assert_eq!(bytes, entera.len() - 5);
        assert_eq!((&*peticion.host, &*peticion.ruta, &*peticion.consulta), ("localhost", "/a", "b=c"));
    }

    #[test]
    fn cada_peticion_mala_tiene_su_codigo() {
        let larga = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(MAX_PETICION));
        let muchas = format!("GET / HTTP/1.1\r\n{}\r\n", "x: 1\r\n".repeat(MAX_CABECERAS + 1));
        let casos: [(&str, u16); 10] = [
            ("POST / HTTP/1.1\r\nhost: localhost\r\n\r\n", 405),
            ("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", 405),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n", 400),
            ("GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n", 400),
            ("\x16\x03\x01\x02\x00\x01", 400), // TLS: han escrito https
            (&larga, 431),
            (&muchas, 431),
        ];
        for (texto, codigo) in casos {
            match entender(texto.as_bytes()) {
                Leida::Mala(respuesta) => assert_eq!(respuesta.codigo, codigo, "{texto}"),
                _ => panic!("se acepta: {texto}"),
            }
        }
    }
}
