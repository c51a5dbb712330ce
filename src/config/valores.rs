//! Los valores de las opciones de un programa: cuál manda y qué se entiende en ellos.

use std::collections::HashMap;
use std::ffi::OsString;
use std::num::IntErrorKind;
use std::path::Path;
use std::time::Duration;

use super::dotenv::leer_dotenv;
use super::fuentes::{Fuente, del_entorno, ordenes};
use super::opciones::{Opcion, Programa};
use super::parecidas::parecidas;
use crate::fallo::Fallo;
use crate::herramientas::direccion::sin_sustituir;
use crate::herramientas::texto::{es_invisible, raro};

/// Lo más que puede durar algo: más allá, el reloj del sistema no sabe contar.
const MAXIMA: Duration = Duration::from_secs(365 * 24 * 3600);

/// Lo que trae `.env.ejemplo` en el sitio de cada valor, y que no es de nadie.
const DE_EJEMPLO: [&str; 11] = [
    "pega-aquí-tu-token",
    "pega-aqui-tu-token",
    "tu-token",
    "tu-organización",
    "tu-organizacion",
    "tu-bucket",
    "tu-base-de-datos",
    "tu-usuario",
    "tu-contraseña",
    "tu-contrasena",
    "tu-cluster",
];

/// Los valores leídos, por nombre de opción. Una variable vacía, en el entorno o en el `.env`, es como si no
/// estuviera.
pub struct Valores {
    programa: &'static Programa,
    leidos: HashMap<&'static str, (Fuente, Vec<String>)>,
    avisos: Vec<String>,
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
    /// [`Fallo::Uso`] si algo no se entiende; [`Fallo::Informacion`] con `--ayuda` o `--version`, diga lo que
    /// diga el `.env`.
    pub fn leer(
        programa: &'static Programa,
        argumentos: impl IntoIterator<Item = OsString>,
        entorno: impl Fn(&str) -> Option<OsString>,
        dotenv: &Path,
    ) -> Result<Self, Fallo> {
        let mut leidos = ordenes(programa, argumentos)?;
        let mut dotenv = leer_dotenv(dotenv)?;
        for opcion in programa.todas().filter(|o| !o.variable.is_empty()) {
            if leidos.contains_key(opcion.nombre) {
                continue;
            }
            let de_entorno = del_entorno(opcion, &entorno)?.map(|valor| (Fuente::Entorno, valor));
            let de_dotenv = || Some((Fuente::Dotenv, dotenv.remove(opcion.variable)?));
            if let Some((fuente, valor)) = de_entorno.or_else(de_dotenv)
                && !valor.is_empty()
            {
                leidos.insert(opcion.nombre, (fuente, vec![valor]));
            }
        }
        let puesta = |variable: &str| {
            programa.todas().any(|o| o.variable == variable && leidos.contains_key(o.nombre))
        };
        // En el entorno, un DB_NAME puede ser de cualquier programa; en el `.env` de la carpeta, no.
        let de_otro = |variable: &str| !["MONGO", "KAFKA", "INFLUX"].iter().any(|n| variable.contains(n));
        let en_entorno =
            |variable: &str| !de_otro(variable) && entorno(variable).is_some_and(|v| !v.is_empty());
        let en_dotenv = |variable: &str| dotenv.get(variable).is_some_and(|valor| !valor.is_empty());
        let avisos = parecidas(programa, puesta, |v| en_dotenv(v) || en_entorno(v));
        Ok(Valores { programa, leidos, avisos })
    }

    /// Lo que hay que decir de la configuración, aunque se entienda.
    pub fn avisos(&self) -> &[String] {
        &self.avisos
    }

    /// El valor de una opción, si tiene alguno; de una repetida, el último.
    pub fn texto(&self, opcion: &Opcion) -> Option<String> {
        self.todos(opcion).last().cloned()
    }

    /// Todos los valores de una opción que se puede repetir.
    pub fn todos(&self, opcion: &Opcion) -> &[String] {
        self.leido(opcion).map_or(&[], |(_, valores)| valores)
    }

    /// Quién ha dicho el valor de una opción.
    pub fn fuente(&self, opcion: &Opcion) -> Option<Fuente> {
        self.leido(opcion).map(|(fuente, _)| *fuente)
    }

    /// El valor de una opción que no puede ir vacía, ni ser la del ejemplo, ni llevar variables sin sustituir o
    /// letras que no se ven.
    ///
    /// # Errors
    /// [`Fallo::Uso`], sin repetir el valor, que puede ser un secreto.
    pub fn propio(&self, opcion: &Opcion) -> Result<Option<String>, Fallo> {
        let Some(texto) = self.texto(opcion) else { return Ok(None) };
        if texto.is_empty() {
            return Err(Fallo::Uso(format!("{opcion} está vacío")));
        }
        if let Some(variable) = sin_sustituir(&texto) {
            let razon = match self.fuente(opcion) {
                Some(Fuente::Dotenv) => "y el .env no expande variables",
                _ => "sin sustituir",
            };
            return Err(Fallo::Uso(format!("{opcion} lleva «{variable}», {razon}: escribe ahí su valor")));
        }
        if let Some(letra) = texto.chars().find(|c| *c != ' ' && es_invisible(*c)) {
            return Err(Fallo::Uso(format!("{opcion} lleva {}: escríbelo otra vez", raro(letra))));
        }
        let minusculas = texto.to_lowercase();
        let mut trozos = minusculas.split([':', '/', '@', '.', ',', '?', ' ']);
        if let Some(trozo) = trozos.find(|t| DE_EJEMPLO.contains(t)) {
            return Err(Fallo::Uso(format!(
                "{opcion} lleva todavía «{trozo}», que es del ejemplo: pon lo tuyo"
            )));
        }
        if texto.starts_with('<') && texto.ends_with('>') {
            return Err(Fallo::Uso(format!(
                "{opcion} lleva todavía un hueco entre < y >: pon lo tuyo, sin ellos"
            )));
        }
        Ok(Some(texto))
    }

    /// Si se ha puesto un interruptor.
    pub fn puesto(&self, opcion: &Opcion) -> bool {
        self.leido(opcion).is_some()
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

    /// Lo leído de una opción. De una que no está en la tabla del programa sería siempre «sin configurar».
    fn leido(&self, opcion: &Opcion) -> Option<&(Fuente, Vec<String>)> {
        debug_assert!(
            self.programa.todas().any(|o| o.nombre == opcion.nombre && o.variable == opcion.variable),
            "--{} no está en la tabla de {}",
            opcion.nombre,
            self.programa.nombre
        );
        self.leidos.get(opcion.nombre)
    }
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
