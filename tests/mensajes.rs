//! El mensaje de Kafka, los servidores simulados y el agregador de KPIs: todo sin reloj ni red.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use practicas_iabd06::fecha;
use practicas_iabd06::kpis::Agregador;
use practicas_iabd06::mensaje::{Mensaje, Metricas, leer};
use practicas_iabd06::simulador::Simulador;
use serde_json::{Value, json};
use time::OffsetDateTime;

const METRICAS: Metricas = Metricas {
    cpu_percent: 64.4,
    memory_percent: 37.13,
    disk_io_mbps: 27.0,
    network_mbps: 16.74,
    error_count: 2,
};

/// 2026-04-18 14:48:18.009002 UTC
fn instante() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(1_776_523_698_009_002_000).unwrap()
}

fn json_de(mensaje: &Mensaje) -> String {
    let mut salida = String::new();
    mensaje.escribir_json(&mut salida);
    salida
}

#[test]
fn el_mensaje_es_el_del_curso_letra_por_letra() {
    let mensaje = Mensaje { server_id: "web01", timestamp_utc: instante(), metrics: METRICAS, uuid: 0 };
    assert_eq!(
        json_de(&mensaje),
        r#"{"server_id":"web01","timestamp_utc":"2026-04-18T14:48:18.009002+00:00","metrics":{"cpu_percent":64.4,"memory_percent":37.13,"disk_io_mbps":27.0,"network_mbps":16.74,"error_count":2},"message_uuid":"00000000-0000-4000-8000-000000000000"}"#
    );
}

#[test]
fn lo_que_se_escribe_se_lee_igual_y_el_uuid_es_de_version_4() {
    let uuid = 0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF;
    let nombre = "raro \"\\\n<b>ñ";
    let mensaje = Mensaje { server_id: nombre, timestamp_utc: instante(), metrics: METRICAS, uuid };
    let leido = leer(json_de(&mensaje).as_bytes()).unwrap();
    assert_eq!(leido.metricas, METRICAS);
    assert_eq!(leido.campos["server_id"], nombre);
    assert_eq!(leido.campos["message_uuid"], "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

/// El mensaje del curso con un cambio en `metrics`.
fn con(clave: &str, valor: Value) -> String {
    let mut mensaje = json!({"server_id": "web01", "metrics": {
        "cpu_percent": 1.5, "memory_percent": 2.5, "disk_io_mbps": 3.5, "network_mbps": 4.5, "error_count": 0}});
    mensaje["metrics"][clave] = valor;
    mensaje.to_string()
}

#[test]
fn se_admiten_enteros_campos_de_mas_y_cualquier_orden() {
    assert_eq!(leer(con("network_mbps", json!(87)).as_bytes()).unwrap().metricas.network_mbps, 87.0);
    assert_eq!(leer(con("error_count", json!(3.0)).as_bytes()).unwrap().metricas.error_count, 3);
    let con_otros = r#"{"otro":[1,{"x":null}],"metrics":{"error_count":0,"extra":"sí","network_mbps":1,
        "disk_io_mbps":2,"memory_percent":3,"cpu_percent":4},"_id":7,"ñ":"😀"}"#;
    let leido = leer(con_otros.as_bytes()).unwrap();
    assert_eq!(leido.metricas.cpu_percent, 4.0);
    assert_eq!(leido.campos.keys().collect::<Vec<_>>(), ["otro", "metrics", "_id", "ñ"], "en su orden");
}

