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

use super::buffer::Lote;
use super::destino::{Destino, Respuesta};
use super::http::{Acceso, ClienteHttp, Contestacion};
use super::lineas;
use super::opciones::WriteOptions;
use super::reintentos::Reintentos;
use crate::avisos::{Avisos, Nivel};

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

    /// Anota el problema, lo dice si es nuevo y devuelve la espera y el motivo.
    fn mal(&mut self, contestacion: &Contestacion) -> (Duration, String) {
        let (codigo, motivo) = self.frase(contestacion);
        let espera = match contestacion {
            Contestacion::Saturado(_, Some(pedida)) => (*pedida).min(MAX_RETRY_AFTER),
            _ => self.reintentos.fallo(Instant::now(), fastrand::f64()),
        };
        let nivel = if self.problema == Some(codigo) { Nivel::Detalle } else { Nivel::Aviso };
        let segundos = espera.as_secs_f64();
        (self.avisos)(
            nivel,
            &format!("{motivo}. Los puntos se guardan y se reintenta solo (dentro de {segundos:.1} s)."),
        );
        self.problema = Some(codigo);
        (espera, motivo)
    }

    /// El código (0 si no hay contestación) y la frase de un problema: qué pasa y qué hay que arreglar.
    fn frase(&self, contestacion: &Contestacion) -> (u16, String) {
        let servidor = &self.servidor;
        match contestacion {
            Contestacion::SinConexion(causa) => (0, format!("{servidor}: {causa}")),
            Contestacion::Saturado(codigo, _) => {
                (*codigo, format!("{servidor} está saturado y pide esperar ({codigo})"))
            }
            Contestacion::SinAcceso(codigo, palabras) => {
                let arreglo = match (codigo, &self.acceso) {
                    (401, Acceso::V2 { .. }) => {
                        "no acepta el token: revisa INFLUXDB_V2_TOKEN (o --token)".to_owned()
                    }
                    (401, Acceso::V1 { .. }) => {
                        "no acepta el usuario o la contraseña: revisa INFLUXDB_V1_USER e INFLUXDB_V1_PASSWORD"
                            .to_owned()
                    }
                    (403, Acceso::V2 { bucket, .. }) => {
                        format!(
                            "no deja a este token escribir en el bucket «{bucket}»: crea un token con permiso de escritura en él"
                        )
                    }
                    (403, Acceso::V1 { database, .. }) => {
                        format!(
                            "no deja a este usuario escribir en la base de datos «{database}»: dale permiso con GRANT WRITE"
                        )
                    }
                    (_, Acceso::V2 { org, bucket, .. }) => format!(
                        "no encuentra el bucket «{bucket}» o la organización «{org}»: créalos o corrige INFLUXDB_BUCKET e INFLUXDB_V2_ORG"
                    ),
                    (_, Acceso::V1 { database, .. }) => {
                        format!(
                            "no encuentra la base de datos «{database}»: créala con CREATE DATABASE o corrige INFLUXDB_V1_DATABASE"
                        )
                    }
                };
                (*codigo, format!("{servidor} {arreglo} ({codigo}: {palabras})"))
            }
            Contestacion::Otro(codigo, palabras) if (500..600).contains(codigo) => {
                (*codigo, format!("{servidor} tiene un fallo interno ({codigo}: {palabras})"))
            }
            Contestacion::Otro(codigo, palabras)
            | Contestacion::Rechazado(codigo, palabras)
            | Contestacion::DemasiadoGrande(codigo, palabras) => (
                *codigo,
                format!(
                    "{servidor} contesta {codigo}, que no es propio de InfluxDB: ¿es esa su URL? ({palabras})"
                ),
            ),
            Contestacion::Escrito => (200, String::new()),
        }
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
            problema => {
                self.mal(&problema);
            }
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
                        let motivo =
                            format!("no se puede escribir en {}: {error}", self.rechazados.display());
                        let espera = self.reintentos.fallo(Instant::now(), fastrand::f64());
                        respuesta.esperar = Some((espera, motivo));
                        return respuesta;
                    }
                    respuesta.apartadas += 1;
                    resto = despues;
                }
                Contestacion::Rechazado(..) => probar = probar.div_ceil(2),
                Contestacion::DemasiadoGrande(..) => {
                    probar = probar.div_ceil(2);
                    self.tope = probar;
                }
                problema => {
                    respuesta.esperar = Some(self.mal(&problema));
                    return respuesta;
                }
            }
        }
        if respuesta.apartadas == 0 {
            self.rechazando = false;
        }
        let frase =
            format!("Lote de {} puntos escrito en {} ms.", respuesta.escritas, inicio.elapsed().as_millis());
        (self.avisos)(Nivel::Detalle, &frase);
        respuesta
    }
}

/// Separa las `n` primeras líneas de las `total` que hay en `texto`.
fn cortar(texto: &[u8], n: usize, total: usize) -> (&[u8], &[u8]) {
    if n >= total {
        return (texto, &[]);
    }
    let bytes = texto.split_inclusive(|b| *b == b'\n').take(n).map(<[u8]>::len).sum();
    texto.split_at(bytes)
}
