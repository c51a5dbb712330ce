//! PR0204: agente de monitorización que escribe en InfluxDB por lotes.
//!
//! Es `agente_monitoreo.py`, de arriba abajo. La guía está en `docs/01-agente-influxdb.md`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::Duration;

use practicas_iabd06::avisos::Nivel;
use practicas_iabd06::config::agente::Agente;
use practicas_iabd06::fallo::{Fallo, salir};
use practicas_iabd06::influx::{InfluxDBClient, Point, WriteOptions};
use practicas_iabd06::nombres::MEDIDA;
use practicas_iabd06::pantalla::Pantalla;
use practicas_iabd06::parada::Parada;
use practicas_iabd06::ritmo::Ritmo;
use practicas_iabd06::sistema::Sistema;
use practicas_iabd06::tablero::TableroAgente;

fn main() -> ExitCode {
    salir(agente())
}

fn agente() -> Result<(), Fallo> {
    // Una lectura por segundo y un envío cada diez: lotes de unos diez puntos.
    let config = Agente::leer(WriteOptions {
        flush_interval: Duration::from_secs(10),
        max_close_wait: Duration::from_secs(5),
        ..WriteOptions::default()
    })?;
    let parada = Parada::instalar()?; // Ctrl-C
    let pantalla = Pantalla::new(&config.salida, &parada)?;

    // 1. Inicialización: el cliente y su WriteApi en modo batching.
    let cliente = InfluxDBClient::new(config.ajustes(), pantalla.avisos())?;
    let write_api = cliente.write_api(config.write_options.clone())?;

    // 2. Bucle de lectura, a hora fija.
    let mut sistema = Sistema::new()?;
    let mut ritmo = Ritmo::cada(config.intervalo);
    let mut tablero = TableroAgente::new(&pantalla, &config.lugar, config.intervalo, &config.write_options);
    while config.lecturas != Some(tablero.lecturas()) && ritmo.esperar(&parada) {
        let metricas = sistema.obtener_metricas_sistema(&config.host_id)?;

        let punto = Point::new(MEDIDA)
            .tag("host_id", &metricas.host)
            .tag("entorno", &config.entorno)
            .field("cpu_percent", metricas.cpu_percent)
            .field("ram_percent", metricas.ram_percent)
            .field("disk_percent", metricas.disk_percent);

        if let Err(error) = write_api.write(&punto) {
            pantalla.avisar(Nivel::Error, &error.to_string());
        }
        tablero.lectura(&metricas, &write_api.resumen());
    }

    // 3. Cierre: lo que quede en el buffer sale ahora.
    let resumen = write_api.close();
    tablero.resumen(&resumen)?;
    Ok(())
}
