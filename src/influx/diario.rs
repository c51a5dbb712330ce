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

use super::asegurador::{Asegurador, Tarea};
use super::buffer::{Buffer, Lote};
use super::carpeta::FICHA;
use super::segmento::{Mirada, Segmento};
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

/// Cada cuánto, como mucho, se mira si los segmentos siguen en su sitio y se pide al sistema que asegure en disco
/// lo escrito. El margen evita que una lectura por segundo, que nunca llega exacta, se quede a veces sin asegurar.
const CADA_RONDA: Duration = Duration::from_millis(950);

/// La cola en disco de un host_id hacia un destino.
pub struct Diario {
    carpeta: PathBuf,
    limites: Limites,
    avisos: Avisos,
    segmentos: VecDeque<Segmento>,
    siguiente: u64,         // número del próximo segmento
    en_vuelo: usize,        // segmentos que toca el lote que se está enviando
    ficha: Option<Vec<u8>>, // lo que dice la carpeta de quién es
    asegurador: Asegurador,
    hay_nuevos: bool, // segmentos creados desde que se aseguró la carpeta
    ronda: Instant,
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
        let asegurador = Asegurador::new(avisos.clone())?;
        Ok(Diario {
            carpeta: carpeta.to_owned(),
            limites,
            avisos,
            siguiente,
            segmentos: segmentos.into(),
            en_vuelo: 0,
            ficha: fs::read(carpeta.join(FICHA)).ok(),
            asegurador,
            hay_nuevos: false,
            ronda: Instant::now(),
            perdidas: 0,
        })
    }

    /// El segmento donde se escribe; si no lo hay o está lleno, uno nuevo.
    fn abierto(&mut self) -> io::Result<usize> {
        let sirve = |s: &Segmento| s.fichero.is_some() && s.bytes < self.limites.segmento;
        if !self.segmentos.back().is_some_and(sirve) {
            self.hacer_sitio()?;
            let nuevo = Segmento::crear(&self.carpeta, self.siguiente)?;
            self.segmentos.push_back(nuevo);
            self.siguiente += 1;
            self.hay_nuevos = true;
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

    /// Mira si alguien ha borrado, movido o recortado algún segmento con el agente en marcha. Los de un envío en
    /// marcha no se tocan: sus líneas van en el lote.
    fn revisar(&mut self) -> io::Result<()> {
        for i in (self.en_vuelo..self.segmentos.len()).rev() {
            match self.segmentos[i].mirar()? {
                Mirada::Bien => {}
                Mirada::Fuera => self.rehacer(i)?,
                Mirada::Perdido => self.dar_por_perdido(i),
                Mirada::Corto => {
                    let perdidas = self.segmentos[i].encoger()?;
                    let ruta = self.segmentos[i].ruta.display().to_string();
                    self.perder(perdidas, &format!("Alguien ha recortado {ruta}"));
                }
            }
        }
        Ok(())
    }

    /// Pone otro segmento en el sitio de uno que alguien ha quitado, y que aún se puede leer.
    fn rehacer(&mut self, i: usize) -> io::Result<()> {
        let nuevo = self.segmentos[i].rehacer(&self.carpeta, self.siguiente)?;
        self.siguiente += 1;
        self.hay_nuevos = true;
        if let Some(ficha) = &self.ficha {
            fs::write(self.carpeta.join(FICHA), ficha)?;
        }
        let frase = format!(
            "{} ya no está: alguien lo ha borrado, o movido. Se ha hecho otro con los puntos que esperaban ({}).",
            self.segmentos[i].ruta.display(),
            nuevo.lineas
        );
        self.segmentos[i] = nuevo;
        (self.avisos)(Nivel::Aviso, &frase);
        Ok(())
    }

    /// Alguien ha borrado el fichero de un segmento que ya no se escribía.
    fn dar_por_perdido(&mut self, i: usize) {
        let Some(borrado) = self.segmentos.remove(i) else { return };
        self.perder(borrado.lineas, &format!("Alguien ha borrado {}", borrado.ruta.display()));
    }

    fn perder(&mut self, lineas: usize, que: &str) {
        self.perdidas += lineas as u64;
        let puntos = contar(lineas as u64, "punto", "puntos");
        (self.avisos)(Nivel::Error, &format!("{que}, con {puntos} que esperaban."));
    }

    /// Como mucho una vez por segundo, revisa los segmentos y encarga que lo escrito llegue al disco. Si el encargo
    /// anterior no ha acabado, será en la ronda siguiente.
    fn ronda_si_toca(&mut self) -> io::Result<()> {
        if self.ronda.elapsed() < CADA_RONDA {
            return Ok(());
        }
        self.revisar()?;
        self.ronda = Instant::now();
        let abiertos = self.segmentos.iter().filter_map(|s| s.fichero.as_ref());
        let Ok(ficheros) = abiertos.map(File::try_clone).collect() else { return Ok(()) };
        let carpeta = self.hay_nuevos.then(|| self.carpeta.clone());
        if self.asegurador.empezar(Tarea { ficheros, carpeta }) {
            self.hay_nuevos = false;
            let abierto = self.segmentos.back().map(|s| s.numero);
            for segmento in self.segmentos.iter_mut().filter(|s| Some(s.numero) != abierto) {
                segmento.fichero = None;
            }
        }
        Ok(())
    }
}

impl Buffer for Diario {
    fn anotar(&mut self, linea: &str) -> io::Result<()> {
        self.ronda_si_toca()?;
        let i = self.abierto()?;
        self.segmentos[i].anadir(linea)
    }

    fn lote(&mut self, max: usize) -> io::Result<Lote> {
        let mut lote = Lote::default();
        self.en_vuelo = 0;
        let _ = self.revisar(); // lo que aún no se pueda rehacer se puede leer igual
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
