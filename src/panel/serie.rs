//! Una serie reducida: cubos de tiempo de ancho fijo, con el mínimo, el máximo y la media de cada campo.
//!
//! Lo que ocupa depende del rango que se mira y no de cuántos puntos haya, y los picos se conservan: el
//! mínimo y el máximo de los puntos son los de los cubos. No mira el reloj ni habla con nadie.

use std::collections::BTreeMap;

/// Lo que queda de los valores de un campo en un cubo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cubo {
    /// El menor.
    pub min: f64,
    /// El mayor.
    pub max: f64,
    suma: f64,
    n: f64,
}

impl Cubo {
    /// El cubo de un solo valor.
    pub fn de(valor: f64) -> Self {
        Cubo { min: valor, max: valor, suma: valor, n: 1.0 }
    }

    /// Un cubo ya reducido por otro, que cuenta como un valor.
    pub fn reducido(min: f64, max: f64, media: f64) -> Self {
        Cubo { min, max, suma: media, n: 1.0 }
    }

    /// La media.
    pub fn media(&self) -> f64 {
        self.suma / self.n
    }

    fn juntar(&mut self, otro: Cubo) {
        self.min = self.min.min(otro.min);
        self.max = self.max.max(otro.max);
        self.suma += otro.suma;
        self.n += otro.n;
    }
}

/// Cubos de `N` campos, por el instante en que empiezan (milisegundos desde 1970).
#[derive(Debug, Clone, PartialEq)]
pub struct Serie<const N: usize> {
    ancho: i64,
    cubos: BTreeMap<i64, [Option<Cubo>; N]>,
}

impl<const N: usize> Serie<N> {
    /// Una serie vacía, con cubos de `ancho` milisegundos alineados a 1970.
    pub fn new(ancho: i64) -> Self {
        Serie { ancho: ancho.max(1), cubos: BTreeMap::new() }
    }

    /// El ancho de un cubo, en milisegundos.
    pub fn ancho(&self) -> i64 {
        self.ancho
    }

    /// Dónde empieza el cubo de este instante.
    pub fn inicio(&self, t: i64) -> i64 {
        t - t.rem_euclid(self.ancho)
    }

    /// Suma un punto. Los campos que falten, o que no sean finitos, no cuentan.
    pub fn sumar(&mut self, t: i64, valores: &[Option<f64>; N]) {
        for (campo, valor) in valores.iter().enumerate() {
            if let Some(valor) = valor.filter(|v| v.is_finite()) {
                self.sumar_cubo(t, campo, Cubo::de(valor));
            }
        }
    }

    /// Suma un cubo ya reducido de uno de los campos.
    pub fn sumar_cubo(&mut self, t: i64, campo: usize, cubo: Cubo) {
        let inicio = self.inicio(t);
        let Some(hueco) = self.cubos.entry(inicio).or_insert([None; N]).get_mut(campo) else { return };
        match hueco {
            Some(otro) => otro.juntar(cubo),
            None => *hueco = Some(cubo),
        }
    }

    /// Cambia lo que hay a partir de `desde` por lo que trae `parte`, que se ha leído otra vez.
    pub fn sustituir_desde(&mut self, desde: i64, parte: Serie<N>) {
        self.cubos.split_off(&desde);
        self.cubos.extend(parte.cubos);
    }

    /// Olvida los cubos que acaban antes de `desde`.
    pub fn olvidar_antes(&mut self, desde: i64) {
        self.cubos = self.cubos.split_off(&self.inicio(desde));
    }

