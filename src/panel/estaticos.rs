//! Los ficheros de la página, metidos en el programa: no se busca ninguno en el disco.

/// Ruta, tipo y contenido de cada uno.
pub const FICHEROS: &[(&str, &str, &[u8])] =
    &[("/", "text/html; charset=utf-8", include_bytes!("pagina/index.html"))];
