//! El almacén en MongoDB o Atlas, con el crate `mongodb` en su versión síncrona. Por aquí pasa toda llamada
//! al servidor, también las del panel.
//!
//! Los enteros se guardan como hace pymongo: de 32 bits si caben y, si no, de 64; los que ni así caben
//! (por encima de 2^63), como `Decimal128`. Lo que BSON o el servidor no admiten de un mensaje (un nombre
//! con un carácter nulo, más de 100 niveles, más de 16 MB...) va como texto en [`EN_JSON`]: no se pierde
//! nada y los demás documentos siguen su camino.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ::mongodb::IndexModel;
use ::mongodb::bson::raw::{CStr, RawArrayBuf, RawBsonRef, RawDocumentBuf, cstr};
use ::mongodb::bson::spec::BinarySubtype;
use ::mongodb::bson::{Bson, DateTime, Decimal128, Document, RawBinaryRef, doc};
use ::mongodb::error::{Error, ErrorKind, IndexedWriteError};
use ::mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ConnectionString, HostInfo, ReadPreference,
    SelectionCriteria, ServerAddress, WriteConcern,
};
use ::mongodb::sync::{Client, Collection, Database};
use serde_json::Value;

use super::{Almacen, Dato, Documento, ErrorAlmacen};
use crate::herramientas::causa::{CORTADA, MUDO, NADIE_ESCUCHA, SIN_CAMINO, SIN_DNS};
use crate::herramientas::texto::recortar;
use crate::nombres::{CRUDOS, DESCARTADOS, KPIS};

/// Campo con los campos del mensaje que no caben en BSON, como un texto JSON.
pub const EN_JSON: &str = "campos_en_json";

/// Lo que dura, como mucho, [`AlmacenMongo::comprobar`].
const LIMITE_COMPROBAR: Duration = Duration::from_secs(5);
/// Lo que se espera a un servidor que no está: 30 s de silencio, si no se dice nada.
const LIMITE_SERVIDOR: Duration = Duration::from_secs(3);
/// Lo que puede tardar una llamada: el crate no tiene otro límite si el servidor se cuelga a medias.
const LIMITE_LLAMADA: Duration = Duration::from_secs(30);
/// Lo que puede tardar la mayoría de las réplicas en confirmar.
const LIMITE_MAYORIA: Duration = Duration::from_secs(10);

/// Un trozo de esto sale en [`LIMITE_LLAMADA`] hasta por una línea lenta; el servidor admite 48 MB.
const MAX_TROZO: usize = 8 << 20;
/// Documentos por trozo.
const MAX_DOCUMENTOS: usize = 10_000;
/// Documentos que se comparan de una vez con los guardados.
const MAX_COMPARADOS: usize = 100;
/// Lo que ocupa como mucho un documento en MongoDB.
const MAX_DOCUMENTO: usize = 16 << 20;
/// Niveles que admite MongoDB en un documento.
const MAX_NIVELES: usize = 100;
/// Letras que se guardan de lo que dice el servidor.
const MAX_PALABRAS: usize = 300;

/// Ya hay un documento con ese `_id`.
const REPETIDO: i32 = 11000;
/// Sin permiso, en un MongoDB propio y en Atlas.
const SIN_PERMISO: [i32; 2] = [13, ATLAS];
/// Casi todo lo que Atlas pone de su parte, como la cuota.
const ATLAS: i32 = 8000;
/// Ya hay un índice igual con otro nombre u otras opciones: vale.
const INDICE_PARECIDO: [i32; 2] = [85, 86];
/// Cambio de primario, servidor que se para, esperas agotadas y choques: se arreglan solos.
/// <https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml>
const PASAJEROS: [i32; 20] =
    [6, 7, 24, 46, 50, 64, 89, 91, 112, 134, 189, 202, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436];

/// Una base de datos de MongoDB.
pub struct AlmacenMongo {
    conexion: ConnectionString,
    base: String,
    servidor: String,
    es_srv: bool,
    es_atlas: bool,
    con_credenciales: bool,
    clave: Clave,
    cliente: Option<Client>,
    con_indices: bool,
}

/// La contraseña, como se escribió y como se entiende: para taparla en lo que digan otros.
struct Clave(Vec<String>);

/// Lo que cuenta el hilo que habla con el servidor.
enum Paso<T> {
    Conectado(Client),
    Hecho(Result<T, Error>),
}

