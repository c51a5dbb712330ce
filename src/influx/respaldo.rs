//! Un buffer en disco con la memoria como respaldo: con el disco lleno, los puntos esperan en RAM.

use std::io;

use super::buffer::{Buffer, EnMemoria, Lote};
use super::carpeta::Carpeta;
use crate::avisos::{Avisos, Nivel};
use crate::fallo::causa;

/// Lo que cabe en memoria mientras el disco no admite nada: unas diez horas a un punto por segundo.
const MAX_EN_MEMORIA: usize = 4 << 20;

/// `disco` y, cuando falla, la memoria. El orden se conserva: primero lo de disco.
pub struct ConRespaldo<B> {
    disco: B,
    memoria: EnMemoria,
    que: String,
    avisos: Avisos,
    estado: Estado,
    perdidas: u64,
    _carpeta: Carpeta, // reservada mientras el buffer viva
}

#[derive(PartialEq)]
enum Estado {
    Disco,
    Memoria,
    Lleno,
}

impl<B: Buffer> ConRespaldo<B> {
    /// `que` nombra el fichero o la carpeta en los avisos.
    pub fn new(disco: B, que: String, carpeta: Carpeta, avisos: Avisos) -> Self {
        let memoria = EnMemoria::new(MAX_EN_MEMORIA);
        ConRespaldo { disco, memoria, que, avisos, estado: Estado::Disco, perdidas: 0, _carpeta: carpeta }
    }

    /// Pasa a disco lo que esperaba en memoria y, detrás, la línea nueva.
    fn al_disco(&mut self, linea: &str) -> io::Result<()> {
        while let Some(primera) = self.memoria.primera() {
            self.disco.anotar(primera)?;
            self.memoria.sacar();
        }
        self.disco.anotar(linea)
    }

    fn cambiar(&mut self, nuevo: Estado, nivel: Nivel, frase: &str) {
        if self.estado != nuevo {
            (self.avisos)(nivel, frase);
            self.estado = nuevo;
        }
    }
}

impl<B: Buffer> Buffer for ConRespaldo<B> {
    fn anotar(&mut self, linea: &str) -> io::Result<()> {
        let Err(fallo) = self.al_disco(linea) else {
            let frase = format!(
                "Ya se puede escribir otra vez en {}; lo que esperaba en memoria está a salvo.",
                self.que
            );
            self.cambiar(Estado::Disco, Nivel::Info, &frase);
            return Ok(());
        };
        let causa = causa(&fallo);
        match self.memoria.anotar(linea) {
            Ok(()) => {
                let frase = format!(
                    "No se puede escribir en {} ({causa}). Los puntos esperan en memoria: libera espacio o revisa los permisos antes de parar el agente.",
                    self.que
                );
                self.cambiar(Estado::Memoria, Nivel::Aviso, &frase);
                Ok(())
            }
            Err(_) => {
                self.perdidas += 1;
                let frase = format!(
                    "No se puede escribir en {} ({causa}) y la memoria reservada está llena: los puntos nuevos se pierden hasta que haya sitio.",
                    self.que
                );
                self.cambiar(Estado::Lleno, Nivel::Error, &frase);
                Err(fallo)
            }
        }
    }

    fn lote(&mut self, max: usize) -> io::Result<Lote> {
        if self.disco.pendientes() > 0 { self.disco.lote(max) } else { self.memoria.lote(max) }
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
