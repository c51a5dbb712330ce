//! La cola del productor: orden, tope de mensajes sin confirmar, broker que se va y vuelve, y cierre.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::Duration;

mod comun;
use comun::PACIENCIA;
use practicas_iabd06::broker::envios::{Cierre, Envios};
use practicas_iabd06::broker::{Emisor, ErrorBroker, PorEnviar};
use practicas_iabd06::config::Salida;
use practicas_iabd06::fallo::Fallo;
use practicas_iabd06::pantalla::Pantalla;
use practicas_iabd06::parada::Parada;

/// Un broker que contesta lo que diga la prueba: le llega cada tanda y espera la respuesta.
struct DeMentira {
    tandas: SyncSender<Vec<usize>>,
    respuestas: Receiver<Result<(), ErrorBroker>>,
}

impl Emisor for DeMentira {
    fn enviar(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        let numeros = mensajes.iter().map(|m| m.clave.parse().unwrap()).collect();
        self.tandas.send(numeros).unwrap();
        self.respuestas.recv().unwrap()
    }
}

struct Prueba {
    envios: Envios,
    tandas: Receiver<Vec<usize>>,
    respuestas: Sender<Result<(), ErrorBroker>>,
    parada: Parada,
}

fn preparar() -> Prueba {
    let (tandas, recibidas) = mpsc::sync_channel(100);
    let (responder, respuestas) = mpsc::channel();
    let parada = Parada::default();
    let salida = Salida { silencioso: true, ..Salida::default() };
    let pantalla = Pantalla::new(&salida, &parada).unwrap();
    let emisor = Box::new(DeMentira { tandas, respuestas });
    let envios = Envios::new(emisor, &parada, pantalla.avisos()).unwrap();
    Prueba { envios, tandas: recibidas, respuestas: responder, parada }
}

/// Con el mensaje 0 de camino, sin contestar.
fn con_uno_de_camino() -> Prueba {
    let mut prueba = preparar();
    assert!(prueba.envios.send(mensaje(0)));
    assert_eq!(prueba.tandas.recv_timeout(PACIENCIA).unwrap(), [0]);
    prueba
}

fn mensaje(numero: usize) -> PorEnviar {
    PorEnviar { clave: numero.to_string(), valor: Vec::new() }
}

fn caido() -> Result<(), ErrorBroker> {
    Err(ErrorBroker::Pasajero("el broker no responde".to_owned()))
}

#[test]
fn se_manda_en_orden_lo_que_hay_en_la_cola_y_se_espera_a_la_confirmacion() {
    let Prueba { mut envios, tandas, respuestas, .. } = con_uno_de_camino();
    (1..=2_500).for_each(|n| assert!(envios.send(mensaje(n))));
    envios.flush(Duration::from_millis(1)); // no ha contestado nadie: vuelve al acabarse el tiempo
    assert_eq!((envios.confirmados(), envios.pendientes()), (0, 2_501));
    (0..4).for_each(|_| respuestas.send(Ok(())).unwrap());
    envios.flush(PACIENCIA);
    assert_eq!((envios.confirmados(), envios.pendientes()), (2_501, 0));
    let Cierre { confirmados, pendientes, fin } = envios.close();
    assert!((confirmados, pendientes) == (2_501, 0) && fin.is_ok());
    let tandas: Vec<Vec<usize>> = tandas.iter().collect();
    assert_eq!(tandas.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 500], "lo que haya, junto");
    assert_eq!(tandas.concat(), (1..=2_500).collect::<Vec<_>>());
}

#[test]
fn lo_no_confirmado_se_repite_antes_que_lo_demas_y_lo_pendiente_sale_al_cerrar() {
    let Prueba { mut envios, tandas, respuestas, .. } = con_uno_de_camino();
    assert!(envios.send(mensaje(1)));
    for respuesta in [caido(), caido(), Ok(()), Ok(())] {
        respuestas.send(respuesta).unwrap();
    }
    let Cierre { confirmados, pendientes, fin } = envios.close();
    assert!((confirmados, pendientes) == (2, 0) && fin.is_ok());
    assert_eq!(tandas.iter().collect::<Vec<_>>(), [[0], [0], [1]]);
}

