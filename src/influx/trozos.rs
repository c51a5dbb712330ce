//! De cuántas líneas se hace cada petición. Si un lote no entra, se prueba con menos; si entra, con más.

/// Aciertos seguidos con el tamaño que cabe antes de probar otra vez con el doble.
const PACIENCIA: u32 = 32;

/// El tamaño de la próxima petición, según lo que ha pasado con las anteriores.
#[derive(Debug)]
pub(super) struct Trozos {
    lineas: usize,  // por petición, como mucho
    techo: usize,   // con tantas no ha entrado
    bytes: usize,   // por petición, como mucho; baja con cada 413
    aciertos: u32,  // seguidos, con todas las que deja el techo
    paciencia: u32, // los que hacen falta para subir el techo
    subido: bool,   // y se ha subido
}

impl Trozos {
    /// Sin límite todavía.
    pub(super) fn new() -> Self {
        Trozos {
            lineas: usize::MAX,
            techo: usize::MAX,
            bytes: usize::MAX,
            aciertos: 0,
            paciencia: PACIENCIA,
            subido: false,
        }
    }

    /// Separa de `texto` las primeras líneas: las que tocan, sin pasar de `max`, y una al menos.
    pub(super) fn cortar<'a>(&self, texto: &'a [u8], max: usize) -> (usize, &'a [u8], &'a [u8]) {
        let (max, mut lineas, mut bytes) = (max.min(self.lineas), 0, 0);
        for linea in texto.split_inclusive(|b| *b == b'\n') {
            if lineas > 0 && (lineas == max || bytes + linea.len() > self.bytes) {
                break;
            }
            lineas += 1;
            bytes += linea.len();
        }
        let (trozo, despues) = texto.split_at(bytes);
        (lineas, trozo, despues)
    }

    /// Si se envía menos de lo que se querría.
    pub(super) fn limitado(&self) -> bool {
        self.techo != usize::MAX
    }

    /// Ha entrado una petición de `n` líneas.
    pub(super) fn entra(&mut self, n: usize) {
        if n < self.lineas {
            return; // no había más: no dice nada del tamaño
        }
        let cabe = if self.limitado() { (self.techo / 2).max(1) } else { usize::MAX };
        if self.lineas < cabe {
            self.lineas = self.lineas.saturating_mul(2).min(cabe);
            return;
        }
        self.aciertos += 1;
        if self.limitado() && self.aciertos >= self.paciencia {
            self.techo = self.techo.saturating_mul(2);
            self.aciertos = 0;
            self.subido = true;
        }
    }

    /// No cabe ni una línea sola: el servidor no se queja de lo que ocupan.
    pub(super) fn no_era_lo_que_ocupa(&mut self) {
        self.bytes = usize::MAX;
    }

    /// No ha entrado una de `n` líneas, quizá por su tamaño. Con una sola, no era eso.
    pub(super) fn no_entra(&mut self, n: usize) {
        self.aciertos = 0;
        if std::mem::take(&mut self.subido) {
            self.paciencia = self.paciencia.saturating_mul(2); // se ha subido en balde: la próxima, más tarde
        }
        self.techo = if n > 1 { n } else { usize::MAX };
        self.lineas = (n / 10).max(1);
    }

    /// Lo que no entraba no era por el tamaño: se vuelve a crecer sin techo.
    pub(super) fn no_era_el_tamano(&mut self) {
        (self.techo, self.aciertos, self.paciencia) = (usize::MAX, 0, PACIENCIA);
    }

    /// El servidor no admite un cuerpo de `bytes`: los siguientes, de la mitad. Dice si es la primera vez.
    pub(super) fn no_caben(&mut self, bytes: usize) -> bool {
        let primera = self.bytes == usize::MAX;
        self.bytes = bytes / 2;
        primera
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vacía una cola de `pendientes` líneas hacia un servidor que admite `admite` por petición.
    fn vaciar(trozos: &mut Trozos, pendientes: usize, admite: usize) -> (usize, usize) {
        let cola = b"l\n".repeat(pendientes);
        let (mut resto, mut peticiones, mut fallos) = (&cola[..], 0, 0);
        while !resto.is_empty() {
            peticiones += 1;
            let (n, _, despues) = trozos.cortar(resto, 1_000);
            if n <= admite {
                trozos.entra(n);
                resto = despues;
            } else {
                trozos.no_entra(n);
                fallos += 1;
            }
        }
        (peticiones, fallos)
    }

    #[test]
    fn todo_entra_con_pocos_fallos_sea_cual_sea_el_tamano_que_cabe() {
        for admite in [1, 2, 7, 50, 99, 100, 200, 499, 500, 900, 999] {
            let (peticiones, fallos) = vaciar(&mut Trozos::new(), 3_000, admite);
            assert!(fallos <= 5 + 20 / admite, "admite {admite}: {fallos} fallos");
            assert!(peticiones <= 60 + 6 * 3_000 / admite, "admite {admite}: {peticiones} peticiones");
        }
    }

    #[test]
    fn si_el_servidor_se_arregla_se_vuelve_a_los_lotes_enteros() {
        let mut trozos = Trozos::new();
        vaciar(&mut trozos, 3_000, 100);
        vaciar(&mut trozos, 100_000, 1_000);
        assert_eq!(vaciar(&mut trozos, 10_000, 1_000), (10, 0));
    }

    #[test]
    fn si_ni_una_entra_no_era_el_tamano_y_despues_se_crece_deprisa() {
        let mut trozos = Trozos::new();
        for n in [1_000, 100, 10, 1, 1] {
            trozos.no_entra(n);
        }
        let (peticiones, fallos) = vaciar(&mut trozos, 3_000, 1_000);
        assert!(peticiones <= 14 && fallos == 0, "{peticiones} peticiones");
    }
}
