//! Lo que lleva una `\` delante en line protocol, y lo que el formato no sabe representar.

/// Copia `texto` a `salida` con una barra delante de cada carácter de `especiales`.
///
/// Un salto de línea partiría la línea en dos (y dejaría colar otra): se escribe `\n`, dos letras.
pub(super) fn escapar(texto: &str, especiales: &str, salida: &mut String) {
    // Lo normal, nada que escapar: todo lo especial está hasta la coma, o es «=» o «\».
    if !texto.bytes().any(|b| b <= b',' || b == b'=' || b == b'\\') {
        salida.push_str(texto);
        return;
    }
    for (i, letra) in texto.char_indices() {
        match letra {
            '\n' => salida.push_str("\\n"),
            '\r' => salida.push_str("\\r"),
            '\t' => salida.push_str("\\t"),
            '\u{c}' => salida.push_str("\\f"),
            '\\' if !especiales.contains('\\') => {
                // Delante de un carácter escapado una barra no se puede representar: unos servidores
                // la leen y otros rechazan la línea. Se quita, como al final.
                if !texto[i..].trim_start_matches('\\').starts_with(|c| especiales.contains(c)) {
                    salida.push('\\');
                }
            }
            _ => {
                if especiales.contains(letra) {
                    salida.push('\\');
                }
                salida.push(letra);
            }
        }
    }
}

/// Una barra al final se comería el separador que viene detrás: se quita.
pub(super) fn recortar(texto: &str) -> &str {
    texto.trim_end_matches('\\')
}
