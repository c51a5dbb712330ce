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
const BINARIOS: &[(&str, &str)] = &[("agente_monitoreo", env!("CARGO_BIN_EXE_agente_monitoreo"))];

/// Opciones de programas que no son nuestros: cargo, curl, influx, apt.
const AJENAS: &str = "--bin --features --no-default-features --offline --data-binary --file --bucket --proto \
                      --install --test --all-targets --all-features";

/// Un bloque de este tipo se comprueba o es solo para leer. Otro (`sh`, `bash`) pasaría sin mirar.
const LENGUAS: [&str; 5] = ["console", "rust", "python", "text", "powershell"];

/// Lo más que puede tardar una página.
const LIMITE: Duration = Duration::from_secs(120);

/// Separa la salida de cada orden de la siguiente.
const CORTE: &str = "\n=====fin de la orden ";

struct Bloque {
    pagina: PathBuf,
    linea: usize,
    lengua: String,
    marca: String, // la línea de encima
    lineas: Vec<String>,
}

struct Orden {
    sitio: String,
    texto: String,
    esperado: Vec<String>,
}

#[test]
fn cada_orden_de_la_documentacion_hace_lo_que_dice() {
    let mut fallos = Vec::new();
    for pagina in paginas() {
        let carpeta = tempfile::tempdir().unwrap();
        let se_ejecuta = |b: &Bloque| !b.marca.starts_with("<!-- no se ejecuta: ") && b.marca != MOTORES;
        fallos.extend(ejecutar(&ordenes(&pagina, se_ejecuta), carpeta.path()));
    }
    assert!(fallos.is_empty(), "{}", fallos.join("\n"));
}

const MOTORES: &str = "<!-- motores -->";

#[test]
#[cfg(feature = "motores")]
fn cada_orden_que_necesita_un_servidor_hace_lo_que_dice() {
    /// Para los servidores que haya arrancado una página, acabe como acabe.
    struct Servidores<'a>(&'a Path);
    impl Drop for Servidores<'_> {
        fn drop(&mut self) {
            for motor in fs::read_dir(self.0.join("datos")).into_iter().flatten().flatten() {
                if motor.path().join("pid").exists() {
                    let parar =
                        Command::new(raiz().join("servicios/parar")).arg("--dir").arg(motor.path()).status();
                    assert!(
                        parar.is_ok_and(|s| s.success()) || thread::panicking(),
                        "{motor:?} sigue en marcha"
                    );
                }
            }
        }
    }
    let mut fallos = Vec::new();
    for pagina in paginas() {
        let carpeta = tempfile::tempdir().unwrap();
        let _servidores = Servidores(carpeta.path());
        for vecina in ["servicios", "docs"] {
            std::os::unix::fs::symlink(raiz().join(vecina), carpeta.path().join(vecina)).unwrap();
        }
        fallos.extend(ejecutar(&ordenes(&pagina, |b| b.marca == MOTORES), carpeta.path()));
    }
    assert!(fallos.is_empty(), "{}", fallos.join("\n"));
}

#[test]
fn las_opciones_y_variables_que_se_nombran_existen() {
    let leer = |ruta: &str| fs::read_to_string(raiz().join(ruta)).unwrap();
    let ayudas: String = BINARIOS.iter().map(|(nombre, _)| ayuda(nombre).unwrap()).collect();
    let servicios: String =
        ["arrancar", "parar", "instalar"].map(|s| leer(&format!("servicios/{s}"))).concat();
    let python = leer("docs/python/agente_monitoreo.py");
    let conocidas = palabras(&[&ayudas, &servicios, &python, AJENAS].join(" "));
    let mut fallos = Vec::new();
    for pagina in paginas() {
        for palabra in palabras(&fs::read_to_string(&pagina).unwrap()).difference(&conocidas) {
            fallos.push(format!("{}: {palabra} no existe", pagina.display()));
        }
        for orden in ordenes(&pagina, |_| true) {
            let suyas = match de_quien_son_las_opciones(&orden.texto) {
                Ok(Some((ayuda, argumentos))) => (palabras(&ayuda), palabras(argumentos)),
                Ok(None) => continue,
                Err(fallo) => {
                    fallos.push(format!("{}: {fallo}", orden.sitio));
                    continue;
                }
            };
            fallos.extend(suyas.1.difference(&suyas.0).map(|p| format!("{}: {p} no existe", orden.sitio)));
        }
    }
    assert!(fallos.is_empty(), "{}", fallos.join("\n"));
}

