//! El agente contra InfluxDB 2.7, InfluxDB 1.6.7 y VictoriaMetrics de verdad.
//!
//! Se lanza con servicios/probar, que los instala. Sin servidor, falla: no se salta.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

mod comun;
#[path = "comun/motores.rs"]
mod motores;

use comun::{EnMarcha, Oido, agente, correr};
use motores::{Motor, filas, python, segun};
use practicas_iabd06::influx::diario::Limites;
use practicas_iabd06::influx::{Acceso, Ajustes, InfluxDBClient, Lugar, Point, WriteApi, WriteOptions};
use serde_json::{Value, json};

/// Lanza el agente contra `motor`, lo para con Ctrl-C y devuelve lo que dice que ha escrito.
fn leer_y_parar(motor: &Motor, lecturas: usize) -> usize {
    let carpeta = tempfile::tempdir().unwrap();
    let mut orden = agente(carpeta.path(), &["--intervalo", "200ms"]);
    orden.envs(&motor.entorno).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut agente = EnMarcha(orden.spawn().unwrap());
    agente.lecturas(lecturas);
    agente.senal("-INT");
    let (codigo, errores) = agente.fin();
    assert_eq!(codigo, Some(0), "{errores}");
    assert!(errores.contains("acepta las credenciales"), "{errores}");
    let resumen = errores.lines().last().unwrap();
    let numeros: Vec<usize> = resumen.split(' ').filter_map(|p| p.parse().ok()).collect();
    let [leidos, escritos, pendientes, apartados, _] = numeros[..] else { panic!("{resumen}") };
    assert_eq!((leidos, pendientes, apartados), (escritos, 0, 0), "{resumen}");
    assert!(leidos >= lecturas);
    escritos
}

