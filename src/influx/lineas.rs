//! Ficheros a los que solo se añaden líneas enteras: la base del diario y de la salida a fichero.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Abre (o crea) un fichero para leerlo y añadirle líneas al final.
///
/// # Errors
/// Los del sistema: permisos, disco lleno, carpeta que no existe.
pub fn abrir(ruta: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).read(true).open(ruta)
}

/// Añade una línea entera o nada: si solo cabe un trozo, lo recorta antes de devolver el error.
///
/// # Errors
/// Los del sistema; el más normal, disco lleno.
pub fn anadir(fichero: &mut File, linea: &[u8]) -> io::Result<()> {
    let mut escritos = 0;
    while escritos < linea.len() {
        match fichero.write(&linea[escritos..]) {
            Ok(n) if n > 0 => escritos += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            fallo => {
                if escritos > 0 {
                    let final_actual = fichero.metadata()?.len();
                    fichero.set_len(final_actual - escritos as u64)?;
                }
                return Err(fallo.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
            }
        }
    }
    Ok(())
}

/// Quita la última línea si no acaba en `\n` (un apagón a mitad de escritura).
///
/// Devuelve los bytes que ha quitado. Lee desde el final: no importa lo grande que sea el fichero.
///
/// # Errors
/// Los del sistema.
pub fn cortar_linea_rota(fichero: &mut File) -> io::Result<u64> {
    const TROZO: u64 = 4096;
    let total = fichero.seek(SeekFrom::End(0))?;
    let mut fin = total;
    let mut trozo = Vec::new();
    while fin > 0 {
        let inicio = fin.saturating_sub(TROZO);
        fichero.seek(SeekFrom::Start(inicio))?;
        trozo.clear();
        Read::by_ref(fichero).take(fin - inicio).read_to_end(&mut trozo)?;
        if let Some(i) = trozo.iter().rposition(|b| *b == b'\n') {
            fin = inicio + i as u64 + 1;
            break;
        }
        fin = inicio;
    }
    if fin < total {
        fichero.set_len(fin)?;
    }
    Ok(total - fin)
}
