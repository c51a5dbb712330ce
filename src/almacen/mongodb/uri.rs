//! La URI de MongoDB (`MONGODB_URI`): se entiende aquí, y lo que está mal se dice sin repetirla.

use std::fs;

use ::mongodb::options::{ConnectionString, HostInfo, ServerAddress, Tls};

use super::opciones;
use crate::fallo::Frase;
use crate::herramientas::causa::causa;

/// Una URI ya entendida, y la base de datos que se usa.
pub(super) struct Uri {
    pub(super) cadena: ConnectionString,
    pub(super) base: String,
    pub(super) servidor: String, // la dirección o las direcciones, sin credenciales
    pub(super) es_srv: bool,
    pub(super) es_atlas: bool,
    pub(super) con_credenciales: bool,
    pub(super) clave: Clave,
}

/// La contraseña, como se escribió y como se entiende: para taparla en lo que digan otros.
pub(super) struct Clave(Vec<String>);

impl Uri {
    /// Entiende la URI y comprueba el nombre de la base de datos.
    ///
    /// # Errors
    /// Lo que hay que cambiar, sin repetir la URI, que lleva la contraseña.
    pub(super) fn leer(uri: &str, base: &str) -> Result<Self, Frase> {
        let uri = uri.trim();
        let cadena = entender(uri)?;
        validar_base(base)?;
        let (servidor, es_srv) = match &cadena.host_info {
            HostInfo::DnsRecord(nombre) => (nombre.clone(), true),
            HostInfo::HostIdentifiers(hosts) => {
                (hosts.iter().map(direccion).collect::<Vec<_>>().join(","), false)
            }
            _ => ("el servidor".to_owned(), false),
        };
        let entendida = cadena.credential.as_ref().and_then(|c| c.password.clone());
        let escrita = usuario_y_clave(uri).and_then(|u| u.split_once(':')).map(|(_, clave)| clave.to_owned());
        Ok(Uri {
            es_atlas: servidor.to_ascii_lowercase().contains(".mongodb.net"),
            con_credenciales: cadena.credential.is_some(),
            clave: Clave(entendida.into_iter().chain(escrita).filter(|c| !c.is_empty()).collect()),
            cadena,
            base: base.to_owned(),
            servidor,
            es_srv,
        })
    }
}

impl Clave {
    /// El texto sin ella.
    pub(super) fn tapar(&self, texto: String) -> String {
        self.0.iter().fold(texto, |texto, clave| texto.replace(clave.as_str(), "***"))
    }
}

fn direccion(host: &ServerAddress) -> String {
    match host {
        ServerAddress::Tcp { host, port } => format!("{host}:{}", port.unwrap_or(27017)),
        otra => otra.to_string(),
    }
}

/// Los huecos que traen Atlas y los apuntes.
const HUECOS: [&str; 7] =
    ["<password>", "<db_password>", "<user>", "<username>", "<db_username>", "<contraseña>", "<usuario>"];

const CODIFICA: &str = "la contraseña de MONGODB_URI (o el usuario) tiene símbolos que van codificados: @ se escribe %40, : es %3A, / es %2F, ? es %3F, # es %23, [ es %5B, ] es %5D y % es %25";
const NO_SE_ENTIENDE: &str = "MONGODB_URI no se entiende: se espera algo como mongodb://localhost:27017 o mongodb+srv://usuario:contraseña@cluster0.xxxxx.mongodb.net";

fn entender(uri: &str) -> Result<ConnectionString, Frase> {
    if let Some(hueco) = HUECOS.iter().find(|hueco| uri.contains(**hueco)) {
        return Err(Frase(format!(
            "en MONGODB_URI está todavía {hueco}: pon en su lugar el tuyo, sin los signos < y >"
        )));
    }
    if !uri.starts_with("mongodb://") && !uri.starts_with("mongodb+srv://") {
        return Err("MONGODB_URI ha de empezar por mongodb:// o mongodb+srv://".into());
    }
    let credenciales = usuario_y_clave(uri);
    if credenciales.is_some_and(|c| c.contains('<') || c.contains('>')) {
        // Puede que dentro esté la contraseña de verdad: no se repite.
        return Err("el usuario y la contraseña de MONGODB_URI van sin los signos < y > (si son parte de la contraseña, %3C y %3E)".into());
    }
    // Antes que la crate, que con un % seguido de una letra acentuada hace panic.
    if credenciales.is_some_and(mal_codificado) {
        return Err(CODIFICA.into());
    }
    let (esquema, resto) = uri.split_once("://").unwrap_or_default();
    let (usuario, resto) = resto.split_at(credenciales.map_or(0, |c| c.len() + 1));
    let (lugar, opciones) = resto.split_once('?').unwrap_or((resto, ""));
    let srv = esquema == "mongodb+srv";
    comprobar_puertos(lugar, srv)?;
    let opciones = opciones::traducir(opciones, srv)?;
    let barra = if lugar.contains('/') { "" } else { "/" };
    let sin_opciones = format!("{esquema}://{usuario}{lugar}{barra}");
    // Lo que dice la crate puede llevar la contraseña: no se repite.
    let cadena = ConnectionString::parse(&sin_opciones).map_err(|_| Frase::from(NO_SE_ENTIENDE))?;
    let cadena = match opciones.as_str() {
        "" => cadena,
        _ => ConnectionString::parse(format!("{sin_opciones}?{opciones}")).map_err(|_| {
            Frase(format!(
                "alguna opción de MONGODB_URI no va con las demás: {}",
                opciones::nombres(&opciones)
            ))
        })?,
    };
    comprobar_ficheros(&cadena)?;
    Ok(cadena)
}

