//! Los documentos del motor embebido: se lee `datos/motor.sqlite3`, sin escribir nada en él.
//!
//! Lo nuevo de cada tabla es lo que pasa del último `rowid` leído. El fichero se abre en cada lectura:
//! cuesta menos de un milisegundo, y así se nota si lo han borrado o cambiado por otro.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde_json::Value;

use super::campos::{Separados, crudo, descartado, separar, ventana};
use super::{Documentos, Extranos, Lectura, MAX_BYTES, MAX_DESCARTADOS, MAX_LECTURA};
use crate::embebido;
use crate::fallo::Frase;
use crate::nombres::{CRUDOS, DESCARTADOS, KPIS};
use crate::panel::instante::{ADELANTO, ahora};

/// Lo que se espera si otro programa tiene el fichero ocupado.
const ESPERA: Duration = Duration::from_millis(500);

/// El fichero, y por dónde se va en cada tabla.
pub struct DocumentosEmbebidos {
    ruta: PathBuf,
    tablas: [Marca; 3],
}

/// Lo último leído de una tabla.
#[derive(Debug, Clone, Default, PartialEq)]
struct Marca {
    rowid: i64,
    fila: Option<(String, Option<u32>)>, // su _id y su crc32
    extranos: Extranos,                  // los que no se enseñan, de los leídos
}

/// Las tablas, y cuántas filas se leen de cada una como mucho.
const TABLAS: [(&str, usize); 3] =
    [(CRUDOS, MAX_LECTURA), (KPIS, MAX_LECTURA), (DESCARTADOS, MAX_DESCARTADOS)];

impl Marca {
    fn avanzar(&mut self, rowid: i64, fila: Option<(String, Option<u32>)>, extranos: Extranos) {
        (self.rowid, self.fila) = (rowid, fila);
        self.extranos.ajenos += extranos.ajenos;
        self.extranos.del_futuro += extranos.del_futuro;
    }

    /// Las filas que se entienden, que se numeran desde 1.
    fn nuestros(&self) -> u64 {
        u64::try_from(self.rowid).unwrap_or_default().saturating_sub(self.extranos.ajenos)
    }
}

impl DocumentosEmbebidos {
    /// El fichero de la carpeta de datos. Puede no existir todavía.
    pub fn new(datos: &Path) -> Self {
        DocumentosEmbebidos { ruta: embebido::ruta(datos), tablas: Default::default() }
    }

    fn consultar(&self) -> rusqlite::Result<(Lectura, [Marca; 3])> {
        // Sin OPEN_CREATE: si el fichero falta, no aparece.
        let conexion = Connection::open_with_flags(&self.ruta, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conexion.busy_timeout(ESPERA)?;
        // Las tres tablas, vistas en el mismo instante.
        let conexion = conexion.unchecked_transaction()?;
        let mut lectura = Lectura::default();
        let mut marcas = self.tablas.clone();
        for (marca, (tabla, _)) in marcas.iter().zip(TABLAS) {
            lectura.de_cero |= marca.rowid > 0 && fila(&conexion, tabla, marca.rowid)? != marca.fila;
        }
        if lectura.de_cero {
            marcas = Default::default();
        }
        for (marca, (tabla, max)) in marcas.iter_mut().zip(TABLAS) {
            let total = ultimo(&conexion, tabla)?;
            if total <= marca.rowid {
                continue;
            }
            let (textos, primero) = nuevos(&conexion, tabla, marca.rowid, max)?;
            let documentos: Vec<Value> =
                textos.iter().rev().map(|t| serde_json::from_str(t).unwrap_or_default()).collect();
            let extranos = match tabla {
                CRUDOS => {
                    lectura.salteados = primero > marca.rowid + 1;
                    poner(&mut lectura.crudos, &documentos, crudo, |c| c.recibido)
                }
                DESCARTADOS => poner(&mut lectura.descartados, &documentos, descartado, |d| d.recibido),
                _ => poner(&mut lectura.ventanas, &documentos, ventana, |v| v.entre[1]),
            };
            marca.avanzar(total, fila(&conexion, tabla, total)?, extranos);
        }
        lectura.extranos = marcas.each_ref().map(|marca| marca.extranos);
        lectura.totales = marcas.each_ref().map(Marca::nuestros);
        Ok((lectura, marcas))
    }

    fn explicar(&self, error: &rusqlite::Error) -> Frase {
        let ruta = self.ruta.display();
        if error.to_string().contains("no such column: rowid") {
            return Frase(format!(
                "{ruta} es de una versión anterior de estos programas, y el panel no sabe leerlo: cámbiale el \
                 nombre y arranca otra vez productor y consumidor"
            ));
        }
        Frase(format!("no se puede leer {ruta} ({})", embebido::causa(error)))
    }
}

impl Documentos for DocumentosEmbebidos {
    fn motor(&self) -> (&'static str, String) {
        ("motor embebido", self.ruta.display().to_string())
    }

