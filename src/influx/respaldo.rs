//! Un buffer en disco con la memoria como respaldo: con el disco lleno, los puntos esperan en RAM.

use std::io;

use super::buffer::{Buffer, EnMemoria, Lote};
use super::carpeta::Carpeta;
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::causa::causa;

/// Lo que cabe en memoria mientras el disco no admite nada: unas diez horas a un punto por segundo.
const MAX_EN_MEMORIA: usize = 4 << 20;

/// `disco` y, cuando falla, la memoria. El orden se conserva: primero lo de disco.
pub struct ConRespaldo<B> {
    disco: B,
    memoria: EnMemoria,
    que: String,
    avisos: Avisos,
    refugio: Refugio,
    ilegible: bool,
    perdidas: u64,
    _carpeta: Carpeta, // reservada mientras el buffer viva
}

/// Dónde se guarda lo que llega ahora.
#[derive(PartialEq)]
enum Refugio {
    Disco,
    Memoria,
    Ninguno,
}

impl<B: Buffer> ConRespaldo<B> {
    /// `que` nombra el fichero o la carpeta en los avisos.
    pub fn new(disco: B, que: String, carpeta: Carpeta, avisos: Avisos) -> Self {
        let memoria = EnMemoria::new(MAX_EN_MEMORIA);
        ConRespaldo {
            disco,
            memoria,
            que,
            avisos,
            refugio: Refugio::Disco,
            ilegible: false,
            perdidas: 0,
            _carpeta: carpeta,
        }
    }

    /// Pasa a disco lo que esperaba en memoria.
    fn rescatar(&mut self) -> io::Result<()> {
        while let Some(primera) = self.memoria.primera() {
            self.disco.anotar(primera)?;
            self.memoria.sacar();
        }
        Ok(())
    }

    fn recuperado(&mut self) {
        let frase = format!(
            "Ya se puede escribir otra vez en {}; lo que esperaba en memoria está a salvo.",
            self.que
        );
        self.cambiar(Refugio::Disco, Nivel::Info, &frase);
    }

    fn cambiar(&mut self, nuevo: Refugio, nivel: Nivel, frase: &str) {
        if self.refugio != nuevo {
            (self.avisos)(nivel, frase);
            self.refugio = nuevo;
        }
    }
}

impl<B: Buffer> Buffer for ConRespaldo<B> {
    fn anotar(&mut self, linea: &str) -> io::Result<()> {
        let Err(fallo) = self.rescatar().and_then(|()| self.disco.anotar(linea)) else {
            self.recuperado();
            return Ok(());
        };
        let causa = causa(&fallo);
        match self.memoria.anotar(linea) {
            Ok(()) => {
                let frase = format!(
                    "No se puede escribir en {} ({causa}). Los puntos esperan en memoria: libera espacio o revisa los permisos antes de parar el agente.",
                    self.que
                );
                self.cambiar(Refugio::Memoria, Nivel::Aviso, &frase);
                Ok(())
            }
            Err(_) => {
                self.perdidas += 1;
                let frase = format!(
                    "No se puede escribir en {} ({causa}) y la memoria reservada está llena: los puntos nuevos se pierden hasta que haya sitio.",
                    self.que
                );
                self.cambiar(Refugio::Ninguno, Nivel::Error, &frase);
                Err(fallo)
            }
        }
    }

    fn lote(&mut self, max: usize) -> io::Result<Lote> {
        // Puede que ya haya sitio y no vuelva a haber otra línea: es el momento de probar.
        if self.memoria.pendientes() > 0 && self.rescatar().is_ok() {
            self.recuperado();
        }
        if self.disco.pendientes() == 0 {
            return self.memoria.lote(max);
        }
        let lote = self.disco.lote(max);
        if let (Err(error), false) = (&lote, self.ilegible) {
            let frase =
                format!("No se puede leer {} ({}): lo que espera ahí no se envía.", self.que, causa(error));
            (self.avisos)(Nivel::Aviso, &frase);
        }
        self.ilegible = lote.is_err();
        lote
    }

    fn quitar(&mut self, lote: &Lote, n: usize) {
        // Desde que se cogió el lote, parte de lo que esperaba en memoria puede haber pasado a disco.
        let de_disco = n.min(self.disco.pendientes());
        self.disco.quitar(lote, de_disco);
        self.memoria.quitar(lote, n - de_disco);
    }

    fn pendientes(&self) -> usize {
        self.disco.pendientes() + self.memoria.pendientes()
    }

    fn solo_en_memoria(&self) -> usize {
        self.memoria.pendientes()
    }

    fn perdidas(&self) -> u64 {
        self.disco.perdidas() + self.perdidas
    }
}
