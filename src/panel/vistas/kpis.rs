//! La vista KPIs: su evolución, las últimas ventanas, la que está abierta y lo descartado.

use serde_json::{Map, Value, json};

use super::{Aviso, Comun, PRODUCTOR_Y_CONSUMIDOR, SIN_MENSAJES, ajenos, con, del_futuro, hace, poner_serie};
use crate::panel::documentos::{CAMPOS_KPI, Ventana};
use crate::panel::rango::Rango;
use crate::panel::sabido::DeDocumentos;

const PRODUCTOR: &str = "cargo run --bin productor_metrics_iabd06";

/// La vista KPIs: su evolución, las últimas ventanas, la que está abierta y lo descartado.
pub fn kpis(datos: &DeDocumentos, comun: &Comun, rango: Rango) -> Value {
    let [crudos, ventanas, descartados] = datos.totales;
    let abierta = datos.ventanas.abierta().filter(|(mensajes, de)| mensajes < de);
    let serie = datos.ventanas.serie(rango);
    let vacio = crudos == 0 && ventanas == 0 && descartados == 0;
    let falta = que_falta(datos, comun, rango, [vacio, ventanas == 0]);
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

/// Lo que hay que decir: que no hay nada que enseñar, o que hay cosas que no se enseñan.
fn que_falta(datos: &DeDocumentos, comun: &Comun, rango: Rango, [vacio, sin_ventanas]: [bool; 2]) -> Aviso {
    let desde = comun.ahora - rango.duracion;
    let falta = if vacio {
        Some((SIN_MENSAJES.to_owned(), Some(PRODUCTOR_Y_CONSUMIDOR)))
    } else if sin_ventanas {
        let frase = match datos
            .ventanas
            .abierta()
            .filter(|(mensajes, de)| mensajes < de)
            .map(|(mensajes, de)| de - mensajes)
        {
            Some(1) => "Aún no hay ventanas: falta 1 mensaje.".to_owned(),
            Some(n) => format!("Aún no hay ventanas: faltan {n} mensajes."),
            None => "Aún no hay ventanas.".to_owned(),
        };
        Some((frase, Some(PRODUCTOR)))
    } else if datos.ventanas.serie(rango).is_none_or(|s| s.entre(desde, comun.ahora).next().is_none()) {
        let ultima = datos.ventanas.ultimas.iter().map(|v| v.entre[1]).filter(|t| *t <= comun.ahora).max();
        let ultima =
            ultima.map_or_else(String::new, |t| format!(": la última es de {}", hace(comun.ahora - t)));
        Some((format!("No hay ventanas en {}{ultima}.", rango.frase), Some(PRODUCTOR_Y_CONSUMIDOR)))
    } else {
        None
    };
    let falta = con(falta, ajenos(datos, [0, 1, 2]));
    let futuras = datos.extranos[1].del_futuro > 0 || datos.ventanas.futura(comun.ahora).is_some();
    con(falta, del_futuro(futuras, "ventanas"))
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
