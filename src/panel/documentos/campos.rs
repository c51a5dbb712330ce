//! Un documento guardado, leído igual venga de SQLite (JSON) o de MongoDB (BSON).

use super::{CAMPOS_KPI, Crudo, Descartado, MAX_LETRAS, METRICAS, SIN_NOMBRE, Ventana, hora};
use crate::herramientas::texto::recortar;

/// Los campos de un documento. Cada motor tiene los suyos; nada, si falta o es de otro tipo.
pub trait Campos {
    /// Un documento de dentro.
    fn sub(&self, nombre: &str) -> Option<&Self>;
    /// Un texto tal cual y lo demás, escrito. Un nulo es como si faltara.
    fn texto(&self, nombre: &str) -> Option<String>;
    /// Un número cualquiera.
    fn numero(&self, nombre: &str) -> Option<f64>;
    /// Un entero.
    fn entero(&self, nombre: &str) -> Option<i64>;
    /// Una fecha, en milisegundos desde 1970.
    fn milis(&self, nombre: &str) -> Option<i64>;
    /// Los primeros bytes de un campo de bytes (`max`, más o menos), como texto.
    fn principio(&self, nombre: &str, max: usize) -> Option<String>;
}

/// Los documentos que se entienden, y cuántos no.
pub struct Separados<T> {
    /// Los que se entienden.
    pub buenos: Vec<T>,
    /// Los que no tienen la forma de los nuestros.
    pub mal_hechos: u64,
    /// Los que dicen ser de después de `tope`.
    pub del_futuro: u64,
}

/// Lee los documentos. De los que pasan de `tope` según su `hora` no se enseña ninguno: taparían a los demás.
pub fn separar<'a, C: Campos + ?Sized + 'a, T>(
    documentos: impl Iterator<Item = &'a C>,
    leer: impl Fn(&C) -> Option<T>,
    hora: impl Fn(&T) -> i64,
    tope: i64,
) -> Separados<T> {
    let mut separados = Separados { buenos: Vec::new(), mal_hechos: 0, del_futuro: 0 };
    for documento in documentos {
        match leer(documento) {
            Some(bueno) if hora(&bueno) < tope => separados.buenos.push(bueno),
            Some(_) => separados.del_futuro += 1,
            None => separados.mal_hechos += 1,
        }
    }
    separados
}

/// Un mensaje que cuenta.
pub fn crudo(documento: &(impl Campos + ?Sized)) -> Option<Crudo> {
    let (kafka, metrics) = (documento.sub("kafka")?, documento.sub("metrics")?);
    let recibido = kafka.milis("recibido_en")?;
    Some(Crudo {
        server_id: corto(documento, "server_id").unwrap_or_else(|| SIN_NOMBRE.to_owned()),
        t: hora(documento.milis("timestamp"), recibido),
        recibido,
        metricas: METRICAS.map(|metrica| metrics.numero(metrica)),
        particion: kafka.entero("partition")?,
        offset: kafka.entero("offset")?,
    })
}

/// Una ventana cerrada.
pub fn ventana(documento: &(impl Campos + ?Sized)) -> Option<Ventana> {
    Some(Ventana {
        id: corto(documento, "_id")?,
        particion: documento.entero("particion")?,
        offsets: [documento.entero("offset_inicio")?, documento.entero("offset_fin")?],
        num_mensajes: documento.entero("num_mensajes")?,
        entre: [documento.milis("ventana_inicio")?, documento.milis("ventana_fin")?],
        duracion: documento.numero("duracion_ventana_seg"),
        kpis: CAMPOS_KPI.map(|kpi| documento.numero(kpi)),
    })
}

/// Un mensaje que no cuenta.
pub fn descartado(documento: &(impl Campos + ?Sized)) -> Option<Descartado> {
    let kafka = documento.sub("kafka")?;
    Some(Descartado {
        id: corto(documento, "_id")?,
        particion: kafka.entero("partition")?,
        offset: kafka.entero("offset")?,
        razon: corto(documento, "razon")?,
        recibido: kafka.milis("recibido_en")?,
        // Una letra ocupa cuatro bytes, como mucho.
        contenido: recortar(&documento.principio("bytes", 4 * MAX_LETRAS + 4)?, MAX_LETRAS),
    })
}

fn corto(documento: &(impl Campos + ?Sized), nombre: &str) -> Option<String> {
    Some(recortar(&documento.texto(nombre)?, MAX_LETRAS))
}
