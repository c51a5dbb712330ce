//! Las piezas de la segunda práctica, sin programas: lo que decide el consumidor y los motores embebidos.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[path = "comun/embebido.rs"]
mod embebido;

use embebido::{bueno, mandar, sin_avisos};
use practicas_iabd06::almacen::embebido::AlmacenEmbebido;
use practicas_iabd06::almacen::{Almacen, Dato, Documento, ErrorAlmacen, a_json};
use practicas_iabd06::avisos::Avisos;
use practicas_iabd06::broker::embebido::ReceptorEmbebido;
use practicas_iabd06::broker::tope::ConTope;
use practicas_iabd06::broker::{ErrorBroker, Receptor, Recibido, Registro};
use practicas_iabd06::consumo::{Cierre, Consumo, Tanda};
use practicas_iabd06::embebido::Abierto;
use practicas_iabd06::nombres::{CRUDOS, KPIS, TOPIC};
use rusqlite::Connection;
use serde_json::{Value, json};

fn registro(particion: i32, offset: i64, valor: Vec<u8>) -> Registro {
    Registro { particion, offset, clave: Some(b"web01".to_vec()), valor }
}

fn procesar(consumo: &mut Consumo, recibido: &Recibido, llegada: SystemTime) -> (Tanda, Cierre) {
    let tanda = consumo.leer(recibido, llegada);
    let cierre = consumo.contar(&tanda, Instant::now(), Instant::now());
    (tanda, cierre)
}

#[test]
fn lo_que_no_cuenta_y_lo_que_no_tiene_fecha_se_dice_una_vez_por_razon() {
    let mut consumo = Consumo::new("t", 20);
    let con_fecha = |fecha: &str| {
        let mut mensaje: Value = serde_json::from_slice(&bueno(1)).unwrap();
        mensaje["timestamp_utc"] = json!(fecha);
        mensaje.to_string().into_bytes()
    };
    let valores = [
        b"hola".to_vec(),
        b" hola".to_vec(),
        con_fecha("ayer"),
        con_fecha("hoy"),
        con_fecha("2026-04-18T10:00:00"),
    ];
    let registros = valores.into_iter().enumerate().map(|(i, v)| registro(0, i as i64, v)).collect();
    let tanda = consumo.leer(&Recibido { reiniciadas: vec![], registros }, UNIX_EPOCH);
    assert_eq!((tanda.crudos.len(), tanda.sin_fecha, tanda.descartados.len()), (3, 3, 2));
    let esperados = [
        "t#0#0 no cuenta: no es JSON válido",
        "t#0#2 se guarda sin timestamp: timestamp_utc no es una fecha",
        "t#0#4 se guarda sin timestamp: timestamp_utc no dice su zona",
    ];
    assert_eq!(tanda.avisos.len(), esperados.len(), "{:?}", tanda.avisos);
    for (aviso, esperado) in tanda.avisos.iter().zip(esperados) {
        assert!(aviso.contains(esperado), "{aviso}");
    }
    let otra = consumo
        .leer(&Recibido { reiniciadas: vec![], registros: vec![registro(0, 9, b"x".to_vec())] }, UNIX_EPOCH);
    assert_eq!((otra.descartados.len(), otra.avisos.len()), (1, 0));
}

#[test]
fn las_ventanas_son_por_particion_y_se_confirma_donde_no_hay_ninguna_abierta() {
    let mut consumo = Consumo::new("t", 2);
    let malo = || b"malo".to_vec();
    let registros = vec![
        registro(0, 10, bueno(1)),
        registro(1, 5, malo()),    // sin ventana abierta: se confirma
        registro(0, 11, bueno(3)), // cierra la ventana de la 0
        registro(0, 12, malo()),   // sin ventana abierta: se confirma
        registro(2, 0, bueno(1)),
        registro(2, 1, malo()), // con la ventana abierta: no
        registro(0, 13, bueno(5)),
    ];
    let (tanda, cierre) = procesar(&mut consumo, &Recibido { reiniciadas: vec![], registros }, UNIX_EPOCH);
    assert_eq!((tanda.crudos.len(), tanda.descartados.len()), (4, 3));
    assert_eq!(cierre.kpis.iter().map(|k| &*k.id).collect::<Vec<_>>(), ["t#0#10-11"]);
    assert_eq!(cierre.confirmar, BTreeMap::from([(0, 13), (1, 6)]));
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1), (2, 1)]);
    let otra_vez = |reiniciadas: &[i32]| Recibido { reiniciadas: reiniciadas.to_vec(), registros: vec![] };
    procesar(&mut consumo, &otra_vez(&[1, 2]), UNIX_EPOCH);
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1)]);
    // Lo que llega con el aviso ya es de la ventana nueva.
    let recibido = Recibido { reiniciadas: vec![0], registros: vec![registro(0, 13, bueno(5))] };
    procesar(&mut consumo, &recibido, UNIX_EPOCH);
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1)]);
    procesar(&mut consumo, &otra_vez(&[0]), UNIX_EPOCH);
    assert_eq!(consumo.abiertas().count(), 0);
}