    /// Los cubos, del más antiguo al más nuevo.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &[Option<Cubo>; N])> {
        self.cubos.iter().map(|(t, cubos)| (*t, cubos))
    }

    /// Los cubos que empiezan entre esos dos instantes, los dos incluidos.
    pub fn entre(
        &self,
        desde: i64,
        hasta: i64,
    ) -> impl DoubleEndedIterator<Item = (i64, &[Option<Cubo>; N])> {
        self.cubos.range(desde..=hasta.max(desde)).map(|(t, cubos)| (*t, cubos))
    }

    /// A partir de qué hueco, en milisegundos, se entiende que faltan datos: tres veces lo normal entre esos dos
    /// instantes.
    pub fn salto(&self, desde: i64, hasta: i64) -> i64 {
        let instantes = || self.entre(desde, hasta).map(|(t, _)| t);
        let mut huecos: Vec<i64> = instantes().zip(instantes().skip(1)).map(|(a, b)| b - a).collect();
        huecos.sort_unstable();
        let mediana = huecos.get(huecos.len() / 2).copied().unwrap_or_default();
        mediana.max(self.ancho).saturating_mul(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn los_picos_y_la_media_se_conservan(
            puntos in prop::collection::vec((-10_000_000i64..10_000_000, -1e6f64..1e6), 1..300),
            ancho in 1i64..500_000,
        ) {
            let mut serie = Serie::<1>::new(ancho);
            for (t, valor) in &puntos {
                serie.sumar(*t, &[Some(*valor)]);
            }
            let cubos: Vec<_> = serie.iter().filter_map(|(t, [c])| c.map(|c| (t, c))).collect();
            let menor = |v: &mut dyn Iterator<Item = f64>| v.fold(f64::INFINITY, f64::min);
            let mayor = |v: &mut dyn Iterator<Item = f64>| v.fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!(
                menor(&mut cubos.iter().map(|(_, c)| c.min)), menor(&mut puntos.iter().map(|(_, v)| *v)));
            prop_assert_eq!(
                mayor(&mut cubos.iter().map(|(_, c)| c.max)), mayor(&mut puntos.iter().map(|(_, v)| *v)));
            let suma: f64 = cubos.iter().map(|(_, c)| c.suma).sum();
            prop_assert!((suma - puntos.iter().map(|(_, v)| *v).sum::<f64>()).abs() < 1e-3);
            prop_assert_eq!(cubos.iter().map(|(_, c)| c.n).sum::<f64>(), puntos.len() as f64);
            for (t, cubo) in &cubos {
                prop_assert_eq!(t.rem_euclid(ancho), 0);
                prop_assert!(cubo.min <= cubo.media() + 1e-6 && cubo.media() <= cubo.max + 1e-6);
            }
        }

        #[test]
        fn leer_a_trozos_da_lo_mismo_que_leer_de_una_vez(
            puntos in prop::collection::vec((0i64..100_000, 0f64..100.0), 1..200), corte in 0i64..100_000,
        ) {
            let suma = |puntos: &mut dyn Iterator<Item = &(i64, f64)>| {
                let mut serie = Serie::<1>::new(1_000);
                puntos.for_each(|(t, v)| serie.sumar(*t, &[Some(*v)]));
                serie
            };
            let entera = suma(&mut puntos.iter());
            let corte = entera.inicio(corte);
            let mut a_trozos = suma(&mut puntos.iter().filter(|(t, _)| *t < corte + 500));
            a_trozos.sustituir_desde(corte, suma(&mut puntos.iter().filter(|(t, _)| *t >= corte)));
            prop_assert_eq!(a_trozos, entera);
        }
    }

    #[test]
    fn lo_que_falta_falta_y_lo_antiguo_se_olvida() {
        let mut serie = Serie::<2>::new(1_000);
        serie.sumar(500, &[Some(1.0), None]);
        serie.sumar(1_500, &[Some(f64::NAN), Some(2.0)]);
        serie.sumar(2_500, &[None, None]);
        let cubos: Vec<_> = serie.iter().collect();
        assert_eq!(cubos, [(0, &[Some(Cubo::de(1.0)), None]), (1_000, &[None, Some(Cubo::de(2.0))])]);
        serie.olvidar_antes(1_200);
        assert_eq!(serie.iter().map(|(t, _)| t).collect::<Vec<_>>(), [1_000]);
    }

    #[test]
    fn el_salto_sigue_al_ritmo_de_los_datos() {
        let con = |instantes: &[i64]| {
            let mut serie = Serie::<1>::new(1_000);
            instantes.iter().for_each(|t| serie.sumar(*t, &[Some(1.0)]));
            serie.salto(0, 100_000)
        };
        assert_eq!(con(&[]), 3_000);
        assert_eq!(con(&[0, 1_000, 2_000, 60_000, 61_000]), 3_000);
        assert_eq!(con(&[0, 10_000, 20_000, 30_000]), 30_000);
        assert_eq!(con(&[0, 1_000, 1_000_000, 2_000_000]), 3_000, "lo del futuro no cuenta");
    }
}
