//! Ningún punto se condena por lo que no es culpa suya, y ningún lote atasca a los demás: servidores que ponen
//! límites, que no pueden con tanto, que fallan a ratos o que rechazan sin decir por qué.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

mod comun;
#[path = "comun/envio.rs"]
mod envio;

use comun::{Accion, Peticion, ServidorFalso, contiene};
use envio::{VERSION_1, VERSION_2, con, escritas, hacia, json, lote, v2, vaciar};
use practicas_iabd06::influx::buffer::Lote;
use practicas_iabd06::influx::destino::Destino;

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
    contiene(&frases[0], &["400", "max-series-per-database", "ni uno solo", "límite"]);
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

fn con_malas(desde: usize, n: usize, malas: std::ops::Range<usize>) -> Lote {
    let linea = |i| if malas.contains(&i) { format!("m MALA={i} {i}\n") } else { format!("m n={i} {i}\n") };
    Lote { texto: (desde..n).map(linea).collect::<String>().into_bytes(), lineas: n - desde }
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
            let mut total = vaciar(&mut p, &con_malas(0, 100, malas.clone()), 12);
            if total.0 + total.1 < 100 {
                // La mala se ha quedado sola: no se la condena hasta que llega otra y se ve que entra.
                assert_eq!((total, malas.end), ((100 - cuantas, 0), 100), "{codigo}");
                let apartadas = vaciar(&mut p, &con_malas(99, 101, malas.clone()), 3);
                assert_eq!(apartadas, (1, 1), "{codigo}");
                total.1 = 1;
            }
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
