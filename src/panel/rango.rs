//! Los rangos de tiempo que se pueden mirar, cada uno con su ancho de cubo: unos 700 cubos como mucho.

use crate::fallo::Frase;

/// Un rango: de hace `duracion` hasta ahora, en milisegundos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rango {
    /// Como se escribe en la dirección.
    pub nombre: &'static str,
    /// Cómo se dice en una frase.
    pub frase: &'static str,
    /// Cuánto abarca.
    pub duracion: i64,
    /// El ancho de un cubo.
    pub ancho: i64,
}

const SEGUNDO: i64 = 1_000;
const MINUTO: i64 = 60 * SEGUNDO;
const HORA: i64 = 60 * MINUTO;

const fn rango(nombre: &'static str, frase: &'static str, duracion: i64, ancho: i64) -> Rango {
    Rango { nombre, frase, duracion, ancho }
}

/// Los de los KPIs.
pub const DE_KPIS: [Rango; 4] = [
    rango("5m", "los últimos 5 minutos", 5 * MINUTO, SEGUNDO),
    rango("1h", "la última hora", HORA, 10 * SEGUNDO),
    rango("24h", "las últimas 24 horas", 24 * HORA, 2 * MINUTO),
    rango("7d", "los últimos 7 días", 7 * 24 * HORA, 15 * MINUTO),
];

/// Los del agente: todos menos la semana.
pub const DEL_SERVIDOR: &[Rango] = DE_KPIS.split_at(3).0;

/// El rango que se pide, o el que toca por defecto.
///
/// # Errors
/// Una frase, con los que hay.
pub fn leer(rangos: &[Rango], pedido: Option<&str>, por_defecto: &str) -> Result<Rango, Frase> {
    let pedido = pedido.unwrap_or(por_defecto);
    rangos.iter().find(|r| r.nombre == pedido).copied().ok_or_else(|| {
        let nombres: Vec<_> = rangos.iter().map(|r| r.nombre).collect();
        Frase(format!("Ese rango no existe: prueba con {}", nombres.join(", ")))
    })
}