#[test]
fn los_trozos_de_codigo_estan_en_los_programas() {
    let mut fuentes = vec![raiz().join("docs/python/agente_monitoreo.py")];
    let mut carpetas = vec![raiz().join("src")];
    while let Some(carpeta) = carpetas.pop() {
        for entrada in fs::read_dir(carpeta).unwrap().map(|e| e.unwrap().path()) {
            if entrada.is_dir() { carpetas.push(entrada) } else { fuentes.push(entrada) }
        }
    }
    let textos: Vec<String> = fuentes.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    for bloque in paginas().iter().flat_map(|p| bloques(p)) {
        let sitio = format!("{}:{}", bloque.pagina.display(), bloque.linea);
        assert!(LENGUAS.contains(&bloque.lengua.as_str()), "{sitio}: bloque «{}»", bloque.lengua);
        if ["rust", "python"].contains(&bloque.lengua.as_str()) {
            // Sus líneas, en el mismo orden, en alguno de los ficheros.
            let esta = |texto: &String| {
                let mut fuente = texto.lines().map(str::trim);
                let citadas =
                    bloque.lineas.iter().map(|l| l.trim()).filter(|l| !l.is_empty() && !l.ends_with('…'));
                citadas.into_iter().all(|citada| fuente.any(|linea| linea == citada))
            };
            assert!(textos.iter().any(esta), "{sitio}: este trozo ya no está así en ningún fichero");
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
    assert!(casan(&["a [..] b", "...", "fin"], &["a 1 b", "x", "y", "fin"]));
    assert!(casan(&["...", "fin"], &["fin"]));
    assert!(!casan(&["a [..] b"], &["a 1 c"]));
    assert!(!casan(&["..."; 1], &[]) || casan(&["..."], &["x"]));
    assert!(!casan(&["...", "fin"], &["x"]));
    assert!(!casan(&[], &["x"]));
}

fn raiz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
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
            let dentro = lineas.by_ref().map(|(_, l)| l).take_while(|l| l.trim() != "```");
            let lineas = dentro.map(str::to_owned).collect();
            let (pagina, lengua, marca) = (pagina.to_owned(), lengua.to_owned(), encima.to_owned());
            bloques.push(Bloque { pagina, linea: i + 1, lengua, marca, lineas });
        }
        if !linea.trim().is_empty() {
            encima = linea;
        }
    }
    bloques
}

/// Las órdenes de los bloques `console` que cumplen `cuales`. Una `\` al final sigue en la línea de debajo.
fn ordenes(pagina: &Path, cuales: impl Fn(&Bloque) -> bool) -> Vec<Orden> {
    let mut ordenes: Vec<Orden> = Vec::new();
    for bloque in bloques(pagina).iter().filter(|b| b.lengua == "console" && cuales(b)) {
        assert!(bloque.lineas[0].starts_with("$ "), "{}:{}: falta $", pagina.display(), bloque.linea);
        for (i, linea) in bloque.lineas.iter().enumerate() {
            let sitio = format!("{}:{}", pagina.display(), bloque.linea + 1 + i);
            match (linea.strip_prefix("$ "), ordenes.last_mut()) {
                (Some(texto), _) => {
                    ordenes.push(Orden { sitio, texto: texto.to_owned(), esperado: Vec::new() });
                }
                (None, Some(orden)) if orden.texto.ends_with('\\') => orden.texto += &format!("\n{linea}"),
                (None, Some(orden)) => orden.esperado.push(linea.clone()),
                (None, None) => {}
            }
        }
    }
    ordenes
}

