//! Dónde esperan las líneas: el diario en disco, el respaldo en memoria y el fichero.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod comun;
use comun::Oido;
use practicas_iabd06::herramientas::lineas;
use practicas_iabd06::influx::buffer::{Buffer, EnMemoria, Lote};
use practicas_iabd06::influx::carpeta::Carpeta;
use practicas_iabd06::influx::destino::Destino;
use practicas_iabd06::influx::diario::{Diario, Limites};
use practicas_iabd06::influx::fichero;
use practicas_iabd06::influx::respaldo::ConRespaldo;

/// Segmentos de 100 bytes: caben diez líneas de las de `linea`.
const PEQUENOS: Limites = Limites { segmento: 100, total: 500 };

fn linea(n: u32) -> String {
    format!("m n={n:03} 1\n") // diez bytes
}

fn abrir(carpeta: &Path, limites: Limites) -> Diario {
    Diario::abrir(carpeta, limites, Oido::default().avisos()).unwrap()
}

fn anotar(buffer: &mut dyn Buffer, numeros: std::ops::Range<u32>) {
    for n in numeros {
        buffer.anotar(&linea(n)).unwrap();
    }
}

fn numeros(lote: &Lote) -> Vec<u32> {
    let texto = String::from_utf8(lote.texto.clone()).unwrap();
    let numeros: Vec<u32> = texto.lines().map(|l| l[4..7].parse().unwrap()).collect();
    assert_eq!(numeros.len(), lote.lineas);
    numeros
}

/// Vacía el buffer de `n` en `n` y devuelve todo lo que salió.
fn vaciar(buffer: &mut dyn Buffer, n: usize) -> Vec<u32> {
    let mut todo = Vec::new();
    loop {
        let lote = buffer.lote(n).unwrap();
        if lote.lineas == 0 {
            return todo;
        }
        todo.extend(numeros(&lote));
        buffer.quitar(&lote, lote.lineas);
    }
}

fn segmentos(carpeta: &Path) -> Vec<String> {
    let nombres = fs::read_dir(carpeta).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut nombres: Vec<_> = nombres.filter(|n| n.ends_with(".lp")).collect();
    nombres.sort();
    nombres
}

#[test]
fn lo_apuntado_sale_en_orden_aunque_el_lote_cruce_segmentos() {
    for n in [1, 3, 7, 10, 25, 1000] {
        let carpeta = tempfile::tempdir().unwrap();
        let mut diario = abrir(carpeta.path(), PEQUENOS);
        anotar(&mut diario, 0..35);
        assert_eq!(diario.pendientes(), 35);
        assert_eq!(vaciar(&mut diario, n), (0..35).collect::<Vec<_>>(), "lotes de {n}");
        assert_eq!(diario.pendientes(), 0);
        assert!(segmentos(carpeta.path()).is_empty(), "lo confirmado se va del disco");
    }
}

#[test]
fn al_reabrir_queda_lo_no_confirmado_y_solo_eso() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut diario = abrir(carpeta.path(), PEQUENOS);
    anotar(&mut diario, 0..25);
    let lote = diario.lote(20).unwrap();
    diario.quitar(&lote, 13);
    std::mem::forget(diario); // como un kill -9: nadie cierra nada
    let mut diario = abrir(carpeta.path(), PEQUENOS);
    assert_eq!(diario.pendientes(), 12);
    anotar(&mut diario, 25..30);
    assert_eq!(vaciar(&mut diario, 4), (13..30).collect::<Vec<_>>());
}

#[test]
fn quitar_cero_no_mueve_nada() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut diario = abrir(carpeta.path(), PEQUENOS);
    anotar(&mut diario, 0..5);
    let antes = segmentos(carpeta.path());
    let lote = diario.lote(3).unwrap();
    diario.quitar(&lote, 0);
    assert_eq!(segmentos(carpeta.path()), antes);
    assert_eq!(vaciar(&mut diario, 2), [0, 1, 2, 3, 4]);
}

#[test]
fn un_numero_de_segmento_no_se_repite_ni_tras_reabrir() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut diario = abrir(carpeta.path(), PEQUENOS);
    anotar(&mut diario, 0..1);
    let primero = segmentos(carpeta.path());
    drop(diario);
    let mut diario = abrir(carpeta.path(), PEQUENOS);
    anotar(&mut diario, 1..2);
    assert_eq!(segmentos(carpeta.path()).len(), 2, "un segmento viejo no se sigue escribiendo");
    assert_eq!(vaciar(&mut diario, 9), [0, 1]);
    anotar(&mut diario, 2..3);
    assert!(!primero.contains(&segmentos(carpeta.path())[0]));
}