impl AlmacenMongo {
    /// Entiende la URI (`MONGODB_URI`) y el nombre de la base de datos. No conecta todavía.
    ///
    /// # Errors
    /// [`ErrorAlmacen::Definitivo`], con lo que hay que cambiar. Ninguna frase repite la URI, que lleva la
    /// contraseña.
    pub fn new(uri: &str, base: &str) -> Result<Self, ErrorAlmacen> {
        let uri = uri.trim();
        let conexion = leer_uri(uri).map_err(ErrorAlmacen::Definitivo)?;
        validar_base(base).map_err(ErrorAlmacen::Definitivo)?;
        let (servidor, es_srv) = match &conexion.host_info {
            HostInfo::DnsRecord(nombre) => (nombre.clone(), true),
            HostInfo::HostIdentifiers(hosts) => {
                (hosts.iter().map(direccion).collect::<Vec<_>>().join(","), false)
            }
            _ => ("el servidor".to_owned(), false),
        };
        let entendida = conexion.credential.as_ref().and_then(|c| c.password.clone());
        let escrita = usuario_y_clave(uri).and_then(|u| u.split_once(':')).map(|(_, clave)| clave.to_owned());
        Ok(AlmacenMongo {
            es_atlas: servidor.to_ascii_lowercase().contains(".mongodb.net"),
            con_credenciales: conexion.credential.is_some(),
            clave: Clave(entendida.into_iter().chain(escrita).filter(|c| !c.is_empty()).collect()),
            conexion,
            base: base.to_owned(),
            servidor,
            es_srv,
            cliente: None,
            con_indices: false,
        })
    }

