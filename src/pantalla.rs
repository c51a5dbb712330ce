//! Lo que se ve: en un terminal, unas líneas vivas que se reescriben; en una tubería, líneas sueltas.
//!
//! Las lecturas salen por la salida normal y los avisos por la de errores.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::avisos::{Avisos, Nivel};
use crate::config::Salida;
use crate::fallo::Fallo;
use crate::herramientas::candado::candado;
use crate::herramientas::causa::causa;
use crate::herramientas::lineas;
use crate::herramientas::texto::contar;
use crate::influx::Resumen;
use crate::parada::Parada;
use crate::sistema::Metricas;

/// La salida de un programa. Se puede clonar y usar desde varios hilos.
#[derive(Clone)]
pub struct Pantalla {
    interior: Arc<Mutex<Interior>>,
}

struct Interior {
    terminal: bool,
    minimo: Nivel,
    silencioso: bool,
    log: Option<File>,
    vivas: Vec<usize>, // letras de cada línea viva que hay en el terminal
    ultimo: String,
    parada: Parada,
}

impl Pantalla {
    /// Prepara la salida. Si quien lee la tubería se va (`| head`), se pide la parada.
    ///
    /// # Errors
    /// [`Fallo::Uso`] si el fichero de log no se puede abrir.
    pub fn new(salida: &Salida, parada: &Parada) -> Result<Self, Fallo> {
        let log = match &salida.log {
            None => None,
            Some(ruta) => {
                let abierto = lineas::abrir(ruta);
                Some(abierto.map_err(|e| {
                    Fallo::Uso(format!("no se puede escribir en {}: {}", ruta.display(), causa(&e)))
                })?)
            }
        };
        let minimo = match (salida.silencioso, salida.detalle) {
            (true, _) => Nivel::Aviso,
            (false, true) => Nivel::Detalle,
            (false, false) => Nivel::Info,
        };
        let interior = Interior {
            terminal: io::stdout().is_terminal(),
            minimo,
            silencioso: salida.silencioso,
            log,
            vivas: Vec::new(),
            ultimo: String::new(),
            parada: parada.clone(),
        };
        Ok(Pantalla { interior: Arc::new(Mutex::new(interior)) })
    }

    /// Por donde los demás cuartos cuentan lo que pasa.
    pub fn avisos(&self) -> Avisos {
        let pantalla = self.clone();
        Arc::new(move |nivel, frase| pantalla.avisar(nivel, frase))
    }

    /// Dice una frase, salvo que sea la misma que la última.
    pub fn avisar(&self, nivel: Nivel, frase: &str) {
        let mut pantalla = self.candado();
        if pantalla.ultimo == frase {
            return;
        }
        pantalla.ultimo = frase.to_owned();
        pantalla.al_log(nivel, frase);
        if nivel >= pantalla.minimo {
            pantalla.borrar_viva();
            let etiqueta = match nivel {
                Nivel::Detalle | Nivel::Info => "",
                Nivel::Aviso => "aviso: ",
                Nivel::Error => "error: ",
            };
            let _ = writeln!(io::stderr(), "{etiqueta}{frase}");
        }
    }

    /// Enseña una lectura del agente y cómo está el buffer, donde caben `capacidad` puntos por lote.
    pub fn lectura(&self, metricas: &Metricas, resumen: &Resumen, capacidad: usize) {
        let mut pantalla = self.candado();
        if pantalla.silencioso {
            return;
        }
        let Metricas { host, cpu_percent, ram_used_gb, ram_percent, disk_percent } = metricas;
        let (pendientes, enviados) = (resumen.pendientes, resumen.enviados);
        let linea = if pantalla.terminal {
            // Sin el nombre, para que quepa en un terminal de 80 columnas.
            let barra = barra(pendientes, capacidad);
            format!(
                "cpu {cpu_percent:4.1} %  ram {ram_percent:.1} % ({ram_used_gb:.2} GB)  disco {disk_percent:.1} %  \
                 buffer {barra} {pendientes:<2}  escritos {enviados}"
            )
        } else {
            format!(
                "{host}  cpu {cpu_percent:5.1} %  ram {ram_percent:5.1} % ({ram_used_gb:.2} GB)  \
                 disco {disk_percent:5.1} %  buffer {pendientes}  escritos {enviados}"
            )
        };
        pantalla.escribir_vivas(&[linea]);
    }

    /// Cómo va el programa: en un terminal, las líneas vivas; en una tubería, una suelta.
    pub fn progreso(&self, en_terminal: &[String], en_tuberia: &str) {
        let mut pantalla = self.candado();
        if pantalla.silencioso {
            return;
        }
        if pantalla.terminal && mueve_el_cursor() {
            pantalla.escribir_vivas(en_terminal);
        } else {
            pantalla.escribir_vivas(&[en_tuberia.to_owned()]);
        }
    }

    /// Si solo se enseñan avisos y errores: entonces no hay que preparar nada más.
    pub fn silenciosa(&self) -> bool {
        self.candado().silencioso
    }

