//! Escrito es escrito, y ningún punto se condena por lo que no es culpa suya: servidores que no son InfluxDB, que
//! ponen límites, que no pueden con tanto o que rechazan sin decir por qué.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

mod comun;
#[path = "comun/envio.rs"]
mod envio;

use comun::{Accion, Peticion, ServidorFalso, contiene};
use envio::{Prueba, con, escritas, hacia, json, lote, v1, v2};
use practicas_iabd06::influx::buffer::Lote;
use practicas_iabd06::influx::destino::{Destino, Entrega};
use practicas_iabd06::influx::{Acceso, contestacion};

const VERSION_2: &str = "X-Influxdb-Build: OSS\r\nX-Influxdb-Version: 2.7.12\r\n";
const VERSION_1: &str = "X-Influxdb-Version: 1.6.7~rc0\r\n";

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

/// Envía el lote como lo hace el temporizador, hasta que no queda nada. Devuelve cuántas escritas y apartadas.
fn vaciar(p: &mut Prueba, lote: &Lote, intentos: usize) -> (usize, usize) {
    let (mut resto, mut total) = (lote.texto.clone(), (0, 0));
    for _ in 0..intentos {
        let lineas = resto.iter().filter(|b| **b == b'\n').count();
        if lineas == 0 {
            break;
        }
        let este = Lote { texto: resto.clone(), lineas };
        let Entrega { escritas, apartadas, .. } = p.envio.enviar(&este);
        total = (total.0 + escritas, total.1 + apartadas);
        resto.drain(..este.bytes_de(escritas + apartadas));
    }
    total
}

// --- A. escrito quiere decir escrito ------------------------------------------------------------

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

// --- B. ninguna línea se condena sin culpa, y ningún lote atasca a los demás ----------------------

/// Contesta como InfluxDB 1.x cuando no admite más series: nada de lo que llega entra.
fn lleno(peticion: &Peticion) -> Accion {
    let n = peticion.lineas();
    let error = format!("partial write: max-series-per-database limit exceeded: (1) dropped={n}");
    Accion::Contestar(400, VERSION_1, serde_json::json!({ "error": error }).to_string())
}

#[test]
fn un_limite_del_servidor_no_aparta_nada_y_al_levantarlo_entra_todo() {
    let levantado = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let otro = std::sync::Arc::clone(&levantado);
    let (mut p, servidor) = con(move |peticion| match otro.load(Ordering::Relaxed) {
        false => lleno(peticion),
        true => Accion::de(204, ""),
    });
    for _ in 0..5 {
        assert_eq!(escritas(&p.envio.enviar(&lote(1_000))), (0, 0, true));
    }
    assert!(servidor.peticiones.try_iter().count() < 20, "no se insiste línea a línea");
    let frases = p.oido.importantes();
    assert_eq!(frases.len(), 1, "{frases:?}");
    contiene(&frases[0], &["400", "max-series-per-database", "no es culpa de ellos"]);
    assert!(!p.rechazados.exists());
    levantado.store(true, Ordering::Relaxed);
    assert_eq!(escritas(&p.envio.enviar(&lote(1_000))), (1_000, 0, false));
    assert!(servidor.peticiones.try_iter().count() < 20, "y se vuelve enseguida a los lotes enteros");
}

#[test]
fn un_servidor_que_no_acaba_a_tiempo_con_lotes_grandes_los_recibe_en_trozos_y_entra_todo() {
    let recibidas = std::sync::Arc::new(Mutex::new(BTreeSet::new()));
    let suyas = std::sync::Arc::clone(&recibidas);
    let servidor = ServidorFalso::nuevo(move |peticion| {
        if peticion.lineas() > 200 {
            return Accion::Callar; // más de lo que se le espera
        }
        suyas.lock().unwrap().extend(peticion.texto().lines().map(str::to_owned));
        Accion::de(204, "")
    });
    let mut p = hacia(&servidor.url, &v2(), Duration::from_millis(200));
    assert_eq!(vaciar(&mut p, &lote(3_000), 5), (3_000, 0));
    assert_eq!(recibidas.lock().unwrap().len(), 3_000);
    let mudas = servidor.peticiones.try_iter().filter(|p| p.lineas() > 200).count();
    assert!(mudas <= 4, "{mudas} esperas en balde");
    let frases = p.oido.importantes();
    assert_eq!(frases.len(), 1, "{frases:?}");
    contiene(&frases[0], &["en trozos"]);
}

