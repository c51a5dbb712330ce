//! Ejecuta la documentación (README.md y docs/*.md), para que no diga lo que el programa no hace.
//!
//! - En un bloque `console`, `$ orden` se ejecuta y lo de debajo es su salida. `[..]` vale por
//!   cualquier texto dentro de una línea y `...` por cualesquiera líneas. Una orden que acaba con un
//!   código distinto de 0 va seguida de `$ echo $?`.
//! - Con `<!-- no se ejecuta: RAZÓN -->` encima no se ejecuta, pero sus opciones tienen que existir.
//! - Con `<!-- motores -->` encima se ejecuta solo con la feature `motores`: arranca servidores.
//! - Un bloque `rust` o `python` es un trozo de los programas; `…` marca lo que se salta.
#![cfg(unix)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Los binarios que la documentación puede nombrar.
const BINARIOS: &[(&str, &str)] = &[
    ("agente_monitoreo", env!("CARGO_BIN_EXE_agente_monitoreo")),
    ("productor_metrics_iabd06", env!("CARGO_BIN_EXE_productor_metrics_iabd06")),
    ("consumidor_metrics_iabd06", env!("CARGO_BIN_EXE_consumidor_metrics_iabd06")),
    ("panel_metricas", env!("CARGO_BIN_EXE_panel_metricas")),
];

/// Opciones y variables que no son nuestras: de cargo, curl, influx, Docker, Kafka y el instalador de macOS.
const AJENAS: &str = "--bin --bench --features --offline --data-binary --data-urlencode --proto --file --install \
    --wait --bootstrap-server --list --create --partitions --describe --group --topic --from-beginning --max-messages";

/// Las variables que solo están en la ayuda si se compila con esa feature.
const DE_LIBRDKAFKA: &str = "KAFKA_SECURITY_PROTOCOL KAFKA_SASL_MECHANISM KAFKA_SASL_USERNAME KAFKA_SASL_PASSWORD \
    KAFKA_SSL_CA_LOCATION";

/// Un bloque de este tipo se comprueba o es solo para leer. Otro (`sh`, `bash`) pasaría sin mirar.
const LENGUAS: [&str; 5] = ["console", "rust", "python", "text", "powershell"];

/// Lo más que puede tardar una página.
const LIMITE: Duration = Duration::from_secs(120);

const MOTORES: &str = "<!-- motores -->";

/// Separa la salida de cada orden de la siguiente.
const CORTE: &str = "\n=====fin de la orden ";

struct Bloque {
    sitio: String,
    lengua: String,
    encima: String, // la línea de encima
    lineas: Vec<String>,
}

impl Bloque {
    fn no_se_ejecuta(&self) -> bool {
        self.encima.starts_with("<!-- no se ejecuta: ")
    }
}

struct Orden {
    sitio: String,
    texto: String,
    esperado: Vec<String>,
}

#[test]
fn cada_orden_de_la_documentacion_hace_lo_que_dice() {
    ejecutar_paginas(|pagina| ordenes(pagina, |b| !b.no_se_ejecuta() && b.encima != MOTORES));
}

#[test]
#[cfg(feature = "motores")]
fn cada_orden_de_la_documentacion_hace_lo_que_dice_con_un_servidor_de_verdad() {
    ejecutar_paginas(|pagina| match bloques(pagina).iter().any(|b| b.encima == MOTORES) {
        true => ordenes(pagina, |b| !b.no_se_ejecuta()),
        false => Vec::new(),
    });
}

