//! El ritmo de las lecturas: a hora fija, sin deriva.

use std::mem;
use std::time::{Duration, Instant};

use crate::parada::Parada;

/// Un reloj que da la vez cada `intervalo`.
pub struct Ritmo {
    inicio: Instant,
    intervalo: Duration,
    ya: bool,
}

impl Ritmo {
    /// La primera vez, dentro de un `intervalo`.
    pub fn cada(intervalo: Duration) -> Self {
        Ritmo { inicio: Instant::now(), intervalo, ya: false }
    }

    /// La primera vez, ahora mismo.
    pub fn desde_ya(intervalo: Duration) -> Self {
        Ritmo { ya: true, ..Ritmo::cada(intervalo) }
    }

    /// Duerme hasta la próxima vez. Devuelve `false` si se ha pedido parar.
    pub fn esperar(&mut self, parada: &Parada) -> bool {
        if mem::take(&mut self.ya) {
            return !parada.pedida();
        }
        !parada.esperar_hasta(self.inicio + siguiente(self.inicio.elapsed(), self.intervalo))
    }
}

/// Cuándo toca la próxima lectura, contado desde el inicio: el múltiplo de `intervalo` que sigue.
///
/// Si una lectura se retrasa y se pasa de la hora de la siguiente, esa se salta; no se recupera
/// a ráfagas. Así salen 3600 lecturas por hora con `intervalo` de 1 s, dure lo que dure cada una.
fn siguiente(transcurrido: Duration, intervalo: Duration) -> Duration {
    let intervalo = intervalo.as_nanos().max(1);
    let ticks = transcurrido.as_nanos() / intervalo + 1;
    Duration::from_nanos(u64::try_from(ticks * intervalo).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGUNDO: Duration = Duration::from_secs(1);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn la_primera_lectura_es_un_intervalo_despues_del_inicio() {
        assert_eq!(siguiente(Duration::ZERO, SEGUNDO), SEGUNDO);
    }

    #[test]
    fn una_hora_con_lecturas_que_tardan_son_3600() {
        let mut reloj = Duration::ZERO;
        let mut lecturas = 0;
        while siguiente(reloj, SEGUNDO) <= ms(3_600_000) {
            reloj = siguiente(reloj, SEGUNDO) + ms(17); // lo que tarda la lectura
            lecturas += 1;
        }
        assert_eq!(lecturas, 3600);
    }

    #[test]
    fn las_horas_perdidas_se_saltan() {
        assert_eq!(siguiente(ms(5_300), SEGUNDO), ms(6_000));
    }

    #[test]
    fn justo_a_la_hora_toca_la_siguiente() {
        assert_eq!(siguiente(ms(2_000), SEGUNDO), ms(3_000));
    }
}
