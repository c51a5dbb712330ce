//! Por dónde se va leyendo una colección de MongoDB: qué se ha visto ya y desde cuándo hay que volver a mirar.

use std::collections::HashMap;

use ::mongodb::bson::Bson;

use crate::panel::documentos::MAX_LECTURA;

/// Cuánto antes de lo último visto se vuelve a mirar: dos consumidores no guardan en el orden exacto en que
/// reciben. En milisegundos.
const MARGEN: i64 = 2_000;
/// Y cuánto si la cuenta dice que falta alguno, como mucho: el reloj de otro ordenador puede ir atrasado.
const MAX_MARGEN: i64 = 3_600_000;
/// Por cuánto crece el margen cada vez que falta alguno.
const CRECE: i64 = 8;
/// Los `_id` que se recuerdan.
const MAX_VISTOS: usize = 2 * MAX_LECTURA;

/// Lo visto de una colección.
#[derive(Debug, Clone, Default)]
pub struct Marca {
    /// Uno de los documentos más nuevos vistos, y su fecha: si ya no está, la base de datos es otra.
    pub ultimo: Option<(Bson, i64)>,
    fecha: Option<i64>,           // la más nueva
    vistos: HashMap<String, i64>, // los `_id` de alrededor, con su fecha
    suelo: i64,                   // lo anterior a esto no se mira: no se sabe si se ha visto
    margen: i64,
    faltan: u64, // los que dice la cuenta que hay y no se han visto
}

impl Marca {
    /// Si hay que leer aunque la cuenta no haya cambiado.
    pub fn falta_alguno(&self) -> bool {
        self.faltan > 0
    }

    /// Desde cuándo hay que leer. Nada la primera vez. Un documento del futuro no adelanta el reloj a los demás.
    pub fn desde(&self, ahora: i64) -> Option<i64> {
        let margen = self.margen.max(MARGEN);
        self.fecha.map(|fecha| (fecha.min(ahora) - margen).max(self.suelo))
    }

    /// Apunta un documento, y dice si es la primera vez que se ve.
    pub fn apuntar(&mut self, texto_id: String, id: Bson, fecha: i64) -> bool {
        if self.fecha.is_none_or(|antes| fecha > antes) {
            self.fecha = Some(fecha);
            self.ultimo = Some((id, fecha));
        }
        self.vistos.insert(texto_id, fecha).is_none()
    }

    /// Cierra una lectura en la que se han visto `nuevos` documentos, el más antiguo de esta fecha, y en la que la
    /// cuenta ha crecido en `esperados`. `al_tope`: puede haber más detrás.
    pub fn cerrar(
        &mut self,
        nuevos: u64,
        mas_antiguo: Option<i64>,
        esperados: u64,
        al_tope: bool,
        ahora: i64,
    ) {
        let primera = self.margen == 0;
        if primera {
            self.margen = MARGEN;
            self.suelo = if al_tope { mas_antiguo.unwrap_or(i64::MIN) } else { i64::MIN };
        } else if nuevos < self.faltan + esperados && !al_tope && self.margen < MAX_MARGEN {
            self.margen = (self.margen * CRECE).min(MAX_MARGEN);
            self.faltan = self.faltan + esperados - nuevos;
            return;
        } else if let (Some(antiguo), Some(fecha)) = (mas_antiguo, self.fecha) {
            // El retraso que ya se ha visto se espera también la próxima vez.
            self.margen = (2 * (fecha.min(ahora) - antiguo)).clamp(MARGEN, MAX_MARGEN);
        }
        self.faltan = 0;
        self.olvidar(ahora);
    }

    /// Olvida los `_id` a los que ya no se vuelve.
    fn olvidar(&mut self, ahora: i64) {
        let Some(fecha) = self.fecha else { return };
        self.suelo = self.suelo.max(fecha.min(ahora) - MAX_MARGEN);
        if self.vistos.len() > MAX_VISTOS {
            let mut fechas: Vec<i64> = self.vistos.values().copied().collect();
            let (_, corte, _) = fechas.select_nth_unstable(MAX_VISTOS / 2);
            self.suelo = self.suelo.max(*corte);
        }
        let suelo = self.suelo;
        self.vistos.retain(|_, fecha| *fecha >= suelo);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORA: i64 = 3_600_000;
    const AHORA: i64 = 100 * HORA;

    fn ver(marca: &mut Marca, n: u64, fecha: i64) -> bool {
        marca.apuntar(n.to_string(), Bson::Int64(n as i64), fecha)
    }

    #[test]
    fn uno_del_futuro_no_esconde_los_que_vienen_detras() {
        let mut marca = Marca::default();
        assert!(ver(&mut marca, 1, AHORA + HORA));
        marca.cerrar(1, Some(AHORA + HORA), 1, false, AHORA);
        assert!(marca.desde(AHORA).unwrap() <= AHORA);
        assert!(!ver(&mut marca, 1, AHORA + HORA), "se vuelve a leer, pero ya se ha visto");
    }

    #[test]
    fn si_falta_alguno_se_mira_mas_atras_hasta_dar_con_el_y_luego_menos() {
        let mut marca = Marca::default();
        ver(&mut marca, 1, AHORA);
        marca.cerrar(1, Some(AHORA), 1, false, AHORA);
        // La cuenta dice que hay otro: es de un reloj que va un minuto atrasado.
        let atrasado = AHORA - 60_000;
        let mut lecturas = 0;
        while marca.desde(AHORA).unwrap() > atrasado {
            marca.cerrar(0, None, u64::from(lecturas == 0), false, AHORA);
            lecturas += 1;
            assert!(marca.falta_alguno() && lecturas < 5);
        }
        assert!(ver(&mut marca, 2, atrasado));
        marca.cerrar(1, Some(atrasado), 0, false, AHORA);
        assert!(!marca.falta_alguno() && marca.desde(AHORA).unwrap() < atrasado);
        ver(&mut marca, 3, AHORA + 10);
        marca.cerrar(1, Some(AHORA + 10), 1, false, AHORA + 10);
        assert_eq!(marca.desde(AHORA + 10), Some(AHORA + 10 - MARGEN));
        // Si no aparece nunca (una cuenta que el servidor lleva mal), se deja de buscar.
        for vuelta in 0..6 {
            marca.cerrar(0, None, u64::from(vuelta == 0), false, AHORA);
        }
        assert!(!marca.falta_alguno());
    }

    #[test]
    fn lo_que_se_recuerda_tiene_tope_y_lo_olvidado_no_se_vuelve_a_ver() {
        let mut marca = Marca::default();
        for n in 0..4 * MAX_VISTOS as u64 {
            assert!(ver(&mut marca, n, AHORA + n as i64));
            if n % 1_000 == 0 {
                marca.cerrar(1_000, Some(AHORA + n as i64), 1_000, false, AHORA + n as i64);
            }
        }
        assert!(marca.vistos.len() <= MAX_VISTOS + 1_000);
        assert!(marca.desde(i64::MAX / 2).unwrap() >= marca.suelo && marca.suelo > AHORA);
    }
}
