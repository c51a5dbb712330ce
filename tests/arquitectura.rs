//! Lo que docs/ARQUITECTURA.md dice de src/ es verdad: sus filas, quién usa qué y cuánto ocupa cada cosa.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Quién puede usar una dependencia o una parte de ella. Un cuarto vale por su fichero y por su carpeta:
/// `pantalla` es `pantalla.rs` y todo lo que haya en `pantalla/`.
const SOLO: &[(&str, &[&str])] = &[
    ("sysinfo", &["sistema"]),
    ("rustix", &["sistema", "pantalla"]),
    ("rustix::fs", &["sistema"]),
    ("rustix::termios", &["pantalla"]),
    ("ctrlc", &["parada"]),
    ("lexopt", &["config"]),
    ("zmij", &["influx/valor"]),
    (
        "ureq",
        &[
            "influx/http",
            "influx/acceso",
            "influx/contestacion",
            "influx/consulta",
            "influx/red",
            "influx/proxy",
            "influx/confianza",
        ],
    ),
    ("rustls", &["influx/confianza"]),
    ("httparse", &["panel/http"]),
    ("rusqlite", &["embebido", "broker/embebido", "almacen/embebido", "panel/documentos/embebido"]),
    ("kafka", &["broker/kafka"]),
    ("rdkafka", &["broker/librdkafka"]),
    ("mongodb", &["almacen/mongodb", "panel/documentos/mongodb", "panel/documentos/de_bson"]),
];

/// Funciones que pasan de [`LINEAS_DE_FUNCION`], y hasta cuántas: una tabla, con un caso por línea, y el programa
/// que se lee al lado del suyo en Python.
const LARGAS: &[(&str, &str, usize)] = &[
    ("bin/consumidor_metrics_iabd06.rs", "consumidor", 45),
    ("broker/librdkafka/errores.rs", "traducir", 45),
];

const LINEAS_DE_SRC: usize = 250;
const LINEAS_DE_PRUEBA: usize = 400;
const LINEAS_DE_FUNCION: usize = 40;

#[test]
fn cada_fichero_tiene_su_fila_y_cada_fila_su_fichero() {
    let plano = fs::read_to_string(raiz().join("docs/ARQUITECTURA.md")).unwrap();
    let mut mal = Vec::new();
    for (carpeta, apartado) in [("src", "Los cuartos y lo que no hacen"), ("tests", "Las pruebas")] {
        let enlazados = enlaces(&plano, apartado, carpeta);
        let hay: BTreeSet<_> = fuentes(carpeta).into_keys().filter(|f| !f.starts_with("comun/")).collect();
        mal.extend(hay.difference(&enlazados).map(|f| format!("{carpeta}/{f} no tiene fila")));
        mal.extend(enlazados.difference(&hay).map(|f| format!("{carpeta}/{f} tiene fila, y no está")));
    }
    assert!(mal.is_empty(), "{mal:#?}");
}

/// Una prueba contra motores que nadie lanza no prueba nada.
#[test]
fn servicios_probar_lanza_cada_prueba_de_motores() {
    let guion = fs::read_to_string(raiz().join("servicios/probar")).unwrap();
    for (forma, ordenes) in
        ["corta", "larga"].iter().zip(guion.rsplitn(2, "\nelse\n").collect::<Vec<_>>().iter().rev())
    {
        for fichero in fuentes("tests").into_keys().filter(|f| f.starts_with("motores_")) {
            let nombre = fichero.trim_end_matches(".rs");
            let lanza = ordenes.split_whitespace().any(|palabra| palabra == nombre);
            assert!(lanza, "servicios/probar, en su forma {forma}, no lanza {nombre}");
        }
    }
}

#[test]
fn cada_dependencia_tiene_su_fila() {
    let plano = fs::read_to_string(raiz().join("docs/ARQUITECTURA.md")).unwrap();
    let con_fila: BTreeSet<_> = filas(&plano, "Dependencias directas")
        .filter_map(|fila| fila.strip_prefix("| `")?.split('`').next())
        .collect();
    let cargo = fs::read_to_string(raiz().join("Cargo.toml")).unwrap();
    let secciones = cargo.split("\n[").filter(|s| s.split(']').next().unwrap().ends_with("dependencies"));
    let nuestras: BTreeSet<_> = secciones
        .filter(|s| !s.starts_with("dev-"))
        .flat_map(|s| s.lines().filter_map(|l| Some(l.split_once(" = ")?.0)))
        .collect();
    assert_eq!(con_fila, nuestras);
}

