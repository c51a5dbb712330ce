//! De lo que se sabe al JSON de cada vista. Los instantes son milisegundos desde 1970.

mod flota;
mod kpis;
mod servidor;

use serde_json::{Map, Value, json};

use super::documentos::Extranos;
use super::rango::Rango;
use super::serie::Serie;
use super::vigia::Situacion;
use crate::herramientas::texto::contar;

pub use self::flota::flota;
pub use kpis::kpis;
pub use servidor::servidor;

/// La orden que llena las vistas de documentos.
const PRODUCTOR_Y_CONSUMIDOR: &str =
    "cargo run --bin productor_metrics_iabd06\ncargo run --bin consumidor_metrics_iabd06";

/// Lo que llevan todas las vistas: la hora y el motor.
pub struct Comun<'a> {
    /// La hora.
    pub ahora: i64,
    /// Nombre del motor y dónde está.
    pub motor: &'a (&'static str, String),
    /// Cómo está su lectura.
    pub situacion: Situacion,
}

impl Comun<'_> {
    /// El principio de la vista, con el aviso de la fuente o, si está al día, con `falta`: lo que hay que
    /// decir porque no hay datos.
    fn empezar(&self, vacio: bool, falta: Option<(String, Option<&str>)>) -> Map<String, Value> {
        let aviso = match &self.situacion {
            Situacion::Falla(frase) => {
                let viejo = if vacio { "" } else { ". Lo que se ve es de hace un rato" };
                json!({"nivel": "error", "frase": mayuscula(&format!("{frase}{viejo}. Se sigue intentando.")),
                       "orden": null})
            }
            Situacion::Leyendo if vacio => {
                json!({"nivel": "info", "frase": format!("Leyendo de {}…", self.motor.0), "orden": null})
            }
            _ => falta.map_or(
                Value::Null,
                |(frase, orden)| json!({"nivel": "info", "frase": frase, "orden": orden}),
            ),
        };
        let motor = json!({"nombre": self.motor.0, "donde": self.motor.1});
        Map::from_iter([
            ("ahora".to_owned(), json!(self.ahora)),
            ("motor".to_owned(), motor),
            ("aviso".to_owned(), aviso),
        ])
    }
}

/// Lo que hay que decir: lo que falta y los documentos que hay y no se ven, de los que se cuentan en `cuales`.
fn con_extranos(
    falta: Option<(String, Option<&str>)>,
    cuales: impl Iterator<Item = Extranos>,
) -> Option<(String, Option<&str>)> {
    let (mut ajenos, mut del_futuro) = (0, 0);
    for uno in cuales {
        ajenos += uno.ajenos;
        del_futuro += uno.del_futuro;
    }
    let mut frases = Vec::new();
    if ajenos > 0 {
        let cuantos = contar(ajenos, "documento que no ha guardado", "documentos que no ha guardado");
        frases.push(format!("En las colecciones hay {cuantos} este consumidor: no se ven aquí."));
    }
    if del_futuro > 0 {
        let cuantos = contar(del_futuro, "documento llegó", "documentos llegaron");
        frases.push(format!("Según su hora, {cuantos} en el futuro: no se ven aquí; mira el reloj del ordenador del consumidor y el de este."));
    }
    let (frase, orden) = falta.unwrap_or_default();
    let todo = [frase].into_iter().chain(frases).filter(|f| !f.is_empty()).collect::<Vec<_>>().join(" ");
    (!todo.is_empty()).then_some((todo, orden))
}

fn mayuscula(frase: &str) -> String {
    let mut letras = frase.chars();
    letras.next().map_or_else(String::new, |primera| primera.to_uppercase().chain(letras).collect())
}

/// «hace 3 min», a grandes rasgos.
fn hace(milis: i64) -> String {
    match milis.max(0) / 1_000 {
        s if s < 60 => format!("hace {s} s"),
        s if s < 3_600 => format!("hace {} min", s / 60),
        s if s < 2 * 86_400 => format!("hace {} h", s / 3_600),
        s => format!("hace {} días", s / 86_400),
    }
}

/// `rango`, `desde`, `hasta`, `salto`, `t` y, por cada campo, sus mínimos, máximos y medias.
fn poner_serie<const N: usize>(
    vista: &mut Map<String, Value>,
    serie: Option<&Serie<N>>,
    campos: [&str; N],
    rango: Rango,
    ahora: i64,
) {
    let desde = ahora - rango.duracion;
    let vacia = Serie::new(rango.ancho);
    let serie = serie.unwrap_or(&vacia);
    let cubos: Vec<_> = serie.iter().filter(|(t, _)| *t >= desde - rango.ancho).collect();
    vista.insert("rango".to_owned(), json!(rango.nombre));
    vista.insert("desde".to_owned(), json!(desde));
    vista.insert("hasta".to_owned(), json!(ahora));
    vista.insert("salto".to_owned(), json!(serie.salto()));
    vista.insert("t".to_owned(), cubos.iter().map(|(t, _)| json!(t)).collect());
    for (i, campo) in campos.iter().enumerate() {
        let mut columnas = [Vec::new(), Vec::new(), Vec::new()];
        for (_, cubo) in &cubos {
            let cubo = cubo.get(i).copied().flatten();
            let valores = cubo.map(|c| [c.min, c.max, (c.media() * 1_000.0).round() / 1_000.0]);
            for (j, columna) in columnas.iter_mut().enumerate() {
                columna.push(valores.and_then(|v| v.get(j).copied()));
            }
        }
        let [min, max, media] = columnas;
        vista.insert((*campo).to_owned(), json!({"min": min, "max": max, "media": media}));
    }
}
