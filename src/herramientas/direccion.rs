//! La dirección de un servidor: si lo escrito puede ser un host y un puerto, antes de mandarle nada.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::texto::raro;

/// Lo que se deja en el sitio de la dirección al copiar un ejemplo.
const DE_EJEMPLO: [&str; 9] =
    ["ip_local", "ip-local", "tu-ip", "tu_ip", "mi-ip", "your-ip", "ip", "tu-servidor", "tu_servidor"];

/// Un host y su puerto, si se dice: `localhost`, `192.168.1.20:29092`, `[::1]:8086`.
///
/// # Errors
/// Por qué no puede ser una dirección, sin repetirla: «el puerto va del 1 al 65535, y es «0»».
pub fn host_y_puerto(texto: &str) -> Result<(&str, Option<u16>), String> {
    if let Some(signo) = texto.chars().find(|c| ['$', '%'].contains(c)) {
        return Err(format!(
            "lleva «{signo}»: si es una variable, nadie la ha sustituido; escribe la dirección"
        ));
    }
    let (host, resto) = match texto.strip_prefix('[') {
        Some(dentro) => {
            let (ip, resto) = dentro.split_once(']').ok_or("falta el corchete que cierra")?;
            if ip.parse::<Ipv6Addr>().is_err() {
                return Err(format!("«{ip}» no es una IPv6"));
            }
            (&texto[..ip.len() + 2], resto)
        }
        None if texto.matches(':').count() > 1 => {
            return Err("una IPv6 va entre corchetes, como [::1], y un puerto va solo una vez".to_owned());
        }
        None => {
            let (host, resto) = texto.split_at(texto.find(':').unwrap_or(texto.len()));
            revisar_host(host)?;
            (host, resto)
        }
    };
    match resto.strip_prefix(':') {
        Some(escrito) => Ok((host, Some(puerto(escrito)?))),
        None if resto.is_empty() => Ok((host, None)),
        None => Err(format!("sobra «{resto}»")),
    }
}

/// La primera variable que alguien tenía que haber sustituido, como `${IP_LOCAL}`. Un `$` suelto puede ser
/// de una contraseña.
pub fn sin_sustituir(texto: &str) -> Option<&str> {
    texto.match_indices("${").find_map(|(i, _)| {
        let fin = i + texto[i..].find('}')?;
        let nombre = &texto[i + 2..fin];
        let es_nombre = nombre.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && nombre.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        es_nombre.then_some(&texto[i..=fin])
    })
}

fn puerto(escrito: &str) -> Result<u16, String> {
    match escrito.parse() {
        _ if escrito.is_empty() => Err("falta el puerto detrás de los dos puntos".to_owned()),
        Ok(puerto) if puerto > 0 && escrito.bytes().all(|b| b.is_ascii_digit()) => Ok(puerto),
        _ => Err(format!("el puerto es un número del 1 al 65535, y es «{escrito}»")),
    }
}

/// Un nombre o una IPv4. Con las letras de un nombre de Internet, más `_`, que usa Docker.
fn revisar_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("falta el nombre o la IP del servidor".to_owned());
    }
    if es_de_ejemplo(host) {
        return Err(format!("«{host}» es un ejemplo: pon ahí la dirección de tu servidor"));
    }
    let vale = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    if let Some(letra) = host.chars().find(|c| !vale(*c)) {
        return Err(format!("lleva {}, que no puede ir en el nombre de un servidor", raro(letra)));
    }
    let mut etiquetas = host.strip_suffix('.').unwrap_or(host).split('.');
    if host.len() > 253 || etiquetas.any(|e| e.is_empty() || e.len() > 63 || e.starts_with('-')) {
        return Err(format!("«{host}» no puede ser el nombre de un servidor"));
    }
    let ultima = host.rsplit('.').find(|e| !e.is_empty()).unwrap_or_default();
    if ultima.bytes().all(|b| b.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err() {
        return Err(format!("«{host}» no es una IP: son cuatro números del 0 al 255, sin ceros delante"));
    }
    Ok(())
}

