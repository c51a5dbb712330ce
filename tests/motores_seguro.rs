//! Un Kafka 4 con TLS y contraseña: lo que entra y lo que dice cada cosa que no.
//!
//! Se lanza con servicios/probar, que lo instala. Los certificados los hace la prueba, con openssl.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

mod comun;
#[path = "comun/motores.rs"]
mod motores;

use comun::{EnMarcha, programa};
use motores::{Motor, administrar};

const CLAVE: &str = "la-clave-de-ana";

/// Una autoridad, otra que no ha firmado nada, y la clave y el certificado del broker, en `broker.pem`.
fn certificados(carpeta: &Path) {
    let guion = "
        for ca in ca otra; do
          openssl req -x509 -newkey rsa:2048 -nodes -keyout $ca.key -out $ca.pem -days 2 -subj /CN=$ca
        done
        openssl req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=localhost
        printf 'subjectAltName=IP:127.0.0.1' >san
        openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out broker.crt
        cat broker.key broker.crt >broker.pem";
    let salida = Command::new("sh").args(["-ec", guion]).current_dir(carpeta).output().unwrap();
    assert!(salida.status.success(), "{}", String::from_utf8_lossy(&salida.stderr));
}

#[test]
fn entra_quien_puede_y_lo_demas_se_dice_en_una_frase() {
    let carpeta = tempfile::tempdir().unwrap();
    certificados(carpeta.path());
    let mut kafka = Motor::arrancar("kafka4");
    let llano = kafka.broker();
    administrar(
        &kafka,
        &format!(
            "s = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)\n\
             u = UserScramCredentialUpsertion('ana', s, b'{CLAVE}')\n\
             [f.result() for f in admin.alter_user_scram_credentials([u]).values()]"
        ),
    );
    kafka.parar();
    let puertos = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [seguro, tls] = puertos.map(|p| p.local_addr().unwrap().to_string());
    let propiedades = carpeta.path().join("seguro.properties");
    let modulo = "org.apache.kafka.common.security";
    let controlador = fs::read_to_string(kafka.carpeta().join("puerto-controlador")).unwrap();
    let oyentes = format!("PLAINTEXT://{llano},SEGURO://{seguro},TLS://{tls}");
    let texto = format!(
        "listeners={oyentes},CONTROLLER://127.0.0.1:{}\n\
         advertised.listeners={oyentes}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SEGURO:SASL_SSL,TLS:SSL\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n\
         listener.name.seguro.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN\n\
         listener.name.seguro.scram-sha-512.sasl.jaas.config={modulo}.scram.ScramLoginModule required;\n\
         listener.name.seguro.plain.sasl.jaas.config={modulo}.plain.PlainLoginModule required user_ana=\"{CLAVE}\";\n",
        controlador.trim(),
        carpeta.path().join("broker.pem").display()
    );
    fs::write(&propiedades, texto).unwrap();
    kafka.rearrancar_con(&["--propiedades", propiedades.to_str().unwrap()]);

    let entorno = |broker: &str, protocolo: &str, mecanismo: &str, clave: &str, ca: &str| {
        let ca = carpeta.path().join(ca).display().to_string();
        let todas = [
            ("KAFKA_BOOTSTRAP_SERVERS", broker.to_owned()),
            ("KAFKA_SECURITY_PROTOCOL", protocolo.to_owned()),
            ("KAFKA_SASL_MECHANISM", mecanismo.to_owned()),
            ("KAFKA_SASL_USERNAME", if mecanismo.is_empty() { String::new() } else { "ana".to_owned() }),
            ("KAFKA_SASL_PASSWORD", clave.to_owned()),
            ("KAFKA_SSL_CA_LOCATION", if protocolo.contains("SSL") { ca } else { String::new() }),
        ];
        todas.into_iter().filter(|(_, valor)| !valor.is_empty())
    };
    let correr = |nombre: &str, entorno: &mut dyn Iterator<Item = (&'static str, String)>| {
        let argumentos: &[&str] =
            if nombre == "productor" { &["--rondas", "2", "--sin-pausa"] } else { &["--mensajes", "10"] };
        let salida = programa(nombre, carpeta.path(), argumentos).envs(entorno).output().unwrap();
        let errores = String::from_utf8(salida.stderr).unwrap();
        assert!(!errores.contains(CLAVE) && !errores.contains("mala-clave"), "{errores}");
        (salida.status.code(), errores)
    };

    // Lo que entra. El consumidor guarda en el motor embebido; cada vez, en otro grupo y otra carpeta.
    for (broker, protocolo, mecanismo, clave) in [
        (&seguro, "SASL_SSL", "SCRAM-SHA-512", CLAVE),
        (&seguro, "SASL_SSL", "PLAIN", CLAVE),
        (&tls, "SSL", "", ""),
        (&llano, "PLAINTEXT", "", ""),
    ] {
        for nombre in ["productor", "consumidor"] {
            let (codigo, errores) =
                correr(nombre, &mut entorno(broker, protocolo, mecanismo, clave, "ca.pem"));
            assert_eq!(codigo, Some(0), "{protocolo} {mecanismo}: {errores}");
            assert!(!errores.contains("aviso:"), "{errores}");
        }
    }

    // Lo que no: una frase y código 1.
    for (broker, protocolo, mecanismo, clave, ca, frase) in [
        (
            &seguro,
            "SASL_SSL",
            "SCRAM-SHA-512",
            "mala-clave",
            "ca.pem",
            "no acepta ese usuario o esa contraseña",
        ),
        (&seguro, "SASL_SSL", "PLAIN", "mala-clave", "ca.pem", "no acepta ese usuario o esa contraseña"),
        (&seguro, "SASL_SSL", "SCRAM-SHA-256", CLAVE, "ca.pem", "no admite ese KAFKA_SASL_MECHANISM"),
        (
            &seguro,
            "SASL_SSL",
            "SCRAM-SHA-512",
            CLAVE,
            "otra.pem",
            "no está firmado por quien dice KAFKA_SSL_CA_LOCATION",
        ),
        (&llano, "SSL", "", "", "ca.pem", "no habla TLS en ese puerto"),
        (&llano, "SASL_SSL", "PLAIN", CLAVE, "ca.pem", "no habla TLS en ese puerto"),
        (&seguro, "SASL_SSL", "SCRAM-SHA-512", CLAVE, "no-existe.pem", "no se puede leer el certificado"),
        (&seguro, "SASL_SSL", "NINGUNO", CLAVE, "ca.pem", "KAFKA_SASL_MECHANISM"),
        (&llano, "SASL_PLAINTEXT", "PLAIN", CLAVE, "ca.pem", "no pide contraseña en ese puerto"),
        (&seguro, "OTRO", "", "", "ca.pem", "security.protocol"),
    ] {
        for nombre in ["productor", "consumidor"] {
            let (codigo, errores) = correr(nombre, &mut entorno(broker, protocolo, mecanismo, clave, ca));
            assert_eq!(codigo, Some(1), "{errores}");
            assert!(errores.lines().any(|l| l.starts_with("error:") && l.contains(frase)), "{errores}");
        }
    }

    // Sin TLS contra un puerto que lo pide, podría ser un broker que arranca: se avisa y se insiste.
    for broker in [&seguro, &tls] {
        for nombre in ["productor", "consumidor"] {
            let mut orden = programa(nombre, carpeta.path(), &[]);
            orden.envs(entorno(broker, "PLAINTEXT", "", "", "ca.pem"));
            let mut en_marcha = EnMarcha(orden.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
            let errores = BufReader::new(en_marcha.0.stderr.as_mut().unwrap());
            let aviso = errores.lines().map(Result::unwrap).find(|l| l.starts_with("aviso:")).unwrap();
            assert!(aviso.contains("no contesta como un Kafka") && aviso.contains("TLS"), "{aviso}");
        }
    }
}
