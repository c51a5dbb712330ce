//! Los nombres que comparten varios programas, cada uno una vez: los del ejercicio y los de los ficheros.

/// La medida del agente.
pub const MEDIDA: &str = "rendimiento_servidor";

/// Sus fields, todos decimales.
pub const CAMPOS: [&str; 3] = ["cpu_percent", "ram_percent", "disk_percent"];

/// El fichero de puntos del agente, dentro de la carpeta de datos.
pub const FICHERO_PUNTOS: &str = "rendimiento_servidor.lp";

/// El fichero SQLite del motor embebido, dentro de la carpeta de datos.
pub const FICHERO_MOTOR: &str = "motor.sqlite3";

/// El topic de la segunda práctica.
pub const TOPIC: &str = "system-metrics-topic-iabd06";

/// La colección de los mensajes, como vienen.
pub const CRUDOS: &str = "system_metrics_raw_iabd06";

/// La de los KPIs.
pub const KPIS: &str = "system_metrics_kpis_iabd06";

/// La de los mensajes que no cuentan, con su razón.
pub const DESCARTADOS: &str = "system_metrics_descartados_iabd06";
