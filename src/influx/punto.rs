//! Un punto ([`Point`]) y la línea con la que viaja a InfluxDB.
//!
//! ```text
//! rendimiento_servidor,entorno=produccion,host_id=servidor_A cpu_percent=12.5,ram_percent=48.1 1767225600000000000
//! ───── measurement ── ───────────── tags ────────────────── ──────────── fields ───────────── ─ timestamp (ns) ──
//! ```
//!
//! Fuente: <https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/>.
//! Lo que el formato no puede representar se trata como lo hace Telegraf. Al lado: [`valor`](super::valor),
//! los tipos de un field, y `escape`, lo que lleva una `\` delante.

use std::fmt::{self, Write};

use super::escape::{escapar, recortar};
use super::valor::Valor;

/// Un punto: una medida, sus tags (texto indexado), sus fields (los valores) y su instante.
///
/// Se construye como en Python: `Point::new("m").tag("host_id", "a").field("cpu", 1.5)`.
/// Las claves y los textos se toman prestados, así que crear un punto no los copia.
/// Tags y fields quedan ordenados por clave; repetir una clave sustituye el valor.
#[derive(Debug, Clone, PartialEq)]
pub struct Point<'a> {
    measurement: &'a str,
    tags: Vec<(&'a str, &'a str)>,
    fields: Vec<(&'a str, Valor<'a>)>,
    time: Option<i64>,
}

/// Por qué un punto no se puede escribir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorPunto {
    /// La medida está vacía, o empieza por `#` y la línea se leería como un comentario.
    Medida(String),
    /// No queda ningún field válido: o no hay, o todos son NaN o infinitos.
    SinFields,
}

impl<'a> Point<'a> {
    /// Un punto de esta medida, todavía sin fields.
    pub fn new(measurement: &'a str) -> Self {
        let (tags, fields) = (Vec::with_capacity(4), Vec::with_capacity(4));
        Point { measurement: recortar(measurement), tags, fields, time: None }
    }

    /// Añade un tag. Si la clave o el valor están vacíos, se omite: el servidor los rechaza.
    pub fn tag(mut self, clave: &'a str, valor: &'a str) -> Self {
        let (clave, valor) = (recortar(clave), recortar(valor));
        if !clave.is_empty() && !valor.is_empty() {
            poner(&mut self.tags, clave, valor);
        }
        self
    }

    /// Añade un field. Si la clave está vacía o el número no es finito, se omite.
    pub fn field(mut self, clave: &'a str, valor: impl Into<Valor<'a>>) -> Self {
        let (clave, valor) = (recortar(clave), valor.into());
        let finito = !matches!(valor, Valor::Float(x) if !x.is_finite());
        if !clave.is_empty() && finito {
            poner(&mut self.fields, clave, valor);
        }
        self
    }

    /// Fija el instante, en nanosegundos desde 1970 (UTC). Sin él, lo pone `WriteApi::write`.
    pub fn time(mut self, ns: i64) -> Self {
        self.time = Some(ns);
        self
    }

    /// El instante fijado con [`Point::time`], en nanosegundos.
    pub fn ns(&self) -> Option<i64> {
        self.time
    }

    /// Añade a `salida` la línea del punto, con el instante `ns` y su salto de línea.
    ///
    /// # Errors
    /// [`ErrorPunto`] si el punto no se puede representar; entonces `salida` no cambia.
    pub fn escribir_linea(&self, ns: i64, salida: &mut String) -> Result<(), ErrorPunto> {
        if self.measurement.is_empty() || self.measurement.starts_with('#') {
            return Err(ErrorPunto::Medida(self.measurement.to_owned()));
        }
        if self.fields.is_empty() {
            return Err(ErrorPunto::SinFields);
        }
        escapar(self.measurement, ", ", salida);
        for (clave, valor) in &self.tags {
            salida.push(',');
            escapar(clave, ",= ", salida);
            salida.push('=');
            escapar(valor, ",= ", salida);
        }
        let mut separador = ' ';
        for (clave, valor) in &self.fields {
            salida.push(separador);
            escapar(clave, ",= ", salida);
            salida.push('=');
            valor.escribir(salida);
            separador = ',';
        }
        // Escribir en un String no puede fallar.
        let _ = writeln!(salida, " {ns}");
        Ok(())
    }
}

/// Un reloj que va hacia atrás menos que esto es un reloj que se ajusta.
const AJUSTE_NS: i64 = 1_000_000_000;

/// El instante de un punto, en nanosegundos: el de ahora, y distinto del último.
///
/// Dos puntos de una serie con el mismo instante se sobrescriben, y el reloj puede dar dos veces la misma hora
/// o retroceder un poco: entonces se pone el siguiente al último. Si retrocede un segundo o más, es que lo han
/// puesto en hora, y vale la de ahora: seguir por el último amontonaría los puntos en el futuro.
pub fn instante(ahora_ns: i64, ultimo_ns: i64) -> i64 {
    if ahora_ns > ultimo_ns || ultimo_ns.saturating_sub(ahora_ns) >= AJUSTE_NS {
        ahora_ns
    } else {
        ultimo_ns.saturating_add(1)
    }
}

/// Inserta por orden de clave, o sustituye si la clave ya estaba.
fn poner<'a, V>(pares: &mut Vec<(&'a str, V)>, clave: &'a str, valor: V) {
    match pares.binary_search_by(|(otra, _)| (*otra).cmp(clave)) {
        Ok(i) => pares[i].1 = valor,
        Err(i) => pares.insert(i, (clave, valor)),
    }
}

impl fmt::Display for ErrorPunto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorPunto::Medida(nombre) => write!(
                f,
                "la medida «{nombre}» no vale: no puede estar vacía ni empezar por #, que en line protocol es un comentario"
            ),
            ErrorPunto::SinFields => write!(
                f,
                "el punto no tiene ningún field válido: hace falta al menos uno, y ni NaN ni infinito cuentan"
            ),
        }
    }
}

impl std::error::Error for ErrorPunto {}
