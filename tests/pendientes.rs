//! El cliente entero, con su diario y un servidor que va y viene: lo que no salió sale después.

use std::fs;
use std::path::Path;
use std::time::Duration;

mod comun;
use comun::{Accion, Oido, ServidorFalso, contiene};
use practicas_iabd06::influx::diario::Limites;
use practicas_iabd06::influx::{Acceso, Ajustes, InfluxDBClient, Lugar, Point, WriteOptions};

const NUNCA: Duration = Duration::from_secs(3600);

fn cliente(datos: &Path, servidor: &Lugar, host: &str, oido: &Oido) -> InfluxDBClient {
    let ajustes =
        Ajustes { host_id: host, lugar: servidor, datos, limites: Limites::default(), recuperar: None };
    InfluxDBClient::new(ajustes, oido.avisos()).unwrap()
}

#[test]
fn lo_que_no_salio_sale_la_proxima_vez_en_orden_y_solo_hacia_su_servidor() {
    let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let caido = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let destino = |url: &str, bucket: &str| Lugar::Servidor {
        url: url.to_owned(),
        acceso: Acceso::V2 { token: "t".into(), org: "o".into(), bucket: bucket.into() },
        ca: None,
    };
    let uno = destino(&format!("http://{caido}"), "b");
    let opciones = WriteOptions { flush_interval: NUNCA, ..WriteOptions::default() };
    let api = cliente(datos.path(), &uno, "a", &oido).write_api(opciones.clone()).unwrap();
    for n in 0..5 {
        api.write(&Point::new("m").field("n", n).time(n)).unwrap();
    }
    let resumen = api.close();
    assert_eq!((resumen.enviados, resumen.pendientes), (0, 5));
    contiene(&resumen.motivo.unwrap(), &["conexión rechazada"]);

    // Otro bucket del mismo servidor y otro host_id no ven esos puntos.
    let url = format!("http://{caido}");
    let parecido = Lugar::Servidor {
        url: url.clone(),
        acceso: Acceso::V1 { database: "o\nbucket=b".into(), credenciales: None },
        ca: None,
    };
    for (servidor, host) in
        [(&destino(&url, "otro"), "a"), (&destino(&url, "b\n"), "a"), (&parecido, "a"), (&uno, "b")]
    {
        let api = cliente(datos.path(), servidor, host, &oido).write_api(opciones.clone()).unwrap();
        assert_eq!(api.close().pendientes, 0);
    }

    // El mismo servidor vuelve, en la misma dirección.
    let servidor = ServidorFalso::en(comun::escuchar_en(caido), |_| Accion::de(204, ""));
    let api = cliente(datos.path(), &uno, "a", &oido).write_api(opciones).unwrap();
    api.write(&Point::new("m").field("n", 5_i64).time(5)).unwrap();
    assert_eq!(api.close().enviados, 6);
    let esperado: String = (0..6).map(|n| format!("m n={n}i {n}\n")).collect();
    assert_eq!(servidor.escritura().texto(), esperado);
    assert!(oido.todos().iter().any(|f| f.contains("queda por enviar: 5 puntos")), "{:?}", oido.todos());
}

// --- lo que espera en otra carpeta --------------------------------------------------------------

fn v2(url: &str, bucket: &str) -> Lugar {
    let acceso = Acceso::V2 { token: "t".into(), org: "o".into(), bucket: bucket.into() };
    Lugar::Servidor { url: url.to_owned(), acceso, ca: None }
}

