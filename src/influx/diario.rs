//! El diario: un [`Buffer`] en disco. Lo apuntado sobrevive a un kill -9 y a un reinicio.
//!
//! Es una carpeta de segmentos de 1 MiB, `000000000007-00004096.lp`: número de segmento y byte por
//! el que va lo pendiente. Siempre se añade al último; lo confirmado avanza por el primero, que se
//! borra al acabarse. Un número no se usa dos veces, así que un segmento viejo nunca se confunde
//! con uno nuevo. Si el programa muere entre un envío y su confirmación, esas líneas se envían otra
//! vez: es inofensivo, porque una serie y un instante se sobrescriben a sí mismos.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::buffer::{Buffer, Lote};
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::lineas;
use crate::herramientas::texto::contar;

/// Tamaños del diario, en bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limites {
    /// Un segmento se cierra al pasar de aquí.
    pub segmento: u64,
    /// Entre todos. Al pasarse, se tira el segmento entero más antiguo.
    pub total: u64,
}

impl Default for Limites {
    fn default() -> Self {
        Limites { segmento: 1 << 20, total: 64 << 20 }
    }
}

/// Cada cuánto, como mucho, se pide al sistema que asegure en disco lo escrito. El margen evita
/// que una lectura por segundo, que nunca llega exacta, se quede a veces sin asegurar.
const CADA_FSYNC: Duration = Duration::from_millis(950);

/// La cola en disco de un host_id hacia un destino.
pub struct Diario {
    carpeta: PathBuf,
    limites: Limites,
    avisos: Avisos,
    segmentos: VecDeque<Segmento>,
    siguiente: u64,  // número del próximo segmento
    en_vuelo: usize, // segmentos que toca el lote que se está enviando
    asegurado: Instant,
    perdidas: u64,
}

/// Un segmento. Lo pendiente es `desde..bytes`, y son `lineas` líneas.
struct Segmento {
    numero: u64,
    ruta: PathBuf,
    desde: u64,
    bytes: u64,
    lineas: usize,
    fichero: Option<File>, // mientras se escribe, y después hasta asegurarlo
}

impl Diario {
    /// Abre el diario de `carpeta`, que ya existe, y cuenta lo que quedó pendiente.
    ///
    /// # Errors
    /// Los del sistema: permisos, disco que no se puede leer.
    pub fn abrir(carpeta: &Path, limites: Limites, avisos: Avisos) -> io::Result<Self> {
        let mut segmentos = Vec::new();
        let mut siguiente = 0;
        for entrada in fs::read_dir(carpeta)? {
            let ruta = entrada?.path();
            let Some((numero, desde)) = leer_nombre(&ruta) else { continue };
            siguiente = siguiente.max(numero + 1);
            let segmento = Segmento::recuperar(ruta, numero, desde, &avisos)?;
            if segmento.lineas > 0 { segmentos.push(segmento) } else { segmento.borrar() }
        }
        segmentos.sort_by_key(|s| s.numero);
        Ok(Diario {
            carpeta: carpeta.to_owned(),
            limites,
            avisos,
            siguiente,
            segmentos: segmentos.into(),
            en_vuelo: 0,
            asegurado: Instant::now(),
            perdidas: 0,
        })
    }

    /// El segmento donde se escribe; si no lo hay o está lleno, uno nuevo.
    fn abierto(&mut self) -> io::Result<usize> {
        let sirve = |s: &Segmento| s.fichero.is_some() && s.bytes < self.limites.segmento;
        if !self.segmentos.back().is_some_and(sirve) {
            self.hacer_sitio()?;
            self.segmentos.push_back(Segmento::crear(&self.carpeta, self.siguiente)?);
            self.siguiente += 1;
        }
        Ok(self.segmentos.len() - 1)
    }

    /// Tira segmentos enteros, del más antiguo en adelante, hasta que quepa uno más. Los que toca
    /// un envío en marcha o ya salieron en parte no están enteros: se quedan.
    fn hacer_sitio(&mut self) -> io::Result<()> {
        let mut ocupado: u64 = self.segmentos.iter().map(|s| s.bytes).sum();
        while ocupado + self.limites.segmento > self.limites.total {
            let entero = |(i, s): &(usize, &Segmento)| *i >= self.en_vuelo && s.desde == 0;
            let Some((i, _)) = self.segmentos.iter().enumerate().find(entero) else { break };
            match fs::remove_file(&self.segmentos[i].ruta) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let Some(tirado) = self.segmentos.remove(i) else { break };
            ocupado -= tirado.bytes;
            self.perdidas += tirado.lineas as u64;
            let frase = format!(
                "El diario ha llegado a su tope de {} MiB: se ha tirado lo más antiguo ({}; en total, {}).",
                self.limites.total >> 20,
                contar(tirado.lineas as u64, "punto", "puntos"),
                self.perdidas
            );
            (self.avisos)(Nivel::Error, &frase);
        }
        Ok(())
    }

