//! De dónde salen los valores: la línea de órdenes y el entorno. El `.env` está en [`super::dotenv`].

use std::collections::HashMap;
use std::ffi::OsString;

use lexopt::Arg;

use super::opciones::{Opcion, Programa};
use crate::fallo::Fallo;
use crate::herramientas::texto::sin_invisibles;

/// Quién ha dicho un valor. La primera manda.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fuente {
    /// La línea de órdenes.
    Orden,
    /// Una variable de entorno.
    Entorno,
    /// El `.env`.
    Dotenv,
}

/// La variable de una opción, sin las comillas que deja cmd.exe o un `--env-file` de Docker.
pub(super) fn del_entorno(
    opcion: &Opcion,
    entorno: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, Fallo> {
    let Some(valor) = entorno(opcion.variable) else { return Ok(None) };
    let valor = valor
        .into_string()
        .map_err(|_| Fallo::Uso(format!("la variable de entorno {} no es texto UTF-8", opcion.variable)))?;
    let valor = sin_invisibles(&valor);
    let dentro = ['"', '\''].into_iter().find_map(|c| valor.strip_prefix(c)?.strip_suffix(c));
    Ok(Some(sin_invisibles(dentro.unwrap_or(valor)).to_owned()).filter(|valor| !valor.is_empty()))
}

/// Las opciones de la línea de órdenes, con todos sus valores.
pub(super) fn ordenes(
    programa: &Programa,
    argumentos: impl IntoIterator<Item = OsString>,
) -> Result<HashMap<&'static str, (Fuente, Vec<String>)>, Fallo> {
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
        let (_, valores) = ordenes.entry(opcion.nombre).or_insert((Fuente::Orden, Vec::new()));
        if !opcion.es_interruptor() {
            let valor = lector.value().map_err(|e| en_espanol(&e))?.into_string();
            let valor = valor
                .map_err(|_| Fallo::Uso(format!("el valor de --{} no es texto UTF-8", opcion.nombre)))?;
            valores.push(sin_invisibles(&valor).to_owned());
        }
    }
    Ok(ordenes)
}

fn en_espanol(error: &lexopt::Error) -> Fallo {
    Fallo::Uso(match error {
        lexopt::Error::MissingValue { option: Some(opcion) } => format!("falta el valor de {opcion}"),
        lexopt::Error::UnexpectedOption(opcion) => format!("no existe la opción {opcion}"),
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} no lleva valor"),
        otro => format!("opciones que no se entienden: {otro}"),
    })
}
