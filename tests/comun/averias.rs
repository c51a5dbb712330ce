//! Un ordenador que falla cuando se le dice. Lo hace `averias.c`, que se compila aquí y se carga con
//! `LD_PRELOAD`: el programa que se prueba es el de verdad.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::comun::{PACIENCIA, agente};

/// La biblioteca, compilada una vez. Hace falta un compilador de C, como para construir SQLite.
fn biblioteca() -> &'static Path {
    static COMPILADA: OnceLock<tempfile::TempDir> = OnceLock::new();
    let carpeta = COMPILADA.get_or_init(|| {
        let carpeta = tempfile::tempdir().unwrap();
        let fuente = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/comun/averias.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(carpeta.path().join("averias.so"))
            .arg(fuente)
            .arg("-ldl");
        assert!(cc.status().unwrap().success());
        carpeta
    });
    carpeta.path()
}

/// Las averías de una prueba: cada una, un fichero de su carpeta.
pub struct Averias(tempfile::TempDir);

impl Averias {
    pub fn ninguna() -> Self {
        Averias(tempfile::tempdir().unwrap())
    }

    pub fn empieza(&self, averia: &str) {
        fs::write(self.0.path().join(averia), "").unwrap();
    }

    pub fn empieza_con(&self, averia: &str, contenido: &[u8]) {
        fs::write(self.0.path().join(averia), contenido).unwrap();
    }

    pub fn acaba(&self, averia: &str) {
        fs::remove_file(self.0.path().join(averia)).unwrap();
    }

    /// Si el programa ha dejado esta marca: `colgado`, que la avería le ha llegado; `cansado`, que ha tenido
    /// que seguir sin que acabara.
    pub fn marca(&self, marca: &str) -> bool {
        self.0.path().join(marca).exists()
    }

    pub fn esperar(&self, marca: &str) {
        let hasta = Instant::now() + PACIENCIA;
        while !self.marca(marca) {
            assert!(Instant::now() < hasta, "no llega la avería: {marca}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// El agente, en un ordenador con estas averías. En la orden va dentro de `bash -c`: así puede llevar
    /// redirecciones.
    pub fn agente(&self, carpeta: &Path, argumentos: &[&str]) -> Command {
        let mut orden = agente(carpeta, argumentos);
        orden.env("LD_PRELOAD", biblioteca().join("averias.so")).env("AVERIAS", self.0.path());
        orden
    }
}
