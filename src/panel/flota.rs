//! La flota: lo último de cada máquina simulada y sus mensajes recientes. No mira el reloj.

use std::collections::{HashMap, VecDeque};

use super::documentos::Crudo;

/// Mensajes que se guardan de cada una.
const MENSAJES: usize = 60;
/// Máquinas que se recuerdan; más allá, se olvidan las que llevan más tiempo calladas.
const MAX_MAQUINAS: usize = 20_000;
/// Las que se olvidan de una vez, para no buscarlas una a una.
const OLVIDAR: usize = 1_000;
/// El minuto en el que se mide el ritmo.
const MINUTO: i64 = 60_000;

/// Lo que se sabe de una máquina simulada.
#[derive(Debug, Default)]
pub struct Maquina {
    /// Sus últimos mensajes, por orden de llegada: instante y métricas.
    pub mensajes: VecDeque<(i64, [Option<f64>; 5])>,
    visto: u64,
}

/// Todas las máquinas de las que se ha visto algún mensaje.
#[derive(Debug, Default)]
pub struct Flota {
    /// Por `server_id`.
    pub maquinas: HashMap<String, Maquina>,
    vistos: u64,
    llegadas: VecDeque<(i64, u64)>, // por instante de llegada, cuántos mensajes
    continuo_desde: Option<i64>,    // antes de esto puede faltar alguno
}

impl Flota {
    /// Apunta una tanda. `salteados`: entre la anterior y esta hay mensajes que no se han leído.
    pub fn sumar(&mut self, crudos: &[Crudo], salteados: bool) {
        if salteados {
            self.llegadas.clear();
            self.continuo_desde = crudos.iter().map(|c| c.recibido).min();
        }
        for crudo in crudos {
            self.vistos += 1;
            let maquina = self.maquinas.entry(crudo.server_id.clone()).or_default();
            maquina.visto = self.vistos;
            if maquina.mensajes.len() == MENSAJES {
                maquina.mensajes.pop_front();
            }
            maquina.mensajes.push_back((crudo.t, crudo.metricas));
            match self.llegadas.back_mut() {
                // Una tanda del consumidor llega toda a la vez.
                Some((cuando, cuantos)) if *cuando == crudo.recibido => *cuantos += 1,
                _ => self.llegadas.push_back((crudo.recibido, 1)),
            }
            if self.maquinas.len() > MAX_MAQUINAS {
                self.olvidar();
            }
        }
        // Lo que pasa del último minuto ya no cuenta para el ritmo.
        let ultima = self.llegadas.iter().map(|(cuando, _)| *cuando).max().unwrap_or_default();
        self.llegadas.retain(|(cuando, _)| ultima - cuando <= MINUTO);
    }

    fn olvidar(&mut self) {
        let mut vistos: Vec<u64> = self.maquinas.values().map(|s| s.visto).collect();
        let (_, corte, _) = vistos.select_nth_unstable(OLVIDAR);
        let corte = *corte;
        self.maquinas.retain(|_, maquina| maquina.visto >= corte);
    }

    /// Mensajes por segundo en el último minuto, o en lo que se conozca de él.
    pub fn por_segundo(&self, ahora: i64) -> f64 {
        let desde = (ahora - MINUTO).max(self.continuo_desde.unwrap_or(i64::MIN));
        let cuantos: u64 = self.llegadas.iter().filter(|(t, _)| *t >= desde).map(|(_, n)| n).sum();
        cuantos as f64 * 1_000.0 / (ahora - desde).clamp(1_000, MINUTO) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crudo(server_id: String, recibido: i64) -> Crudo {
        Crudo { server_id, t: recibido, recibido, metricas: [Some(1.0); 5], particion: 0, offset: 0 }
    }

    #[test]
    fn ni_las_maquinas_ni_sus_mensajes_crecen_sin_fin() {
        let mut flota = Flota::default();
        for i in 0..100 {
            flota.sumar(&[crudo("fijo".to_owned(), i)], false);
        }
        assert_eq!(flota.maquinas["fijo"].mensajes.len(), MENSAJES);
        assert_eq!(flota.maquinas["fijo"].mensajes.back().unwrap().0, 99);
        let muchos: Vec<_> = (0..MAX_MAQUINAS as i64 + 10).map(|i| crudo(format!("s{i}"), i)).collect();
        flota.sumar(&muchos, false);
        assert!(flota.maquinas.len() <= MAX_MAQUINAS);
        assert!(!flota.maquinas.contains_key("fijo"), "el que lleva más tiempo callado");
        assert!(flota.maquinas.contains_key(&format!("s{}", MAX_MAQUINAS + 9)));
    }

    #[test]
    fn el_ritmo_es_el_del_ultimo_minuto() {
        let mut flota = Flota::default();
        let crudos: Vec<_> = (0..120).map(|i| crudo("a".to_owned(), i * 1_000)).collect();
        flota.sumar(&crudos, false);
        assert_eq!(flota.por_segundo(119_500), 1.0);
        assert_eq!(flota.por_segundo(1_000_000), 0.0);
        // Con los 20.000 últimos de un millón no se sabe cuántos había antes: se mide lo que se ve.
        let deprisa: Vec<_> = (0..20_000).map(|i| crudo("a".to_owned(), 200_000 + i / 10)).collect();
        flota.sumar(&deprisa, true);
        assert_eq!(flota.por_segundo(202_000), 10_000.0);
    }
}
