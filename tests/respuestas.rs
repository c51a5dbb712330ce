//! Cada contestación de un servidor: qué se escribe, qué se guarda y qué se dice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

mod comun;
#[path = "comun/envio.rs"]
mod envio;

use comun::{Accion, Peticion, ServidorFalso, contiene};
use envio::{con, escritas, hacia, json, lote, v1, v2};
use practicas_iabd06::influx::Acceso;
use practicas_iabd06::influx::buffer::Lote;
use practicas_iabd06::influx::destino::Destino;
use practicas_iabd06::influx::http::ClienteHttp;

const NUNCA: Duration = Duration::from_secs(3600);

#[test]
fn un_204_es_escrito_y_la_peticion_es_la_de_la_api_v2() {
    let (mut p, servidor) = con(|_| Accion::de(204, ""));
    assert_eq!(escritas(&p.envio.enviar(&lote(3))), (3, 0, false));
    let peticion = servidor.escritura();
    assert_eq!(peticion.ruta, "/api/v2/write?org=mi%20org&bucket=mi%26bucket&precision=ns");
    assert_eq!(peticion.cabeceras["authorization"], "Token secreto");
    assert_eq!(peticion.cuerpo, lote(3).texto);
    assert!(p.oido.importantes().is_empty());
}

#[test]
fn en_1x_va_a_write_con_base_usuario_y_clave() {
    let servidor = ServidorFalso::nuevo(|_| Accion::de(204, ""));
    let mut p = hacia(&servidor.url, &v1(), comun::PACIENCIA);
    assert_eq!(escritas(&p.envio.enviar(&lote(1))), (1, 0, false));
    let peticion = servidor.escritura();
    assert_eq!(peticion.ruta, "/write?db=base&u=ana&p=cl%26ve&precision=ns");
    assert!(!peticion.cabeceras.contains_key("authorization"));
}

/// Contesta como InfluxDB 2: si una línea es mala, 400 y no escribe ninguna.
fn rechaza_las_que_contienen(mala: &'static str) -> impl Fn(&Peticion) -> Accion + Send + Sync {
    move |peticion| match peticion.texto().lines().find(|l| l.contains(mala)) {
        Some(linea) => Accion::de(400, &json(&format!("unable to parse '{linea}': mala"))),
        None => Accion::de(204, ""),
    }
}

#[test]
fn con_un_400_la_linea_mala_se_aparta_con_las_palabras_del_servidor_y_lo_demas_se_escribe() {
    for n in [1, 2, 3, 10, 64, 100] {
        for mala in [0, n / 2, n - 1] {
            let (mut p, servidor) = con(rechaza_las_que_contienen("MALA"));
            let texto = String::from_utf8(lote(n).texto).unwrap();
            let texto = texto.replace(&format!("m n={mala} "), &format!("MALA n={mala} "));
            let respuesta = p.envio.enviar(&Lote { texto: texto.clone().into_bytes(), lineas: n });
            assert_eq!(escritas(&respuesta), (n - 1, 1, false), "{n} líneas, mala la {mala}");

            let aceptadas: String =
                servidor.peticiones.try_iter().map(|p| p.texto()).filter(|t| !t.contains("MALA")).collect();
            let esperadas: String = texto.split_inclusive('\n').filter(|l| !l.contains("MALA")).collect();
            assert_eq!(aceptadas, esperadas, "cada buena se escribe una vez y en orden");

            let rechazados = std::fs::read_to_string(&p.rechazados).unwrap();
            let lineas: Vec<_> = rechazados.lines().collect();
            assert!(
                lineas[0].starts_with("# 2") && lineas[0].contains("400 unable to parse"),
                "{rechazados}"
            );
            assert_eq!(lineas[1..], [format!("MALA n={mala} {mala}")]);
            assert_eq!(p.oido.importantes().len(), 1, "{:?}", p.oido.importantes());
        }
    }
}

#[test]
fn un_lote_con_todas_las_lineas_malas_se_aparta_entero_y_se_dice_una_vez() {
    let (mut p, servidor) = con(rechaza_las_que_contienen("m"));
    assert_eq!(escritas(&p.envio.enviar(&lote(50))), (0, 50, false));
    let rechazados = std::fs::read_to_string(&p.rechazados).unwrap();
    let apartadas: String = rechazados.split_inclusive('\n').filter(|l| !l.starts_with('#')).collect();
    assert_eq!(apartadas.into_bytes(), lote(50).texto);
    assert_eq!(p.oido.importantes().len(), 1);
    assert!(servidor.peticiones.try_iter().count() < 60, "una petición por línea mala, no más");
}

