//! Opciones de los programas: primero la línea de órdenes, luego el entorno y luego el `.env`.
//!
//! Cada programa tiene una tabla de [`Opcion`]; de ella salen la lectura y la `--ayuda`.

pub mod agente;
#[cfg(feature = "panel")]
pub mod panel;
pub mod tuberia;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::Arg;

use crate::fallo::Fallo;
use crate::herramientas::causa::causa;

/// Lo más que puede durar algo: más allá, el reloj del sistema no sabe contar.
const MAXIMA: Duration = Duration::from_secs(365 * 24 * 3600);

/// Una opción de un programa.
pub struct Opcion {
    /// Nombre largo, sin guiones.
    pub nombre: &'static str,
    /// Letra corta, si la tiene.
    pub corta: Option<char>,
    /// Cómo se llama su valor en la ayuda. Vacío: es un interruptor.
    pub valor: &'static str,
    /// Variable de entorno (o línea de `.env`) equivalente. Vacía: no tiene.
    pub variable: &'static str,
    /// Para qué sirve, en una línea.
    pub ayuda: &'static str,
}

/// Las opciones que tienen todos los programas.
pub const GENERALES: &[Opcion] = &[
    opcion("silencioso", "", "", "Solo avisos y errores"),
    Opcion {
        nombre: "detalle",
        corta: Some('v'),
        valor: "",
        variable: "",
        ayuda: "Cuenta también los detalles",
    },
    opcion("log", "FICHERO", "", "Añade los avisos, con hora y nivel, a un fichero"),
];

const fn opcion(
    nombre: &'static str,
    valor: &'static str,
    variable: &'static str,
    ayuda: &'static str,
) -> Opcion {
    Opcion { nombre, corta: None, valor, variable, ayuda }
}

/// Un programa y sus opciones.
pub struct Programa {
    /// El nombre del binario.
    pub nombre: &'static str,
    /// Qué hace, en una o dos líneas.
    pub resumen: &'static str,
    /// Sus opciones, por grupos, en el orden de la ayuda.
    pub opciones: &'static [&'static [Opcion]],
    /// Lo que va tras las opciones en la ayuda.
    pub pie: &'static str,
}

/// Los valores leídos, de la fuente que manda en cada uno.
pub struct Valores {
    programa: &'static Programa,
    ordenes: HashMap<&'static str, String>,
    variables: HashMap<String, String>,
}

impl Valores {
    /// Lee los argumentos de este proceso, su entorno y el `.env` de la carpeta actual.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si algo no se entiende; [`Fallo::Informacion`] con `--ayuda` o `--version`.
    pub fn del_proceso(programa: &'static Programa) -> Result<Self, Fallo> {
        let mut variables = leer_dotenv(Path::new(".env"))?;
        for opcion in programa.todas().filter(|o| !o.variable.is_empty()) {
            // Una variable vacía es como si no estuviera.
            if let Some(valor) = std::env::var(opcion.variable).ok().filter(|v| !v.is_empty()) {
                variables.insert(opcion.variable.to_owned(), valor);
            }
        }
        Valores::leer(programa, std::env::args_os().skip(1), variables)
    }

    /// Lo mismo, con los argumentos y las variables (entorno y `.env`) ya juntos.
    fn leer(
        programa: &'static Programa,
        argumentos: impl IntoIterator<Item = OsString>,
        variables: HashMap<String, String>,
    ) -> Result<Self, Fallo> {
        let mut ordenes = HashMap::new();
        let mut lector = lexopt::Parser::from_args(argumentos);
        while let Some(argumento) = lector.next().map_err(|e| Fallo::Uso(en_espanol(&e)))? {
            let opcion = match &argumento {
                Arg::Long("ayuda" | "help") | Arg::Short('h') => {
                    return Err(Fallo::Informacion(programa.ayuda()));
                }
                Arg::Long("version") | Arg::Short('V') => return Err(Fallo::Informacion(programa.version())),
                Arg::Long(nombre) => programa.todas().find(|o| o.nombre == *nombre),
                Arg::Short(letra) => programa.todas().find(|o| o.corta == Some(*letra)),
                Arg::Value(valor) => {
                    return Err(Fallo::Uso(format!(
                        "sobra «{}»: todo va con opciones",
                        valor.to_string_lossy()
                    )));
                }
            };
            let Some(opcion) = opcion else {
                return Err(Fallo::Uso(en_espanol(&argumento.unexpected())));
            };
            let valor = if opcion.valor.is_empty() {
                "sí".to_owned()
            } else {
                let valor = lector.value().map_err(|e| Fallo::Uso(en_espanol(&e)))?;
                valor
                    .into_string()
                    .map_err(|_| Fallo::Uso(format!("el valor de --{} no es texto UTF-8", opcion.nombre)))?
            };
            ordenes.insert(opcion.nombre, valor);
        }
        Ok(Valores { programa, ordenes, variables })
    }