/// Detrás de cada servidor, como mucho, un puerto. Si no lo es, puede ser una contraseña sin su servidor.
fn comprobar_puertos(lugar: &str, srv: bool) -> Result<(), Frase> {
    let hosts = lugar.split('/').next().unwrap_or(lugar);
    for host in hosts.split(',') {
        let tras_el_nombre = host.rsplit_once(']').map_or(host, |(_, resto)| resto); // [::1]:27017
        let Some((_, puerto)) = tras_el_nombre.split_once(':') else { continue };
        if srv {
            return Err("MONGODB_URI no se entiende: con mongodb+srv:// no se pone puerto; y si lo que va detrás de los dos puntos es la contraseña, falta @ y el servidor (mongodb+srv://usuario:contraseña@servidor)".into());
        }
        if !puerto.parse::<u16>().is_ok_and(|puerto| puerto > 0) {
            return Err("MONGODB_URI no se entiende: lo que va detrás de los dos puntos no es un puerto; y si es la contraseña, falta @ y el servidor (mongodb://usuario:contraseña@servidor:27017)".into());
        }
    }
    Ok(())
}

/// Los certificados que nombra la URI se pueden leer.
fn comprobar_ficheros(cadena: &ConnectionString) -> Result<(), Frase> {
    let Some(Tls::Enabled(tls)) = &cadena.tls else { return Ok(()) };
    let ficheros = [("tlsCAFile", &tls.ca_file_path), ("tlsCertificateKeyFile", &tls.cert_key_file_path)];
    for (opcion, ruta) in ficheros.into_iter().filter_map(|(o, ruta)| Some((o, ruta.as_ref()?))) {
        let texto = fs::read(ruta).map_err(|error| {
            Frase(format!("no se puede leer {} ({opcion} de MONGODB_URI): {}", ruta.display(), causa(&error)))
        })?;
        if !String::from_utf8_lossy(&texto).contains("-----BEGIN CERTIFICATE-----") {
            return Err(Frase(format!(
                "en {} ({opcion} de MONGODB_URI) no hay ningún certificado: ha de ser un fichero PEM, con -----BEGIN CERTIFICATE-----",
                ruta.display()
            )));
        }
    }
    Ok(())
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

fn validar_base(base: &str) -> Result<(), Frase> {
    let prohibido = |c: char| c.is_control() || r#"/\. "$*<>:|?"#.contains(c);
    if base.is_empty() || base.len() > 63 || base.contains(prohibido) {
        return Err(Frase(format!(
            "«{base}» no sirve de nombre de base de datos (MONGODB_DATABASE): letras, números, - y _, hasta 63"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("mongodb://ana:SECRETA9", "falta @"),
            ("mongodb://ana:SECRETA9/iabd06?w=1", "falta @"),
            ("mongodb://ana:SECRETA9?authSource=admin", "falta @"),
            ("mongodb://ana:99999", "falta @"),
            ("mongodb://ana:SECRETA9,otro:27017", "falta @"),
            ("mongodb+srv://ana:SECRETA9", "falta @"),
            ("mongodb://h1:27017,h2:SECRETA9/?replicaSet=rs0", "falta @"),
        ];
        for (uri, pista) in casos {
            let Err(Frase(frase)) = Uri::leer(uri, "iabd06") else { panic!("{uri}") };
            assert!(frase.contains(pista), "{uri}: {frase}");
            for trozo in ["reta", "RETA", "34", "99999"] {
                assert!(!frase.contains(trozo), "{uri}: {frase}");
            }
        }
    }

    #[test]
    fn las_buenas_se_entienden_y_la_base_de_datos_se_comprueba() {
        for uri in [
            "mongodb://localhost:27017",
            " mongodb://ana:p%40ss@h/?appName=a@b&socketTimeoutMS=5\n",
            "mongodb://h/?appName=a@b",
            "mongodb://[::1]:27017",
            "mongodb://h1:27017,h2:27018,h3/?replicaSet=rs0",
            "mongodb+srv://ana:contraseña@c.a.mongodb.net/?retryWrites=true&w=majority&appName=Cluster0",
        ] {
            assert!(Uri::leer(uri, "iabd06").is_ok(), "{uri}");
        }
        for base in ["", "a b", "a.b", "a/b", "$a"] {
            assert!(Uri::leer("mongodb://h", base).is_err(), "{base}");
        }
    }
}
