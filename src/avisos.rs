//! Por dónde un cuarto cuenta lo que pasa, sin saber si hay terminal, tubería o fichero de log.

use std::sync::Arc;

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
