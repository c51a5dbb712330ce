//! Lo que el panel contesta por HTTP, y lo que no.

use std::fs;
use std::path::Path;

mod comun;
#[path = "comun/panel.rs"]
mod panel;

use panel::Panel;
use serde_json::Value;

#[test]
fn cada_contestacion_lleva_las_cabeceras_de_seguridad() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let (codigo, cabeza, cuerpo) = panel.get("/");
    assert!(codigo == 200 && cuerpo.starts_with("<!doctype html>"), "{cuerpo}");
    assert!(cabeza.contains("Cache-Control: no-cache\r\n"), "{cabeza}");
    assert!(panel.get("/api/flota").1.contains("Cache-Control: no-store\r\n"));
    let mala = panel.crudo(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for cabeza in [cabeza, panel.get("/no-existe").1, panel.get("/api/kpis").1, mala] {
        for cabecera in [
            "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
             img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'\r\n",
            "X-Content-Type-Options: nosniff\r\n",
            "Referrer-Policy: no-referrer\r\n",
            "Cross-Origin-Resource-Policy: same-origin\r\n",
        ] {
            assert!(cabeza.contains(cabecera), "falta {cabecera} en {cabeza}");
        }
    }
}

#[test]
fn cada_fichero_de_la_pagina_se_sirve_y_ninguno_mas() {
    let carpeta = tempfile::tempdir().unwrap();
    fs::write(carpeta.path().join("secreto.txt"), "secreto").unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let pagina = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/panel/pagina");
    for fichero in fs::read_dir(pagina).unwrap().map(|e| e.unwrap().path()) {
        let nombre = fichero.file_name().unwrap().to_str().unwrap();
        let ruta = if nombre == "index.html" { "/".to_owned() } else { format!("/{nombre}") };
        let (codigo, cabeza, cuerpo) = panel.get(&ruta);
        assert!(codigo == 200 && cuerpo == fs::read_to_string(&fichero).unwrap(), "{nombre}");
        assert!(cabeza.contains("charset=utf-8"), "{cabeza}");
    }
    for ruta in [
        "/secreto.txt",
        "/../secreto.txt",
        "/..%2fsecreto.txt",
        "/%2e%2e/secreto.txt",
        "//secreto.txt",
        "/./secreto.txt",
        "/index.html/",
        "/src/panel/mod.rs",
        "/.env",
        "/datos/motor.sqlite3",
        "/api",
        "/api/",
        "/%00",
        "/C:%5Csecreto.txt",
    ] {
        let (codigo, _, cuerpo) = panel.get(ruta);
        assert_eq!((codigo, cuerpo.as_str()), (404, "Aquí no hay nada: la página está en /\n"), "{ruta}");
    }
}

#[test]
fn solo_se_puede_mirar() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    for metodo in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "get", "INVENTADO"] {
        let todo = panel.crudo(format!("{metodo} / HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        assert!(
            todo.starts_with("HTTP/1.1 405 ") && todo.contains("Allow: GET, HEAD\r\n"),
            "{metodo}: {todo}"
        );
    }
    let con_cuerpo = format!(
        "POST /api/flota HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n{}",
        "x".repeat(300_000)
    );
    assert!(panel.crudo(con_cuerpo.as_bytes()).starts_with("HTTP/1.1 405 "));
    let cabeza = panel.crudo(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (_, get, cuerpo) = panel.get("/");
    assert_eq!(cabeza, format!("{get}\r\n\r\n"), "lo mismo que un GET, sin el cuerpo");
    assert!(cabeza.contains(&format!("Content-Length: {}\r\n", cuerpo.len())));
    for basura in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"hola\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
    {
        assert!(panel.crudo(basura).starts_with("HTTP/1.1 400 "));
    }
}

#[test]
fn por_una_conexion_pasan_varias_peticiones() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let mut dos = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    dos.extend(b"GET /no HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let todo = panel.crudo(&dos);
    assert!(todo.starts_with("HTTP/1.1 200 ") && todo.contains("HTTP/1.1 404 "), "{todo}");
}

#[test]
fn un_nombre_que_no_es_el_de_este_ordenador_no_entra() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let con = |host: &str| {
        panel.crudo(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
    };
    for vale in [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1",
        "127.0.0.1:1",
        "192.168.1.20:8080",
        "[::1]:8080",
        "[::1]",
    ] {
        assert!(con(vale).starts_with("HTTP/1.1 200 "), "{vale}");
    }
    for malo in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "",
        "localhost@evil",
    ] {
        assert!(con(malo).starts_with("HTTP/1.1 421 "), "{malo}");
    }
    let sin_host = panel.crudo(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(sin_host.starts_with("HTTP/1.1 400 "));
}

#[test]
fn un_parametro_malo_es_un_400_con_su_frase() {
    let carpeta = tempfile::tempdir().unwrap();
    let panel = Panel::lanzar(carpeta.path());
    let largo = format!("/api/flota?buscar={}", "a".repeat(201));
    for (ruta, pista) in [
        ("/api/servidor?rango=7d", "5m, 1h, 24h"),
        ("/api/kpis?rango=", "5m, 1h, 24h, 7d"),
        ("/api/flota?pagina=-1", "número"),
        ("/api/flota?pagina=99999999999999999999999", "número"),
        ("/api/flota?buscar=%zz", "hexadecimales"),
        ("/api/servidor?host=%ff", "UTF-8"),
        (&largo, "200"),
    ] {
        let (codigo, _, cuerpo) = panel.get(ruta);
        let cuerpo: Value = serde_json::from_str(&cuerpo).unwrap();
        assert_eq!(codigo, 400, "{ruta}");
        assert!(cuerpo["error"].as_str().unwrap().contains(pista), "{ruta}: {cuerpo}");
    }
}
