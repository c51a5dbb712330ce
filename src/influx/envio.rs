//! El envío a un servidor: qué se hace con cada contestación.
//!
//! | contestación | qué se hace |
//! |---|---|
//! | 204 | escrito |
//! | 400, 422 que hablan de líneas | se parte el lote hasta dar con las malas, que se apartan; lo demás se escribe |
//! | 413, otro fallo o ninguna contestación | se prueba con menos líneas; si así entran, se sigue |
//! | ni una sola entra | se guarda todo, se dice y se reintenta con espera exponencial |
//! | una sola no entra y las demás de su lote sí | se aparta |
//! | 401, 403, 404, o no es un InfluxDB | se guarda todo y se dice qué hay que arreglar |
//! | 429, 503 | se espera lo que diga `Retry-After` |
//! | no hay conexión | se reintenta con espera exponencial |
//!
//! Fuente: la tabla de Telegraf (plugin `outputs/influxdb_v2`), el cliente más probado.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::buffer::Lote;
use super::contestacion::Contestacion;
use super::destino::{Destino, Entrega};
use super::frases::{Servidor, frase};
use super::http::ClienteHttp;
use super::juicio::{Juicio, Sospecha};
use super::rechazados::Rechazados;
use super::trozos::Trozos;
use super::voz::Voz;
use crate::avisos::{Avisos, Nivel};
use crate::herramientas::causa::causa;
use crate::herramientas::reintentos::{Politica, Reintentos};
use crate::herramientas::texto::contar;

/// Lo menos que se espera tras un `Retry-After`.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lo más que se obedece a un `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Un servidor como [`Destino`].
pub struct Envio {
    http: ClienteHttp,
    voz: Voz,
    rechazados: Rechazados,
    reintentos: Reintentos,
    trozos: Trozos,
    sospecha: Sospecha,
}

impl Envio {
    /// `nombre` es el del servidor en los avisos; `rechazados`, el fichero de las líneas apartadas.
    pub fn new(
        http: ClienteHttp,
        nombre: String,
        rechazados: PathBuf,
        politica: Politica,
        avisos: Avisos,
    ) -> Self {
        Envio {
            http,
            voz: Voz::new(nombre, avisos),
            rechazados: Rechazados::new(rechazados),
            reintentos: Reintentos::new(politica),
            trozos: Trozos::new(),
            sospecha: Sospecha::default(),
        }
    }

    /// Lo que se dice de una contestación.
    fn frase(&self, contestacion: &Contestacion) -> String {
        let (url, acceso) = (self.http.url(), self.http.acceso());
        frase(contestacion, Servidor { nombre: &self.voz.nombre, url, acceso })
    }

    /// Envía un lote, en las peticiones que hagan falta, y apunta en `entrega` qué ha sido de él. Devuelve lo que
    /// ha dicho el servidor de las líneas apartadas, si las hay.
    fn repartir(&mut self, lote: &Lote, entrega: &mut Entrega) -> Option<Contestacion> {
        let mut apartadas_por = None;
        let mut resto = &lote.texto[..];
        let mut juntas = lote.lineas; // líneas por petición, como mucho, mientras se busca una mala
        while !resto.is_empty() {
            let (lineas, trozo, despues) = self.trozos.cortar(resto, juntas);
            let contestacion = self.http.escribir(trozo);
            match self.juzgar(&contestacion, trozo, lineas, lote) {
                Juicio::Partir => {
                    juntas = lineas.div_ceil(2);
                    continue;
                }
                Juicio::Entra => {
                    self.trozos.entra(lineas);
                    self.reintentos.exito();
                    self.voz.bien(self.trozos.limitado());
                    entrega.escritas += lineas;
                    juntas = juntas.saturating_mul(2);
                }
                Juicio::Suya => {
                    entrega.esperar = self.apartar(trozo, &contestacion).err();
                    if entrega.esperar.is_some() {
                        break;
                    }
                    entrega.apartadas += lineas;
                    apartadas_por = Some(contestacion);
                }
                Juicio::NoSeSabe => {
                    entrega.esperar = Some(self.no_sale(&contestacion, lineas));
                    break;
                }
            }
            resto = despues;
        }
        apartadas_por
    }

