//! Lo que se espera y lo que se lee de una vez, igual con los dos adaptadores de Kafka.

use std::time::Duration;

/// Lo que se espera a que un topic recién pedido esté listo.
pub const PLAZO_TOPIC: Duration = Duration::from_secs(9);

/// Lo que se espera a que tengan líder todas las particiones, si ya lo tiene alguna.
pub const PLAZO_LIDER: Duration = Duration::from_secs(3);

/// Lo que se espera entre dos preguntas seguidas al broker.
pub const PAUSA: Duration = Duration::from_millis(100);

/// Bytes que se leen de una vez, más o menos y entre todas las particiones: unos dos mil mensajes, que de
/// camino a la base de datos ocupan más de veinte veces eso. Más juntos no se guardan antes.
pub const BYTES_POR_LECTURA: u32 = 512 * 1024;
