//! El CSV de Flux: varias tablas seguidas, cada una con su cabecera, separadas por líneas vacías.
//! Fuente: <https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/>.

use std::collections::HashMap;

/// Columna → valor.
pub type Fila = HashMap<String, String>;

/// Las filas de todas las tablas.
///
/// # Errors
/// Lo que dice el servidor, si la consulta ha fallado a mitad: entonces manda una tabla con el error.
pub fn filas(texto: &str) -> Result<Vec<Fila>, String> {
    let mut cabecera: Option<Vec<String>> = None;
    let mut filas = Vec::new();
    for registro in registros(texto) {
        match &cabecera {
            _ if registro.iter().all(String::is_empty) => cabecera = None,
            _ if registro.first().is_some_and(|campo| campo.starts_with('#')) => cabecera = None,
            None => cabecera = Some(registro),
            Some(columnas) => {
                let fila: Fila = columnas.iter().cloned().zip(registro).collect();
                if let Some(error) = fila.get("error").filter(|_| fila.contains_key("reference")) {
                    return Err(error.clone());
                }
                filas.push(fila);
            }
        }
    }
    Ok(filas)
}

/// Los registros de un CSV (RFC 4180): entre comillas caben comas, saltos de línea y comillas dobladas.
fn registros(texto: &str) -> Vec<Vec<String>> {
    let (mut registros, mut registro, mut campo) = (Vec::new(), Vec::new(), String::new());
    let mut entre_comillas = false;
    let mut letras = texto.chars().peekable();
    while let Some(letra) = letras.next() {
        match letra {
            '"' if entre_comillas && letras.peek() == Some(&'"') => campo.extend(letras.next()),
            '"' => entre_comillas = !entre_comillas,
            ',' if !entre_comillas => registro.push(std::mem::take(&mut campo)),
            '\r' if !entre_comillas && letras.peek() == Some(&'\n') => {}
            '\n' if !entre_comillas => {
                registro.push(std::mem::take(&mut campo));
                registros.push(std::mem::take(&mut registro));
            }
            _ => campo.push(letra),
        }
    }
    if !campo.is_empty() || !registro.is_empty() {
        registro.push(campo);
        registros.push(registro);
    }
    registros
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varias_tablas_con_comillas_y_anotaciones() {
        let texto = "#datatype,string,long,double\r\n,result,table,_value\r\n,a,0,1.5\r\n,\"b, \"\"c\"\"\r\nd\",1,2\r\n\r\n\
                     ,result,otra\r\n,x,\r\n";
        let filas = filas(texto).unwrap();
        assert_eq!(filas.len(), 3);
        assert_eq!((&*filas[0]["result"], &*filas[0]["_value"]), ("a", "1.5"));
        assert_eq!(filas[1]["result"], "b, \"c\"\r\nd");
        assert_eq!((&*filas[2]["result"], &*filas[2]["otra"]), ("x", ""));
        assert_eq!(super::filas(""), Ok(vec![]));
    }

    #[test]
    fn el_error_que_llega_a_mitad_es_un_error() {
        let texto = ",result,_value\r\n,a,1\r\n\r\nerror,reference\r\n\"se acabó, la memoria\",897\r\n";
        assert_eq!(filas(texto), Err("se acabó, la memoria".to_owned()));
    }
}
