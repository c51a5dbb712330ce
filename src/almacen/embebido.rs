//! El almacén embebido: cada colección es una tabla de SQLite, con el documento en JSON.
//!
//! Se mira con `sqlite3 datos/motor.sqlite3 "SELECT documento FROM system_metrics_kpis_iabd06"`.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{Almacen, Documento, ErrorAlmacen, a_json};
use crate::embebido;

/// Las colecciones del fichero.
pub struct AlmacenEmbebido {
    conexion: Connection,
}

impl AlmacenEmbebido {
    /// Abre el fichero de `datos`.
    ///
    /// # Errors
    /// [`ErrorAlmacen::Definitivo`] si no se puede.
    pub fn new(datos: &Path) -> Result<Self, ErrorAlmacen> {
        Ok(AlmacenEmbebido {
            conexion: embebido::abrir(datos).map_err(|frase| ErrorAlmacen::Definitivo(frase.0))?,
        })
    }

    /// Todo o nada: si un documento es de otra historia, no se guarda ninguno.
    fn guardar(
        &mut self,
        coleccion: &str,
        documentos: &[Documento],
    ) -> rusqlite::Result<Result<usize, String>> {
        // Las colecciones son nuestras y fijas: su nombre se puede poner en la orden.
        self.conexion.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS \"{coleccion}\" (_id TEXT PRIMARY KEY, crc32 INTEGER, documento TEXT)"
        ))?;
        let transaccion = self.conexion.transaction()?;
        let mut nuevos = 0;
        {
            let mut insertar = transaccion
                .prepare_cached(&format!("INSERT OR IGNORE INTO \"{coleccion}\" VALUES (?1, ?2, ?3)"))?;
            let mut consultar =
                transaccion.prepare_cached(&format!("SELECT crc32 FROM \"{coleccion}\" WHERE _id = ?1"))?;
            for documento in documentos {
                if insertar.execute(params![documento.id, documento.crc32, a_json(documento).to_string()])?
                    == 1
                {
                    nuevos += 1;
                    continue;
                }
                let guardado: Option<u32> = consultar.query_row([&documento.id], |fila| fila.get(0))?;
                if guardado != documento.crc32 {
                    return Ok(Err(documento.id.clone()));
                }
            }
        }
        transaccion.commit()?;
        Ok(Ok(nuevos))
    }
}

impl Almacen for AlmacenEmbebido {
    fn insertar(&mut self, coleccion: &str, documentos: &[Documento]) -> Result<usize, ErrorAlmacen> {
        match self.guardar(coleccion, documentos) {
            Ok(Ok(nuevos)) => Ok(nuevos),
            Ok(Err(id)) => Err(ErrorAlmacen::OtraHistoria(id)),
            Err(error) => Err(embebido::fallo(&error, ErrorAlmacen::Pasajero, ErrorAlmacen::Definitivo)),
        }
    }
}