#[test]
fn releer_da_los_mismos_documentos_salvo_la_hora() {
    let registros = (0..5).map(|n| registro(0, n, bueno(n as u64))).collect();
    let recibido = Recibido { reiniciadas: vec![], registros };
    let ids = |llegada: SystemTime| {
        let (tanda, cierre) = procesar(&mut Consumo::new("t", 3), &recibido, llegada);
        let todos = tanda.crudos.iter().chain(&cierre.kpis);
        todos.map(|d| (d.id.clone(), d.crc32)).collect::<Vec<_>>()
    };
    assert_eq!(ids(UNIX_EPOCH), ids(UNIX_EPOCH + Duration::from_secs(9)));
}

#[test]
fn el_receptor_empieza_por_lo_confirmado_y_un_commit_que_falla_no_le_hace_releer() {
    let carpeta = tempfile::tempdir().unwrap();
    let nuevo = || ReceptorEmbebido::new(&carpeta.path().join("datos"), TOPIC, "g", &sin_avisos()).unwrap();
    // Los offsets que llegan, y las particiones que han vuelto a lo confirmado.
    let leer = |receptor: &mut ReceptorEmbebido| {
        let Recibido { reiniciadas, registros } = receptor.recibir(Duration::ZERO).unwrap();
        (registros.iter().map(|r| r.offset).collect::<Vec<_>>(), reiniciadas)
    };
    let confirmar = |receptor: &mut ReceptorEmbebido, siguiente| receptor.confirmar(&[(0, siguiente)].into());
    mandar(carpeta.path(), (0..5).map(bueno));
    let mut receptor = nuevo();
    assert_eq!(receptor.atraso().unwrap(), 5);
    assert_eq!(leer(&mut receptor), (vec![0, 1, 2, 3, 4], vec![0]));
    assert_eq!((receptor.atraso().unwrap(), leer(&mut receptor)), (0, (vec![], vec![])));
    confirmar(&mut receptor, 3).unwrap();
    assert_eq!(leer(&mut nuevo()), (vec![3, 4], vec![0]));

    // Confirmar falla: se sigue por donde se iba, y quien venga después empieza por lo confirmado.
    let conexion = Connection::open(carpeta.path().join("datos/motor.sqlite3")).unwrap();
    conexion.execute("ALTER TABLE grupos RENAME TO apartada", []).unwrap();
    confirmar(&mut receptor, 5).unwrap_err();
    conexion.execute("ALTER TABLE apartada RENAME TO grupos", []).unwrap();
    assert_eq!(leer(&mut receptor), (vec![], vec![]));
    assert_eq!(leer(&mut nuevo()), (vec![3, 4], vec![0]));

    confirmar(&mut receptor, 9).unwrap();
    assert!(matches!(nuevo().recibir(Duration::ZERO), Err(ErrorBroker::Definitivo(_))));
}

#[test]
fn con_tope_llegan_los_primeros_y_ninguno_mas() {
    let carpeta = tempfile::tempdir().unwrap();
    mandar(carpeta.path(), (0..5).map(bueno));
    let embebido =
        || Box::new(ReceptorEmbebido::new(&carpeta.path().join("datos"), TOPIC, "g", &sin_avisos()).unwrap());
    for (tope, esperados, completo) in [(Some(3), 3, true), (Some(9), 5, false), (None, 5, false)] {
        let mut receptor = ConTope::new(embebido(), tope);
        let recibido = receptor.recibir(Duration::ZERO).unwrap();
        assert_eq!((recibido.registros.len(), receptor.completo()), (esperados, completo));
        assert_eq!(recibido.reiniciadas, [0]);
    }
}

#[test]
fn el_almacen_no_repite_no_sustituye_y_distingue_otra_historia() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut almacen = AlmacenEmbebido::new(carpeta.path(), &sin_avisos()).unwrap();
    let documento = |id: &str, crc32, n: u64| Documento {
        id: id.to_owned(),
        crc32,
        campos: vec![("n".to_owned(), Dato::Json(n.into()))],
    };
    assert_eq!(almacen.insertar(CRUDOS, &[documento("a", Some(1), 1), documento("b", Some(2), 2)]), Ok(2));
    assert_eq!(almacen.insertar(CRUDOS, &[documento("a", Some(1), 9), documento("c", Some(3), 3)]), Ok(1));
    let otra = almacen.insertar(CRUDOS, &[documento("d", Some(4), 4), documento("b", Some(7), 2)]);
    assert_eq!(otra, Err(ErrorAlmacen::OtraHistoria("b".to_owned())));
    assert_eq!(almacen.insertar(KPIS, &[documento("k", None, 1)]), Ok(1));
    assert_eq!(almacen.insertar(KPIS, &[documento("k", None, 2)]), Ok(0), "un KPI guardado se conserva");
    assert_eq!(almacen.insertar(KPIS, &[]), Ok(0));
    assert_eq!(a_json(&documento("a", None, 1)), json!({"_id": "a", "n": 1}));
}

#[test]
fn varios_que_estrenan_el_motor_a_la_vez_lo_abren_todos() {
    for _ in 0..100 {
        let carpeta = tempfile::tempdir().unwrap();
        let salida = Barrier::new(8);
        thread::scope(|hilos| {
            for _ in 0..8 {
                hilos.spawn(|| {
                    salida.wait();
                    let sin_avisos: Avisos = Arc::new(|_, _| ());
                    Abierto::new(carpeta.path(), &sin_avisos).unwrap();
                });
            }
        });
    }
}
