//! El consumidor: guarda cada mensaje en crudo y, cada 20, los KPIs de la ventana.
//!
//! Es `consumidor_metrics_iabd06.py`, de arriba abajo. La guía está en `docs/03-consumidor-kpis.md`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use practicas_iabd06::almacen::{Almacen, Documento};
use practicas_iabd06::broker::Receptor;
use practicas_iabd06::broker::tope::ConTope;
use practicas_iabd06::config::consumidor::Consumidor;
use practicas_iabd06::consumo::Consumo;
use practicas_iabd06::fallo::{Fallo, salir};
use practicas_iabd06::insistir::Insistencia;
use practicas_iabd06::motores;
use practicas_iabd06::nombres::{CRUDOS, DESCARTADOS, KPIS, TOPIC};
use practicas_iabd06::pantalla::Pantalla;
use practicas_iabd06::parada::Parada;
use practicas_iabd06::tablero::{Guardado, Tablero};

/// Lo que se espera a que llegue algo antes de mirar si hay que parar.
const ESPERA: Duration = Duration::from_millis(500);

/// Lo que se espera, tras Ctrl-C, a un servidor que no contesta.
const LIMITE_PARADA: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    salir(consumidor())
}

fn consumidor() -> Result<(), Fallo> {
    let config = Consumidor::leer()?;
    let parada = Parada::instalar()?; // Ctrl-C
    parada.limitar(LIMITE_PARADA, 0, "Parado sin esperar más: lo que no se ha confirmado se releerá.");
    let pantalla = Pantalla::new(&config.salida, &parada)?;
    let avisos = pantalla.avisos();

    // 1. Inicialización: de dónde se lee, dónde se guarda y las ventanas.
    let receptor = motores::receptor(&config.broker, &config.datos, &config.group_id, &avisos)?;
    let mut receptor = ConTope::new(receptor, config.mensajes);
    let mut base = motores::almacen(&config.base, &config.datos, &avisos)?;
    let con_el_broker = Insistencia::new("el broker", &parada, &avisos);
    let con_la_base = Insistencia::new("la base de datos", &parada, &avisos);
    let guardar = |base: &mut dyn Almacen, coleccion: &str, documentos: &[Documento]| {
        con_la_base.insistir(|| base.insertar(coleccion, documentos))
    };
    let mut consumo = Consumo::new(TOPIC, config.ventana);
    let mut tablero = Tablero::new(&pantalla);

    // 2. Bucle: cada tanda de mensajes, como la entrega el broker.
    while !receptor.completo() && !parada.pedida() {
        let pedida = Instant::now();
        let Some(recibido) = con_el_broker.insistir(|| receptor.recibir(ESPERA))? else { break };
        let tanda = consumo.leer(&recibido, SystemTime::now());

        // Descartados, crudos, KPIs y commit, en este orden: así nada se pierde ni se repite.
        // Nada, si se ha pedido parar con la base de datos caída.
        let Some(descartados) = guardar(&mut *base, DESCARTADOS, &tanda.descartados)? else { break };
        let Some(crudos) = guardar(&mut *base, CRUDOS, &tanda.crudos)? else { break };
        let situar = || consumo.situar(&recibido, |p, desde| base.ventanas(TOPIC, p, desde));
        let Some(()) = con_la_base.insistir(situar)? else { break };
        let cierre = consumo.contar(&tanda, pedida, Instant::now());
        let Some(kpis) = guardar(&mut *base, KPIS, &cierre.kpis)? else { break };
        receptor.confirmar(&cierre.confirmar)?; // si no se puede ahora, en otra vuelta
        let guardado = Guardado { crudos, descartados, kpis };
        tablero.tanda(&tanda, &cierre, guardado, &consumo, || receptor.atraso().ok());
    }

    // 3. Cierre: la ventana abierta no se confirma, y la próxima vez se relee entera.
    Ok(tablero.resumen(&consumo, base.perdidos())?)
}
