//! Las ventanas cerradas, por rango de tiempo, y la que está abierta. No mira el reloj.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::documentos::{Crudo, Ventana};
use super::instante::ADELANTO;
use super::rango::{DE_KPIS, Rango};
use super::serie::Serie;

/// Ventanas que se guardan enteras.
const ENTERAS: usize = 50;
/// Mensajes de una ventana mientras no se ha visto ninguna: los del ejercicio.
const DEL_EJERCICIO: i64 = 20;
/// Offsets que se recuerdan de la ventana abierta de cada partición.
const MAX_ABIERTOS: usize = 100_000;

/// Lo que se sabe de las ventanas.
pub struct Ventanas {
    /// Las últimas, por orden de llegada.
    pub ultimas: VecDeque<Ventana>,
    series: Vec<(Rango, Serie<6>)>,
    particiones: BTreeMap<i64, Particion>,
}

#[derive(Default)]
struct Particion {
    cerrado: Option<i64>, // el offset_fin de su última ventana
    de: Option<i64>,      // los mensajes que tuvo
    abiertos: BTreeSet<i64>,
}

impl Default for Ventanas {
    fn default() -> Self {
        let series = DE_KPIS.iter().map(|rango| (*rango, Serie::new(rango.ancho))).collect();
        Ventanas { ultimas: VecDeque::new(), series, particiones: BTreeMap::new() }
    }
}

impl Ventanas {
    /// Apunta mensajes: los que pasen de la última ventana de su partición están en la abierta.
    pub fn sumar_crudos(&mut self, crudos: &[Crudo]) {
        for crudo in crudos {
            let particion = self.particiones.entry(crudo.particion).or_default();
            if particion.cerrado.is_none_or(|cerrado| crudo.offset > cerrado) {
                particion.abiertos.insert(crudo.offset);
                if particion.abiertos.len() > MAX_ABIERTOS {
                    particion.abiertos.pop_first();
                }
            }
        }
    }

    /// Apunta ventanas cerradas.
    pub fn sumar(&mut self, ventanas: Vec<Ventana>) {
        for ventana in ventanas {
            for (_, serie) in &mut self.series {
                serie.sumar(ventana.entre[1], &ventana.kpis);
            }
            let particion = self.particiones.entry(ventana.particion).or_default();
            let fin = ventana.offsets[1];
            if particion.cerrado.is_none_or(|cerrado| fin > cerrado) {
                (particion.cerrado, particion.de) = (Some(fin), Some(ventana.num_mensajes));
                particion.abiertos = particion.abiertos.split_off(&fin.saturating_add(1));
            }
            if self.ultimas.len() == ENTERAS {
                self.ultimas.pop_front();
            }
            self.ultimas.push_back(ventana);
        }
    }

    /// Olvida lo que ya no cabe en ningún rango.
    pub fn olvidar(&mut self, ahora: i64) {
        for (rango, serie) in &mut self.series {
            serie.olvidar_antes(ahora - rango.duracion);
        }
    }

    /// Los KPIs de un rango.
    pub fn serie(&self, rango: Rango) -> Option<&Serie<6>> {
        self.series.iter().find(|(otro, _)| *otro == rango).map(|(_, serie)| serie)
    }

    /// El instante de la más lejana de las que tienen fecha del futuro.
    pub fn futura(&self, ahora: i64) -> Option<i64> {
        let (_, serie) = self.series.first()?;
        serie.iter().next_back().map(|(t, _)| t).filter(|t| *t > ahora + ADELANTO)
    }

    /// Los mensajes de la ventana abierta y los que hacen falta para cerrarla. Con varias particiones, los
    /// de la que menos le falta. Sale de los crudos que se han visto: al empezar, los más nuevos.
    pub fn abierta(&self) -> Option<(i64, i64)> {
        let abiertas = self.particiones.values().map(|particion| {
            let de = particion.de.unwrap_or(DEL_EJERCICIO);
            (i64::try_from(particion.abiertos.len()).unwrap_or(i64::MAX), de)
        });
        abiertas.min_by_key(|(mensajes, de)| de - mensajes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crudos(particion: i64, offsets: std::ops::Range<i64>) -> Vec<Crudo> {
        let uno = |offset| Crudo {
            server_id: "a".to_owned(),
            t: 0,
            recibido: 0,
            metricas: [None; 5],
            particion,
            offset,
        };
        offsets.map(uno).collect()
    }

    fn ventana(particion: i64, primero: i64, ultimo: i64, num_mensajes: i64) -> Ventana {
        Ventana {
            id: format!("t#{particion}#{primero}-{ultimo}"),
            particion,
            offsets: [primero, ultimo],
            num_mensajes,
            entre: [0, 1_000],
            duracion: Some(1.0),
            kpis: [Some(1.0); 6],
        }
    }

    #[test]
    fn la_abierta_son_los_mensajes_tras_la_ultima_ventana() {
        let mut ventanas = Ventanas::default();
        assert_eq!(ventanas.abierta(), None);
        ventanas.sumar_crudos(&crudos(0, 0..7));
        assert_eq!(ventanas.abierta(), Some((7, 20)), "sin ninguna ventana, las del ejercicio");
        ventanas.sumar_crudos(&crudos(0, 7..11));
        ventanas.sumar(vec![ventana(0, 0, 9, 10)]);
        assert_eq!(ventanas.abierta(), Some((1, 10)));
        ventanas.sumar_crudos(&crudos(0, 5..12)); // releídos tras un reinicio
        assert_eq!(ventanas.abierta(), Some((2, 10)));
        ventanas.sumar_crudos(&crudos(1, 0..15));
        assert_eq!(ventanas.abierta(), Some((15, 20)), "a esta le faltan 5, y a la otra 8");
    }

    #[test]
    fn enteras_se_guardan_las_ultimas() {
        let mut ventanas = Ventanas::default();
        ventanas.sumar((0..80).map(|i| ventana(0, i * 20, i * 20 + 19, 20)).collect());
        assert_eq!(ventanas.ultimas.len(), ENTERAS);
        assert_eq!(ventanas.ultimas.back().unwrap().offsets[1], 1_599);
        assert_eq!(ventanas.serie(DE_KPIS[0]).unwrap().iter().count(), 1);
        ventanas.olvidar(10_000_000);
        assert_eq!(ventanas.serie(DE_KPIS[0]).unwrap().iter().count(), 0);
    }
}
