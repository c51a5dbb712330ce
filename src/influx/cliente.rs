//! De la configuración a un [`WriteApi`] en marcha: elige buffer y destino.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::buffer::Buffer;
use super::carpeta::{Carpeta, ErrorCarpeta};
use super::diario::{Diario, Limites};
use super::envio::Envio;
use super::fichero;
use super::http::{Acceso, ClienteHttp};
use super::opciones::WriteOptions;
use super::respaldo::ConRespaldo;
use super::write_api::WriteApi;
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::causa::causa;
use crate::herramientas::texto::contar;
use crate::nombres::FICHERO_PUNTOS;

/// Lo que puede durar una petición: lo mismo que en influxdb-client-python.
const LIMITE_PETICION: Duration = Duration::from_secs(10);

/// Dónde viven los puntos: ahí escribe el agente y de ahí lee el panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lugar {
    /// Sin servidor: un fichero de line protocol en la carpeta de datos.
    Fichero,
    /// Un InfluxDB.
    Servidor {
        /// Por ejemplo `http://localhost:8086`.
        url: String,
        /// Versión y credenciales.
        acceso: Acceso,
    },
}

/// El cliente: un servidor (o un fichero) y la carpeta donde esperan los puntos de este agente.
pub struct InfluxDBClient {
    lugar: Lugar,
    datos: PathBuf,
    carpeta: Carpeta,
    limites: Limites,
    avisos: Avisos,
}

/// Por qué no se puede empezar a escribir.
#[derive(Debug)]
pub enum ErrorCliente {
    /// La carpeta de este `host_id` no se puede usar.
    Carpeta(ErrorCarpeta),
    /// La URL no vale.
    Url(String),
    /// El fichero o el diario no se pueden abrir.
    Disco(PathBuf, io::Error),
    /// El sistema no puede crear el hilo temporizador.
    Hilo(io::Error),
}

impl InfluxDBClient {
    /// Reserva la carpeta de `host_id` dentro de `datos`. No conecta todavía.
    ///
    /// # Errors
    /// [`ErrorCliente`], que es una frase para el usuario.
    pub fn new(
        lugar: &Lugar,
        datos: &Path,
        host_id: &str,
        limites: Limites,
        avisos: Avisos,
    ) -> Result<Self, ErrorCliente> {
        let carpeta = Carpeta::reservar(datos, host_id, &lugar.identidad(), &lugar.to_string())
            .map_err(ErrorCliente::Carpeta)?;
        Ok(InfluxDBClient { lugar: lugar.clone(), datos: datos.to_owned(), carpeta, limites, avisos })
    }

    /// Arranca la escritura por lotes y cuenta adónde van los puntos.
    ///
    /// # Errors
    /// [`ErrorCliente`], que es una frase para el usuario.
    pub fn write_api(self, opciones: WriteOptions) -> Result<WriteApi, ErrorCliente> {
        let decir = |frase: String| (self.avisos)(Nivel::Info, &frase);
        match &self.lugar {
            Lugar::Fichero => {
                let ruta = self.datos.join(FICHERO_PUNTOS);
                let abierto = fichero::abrir(&ruta, self.avisos.clone());
                let (fichero, asegurar, cortados) =
                    abierto.map_err(|e| ErrorCliente::Disco(ruta.clone(), e))?;
                let ruta = ruta.display().to_string();
                decir(format!(
                    "Sin servidor configurado: los puntos van a {ruta}, que se carga con «influx write -f»."
                ));
                if cortados > 0 {
                    decir(format!("La última línea de {ruta} estaba a medias (un apagón): se ha cortado."));
                }
                let buffer = ConRespaldo::new(fichero, ruta, self.carpeta, self.avisos);
                WriteApi::new(Box::new(buffer), Box::new(asegurar), opciones).map_err(ErrorCliente::Hilo)
            }
            Lugar::Servidor { url, acceso } => {
                let http = ClienteHttp::new(url, acceso, LIMITE_PETICION).map_err(ErrorCliente::Url)?;
                let ruta = self.carpeta.ruta.clone();
                let abierto = Diario::abrir(&ruta, self.limites, self.avisos.clone());
                let diario = abierto.map_err(|e| ErrorCliente::Disco(ruta.clone(), e))?;
                decir(format!("Los puntos van a {}; mientras esperan, en {}.", self.lugar, ruta.display(),));
                if diario.pendientes() > 0 {
                    let puntos = contar(diario.pendientes() as u64, "punto", "puntos");
                    decir(format!("De la vez anterior queda por enviar: {puntos}. Sale primero."));
                }
                let rechazados = ruta.join("rechazados.lp");
                let (nombre, avisos) = (self.lugar.to_string(), self.avisos.clone());
                let envio = Envio::new(http, acceso.clone(), nombre, rechazados, opciones.politica(), avisos);
                let buffer = ConRespaldo::new(diario, ruta.display().to_string(), self.carpeta, self.avisos);
                WriteApi::new(Box::new(buffer), Box::new(envio), opciones).map_err(ErrorCliente::Hilo)
            }
        }
    }
}

impl Lugar {
    /// Lo que distingue un destino de otro: lo pendiente para uno nunca va a otro. Sin credenciales.
    fn identidad(&self) -> String {
        match self {
            Lugar::Fichero => "fichero".to_owned(),
            Lugar::Servidor { url, acceso: Acceso::V2 { org, bucket, .. } } => {
                format!("{}\norg={org}\nbucket={bucket}", url.trim_end_matches('/'))
            }
            Lugar::Servidor { url, acceso: Acceso::V1 { database, .. } } => {
                format!("{}\ndatabase={database}", url.trim_end_matches('/'))
            }
        }
    }
}

/// El nombre del destino en los avisos.
impl fmt::Display for Lugar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lugar::Fichero => f.write_str("el fichero"),
            Lugar::Servidor { url, acceso: Acceso::V2 { bucket, .. } } => {
                write!(f, "InfluxDB ({url}, bucket {bucket})")
            }
            Lugar::Servidor { url, acceso: Acceso::V1 { database, .. } } => {
                write!(f, "InfluxDB 1.x ({url}, base de datos {database})")
            }
        }
    }
}

impl fmt::Display for ErrorCliente {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorCliente::Carpeta(error) => error.fmt(f),
            ErrorCliente::Url(frase) => f.write_str(frase),
            ErrorCliente::Disco(ruta, error) => {
                write!(
                    f,
                    "no se puede abrir {} ({}): revisa sus permisos o elige otra carpeta con --datos",
                    ruta.display(),
                    causa(error)
                )
            }
            ErrorCliente::Hilo(error) => write!(f, "el sistema no deja crear otro hilo: {error}"),
        }
    }
}

impl std::error::Error for ErrorCliente {}
