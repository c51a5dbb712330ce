//! Las líneas vivas de un terminal: se pintan encima de las anteriores, siempre en el mismo sitio.
//!
//! Se pinta en cualquier [`Write`], y así se prueba sin terminal.

use std::io::{self, Write};

/// Las líneas vivas que hay ahora en el terminal, con el cursor en la última.
#[derive(Default)]
pub(super) struct Vivas {
    letras: Vec<usize>, // las de cada línea
}

impl Vivas {
    /// Pinta las líneas encima de las que había, cortadas para que ninguna llegue a la columna `ancho`: si una
    /// saltara de línea, el cursor ya no volvería a su sitio. Lo que sobra de las anteriores se tapa con
    /// espacios. Solo si hay más de una hace falta un código ANSI, el de subir: con una vale cualquier consola.
    pub(super) fn pintar(
        &mut self,
        salida: &mut impl Write,
        ancho: usize,
        lineas: &[String],
    ) -> io::Result<()> {
        let cortar = |linea: &String| linea.chars().take(ancho.saturating_sub(1)).collect();
        let lineas: Vec<String> = lineas.iter().map(cortar).collect();
        let antes = std::mem::take(&mut self.letras);
        subir(salida, antes.len())?;
        let filas = lineas.len().max(antes.len());
        for fila in 0..filas {
            let linea = lineas.get(fila).map_or("", String::as_str);
            let sobra = antes.get(fila).map_or(0, |letras| letras.saturating_sub(linea.chars().count()));
            let salto = if fila + 1 < filas { "\n" } else { "" };
            write!(salida, "\r{linea}{:sobra$}{salto}", "")?;
        }
        self.letras = lineas.iter().map(|linea| linea.chars().count()).collect();
        self.letras.resize(filas, 0);
        salida.flush()
    }

    /// Deja el cursor donde se puede escribir otra cosa: donde empezaban las vivas, ya borradas. Tras un
    /// Ctrl-C el terminal ha pintado `^C` en la última: entonces se dejan, y se sigue en la línea siguiente.
    pub(super) fn borrar(&mut self, salida: &mut impl Write, tras_ctrl_c: bool) -> io::Result<()> {
        let filas = self.letras.len();
        if filas == 0 {
            return Ok(());
        }
        if tras_ctrl_c {
            writeln!(salida)?;
        } else {
            self.pintar(salida, 0, &vec![String::new(); filas])?;
            subir(salida, filas)?;
            write!(salida, "\r")?;
        }
        self.letras.clear();
        salida.flush()
    }
}

/// Sube de la última de `filas` líneas a la primera.
fn subir(salida: &mut impl Write, filas: usize) -> io::Result<()> {
    if filas > 1 { write!(salida, "\x1b[{}A", filas - 1) } else { Ok(()) }
}

/// Si el terminal entiende el código de subir. La consola antigua de Windows, no.
pub(super) fn mueve_el_cursor() -> bool {
    cfg!(not(windows)) || std::env::var_os("WT_SESSION").is_some() || std::env::var_os("TERM").is_some()
}

/// Las columnas del terminal.
#[cfg(unix)]
pub(super) fn ancho() -> usize {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(tamano) if tamano.ws_col > 0 => tamano.ws_col.into(),
        _ => 80,
    }
}