#[test]
fn en_influxdb_2_estan_los_puntos_con_sus_tags_y_fields_float() {
    let motor = Motor::arrancar("influx");
    let n = leer_y_parar(&motor, 6);
    let csv = motor.flux(r#"from(bucket: "rendimiento") |> range(start: -1h)"#);
    let tipos = csv.lines().next().unwrap();
    assert!(tipos.contains(",double,"), "el tipo de _value: {tipos}");
    let filas = filas(&csv);
    for field in ["cpu_percent", "ram_percent", "disk_percent"] {
        let de_este: Vec<_> = filas.iter().filter(|f| f["_field"] == field).collect();
        assert_eq!(de_este.len(), n, "{field}");
        for fila in de_este {
            assert_eq!(fila["_measurement"], "rendimiento_servidor");
            assert_eq!((&*fila["host_id"], &*fila["entorno"]), ("servidor_A", "produccion"));
            assert!((0.0..=100.0).contains(&fila["_value"].parse::<f64>().unwrap()));
        }
    }
    assert_eq!(filas.len(), 3 * n);
}

#[test]
fn en_influxdb_1_estan_los_puntos_con_sus_tags_y_fields_float() {
    let motor = Motor::arrancar("influx1");
    let n = leer_y_parar(&motor, 6);
    let tipos = motor.influxql("SHOW FIELD KEYS FROM rendimiento_servidor");
    let tipos = tipos["results"][0]["series"][0]["values"].as_array().unwrap();
    assert_eq!(tipos.len(), 3);
    assert!(tipos.iter().all(|t| t[1] == "float"), "{tipos:?}");
    let puntos = motor.influxql("SELECT * FROM rendimiento_servidor");
    let serie = &puntos["results"][0]["series"][0];
    assert_eq!(
        serie["columns"],
        json!(["time", "cpu_percent", "disk_percent", "entorno", "host_id", "ram_percent"])
    );
    let puntos = serie["values"].as_array().unwrap();
    assert_eq!(puntos.len(), n);
    assert!(puntos.iter().all(|p| p[3] == "produccion" && p[4] == "servidor_A" && p[1].is_number()));
}

#[test]
fn en_victoriametrics_estan_los_puntos() {
    let motor = Motor::arrancar("victoria");
    let n = leer_y_parar(&motor, 6);
    let hasta = Instant::now() + comun::PACIENCIA;
    loop {
        motor.leer("/internal/force_flush");
        let export = motor.leer("/api/v1/export?match[]=%7Bhost_id=%22servidor_A%22%7D");
        let series: Vec<Value> = export.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let puntos: usize = series.iter().map(|s| s["values"].as_array().unwrap().len()).sum();
        if puntos == 3 * n {
            assert_eq!(series.len(), 3);
            for serie in &series {
                assert_eq!(serie["metric"]["entorno"], "produccion");
                let nombre = serie["metric"]["__name__"].as_str().unwrap();
                assert!(nombre.starts_with("rendimiento_servidor_"), "{nombre}");
            }
            return;
        }
        assert!(puntos < 3 * n && Instant::now() < hasta, "{puntos} de {}: {export}", 3 * n);
    }
}

// --- lo que contesta un servidor de verdad ------------------------------------------------------

const NUNCA: Duration = Duration::from_secs(3600);

fn abrir(servidor: &Lugar, datos: &Path, oido: &Oido, opciones: WriteOptions) -> WriteApi {
    let ajustes =
        Ajustes { host_id: "prueba", lugar: servidor, datos, limites: Limites::default(), recuperar: None };
    InfluxDBClient::new(ajustes, oido.avisos()).unwrap().write_api(opciones).unwrap()
}

/// Solo envía con `flush()` o `close()`.
fn a_mano() -> WriteOptions {
    WriteOptions { flush_interval: NUNCA, ..WriteOptions::default() }
}

/// Escribe un punto, comprueba que se queda pendiente y devuelve lo que se dice.
fn queja(servidor: &Lugar) -> String {
    let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let api = abrir(servidor, datos.path(), &oido, a_mano());
    api.write(&Point::new("m").field("f", 1.0)).unwrap();
    assert_eq!(api.close().pendientes, 1);
    assert_eq!(oido.importantes().len(), 1, "{:?}", oido.importantes());
    oido.importantes()[0].clone()
}

/// El acceso de `motor` con un cambio.
fn con_otro(motor: &Motor, token: Option<&str>, org: Option<&str>, bucket: Option<&str>) -> Lugar {
    let de =
        |otro: Option<&str>, clave: &str| otro.map_or_else(|| motor.entorno[clave].clone(), str::to_owned);
    let acceso = Acceso::V2 {
        token: de(token, "INFLUXDB_V2_TOKEN"),
        org: de(org, "INFLUXDB_V2_ORG"),
        bucket: de(bucket, "INFLUXDB_BUCKET"),
    };
    Lugar::Servidor { url: motor.url().to_owned(), acceso, ca: None }
}

#[test]
fn influxdb_2_dice_401_403_y_404_y_el_agente_que_arreglar() {
    let motor = Motor::arrancar("influx");
    assert!(queja(&con_otro(&motor, Some("malo"), None, None)).contains("revisa INFLUXDB_V2_TOKEN"));
    assert!(queja(&con_otro(&motor, None, None, Some("nohay"))).contains("no encuentra el bucket «nohay»"));
    assert!(queja(&con_otro(&motor, None, Some("nadie"), None)).contains("la organización «nadie»"));

    let org = motor.api("GET", "/api/v2/orgs?org=iabd06", &Value::Null)["orgs"][0]["id"].clone();
    let bucket =
        motor.api("GET", "/api/v2/buckets?name=rendimiento", &Value::Null)["buckets"][0]["id"].clone();
    let permiso = json!({"action": "read", "resource": {"type": "buckets", "id": bucket, "orgID": org}});
    let nuevo = json!({"orgID": org, "description": "solo lectura", "permissions": [permiso]});
    let token = motor.api("POST", "/api/v2/authorizations", &nuevo)["token"].as_str().unwrap().to_owned();
    assert!(queja(&con_otro(&motor, Some(&token), None, None)).contains("permiso de escritura"));

    motor.parar();
    let frase = queja(&motor.servidor());
    assert!(frase.contains("conexión rechazada"), "{frase}");
}

#[test]
fn influxdb_2_rechaza_lineas_y_solo_esas_se_apartan() {
    let motor = Motor::arrancar("influx");
    let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let api = abrir(&motor.servidor(), datos.path(), &oido, a_mano());
    let largo = "x".repeat(70_000);
    for n in 0..100_i64 {
        let punto = Point::new("m").tag("n", if n == 40 { &largo } else { "t" });
        let punto = if n == 17 { punto.tag("time", "reservado") } else { punto }; // 400
        let n_f64 = n as f64;
        let punto = if n == 60 { punto.field("f", "texto") } else { punto.field("f", n_f64) }; // 422
        api.write(&punto).unwrap();
    }
    let resumen = api.close();
    assert_eq!((resumen.enviados, resumen.apartados, resumen.pendientes), (97, 3, 0), "{:?}", oido.todos());
    let csv = motor.flux(r#"from(bucket: "rendimiento") |> range(start: -1h) |> keep(columns: ["_value"])"#);
    let valores: HashSet<_> =
        filas(&csv).iter().map(|f| f["_value"].parse::<f64>().unwrap() as i64).collect();
    let esperados: HashSet<_> = (0..100).filter(|n| ![17, 40, 60].contains(n)).collect();
    assert_eq!(valores, esperados);

    let carpeta = fs::read_dir(datos.path().join("agente")).unwrap().next().unwrap().unwrap().path();
    let rechazados = fs::read_to_string(carpeta.join("rechazados.lp")).unwrap();
    let notas: Vec<_> = rechazados.lines().filter(|l| l.starts_with('#')).collect();
    assert_eq!(notas.len(), 3);
    assert!(notas[0].contains(" 400 ") && notas[0].contains("time"), "{}", notas[0]);
    assert!(notas[2].contains(" 422 ") && notas[2].contains("type conflict"), "{}", notas[2]);
    assert!(notas.iter().all(|n| n.len() < 500), "las palabras del servidor, recortadas");
}

#[test]
fn influxdb_1_dice_401_403_404_y_413() {
    let motor = Motor::arrancar("influx1");
    let con = |database: &str, usuario: &str, clave: &str| Lugar::Servidor {
        url: motor.url().to_owned(),
        acceso: Acceso::V1 {
            database: database.to_owned(),
            credenciales: Some((usuario.to_owned(), clave.to_owned())),
        },
        ca: None,
    };
    assert!(queja(&con("rendimiento", "alumno", "mala")).contains("INFLUXDB_V1_PASSWORD"));
    assert!(queja(&con("nohay", "alumno", "iabd06-clave")).contains("CREATE DATABASE"));
    motor.influxql("CREATE USER lector WITH PASSWORD 'l'");
    motor.influxql("GRANT READ ON rendimiento TO lector");
    assert!(queja(&con("rendimiento", "lector", "l")).contains("GRANT WRITE"));
    // Con la dirección de un 1.x puesta como si fuera un 2.
    let acceso = Acceso::V2 { token: "t".into(), org: "o".into(), bucket: "b".into() };
    let frase = queja(&Lugar::Servidor { url: motor.url().to_owned(), acceso, ca: None });
    assert!(frase.contains("INFLUXDB_V1_URL"), "{frase}");

    // Un lote de más de 25 MB: 413. Se parte y entra todo.
    let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let opciones =
        WriteOptions { batch_size: 1_000_000, retry_interval: Duration::from_millis(10), ..a_mano() };
    let api = abrir(&motor.servidor(), datos.path(), &oido, opciones);
    let relleno = "x".repeat(30_000);
    for n in 0..1_000_i64 {
        api.write(&Point::new("m").field("n", n).field("relleno", &*relleno)).unwrap();
    }
    let mut resumen = api.flush();
    while resumen.pendientes > 0 {
        resumen = api.flush(); // si cuelga en vez de contestar 413, se tarda algún intento más
    }
    assert_eq!((resumen.enviados, resumen.apartados), (1_000, 0), "{:?}", oido.todos());
    let cuenta = motor.influxql("SELECT COUNT(n) FROM m");
    assert_eq!(cuenta["results"][0]["series"][0]["values"][0][1], 1_000);
}

#[test]
fn influxdb_2_dice_lo_que_le_sobra_a_la_url_y_que_no_es_un_1() {
    let motor = Motor::arrancar("influx");
    let Lugar::Servidor { url, acceso, .. } = motor.servidor() else { unreachable!() };
    for camino in ["/api/v2", "/api/v2/write", "/orgs/0a1b/data-explorer"] {
        let lugar = Lugar::Servidor { url: format!("{url}{camino}"), acceso: acceso.clone(), ca: None };
        comun::contiene(&queja(&lugar), &[&format!("sobra «{camino}»: déjala en {url}.")]);
    }
    let token = motor.entorno["INFLUXDB_V2_TOKEN"].clone();
    for credenciales in [None, Some(("a".to_owned(), "mala".to_owned())), Some(("a".to_owned(), token))] {
        let acceso = Acceso::V1 { database: "otra".to_owned(), credenciales };
        let frase = queja(&Lugar::Servidor { url: url.clone(), acceso, ca: None });
        comun::contiene(&frase, &["es un InfluxDB 2", "INFLUXDB_V2_URL", "INFLUXDB_V2_TOKEN"]);
        assert!(!frase.contains("CREATE DATABASE"), "{frase}");
    }
}

#[test]
fn miles_de_puntos_fuera_de_la_retencion_no_son_miles_de_peticiones() {
    let (motor, motor_1) = (Motor::arrancar("influx"), Motor::arrancar("influx1"));
    let org = motor.api("GET", "/api/v2/orgs?org=iabd06", &Value::Null)["orgs"][0]["id"].clone();
    let regla = json!([{"type": "expire", "everySeconds": 3600}]);
    motor.api("POST", "/api/v2/buckets", &json!({"orgID": org, "name": "corto", "retentionRules": regla}));
    motor_1.influxql("CREATE DATABASE corta WITH DURATION 1h");
    motor_1.influxql("GRANT ALL ON corta TO alumno");
    let Lugar::Servidor { url, acceso: Acceso::V1 { credenciales, .. }, .. } = motor_1.servidor() else {
        unreachable!()
    };
    let corta = Acceso::V1 { database: "corta".to_owned(), credenciales };
    for lugar in
        [con_otro(&motor, None, None, Some("corto")), Lugar::Servidor { url, acceso: corta, ca: None }]
    {
        let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
        let api = abrir(&lugar, datos.path(), &oido, a_mano());
        let ahora = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        let hace_dos_dias = ahora - 2 * 86_400_000_000_000;
        for n in 0..10_000 {
            api.write(&Point::new("m").field("n", n).time(hace_dos_dias + n)).unwrap();
        }
        for n in 0..500 {
            api.write(&Point::new("m").field("n", n).time(ahora + n)).unwrap();
        }
        let inicio = Instant::now();
        let resumen = api.close();
        println!("10.500 puntos, 10.000 fuera de la retención: {} ms", inicio.elapsed().as_millis());
        assert_eq!((resumen.enviados, resumen.apartados, resumen.pendientes), (500, 10_000, 0));
        let frases = oido.importantes();
        assert_eq!(frases.len(), 1, "{frases:?}");
        comun::contiene(&frases[0], &["1000 puntos de un lote", "retención", "en hora"]);
        let carpeta = fs::read_dir(datos.path().join("agente")).unwrap().next().unwrap().unwrap().path();
        let notas = fs::read_to_string(carpeta.join("rechazados.lp")).unwrap();
        let notas = notas.lines().filter(|l| l.starts_with('#')).count();
        assert!(notas <= 12, "una petición por lote: {notas} notas");
    }
}

#[test]
fn lo_que_no_cabe_en_influxdb_1_espera_y_entra_al_levantar_el_limite() {
    let mut motor = Motor::arrancar("influx1");
    let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let api = abrir(&motor.servidor(), datos.path(), &oido, a_mano());
    api.write(&Point::new("otra").tag("serie", "una").field("n", 1.0)).unwrap();
    assert_eq!(api.flush().enviados, 1);
    motor.parar();
    let propiedades = datos.path().join("una.conf");
    fs::write(&propiedades, "  max-series-per-database = 1\n").unwrap();
    motor.rearrancar_con(&["--propiedades", propiedades.to_str().unwrap()]);
    for n in 0..20_i64 {
        api.write(&Point::new("m").tag("serie", "nueva").field("n", n)).unwrap();
    }
    for _ in 0..3 {
        let resumen = api.flush();
        assert_eq!((resumen.apartados, resumen.pendientes), (0, 20), "{:?}", oido.todos());
    }
    let frases = oido.importantes();
    assert_eq!(frases.len(), 1, "{frases:?}");
    comun::contiene(&frases[0], &["max-series-per-database", "límite"]);
    motor.parar();
    motor.rearrancar();
    assert_eq!(api.close().enviados, 21, "{:?}", oido.todos());
}

#[test]
fn un_cuerpo_comprimido_se_escribe_igual() {
    let motor = Motor::arrancar("influx");
    let (datos, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let Lugar::Servidor { url, acceso, .. } = motor.servidor() else { unreachable!() };
    // 0.0.0.0 lleva a esta máquina, pero no es una dirección local: se comprime.
    let servidor = Lugar::Servidor { url: url.replace("127.0.0.1", "0.0.0.0"), acceso, ca: None };
    let api = abrir(&servidor, datos.path(), &oido, a_mano());
    for n in 0..500_i64 {
        api.write(&Point::new("m").field("n", n)).unwrap();
    }
    assert_eq!(api.close().enviados, 500, "{:?}", oido.todos());
    let csv = motor.flux(r#"from(bucket: "rendimiento") |> range(start: -1h) |> sum()"#);
    assert_eq!(filas(&csv)[0]["_value"], (500 * 499 / 2).to_string());
}

// --- junto a psutil -----------------------------------------------------------------------------

#[test]
fn las_metricas_coinciden_con_las_de_psutil() {
    let segundos = segun(8, 30);
    let carpeta = tempfile::tempdir().unwrap();
    // Carga constante: un núcleo entero.
    let carga = EnMarcha(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap());
    let guion = format!(
        "import psutil, time\n\
         psutil.cpu_percent()\n\
         t = time.time()\n\
         for i in range({segundos}):\n    \
             time.sleep(max(0, t + i + 1 - time.time()))\n    \
             print(time.time_ns(), psutil.cpu_percent(), psutil.virtual_memory().percent, psutil.disk_usage('/').percent)\n"
    );
    let psutil = Command::new(python()).args(["-c", &guion]).stdout(Stdio::piped()).spawn().unwrap();
    let salida = correr(carpeta.path(), &["--lecturas", &segundos.to_string()]);
    assert!(salida.status.success());
    let psutil = String::from_utf8(psutil.wait_with_output().unwrap().stdout).unwrap();
    drop(carga);

    let suyas: Vec<Vec<f64>> =
        psutil.lines().map(|l| l.split(' ').map(|n| n.parse().unwrap()).collect()).collect();
    let contenido = fs::read_to_string(carpeta.path().join("datos/rendimiento_servidor.lp")).unwrap();
    let nuestras = influxdb_line_protocol::parse_lines(&contenido).map(|punto| {
        let punto = punto.unwrap();
        let field = |nombre| match punto.field_value(nombre) {
            Some(influxdb_line_protocol::FieldValue::F64(x)) => *x,
            otro => panic!("{nombre}: {otro:?}"),
        };
        let ns = punto.timestamp.unwrap() as f64;
        vec![ns, field("cpu_percent"), field("ram_percent"), field("disk_percent")]
    });
    let (mut peor, mut suma, mut lecturas) = ([0.0_f64; 3], 0.0, 0.0);
    for nuestra in nuestras.skip(1) {
        // la primera incluye el arranque de Python, que psutil no ve
        let suya = suyas
            .iter()
            .min_by(|a, b| f64::total_cmp(&(a[0] - nuestra[0]).abs(), &(b[0] - nuestra[0]).abs()));
        for i in 0..3 {
            peor[i] = peor[i].max((nuestra[i + 1] - suya.unwrap()[i + 1]).abs());
        }
        suma += (nuestra[1] - suya.unwrap()[1]).abs();
        lecturas += 1.0;
    }
    let media = suma / lecturas;
    println!(
        "{segundos} s junto a psutil: cpu {media:.2} de media ({:.1} la peor), ram {:.1}, disco {:.1}",
        peor[0], peor[1], peor[2]
    );
    // Las ventanas de CPU no empiezan a la vez: de lectura en lectura manda el azar; de media, no.
    assert!(media <= 5.0 && peor[1] <= 0.2 && peor[2] <= 0.2, "{media} {peor:?}");
}

#[test]
fn el_agente_en_marcha_ocupa_menos_de_12_mb() {
    let motor = Motor::arrancar("influx");
    let carpeta = tempfile::tempdir().unwrap();
    let mut orden = agente(carpeta.path(), &["--intervalo", "200ms", "--flush-interval", "400ms"]);
    orden.envs(&motor.entorno).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut agente = EnMarcha(orden.spawn().unwrap());
    agente.lecturas(10);
    let estado = fs::read_to_string(format!("/proc/{}/status", agente.0.id())).unwrap();
    let kib = |campo: &str| -> u64 {
        let linea = estado.lines().find(|l| l.starts_with(campo)).unwrap();
        linea.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    println!("memoria residente del agente: {:.1} MB", kib("VmRSS") as f64 / 1000.0);
    assert!(kib("VmRSS") < 12_000, "{} KiB", kib("VmRSS"));
}
