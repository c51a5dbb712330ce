//! Las opciones de la URI. De las que entiende pymongo, cada una se cumple o se nombra la que no.
//! <https://www.mongodb.com/docs/manual/reference/connection-string-options/>

use ::mongodb::options::ConnectionString;

use crate::fallo::Frase;
use crate::herramientas::texto::enumerar;

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

/// Solo los nombres, para decirlos.
pub(super) fn nombres(opciones: &str) -> String {
    let nombres: Vec<_> =
        opciones.split('&').filter_map(|o| o.split('=').next()).map(str::to_owned).collect();
    enumerar(&nombres)
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
    let con_otra = CON_OTRA.iter().find(|(una, _)| *una == clave).map_or("", |(_, otra)| otra);
    let vale = |esquema: &str, valor: &str| {
        let uri = format!("{esquema}/?{con_otra}&{clave}={valor}").replace("?&", "?");
        ConnectionString::parse(uri).is_ok()
    };
    let esquemas = ["mongodb://a", "mongodb+srv://a.b.c"];
    if vale(esquemas[usize::from(srv)], valor) {
        return Ok(());
    }
    let existe = |valor| esquemas.iter().any(|esquema| vale(esquema, valor));
    Err(Frase(if ["true", "1", "primary", "a:b", "auto"].into_iter().any(existe) {
        format!("la opción {nombre} de MONGODB_URI no vale con ese valor, o con ese principio de la URI")
    } else if valor.contains('@') {
        // Puede ser un trozo de la contraseña.
        "MONGODB_URI lleva detrás de ? algo que no es una opción".to_owned()
    } else {
        format!("la opción {nombre} de MONGODB_URI no existe: revisa cómo se escribe, o quítala")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::almacen::mongodb::uri::Uri;

    const CON_CLAVE: &str = "mongodb://ana:SECRETA9@localhost:27017/iabd06";

    #[test]
    fn lo_que_pymongo_entiende_se_cumple() {
        for opciones in [
            "compressors=zlib",
            "compressors=zstd,snappy&zlibCompressionLevel=6",
            "uuidRepresentation=standard",
            "w=majority&w=1",
            "w=0&journal=true&wtimeoutMS=5",
            "ssl=true&tls=true",
            "retryWrites=True&authSource=admin",
            "socketTimeoutMS=5&timeoutMS=5&serverSelectionTimeoutMS=5",
            "readPreference=secondaryPreferred&readPreferenceTags=dc:es&readPreferenceTags=&maxStalenessSeconds=120",
            "maxStalenessSeconds=120&readPreference=nearest",
            "tlsAllowInvalidHostnames=false&tlsDisableOCSPEndpointCheck=true",
            "connect=false&tz_aware=true&unicode_decode_error_handler=ignore",
            "replicaSet=rs0;maxPoolSize=5",
            "appName=Cluster0&directConnection=true&",
            "authMechanism=SCRAM-SHA-256",
        ] {
            assert_eq!(Uri::leer(&format!("{CON_CLAVE}?{opciones}"), "iabd06").err(), None, "{opciones}");
        }
        assert_eq!(
            traducir("maxPoolSize=1&appName=a&maxPoolSize=2", false).unwrap(),
            "appname=a&maxpoolsize=2"
        );
    }

    #[test]
    fn lo_que_no_se_puede_cumplir_se_nombra_y_la_clave_no_sale() {
        for (opciones, nombre) in [
            ("ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs"),
            ("ssl_ca_certs=/ca.pem", "tlsCAFile"),
            ("retryWrites=quizá", "retryWrites"),
            ("maxPoolSize=SECRETA9", "maxPoolSize"),
            ("readPreference=cercano", "readPreference"),
            ("tlsAllowInvalidHostnames=true", "tlsAllowInvalidHostnames"),
            ("tlsCertificateKeyFilePassword=SECRETA9", "tlsCertificateKeyFilePassword"),
            ("retriWrites=true", "retriWrites"),
            ("srvMaxHosts=2", "srvMaxHosts"),
            ("authMechanism=GSSAPI", "authmechanism"),
            ("tlsInsecure=true&tlsAllowInvalidCertificates=true", "tlsinsecure"),
            ("retryWrites", "nombre=valor"),
        ] {
            let Err(Frase(frase)) = Uri::leer(&format!("{CON_CLAVE}?{opciones}"), "iabd06") else {
                panic!("{opciones}")
            };
            assert!(frase.contains(nombre) && !frase.contains("SECRETA9"), "{opciones}: {frase}");
        }
    }
}
