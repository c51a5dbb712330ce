//! Un 400 o un 422 que hablan de las líneas: cuántas son las malas y por qué.

/// Lo que dice InfluxDB, en cualquiera de sus versiones, de una línea que no puede ser.
const DE_LINEAS: [&str; 10] = [
    "unable to parse",
    "field type conflict",
    "beyond retention policy",
    "outside retention policy",
    "max key size exceeded",
    "invalid field name",
    "input field",
    "time outside range",
    "line protocol",
    "on line(s)",
];

/// Un límite del servidor: lo que hoy no cabe puede caber mañana, y la línea no tiene la culpa.
const DE_LIMITES: [&str; 7] =
    ["limit exceeded", "exceed limit", "exceeds limit", "max-series", "max-values", "quota", "cardinality"];

/// Líneas que el servidor no aceptará nunca.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rechazo {
    /// 400 o 422.
    pub codigo: u16,
    /// Sus palabras, recortadas.
    pub palabras: String,
    /// Cuántas líneas son, si lo dice.
    pub malas: Option<usize>,
    /// Son de una fecha que el servidor no guarda.
    pub por_fecha: bool,
}

impl Rechazo {
    /// Lo que hay en `dicho`, si habla de líneas; `palabras` es lo mismo, recortado.
    pub(super) fn de(codigo: u16, dicho: &str, palabras: &str) -> Option<Self> {
        let habla_de = |cosas: &[&str]| cosas.iter().any(|cosa| dicho.contains(cosa));
        if !habla_de(&DE_LINEAS) || habla_de(&DE_LIMITES) {
            return None;
        }
        let malas = cuantas(dicho);
        let por_fecha = dicho.contains("retention policy");
        Some(Rechazo { codigo, palabras: palabras.to_owned(), malas, por_fecha })
    }
}

/// Cuántas líneas malas hay: las que no se entienden se nombran una a una, en su renglón; de las demás dice
/// `dropped=3`. InfluxDB 1.x pone `dropped=0` detrás de las que no se entienden.
fn cuantas(dicho: &str) -> Option<usize> {
    let sin_entender = dicho.lines().filter(|renglon| renglon.contains("unable to parse '")).count();
    if sin_entender > 0 {
        return Some(sin_entender);
    }
    let (_, resto) = dicho.rsplit_once("dropped=")?;
    resto.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malas(dicho: &str) -> Option<Option<usize>> {
        Rechazo::de(400, dicho, dicho).map(|rechazo| rechazo.malas)
    }

    /// Tal como los dan InfluxDB 1.6.7, InfluxDB 2.7.12 e InfluxDB 3.
    #[test]
    fn se_cuentan_las_lineas_malas_que_dice_cada_version() {
        let (a, b) =
            ("unable to parse 'm n=': missing field value", "unable to parse 'm n=1 x': bad timestamp");
        assert_eq!(malas(a), Some(Some(1)));
        assert_eq!(malas(&format!("{a}\n{b}")), Some(Some(2)));
        assert_eq!(malas(&format!("partial write: {a}\n{b} dropped=0")), Some(Some(2)));
        assert_eq!(malas("partial write: points beyond retention policy dropped=17"), Some(Some(17)));
        let larga = "failure writing points to database: partial write: dropped 2 points outside retention policy of \
                     duration 1h0m0s - oldest point m dropped=9 at 2025-11-24T16:00:00Z dropped because it violates \
                     a Retention Policy Lower Bound dropped=2 for database: 2d7e for retention policy: autogen";
        assert_eq!(malas(larga), Some(Some(2)), "el nombre de la medida no engaña");
        assert_eq!(malas("partial write of line protocol occurred"), Some(None));
    }

    #[test]
    fn un_limite_no_habla_de_las_lineas() {
        for limite in [
            "partial write: max-series-per-database limit exceeded: (1) dropped=20",
            "partial write: max-values-per-tag limit exceeded (3/3): measurement=\"m\" tag=\"t\" dropped=1",
            "partial write of line protocol occurred: adding a new table would exceed limit of 2000 tables",
            "retention policy not found: no",
            "engine is closed",
        ] {
            assert_eq!(malas(limite), None, "{limite}");
        }
    }
}
