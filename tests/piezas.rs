//! Las piezas de la segunda práctica, sin programas: lo que decide el consumidor y los motores embebidos.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[path = "comun/embebido.rs"]
mod embebido;

use embebido::{bueno, mandar, sin_avisos};
use practicas_iabd06::almacen::embebido::AlmacenEmbebido;
use practicas_iabd06::almacen::{Almacen, Dato, Documento, ErrorAlmacen, a_json};
use practicas_iabd06::broker::embebido::ReceptorEmbebido;
use practicas_iabd06::broker::tope::ConTope;
use practicas_iabd06::broker::{ErrorBroker, Receptor, Recibido, Registro};
use practicas_iabd06::consumo::Consumo;
use practicas_iabd06::nombres::{CRUDOS, KPIS, TOPIC};
use rusqlite::Connection;
use serde_json::json;

fn registro(particion: i32, offset: i64, valor: Vec<u8>) -> Registro {
    Registro { particion, offset, clave: Some(b"web01".to_vec()), valor }
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
    let tanda = consumo.procesar(&Recibido { reiniciadas: vec![], registros }, UNIX_EPOCH);
    assert_eq!((tanda.crudos.len(), tanda.descartados.len()), (4, 3));
    assert_eq!(tanda.kpis.iter().map(|k| &*k.id).collect::<Vec<_>>(), ["t#0#10-11"]);
    assert_eq!(tanda.confirmar, BTreeMap::from([(0, 13), (1, 6)]));
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1), (2, 1)]);
    let otra_vez = |reiniciadas: &[i32]| Recibido { reiniciadas: reiniciadas.to_vec(), registros: vec![] };
    consumo.procesar(&otra_vez(&[1, 2]), UNIX_EPOCH);
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1)]);
    // Lo que llega con el aviso ya es de la ventana nueva.
    let recibido = Recibido { reiniciadas: vec![0], registros: vec![registro(0, 13, bueno(5))] };
    consumo.procesar(&recibido, UNIX_EPOCH);
    assert_eq!(consumo.abiertas().collect::<Vec<_>>(), [(0, 1)]);
    consumo.procesar(&otra_vez(&[0]), UNIX_EPOCH);
    assert_eq!(consumo.abiertas().count(), 0);
}

#[test]
fn releer_da_los_mismos_documentos_salvo_la_hora() {
    let registros = (0..5).map(|n| registro(0, n, bueno(n as u64))).collect();
    let recibido = Recibido { reiniciadas: vec![], registros };
    let ids = |llegada: SystemTime| {
        let tanda = Consumo::new("t", 3).procesar(&recibido, llegada);
        let todos = tanda.crudos.iter().chain(&tanda.kpis);
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
