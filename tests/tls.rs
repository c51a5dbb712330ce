//! El agente, contra servidores con TLS: de quién se fía, y qué dice de cada certificado que no vale. Y lo que
//! dice de un proxy que se interpone.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

mod comun;
use comun::{Accion, ServidorFalso, agente};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Una autoridad, y su fichero PEM.
struct Autoridad {
    emisor: CertifiedIssuer<'static, KeyPair>,
    pem: PathBuf,
}

impl Autoridad {
    fn nueva(carpeta: &Path, nombre: &str) -> Self {
        let mut ficha = CertificateParams::new([]).unwrap();
        ficha.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ficha.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        ficha.distinguished_name.push(DnType::CommonName, nombre);
        let emisor = CertifiedIssuer::self_signed(ficha, KeyPair::generate().unwrap()).unwrap();
        let pem = carpeta.join(format!("{nombre}.pem"));
        fs::write(&pem, emisor.pem()).unwrap();
        Autoridad { emisor, pem }
    }

    /// Un servidor con un certificado suyo. Devuelve su URL.
    fn servidor(&self, nombre: &str, cambiar: impl FnOnce(&mut CertificateParams)) -> String {
        let mut ficha = CertificateParams::new([nombre.to_owned()]).unwrap();
        cambiar(&mut ficha);
        let clave = KeyPair::generate().unwrap();
        let certificado = ficha.signed_by(&clave, &self.emisor).unwrap();
        escuchar(certificado.der().clone(), clave)
    }
}

/// Un InfluxDB de mentira, con TLS: contesta 204 a todo.
fn escuchar(certificado: CertificateDer<'static>, clave: KeyPair) -> String {
    let clave = PrivateKeyDer::try_from(clave.serialize_der()).unwrap();
    let proveedor = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(proveedor).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificado], clave).unwrap();
    let (config, escucha) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let puerto = escucha.local_addr().unwrap().port();
    thread::spawn(move || {
        for conexion in escucha.incoming() {
            let sesion = ServerConnection::new(Arc::clone(&config)).unwrap();
            thread::spawn(move || atender(StreamOwned::new(sesion, conexion.unwrap())));
        }
    });
    format!("https://localhost:{puerto}")
}

fn atender(conexion: StreamOwned<ServerConnection, TcpStream>) -> Option<()> {
    let mut lector = BufReader::new(conexion);
    loop {
        let mut largo = 0;
        loop {
            let mut linea = String::new();
            if lector.read_line(&mut linea).ok()? == 0 {
                return None;
            }
            if let Some(valor) = linea.to_lowercase().strip_prefix("content-length: ") {
                largo = valor.trim().parse().ok()?;
            }
            if linea.trim().is_empty() {
                break;
            }
        }
        lector.read_exact(&mut vec![0; largo]).ok()?;
        lector.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    }
}

/// Lo que dice el agente tras una lectura, con estas opciones y variables.
fn dicho(url: &str, opciones: &[&str], variables: &[(&str, &Path)]) -> String {
    let carpeta = tempfile::tempdir().unwrap();
    let propias = [
        "--url",
        url,
        "--token",
        "t",
        "--org",
        "o",
        "--bucket",
        "b",
        "--lecturas",
        "1",
        "--intervalo",
        "200ms",
    ];
    let mut orden = agente(carpeta.path(), &[&propias, opciones].concat());
    for variable in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        orden.env_remove(variable).env_remove(variable.to_uppercase());
    }
    let salida = orden.envs(variables.iter().copied()).output().unwrap();
    String::from_utf8(salida.stderr).unwrap()
}

#[track_caller]
fn contiene(texto: &str, trozos: &[&str]) {
    for trozo in trozos {
        assert!(texto.contains(trozo), "falta «{trozo}» en «{texto}»");
    }
}

#[test]
fn se_fia_de_la_autoridad_que_se_le_da_y_de_las_del_sistema() {
    let carpeta = tempfile::tempdir().unwrap();
    let centro = Autoridad::nueva(carpeta.path(), "centro");
    let otra = Autoridad::nueva(carpeta.path(), "otra");
    let url = centro.servidor("localhost", |_| {});
    let bien = "1 punto escrito, 0 pendientes";
    contiene(&dicho(&url, &["--ssl-ca-cert", centro.pem.to_str().unwrap()], &[]), &[bien]);
    contiene(&dicho(&url, &[], &[("INFLUXDB_V2_SSL_CA_CERT", &centro.pem)]), &[bien]);
    #[cfg(target_os = "linux")] // ahí las del sistema son las de este fichero, si se dice
    contiene(&dicho(&url, &[], &[("SSL_CERT_FILE", &centro.pem)]), &[bien]);

    let nadie =
        ["1 pendiente", "lo firma alguien en quien este ordenador no confía", "INFLUXDB_V2_SSL_CA_CERT"];
    contiene(&dicho(&url, &[], &[]), &nadie);
    contiene(&dicho(&url, &["--ssl-ca-cert", otra.pem.to_str().unwrap()], &[]), &nadie);
    // La que se da sustituye a las del sistema, como en Python.
    let las_dos = [("SSL_CERT_FILE", &*centro.pem), ("INFLUXDB_V2_SSL_CA_CERT", &*otra.pem)];
    contiene(&dicho(&url, &[], &las_dos), &nadie);
}

