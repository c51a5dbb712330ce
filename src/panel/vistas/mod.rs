//! De lo que se sabe al JSON de cada vista. Los instantes son milisegundos desde 1970.

mod flota;
mod kpis;
mod servidor;

use serde_json::{Map, Value, json};

use super::rango::Rango;
use super::sabido::DeDocumentos;
use super::serie::Serie;
use super::vigia::Situacion;
use crate::herramientas::texto::contar;

pub use self::flota::flota;
pub use kpis::kpis;
pub use servidor::servidor;

const SIN_MENSAJES: &str = "Aún no hay mensajes guardados.";
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
    fn empezar(&self, vacio: bool, falta: Aviso) -> Map<String, Value> {
        let aviso = match &self.situacion {
            Situacion::Falla(frase) => {
                let viejo = if vacio { "" } else { ". Lo que se ve es de hace un rato" };
                json!({"nivel": "error", "frase": mayuscula(&format!("{frase}{viejo}. Se sigue intentando.")),
                       "orden": null})
            }
            Situacion::Atrasada(hace) if !vacio => {
                let hace = cuanto(i64::try_from(hace.as_millis()).unwrap_or(i64::MAX));
                let frase =
                    format!("{} no acaba de contestar: lo que se ve es de hace {hace}.", self.motor.0);
                json!({"nivel": "error", "frase": mayuscula(&frase), "orden": null})
            }
            Situacion::Leyendo | Situacion::Atrasada(_) if vacio => {
                json!({"nivel": "info", "frase": format!("Leyendo de {}…", self.motor.0), "orden": null})
            }
            Situacion::SinVigia => {
                let frase = format!(
                    "El panel ha dejado de leer de {} por un fallo suyo: ciérralo y ábrelo otra vez.",
                    self.motor.0
                );
                json!({"nivel": "error", "frase": frase, "orden": null})
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
            ("al_dia".to_owned(), json!(self.situacion == Situacion::AlDia)),
            ("aviso".to_owned(), aviso),
        ])
    }
}

fn mayuscula(frase: &str) -> String {
    let mut letras = frase.chars();
    letras.next().map_or_else(String::new, |primera| primera.to_uppercase().chain(letras).collect())
}

/// Lo que se dice, con la orden que lo arregla si la hay.
type Aviso = Option<(String, Option<&'static str>)>;

/// Un aviso y, detrás, otra frase.
fn con(aviso: Aviso, otra: Option<String>) -> Aviso {
    match (aviso, otra) {
        (Some((frase, orden)), Some(otra)) => Some((format!("{frase} {otra}"), orden)),
        (None, Some(otra)) => Some((otra, None)),
        (aviso, None) => aviso,
    }
}

/// Lo que hay en la base de datos que el panel no entiende: se cuenta y se dice. `cuales` son las colecciones,
/// por su orden en los totales.
fn ajenos<const N: usize>(datos: &DeDocumentos, cuales: [usize; N]) -> Option<String> {
    let cuantos = cuales.iter().filter_map(|i| datos.extranos.get(*i)).map(|e| e.ajenos).sum();
    let documentos = contar(cuantos, "documento", "documentos");
    (cuantos > 0).then(|| {
        format!("En la base de datos hay {documentos} que este consumidor no ha guardado: no salen aquí ni se cuentan.")
    })
}

/// Lo que hay que decir si algunos documentos tienen fecha del futuro.
fn del_futuro(hay: bool, que: &str) -> Option<String> {
    hay.then(|| {
        format!(
            "Hay {que} con fecha del futuro, que no salen en los gráficos: revisa la hora del ordenador del \
             consumidor."
        )
    })
}

/// «hace 3 min», a grandes rasgos.
fn hace(milis: i64) -> String {
    format!("hace {}", cuanto(milis))
}

/// «3 min», a grandes rasgos.
fn cuanto(milis: i64) -> String {
    match milis.max(0) / 1_000 {
        s if s < 60 => format!("{s} s"),
        s if s < 3_600 => format!("{} min", s / 60),
        s if s < 2 * 86_400 => format!("{} h", s / 3_600),
        s => format!("{} días", s / 86_400),
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
    let cubos: Vec<_> = serie.entre(desde - rango.ancho, ahora).collect();
    vista.insert("rango".to_owned(), json!(rango.nombre));
    vista.insert("desde".to_owned(), json!(desde));
    vista.insert("hasta".to_owned(), json!(ahora));
    vista.insert("salto".to_owned(), json!(serie.salto(desde - rango.ancho, ahora)));
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
