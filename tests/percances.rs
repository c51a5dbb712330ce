//! La tubería sobre el motor embebido, cuando alguien toca lo que no debe: la carpeta borrada en marcha, los
//! offsets hacia atrás, otra ventana, un broker que no contesta.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

mod comun;
#[path = "comun/embebido.rs"]
mod embebido;

use comun::{EnMarcha, PACIENCIA, programa};
use embebido::{comprobar_ventanas, documentos};
use practicas_iabd06::nombres::TOPIC;
use rusqlite::{Connection, OpenFlags};

fn correr(nombre: &str, carpeta: &Path, argumentos: &[&str]) -> Output {
    programa(nombre, carpeta, argumentos).output().unwrap()
}

fn errores(salida: &Output) -> String {
    String::from_utf8(salida.stderr.clone()).unwrap()
}

fn final_del_topic(carpeta: &Path) -> i64 {
    let conexion = Connection::open(carpeta.join("datos/motor.sqlite3")).unwrap();
    conexion.query_row("SELECT max(offset) + 1 FROM mensajes", [], |f| f.get(0)).unwrap()
}

#[test]
fn con_los_offsets_hacia_atras_u_otra_ventana_ningun_mensaje_se_cuenta_dos_veces() {
    let carpeta = tempfile::tempdir().unwrap();
    let ids = || documentos(carpeta.path(), "system_metrics_kpis").into_keys().collect::<Vec<_>>();
    let ventanas = |offsets: &[&str]| offsets.iter().map(|o| format!("{TOPIC}#0#{o}")).collect::<Vec<_>>();
    let leer = |argumentos: &[&str]| {
        let salida = correr("consumidor", carpeta.path(), argumentos);
        assert_eq!(salida.status.code(), Some(0), "{salida:?}");
        errores(&salida).matches("no se cuentan dos veces").count()
    };
    correr("productor", carpeta.path(), &["--rondas", "9", "--sin-pausa"]);
    assert_eq!(leer(&["--mensajes", "45"]), 0);
    assert_eq!(leer(&["--group-id", "otro", "--mensajes", "45"]), 0, "las mismas, de otro grupo");
    assert_eq!(ids(), ventanas(&["0-19", "20-39"]));

    // Se olvida lo confirmado, se borran los primeros mensajes y llegan quince más.
    let conexion = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    conexion.execute_batch("DELETE FROM grupos; DELETE FROM mensajes WHERE offset < 7").unwrap();
    correr("productor", carpeta.path(), &["--rondas", "3", "--sin-pausa"]);
    assert_eq!(leer(&["--mensajes", "53"]), 1);
    assert_eq!(ids(), ventanas(&["0-19", "20-39", "40-59"]));

    // Otro grupo, desde el principio y con ventanas de cinco: cuentan los mensajes que no están en ninguna.
    correr("productor", carpeta.path(), &["--rondas", "1", "--sin-pausa"]);
    assert_eq!(leer(&["--group-id", "de-cinco", "--ventana", "5", "--mensajes", "58"]), 1);
    assert_eq!(ids(), ventanas(&["0-19", "20-39", "40-59", "60-64"]));
    assert_eq!(documentos(carpeta.path(), "system_metrics_raw").len(), 65);
}

#[test]
#[cfg(unix)]
fn si_se_borra_la_carpeta_de_datos_en_marcha_se_dice_se_hace_otra_y_se_cuenta_lo_que_hay() {
    let carpeta = tempfile::tempdir().unwrap();
    let lanzar = |nombre: &str, argumentos: &[&str]| {
        let mut orden = programa(nombre, carpeta.path(), argumentos);
        EnMarcha(orden.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    let mut productor = lanzar("productor", &["--intervalo", "100ms"]);
    productor.lecturas(3);
    let mut consumidor = lanzar("consumidor", &[]);
    consumidor.lecturas(2);
    let datos = carpeta.path().join("datos");
    let fin = Instant::now() + PACIENCIA;
    while std::fs::remove_dir_all(&datos).is_err() {
        assert!(Instant::now() < fin); // lo están usando
    }
    // Los dos se enteran solos, y siguen en el nuevo.
    let guardados = || documentos_si_hay(carpeta.path());
    while guardados() < 20 {
        assert!(Instant::now() < fin, "{}", guardados());
        std::thread::sleep(Duration::from_millis(50));
    }
    productor.senal("-INT");
    let (codigo, dicho) = productor.fin();
    let enviados = final_del_topic(carpeta.path());
    assert_eq!(codigo, Some(1), "{dicho}");
    for frase in [
        "Alguien ha borrado o cambiado datos/motor.sqlite3 con el programa en marcha",
        &format!(" {enviados} mensajes confirmados, 0 sin confirmar."),
        "error: al borrarse el fichero del broker se perdió lo que tenía: ",
    ] {
        assert!(dicho.contains(frase), "{frase}: {dicho}");
    }
    while guardados() < enviados as usize {
        assert!(Instant::now() < fin, "{}", guardados());
        std::thread::sleep(Duration::from_millis(50));
    }
    consumidor.senal("-INT");
    let (codigo, dicho) = consumidor.fin();
    assert_eq!(codigo, Some(1), "{dicho}");
    assert!(dicho.contains("error: se han perdido "), "{dicho}");
    assert!(
        dicho.contains("se lee desde el principio") && dicho.contains("documentos de este programa"),
        "{dicho}"
    );
    assert_eq!(comprobar_ventanas(carpeta.path(), 20), (enviados as usize, enviados as usize / 20));
}

/// Cuántos crudos hay, o ninguno si aún no está el fichero o la tabla.
fn documentos_si_hay(carpeta: &Path) -> usize {
    let abrir =
        Connection::open_with_flags(carpeta.join("datos/motor.sqlite3"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let contar = abrir.and_then(|conexion| {
        conexion.query_row("SELECT count(*) FROM system_metrics_raw_iabd06", [], |fila| fila.get::<_, i64>(0))
    });
    contar.map_or(0, |n| n as usize)
}

#[test]
#[cfg(unix)]
fn de_un_broker_que_acepta_la_conexion_y_no_contesta_se_dice_a_los_diez_segundos() {
    let carpeta = tempfile::tempdir().unwrap();
    let en_marcha = ["productor", "consumidor"].map(|nombre| {
        let mudo = std::net::TcpListener::bind("127.0.0.1:0").unwrap(); // y nunca atiende
        let direccion = mudo.local_addr().unwrap().to_string();
        let mut orden = programa(nombre, carpeta.path(), &["--broker", &direccion]);
        (mudo, EnMarcha(orden.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()))
    });
    for (_mudo, mut programa) in en_marcha {
        let mut dicho = BufReader::new(programa.0.stderr.as_mut().unwrap()).lines().map(Result::unwrap);
        // librdkafka se cansa antes, y lo dice con su causa.
        let frase =
            |l: &String| l.contains("lleva 10 s sin contestar") || l.contains("no contesta como un Kafka");
        assert!(dicho.any(|l| frase(&l)));
    }
}

#[test]
fn el_consumidor_dice_siempre_donde_guarda() {
    let carpeta = tempfile::tempdir().unwrap();
    let libre = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for argumentos in [&[][..], &["--broker", &libre]] {
        let mut orden = programa("consumidor", carpeta.path(), argumentos);
        let mut consumidor = EnMarcha(orden.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let dicho = BufReader::new(consumidor.0.stderr.as_mut().unwrap()).lines().map(Result::unwrap);
        let frase = "Los documentos van al motor embebido: datos/motor.sqlite3.";
        assert!(dicho.take(3).any(|l| l == frase), "{argumentos:?}");
    }
}
