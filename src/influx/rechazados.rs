//! El fichero de las líneas apartadas: las que el servidor no aceptará nunca, con lo que dijo de ellas.
//!
//! Es line protocol: las notas son comentarios, y se puede volver a cargar tal cual.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::herramientas::lineas;

/// Lo más que ocupa: al pasarse, pasa a ser el anterior, y el anterior a ese se borra.
const TOPE: u64 = 8 << 20;

/// El fichero, y la nota de lo último apartado.
#[derive(Debug)]
pub(super) struct Rechazados {
    ruta: PathBuf,
    tope: u64,
    nota: String,
}

impl Rechazados {
    /// En esta ruta. No lo crea todavía.
    pub(super) fn new(ruta: PathBuf) -> Self {
        Rechazados { ruta, tope: TOPE, nota: String::new() }
    }

    /// Dónde está.
    pub(super) fn ruta(&self) -> &Path {
        &self.ruta
    }

    /// Añade unas líneas; con una nota delante, si no es la misma que la de las anteriores. Cuando vuelve están
    /// en el disco: ya se pueden quitar del diario. Devuelve cuántas líneas viejas se han tirado para hacer sitio.
    pub(super) fn guardar(&mut self, texto: &[u8], nota: &str) -> io::Result<usize> {
        let fecha = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let nota_entera = format!("# {fecha} {nota}\n");
        let tiradas = self.hacer_sitio((nota_entera.len() + texto.len()) as u64)?;
        let delante = if self.nota == nota { "" } else { &nota_entera };
        let ficha = [delante.as_bytes(), texto].concat();
        let nuevo = !self.ruta.exists();
        let mut fichero = lineas::abrir(&self.ruta)?;
        lineas::cortar_linea_rota(&mut fichero)?;
        lineas::anadir(&mut fichero, &ficha)?;
        fichero.sync_data()?;
        if nuevo {
            self.asegurar_carpeta()?;
        }
        nota.clone_into(&mut self.nota);
        Ok(tiradas)
    }

    /// Si no cabe, el fichero pasa a ser el anterior.
    fn hacer_sitio(&mut self, bytes: u64) -> io::Result<usize> {
        let ocupado = fs::metadata(&self.ruta).map_or(0, |datos| datos.len());
        if ocupado == 0 || ocupado + bytes <= self.tope {
            return Ok(0);
        }
        let anterior = self.ruta.with_extension("anterior.lp");
        let viejas = fs::read(&anterior).unwrap_or_default();
        fs::rename(&self.ruta, &anterior)?;
        self.nota.clear();
        let viejas = viejas.split(|b| *b == b'\n').filter(|linea| !linea.is_empty() && linea[0] != b'#');
        Ok(viejas.count())
    }

    /// En Unix, un fichero recién creado solo aguanta un apagón si se asegura su carpeta.
    fn asegurar_carpeta(&self) -> io::Result<()> {
        #[cfg(unix)]
        if let Some(carpeta) = self.ruta.parent() {
            fs::File::open(carpeta)?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn la_nota_solo_se_repite_si_cambia() {
        let carpeta = tempfile::tempdir().unwrap();
        let mut rechazados = Rechazados::new(carpeta.path().join("rechazados.lp"));
        for (linea, nota) in [("a\n", "422 uno"), ("b\n", "422 uno"), ("c\n", "400 dos"), ("d\n", "422 uno")]
        {
            rechazados.guardar(linea.as_bytes(), nota).unwrap();
        }
        let texto = fs::read_to_string(rechazados.ruta()).unwrap();
        let lineas: Vec<_> =
            texto.lines().map(|l| l.rsplit_once("Z ").map_or(l, |(_fecha, nota)| nota)).collect();
        assert_eq!(lineas, ["422 uno", "a", "b", "400 dos", "c", "422 uno", "d"]);
    }

    #[test]
    fn tiene_un_tope_y_se_dice_lo_que_se_tira() {
        let carpeta = tempfile::tempdir().unwrap();
        let mut rechazados = Rechazados::new(carpeta.path().join("rechazados.lp"));
        rechazados.tope = 200;
        let linea = format!("{}\n", "x".repeat(49));
        let tiradas: usize = (0..40).map(|_| rechazados.guardar(linea.as_bytes(), "400 mala").unwrap()).sum();
        let mut quedan = 0;
        for entrada in fs::read_dir(carpeta.path()).unwrap().map(|e| e.unwrap().path()) {
            let texto = fs::read_to_string(&entrada).unwrap();
            assert!(texto.len() <= 200 && texto.starts_with("# "), "{texto}");
            quedan += texto.lines().filter(|l| !l.starts_with('#')).count();
        }
        assert_eq!(tiradas + quedan, 40, "cada línea o está o se ha dicho que se ha tirado");
    }
}
