//! El destino cuando no hay servidor: un fichero de line protocol que carga `influx write -f`.
//!
//! `write()` añade la línea al fichero en el acto, así que no se pierde ni con kill -9; vaciar el
//! buffer es pedir al sistema que la asegure en el disco (fsync), para que aguante un apagón.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::buffer::{Buffer, Lote};
use super::destino::{Destino, Entrega};
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::causa::causa;
use crate::herramientas::texto::contar;
use crate::herramientas::{lineas, sitio};

/// Cuándo se vuelve a probar si el disco falla.
const OTRO_INTENTO: Duration = Duration::from_secs(5);

/// Cada cuánto se mira si el fichero sigue en su sitio. El margen, para que quien escribe una vez por segundo lo
/// mire siempre antes de escribir.
const CADA_MIRADA: Duration = Duration::from_millis(950);

/// Lo que se espera a que otro agente suelte el fichero: lo tiene lo que tarda en añadir una línea.
const MAX_CANDADO: Duration = Duration::from_millis(200);

/// El fichero como buffer: pendiente es lo escrito que aún no se ha asegurado.
pub struct EnFichero {
    ruta: PathBuf,
    fichero: File,
    avisos: Avisos,
    sin_asegurar: usize,
    en_vuelo: usize,       // las que se están asegurando
    seguro: u64,           // hasta este byte no hay nada por asegurar
    fin: u64,              // donde acaba la última línea escrita
    fin_lote: Option<u64>, // hasta dónde llega el lote, si las lleva todas
    perdidas: u64,
    mirado: Instant,
}

/// El fichero como destino: asegura lo escrito.
pub struct Asegurar {
    ruta: PathBuf,
    fichero: File,
    avisos: Avisos,
    fallando: bool,
}

/// Abre el fichero (lo crea si falta) y corta la última línea si quedó rota.
///
/// Devuelve el buffer, el destino y los bytes cortados.
///
/// # Errors
/// Los del sistema: permisos, disco lleno, carpeta que no existe.
pub fn abrir(ruta: &Path, avisos: Avisos) -> io::Result<(EnFichero, Asegurar, u64)> {
    let mut fichero = lineas::abrir(ruta)?;
    let cortados = con_candado(&mut fichero, lineas::cortar_linea_rota)?;
    let fin = fichero.metadata()?.len();
    // Abierto otra vez, no clonado: un clon compartiría el candado.
    let otra_vez = lineas::abrir(ruta)?;
    let asegurar =
        Asegurar { ruta: ruta.to_owned(), fichero: otra_vez, avisos: avisos.clone(), fallando: false };
    let buffer = EnFichero {
        ruta: ruta.to_owned(),
        fichero,
        avisos,
        sin_asegurar: 0,
        en_vuelo: 0,
        seguro: fin,
        fin,
        fin_lote: None,
        perdidas: 0,
        mirado: Instant::now(),
    };
    Ok((buffer, asegurar, cortados))
}

/// Varios agentes (servidor_A y servidor_B) pueden añadir al mismo fichero: uno cada vez.
fn con_candado<T>(fichero: &mut File, tarea: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let inicio = Instant::now();
    loop {
        match fichero.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if inicio.elapsed() < MAX_CANDADO => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::ResourceBusy, "otro programa lo tiene bloqueado"));
            }
        }
    }
    let resultado = tarea(fichero);
    // Que no se suelte bien no deshace lo escrito. Y se suelta, como muy tarde, al cerrar el fichero.
    let _ = fichero.unlock();
    resultado
}

/// Añade un texto entero, o nada. Devuelve el byte en el que empieza.
fn anadir(fichero: &mut File, texto: &[u8]) -> io::Result<u64> {
    let inicio = fichero.seek(SeekFrom::End(0))?;
    lineas::anadir_en(fichero, inicio, texto)?;
    Ok(inicio)
}

impl EnFichero {
    /// Si alguien ha borrado el fichero, lo ha movido o ha puesto otro en su sitio, sigue en el que hay ahora, y
    /// lleva a él lo que estaba por asegurar: repetir un punto es inofensivo.
    fn en_su_sitio(&mut self) -> io::Result<()> {
        if !sitio::sigue_en(&self.ruta, &self.fichero)? {
            if let Some(carpeta) = self.ruta.parent() {
                fs::create_dir_all(carpeta)?;
            }
            let mut nuevo = lineas::abrir(&self.ruta)?;
            let pendiente = self.texto_sin_asegurar();
            self.seguro = con_candado(&mut nuevo, |f| {
                lineas::cortar_linea_rota(f)?;
                anadir(f, &pendiente)
            })?;
            self.fin = self.seguro + pendiente.len() as u64;
            (self.fichero, self.fin_lote) = (nuevo, None);
            let frase = format!(
                "{} ya no es el que era (lo han borrado, movido o cambiado por otro): se sigue en el que hay ahora. {}.",
                self.ruta.display(),
                match contar(self.sin_asegurar as u64, "punto", "puntos") {
                    _ if self.sin_asegurar == 0 => "No se ha perdido ningún punto pendiente".to_owned(),
                    puntos => format!("Lleva otra vez lo que no estaba asegurado: {puntos}"),
                }
            );
            (self.avisos)(Nivel::Aviso, &frase);
        }
        self.mirado = Instant::now();
        Ok(())
    }