    /// Comprueba, en 5 s como mucho, que el servidor contesta y deja entrar. La primera vez crea los
    /// índices de las consultas; si el usuario no tiene permiso para eso, sigue sin ellos.
    ///
    /// # Errors
    /// [`ErrorAlmacen`], con una frase para cada causa.
    pub fn comprobar(&mut self) -> Result<(), ErrorAlmacen> {
        let hasta = Instant::now() + LIMITE_COMPROBAR;
        self.hacer(hasta, |base| base.run_command(doc! { "ping": 1 }).run().map(drop))?;
        if self.con_indices {
            return Ok(());
        }
        // Con millones de documentos un índice tarda: el servidor acaba de hacerlo por su cuenta.
        let cliente = self.cliente.clone();
        let hechos = self.hablar(hasta, crear_indices);
        self.cliente = cliente;
        match hechos {
            Some(Err(error)) if codigo(&error) == Some(SIN_PERMISO[0]) && !self.con_credenciales => {
                Err(ErrorAlmacen::Definitivo(format!(
                    "{} pide usuario y contraseña, y MONGODB_URI no los lleva: mongodb://usuario:contraseña@…",
                    self.servidor
                )))
            }
            Some(Err(error))
                if !codigo(&error)
                    .is_some_and(|c| SIN_PERMISO.contains(&c) || INDICE_PARECIDO.contains(&c)) =>
            {
                Err(self.explicar(&error))
            }
            Some(_) => {
                self.con_indices = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// La dirección del servidor, sin credenciales.
    #[cfg(feature = "panel")]
    pub(crate) fn servidor(&self) -> &str {
        &self.servidor
    }

    /// Como [`Self::hablar`], con el error ya en su frase.
    pub(crate) fn hacer<T: Send + 'static>(
        &mut self,
        hasta: Instant,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ErrorAlmacen> {
        match self.hablar(hasta, tarea) {
            Some(Ok(valor)) => Ok(valor),
            Some(Err(error)) => Err(self.explicar(&error)),
            None if self.es_srv && self.cliente.is_none() => Err(self.sin_dns()),
            None => {
                // La conexión colgada se queda con su hilo; la próxima llamada abre otra.
                self.cliente = None;
                Err(self.no_contesta(MUDO))
            }
        }
    }

    /// Hace la tarea en otro hilo, conectando si hace falta. Nada si no ha acabado a tiempo: ni la
    /// consulta de DNS ni una escritura a medias tienen límite en el crate.
    fn hablar<T: Send + 'static>(
        &mut self,
        hasta: Instant,
        tarea: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Option<Result<T, Error>> {
        let (contar, pasos) = mpsc::channel();
        let (cliente, conexion, base) = (self.cliente.clone(), self.conexion.clone(), self.base.clone());
        let hilo = thread::Builder::new().name("mongodb".to_owned()).spawn(move || {
            // Si ya no escucha nadie, se ha agotado el tiempo: el resultado no le importa a nadie.
            let hecho = cliente.map_or_else(|| conectar(conexion), Ok).and_then(|cliente| {
                let _ = contar.send(Paso::Conectado(cliente.clone()));
                tarea(&cliente.database(&base))
            });
            let _ = contar.send(Paso::Hecho(hecho));
        });
        if let Err(error) = hilo {
            return Some(Err(Error::from(error)));
        }
        loop {
            match pasos.recv_timeout(hasta.saturating_duration_since(Instant::now())) {
                Ok(Paso::Conectado(cliente)) => self.cliente = Some(cliente),
                Ok(Paso::Hecho(hecho)) => return Some(hecho),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Manda un trozo. Lo que el servidor no admite se manda otra vez, con esos campos como texto.
    fn mandar(&mut self, coleccion: &str, trozo: Trozo<'_>) -> Result<Resultado, ErrorAlmacen> {
        let mut resultado = Resultado::default();
        let mut documentos = trozo.documentos;
        let fallos = self.escribir(coleccion, trozo.codificados)?;
        resultado.nuevos += documentos.len() - fallos.len();
        let (mut repetidos, rechazados) = separar(&documentos, fallos);
        let mut segundo = Vec::new();
        documentos.clear();
        for (documento, fallo) in rechazados {
            if PASAJEROS.contains(&fallo.code) {
                return Err(self.no_contesta(&self.palabras(&fallo.message)));
            }
            match apartado(documento) {
                Some(codificado) => {
                    documentos.push(documento);
                    segundo.push(codificado);
                }
                None => resultado.rechazado = Some(self.rechazo(&documento.id, &fallo.message)),
            }
        }
        if !segundo.is_empty() {
            let fallos = self.escribir(coleccion, segundo)?;
            resultado.nuevos += documentos.len() - fallos.len();
            let (mas, rechazados) = separar(&documentos, fallos);
            repetidos.extend(mas);
            for (documento, fallo) in rechazados {
                resultado.rechazado = Some(self.rechazo(&documento.id, &fallo.message));
            }
        }
        self.comparar(coleccion, &repetidos)?;
        Ok(resultado)
    }

    fn escribir(
        &mut self,
        coleccion: &str,
        codificados: Vec<RawDocumentBuf>,
    ) -> Result<Vec<IndexedWriteError>, ErrorAlmacen> {
        let coleccion = coleccion.to_owned();
        self.hacer(Instant::now() + LIMITE_LLAMADA, move |base| {
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
        })
    }

    /// Los que ya estaban han de ser del mismo mensaje. De pocos en pocos, que un servidor lento no
    /// acabaría a tiempo con miles.
    fn comparar(
        &mut self,
        coleccion: &str,
        repetidos: &[(&Documento, IndexedWriteError)],
    ) -> Result<(), ErrorAlmacen> {
        repetidos.chunks(MAX_COMPARADOS).try_for_each(|trozo| self.comparar_trozo(coleccion, trozo))
    }

    fn comparar_trozo(
        &mut self,
        coleccion: &str,
        repetidos: &[(&Documento, IndexedWriteError)],
    ) -> Result<(), ErrorAlmacen> {
        let ids: Vec<_> = repetidos.iter().map(|(documento, _)| documento.id.clone()).collect();
        let nombre = coleccion.to_owned();
        let guardados: HashMap<String, Option<i64>> =
            self.hacer(Instant::now() + LIMITE_LLAMADA, move |base| {
                la_coleccion::<Document>(base, &nombre)
                    .find(doc! { "_id": { "$in": ids } })
                    .projection(doc! { "kafka.crc32": 1 })
                    .run()?
                    .map(|documento| {
                        documento.map(|d| (d.get_str("_id").unwrap_or_default().to_owned(), suma(&d)))
                    })
                    .collect()
            })?;
        for (documento, fallo) in repetidos {
            match guardados.get(&documento.id) {
                Some(guardado) => {
                    if documento.crc32.is_some_and(|crc| *guardado != Some(i64::from(crc))) {
                        return Err(ErrorAlmacen::OtraHistoria(documento.id.clone()));
                    }
                }
                None if fallo.message.contains("index: _id_") => {
                    return Err(ErrorAlmacen::Pasajero(format!(
                        "alguien ha borrado {} de {coleccion} mientras se guardaba",
                        documento.id
                    )));
                }
                // El 11000 es también el de los demás índices únicos: este documento no está guardado.
                None => {
                    return Err(ErrorAlmacen::Definitivo(format!(
                        "{} choca en {coleccion} con un índice único que no es el de _id ({}): bórralo",
                        documento.id,
                        self.palabras(&fallo.message)
                    )));
                }
            }
        }
        Ok(())
    }

    fn rechazo(&self, id: &str, motivo: &str) -> String {
        format!(
            "MongoDB no admite el documento {id} ({}); los demás sí están guardados",
            self.palabras(motivo)
        )
    }

    fn explicar(&self, error: &Error) -> ErrorAlmacen {
        let servidor = &self.servidor;
        let palabras = self.palabras(&error.kind);
        let de_conexion = |error: &Error| match error.kind.as_ref() {
            ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::ServerSelection { .. }
            | ErrorKind::Shutdown => true,
            _ => {
                codigo(error).is_some_and(|c| PASAJEROS.contains(&c))
                    || ["RetryableWriteError", "RetryableError", "SystemOverloadedError"]
                        .iter()
                        .any(|etiqueta| error.contains_label(etiqueta))
            }
        };
        match error.kind.as_ref() {
            ErrorKind::DnsResolve { .. } => self.sin_dns(),
            _ if de_conexion(error) => self.no_contesta(&self.causa(error)),
            ErrorKind::Authentication { .. } => ErrorAlmacen::Definitivo(format!(
                "{servidor} no acepta ese usuario o esa contraseña: revisa MONGODB_URI (en Atlas son los de Database Access, no los de tu cuenta; en la contraseña, @ se escribe %40, / es %2F, : es %3A y % es %25)"
            )),
            _ => ErrorAlmacen::Definitivo(match codigo(error) {
                Some(ATLAS) if palabras.contains("quota") => {
                    format!("el clúster de Atlas está lleno ({palabras}): borra datos o amplíalo")
                }
                Some(codigo) if SIN_PERMISO.contains(&codigo) => format!(
                    "{servidor} no deja a ese usuario usar «{}» ({palabras}): dale el permiso readWrite",
                    self.base
                ),
                _ => format!("{servidor} no lo acepta ({palabras})"),
            }),
        }
    }

    fn sin_dns(&self) -> ErrorAlmacen {
        ErrorAlmacen::Pasajero(format!(
            "el DNS no encuentra el clúster {}: revisa que el nombre de MONGODB_URI esté copiado entero y que haya Internet",
            self.servidor
        ))
    }

    fn no_contesta(&self, causa: &str) -> ErrorAlmacen {
        let servidor = &self.servidor;
        ErrorAlmacen::Pasajero(if self.es_atlas {
            format!(
                "el clúster de Atlas {servidor} no responde ({causa}). Suele ser que tu IP no está en su lista, que esta red corta el puerto 27017 o que está en pausa: mira en cloud.mongodb.com Network Access y si pone Paused, y prueba con otra red, como la del móvil"
            )
        } else {
            format!(
                "MongoDB no responde en {servidor} ({causa}): comprueba que está en marcha y que MONGODB_URI es la suya"
            )
        })
    }

    /// Por qué no hay conexión. El crate lo da en inglés y dentro de un texto largo.
    fn causa(&self, error: &Error) -> String {
        let texto = error.kind.to_string();
        let hay = |pistas: &[&str]| pistas.iter().any(|pista| texto.contains(pista));
        if let Some(otra) = self.otra_direccion(&texto) {
            return format!(
                "dice que está en {otra}, y desde aquí no se llega: añade directConnection=true a MONGODB_URI"
            );
        }
        // Códigos de Windows incluidos: allí el texto sale en el idioma del sistema.
        if hay(&["Connection refused", "os error 10061"]) {
            NADIE_ESCUCHA.to_owned()
        } else if hay(&["lookup address", "os error 11001"]) {
            SIN_DNS.to_owned()
        } else if hay(&["certificate", "fatal alert", "TLS", "tls"]) {
            "ha cortado la conexión cifrada (TLS)".to_owned()
        } else if hay(&["unreachable", "os error 10051", "os error 10065"]) {
            SIN_CAMINO.to_owned()
        } else if hay(&["timed out", "deadline", "TimedOut", "os error 10060"]) {
            MUDO.to_owned()
        } else if hay(&["reset", "end of file", "early eof", "pipe", "closed", "os error 10054"]) {
            CORTADA.to_owned()
        } else if hay(&["ReplicaSetNoPrimary"]) {
            "sus réplicas no tienen primario todavía".to_owned()
        } else if hay(&["Type: Unknown"]) {
            MUDO.to_owned()
        } else {
            self.palabras(&error.kind)
        }
    }

    /// La dirección que anuncia un conjunto de réplicas, si no es ninguna de las de la URI: la de dentro de
    /// Docker, por ejemplo.
    fn otra_direccion(&self, texto: &str) -> Option<String> {
        if self.es_srv || !texto.contains("Topology:") || !texto.contains("lookup address") {
            return None;
        }
        let mut anunciadas = texto.split("Address: ").skip(1).filter_map(|t| t.split([',', ' ']).next());
        let primera = anunciadas.next()?;
        let conocida = |anunciada: &str| self.servidor.split(',').any(|nuestra| nuestra == anunciada);
        (!conocida(primera) && !anunciadas.any(conocida)).then(|| primera.to_owned())
    }

    /// Las palabras del crate o del servidor, cortas y sin la contraseña.
    fn palabras(&self, palabras: &(impl Display + ?Sized)) -> String {
        let palabras = palabras.to_string();
        let tapadas = self.clave.0.iter().fold(palabras, |texto, clave| texto.replace(clave.as_str(), "***"));
        recortar(&tapadas, MAX_PALABRAS)
    }
}

impl Almacen for AlmacenMongo {
    fn insertar(&mut self, coleccion: &str, documentos: &[Documento]) -> Result<usize, ErrorAlmacen> {
        let mut total = Resultado::default();
        let mut trozo = Trozo::default();
        for documento in documentos {
            let Some(codificado) = codificar(documento).or_else(|| apartado(documento)) else {
                total.rechazado = Some(self.rechazo(&documento.id, "no cabe en un documento de 16 MB"));
                continue;
            };
            let bytes = codificado.as_bytes().len();
            if trozo.bytes + bytes > MAX_TROZO || trozo.documentos.len() == MAX_DOCUMENTOS {
                total.sumar(self.mandar(coleccion, std::mem::take(&mut trozo))?);
            }
            trozo.bytes += bytes;
            trozo.documentos.push(documento);
            trozo.codificados.push(codificado);
        }
        // insert_many no admite una lista vacía.
        if !trozo.documentos.is_empty() {
            total.sumar(self.mandar(coleccion, trozo)?);
        }
        total.rechazado.map_or(Ok(total.nuevos), |frase| Err(ErrorAlmacen::Definitivo(frase)))
    }
}

/// Lo que va en una llamada al servidor.
#[derive(Default)]
struct Trozo<'a> {
    documentos: Vec<&'a Documento>,
    codificados: Vec<RawDocumentBuf>,
    bytes: usize,
}

/// Cuántos documentos eran nuevos y, si alguno no se admite ni como texto, la frase.
#[derive(Default)]
struct Resultado {
    nuevos: usize,
    rechazado: Option<String>,
}

impl Resultado {
    fn sumar(&mut self, otro: Resultado) {
        self.nuevos += otro.nuevos;
        self.rechazado = otro.rechazado.or(self.rechazado.take());
    }
}

type Fallidos<'a> = Vec<(&'a Documento, IndexedWriteError)>;

/// Los que ya estaban, y los que no se admiten.
fn separar<'a>(documentos: &[&'a Documento], fallos: Vec<IndexedWriteError>) -> (Fallidos<'a>, Fallidos<'a>) {
    let con_documento = fallos.into_iter().filter_map(|f| documentos.get(f.index).map(|d| (*d, f)));
    con_documento.partition(|(_, fallo)| fallo.code == REPETIDO)
}

fn conectar(conexion: ConnectionString) -> Result<Client, Error> {
    let mut opciones = ClientOptions::parse(conexion).run()?;
    opciones.server_selection_timeout = Some(LIMITE_SERVIDOR);
    opciones.connect_timeout = Some(LIMITE_SERVIDOR);
    opciones.app_name.get_or_insert_with(|| env!("CARGO_PKG_NAME").to_owned());
    Client::with_options(opciones)
}

/// Siempre el primario y siempre la mayoría, diga lo que diga la URI: una réplica atrasada no sabe qué
/// documentos están ya.
fn la_coleccion<T: Send + Sync>(base: &Database, nombre: &str) -> Collection<T> {
    let primario = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    let opciones = CollectionOptions::builder().selection_criteria(primario).write_concern(mayoria()).build();
    base.collection_with_options(nombre, opciones)
}

fn mayoria() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).w_timeout(LIMITE_MAYORIA).build()
}

