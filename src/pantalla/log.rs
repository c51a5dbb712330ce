//! El fichero de `--log`: una línea por aviso, con su hora.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::avisos::Nivel;

/// Adónde va. Se abre en cada línea, que son pocas: así da igual que alguien lo borre, lo mueva o lo recorte. Y
/// en modo «append»: varios programas pueden compartirlo sin escribir uno encima de otro.
#[derive(Clone)]
pub(super) struct Log {
    ruta: PathBuf,
}

impl Log {
    /// Comprueba que se puede escribir en él, y lo crea si falta.
    pub(super) fn abrir(ruta: &Path) -> io::Result<Self> {
        abrir(ruta)?;
        Ok(Log { ruta: ruta.to_owned() })
    }

    /// Añade una línea, de una vez. Un log que no se puede escribir no para a nadie.
    pub(super) fn anotar(&self, nivel: Nivel, frase: &str) {
        let hora = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let nivel = format!("{nivel:?}").to_uppercase();
        let linea = format!("{hora} {nivel:<7} {}\n", frase.replace('\n', " "));
        let _ = abrir(&self.ruta).and_then(|mut fichero| fichero.write_all(linea.as_bytes()));
    }
}

fn abrir(ruta: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(ruta)
}
