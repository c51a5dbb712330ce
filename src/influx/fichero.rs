//! El destino cuando no hay servidor: un fichero de line protocol que carga `influx write -f`.
//!
//! `write()` añade la línea al fichero en el acto, así que no se pierde ni con kill -9; vaciar el
//! buffer es pedir al sistema que la asegure en el disco (fsync), para que aguante un apagón.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::buffer::{Buffer, Lote};
use super::destino::{Destino, Entrega};
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::causa::causa;
use crate::herramientas::lineas;

/// Cuándo se vuelve a probar si el disco falla.
const OTRO_INTENTO: Duration = Duration::from_secs(5);

/// El fichero como buffer: pendiente es lo escrito que aún no se ha asegurado.
pub struct EnFichero {
    fichero: File,
    sin_asegurar: usize,
}

/// El fichero como destino: asegura lo escrito.
pub struct Asegurar {
    fichero: File,
    avisos: Avisos,
    fallando: bool,
}

/// Abre el fichero (lo crea si falta) y corta la última línea si quedó rota.
///
/// Devuelve el buffer, el destino y los bytes cortados.
///
/// # Errors
/// Los del sistema: permisos, disco lleno, carpeta que no existe.
pub fn abrir(ruta: &Path, avisos: Avisos) -> io::Result<(EnFichero, Asegurar, u64)> {
    let mut fichero = lineas::abrir(ruta)?;
    let cortados = con_candado(&mut fichero, lineas::cortar_linea_rota)?;
    // Abierto otra vez, no clonado: un clon compartiría el candado.
    let asegurar = Asegurar { fichero: lineas::abrir(ruta)?, avisos, fallando: false };
    Ok((EnFichero { fichero, sin_asegurar: 0 }, asegurar, cortados))
}

/// Varios agentes (servidor_A y servidor_B) pueden añadir al mismo fichero: uno cada vez.
fn con_candado<T>(fichero: &mut File, tarea: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    fichero.lock()?;
    let resultado = tarea(fichero);
    fichero.unlock()?;
    resultado
}

impl Buffer for EnFichero {
    fn anotar(&mut self, linea: &str) -> io::Result<()> {
        con_candado(&mut self.fichero, |f| lineas::anadir(f, linea.as_bytes()))?;
        self.sin_asegurar += 1;
        Ok(())
    }

    /// El texto ya está en el fichero: el lote solo lleva la cuenta.
    fn lote(&mut self, max: usize) -> io::Result<Lote> {
        Ok(Lote { texto: Vec::new(), lineas: self.sin_asegurar.min(max) })
    }

    fn quitar(&mut self, _lote: &Lote, n: usize) {
        self.sin_asegurar = self.sin_asegurar.saturating_sub(n);
    }

    fn pendientes(&self) -> usize {
        self.sin_asegurar
    }
}

impl Destino for Asegurar {
    /// El lote solo trae texto si esperaba en memoria porque no cabía en el disco.
    fn enviar(&mut self, lote: &Lote) -> Entrega {
        let escrito = match lote.texto.is_empty() {
            true => Ok(()),
            false => con_candado(&mut self.fichero, |f| lineas::anadir(f, &lote.texto)),
        };
        match escrito.and_then(|()| self.fichero.sync_data()) {
            Ok(()) => {
                self.fallando = false;
                Entrega { escritas: lote.lineas, ..Entrega::default() }
            }
            Err(error) => {
                let motivo = format!("no se puede asegurar el fichero en el disco: {}", causa(&error));
                if !self.fallando {
                    (self.avisos)(Nivel::Aviso, &format!("{motivo}. Se vuelve a intentar solo."));
                    self.fallando = true;
                }
                Entrega { esperar: Some((OTRO_INTENTO, motivo)), ..Entrega::default() }
            }
        }
    }
}
