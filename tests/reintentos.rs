//! Cuánto se espera antes de volver a enviar: lo que pide el servidor o, si no pide nada, cada vez más.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use practicas_iabd06::herramientas::reintentos::Reintentos;
use practicas_iabd06::influx::WriteOptions;
use practicas_iabd06::influx::contestacion::retry_after;

const NUNCA: Duration = Duration::from_secs(3600);

#[test]
fn los_reintentos_crecen_con_azar_y_acaban_en_reposo() {
    let politica = WriteOptions::default().politica();
    let ahora = Instant::now();
    let esperas = |azar| {
        let mut reintentos = Reintentos::new(politica.clone());
        (0..7).map(|_| reintentos.fallo(ahora, azar).as_secs()).collect::<Vec<_>>()
    };
    // retry_interval 5 s, base 2, cinco reintentos; después, max_retry_delay.
    assert_eq!(esperas(0.0), [5, 10, 20, 40, 80, 125, 125]);
    assert_eq!(esperas(1.0), [10, 20, 40, 80, 125, 125, 125]);

    let mut reintentos = Reintentos::new(politica);
    reintentos.fallo(ahora, 0.0);
    let tarde = ahora + Duration::from_secs(180);
    assert_eq!(reintentos.fallo(tarde, 0.0).as_secs(), 125, "pasado max_retry_time, reposa");
    reintentos.exito();
    assert_eq!(reintentos.fallo(tarde, 0.0).as_secs(), 5);
}

#[test]
fn los_reintentos_aguantan_opciones_extremas() {
    let opciones =
        WriteOptions { max_retries: u32::MAX, exponential_base: u32::MAX, ..WriteOptions::default() };
    let mut reintentos = Reintentos::new(WriteOptions { max_retry_time: NUNCA, ..opciones }.politica());
    for _ in 0..100 {
        assert!(reintentos.fallo(Instant::now(), 0.5) <= Duration::from_secs(125));
    }
}

#[test]
fn retry_after_son_segundos_o_una_fecha() {
    let ahora = UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
    let en = |valor| retry_after(valor, ahora);
    assert_eq!(en("120"), Some(Duration::from_secs(120)));
    assert_eq!(en(" 0 "), Some(Duration::ZERO));
    assert_eq!(en("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(en("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO), "ya ha pasado");
    assert_eq!(en("mañana"), None);
    assert_eq!(retry_after("-3", SystemTime::now()), None);
}