#[test]
fn la_ultima_linea_a_medias_se_corta_al_reabrir() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut diario = abrir(carpeta.path(), PEQUENOS);
    anotar(&mut diario, 0..3);
    drop(diario);
    let ruta = carpeta.path().join(&segmentos(carpeta.path())[0]);
    let mut fichero = lineas::abrir(&ruta).unwrap();
    lineas::anadir(&mut fichero, b"m n=99").unwrap();
    let oido = Oido::default();
    let mut diario = Diario::abrir(carpeta.path(), PEQUENOS, oido.avisos()).unwrap();
    assert!(oido.todos()[0].contains("a medias"), "{:?}", oido.todos());
    assert_eq!(vaciar(&mut diario, 9), [0, 1, 2]);
}

#[test]
fn un_segmento_con_solo_una_linea_a_medias_desaparece() {
    let carpeta = tempfile::tempdir().unwrap();
    fs::write(carpeta.path().join("000000000004-00000000.lp"), "m n=0").unwrap();
    let mut diario = abrir(carpeta.path(), PEQUENOS);
    assert_eq!((diario.pendientes(), segmentos(carpeta.path()).len()), (0, 0));
    anotar(&mut diario, 7..8);
    assert_eq!(segmentos(carpeta.path()), ["000000000005-00000000.lp"]);
}

#[test]
fn pasado_el_tope_se_tira_el_segmento_mas_antiguo_se_cuenta_y_se_dice() {
    let carpeta = tempfile::tempdir().unwrap();
    let oido = Oido::default();
    let mut diario = Diario::abrir(carpeta.path(), PEQUENOS, oido.avisos()).unwrap();
    anotar(&mut diario, 0..50);
    assert_eq!((diario.pendientes(), diario.perdidas()), (50, 0), "hasta el tope no se tira nada");
    anotar(&mut diario, 50..51);
    assert_eq!((diario.pendientes(), diario.perdidas()), (41, 10));
    anotar(&mut diario, 51..100);
    let perdidas = diario.perdidas();
    let quedan = vaciar(&mut diario, 7);
    assert_eq!(perdidas as usize + quedan.len(), 100);
    assert_eq!(quedan, (perdidas as u32..100).collect::<Vec<_>>());
    assert_eq!(oido.importantes().len(), 5, "una frase por segmento tirado: {:?}", oido.importantes());
}

#[test]
fn el_segmento_que_se_esta_enviando_no_se_tira() {
    let carpeta = tempfile::tempdir().unwrap();
    let mut diario = abrir(carpeta.path(), PEQUENOS);
    anotar(&mut diario, 0..50);
    let lote = diario.lote(5).unwrap(); // en vuelo: el primero
    anotar(&mut diario, 50..51); // no cabe: se tira el segundo
    assert_eq!(diario.perdidas(), 10);
    diario.quitar(&lote, 5);
    anotar(&mut diario, 51..61); // el primero va por la mitad: se tira el tercero
    assert_eq!(diario.perdidas(), 20);
    let esperados: Vec<u32> = (5..10).chain(30..61).collect();
    assert_eq!(vaciar(&mut diario, 8), esperados);
}

#[test]
fn si_borran_la_carpeta_en_marcha_se_salva_lo_abierto_y_lo_demas_se_cuenta_y_se_dice() {
    let carpeta = tempfile::tempdir().unwrap();
    let ruta = carpeta.path().join("diario");
    fs::create_dir(&ruta).unwrap();
    let mut diario = abrir(&ruta, PEQUENOS);
    anotar(&mut diario, 0..10); // un segmento lleno, de la vez anterior
    drop(diario);
    let oido = Oido::default();
    let mut diario = Diario::abrir(&ruta, PEQUENOS, oido.avisos()).unwrap();
    anotar(&mut diario, 10..13);
    fs::remove_dir_all(&ruta).unwrap();
    anotar(&mut diario, 13..15);
    assert_eq!(vaciar(&mut diario, 100), [10, 11, 12, 13, 14]);
    let [rehecho, perdido] = &oido.importantes()[..] else { panic!("{:?}", oido.importantes()) };
    assert!(rehecho.starts_with("Aviso") && rehecho.contains("Se ha hecho otro"), "{rehecho}");
    assert!(perdido.starts_with("Error") && perdido.contains("con 10 puntos que esperaban"), "{perdido}");
    assert_eq!(diario.perdidas(), 10);
    anotar(&mut diario, 15..40); // y sigue funcionando
    assert_eq!(vaciar(&mut diario, 100), (15..40).collect::<Vec<_>>());
}