fn crear_indices(base: &Database) -> Result<(), Error> {
    for (coleccion, campo) in
        [(CRUDOS, "kafka.recibido_en"), (DESCARTADOS, "kafka.recibido_en"), (KPIS, "ventana_fin")]
    {
        let indice = IndexModel::builder().keys(doc! { campo: 1 }).build();
        la_coleccion::<Document>(base, coleccion).create_index(indice).run()?;
    }
    Ok(())
}

fn codigo(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(orden) => Some(orden.code),
        ErrorKind::InsertMany(fallo) => fallo.write_concern_error.as_ref().map(|e| e.code),
        _ => None,
    }
}

fn suma(documento: &Document) -> Option<i64> {
    match documento.get_document("kafka").ok()?.get("crc32")? {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        // mongosh y JavaScript escriben así los números; un u32 cabe exacto.
        Bson::Double(n) => Some(*n as i64),
        _ => None,
    }
}

fn direccion(host: &ServerAddress) -> String {
    match host {
        ServerAddress::Tcp { host, port } => format!("{host}:{}", port.unwrap_or(27017)),
        otra => otra.to_string(),
    }
}

// --- La URI ------------------------------------------------------------------------------------

/// Los huecos que traen Atlas y los apuntes.
const HUECOS: [&str; 7] =
    ["<password>", "<db_password>", "<user>", "<username>", "<db_username>", "<contraseña>", "<usuario>"];

