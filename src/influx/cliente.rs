//! De la configuración a un [`WriteApi`] en marcha: elige buffer y destino.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::acceso::Acceso;
use super::buffer::Buffer;
use super::carpeta::{Carpeta, ErrorCarpeta};
use super::diario::{Diario, Limites};
use super::envio::Envio;
use super::fichero;
use super::http::ClienteHttp;
use super::olvidados::{self, Olvidada};
use super::opciones::WriteOptions;
use super::respaldo::ConRespaldo;
use super::write_api::WriteApi;
use crate::avisos::{Avisos, Nivel};
use crate::fallo::Frase;
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
        /// Los certificados en los que se confía; sin él, los del sistema.
        ca: Option<PathBuf>,
    },
}

/// De quién son los puntos, adónde van y dónde esperan.
#[derive(Debug, Clone, Copy)]
pub struct Ajustes<'a> {
    /// El nombre de este agente: no puede haber dos iguales hacia el mismo lugar.
    pub host_id: &'a str,
    /// Adónde van.
    pub lugar: &'a Lugar,
    /// La carpeta de datos.
    pub datos: &'a Path,
    /// Tamaño del diario.
    pub limites: Limites,
    /// La carpeta de otro destino cuyos puntos pasan a este, o `todo`.
    pub recuperar: Option<&'a str>,
}

/// El cliente: un servidor (o un fichero) y la carpeta donde esperan los puntos de este agente.
pub struct InfluxDBClient {
    lugar: Lugar,
    datos: PathBuf,
    carpeta: Carpeta,
    limites: Limites,
    recuperar: Option<String>,
    avisos: Avisos,
}

/// Por qué no se puede empezar a escribir.
#[derive(Debug)]
pub enum ErrorCliente {
    /// La carpeta de este `host_id` no se puede usar.
    Carpeta(ErrorCarpeta),
    /// La URL no vale.
    Url(Frase),
    /// Lo que espera en otra carpeta no se puede recuperar.
    Recuperar(Frase),
    /// El fichero o el diario no se pueden abrir.
    Disco(PathBuf, io::Error),
    /// El sistema no puede crear el hilo temporizador.
    Hilo(io::Error),
}

impl InfluxDBClient {
    /// Reserva la carpeta de este agente. No conecta todavía.
    ///
    /// # Errors
    /// [`ErrorCliente`], que es una frase para el usuario.
    pub fn new(ajustes: Ajustes, avisos: Avisos) -> Result<Self, ErrorCliente> {
        let Ajustes { host_id, lugar, datos, limites, recuperar } = ajustes;
        let recuperar = recuperar.map(str::to_owned);
        let carpeta = Carpeta::reservar(datos, host_id, &lugar.identidad(), &lugar.to_string())
            .map_err(ErrorCliente::Carpeta)?;
        Ok(InfluxDBClient {
            lugar: lugar.clone(),
            datos: datos.to_owned(),
            carpeta,
            limites,
            recuperar,
            avisos,
        })
    }

    /// Arranca la escritura por lotes y cuenta adónde van los puntos.
    ///
    /// # Errors
    /// [`ErrorCliente`], que es una frase para el usuario.
    pub fn write_api(self, opciones: WriteOptions) -> Result<WriteApi, ErrorCliente> {
        match self.lugar.clone() {
            Lugar::Fichero => self.hacia_el_fichero(opciones),
            Lugar::Servidor { url, acceso, ca } => {
                let http = ClienteHttp::new(&url, &acceso, ca.as_deref(), LIMITE_PETICION)
                    .map_err(ErrorCliente::Url)?;
                self.hacia_el_servidor(http, opciones)
            }
        }
    }

    fn hacia_el_fichero(self, opciones: WriteOptions) -> Result<WriteApi, ErrorCliente> {
        let ruta = self.datos.join(FICHERO_PUNTOS);
        let abierto = fichero::abrir(&ruta, self.avisos.clone());
        let (mut buffer, asegurar, cortados) = abierto.map_err(|e| ErrorCliente::Disco(ruta.clone(), e))?;
        let nombre = ruta.display().to_string();
        self.decir(&format!(
            "Sin servidor configurado: los puntos van a {nombre}, que se carga con «influx write -f»."
        ));
        if cortados > 0 {
            self.decir(&format!("La última línea de {nombre} estaba a medias (un apagón): se ha cortado."));
        }
        self.recuperar(|olvidada| olvidada.copiar(&mut buffer, &ruta).map(|()| 0))?;
        let buffer = ConRespaldo::new(buffer, nombre, self.carpeta, self.avisos);
        WriteApi::new(Box::new(buffer), Box::new(asegurar), opciones).map_err(ErrorCliente::Hilo)
    }

