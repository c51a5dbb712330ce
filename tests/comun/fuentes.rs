//! Lo que comparten las pruebas de la configuración: leerla sin lanzar ningún programa.
#![allow(dead_code)] // cada prueba usa una parte

use std::ffi::OsString;
use std::fs;

use practicas_iabd06::config::agente::{self, Agente};
use practicas_iabd06::config::consumidor::{self, Consumidor};
use practicas_iabd06::config::kafka::Broker;
#[cfg(feature = "panel")]
use practicas_iabd06::config::panel::{self, Panel};
use practicas_iabd06::config::productor::{self, Productor};
use practicas_iabd06::config::{Programa, Valores};
use practicas_iabd06::fallo::Fallo;
use practicas_iabd06::influx::{Lugar, WriteOptions};

/// De dónde se lee en una prueba.
#[derive(Default)]
pub struct Fuentes<'a> {
    pub ordenes: &'a [&'a str],
    pub entorno: &'a [(&'a str, &'a str)],
    pub dotenv: &'a str,
}

impl Fuentes<'_> {
    pub fn leer(&self, programa: &'static Programa) -> Result<Valores, Fallo> {
        let carpeta = tempfile::tempdir().unwrap();
        let ruta = carpeta.path().join(".env");
        fs::write(&ruta, self.dotenv).unwrap();
        let entorno = |nombre: &str| {
            self.entorno.iter().find(|(v, _)| *v == nombre).map(|(_, valor)| OsString::from(valor))
        };
        Valores::leer(programa, self.ordenes.iter().map(OsString::from), entorno, &ruta)
    }

    pub fn agente(&self) -> Result<Agente, Fallo> {
        Agente::de(&self.leer(&agente::PROGRAMA)?, WriteOptions::default())
    }

    pub fn productor(&self) -> Result<Productor, Fallo> {
        Productor::de(&self.leer(&productor::PROGRAMA)?)
    }

    pub fn consumidor(&self) -> Result<Consumidor, Fallo> {
        Consumidor::de(&self.leer(&consumidor::PROGRAMA)?)
    }

    #[cfg(feature = "panel")]
    pub fn panel(&self) -> Result<Panel, Fallo> {
        Panel::de(&self.leer(&panel::PROGRAMA)?)
    }
}

pub fn ordenes<'a>(ordenes: &'a [&'a str]) -> Fuentes<'a> {
    Fuentes { ordenes, ..Fuentes::default() }
}

/// La frase de un mal uso.
#[track_caller]
pub fn uso<T>(leido: Result<T, Fallo>) -> String {
    match leido {
        Err(Fallo::Uso(frase)) => frase,
        Err(otro) => panic!("no es un mal uso: {otro:?}"),
        Ok(_) => panic!("debía ser un mal uso"),
    }
}

#[track_caller]
pub fn contiene(frase: &str, trozo: &str) {
    assert!(frase.contains(trozo), "falta «{trozo}» en «{frase}»");
}

pub fn broker(fuentes: &Fuentes) -> Vec<String> {
    match fuentes.productor().unwrap().broker {
        Broker::Kafka(direcciones, _) => direcciones,
        Broker::Embebido => vec![],
    }
}

/// Un `.env` con un InfluxDB 2 y otro con un InfluxDB 1.x, enteros.
pub const ENV_V2: &str =
    "INFLUXDB_V2_URL=http://dos:8086\nINFLUXDB_V2_TOKEN=t\nINFLUXDB_V2_ORG=o\nINFLUXDB_BUCKET=b\n";
pub const ENV_V1: &str = "INFLUXDB_V1_URL=http://uno:8086\nINFLUXDB_V1_DATABASE=d\n";

pub fn url(fuentes: &Fuentes) -> String {
    match fuentes.agente().unwrap().lugar {
        Lugar::Servidor { url, .. } => url,
        Lugar::Fichero => "fichero".to_owned(),
    }
}