#[test]
fn si_no_se_puede_apartar_una_linea_no_se_pierde_y_se_dice() {
    let (mut p, _servidor) = con(rechaza_las_que_contienen("n=1 "));
    std::fs::create_dir(&p.rechazados).unwrap(); // ahí no se puede escribir
    for _ in 0..2 {
        let respuesta = p.envio.enviar(&lote(2));
        assert_eq!(respuesta.apartadas, 0);
        contiene(&respuesta.esperar.unwrap().1, &["no se puede escribir en", "rechazados.lp"]);
    }
    let frases = p.oido.importantes();
    contiene(frases.last().unwrap(), &["rechazados.lp", "se guardan"]);
}

#[test]
fn un_422_se_trata_como_un_400() {
    let (mut p, _servidor) = con(|peticion| match peticion.texto().contains("n=7 ") {
        true => Accion::de(422, &json("failure writing points: field type conflict")),
        false => Accion::de(204, ""),
    });
    assert_eq!(escritas(&p.envio.enviar(&lote(20))), (19, 1, false));
    assert!(std::fs::read_to_string(&p.rechazados).unwrap().contains("422 failure writing points"));
}

#[test]
fn si_el_servidor_cae_a_mitad_de_partir_lo_hecho_cuenta_y_lo_demas_espera() {
    let peticiones = AtomicUsize::new(0);
    let regla = rechaza_las_que_contienen("n=1 ");
    let (mut p, _servidor) = con(move |peticion| match peticiones.fetch_add(1, Ordering::Relaxed) {
        0..4 => regla(peticion),
        _ => Accion::de(500, &json("se acabó")),
    });
    // 8 líneas: falla; 4: falla; 2: falla; 1 (la 0): escrita; y entonces cae.
    assert_eq!(escritas(&p.envio.enviar(&lote(8))), (1, 0, true));
}

/// No admite cuerpos de más de `max` bytes.
fn estrecho(max: usize) -> impl Fn(&Peticion) -> Accion + Send + Sync {
    move |peticion| match peticion.cuerpo.len() > max {
        true => Accion::de(413, &json("Request Entity Too Large")),
        false => Accion::de(204, ""),
    }
}

#[test]
fn con_un_413_el_lote_se_parte_se_dice_y_no_se_vuelve_a_probar_tan_grande() {
    let (mut p, servidor) = con(estrecho(100));
    assert_eq!(escritas(&p.envio.enviar(&lote(100))), (100, 0, false));
    let tamanos: Vec<_> = servidor.peticiones.try_iter().map(|p| p.cuerpo.len()).collect();
    assert!(tamanos[0] > 800 && tamanos[1] <= tamanos[0] / 2 && tamanos[2] <= tamanos[1] / 2, "{tamanos:?}");
    assert!(tamanos[4..].iter().all(|n| *n <= 100), "{tamanos:?}");
    assert_eq!(escritas(&p.envio.enviar(&lote(100))), (100, 0, false));
    assert!(servidor.peticiones.try_iter().all(|p| p.cuerpo.len() <= 100));
    assert!(!p.rechazados.exists());
    let frases = p.oido.importantes();
    assert_eq!(frases.len(), 1, "{frases:?}");
    contiene(&frases[0], &["413", "en trozos"]);
}

#[test]
fn una_linea_enorme_se_aparta_y_no_encoge_los_lotes_siguientes() {
    let (mut p, servidor) = con(estrecho(5_000));
    let enorme = format!("m t=\"{}\" 1\n", "x".repeat(9_000));
    let texto = [lote(100).texto, enorme.into_bytes(), lote(100).texto].concat();
    assert_eq!(escritas(&p.envio.enviar(&Lote { texto, lineas: 201 })), (200, 1, false));
    servidor.peticiones.try_iter().count();
    assert_eq!(escritas(&p.envio.enviar(&lote(100))), (100, 0, false));
    assert_eq!(servidor.peticiones.try_iter().count(), 1, "un lote normal, una petición");
}

