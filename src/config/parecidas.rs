//! Variables que se parecen a las nuestras y no lo son: las de otras entregas del mismo ejercicio, de otros
//! cursos y de Docker. Quien las pone cree que ha configurado algo.

use super::opciones::Programa;

/// Una variable nuestra, y los nombres con los que se la confunde.
const PARECIDAS: &[(&str, &[&str])] = &[
    (
        "MONGODB_URI",
        &[
            "MONGO_URI",
            "MONGO_URL",
            "MONGODB_URL",
            "MONGODB_CONNECTION_STRING",
            "MONGO_CONNECTION_STRING",
            "ATLAS_URI",
        ],
    ),
    (
        "MONGODB_DATABASE",
        &["MONGO_DATABASE", "MONGO_DB", "MONGO_DB_NAME", "MONGODB_DB", "MONGODB_DB_NAME", "DB_NAME"],
    ),
    (
        "KAFKA_BOOTSTRAP_SERVERS",
        &[
            "KAFKA_BOOTSTRAP",
            "KAFKA_BOOTSTRAP_SERVER",
            "KAFKA_BROKER",
            "KAFKA_BROKERS",
            "KAFKA_SERVER",
            "BOOTSTRAP_SERVERS",
        ],
    ),
    ("INFLUXDB_V2_URL", &["INFLUX_URL", "INFLUXDB_URL", "INFLUX_HOST", "INFLUXDB_HOST"]),
    ("INFLUXDB_V2_TOKEN", &["INFLUX_TOKEN", "INFLUXDB_TOKEN", "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"]),
    ("INFLUXDB_V2_ORG", &["INFLUX_ORG", "INFLUXDB_ORG", "DOCKER_INFLUXDB_INIT_ORG"]),
    ("INFLUXDB_BUCKET", &["INFLUX_BUCKET", "INFLUXDB_V2_BUCKET", "DOCKER_INFLUXDB_INIT_BUCKET"]),
];

/// Lo que hay que decir: por cada variable nuestra que este programa lee y nadie ha puesto (`puesta`), las
/// parecidas que sí están (`hay`).
pub(super) fn parecidas(
    programa: &Programa,
    puesta: impl Fn(&str) -> bool,
    hay: impl Fn(&str) -> bool,
) -> Vec<String> {
    let suya = |nuestra: &str| programa.todas().any(|opcion| opcion.variable == nuestra);
    PARECIDAS
        .iter()
        .filter(|(nuestra, _)| suya(nuestra) && !puesta(nuestra))
        .flat_map(|(nuestra, otras)| otras.iter().filter(|otra| hay(otra)).map(move |otra| (nuestra, otra)))
        .map(|(nuestra, otra)| format!("{otra} está puesta, pero aquí no se lee: se llama {nuestra}."))
        .collect()
}