fn leer_uri(uri: &str) -> Result<ConnectionString, String> {
    const CODIFICA: &str = "la contraseña de MONGODB_URI (o el usuario) tiene símbolos que van codificados: @ se escribe %40, : es %3A, / es %2F, ? es %3F, # es %23, [ es %5B, ] es %5D y % es %25";
    const NO_SE_ENTIENDE: &str = "MONGODB_URI no se entiende: se espera algo como mongodb://localhost:27017 o mongodb+srv://usuario:contraseña@cluster0.xxxxx.mongodb.net";
    if let Some(hueco) = HUECOS.iter().find(|hueco| uri.contains(**hueco)) {
        return Err(format!(
            "en MONGODB_URI está todavía {hueco}: pon en su lugar el tuyo, sin los signos < y >"
        ));
    }
    if !uri.starts_with("mongodb://") && !uri.starts_with("mongodb+srv://") {
        return Err("MONGODB_URI ha de empezar por mongodb:// o mongodb+srv://".to_owned());
    }
    let credenciales = usuario_y_clave(uri);
    if credenciales.is_some_and(|c| c.contains('<') || c.contains('>')) {
        // Puede que dentro esté la contraseña de verdad: no se repite.
        return Err("el usuario y la contraseña de MONGODB_URI van sin los signos < y > (si son parte de la contraseña, %3C y %3E)".to_owned());
    }
    // Antes que el crate, que con un % seguido de una letra acentuada hace panic.
    if credenciales.is_some_and(mal_codificado) {
        return Err(CODIFICA.to_owned());
    }
    match ConnectionString::parse(uri) {
        Ok(mut conexion) => {
            // El crate rechaza esta opción, que otros clientes admiten; aquí cada llamada tiene ya su límite.
            #[allow(deprecated)]
            {
                conexion.socket_timeout = None;
            }
            Ok(conexion)
        }
        Err(error) => match error.kind.as_ref() {
            // Sin @ no hay contraseña que se pueda escapar en las palabras del crate.
            ErrorKind::InvalidArgument { message, .. } if credenciales.is_none() && !uri.contains('@') => {
                Err(format!("{NO_SE_ENTIENDE} ({message})"))
            }
            _ => Err(NO_SE_ENTIENDE.to_owned()),
        },
    }
}

