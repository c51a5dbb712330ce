//! Si una línea que no entra ella sola es la mala, aunque el servidor no lo diga.

use super::buffer::Lote;
use super::contestacion::Contestacion;

/// Qué se hace después de mandar unas líneas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Juicio {
    /// Han entrado.
    Entra,
    /// Se prueba con menos líneas.
    Partir,
    /// Es suya la culpa: no entrarán nunca, y las demás de su lote sí.
    Suya,
    /// Puede ser del servidor: se guarda y se espera.
    NoSeSabe,
}

/// La línea de la que se sospecha. Un servidor que falla a ratos parece culpa de una línea: por un fallo suyo, o
/// si no contesta, se espera y se le da otra oportunidad.
#[derive(Debug, Default)]
pub(super) struct Sospecha(Vec<u8>);

impl Sospecha {
    /// Juzga `linea`, que ha recibido esta contestación. `escribir` manda una línea al servidor.
    pub(super) fn juzgar(
        &mut self,
        contestacion: &Contestacion,
        linea: &[u8],
        lote: &Lote,
        escribir: impl Fn(&[u8]) -> Contestacion,
    ) -> Juicio {
        if !contestacion.quiza_por_lo_enviado() {
            return Juicio::NoSeSabe;
        }
        let del_servidor = contestacion.quiza_del_servidor();
        if del_servidor && self.0 != linea {
            linea.clone_into(&mut self.0);
            return Juicio::NoSeSabe;
        }
        // Otra de su lote: la última o la primera. Volver a escribir una es inofensivo. Una de antes no vale: puede
        // ser de otra serie, y que el servidor no admita más no es culpa de esta.
        let mut lineas = lote.texto.split_inclusive(|b| *b == b'\n');
        let mut otras =
            [lineas.next_back(), lineas.next()].into_iter().flatten().filter(|otra| *otra != linea);
        if !otras.any(|otra| escribir(otra) == Contestacion::Escrito) {
            return Juicio::NoSeSabe;
        }
        for _ in 0..if del_servidor { 3 } else { 1 } {
            match escribir(linea) {
                Contestacion::Escrito => return Juicio::Entra,
                otra if !otra.quiza_por_lo_enviado() => return Juicio::NoSeSabe,
                _ => {}
            }
        }
        Juicio::Suya
    }
}
