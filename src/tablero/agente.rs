//! Lo que enseña el agente: cada lectura, con cómo va el buffer, y el resumen del final.

use std::time::Duration;

use crate::avisos::Nivel;
use crate::herramientas::texto::contar;
use crate::influx::{Resumen, WriteOptions};
use crate::pantalla::{Pantalla, barra};
use crate::sistema::Metricas;

/// El cuadro del agente. Lleva la cuenta de las lecturas.
pub struct TableroAgente {
    pantalla: Pantalla,
    lecturas: u64,
    por_lote: usize, // puntos que caben en el buffer entre dos envíos
}

impl TableroAgente {
    /// Un cuadro sobre esta pantalla, para quien lee cada `intervalo` y escribe con estas `opciones`.
    pub fn new(pantalla: &Pantalla, intervalo: Duration, opciones: &WriteOptions) -> Self {
        let por_tiempo = opciones.flush_interval.as_nanos() / intervalo.as_nanos().max(1);
        let por_lote = opciones.batch_size.min(usize::try_from(por_tiempo).unwrap_or(usize::MAX)).max(1);
        TableroAgente { pantalla: pantalla.clone(), lecturas: 0, por_lote }
    }

    /// Las que van.
    pub fn lecturas(&self) -> u64 {
        self.lecturas
    }

    /// Una lectura más, y cómo está el buffer tras apuntarla.
    pub fn lectura(&mut self, metricas: &Metricas, resumen: &Resumen) {
        self.lecturas += 1;
        let Metricas { host, cpu_percent, ram_used_gb, ram_percent, disk_percent } = metricas;
        let (pendientes, enviados) = (resumen.pendientes, resumen.enviados);
        // En un terminal, sin el nombre, para que quepa en 80 columnas.
        let barra = barra(pendientes, self.por_lote);
        let viva = format!(
            "cpu {cpu_percent:4.1} %  ram {ram_percent:.1} % ({ram_used_gb:.2} GB)  disco {disk_percent:.1} %  \
             buffer {barra} {pendientes:<2}  escritos {enviados}"
        );
        let suelta = format!(
            "{host}  cpu {cpu_percent:5.1} %  ram {ram_percent:5.1} % ({ram_used_gb:.2} GB)  \
             disco {disk_percent:5.1} %  buffer {pendientes}  escritos {enviados}"
        );
        self.pantalla.progreso(&[viva], &suelta);
    }

    /// El resumen del final, en una línea.
    pub fn resumen(&self, resumen: &Resumen) {
        let Resumen { enviados, apartados, .. } = resumen;
        let perdidos = resumen.perdidos + resumen.solo_en_memoria as u64;
        let pendientes = resumen.pendientes - resumen.solo_en_memoria;
        let mut frase = format!(
            "{}: {}, {}, {}, {}.",
            contar(self.lecturas, "lectura", "lecturas"),
            contar(*enviados, "punto escrito", "puntos escritos"),
            contar(pendientes as u64, "pendiente", "pendientes"),
            contar(*apartados, "apartado", "apartados"),
            contar(perdidos, "perdido", "perdidos"),
        );
        match &resumen.motivo {
            Some(motivo) if pendientes > 0 => {
                frase += &format!(" Lo pendiente se enviará la próxima vez. Motivo: {motivo}.");
            }
            Some(motivo) if resumen.solo_en_memoria > 0 => {
                frase += &format!(" Lo que esperaba en memoria se pierde. Motivo: {motivo}.");
            }
            _ => {}
        }
        self.pantalla.avisar(if perdidos > 0 { Nivel::Error } else { Nivel::Info }, &frase);
    }
}