#[test]
fn lo_que_no_cuenta_dice_por_que() {
    let casos: &[(Vec<u8>, &str)] = &[
        (b"".to_vec(), "cortado"),
        (br#"{"server_id":"web01""#.to_vec(), "cortado"),
        (b"hola".to_vec(), "no es JSON"),
        (b"\xff\xfe".to_vec(), "no es JSON en UTF-8: parece UTF-16"),
        (b"{\0\"\0a\0".to_vec(), "parece UTF-16"),
        (b"[1,2]".to_vec(), "no es un objeto JSON"),
        (b"null".to_vec(), "no es un objeto JSON"),
        (b"{}".to_vec(), "falta metrics"),
        (br#"{"metrics":5}"#.to_vec(), "metrics no es un objeto"),
        (br#"{"metrics":{}}"#.to_vec(), "falta metrics.cpu_percent"),
        (br#"{"metrics":{"cpu_percent":NaN}}"#.to_vec(), "(columna 27: NaN no existe en JSON)"),
        (b"{\n\"otro\":\n -Infinity}".to_vec(), ": Infinity no existe en JSON"),
        (b"{'server_id': 'web01'}".to_vec(), "parece un dict de Python; se convierte con json.dumps"),
        (br#"{"a": [True]}"#.to_vec(), "parece un dict de Python"),
        (br#"{"metrics":{"cpu_percent":1e999}}"#.to_vec(), "no es JSON"),
        (br#"{"cpu_percent":1}"#.to_vec(), "las métricas están sueltas"),
        (
            con("otro", Value::Null).replace("null", "123456789012345678901234567890123456789").into(),
            "(123456789012345678901234567890123456789)",
        ),
        (
            con("otro", Value::Null).replace("null", "[-18446744073709551616]").into(),
            "no cabe en 64 bits (-18446744073709551616)",
        ),
        (con("cpu_percent", json!(-2e300)).into(), "metrics.cpu_percent es demasiado grande"),
        (con("error_count", json!(i64::MAX)).into(), "metrics.error_count es demasiado grande"),
        (con("cpu_percent", json!("64.4")).into(), "metrics.cpu_percent no es un número"),
        (con("memory_percent", json!(null)).into(), "metrics.memory_percent no es un número"),
        (con("disk_io_mbps", json!([1.0])).into(), "metrics.disk_io_mbps no es un número"),
        (con("network_mbps", json!(true)).into(), "metrics.network_mbps no es un número"),
        (con("error_count", json!(1.5)).into(), "metrics.error_count no es un entero"),
        (con("error_count", json!(1e300)).into(), "metrics.error_count es demasiado grande"),
        ("[".repeat(100_000).into(), "no es JSON"),
    ];
    for (bytes, razon) in casos {
        let frase = leer(bytes).unwrap_err();
        assert!(frase.contains(razon), "{frase} en vez de {razon}");
    }
}

#[test]
fn los_numeros_se_leen_como_en_python() {
    for decimal in ["98.88339545701953", "0.9215686321258545", "5e-324", "0.1", "1e22"] {
        let leido = leer(con("cpu_percent", Value::Null).replace("null", decimal).as_bytes()).unwrap();
        assert_eq!(leido.metricas.cpu_percent, decimal.parse::<f64>().unwrap(), "{decimal}");
    }
    // Los enteros que caben, enteros; y las cifras dentro de un texto o de un decimal no son un entero.
    for (valor, leido) in [
        ("18446744073709551615", json!(u64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        (r#""\"123456789012345678901234567890""#, json!("\"123456789012345678901234567890")),
        ("0.12345678901234567890123", json!(0.123_456_789_012_345_68)),
    ] {
        let mensaje = con("otro", Value::Null).replace("null", valor);
        assert_eq!(leer(mensaje.as_bytes()).unwrap().campos["metrics"]["otro"], leido, "{valor}");
    }
}

#[test]
fn la_marca_de_orden_de_bytes_no_estorba() {
    let con_bom = [b"\xef\xbb\xbf", con("cpu_percent", json!(7)).as_bytes()].concat();
    assert_eq!(leer(&con_bom).unwrap().metricas.cpu_percent, 7.0);
}

#[test]
fn una_fecha_que_no_admite_dudas_se_entiende_y_las_demas_dicen_por_que_no() {
    let leer =
        |valor: Value| fecha::leer(Some(&valor)).map(|f| f.duration_since(UNIX_EPOCH).unwrap().as_millis());
    for igual in [
        json!("2026-04-18T14:48:18.009002+00:00"),
        json!("2026-04-18T16:48:18.009+0200"),
        json!("20260418T144818.009Z"),
        json!(" 2026-04-18 14:48:18.009Z\r\n"),
        json!("2026-04-18T14:48:18,009Z"),
        json!(1_776_523_698.009),
        json!(1_776_523_698_009_u64),
    ] {
        assert_eq!(leer(igual.clone()), Ok(1_776_523_698_009), "{igual}");
    }
    for (mala, razon) in [
        (json!("2026-04-18T14:48:18.009002"), "no dice su zona horaria"),
        (json!("2026-04-18 14:48:18"), "no dice su zona horaria"),
        (json!("9999-12-31T23:59:59-00:01"), "no está entre 1970 y 9999"),
        (json!("1500-01-01T00:00:00Z"), "no está entre 1970 y 9999"),
        (json!("0000-01-01T00:00:00+23:59"), "no está entre 1970 y 9999"),
        (json!("ayer"), "no es una fecha"),
        (json!("18/04/2026 14:48:18"), "no es una fecha"),
        (json!(""), "no es una fecha"),
        (json!(7), "no es una fecha"),
        (json!(1e300), "no es una fecha"),
        (json!(-1), "no es una fecha"),
        (json!([]), "no es una fecha"),
        (json!(true), "no es una fecha"),
        (json!(null), "no lleva timestamp_utc"),
    ] {
        assert!(leer(mala.clone()).unwrap_err().contains(razon), "{mala}");
    }
    assert_eq!(leer(json!("9999-12-31T23:59:59.999999Z")), Ok(253_402_300_799_999));
}

#[test]
fn los_cinco_servidores_del_curso_y_los_que_hagan_falta() {
    let mut flota = Simulador::new(7, None);
    let nombres: Vec<_> = flota.ronda(instante()).map(|m| m.server_id.to_owned()).collect();
    assert_eq!(nombres, ["web01", "web02", "db01", "app01", "cache01", "srv00006", "srv00007"]);
}

#[test]
fn la_semilla_repite_las_metricas_y_no_los_uuid() {
    let rondas = |semilla| {
        let mut flota = Simulador::new(5, Some(semilla));
        let mensajes =
            (0..10).flat_map(|_| flota.ronda(instante()).map(|m| (m.metrics, m.uuid)).collect::<Vec<_>>());
        mensajes.unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let ((uno, uuids), (otro, otros_uuids)) = (rondas(7), rondas(7));
    assert_eq!(uno, otro);
    assert_ne!(uno, rondas(8).0);
    assert_eq!(uuids.iter().chain(&otros_uuids).collect::<HashSet<_>>().len(), 100, "ninguno repetido");
}

#[test]
fn las_metricas_estan_en_los_rangos_del_curso_con_sus_picos() {
    let mut flota = Simulador::new(20_000, Some(1));
    let metricas: Vec<_> = flota.ronda(instante()).map(|m| m.metrics).collect();
    let parte = |si: &dyn Fn(&Metricas) -> bool| metricas.iter().filter(|m| si(m)).count() as f64 / 20_000.0;
    let cerca =
        |valor: f64, esperado: f64| assert!((valor - esperado).abs() < 0.01, "{valor}, no {esperado}");
    for m in &metricas {
        assert!((5.0..=75.0).contains(&m.cpu_percent) || (85.0..=98.0).contains(&m.cpu_percent));
        assert!((20.0..=85.0).contains(&m.memory_percent) || (90.0..=99.0).contains(&m.memory_percent));
        assert!((0.1..=50.0).contains(&m.disk_io_mbps) && (1.0..=100.0).contains(&m.network_mbps));
        assert!((0..=3).contains(&m.error_count));
        assert!(((m.cpu_percent * 100.0).round() / 100.0 - m.cpu_percent).abs() < 1e-9, "dos decimales");
    }
    cerca(parte(&|m| m.cpu_percent >= 85.0), 0.10);
    cerca(parte(&|m| m.memory_percent >= 90.0), 0.05);
    cerca(parte(&|m| m.error_count > 0), 0.08);
}

// --- los KPIs ---------------------------------------------------------------------------------

fn segundo(n: f64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs_f64(1_000.0 + n)
}

fn metricas(n: i64) -> Metricas {
    let x = n as f64;
    Metricas {
        cpu_percent: x,
        memory_percent: 2.0 * x,
        disk_io_mbps: 0.5,
        network_mbps: 100.0 - x,
        error_count: n % 3,
    }
}

#[test]
fn cada_ventana_da_promedios_suma_y_tasa() {
    let mut agregador = Agregador::new(20);
    let cerradas: Vec<_> =
        (0..45).filter_map(|n| agregador.sumar(&metricas(n), n, segundo(n as f64))).collect();
    assert_eq!((cerradas.len(), agregador.mensajes()), (2, 5));
    let primera = &cerradas[0];
    assert_eq!((primera.cpu_percent_avg, primera.memory_percent_avg), (9.5, 19.0));
    assert_eq!((primera.disk_io_mbps_avg, primera.network_mbps_avg), (0.5, 90.5));
    assert_eq!((primera.error_count_sum, primera.num_mensajes), (19, 20));
    assert_eq!((primera.offset_inicio, primera.offset_fin), (0, 19));
    assert_eq!((cerradas[1].offset_inicio, cerradas[1].offset_fin), (20, 39));
}

#[test]
fn la_tasa_cuenta_de_cierre_a_cierre() {
    let mut agregador = Agregador::new(20);
    // Un mensaje cada medio segundo: dos por segundo.
    let cerradas: Vec<_> =
        (0..40).filter_map(|n| agregador.sumar(&metricas(n), n, segundo(n as f64 / 2.0))).collect();
    // La primera no tiene cierre anterior: va del primer mensaje al último, 19 huecos.
    assert_eq!(cerradas[0].ventana_inicio, segundo(0.0));
    assert_eq!(cerradas[0].tasa_procesamiento_msg_seg, Some(20.0 / 9.5));
    assert_eq!(cerradas[1].ventana_inicio, cerradas[0].ventana_fin);
    assert_eq!(
        (cerradas[1].duracion.as_secs_f64(), cerradas[1].tasa_procesamiento_msg_seg),
        (10.0, Some(2.0))
    );
}

#[test]
fn sin_duracion_no_hay_tasa() {
    for paso in [0.0, 0.000_01, -1.0] {
        let mut agregador = Agregador::new(2);
        agregador.sumar(&metricas(0), 0, segundo(10.0));
        let kpis = agregador.sumar(&metricas(1), 1, segundo(10.0 + paso)).unwrap();
        assert_eq!(kpis.tasa_procesamiento_msg_seg, None, "{paso}");
    }
}

#[test]
fn una_ventana_de_un_mensaje_o_de_cero_cierra_cada_vez() {
    for ventana in [0, 1] {
        let mut agregador = Agregador::new(ventana);
        let kpis = agregador.sumar(&metricas(5), 33, segundo(0.0)).unwrap();
        assert_eq!((kpis.num_mensajes, kpis.offset_inicio, kpis.offset_fin), (1, 33, 33));
    }
}

#[test]
fn los_offsets_con_huecos_y_los_errores_enormes_no_estorban() {
    let mut agregador = Agregador::new(3);
    let muchos = Metricas { error_count: 1_000_000_000_000, ..METRICAS }; // lo más que se admite
    assert_eq!(agregador.sumar(&muchos, 10, segundo(0.0)), None);
    assert_eq!(agregador.sumar(&muchos, 12, segundo(1.0)), None); // el 11 se descartó
    let kpis = agregador.sumar(&muchos, 20, segundo(2.0)).unwrap();
    assert_eq!((kpis.offset_inicio, kpis.offset_fin, kpis.error_count_sum), (10, 20, 3_000_000_000_000));
}
