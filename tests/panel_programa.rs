//! El programa del panel: puerto, Ctrl-C y avisos.

use std::fs;
use std::io::BufRead;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

mod comun;
#[path = "comun/panel.rs"]
mod panel;

use comun::{PACIENCIA, ejecutable};
use panel::Panel;

const PANEL: &str = env!("CARGO_BIN_EXE_panel_metricas");

#[test]
#[cfg(unix)]
fn ctrl_c_acaba_bien_aunque_haya_alguien_mirando() {
    let carpeta = tempfile::tempdir().unwrap();
    let Panel { mut proceso, direccion, .. } = Panel::lanzar(carpeta.path());
    let _conexion = TcpStream::connect(direccion).unwrap();
    proceso.senal("-INT");
    assert_eq!(proceso.0.wait().unwrap().code(), Some(0));
}

#[test]
fn el_puerto_pedido_es_ese_o_un_error_y_sin_pedirlo_el_siguiente_libre() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let ocupado = panel.direccion.port().to_string();
    let salida = ejecutable(PANEL, carpeta.path(), &["--puerto", &ocupado]).output().unwrap();
    let errores = String::from_utf8(salida.stderr).unwrap();
    assert_eq!(salida.status.code(), Some(1), "{errores}");
    assert!(errores.contains(&format!("el puerto {ocupado} lo usa otro programa")), "{errores}");
    let uno = Panel::esperar(&mut ejecutable(PANEL, carpeta.path(), &[]));
    let otro = Panel::esperar(&mut ejecutable(PANEL, carpeta.path(), &[]));
    assert!((8080..8100).contains(&uno.direccion.port()) && uno.direccion.port() < otro.direccion.port());
    for malo in [&["--puerto", "70000"][..], &["--puerto", "x"], &["--escuchar", "no-existe.invalid"]] {
        let salida = ejecutable(PANEL, carpeta.path(), malo).output().unwrap();
        assert_eq!(salida.status.code(), Some(2), "{malo:?}: {}", String::from_utf8_lossy(&salida.stderr));
    }
}

#[test]
fn abrirse_a_la_red_y_no_poder_abrir_el_navegador_se_dicen() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut orden = ejecutable(PANEL, carpeta.path(), &["--puerto", "0", "--escuchar", "0.0.0.0", "--abrir"]);
    orden.env("PATH", "/no-existe");
    let mut panel = Panel::esperar(&mut orden);
    assert_eq!(panel.get("/").0, 200);
    for pista in ["puede ver la página: http://", "no se puede abrir el navegador"] {
        let mut linea = String::new();
        panel.dicho.read_line(&mut linea).unwrap();
        assert!(linea.starts_with("aviso: ") && linea.contains(pista), "{linea}");
    }
}

#[test]
#[cfg(unix)]
fn si_el_sistema_no_sabe_abrir_un_navegador_se_dice() {
    use std::os::unix::fs::PermissionsExt;
    let carpeta = tempfile::tempdir().unwrap();
    for nombre in ["xdg-open", "open"] {
        // Como el de un ordenador sin escritorio: está, pero no encuentra con qué.
        let falso = carpeta.path().join(nombre);
        fs::write(&falso, "#!/bin/sh\nexit 3\n").unwrap();
        fs::set_permissions(&falso, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut orden = ejecutable(PANEL, carpeta.path(), &["--puerto", "0", "--abrir"]);
    orden.env("PATH", format!("{}:/bin:/usr/bin", carpeta.path().display()));
    let Panel { proceso: _proceso, direccion, mut dicho } = Panel::esperar(&mut orden);
    let (decir, lineas) = mpsc::channel();
    thread::spawn(move || {
        let mut linea = String::new();
        dicho.read_line(&mut linea).unwrap();
        decir.send(linea).unwrap();
    });
    let linea = lineas.recv_timeout(PACIENCIA).expect("no dice nada");
    let esperado = format!("no sabe abrir un navegador (código 3): abre tú http://{direccion}");
    assert!(linea.starts_with("aviso: ") && linea.contains(&esperado), "{linea}");
}

#[test]
fn lo_que_puede_ser_una_contrasena_no_sale_en_la_pagina() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut orden = ejecutable(PANEL, carpeta.path(), &["--puerto", "0"]);
    // Falta «@servidor»: lo que parece el puerto es la contraseña.
    orden.env("MONGODB_URI", "mongodb://ana:48123");
    let panel = Panel::esperar(&mut orden);
    let vista = panel.hasta_que("/api/kpis", |v| v["aviso"]["nivel"] == "error");
    assert!(
        !vista.to_string().contains("48123") && vista["motor"]["donde"].as_str().unwrap().contains("ana:***")
    );
}