#[test]
fn un_segmento_recortado_no_bloquea_el_diario_y_lo_que_falta_se_cuenta() {
    for queda in [0, 1, 2] {
        let carpeta = tempfile::tempdir().unwrap();
        let mut diario = abrir(carpeta.path(), PEQUENOS);
        anotar(&mut diario, 0..10); // un segmento lleno, de la vez anterior
        drop(diario);
        let oido = Oido::default();
        let mut diario = Diario::abrir(carpeta.path(), PEQUENOS, oido.avisos()).unwrap();
        anotar(&mut diario, 10..13);
        let primero = carpeta.path().join("000000000000-00000000.lp");
        let entero = fs::read(&primero).unwrap();
        fs::write(&primero, &entero[..queda * entero.len() / 3]).unwrap();
        let quedan = entero[..queda * entero.len() / 3].iter().filter(|b| **b == b'\n').count() as u32;
        assert_eq!(vaciar(&mut diario, 4), (0..quedan).chain(10..13).collect::<Vec<_>>());
        assert_eq!((diario.perdidas(), diario.pendientes()), (u64::from(10 - quedan), 0));
        assert!(oido.importantes()[0].contains("ha recortado"), "{:?}", oido.importantes());
        anotar(&mut diario, 13..40);
        assert_eq!(vaciar(&mut diario, 100), (13..40).collect::<Vec<_>>());
    }
}

#[test]
fn el_segmento_en_el_que_se_escribe_aguanta_que_lo_vacien_o_lo_muevan() {
    for mover in [false, true] {
        let carpeta = tempfile::tempdir().unwrap();
        let oido = Oido::default();
        let mut diario = Diario::abrir(carpeta.path(), PEQUENOS, oido.avisos()).unwrap();
        anotar(&mut diario, 0..3);
        let abierto = carpeta.path().join("000000000000-00000000.lp");
        match mover {
            true => fs::rename(&abierto, carpeta.path().join("aparte")).unwrap(),
            false => fs::write(&abierto, "").unwrap(),
        }
        assert_eq!(diario.lote(0).unwrap().lineas, 0); // ahí se mira
        diario.quitar(&Lote::default(), 0);
        anotar(&mut diario, 3..6);
        drop(diario); // y otro programa encuentra lo que queda
        let esperado: Vec<u32> = if mover { (0..6).collect() } else { (3..6).collect() };
        assert_eq!(vaciar(&mut abrir(carpeta.path(), PEQUENOS), 100), esperado, "{:?}", oido.importantes());
    }
}

// --- el respaldo en memoria -------------------------------------------------------------------

/// Un disco que se llena y se vacía cuando se le dice.
struct DiscoFalso {
    lineas: EnMemoria,
    lleno: Arc<AtomicBool>,
}

impl Buffer for DiscoFalso {
    fn anotar(&mut self, linea: &str) -> io::Result<()> {
        if self.lleno.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.lineas.anotar(linea)
    }
    fn lote(&mut self, max: usize) -> io::Result<Lote> {
        self.lineas.lote(max)
    }
    fn quitar(&mut self, lote: &Lote, n: usize) {
        self.lineas.quitar(lote, n);
    }
    fn pendientes(&self) -> usize {
        self.lineas.pendientes()
    }
}

fn con_respaldo(carpeta: &Path, oido: &Oido) -> (ConRespaldo<DiscoFalso>, Arc<AtomicBool>) {
    let lleno = Arc::new(AtomicBool::new(false));
    let disco = DiscoFalso { lineas: EnMemoria::new(1 << 30), lleno: Arc::clone(&lleno) };
    let carpeta = Carpeta::reservar(carpeta, "a", "prueba", "la prueba").unwrap();
    (ConRespaldo::new(disco, "el disco".to_owned(), carpeta, oido.avisos()), lleno)
}

