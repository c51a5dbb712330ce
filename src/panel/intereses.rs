//! Lo que se pide a una fuente y cuándo toca preguntarle. No mira el reloj: se le da la hora.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Sin que nadie lo pida en este tiempo, se deja de preguntar.
const NADIE_MIRA: Duration = Duration::from_secs(10);
/// Y en este, se olvida.
const OLVIDO: Duration = Duration::from_secs(60);
/// Cosas distintas que se vigilan a la vez.
const MAX_INTERESES: usize = 64;

/// Lo que interesa a los que miran.
pub struct Intereses<C>(HashMap<C, Interes>);

struct Interes {
    pedido: Instant,
    al_dia: bool, // ya se ha preguntado por él desde que se pide
}

/// Cuándo hay que preguntar a la fuente.
#[derive(Debug, PartialEq)]
pub enum Toca<C> {
    /// Ahora, por esto.
    Ya(Vec<C>),
    /// Dentro de un rato.
    Luego(Duration),
    /// Cuando mire alguien.
    Nunca,
}

impl<C> Default for Intereses<C> {
    fn default() -> Self {
        Intereses(HashMap::new())
    }
}

impl<C: Hash + Eq + Clone> Intereses<C> {
    /// Apunta que alguien mira esto. Si son demasiadas cosas, olvida la que hace más que no se pide.
    pub fn pedir(&mut self, clave: &C, ahora: Instant) {
        let interes = self.0.entry(clave.clone()).or_insert(Interes { pedido: ahora, al_dia: false });
        interes.al_dia &= ahora.saturating_duration_since(interes.pedido) <= NADIE_MIRA;
        interes.pedido = ahora;
        if self.0.len() > MAX_INTERESES
            && let Some(clave) = self.0.iter().min_by_key(|(_, i)| i.pedido).map(|(c, _)| c.clone())
        {
            self.0.remove(&clave);
        }
    }

    /// Si se ha preguntado por esto desde que se pide. Nada: no se está vigilando.
    pub fn al_dia(&self, clave: &C) -> Option<bool> {
        self.0.get(clave).map(|interes| interes.al_dia)
    }

    /// Apunta que se ha preguntado por estas cosas.
    pub fn preguntado(&mut self, claves: &[C]) {
        for clave in claves {
            if let Some(interes) = self.0.get_mut(clave) {
                interes.al_dia = true;
            }
        }
    }

    /// Qué toca, si la próxima vez era `cuando`. Lo que se acaba de pedir no espera su turno, salvo si la
    /// fuente falla.
    pub fn toca(&mut self, ahora: Instant, cuando: Instant, falla: bool) -> Toca<C> {
        let hace = |interes: &Interes| ahora.saturating_duration_since(interes.pedido);
        self.0.retain(|_, i| hace(i) < OLVIDO);
        let vivos = self.0.iter().filter(|(_, i)| hace(i) < NADIE_MIRA);
        let (claves, al_dia): (Vec<_>, Vec<_>) = vivos.map(|(c, i)| (c.clone(), i.al_dia)).unzip();
        let falta = cuando.saturating_duration_since(ahora);
        let ya = falta.is_zero() || !falla && al_dia.contains(&false);
        match claves.is_empty() {
            true => Toca::Nunca,
            false if ya => Toca::Ya(claves),
            false => Toca::Luego(falta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn si_nadie_mira_no_se_pregunta() {
        let mut intereses = Intereses::default();
        let pedido = Instant::now();
        let (luego, espera) = (pedido + Duration::from_secs(1), Duration::from_secs(1));
        assert_eq!(intereses.toca(pedido, pedido, false), Toca::Nunca, "nadie lo ha pedido");
        intereses.pedir(&7, pedido);
        assert_eq!(intereses.toca(pedido, luego, false), Toca::Ya(vec![7]), "recién pedido, sin esperar");
        assert_eq!(intereses.toca(pedido, luego, true), Toca::Luego(espera), "salvo si la fuente falla");
        intereses.preguntado(&[7]);
        assert_eq!(intereses.toca(pedido, luego, false), Toca::Luego(espera));
        let casi = pedido + NADIE_MIRA - Duration::from_millis(1);
        assert_eq!(intereses.toca(casi, luego, false), Toca::Ya(vec![7]));
        assert_eq!(intereses.toca(pedido + NADIE_MIRA, luego, false), Toca::Nunca, "ya no mira nadie");
        assert_eq!(intereses.al_dia(&7), Some(true));
        assert_eq!(intereses.toca(pedido + OLVIDO, luego, false), Toca::Nunca);
        assert_eq!(intereses.al_dia(&7), None, "olvidado");
    }

    #[test]
    fn lo_que_se_vigila_tiene_tope() {
        let mut intereses = Intereses::default();
        for clave in 0..200 {
            intereses.pedir(&clave, Instant::now());
        }
        assert_eq!(intereses.0.len(), MAX_INTERESES);
        assert!(intereses.al_dia(&199).is_some() && intereses.al_dia(&0).is_none());
    }
}
