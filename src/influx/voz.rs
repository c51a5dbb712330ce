//! Lo que se dice de un servidor mientras se le envía: cada cosa una vez, hasta que cambia.

use std::fmt::Display;

use super::contestacion::Contestacion;
use crate::avisos::{Avisos, Nivel};

/// Lo último que se ha dicho de un servidor.
pub(super) struct Voz {
    /// Cómo se llama el servidor en los avisos.
    pub(super) nombre: String,
    avisos: Avisos,
    problema: Option<String>, // la seña del último dicho
    rechazo: Option<String>,  // lo mismo, de las últimas líneas apartadas
    en_trozos: bool,
}

impl Voz {
    /// Todavía sin nada dicho.
    pub(super) fn new(nombre: String, avisos: Avisos) -> Self {
        Voz { nombre, avisos, problema: None, rechazo: None, en_trozos: false }
    }

    /// Una frase, sin más.
    pub(super) fn decir(&self, nivel: Nivel, frase: &str) {
        (self.avisos)(nivel, frase);
    }

    /// Han entrado puntos; `en_trozos`, si los lotes no caben enteros.
    pub(super) fn bien(&mut self, en_trozos: bool) {
        if self.problema.take().is_some() {
            let frase = format!("{} vuelve a aceptar puntos; se envía lo pendiente.", self.nombre);
            self.decir(Nivel::Info, &frase);
        }
        if en_trozos && !self.en_trozos {
            let frase = format!("{} no puede con lotes tan grandes: se envían en trozos.", self.nombre);
            self.decir(Nivel::Aviso, &frase);
        }
        self.en_trozos = en_trozos;
    }

    /// Si este problema es el último que se ha dicho.
    pub(super) fn es_el_mismo(&self, motivo: &str) -> bool {
        self.problema == Some(sena(motivo))
    }

    /// Por qué no entran.
    pub(super) fn mal(&mut self, motivo: &str) {
        if !self.es_el_mismo(motivo) {
            self.decir(Nivel::Aviso, &format!("{motivo}. Los puntos se guardan y se reintenta solo."));
            self.problema = Some(sena(motivo));
        }
    }

    /// En un lote se han apartado `n` líneas, en `ruta`, por lo que ha dicho el servidor; o ninguna.
    pub(super) fn apartadas(&mut self, n: usize, por: Option<&Contestacion>, ruta: impl Display) {
        let Some(por) = por else {
            self.rechazo = None;
            return;
        };
        let (nota, pista) = (por.nota(": "), por.pista());
        if self.rechazo.replace(sena(&nota)) == Some(sena(&nota)) {
            return;
        }
        let (puntos, quedan) = match n {
            1 => ("un punto".to_owned(), "Queda apartado"),
            n => (format!("{n} puntos de un lote"), "Quedan apartados"),
        };
        let frase = format!("{} no acepta {puntos} ({nota}){pista}. {quedan} en {ruta}.", self.nombre);
        self.decir(Nivel::Aviso, &frase);
    }
}

/// Lo que distingue un problema de otro en una frase: sin cifras, que cambian cada vez, y sin el final, donde a
/// veces va la línea.
fn sena(frase: &str) -> String {
    frase.chars().filter(|c| !c.is_ascii_digit()).take(160).collect()
}
