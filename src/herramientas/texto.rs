//! Frases y textos: contar en singular y plural, decir cuánto tiempo, enumerar, cortar y limpiar lo que no se ve.

use std::time::Duration;

/// «1 punto», «3 puntos».
pub fn contar(n: u64, uno: &str, varios: &str) -> String {
    format!("{n} {}", if n == 1 { uno } else { varios })
}

/// «a, b y c» (o «e c», si lo último empieza por i).
pub fn enumerar(cosas: &[String]) -> String {
    match cosas {
        [varias @ .., penultima, ultima] => {
            let y = if ultima.starts_with(['i', 'I']) { "e" } else { "y" };
            [varias, &[format!("{penultima} {y} {ultima}")]].concat().join(", ")
        }
        _ => cosas.concat(),
    }
}

/// Las primeras `max` letras de un texto de fuera, con «…» si había más.
pub fn recortar(texto: &str, max: usize) -> String {
    match texto.char_indices().nth(max) {
        Some((corte, _)) => format!("{}…", &texto[..corte]),
        None => texto.to_owned(),
    }
}

/// Un tiempo, en la unidad que lo deja corto: «45 s», «90 min», «5 h».
pub fn duracion(tiempo: Duration) -> String {
    match tiempo.as_secs() {
        s @ ..120 => format!("{s} s"),
        s @ ..7200 => format!("{} min", (s + 30) / 60),
        s => format!("{} h", (s + 1800) / 3600),
    }
}

/// Un texto de fuera en una línea y sin nada que mande en un terminal: ni códigos de control ni los de
/// Unicode que cambian el sentido en que se lee. En su sitio queda un espacio.
pub fn limpiar(texto: &str) -> String {
    let manda = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    texto.replace(manda, " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sin lo que no se ve por los lados: espacios de todas clases, retornos de carro y marcas de ancho cero, que
/// se cuelan al copiar de una página o de un fichero de Windows.
pub fn sin_invisibles(texto: &str) -> &str {
    texto.trim_matches(es_invisible)
}

/// Una letra que no se esperaba, dicha de forma que se reconozca.
pub fn raro(letra: char) -> String {
    match letra {
        ' ' => "un espacio".to_owned(),
        letra if es_invisible(letra) => format!("un carácter invisible (U+{:04X})", u32::from(letra)),
        letra => format!("«{letra}»"),
    }
}

/// Si una letra no deja nada a la vista: un espacio de cualquier clase, una de control o de ancho cero.
pub fn es_invisible(letra: char) -> bool {
    // Ancho cero, sentido de escritura, guion blando y BOM: ni espacios ni de control, para Unicode.
    letra.is_whitespace()
        || letra.is_control()
        || matches!(letra, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn una_duracion_se_dice_en_una_unidad() {
        let dichas = [1, 119, 120, 3_599, 7_199, 7_200, 86_400].map(|s| duracion(Duration::from_secs(s)));
        assert_eq!(dichas, ["1 s", "119 s", "2 min", "60 min", "120 min", "2 h", "24 h"]);
    }

    #[test]
    fn recortar_cuenta_letras_y_no_bytes() {
        assert_eq!(recortar("año", 3), "año");
        assert_eq!(recortar("años", 3), "año…");
        assert_eq!(recortar("", 0), "");
    }

    #[test]
    fn limpiar_deja_una_linea_sin_codigos() {
        let sucio = "\u{1b}[2J\u{1b}]0;hola\u{7}  a\r\n\tb \u{9b}1A\u{202e}c\u{0} \u{7f} ñ";
        assert_eq!(limpiar(sucio), "[2J ]0;hola a b 1A c ñ");
        assert_eq!(limpiar("\u{7f}\n"), "");
    }

    #[test]
    fn lo_que_no_se_ve_se_quita_de_los_lados_y_se_nombra() {
        assert_eq!(sin_invisibles("\u{feff} \u{a0}a b\u{200b}\r\n"), "a b");
        assert_eq!(sin_invisibles("\u{200b}"), "");
        assert_eq!(raro('\r'), "un carácter invisible (U+000D)");
        assert_eq!((raro('í'), raro(' ')), ("«í»".to_owned(), "un espacio".to_owned()));
    }

    #[test]
    fn enumerar_pone_la_conjuncion_que_toca() {
        let tres = ["a", "b", "INFLUXDB"].map(str::to_owned);
        assert_eq!(enumerar(&tres), "a, b e INFLUXDB");
        assert_eq!(enumerar(&tres[..2]), "a y b");
        assert_eq!(enumerar(&tres[..1]), "a");
    }
}
