//! El agente, en un ordenador que falla: el reloj, el disco, los contadores, la salida y quien borra ficheros.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "comun/averias.rs"]
mod averias;
mod comun;

use averias::Averias;
use comun::{Accion, EnMarcha, ServidorFalso, contiene, escuchar_en};
use influxdb_line_protocol::parse_lines;

const RAPIDO: [&str; 2] = ["--intervalo", "200ms"];
const SEGUNDO: i64 = 1_000_000_000;

/// Un agente en una carpeta nueva, sin servidor.
struct Caso {
    averias: Averias,
    carpeta: tempfile::TempDir,
}

impl Caso {
    fn nuevo() -> Self {
        Caso { averias: Averias::ninguna(), carpeta: tempfile::tempdir().unwrap() }
    }

    fn lanzar(&self, mas: &[&str]) -> EnMarcha {
        EnMarcha::de(self.averias.agente(self.carpeta.path(), &[&RAPIDO, mas].concat()))
    }

    fn ruta(&self) -> PathBuf {
        self.carpeta.path().join("datos/rendimiento_servidor.lp")
    }

    fn contenido(&self) -> String {
        fs::read_to_string(self.ruta()).unwrap()
    }
}

/// Lo para como Ctrl-C y devuelve lo que ha dicho. Acaba bien si no se ha perdido ningún punto.
fn parar(agente: EnMarcha) -> String {
    agente.senal("-INT");
    let (codigo, errores) = agente.fin();
    // Con puntos perdidos no se acaba bien.
    let perdidos = cuentas(&errores)[4];
    assert_eq!(codigo, Some(i32::from(perdidos > 0)), "{errores}");
    errores
}

/// Los instantes de unas líneas, todas bien formadas.
fn instantes(contenido: &str) -> Vec<i64> {
    parse_lines(contenido).map(|l| l.unwrap().timestamp.unwrap()).collect()
}

/// Lo que dice el resumen del final: lecturas, escritos, pendientes, apartados, perdidos.
fn cuentas(errores: &str) -> Vec<u64> {
    let resumen = errores.lines().find(|l| l.contains(" lecturas: ")).unwrap_or_else(|| panic!("{errores}"));
    resumen.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).take(5).collect()
}

// --- el reloj -----------------------------------------------------------------------------------

#[test]
fn un_reloj_que_se_adelanta_y_se_corrige_no_amontona_los_puntos_en_el_futuro() {
    let caso = Caso::nuevo();
    let mut agente = caso.lanzar(&[]);
    agente.lecturas(2);
    caso.averias.empieza("una-hora-adelantado");
    agente.lecturas(3);
    caso.averias.acaba("una-hora-adelantado");
    agente.lecturas(4);
    let errores = parar(agente);
    let instantes = instantes(&caso.contenido());
    let inicio = instantes[0];
    let adelantados = instantes.iter().filter(|ns| **ns > inicio + 3000 * SEGUNDO).count();
    assert!(adelantados >= 2, "{instantes:?}");
    assert!(*instantes.last().unwrap() < inicio + 600 * SEGUNDO, "{instantes:?}");
    let distintos: BTreeSet<_> = instantes.iter().map(|ns| ns / 1_000_000).collect();
    assert_eq!(distintos.len(), instantes.len(), "separados de verdad: {instantes:?}");
    assert_eq!(errores.matches("ha ido hacia atrás").count(), 1, "{errores}");
    contiene(&errores, &["ha ido hacia atrás (60 min)"]);
}

#[test]
fn un_reloj_que_se_atrasa_da_la_hora_que_es_y_se_dice_una_vez() {
    let caso = Caso::nuevo();
    let mut agente = caso.lanzar(&[]);
    agente.lecturas(2);
    caso.averias.empieza("una-hora-atrasado");
    agente.lecturas(5);
    let errores = parar(agente);
    let instantes = instantes(&caso.contenido());
    assert!(*instantes.last().unwrap() < instantes[0] - 3000 * SEGUNDO, "{instantes:?}");
    assert_eq!(errores.matches("ha ido hacia atrás").count(), 1, "{errores}");
}

// --- lo que alguien borra, mueve o cambia ----------------------------------------------------------