#[test]
fn si_no_cabe_ni_un_punto_el_limite_es_de_otro_y_se_guardan_todos() {
    let arreglado = Arc::new(AtomicBool::new(false));
    let suyo = Arc::clone(&arreglado);
    let (mut p, servidor) = con(move |_| match suyo.load(Ordering::Relaxed) {
        true => Accion::de(204, ""),
        false => Accion::de(413, &json("enorme")),
    });
    for _ in 0..2 {
        assert_eq!(escritas(&p.envio.enviar(&lote(100))), (0, 0, true));
    }
    arreglado.store(true, Ordering::Relaxed);
    assert_eq!(escritas(&p.envio.enviar(&lote(100))), (100, 0, false), "y entra cuando se puede");
    servidor.peticiones.try_iter().count();
    assert_eq!(escritas(&p.envio.enviar(&lote(100))), (100, 0, false));
    assert!(servidor.peticiones.try_iter().count() <= 2, "sin quedarse en trozos diminutos");
    contiene(&p.oido.importantes().join("\n"), &["413", "ni uno solo", "proxy"]);
}

/// Manda un lote, comprueba que se guarda entero y devuelve la única frase que se dice.
fn frase_de(acceso: &Acceso, codigo: u16, cuerpo: &str) -> String {
    let cuerpo = cuerpo.to_owned();
    let servidor = ServidorFalso::nuevo(move |_| Accion::de(codigo, &cuerpo));
    let mut p = hacia(&servidor.url, acceso, comun::PACIENCIA);
    for _ in 0..3 {
        assert_eq!(
            escritas(&p.envio.enviar(&lote(5))),
            (0, 0, true),
            "{codigo}: nada se escribe ni se aparta"
        );
    }
    let frases = p.oido.importantes();
    assert_eq!(frases.len(), 1, "una frase por cambio de estado, no por reintento: {frases:?}");
    assert!(!frases[0].contains("secreto") && !frases[0].contains("cl&ve"), "{frases:?}");
    frases[0].clone()
}

