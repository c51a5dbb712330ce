//! Mandar documentos y saber qué ha sido de cada uno: nuevo, repetido o rechazado.
//!
//! Un error solo se le achaca a un documento si habla de él. Los demás esperan, con su documento intacto.

use std::time::Duration;

use ::mongodb::bson::doc;
use ::mongodb::bson::raw::RawDocumentBuf;
use ::mongodb::error::ErrorKind;

use super::bson::{codificar, con_texto_json};
use super::cliente::{la_coleccion, mayoria};
use super::codigos::{REPETIDO, es_del_documento};
use super::comparacion::comparar;
use super::conexion::{Caida, Conexion};
use crate::almacen::{Documento, ErrorAlmacen};

/// Lo que puede tardar una llamada: la crate no tiene otro límite si el servidor se cuelga a medias.
pub(super) const LIMITE_LLAMADA: Duration = Duration::from_secs(30);
/// Lo que se espera a un servidor para saber si sigue vivo.
const LIMITE_PING: Duration = Duration::from_secs(5);

/// Los documentos que se guardan en una colección, y lo que va siendo de ellos.
pub(super) struct Escritura<'a> {
    conexion: &'a mut Conexion,
    coleccion: &'a str,
    nuevos: usize,
    rechazado: Option<String>, // la frase de alguno que no se admite ni como texto
}

/// Un documento que no se ha guardado, y lo que dice el servidor.
pub(super) struct Fallo<'a> {
    pub(super) documento: &'a Documento,
    pub(super) codigo: i32,
    pub(super) mensaje: String,
}

type Fallos<'a> = Vec<Fallo<'a>>;

impl<'a> Escritura<'a> {
    pub(super) fn new(conexion: &'a mut Conexion, coleccion: &'a str) -> Self {
        Escritura { conexion, coleccion, nuevos: 0, rechazado: None }
    }

    /// Cuántos eran nuevos, cuando ya se ha mandado todo.
    ///
    /// # Errors
    /// [`ErrorAlmacen::Definitivo`] si alguno no se admite de ninguna forma; los demás están guardados.
    pub(super) fn acabar(self) -> Result<usize, ErrorAlmacen> {
        self.rechazado.map_or(Ok(self.nuevos), |frase| Err(ErrorAlmacen::Definitivo(frase)))
    }

    /// Este documento no se admite. Se dice al acabar con los demás.
    pub(super) fn rechazar(&mut self, documento: &Documento, motivo: &str) {
        self.rechazado = Some(self.conexion.uri.rechazo(self.coleccion, &documento.id, motivo));
    }

    /// Manda un trozo. Lo que el servidor no admite se manda otra vez, con esos campos como texto.
    pub(super) fn mandar<'d>(
        &mut self,
        documentos: &[&'d Documento],
        codificados: Vec<RawDocumentBuf>,
    ) -> Result<(), ErrorAlmacen> {
        let fallos = self.escribir(documentos, codificados)?;
        let (mut repetidos, otros): (Fallos<'d>, Fallos<'d>) =
            fallos.into_iter().partition(|f| f.codigo == REPETIDO);
        let (suyos, ajenos): (Fallos<'d>, Fallos<'d>) =
            otros.into_iter().partition(|f| es_del_documento(f.codigo));
        let (mut segundos, mut textos) = (Vec::new(), Vec::new());
        for fallo in suyos {
            match con_texto_json(fallo.documento) {
                Some(codificado) => {
                    segundos.push(fallo.documento);
                    textos.push(codificado);
                }
                None => self.rechazar(fallo.documento, &fallo.mensaje),
            }
        }
        let mut esperan = ajenos;
        if !segundos.is_empty() {
            for fallo in self.escribir(&segundos, textos)? {
                match fallo.codigo {
                    REPETIDO => repetidos.push(fallo),
                    codigo if es_del_documento(codigo) => self.rechazar(fallo.documento, &fallo.mensaje),
                    _ => esperan.push(fallo),
                }
            }
        }
        comparar(self.conexion, self.coleccion, &repetidos)?;
        match esperan.first() {
            Some(fallo) => {
                let uri = &self.conexion.uri;
                let palabras = uri.palabras(&format!("{}, código {}", fallo.mensaje, fallo.codigo));
                Err(uri.de_codigo(fallo.codigo, &palabras, true))
            }
            None => Ok(()),
        }
    }