#[test]
fn lo_mismo_si_en_vez_de_callar_corta_o_falla() {
    for modo in 0..5 {
        let (mut p, _servidor) = con(move |peticion| match (peticion.lineas() > 30, modo) {
            (false, _) => Accion::de(204, ""),
            (true, 0) => Accion::Cortar,
            (true, 1) => Accion::de(500, &json("engine: out of memory")),
            (true, 2) => Accion::de(504, "<html>Gateway Time-out</html>"),
            (true, 3) => Accion::de(400, "<html>Request Header Or Body Too Large</html>"),
            (true, _) => Accion::de(403, "<html>mod_security: body</html>"),
        });
        assert_eq!(vaciar(&mut p, &lote(1_000), 3), (1_000, 0), "modo {modo}");
        assert!(!p.rechazados.exists());
    }
}

#[test]
fn un_429_o_503_que_solo_es_para_los_lotes_grandes_no_atasca() {
    for codigo in [429, 503] {
        let (mut p, _servidor) = con(move |peticion| match peticion.lineas() > 30 {
            true => Accion::de(codigo, &json("too much")),
            false => Accion::de(204, ""),
        });
        assert_eq!(vaciar(&mut p, &lote(300), 8), (300, 0), "{codigo}");
    }
}

#[test]
fn un_servidor_que_se_recupera_vuelve_a_recibir_lotes_enteros() {
    let rotas = AtomicUsize::new(12);
    let (mut p, servidor) =
        con(move |_| match rotas.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) {
            Ok(_) => Accion::de(500, &json("engine is closed")),
            Err(_) => Accion::de(204, ""),
        });
    assert_eq!(vaciar(&mut p, &lote(1_000), 12), (1_000, 0));
    p.envio.enviar(&lote(1_000));
    servidor.peticiones.try_iter().count();
    assert_eq!(escritas(&p.envio.enviar(&lote(1_000))), (1_000, 0, false));
    assert_eq!(servidor.peticiones.try_iter().count(), 1);
}

/// No admite las líneas con «MALA», y no dice que sea por ellas.
fn una_mala(codigo: u16, cuerpo: &'static str) -> impl Fn(&Peticion) -> Accion + Send + Sync {
    move |peticion| match peticion.texto().contains("MALA") {
        true => Accion::de(codigo, cuerpo),
        false => Accion::de(204, ""),
    }
}

fn con_malas(n: usize, malas: std::ops::Range<usize>) -> Lote {
    let linea = |i| if malas.contains(&i) { format!("m MALA={i} {i}\n") } else { format!("m n={i} {i}\n") };
    Lote { texto: (0..n).map(linea).collect::<String>().into_bytes(), lineas: n }
}