/// Lo que hay entre `://` y la última `@`. Una `@` en las opciones solo cuenta si la contraseña lleva un
/// `?` sin codificar: es decir, si antes del `?` no hay otra.
fn usuario_y_clave(uri: &str) -> Option<&str> {
    let (_, resto) = uri.split_once("://")?;
    let antes = resto.split('?').next().unwrap_or(resto);
    if let Some((credenciales, _)) = antes.rsplit_once('@') {
        return Some(credenciales);
    }
    // «clave?con@host»: ahí no hay opción ninguna antes de la @.
    resto
        .rsplit_once('@')
        .map(|(c, _)| c)
        .filter(|c| !c.split_once('?').is_some_and(|(_, o)| o.contains('=')))
}

fn mal_codificado(credenciales: &str) -> bool {
    let (usuario, clave) = credenciales.split_once(':').unwrap_or((credenciales, ""));
    let reservado = |texto: &str| texto.contains([':', '/', '?', '#', '[', ']', '@']);
    let suelto = |texto: &str| {
        texto.split('%').skip(1).any(|tras| {
            let hex = tras.bytes().take(2).take_while(u8::is_ascii_hexdigit).count();
            hex < 2
        })
    };
    [usuario, clave].into_iter().any(|texto| reservado(texto) || suelto(texto))
}

fn validar_base(base: &str) -> Result<(), String> {
    let prohibido = |c: char| c.is_control() || r#"/\. "$*<>:|?"#.contains(c);
    if base.is_empty() || base.len() > 63 || base.contains(prohibido) {
        return Err(format!(
            "«{base}» no sirve de nombre de base de datos (MONGODB_DATABASE): letras, números, - y _, hasta 63"
        ));
    }
    Ok(())
}

// --- De Documento a BSON -----------------------------------------------------------------------

/// El documento tal cual, si cabe en BSON.
fn codificar(documento: &Documento) -> Option<RawDocumentBuf> {
    let mut salida = con_id(documento);
    for (nombre, dato) in &documento.campos {
        // El _id ya está; otro del mismo nombre se lo quitaría.
        let nombre = Some(nombre.as_str()).filter(|n| *n != "_id")?;
        anadir(&mut salida, nombre, dato)?;
    }
    cabe(salida)
}

/// El documento con sus campos difíciles como texto JSON. Lo demás (fecha, `kafka`, métricas) queda igual.
fn apartado(documento: &Documento) -> Option<RawDocumentBuf> {
    let mut salida = con_id(documento);
    let mut texto = String::from("{");
    for (nombre, dato) in &documento.campos {
        match dato {
            Dato::Json(valor) if !(nombre_llano(nombre) && llano(valor)) => {
                if texto.len() > 1 {
                    texto.push(',');
                }
                texto.push_str(&format!("{}:{valor}", Value::from(nombre.as_str())));
            }
            _ => anadir(&mut salida, nombre, dato)?,
        }
    }
    texto.push('}');
    salida.append(cstr!("campos_en_json"), texto.as_str());
    cabe(salida)
}

fn con_id(documento: &Documento) -> RawDocumentBuf {
    let mut salida = RawDocumentBuf::new();
    salida.append(cstr!("_id"), documento.id.as_str());
    salida
}

fn cabe(documento: RawDocumentBuf) -> Option<RawDocumentBuf> {
    Some(documento).filter(|d| d.as_bytes().len() <= MAX_DOCUMENTO)
}

