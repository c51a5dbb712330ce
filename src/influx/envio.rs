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

use std::path::PathBuf;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::buffer::{Lote, bytes_de_lineas};
use super::destino::{Destino, Respuesta};
use super::frases::frase;
use super::http::{Acceso, ClienteHttp, Contestacion};
use super::lineas;
use super::opciones::WriteOptions;
use super::reintentos::Reintentos;
use crate::avisos::{Avisos, Nivel, contar};
use crate::fallo::causa;

/// Bytes a partir de los que una conexión cortada puede deberse al tamaño del cuerpo.
const CUERPO_GRANDE: usize = 1 << 20;

/// Lo más que se obedece a un `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Un servidor como [`Destino`].
pub struct Envio {
    http: ClienteHttp,
    acceso: Acceso,
    servidor: String,
    rechazados: PathBuf,
    avisos: Avisos,
    reintentos: Reintentos,
    tope: usize,           // líneas por petición; baja con cada 413
    problema: Option<u16>, // el último dicho; 0, sin conexión
    rechazando: bool,
}

impl Envio {
    /// `servidor` es el nombre que sale en los avisos; `rechazados`, el fichero de las líneas apartadas.
    pub fn new(
        http: ClienteHttp,
        acceso: Acceso,
        servidor: String,
        rechazados: PathBuf,
        opciones: WriteOptions,
        avisos: Avisos,
    ) -> Self {
        let reintentos = Reintentos::new(opciones);
        let (tope, problema, rechazando) = (usize::MAX, None, false);
        Envio { http, acceso, servidor, rechazados, avisos, reintentos, tope, problema, rechazando }
    }

    fn bien(&mut self) {
        self.reintentos.exito();
        if self.problema.take().is_some() {
            let frase = format!("{} vuelve a aceptar puntos; se envía lo pendiente.", self.servidor);
            (self.avisos)(Nivel::Info, &frase);
        }
    }

    /// Dice el problema, si no es el mismo que el último. Devuelve el motivo.
    fn mal(&mut self, contestacion: &Contestacion) -> String {
        let (codigo, motivo) = frase(contestacion, &self.acceso, &self.servidor);
        if self.problema.replace(codigo) != Some(codigo) {
            (self.avisos)(Nivel::Aviso, &format!("{motivo}. Los puntos se guardan y se reintenta solo."));
        }
        motivo
    }

    /// Cuánto esperar tras un problema.
    fn espera(&mut self, contestacion: &Contestacion) -> Duration {
        let espera = match contestacion {
            Contestacion::Saturado(_, Some(pedida)) => (*pedida).min(MAX_RETRY_AFTER),
            _ => self.reintentos.fallo(Instant::now(), fastrand::f64()),
        };
        (self.avisos)(Nivel::Detalle, &format!("Próximo intento dentro de {:.1} s.", espera.as_secs_f64()));
        espera
    }

    /// Guarda una línea que el servidor no aceptará nunca, con lo que dijo de ella.
    fn apartar(&mut self, linea: &[u8], codigo: u16, palabras: &str) -> std::io::Result<()> {
        let fecha = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let mut ficha = format!("# {fecha} {codigo} {palabras}\n").into_bytes();
        ficha.extend_from_slice(linea);
        lineas::anadir(&mut lineas::abrir(&self.rechazados)?, &ficha)?;
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
}

impl Destino for Envio {
    /// Un cuerpo vacío no escribe nada y comprueba de una vez servidor, credenciales y bucket.
    fn saludar(&mut self) {
        match self.http.escribir(b"") {
            Contestacion::Escrito | Contestacion::Rechazado(..) => {
                let frase = format!("{} responde y acepta las credenciales.", self.servidor);
                (self.avisos)(Nivel::Info, &frase);
            }
            problema => drop(self.mal(&problema)),
        }
    }

    fn enviar(&mut self, lote: &Lote) -> Respuesta {
        let inicio = Instant::now();
        let mut respuesta = Respuesta::default();
        let mut resto = &lote.texto[..];
        let mut probar = lote.lineas; // cuántas líneas van juntas en la próxima petición
        loop {
            let quedan = lote.lineas - respuesta.escritas - respuesta.apartadas;
            if quedan == 0 {
                break;
            }
            probar = probar.min(quedan).min(self.tope).max(1);
            let (trozo, despues) = cortar(resto, probar, quedan);
            match self.http.escribir(trozo) {
                Contestacion::Escrito => {
                    self.bien();
                    respuesta.escritas += probar;
                    resto = despues;
                    probar = probar.saturating_mul(2);
                }
                Contestacion::Rechazado(codigo, palabras)
                | Contestacion::DemasiadoGrande(codigo, palabras)
                    if probar == 1 =>
                {
                    if let Err(error) = self.apartar(trozo, codigo, &palabras) {
                        let motivo = format!(
                            "no se puede escribir en {}: {}",
                            self.rechazados.display(),
                            causa(&error)
                        );
                        let espera = self.reintentos.fallo(Instant::now(), fastrand::f64());
                        respuesta.esperar = Some((espera, motivo));
                        return respuesta;
                    }
                    self.bien();
                    respuesta.apartadas += 1;
                    resto = despues;
                }
                Contestacion::Rechazado(..) => probar = probar.div_ceil(2),
                Contestacion::DemasiadoGrande(..) => {
                    probar = probar.div_ceil(2);
                    self.tope = probar;
                }
                problema => {
                    // Un 413 puede llegar así: el servidor cuelga sin leer el cuerpo entero.
                    if matches!(problema, Contestacion::Cortada(_)) && trozo.len() > CUERPO_GRANDE {
                        self.tope = probar.div_ceil(2);
                    }
                    let motivo = self.mal(&problema);
                    respuesta.esperar = Some((self.espera(&problema), motivo));
                    return respuesta;
                }
            }
        }
        if respuesta.apartadas == 0 {
            self.rechazando = false;
        }
        let frase = format!(
            "Lote escrito en {} ms: {}.",
            inicio.elapsed().as_millis(),
            contar(respuesta.escritas as u64, "punto", "puntos")
        );
        (self.avisos)(Nivel::Detalle, &frase);
        respuesta
    }
}

/// Separa las `n` primeras líneas de las `total` que hay en `texto`.
fn cortar(texto: &[u8], n: usize, total: usize) -> (&[u8], &[u8]) {
    if n >= total { (texto, &[]) } else { texto.split_at(bytes_de_lineas(texto, n)) }
}
