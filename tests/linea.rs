//! El punto y su línea, con el analizador de InfluxDB (crate influxdb-line-protocol) como árbitro.

use std::collections::{BTreeMap, BTreeSet};

use influxdb_line_protocol::{FieldValue, parse_lines};
use practicas_iabd06::influx::Point;
use practicas_iabd06::influx::punto::{ErrorPunto, instante};
use practicas_iabd06::influx::valor::Valor;
use proptest::prelude::*;

const SEGUNDO: i64 = 1_000_000_000;

fn linea(punto: &Point) -> Result<String, ErrorPunto> {
    let mut salida = String::new();
    punto.escribir_linea(42, &mut salida).map(|()| salida)
}

#[test]
fn el_punto_del_ejercicio() {
    let punto = Point::new("rendimiento_servidor")
        .tag("host_id", "servidor_A")
        .tag("entorno", "produccion")
        .field("cpu_percent", 45.8)
        .field("ram_percent", 82.0)
        .field("disk_percent", 65.4);
    assert_eq!(
        linea(&punto).unwrap(),
        "rendimiento_servidor,entorno=produccion,host_id=servidor_A \
         cpu_percent=45.8,disk_percent=65.4,ram_percent=82.0 42\n"
    );
}

#[test]
fn cada_tipo_de_field_tiene_su_forma() {
    let punto = Point::new("m")
        .field("a", 1.5)
        .field("b", -3_i64)
        .field("c", 3_u64)
        .field("d", true)
        .field("e", "di \"hola\" \\ y\nadiós");
    assert_eq!(linea(&punto).unwrap(), "m a=1.5,b=-3i,c=3u,d=true,e=\"di \\\"hola\\\" \\\\ y\\nadiós\" 42\n");
}

#[test]
fn escapa_lo_que_separa() {
    let punto = Point::new("mi medida,=").tag("k, =", "v, =").field("f, =", 1.0);
    assert_eq!(linea(&punto).unwrap(), "mi\\ medida\\,=,k\\,\\ \\==v\\,\\ \\= f\\,\\ \\==1.0 42\n");
}

#[test]
fn lo_que_no_se_puede_representar_se_trata_como_telegraf() {
    let punto = Point::new("m")
        .tag("vacio", "")
        .tag("", "sin clave")
        .tag("solo_barras", "\\\\")
        .tag("ruta", "C:\\datos\\")
        .tag("barra", "a\\\\ b\\c")
        .tag("inyectado", "a\nm2 f=1")
        .field("nan", f64::NAN)
        .field("inf", f64::INFINITY)
        .field("ok", 1.0);
    assert_eq!(
        linea(&punto).unwrap(),
        "m,barra=a\\ b\\c,inyectado=a\\nm2\\ f\\=1,ruta=C:\\datos ok=1.0 42\n"
    );
}

#[test]
fn el_instante_crece_aunque_el_reloj_se_pare_o_retroceda_un_poco() {
    assert_eq!(instante(100, 7), 100);
    assert_eq!(instante(100, 100), 101);
    assert_eq!(instante(50, 100), 101);
    assert_eq!(instante(SEGUNDO + 1, 2 * SEGUNDO), 2 * SEGUNDO + 1);
}

#[test]
fn un_reloj_que_se_pone_en_hora_da_la_hora_que_es() {
    let futuro = 7200 * SEGUNDO;
    assert_eq!(instante(futuro - SEGUNDO, futuro), futuro - SEGUNDO);
    let corregido = instante(5 * SEGUNDO, futuro);
    assert_eq!(corregido, 5 * SEGUNDO);
    assert_eq!(instante(6 * SEGUNDO, corregido), 6 * SEGUNDO, "y sigue a su paso");
    // Los dos extremos de la escala: ni se desborda ni se queda clavado.
    assert_eq!((instante(0, i64::MAX), instante(i64::MAX, i64::MAX), instante(7, 0)), (0, i64::MAX, 7));
}

#[test]
fn repetir_una_clave_sustituye() {
    let punto = Point::new("m").tag("t", "1").tag("t", "2").field("f", 1.0).field("f", 2.0);
    assert_eq!(linea(&punto).unwrap(), "m,t=2 f=2.0 42\n");
}

#[test]
fn un_punto_sin_field_valido_es_un_error_y_no_escribe_nada() {
    let mut salida = String::from("antes\n");
    for punto in [Point::new("m"), Point::new("m").tag("t", "1").field("f", f64::NAN)] {
        assert_eq!(punto.escribir_linea(1, &mut salida), Err(ErrorPunto::SinFields));
    }
    for medida in ["", "\\", "#comentario"] {
        let punto = Point::new(medida).field("f", 1.0);
        assert!(matches!(punto.escribir_linea(1, &mut salida), Err(ErrorPunto::Medida(_))), "{medida}");
    }
    assert_eq!(salida, "antes\n");
}

// --- cualquier punto ------------------------------------------------------------------------

/// Lo que debe leer el árbitro: los cambios que promete la documentación de `Point`.
fn normalizar(texto: &str, especiales: &str) -> String {
    let mut sin_barras = String::new();
    let mut resto = texto.trim_end_matches('\\');
    while let Some(i) = resto.find('\\') {
        let barras = resto[i..].len() - resto[i..].trim_start_matches('\\').len();
        sin_barras += &resto[..i];
        resto = &resto[i..];
        if !resto[barras..].starts_with(|c| especiales.contains(c)) {
            sin_barras += &resto[..barras];
        }
        resto = &resto[barras..];
    }
    sin_barras += resto;
    let una_linea =
        sin_barras.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t").replace('\u{c}', "\\f");
    // Dos barras seguidas se escriben tal cual, como Telegraf. InfluxDB 1 y 2 leen dos; el árbitro,
    // que es el analizador de InfluxDB 3, una.
    una_linea.replace("\\\\", "\\")
}

