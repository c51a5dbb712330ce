//! Frases y textos: contar en singular y plural, enumerar y cortar.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recortar_cuenta_letras_y_no_bytes() {
        assert_eq!(recortar("año", 3), "año");
        assert_eq!(recortar("años", 3), "año…");
        assert_eq!(recortar("", 0), "");
    }

    #[test]
    fn enumerar_pone_la_conjuncion_que_toca() {
        let tres = ["a", "b", "INFLUXDB"].map(str::to_owned);
        assert_eq!(enumerar(&tres), "a, b e INFLUXDB");
        assert_eq!(enumerar(&tres[..2]), "a y b");
        assert_eq!(enumerar(&tres[..1]), "a");
    }
}
