//! De lo que se sabe al JSON de cada vista. Los instantes son milisegundos desde 1970.

use serde_json::{Map, Value, json};

use super::documentos::{CAMPOS_KPI, METRICAS, Ventana};
use super::estado::{DeDocumentos, DePuntos};
use super::flota::Servidor;
use super::rango::Rango;
use super::serie::Serie;
use super::vigia::Situacion;
use crate::nombres::CAMPOS;

/// Servidores de cada página de la flota, y hosts que se ofrecen.
const POR_PAGINA: usize = 24;
const MAX_HOSTS: usize = 500;

/// A partir de aquí una métrica llama la atención: la posición en [`METRICAS`] y su valor.
const UMBRALES: [(usize, f64); 2] = [(0, 85.0), (1, 90.0)];

const ERROR_COUNT: usize = 4;

const AGENTE: &str = "cargo run --bin agente_monitoreo";
const PRODUCTOR: &str = "cargo run --bin productor_metrics_iabd06";
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

/// La vista Servidor: CPU, RAM y disco de un host.
pub fn servidor(datos: &DePuntos, comun: &Comun, host: Option<&str>, rango: Rango) -> Value {
    let host = host.or(datos.por_defecto().map(String::as_str));
    let clave = host.map(|h| (h.to_owned(), rango));
    let seguida = clave.and_then(|clave| datos.series.get(&clave));
    let sin_puntos = seguida.is_none_or(|s| s.serie.iter().next().is_none());
    let falta = sin_puntos.then(|| {
        let frase = match (host, host.and_then(|h| datos.hosts.get(h))) {
            (Some(_), Some(t)) => {
                format!("No hay puntos en {}: el último es de {}.", rango.frase, hace(comun.ahora - t))
            }
            (Some(host), None) if !datos.hosts.is_empty() => {
                format!("No hay puntos de «{host}» en las últimas 24 horas.")
            }
            _ => "Aún no hay puntos.".to_owned(),
        };
        (frase, Some(AGENTE))
    });
    let mut vista = comun.empezar(sin_puntos, falta);
    vista.insert("host".to_owned(), json!(host));
    vista.insert("hosts".to_owned(), datos.hosts.keys().take(MAX_HOSTS).map(|h| json!(h)).collect());
    vista.insert("hosts_total".to_owned(), json!(datos.hosts.len()));
    poner_serie(&mut vista, seguida.map(|s| &s.serie), CAMPOS, rango, comun.ahora);
    let ultimo = seguida.and_then(|s| s.ultimo).map(|punto| {
        let valores = CAMPOS.iter().zip(punto.valores).map(|(c, v)| ((*c).to_owned(), json!(v)));
        Value::Object([("t".to_owned(), json!(punto.t))].into_iter().chain(valores).collect())
    });
    vista.insert("ultimo".to_owned(), json!(ultimo));
    Value::Object(vista)
}

/// La vista Flota: los servidores simulados que casan con `buscar`, por páginas.
pub fn flota(datos: &DeDocumentos, comun: &Comun, buscar: &str, pagina: usize) -> Value {
    let (flota, buscar) = (&datos.flota, buscar.to_lowercase());
    let (mut sobre_umbral, mut con_errores) = (0, 0);
    let mut encontrados: Vec<_> = Vec::new();
    for (id, servidor) in &flota.servidores {
        let (sobre, errores) = (!sobre(servidor).is_empty(), errores(servidor));
        sobre_umbral += u64::from(sobre);
        con_errores += u64::from(errores > 0.0);
        if buscar.is_empty() || id.to_lowercase().contains(&buscar) {
            encontrados.push((!sobre, errores <= 0.0, id, servidor));
        }
    }
    encontrados.sort_unstable_by_key(|(tranquilo, limpio, id, _)| (*tranquilo, *limpio, *id));
    let pagina = pagina.min(encontrados.len().saturating_sub(1) / POR_PAGINA);
    let de_la_pagina = encontrados.iter().skip(pagina * POR_PAGINA).take(POR_PAGINA);
    let servidores: Vec<_> = de_la_pagina.map(|(_, _, id, s)| uno_de_la_flota(id, s)).collect();

    let vacio = flota.servidores.is_empty();
    let falta = vacio.then(|| ("Aún no hay mensajes guardados.".to_owned(), Some(PRODUCTOR_Y_CONSUMIDOR)));
    let mut vista = comun.empezar(vacio, falta);
    let umbrales: Map<_, _> =
        UMBRALES.iter().filter_map(|(i, u)| Some(((*METRICAS.get(*i)?).to_owned(), json!(u)))).collect();
    vista.extend([
        ("total".to_owned(), json!(flota.servidores.len())),
        ("encontrados".to_owned(), json!(encontrados.len())),
        ("pagina".to_owned(), json!(pagina)),
        ("por_pagina".to_owned(), json!(POR_PAGINA)),
        ("umbrales".to_owned(), Value::Object(umbrales)),
        ("sobre_umbral".to_owned(), json!(sobre_umbral)),
        ("con_errores".to_owned(), json!(con_errores)),
        ("mensajes".to_owned(), json!(datos.totales[0])),
        ("msg_seg".to_owned(), json!((flota.por_segundo(comun.ahora) * 1_000.0).round() / 1_000.0)),
        ("servidores".to_owned(), Value::Array(servidores)),
    ]);
    Value::Object(vista)
}

