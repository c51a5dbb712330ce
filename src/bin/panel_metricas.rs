//! El panel: una página web en la que se ve lo que guardan el agente y el consumidor.
//!
//! La guía está en `docs/05-panel.md`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use practicas_iabd06::avisos::Nivel;
use practicas_iabd06::config::panel::Panel;
use practicas_iabd06::fallo::{Fallo, salir};
use practicas_iabd06::herramientas::hilo::lanzar;
use practicas_iabd06::panel::secretos::Secretos;
use practicas_iabd06::panel::{abrir, conexiones, puerta, web};
use practicas_iabd06::pantalla::Pantalla;
use practicas_iabd06::parada::Parada;

fn main() -> ExitCode {
    salir(panel())
}

fn panel() -> Result<(), Fallo> {
    let config = Panel::leer()?;
    let parada = Parada::instalar()?; // Ctrl-C
    let pantalla = Pantalla::new(&config.salida, &parada)?;

    // 1. De dónde se lee, con la misma configuración que los demás programas.
    let puntos = abrir::puntos(&config.puntos, &config.datos)?;
    let documentos = abrir::documentos(&config.base, &config.datos)?;
    let pagina =
        web::Pagina::new(&config.escuchar, puntos, documentos, Secretos::de(&config.puntos, &config.base))?;

    // 2. La puerta: a partir de aquí se puede entrar.
    let escucha = puerta::escuchar(&config.escuchar, config.puerto)?;
    let url = puerta::url(&escucha)?;
    pantalla.avisar(Nivel::Info, &format!("Panel en {url} (Ctrl-C para salir)"));
    if let Some(frase) = puerta::aviso(&escucha)? {
        pantalla.avisar(Nivel::Aviso, &frase);
    }
    lanzar("puerta", move || {
        conexiones::atender(&escucha, Arc::new(move |peticion| pagina.responder(peticion)))
    })?;
    if config.abrir {
        puerta::abrir_navegador(&url, pantalla.avisos());
    }

    // 3. Hasta Ctrl-C. No hay nada que guardar.
    while !parada.esperar_hasta(Instant::now() + Duration::from_secs(3600)) {}
    Ok(())
}
