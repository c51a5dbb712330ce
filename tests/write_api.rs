//! `WriteApi` con el buffer en memoria y un destino de mentira: la lección, sin disco ni red.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use practicas_iabd06::influx::buffer::{EnMemoria, Lote};
use practicas_iabd06::influx::destino::{Destino, Entrega};
use practicas_iabd06::influx::{Point, WriteApi, WriteError, WriteOptions};

const NUNCA: Duration = Duration::from_secs(3600);
const PACIENCIA: Duration = Duration::from_secs(20);

/// Anuncia cada lote y contesta lo que se le mande; sin mandato, que está escrito.
struct DeMentira {
    lotes: Sender<Vec<String>>,
    mandatos: Option<Receiver<Entrega>>,
}

impl Destino for DeMentira {
    fn enviar(&mut self, lote: &Lote) -> Entrega {
        let texto = String::from_utf8(lote.texto.clone()).unwrap();
        let _ = self.lotes.send(texto.lines().map(str::to_owned).collect());
        match &self.mandatos {
            Some(mandatos) => mandatos.recv().unwrap_or_default(),
            None => escrito(lote.lineas),
        }
    }
}

fn escrito(n: usize) -> Entrega {
    Entrega { escritas: n, ..Entrega::default() }
}

fn opciones() -> WriteOptions {
    WriteOptions { flush_interval: NUNCA, max_close_wait: PACIENCIA, ..WriteOptions::default() }
}

fn abrir(opciones: WriteOptions) -> (WriteApi, Receiver<Vec<String>>) {
    let (lotes, recibidos) = mpsc::channel();
    let destino = DeMentira { lotes, mandatos: None };
    (WriteApi::new(Box::new(EnMemoria::new(1 << 20)), Box::new(destino), opciones).unwrap(), recibidos)
}

/// Un destino que no contesta hasta que se le manda.
fn abrir_mandado(opciones: WriteOptions) -> (WriteApi, Receiver<Vec<String>>, Sender<Entrega>) {
    let ((lotes, recibidos), (mandar, mandatos)) = (mpsc::channel(), mpsc::channel());
    let destino = DeMentira { lotes, mandatos: Some(mandatos) };
    let api = WriteApi::new(Box::new(EnMemoria::new(1 << 20)), Box::new(destino), opciones).unwrap();
    (api, recibidos, mandar)
}

fn escribir(api: &WriteApi, numeros: std::ops::Range<u32>) {
    for n in numeros {
        api.write(&Point::new("m").field("n", f64::from(n))).unwrap();
    }
}

/// Los valores de `n` de las líneas, en orden.
fn numeros(lineas: &[String]) -> Vec<u32> {
    lineas.iter().map(|l| l.split([' ', '=']).nth(2).unwrap().parse::<f64>().unwrap() as u32).collect()
}

#[test]
fn un_lote_lleno_sale_sin_esperar_al_temporizador() {
    let (api, lotes) = abrir(WriteOptions { batch_size: 3, ..opciones() });
    escribir(&api, 0..3);
    assert_eq!(numeros(&lotes.recv_timeout(PACIENCIA).unwrap()), [0, 1, 2]);
    escribir(&api, 3..5); // dos puntos no llenan un lote: salen juntos, al cerrar
    drop(api);
    assert_eq!(numeros(&lotes.recv_timeout(PACIENCIA).unwrap()), [3, 4]);
}

#[test]
fn el_temporizador_envia_un_lote_a_medias() {
    let (api, lotes) = abrir(WriteOptions { flush_interval: Duration::from_millis(5), ..opciones() });
    escribir(&api, 0..1);
    assert_eq!(numeros(&lotes.recv_timeout(PACIENCIA).unwrap()), [0]);
    drop(api);
}

#[test]
fn una_espera_imposible_no_tumba_el_hilo() {
    let eterna = WriteOptions { flush_interval: Duration::MAX, jitter_interval: Duration::MAX, ..opciones() };
    let (api, _lotes) = abrir(eterna);
    escribir(&api, 0..3);
    assert_eq!(api.flush().enviados, 3);
}

