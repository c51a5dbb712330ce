//! Lo que enseñan el productor y el consumidor mientras trabajan: en un terminal, el último mensaje de
//! cada servidor y cómo va todo, siempre en el mismo sitio; en una tubería, líneas sueltas.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::almacen::{Documento, a_json};
use crate::broker::Registro;
use crate::herramientas::texto::contar;
use crate::mensaje::{self, Metricas};
use crate::pantalla::{Pantalla, barra};

/// Servidores que caben en el cuadro.
const FILAS: usize = 5;

/// Entre un cuadro y el siguiente: más deprisa no se lee, y escribir en un terminal cuesta.
const REFRESCO: Duration = Duration::from_millis(100);

/// Cada cuánto se pregunta al broker cuánto falta.
const MIRAR_ATRASO: Duration = Duration::from_secs(1);

/// Menos mensajes por leer que estos no son un atraso: están llegando.
const APRECIABLE: u64 = 100;

/// El cuadro de uno de los dos programas.
pub struct Tablero {
    pantalla: Pantalla,
    servidores: Vec<(String, Metricas)>,
    mostrado: Option<Instant>,
    sin_mostrar: usize, // mensajes desde el último cuadro
    atraso: Atraso,
    atraso_mirado: Option<Instant>,
}

/// Cómo va el consumidor.
#[derive(Debug, Default, Clone, Copy)]
pub struct Cuentas {
    /// Mensajes leídos en esta ejecución.
    pub leidos: u64,
    /// Los que se han guardado en crudo.
    pub crudos: usize,
    /// Los que no cuentan.
    pub descartados: usize,
    /// Ventanas cerradas.
    pub kpis: usize,
}

impl Tablero {
    /// Un cuadro vacío sobre esta pantalla.
    pub fn new(pantalla: &Pantalla) -> Self {
        Tablero {
            pantalla: pantalla.clone(),
            servidores: Vec::new(),
            mostrado: None,
            sin_mostrar: 0,
            atraso: Atraso::default(),
            atraso_mirado: None,
        }
    }

    /// Anota el último mensaje de un servidor, si es de los que caben.
    pub fn mensaje(&mut self, server_id: &str, metricas: &Metricas) {
        if let Some((_, ultimas)) = self.servidores.iter_mut().find(|(id, _)| id == server_id) {
            *ultimas = *metricas;
        } else if self.servidores.len() < FILAS {
            self.servidores.push((server_id.to_owned(), *metricas));
        }
    }

    /// El productor ha acabado una ronda.
    pub fn ronda(&mut self, ronda: u64, confirmados: u64, pendientes: u64) {
        if !self.toca() {
            return;
        }
        let mut cuenta =
            format!("ronda {ronda}  {}", contar(confirmados, "mensaje confirmado", "mensajes confirmados"));
        if pendientes > 0 {
            cuenta += &format!("  {pendientes} sin confirmar");
        }
        let cpu = |(id, m): &(String, Metricas)| format!("  {} {:.0} %", limpio(id), m.cpu_percent);
        let suelta = cuenta.clone() + &self.servidores.iter().map(cpu).collect::<String>();
        self.mostrar(vec![cuenta], &suelta);
    }

    /// Se ha cerrado una ventana: su documento, en JSON. Guardado va sin redondear; aquí, con dos decimales.
    pub fn kpi(&self, documento: &Documento) {
        if self.pantalla.silenciosa() {
            return;
        }
        let mut json = a_json(documento);
        for valor in json.as_object_mut().into_iter().flat_map(|campos| campos.values_mut()) {
            if let (true, Some(decimal)) = (valor.is_f64(), valor.as_f64()) {
                *valor = Value::from((decimal * 100.0).round() / 100.0);
            }
        }
        self.pantalla.dato(&json.to_string());
    }

    /// El consumidor ha guardado una tanda de mensajes (ninguno, si no llegan), y su ventana lleva `abierta`: si
    /// hay varias, una por partición, la que está más cerca de cerrarse.
    /// `atraso` pregunta al broker cuántos quedan por leer.
    pub fn tanda(
        &mut self,
        registros: &[Registro],
        cuentas: Cuentas,
        (abierta, ventana): (u64, u64),
        atraso: impl FnOnce() -> Option<u64>,
    ) {
        if self.pantalla.silenciosa() {
            return; // ni se pregunta al broker
        }
        // De los últimos mensajes basta: los demás no daría tiempo a verlos.
        for registro in &registros[registros.len().saturating_sub(4 * FILAS)..] {
            if let Ok(leido) = mensaje::leer(&registro.valor) {
                let server_id = leido.campos.get("server_id").and_then(|id| id.as_str()).unwrap_or("?");
                self.mensaje(server_id, &leido.metricas);
            }
        }
        self.sin_mostrar += registros.len();
        if self.sin_mostrar == 0 || !self.toca() && !registros.is_empty() {
            return; // si no llega nada más, se verá en la próxima vuelta
        }
        if self.atraso_mirado.is_none_or(|mirado| mirado.elapsed() >= MIRAR_ATRASO) {
            self.atraso_mirado = Some(Instant::now());
            self.atraso.anotar(Instant::now(), atraso().unwrap_or(0));
        }
        let Cuentas { leidos: _, crudos, descartados, kpis } = cuentas;
        let cuenta = format!("crudos {crudos}  descartados {descartados}  KPIs {kpis}");
        let casillas = barra(abierta as usize, ventana as usize);
        let mut pie = vec![format!("ventana {casillas} {abierta}/{ventana}  {cuenta}")];
        let mut suelta = format!("{} mensajes  ventana {abierta}/{ventana}  {cuenta}", self.sin_mostrar);
        if let Some(frase) = self.atraso.frase(Instant::now()) {
            pie.push(format!("topic   {} {frase}", barra(self.atraso.hecho(), 100)));
            suelta += &format!("  {frase}");
        }
        self.sin_mostrar = 0;
        self.mostrar(pie, &suelta);
    }

