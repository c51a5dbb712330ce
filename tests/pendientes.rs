//! El cliente entero, con su diario y un servidor que va y viene: lo que no salió sale después.

use std::path::Path;
use std::time::Duration;

mod comun;
use comun::{Accion, Oido, ServidorFalso, contiene};
use practicas_iabd06::influx::diario::Limites;
use practicas_iabd06::influx::{Acceso, Ajustes, InfluxDBClient, Lugar, Point, WriteOptions};

const NUNCA: Duration = Duration::from_secs(3600);

fn cliente(datos: &Path, servidor: &Lugar, host: &str, oido: &Oido) -> InfluxDBClient {
    let ajustes = Ajustes { host_id: host, lugar: servidor, datos, limites: Limites::default() };
    InfluxDBClient::new(ajustes, oido.avisos()).unwrap()
}

#[test]
fn lo_que_no_salio_sale_la_proxima_vez_en_orden_y_solo_hacia_su_servidor() {
    let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let caido = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let destino = |url: &str, bucket: &str| Lugar::Servidor {
        url: url.to_owned(),
        acceso: Acceso::V2 { token: "t".into(), org: "o".into(), bucket: bucket.into() },
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
