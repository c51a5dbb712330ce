//! Adónde van los mensajes de una partición que no tiene líder: librdkafka los dejaría esperando, y con ellos a
//! todos los que vengan detrás.

/// Las particiones de un topic, con y sin líder.
pub struct Desvio {
    todas: usize,
    con_lider: Vec<i32>,
}

impl Desvio {
    /// De `todas` las particiones, estas no tienen líder.
    pub fn new(todas: usize, sin_lider: &[i32]) -> Self {
        let todas_ellas = 0..i32::try_from(todas).unwrap_or(i32::MAX);
        Desvio { todas, con_lider: todas_ellas.filter(|id| !sin_lider.contains(id)).collect() }
    }

    /// La partición de una clave, si no puede ir a la suya.
    pub fn de(&self, clave: &[u8]) -> Option<i32> {
        let suma = (murmur2(clave) & 0x7fff_ffff) as usize;
        let suya = i32::try_from(suma.checked_rem(self.todas)?).ok()?;
        if self.con_lider.contains(&suya) {
            return None;
        }
        self.con_lider.get(suma.checked_rem(self.con_lider.len())?).copied()
    }
}

/// La suma con la que los clientes de Java, y librdkafka con `murmur2_random`, eligen la partición de una clave:
/// <https://github.com/apache/kafka/blob/3.9/clients/src/main/java/org/apache/kafka/common/utils/Utils.java>.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ bytes.len() as u32;
    let trozos = bytes.chunks_exact(4);
    let resto = trozos.remainder();
    for trozo in trozos {
        let k = trozo.iter().rev().fold(0_u32, |k, b| k << 8 | u32::from(*b)).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ (k ^ k >> 24).wrapping_mul(M);
    }
    if !resto.is_empty() {
        h = (h ^ resto.iter().rev().fold(0, |k, b| k << 8 | u32::from(*b))).wrapping_mul(M);
    }
    h = (h ^ h >> 13).wrapping_mul(M);
    h ^ h >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn la_suma_es_la_de_java() {
        // De UtilsTest.testMurmur2, de Kafka.
        for (clave, suma) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(clave.as_bytes()) as i32, suma, "{clave}");
        }
    }

    #[test]
    fn solo_se_desvian_las_claves_de_las_que_no_tienen_lider() {
        let (todo, coja) = (Desvio::new(3, &[]), Desvio::new(3, &[1]));
        let claves: Vec<_> = (0..30).map(|n| format!("s{n}")).collect();
        assert!(claves.iter().all(|c| todo.de(c.as_bytes()).is_none()));
        let desviadas: Vec<_> = claves.iter().filter_map(|c| coja.de(c.as_bytes())).collect();
        assert!(!desviadas.is_empty() && desviadas.iter().all(|p| [0, 2].contains(p)), "{desviadas:?}");
        assert_eq!(Desvio::new(1, &[0]).de(b"a"), None, "no hay otra");
    }
}
