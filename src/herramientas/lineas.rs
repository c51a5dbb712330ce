//! Ficheros a los que solo se añaden líneas enteras: la base del diario y de la salida a fichero.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Abre (o crea) un fichero para leerlo y añadirle líneas.
///
/// No en modo «append»: en Windows, un fichero abierto así ni se puede recortar ni bloquear.
///
/// # Errors
/// Los del sistema: permisos, disco lleno, carpeta que no existe.
pub fn abrir(ruta: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(ruta)
}

/// Añade `texto` entero al final, o nada: si solo cabe un trozo, lo recorta y devuelve el error.
///
/// # Errors
/// Los del sistema; el más normal, disco lleno.
pub fn anadir(fichero: &mut File, texto: &[u8]) -> io::Result<()> {
    let fin = fichero.seek(SeekFrom::End(0))?;
    anadir_en(fichero, fin, texto)
}

/// Lo mismo, cuando se sabe que el fichero acaba en el byte `fin`.
///
/// # Errors
/// Los de [`anadir`].
pub fn anadir_en(fichero: &mut File, fin: u64, texto: &[u8]) -> io::Result<()> {
    fichero.seek(SeekFrom::Start(fin))?;
    fichero.write_all(texto).inspect_err(|_| {
        // Si tampoco se puede recortar, queda una línea a medias: se corta al abrir el fichero.
        let _ = fichero.set_len(fin);
    })
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
