//! Las opciones de la URI. De las que entiende pymongo, cada una se cumple o se nombra la que no.
//! <https://www.mongodb.com/docs/manual/reference/connection-string-options/>

use ::mongodb::options::ConnectionString;

use crate::fallo::Frase;

/// Las que se cumplen sin decírselo a la crate, que algunas no las entiende.
const SOBRAN: [&str; 18] = [
    // Cada llamada tiene ya su límite.
    "sockettimeoutms",
    "timeoutms",
    "waitqueuetimeoutms",
    // Se escribe siempre con la mayoría, que es lo más que se puede pedir.
    "w",
    "wtimeout",
    "wtimeoutms",
    "journal",
    "j",
    "fsync",
    // Comprimir lo ofrece el cliente si quiere.
    "compressors",
    "zlibcompressionlevel",
    // No se guarda ningún UUID en binario: el de cada mensaje es un texto.
    "uuidrepresentation",
    // No se pregunta por certificados revocados.
    "tlsdisableocspendpointcheck",
    // De cómo trabaja pymongo por dentro.
    "connect",
    "tz_aware",
    "datetime_conversion",
    "unicode_decode_error_handler",
    "waitqueuemultiple",
];

const USA_CA: &str = "para fiarse de la autoridad del centro, tlsCAFile=ruta/ca.pem";
const SIN_CLAVE: &str = "quítale la contraseña al fichero (openssl rsa) y usa tlsCertificateKeyFile";

/// Las que no se pueden cumplir, y lo que sí se puede.
const IMPOSIBLES: [(&str, &str); 13] = [
    ("tlsallowinvalidhostnames", "pon el nombre que lleva el certificado del servidor"),
    ("tlscrlfile", USA_CA),
    ("tlscertificatekeyfilepassword", SIN_CLAVE),
    ("ssl_cert_reqs", USA_CA),
    ("ssl_match_hostname", "pon el nombre que lleva el certificado del servidor"),
    ("ssl_ca_certs", "ahora se llama tlsCAFile"),
    ("ssl_certfile", "ahora se llama tlsCertificateKeyFile"),
    ("ssl_keyfile", "ahora se llama tlsCertificateKeyFile"),
    ("ssl_pem_passphrase", SIN_CLAVE),
    ("ssl_crlfile", USA_CA),
    ("srvallowedhostssuffix", "pon las direcciones con mongodb://, sin +srv"),
    ("authoidcallowedhosts", "entra con usuario y contraseña"),
    ("proxyhost", "conecta sin proxy"),
];

/// Las que la crate solo entiende con otra delante.
const CON_OTRA: [(&str, &str); 2] =
    [("readpreferencetags", "readPreference=secondary"), ("maxstalenessseconds", "readPreference=secondary")];

/// Las opciones que se le dan a la crate, ya comprobadas una a una. `srv`, si la URI es mongodb+srv.
///
/// # Errors
/// La que no se puede cumplir, por su nombre. Su valor no se repite: puede ser una contraseña.
pub(super) fn traducir(texto: &str, srv: bool) -> Result<String, Frase> {
    // pymongo admite también el punto y coma.
    let separador = if texto.contains('&') { '&' } else { ';' };
    let mut utiles: Vec<(String, String)> = Vec::new();
    for opcion in texto.split(separador).filter(|opcion| !opcion.is_empty()) {
        let Some((nombre, valor)) = opcion.split_once('=') else {
            return Err("las opciones de MONGODB_URI van como nombre=valor, separadas por &".into());
        };
        let clave = nombre.to_ascii_lowercase();
        let clave = if clave == "ssl" { "tls".to_owned() } else { clave };
        let valor = como_lo_escribe_la_crate(valor);
        // Desactivar lo que no se hace es no hacer nada.
        if SOBRAN.contains(&clave.as_str()) || clave == "tlsallowinvalidhostnames" && valor == "false" {
            continue;
        }
        comprobar(nombre, &clave, &valor, srv)?;
        // Repetida, vale la última. Las etiquetas no se repiten: se suman.
        if clave != "readpreferencetags" {
            utiles.retain(|(otra, _)| *otra != clave);
        }
        utiles.push((clave, valor));
    }
    let juntas: Vec<_> = utiles.iter().map(|(nombre, valor)| format!("{nombre}={valor}")).collect();
    Ok(juntas.join("&"))
}

fn como_lo_escribe_la_crate(valor: &str) -> String {
    match valor.to_ascii_lowercase().as_str() {
        logico @ ("true" | "false") => logico.to_owned(),
        _ => valor.to_owned(),
    }
}

fn comprobar(nombre: &str, clave: &str, valor: &str, srv: bool) -> Result<(), Frase> {
    if let Some((_, remedio)) = IMPOSIBLES.iter().find(|(una, _)| *una == clave) {
        return Err(Frase(format!("la opción {nombre} de MONGODB_URI no se puede usar aquí: {remedio}")));
    }
    if clave == "authmechanism" {
        return Ok(()); // depende del usuario y la contraseña: se mira con todo junto
    }
    let (esquema, otra) = (
        if srv { "mongodb+srv://a.b.c" } else { "mongodb://a" },
        CON_OTRA.iter().find(|(una, _)| *una == clave).map_or("", |(_, otra)| otra),
    );
    let vale = |valor: &str| {
        ConnectionString::parse(format!("{esquema}/?{otra}&{clave}={valor}").replace("?&", "?"))
    };
    if vale(valor).is_ok() {
        return Ok(());
    }
    let conocida = ["true", "1", "primary", "a:b", "auto"].iter().any(|valor| vale(valor).is_ok());
    Err(Frase(match conocida {
        true => format!("el valor de la opción {nombre} de MONGODB_URI no vale"),
        // Lo que parece una opción puede ser un trozo de la contraseña.
        false if nombre.len() > 40 || valor.contains('@') => {
            "MONGODB_URI lleva detrás de ? algo que no es una opción".to_owned()
        }
        false => format!("la opción {nombre} de MONGODB_URI no existe: revisa cómo se escribe, o quítala"),
    }))
}