fn nombre_llano(nombre: &str) -> bool {
    !nombre.is_empty() && !nombre.contains(['\0', '$', '.']) && nombre != "_id" && nombre != EN_JSON
}

/// Un valor suelto y corto, o un objeto de ellos, como `metrics`.
fn llano(valor: &Value) -> bool {
    const CORTO: usize = 1024;
    let suelto = |valor: &Value| match valor {
        Value::Array(_) | Value::Object(_) => false,
        Value::String(texto) => texto.len() <= CORTO,
        _ => true,
    };
    match valor {
        Value::Object(campos) => {
            campos.len() <= CORTO
                && campos.iter().all(|(nombre, valor)| nombre_llano(nombre) && suelto(valor))
        }
        otro => suelto(otro),
    }
}

fn anadir(salida: &mut RawDocumentBuf, nombre: &str, dato: &Dato) -> Option<()> {
    let nombre = <&CStr>::try_from(nombre).ok()?;
    match dato {
        Dato::Json(valor) => poner(valor, 1, &mut |bson| salida.append(nombre, bson))?,
        Dato::Fecha(fecha) => salida.append(nombre, DateTime::from_system_time(*fecha)),
        Dato::Bytes(bytes) => {
            salida.append(nombre, RawBinaryRef { subtype: BinarySubtype::Generic, bytes: bytes.as_slice() });
        }
        Dato::Sub(campos) => {
            let mut sub = RawDocumentBuf::new();
            for (nombre, dato) in campos {
                anadir(&mut sub, nombre, dato)?;
            }
            salida.append(nombre, &sub);
        }
    }
    Some(())
}

