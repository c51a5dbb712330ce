//! El fichero `.env`: líneas `CLAVE=valor`.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::fallo::Fallo;
use crate::herramientas::causa::causa;
use crate::herramientas::texto::sin_invisibles;

/// Lee un `.env`: líneas `CLAVE=valor`; `#` al principio, comentario; comillas y `export`, opcionales.
///
/// # Errors
/// [`Fallo::Uso`] con el número de la línea que no se entiende.
pub fn leer_dotenv(ruta: &Path) -> Result<HashMap<String, String>, Fallo> {
    let texto = match fs::read_to_string(ruta) {
        Ok(texto) => texto,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => {
            let causa = match error.kind() {
                ErrorKind::InvalidData => "no está en UTF-8: guárdalo con esa codificación".to_owned(),
                _ => causa(&error),
            };
            return Err(Fallo::Uso(format!("no se puede leer {}: {causa}", ruta.display())));
        }
    };
    let mut valores = HashMap::new();
    for (i, linea) in texto.lines().enumerate() {
        let linea = sin_invisibles(linea);
        if linea.is_empty() || linea.starts_with('#') {
            continue;
        }
        let malo = || Fallo::Uso(format!("{}, línea {}: se espera CLAVE=valor", ruta.display(), i + 1));
        let (clave, valor) = linea.trim_start_matches("export ").split_once('=').ok_or_else(malo)?;
        let (clave, valor) = (sin_invisibles(clave), sin_invisibles(valor));
        let valor = valor_dotenv(valor).ok_or_else(malo)?;
        if clave.is_empty() {
            return Err(malo());
        }
        valores.insert(clave.to_owned(), sin_invisibles(&valor).to_owned());
    }
    Ok(valores)
}

/// Entre comillas, lo de dentro tal cual (nada si no se cierran); sin ellas, hasta un `#` de comentario, que va tras un espacio.
fn valor_dotenv(valor: &str) -> Option<String> {
    for comilla in ['"', '\''] {
        if let Some(resto) = valor.strip_prefix(comilla) {
            return resto.split_once(comilla).map(|(dentro, _)| dentro.to_owned());
        }
    }
    let es_comentario = |(i, _): &(usize, &str)| *i == 0 || valor[..*i].ends_with(char::is_whitespace);
    let fin = valor.match_indices('#').find(es_comentario).map_or(valor.len(), |(i, _)| i);
    Some(valor[..fin].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn el_dotenv_admite_comentarios_comillas_y_export() {
        let carpeta = tempfile::tempdir().unwrap();
        let ruta = carpeta.path().join(".env");
        let texto = "\u{feff}# nota\n\nA=1\nexport B = dos\nC=\"con # dentro\"\nD='x=y'\nE=valor # nota\nF=\nG= # nada\nH=a#b\t# nota\r\n\u{200b}I=\u{a0}\"valor\u{feff}\"\u{a0}\n";
        fs::write(&ruta, texto).unwrap();
        let valores = leer_dotenv(&ruta).unwrap();
        let esperados = [
            ("A", "1"),
            ("B", "dos"),
            ("C", "con # dentro"),
            ("D", "x=y"),
            ("E", "valor"),
            ("F", ""),
            ("G", ""),
            ("H", "a#b"),
            ("I", "valor"),
        ];
        assert_eq!(valores, esperados.map(|(c, v)| (c.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn una_linea_de_dotenv_que_no_se_entiende_se_dice_con_su_numero() {
        let carpeta = tempfile::tempdir().unwrap();
        let ruta = carpeta.path().join(".env");
        for mala in ["esto no", "=valor", "B=\"sin cerrar", "B='x"] {
            fs::write(&ruta, format!("A=1\n{mala}\n")).unwrap();
            let Err(Fallo::Uso(frase)) = leer_dotenv(&ruta) else { panic!("debía fallar: {mala}") };
            assert!(frase.contains("línea 2"), "{frase}");
        }
        fs::write(&ruta, b"\xff\xfeA\0=\0").unwrap(); // UTF-16, lo que escribe > en PowerShell 5
        let Err(Fallo::Uso(frase)) = leer_dotenv(&ruta) else { panic!("debía fallar") };
        assert!(frase.contains("UTF-8"), "{frase}");
    }
}