#[test]
fn cada_dependencia_la_usa_solo_quien_dice_el_plano() {
    let mut intrusos = Vec::new();
    for (fichero, texto) in fuentes("src") {
        for (que, quienes) in SOLO {
            let suyo = quienes.iter().any(|q| es_de(&fichero, q));
            let lineas = texto.lines().enumerate().filter(|(_, l)| !suyo && usa(l, que, &texto));
            intrusos.extend(lineas.map(|(i, l)| format!("src/{fichero}:{}: {que}: {}", i + 1, l.trim())));
        }
    }
    assert!(intrusos.is_empty(), "esto es de otro cuarto:\n{}", intrusos.join("\n"));
}

#[test]
fn cada_cuarto_de_la_tabla_usa_lo_que_se_le_deja() {
    let textos = fuentes("src");
    for (que, quienes) in SOLO {
        let suyos = textos.iter().filter(|(f, _)| quienes.iter().any(|q| es_de(f, q)));
        let usan = suyos.flat_map(|(_, t)| t.lines().map(move |l| (l, t))).any(|(l, t)| usa(l, que, t));
        assert!(usan, "nadie usa ya {que}: sobra en la tabla");
    }
}

#[test]
fn ningun_fichero_es_largo() {
    for (carpeta, tope) in [("src", LINEAS_DE_SRC), ("tests", LINEAS_DE_PRUEBA)] {
        let cuentas = fuentes(carpeta).into_iter().map(|(f, texto)| (f, texto.lines().count()));
        let largos: Vec<_> = cuentas.filter(|(_, n)| *n > tope).collect();
        assert!(largos.is_empty(), "{carpeta}: pasan de {tope} líneas: {largos:#?}");
    }
}

#[test]
fn ninguna_funcion_es_larga_salvo_las_de_la_lista() {
    let mut largas = BTreeMap::new();
    for (fichero, texto) in fuentes("src") {
        let suyas = funciones(&texto).into_iter().filter(|(_, n)| *n > LINEAS_DE_FUNCION);
        largas.extend(suyas.map(|(nombre, n)| ((fichero.clone(), nombre), n)));
    }
    for (fichero, nombre, tope) in LARGAS {
        let clave = ((*fichero).to_owned(), (*nombre).to_owned());
        match largas.get(&clave) {
            Some(n) if n <= tope => largas.remove(&clave),
            Some(_) => continue, // sale abajo
            None => panic!("{fichero}: {nombre} ya no es larga: sobra en la lista"),
        };
    }
    assert!(largas.is_empty(), "pasan de {LINEAS_DE_FUNCION} líneas: {largas:#?}");
}

#[test]
fn las_medidas_miden() {
    let usa = |linea| usa(linea, "kafka", linea);
    for si in ["use kafka::client;", "    let e: kafka::Error = x;", "f(::kafka::f())", "use kafka as k;"] {
        assert!(usa(si), "{si}");
    }
    for no in
        ["// kafka::Error", "crate::broker::kafka::f()", "rdkafka::f()", "mod kafka; kafka::f()", "kafka"]
    {
        assert!(!usa(no), "{no}");
    }
    let texto = "impl X {\n    pub fn una(&self) -> u8 {\n        if a {\n        }\n    }\n\n    fn firma(\n        x: u8,\n    );\n}\n\nconst fn dos() {}\n";
    let medidas = [("una", 4), ("firma", 3), ("dos", 1)].map(|(nombre, n)| (nombre.to_owned(), n));
    assert_eq!(funciones(texto), medidas);
}

