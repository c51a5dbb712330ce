//! Un JSON de fuera: sus campos o, en una frase, qué le pasa. Lo que admite es lo que admite el estándar.

use serde_json::error::Category;
use serde_json::{Error, Map, Value};

/// Lee un objeto JSON en UTF-8, con o sin la marca de orden de bytes (BOM) que ponen .NET y PowerShell.
///
/// # Errors
/// La razón por la que no vale, en español y sin punto final.
pub fn leer_objeto(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let texto = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let valor: Value = serde_json::from_slice(texto).map_err(|error| explicar(texto, &error))?;
    let Value::Object(campos) = valor else { return Err("no es un objeto JSON".to_owned()) };
    match entero_enorme(texto) {
        Some(entero) => Err(format!("lleva un entero que no cabe en 64 bits ({entero})")),
        None => Ok(campos),
    }
}

fn explicar(texto: &[u8], error: &Error) -> String {
    if texto.starts_with(b"\xff\xfe") || texto.starts_with(b"\xfe\xff") || texto.get(1) == Some(&0) {
        return "no es JSON en UTF-8: parece UTF-16".to_owned();
    }
    if error.classify() == Category::Eof {
        return "el JSON está cortado".to_owned();
    }
    let pista = pista(&texto[lugar(texto, error)..]);
    format!("no es JSON válido (columna {}{pista})", error.column())
}

/// El byte del que se queja un error.
fn lugar(texto: &[u8], error: &Error) -> usize {
    let lineas = texto.split_inclusive(|b| *b == b'\n').take(error.line().saturating_sub(1));
    let inicio: usize = lineas.map(<[u8]>::len).sum();
    (inicio + error.column().saturating_sub(1)).min(texto.len())
}

/// Lo que suele haber donde un JSON deja de serlo.
fn pista(resto: &[u8]) -> &'static str {
    let empieza = |palabras: &[&str]| palabras.iter().any(|p| resto.starts_with(p.as_bytes()));
    if empieza(&["NaN", "nan"]) {
        ": NaN no existe en JSON"
    } else if empieza(&["Inf", "-Inf", "inf"]) {
        ": Infinity no existe en JSON"
    } else if empieza(&["'", "None", "True", "False"]) {
        ": parece un dict de Python; se convierte con json.dumps"
    } else {
        ""
    }
}

/// El primer entero que ni con signo ni sin él cabe en 64 bits: al leerlo se perderían cifras.
fn entero_enorme(texto: &[u8]) -> Option<String> {
    let mut en_texto = false;
    let mut i = 0;
    while i < texto.len() {
        match texto[i] {
            b'\\' if en_texto => i += 1,
            b'"' => en_texto = !en_texto,
            b'-' | b'0'..=b'9' if !en_texto => {
                let de_numero = |b: &&u8| b.is_ascii_digit() || b"+-.eE".contains(b);
                let cifras = texto[i..].iter().take_while(de_numero).count();
                let numero = std::str::from_utf8(&texto[i..i + cifras]).unwrap_or_default();
                let entero = !numero.contains(['.', 'e', 'E']);
                if entero && numero.parse::<i64>().is_err() && numero.parse::<u64>().is_err() {
                    return Some(crate::herramientas::texto::recortar(numero, 40));
                }
                i += cifras - 1;
            }
            _ => {}
        }
        i += 1;
    }
    None
}
