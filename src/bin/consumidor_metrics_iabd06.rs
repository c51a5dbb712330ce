//! El consumidor: guarda cada mensaje en crudo y, cada 20, los KPIs de la ventana.
//!
//! Es `consumidor_metrics_iabd06.py`, de arriba abajo. La guía está en `docs/03-consumidor-kpis.md`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use practicas_iabd06::avisos::Nivel;
use practicas_iabd06::config::consumidor::Consumidor;
use practicas_iabd06::consumo::Consumo;
use practicas_iabd06::fallo::{Fallo, salir};
use practicas_iabd06::insistir::insistir;
use practicas_iabd06::motores;
use practicas_iabd06::nombres::{CRUDOS, DESCARTADOS, KPIS, TOPIC};
use practicas_iabd06::pantalla::Pantalla;
use practicas_iabd06::parada::Parada;
use practicas_iabd06::tablero::{Cuentas, Tablero};

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
    parada.limitar(LIMITE_PARADA, "Parado sin esperar más: lo que no se ha confirmado se releerá.");
    let pantalla = Pantalla::new(&config.salida, &parada)?;
    let avisos = pantalla.avisos();

    // 1. Inicialización: de dónde se lee, dónde se guarda y las ventanas.
    let mut receptor = motores::receptor(&config.broker, &config.datos, &config.group_id, &avisos)?;
    let mut base = motores::almacen(&config.base, &config.datos, &avisos)?;
    let mut consumo = Consumo::new(TOPIC, config.ventana);
    let mut cuentas = Cuentas::default();
    let mut tablero = Tablero::new(&pantalla);

    // 2. Bucle: cada tanda de mensajes, como la entrega el broker.
    while config.mensajes != Some(cuentas.leidos) && !parada.pedida() {
        let recibidos = insistir(&parada, &avisos, || receptor.recibir(ESPERA))?;
        let Some(mut registros) = recibidos else { break };
        consumo.olvidar_ventanas(&receptor.reiniciadas()); // se releen desde lo confirmado, o son ya de otro
        registros.truncate(config.mensajes.map_or(usize::MAX, |n| (n - cuentas.leidos) as usize));
        cuentas.leidos += registros.len() as u64;
        let tanda = consumo.procesar(&registros, SystemTime::now());

        // Crudos, descartados, KPIs y commit, en este orden: así nada se pierde ni se repite.
        let guardado = insistir(&parada, &avisos, || {
            base.insertar(CRUDOS, &tanda.crudos)?;
            base.insertar(DESCARTADOS, &tanda.descartados)?;
            base.insertar(KPIS, &tanda.kpis)
        })?;
        if guardado.is_none() {
            break; // se ha pedido parar con la base de datos caída
        }
        let confirmar: Vec<_> = tanda.confirmar.into_iter().collect();
        if !confirmar.is_empty()
            && let Err(error) = receptor.confirmar(&confirmar)
        {
            // Releer no repite nada.
            pantalla.avisar(Nivel::Aviso, &format!("{error}. Se relee lo que no se ha confirmado."));
        }

        cuentas.crudos += tanda.crudos.len();
        cuentas.descartados += tanda.descartados.len();
        cuentas.kpis += tanda.kpis.len();
        for documento in &tanda.kpis {
            tablero.kpi(documento);
        }
        let abierta = consumo.abiertas().map(|(_, mensajes)| mensajes).max().unwrap_or(0);
        tablero.tanda(&registros, cuentas, (abierta, config.ventana), || receptor.atraso().ok());
    }

    // 3. Cierre: la ventana abierta no se confirma, y la próxima vez se relee entera.
    for (particion, mensajes) in consumo.abiertas() {
        let frase =
            format!("Partición {particion}: ventana abierta: {mensajes}/{}, se releerá.", config.ventana);
        pantalla.avisar(Nivel::Info, &frase);
    }
    let Cuentas { leidos, crudos, descartados, kpis } = cuentas;
    let frase = format!("{leidos} mensajes leídos: {crudos} crudos, {descartados} descartados, {kpis} KPIs.");
    pantalla.avisar(Nivel::Info, &frase);
    Ok(())
}
