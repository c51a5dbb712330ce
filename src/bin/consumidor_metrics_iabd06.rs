//! El consumidor: guarda cada mensaje en crudo y, cada 20, los KPIs de la ventana.
//!
//! Es `consumidor_metrics_iabd06.py`, de arriba abajo. La guía está en `docs/03-consumidor-kpis.md`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use practicas_iabd06::almacen::{self, CRUDOS, DESCARTADOS, KPIS};
use practicas_iabd06::avisos::Nivel;
use practicas_iabd06::broker::TOPIC;
use practicas_iabd06::config::tuberia::Consumidor;
use practicas_iabd06::consumo::Consumo;
use practicas_iabd06::fallo::{Fallo, salir};
use practicas_iabd06::insistir::insistir;
use practicas_iabd06::motores;
use practicas_iabd06::pantalla::{Pantalla, barra};
use practicas_iabd06::parada::Parada;

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
    parada.limitar(LIMITE_PARADA);
    let pantalla = Pantalla::new(&config.salida, &parada)?;

    // 1. Inicialización: de dónde se lee, dónde se guarda y las ventanas.
    let mut receptor =
        motores::receptor(&config.broker, &config.datos, &config.group_id, &pantalla.avisos())?;
    let mut base = motores::almacen(&config.base, &config.datos, &pantalla.avisos())?;
    let mut consumo = Consumo::new(TOPIC, config.ventana);
    let (mut leidos, mut crudos, mut descartados, mut kpis) = (0, 0, 0, 0);

    // 2. Bucle: cada tanda de mensajes, como la entrega el broker.
    while config.mensajes != Some(leidos) && !parada.pedida() {
        let recibidos = insistir(&parada, &pantalla, || {
            receptor.recibir(ESPERA).inspect_err(|_| consumo.olvidar_ventanas()) // se vuelve a lo confirmado
        })?;
        let Some(mut registros) = recibidos else { break };
        registros.truncate(config.mensajes.map_or(usize::MAX, |n| (n - leidos) as usize));
        leidos += registros.len() as u64;
        let tanda = consumo.procesar(&registros, SystemTime::now());

        // Crudos, descartados, KPIs y commit, en este orden: así nada se pierde ni se repite.
        let guardado = insistir(&parada, &pantalla, || {
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
            pantalla.avisar(Nivel::Aviso, &format!("{error}. Se relee lo que no se ha confirmado."));
            consumo.olvidar_ventanas(); // releer no repite nada
        }

        crudos += tanda.crudos.len();
        descartados += tanda.descartados.len();
        kpis += tanda.kpis.len();
        for documento in &tanda.kpis {
            pantalla.dato(&almacen::a_json(documento).to_string());
        }
        if !registros.is_empty() {
            let abierta: u64 = consumo.abiertas().map(|(_, n)| n).sum();
            let cuentas = format!("crudos {crudos}  descartados {descartados}  KPIs {kpis}");
            let barra = barra(abierta as usize, config.ventana as usize);
            pantalla.progreso(
                &format!("ventana {barra} {abierta}/{}  {cuentas}", config.ventana),
                &format!("{} mensajes  ventana {abierta}/{}  {cuentas}", registros.len(), config.ventana),
            );
        }
    }

    // 3. Cierre: la ventana abierta no se confirma, y la próxima vez se relee entera.
    for (particion, mensajes) in consumo.abiertas() {
        let frase =
            format!("Partición {particion}: ventana abierta: {mensajes}/{}, se releerá.", config.ventana);
        pantalla.avisar(Nivel::Info, &frase);
    }
    let frase = format!("{leidos} mensajes leídos: {crudos} crudos, {descartados} descartados, {kpis} KPIs.");
    pantalla.avisar(Nivel::Info, &frase);
    Ok(())
}
