//! El programa entero, como lo usa un alumno: sin nada configurado o contra un servidor de mentira.

use std::fs;
use std::path::Path;

mod comun;
use comun::{Accion, EnMarcha, ServidorFalso, agente, contiene, correr};
use influxdb_line_protocol::{FieldValue, parse_lines};

/// Rápido, para no esperar: cinco lecturas por segundo.
const RAPIDO: [&str; 2] = ["--intervalo", "200ms"];

fn con(mas: &[&'static str]) -> Vec<&'static str> {
    [&RAPIDO, mas].concat()
}

/// Las opciones que apuntan a un servidor de mentira.
fn hacia(servidor: &ServidorFalso) -> Vec<&str> {
    [&RAPIDO[..], &["--url", &servidor.url, "--token", "t", "--org", "o", "--bucket", "b"]].concat()
}

fn fichero(carpeta: &Path) -> String {
    fs::read_to_string(carpeta.join("datos/rendimiento_servidor.lp")).unwrap()
}

fn texto(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn sin_configurar_nada_escribe_puntos_de_esta_maquina_en_un_fichero() {
    let carpeta = tempfile::tempdir().unwrap();
    let salida = correr(carpeta.path(), &con(&["--lecturas", "3"]));
    assert_eq!(salida.status.code(), Some(0));
    let errores = texto(&salida.stderr);
    contiene(errores.lines().next().unwrap(), &["Sin servidor", "datos", "rendimiento_servidor.lp"]);
    contiene(&errores, &["3 lecturas: 3 puntos escritos, 0 pendientes, 0 apartados, 0 perdidos."]);
    assert_eq!(texto(&salida.stdout).lines().count(), 3, "en una tubería, una línea por lectura");

    let contenido = fichero(carpeta.path());
    let puntos: Vec<_> = parse_lines(&contenido).map(Result::unwrap).collect();
    assert_eq!(puntos.len(), 3);
    for punto in &puntos {
        assert_eq!(punto.series.measurement, "rendimiento_servidor");
        assert!(*punto.tag_value("host_id").unwrap() == "servidor_A");
        assert!(*punto.tag_value("entorno").unwrap() == "produccion");
        for field in ["cpu_percent", "ram_percent", "disk_percent"] {
            let Some(FieldValue::F64(percent)) = punto.field_value(field) else {
                panic!("{field} no es float")
            };
            assert!((0.0..=100.0).contains(percent));
        }
        assert_eq!(punto.field_set.len(), 3);
    }
    assert!(puntos.is_sorted_by(|a, b| a.timestamp < b.timestamp));
}

#[test]
fn una_segunda_ejecucion_sigue_el_fichero_y_corta_la_linea_a_medias() {
    let carpeta = tempfile::tempdir().unwrap();
    correr(carpeta.path(), &con(&["--lecturas", "1"]));
    let ruta = carpeta.path().join("datos/rendimiento_servidor.lp");
    fs::write(&ruta, fichero(carpeta.path()) + "rendimiento_servidor,host_id=serv").unwrap();
    let salida = correr(carpeta.path(), &con(&["--lecturas", "1"]));
    contiene(&texto(&salida.stderr), &["a medias"]);
    assert_eq!(parse_lines(&fichero(carpeta.path())).map(Result::unwrap).count(), 2);
}

#[test]
#[cfg(unix)]
fn ctrl_c_y_sigterm_vacian_el_buffer_resumen_y_acaban_bien() {
    for senal in ["-INT", "-TERM"] {
        let carpeta = tempfile::tempdir().unwrap();
        let servidor = ServidorFalso::nuevo(|_| Accion::de(204, ""));
        let mut agente = EnMarcha::lanzar(carpeta.path(), &hacia(&servidor));
        agente.lecturas(2);
        agente.senal(senal);
        let (codigo, errores) = agente.fin();
        assert_eq!(codigo, Some(0), "{errores}");
        contiene(&errores, &["puntos escritos, 0 pendientes"]);
        let enviados = servidor.escritura().lineas();
        assert!(enviados >= 2);
        contiene(&errores, &[&format!("{enviados} lecturas: {enviados} puntos escritos")]);
    }
}

#[test]
#[cfg(unix)]
fn con_un_servidor_mudo_se_sigue_leyendo_y_al_parar_no_se_espera_mas_de_max_close_wait() {
    let carpeta = tempfile::tempdir().unwrap();
    let servidor = ServidorFalso::nuevo(|_| Accion::Callar);
    let opciones = [&hacia(&servidor)[..], &["--max-close-wait", "100ms"]].concat();
    let mut agente = EnMarcha::lanzar(carpeta.path(), &opciones);
    servidor.peticiones.recv_timeout(comun::PACIENCIA).unwrap(); // el saludo, colgado
    agente.lecturas(3);
    agente.senal("-INT");
    let (codigo, errores) = agente.fin();
    assert_eq!(codigo, Some(0));
    contiene(&errores, &["0 puntos escritos", "pendientes", "max_close_wait"]);
    contiene(&errores, &["próxima vez que se arranque hacia InfluxDB", &servidor.url, "bucket b"]);
}

#[test]
#[cfg(unix)]
fn la_segunda_ctrl_c_acaba_en_el_acto_y_el_diario_guarda_lo_demas() {
    let carpeta = tempfile::tempdir().unwrap();
    let servidor = ServidorFalso::nuevo(|_| Accion::Callar);
    let opciones = [&hacia(&servidor)[..], &["--max-close-wait", "1h"]].concat();
    let mut agente = EnMarcha::lanzar(carpeta.path(), &opciones);
    agente.lecturas(2);
    // La primera señal tarda en atenderse lo que tarde: se repite hasta que una sea la segunda.
    while agente.0.try_wait().unwrap().is_none() {
        agente.senal("-INT");
        std::thread::yield_now();
    }
    assert_eq!(agente.fin().0, Some(130));

    let servidor = relevo(servidor);
    let salida = correr(carpeta.path(), &[&hacia(&servidor)[..], &["--lecturas", "1"]].concat());
    contiene(&texto(&salida.stderr), &["De la vez anterior queda"]);
    assert!(servidor.escritura().lineas() >= 2);
}

/// Otro servidor en la misma dirección, que sí contesta.
fn relevo(mudo: ServidorFalso) -> ServidorFalso {
    let url = mudo.url.clone();
    mudo.parar();
    let direccion = url.trim_start_matches("http://").parse().unwrap();
    ServidorFalso::en(comun::escuchar_en(direccion), |_| Accion::de(204, ""))
}

#[test]
#[cfg(unix)]
fn tras_un_kill_9_sale_todo_lo_que_se_habia_leido() {
    let carpeta = tempfile::tempdir().unwrap();
    let servidor = ServidorFalso::nuevo(|_| Accion::de(503, ""));
    let mut agente = EnMarcha::lanzar(carpeta.path(), &hacia(&servidor));
    agente.lecturas(3);
    agente.senal("-KILL");
    drop(agente);
    let servidor = relevo(servidor);
    let salida = correr(carpeta.path(), &[&hacia(&servidor)[..], &["--lecturas", "1"]].concat());
    assert_eq!(salida.status.code(), Some(0));
    assert!(servidor.escritura().lineas() >= 4, "las tres de antes y la nueva");
}

#[test]
fn el_mismo_host_id_dos_veces_se_rechaza_y_otro_convive() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut primero = EnMarcha::lanzar(carpeta.path(), &RAPIDO);
    primero.lecturas(1);
    let repetido = correr(carpeta.path(), &con(&["--lecturas", "1"]));
    assert_eq!(repetido.status.code(), Some(1));
    contiene(&texto(&repetido.stderr), &["ya hay un agente", "servidor_A", "--host-id"]);
    let otro = correr(carpeta.path(), &con(&["--lecturas", "2", "--host-id", "servidor_B"]));
    assert_eq!(otro.status.code(), Some(0));
    drop(primero);
    let contenido = fichero(carpeta.path());
    let puntos: Vec<_> = parse_lines(&contenido).map(Result::unwrap).collect();
    let de = |host: &str| puntos.iter().filter(|p| *p.tag_value("host_id").unwrap() == host).count();
    assert_eq!(de("servidor_B"), 2);
    assert!(de("servidor_A") >= 1);
}

#[test]
#[cfg(unix)]
fn si_quien_lee_la_tuberia_se_va_el_agente_acaba_bien() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut agente = EnMarcha::lanzar(carpeta.path(), &RAPIDO);
    agente.lecturas(1);
    let (codigo, errores) = agente.fin(); // suelta la tubería
    assert_eq!(codigo, Some(0), "{errores}");
    contiene(&errores, &["puntos escritos, 0 pendientes"]);
}

#[test]
#[cfg(target_os = "linux")]
fn con_el_disco_lleno_lo_dice_y_sigue() {
    let carpeta = tempfile::tempdir().unwrap();
    fs::create_dir(carpeta.path().join("datos")).unwrap();
    std::os::unix::fs::symlink("/dev/full", carpeta.path().join("datos/rendimiento_servidor.lp")).unwrap();
    let salida = correr(carpeta.path(), &con(&["--lecturas", "3"]));
    assert_eq!(salida.status.code(), Some(1), "con puntos perdidos no ha acabado bien");
    let errores = texto(&salida.stderr);
    contiene(&errores, &["No se puede escribir en", "esperan en memoria", "libera espacio"]);
    assert_eq!(errores.matches("No se puede escribir").count(), 1, "{errores}");
    contiene(
        &errores,
        &[
            "3 lecturas: 0 puntos escritos, 0 pendientes, 0 apartados, 3 perdidos",
            "se pierde",
            "error: se han perdido 3 puntos.",
        ],
    );
}

/// Con un tope de tamaño de fichero, el sistema escribe un trozo de la línea y rechaza el resto.
#[test]
#[cfg(unix)]
fn una_escritura_a_medias_no_deja_una_linea_rota() {
    let carpeta = tempfile::tempdir().unwrap();
    let orden = format!(
        "trap '' XFSZ; ulimit -f 1; exec '{}' --intervalo 200ms --lecturas 12",
        env!("CARGO_BIN_EXE_agente_monitoreo")
    );
    let mut sh = std::process::Command::new("bash");
    let salida = sh.args(["-c", &orden]).current_dir(carpeta.path()).output().unwrap();
    assert_eq!(salida.status.code(), Some(1), "{}", texto(&salida.stderr)); // los que no caben se pierden
    contiene(&texto(&salida.stderr), &["No se puede escribir en"]);
    let contenido = fichero(carpeta.path());
    assert!(contenido.len() > 700, "se ha llenado hasta donde cabía: {} bytes", contenido.len());
    assert!(contenido.ends_with('\n') && parse_lines(&contenido).all(|l| l.is_ok()), "{contenido}");
}

#[test]
fn la_ayuda_y_la_version_salen_por_la_salida_normal() {
    let carpeta = tempfile::tempdir().unwrap();
    for ayuda in ["--ayuda", "--help", "-h"] {
        let salida = correr(carpeta.path(), &[ayuda]);
        assert_eq!(salida.status.code(), Some(0));
        contiene(&texto(&salida.stdout), &["Uso: agente_monitoreo", "--flush-interval", "INFLUXDB_V2_TOKEN"]);
    }
    contiene(&texto(&correr(carpeta.path(), &["--version"]).stdout), &["agente_monitoreo 0."]);
    assert_eq!(fs::read_dir(carpeta.path()).unwrap().count(), 0, "pedir ayuda no toca el disco");
}

#[test]
fn lo_que_se_usa_mal_se_dice_en_una_frase_y_acaba_con_2() {
    let carpeta = tempfile::tempdir().unwrap();
    let casos: &[(&[&str], &str)] = &[
        (&["--no-existe"], "no existe la opción"),
        (&["suelto"], "sobra «suelto»"),
        (&["--lecturas"], "falta el valor de"),
        (&["--lecturas", "0"], "un entero de 1 en adelante"),
        (&["--lecturas", "muchas"], "«muchas»"),
        (&["--intervalo", "100ms"], "no puede bajar de 200ms"),
        (&["--flush-interval", "999999999h"], "no puede pasar de un año"),
        (&["--intervalo", "10"], "500ms, 10s o 2m"),
        (&["--host-id", ""], "--host-id no puede estar vacío"),
        (&["--silencioso=1"], "no lleva valor"),
        (&["--log", "/no/existe/x.log"], "no se puede escribir en /no/existe/x.log"),
        (&["--token", "t"], "faltan INFLUXDB_V2_URL (o --url), INFLUXDB_V2_ORG"),
        (
            &["--url", "http://x"],
            "faltan INFLUXDB_V2_TOKEN (o --token), INFLUXDB_V2_ORG (o --org) e INFLUXDB_BUCKET",
        ),
        (&["--v1-url", "http://x"], "falta INFLUXDB_V1_DATABASE"),
        (&["--v1-url", "http://x", "--v1-database", "d", "--v1-user", "u"], "falta INFLUXDB_V1_PASSWORD"),
        (&["--v1-url", "localhost:8086", "--v1-database", "d"], "«localhost:8086» no es una URL"),
        (&["--token", "t", "--v1-database", "d"], "deja solo lo de tu servidor"),
    ];
    for (argumentos, frase) in casos {
        let salida = correr(carpeta.path(), argumentos);
        assert_eq!(salida.status.code(), Some(2), "{argumentos:?}");
        contiene(&texto(&salida.stderr), &[frase, "--ayuda"]);
        assert!(salida.stdout.is_empty());
    }
}

#[test]
fn una_carpeta_imposible_acaba_con_1() {
    let carpeta = tempfile::tempdir().unwrap();
    fs::write(carpeta.path().join("ocupado"), "").unwrap();
    let salida = correr(carpeta.path(), &["--datos", "ocupado"]);
    assert_eq!(salida.status.code(), Some(1));
    contiene(&texto(&salida.stderr), &["no se puede usar la carpeta", "--datos"]);
}

#[test]
fn manda_la_orden_luego_el_entorno_y_luego_el_dotenv() {
    let servidores: Vec<_> = (0..3).map(|_| ServidorFalso::nuevo(|_| Accion::de(204, ""))).collect();
    let carpeta = tempfile::tempdir().unwrap();
    let dotenv = format!(
        "INFLUXDB_V2_URL={}\nINFLUXDB_V2_TOKEN=\"del dotenv\"\nINFLUXDB_V2_ORG=o\nINFLUXDB_BUCKET=b\n",
        servidores[0].url
    );
    fs::write(carpeta.path().join(".env"), dotenv).unwrap();
    let una = con(&["--lecturas", "1"]);

    agente(carpeta.path(), &una).output().unwrap();
    assert_eq!(servidores[0].escritura().cabeceras["authorization"], "Token del dotenv");
    agente(carpeta.path(), &una).env("INFLUXDB_V2_URL", &servidores[1].url).output().unwrap();
    assert_eq!(servidores[1].escritura().lineas(), 1);
    let con_url = [&una[..], &["--url", &servidores[2].url]].concat();
    agente(carpeta.path(), &con_url).env("INFLUXDB_V2_URL", &servidores[1].url).output().unwrap();
    assert_eq!(servidores[2].escritura().lineas(), 1);
    // Una variable vacía es como si no estuviera.
    agente(carpeta.path(), &una).env("INFLUXDB_V2_URL", "").output().unwrap();
    assert_eq!(servidores[0].escritura().lineas(), 1);
}

#[test]
fn silencioso_solo_dice_lo_que_va_mal_y_el_log_lo_guarda_todo() {
    let carpeta = tempfile::tempdir().unwrap();
    let servidor = ServidorFalso::nuevo(|_| Accion::de(401, r#"{"message":"unauthorized access"}"#));
    let opciones =
        [&hacia(&servidor)[..], &["--lecturas", "2", "--silencioso", "--log", "agente.log"]].concat();
    let salida = correr(carpeta.path(), &opciones);
    assert_eq!((salida.status.code(), salida.stdout.len()), (Some(0), 0));
    let errores = texto(&salida.stderr);
    assert_eq!(errores.lines().count(), 1, "{errores}");
    contiene(&errores, &["aviso: ", "INFLUXDB_V2_TOKEN"]);
    let log = fs::read_to_string(carpeta.path().join("agente.log")).unwrap();
    contiene(&log, &["Z INFO    ", "Z AVISO   ", "2 lecturas: 0 puntos escritos, 2 pendientes"]);
    assert!(log.lines().all(|l| l.starts_with("20")), "cada línea con su hora: {log}");
}

#[test]
fn con_v_se_cuenta_cada_lote() {
    let carpeta = tempfile::tempdir().unwrap();
    let servidor = ServidorFalso::nuevo(|_| Accion::de(204, ""));
    let opciones = [&hacia(&servidor)[..], &["--lecturas", "8", "--batch-size", "1", "-v"]].concat();
    let salida = correr(carpeta.path(), &opciones);
    let errores = texto(&salida.stderr);
    assert_eq!(errores.matches("ms: 1 punto.").count(), 8, "aunque se diga lo mismo: {errores}");
}

#[test]
fn el_error_con_el_que_acaba_un_programa_tambien_esta_en_el_log_y_dos_programas_lo_comparten() {
    let carpeta = tempfile::tempdir().unwrap();
    fs::write(carpeta.path().join("ocupado"), "").unwrap();
    fs::write(carpeta.path().join("todo.log"), "lo que ya había\n").unwrap();
    let mut agentes: Vec<_> = ["a", "b", "c"]
        .map(|host| ["--host-id", host, "--lecturas", "20", "--batch-size", "1", "-v", "--log", "todo.log"])
        .map(|opciones| EnMarcha::lanzar(carpeta.path(), &con(&opciones)))
        .into();
    correr(carpeta.path(), &["--datos", "ocupado", "--log", "todo.log"]);
    while let Some(agente) = agentes.pop() {
        assert_eq!(agente.fin_leyendo().0, Some(0));
    }
    let log = fs::read_to_string(carpeta.path().join("todo.log")).unwrap();
    assert_eq!(log.lines().next(), Some("lo que ya había"));
    assert!(log.lines().skip(1).all(|l| l.starts_with("20") && l[20..].contains("Z ")), "{log}");
    assert_eq!(log.matches("20 lecturas: 20 puntos escritos").count(), 3, "{log}");
    contiene(&log, &["Z ERROR   no se puede usar la carpeta"]);
}

#[test]
#[cfg(unix)]
fn un_log_borrado_en_marcha_se_hace_otra_vez() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut agente = EnMarcha::lanzar(carpeta.path(), &con(&["--log", "agente.log"]));
    agente.lecturas(1);
    fs::remove_file(carpeta.path().join("agente.log")).unwrap();
    agente.senal("-INT");
    assert_eq!(agente.fin().0, Some(0));
    contiene(&fs::read_to_string(carpeta.path().join("agente.log")).unwrap(), &["0 pendientes"]);
}