/// Pasa a BSON un valor JSON y lo mete donde toque. A mano: `Bson::try_from` toma por suyos los objetos
/// con `$date` u `$oid`, y falla con los enteros por encima de 2^63.
fn poner(valor: &Value, nivel: usize, meter: &mut dyn FnMut(RawBsonRef<'_>)) -> Option<()> {
    match valor {
        Value::Null => meter(RawBsonRef::Null),
        Value::Bool(b) => meter(RawBsonRef::Boolean(*b)),
        Value::String(texto) => meter(RawBsonRef::String(texto)),
        Value::Number(numero) => meter(match numero.as_i64() {
            Some(n) => i32::try_from(n).map_or(RawBsonRef::Int64(n), RawBsonRef::Int32),
            None if numero.is_u64() => RawBsonRef::Decimal128(numero.to_string().parse::<Decimal128>().ok()?),
            None => RawBsonRef::Double(numero.as_f64()?),
        }),
        Value::Array(_) | Value::Object(_) if nivel >= MAX_NIVELES => return None,
        Value::Array(valores) => {
            let mut lista = RawArrayBuf::new();
            for valor in valores {
                poner(valor, nivel + 1, &mut |bson| lista.push(bson))?;
            }
            meter(RawBsonRef::Array(&lista));
        }
        Value::Object(campos) => {
            let mut sub = RawDocumentBuf::new();
            for (nombre, valor) in campos {
                let nombre = <&CStr>::try_from(nombre.as_str()).ok()?;
                poner(valor, nivel + 1, &mut |bson| sub.append(nombre, bson))?;
            }
            meter(RawBsonRef::Document(&sub));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn documento(campos: Vec<(&str, Dato)>) -> Documento {
        let campos = campos.into_iter().map(|(n, d)| (n.to_owned(), d)).collect();
        Documento { id: "t#0#1".to_owned(), crc32: Some(1), campos }
    }

    fn leido(bson: Option<RawDocumentBuf>) -> Document {
        Document::try_from(bson.unwrap().as_ref()).unwrap()
    }

    #[test]
    fn los_numeros_no_pierden_nada() {
        let valor = json!([1, -1, 2_147_483_648_i64, u64::MAX, 1.0, 0.1, -0.0, {"$date": "x", "": null}]);
        let bson = leido(codificar(&documento(vec![("a", Dato::Json(valor))])));
        let lista = bson.get_array("a").unwrap();
        assert_eq!(lista[..3], [Bson::Int32(1), Bson::Int32(-1), Bson::Int64(2_147_483_648)]);
        assert_eq!(lista[3], Bson::Decimal128("18446744073709551615".parse().unwrap()));
        assert_eq!(lista[4..6], [Bson::Double(1.0), Bson::Double(0.1)]);
        assert!(lista[6].as_f64().unwrap().is_sign_negative());
        assert_eq!(lista[7], Bson::Document(doc! { "$date": "x", "": null }));
    }

    #[test]
    fn lo_que_no_cabe_en_bson_va_como_texto() {
        let mut hondo = json!(1);
        for _ in 0..120 {
            hondo = json!([hondo]);
        }
        let raros = [("_id", json!(7)), ("n\0", json!(1)), ("h", hondo), ("o", json!({"b\0": 2}))];
        for (nombre, valor) in raros {
            let d = documento(vec![
                ("metrics", Dato::Json(json!({"cpu_percent": 1.5}))),
                (nombre, Dato::Json(valor.clone())),
                ("kafka", Dato::Sub(vec![("crc32".to_owned(), Dato::Json(json!(1)))])),
            ]);
            assert_eq!(codificar(&d), None, "{nombre:?}");
            let bson = leido(apartado(&d));
            assert_eq!(bson.get_str("_id").unwrap(), "t#0#1");
            assert_eq!(bson.get_document("metrics").unwrap(), &doc! { "cpu_percent": 1.5 });
            assert_eq!(bson.get_document("kafka").unwrap(), &doc! { "crc32": 1 });
            let texto: Value = serde_json::from_str(bson.get_str(EN_JSON).unwrap()).unwrap();
            assert_eq!(texto, json!({ nombre: valor }));
        }
    }

    #[test]
    fn lo_que_pasa_de_16_mb_va_como_texto_si_asi_cabe() {
        let muchos = json!(vec![0; 1_500_000]); // en BSON, 12 bytes cada uno; en JSON, 2
        let d = documento(vec![("a", Dato::Json(muchos))]);
        assert_eq!(codificar(&d), None);
        assert!(apartado(&d).is_some());
        let enorme = documento(vec![("a", Dato::Json(json!("x".repeat(17 << 20))))]);
        assert!(codificar(&enorme).is_none() && apartado(&enorme).is_none());
    }

    #[test]
    fn cada_uri_mala_tiene_su_frase() {
        let casos = [
            ("http://h", "empezar por mongodb://"),
            ("localhost:27017", "empezar por mongodb://"),
            ("", "empezar por mongodb://"),
            ("mongodb+srv://ana:<db_password>@c.a.mongodb.net", "<db_password>"),
            ("mongodb+srv://<user>:secreta@c.a.mongodb.net", "<user>"),
            ("mongodb+srv://ana:<secreta>@c.a.mongodb.net", "sin los signos < y >"),
            ("mongodb://ana:sec@reta@h", "%40"),
            ("mongodb://ana:sec/reta@h", "%40"),
            ("mongodb://ana:sec:reta@h", "%40"),
            ("mongodb://ana:sec#reta@h", "%40"),
            ("mongodb://ana:12/34secreta@h", "%40"),
            ("mongodb://ana:12?34secreta@h/?retryWrites=true", "%40"),
            ("mongodb://ana:sec%reta@h", "%25"),
            ("mongodb://ana:secreta%€@h", "%25"),
            ("mongodb+srv://ana:secreta@c.a.mongodb.net:27017", "no se entiende"),
            ("mongodb://h:puerto", "no se entiende"),
            ("mongodb://", "no se entiende"),
        ];
        for (uri, pista) in casos {
            let Err(ErrorAlmacen::Definitivo(frase)) = AlmacenMongo::new(uri, "iabd06") else {
                panic!("{uri}")
            };
            assert!(frase.contains(pista), "{uri}: {frase}");
            assert!(!frase.contains("reta") && !frase.contains("34"), "{uri}: {frase}");
        }
        for uri in [
            "mongodb://localhost:27017",
            " mongodb://ana:p%40ss@h/?appName=a@b&socketTimeoutMS=5\n",
            "mongodb://h/?appName=a@b",
            "mongodb+srv://ana:contraseña@c.a.mongodb.net/?retryWrites=true&w=majority&appName=Cluster0",
        ] {
            assert!(AlmacenMongo::new(uri, "iabd06").is_ok(), "{uri}");
        }
        for base in ["", "a b", "a.b", "a/b", "$a"] {
            assert!(AlmacenMongo::new("mongodb://h", base).is_err(), "{base}");
        }
    }

    #[test]
    fn un_atlas_mudo_dice_las_tres_causas_y_la_clave_no_sale() {
        let almacen = AlmacenMongo::new("mongodb+srv://ana:p%40ss@c.abc.mongodb.net", "iabd06").unwrap();
        let frase = almacen.no_contesta("no contesta a tiempo").to_string();
        for pista in ["Network Access", "27017", "pausa", "móvil"] {
            assert!(frase.contains(pista), "{frase}");
        }
        let palabras = almacen.palabras("clave p@ss, escrita p%40ss");
        assert_eq!(palabras, "clave ***, escrita ***");
    }

    #[test]
    fn se_nota_la_direccion_de_dentro_de_docker() {
        let almacen = AlmacenMongo::new("mongodb://localhost:27017", "iabd06").unwrap();
        let texto = "Topology: { Type: ReplicaSetNoPrimary, Servers: [ { Address: mongo:27017, Type: Unknown, Error: failed to lookup address information } ] }";
        assert_eq!(almacen.otra_direccion(texto), Some("mongo:27017".to_owned()));
        assert_eq!(almacen.otra_direccion(&texto.replace("mongo:", "localhost:")), None);
    }
}