/// Una dirección en la que no escucha nadie.
fn nadie() -> String {
    format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

/// Arranca hacia `lugar`, escribe los puntos y cierra. Devuelve el resumen y lo que se dice.
fn arrancar(
    datos: &Path,
    lugar: &Lugar,
    host_id: &str,
    recuperar: Option<&str>,
    puntos: std::ops::Range<i64>,
) -> (practicas_iabd06::influx::Resumen, Vec<String>) {
    let oido = Oido::default();
    let ajustes = Ajustes { host_id, lugar, datos, limites: Limites::default(), recuperar };
    let opciones = WriteOptions { flush_interval: NUNCA, ..WriteOptions::default() };
    let api = InfluxDBClient::new(ajustes, oido.avisos()).unwrap().write_api(opciones).unwrap();
    for n in puntos {
        api.write(&Point::new("m").field("n", n).time(n)).unwrap();
    }
    (api.close(), oido.todos())
}

/// Los nombres de las carpetas que dicen los avisos.
fn olvidadas(frases: &[String]) -> Vec<String> {
    frases.iter().filter_map(|f| Some(f.split_once("--recuperar ")?.1.to_owned())).collect()
}

#[test]
fn al_corregir_bucket_direccion_o_host_id_se_dice_lo_que_espera_y_con_recuperar_sale_todo() {
    let datos = tempfile::tempdir().unwrap();
    let mala = nadie();
    arrancar(datos.path(), &v2(&mala, "b"), "a", None, 0..20);
    arrancar(datos.path(), &v2(&mala, "mal\u{1b}[2Jo"), "a", None, 20..25);
    arrancar(datos.path(), &v2(&mala, "b"), "mal_nombre", None, 25..26);

    let servidor = ServidorFalso::nuevo(|_| Accion::de(204, ""));
    let buena = v2(&servidor.url, "b");
    let (resumen, frases) = arrancar(datos.path(), &buena, "a", None, 26..27);
    assert_eq!(resumen.enviados, 1, "sin pedirlo no sale nada de otro sitio");
    let carpetas = olvidadas(&frases);
    assert_eq!(carpetas.len(), 3, "{frases:?}");
    let todas = frases.join("\n");
    contiene(&todas, &["esperan 20 puntos de «a» para", &mala, "bucket=b", "espera 1 punto de «mal_nombre»"]);
    assert!(!todas.contains('\u{1b}'), "{todas:?}");

    let (resumen, frases) = arrancar(datos.path(), &buena, "a", Some(&carpetas[0]), 27..27);
    let ruta = datos.path().join("agente").join(&carpetas[0]);
    let recuperados = resumen.enviados;
    assert!(recuperados > 0, "{frases:?}");
    assert_eq!(olvidadas(&frases), carpetas[1..], "las demás siguen esperando, y se dice");
    // Otra vez la misma orden, con la ruta entera: ya no hay nada, y no es un error.
    let (resumen, frases) = arrancar(datos.path(), &buena, "a", ruta.to_str(), 27..27);
    assert_eq!(resumen.enviados, 0);
    contiene(&frases.join("\n"), &["No espera nada que recuperar"]);

    let (resumen, frases) = arrancar(datos.path(), &buena, "a", Some("todo"), 27..28);
    assert_eq!(recuperados + resumen.enviados, 27);
    assert!(olvidadas(&frases).is_empty(), "{frases:?}");
    let (_, frases) = arrancar(datos.path(), &buena, "a", None, 28..28);
    assert!(olvidadas(&frases).is_empty());

    let escrito: String = servidor.peticiones.try_iter().map(|p| p.texto()).collect();
    let mut lineas: Vec<_> = escrito.lines().collect();
    lineas.sort_by_key(|l| l.rsplit(' ').next().unwrap().parse::<i64>().unwrap());
    let esperadas: Vec<_> = (0..28).map(|n| format!("m n={n}i {n}")).collect();
    assert_eq!(lineas, esperadas, "cada uno, una vez");
}

#[test]
fn la_carpeta_de_un_agente_en_marcha_no_se_toca_ni_se_anuncia() {
    let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let otro = v2(&nadie(), "b");
    let api = cliente(datos.path(), &otro, "otro", &oido)
        .write_api(WriteOptions { flush_interval: NUNCA, ..WriteOptions::default() })
        .unwrap();
    api.write(&Point::new("m").field("n", 1_i64)).unwrap();
    let suya = fs::read_dir(datos.path().join("agente")).unwrap().next().unwrap().unwrap().file_name();

    let servidor = ServidorFalso::nuevo(|_| Accion::de(204, ""));
    let buena = v2(&servidor.url, "b");
    let (_, frases) = arrancar(datos.path(), &buena, "a", Some("todo"), 0..1);
    assert!(olvidadas(&frases).is_empty(), "{frases:?}");
    for (recuperar, frase) in
        [(suya.to_str().unwrap(), "otro agente"), ("no_existe", "no hay ninguna carpeta")]
    {
        let ajustes = Ajustes {
            host_id: "a",
            lugar: &buena,
            datos: datos.path(),
            limites: Limites::default(),
            recuperar: Some(recuperar),
        };
        let error = InfluxDBClient::new(ajustes, oido.avisos()).unwrap().write_api(WriteOptions::default());
        contiene(&error.err().unwrap().to_string(), &[frase, recuperar]);
    }
    assert_eq!(api.resumen().pendientes, 1);
    assert!(servidor.peticiones.try_iter().all(|p| p.lineas() <= 1));
}

#[test]
fn sin_servidor_lo_recuperado_va_al_fichero() {
    let datos = tempfile::tempdir().unwrap();
    arrancar(datos.path(), &v2(&nadie(), "b"), "a", None, 0..5);
    let (_, frases) = arrancar(datos.path(), &Lugar::Fichero, "a", None, 5..5);
    let carpetas = olvidadas(&frases);
    let (resumen, _) = arrancar(datos.path(), &Lugar::Fichero, "a", Some(&carpetas[0]), 5..6);
    assert_eq!(resumen.pendientes, 0);
    let texto = fs::read_to_string(datos.path().join("rendimiento_servidor.lp")).unwrap();
    assert_eq!(texto, (0..6).map(|n| format!("m n={n}i {n}\n")).collect::<String>());
    let (_, frases) = arrancar(datos.path(), &Lugar::Fichero, "a", None, 6..6);
    assert!(olvidadas(&frases).is_empty(), "{frases:?}");
}

#[test]
fn lo_recuperado_que_no_cabe_en_el_diario_se_queda_donde_estaba_y_se_dice() {
    let datos = tempfile::tempdir().unwrap();
    let limites = Limites { segmento: 1_000, total: 4_000 };
    let (uno, dos, oido) = (v2(&nadie(), "uno"), v2(&nadie(), "dos"), Oido::default());
    let abrir = |lugar, recuperar| {
        let ajustes = Ajustes { host_id: "a", lugar, datos: datos.path(), limites, recuperar };
        let opciones = WriteOptions { flush_interval: NUNCA, ..WriteOptions::default() };
        InfluxDBClient::new(ajustes, oido.avisos()).unwrap().write_api(opciones).unwrap()
    };
    let api = abrir(&uno, None);
    for n in 0..200_i64 {
        api.write(&Point::new("m").field("n", n).time(n)).unwrap();
    }
    assert_eq!(api.close().pendientes, 200);
    let resumen = abrir(&dos, Some("todo")).close();
    let (recuperados, quedan) = (resumen.pendientes, 200 - resumen.pendientes);
    assert!(recuperados > 0 && quedan > 0 && resumen.perdidos == 0, "{resumen:?}");
    contiene(&oido.todos().join("\n"), &["No cabe todo", &format!("esperan {quedan} puntos")]);
}
