//! Los valores de las opciones de un programa: de dónde salen, cuál manda y qué se entiende en ellos.

use std::collections::HashMap;
use std::ffi::OsString;
use std::num::IntErrorKind;
use std::path::Path;
use std::time::Duration;

use lexopt::Arg;

use super::dotenv::leer_dotenv;
use super::opciones::{Opcion, Programa};
use crate::fallo::Fallo;

/// Lo más que puede durar algo: más allá, el reloj del sistema no sabe contar.
const MAXIMA: Duration = Duration::from_secs(365 * 24 * 3600);

/// Los valores leídos. Un valor vacío del entorno o del `.env` es como si no estuviera.
pub struct Valores {
    programa: &'static Programa,
    ordenes: HashMap<&'static str, String>, // por nombre de opción
    entorno: HashMap<&'static str, String>, // por variable
    dotenv: HashMap<String, String>,        // por variable
}

impl Valores {
    /// Lee los argumentos de este proceso, su entorno y el `.env` de la carpeta actual.
    ///
    /// # Errors
    /// Los de [`Valores::leer`].
    pub fn del_proceso(programa: &'static Programa) -> Result<Self, Fallo> {
        Valores::leer(programa, std::env::args_os().skip(1), |v| std::env::var_os(v), Path::new(".env"))
    }

    /// Lee unos argumentos, un entorno y un `.env`, que puede no existir.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no se entiende; [`Fallo::Informacion`] con `--ayuda` o `--version`.
    pub fn leer(
        programa: &'static Programa,
        argumentos: impl IntoIterator<Item = OsString>,
        entorno: impl Fn(&str) -> Option<OsString>,
        dotenv: &Path,
    ) -> Result<Self, Fallo> {
        let dotenv = leer_dotenv(dotenv)?;
        let leida = |o: &Opcion| Some((o.variable, entorno(o.variable)?.into_string().ok()?));
        let entorno = programa.todas().filter(|o| !o.variable.is_empty()).filter_map(leida);
        let entorno = entorno.filter(|(_, valor)| !valor.is_empty()).collect();
        Ok(Valores { programa, ordenes: ordenes(programa, argumentos)?, entorno, dotenv })
    }

    /// El valor de una opción, si tiene alguno.
    pub fn texto(&self, opcion: &Opcion) -> Option<String> {
        self.es_suya(opcion);
        let en_entorno = || self.entorno.get(opcion.variable);
        let en_dotenv = || self.dotenv.get(opcion.variable).filter(|valor| !valor.is_empty());
        self.ordenes.get(opcion.nombre).or_else(en_entorno).or_else(en_dotenv).cloned()
    }

    /// Si se ha puesto un interruptor.
    pub fn puesto(&self, opcion: &Opcion) -> bool {
        self.es_suya(opcion);
        self.ordenes.contains_key(opcion.nombre)
    }

    /// Un número entero, o `por_defecto`.
    ///
    /// # Errors
    /// Los de [`Valores::opcional`].
    pub fn entero<T: TryFrom<u64>>(&self, opcion: &Opcion, por_defecto: T, minimo: u64) -> Result<T, Fallo> {
        Ok(self.opcional(opcion, minimo)?.unwrap_or(por_defecto))
    }

    /// Un número entero, si se ha dicho.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si no es un entero de `minimo` en adelante que quepa en `T`.
    pub fn opcional<T: TryFrom<u64>>(&self, opcion: &Opcion, minimo: u64) -> Result<Option<T>, Fallo> {
        let Some(texto) = self.texto(opcion) else { return Ok(None) };
        let nombre = opcion.nombre;
        let grande = || Fallo::Uso(format!("--{nombre} es demasiado grande: «{texto}»"));
        match texto.parse::<u64>() {
            Ok(numero) if numero >= minimo => T::try_from(numero).map(Some).map_err(|_| grande()),
            Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(grande()),
            _ => Err(Fallo::Uso(format!(
                "--{nombre} tiene que ser un entero de {minimo} en adelante, y es «{texto}»"
            ))),
        }
    }