/// `<ip>`, `tu-ip`, `192.168.1.x`…
fn es_de_ejemplo(host: &str) -> bool {
    let minusculas = host.to_lowercase();
    let con_equis = minusculas.split('.').count() == 4
        && minusculas.split('.').any(|e| !e.is_empty() && e.bytes().all(|b| b == b'x'));
    con_equis || host.starts_with(['<', '{']) || DE_EJEMPLO.contains(&&*minusculas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lo_que_es_una_direccion_se_parte_en_host_y_puerto() {
        let buenas = [
            ("localhost", "localhost", None),
            ("localhost:29092", "localhost", Some(29092)),
            ("192.168.1.20:1", "192.168.1.20", Some(1)),
            ("mi_pc.aula-3.es.:65535", "mi_pc.aula-3.es.", Some(65535)),
            ("[::1]:8086", "[::1]", Some(8086)),
            ("[fe80::1]", "[fe80::1]", None),
            ("3com.example", "3com.example", None),
        ];
        for (texto, host, puerto) in buenas {
            assert_eq!(host_y_puerto(texto), Ok((host, puerto)));
        }
    }

    #[track_caller]
    fn comprobar((texto, trozo): (&str, &str)) {
        let razon = host_y_puerto(texto).unwrap_err();
        assert!(razon.contains(trozo), "«{texto}»: falta «{trozo}» en «{razon}»");
    }

    #[test]
    fn lo_que_no_puede_ser_una_direccion_se_dice() {
        let malas = [
            ("", "falta el nombre"),
            (":80", "falta el nombre"),
            ("a:", "falta el puerto"),
            ("a:38o86", "«38o86»"),
            ("a:0", "«0»"),
            ("a:65536", "«65536»"),
            ("a:+80", "«+80»"),
            ("a:-1", "«-1»"),
            ("a:8 0", "«8 0»"),
            ("::1", "corchetes"),
            ("a:1:2", "corchetes"),
            ("[::1", "corchete"),
            ("[a]:1", "«a» no es una IPv6"),
            ("[::1]8086", "sobra «8086»"),
            ("a b:1", "un espacio"),
            ("a\u{200b}:1", "invisible (U+200B)"),
            ("año:1", "«ñ»"),
            ("a/b", "«/»"),
        ];
        malas.into_iter().for_each(comprobar);
    }

    #[test]
    fn los_nombres_imposibles_las_ip_a_medias_y_los_ejemplos_se_dicen() {
        let malas = [
            ("a..b", "no puede ser"),
            (".a", "no puede ser"),
            ("-a", "no puede ser"),
            ("192.168.1", "no es una IP"),
            ("192.168.1.300:1", "no es una IP"),
            ("1.2.3.4.5", "no es una IP"),
            ("192.168.01.2", "no es una IP"),
            ("8086", "no es una IP"),
            ("IP_LOCAL:29092", "es un ejemplo"),
            ("<ip>:1", "es un ejemplo"),
            ("tu-ip", "es un ejemplo"),
            ("192.168.1.X", "es un ejemplo"),
            ("{ip}:1", "es un ejemplo"),
            ("${IP_LOCAL}:29092", "variable"),
            ("$IP_LOCAL:1", "lleva «$»"),
            ("%IP_LOCAL%:1", "lleva «%»"),
        ];
        malas.into_iter().for_each(comprobar);
    }

    #[test]
    fn un_dolar_de_una_clave_no_es_una_variable() {
        for clave in ["pa$$word", "a$AB", "${", "${}", "${1A}", "$(X)", "ab${minusculas}", "ñ${"] {
            assert_eq!(sin_sustituir(clave), None, "{clave}");
        }
        assert_eq!(sin_sustituir("a${B_1}c"), Some("${B_1}"));
    }
}
