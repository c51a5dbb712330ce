//! Por dónde un cuarto cuenta lo que pasa, sin saber si hay terminal, tubería o fichero de log.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

/// Importancia de un aviso, de menos a más.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nivel {
    /// Solo con `-v`: cada lote, cada reintento.
    Detalle,
    /// Lo normal: el servidor responde, algo se ha recuperado.
    Info,
    /// Algo va mal y se resuelve solo, o hay que arreglarlo fuera.
    Aviso,
    /// Se ha perdido algo, o no se puede seguir.
    Error,
}

/// A quien se le cuentan los avisos. Se dice un cambio de estado una vez, no cada reintento.
pub type Avisos = Arc<dyn Fn(Nivel, &str) + Send + Sync>;

/// Espera a que haya salido todo lo dicho.
type Vaciar = Box<dyn Fn() + Send + Sync>;

/// La voz del programa, para quien no recibe unos [`Avisos`]: el final y la parada.
static VOZ: OnceLock<(Avisos, Vaciar)> = OnceLock::new();

/// Desde ahora, lo que se diga con [`decir`] sale por aquí. Solo vale la primera vez.
pub fn dar_voz(avisos: Avisos, vaciar: Vaciar) {
    let _ = VOZ.set((avisos, vaciar));
}

/// El programa acaba: espera a que haya salido todo lo dicho, y no mucho.
pub fn despedirse() {
    if let Some((_, vaciar)) = VOZ.get() {
        vaciar();
    }
}

/// Dice una frase por la voz del programa o, si todavía no la tiene, por la salida de errores.
pub fn decir(nivel: Nivel, frase: &str) {
    match VOZ.get() {
        Some((avisos, _)) => avisos(nivel, frase),
        // Si nadie lee la salida no hay a quién decírselo.
        None => drop(writeln!(io::stderr(), "{}{frase}", nivel.etiqueta())),
    }
}

impl Nivel {
    /// Lo que va delante de la frase en la salida de errores.
    pub fn etiqueta(self) -> &'static str {
        match self {
            Nivel::Detalle | Nivel::Info => "",
            Nivel::Aviso => "aviso: ",
            Nivel::Error => "error: ",
        }
    }
}