    /// Lo que hay en el fichero, aunque ya no esté en su sitio, desde lo último que se aseguró: nuestro o de otro
    /// agente. Nada, si no se puede leer.
    fn texto_sin_asegurar(&mut self) -> Vec<u8> {
        let mut texto = Vec::new();
        if self.sin_asegurar > 0 {
            let leido = self.fichero.seek(SeekFrom::Start(self.seguro));
            let _ = leido.and_then(|_| self.fichero.read_to_end(&mut texto));
        }
        let enteras = texto.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        texto.truncate(enteras);
        texto
    }

    /// Alguien lo ha vaciado, o le ha quitado un trozo: lo que no estaba asegurado se ha ido con él.
    fn recortado(&mut self) {
        let perdidas = self.sin_asegurar - self.en_vuelo;
        self.perdidas += perdidas as u64;
        (self.sin_asegurar, self.seguro, self.fin_lote) = (self.en_vuelo, 0, None);
        let puntos =
            contar(perdidas as u64, "punto que no estaba asegurado", "puntos que no estaban asegurados");
        let frase = format!("{} ha encogido (lo han recortado): se pierden {puntos}.", self.ruta.display());
        (self.avisos)(Nivel::Error, &frase);
    }
}

impl Buffer for EnFichero {
    fn anotar(&mut self, linea: &str) -> io::Result<()> {
        if self.mirado.elapsed() >= CADA_MIRADA {
            self.en_su_sitio()?;
        }
        let inicio = con_candado(&mut self.fichero, |f| anadir(f, linea.as_bytes()))?;
        if inicio < self.fin {
            self.recortado();
        }
        self.fin = inicio + linea.len() as u64;
        self.sin_asegurar += 1;
        Ok(())
    }

    /// El texto ya está en el fichero: el lote solo lleva la cuenta.
    fn lote(&mut self, max: usize) -> io::Result<Lote> {
        self.en_su_sitio()?;
        self.en_vuelo = self.sin_asegurar.min(max);
        self.fin_lote = (self.en_vuelo == self.sin_asegurar).then_some(self.fin);
        Ok(Lote { texto: Vec::new(), lineas: self.en_vuelo })
    }

    fn quitar(&mut self, _lote: &Lote, n: usize) {
        if let Some(fin) = self.fin_lote.take()
            && n == self.en_vuelo
        {
            self.seguro = fin;
        }
        self.en_vuelo = 0;
        self.sin_asegurar = self.sin_asegurar.saturating_sub(n);
    }

    fn pendientes(&self) -> usize {
        self.sin_asegurar
    }

    fn perdidas(&self) -> u64 {
        self.perdidas
    }
}

impl Asegurar {
    /// El buffer ya ha hecho otro si hacía falta: se abre ese. El de antes también se asegura, por si solo lo han
    /// movido.
    fn en_su_sitio(&mut self) -> io::Result<()> {
        if !sitio::sigue_en(&self.ruta, &self.fichero)? {
            let nuevo = OpenOptions::new().read(true).write(true).open(&self.ruta)?;
            let _ = std::mem::replace(&mut self.fichero, nuevo).sync_data();
        }
        Ok(())
    }
}

impl Destino for Asegurar {
    /// El lote solo trae texto si esperaba en memoria porque no cabía en el disco.
    fn enviar(&mut self, lote: &Lote) -> Entrega {
        let escrito = self.en_su_sitio().and_then(|()| match lote.texto.is_empty() {
            true => Ok(0),
            false => con_candado(&mut self.fichero, |f| anadir(f, &lote.texto)),
        });
        match escrito.and_then(|_| self.fichero.sync_data()) {
            Ok(()) => {
                self.fallando = false;
                Entrega { escritas: lote.lineas, ..Entrega::default() }
            }
            Err(error) => {
                let motivo = format!("no se puede asegurar el fichero en el disco: {}", causa(&error));
                if !self.fallando {
                    (self.avisos)(Nivel::Aviso, &format!("{motivo}. Se vuelve a intentar solo."));
                    self.fallando = true;
                }
                Entrega { esperar: Some((OTRO_INTENTO, motivo)), ..Entrega::default() }
            }
        }
    }
}
