//! El productor: cinco servidores simulados mandan sus métricas cada diez segundos.
//!
//! Es `productor_metrics_iabd06.py`, de arriba abajo. La guía está en `docs/02-productor.md`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use practicas_iabd06::avisos::{Nivel, contar};
use practicas_iabd06::broker::PorEnviar;
use practicas_iabd06::config::tuberia::Productor;
use practicas_iabd06::fallo::{Fallo, salir};
use practicas_iabd06::insistir::insistir;
use practicas_iabd06::motores;
use practicas_iabd06::pantalla::Pantalla;
use practicas_iabd06::parada::Parada;
use practicas_iabd06::ritmo;
use practicas_iabd06::simulador::Simulador;
use time::OffsetDateTime;

/// Mensajes que se envían y confirman juntos.
const TANDA: usize = 1_000;

/// Lo que se espera, tras Ctrl-C, a un broker que no contesta.
const LIMITE_PARADA: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    salir(productor())
}

fn productor() -> Result<(), Fallo> {
    let config = Productor::leer()?;
    let parada = Parada::instalar()?; // Ctrl-C
    parada.limitar(LIMITE_PARADA);
    let pantalla = Pantalla::new(&config.salida, &parada)?;

    // 1. Inicialización: el broker y los servidores simulados.
    let mut emisor = motores::emisor(&config.broker, &config.datos, &pantalla.avisos())?;
    let mut simulador = Simulador::new(config.servidores, config.semilla);

    // 2. Una ronda cada diez segundos: un mensaje de cada servidor.
    let (mut rondas, mut confirmados) = (0, 0);
    let inicio = Instant::now();
    while config.rondas != Some(rondas) && !parada.pedida() {
        let ahora = OffsetDateTime::now_utc();
        let mut ronda = Vec::with_capacity(config.servidores);
        let mut resumen = String::new();
        for (i, mensaje) in simulador.ronda(ahora).enumerate() {
            if i < 5 {
                resumen += &format!("  {} {:.0} %", mensaje.server_id, mensaje.metrics.cpu_percent);
            }
            let mut json = String::with_capacity(256);
            mensaje.escribir_json(&mut json);
            ronda.push(PorEnviar { clave: mensaje.server_id.to_owned(), valor: json.into_bytes() });
        }
        rondas += 1;

        for tanda in ronda.chunks(TANDA) {
            if insistir(&parada, &pantalla, || emisor.enviar(tanda))?.is_none() {
                break; // se ha pedido parar con el broker caído
            }
            confirmados += tanda.len() as u64;
        }
        let enviados = contar(confirmados, "mensaje confirmado", "mensajes confirmados");
        let linea = format!("ronda {rondas}  {enviados}{resumen}");
        pantalla.progreso(&linea, &linea);

        if config.rondas != Some(rondas) {
            parada.esperar_hasta(inicio + ritmo::siguiente(inicio.elapsed(), config.intervalo));
        }
    }

    // 3. Cierre: todo lo confirmado está en el topic.
    let generados = rondas * config.servidores as u64;
    let frase = format!(
        "{}: {}, {} sin confirmar.",
        contar(rondas, "ronda", "rondas"),
        contar(confirmados, "mensaje confirmado", "mensajes confirmados"),
        generados - confirmados
    );
    pantalla.avisar(Nivel::Info, &frase);
    Ok(())
}