/// Con el agente en marcha le pasa esto al fichero de puntos. Devuelve lo que dice y el fichero del final.
fn mientras_escribe(que_pasa: impl FnOnce(&Path)) -> (String, String) {
    let caso = Caso::nuevo();
    let mut agente = caso.lanzar(&["--flush-interval", "1h"]);
    agente.lecturas(3);
    que_pasa(&caso.ruta());
    agente.lecturas(8);
    let errores = parar(agente);
    (errores, caso.contenido())
}

#[test]
fn si_borran_los_datos_en_marcha_se_hacen_otra_vez_y_nada_de_lo_pendiente_se_pierde() {
    for todo in [false, true] {
        let (errores, contenido) = mientras_escribe(|ruta| match todo {
            true => fs::remove_dir_all(ruta.parent().unwrap()).unwrap(),
            false => fs::remove_file(ruta).unwrap(),
        });
        contiene(&errores, &["rendimiento_servidor.lp", "lo han borrado, movido o cambiado"]);
        assert_eq!(errores.matches("lo han borrado").count(), 1, "{errores}");
        let cuentas = cuentas(&errores);
        assert_eq!(instantes(&contenido).len() as u64, cuentas[0], "{errores}");
        assert_eq!(cuentas[1..], [cuentas[0], 0, 0, 0], "{errores}");
    }
}

#[test]
fn si_mueven_el_fichero_o_ponen_otro_en_su_sitio_se_sigue_en_el_que_se_ve() {
    for otro in [false, true] {
        let (errores, contenido) = mientras_escribe(|ruta| {
            let viejo = ruta.with_extension("viejo");
            fs::rename(ruta, &viejo).unwrap();
            if otro {
                fs::copy(&viejo, ruta).unwrap();
            }
        });
        contiene(&errores, &["lo han borrado, movido o cambiado"]);
        let todos: BTreeSet<_> = instantes(&contenido).into_iter().collect();
        assert_eq!(todos.len() as u64, cuentas(&errores)[0], "repetir uno no estorba: {errores}");
    }
}

#[test]
fn si_lo_borran_justo_antes_de_parar_tampoco_se_pierde_lo_pendiente() {
    let caso = Caso::nuevo();
    let mut agente = caso.lanzar(&["--flush-interval", "1h"]);
    agente.lecturas(3);
    fs::remove_dir_all(caso.carpeta.path().join("datos")).unwrap();
    let errores = parar(agente);
    assert_eq!(instantes(&caso.contenido()).len() as u64, cuentas(&errores)[0], "{errores}");
}

#[test]
fn si_no_se_puede_hacer_otra_vez_los_puntos_esperan_hasta_que_se_pueda() {
    let caso = Caso::nuevo();
    let datos = caso.carpeta.path().join("datos");
    let mut agente = caso.lanzar(&["--flush-interval", "1h"]);
    agente.lecturas(2);
    fs::remove_dir_all(&datos).unwrap();
    fs::write(&datos, "estorbo").unwrap();
    agente.lecturas(8);
    fs::remove_file(&datos).unwrap();
    agente.lecturas(3);
    let errores = parar(agente);
    contiene(&errores, &["esperan en memoria", "Ya se puede escribir otra vez"]);
    let [lecturas, escritos, 0, 0, 0] = cuentas(&errores)[..] else { panic!("{errores}") };
    assert_eq!((escritos, instantes(&caso.contenido()).len() as u64), (lecturas, lecturas), "{errores}");
}

#[test]
fn dos_agentes_que_comparten_el_fichero_que_alguien_borra_no_pierden_nada() {
    let caso = Caso::nuevo();
    let mut agentes = ["a", "b"].map(|host| caso.lanzar(&["--host-id", host, "--flush-interval", "1h"]));
    agentes.iter_mut().for_each(|agente| agente.lecturas(3));
    fs::remove_file(caso.ruta()).unwrap();
    agentes.iter_mut().for_each(|agente| agente.lecturas(8));
    let leidas = agentes.map(|agente| cuentas(&parar(agente))[0]);
    let contenido = caso.contenido();
    let distintas: BTreeSet<_> = contenido.lines().collect();
    assert!(instantes(&contenido).len() >= distintas.len());
    assert_eq!(distintas.len() as u64, leidas.iter().sum::<u64>(), "{contenido}");
}

