//! El mensaje de Kafka, los servidores simulados y el agregador de KPIs: todo sin reloj ni red.

use std::collections::HashSet;
use std::time::{Duration, Instant, UNIX_EPOCH};

use practicas_iabd06::fecha;
use practicas_iabd06::kpis::{Agregador, Kpis};
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

/// Lo que sale de estas tandas: cuántos mensajes trae cada una y en qué segundo queda guardada. La primera se
/// tarda `leer` segundos en leer y guardar.
fn ventanas(ventana: u64, leer: f64, tandas: &[(u32, f64)]) -> Vec<Kpis> {
    let mut agregador = Agregador::new(ventana);
    let inicio = Instant::now();
    let en = |segundos: f64| inicio + Duration::from_secs_f64(segundos);
    let mut offset = 0;
    let mut cerradas = Vec::new();
    for (mensajes, guardada) in tandas {
        agregador.tanda(*mensajes, en(guardada - leer), en(*guardada));
        for _ in 0..*mensajes {
            let llegada = UNIX_EPOCH + Duration::from_secs_f64(*guardada);
            cerradas.extend(agregador.sumar(&metricas(offset), offset, offset as u32, llegada));
            offset += 1;
        }
    }
    cerradas
}

fn tasas(ventanas: &[Kpis]) -> Vec<f64> {
    ventanas.iter().map(|k| (k.tasa_procesamiento_msg_seg * 1e3).round() / 1e3).collect()
}

#[test]
fn cada_ventana_da_promedios_suma_y_tasa() {
    let cerradas = ventanas(20, 0.0, &[(20, 1.0), (25, 3.0)]);
    assert_eq!(cerradas.len(), 2);
    let primera = &cerradas[0];
    assert_eq!((primera.cpu_percent_avg, primera.memory_percent_avg), (9.5, 19.0));
    assert_eq!((primera.disk_io_mbps_avg, primera.network_mbps_avg), (0.5, 90.5));
    assert_eq!((primera.error_count_sum, primera.num_mensajes), (19, 20));
    assert_eq!((primera.offset_inicio, primera.offset_fin), (0, 19));
    assert_eq!((cerradas[1].offset_inicio, cerradas[1].offset_fin), (20, 39));
    for k in &cerradas {
        assert_eq!(k.tasa_procesamiento_msg_seg, k.num_mensajes as f64 / k.duracion.as_secs_f64());
    }
}

#[test]
fn en_vivo_cada_ventana_cuenta_tantos_huecos_como_mensajes_y_la_primera_tambien() {
    let rondas: Vec<_> = (0..12).map(|ronda| (5, 10.0 + f64::from(ronda))).collect(); // cinco cada segundo
    let cerradas = ventanas(20, 0.003, &rondas);
    assert_eq!(tasas(&cerradas), [5.0; 3]);
    assert_eq!(cerradas[0].duracion, Duration::from_secs(4));
    // Ventanas de una ronda y de un mensaje: de la primera ronda solo se sabe lo que se tardó en guardarla.
    assert_eq!(tasas(&ventanas(5, 0.001, &rondas))[1..], [5.0; 11]);
    assert_eq!(tasas(&ventanas(1, 0.001, &rondas))[5..], [5.0; 55]);
}

#[test]
fn lo_que_esperaba_al_arrancar_cuenta_al_paso_de_lo_que_llega_despues() {
    // Tras un reinicio en mitad de una ventana, 15 que esperaban; después, cinco cada segundo.
    let mut rondas = vec![(15, 10.0)];
    rondas.extend((1..6).map(|ronda| (5, 10.0 + f64::from(ronda))));
    assert_eq!(tasas(&ventanas(20, 0.003, &rondas)), [5.0; 2]);
}

#[test]
fn con_atraso_la_tasa_es_la_de_leer_y_guardar() {
    // Todo en una tanda que se tarda medio segundo en leer y guardar, y todo en dos.
    assert_eq!(tasas(&ventanas(20, 0.5, &[(45, 7.0)])), [90.0; 2]);
    assert_eq!(tasas(&ventanas(20, 0.5, &[(1_000, 7.0), (1_000, 7.25)]))[50..], [4_000.0; 50]);
}

#[test]
fn una_pausa_alarga_su_ventana_y_ninguna_mas() {
    let rondas =
        [(5, 0.0), (5, 1.0), (5, 2.0), (5, 3.0), (5, 4.0), (5, 5.0), (5, 65.0), (5, 66.0), (20, 70.0)];
    assert_eq!(tasas(&ventanas(20, 0.0, &rondas)), [5.0, 0.317, 5.0]);
}

#[test]
fn sin_tiempo_que_medir_la_tasa_es_un_numero() {
    for kpis in ventanas(2, 0.0, &[(4, 1.0), (4, 1.0)]) {
        assert!(kpis.tasa_procesamiento_msg_seg.is_finite() && !kpis.duracion.is_zero(), "{kpis:?}");
    }
    assert!(ventanas(0, 0.0, &[(1, 1.0)]).len() == 1, "una ventana de cero mensajes es de uno");
}

#[test]
fn la_misma_ventana_tiene_siempre_la_misma_suma_y_otra_no() {
    let suma = |tandas: &[(u32, f64)]| ventanas(3, 0.0, tandas).iter().map(|k| k.crc32).collect::<Vec<_>>();
    let sumas = suma(&[(6, 0.0)]);
    assert_eq!(sumas, suma(&[(1, 0.0), (4, 9.0), (1, 10.0)]));
    assert_ne!(sumas[0], sumas[1]);
}

#[test]
fn los_offsets_con_huecos_y_los_errores_enormes_no_estorban() {
    let mut agregador = Agregador::new(3);
    let muchos = Metricas { error_count: 1_000_000_000_000, ..METRICAS }; // lo más que se admite
    assert_eq!(agregador.sumar(&muchos, 10, 0, UNIX_EPOCH), None);
    assert_eq!(agregador.sumar(&muchos, 12, 0, UNIX_EPOCH), None); // el 11 se descartó
    let kpis = agregador.sumar(&muchos, 20, 0, UNIX_EPOCH).unwrap();
    assert_eq!((kpis.offset_inicio, kpis.offset_fin, kpis.error_count_sum), (10, 20, 3_000_000_000_000));
}
