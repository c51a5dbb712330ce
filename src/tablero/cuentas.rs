//! Las cuentas del consumidor en una ejecución: lo que ha leído y lo que ha guardado.

use crate::consumo::Tanda;
use crate::herramientas::texto::contar;

/// Los documentos de una tanda que no estaban ya guardados.
#[derive(Default, Clone, Copy)]
pub struct Guardado {
    /// Mensajes que cuentan.
    pub crudos: usize,
    /// Mensajes que no.
    pub descartados: usize,
    /// Ventanas cerradas.
    pub kpis: usize,
}

/// Cómo va el consumidor en esta ejecución.
#[derive(Default)]
pub(super) struct Cuentas {
    leidos: usize,
    sin_fecha: usize, // de los que cuentan
    pub(super) guardado: Guardado,
}

impl Cuentas {
    pub(super) fn anotar(&mut self, tanda: &Tanda, guardado: Guardado) {
        self.leidos += tanda.crudos.len() + tanda.descartados.len();
        self.sin_fecha += tanda.sin_fecha;
        self.guardado.crudos += guardado.crudos;
        self.guardado.descartados += guardado.descartados;
        self.guardado.kpis += guardado.kpis;
    }

    /// Los que ya estaban guardados de antes: se han releído.
    pub(super) fn repetidos(&self) -> usize {
        self.leidos.saturating_sub(self.guardado.crudos + self.guardado.descartados)
    }

    /// Cómo ha acabado.
    pub(super) fn frase(&self) -> String {
        let Guardado { crudos, descartados, kpis } = self.guardado;
        let leidos = contar(self.leidos as u64, "mensaje leído", "mensajes leídos");
        let mut frase = format!("{leidos}: {crudos} crudos, {descartados} descartados, {kpis} KPIs.");
        if self.sin_fecha > 0 {
            frase += &format!(" Sin fecha: {}.", self.sin_fecha);
        }
        if self.repetidos() > 0 {
            frase += &format!(" Ya estaban guardados: {}.", self.repetidos());
        }
        frase
    }
}