    /// Escribe, y da los documentos que no se han guardado. Si la conexión se corta pero el servidor sigue
    /// vivo, puede que sea por uno de ellos: se parte hasta dar con él.
    fn escribir<'d>(
        &mut self,
        documentos: &[&'d Documento],
        codificados: Vec<RawDocumentBuf>,
    ) -> Result<Fallos<'d>, ErrorAlmacen> {
        match self.intentar(documentos, codificados) {
            Ok(fallos) => Ok(fallos),
            Err(caida) if es_corte(&caida) && self.sigue_vivo() => match documentos {
                [uno] => self.a_solas(uno),
                _ => {
                    let (unos, otros) = documentos.split_at(documentos.len() / 2);
                    let mut fallos = self.escribir(unos, tal_cual(unos))?;
                    fallos.extend(self.escribir(otros, tal_cual(otros))?);
                    Ok(fallos)
                }
            },
            Err(caida) => Err(self.conexion.uri.explicar(&caida)),
        }
    }

    /// Un documento con el que se ha cortado la conexión: otra vez, y luego como texto. Si las tres veces se
    /// corta y el servidor sigue vivo, es él.
    fn a_solas<'d>(&mut self, documento: &'d Documento) -> Result<Fallos<'d>, ErrorAlmacen> {
        let formas = [tal_cual(&[documento]), con_texto_json(documento).into_iter().collect()];
        for forma in formas.into_iter().filter(|forma| !forma.is_empty()) {
            match self.intentar(&[documento], forma) {
                Ok(fallos) => return Ok(fallos),
                Err(caida) if es_corte(&caida) && self.sigue_vivo() => {}
                Err(caida) => return Err(self.conexion.uri.explicar(&caida)),
            }
        }
        self.rechazar(documento, "al recibirlo corta la conexión");
        Ok(Vec::new())
    }

    fn intentar<'d>(
        &mut self,
        documentos: &[&'d Documento],
        codificados: Vec<RawDocumentBuf>,
    ) -> Result<Fallos<'d>, Caida> {
        let coleccion = self.coleccion.to_owned();
        let fallos = self.conexion.pedir(LIMITE_LLAMADA, move |base| {
            let escrito = la_coleccion::<RawDocumentBuf>(base, &coleccion)
                .insert_many(codificados)
                .ordered(false)
                .write_concern(mayoria())
                .run();
            match escrito {
                Ok(_) => Ok(Vec::new()),
                Err(error) => match error.kind.as_ref() {
                    // Solo si cada documento o está escrito con su mayoría o tiene su propio error.
                    ErrorKind::InsertMany(fallo) if fallo.write_concern_error.is_none() => {
                        Ok(fallo.write_errors.clone().unwrap_or_default())
                    }
                    _ => Err(error),
                },
            }
        })?;
        self.nuevos += documentos.len() - fallos.len().min(documentos.len());
        let con_documento = fallos.into_iter().filter_map(|fallo| {
            let documento = documentos.get(fallo.index)?;
            Some(Fallo { documento, codigo: fallo.code, mensaje: fallo.message })
        });
        Ok(con_documento.collect())
    }

    fn sigue_vivo(&mut self) -> bool {
        self.conexion.pedir(LIMITE_PING, |base| base.run_command(doc! { "ping": 1 }).run()).is_ok()
    }
}

/// Los documentos como se mandan la primera vez. Todos caben: los que no, no han llegado hasta aquí.
fn tal_cual(documentos: &[&Documento]) -> Vec<RawDocumentBuf> {
    documentos.iter().filter_map(|documento| primera_forma(documento)).collect()
}

/// El documento tal cual o, si no cabe en BSON, con texto.
pub(super) fn primera_forma(documento: &Documento) -> Option<RawDocumentBuf> {
    codificar(documento).or_else(|| con_texto_json(documento))
}

/// Si se ha cortado a medias de una escritura. Un servidor al que no se llega es otra cosa.
fn es_corte(caida: &Caida) -> bool {
    let Caida::Error(error) = caida else { return false };
    matches!(error.kind.as_ref(), ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. })
}