    fn hacia_el_servidor(self, http: ClienteHttp, opciones: WriteOptions) -> Result<WriteApi, ErrorCliente> {
        let ruta = self.carpeta.ruta.clone();
        self.decir(&format!("Los puntos van a {}; mientras esperan, en {}.", self.lugar, ruta.display()));
        self.recuperar(|olvidada| olvidada.mover(&ruta, self.limites))?;
        let abierto = Diario::abrir(&ruta, self.limites, self.avisos.clone());
        let diario = abierto.map_err(|e| ErrorCliente::Disco(ruta.clone(), e))?;
        if diario.pendientes() > 0 {
            let puntos = contar(diario.pendientes() as u64, "punto", "puntos");
            self.decir(&format!("De la vez anterior queda por enviar: {puntos}. Sale primero."));
        }
        let (nombre, rechazados) = (self.lugar.to_string(), ruta.join("rechazados.lp"));
        let envio = Envio::new(http, nombre, rechazados, opciones.politica(), self.avisos.clone());
        let buffer = ConRespaldo::new(diario, ruta.display().to_string(), self.carpeta, self.avisos);
        WriteApi::new(Box::new(buffer), Box::new(envio), opciones).map_err(ErrorCliente::Hilo)
    }

    /// Pasa a este destino lo que se ha pedido recuperar, y dice lo que se queda esperando en otras carpetas.
    /// `pasar` devuelve los puntos que no caben.
    fn recuperar(&self, mut pasar: impl FnMut(Olvidada) -> io::Result<u64>) -> Result<(), ErrorCliente> {
        let propia = &self.carpeta.ruta;
        if let Some(cual) = &self.recuperar {
            let pedidas = olvidados::pedidas(cual, &self.datos, propia).map_err(ErrorCliente::Recuperar)?;
            if pedidas.iter().all(|olvidada| olvidada.puntos() == 0) {
                self.decir("No espera nada que recuperar.");
            }
            for olvidada in pedidas.into_iter().filter(|olvidada| olvidada.puntos() > 0) {
                let (nombre, puntos) = (olvidada.nombre(), olvidada.puntos());
                let se_quedan = pasar(olvidada)
                    .map_err(|error| ErrorCliente::Recuperar(olvidados::no_se_recupera(&nombre, &error)))?;
                let puntos = contar(puntos - se_quedan, "punto", "puntos");
                self.decir(&format!("Recuperado de {nombre}: {puntos}, que van a {}.", self.lugar));
                if se_quedan > 0 {
                    let frase =
                        "No cabe todo en el diario: lo demás espera a que salga, o a un --diario-max mayor.";
                    (self.avisos)(Nivel::Aviso, frase);
                }
            }
        }
        for olvidada in olvidados::buscar(&self.datos, propia) {
            let frase = match olvidada {
                Ok(otra) => format!(
                    "{}. Para enviarlos también aquí, arranca con --recuperar {}",
                    otra.frase(),
                    otra.nombre()
                ),
                Err(frase) => format!("{frase}."),
            };
            (self.avisos)(Nivel::Aviso, &frase);
        }
        Ok(())
    }

    fn decir(&self, frase: &str) {
        (self.avisos)(Nivel::Info, frase);
    }
}

impl Lugar {
    /// Lo que distingue un destino de otro: lo pendiente para uno nunca va a otro. Sin credenciales.
    fn identidad(&self) -> String {
        match self {
            Lugar::Fichero => "fichero".to_owned(),
            Lugar::Servidor { url, acceso: Acceso::V2 { org, bucket, .. }, .. } => {
                format!("{}\norg={org}\nbucket={bucket}", url.trim_end_matches('/'))
            }
            Lugar::Servidor { url, acceso: Acceso::V1 { database, .. }, .. } => {
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
            Lugar::Servidor { url, acceso: Acceso::V2 { bucket, .. }, .. } => {
                write!(f, "InfluxDB ({url}, bucket {bucket})")
            }
            Lugar::Servidor { url, acceso: Acceso::V1 { database, .. }, .. } => {
                write!(f, "InfluxDB 1.x ({url}, base de datos {database})")
            }
        }
    }
}

impl fmt::Display for ErrorCliente {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorCliente::Carpeta(error) => error.fmt(f),
            ErrorCliente::Url(frase) | ErrorCliente::Recuperar(frase) => frase.fmt(f),
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