#[test]
fn si_vacian_el_fichero_lo_que_no_estaba_asegurado_se_cuenta_como_perdido() {
    let (errores, contenido) = mientras_escribe(|ruta| fs::write(ruta, "").unwrap());
    contiene(&errores, &["rendimiento_servidor.lp", "lo han recortado"]);
    let [lecturas, escritos, 0, 0, perdidos] = cuentas(&errores)[..] else { panic!("{errores}") };
    assert_eq!(escritos, instantes(&contenido).len() as u64, "{errores}");
    assert!(perdidos >= 3 && escritos + perdidos == lecturas, "{errores}");
}

#[test]
fn si_borran_el_diario_en_marcha_lo_que_esperaba_sigue_a_salvo() {
    let caso = Caso::nuevo();
    let servidor = ServidorFalso::nuevo(|_| Accion::de(503, ""));
    let direccion = servidor.url.trim_start_matches("http://").parse().unwrap();
    let url = servidor.url.clone();
    let hacia = ["--url", &url, "--token", "t", "--org", "o", "--bucket", "b"];
    let mut agente = caso.lanzar(&hacia);
    agente.lecturas(3);
    fs::remove_dir_all(caso.carpeta.path().join("datos")).unwrap();
    agente.lecturas(8);
    agente.senal("-KILL");
    let (_, errores) = agente.fin();
    contiene(&errores, &["alguien lo ha borrado", "puntos que esperaban"]);
    servidor.parar();

    let servidor = ServidorFalso::en(escuchar_en(direccion), |_| Accion::de(204, ""));
    let salida = comun::correr(caso.carpeta.path(), &[&RAPIDO[..], &hacia, &["--lecturas", "1"]].concat());
    assert_eq!(salida.status.code(), Some(0), "{salida:?}");
    assert!(servidor.escritura().lineas() >= 12, "las once de antes y la nueva");
}

// --- el disco -----------------------------------------------------------------------------------

#[test]
fn un_fsync_que_no_acaba_no_retrasa_ninguna_lectura() {
    let caso = Caso::nuevo();
    let servidor = ServidorFalso::nuevo(|_| Accion::de(503, ""));
    let hacia = ["--url", &servidor.url, "--token", "t", "--org", "o", "--bucket", "b"];
    caso.averias.empieza("fsync-colgado");
    for argumentos in [&["--flush-interval", "200ms"][..], &hacia] {
        let mut agente = caso.lanzar(argumentos);
        caso.averias.esperar("colgado");
        agente.lecturas(10);
        assert!(!caso.averias.marca("cansado"), "las lecturas han esperado al disco");
        caso.averias.acaba("fsync-colgado");
        parar(agente);
        caso.averias.empieza("fsync-colgado");
        caso.averias.acaba("colgado");
    }
}

#[test]
fn un_candado_que_no_se_suelta_bien_no_duplica_ni_pierde_el_punto() {
    let caso = Caso::nuevo();
    caso.averias.empieza("sin-soltar");
    let (codigo, errores) = caso.lanzar(&["--lecturas", "3"]).fin_leyendo();
    assert_eq!(codigo, Some(0), "{errores}");
    assert_eq!(cuentas(&errores), [3, 3, 0, 0, 0], "{errores}");
    assert_eq!(instantes(&caso.contenido()).len(), 3);
}

// --- los contadores -------------------------------------------------------------------------------

#[test]
fn un_contador_que_no_se_puede_leer_no_se_escribe_como_cero() {
    for (averia, falta, razon) in
        [("stat-ilegible", "cpu_percent", "/proc/stat"), ("meminfo-vacio", "ram_percent", "/proc/meminfo")]
    {
        let caso = Caso::nuevo();
        let mut agente = caso.lanzar(&[]);
        agente.lecturas(2);
        caso.averias.empieza(averia);
        agente.lecturas(4);
        caso.averias.acaba(averia);
        agente.lecturas(3);
        let errores = parar(agente);
        let contenido = caso.contenido();
        let sin: Vec<_> = contenido.lines().filter(|l| !l.contains(falta)).collect();
        assert!(sin.len() >= 3 && contenido.lines().next().unwrap().contains(falta), "{contenido}");
        assert!(sin.iter().all(|l| l.matches("_percent=").count() == 2), "lo demás se escribe: {contenido}");
        assert!(contenido.lines().last().unwrap().contains(falta), "y cuando vuelve, vuelve: {contenido}");
        assert_eq!(errores.matches("no se puede leer").count(), 1, "{errores}");
        contiene(&errores, &[razon]);
    }
}

