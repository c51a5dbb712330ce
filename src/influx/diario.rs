//! El diario: un [`Buffer`] en disco. Lo apuntado sobrevive a un kill -9 y a un reinicio.
//!
//! Es una carpeta de segmentos de 1 MiB, `000000000007-00004096.lp`: número de segmento y byte por
//! el que va lo pendiente. Siempre se añade al último; lo confirmado avanza por el primero, que se
//! borra al acabarse. Un número no se usa dos veces, así que un segmento viejo nunca se confunde
//! con uno nuevo. Si el programa muere entre un envío y su confirmación, esas líneas se envían otra
//! vez: es inofensivo, porque una serie y un instante se sobrescriben a sí mismos.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::buffer::{Buffer, Lote};
use super::segmento::Segmento;
use crate::avisos::{Avisos, Nivel};
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

impl Diario {
    /// Abre el diario de `carpeta`, que ya existe, y cuenta lo que quedó pendiente.
    ///
    /// # Errors
    /// Los del sistema: permisos, disco que no se puede leer.
    pub fn abrir(carpeta: &Path, limites: Limites, avisos: Avisos) -> io::Result<Self> {
        let mut segmentos = Vec::new();
        let mut siguiente = 0;
        for entrada in fs::read_dir(carpeta)? {
            let Some(segmento) = Segmento::recuperar(entrada?.path(), &avisos)? else { continue };
            siguiente = siguiente.max(segmento.numero + 1);
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
