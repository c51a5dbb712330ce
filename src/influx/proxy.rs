//! El proxy: si hay que pasar por uno para llegar a un servidor. Lo dicen las variables que usan curl y
//! Python; aquí, además, la red local va siempre directa, como con influxdb-client: el proxy de un centro no
//! sabe llegar a ella.

use std::net::IpAddr;

use ureq::Proxy;

use crate::fallo::Frase;
use crate::herramientas::direccion::host_y_puerto;

/// Nombres que solo existen dentro de una red.
const DE_CASA: [&str; 7] = ["localhost", "local", "lan", "home", "internal", "localdomain", "home.arpa"];

/// Un proxy por el que se pasa.
#[derive(Debug, Clone)]
pub(super) struct Desvio {
    /// Lo que necesita ureq.
    pub(super) proxy: Proxy,
    /// Cómo se nombra: sin su contraseña y con la variable que lo dice.
    pub(super) nombre: String,
}

/// El proxy por el que se llega a un servidor, o ninguno. `puerto` es el de la URL, aunque no se diga.
///
/// # Errors
/// Una frase, si hay que pasar por un proxy que no se entiende.
pub(super) fn desvio(
    https: bool,
    host: &str,
    puerto: u16,
    entorno: impl Fn(&str) -> Option<String>,
) -> Result<Option<Desvio>, Frase> {
    let variable = |nombres: &[&'static str]| {
        nombres.iter().find_map(|n| Some((*n, entorno(n)?)).filter(|(_, valor)| !valor.trim().is_empty()))
    };
    let nombres = match https {
        true => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        false => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let Some((variable_del_proxy, valor)) = variable(&nombres) else { return Ok(None) };
    let excepciones = variable(&["no_proxy", "NO_PROXY"]).map(|(_, valor)| valor).unwrap_or_default();
    if va_directo(host, puerto, &excepciones) {
        return Ok(None);
    }
    leer(valor.trim(), variable_del_proxy).map(Some)
}

fn leer(valor: &str, variable: &str) -> Result<Desvio, Frase> {
    let (esquema, resto) = valor.split_once("://").unwrap_or(("http", valor));
    let autoridad = resto.split('/').next().unwrap_or_default();
    let direccion = autoridad.rsplit('@').next().unwrap_or_default(); // delante pueden ir usuario y contraseña
    let con_esquema = format!("{esquema}://{autoridad}");
    match (esquema, host_y_puerto(direccion), Proxy::new(&con_esquema)) {
        ("http" | "https", Ok(_), Ok(proxy)) => {
            Ok(Desvio { proxy, nombre: format!("{direccion} ({variable})") })
        }
        (socks, ..) if socks.starts_with("socks") => Err(Frase(format!(
            "{variable} es de un proxy SOCKS, que aquí no vale: pon uno HTTP, o el servidor en NO_PROXY"
        ))),
        _ => Err(Frase(format!(
            "{variable} no se entiende: se espera algo como http://proxy.micentro.es:3128"
        ))),
    }
}

/// Si a ese servidor se llega sin proxy: es de la red local, o está en `NO_PROXY`.
fn va_directo(host: &str, puerto: u16, no_proxy: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let es_de_casa = match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => {
            let compartida = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64; // RFC 6598
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified() || compartida
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified()
        }
        Err(_) => !host.contains('.') || DE_CASA.iter().any(|sufijo| es_de(&host, sufijo)),
    };
    let separador = |c: char| c == ',' || c == ';' || c.is_whitespace();
    es_de_casa || no_proxy.split(separador).any(|e| coincide(&host, puerto, &e.to_ascii_lowercase()))
}

/// Si una entrada de `NO_PROXY` es la de ese servidor: `*`, un nombre y los que acaban en él, una IP, una red
/// (`10.0.0.0/8`) o el principio de una (`10.1.*`); con su puerto o sin él.
fn coincide(host: &str, puerto: u16, entrada: &str) -> bool {
    let entrada = match entrada.rsplit_once(':') {
        Some((antes, detras)) if !antes.contains(':') || antes.ends_with(']') => {
            if detras.parse() != Ok(puerto) {
                return false;
            }
            antes
        }
        _ => entrada,
    };
    let entrada = entrada.trim_matches(['[', ']']);
    if entrada == "*" {
        return true;
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        let en_red = |(red, bits): (&str, &str)| Some(misma_red(ip, red.parse().ok()?, bits.parse().ok()?));
        return entrada.parse() == Ok(ip)
            || entrada.split_once('/').and_then(en_red).unwrap_or(false)
            || entrada
                .strip_suffix('*')
                .is_some_and(|inicio| inicio.ends_with('.') && host.starts_with(inicio));
    }
    let nombre = entrada.trim_start_matches('*').trim_matches('.');
    !nombre.is_empty() && es_de(host, nombre)
}

