//! Un segmento del diario: un fichero de líneas cuyo nombre dice por dónde va lo pendiente.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::buffer::Lote;
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::{lineas, sitio};

/// Un segmento. Lo pendiente es `desde..bytes`, y son `lineas` líneas.
pub(super) struct Segmento {
    pub(super) numero: u64,
    pub(super) ruta: PathBuf,
    pub(super) desde: u64,
    pub(super) bytes: u64,
    pub(super) lineas: usize,
    pub(super) fichero: Option<File>, // mientras se escribe, y después hasta asegurarlo
}

/// Lo que se ve al mirar un segmento en el disco.
#[derive(PartialEq)]
pub(super) enum Mirada {
    Bien,
    /// No está en su sitio, pero se tiene abierto: se puede leer.
    Fuera,
    /// No está.
    Perdido,
    /// Es más corto de lo que era.
    Corto,
}

impl Segmento {
    /// Uno nuevo y vacío.
    pub(super) fn crear(carpeta: &Path, numero: u64) -> io::Result<Self> {
        let ruta = carpeta.join(nombre(numero, 0));
        fs::create_dir_all(carpeta)?; // por si la han borrado con el agente en marcha
        let fichero = Some(lineas::abrir(&ruta)?);
        Ok(Segmento { numero, ruta, desde: 0, bytes: 0, lineas: 0, fichero })
    }

    /// El de una ejecución anterior: corta la última línea si está rota y cuenta las demás. `None` si ese
    /// nombre no es de un segmento.
    pub(super) fn recuperar(ruta: PathBuf, avisos: &Avisos) -> io::Result<Option<Self>> {
        let Some((numero, desde)) = leer_nombre(&ruta) else { return Ok(None) };
        let mut fichero = lineas::abrir(&ruta)?;
        if lineas::cortar_linea_rota(&mut fichero)? > 0 {
            avisos(Nivel::Detalle, &format!("Última línea a medias en {}: cortada.", ruta.display()));
        }
        let bytes = fichero.metadata()?.len();
        let desde = desde.min(bytes);
        fichero.seek(SeekFrom::Start(desde))?;
        let mut resto = Vec::new();
        fichero.read_to_end(&mut resto)?;
        let lineas = resto.iter().filter(|b| **b == b'\n').count();
        Ok(Some(Segmento { numero, ruta, desde, bytes, lineas, fichero: None }))
    }

    /// Si sigue en su sitio y entero.
    pub(super) fn mirar(&self) -> io::Result<Mirada> {
        let datos = match &self.fichero {
            Some(fichero) if !sitio::sigue_en(&self.ruta, fichero)? => return Ok(Mirada::Fuera),
            Some(fichero) => fichero.metadata()?,
            None => match fs::metadata(&self.ruta) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Mirada::Perdido),
                datos => datos?,
            },
        };
        Ok(if datos.len() < self.bytes { Mirada::Corto } else { Mirada::Bien })
    }

    /// Otro, con lo pendiente de este, que ya no está en su sitio.
    pub(super) fn rehacer(&self, carpeta: &Path, numero: u64) -> io::Result<Self> {
        let mut pendiente = Lote::default();
        self.leer(usize::MAX, &mut pendiente)?;
        let mut nuevo = Segmento::crear(carpeta, numero)?;
        if let Some(fichero) = &mut nuevo.fichero {
            lineas::anadir_en(fichero, 0, &pendiente.texto)?;
        }
        Ok(Segmento { bytes: pendiente.texto.len() as u64, lineas: pendiente.lineas, ..nuevo })
    }

    /// Se queda con lo pendiente que aún tiene. Devuelve las líneas que se han ido.
    pub(super) fn encoger(&mut self) -> io::Result<usize> {
        let mut queda = Lote::default();
        self.leer(usize::MAX, &mut queda)?;
        let enteras = queda.texto.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let lineas = queda.texto[..enteras].iter().filter(|b| **b == b'\n').count();
        let perdidas = self.lineas.saturating_sub(lineas);
        (self.lineas, self.bytes) = (lineas, self.desde + enteras as u64);
        Ok(perdidas)
    }

    /// Los de una carpeta, sin leerlos: solo su número y lo que ocupan.
    pub(super) fn de_una_carpeta(carpeta: &Path) -> io::Result<Vec<Self>> {
        let mut todos = Vec::new();
        for entrada in fs::read_dir(carpeta)? {
            let entrada = entrada?;
            if let Some((numero, desde)) = leer_nombre(&entrada.path()) {
                let (ruta, bytes) = (entrada.path(), entrada.metadata()?.len());
                todos.push(Segmento { numero, ruta, desde, bytes, lineas: 0, fichero: None });
            }
        }
        Ok(todos)
    }

    /// Lo pasa a otra carpeta, con otro número.
    pub(super) fn mudar(&self, carpeta: &Path, numero: u64) -> io::Result<()> {
        fs::rename(&self.ruta, carpeta.join(nombre(numero, self.desde)))
    }

    /// Añade una línea al final.
    pub(super) fn anadir(&mut self, linea: &str) -> io::Result<()> {
        let Some(fichero) = &mut self.fichero else {
            return Err(io::ErrorKind::NotFound.into());
        };
        lineas::anadir_en(fichero, self.bytes, linea.as_bytes())?;
        self.bytes += linea.len() as u64;
        self.lineas += 1;
        Ok(())
    }

    /// Añade al lote las líneas pendientes de este segmento, hasta que el lote tenga `max`.
    pub(super) fn leer(&self, max: usize, lote: &mut Lote) -> io::Result<()> {
        let abierto;
        let mut fichero = match &self.fichero {
            Some(fichero) => fichero,
            None => {
                abierto = File::open(&self.ruta)?;
                &abierto
            }
        };
        fichero.seek(SeekFrom::Start(self.desde))?;
        let mut lector = BufReader::with_capacity(64 << 10, fichero.take(self.bytes - self.desde));
        while lote.lineas < max && lector.read_until(b'\n', &mut lote.texto)? > 0 {
            lote.lineas += 1;
        }
        Ok(())
    }

    /// Da por enviadas sus primeras líneas. El nombre dice por dónde va; si no se puede cambiar,
    /// tras un reinicio se enviarán otra vez, que es inofensivo.
    pub(super) fn avanzar(&mut self, lineas: usize, bytes: u64) {
        if lineas == 0 {
            return;
        }
        self.desde += bytes;
        self.lineas -= lineas;
        let nueva = self.ruta.with_file_name(nombre(self.numero, self.desde));
        if fs::rename(&self.ruta, &nueva).is_ok() {
            self.ruta = nueva;
        }
    }

    /// Lo quita del disco.
    pub(super) fn borrar(&self) {
        let _ = fs::remove_file(&self.ruta);
    }
}

fn nombre(numero: u64, desde: u64) -> String {
    format!("{numero:012}-{desde:08}.lp")
}

fn leer_nombre(ruta: &Path) -> Option<(u64, u64)> {
    let (numero, desde) = ruta.file_name()?.to_str()?.strip_suffix(".lp")?.split_once('-')?;
    Some((numero.parse().ok()?, desde.parse().ok()?))
}