/// Las columnas del terminal: las de siempre, que aquí no se pueden preguntar.
#[cfg(not(unix))]
pub(super) fn ancho() -> usize {
    80
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lo que se ve al escribir `bytes` en un terminal, fila a fila, y dónde queda el cursor. Solo entiende lo
    /// que aquí se usa: `\r`, `\n` (que también vuelve al principio) y `ESC [ n A`.
    fn ver(bytes: &[u8]) -> (Vec<String>, (usize, usize)) {
        let (mut filas, mut fila, mut columna) = (vec![Vec::new()], 0, 0);
        let mut letras = std::str::from_utf8(bytes).unwrap().chars();
        while let Some(letra) = letras.next() {
            match letra {
                '\r' => columna = 0,
                '\n' => (fila, columna) = (fila + 1, 0),
                '\x1b' => {
                    let codigo: String = letras.by_ref().take_while(|c| *c != 'A').collect();
                    fila -= codigo.strip_prefix('[').unwrap().parse::<usize>().unwrap();
                }
                _ => {
                    if columna == filas[fila].len() {
                        filas[fila].push(letra);
                    } else {
                        filas[fila][columna] = letra;
                    }
                    columna += 1;
                }
            }
            if fila == filas.len() {
                filas.push(Vec::new());
            }
        }
        (filas.into_iter().map(String::from_iter).collect(), (fila, columna))
    }

    /// Pinta unos cuadros, uno encima de otro.
    fn pintar(cuadros: &[&[&str]], ancho: usize) -> (Vivas, Vec<u8>) {
        let (mut vivas, mut salida) = (Vivas::default(), Vec::new());
        for cuadro in cuadros {
            let cuadro: Vec<String> = cuadro.iter().map(|linea| (*linea).to_owned()).collect();
            vivas.pintar(&mut salida, ancho, &cuadro).unwrap();
        }
        (vivas, salida)
    }

    /// Lo que se ve, sin los espacios del final.
    fn visto(salida: &[u8]) -> Vec<String> {
        ver(salida).0.into_iter().map(|fila| fila.trim_end().to_owned()).collect()
    }

    #[test]
    fn una_linea_viva_se_reescribe_en_su_sitio_y_sin_codigos_ansi() {
        let (_, salida) = pintar(&[&["cpu 10 %"], &["cpu 20 %"]], 80);
        assert_eq!(visto(&salida), ["cpu 20 %"]);
        assert!(!salida.contains(&b'\x1b'), "vale para cualquier consola");
    }

    #[test]
    fn una_mas_corta_tapa_lo_que_sobra_de_la_anterior() {
        let (_, salida) = pintar(&[&["buffer ·········· 1000"], &["buffer 1"], &["b"]], 80);
        assert_eq!(visto(&salida), ["b"]);
    }

    #[test]
    fn varias_lineas_se_pintan_siempre_encima_de_las_anteriores() {
        let (_, salida) =
            pintar(&[&["web01 1", "web02 2", "ronda 1"], &["web01 3", "web02 4", "ronda 2"]], 80);
        assert_eq!(visto(&salida), ["web01 3", "web02 4", "ronda 2"]);
        let (_, salida) = pintar(&[&["a"], &["b", "c", "d"], &["e", "f", "g"]], 80);
        assert_eq!(visto(&salida), ["e", "f", "g"], "un cuadro que crece");
    }

    #[test]
    fn un_cuadro_que_encoge_borra_las_lineas_que_ya_no_tiene_y_no_se_descoloca() {
        let (_, salida) = pintar(&[&["a", "b", "c"], &["d"], &["e", "f"]], 80);
        assert_eq!(visto(&salida), ["e", "f", ""]);
    }

    #[test]
    fn ninguna_linea_llega_al_borde_porque_saltaria_a_la_siguiente() {
        let (_, salida) = pintar(&[&["día 123456", "x"]], 8);
        assert_eq!(visto(&salida), ["día 123", "x"]);
        let (_, salida) = pintar(&[&["abc"]], 0);
        assert_eq!(visto(&salida), [""], "ni en un terminal sin ancho");
    }

    #[test]
    fn al_borrar_lo_que_sigue_se_escribe_donde_empezaban() {
        for cuadro in [&["una sola línea"][..], &["primera", "segunda", "tercera"]] {
            let (mut vivas, mut salida) = pintar(&[cuadro], 80);
            vivas.borrar(&mut salida, false).unwrap();
            assert!(visto(&salida).iter().all(String::is_empty), "{:?}", visto(&salida));
            assert_eq!(ver(&salida).1, (0, 0));
            vivas.borrar(&mut salida, false).unwrap(); // ya no hay nada que borrar
            assert_eq!(ver(&salida).1, (0, 0));
        }
    }

    #[test]
    fn tras_ctrl_c_la_linea_se_queda_y_se_sigue_debajo() {
        let (mut vivas, mut salida) = pintar(&[&["primera", "segunda"]], 80);
        salida.extend_from_slice(b"^C");
        vivas.borrar(&mut salida, true).unwrap();
        salida.extend_from_slice(b"3 lecturas.\n");
        assert_eq!(visto(&salida), ["primera", "segunda^C", "3 lecturas.", ""]);
        vivas.pintar(&mut salida, 80, &["otra".to_owned()]).unwrap(); // no sube a pintar sobre las de antes
        assert_eq!(visto(&salida), ["primera", "segunda^C", "3 lecturas.", "otra"]);
    }
}
