//! El buffer por lotes: dónde esperan las líneas hasta que un [`Lote`] sale hacia su destino.
//!
//! Aquí está el más sencillo, [`EnMemoria`]. El diario en disco ([`super::diario`]) y el fichero
//! ([`super::fichero`]) son otros dos buffers: cambia dónde esperan las líneas, no cómo se usan.

use std::collections::VecDeque;
use std::io;

/// Una cola de líneas: entran por el final y salen, por lotes, por el principio.
pub trait Buffer: Send {
    /// Apunta una línea (acabada en `\n`). Cuando vuelve, la línea está a salvo en este buffer.
    ///
    /// # Errors
    /// Si no hay sitio para ella; entonces la línea no ha entrado.
    fn anotar(&mut self, linea: &str) -> io::Result<()>;

    /// Copia las primeras líneas pendientes, `max` como mucho. No las quita.
    ///
    /// # Errors
    /// Si el buffer no se puede leer.
    fn lote(&mut self, max: usize) -> io::Result<Lote>;

    /// Quita las `n` primeras líneas del último `lote`: ya tienen destino.
    ///
    /// Se llama siempre tras intentar un envío, aunque `n` sea 0.
    fn quitar(&mut self, lote: &Lote, n: usize);

    /// Líneas que esperan.
    fn pendientes(&self) -> usize;

    /// De las que esperan, las que solo están en memoria: se pierden si acaba el programa.
    fn solo_en_memoria(&self) -> usize {
        0
    }

    /// Líneas tiradas por falta de sitio desde que se abrió.
    fn perdidas(&self) -> u64 {
        0
    }
}

/// Varias líneas seguidas, listas para enviar en una sola petición.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Lote {
    /// Las líneas, cada una con su `\n`.
    pub texto: Vec<u8>,
    /// Cuántas son.
    pub lineas: usize,
}

impl Lote {
    /// Bytes que ocupan las `n` primeras líneas.
    pub fn bytes_de(&self, n: usize) -> usize {
        if n >= self.lineas {
            return self.texto.len();
        }
        self.texto.split_inclusive(|b| *b == b'\n').take(n).map(<[u8]>::len).sum()
    }
}

/// Un buffer en memoria con tope, para que un destino caído no se coma la RAM.
#[derive(Debug)]
pub struct EnMemoria {
    lineas: VecDeque<String>,
    bytes: usize,
    max_bytes: usize,
}

impl EnMemoria {
    /// Un buffer vacío que admite `max_bytes` de texto.
    pub fn new(max_bytes: usize) -> Self {
        EnMemoria { lineas: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Saca la línea más antigua.
    pub fn sacar(&mut self) -> Option<String> {
        let linea = self.lineas.pop_front()?;
        self.bytes -= linea.len();
        Some(linea)
    }

    /// La línea más antigua, sin sacarla.
    pub fn primera(&self) -> Option<&str> {
        self.lineas.front().map(String::as_str)
    }
}

impl Buffer for EnMemoria {
    fn anotar(&mut self, linea: &str) -> io::Result<()> {
        if self.bytes + linea.len() > self.max_bytes {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "el buffer en memoria está lleno"));
        }
        self.bytes += linea.len();
        self.lineas.push_back(linea.to_owned());
        Ok(())
    }

    fn lote(&mut self, max: usize) -> io::Result<Lote> {
        let lineas = max.min(self.lineas.len());
        let texto = self.lineas.iter().take(lineas).flat_map(|l| l.bytes()).collect();
        Ok(Lote { texto, lineas })
    }

    fn quitar(&mut self, _lote: &Lote, n: usize) {
        for _ in 0..n {
            self.sacar();
        }
    }

    fn pendientes(&self) -> usize {
        self.lineas.len()
    }

    fn solo_en_memoria(&self) -> usize {
        self.lineas.len()
    }
}
