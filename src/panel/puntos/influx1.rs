//! Los puntos de un InfluxDB 1.x, con InfluxQL. El servidor reduce: aquí solo llegan los cubos.

use std::collections::BTreeMap;

use serde_json::Value;

use super::influx::Lector;
use super::{ADELANTO, MAX_HOSTS, Punto, Seguida, cabe};
use crate::fallo::Frase;
use crate::influx::consulta::ClienteConsulta;
use crate::nombres::{CAMPOS, MEDIDA};
use crate::panel::serie::{Cubo, Serie};

const NO_SABE: &str = "no se puede leer con InfluxQL de este servidor: revisa INFLUXDB_V1_URL, o usa \
    INFLUXDB_V2_URL si es un InfluxDB 2";

/// Una base de datos de InfluxDB 1.x.
pub struct Influx1 {
    cliente: ClienteConsulta,
    database: String,
}

impl Influx1 {
    /// Una base de datos. No conecta todavía.
    pub fn new(cliente: ClienteConsulta, database: &str) -> Self {
        Influx1 { cliente, database: database.to_owned() }
    }

    /// Las series que da cada una de las consultas, que van separadas por `;`.
    fn consultar(&self, influxql: &str) -> Result<Vec<Vec<Value>>, Frase> {
        let texto = self.cliente.consultar(influxql).map_err(|c| self.cliente.frase(&c, NO_SABE))?;
        let json: Value = serde_json::from_str(&texto).map_err(|_| Frase::from(NO_SABE))?;
        let Some(resultados) = json.get("results").and_then(Value::as_array) else {
            return Err(NO_SABE.into());
        };
        let series =
            resultados.iter().map(|resultado| match resultado.get("error").and_then(Value::as_str) {
                Some(palabras) if palabras.starts_with("database not found") => Err(Frase(format!(
                    "InfluxDB 1.x no tiene la base de datos «{}»: créala o corrige INFLUXDB_V1_DATABASE",
                    self.database
                ))),
                Some(palabras) => Err(Frase(format!("InfluxDB 1.x no acepta la consulta ({palabras})"))),
                None => Ok(resultado.get("series").and_then(Value::as_array).cloned().unwrap_or_default()),
            });
        series.collect()
    }
}

impl Lector for Influx1 {
    fn motor(&self) -> (&'static str, String) {
        ("InfluxDB 1.x", format!("{}, base de datos {}", self.cliente.url, self.database))
    }

    fn ultimos(&self, desde: i64, hasta: i64) -> Result<BTreeMap<String, i64>, Frase> {
        let influxql = format!(
            "SELECT last({}) FROM {} WHERE time >= {desde}ms AND time < {hasta}ms GROUP BY \"host_id\" SLIMIT {MAX_HOSTS}",
            nombre(CAMPOS[0]),
            nombre(MEDIDA),
        );
        let resultados = self.consultar(&influxql)?;
        let hosts = resultados.iter().flatten().filter_map(|serie| {
            let host = serie.get("tags")?.get("host_id")?.as_str().filter(|h| cabe(h))?;
            Some((host.to_owned(), filas(serie).next()?.first()?.as_i64()?))
        });
        Ok(hosts.collect())
    }

    /// Los cubos de una serie desde un instante, y su último punto.
    fn leer_serie(&self, seguida: &mut Seguida, desde: i64, ahora: i64) -> Result<Serie<3>, Frase> {
        let ancho = seguida.serie.ancho();
        let donde = format!(
            "FROM {} WHERE \"host_id\" = {} AND time >= {desde}ms AND time < {}ms",
            nombre(MEDIDA),
            texto(&seguida.host),
            ahora + ADELANTO
        );
        let reducidos =
            CAMPOS.map(|campo| ["min", "max", "mean"].map(|f| format!("{f}({})", nombre(campo))).join(", "));
        let influxql = format!(
            "SELECT {} {donde} GROUP BY time({ancho}ms) fill(none); SELECT {} {donde} ORDER BY time DESC LIMIT 1",
            reducidos.join(", "),
            CAMPOS.map(nombre).join(", "),
        );
        let resultados = self.consultar(&influxql)?;
        let mut parte = Serie::new(ancho);
        for fila in resultados.first().into_iter().flatten().flat_map(filas) {
            let [t, valores @ ..] = fila.as_slice() else { continue };
            for (campo, valores) in valores.chunks(3).enumerate() {
                let valores: Vec<f64> = valores.iter().filter_map(Value::as_f64).collect();
                if let (Some(t), [min, max, media]) = (t.as_i64(), &valores[..]) {
                    parte.sumar_cubo(t, campo, Cubo::reducido(*min, *max, *media));
                }
            }
        }
        if let Some(fila) = resultados.get(1).into_iter().flatten().flat_map(filas).next()
            && let [t, cpu, ram, disco] = fila.as_slice()
            && let Some(t) = t.as_i64()
        {
            seguida.ultimo = Some(Punto { t, valores: [cpu.as_f64(), ram.as_f64(), disco.as_f64()] });
        }
        Ok(parte)
    }
}

fn filas(serie: &Value) -> impl Iterator<Item = &Vec<Value>> {
    serie.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_array)
}

/// Un nombre de InfluxQL, entre comillas dobles.
fn nombre(nombre: &str) -> String {
    format!("\"{}\"", nombre.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Un texto de InfluxQL, entre comillas simples.
fn texto(texto: &str) -> String {
    let escapado = texto.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n");
    format!("'{escapado}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn un_host_hostil_no_se_sale_de_su_texto() {
        assert_eq!(texto(r"a'; DROP DATABASE x --\"), r"'a\'; DROP DATABASE x --\\'");
    }
}
