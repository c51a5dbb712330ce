//! Los puntos del fichero del agente, `datos/rendimiento_servidor.lp`.
//!
//! Lo pasado se lee desde el final hacia atrás hasta cubrir lo que se mira: una historia larga no cuesta
//! más. Después se sigue lo que se va añadiendo.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::{ADELANTO, DE_HOSTS, MAX_HOSTS, Punto, Puntos, Seguida, Visto, cabe, linea};
use crate::fallo::Frase;
use crate::herramientas::causa::causa;
use crate::panel::serie::Serie;

/// Lo que se lee de una vez hacia atrás. Si en un trozo entero no hay nada del rango, se da por cubierto.
const TROZO: u64 = 64 << 10;
/// Lo más que se lee hacia atrás: un día de una veintena de hosts.
const MAX_ATRAS: u64 = 256 << 20;
/// Lo más que se lee de lo añadido desde la última vez; si hay más, se vuelve a empezar por el final.
const MAX_ADELANTE: u64 = 8 << 20;
/// Una línea más larga no es del agente.
const MAX_LINEA: usize = 1 << 20;
/// Lo que se espera a que un agente acabe de añadir su línea.
const UN_MOMENTO: Duration = Duration::from_millis(50);
/// Lo que se recuerda de lo último leído, para notar que el fichero es otro.
const COLA: u64 = 128;

/// Lo que se sabe de un host.
#[derive(Clone, Copy, Default)]
struct Host {
    ultimo: Option<Punto>,
    futuro: Option<i64>,
}

/// El fichero, y hasta dónde se ha leído.
pub struct PuntosDelFichero {
    ruta: PathBuf,
    leido: u64,
    cola: Vec<u8>,
    hosts: BTreeMap<String, Host>,
}

impl PuntosDelFichero {
    /// El fichero de la carpeta de datos. Puede no existir todavía.
    pub fn new(ruta: PathBuf) -> Self {
        PuntosDelFichero { ruta, leido: 0, cola: Vec::new(), hosts: BTreeMap::new() }
    }

    fn leer(&mut self, ahora: i64, series: &mut [Seguida]) -> io::Result<()> {
        let mut fichero = match File::open(&self.ruta) {
            Ok(fichero) => fichero,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.olvidar(series);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let largo = fichero.metadata()?.len();
        if self.leido == 0 || !self.sigue(&mut fichero, largo)? {
            self.olvidar(series);
            self.empezar(&mut fichero, largo, ahora)?;
        } else {
            self.seguir(&mut fichero, largo, ahora, series)?;
        }
        for seguida in series.iter_mut() {
            seguida.ultimo = self.hosts.get(&seguida.host).and_then(|host| host.ultimo);
            if seguida.entera.is_none() {
                let mut serie = Serie::new(seguida.serie.ancho());
                hacia_atras(&mut fichero, self.leido, seguida.desde, |host, punto| {
                    if host == seguida.host {
                        serie.sumar(punto.t, &punto.valores);
                    }
                })?;
                (seguida.serie, seguida.entera) = (serie, Some(Instant::now()));
            }
        }
        Ok(())
    }

    fn olvidar(&mut self, series: &mut [Seguida]) {
        (self.leido, self.cola) = (0, Vec::new());
        self.hosts.clear();
        for seguida in series {
            seguida.serie = Serie::new(seguida.serie.ancho());
            (seguida.ultimo, seguida.entera) = (None, None);
        }
    }

    /// Si el fichero es el de antes, quizá con algo más al final.
    fn sigue(&self, fichero: &mut File, largo: u64) -> io::Result<bool> {
        if largo < self.leido || largo - self.leido > MAX_ADELANTE {
            return Ok(false);
        }
        let cola = trozo(fichero, self.leido - self.cola.len() as u64, self.leido)?;
        Ok(cola == self.cola)
    }

    /// Los hosts del último día.
    fn empezar(&mut self, fichero: &mut File, largo: u64, ahora: i64) -> io::Result<()> {
        // La última línea puede estar a medias.
        let inicio = largo.saturating_sub(TROZO);
        let ultimo = trozo(fichero, inicio, largo)?;
        let Some(fin) = ultimo.iter().rposition(|b| *b == b'\n') else { return Ok(()) };
        self.leido = inicio + fin as u64 + 1;
        self.cola = trozo(fichero, self.leido.saturating_sub(COLA), self.leido)?;
        let hosts = &mut self.hosts;
        hacia_atras(fichero, self.leido, ahora - DE_HOSTS, |host, punto| apuntar(hosts, host, punto, ahora))
    }

    fn seguir(
        &mut self,
        fichero: &mut File,
        largo: u64,
        ahora: i64,
        series: &mut [Seguida],
    ) -> io::Result<()> {
        let nuevo = trozo(fichero, self.leido, largo)?;
        let Some(fin) = nuevo.iter().rposition(|b| *b == b'\n') else { return Ok(()) };
        let enteras = nuevo.get(..fin).unwrap_or_default();
        for (host, punto) in enteras.split(|b| *b == b'\n').filter_map(linea::leer) {
            for seguida in series.iter_mut().filter(|s| s.host == host && s.entera.is_some()) {
                seguida.serie.sumar(punto.t, &punto.valores);
            }
            apuntar(&mut self.hosts, host, punto, ahora);
        }
        self.leido += fin as u64 + 1;
        self.cola = trozo(fichero, self.leido.saturating_sub(COLA), self.leido)?;
        Ok(())
    }
}

impl Puntos for PuntosDelFichero {
    fn motor(&self) -> (&'static str, String) {
        ("fichero", self.ruta.display().to_string())
    }