fn clave_normal(texto: &str) -> String {
    normalizar(texto, ",= ")
}

fn textos() -> impl Strategy<Value = String> {
    // Mucho de lo que duele y algo de todo lo demás.
    prop_oneof!["[a-z,= \"\\\\\n\r\t#ñ😀]{0,8}", "\\PC{0,12}"]
}

#[derive(Debug, Clone)]
enum Dato {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    Texto(String),
}

fn datos() -> impl Strategy<Value = Dato> {
    prop_oneof![
        any::<f64>().prop_map(Dato::Float),
        (0.0..100.0).prop_map(Dato::Float),
        any::<i64>().prop_map(Dato::Integer),
        any::<u64>().prop_map(Dato::Unsigned),
        any::<bool>().prop_map(Dato::Boolean),
        textos().prop_map(Dato::Texto),
    ]
}

impl Dato {
    fn valor(&self) -> Valor<'_> {
        match self {
            Dato::Float(x) => Valor::Float(*x),
            Dato::Integer(n) => Valor::Integer(*n),
            Dato::Unsigned(n) => Valor::Unsigned(*n),
            Dato::Boolean(b) => Valor::Boolean(*b),
            Dato::Texto(t) => Valor::String(t),
        }
    }

    /// Lo que se espera leer; nada si el field se omite.
    fn normalizado(&self) -> Option<String> {
        match self {
            Dato::Float(x) if !x.is_finite() => None,
            Dato::Float(x) => Some(format!("f{x:?}")),
            Dato::Integer(n) => Some(format!("i{n}")),
            Dato::Unsigned(n) => Some(format!("u{n}")),
            Dato::Boolean(b) => Some(format!("b{b}")),
            Dato::Texto(t) => {
                let t = t.replace('\n', "\\n").replace('\r', "\\r");
                Some(format!("s{}", t.replace('\t', "\\t").replace('\u{c}', "\\f")))
            }
        }
    }
}

fn leido(valor: &FieldValue) -> String {
    match valor {
        FieldValue::F64(x) => format!("f{x:?}"),
        FieldValue::I64(n) => format!("i{n}"),
        FieldValue::U64(n) => format!("u{n}"),
        FieldValue::Boolean(b) => format!("b{b}"),
        FieldValue::String(t) => format!("s{t}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]
    #[test]
    fn cualquier_punto_se_lee_igual_que_se_escribio(
        medida in textos(),
        tags in prop::collection::vec((textos(), textos()), 0..5),
        fields in prop::collection::vec((textos(), datos()), 0..5),
        ns in any::<i64>(),
    ) {
        let mut punto = Point::new(&medida);
        let (mut tags_esperados, mut fields_esperados) = (BTreeMap::new(), BTreeMap::new());
        for (clave, valor) in &tags {
            punto = punto.tag(clave, valor);
            if !clave_normal(clave).is_empty() && !clave_normal(valor).is_empty() {
                tags_esperados.insert(clave_normal(clave), clave_normal(valor));
            }
        }
        for (clave, dato) in &fields {
            punto = punto.field(clave, dato.valor());
            if let (false, Some(valor)) = (clave_normal(clave).is_empty(), dato.normalizado()) {
                fields_esperados.insert(clave_normal(clave), valor);
            }
        }
        // Dos claves distintas que se escriben igual («a, salto» y «a, barra, n») llegarían repetidas.
        let distintas = |claves: Vec<&String>| {
            let originales: BTreeSet<_> = claves.iter().map(|c| c.trim_end_matches('\\')).collect();
            originales.len() == originales.iter().map(|c| clave_normal(c)).collect::<BTreeSet<_>>().len()
        };
        prop_assume!(distintas(tags.iter().map(|(c, _)| c).collect()));
        prop_assume!(distintas(fields.iter().map(|(c, _)| c).collect()));

        let mut salida = String::new();
        let resultado = punto.escribir_linea(ns, &mut salida);
        let medida = normalizar(&medida, ", ");
        if medida.is_empty() || medida.starts_with('#') || fields_esperados.is_empty() {
            prop_assert!(resultado.is_err());
            prop_assert!(salida.is_empty());
            return Ok(());
        }
        prop_assert_eq!(salida.matches('\n').count(), 1, "una línea y solo una: {:?}", salida);
        let lineas: Vec<_> = parse_lines(&salida).collect();
        prop_assert_eq!(lineas.len(), 1);
        let linea = match &lineas[0] {
            Ok(linea) => linea,
            Err(error) => return Err(TestCaseError::fail(format!("{salida:?}: {error}"))),
        };
        prop_assert_eq!(linea.series.measurement.to_string(), medida);
        let tags_leidos: BTreeMap<_, _> = linea.series.tag_set.iter().flatten()
            .map(|(c, v)| (c.to_string(), v.to_string())).collect();
        prop_assert_eq!(tags_leidos, tags_esperados);
        let fields_leidos: BTreeMap<_, _> = linea.field_set.iter()
            .map(|(c, v)| (c.to_string(), leido(v))).collect();
        prop_assert_eq!(fields_leidos, fields_esperados);
        prop_assert_eq!(linea.timestamp, Some(ns));
    }
}