/// Ejecuta las órdenes en una misma `sh`, dentro de `carpeta`. Devuelve lo que no casa.
fn ejecutar(ordenes: &[Orden], carpeta: &Path) -> Vec<String> {
    let mut guion = String::new();
    for orden in ordenes {
        let texto = con_binario(&orden.texto).unwrap_or_else(|fallo| panic!("{}: {fallo}", orden.sitio));
        guion += &format!(
            "{{ {texto}\n}} 2>&1; e=$?; printf '{}%s\\n' $e; (exit $e)\n",
            CORTE.replace('\n', "\\n")
        );
    }
    let mut sh = Command::new("sh");
    sh.arg("-c").arg(guion).current_dir(carpeta).stdin(Stdio::null());
    for (variable, _) in std::env::vars().filter(|(v, _)| v.starts_with("INFLUXDB_")) {
        sh.env_remove(variable);
    }
    let (hecho, espera) = mpsc::channel();
    thread::spawn(move || hecho.send(sh.output()));
    let salida = espera.recv_timeout(LIMITE).expect("una orden de la documentación no acaba").unwrap();
    let salida =
        String::from_utf8_lossy(&salida.stdout).into_owned() + &String::from_utf8_lossy(&salida.stderr);

    let mut fallos = Vec::new();
    let mut resto = salida.as_str();
    for (i, orden) in ordenes.iter().enumerate() {
        let (real, despues) = resto.split_once(CORTE).unwrap_or((resto, "sin acabar\n"));
        let (codigo, despues) = despues.split_once('\n').unwrap_or((despues, ""));
        resto = despues;
        let esperado: Vec<&str> = orden.esperado.iter().map(String::as_str).collect();
        let no_existe = real.lines().any(|l| l.starts_with("sh: ") && l.ends_with("not found"));
        let se_dice = ordenes.get(i + 1).is_some_and(|o| o.texto == "echo $?");
        if no_existe || !casan(&esperado, &real.lines().collect::<Vec<_>>()) || (codigo != "0" && !se_dice) {
            let Orden { sitio, texto, .. } = orden;
            let esperado = esperado.join("\n");
            fallos.push(format!(
                "{sitio}: $ {texto}\n--- dice\n{esperado}\n--- hace (código {codigo})\n{real}\n"
            ));
        }
    }
    fallos
}

fn casan(esperado: &[&str], real: &[&str]) -> bool {
    match (esperado, real) {
        ([], []) => true,
        (["...", siguen @ ..], _) => (0..=real.len()).any(|n| casan(siguen, &real[n..])),
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
fn con_binario(orden: &str) -> Result<String, String> {
    let Some((antes, resto)) = orden.split_once("cargo run --bin ") else {
        return if orden.contains("cargo") {
            Err(format!("aquí no se ejecuta: {orden}"))
        } else {
            Ok(orden.to_owned())
        };
    };
    let (nombre, argumentos) = resto.split_once(' ').unwrap_or((resto, ""));
    if argumentos.starts_with('-') && !argumentos.starts_with("-- ") {
        return Err(format!("falta -- antes de las opciones: {orden}"));
    }
    Ok(format!("{antes}'{}' {}", binario(nombre)?, argumentos.trim_start_matches("-- ")))
}

fn binario(nombre: &str) -> Result<&'static str, String> {
    let encontrado = BINARIOS.iter().find(|(n, _)| *n == nombre);
    encontrado.map(|(_, ruta)| *ruta).ok_or_else(|| format!("no hay ningún binario {nombre}"))
}

fn ayuda(nombre: &str) -> Result<String, String> {
    let salida = Command::new(binario(nombre)?).arg("--ayuda").output().map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&salida.stdout).into_owned())
}

/// La ayuda del programa nuestro que se ejecuta en esta orden, y lo que se le pasa.
fn de_quien_son_las_opciones(orden: &str) -> Result<Option<(String, &str)>, String> {
    if let Some((_, resto)) = orden.split_once("cargo run --bin ") {
        let (nombre, argumentos) = resto.split_once(' ').unwrap_or((resto, ""));
        return Ok(Some((ayuda(nombre)?, argumentos)));
    }
    let Some(resto) = orden.strip_prefix("servicios/") else { return Ok(None) };
    let (nombre, argumentos) = resto.split_once(' ').unwrap_or((resto, ""));
    let guion =
        fs::read_to_string(raiz().join("servicios").join(nombre)).map_err(|e| format!("{nombre}: {e}"))?;
    Ok(Some((guion, argumentos)))
}

/// Las opciones (`--algo`) y variables (`INFLUXDB_ALGO`) que hay en un texto.
fn palabras(texto: &str) -> HashSet<String> {
    let trozos = texto.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let opcion =
        |t: &str| t.strip_prefix("--").is_some_and(|r| r.starts_with(|c: char| c.is_ascii_lowercase()));
    let variable = |t: &str| t.strip_prefix("INFLUXDB_").is_some_and(|r| !r.is_empty());
    trozos.filter(|t| opcion(t) || variable(t)).map(str::to_owned).collect()
}