#[test]
fn los_problemas_de_acceso_dicen_que_arreglar_por_su_nombre() {
    let no_autorizado = json("unauthorized access");
    contiene(&frase_de(&v2(), 401, &no_autorizado), &["401", "INFLUXDB_V2_TOKEN", "unauthorized access"]);
    contiene(&frase_de(&v1(), 401, &no_autorizado), &["401", "INFLUXDB_V1_USER", "INFLUXDB_V1_PASSWORD"]);
    let sin_permiso = json("insufficient permissions for write");
    contiene(&frase_de(&v2(), 403, &sin_permiso), &["403", "permiso de escritura", "«mi&bucket»"]);
    contiene(&frase_de(&v1(), 403, &sin_permiso), &["403", "GRANT WRITE", "«base»"]);
    let no_esta = json("bucket \"x\" not found");
    contiene(&frase_de(&v2(), 404, &no_esta), &["«mi&bucket»", "«mi org»", "INFLUXDB_BUCKET", "not found"]);
    contiene(&frase_de(&v1(), 404, r#"{"error":"database not found"}"#), &["CREATE DATABASE", "«base»"]);
}

#[test]
fn lo_que_no_es_de_influxdb_no_condena_ningun_punto() {
    let html = "<html><h1>400 The plain HTTP request was sent to HTTPS port</h1></html>";
    contiene(&frase_de(&v2(), 400, html), &["400", "no parece InfluxDB"]);
    contiene(&frase_de(&v2(), 302, ""), &["302", "no parece InfluxDB"]);
    contiene(&frase_de(&v2(), 404, "404 page not found"), &["INFLUXDB_V1_URL"]);
    contiene(&frase_de(&v2(), 502, "<html>Bad Gateway</html>"), &["fallo interno", "502"]);
    contiene(
        &frase_de(&v2(), 500, &json("engine: cache-max-memory-size exceeded")),
        &["fallo interno", "cache-max"],
    );
}

#[test]
fn con_429_y_503_se_espera_lo_que_pide_el_servidor() {
    for codigo in [429, 503] {
        let (mut p, _servidor) = con(move |_| Accion::Contestar(codigo, "Retry-After: 7\r\n", json("calma")));
        let (espera, motivo) = p.envio.enviar(&lote(1)).esperar.unwrap();
        assert_eq!(espera, Duration::from_secs(7));
        contiene(&motivo, &["saturado", &codigo.to_string()]);
        // Sin Retry-After, la espera exponencial de siempre.
        let (mut p, _servidor) = con(move |_| Accion::de(codigo, &json("calma")));
        let (espera, _) = p.envio.enviar(&lote(1)).esperar.unwrap();
        assert!(espera >= Duration::from_secs(5) && espera <= Duration::from_secs(10), "{espera:?}");
    }
}

#[test]
fn un_retry_after_disparatado_ni_para_el_agente_un_dia_ni_lo_hace_insistir_sin_parar() {
    for (cabecera, segundos) in [
        ("Retry-After: 86400\r\n", 3600),
        ("Retry-After: 0\r\n", 1),
        ("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 1),
    ] {
        let (mut p, _servidor) = con(move |_| Accion::Contestar(429, cabecera, String::new()));
        assert_eq!(p.envio.enviar(&lote(1)).esperar.unwrap().0, Duration::from_secs(segundos), "{cabecera}");
    }
}

#[test]
fn sin_servidor_se_dice_por_que() {
    // Un puerto que acaba de estar libre: no escucha nadie.
    let libre = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut p = hacia(&format!("http://{libre}"), &v2(), comun::PACIENCIA);
    contiene(&p.envio.enviar(&lote(1)).esperar.unwrap().1, &["conexión rechazada"]);

    let (mut p, _servidor) = con(|_| Accion::Cortar);
    contiene(&p.envio.enviar(&lote(1)).esperar.unwrap().1, &["se ha cortado"]);

    let servidor = ServidorFalso::nuevo(|_| Accion::Callar);
    let mut p = hacia(&servidor.url, &v2(), Duration::from_millis(50));
    contiene(&p.envio.enviar(&lote(1)).esperar.unwrap().1, &["no contesta a tiempo"]);
}

#[test]
fn una_conexion_cortada_con_un_cuerpo_grande_hace_probar_con_la_mitad() {
    let (mut p, servidor) = con(|peticion| match peticion.cuerpo.len() > 1 << 20 {
        true => Accion::Cortar, // un 413 de los que no esperan a leer el cuerpo
        false => Accion::de(204, ""),
    });
    let grande = lote(100_000);
    let mut hechas = 0;
    for _ in 0..3 {
        hechas += p.envio.enviar(&Lote { texto: grande.texto.clone(), ..grande }).escritas;
    }
    assert!(hechas > 0, "{:?}", servidor.peticiones.try_iter().map(|p| p.lineas()).collect::<Vec<_>>());
}

#[test]
fn al_recuperarse_se_dice_una_vez_y_los_reintentos_empiezan_de_cero() {
    let peticiones = AtomicUsize::new(0);
    let (mut p, _servidor) = con(move |_| match peticiones.fetch_add(1, Ordering::Relaxed) {
        0..=2 | 4 => Accion::de(500, &json("roto")),
        _ => Accion::de(204, ""),
    });
    for _ in 0..3 {
        assert!(p.envio.enviar(&lote(1)).esperar.is_some());
    }
    assert_eq!(escritas(&p.envio.enviar(&lote(1))), (1, 0, false));
    let (espera, _) = p.envio.enviar(&lote(1)).esperar.unwrap();
    assert!(espera <= Duration::from_secs(10), "otra vez la primera espera: {espera:?}");
    assert_eq!(escritas(&p.envio.enviar(&lote(1))), (1, 0, false));
    let frases: Vec<_> = p.oido.todos().into_iter().filter(|f| !f.starts_with("Detalle")).collect();
    assert_eq!(frases.len(), 4, "cae, vuelve, cae, vuelve: {frases:?}");
    contiene(&frases[1], &["vuelve a aceptar puntos"]);
}

#[test]
fn el_saludo_comprueba_servidor_y_credenciales_sin_escribir_nada() {
    let (mut p, servidor) = con(|_| Accion::de(204, ""));
    p.envio.saludar();
    assert!(servidor.peticiones.recv_timeout(comun::PACIENCIA).unwrap().cuerpo.is_empty());
    contiene(&p.oido.todos()[0], &["Info", "acepta las credenciales"]);

    let (mut p, _servidor) = con(|_| Accion::de(401, &json("unauthorized access")));
    p.envio.saludar();
    p.envio.enviar(&lote(1));
    assert_eq!(p.oido.importantes().len(), 1, "lo que ya dijo el saludo no se repite");
}

#[test]
fn las_urls_que_no_valen_se_dicen() {
    for mala in ["", "localhost:8086", "ftp://x", "http://", "no es una url", "http://ana:clave@x:8086"] {
        let frase = ClienteHttp::new(mala, &v2(), None, NUNCA).err().unwrap_or_else(|| panic!("{mala}")).0;
        assert!(!frase.contains("ana:clave") && frase.contains("URL"), "{frase}");
    }
}
