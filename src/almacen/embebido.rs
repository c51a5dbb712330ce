//! El almacén embebido: cada colección es una tabla de SQLite, con el documento en JSON.
//!
//! Se mira con `sqlite3 datos/motor.sqlite3 "SELECT documento FROM system_metrics_kpis_iabd06"`.

use std::mem;
use std::path::Path;

use rusqlite::{Connection, params};

use super::{Almacen, Documento, ErrorAlmacen, a_json, ids_de_ventanas};
use crate::avisos::Avisos;
use crate::embebido::{self, Abierto};
use crate::guardadas::Ventana;
use crate::herramientas::texto::contar;
use crate::nombres::KPIS;

/// Las colecciones del fichero.
pub struct AlmacenEmbebido {
    fichero: Abierto,
    guardados: u64,
    perdidos: u64,
}

impl AlmacenEmbebido {
    /// Abre el fichero de `datos`. Por `avisos` dice si alguien lo borra.
    ///
    /// # Errors
    /// [`ErrorAlmacen::Definitivo`] si no se puede.
    pub fn new(datos: &Path, avisos: &Avisos) -> Result<Self, ErrorAlmacen> {
        let fichero = Abierto::new(datos, avisos).map_err(|frase| ErrorAlmacen::Definitivo(frase.0))?;
        Ok(AlmacenEmbebido { fichero, guardados: 0, perdidos: 0 })
    }

    /// Todo o nada: si un documento es de otra historia, no se guarda ninguno.
    fn guardar(
        &mut self,
        coleccion: &str,
        documentos: &[Documento],
    ) -> rusqlite::Result<Result<usize, String>> {
        // Las colecciones son nuestras y fijas: su nombre se puede poner en la orden.
        let conexion = self.fichero.conexion();
        conexion.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS \"{coleccion}\" (_id TEXT PRIMARY KEY, crc32 INTEGER, documento TEXT)"
        ))?;
        let transaccion = conexion.transaction()?;
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
                if let (Some(guardado), Some(crc)) = (guardado, documento.crc32)
                    && guardado != crc
                {
                    return Ok(Err(documento.id.clone()));
                }
            }
        }
        transaccion.commit()?;
        Ok(Ok(nuevos))
    }
}

fn ventanas(
    conexion: &Connection,
    (primero, fuera): &(String, String),
    desde: i64,
) -> rusqlite::Result<Vec<Ventana>> {
    if !conexion.table_exists(None, KPIS)? {
        return Ok(Vec::new());
    }
    let mut consulta = conexion.prepare_cached(&format!(
        "SELECT documento->>'offset_inicio', documento->>'offset_fin', documento->>'num_mensajes' FROM \"{KPIS}\"
         WHERE _id >= ?1 AND _id < ?2 AND documento->>'offset_fin' >= ?3"
    ))?;
    let ventana = |fila: &rusqlite::Row| {
        let mensajes = u64::try_from(fila.get::<_, i64>(2)?).unwrap_or(0);
        Ok(Ventana { inicio: fila.get(0)?, fin: fila.get(1)?, mensajes })
    };
    consulta.query_map(params![primero, fuera, desde], ventana)?.collect()
}

impl Almacen for AlmacenEmbebido {
    fn insertar(&mut self, coleccion: &str, documentos: &[Documento]) -> Result<usize, ErrorAlmacen> {
        let mut hecho = self.guardar(coleccion, documentos);
        let perdido = contar(self.guardados, "documento", "documentos");
        let perdido = format!("con él se ha perdido lo que tenía, y {perdido} de este programa");
        if self.fichero.reabierto(&perdido).map_err(|frase| ErrorAlmacen::Definitivo(frase.0))? {
            self.perdidos += mem::take(&mut self.guardados);
            hecho = self.guardar(coleccion, documentos);
        }
        match hecho {
            Ok(Ok(nuevos)) => {
                self.guardados += nuevos as u64;
                Ok(nuevos)
            }
            Ok(Err(id)) => Err(ErrorAlmacen::OtraHistoria(id)),
            Err(error) => Err(embebido::fallo(&error, ErrorAlmacen::Pasajero, ErrorAlmacen::Definitivo)),
        }
    }

    fn ventanas(&mut self, topic: &str, particion: i32, desde: i64) -> Result<Vec<Ventana>, ErrorAlmacen> {
        ventanas(self.fichero.conexion(), &ids_de_ventanas(topic, particion), desde)
            .map_err(|error| embebido::fallo(&error, ErrorAlmacen::Pasajero, ErrorAlmacen::Definitivo))
    }

    fn perdidos(&self) -> u64 {
        self.perdidos
    }
}
