//! Lo que enseña el agente: cada lectura, con cómo va el buffer, y el resumen del final.

use std::time::Duration;

use crate::avisos::Nivel;
use crate::fallo::Frase;
use crate::herramientas::texto::{contar, duracion};
use crate::influx::{Lugar, Resumen, WriteOptions};
use crate::pantalla::{Pantalla, barra};
use crate::sistema::Metricas;

/// El cuadro del agente. Lleva la cuenta de las lecturas.
pub struct TableroAgente {
    pantalla: Pantalla,
    destino: String,
    lecturas: u64,
    por_lote: usize, // puntos que caben en el buffer entre dos envíos
    sin_leer: Vec<String>,
    retroceso: Option<Duration>,
}

impl TableroAgente {
    /// Un cuadro sobre esta pantalla, para quien lee cada `intervalo` y escribe en `lugar` con estas `opciones`.
    pub fn new(pantalla: &Pantalla, lugar: &Lugar, intervalo: Duration, opciones: &WriteOptions) -> Self {
        let por_tiempo = opciones.flush_interval.as_nanos() / intervalo.as_nanos().max(1);
        let por_lote = opciones.batch_size.min(usize::try_from(por_tiempo).unwrap_or(usize::MAX)).max(1);
        TableroAgente {
            pantalla: pantalla.clone(),
            destino: lugar.to_string(),
            lecturas: 0,
            por_lote,
            sin_leer: Vec::new(),
            retroceso: None,
        }
    }

    /// Las que van.
    pub fn lecturas(&self) -> u64 {
        self.lecturas
    }

    /// Una lectura más, y cómo está el buffer tras apuntarla.
    pub fn lectura(&mut self, metricas: &Metricas, resumen: &Resumen) {
        self.lecturas += 1;
        self.novedades(metricas, resumen);
        let Metricas { host, .. } = metricas;
        let (cpu, disco) = (cifra(metricas.cpu_percent, 1), cifra(metricas.disk_percent, 1));
        let (ram, ram_gb) = (cifra(metricas.ram_percent, 1), cifra(metricas.ram_used_gb, 2));
        let (pendientes, enviados) = (resumen.pendientes, resumen.enviados);
        // En un terminal, sin el nombre, para que quepa en 80 columnas.
        let barra = barra(pendientes, self.por_lote);
        let viva = format!(
            "cpu {cpu:>4} %  ram {ram} % ({ram_gb} GB)  disco {disco} %  \
             buffer {barra} {pendientes:<2}  escritos {enviados}"
        );
        let suelta = format!(
            "{host}  cpu {cpu:>5} %  ram {ram:>5} % ({ram_gb} GB)  \
             disco {disco:>5} %  buffer {pendientes}  escritos {enviados}"
        );
        self.pantalla.progreso(&[viva], &suelta);
    }

    /// Lo que ha cambiado desde la lectura anterior en lo que se puede leer y en el reloj. Se dice una vez.
    fn novedades(&mut self, metricas: &Metricas, resumen: &Resumen) {
        if metricas.sin_leer != self.sin_leer {
            for causa in metricas.sin_leer.iter().filter(|causa| !self.sin_leer.contains(causa)) {
                let frase = format!("{causa}: mientras tanto, ese dato no se escribe.");
                self.pantalla.avisar(Nivel::Aviso, &frase);
            }
            if metricas.sin_leer.is_empty() {
                self.pantalla.avisar(Nivel::Info, "Se vuelve a leer todo.");
            }
            self.sin_leer.clone_from(&metricas.sin_leer);
        }
        if let (Some(cuanto), false) = (resumen.retroceso, resumen.retroceso == self.retroceso) {
            let frase = format!(
                "El reloj de este ordenador ha ido hacia atrás ({}): los puntos de antes se quedan con la hora que tenía, y los que vienen llevan la de ahora.",
                duracion(cuanto)
            );
            self.pantalla.avisar(Nivel::Aviso, &frase);
            self.retroceso = resumen.retroceso;
        }
    }

    /// El resumen del final.
    ///
    /// # Errors
    /// Una frase, si se ha perdido algún punto.
    pub fn resumen(&self, resumen: &Resumen) -> Result<(), Frase> {
        let Resumen { enviados, apartados, .. } = resumen;
        let perdidos = resumen.perdidos + resumen.solo_en_memoria as u64;
        let pendientes = (resumen.pendientes - resumen.solo_en_memoria) as u64;
        let mut frase = format!(
            "{}: {}, {}, {}, {}.",
            contar(self.lecturas, "lectura", "lecturas"),
            contar(*enviados, "punto escrito", "puntos escritos"),
            contar(pendientes, "pendiente", "pendientes"),
            contar(*apartados, "apartado", "apartados"),
            contar(perdidos, "perdido", "perdidos"),
        );
        if pendientes > 0 {
            frase +=
                &format!(" Lo pendiente se enviará la próxima vez que se arranque hacia {}.", self.destino);
        }
        if resumen.solo_en_memoria > 0 {
            frase += " Lo que esperaba en memoria se pierde.";
        }
        if let (Some(motivo), true) = (&resumen.motivo, pendientes > 0 || resumen.solo_en_memoria > 0) {
            frase += &format!(" Motivo: {motivo}.");
        }
        self.pantalla.avisar(if perdidos > 0 { Nivel::Aviso } else { Nivel::Info }, &frase);
        match perdidos {
            0 => Ok(()),
            1 => Err("se ha perdido un punto".into()),
            _ => Err(Frase(format!("se han perdido {perdidos} puntos"))),
        }
    }
}

/// Un número con sus decimales, o una raya si no se ha podido leer.
fn cifra(valor: f64, decimales: usize) -> String {
    if valor.is_nan() { "—".to_owned() } else { format!("{valor:.decimales$}") }
}