#[test]
fn ilegible_desde_el_principio_se_dice_y_lo_demas_se_escribe() {
    let caso = Caso::nuevo();
    caso.averias.empieza("stat-ilegible");
    let (codigo, errores) = caso.lanzar(&["--lecturas", "3"]).fin_leyendo();
    assert_eq!(codigo, Some(0), "{errores}");
    contiene(&errores, &["/proc/stat", "no tienes permiso"]);
    assert!(caso.contenido().lines().all(|l| !l.contains("cpu_percent") && l.contains("ram_percent")));
}

#[test]
fn un_contador_parado_no_es_un_cero_por_ciento() {
    let caso = Caso::nuevo();
    caso.averias.empieza_con("stat-parado", &fs::read("/proc/stat").unwrap());
    let (codigo, errores) = caso.lanzar(&["--lecturas", "3"]).fin_leyendo();
    assert_eq!(codigo, Some(0), "{errores}");
    assert!(!caso.contenido().contains("cpu_percent"), "{}", caso.contenido());
}

// --- la salida --------------------------------------------------------------------------------------

#[test]
fn con_la_salida_en_un_disco_lleno_se_sigue_midiendo() {
    let caso = Caso::nuevo();
    let mut orden = caso.averias.agente(caso.carpeta.path(), &[&RAPIDO[..], &["--lecturas", "5"]].concat());
    let lleno = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let salida = orden.stdout(Stdio::from(lleno)).output().unwrap();
    let errores = String::from_utf8(salida.stderr).unwrap();
    assert_eq!(salida.status.code(), Some(0), "{errores}");
    assert_eq!(cuentas(&errores), [5, 5, 0, 0, 0], "{errores}");
    assert_eq!(errores.matches("no queda espacio").count(), 1, "se dice, y una vez: {errores}");
}

#[test]
fn con_el_terminal_cerrado_se_sigue_midiendo_y_se_cierra_con_orden() {
    let caso = Caso::nuevo();
    let mut agente = caso.lanzar(&["--lecturas", "8", "--log", "agente.log"]);
    agente.lecturas(2);
    caso.averias.empieza("sin-terminal");
    assert_eq!(agente.fin_leyendo().0, Some(0));
    assert_eq!(instantes(&caso.contenido()).len(), 8);
    contiene(&fs::read_to_string(caso.carpeta.path().join("agente.log")).unwrap(), &["8 puntos escritos"]);
}

#[test]
fn una_salida_que_no_avanza_no_para_la_medida() {
    let caso = Caso::nuevo();
    let mut agente = caso.lanzar(&["--lecturas", "12"]);
    agente.lecturas(2);
    caso.averias.empieza("salida-colgada"); // como un terminal con Ctrl-S
    caso.averias.esperar("colgado");
    let hasta = std::time::Instant::now() + comun::PACIENCIA;
    while instantes(&caso.contenido()).len() < 12 {
        assert!(
            std::time::Instant::now() < hasta && !caso.averias.marca("cansado"),
            "la medida espera a la salida"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    caso.averias.acaba("salida-colgada");
    let (codigo, errores) = agente.fin_leyendo();
    assert_eq!(codigo, Some(0), "{errores}");
    assert_eq!(cuentas(&errores), [12, 12, 0, 0, 0], "{errores}");
}

#[test]
fn dos_senales_seguidas_son_un_cierre_con_orden() {
    let caso = Caso::nuevo();
    let mut agente = caso.lanzar(&[]);
    agente.lecturas(2);
    // bash manda una a sus trabajos y el sistema, otra.
    let dos = format!("kill -HUP {0}; kill -HUP {0}", agente.0.id());
    assert!(Command::new("sh").args(["-c", &dos]).status().unwrap().success());
    let (codigo, errores) = agente.fin();
    assert_eq!(codigo, Some(0), "{errores}");
    contiene(&errores, &["puntos escritos, 0 pendientes"]);
}
