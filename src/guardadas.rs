//! Las ventanas que ya están guardadas: un mensaje que entró en una no se cuenta en otra.
//!
//! Al volver a leer desde lo confirmado, lo normal es que no haya ninguna más allá, o que salgan las mismas: la
//! que empieza en el mismo mensaje y es del mismo tamaño se rehace, y la base ve que ya la tiene. Pero si los
//! offsets del grupo han vuelto atrás, o ha cambiado `--ventana`, saldrían otras con los mismos mensajes.

use std::collections::VecDeque;

/// Una ventana guardada.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ventana {
    /// Offset de su primer mensaje.
    pub inicio: i64,
    /// Offset del último.
    pub fin: i64,
    /// Cuántos mensajes tiene.
    pub mensajes: u64,
}

/// Las guardadas de una partición, por orden, de donde se va en adelante.
#[derive(Debug, Default)]
pub struct Guardadas {
    ventanas: VecDeque<Ventana>,
    /// La primera se está rehaciendo.
    rehaciendo: bool,
    /// Dónde acaba la última, mientras no se haya dicho.
    hasta: Option<i64>,
}

/// Qué se hace con un mensaje bueno.
#[derive(Debug, PartialEq, Eq)]
pub enum Paso {
    /// Se cuenta, como siempre.
    Contar,
    /// Se cuenta el primero de una ventana nueva. Si había otra abierta, se deja.
    Empezar,
    /// Ya está contado en una ventana guardada. Si había otra abierta, se deja: se metería en ella.
    Saltar,
}

impl Guardadas {
    /// Las que hay guardadas que acaban por donde se va a leer o después.
    pub fn new(mut ventanas: Vec<Ventana>) -> Self {
        ventanas.sort_unstable_by_key(|v| v.inicio);
        let hasta = ventanas.iter().map(|v| v.fin).max();
        Guardadas { ventanas: ventanas.into(), rehaciendo: false, hasta }
    }

    /// El siguiente mensaje bueno, cuando las ventanas se hacen de `ventana` mensajes.
    pub fn paso(&mut self, offset: i64, ventana: u64) -> Paso {
        while self.ventanas.front().is_some_and(|v| v.fin < offset) {
            self.ventanas.pop_front();
            self.rehaciendo = false;
        }
        match self.ventanas.front() {
            Some(guardada) if guardada.inicio <= offset => {
                let la_misma = guardada.inicio == offset && guardada.mensajes == ventana;
                self.rehaciendo |= la_misma;
                match self.rehaciendo {
                    true if la_misma => Paso::Empezar,
                    true => Paso::Contar,
                    false => Paso::Saltar,
                }
            }
            _ => Paso::Contar,
        }
    }

    /// La primera vez que se salta algo, hasta qué mensaje puede haberlo.
    pub fn por_decir(&mut self) -> Option<i64> {
        self.hasta.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guardadas(ventanas: &[(i64, i64, u64)]) -> Guardadas {
        Guardadas::new(
            ventanas
                .iter()
                .map(|(inicio, fin, n)| Ventana { inicio: *inicio, fin: *fin, mensajes: *n })
                .collect(),
        )
    }

    /// Lo que se cuenta de unos mensajes seguidos, en ventanas de `ventana`: el primero y el último de cada una.
    fn ventanas(mut guardadas: Guardadas, offsets: std::ops::Range<i64>, ventana: u64) -> Vec<(i64, i64)> {
        let (mut salen, mut abierta): (Vec<(i64, i64)>, Vec<i64>) = (Vec::new(), Vec::new());
        for offset in offsets {
            match guardadas.paso(offset, ventana) {
                Paso::Contar => abierta.push(offset),
                Paso::Empezar => abierta = vec![offset],
                Paso::Saltar => abierta.clear(),
            }
            if abierta.len() as u64 == ventana {
                salen.push((abierta[0], offset));
                abierta.clear();
            }
        }
        salen
    }

    #[test]
    fn las_mismas_ventanas_se_rehacen_y_las_demas_no_se_solapan() {
        let dos = [(0, 19, 20), (20, 39, 20)];
        assert_eq!(ventanas(guardadas(&[]), 0..50, 20), [(0, 19), (20, 39)], "lo de siempre");
        assert_eq!(ventanas(guardadas(&dos), 0..65, 20), [(0, 19), (20, 39), (40, 59)], "desde el principio");
        assert_eq!(ventanas(guardadas(&dos), 20..65, 20), [(20, 39), (40, 59)]);
        assert_eq!(
            ventanas(guardadas(&dos), 7..65, 20),
            [(20, 39), (40, 59)],
            "los offsets han vuelto atrás"
        );
        assert_eq!(ventanas(guardadas(&dos), 0..55, 5), [(40, 44), (45, 49), (50, 54)], "otro --ventana");
        assert_eq!(ventanas(guardadas(&dos[1..]), 7..65, 20), [(20, 39), (40, 59)], "una a medias se deja");
        assert_eq!(ventanas(guardadas(&[(0, 4, 5), (5, 9, 5)]), 0..50, 20), [(10, 29), (30, 49)]);
        assert_eq!(ventanas(guardadas(&[(0, 30, 20)]), 0..31, 31), [], "con descartados en medio");
    }

    #[test]
    fn se_dice_una_vez_y_hasta_donde() {
        let mut guardadas = guardadas(&[(20, 39, 20), (0, 19, 20)]);
        assert_eq!(guardadas.paso(7, 20), Paso::Saltar);
        assert_eq!((guardadas.por_decir(), guardadas.por_decir()), (Some(39), None));
    }
}