    fn poner_al_dia(&mut self, ahora: i64, series: &mut [Seguida]) -> Result<BTreeMap<String, Visto>, Frase> {
        let mut leido = self.leer(ahora, series);
        if leido.as_ref().is_err_and(lo_tiene_otro) {
            thread::sleep(UN_MOMENTO);
            leido = self.leer(ahora, series);
        }
        leido.map_err(|error| {
            self.olvidar(&mut []); // a medias no se sabe por dónde iba
            Frase(format!("no se puede leer {} ({})", self.ruta.display(), causa(&error)))
        })?;
        for host in self.hosts.values_mut() {
            host.poner_en_hora(ahora);
        }
        self.hosts.retain(|_, host| host.ultimo.is_some() || host.futuro.is_some());
        let visto = |host: &Host| Visto { ultimo: host.ultimo.map(|p| p.t), futuro: host.futuro };
        Ok(self.hosts.iter().map(|(nombre, host)| (nombre.clone(), visto(host))).collect())
    }
}

impl Host {
    fn apuntar(&mut self, punto: Punto, ahora: i64) {
        if punto.t > ahora + ADELANTO {
            self.futuro = self.futuro.max(Some(punto.t));
        } else if self.ultimo.is_none_or(|ultimo| punto.t >= ultimo.t) {
            self.ultimo = Some(punto);
        }
    }

    /// Olvida lo que ya no es del último día, y lo que era del futuro y ya no lo es, o al revés: el reloj de
    /// este ordenador también se corrige.
    fn poner_en_hora(&mut self, ahora: i64) {
        if let Some(ultimo) = self.ultimo.take_if(|ultimo| ultimo.t > ahora + ADELANTO) {
            self.futuro = self.futuro.max(Some(ultimo.t));
        }
        self.ultimo.take_if(|ultimo| ultimo.t < ahora - DE_HOSTS);
        self.futuro.take_if(|futuro| *futuro <= ahora + ADELANTO);
    }
}

/// El último punto de cada host.
fn apuntar(hosts: &mut BTreeMap<String, Host>, host: String, punto: Punto, ahora: i64) {
    if let Some(conocido) = hosts.get_mut(&host) {
        conocido.apuntar(punto, ahora);
    } else if hosts.len() < MAX_HOSTS && cabe(&host) {
        hosts.entry(host).or_default().apuntar(punto, ahora);
    }
}

/// Los puntos desde el instante `desde`, leyendo el fichero hacia atrás a partir del byte `fin`, que es
/// donde acaba una línea.
///
/// Varios agentes pueden escribir en el mismo fichero, y alguno con retraso: no basta con dar con un punto
/// anterior a `desde`, hace falta un trozo entero sin ninguno de después.
fn hacia_atras(
    fichero: &mut File,
    fin: u64,
    desde: i64,
    mut con_punto: impl FnMut(String, Punto),
) -> io::Result<()> {
    let mut hasta = fin;
    let mut cabo = Vec::new(); // el final de una línea que empieza antes
    while hasta > 0 && fin - hasta < MAX_ATRAS {
        let inicio = hasta.saturating_sub(TROZO);
        let mut bytes = trozo(fichero, inicio, hasta)?;
        bytes.append(&mut cabo);
        let primera = match bytes.iter().position(|b| *b == b'\n') {
            _ if inicio == 0 => 0,
            Some(salto) => salto + 1,
            None => bytes.len(),
        };
        let (mut alguno, mut del_rango) = (false, false);
        for (host, punto) in bytes.split_off(primera).split(|b| *b == b'\n').filter_map(linea::leer) {
            alguno = true;
            if punto.t >= desde {
                del_rango = true;
                con_punto(host, punto);
            }
        }
        if alguno && !del_rango {
            break;
        }
        cabo = bytes;
        if cabo.len() > MAX_LINEA {
            cabo.clear();
        }
        hasta = inicio;
    }
    Ok(())
}

/// En Windows no se puede leer un fichero mientras un agente lo bloquea, que es lo que tarda en añadir una línea.
fn lo_tiene_otro(error: &io::Error) -> bool {
    const ERROR_LOCK_VIOLATION: i32 = 33;
    cfg!(windows) && error.raw_os_error() == Some(ERROR_LOCK_VIOLATION)
}

fn trozo(fichero: &mut File, desde: u64, hasta: u64) -> io::Result<Vec<u8>> {
    fichero.seek(SeekFrom::Start(desde))?;
    let mut bytes = Vec::new();
    fichero.take(hasta.saturating_sub(desde)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
