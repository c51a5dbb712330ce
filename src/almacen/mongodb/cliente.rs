//! El cliente de la crate y las colecciones, con lo que pide esta casa por encima de lo que diga la URI.

use std::time::Duration;

use ::mongodb::error::Error;
use ::mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ConnectionString, ReadPreference, SelectionCriteria,
    Tls, WriteConcern,
};
use ::mongodb::sync::{Client, Collection, Database};

use crate::herramientas::autoridades;

/// Lo que se espera a un servidor que no está: 30 s de silencio, si no se dice nada.
const LIMITE_SERVIDOR: Duration = Duration::from_secs(3);
/// Lo que puede tardar en confirmar la mayoría de las réplicas.
const LIMITE_MAYORIA: Duration = Duration::from_secs(10);

/// Busca el clúster en el DNS, si hace falta, y prepara el cliente, que conecta cuando se use. Llama a
/// `encontrado` cuando ya sabe dónde está.
///
/// # Errors
/// Los del DNS, y las opciones que no casan entre sí.
pub(super) fn conectar(cadena: ConnectionString, encontrado: impl FnOnce()) -> Result<Client, Error> {
    let mut opciones = ClientOptions::parse(cadena).run()?;
    encontrado();
    opciones.server_selection_timeout = Some(LIMITE_SERVIDOR);
    opciones.connect_timeout = Some(LIMITE_SERVIDOR);
    opciones.app_name.get_or_insert_with(|| env!("CARGO_PKG_NAME").to_owned());
    if let Some(Tls::Enabled(tls)) = &mut opciones.tls
        && tls.ca_file_path.is_none()
    {
        // La crate trae las autoridades públicas; las del sistema son esas y las que haya puesto el centro.
        tls.ca_file_path = autoridades::del_sistema();
    }
    Client::with_options(opciones)
}

/// Siempre el primario y siempre la mayoría, diga lo que diga la URI: una réplica atrasada no sabe qué
/// documentos están ya.
pub(super) fn la_coleccion<T: Send + Sync>(base: &Database, nombre: &str) -> Collection<T> {
    let primario = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    let opciones = CollectionOptions::builder().selection_criteria(primario).write_concern(mayoria()).build();
    base.collection_with_options(nombre, opciones)
}

pub(super) fn mayoria() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).w_timeout(LIMITE_MAYORIA).build()
}
