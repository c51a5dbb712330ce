//! El envío a un servidor: qué se hace con cada contestación.
//!
//! | contestación | qué se hace |
//! |---|---|
//! | 2xx | escrito |
//! | 400, 422 | se parte el lote hasta dar con la línea mala, que se aparta; lo demás se escribe |
//! | 413 | se parte el lote |
//! | 401, 403, 404 | se guarda todo, se dice qué hay que arreglar y se reintenta |
//! | 429, 503 | se espera lo que diga `Retry-After` |
//! | otra, o ninguna | se reintenta con espera exponencial |
//!
//! Fuente: la tabla de Telegraf (plugin `outputs/influxdb_v2`), el cliente más probado.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::buffer::Lote;
use super::contestacion::Contestacion;
use super::destino::{Destino, Entrega};
use super::frases::frase;
use super::http::ClienteHttp;
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::causa::causa;
use crate::herramientas::lineas;
use crate::herramientas::reintentos::{Politica, Reintentos};
use crate::herramientas::texto::contar;

/// Bytes a partir de los que una conexión cortada puede deberse al tamaño del cuerpo.
const CUERPO_GRANDE: usize = 1 << 20;

/// Lo menos que se espera tras un `Retry-After`.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lo más que se obedece a un `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Un servidor como [`Destino`].
pub struct Envio {
    http: ClienteHttp,
    servidor: String,
    rechazados: PathBuf,
    avisos: Avisos,
    reintentos: Reintentos,
    tope: usize,           // bytes por petición; baja con cada 413
    problema: Option<u16>, // el código del último dicho; 0, sin conexión; 1, el fichero de rechazados
    rechazando: bool,
}

impl Envio {
    /// `servidor` es el nombre que sale en los avisos; `rechazados`, el fichero de las líneas apartadas.
    pub fn new(
        http: ClienteHttp,
        servidor: String,
        rechazados: PathBuf,
        politica: Politica,
        avisos: Avisos,
    ) -> Self {
        let reintentos = Reintentos::new(politica);
        let (tope, problema, rechazando) = (usize::MAX, None, false);
        Envio { http, servidor, rechazados, avisos, reintentos, tope, problema, rechazando }
    }

    fn bien(&mut self) {
        self.reintentos.exito();
        if self.problema.take().is_some() {
            let frase = format!("{} vuelve a aceptar puntos; se envía lo pendiente.", self.servidor);
            (self.avisos)(Nivel::Info, &frase);
        }
    }

    /// Dice lo que ha contestado el servidor, y devuelve el motivo.
    fn mal(&mut self, contestacion: &Contestacion) -> String {
        let (codigo, motivo) = frase(contestacion, self.http.acceso(), &self.servidor);
        self.decir(codigo, &motivo);
        motivo
    }

    /// Dice el problema, si no es el mismo que el último.
    fn decir(&mut self, codigo: u16, motivo: &str) {
        if self.problema.replace(codigo) != Some(codigo) {
            (self.avisos)(Nivel::Aviso, &format!("{motivo}. Los puntos se guardan y se reintenta solo."));
        }
    }