fn es_de(host: &str, nombre: &str) -> bool {
    host.strip_suffix(nombre).is_some_and(|antes| antes.is_empty() || antes.ends_with('.'))
}

fn misma_red(ip: IpAddr, red: IpAddr, bits: u32) -> bool {
    let iguales = |a: u128, b: u128, ancho: u32| {
        bits <= ancho && (bits == 0 || (a ^ b).checked_shr(ancho - bits).unwrap_or(0) == 0)
    };
    match (ip, red) {
        (IpAddr::V4(a), IpAddr::V4(b)) => iguales(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => iguales(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nombre(https: bool, host: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let entorno = |n: &str| variables.iter().find(|(v, _)| *v == n).map(|(_, valor)| (*valor).to_owned());
        desvio(https, host, 8086, entorno).map(|d| d.map(|d| d.nombre)).map_err(|frase| frase.0)
    }

    #[test]
    fn el_proxy_es_el_de_su_esquema_y_se_nombra_sin_su_contrasena() {
        let con = [
            ("HTTPS_PROXY", " http://ana:SECRETA@proxy:3128/ "),
            ("all_proxy", "otro:1"),
            ("http_proxy", ""),
        ];
        assert_eq!(nombre(true, "nube.example", &con), Ok(Some("proxy:3128 (HTTPS_PROXY)".to_owned())));
        assert_eq!(nombre(false, "nube.example", &con), Ok(Some("otro:1 (all_proxy)".to_owned())));
        assert_eq!(nombre(false, "nube.example", &con[..1]), Ok(None));
        for mala in ["socks5://proxy:1080", "http://", "http://proxy:x", "ftp://proxy:1", "<proxy>:1"] {
            let frase = nombre(true, "nube.example", &[("HTTPS_PROXY", mala)]).unwrap_err();
            assert!(frase.contains("HTTPS_PROXY"), "{frase}");
            assert_eq!(nombre(true, "10.0.0.1", &[("HTTPS_PROXY", mala)]), Ok(None), "directo, da igual");
        }
    }

    #[test]
    fn la_red_local_va_directa() {
        for host in [
            "localhost",
            "127.9.9.9",
            "[::1]",
            "192.168.77.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "169.254.1.1",
            "100.64.0.1",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "influxdb2",
            "PC-07",
            "pi.local",
            "nas.lan.",
            "x.home.arpa",
            "0.0.0.0",
        ] {
            assert_eq!(nombre(true, host, &[("ALL_PROXY", "p:1")]), Ok(None), "{host}");
        }
        for host in ["172.32.0.1", "8.8.8.8", "100.128.0.1", "nube.example", "local.example", "[2001:db8::1]"]
        {
            assert!(nombre(true, host, &[("ALL_PROXY", "p:1")]).unwrap().is_some(), "{host}");
        }
    }

    #[test]
    fn no_proxy_entiende_espacios_sufijos_redes_y_asteriscos() {
        let casos = [
            ("nube.example", "localhost, nube.example", true),
            ("a.nube.example", "nube.example", true),
            ("a.nube.example", ".example", true),
            ("a.nube.example", "*.nube.example", true),
            ("nube.example", ".nube.example", true),
            ("NUBE.example.", "nube.EXAMPLE", true),
            ("nube.example", "otra.example;\tnube.example", true),
            ("nube.example", "*", true),
            ("nube.example", "nube.example:8086", true),
            ("nube.example", "nube.example:80", false),
            ("mi-nube.example", "nube.example", false),
            ("nube.example", "nube", false),
            ("nube.example", "", false),
            ("nube.example", ",.,", false),
            ("8.8.8.8", "8.8.8.8", true),
            ("8.8.8.8", "8.8.0.0/16", true),
            ("8.9.8.8", "8.8.0.0/16", false),
            ("8.8.8.8", "0.0.0.0/0", true),
            ("8.8.8.8", "8.8.*", true),
            ("8.88.8.8", "8.8.*", false),
            ("8.8.8.8", "8.8.8.8/33", false),
            ("18.8.8.8", "8.8.8.8", false),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("[2001:db8::1]", "[2001:db8::1]:8086", true),
            ("[2001:db8::1]", "2001:db8::/32", true),
            ("[2001:db8::1]", "8.8.0.0/16", false),
        ];
        for (host, no_proxy, directo) in casos {
            let leido = nombre(true, host, &[("ALL_PROXY", "p:1"), ("NO_PROXY", no_proxy)]);
            assert_eq!(leido.unwrap().is_none(), directo, "{host}, con «{no_proxy}»");
        }
    }
}
