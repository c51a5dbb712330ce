//! Lo que se sabe en cada momento, y los dos hilos que lo ponen al día: uno para los puntos del agente y
//! otro para los documentos.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::documentos::{Descartado, Documentos, Extranos, Lectura, MAX_DESCARTADOS};
use super::flota::Flota;
use super::instante::ahora;
use super::puntos::{Puntos, Seguida, Visto};
use super::rango::Rango;
use super::serie::Serie;
use super::ventanas::Ventanas;
use super::vigia::Mesa;
use crate::fallo::Frase;
use crate::herramientas::hilo::lanzar;

/// Entre los hosts que están escribiendo ahora, el de por defecto no cambia a cada segundo.
const A_LA_VEZ: i64 = 60_000;

/// Los puntos de lo que se mira.
#[derive(Default)]
pub struct DePuntos {
    /// Los hosts con puntos en el último día.
    pub hosts: BTreeMap<String, Visto>,
    /// Sus series.
    pub series: HashMap<(String, Rango), Seguida>,
}

/// Lo que se sabe de los documentos.
#[derive(Default)]
pub struct DeDocumentos {
    /// Los servidores simulados.
    pub flota: Flota,
    /// Las ventanas.
    pub ventanas: Ventanas,
    /// Los últimos descartados, por orden de llegada.
    pub descartados: VecDeque<Descartado>,
    /// Cuántos hay en total de crudos, ventanas y descartados.
    pub totales: [u64; 3],
    /// Los que hay y no se enseñan, de cada.
    pub extranos: [Extranos; 3],
}

/// Los puntos de un host (o del que toque) en un rango.
pub type Pedido = (Option<String>, Rango);

impl DePuntos {
    /// El host que se enseña si no se pide ninguno: de los que tienen los puntos más nuevos, el primero. Uno
    /// que solo los tiene del futuro va detrás de los demás.
    pub fn por_defecto(&self) -> Option<&String> {
        let ultimo = self.hosts.values().filter_map(|host| host.ultimo).max();
        let reciente = |host: &Visto| host.ultimo >= ultimo.map(|t| t - A_LA_VEZ);
        self.hosts.iter().find(|(_, host)| reciente(host)).map(|(nombre, _)| nombre)
    }
}

impl DeDocumentos {
    fn aplicar(&mut self, mut lectura: Lectura, ahora: i64) {
        if lectura.de_cero {
            *self = DeDocumentos::default();
        }
        // Con el reloj del consumidor adelantado, un mensaje sería el último hasta que llegase su hora.
        for crudo in &mut lectura.crudos {
            (crudo.t, crudo.recibido) = (crudo.t.min(ahora), crudo.recibido.min(ahora));
        }
        self.flota.sumar(&lectura.crudos, lectura.salteados);
        // Los crudos se guardan antes que su ventana: en este orden la abierta no cuenta de más.
        self.ventanas.sumar_crudos(&lectura.crudos);
        self.ventanas.sumar(lectura.ventanas);
        self.ventanas.olvidar(ahora);
        self.descartados.extend(lectura.descartados);
        let sobran = self.descartados.len().saturating_sub(MAX_DESCARTADOS);
        self.descartados.drain(..sobran);
        self.totales = lectura.totales;
        self.extranos = lectura.extranos;
    }
}

/// Pone en marcha el hilo de los puntos.
///
/// # Errors
/// Si el sistema no deja crear otro hilo.
pub fn vigilar_puntos(mut fuente: Box<dyn Puntos>) -> Result<Arc<Mesa<Pedido, DePuntos>>, Frase> {
    let mesa: Arc<Mesa<Pedido, DePuntos>> = Arc::default();
    let suya = Arc::clone(&mesa);
    let mut sabido = DePuntos::default();
    lanzar("puntos", move || {
        suya.vigilar(|pedidos| {
            let ahora = ahora();
            if sabido.hosts.is_empty() {
                sabido.hosts = fuente.poner_al_dia(ahora, &mut [])?;
            }
            let mut series = repartir(&mut sabido, pedidos, ahora);
            sabido.hosts = fuente.poner_al_dia(ahora, &mut series)?;
            let claves = series.iter().map(|s| (s.host.clone(), s.rango));
            sabido.series = claves.zip(series.iter().cloned()).collect();
            let (hosts, series) = (sabido.hosts.clone(), sabido.series.clone());
            Ok(|datos: &mut DePuntos| *datos = DePuntos { hosts, series })
        })
    })?;
    Ok(mesa)
}

/// Las series que se piden: la que ya se seguía, o una por leer entera.
fn repartir(sabido: &mut DePuntos, pedidos: &[Pedido], ahora: i64) -> Vec<Seguida> {
    let defecto = sabido.por_defecto().cloned();
    let mut series: Vec<Seguida> = Vec::new();
    for (host, rango) in pedidos {
        let Some(host) = host.as_ref().or(defecto.as_ref()).filter(|h| sabido.hosts.contains_key(*h)) else {
            continue;
        };
        if series.iter().any(|s| s.host == *host && s.rango == *rango) {
            continue;
        }
        let clave = (host.clone(), *rango);
        let mut seguida = sabido.series.get(&clave).cloned().unwrap_or_else(|| Seguida {
            host: host.clone(),
            rango: *rango,
            desde: 0,
            serie: Serie::new(rango.ancho),
            ultimo: None,
            entera: None,
        });
        seguida.desde = seguida.serie.inicio(ahora - rango.duracion);
        seguida.serie.olvidar_antes(seguida.desde);
        series.push(seguida);
    }
    series
}

/// Pone en marcha el hilo de los documentos.
///
/// # Errors
/// Si el sistema no deja crear otro hilo.
pub fn vigilar_documentos(mut fuente: Box<dyn Documentos>) -> Result<Arc<Mesa<(), DeDocumentos>>, Frase> {
    let mesa: Arc<Mesa<(), DeDocumentos>> = Arc::default();
    let suya = Arc::clone(&mesa);
    lanzar("documentos", move || {
        suya.vigilar(|_| {
            let lectura = fuente.leer().map_err(|frase| frase.0)?;
            Ok(|datos: &mut DeDocumentos| datos.aplicar(lectura, ahora()))
        })
    })?;
    Ok(mesa)
}