#[test]
fn los_programas_opciones_y_variables_que_se_nombran_existen() {
    let mut ayudas = Vec::new(); // cómo se llama a cada programa, y qué opciones tiene
    for (nombre, ruta) in BINARIOS {
        let ayuda = Command::new(ruta).arg("--ayuda").output().unwrap().stdout;
        ayudas.push((format!("cargo run --bin {nombre}"), String::from_utf8(ayuda).unwrap()));
    }
    let guiones = ["arrancar", "parar", "instalar"].map(|g| raiz().join("servicios").join(g));
    for guion in guiones.into_iter().chain(en_python()) {
        let nombre = guion.strip_prefix(raiz()).unwrap().display().to_string();
        ayudas.push((nombre, fs::read_to_string(guion).unwrap()));
    }
    let compose = fs::read_to_string(raiz().join("docker-compose.yml")).unwrap();
    let de_librdkafka = if cfg!(feature = "librdkafka") { "" } else { DE_LIBRDKAFKA };
    let ajenas = [" ", AJENAS, " ", de_librdkafka, " ", &compose];
    let todas: String = ayudas.iter().map(|(_, ayuda)| ayuda.as_str()).chain(ajenas).collect();
    for pagina in paginas() {
        let texto = fs::read_to_string(&pagina).unwrap();
        let comprobar = |trozo: &str, ayuda: &str| {
            let faltan = &palabras(trozo) - &palabras(ayuda);
            assert!(faltan.is_empty(), "{}: no existe {faltan:?}", pagina.display());
        };
        comprobar(&texto, &todas);
        for (llamada, ayuda) in &ayudas {
            for uso in texto.split(llamada).skip(1).filter_map(|resto| resto.split(['\n', '`']).next()) {
                comprobar(uso, ayuda);
            }
        }
        for uso in texto.split("cargo run --bin ").skip(1) {
            let nombre = uso.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(binario(nombre).is_some(), "{}: no hay ningún binario «{nombre}»", pagina.display());
        }
    }
}

#[test]
fn los_trozos_de_codigo_estan_en_los_programas() {
    let mut fuentes = en_python();
    let mut carpetas = vec![raiz().join("src")];
    while let Some(carpeta) = carpetas.pop() {
        for entrada in fs::read_dir(carpeta).unwrap().map(|e| e.unwrap().path()) {
            if entrada.is_dir() { carpetas.push(entrada) } else { fuentes.push(entrada) }
        }
    }
    let textos: Vec<String> = fuentes.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    for Bloque { sitio, lengua, lineas, .. } in paginas().iter().flat_map(|p| bloques(p)) {
        assert!(LENGUAS.contains(&lengua.as_str()), "{sitio}: bloque «{lengua}»");
        if ["rust", "python"].contains(&lengua.as_str()) {
            // Sus líneas, en el mismo orden, en alguno de los ficheros.
            let esta = |texto: &String| {
                let mut fuente = texto.lines().map(str::trim);
                let mut citadas = lineas.iter().map(|l| l.trim()).filter(|l| !l.is_empty() && *l != "…");
                citadas.all(|citada| fuente.any(|linea| linea == citada))
            };
            assert!(textos.iter().any(esta), "{sitio}: este trozo no está así en ningún fichero");
        }
    }
}

#[test]
fn los_enlaces_llevan_a_alguna_parte() {
    for pagina in paginas() {
        let texto = fs::read_to_string(&pagina).unwrap();
        for enlace in texto.split("](").skip(1).filter_map(|resto| resto.split(')').next()) {
            let ruta = enlace.split('#').next().unwrap_or_default();
            let existe = enlace.starts_with("https://") || pagina.parent().unwrap().join(ruta).exists();
            assert!(existe, "{}: el enlace {enlace} no lleva a nada", pagina.display());
        }
    }
}

#[test]
fn los_comodines_no_tapan_un_texto_distinto() {
    let casan =
        |esperado: &str, real: &[&str]| casan(&esperado.lines().map(str::to_owned).collect::<Vec<_>>(), real);
    assert!(casan("a [..] b\n...\nfin", &["a 1 b", "x", "y", "fin"]));
    assert!(casan("...\nfin", &["fin"]));
    assert!(!casan("a [..] b", &["a 1 c"]));
    assert!(!casan("...\nfin", &["x"]));
    assert!(!casan("", &["x"]));
}

fn raiz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Los programas en Python.
fn en_python() -> Vec<PathBuf> {
    let todos = fs::read_dir(raiz().join("docs/python")).unwrap().map(|e| e.unwrap().path());
    todos.filter(|p| p.extension().is_some_and(|e| e == "py")).collect()
}

fn paginas() -> Vec<PathBuf> {
    let docs = fs::read_dir(raiz().join("docs")).unwrap().map(|e| e.unwrap().path());
    let mut paginas: Vec<_> = docs.filter(|p| p.extension().is_some_and(|e| e == "md")).collect();
    paginas.push(raiz().join("README.md"));
    paginas.sort();
    paginas
}

