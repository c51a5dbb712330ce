//! Por qué no hay conexión. La crate lo da en inglés y dentro de un texto largo: aquí se busca en él.
//!
//! Cada pista sale de un servidor de mentira de `tests/mongo.rs`: si la crate cambia sus palabras, se nota.

use super::codigos::SIN_INICIAR;
use super::uri::Uri;
use crate::herramientas::causa::{CORTADA, MUDO, NADIE_ESCUCHA, SIN_CAMINO, SIN_DNS};

/// Lo que se puede decir de un servidor con el que no se ha podido hablar.
pub(super) enum Causa {
    /// No se llega a él, o no contesta.
    NoResponde(String),
    /// Contesta, pero todavía no sirve.
    Contesta(String),
    /// No se puede confiar en su certificado.
    Certificado(String),
    /// Lo que hay ahí no habla como un MongoDB.
    NoEsMongo,
}

/// Qué le pasa al nombre de un clúster, que se busca en el DNS.
pub(super) enum CausaDns {
    Mudo,
    NoExiste,
    Raro,
}

/// Los certificados que no valen: la pista, lo que es y el remedio.
const CERTIFICADOS: [(&str, &str); 8] = [
    ("certificate expired", CADUCADO),
    ("Expired", CADUCADO),
    ("not valid yet", TEMPRANO),
    ("NotValidYet", TEMPRANO),
    ("not valid for name", DE_OTRO),
    ("NotValidForName", DE_OTRO),
    ("Revoked", "está revocado"),
    ("invalid peer certificate", SIN_AUTORIDAD),
];
/// Cómo dice la crate que se ha cortado.
const CORTES: [&str; 6] = ["reset", "end of file", "early eof", "Broken pipe", "closed", "os error 10054"];
const CADUCADO: &str = "ha caducado, o el reloj de este ordenador va mal";
const TEMPRANO: &str = "todavía no vale: mira si el reloj de este ordenador va bien";
const DE_OTRO: &str = "es de otro nombre: pon en MONGODB_URI el nombre que lleva el certificado";
const SIN_AUTORIDAD: &str = "no lo firma ninguna autoridad conocida: si es la del centro, pide su certificado y añade a MONGODB_URI tlsCAFile=ruta/ca.pem";

/// Busca la causa en el texto de un error de esa URI.
pub(super) fn causa(texto: &str, uri: &Uri) -> Option<Causa> {
    let anunciadas = direcciones(texto);
    // Los nombres de las máquinas pueden llevar cualquier palabra: no son pistas.
    let texto = &anunciadas.iter().fold(texto.to_owned(), |t, d| t.replace(&format!("Address: {d}"), ""));
    let hay = |pistas: &[&str]| pistas.iter().any(|pista| texto.contains(pista));
    if let Some((_, frase)) = CERTIFICADOS.iter().find(|(pista, _)| texto.contains(pista)) {
        return Some(Causa::Certificado((*frase).to_owned()));
    }
    if !uri.es_srv
        && hay(&["lookup address", "os error 11001"])
        && anunciadas_por_el(&anunciadas, &uri.servidor)
    {
        let otra = anunciadas.first().map_or("otro sitio", String::as_str);
        return Some(Causa::Contesta(format!(
            "dice que está en {otra}, y desde aquí no se llega: añade directConnection=true a MONGODB_URI"
        )));
    }
    if hay(&["RsGhost", "RSGhost"]) {
        return Some(Causa::Contesta(SIN_INICIAR.to_owned()));
    }
    if texto.contains("Type: ReplicaSetNoPrimary") && anunciadas.is_empty() {
        return Some(Causa::Contesta(
            "no está en un conjunto de réplicas con el nombre que dice replicaSet en MONGODB_URI: corrígelo o quítalo".to_owned(),
        ));
    }
    no_responde(texto, uri)
}

fn no_responde(texto: &str, uri: &Uri) -> Option<Causa> {
    let hay = |pistas: &[&str]| pistas.iter().any(|pista| texto.contains(pista));
    let (con_tls, nada_mas_empezar) = (uri.cadena.tls.is_some(), hay(&["Topology:"]) && hay(&CORTES));
    // Códigos de Windows incluidos: allí el texto sale en el idioma del sistema.
    let frase = if hay(&["Connection refused", "os error 10061"]) {
        NADIE_ESCUCHA
    } else if hay(&["lookup address", "os error 11001"]) {
        SIN_DNS
    } else if hay(&["InvalidContentType", "corrupt message"]) {
        "ahí no se habla TLS: quita de MONGODB_URI tls=true, o corrige el puerto"
    } else if hay(&["CertificateRequired"]) {
        "pide un certificado de cliente: añade a MONGODB_URI tlsCertificateKeyFile=ruta/cliente.pem"
    } else if !uri.es_srv && con_tls && (hay(&["tls handshake"]) || nada_mas_empezar) {
        "ha cortado la conexión cifrada: puede que no hable TLS, y sobre tls=true en MONGODB_URI"
    } else if hay(&["fatal alert", "tls handshake"]) {
        "ha cortado la conexión cifrada (TLS)"
    } else if hay(&["unreachable", "os error 10051", "os error 10065"]) {
        SIN_CAMINO
    } else if hay(&["invalid reply", "Invalid header", "opcode", "message length", "max message size"]) {
        return Some(Causa::NoEsMongo);
    } else if hay(&["timed out", "deadline", "TimedOut", "os error 10060"]) {
        MUDO
    } else if !con_tls && nada_mas_empezar {
        "corta la conexión nada más empezar: puede que pida TLS, y falte tls=true en MONGODB_URI"
    } else if hay(&CORTES) {
        CORTADA
    } else if hay(&["Type: ReplicaSetNoPrimary"]) {
        return Some(Causa::Contesta("sus réplicas no tienen primario todavía".to_owned()));
    } else if hay(&["Type: Unknown"]) {
        MUDO
    } else {
        return None;
    };
    Some(Causa::NoResponde(frase.to_owned()))
}

/// Las direcciones que nombra la topología: las que anuncia el conjunto de réplicas, si ha llegado a hacerlo.
fn direcciones(texto: &str) -> Vec<String> {
    let trozos = texto.split("Address: ").skip(1);
    trozos.filter_map(|trozo| trozo.split([',', ' ']).next()).map(str::to_owned).collect()
}

/// Si ninguna es de las nuestras: la de dentro de Docker, por ejemplo.
fn anunciadas_por_el(anunciadas: &[String], nuestras: &str) -> bool {
    !anunciadas.is_empty() && !anunciadas.iter().any(|una| nuestras.split(',').any(|nuestra| nuestra == una))
}

/// Busca la causa en lo que dice la crate de una consulta de DNS.
pub(super) fn causa_dns(texto: &str) -> CausaDns {
    let hay = |pistas: &[&str]| pistas.iter().any(|pista| texto.contains(pista));
    if hay(&["no records found"]) {
        CausaDns::NoExiste
    } else if hay(&["timed out", "no connections available", "io error", "os error", "nreachable"]) {
        CausaDns::Mudo
    } else {
        CausaDns::Raro
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn el_nombre_de_una_maquina_no_es_una_pista() {
        let texto = "Server selection timeout. Topology: { Type: Unknown, Servers: [ { Address: tls-closed.reset.example:27017, Type: Unknown } ] }";
        let uri = Uri::leer("mongodb://tls-closed.reset.example:27017", "iabd06").unwrap();
        let Some(Causa::NoResponde(frase)) = causa(texto, &uri) else { panic!("{texto}") };
        assert_eq!(frase, MUDO);
    }
}
