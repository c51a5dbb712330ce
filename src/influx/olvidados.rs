//! Lo que espera en la carpeta de otro destino, o de otro `host_id`: al corregir una dirección o un nombre, la
//! carpeta es otra, y lo de antes se quedaría ahí. Se dice, y si se pide pasa a la de ahora.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::buffer::{Buffer, Lote};
use super::carpeta::{Carpeta, FICHA};
use super::diario::Limites;
use super::segmento::Segmento;
use crate::avisos::Avisos;
use crate::fallo::Frase;
use crate::herramientas::causa::causa;
use crate::herramientas::texto::{contar, limpiar, recortar};

/// Con `--recuperar` y esta palabra, todas las carpetas.
const TODO: &str = "todo";

/// Letras que se enseñan de un nombre apuntado en una carpeta.
const MAX_NOMBRE: usize = 100;

/// Una carpeta en la que espera algo, reservada mientras se mira.
pub(super) struct Olvidada {
    carpeta: Carpeta,
    segmentos: Vec<Segmento>,
}

impl Olvidada {
    /// `None` si la está usando otro agente o no es de ninguno.
    fn abrir(ruta: PathBuf) -> io::Result<Option<Self>> {
        let Some(carpeta) = Carpeta::otra(ruta)? else { return Ok(None) };
        let nada: Avisos = Arc::new(|_, _| {});
        let mut segmentos = Vec::new();
        for entrada in fs::read_dir(&carpeta.ruta)? {
            let segmento = Segmento::recuperar(entrada?.path(), &nada)?;
            segmentos.extend(segmento.filter(|s| s.lineas > 0));
        }
        segmentos.sort_by_key(|s| s.numero);
        Ok(Some(Olvidada { carpeta, segmentos }))
    }

    /// Cuántos puntos esperan.
    pub(super) fn puntos(&self) -> u64 {
        self.segmentos.iter().map(|s| s.lineas as u64).sum()
    }

    /// «En CARPETA esperan 5 puntos de «servidor_A» para http://…».
    pub(super) fn frase(&self) -> String {
        let identidad = fs::read_to_string(self.carpeta.ruta.join(FICHA)).unwrap_or_default();
        let mut lineas = identidad.lines();
        let host_id = lineas.next().unwrap_or_default().trim_start_matches("host_id=");
        let destino: Vec<_> = lineas.map(|linea| linea.trim_start_matches("destino=")).collect();
        let ensenar = |texto: &str| match recortar(&limpiar(texto), MAX_NOMBRE) {
            texto if texto.is_empty() => "(no lo dice)".to_owned(),
            texto => texto,
        };
        format!(
            "En {} {} {} de «{}» para {}",
            self.carpeta.ruta.display(),
            if self.puntos() == 1 { "espera" } else { "esperan" },
            contar(self.puntos(), "punto", "puntos"),
            ensenar(host_id),
            ensenar(&destino.join(", "))
        )
    }

    /// Cómo se llama la carpeta.
    pub(super) fn nombre(&self) -> String {
        self.carpeta.ruta.file_name().unwrap_or_default().display().to_string()
    }

    /// Pasa lo que espera a otra carpeta, segmento a segmento: cada uno está siempre en una de las dos. Devuelve
    /// los puntos que ya no caben y se quedan.
    pub(super) fn mover(self, destino: &Path, limites: Limites) -> io::Result<u64> {
        let suyos = Segmento::de_una_carpeta(destino)?;
        let mut ocupado: u64 = suyos.iter().map(|s| s.bytes).sum();
        let mut numero = suyos.iter().map(|s| s.numero + 1).max().unwrap_or(0);
        let mut se_quedan = 0;
        for segmento in self.segmentos {
            // Que al diario le quede sitio para seguir escribiendo sin tirar nada.
            if ocupado + segmento.bytes + 2 * limites.segmento > limites.total {
                se_quedan += segmento.lineas as u64;
                continue;
            }
            segmento.mudar(destino, numero)?;
            ocupado += segmento.bytes;
            numero += 1;
        }
        Ok(se_quedan)
    }

    /// Copia lo que espera a un buffer, que lo guarda en `fichero`, y lo quita de aquí. Si algo falla a mitad,
    /// alguna línea puede quedar dos veces, que es inofensivo.
    pub(super) fn copiar(self, buffer: &mut impl Buffer, fichero: &Path) -> io::Result<()> {
        for segmento in self.segmentos {
            let mut lote = Lote::default();
            segmento.leer(usize::MAX, &mut lote)?;
            for linea in String::from_utf8_lossy(&lote.texto).split_inclusive('\n') {
                buffer.anotar(linea)?;
            }
            fs::File::open(fichero)?.sync_data()?;
            segmento.borrar();
        }
        Ok(())
    }
}

/// Las carpetas de `datos` en las que espera algo y que no usa nadie, menos la propia; o una frase, si no se sabe.
pub(super) fn buscar(datos: &Path, propia: &Path) -> Vec<Result<Olvidada, Frase>> {
    let carpetas = fs::read_dir(datos.join("agente")).into_iter().flatten().flatten();
    let mut otras: Vec<_> = carpetas.map(|entrada| entrada.path()).filter(|ruta| ruta != propia).collect();
    otras.sort();
    let abiertas = otras.into_iter().filter_map(|ruta| match Olvidada::abrir(ruta.clone()) {
        Ok(olvidada) => olvidada.map(Ok),
        Err(error) => {
            let (ruta, causa) = (ruta.display(), causa(&error));
            Some(Err(Frase(format!("No se sabe si espera algo en {ruta}, que no se puede leer ({causa})"))))
        }
    });
    abiertas.filter(|otra| otra.as_ref().map_or(true, |olvidada| olvidada.puntos() > 0)).collect()
}

/// Las que pide `--recuperar`: una, por su nombre o por su ruta, o todas.
///
/// # Errors
/// Una frase, si no hay ninguna con ese nombre o la está usando otro agente.
pub(super) fn pedidas(cual: &str, datos: &Path, propia: &Path) -> Result<Vec<Olvidada>, Frase> {
    if cual == TODO {
        return Ok(buscar(datos, propia).into_iter().flatten().collect()); // de las demás se avisa después
    }
    let nombre = Path::new(cual).file_name().unwrap_or_default();
    let ruta = datos.join("agente").join(nombre);
    if nombre.is_empty() || !ruta.is_dir() {
        let agente = datos.join("agente");
        return Err(Frase(format!("no hay ninguna carpeta «{cual}» en {}", agente.display())));
    }
    if ruta == propia {
        return Ok(Vec::new()); // lo suyo ya sale solo
    }
    match Olvidada::abrir(ruta) {
        Ok(Some(olvidada)) => Ok(vec![olvidada]),
        Ok(None) => Err(Frase(format!("«{cual}» la está usando otro agente: no se recupera hasta que pare"))),
        Err(error) => Err(no_se_recupera(cual, &error)),
    }
}

/// Por qué no se ha podido recuperar una carpeta.
pub(super) fn no_se_recupera(nombre: &str, error: &io::Error) -> Frase {
    Frase(format!("no se puede recuperar lo que espera en {nombre} ({})", causa(error)))
}