    /// Alguien ha borrado el fichero de un segmento con el agente en marcha.
    fn dar_por_perdido(&mut self, i: usize) {
        let Some(borrado) = self.segmentos.remove(i) else { return };
        self.perdidas += borrado.lineas as u64;
        let puntos = contar(borrado.lineas as u64, "punto", "puntos");
        let frase = format!("Alguien ha borrado {}, con {puntos} que esperaban.", borrado.ruta.display());
        (self.avisos)(Nivel::Error, &frase);
    }

    /// Pide al sistema que lo escrito llegue al disco, como mucho una vez por segundo.
    fn asegurar_si_toca(&mut self) -> io::Result<()> {
        if self.asegurado.elapsed() < CADA_FSYNC {
            return Ok(());
        }
        self.asegurado = Instant::now();
        let abierto = self.segmentos.back().map(|s| s.numero);
        for segmento in &mut self.segmentos {
            if let Some(fichero) = &segmento.fichero {
                fichero.sync_data()?;
            }
            if Some(segmento.numero) != abierto {
                segmento.fichero = None;
            }
        }
        // En Unix, un fichero recién creado solo aguanta un apagón si se asegura su carpeta.
        #[cfg(unix)]
        File::open(&self.carpeta)?.sync_all()?;
        Ok(())
    }
}

impl Buffer for Diario {
    fn anotar(&mut self, linea: &str) -> io::Result<()> {
        let i = self.abierto()?;
        self.segmentos[i].anadir(linea)?;
        // La línea ya está en el sistema; que el disco tarde o falle al asegurarla no la quita.
        if let Err(error) = self.asegurar_si_toca() {
            (self.avisos)(Nivel::Detalle, &format!("fsync del diario: {error}"));
        }
        Ok(())
    }

    fn lote(&mut self, max: usize) -> io::Result<Lote> {
        let mut lote = Lote::default();
        self.en_vuelo = 0;
        while let Some(segmento) = self.segmentos.get(self.en_vuelo)
            && lote.lineas < max
        {
            match segmento.leer(max, &mut lote) {
                Ok(()) => self.en_vuelo += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => self.dar_por_perdido(self.en_vuelo),
                Err(error) => return Err(error),
            }
        }
        Ok(lote)
    }

    fn quitar(&mut self, lote: &Lote, n: usize) {
        self.en_vuelo = 0;
        let (mut lineas, mut bytes) = (n, lote.bytes_de(n) as u64);
        while let Some(primero) = self.segmentos.front_mut() {
            if lineas < primero.lineas {
                primero.avanzar(lineas, bytes);
                return;
            }
            lineas -= primero.lineas;
            bytes = bytes.saturating_sub(primero.bytes - primero.desde);
            primero.borrar();
            self.segmentos.pop_front();
        }
    }

    fn pendientes(&self) -> usize {
        self.segmentos.iter().map(|s| s.lineas).sum()
    }

    fn perdidas(&self) -> u64 {
        self.perdidas
    }
}

/// Al cerrar, lo pendiente queda asegurado en el disco.
impl Drop for Diario {
    fn drop(&mut self) {
        for fichero in self.segmentos.iter().filter_map(|s| s.fichero.as_ref()) {
            let _ = fichero.sync_data();
        }
    }
}

impl Segmento {
    fn crear(carpeta: &Path, numero: u64) -> io::Result<Self> {
        let ruta = carpeta.join(nombre(numero, 0));
        fs::create_dir_all(carpeta)?; // por si la han borrado con el agente en marcha
        let fichero = Some(lineas::abrir(&ruta)?);
        Ok(Segmento { numero, ruta, desde: 0, bytes: 0, lineas: 0, fichero })
    }

    /// Un segmento de una ejecución anterior: corta la última línea si está rota y cuenta las demás.
    fn recuperar(ruta: PathBuf, numero: u64, desde: u64, avisos: &Avisos) -> io::Result<Self> {
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
        Ok(Segmento { numero, ruta, desde, bytes, lineas, fichero: None })
    }

    fn anadir(&mut self, linea: &str) -> io::Result<()> {
        let Some(fichero) = &mut self.fichero else {
            return Err(io::ErrorKind::NotFound.into());
        };
        lineas::anadir_en(fichero, self.bytes, linea.as_bytes())?;
        self.bytes += linea.len() as u64;
        self.lineas += 1;
        Ok(())
    }

    /// Añade al lote las líneas pendientes de este segmento, hasta que el lote tenga `max`.
    fn leer(&self, max: usize, lote: &mut Lote) -> io::Result<()> {
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
    fn avanzar(&mut self, lineas: usize, bytes: u64) {
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

    fn borrar(&self) {
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