    /// Una línea que se queda, por la salida normal.
    pub fn dato(&self, linea: &str) {
        let mut pantalla = self.candado();
        if !pantalla.silencioso {
            pantalla.borrar_viva();
            if writeln!(io::stdout(), "{linea}").is_err() {
                pantalla.parada.pedir();
            }
        }
    }

    /// El resumen del final, en una línea.
    pub fn resumen(&self, lecturas: u64, resumen: &Resumen) {
        let Resumen { enviados, apartados, .. } = resumen;
        let perdidos = resumen.perdidos + resumen.solo_en_memoria as u64;
        let pendientes = resumen.pendientes - resumen.solo_en_memoria;
        let mut frase = format!(
            "{}: {}, {}, {}, {}.",
            contar(lecturas, "lectura", "lecturas"),
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
        self.avisar(if perdidos > 0 { Nivel::Error } else { Nivel::Info }, &frase);
    }

    fn candado(&self) -> MutexGuard<'_, Interior> {
        candado(&self.interior)
    }
}

impl Interior {
    /// En un terminal reescribe las líneas vivas. Solo si hay más de una hace falta un código ANSI, el de
    /// subir: con una vale cualquier consola.
    fn escribir_vivas(&mut self, lineas: &[String]) {
        let escrito = if self.terminal {
            let ancho = ancho_del_terminal().saturating_sub(1);
            let visibles = lineas.iter().map(|l| l.chars().take(ancho).collect()).collect::<Vec<String>>();
            self.pintar(&visibles)
        } else {
            lineas.iter().try_for_each(|linea| writeln!(io::stdout(), "{linea}"))
        };
        if escrito.and_then(|()| io::stdout().flush()).is_err() {
            self.parada.pedir(); // ya no lee nadie
        }
    }

    /// Pinta las líneas encima de las vivas, y tapa con espacios lo que sobre de ellas.
    fn pintar(&mut self, lineas: &[String]) -> io::Result<()> {
        let mut salida = io::stdout().lock();
        let antes = std::mem::take(&mut self.vivas);
        subir(&mut salida, antes.len())?;
        let filas = lineas.len().max(antes.len());
        for fila in 0..filas {
            let linea = lineas.get(fila).map_or("", String::as_str);
            let sobra = antes.get(fila).map_or(0, |letras| letras.saturating_sub(linea.chars().count()));
            let salto = if fila + 1 < filas { "\n" } else { "" };
            write!(salida, "\r{linea}{:sobra$}{salto}", "")?;
        }
        self.vivas = lineas.iter().map(|linea| linea.chars().count()).collect();
        self.vivas.resize(filas, 0);
        Ok(())
    }

    fn borrar_viva(&mut self) {
        if self.vivas.is_empty() {
            return;
        }
        // Tras un Ctrl-C el terminal ha pintado ^C en la línea: se deja y se sigue en la siguiente.
        let _ = if self.parada.pedida() {
            writeln!(io::stdout())
        } else {
            let filas = self.vivas.len();
            let vacias = vec![String::new(); filas];
            self.pintar(&vacias).and_then(|()| {
                let mut salida = io::stdout().lock();
                subir(&mut salida, filas)?;
                write!(salida, "\r")
            })
        };
        let _ = io::stdout().flush();
        self.vivas.clear();
    }

    fn al_log(&mut self, nivel: Nivel, frase: &str) {
        let Some(log) = &mut self.log else { return };
        let hora = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let nivel = format!("{nivel:?}").to_uppercase();
        // Un log que no se puede escribir no para el agente.
        let _ = lineas::anadir(log, format!("{hora} {nivel:<7} {frase}\n").as_bytes());
    }
}

/// Diez casillas, llenas en proporción.
pub fn barra(puntos: usize, capacidad: usize) -> String {
    const CASILLAS: usize = 10;
    let llenas = (puntos * CASILLAS).div_ceil(capacidad.max(1)).min(CASILLAS);
    format!("{}{}", "#".repeat(llenas), "·".repeat(CASILLAS - llenas))
}

/// Sube de la última de `filas` líneas a la primera.
fn subir(salida: &mut impl Write, filas: usize) -> io::Result<()> {
    if filas > 1 { write!(salida, "\x1b[{}A", filas - 1) } else { Ok(()) }
}

/// Si el terminal entiende el código de subir. La consola antigua de Windows, no.
fn mueve_el_cursor() -> bool {
    cfg!(not(windows)) || std::env::var_os("WT_SESSION").is_some() || std::env::var_os("TERM").is_some()
}

#[cfg(unix)]
fn ancho_del_terminal() -> usize {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(tamano) if tamano.ws_col > 0 => tamano.ws_col.into(),
        _ => 80,
    }
}

#[cfg(not(unix))]
fn ancho_del_terminal() -> usize {
    80
}

#[cfg(test)]
mod tests {
    use super::barra;

    #[test]
    fn la_barra_se_llena_en_proporcion_y_no_se_desborda() {
        assert_eq!(barra(0, 10), "··········");
        assert_eq!(barra(1, 1000), "#·········");
        assert_eq!(barra(7, 10), "#######···");
        assert_eq!(barra(500, 10), "##########");
    }
}
