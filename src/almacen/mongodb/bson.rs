//! De [`Documento`] a BSON.
//!
//! Los enteros se guardan como hace pymongo: de 32 bits si caben y, si no, de 64; los que ni así caben
//! (por encima de 2^63), como `Decimal128`. Lo que BSON o el servidor no admiten de un mensaje (un nombre
//! con un carácter nulo, más de 100 niveles, más de 16 MB...) va como texto en [`EN_JSON`]: no se pierde
//! nada y los demás documentos siguen su camino.

use ::mongodb::bson::raw::{CStr, RawArrayBuf, RawBsonRef, RawDocumentBuf, cstr};
use ::mongodb::bson::spec::BinarySubtype;
use ::mongodb::bson::{DateTime, Decimal128, RawBinaryRef};
use serde_json::Value;

use crate::almacen::{Dato, Documento};

/// Campo con los campos del mensaje que no caben en BSON, como un texto JSON.
pub const EN_JSON: &str = "campos_en_json";

// Los límites de MongoDB: <https://www.mongodb.com/docs/manual/reference/limits/>

/// Lo que ocupa como mucho un documento.
const MAX_DOCUMENTO: usize = 16 << 20;
/// Niveles que admite un documento.
const MAX_NIVELES: usize = 100;

/// El documento tal cual, si cabe en BSON.
pub(super) fn codificar(documento: &Documento) -> Option<RawDocumentBuf> {
    let mut salida = con_id(documento);
    for (nombre, dato) in &documento.campos {
        // El _id ya está; otro del mismo nombre se lo quitaría.
        let nombre = Some(nombre.as_str()).filter(|n| *n != "_id")?;
        anadir_campo(&mut salida, nombre, dato)?;
    }
    si_no_pasa_del_maximo(salida)
}

/// El documento con sus campos difíciles como texto JSON. Lo demás (fecha, `kafka`, métricas) queda igual.
pub(super) fn con_texto_json(documento: &Documento) -> Option<RawDocumentBuf> {
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
            _ => anadir_campo(&mut salida, nombre, dato)?,
        }
    }
    texto.push('}');
    salida.append(cstr!("campos_en_json"), texto.as_str());
    si_no_pasa_del_maximo(salida)
}

fn con_id(documento: &Documento) -> RawDocumentBuf {
    let mut salida = RawDocumentBuf::new();
    salida.append(cstr!("_id"), documento.id.as_str());
    salida
}

fn si_no_pasa_del_maximo(documento: RawDocumentBuf) -> Option<RawDocumentBuf> {
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
        // Por encima de 2^63 va como Decimal128, que no todos los servidores tienen.
        Value::Number(numero) => numero.is_i64() || numero.is_f64(),
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

fn anadir_campo(salida: &mut RawDocumentBuf, nombre: &str, dato: &Dato) -> Option<()> {
    let nombre = <&CStr>::try_from(nombre).ok()?;
    match dato {
        Dato::Json(valor) => a_bson(valor, 1, &mut |bson| salida.append(nombre, bson))?,
        Dato::Fecha(fecha) => salida.append(nombre, DateTime::from_system_time(*fecha)),
        Dato::Bytes(bytes) => {
            salida.append(nombre, RawBinaryRef { subtype: BinarySubtype::Generic, bytes: bytes.as_slice() });
        }
        Dato::Sub(campos) => {
            let mut sub = RawDocumentBuf::new();
            for (nombre, dato) in campos {
                anadir_campo(&mut sub, nombre, dato)?;
            }
            salida.append(nombre, &sub);
        }
    }
    Some(())
}

/// Pasa a BSON un valor JSON y lo mete donde toque. A mano: `Bson::try_from` toma por suyos los objetos
/// con `$date` u `$oid`, y falla con los enteros por encima de 2^63.
fn a_bson(valor: &Value, nivel: usize, meter: &mut dyn FnMut(RawBsonRef<'_>)) -> Option<()> {
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
                a_bson(valor, nivel + 1, &mut |bson| lista.push(bson))?;
            }
            meter(RawBsonRef::Array(&lista));
        }
        Value::Object(campos) => {
            let mut sub = RawDocumentBuf::new();
            for (nombre, valor) in campos {
                let nombre = <&CStr>::try_from(nombre.as_str()).ok()?;
                a_bson(valor, nivel + 1, &mut |bson| sub.append(nombre, bson))?;
            }
            meter(RawBsonRef::Document(&sub));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::mongodb::bson::{Bson, Document, doc};
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
            let bson = leido(con_texto_json(&d));
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
        assert!(con_texto_json(&d).is_some());
        let enorme = documento(vec![("a", Dato::Json(json!("x".repeat(17 << 20))))]);
        assert!(codificar(&enorme).is_none() && con_texto_json(&enorme).is_none());
    }
}
