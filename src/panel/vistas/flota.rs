//! La vista Flota: lo último de cada máquina simulada, por páginas.

use serde_json::{Map, Value, json};

use super::{Comun, PRODUCTOR_Y_CONSUMIDOR, SIN_MENSAJES, ajenos, con, del_futuro};
use crate::panel::documentos::METRICAS;
use crate::panel::flota::Maquina;
use crate::panel::sabido::DeDocumentos;

/// Máquinas de cada página.
const POR_PAGINA: usize = 24;

/// A partir de aquí una métrica llama la atención: la posición en [`METRICAS`] y su valor.
const UMBRALES: [(usize, f64); 2] = [(0, 85.0), (1, 90.0)];

const ERROR_COUNT: usize = 4;

/// La vista Flota: las máquinas simuladas que casan con `buscar`, por páginas.
pub fn flota(datos: &DeDocumentos, comun: &Comun, buscar: &str, pagina: usize) -> Value {
    let (flota, buscar) = (&datos.flota, buscar.to_lowercase());
    let (mut sobre_umbral, mut con_errores) = (0, 0);
    let mut encontrados: Vec<_> = Vec::new();
    for (id, maquina) in &flota.maquinas {
        let (sobre, errores) = (!sobre(maquina).is_empty(), errores(maquina));
        sobre_umbral += u64::from(sobre);
        con_errores += u64::from(errores > 0.0);
        if buscar.is_empty() || id.to_lowercase().contains(&buscar) {
            encontrados.push((!sobre, errores <= 0.0, id, maquina));
        }
    }
    encontrados.sort_unstable_by_key(|(tranquilo, limpio, id, _)| (*tranquilo, *limpio, *id));
    let pagina = pagina.min(encontrados.len().saturating_sub(1) / POR_PAGINA);
    let de_la_pagina = encontrados.iter().skip(pagina * POR_PAGINA).take(POR_PAGINA);
    let servidores: Vec<_> = de_la_pagina.map(|(_, _, id, s)| una_maquina(id, s)).collect();

    let vacio = flota.maquinas.is_empty();
    let falta = vacio.then(|| (SIN_MENSAJES.to_owned(), Some(PRODUCTOR_Y_CONSUMIDOR)));
    let falta = con(falta, ajenos(datos, [0]));
    let falta = con(falta, del_futuro(datos.extranos[0].del_futuro > 0, "mensajes"));
    let mut vista = comun.empezar(vacio, falta);
    let umbrales: Map<_, _> =
        UMBRALES.iter().filter_map(|(i, u)| Some(((*METRICAS.get(*i)?).to_owned(), json!(u)))).collect();
    vista.extend([
        ("total".to_owned(), json!(flota.maquinas.len())),
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
fn sobre(maquina: &Maquina) -> Vec<&'static str> {
    let ultimas = maquina.mensajes.back().map(|(_, metricas)| metricas);
    let pasa = |i: usize, umbral: f64| ultimas?.get(i).copied().flatten().filter(|v| *v >= umbral);
    UMBRALES.iter().filter_map(|(i, u)| pasa(*i, *u).and(METRICAS.get(*i).copied())).collect()
}

fn errores(maquina: &Maquina) -> f64 {
    maquina.mensajes.iter().filter_map(|(_, metricas)| metricas[ERROR_COUNT]).sum()
}

fn una_maquina(id: &str, maquina: &Maquina) -> Value {
    let ultimo = maquina.mensajes.back();
    let mut uno = Map::new();
    uno.insert("server_id".to_owned(), json!(id));
    uno.insert("t".to_owned(), json!(ultimo.map(|(t, _)| t)));
    // Un gráfico va hacia la derecha, aunque los mensajes hayan llegado desordenados.
    let mut mensajes: Vec<_> = maquina.mensajes.iter().collect();
    mensajes.sort_by_key(|(t, _)| *t);
    let mut serie = Map::new();
    serie.insert("t".to_owned(), mensajes.iter().map(|(t, _)| json!(t)).collect());
    for (i, metrica) in METRICAS.iter().enumerate() {
        let valor = |metricas: &[Option<f64>; 5]| json!(metricas.get(i).copied().flatten());
        uno.insert((*metrica).to_owned(), ultimo.map_or(Value::Null, |(_, metricas)| valor(metricas)));
        serie.insert((*metrica).to_owned(), mensajes.iter().map(|(_, m)| valor(m)).collect());
    }
    uno.insert("errores_recientes".to_owned(), json!(errores(maquina)));
    uno.insert("sobre".to_owned(), json!(sobre(maquina)));
    uno.insert("serie".to_owned(), Value::Object(serie));
    Value::Object(uno)
}