fn raiz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Los `.rs` de una carpeta y de las de dentro, por su ruta desde ella y con `/`, y lo que dicen.
fn fuentes(carpeta: &str) -> BTreeMap<String, String> {
    let raiz = raiz().join(carpeta);
    let (mut fuentes, mut carpetas) = (BTreeMap::new(), vec![raiz.clone()]);
    while let Some(carpeta) = carpetas.pop() {
        for ruta in fs::read_dir(carpeta).unwrap().map(|e| e.unwrap().path()) {
            if ruta.is_dir() {
                carpetas.push(ruta);
            } else if ruta.extension().is_some_and(|e| e == "rs") {
                fuentes.insert(desde(&ruta, &raiz), fs::read_to_string(&ruta).unwrap());
            }
        }
    }
    fuentes
}

fn desde(ruta: &Path, raiz: &Path) -> String {
    let partes = ruta.strip_prefix(raiz).unwrap().iter().map(|p| p.to_str().unwrap());
    partes.collect::<Vec<_>>().join("/")
}

/// Las filas de tabla de un apartado del plano.
fn filas<'a>(plano: &'a str, apartado: &str) -> impl Iterator<Item = &'a str> {
    let cuerpo = plano.split("\n## ").find_map(|a| a.strip_prefix(apartado));
    let cuerpo = cuerpo.unwrap_or_else(|| panic!("no hay apartado «{apartado}»"));
    cuerpo.lines().filter(|l| l.starts_with("| "))
}

/// A qué ficheros de `carpeta` llevan los enlaces de las tablas de un apartado.
fn enlaces(plano: &str, apartado: &str, carpeta: &str) -> BTreeSet<String> {
    let marca = format!("](../{carpeta}/");
    let de =
        |fila: &str| fila.split(&marca).skip(1).map(|r| r.split(')').next().unwrap().to_owned()).collect();
    filas(plano, apartado).flat_map(|fila| -> Vec<_> { de(fila) }).collect()
}

fn es_de(fichero: &str, cuarto: &str) -> bool {
    fichero.strip_prefix(cuarto).is_some_and(|resto| resto == ".rs" || resto.starts_with('/'))
}

/// Si esta línea nombra `que::` o `use que`, y no es un módulo nuestro que se llama igual.
fn usa(linea: &str, que: &str, texto: &str) -> bool {
    let codigo = linea.split("//").next().unwrap();
    let nuestro = texto.contains(&format!("mod {que}"));
    let de_nombre = |c: char| c.is_alphanumeric() || c == '_';
    codigo.match_indices(que).any(|(i, _)| {
        let (antes, despues) = (&codigo[..i], &codigo[i + que.len()..]);
        let (desde_la_raiz, camino) = match antes.strip_suffix("::") {
            Some(antes) => (true, antes),
            None => (false, antes),
        };
        let suelto = !camino.ends_with(|c| de_nombre(c) || c == '>');
        let es_uso =
            despues.starts_with("::") || antes.trim_start() == "use " && !despues.starts_with(de_nombre);
        suelto && es_uso && (desde_la_raiz || !nuestro)
    })
}

/// Las funciones de un texto con el formato de rustfmt, y cuántas líneas ocupa cada una con su firma: hasta
/// la llave que cierra con su mismo sangrado o, si es solo una firma, hasta su punto y coma.
fn funciones(texto: &str) -> Vec<(String, usize)> {
    let lineas: Vec<_> = texto.lines().collect();
    let mut funciones = Vec::new();
    for (i, linea) in lineas.iter().enumerate() {
        let codigo = linea.trim_start();
        let Some((antes, despues)) = codigo.split_once("fn ") else { continue };
        if !antes
            .split_whitespace()
            .all(|p| ["const", "unsafe", "extern"].contains(&p) || p.starts_with("pub"))
        {
            continue;
        }
        let sangrado = &linea[..linea.len() - codigo.len()];
        let cierra = |l: &&str| {
            l.strip_prefix(sangrado).is_some_and(|l| l == "}" || l.starts_with(')') && l.ends_with(';'))
        };
        let en_una = linea.ends_with(['}', ';']);
        let n = if en_una { 1 } else { lineas[i..].iter().position(cierra).unwrap() + 1 };
        let nombre = despues.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
        funciones.push((nombre.to_owned(), n));
    }
    funciones
}
