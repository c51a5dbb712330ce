//! Los puntos de un InfluxDB 2, con Flux. El servidor reduce: aquí solo llegan los cubos.

use std::collections::BTreeMap;

use super::influx::Lector;
use super::{ADELANTO, MAX_HOSTS, Punto, Seguida, cabe, csv};
use crate::fallo::Frase;
use crate::influx::consulta::ClienteConsulta;
use crate::nombres::{CAMPOS, MEDIDA};
use crate::panel::instante;
use crate::panel::serie::{Cubo, Serie};

const NO_SABE: &str = "no se puede leer con Flux de este servidor: el panel lee InfluxDB 2, InfluxDB 1.x \
    (con INFLUXDB_V1_URL) y, si no configuras ninguno, el fichero del agente";

/// Lo que se pide de cada cubo, por su orden en él.
const FUNCIONES: [&str; 3] = ["min", "max", "mean"];

/// Un bucket de InfluxDB 2.
pub struct Influx2 {
    cliente: ClienteConsulta,
    bucket: String,
}

impl Influx2 {
    /// Un bucket. No conecta todavía.
    pub fn new(cliente: ClienteConsulta, bucket: &str) -> Self {
        Influx2 { cliente, bucket: bucket.to_owned() }
    }

    fn filas(&self, flux: &str) -> Result<Vec<csv::Fila>, Frase> {
        let texto = self.cliente.consultar(flux).map_err(|c| self.cliente.frase(&c, NO_SABE))?;
        csv::filas(&texto).map_err(|palabras| Frase(format!("InfluxDB no acaba la consulta ({palabras})")))
    }
}

impl Lector for Influx2 {
    fn motor(&self) -> (&'static str, String) {
        ("InfluxDB 2", format!("{}, bucket {}", self.cliente.url, self.bucket))
    }

    /// InfluxDB los sabe sin recorrer los puntos.
    fn ultimos(&self, desde: i64, hasta: i64) -> Result<BTreeMap<String, i64>, Frase> {
        let flux = format!(
            "from(bucket: {}) |> range(start: {}, stop: {}) \
             |> filter(fn: (r) => r._measurement == {} and r._field == {}) |> last() \
             |> keep(columns: [\"_time\", \"host_id\"]) |> group() \
             |> sort(columns: [\"_time\"], desc: true) |> limit(n: {MAX_HOSTS})",
            texto(&self.bucket),
            de_flux(desde),
            de_flux(hasta),
            texto(MEDIDA),
            texto(CAMPOS[0]),
        );
        let mut hosts = BTreeMap::new();
        for fila in self.filas(&flux)? {
            if let (Some(host), Some(t)) = (fila.get("host_id").filter(|h| cabe(h)), milis(&fila)) {
                let ultimo = hosts.entry(host.clone()).or_insert(t);
                *ultimo = t.max(*ultimo);
            }
        }
        Ok(hosts)
    }

    /// Los cubos de una serie desde un instante: tres pasadas que InfluxDB hace en su almacén.
    fn leer_serie(&self, seguida: &mut Seguida, desde: i64, ahora: i64) -> Result<Serie<3>, Frase> {
        let ancho = seguida.serie.ancho();
        let filas = self.filas(&consulta(&self.bucket, &seguida.host, ancho, [desde, ahora + ADELANTO]))?;
        let (parte, ultimo) = reunir(&filas, ancho);
        seguida.ultimo = ultimo.or(seguida.ultimo);
        Ok(parte)
    }
}

/// La consulta de una serie: por cada campo, sus mínimos, máximos y medias por cubo, y lo último.
fn consulta(bucket: &str, host: &str, ancho: i64, [desde, hasta]: [i64; 2]) -> String {
    let reducir = |funcion: &str| {
        format!(
            "datos |> aggregateWindow(every: {ancho}ms, fn: {funcion}, createEmpty: false, timeSrc: \"_start\") \
             |> keep(columns: [\"_time\", \"_field\", \"_value\"]) |> yield(name: \"{funcion}\")\n"
        )
    };
    let campos = CAMPOS.map(|campo| format!("r._field == {}", texto(campo))).join(" or ");
    format!(
        "datos = from(bucket: {}) |> range(start: {}, stop: {}) \
         |> filter(fn: (r) => r._measurement == {} and r.host_id == {} and ({campos}))\n\
         {}datos |> last() |> keep(columns: [\"_time\", \"_field\", \"_value\"]) |> yield(name: \"last\")\n",
        texto(bucket),
        de_flux(desde),
        de_flux(hasta),
        texto(MEDIDA),
        texto(host),
        FUNCIONES.map(reducir).concat(),
    )
}

/// De las filas de la consulta, los cubos y el último punto.
fn reunir(filas: &[csv::Fila], ancho: i64) -> (Serie<3>, Option<Punto>) {
    // Un host con dos «entorno» son dos series: por instante y campo puede haber más de una fila.
    let mut cubos: BTreeMap<(i64, usize), [Vec<f64>; 3]> = BTreeMap::new();
    let mut ultimo: Option<Punto> = None;
    for fila in filas {
        let campo = CAMPOS.iter().position(|c| fila.get("_field").is_some_and(|f| f == c));
        let valor = fila.get("_value").and_then(|v| v.parse::<f64>().ok()).filter(|v| v.is_finite());
        let (Some(t), Some(campo), Some(valor)) = (milis(fila), campo, valor) else { continue };
        let funcion = FUNCIONES.iter().position(|f| fila.get("result").is_some_and(|r| r == f));
        match funcion.and_then(|f| cubos.entry((t, campo)).or_default().get_mut(f)) {
            Some(valores) => valores.push(valor),
            None => anotar_ultimo(&mut ultimo, t, campo, valor),
        }
    }
    let mut parte = Serie::new(ancho);
    for ((t, campo), [min, max, media]) in cubos {
        for ((min, max), media) in min.into_iter().zip(max).zip(media) {
            parte.sumar_cubo(t, campo, Cubo::reducido(min, max, media));
        }
    }
    (parte, ultimo)
}

/// El último punto son los valores del instante más nuevo.
fn anotar_ultimo(ultimo: &mut Option<Punto>, t: i64, campo: usize, valor: f64) {
    let mut punto = ultimo.filter(|p| p.t >= t).unwrap_or(Punto { t, valores: [None; 3] });
    if punto.t == t
        && let Some(hueco) = punto.valores.get_mut(campo)
    {
        *hueco = Some(valor);
    }
    *ultimo = Some(punto);
}

/// Un texto de Flux. Con `${` empezaría una expresión.
fn texto(texto: &str) -> String {
    let escapado = texto.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
    format!("\"{}\"", escapado.replace('\n', "\\n").replace('\r', "\\r"))
}

/// Un instante de Flux.
fn de_flux(milis: i64) -> String {
    format!("time(v: {})", milis.saturating_mul(1_000_000))
}

fn milis(fila: &csv::Fila) -> Option<i64> {
    instante::leer(fila.get("_time")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn un_host_hostil_no_se_sale_de_su_texto() {
        assert_eq!(texto(r#"a" or true // \ ${x}"#), r#""a\" or true // \\ \${x}""#);
        assert_eq!(texto("a\nb"), r#""a\nb""#);
    }
}