    fn leer(&mut self) -> Result<Lectura, Frase> {
        if !self.ruta.exists() {
            self.tablas = Default::default();
            return Ok(Lectura { de_cero: true, ..Lectura::default() });
        }
        let (lectura, marcas) = self.consultar().map_err(|error| self.explicar(&error))?;
        self.tablas = marcas;
        Ok(lectura)
    }
}

/// Pone los documentos que se entienden, y dice cuántos no se enseñan.
fn poner<T>(
    lista: &mut Vec<T>,
    documentos: &[Value],
    leer: impl Fn(&Value) -> Option<T>,
    hora: impl Fn(&T) -> i64,
) -> Extranos {
    let tope = ahora().saturating_add(ADELANTO);
    let Separados { buenos, mal_hechos, del_futuro } = separar(documentos.iter(), leer, hora, tope);
    *lista = buenos;
    Extranos { ajenos: mal_hechos, del_futuro }
}

/// Si una tabla falta, todavía no se ha guardado nada en ella.
fn sin_tabla<T: Default>(resultado: rusqlite::Result<T>) -> rusqlite::Result<T> {
    match resultado {
        Err(error) if error.to_string().contains("no such table") => Ok(T::default()),
        otro => otro,
    }
}

/// El último `rowid`, que es también cuántas filas hay: nadie borra, y se numeran desde 1.
fn ultimo(conexion: &Connection, tabla: &str) -> rusqlite::Result<i64> {
    let orden = format!("SELECT coalesce(max(rowid), 0) FROM \"{tabla}\"");
    sin_tabla(conexion.query_row(&orden, [], |fila| fila.get(0)))
}

fn fila(conexion: &Connection, tabla: &str, rowid: i64) -> rusqlite::Result<Option<(String, Option<u32>)>> {
    let orden = format!("SELECT _id, crc32 FROM \"{tabla}\" WHERE rowid = ?1");
    sin_tabla(conexion.query_row(&orden, [rowid], |fila| Ok((fila.get(0)?, fila.get(1)?))).optional())
}

/// Los documentos que pasan de `desde`, del más nuevo al más antiguo, y el `rowid` del más antiguo leído.
fn nuevos(
    conexion: &Connection,
    tabla: &str,
    desde: i64,
    max: usize,
) -> rusqlite::Result<(Vec<String>, i64)> {
    let mut consulta = conexion.prepare(&format!(
        "SELECT rowid, documento FROM \"{tabla}\" WHERE rowid > ?1 ORDER BY rowid DESC LIMIT ?2"
    ))?;
    let mut filas = consulta.query(params![desde, i64::try_from(max).unwrap_or(i64::MAX)])?;
    let (mut textos, mut primero, mut bytes) = (Vec::new(), i64::MAX, 0);
    while let Some(fila) = filas.next()? {
        let texto: String = fila.get(1)?;
        bytes += texto.len();
        if bytes > MAX_BYTES && !textos.is_empty() {
            break;
        }
        primero = fila.get(0)?;
        textos.push(texto);
    }
    Ok((textos, primero))
}