#[test]
fn cada_certificado_que_no_vale_se_dice_por_su_nombre() {
    let carpeta = tempfile::tempdir().unwrap();
    let centro = Autoridad::nueva(carpeta.path(), "centro");
    let ca = ["--ssl-ca-cert", centro.pem.to_str().unwrap()];
    let caducado = centro.servidor("localhost", |ficha| ficha.not_after = date_time_ymd(2020, 1, 1));
    contiene(&dicho(&caducado, &ca, &[]), &["1 pendiente", "ha caducado"]);
    let futuro = centro.servidor("localhost", |ficha| ficha.not_before = date_time_ymd(3000, 1, 1));
    contiene(&dicho(&futuro, &ca, &[]), &["1 pendiente", "todavía no vale", "en hora"]);
    let ajeno = centro.servidor("influx.example", |_| {});
    contiene(&dicho(&ajeno, &ca, &[]), &["1 pendiente", "es de otro nombre (influx.example)"]);
    let sin_nombre = centro.servidor("localhost", |ficha| ficha.subject_alt_names.clear());
    contiene(&dicho(&sin_nombre, &ca, &[]), &["1 pendiente", "subjectAltName"]);

    // Como los que hace `openssl req -x509`: el servidor y su autoridad son el mismo certificado.
    let mut ficha = CertificateParams::new(["localhost".to_owned()]).unwrap();
    ficha.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let clave = KeyPair::generate().unwrap();
    let propio = ficha.self_signed(&clave).unwrap();
    let pem = carpeta.path().join("propio.pem");
    fs::write(&pem, propio.pem()).unwrap();
    let url = escuchar(propio.der().clone(), clave);
    contiene(&dicho(&url, &["--ssl-ca-cert", pem.to_str().unwrap()], &[]), &["1 pendiente", "CA:FALSE"]);
}

#[test]
fn donde_no_se_habla_tls_se_dice() {
    let llano = ServidorFalso::nuevo(|_| Accion::de(204, ""));
    let url = llano.url.replace("http:", "https:");
    contiene(&dicho(&url, &[], &[]), &["1 pendiente"]);
}

#[test]
fn un_fichero_de_certificados_que_no_vale_se_dice_al_empezar() {
    let carpeta = tempfile::tempdir().unwrap();
    let vacio = carpeta.path().join("vacio.pem");
    fs::write(&vacio, "esto no es un certificado").unwrap();
    for (ruta, trozo) in [(&*vacio, "no hay ningún certificado"), (Path::new("/no/existe.pem"), "no existe")]
    {
        let ca = ["--ssl-ca-cert", ruta.to_str().unwrap()];
        let frase = dicho("https://localhost:1", &ca, &[]);
        contiene(&frase, &["INFLUXDB_V2_SSL_CA_CERT (o --ssl-ca-cert)", trozo, "--ayuda"]);
    }
}

/// Un proxy que contesta esto a todo. Devuelve su dirección.
fn proxy(contestacion: &'static str) -> String {
    let escucha = TcpListener::bind("127.0.0.1:0").unwrap();
    let direccion = escucha.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for conexion in escucha.incoming() {
            let mut conexion = conexion.unwrap();
            let mut lector = BufReader::new(conexion.try_clone().unwrap());
            let mut linea = String::from(" ");
            while !linea.trim().is_empty() || linea == " " {
                linea.clear();
                if lector.read_line(&mut linea).unwrap_or(0) == 0 {
                    break;
                }
            }
            let _ = conexion.write_all(contestacion.as_bytes());
        }
    });
    direccion
}

#[test]
fn un_proxy_que_se_interpone_se_nombra_y_se_dice_como_evitarlo() {
    let negado = proxy("HTTP/1.1 403 Forbidden\r\n\r\n");
    let con_clave = format!("http://ana:SECRETA@{negado}");
    let frase = dicho("https://nube.example", &[], &[("HTTPS_PROXY", Path::new(&con_clave))]);
    let esperado = format!("el proxy {negado} (HTTPS_PROXY) no deja llegar (403)");
    contiene(&frase, &[&esperado, "pon nube.example en NO_PROXY"]);
    assert!(!frase.contains("SECRETA"), "{frase}");

    let con_llave = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let frase = dicho("http://nube.example", &[], &[("http_proxy", Path::new(&con_llave))]);
    contiene(&frase, &[&con_llave, "(http_proxy)", "pide usuario y contraseña"]);

    let caido = Path::new("127.0.0.1:9");
    let frase = dicho("https://nube.example", &[], &[("ALL_PROXY", caido)]);
    contiene(&frase, &["no escucha nadie, pasando por el proxy 127.0.0.1:9 (ALL_PROXY)", "NO_PROXY"]);
}

#[test]
fn a_la_red_local_y_a_lo_de_no_proxy_se_va_sin_proxy() {
    let servidor = ServidorFalso::nuevo(|_| Accion::de(204, ""));
    let negado = proxy("HTTP/1.1 403 Forbidden\r\n\r\n");
    let negado = Path::new(&negado);
    let frase = dicho(&servidor.url, &[], &[("http_proxy", negado), ("HTTPS_PROXY", negado)]);
    contiene(&frase, &["1 punto escrito"]);
    let no_proxy = Path::new("localhost, .example");
    let frase = dicho("http://nube.example", &[], &[("http_proxy", negado), ("NO_PROXY", no_proxy)]);
    assert!(frase.contains("1 pendiente") && !frase.contains("proxy"), "{frase}");
}
