//! Lo que enseñan el productor y el consumidor mientras trabajan: en un terminal, el último mensaje de
//! cada servidor y cómo va todo, siempre en el mismo sitio; en una tubería, líneas sueltas.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::atraso::Atraso;
use super::cuentas::{Cuentas, Guardado};
use crate::almacen::{Dato, Documento, a_json};
use crate::avisos::Nivel;
use crate::consumo::{Cierre, Consumo, Tanda};
use crate::fallo::Frase;
use crate::herramientas::texto::contar;
use crate::mensaje::Metricas;
use crate::pantalla::{Pantalla, barra};

/// Servidores que caben en el cuadro.
const FILAS: usize = 5;

/// Entre un cuadro y el siguiente: más deprisa no se lee, y escribir en un terminal cuesta.
const REFRESCO: Duration = Duration::from_millis(100);

/// Cada cuánto se pregunta al broker cuánto falta.
const MIRAR_ATRASO: Duration = Duration::from_secs(1);

/// El cuadro de uno de los dos programas.
pub struct Tablero {
    pantalla: Pantalla,
    servidores: Vec<(String, Metricas)>,
    mostrado: Option<Instant>,
    cuentas: Cuentas,
    sin_mostrar: usize, // mensajes desde el último cuadro
    atraso: Atraso,
    atraso_mirado: Option<Instant>,
}

impl Tablero {
    /// Un cuadro vacío sobre esta pantalla.
    pub fn new(pantalla: &Pantalla) -> Self {
        Tablero {
            pantalla: pantalla.clone(),
            servidores: Vec::new(),
            mostrado: None,
            cuentas: Cuentas::default(),
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
    fn kpi(&self, documento: &Documento) {
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

    /// El consumidor ha guardado una tanda de mensajes (ninguno, si no llegan). `atraso` pregunta al broker
    /// cuántos quedan por leer.
    pub fn tanda(
        &mut self,
        tanda: &Tanda,
        cierre: &Cierre,
        guardado: Guardado,
        consumo: &Consumo,
        atraso: impl FnOnce() -> Option<u64>,
    ) {
        tanda.avisos.iter().chain(&cierre.avisos).for_each(|frase| self.pantalla.avisar(Nivel::Aviso, frase));
        self.cuentas.anotar(tanda, guardado);
        if self.pantalla.silenciosa() {
            return; // ni se pregunta al broker
        }
        // Tras un reinicio, las primeras ventanas pueden estar ya.
        let nuevos = cierre.kpis.len().saturating_sub(guardado.kpis);
        cierre.kpis.iter().skip(nuevos).for_each(|documento| self.kpi(documento));
        // De los últimos mensajes basta: los demás no daría tiempo a verlos.
        let ultimos = tanda.crudos.len().saturating_sub(4 * FILAS);
        for (crudo, metricas) in tanda.crudos.iter().zip(&tanda.metricas).skip(ultimos) {
            self.mensaje(server_id(crudo), metricas);
        }
        let llegados = tanda.crudos.len() + tanda.descartados.len();
        self.sin_mostrar += llegados;
        if self.sin_mostrar == 0 || !self.toca() && llegados > 0 {
            return; // si no llega nada más, se verá en la próxima vuelta
        }
        if self.atraso_mirado.is_none_or(|mirado| mirado.elapsed() >= MIRAR_ATRASO) {
            self.atraso_mirado = Some(Instant::now());
            self.atraso.anotar(Instant::now(), atraso().unwrap_or(0));
        }
        self.mostrar_consumo(consumo);
    }

    /// El final del consumidor: las ventanas que se quedan abiertas, y lo que ha guardado. De ello se han perdido
    /// después `perdidos` documentos.
    ///
    /// # Errors
    /// Una frase, si se ha perdido alguno.
    pub fn resumen(&self, consumo: &Consumo, perdidos: u64) -> Result<(), Frase> {
        let decir = |frase: &str| self.pantalla.avisar(Nivel::Info, frase);
        for (particion, mensajes) in consumo.abiertas() {
            let ventana = consumo.ventana();
            decir(&format!("Partición {particion}: ventana abierta: {mensajes}/{ventana}, se releerá."));
        }
        decir(&self.cuentas.frase());
        match perdidos {
            0 => Ok(()),
            1 => Err("se ha perdido un documento que ya estaba guardado".into()),
            _ => Err(Frase(format!("se han perdido {perdidos} documentos que ya estaban guardados"))),
        }
    }

    /// De las ventanas abiertas, que son una por partición, enseña la que está más cerca de cerrarse.
    fn mostrar_consumo(&mut self, consumo: &Consumo) {
        let ventana = consumo.ventana();
        let abierta = consumo.abiertas().map(|(_, mensajes)| mensajes).max().unwrap_or(0);
        let Guardado { crudos, descartados, kpis } = self.cuentas.guardado;
        let mut cuenta = format!("crudos {crudos}  descartados {descartados}  KPIs {kpis}");
        if self.cuentas.repetidos() > 0 {
            cuenta += &format!("  repetidos {}", self.cuentas.repetidos());
        }
        let casillas = barra(abierta as usize, ventana as usize);
        let mut pie = vec![format!("ventana {casillas} {abierta}/{ventana}  {cuenta}")];
        let llegados = contar(self.sin_mostrar as u64, "mensaje", "mensajes");
        let mut suelta = format!("{llegados}  ventana {abierta}/{ventana}  {cuenta}");
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

fn server_id(crudo: &Documento) -> &str {
    let campo = crudo.campos.iter().find(|(clave, _)| clave == "server_id");
    match campo {
        Some((_, Dato::Json(Value::String(id)))) => id,
        _ => "?",
    }
}

/// Un nombre que viene en un mensaje: corto y sin códigos de control, que moverían el terminal.
fn limpio(nombre: &str) -> String {
    nombre.chars().filter(|c| !c.is_control()).take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn un_nombre_con_codigos_de_control_no_mueve_el_terminal() {
        assert_eq!(limpio("web\u{1b}[2J\r\n\u{9b}1A01"), "web[2J1A01");
    }
}