    /// Cuánto esperar tras un problema.
    fn espera(&mut self, contestacion: &Contestacion) -> Duration {
        let espera = match contestacion {
            // Un 0, o una fecha pasada porque los relojes no coinciden, no es permiso para insistir sin parar.
            Contestacion::Saturado(_, Some(pedida)) => (*pedida).clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER),
            _ => self.reintentos.fallo(Instant::now(), fastrand::f64()),
        };
        (self.avisos)(Nivel::Detalle, &format!("Próximo intento dentro de {:.1} s.", espera.as_secs_f64()));
        espera
    }

    /// Una petición de `bytes` no ha salido: lo dice, y devuelve cuánto esperar y por qué.
    fn no_sale(&mut self, problema: &Contestacion, bytes: usize) -> (Duration, String) {
        // Un 413 puede llegar así: el servidor cuelga sin leer el cuerpo entero.
        if matches!(problema, Contestacion::Cortada(_)) && bytes > CUERPO_GRANDE {
            self.bajar_tope(bytes);
        }
        let motivo = self.mal(problema);
        (self.espera(problema), motivo)
    }

    /// El servidor no admite un cuerpo de `bytes`: los siguientes, de la mitad.
    fn bajar_tope(&mut self, bytes: usize) {
        if self.tope == usize::MAX {
            let frase =
                format!("{} no admite peticiones tan grandes (413): se envían en trozos.", self.servidor);
            (self.avisos)(Nivel::Aviso, &frase);
        }
        self.tope = bytes / 2;
    }

    /// Aparta una línea que el servidor no aceptará nunca. Si no se puede, cuánto hay que esperar y por qué.
    fn apartar(&mut self, linea: &[u8], codigo: u16, palabras: &str) -> Result<(), (Duration, String)> {
        if let Err(error) = self.guardar_rechazada(linea, codigo, palabras) {
            let ruta = self.rechazados.display();
            let motivo = format!("no se puede escribir en {ruta}: {}", causa(&error));
            self.decir(1, &motivo);
            return Err((self.reintentos.fallo(Instant::now(), fastrand::f64()), motivo));
        }
        self.bien();
        if !self.rechazando {
            let ruta = self.rechazados.display();
            let frase = format!(
                "{} no acepta un punto ({codigo}: {palabras}). Queda apartado en {ruta}.",
                self.servidor
            );
            (self.avisos)(Nivel::Aviso, &frase);
            self.rechazando = true;
        }
        Ok(())
    }

    /// Guarda una línea rechazada, con lo que dijo de ella el servidor.
    fn guardar_rechazada(&self, linea: &[u8], codigo: u16, palabras: &str) -> io::Result<()> {
        let fecha = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let mut ficha = format!("# {fecha} {codigo} {palabras}\n").into_bytes();
        ficha.extend_from_slice(linea);
        lineas::anadir(&mut lineas::abrir(&self.rechazados)?, &ficha)
    }
}

impl Destino for Envio {
    /// Un cuerpo vacío no escribe nada y comprueba de una vez servidor, credenciales y bucket.
    fn saludar(&mut self) {
        match self.http.escribir(b"") {
            Contestacion::Escrito | Contestacion::Rechazado(..) => {
                let frase = format!("{} responde y acepta las credenciales.", self.servidor);
                (self.avisos)(Nivel::Info, &frase);
            }
            problema => {
                self.mal(&problema);
            }
        }
    }

    fn enviar(&mut self, lote: &Lote) -> Entrega {
        let inicio = Instant::now();
        let mut entrega = Entrega::default();
        let mut resto = &lote.texto[..];
        let mut probar = lote.lineas; // cuántas líneas van juntas en la próxima petición, como mucho
        while !resto.is_empty() {
            let (lineas, trozo, despues) = cortar(resto, probar, self.tope);
            match self.http.escribir(trozo) {
                Contestacion::Escrito => {
                    self.bien();
                    entrega.escritas += lineas;
                    resto = despues;
                    probar = probar.saturating_mul(2);
                }
                Contestacion::Rechazado(codigo, palabras)
                | Contestacion::DemasiadoGrande(codigo, palabras)
                    if lineas == 1 =>
                {
                    entrega.esperar = self.apartar(trozo, codigo, &palabras).err();
                    if entrega.esperar.is_some() {
                        return entrega;
                    }
                    entrega.apartadas += 1;
                    resto = despues;
                }
                Contestacion::Rechazado(..) => probar = lineas.div_ceil(2),
                Contestacion::DemasiadoGrande(..) => self.bajar_tope(trozo.len()),
                problema => {
                    entrega.esperar = Some(self.no_sale(&problema, trozo.len()));
                    return entrega;
                }
            }
        }
        if entrega.apartadas == 0 {
            self.rechazando = false;
        }
        let (ms, puntos) = (inicio.elapsed().as_millis(), contar(entrega.escritas as u64, "punto", "puntos"));
        (self.avisos)(Nivel::Detalle, &format!("Lote escrito en {ms} ms: {puntos}."));
        entrega
    }
}

/// Separa de `texto` las primeras líneas: `max_lineas` y `max_bytes` como mucho, y una al menos.
fn cortar(texto: &[u8], max_lineas: usize, max_bytes: usize) -> (usize, &[u8], &[u8]) {
    let (mut lineas, mut bytes) = (0, 0);
    for linea in texto.split_inclusive(|b| *b == b'\n') {
        if lineas > 0 && (lineas == max_lineas || bytes + linea.len() > max_bytes) {
            break;
        }
        lineas += 1;
        bytes += linea.len();
    }
    let (trozo, despues) = texto.split_at(bytes);
    (lineas, trozo, despues)
}