    /// El valor de una opción, si tiene alguno.
    pub fn texto(&self, nombre: &str) -> Option<String> {
        let variable = || self.variables.get(self.opcion(nombre)?.variable).filter(|v| !v.is_empty());
        self.ordenes.get(nombre).or_else(variable).cloned()
    }

    /// Si se ha puesto un interruptor.
    pub fn puesto(&self, nombre: &str) -> bool {
        self.ordenes.contains_key(nombre)
    }

    /// Un número entero, o `por_defecto`.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si no es un entero de `minimo` en adelante.
    pub fn entero(&self, nombre: &str, por_defecto: u64, minimo: u64) -> Result<u64, Fallo> {
        let Some(texto) = self.texto(nombre) else { return Ok(por_defecto) };
        match texto.parse() {
            Ok(numero) if numero >= minimo => Ok(numero),
            _ => Err(Fallo::Uso(format!(
                "--{nombre} tiene que ser un entero de {minimo} en adelante, y es «{texto}»"
            ))),
        }
    }

    /// Una duración, o `por_defecto`.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si no se entiende o es menor que `minima`.
    pub fn duracion(&self, nombre: &str, por_defecto: Duration, minima: Duration) -> Result<Duration, Fallo> {
        let Some(texto) = self.texto(nombre) else { return Ok(por_defecto) };
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

    /// Cómo se nombra una opción en un mensaje: su variable y su opción.
    pub fn nombre(&self, nombre: &str) -> String {
        match self.opcion(nombre) {
            Some(opcion) if !opcion.variable.is_empty() => format!("{} (o --{nombre})", opcion.variable),
            _ => format!("--{nombre}"),
        }
    }

    fn opcion(&self, nombre: &str) -> Option<&'static Opcion> {
        self.programa.todas().find(|o| o.nombre == nombre)
    }
}

/// Lo que un programa enseña: las opciones comunes a todos.
#[derive(Debug, Clone, Default)]
pub struct Salida {
    /// Solo avisos y errores.
    pub silencioso: bool,
    /// También los detalles.
    pub detalle: bool,
    /// Fichero al que se añaden los avisos.
    pub log: Option<PathBuf>,
}

impl Salida {
    fn de(valores: &Valores) -> Self {
        Salida {
            silencioso: valores.puesto("silencioso"),
            detalle: valores.puesto("detalle"),
            log: valores.texto("log").map(PathBuf::from),
        }
    }
}

impl Programa {
    fn todas(&self) -> impl Iterator<Item = &'static Opcion> {
        self.opciones.iter().flat_map(|grupo| grupo.iter())
    }

    fn version(&self) -> String {
        format!("{} {}", self.nombre, env!("CARGO_PKG_VERSION"))
    }

    fn ayuda(&self) -> String {
        let mut texto = format!("{}\n\nUso: {} [OPCIONES]\n\nOpciones:\n", self.resumen, self.nombre);
        let fijas = [
            ("-h, --ayuda".to_owned(), "Enseña esta ayuda"),
            ("-V, --version".to_owned(), "Enseña la versión"),
        ];
        let propias = self.todas().map(|o| (o.izquierda(), o.ayuda));
        let filas: Vec<_> = propias.chain(fijas).collect();
        let ancho = filas.iter().map(|(izquierda, _)| izquierda.chars().count()).max().unwrap_or(0);
        for (izquierda, ayuda) in filas {
            texto += &format!("  {izquierda:<ancho$}  {ayuda}\n");
        }
        texto + "\n" + self.pie
    }
}