    /// Qué hay que hacer después de mandar `trozo`.
    fn juzgar(&mut self, contestacion: &Contestacion, trozo: &[u8], lineas: usize, lote: &Lote) -> Juicio {
        match contestacion {
            Contestacion::Escrito => Juicio::Entra,
            Contestacion::Rechazado(rechazo) if lineas == 1 || rechazo.malas == Some(lineas) => Juicio::Suya,
            Contestacion::Rechazado(_) => Juicio::Partir,
            Contestacion::DemasiadoGrande(..) if lineas > 1 => {
                if self.trozos.no_caben(trozo.len()) {
                    let nombre = &self.voz.nombre;
                    let frase =
                        format!("{nombre} no admite peticiones tan grandes (413): se envían en trozos.");
                    self.voz.decir(Nivel::Aviso, &frase);
                }
                Juicio::Partir
            }
            otra if otra.quiza_por_lo_enviado() && lineas > 1 => {
                self.trozos.no_entra(lineas);
                Juicio::Partir
            }
            otra => self.sospecha.juzgar(otra, trozo, lote, |linea| self.http.escribir(linea)),
        }
    }

    /// Guarda unas líneas que el servidor no aceptará nunca, con lo que dijo de ellas. Si no se puede, cuánto hay
    /// que esperar y por qué.
    fn apartar(&mut self, texto: &[u8], contestacion: &Contestacion) -> Result<(), (Duration, String)> {
        let guardadas = self.rechazados.guardar(texto, &contestacion.nota(" "));
        let ruta = self.rechazados.ruta().display();
        let tiradas = guardadas.map_err(|error| {
            let motivo = format!("no se puede escribir en {ruta}: {}", causa(&error));
            self.voz.mal(&motivo);
            (self.reintentos.fallo(Instant::now(), fastrand::f64()), motivo)
        })?;
        if tiradas > 0 {
            let puntos = contar(tiradas as u64, "punto", "puntos");
            let frase =
                format!("{ruta} ha llegado a su tope: se tira lo apartado hace más tiempo ({puntos}).");
            self.voz.decir(Nivel::Aviso, &frase);
        }
        self.trozos.no_era_el_tamano();
        self.reintentos.exito();
        Ok(())
    }

    /// Una petición de `lineas` líneas no ha salido: lo dice, y devuelve cuánto esperar y por qué.
    fn no_sale(&mut self, contestacion: &Contestacion, lineas: usize) -> (Duration, String) {
        let motivo = self.frase(contestacion);
        let saturado = matches!(contestacion, Contestacion::Saturado(..)) && self.voz.es_el_mismo(&motivo);
        if saturado || contestacion.quiza_por_lo_enviado() {
            self.trozos.no_entra(lineas); // la próxima vez, con menos
        }
        if matches!(contestacion, Contestacion::DemasiadoGrande(..)) {
            self.trozos.no_era_lo_que_ocupa();
        }
        self.voz.mal(&motivo);
        let espera = match contestacion {
            // Un 0, o una fecha pasada porque los relojes no coinciden, no es permiso para insistir sin parar.
            Contestacion::Saturado(_, Some(pedida)) => (*pedida).clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER),
            _ => self.reintentos.fallo(Instant::now(), fastrand::f64()),
        };
        self.voz.decir(Nivel::Detalle, &format!("Próximo intento dentro de {:.1} s.", espera.as_secs_f64()));
        (espera, motivo)
    }
}

impl Destino for Envio {
    /// Un cuerpo vacío no escribe nada y comprueba de una vez servidor, credenciales y bucket.
    fn saludar(&mut self) {
        match self.http.escribir(b"") {
            Contestacion::Escrito => {
                let frase = format!("{} responde y acepta las credenciales.", self.voz.nombre);
                self.voz.decir(Nivel::Info, &frase);
            }
            // Algunas versiones de InfluxDB no admiten un cuerpo vacío: ya se verá con los primeros puntos.
            Contestacion::Rechazado(_) | Contestacion::Otro(400 | 422, _) => {}
            problema => {
                let motivo = self.frase(&problema);
                self.voz.mal(&motivo);
            }
        }
    }

    fn enviar(&mut self, lote: &Lote) -> Entrega {
        let inicio = Instant::now();
        let mut entrega = Entrega::default();
        let apartadas_por = self.repartir(lote, &mut entrega);
        self.voz.apartadas(entrega.apartadas, apartadas_por.as_ref(), self.rechazados.ruta().display());
        if entrega.esperar.is_none() {
            let (ms, puntos) =
                (inicio.elapsed().as_millis(), contar(entrega.escritas as u64, "punto", "puntos"));
            self.voz.decir(Nivel::Detalle, &format!("Lote escrito en {ms} ms: {puntos}."));
        }
        entrega
    }
}