fn bloques(pagina: &Path) -> Vec<Bloque> {
    let texto = fs::read_to_string(pagina).unwrap();
    let mut lineas = texto.lines().enumerate();
    let mut bloques = Vec::new();
    let mut encima = "";
    while let Some((i, linea)) = lineas.next() {
        if let Some(lengua) = linea.trim_start().strip_prefix("```") {
            let dentro =
                lineas.by_ref().map(|(_, l)| l.to_owned()).take_while(|l| l.trim() != "```").collect();
            let (sitio, lengua) = (format!("{}:{}", pagina.display(), i + 1), lengua.to_owned());
            bloques.push(Bloque { sitio, lengua, encima: encima.to_owned(), lineas: dentro });
        }
        encima = linea.trim();
    }
    bloques
}

/// Las órdenes de los bloques `console` que cumplen `cuales`. Siguen debajo si acaban en `\` o si hay
/// una comilla simple sin cerrar.
fn ordenes(pagina: &Path, cuales: impl Fn(&Bloque) -> bool) -> Vec<Orden> {
    let mut ordenes: Vec<Orden> = Vec::new();
    for bloque in bloques(pagina).iter().filter(|b| b.lengua == "console" && cuales(b)) {
        assert!(bloque.lineas[0].starts_with("$ "), "{}: el bloque no empieza por $", bloque.sitio);
        for linea in &bloque.lineas {
            let sigue = |o: &&mut Orden| o.texto.ends_with('\\') || o.texto.matches('\'').count() % 2 == 1;
            if let Some(orden) = ordenes.last_mut().filter(sigue) {
                orden.texto += &format!("\n{linea}");
            } else if let Some(texto) = linea.strip_prefix("$ ") {
                let (sitio, texto) = (bloque.sitio.clone(), texto.to_owned());
                ordenes.push(Orden { sitio, texto, esperado: Vec::new() });
            } else if let Some(orden) = ordenes.last_mut() {
                orden.esperado.push(linea.clone());
            }
        }
    }
    ordenes
}

/// Para los servidores que haya arrancado una página, acabe como acabe.
struct Servidores<'a>(&'a Path);

impl Drop for Servidores<'_> {
    fn drop(&mut self) {
        for motor in fs::read_dir(self.0.join("datos")).into_iter().flatten().flatten() {
            if motor.path().join("pid").exists() {
                let _ = Command::new(raiz().join("servicios/parar")).arg("--dir").arg(motor.path()).status();
            }
        }
    }
}

/// Ejecuta cada página en su propia carpeta, que hace de raíz del repositorio.
fn ejecutar_paginas(ordenes: impl Fn(&Path) -> Vec<Orden>) {
    let mut fallos = Vec::new();
    for pagina in paginas() {
        let carpeta = tempfile::tempdir().unwrap();
        let _servidores = Servidores(carpeta.path());
        for vecina in ["servicios", "docs"] {
            std::os::unix::fs::symlink(raiz().join(vecina), carpeta.path().join(vecina)).unwrap();
        }
        fallos.extend(ejecutar(&ordenes(&pagina), carpeta.path()));
    }
    assert!(fallos.is_empty(), "{}", fallos.join("\n"));
}