#[test]
fn flush_vuelve_con_el_buffer_vacio() {
    let (api, lotes) = abrir(opciones());
    escribir(&api, 0..7);
    let resumen = api.flush();
    assert_eq!((resumen.enviados, resumen.pendientes), (7, 0));
    assert_eq!(numeros(&lotes.try_recv().unwrap()), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn close_vacia_el_buffer_en_lotes_y_en_orden() {
    let (api, lotes) = abrir(WriteOptions { batch_size: 4, ..opciones() });
    escribir(&api, 0..10);
    let resumen = api.close();
    assert_eq!((resumen.enviados, resumen.pendientes, resumen.motivo), (10, 0, None));
    let lotes: Vec<_> = lotes.iter().map(|l| numeros(&l)).collect();
    assert!(lotes.iter().all(|l| l.len() <= 4), "{lotes:?}");
    assert_eq!(lotes.concat(), (0..10).collect::<Vec<_>>());
}

#[test]
fn sin_close_el_buffer_se_vacia_igual() {
    let (api, lotes) = abrir(opciones());
    escribir(&api, 0..2);
    drop(api);
    assert_eq!(numeros(&lotes.try_recv().unwrap()), [0, 1]);
}

#[test]
fn se_puede_escribir_mientras_se_envia() {
    let (api, lotes, mandar) = abrir_mandado(WriteOptions { batch_size: 2, ..opciones() });
    escribir(&api, 0..2);
    lotes.recv_timeout(PACIENCIA).unwrap(); // el destino ya tiene el lote, y no contesta
    escribir(&api, 2..100);
    assert_eq!(api.resumen().pendientes, 100);
    for _ in 0..50 {
        mandar.send(escrito(2)).unwrap();
    }
    assert_eq!(api.close().enviados, 100);
}

#[test]
fn close_no_espera_mas_de_max_close_wait_dice_lo_que_queda_y_no_se_envia_mas() {
    let (api, lotes, mandar) = abrir_mandado(WriteOptions {
        batch_size: 2,
        max_close_wait: Duration::from_millis(20),
        ..opciones()
    });
    escribir(&api, 0..6);
    lotes.recv_timeout(PACIENCIA).unwrap();
    let resumen = api.close();
    assert_eq!((resumen.enviados, resumen.pendientes), (0, 6));
    assert!(resumen.motivo.unwrap().contains("max_close_wait"));
    drop(mandar); // el destino contesta por fin, y el hilo acaba
    assert_eq!(lotes.iter().count(), 0, "lo que quedaba se queda en el buffer");
}

#[test]
fn lo_no_enviado_sigue_en_el_buffer_y_vuelve_a_salir_en_orden() {
    let (api, lotes, mandar) = abrir_mandado(opciones());
    escribir(&api, 0..5);
    // Escribe 2, aparta 1 y pide esperar: quedan 2.
    let esperar = Some((NUNCA, "se ha cansado".to_owned()));
    mandar.send(Entrega { escritas: 2, apartadas: 1, esperar }).unwrap();
    let resumen = api.flush();
    assert_eq!((resumen.enviados, resumen.apartados, resumen.pendientes), (2, 1, 2));
    assert_eq!(resumen.motivo.as_deref(), Some("se ha cansado"));
    mandar.send(escrito(3)).unwrap();
    escribir(&api, 5..6);
    let resumen = api.close();
    assert_eq!((resumen.enviados, resumen.pendientes, resumen.motivo), (5, 0, None));
    assert_eq!(lotes.iter().map(|l| numeros(&l)).collect::<Vec<_>>(), [vec![0, 1, 2, 3, 4], vec![3, 4, 5]]);
}

#[test]
fn mientras_el_destino_pide_esperar_un_lote_lleno_no_sale() {
    let (api, lotes, mandar) = abrir_mandado(WriteOptions { batch_size: 2, ..opciones() });
    let esperar = Some((NUNCA, "todavía no".to_owned()));
    mandar.send(Entrega { esperar, ..Entrega::default() }).unwrap();
    escribir(&api, 0..2);
    lotes.recv_timeout(PACIENCIA).unwrap();
    escribir(&api, 2..8); // tres lotes más, llenos: tres órdenes que el hilo desoye
    drop(mandar); // desde ahora el destino no escribe nada ni pide esperar
    assert_eq!(api.close().pendientes, 8);
    assert_eq!(lotes.iter().count(), 4, "solo los cuatro intentos del cierre");
}

#[test]
fn pasada_la_espera_el_lote_se_reintenta_solo() {
    let (api, lotes, mandar) = abrir_mandado(WriteOptions { batch_size: 2, ..opciones() });
    let esperar = Some((Duration::from_millis(1), "un momento".to_owned()));
    mandar.send(Entrega { esperar, ..Entrega::default() }).unwrap();
    mandar.send(escrito(2)).unwrap();
    escribir(&api, 0..2);
    for _ in 0..2 {
        assert_eq!(numeros(&lotes.recv_timeout(PACIENCIA).unwrap()), [0, 1]);
    }
    assert_eq!(api.close().enviados, 2);
}

#[test]
fn el_jitter_se_suma_al_intervalo() {
    let segundos = Duration::from_secs;
    let opciones = WriteOptions {
        flush_interval: segundos(10),
        jitter_interval: segundos(4),
        ..WriteOptions::default()
    };
    assert_eq!(opciones.intervalo(0.0), segundos(10));
    assert_eq!(opciones.intervalo(0.5), segundos(12));
}

#[test]
fn los_instantes_crecen_siempre_y_se_respeta_el_que_trae_el_punto() {
    let (api, lotes) = abrir(opciones());
    escribir(&api, 0..1000);
    api.write(&Point::new("m").field("n", 0.0).time(i64::MAX)).unwrap();
    escribir(&api, 0..1);
    drop(api);
    let lineas: Vec<_> = lotes.iter().flatten().collect();
    let ns: Vec<i64> = lineas.iter().map(|l| l.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(ns[..1000].is_sorted_by(|a, b| a < b));
    assert_eq!(ns[1000], i64::MAX);
    assert!(ns[1001] > ns[999] && ns[1001] < i64::MAX, "el del futuro no arrastra a los demás");
}

#[test]
fn un_punto_que_no_cabe_o_no_vale_es_un_error_y_no_se_apunta() {
    let (lotes, _recibidos) = mpsc::channel();
    let destino = DeMentira { lotes, mandatos: None };
    let api = WriteApi::new(Box::new(EnMemoria::new(40)), Box::new(destino), opciones()).unwrap();
    assert!(matches!(api.write(&Point::new("m")), Err(WriteError::Punto(_))));
    escribir(&api, 0..1);
    assert!(matches!(api.write(&Point::new("m").field("n", 1.0)), Err(WriteError::Buffer(_))));
    assert_eq!(api.resumen().pendientes, 1);
}
