//! Los clientes que van despacio, o no acaban, no dejan a los demás sin página.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

mod comun;
#[path = "comun/panel.rs"]
mod panel;

use panel::Panel;

#[test]
fn ni_doscientas_conexiones_ociosas_ni_las_que_van_a_gotas_dejan_a_los_demas_sin_pagina() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let inicio = Instant::now();
    let mut ociosas: Vec<TcpStream> = (0..200).map(|_| panel.conectar()).collect();
    // Con 200 ya sobran: la más antigua deja su sitio, mucho antes de que se le acabe el tiempo.
    assert!(!matches!(ociosas[0].read(&mut [0]), Ok(1..)));
    assert!(inicio.elapsed() < Duration::from_secs(5), "{:?}", inicio.elapsed());
    let fin = Arc::new(AtomicBool::new(false));
    // Cada una manda una letra de vez en cuando, y si la echan vuelve a entrar.
    let a_gotas: Vec<_> = (0..200)
        .map(|_| {
            let (fin, direccion) = (Arc::clone(&fin), panel.direccion);
            thread::spawn(move || {
                while !fin.load(Ordering::Relaxed) {
                    let Ok(mut conexion) = TcpStream::connect(direccion) else { continue };
                    let _ = conexion.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
                    while !fin.load(Ordering::Relaxed) && conexion.write_all(b"x").is_ok() {
                        thread::sleep(Duration::from_millis(200));
                    }
                }
            })
        })
        .collect();
    for _ in 0..20 {
        let inicio = Instant::now();
        assert_eq!(panel.get("/").0, 200);
        // Bastante menos que el límite de una petición: no se espera a que caduque ninguna.
        assert!(inicio.elapsed() < Duration::from_secs(5), "{:?}", inicio.elapsed());
        thread::sleep(Duration::from_millis(50));
    }
    fin.store(true, Ordering::Relaxed);
    a_gotas.into_iter().for_each(|h| h.join().unwrap());
    // Las ociosas se cierran solas, sin contestación.
    for mut ociosa in ociosas {
        let mut nada = Vec::new();
        let _ = ociosa.read_to_end(&mut nada); // cerrada con orden o de golpe
        assert!(nada.is_empty());
    }
}

#[test]
fn quien_no_se_lleva_la_contestacion_no_para_a_los_demas() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    // Cinco megas por conexión: no caben en el sistema, y el panel se queda a medias con todas.
    let peticiones = b"GET /uPlot.iife.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let atascadas: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut conexion = panel.conectar();
            conexion.write_all(&peticiones).unwrap();
            conexion // y no lee nada
        })
        .collect();
    for _ in 0..10 {
        let inicio = Instant::now();
        assert_eq!(panel.get("/api/kpis").0, 200);
        // Mucho menos de lo que se les deja para llevársela.
        assert!(inicio.elapsed() < Duration::from_secs(5), "{:?}", inicio.elapsed());
    }
    drop(atascadas);
}