#[test]
fn la_linea_que_no_entra_aunque_las_demas_si_se_aparta_diga_lo_que_diga_el_servidor() {
    let casos = [
        (400, "<html>WAF: request blocked</html>"),
        (400, r#"{"code":"invalid","message":"something new"}"#),
        (500, r#"{"code":"internal error","message":"panic: index out of range"}"#),
        (502, "<html>Bad Gateway</html>"),
        (413, r#"{"code":"request too large","message":"too large"}"#),
    ];
    for (codigo, cuerpo) in casos {
        for malas in [0..1, 57..58, 99..100, 40..43] {
            let (mut p, servidor) = con(una_mala(codigo, cuerpo));
            let cuantas = malas.len();
            let total = vaciar(&mut p, &con_malas(100, malas.clone()), 12);
            assert_eq!(total, (100 - cuantas, cuantas), "{codigo}, malas {malas:?}");
            let rechazados = std::fs::read_to_string(&p.rechazados).unwrap();
            assert!(rechazados.lines().all(|l| l.starts_with('#') || l.contains("MALA")), "{rechazados}");
            assert!(servidor.peticiones.try_iter().count() < 150);
        }
    }
}

#[test]
fn un_servidor_que_falla_a_ratos_no_condena_a_nadie() {
    for cada in [2, 3, 4] {
        let cuenta = AtomicUsize::new(0);
        let (mut p, _servidor) = con(move |_| match cuenta.fetch_add(1, Ordering::Relaxed) % cada {
            0 => Accion::de(503, "<html>Service Unavailable</html>"),
            _ => Accion::de(204, ""),
        });
        assert_eq!(vaciar(&mut p, &lote(500), 2_000), (500, 0), "falla una de cada {cada}");
    }
}

#[test]
fn miles_de_puntos_fuera_de_la_retencion_cuestan_pocas_peticiones_y_se_dice_cuantos_y_por_que() {
    // Contesta como un 2.7: escribe los de instante 6000 en adelante, y de los demás dice cuántos son.
    let (mut p, servidor) = con(|peticion| {
        let instante = |linea: &str| linea.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
        match peticion.texto().lines().filter(|l| instante(l) < 6_000).count() {
            0 => Accion::de(204, ""),
            viejas => Accion::Contestar(
                422,
                VERSION_2,
                json(&format!(
                    "failure writing points to database: partial write: dropped {viejas} points outside retention \
                     policy of duration 1h0m0s - oldest point m at 2025-11-24T16:00:00Z dropped because it violates \
                     a Retention Policy Lower Bound dropped={viejas} for database: 2d for retention policy: autogen"
                )),
            ),
        }
    });
    let todo = lote(10_000).texto;
    let lotes: Vec<_> = todo.split_inclusive(|b| *b == b'\n').collect();
    let (mut escritas, mut apartadas) = (0, 0);
    for lineas in lotes.chunks(900) {
        let entrega = p.envio.enviar(&Lote { texto: lineas.concat(), lineas: lineas.len() });
        (escritas, apartadas) = (escritas + entrega.escritas, apartadas + entrega.apartadas);
        assert_eq!(entrega.esperar, None);
    }
    assert_eq!((escritas, apartadas), (4_000, 6_000));
    let peticiones = servidor.peticiones.try_iter().count();
    assert!(peticiones < 45, "{peticiones} peticiones");
    let frases = p.oido.importantes();
    assert_eq!(frases.len(), 1, "{frases:?}");
    contiene(&frases[0], &["900 puntos", "retención", "en hora", "rechazados.lp"]);
}

#[test]
fn las_notas_de_lo_apartado_no_se_repiten_y_lo_apartado_se_puede_volver_a_cargar() {
    let (mut p, _servidor) = con(|peticion| {
        let n = peticion.lineas();
        let conflicto = format!(
            "partial write: field type conflict: input field \"n\" on measurement \"m\" is type float, already exists as type string dropped={n}"
        );
        Accion::Contestar(422, VERSION_2, json(&conflicto))
    });
    for _ in 0..50 {
        assert_eq!(escritas(&p.envio.enviar(&lote(10))), (0, 10, false));
    }
    let rechazados = std::fs::read_to_string(&p.rechazados).unwrap();
    assert_eq!(rechazados.lines().filter(|l| l.starts_with('#')).count(), 1);
    let puntos = influxdb_line_protocol::parse_lines(&rechazados).map(Result::unwrap).count();
    assert_eq!(puntos, 500, "las notas son comentarios");
}

#[test]
fn una_segunda_causa_se_dice_cuando_sustituye_a_la_primera() {
    let cuenta = AtomicUsize::new(0);
    let (mut p, _servidor) = con(move |_| match cuenta.fetch_add(1, Ordering::Relaxed) {
        0 => Accion::Cortar,
        1 => Accion::de(401, &json("unauthorized access")),
        _ => Accion::de(404, &json("bucket \"x\" not found")),
    });
    for _ in 0..5 {
        p.envio.enviar(&lote(1));
    }
    let frases = p.oido.importantes();
    assert_eq!(frases.len(), 3, "{frases:?}");
}
