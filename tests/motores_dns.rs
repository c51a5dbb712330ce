//! El DNS con el que se busca un clúster: mudo, lento, que dice que no existe o que contesta algo raro.
//!
//! Cada caso, en su espacio de nombres de Linux (`unshare`), con su `/etc/resolv.conf` y un DNS de mentira
//! (`datos/dns.py`): ni hace falta Internet ni se toca el DNS de la máquina. Sin ellos, falla: no se salta.

#![cfg(target_os = "linux")]

use std::process::Command;

const GUION: &str = r#"
ip link set lo up
echo "nameserver 127.0.0.1" > resolv.conf
mount --bind resolv.conf /etc/resolv.conf
python3 "$DNS" "$1" > dns.log &
trap 'kill $!' EXIT
until grep -qs listo dns.log; do sleep 0.05; done
"$CONSUMIDOR" --broker localhost:1
"#;

/// Lo que dice el consumidor con ese DNS y esa dirección, antes de acabar.
fn dicho(dns: &str, uri: &str) -> String {
    let carpeta = tempfile::tempdir().unwrap();
    let salida = Command::new("unshare")
        .args(["--map-root-user", "--mount", "--net", "bash", "-c", GUION, "bash", dns])
        .current_dir(carpeta.path())
        .env("MONGODB_URI", uri)
        .env("CONSUMIDOR", env!("CARGO_BIN_EXE_consumidor_metrics_iabd06"))
        .env("DNS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/datos/dns.py"))
        .output()
        .unwrap();
    let texto = [salida.stdout, salida.stderr].map(|t| String::from_utf8(t).unwrap()).concat();
    assert!(!texto.contains("SECRETA9"), "{texto}");
    texto
}

const CLUSTER: &str = "mongodb+srv://ana:SECRETA9@c0.abc.example.net";

#[test]
fn un_dns_mudo_se_espera_se_dice_y_no_es_que_el_cluster_no_exista() {
    for uri in [CLUSTER, "mongodb://ana:SECRETA9@h.abc.example.net"] {
        let texto = dicho("mudo", uri);
        assert!(texto.contains("El DNS tarda"), "{texto}");
        assert!(texto.contains("el DNS no contesta a tiempo"), "{texto}");
        assert!(!texto.contains("no existe"), "{texto}");
    }
}

#[test]
fn un_dns_lento_no_impide_llegar() {
    // Tres segundos cada consulta: el SRV, el TXT y la dirección. Ahí no escucha nadie, y hasta eso se llega.
    for uri in [CLUSTER, "mongodb://ana:SECRETA9@h.abc.example.net:27999"] {
        let texto = dicho("3", uri);
        assert!(texto.contains("El DNS tarda"), "{texto}");
        assert!(texto.contains("no escucha nadie"), "{texto}");
    }
}

#[test]
fn lo_que_no_existe_y_lo_que_el_dns_contesta_raro_se_distinguen() {
    let texto = dicho("noexiste", CLUSTER);
    assert!(texto.contains("el DNS no encuentra el clúster c0.abc.example.net, que no existe"), "{texto}");
    let texto = dicho("raro", CLUSTER);
    assert!(texto.contains("el DNS contesta algo raro"), "{texto}");
}
