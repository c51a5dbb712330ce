//! Escrito es escrito: lo que contestan un portal de acceso a la red, otro programa, una dirección con un camino
//! de más o un InfluxDB de la otra versión, y qué se dice entonces.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

mod comun;
#[path = "comun/envio.rs"]
mod envio;

use comun::{Accion, ServidorFalso, contiene};
use envio::{Prueba, VERSION_1, VERSION_2, con, escritas, hacia, json, lote, v1, v2};
use practicas_iabd06::influx::destino::Destino;
use practicas_iabd06::influx::{Acceso, contestacion};

/// Lo que dice el saludo y un envío de cinco líneas, del que ninguna se da por escrita ni se aparta.
#[track_caller]
fn nada_se_mueve(p: &mut Prueba) -> String {
    p.envio.saludar();
    for _ in 0..3 {
        assert_eq!(escritas(&p.envio.enviar(&lote(5))), (0, 0, true));
    }
    assert!(!p.rechazados.exists());
    let todos = p.oido.todos().join("\n");
    assert!(!todos.contains("acepta las credenciales"), "{todos}");
    let frases = p.oido.importantes();
    assert_eq!(frases.len(), 1, "se dice una vez: {frases:?}");
    frases[0].clone()
}

#[test]
fn solo_un_204_es_escrito_lo_demas_es_de_otro_y_los_puntos_se_guardan() {
    let pagina = "<html><title>Bienvenido a la red del centro</title></html>";
    for (codigo, cuerpo) in [
        (200, pagina),
        (200, r#"{"error":"not allowed"}"#),
        (200, ""),
        (200, r#"{"ok":true}"#),
        (201, r#"{"id":7}"#),
        (202, ""),
        (206, "x"),
        (207, "<multistatus/>"),
    ] {
        for acceso in [v2(), v1()] {
            let servidor = ServidorFalso::nuevo(move |_| Accion::de(codigo, cuerpo));
            let mut p = hacia(&servidor.url, &acceso, comun::PACIENCIA);
            let frase = nada_se_mueve(&mut p);
            contiene(&frase, &[&codigo.to_string(), "no parece InfluxDB", "portal"]);
        }
    }
}

#[test]
fn un_200_con_las_cabeceras_de_influxdb_y_sin_cuerpo_es_un_204_disfrazado_y_con_cuerpo_no() {
    let (mut p, _servidor) = con(|_| Accion::Contestar(200, VERSION_2, String::new()));
    assert_eq!(escritas(&p.envio.enviar(&lote(5))), (5, 0, false));
    let (mut p, _servidor) = con(|_| Accion::Contestar(200, VERSION_1, r#"{"error":"timeout"}"#.to_owned()));
    contiene(&nada_se_mueve(&mut p), &["200", "timeout"]);
}

#[test]
fn una_redireccion_dice_adonde_y_un_511_que_es_el_portal() {
    let (mut p, _servidor) =
        con(|_| Accion::Contestar(302, "Location: http://portal.centro/entrar\r\n", String::new()));
    contiene(&nada_se_mueve(&mut p), &["302", "http://portal.centro/entrar", "no parece InfluxDB", "portal"]);
    let (mut p, _servidor) = con(|_| Accion::de(511, "<html>Log in</html>"));
    contiene(&nada_se_mueve(&mut p), &["511", "portal", "navegador"]);
}

#[test]
fn si_a_la_url_le_sobra_un_camino_se_dice_cual() {
    let casos = [
        ("/api/v2", 404, VERSION_2, r#"{"code":"not found","message":"path not found"}"#),
        ("/api/v2/write", 404, VERSION_2, r#"{"code":"not found","message":"path not found"}"#),
        ("/orgs/0a1b/data-explorer", 404, VERSION_2, "no assets included in binary"),
        ("/x", 404, VERSION_1, "404 page not found"),
        ("/api/v2", 400, "", "unsupported path requested: \"/api/v2/api/v2/write\""), // VictoriaMetrics
        ("/ui", 200, "", "<html>la web</html>"),
    ];
    for (camino, codigo, cabeceras, cuerpo) in casos {
        let servidor = ServidorFalso::nuevo(move |_| Accion::Contestar(codigo, cabeceras, cuerpo.to_owned()));
        let mut p = hacia(&format!("{}{camino}", servidor.url), &v2(), comun::PACIENCIA);
        // Con la cabecera de un 1.x manda la versión, que es lo primero que hay que arreglar.
        let esperado = if cabeceras == VERSION_1 {
            "INFLUXDB_V1_URL".to_owned()
        } else {
            format!("sobra «{camino}»: déjala en {}.", servidor.url)
        };
        contiene(&nada_se_mueve(&mut p), &[&esperado]);
    }
}

#[test]
fn lo_que_no_es_de_influxdb_no_condena_ni_da_pistas_falsas() {
    let ajenas = [
        (400, r#"{"error":"no handler found for uri [/api/v2/write?org=o&bucket=b] and method [POST]"}"#), // Elasticsearch
        (400, r#"{"error":{"type":"illegal_argument_exception","reason":"unable to parse"},"status":400}"#),
        (400, r#"{"message":"Unable to parse request body"}"#),
        (422, r#"{"message":"The given data was invalid.","errors":{}}"#),
        (400, "<html><h1>400 The plain HTTP request was sent to HTTPS port</h1></html>"),
        (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#), // Kafka Connect
        (404, r#"{"code":"rest_no_route","message":"No route was found"}"#), // WordPress
        (404, r#"{"timestamp":1,"status":404,"error":"Not Found","path":"/api/v2/write"}"#), // Spring
        (401, r#"{"error":{"type":"security_exception"},"status":401}"#),
        (403, "<html>Forbidden</html>"),
        (405, "Method Not Allowed"),
        (407, "<html>Proxy Authentication Required</html>"),
    ];
    for (codigo, cuerpo) in ajenas {
        let (mut p, _servidor) = con(move |_| Accion::de(codigo, cuerpo));
        let frase = nada_se_mueve(&mut p);
        contiene(&frase, &[&codigo.to_string(), "no parece InfluxDB"]);
        for falsa in ["no encuentra el bucket", "no acepta el token", "permiso de escritura"] {
            assert!(!frase.contains(falsa), "{frase}");
        }
    }
}

#[test]
fn lo_que_no_habla_http_no_se_toma_por_una_conexion_cortada() {
    let escucha = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", escucha.local_addr().unwrap());
    thread::spawn(move || {
        for mut conexion in escucha.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut conexion, b"SSH-2.0-OpenSSH_9.9\r\n\r\n");
            let _ = std::io::copy(&mut conexion, &mut std::io::sink());
        }
    });
    let mut p = hacia(&url, &v2(), Duration::from_secs(2));
    contiene(&nada_se_mueve(&mut p), &["no es HTTP", "puerto"]);
}

#[test]
fn con_las_variables_de_la_otra_version_se_dice_cuales_van() {
    let de_la_2 = [
        (404, r#"{"code":"not found","message":"no dbrp mapping found"}"#),
        (401, r#"{"code":"unauthorized","message":"unauthorized access"}"#),
    ];
    for (codigo, cuerpo) in de_la_2 {
        let servidor = ServidorFalso::nuevo(move |_| Accion::Contestar(codigo, VERSION_2, cuerpo.to_owned()));
        let frase = nada_se_mueve(&mut hacia(&servidor.url, &v1(), comun::PACIENCIA));
        contiene(&frase, &["InfluxDB 2", "INFLUXDB_V2_URL", "INFLUXDB_V2_TOKEN"]);
        assert!(!frase.contains("CREATE DATABASE"), "{frase}");
    }
    let (mut p, _servidor) = con(|_| Accion::Contestar(404, VERSION_1, "404 page not found".to_owned()));
    contiene(&nada_se_mueve(&mut p), &["InfluxDB 1.x", "INFLUXDB_V1_URL", "INFLUXDB_V1_DATABASE"]);
}

#[test]
fn lo_que_contesta_un_servidor_llega_al_terminal_sin_codigos_de_control() {
    let sucio = "\u{1b}[2J\u{1b}]0;te he cambiado el título\u{7}\u{9b}31mroto\u{202e}\r\n\u{8}fin";
    for codigo in [200, 400, 401, 404, 422, 500] {
        for cuerpo in [sucio.to_owned(), json(sucio), json(&format!("unable to parse 'm n=1': {sucio}"))] {
            let (mut p, _servidor) = con(move |peticion| match peticion.texto().contains("n=0 ") {
                true => Accion::de(codigo, &cuerpo),
                false => Accion::de(204, ""),
            });
            p.envio.enviar(&lote(2));
            p.envio.enviar(&lote(2));
            let rechazados = std::fs::read_to_string(&p.rechazados).unwrap_or_default().replace('\n', "");
            for texto in p.oido.todos().into_iter().chain([rechazados]) {
                let manda = |c: char| c.is_control() || c == '\u{202e}';
                assert!(!texto.contains(manda), "{codigo}: {texto:?}");
            }
        }
    }
}

#[test]
fn un_token_que_no_puede_viajar_se_dice_y_no_parece_una_conexion_cortada() {
    let (_, servidor) = con(|_| Accion::de(204, ""));
    for token in ["con\rretorno", "español", "el-token-que-te-da-InfluxDB-aquí"] {
        let acceso = Acceso::V2 { token: token.to_owned(), org: "o".to_owned(), bucket: "b".to_owned() };
        let mut p = hacia(&servidor.url, &acceso, comun::PACIENCIA);
        let frase = nada_se_mueve(&mut p);
        contiene(&frase, &["el token lleva alguna letra que no puede viajar"]);
        assert!(!frase.contains(token), "{frase}");
    }
}

#[test]
fn un_nombre_sin_puntos_que_no_existe_hace_pensar_en_docker() {
    let causa =
        contestacion::Contestacion::SinConexion(practicas_iabd06::herramientas::causa::SIN_DNS.to_owned());
    let decir = |url: &str| {
        let servidor = practicas_iabd06::influx::frases::Servidor { nombre: "InfluxDB", url, acceso: &v2() };
        practicas_iabd06::influx::frases::frase(&causa, servidor)
    };
    contiene(&decir("http://influxdb2:8086"), &["DNS", "«influxdb2»", "Docker", "localhost"]);
    assert!(!decir("http://influx.example.com:8086").contains("Docker"));
}

#[test]
fn una_segunda_causa_se_dice_cuando_sustituye_a_la_primera() {
    let cuenta = AtomicUsize::new(0);
    let servidor = ServidorFalso::nuevo(move |_| match cuenta.fetch_add(1, Ordering::Relaxed) {
        0..=1 => Accion::Cortar,
        2..=3 => Accion::Callar,
        4..=5 => Accion::de(404, &json("bucket \"x\" not found")),
        _ => Accion::de(404, "404 page not found"),
    });
    let mut p = hacia(&servidor.url, &v2(), Duration::from_millis(100));
    for _ in 0..8 {
        p.envio.enviar(&lote(1));
    }
    let frases = p.oido.importantes();
    assert_eq!(frases.len(), 4, "{frases:?}");
    for (frase, esperado) in frases.iter().zip(["cortado", "no contesta", "bucket", "no parece InfluxDB"]) {
        contiene(frase, &[esperado]);
    }
}
