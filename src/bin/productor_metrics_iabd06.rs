//! El productor: cinco servidores simulados mandan sus métricas cada diez segundos.
//!
//! Es `productor_metrics_iabd06.py`, de arriba abajo. La guía está en `docs/02-productor.md`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::Duration;

use practicas_iabd06::avisos::Nivel;
use practicas_iabd06::broker::PorEnviar;
use practicas_iabd06::broker::envios::{Cierre, Envios};
use practicas_iabd06::config::productor::Productor;
use practicas_iabd06::fallo::{Fallo, salir};
use practicas_iabd06::herramientas::texto::contar;
use practicas_iabd06::motores;
use practicas_iabd06::pantalla::Pantalla;
use practicas_iabd06::parada::Parada;
use practicas_iabd06::ritmo::Ritmo;
use practicas_iabd06::simulador::Simulador;
use practicas_iabd06::tablero::Tablero;
use time::OffsetDateTime;

/// Lo que se espera en cada ronda a que el broker confirme, antes de enseñarla.
const ESPERA: Duration = Duration::from_secs(1);

/// Lo que se espera, tras Ctrl-C, a un broker que no contesta.
const LIMITE_PARADA: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    salir(productor())
}

fn productor() -> Result<(), Fallo> {
    let config = Productor::leer()?;
    let parada = Parada::instalar()?; // Ctrl-C
    parada.limitar(LIMITE_PARADA, 1, "Parado sin esperar más al broker: lo que no ha confirmado se pierde.");
    let pantalla = Pantalla::new(&config.salida, &parada)?;

    // 1. Inicialización: el broker y los servidores simulados.
    let emisor = motores::emisor(&config.broker, &config.datos, &pantalla.avisos())?;
    let mut envios = Envios::new(emisor, &parada, pantalla.avisos())?;
    let mut simulador = Simulador::new(config.servidores, config.semilla);
    let mut tablero = Tablero::new(&pantalla);

    // 2. Una ronda cada diez segundos: un mensaje de cada servidor.
    let mut rondas = 0;
    let mut ritmo = Ritmo::desde_ya(config.intervalo);
    'rondas: while config.rondas != Some(rondas) && ritmo.esperar(&parada) {
        for mensaje in simulador.ronda(OffsetDateTime::now_utc()) {
            if !envios.send(PorEnviar::from(&mensaje)) {
                break 'rondas; // se ha pedido parar con el broker caído: esta ronda no se acaba
            }
            tablero.mensaje(mensaje.server_id, &mensaje.metrics);
        }
        rondas += 1;

        envios.flush(ESPERA.min(config.intervalo)); // sin retrasar la ronda siguiente
        tablero.ronda(rondas, envios.confirmados(), envios.pendientes());
    }

    // 3. Cierre: lo que quede en la cola sale ahora.
    let Cierre { confirmados, pendientes, fin } = envios.close();
    let frase = format!(
        "{}: {}, {pendientes} sin confirmar.",
        contar(rondas, "ronda", "rondas"),
        contar(confirmados, "mensaje confirmado", "mensajes confirmados")
    );
    pantalla.avisar(Nivel::Info, &frase);
    fin
}
