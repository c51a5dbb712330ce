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

/// Lo que dice el sistema de un proceso: hilos, o kilobytes de memoria.
#[cfg(target_os = "linux")]
fn estado(panel: &Panel, campo: &str) -> u64 {
    let texto = std::fs::read_to_string(format!("/proc/{}/status", panel.proceso.0.id())).unwrap();
    let linea = texto.lines().find_map(|l| l.strip_prefix(campo)?.strip_prefix(':')).unwrap();
    linea.split_whitespace().next().unwrap().parse().unwrap()
}

/// Lanza estos clientes, los tiene así un rato y entretanto pide la página como cualquiera. El panel no puede
/// tener más hilos ni más memoria que los que dice, y al final ha de seguir como si nada.
#[cfg(target_os = "linux")]
fn con_clientes(
    cuantos: usize,
    cliente: impl Fn(usize, &mut TcpStream, &AtomicBool) + Send + Sync + 'static,
) {
    const HILOS: u64 = 128 + 8; // uno por conexión, los dos vigías y los del programa
    const MEMORIA: u64 = 64 << 10; // kilobytes
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    panel.json("/api/kpis");
    let (fin, cliente) = (Arc::new(AtomicBool::new(false)), Arc::new(cliente));
    let clientes: Vec<_> = (0..cuantos)
        .map(|i| {
            let (fin, cliente, direccion) = (Arc::clone(&fin), Arc::clone(&cliente), panel.direccion);
            let insistir = move || {
                while !fin.load(Ordering::Relaxed) {
                    let Ok(mut conexion) = TcpStream::connect(direccion) else { continue };
                    conexion.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                    conexion.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
                    cliente(i, &mut conexion, &fin);
                }
            };
            thread::Builder::new().stack_size(128 << 10).spawn(insistir).unwrap()
        })
        .collect();
    let (inicio, mut hilos, mut memoria) = (Instant::now(), 0, 0);
    while inicio.elapsed() < Duration::from_secs(3) {
        let pedida = Instant::now();
        assert_eq!(panel.get("/").0, 200);
        assert!(pedida.elapsed() < Duration::from_secs(10), "{:?}", pedida.elapsed());
        (hilos, memoria) = (hilos.max(estado(&panel, "Threads")), memoria.max(estado(&panel, "VmRSS")));
    }
    fin.store(true, Ordering::Relaxed);
    clientes.into_iter().for_each(|c| c.join().unwrap());
    println!("{hilos} hilos y {memoria} KiB, como mucho");
    assert!(hilos <= HILOS && memoria <= MEMORIA, "{hilos} hilos, {memoria} KiB");
    assert_eq!(panel.get("/api/kpis").0, 200);
}

#[test]
#[cfg(target_os = "linux")]
fn trescientos_que_no_paran_de_pedir_no_pasan_de_los_hilos_que_hay() {
    con_clientes(300, |_, conexion, fin| {
        // Sin esperar a que acabe cada contestación, y sin cerrar hasta que les cierren.
        let mut trozo = [0; 4096];
        while !fin.load(Ordering::Relaxed)
            && conexion.write_all(b"GET /api/kpis HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ok()
            && conexion.read(&mut trozo).is_ok_and(|n| n > 0)
        {}
    });
}

#[test]
#[cfg(target_os = "linux")]
fn trescientos_maleducados_cada_uno_a_su_manera_no_tumban_el_panel() {
    con_clientes(300, |i, conexion, _| {
        let mut trozo = [0; 1];
        let _ = match i % 6 {
            0 => Ok(()), // se va sin decir nada
            1 => conexion
                .write_all(b"GET / HTTP/1.1\r\nHost: loc")
                .and_then(|()| conexion.read_exact(&mut trozo)),
            2 => conexion.write_all(&b"X-Cabecera: enorme\r\n".repeat(100_000)), // dos megas
            3 => {
                conexion.write_all(&b"GET /uPlot.iife.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100))
            }
            4 => b"GET / HTTP/1.1\r\nHost: localhost\r\n".iter().try_for_each(|letra| {
                thread::sleep(Duration::from_millis(20));
                conexion.write_all(&[*letra])
            }),
            _ => conexion.write_all(&[0xff; 20_000]).and_then(|()| conexion.read_exact(&mut trozo)),
        };
    });
}
