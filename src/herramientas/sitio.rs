//! Si un fichero abierto sigue en su sitio: alguien puede borrarlo, moverlo o poner otro mientras se escribe, y
//! entonces se escribiría donde nadie va a mirar.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

/// Si en `ruta` está el fichero que se tiene abierto.
///
/// # Errors
/// Los del sistema, salvo que en `ruta` no haya nada: eso es que no.
pub fn sigue_en(ruta: &Path, abierto: &File) -> io::Result<bool> {
    match fs::metadata(ruta) {
        Ok(otro) => Ok(identidad(&otro) == identidad(&abierto.metadata()?)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// El disco y el fichero.
pub type Numero = (u64, u64);

/// El número con que el disco distingue un fichero de otro; mientras está abierto no se lo da a otro. Windows no lo
/// dice sin `unsafe`: nada.
pub fn numero(datos: &Metadata) -> Option<Numero> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((datos.dev(), datos.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = datos;
        None
    }
}

/// Su número o, donde no se sabe, cuándo se creó y lo que ocupa. En Windows, borrar uno abierto lo quita de su sitio
/// en el acto (desde Windows 10) o no se puede, y entonces sigue en él.
fn identidad(datos: &Metadata) -> (Option<Numero>, Option<(SystemTime, u64)>) {
    let numero = numero(datos);
    let parecido = if numero.is_none() { datos.created().ok().map(|c| (c, datos.len())) } else { None };
    (numero, parecido)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herramientas::lineas;

    #[test]
    fn se_nota_si_lo_borran_lo_mueven_o_ponen_otro() {
        let carpeta = tempfile::tempdir().unwrap();
        let (ruta, otra) = (carpeta.path().join("a"), carpeta.path().join("b"));
        let abierto = lineas::abrir(&ruta).unwrap();
        fs::write(&ruta, "hola").unwrap(); // el mismo, con otro contenido
        assert!(sigue_en(&ruta, &abierto).unwrap());
        fs::rename(&ruta, &otra).unwrap();
        assert!(!sigue_en(&ruta, &abierto).unwrap());
        assert!(sigue_en(&otra, &abierto).unwrap());
        fs::write(&ruta, "otro").unwrap();
        assert!(!sigue_en(&ruta, &abierto).unwrap());
        fs::remove_dir_all(carpeta.path()).unwrap();
        assert!(!sigue_en(&ruta, &abierto).unwrap());
    }
}
