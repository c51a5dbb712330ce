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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const MALA: &[u8] = b"m MALA=1 1\n";

    fn lote() -> Lote {
        Lote { texto: [b"m n=0 0\n", MALA, b"m n=2 2\n"].concat(), lineas: 3 }
    }

    fn roto() -> Contestacion {
        Contestacion::Otro(500, "roto".to_owned())
    }

    fn prohibido() -> Contestacion {
        Contestacion::Ajeno(403, "prohibido".to_owned())
    }

    /// Juzga la mala, con lo que contesta el servidor a cada petición. Devuelve el juicio y las peticiones.
    fn juzgar(sospecha: &mut Sospecha, primera: &Contestacion, siguen: &[Contestacion]) -> (Juicio, usize) {
        let pedidas = RefCell::new(siguen.iter());
        let escribir = |_: &[u8]| pedidas.borrow_mut().next().cloned().unwrap_or(Contestacion::Mudo);
        let juicio = sospecha.juzgar(primera, MALA, &lote(), escribir);
        (juicio, siguen.len() - pedidas.into_inner().len())
    }

    #[test]
    fn por_un_fallo_del_servidor_hay_otra_oportunidad_antes_de_preguntar_nada() {
        use Contestacion::Escrito;
        let mut sospecha = Sospecha::default();
        let todo_mal = [Escrito, roto(), roto(), roto()];
        assert_eq!(juzgar(&mut sospecha, &roto(), &todo_mal), (Juicio::NoSeSabe, 0));
        assert_eq!(juzgar(&mut sospecha, &roto(), &todo_mal), (Juicio::Suya, 4));
    }

    #[test]
    fn un_servidor_que_falla_a_ratos_acaba_escribiendo_la_sospechosa() {
        use Contestacion::Escrito;
        let mut sospecha = Sospecha::default();
        juzgar(&mut sospecha, &roto(), &[]);
        assert_eq!(juzgar(&mut sospecha, &roto(), &[Escrito, roto(), roto(), Escrito]), (Juicio::Entra, 4));
        assert_eq!(juzgar(&mut sospecha, &prohibido(), &[Escrito, Escrito]), (Juicio::Entra, 2));
    }

    #[test]
    fn solo_es_culpa_suya_si_otra_de_su_lote_entra_y_ella_otra_vez_no() {
        use Contestacion::Escrito;
        let mut sospecha = Sospecha::default();
        assert_eq!(juzgar(&mut sospecha, &prohibido(), &[Escrito, prohibido()]), (Juicio::Suya, 2));
        assert_eq!(
            juzgar(&mut sospecha, &prohibido(), &[prohibido(), Escrito, prohibido()]),
            (Juicio::Suya, 3)
        );
        assert_eq!(juzgar(&mut sospecha, &prohibido(), &[prohibido(), prohibido()]), (Juicio::NoSeSabe, 2));
        let sin_red = Contestacion::SinConexion("nadie".to_owned());
        assert_eq!(juzgar(&mut sospecha, &prohibido(), &[Escrito, sin_red.clone()]), (Juicio::NoSeSabe, 2));
        assert_eq!(juzgar(&mut sospecha, &sin_red, &[Escrito, sin_red.clone()]), (Juicio::NoSeSabe, 0));
    }
}
