//! De la configuración a las dos fuentes del panel. Ninguna conecta hasta que alguien mire.

use std::path::Path;

use super::documentos::Documentos;
use super::documentos::mongodb::DocumentosMongo;
use super::puntos::Puntos;
use super::puntos::fichero::PuntosDelFichero;
use super::puntos::influx::PuntosDeInflux;
use super::puntos::influx1::Influx1;
use super::puntos::influx2::Influx2;
use crate::config::mongodb::BaseDeDatos;
use crate::fallo::Fallo;
use crate::influx::Acceso;
use crate::influx::Lugar;
use crate::influx::consulta::ClienteConsulta;
use crate::nombres::FICHERO_PUNTOS;

/// De dónde se leen los puntos del agente.
///
/// # Errors
/// [`Fallo::Uso`] si la URL, el proxy o los certificados no valen.
pub fn puntos(lugar: &Lugar, datos: &Path) -> Result<Box<dyn Puntos>, Fallo> {
    Ok(match lugar {
        Lugar::Fichero => Box::new(PuntosDelFichero::new(datos.join(FICHERO_PUNTOS))),
        Lugar::Servidor { url, acceso, ca } => {
            let cliente = ClienteConsulta::new(url, acceso.clone(), ca.as_deref());
            let cliente = cliente.map_err(|frase| Fallo::Uso(frase.0))?;
            match acceso {
                Acceso::V2 { bucket, .. } => Box::new(PuntosDeInflux::new(Influx2::new(cliente, bucket))),
                Acceso::V1 { database, .. } => Box::new(PuntosDeInflux::new(Influx1::new(cliente, database))),
            }
        }
    })
}

/// De dónde se leen los documentos del consumidor.
///
/// # Errors
/// [`Fallo`] si la URI de MongoDB no vale.
pub fn documentos(base: &BaseDeDatos, datos: &Path) -> Result<Box<dyn Documentos>, Fallo> {
    match base {
        BaseDeDatos::Mongo { uri, base } => Ok(Box::new(DocumentosMongo::new(uri, base)?)),
        #[cfg(feature = "embebido")]
        BaseDeDatos::Embebida => Ok(Box::new(super::documentos::embebido::DocumentosEmbebidos::new(datos))),
        #[cfg(not(feature = "embebido"))]
        BaseDeDatos::Embebida => {
            let _ = datos; // solo le hacen falta al motor embebido
            Ok(Box::new(super::documentos::SinEmbebido))
        }
    }
}