/// Ejecuta las órdenes en una misma `sh`, dentro de `carpeta`. Devuelve lo que no casa.
fn ejecutar(ordenes: &[Orden], carpeta: &Path) -> Vec<String> {
    let corte = CORTE.replace('\n', "\\n");
    let una =
        |o: &Orden| format!("{{ {}\n}} 2>&1; e=$?; printf '{corte}%s\\n' $e; (exit $e)\n", con_binario(o));
    let mut sh = Command::new("sh");
    sh.arg("-c").arg(ordenes.iter().map(una).collect::<String>()).current_dir(carpeta).stdin(Stdio::null());
    for (variable, _) in std::env::vars() {
        if ["INFLUXDB_", "KAFKA_", "MONGODB_", "IP_LOCAL"].iter().any(|p| variable.starts_with(p)) {
            sh.env_remove(variable);
        }
    }
    let hijo = sh.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = hijo.id().to_string();
    let (hecho, espera) = mpsc::channel();
    thread::spawn(move || hecho.send(hijo.wait_with_output()));
    let Ok(salida) = espera.recv_timeout(LIMITE) else {
        let _ = Command::new("kill").args(["-9", &pid]).status();
        panic!("una orden de la documentación no acaba");
    };
    let salida = salida.unwrap();
    let (normal, de_sh) = (String::from_utf8_lossy(&salida.stdout), String::from_utf8_lossy(&salida.stderr));

    let mut fallos = Vec::new();
    let mut resto = &*normal;
    for (i, Orden { sitio, texto, esperado }) in ordenes.iter().enumerate() {
        let Some((real, despues)) = resto.split_once(CORTE) else {
            fallos.push(format!("{sitio}: sh no ha pasado de aquí: $ {texto}\n{resto}{de_sh}"));
            break;
        };
        let (codigo, despues) = despues.split_once('\n').unwrap_or((despues, ""));
        resto = despues;
        let no_existe = real.lines().any(|l| l.starts_with("sh: ") && l.ends_with("not found"));
        let se_calla = codigo != "0" && ordenes.get(i + 1).is_none_or(|o| o.texto != "echo $?");
        let lineas: Vec<&str> = real.trim_end().lines().collect();
        if no_existe || se_calla || !casan(esperado, &lineas) {
            let dice = esperado.join("\n");
            fallos
                .push(format!("{sitio}: $ {texto}\n--- dice\n{dice}\n--- hace (código {codigo})\n{real}\n"));
        }
    }
    fallos
}

fn casan(esperado: &[String], real: &[&str]) -> bool {
    match (esperado, real) {
        ([], _) => real.is_empty(),
        ([puntos, siguen @ ..], _) if puntos == "..." => (0..=real.len()).any(|n| casan(siguen, &real[n..])),
        ([linea, siguen @ ..], [otra, resto @ ..]) => casa(linea, otra) && casan(siguen, resto),
        _ => false,
    }
}

fn casa(esperado: &str, real: &str) -> bool {
    let Some((antes, despues)) = esperado.split_once("[..]") else { return esperado == real };
    let Some(resto) = real.strip_prefix(antes) else { return false };
    resto.char_indices().map(|(i, _)| i).chain([resto.len()]).any(|i| casa(despues, &resto[i..]))
}

/// `cargo run --bin NOMBRE -- ARGUMENTOS`, con el binario ya construido. Otro uso de cargo no vale.
fn con_binario(Orden { sitio, texto, .. }: &Orden) -> String {
    let Some((antes, resto)) = texto.split_once("cargo run --bin ") else {
        assert!(!texto.contains("cargo"), "{sitio}: en una prueba no se ejecuta: {texto}");
        return texto.clone();
    };
    assert!(!resto.contains("cargo run"), "{sitio}: dos cargo run en una orden: {texto}");
    let (nombre, argumentos) = resto.split_once(' ').unwrap_or((resto, ""));
    let ruta = binario(nombre).unwrap_or_else(|| panic!("{sitio}: no hay ningún binario «{nombre}»"));
    let propios = argumentos.strip_prefix("-- ");
    assert!(propios.is_some() || !argumentos.starts_with('-'), "{sitio}: falta -- en: {texto}");
    format!("{antes}'{ruta}' {}", propios.unwrap_or(argumentos))
}

fn binario(nombre: &str) -> Option<&'static str> {
    BINARIOS.iter().find(|(n, _)| *n == nombre).map(|(_, ruta)| *ruta)
}

/// Cómo empieza una opción o una variable de las nuestras, o una que se le parezca.
const EMPIEZAN: [&str; 7] = ["--", "INFLUXDB_", "INFLUX_", "KAFKA_", "MONGODB_", "MONGO_", "IP_"];

/// Las opciones (`--algo`) y variables (`INFLUXDB_ALGO`) que hay en un texto.
fn palabras(texto: &str) -> HashSet<&str> {
    let trozos = texto.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let sigue = |t: &str, empieza: &str| {
        t.strip_prefix(empieza).is_some_and(|r| r.starts_with(char::is_alphanumeric))
    };
    trozos.filter(|t| EMPIEZAN.iter().any(|empieza| sigue(t, empieza))).collect()
}