#[test]
fn con_diez_mil_sin_confirmar_el_simulador_espera() {
    let Prueba { mut envios, tandas: _tandas, respuestas, .. } = con_uno_de_camino();
    // Una tanda de uno viaja; en la cola caben nueve mil.
    let (avisar, avisado) = mpsc::channel();
    let simulador = thread::spawn(move || {
        for n in 1..=9_001 {
            assert!(envios.send(mensaje(n)));
            avisar.send(n).unwrap();
        }
        envios
    });
    for n in 1..=9_000 {
        assert_eq!(avisado.recv_timeout(PACIENCIA).unwrap(), n);
    }
    assert!(avisado.recv_timeout(Duration::from_millis(200)).is_err(), "el que no cabe espera");
    (0..11).for_each(|_| respuestas.send(Ok(())).unwrap());
    let Cierre { confirmados, pendientes, fin } = simulador.join().unwrap().close();
    assert!((confirmados, pendientes) == (9_002, 0) && fin.is_ok());
}

#[test]
fn si_se_pide_parar_con_el_broker_caido_no_se_espera_a_que_vuelva() {
    let Prueba { mut envios, tandas: _tandas, respuestas, parada } = con_uno_de_camino();
    parada.pedir();
    respuestas.send(caido()).unwrap();
    let mut aceptados = 1;
    while envios.send(mensaje(1)) {
        aceptados += 1; // hasta que el hilo acaba
    }
    let Cierre { confirmados, pendientes, fin } = envios.close();
    assert_eq!((confirmados, pendientes), (0, aceptados), "el rechazado no cuenta");
    let Err(Fallo::Ejecucion(frase)) = fin else { panic!("con mensajes perdidos no se acaba bien: {fin:?}") };
    assert!(frase.contains("no ha confirmado"), "{frase}");
}

#[test]
fn un_error_que_no_se_arregla_esperando_para_el_programa_y_lo_dice_close() {
    let Prueba { mut envios, tandas: _tandas, respuestas, parada } = con_uno_de_camino();
    respuestas.send(Err(ErrorBroker::Definitivo("el Kafka es el 4".to_owned()))).unwrap();
    envios.flush(PACIENCIA); // no espera en balde
    assert!(parada.pedida() && !envios.send(mensaje(1)));
    let Cierre { confirmados, pendientes, fin } = envios.close();
    assert!(
        (confirmados, pendientes) == (0, 1)
            && matches!(fin, Err(Fallo::Ejecucion(frase)) if frase == "el Kafka es el 4")
    );
}

#[test]
fn si_el_hilo_que_envia_se_muere_nadie_se_queda_esperando_y_el_programa_para() {
    let Prueba { envios, tandas, respuestas, parada } = con_uno_de_camino();
    let (avisar, vuelto) = mpsc::channel();
    let espera = thread::spawn(move || {
        envios.flush(Duration::from_secs(3600)); // vuelve porque el hilo ha acabado
        avisar.send(()).unwrap();
        envios
    });
    drop((respuestas, tandas)); // el broker de mentira se rompe: panic en su hilo
    vuelto.recv_timeout(PACIENCIA).expect("se ha quedado esperando");
    let mut envios = espera.join().unwrap();
    assert!(parada.pedida() && !envios.send(mensaje(1)));
    let Cierre { confirmados, pendientes, fin } = envios.close();
    assert!(
        (confirmados, pendientes) == (0, 1)
            && matches!(fin, Err(Fallo::Ejecucion(f)) if f.contains("fallo del programa"))
    );
}

/// Un broker que pierde lo que había confirmado.
struct Olvidadizo(u64);

impl Emisor for Olvidadizo {
    fn enviar(&mut self, mensajes: &[PorEnviar]) -> Result<(), ErrorBroker> {
        self.0 += mensajes.len() as u64;
        Ok(())
    }

    fn perdidos(&self) -> u64 {
        self.0 - 1
    }
}

#[test]
fn lo_confirmado_que_se_pierde_despues_no_cuenta_y_el_programa_no_acaba_bien() {
    let parada = Parada::default();
    let mut envios = Envios::new(Box::new(Olvidadizo(0)), &parada, std::sync::Arc::new(|_, _| {})).unwrap();
    (0..5).for_each(|n| assert!(envios.send(mensaje(n))));
    envios.flush(PACIENCIA);
    assert_eq!((envios.confirmados(), envios.pendientes()), (1, 0));
    let Cierre { confirmados, pendientes, fin } = envios.close();
    assert_eq!((confirmados, pendientes), (1, 0));
    assert!(matches!(fin, Err(Fallo::Ejecucion(f)) if f.contains("4 mensajes que había confirmado")));
}