    /// Una duración, o `por_defecto`.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si no se entiende, es menor que `minima` o pasa de un año.
    pub fn duracion(
        &self,
        opcion: &Opcion,
        por_defecto: Duration,
        minima: Duration,
    ) -> Result<Duration, Fallo> {
        let Some(texto) = self.texto(opcion) else { return Ok(por_defecto) };
        let nombre = opcion.nombre;
        match duracion(&texto) {
            Some(duracion) if duracion > MAXIMA => {
                Err(Fallo::Uso(format!("--{nombre} no puede pasar de un año, y es «{texto}»")))
            }
            Some(duracion) if duracion >= minima => Ok(duracion),
            Some(_) => Err(Fallo::Uso(format!("--{nombre} no puede bajar de {minima:?}, y es «{texto}»"))),
            None => Err(Fallo::Uso(format!(
                "--{nombre} es una duración con su unidad, como 500ms, 10s o 2m, y es «{texto}»"
            ))),
        }
    }

    /// Leer una opción que no está en la tabla del programa daría siempre «sin configurar».
    fn es_suya(&self, opcion: &Opcion) {
        let Programa { nombre, .. } = self.programa;
        debug_assert!(
            self.programa.todas().any(|o| o.nombre == opcion.nombre && o.variable == opcion.variable),
            "--{} no está en la tabla de {nombre}",
            opcion.nombre
        );
    }
}

/// Las opciones de la línea de órdenes. De una repetida manda la última.
fn ordenes(
    programa: &Programa,
    argumentos: impl IntoIterator<Item = OsString>,
) -> Result<HashMap<&'static str, String>, Fallo> {
    let mut ordenes = HashMap::new();
    let mut lector = lexopt::Parser::from_args(argumentos);
    while let Some(argumento) = lector.next().map_err(|e| en_espanol(&e))? {
        let opcion = match &argumento {
            Arg::Long("ayuda" | "help") | Arg::Short('h') => {
                return Err(Fallo::Informacion(programa.ayuda()));
            }
            Arg::Long("version") | Arg::Short('V') => return Err(Fallo::Informacion(programa.version())),
            Arg::Long(nombre) => programa.todas().find(|o| o.nombre == *nombre),
            Arg::Short(letra) => programa.todas().find(|o| o.corta == Some(*letra)),
            Arg::Value(valor) => {
                let valor = valor.to_string_lossy();
                return Err(Fallo::Uso(format!("sobra «{valor}»: todo va con opciones")));
            }
        };
        let Some(opcion) = opcion else { return Err(en_espanol(&argumento.unexpected())) };
        let valor = if opcion.es_interruptor() {
            String::new()
        } else {
            let valor = lector.value().map_err(|e| en_espanol(&e))?;
            valor
                .into_string()
                .map_err(|_| Fallo::Uso(format!("el valor de --{} no es texto UTF-8", opcion.nombre)))?
        };
        ordenes.insert(opcion.nombre, valor);
    }
    Ok(ordenes)
}

/// `500ms`, `10s`, `2m` o `1h`. La unidad es obligatoria: en Python son milisegundos y aquí no.
pub fn duracion(texto: &str) -> Option<Duration> {
    let corte = texto.find(|c: char| !c.is_ascii_digit())?;
    let numero: u64 = texto[..corte].parse().ok()?;
    let milis = match &texto[corte..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    numero.checked_mul(milis).map(Duration::from_millis)
}

fn en_espanol(error: &lexopt::Error) -> Fallo {
    Fallo::Uso(match error {
        lexopt::Error::MissingValue { option: Some(opcion) } => format!("falta el valor de {opcion}"),
        lexopt::Error::UnexpectedOption(opcion) => format!("no existe la opción {opcion}"),
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} no lleva valor"),
        otro => format!("opciones que no se entienden: {otro}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn las_duraciones_llevan_unidad() {
        assert_eq!(duracion("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duracion("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duracion("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duracion("1h"), Some(Duration::from_secs(3600)));
        for mala in
            ["", "10", "s", "1.5s", "10 s", "-1s", "10d", "99999999999999999999s", "999999999999999999h"]
        {
            assert_eq!(duracion(mala), None, "{mala}");
        }
    }
}