#[test]
fn con_el_disco_lleno_los_puntos_esperan_en_memoria_y_no_cambian_de_orden() {
    let (carpeta, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let (mut buffer, lleno) = con_respaldo(carpeta.path(), &oido);
    anotar(&mut buffer, 0..3);
    lleno.store(true, Ordering::Relaxed);
    anotar(&mut buffer, 3..6);
    assert_eq!(buffer.pendientes(), 6);
    lleno.store(false, Ordering::Relaxed);
    anotar(&mut buffer, 6..9);
    assert_eq!(vaciar(&mut buffer, 2), (0..9).collect::<Vec<_>>());
    let avisos = oido.todos();
    assert_eq!(avisos.len(), 2, "una frase al llenarse y otra al recuperarse: {avisos:?}");
    assert!(avisos[0].contains("esperan en memoria") && avisos[1].contains("a salvo"), "{avisos:?}");
}

#[test]
fn lo_que_espera_en_memoria_tambien_se_envia() {
    let (carpeta, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let (mut buffer, lleno) = con_respaldo(carpeta.path(), &oido);
    lleno.store(true, Ordering::Relaxed);
    anotar(&mut buffer, 0..3);
    let lote = buffer.lote(2).unwrap();
    // Mientras el lote viaja, el disco se recupera y lo de memoria pasa a él.
    lleno.store(false, Ordering::Relaxed);
    anotar(&mut buffer, 3..4);
    buffer.quitar(&lote, 2);
    assert_eq!((numeros(&lote), vaciar(&mut buffer, 9)), (vec![0, 1], vec![2, 3]));
}

#[test]
fn al_ir_a_enviar_se_prueba_otra_vez_el_disco() {
    let (carpeta, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let (mut buffer, lleno) = con_respaldo(carpeta.path(), &oido);
    lleno.store(true, Ordering::Relaxed);
    anotar(&mut buffer, 0..3);
    assert_eq!(buffer.solo_en_memoria(), 3);
    lleno.store(false, Ordering::Relaxed); // libera espacio y pulsa Ctrl-C, sin más lecturas
    let lote = buffer.lote(2).unwrap();
    assert_eq!((numeros(&lote), buffer.solo_en_memoria()), (vec![0, 1], 0));
}

#[test]
fn con_disco_y_memoria_llenos_se_cuenta_lo_perdido_y_se_dice_una_vez() {
    let (carpeta, oido) = (tempfile::tempdir().unwrap(), Oido::default());
    let (mut buffer, lleno) = con_respaldo(carpeta.path(), &oido);
    lleno.store(true, Ordering::Relaxed);
    let larga = "x".repeat(1 << 20) + "\n";
    let admitidas = (0..10).filter(|_| buffer.anotar(&larga).is_ok()).count();
    assert_eq!((admitidas, buffer.perdidas()), (3, 7), "4 MiB de tope");
    assert_eq!(oido.importantes().len(), 2, "{:?}", oido.importantes());
}

// --- el fichero -------------------------------------------------------------------------------

#[test]
fn el_fichero_tiene_la_linea_en_cuanto_se_apunta() {
    let carpeta = tempfile::tempdir().unwrap();
    let ruta = carpeta.path().join("puntos.lp");
    let (mut fichero, _asegurar, cortados) = fichero::abrir(&ruta, Oido::default().avisos()).unwrap();
    anotar(&mut fichero, 0..2);
    assert_eq!((fs::read_to_string(&ruta).unwrap(), cortados), (linea(0) + &linea(1), 0));
}

#[test]
fn dos_agentes_pueden_escribir_a_la_vez_en_el_mismo_fichero() {
    let carpeta = tempfile::tempdir().unwrap();
    let ruta = carpeta.path().join("puntos.lp");
    std::thread::scope(|hilos| {
        for mitad in [0..500, 500..1000] {
            let (mut fichero, mut asegurar, _) = fichero::abrir(&ruta, Oido::default().avisos()).unwrap();
            hilos.spawn(move || {
                for n in mitad {
                    anotar(&mut fichero, n..n + 1);
                    if n % 100 == 0 {
                        asegurar.enviar(&fichero.lote(10).unwrap());
                    }
                }
            });
        }
    });
    let contenido = fs::read_to_string(&ruta).unwrap();
    let mut lineas: Vec<_> = contenido.lines().collect();
    lineas.sort_unstable();
    assert_eq!(lineas, (0..1000).map(|n| linea(n).trim_end().to_owned()).collect::<Vec<_>>());
}

#[test]
fn al_abrir_el_fichero_se_corta_la_linea_a_medias_por_larga_que_sea() {
    let carpeta = tempfile::tempdir().unwrap();
    let ruta = carpeta.path().join("puntos.lp");
    for rota in [String::new(), "m n=".to_owned(), "z".repeat(4096 - 9), "z".repeat(20_000), "\0".repeat(500)]
    {
        for entera in [String::new(), linea(0), linea(0).repeat(2_000)] {
            fs::write(&ruta, entera.clone() + &rota).unwrap();
            let (mut fichero, _asegurar, cortados) = fichero::abrir(&ruta, Oido::default().avisos()).unwrap();
            assert_eq!(cortados as usize, rota.len());
            anotar(&mut fichero, 1..2);
            assert_eq!(fs::read_to_string(&ruta).unwrap(), entera + &linea(1));
        }
    }
}

#[test]
fn lo_que_esperaba_en_memoria_llega_al_fichero_con_el_siguiente_lote() {
    let carpeta = tempfile::tempdir().unwrap();
    let ruta = carpeta.path().join("puntos.lp");
    let (_fichero, mut asegurar, _) = fichero::abrir(&ruta, Oido::default().avisos()).unwrap();
    let texto = (linea(0) + &linea(1)).into_bytes();
    let respuesta = asegurar.enviar(&Lote { texto, lineas: 2 });
    assert_eq!((respuesta.escritas, respuesta.esperar), (2, None));
    assert_eq!(fs::read_to_string(&ruta).unwrap(), linea(0) + &linea(1));
}
