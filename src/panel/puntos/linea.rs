//! Una línea del fichero del agente, leída. Lo contrario de `influx::punto`.

use super::Punto;
use crate::nombres::{CAMPOS, MEDIDA};

/// El `host_id` y lo medido. Nada si la línea está mal, es de otra medida o no trae ningún campo nuestro.
pub fn leer(linea: &[u8]) -> Option<(String, Punto)> {
    let (serie, resto) = partir(linea, b' ', Comillas::SonLetras)?;
    let (mut fields, ns) = partir(resto, b' ', Comillas::Cuentan)?;
    let ns: i64 = std::str::from_utf8(ns).ok()?.trim().parse().ok()?;
    let (medida, mut tags) = partir(serie, b',', Comillas::SonLetras)?;
    if medida != MEDIDA.as_bytes() {
        return None;
    }
    let mut host = None;
    while !tags.is_empty() {
        let (tag, resto) = partir(tags, b',', Comillas::SonLetras).unwrap_or((tags, b""));
        let (clave, valor) = partir(tag, b'=', Comillas::SonLetras)?;
        if clave == b"host_id" {
            host = Some(sin_barras(valor));
        }
        tags = resto;
    }
    let mut valores = [None; 3];
    while !fields.is_empty() {
        let (field, resto) = partir(fields, b',', Comillas::Cuentan).unwrap_or((fields, b""));
        let (clave, valor) = partir(field, b'=', Comillas::Cuentan)?;
        if let Some(i) = CAMPOS.iter().position(|c| c.as_bytes() == clave) {
            *valores.get_mut(i)? = numero(valor);
        }
        fields = resto;
    }
    let punto = Punto { t: ns.div_euclid(1_000_000), valores };
    Some((host?, punto)).filter(|_| valores.iter().any(Option::is_some))
}

/// Lo que es una comilla: en los tags, una letra más; en los fields, donde empieza y acaba un texto.
#[derive(Clone, Copy, PartialEq)]
enum Comillas {
    SonLetras,
    Cuentan,
}

/// Parte por el primer `separador` que no esté escapado ni dentro de un texto.
fn partir(texto: &[u8], separador: u8, comillas: Comillas) -> Option<(&[u8], &[u8])> {
    let (mut i, mut dentro) = (0, false);
    while let Some(byte) = texto.get(i) {
        match byte {
            b'\\' => i += 1, // lo que sigue no separa
            b'"' if comillas == Comillas::Cuentan => dentro = !dentro,
            byte if *byte == separador && !dentro => return Some((texto.get(..i)?, texto.get(i + 1..)?)),
            _ => {}
        }
        i += 1;
    }
    None
}

/// Quita la barra de `\,`, `\=` y `\ `; las demás son barras.
fn sin_barras(valor: &[u8]) -> String {
    let texto = String::from_utf8_lossy(valor);
    let mut salida = String::with_capacity(texto.len());
    let mut letras = texto.chars().peekable();
    while let Some(letra) = letras.next() {
        if !(letra == '\\' && letras.peek().is_some_and(|l| matches!(l, ',' | '=' | ' '))) {
            salida.push(letra);
        }
    }
    salida
}

/// `12.5`, `42i` o `42u`. Ni textos, ni booleanos, ni lo que no sea finito.
fn numero(valor: &[u8]) -> Option<f64> {
    let texto = std::str::from_utf8(valor).ok()?;
    let entero = texto.strip_suffix(['i', 'u']).unwrap_or(texto);
    entero.parse().ok().filter(|x: &f64| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::influx::Point;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn se_lee_lo_que_escribe_el_agente(
            host in "[ -~ñ😀]{1,30}", entorno in "[ -~]{0,10}", cpu in 0f64..100.0, ns in any::<i64>(),
        ) {
            let punto = Point::new(MEDIDA).tag("host_id", &host).tag("entorno", &entorno)
                .field("cpu_percent", cpu).field("nota", "a, b=c \\ \"x\" d").field("disk_percent", 7_i64);
            let mut linea = String::new();
            punto.escribir_linea(ns, &mut linea).unwrap();
            // Lo que el formato no puede representar (una barra al final o ante un escape) no se escribe.
            let escrito: String = {
                let recortado = host.trim_end_matches('\\');
                let raras = |i: usize| recortado[i..].trim_start_matches('\\').starts_with([',', '=', ' ']);
                recortado.char_indices().filter(|(i, c)| *c != '\\' || !raras(*i)).map(|(_, c)| c).collect()
            };
            let esperado = (!escrito.is_empty()).then(|| {
                (escrito, Punto { t: ns.div_euclid(1_000_000), valores: [Some(cpu), None, Some(7.0)] })
            });
            prop_assert_eq!(leer(linea.trim_end().as_bytes()), esperado);
        }

        #[test]
        fn nada_la_rompe(linea in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = leer(&linea);
            let _ = leer(&[b"rendimiento_servidor,host_id=a ", &linea[..]].concat());
        }
    }

    #[test]
    fn otros_ordenes_y_otros_tipos_valen_y_lo_malo_se_salta() {
        let leida = leer(
            b"rendimiento_servidor,a=1,host_id=s\\ 1 ram_percent=42i,cpu_percent=NaN,x=t 1700000000123456789",
        );
        let punto = Punto { t: 1_700_000_000_123, valores: [None, Some(42.0), None] };
        assert_eq!(leida, Some(("s 1".to_owned(), punto)));
        for mala in [
            "",
            "#",
            "otra,host_id=a cpu_percent=1 1",
            "rendimiento_servidor cpu_percent=1 1",
            "rendimiento_servidor,host_id=a cpu_percent=1",
            "rendimiento_servidor,host_id=a cpu_percent=inf 1",
            "rendimiento_servidor,host_id=a cpu_percent=\"1\" 1",
            "rendimiento_servidor,host_id=a cpu_percent=1 x",
            "rendimiento_servidor,host_id=a otro=1 1",
        ] {
            assert_eq!(leer(mala.as_bytes()), None, "{mala}");
        }
    }
}
