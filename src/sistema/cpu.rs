//! El uso de CPU, como `psutil.cpu_percent()`: lo que no es «idle» ni «iowait», entre dos lecturas.
//!
//! En Linux se leen los contadores de `/proc/stat`: sysinfo no dice si no ha podido, y da 0 o 100.

#[cfg(target_os = "linux")]
pub(super) use linux::Cpu;
#[cfg(not(target_os = "linux"))]
pub(super) use otros::Cpu;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use crate::herramientas::causa::causa;

    const RUTA: &str = "/proc/stat";

    /// Los contadores de la primera línea: user, nice, system, idle, iowait, irq, softirq y steal. Los dos que
    /// siguen, guest y guest_nice, ya están contados en user y nice.
    type Contadores = [u64; 8];

    /// La lectura anterior, o por qué no se pudo.
    pub struct Cpu {
        antes: Result<Contadores, String>,
    }

    impl Cpu {
        pub fn new() -> Result<Self, String> {
            Ok(Cpu { antes: leer() })
        }

        /// El uso desde la lectura anterior, en % (0 a 100).
        pub fn percent(&mut self) -> Result<f64, String> {
            let ahora = leer();
            let antes = std::mem::replace(&mut self.antes, ahora.clone());
            let error = |causa: &str| format!("no se puede leer la CPU en {RUTA} ({causa})");
            // Hacen falta dos lecturas seguidas: si la anterior no se pudo, de esta tampoco sale nada.
            let (ahora, antes) = (ahora.map_err(|c| error(&c))?, antes.map_err(|c| error(&c))?);
            percent(&antes, &ahora).ok_or_else(|| error("sus contadores no avanzan"))
        }
    }

    fn leer() -> Result<Contadores, String> {
        let texto = fs::read_to_string(RUTA).map_err(|error| causa(&error))?;
        partir(&texto).ok_or_else(|| "no tiene los contadores".to_owned())
    }

    /// Los de un sistema antiguo son menos: los que faltan son 0.
    fn partir(texto: &str) -> Option<Contadores> {
        let mut numeros = texto.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
        let mut contadores = Contadores::default();
        for (i, contador) in contadores.iter_mut().enumerate() {
            match numeros.next() {
                Some(numero) => *contador = numero.parse().ok()?,
                None if i < 4 => return None,
                None => break,
            }
        }
        Some(contadores)
    }

    /// Contador a contador: en una máquina virtual alguno puede ir hacia atrás, y entonces no cuenta. Nada, si no
    /// ha avanzado ninguno.
    fn percent(antes: &Contadores, ahora: &Contadores) -> Option<f64> {
        let mut avances = [0.0; 8];
        for (avance, (ahora, antes)) in avances.iter_mut().zip(ahora.iter().zip(antes)) {
            *avance = ahora.saturating_sub(*antes) as f64;
        }
        let [_, _, _, idle, iowait, ..] = avances;
        let total: f64 = avances.iter().sum();
        (total > 0.0).then(|| 100.0 * (total - idle - iowait) / total)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn se_leen_los_contadores_y_lo_que_no_lo_son_no() {
            let linea = "cpu  10 20 30 40 50 60 70 80 5 6\ncpu0 1 2 3 4\n";
            assert_eq!(partir(linea), Some([10, 20, 30, 40, 50, 60, 70, 80]));
            assert_eq!(partir("cpu  1 2 3 4"), Some([1, 2, 3, 4, 0, 0, 0, 0]));
            for malo in ["", "cpu", "cpu  1 2 3", "cpu  a b c d", "cpu0 1 2 3 4", "\n", "cpu  -1 2 3 4"] {
                assert_eq!(partir(malo), None, "{malo:?}");
            }
        }

        #[test]
        fn la_formula_es_la_de_psutil() {
            let antes = [100, 0, 50, 800, 50, 0, 0, 0];
            assert_eq!(percent(&antes, &[130, 0, 60, 850, 60, 0, 0, 0]), Some(40.0));
            assert_eq!(percent(&antes, &[100, 0, 50, 900, 50, 0, 0, 0]), Some(0.0), "ociosa de verdad");
            assert_eq!(percent(&antes, &[200, 0, 50, 800, 50, 0, 0, 0]), Some(100.0));
            // «iowait» va hacia atrás: no cuenta, y no da ni menos de 0 ni más de 100.
            assert_eq!(percent(&antes, &[150, 0, 50, 850, 10, 0, 0, 0]), Some(50.0));
            assert_eq!(percent(&antes, &antes), None, "parados");
            assert_eq!(percent(&antes, &[0; 8]), None, "empezados de nuevo");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod otros {
    /// Los contadores de sysinfo, que guardan la lectura anterior.
    pub struct Cpu(sysinfo::System);

    impl Cpu {
        pub fn new() -> Result<Self, String> {
            let mut contadores = sysinfo::System::new().map_err(|e| format!("{e:?}"))?;
            contadores.refresh_cpu_usage();
            Ok(Cpu(contadores))
        }

        /// El uso desde la lectura anterior, en % (0 a 100).
        pub fn percent(&mut self) -> Result<f64, String> {
            self.0.refresh_cpu_usage();
            let uso = f64::from(self.0.global_cpu_usage());
            let hay = !self.0.cpus().is_empty() && (0.0..=100.0).contains(&uso);
            hay.then_some(uso).ok_or_else(|| "no se puede leer la CPU".to_owned())
        }
    }
}