impl Opcion {
    fn izquierda(&self) -> String {
        let corta = self.corta.map_or("    ".to_owned(), |c| format!("-{c}, "));
        let valor = if self.valor.is_empty() { String::new() } else { format!(" {}", self.valor) };
        format!("{corta}--{}{valor}", self.nombre)
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

/// Lee un `.env`: líneas `CLAVE=valor`; `#` al principio, comentario; comillas y `export`, opcionales.
///
/// # Errors
/// [`Fallo::Uso`] con el número de la línea que no se entiende.
pub fn leer_dotenv(ruta: &Path) -> Result<HashMap<String, String>, Fallo> {
    let texto = match fs::read_to_string(ruta) {
        Ok(texto) => texto,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => {
            let causa = match error.kind() {
                ErrorKind::InvalidData => "no está en UTF-8: guárdalo con esa codificación".to_owned(),
                _ => causa(&error),
            };
            return Err(Fallo::Uso(format!("no se puede leer {}: {causa}", ruta.display())));
        }
    };
    let mut valores = HashMap::new();
    for (i, linea) in texto.trim_start_matches('\u{feff}').lines().enumerate() {
        let linea = linea.trim();
        if linea.is_empty() || linea.starts_with('#') {
            continue;
        }
        let malo = || Fallo::Uso(format!("{}, línea {}: se espera CLAVE=valor", ruta.display(), i + 1));
        let (clave, valor) = linea.trim_start_matches("export ").split_once('=').ok_or_else(malo)?;
        let valor = valor_dotenv(valor.trim()).ok_or_else(malo)?;
        if clave.trim().is_empty() {
            return Err(malo());
        }
        valores.insert(clave.trim().to_owned(), valor);
    }
    Ok(valores)
}

/// Entre comillas, lo de dentro tal cual (nada si no se cierran); sin ellas, hasta un ` #` de comentario.
fn valor_dotenv(valor: &str) -> Option<String> {
    for comilla in ['"', '\''] {
        if let Some(resto) = valor.strip_prefix(comilla) {
            return resto.split_once(comilla).map(|(dentro, _)| dentro.to_owned());
        }
    }
    let sin_comentario =
        if valor.starts_with('#') { "" } else { valor.split(" #").next().unwrap_or_default() };
    Some(sin_comentario.trim_end().to_owned())
}

fn en_espanol(error: &lexopt::Error) -> String {
    match error {
        lexopt::Error::MissingValue { option: Some(opcion) } => format!("falta el valor de {opcion}"),
        lexopt::Error::UnexpectedOption(opcion) => format!("no existe la opción {opcion}"),
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} no lleva valor"),
        otro => format!("opciones que no se entienden: {otro}"),
    }
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

    #[test]
    fn el_dotenv_admite_comentarios_comillas_y_export() {
        let carpeta = tempfile::tempdir().unwrap();
        let ruta = carpeta.path().join(".env");
        let texto = "\u{feff}# nota\n\nA=1\nexport B = dos\nC=\"con # dentro\"\nD='x=y'\nE=valor # nota\nF=\nG= # nada\n";
        fs::write(&ruta, texto).unwrap();
        let valores = leer_dotenv(&ruta).unwrap();
        let esperados = [
            ("A", "1"),
            ("B", "dos"),
            ("C", "con # dentro"),
            ("D", "x=y"),
            ("E", "valor"),
            ("F", ""),
            ("G", ""),
        ];
        assert_eq!(valores, esperados.map(|(c, v)| (c.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn una_linea_de_dotenv_que_no_se_entiende_se_dice_con_su_numero() {
        let carpeta = tempfile::tempdir().unwrap();
        let ruta = carpeta.path().join(".env");
        for mala in ["esto no", "=valor", "B=\"sin cerrar", "B='x"] {
            fs::write(&ruta, format!("A=1\n{mala}\n")).unwrap();
            let Err(Fallo::Uso(frase)) = leer_dotenv(&ruta) else { panic!("debía fallar: {mala}") };
            assert!(frase.contains("línea 2"), "{frase}");
        }
        fs::write(&ruta, b"\xff\xfeA\0=\0").unwrap(); // UTF-16, lo que escribe > en PowerShell 5
        let Err(Fallo::Uso(frase)) = leer_dotenv(&ruta) else { panic!("debía fallar") };
        assert!(frase.contains("UTF-8"), "{frase}");
    }
}