/// Las métricas del último mensaje que pasan de su umbral.
fn sobre(servidor: &Servidor) -> Vec<&'static str> {
    let ultimas = servidor.mensajes.back().map(|(_, metricas)| metricas);
    let pasa = |i: usize, umbral: f64| ultimas?.get(i).copied().flatten().filter(|v| *v >= umbral);
    UMBRALES.iter().filter_map(|(i, u)| pasa(*i, *u).and(METRICAS.get(*i).copied())).collect()
}

fn errores(servidor: &Servidor) -> f64 {
    servidor.mensajes.iter().filter_map(|(_, metricas)| metricas[ERROR_COUNT]).sum()
}

fn uno_de_la_flota(id: &str, servidor: &Servidor) -> Value {
    let ultimo = servidor.mensajes.back();
    let mut uno = Map::new();
    uno.insert("server_id".to_owned(), json!(id));
    uno.insert("t".to_owned(), json!(ultimo.map(|(t, _)| t)));
    // Un gráfico va hacia la derecha, aunque los mensajes hayan llegado desordenados.
    let mut mensajes: Vec<_> = servidor.mensajes.iter().collect();
    mensajes.sort_by_key(|(t, _)| *t);
    let mut serie = Map::new();
    serie.insert("t".to_owned(), mensajes.iter().map(|(t, _)| json!(t)).collect());
    for (i, metrica) in METRICAS.iter().enumerate() {
        let valor = |metricas: &[Option<f64>; 5]| json!(metricas.get(i).copied().flatten());
        uno.insert((*metrica).to_owned(), ultimo.map_or(Value::Null, |(_, metricas)| valor(metricas)));
        serie.insert((*metrica).to_owned(), mensajes.iter().map(|(_, m)| valor(m)).collect());
    }
    uno.insert("errores_recientes".to_owned(), json!(errores(servidor)));
    uno.insert("sobre".to_owned(), json!(sobre(servidor)));
    uno.insert("serie".to_owned(), Value::Object(serie));
    Value::Object(uno)
}

/// La vista KPIs: su evolución, las últimas ventanas, la que está abierta y lo descartado.
pub fn kpis(datos: &DeDocumentos, comun: &Comun, rango: Rango) -> Value {
    let [crudos, ventanas, descartados] = datos.totales;
    let abierta = datos.ventanas.abierta().filter(|(mensajes, de)| mensajes < de);
    let serie = datos.ventanas.serie(rango);
    let vacio = crudos == 0 && ventanas == 0 && descartados == 0;
    let falta = if vacio {
        Some(("Aún no hay mensajes guardados.".to_owned(), Some(PRODUCTOR_Y_CONSUMIDOR)))
    } else if ventanas == 0 {
        let frase = match abierta.map(|(mensajes, de)| de - mensajes) {
            Some(1) => "Aún no hay ventanas: falta 1 mensaje.".to_owned(),
            Some(n) => format!("Aún no hay ventanas: faltan {n} mensajes."),
            None => "Aún no hay ventanas.".to_owned(),
        };
        Some((frase, Some(PRODUCTOR)))
    } else if serie.is_none_or(|s| s.iter().next().is_none()) {
        let ultima = datos.ventanas.ultimas.iter().map(|v| v.entre[1]).max();
        let ultima =
            ultima.map_or_else(String::new, |t| format!(": la última es de {}", hace(comun.ahora - t)));
        Some((format!("No hay ventanas en {}{ultima}.", rango.frase), Some(PRODUCTOR_Y_CONSUMIDOR)))
    } else {
        None
    };
    let mut vista = comun.empezar(vacio, falta);
    poner_serie(&mut vista, serie, CAMPOS_KPI, rango, comun.ahora);
    let ultimos = datos.descartados.iter().rev().map(|d| {
        json!({"_id": d.id, "particion": d.particion, "offset": d.offset, "razon": d.razon,
               "recibido_en": d.recibido, "contenido": d.contenido})
    });
    let abierta =
        abierta.map(|(mensajes, de)| json!({"mensajes": mensajes, "de": de, "faltan": de - mensajes}));
    vista.extend([
        ("ventanas".to_owned(), datos.ventanas.ultimas.iter().rev().map(una_ventana).collect()),
        ("ventanas_total".to_owned(), json!(ventanas)),
        ("abierta".to_owned(), json!(abierta)),
        ("descartados".to_owned(), json!({"total": descartados, "ultimos": ultimos.collect::<Vec<_>>()})),
    ]);
    Value::Object(vista)
}

fn una_ventana(ventana: &Ventana) -> Value {
    let Ventana { id, particion, offsets, num_mensajes, entre, duracion, kpis } = ventana;
    let mut vista = Map::from_iter([
        ("_id".to_owned(), json!(id)),
        ("particion".to_owned(), json!(particion)),
        ("offset_inicio".to_owned(), json!(offsets[0])),
        ("offset_fin".to_owned(), json!(offsets[1])),
        ("num_mensajes".to_owned(), json!(num_mensajes)),
        ("ventana_inicio".to_owned(), json!(entre[0])),
        ("ventana_fin".to_owned(), json!(entre[1])),
        ("duracion_ventana_seg".to_owned(), json!(duracion)),
    ]);
    vista.extend(CAMPOS_KPI.iter().zip(kpis).map(|(nombre, valor)| ((*nombre).to_owned(), json!(valor))));
    Value::Object(vista)
}