    /// Si ya se puede volver a pintar.
    fn toca(&mut self) -> bool {
        let toca = self.mostrado.is_none_or(|mostrado| mostrado.elapsed() >= REFRESCO);
        if toca {
            self.mostrado = Some(Instant::now());
        }
        toca
    }

    fn mostrar(&self, pie: Vec<String>, suelta: &str) {
        let fila = |(id, m): &(String, Metricas)| {
            format!(
                "{:<10} cpu {:4.1} %  memoria {:4.1} %  disco {:4.1} MB/s  red {:5.1} MB/s  errores {}",
                limpio(id),
                m.cpu_percent,
                m.memory_percent,
                m.disk_io_mbps,
                m.network_mbps,
                m.error_count
            )
        };
        let cuadro: Vec<_> = self.servidores.iter().map(fila).chain(pie).collect();
        self.pantalla.progreso(&cuadro, suelta);
    }
}

/// Un nombre que viene en un mensaje: corto y sin códigos de control, que moverían el terminal.
fn limpio(nombre: &str) -> String {
    nombre.chars().filter(|c| !c.is_control()).take(10).collect()
}

/// Lo que falta por leer, y a qué paso baja. El tiempo le llega como argumento.
#[derive(Debug, Default)]
struct Atraso {
    desde: Option<(Instant, u64)>, // cuándo era mayor, y cuánto
    quedan: u64,
}

impl Atraso {
    fn anotar(&mut self, ahora: Instant, quedan: u64) {
        self.quedan = quedan;
        match self.desde {
            _ if quedan == 0 => self.desde = None,
            Some((_, mayor)) if quedan <= mayor => {}
            None if quedan < APRECIABLE => {}
            _ => self.desde = Some((ahora, quedan)),
        }
    }

    /// Qué parte está hecha ya, de 0 a 100.
    fn hecho(&self) -> usize {
        self.desde.map_or(100, |(_, mayor)| (100 - 100 * self.quedan / mayor) as usize)
    }

    /// «quedan 5000 por leer, unos 12 s». Nada, si no queda ninguno.
    fn frase(&self, ahora: Instant) -> Option<String> {
        let (desde, mayor) = self.desde?;
        let mut frase = format!("quedan {} por leer", self.quedan);
        let bajado = mayor - self.quedan;
        if bajado > 0 {
            let segundos = ahora.duration_since(desde).as_secs_f64() * self.quedan as f64 / bajado as f64;
            frase += &match segundos.ceil() {
                s if s < 120.0 => format!(", unos {s} s"),
                s if s < 7200.0 => format!(", unos {} min", (s / 60.0).round()),
                s => format!(", unas {} h", (s / 3600.0).round()),
            };
        }
        Some(frase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn el_atraso_dice_cuanto_queda_y_cuanto_tardara_a_este_paso() {
        let inicio = Instant::now();
        let en = |s| inicio + Duration::from_secs(s);
        let mut atraso = Atraso::default();
        assert_eq!(atraso.frase(en(0)), None);
        atraso.anotar(en(0), APRECIABLE - 1); // están llegando
        assert_eq!(atraso.frase(en(0)), None);
        atraso.anotar(en(0), 10_000);
        assert_eq!(atraso.frase(en(0)).unwrap(), "quedan 10000 por leer");
        atraso.anotar(en(10), 7_500);
        assert_eq!(
            (atraso.hecho(), atraso.frase(en(10)).unwrap()),
            (25, "quedan 7500 por leer, unos 30 s".into())
        );
        atraso.anotar(en(20), 20_000); // llegan más deprisa de lo que se lee: se cuenta desde ahí
        assert_eq!((atraso.hecho(), atraso.frase(en(20)).unwrap()), (0, "quedan 20000 por leer".into()));
        atraso.anotar(en(60), 19_000);
        assert_eq!(atraso.frase(en(60)).unwrap(), "quedan 19000 por leer, unos 13 min");
        atraso.anotar(en(90), 0);
        assert_eq!((atraso.hecho(), atraso.frase(en(90))), (100, None));
    }

    #[test]
    fn un_nombre_con_codigos_de_control_no_mueve_el_terminal() {
        assert_eq!(limpio("web\u{1b}[2J\r\n\u{9b}1A01"), "web[2J1A01");
    }
}
