//! Las métricas de esta máquina, con las fórmulas de psutil. Único usuario de sysinfo y de statvfs.
//!
//! Un contador que no se puede leer, o que da algo imposible, no es un 0: ese dato falta, y se dice por qué.

mod cpu;

use std::fmt;
use std::thread;
use std::time::Instant;

use self::cpu::Cpu;
use crate::herramientas::causa::causa;

/// Lo que devuelve el ejercicio: los mismos cinco valores, con el mismo redondeo. El que no se ha podido leer no
/// es un número (`NaN`), y un field así no se escribe.
#[derive(Debug, Clone, PartialEq)]
pub struct Metricas {
    /// El `host_id` que se pidió.
    pub host: String,
    /// Uso de CPU desde la lectura anterior, en % (0 a 100, un decimal).
    pub cpu_percent: f64,
    /// Memoria usada, en GB de 1024³ bytes (dos decimales).
    pub ram_used_gb: f64,
    /// Memoria usada, en % (un decimal).
    pub ram_percent: f64,
    /// Disco usado en el punto de montaje raíz, en % (un decimal).
    pub disk_percent: f64,
    /// Qué no se ha podido leer, y por qué.
    pub sin_leer: Vec<String>,
}

/// Por qué no se pueden leer las métricas.
#[derive(Debug)]
pub struct ErrorSistema(String);

/// Los contadores del sistema. La CPU se mide entre dos lecturas, así que hay que conservarlos.
pub struct Sistema {
    cpu: Cpu,
    leida: Instant, // la última lectura de CPU
}

impl Sistema {
    /// Toma la lectura de CPU desde la que se medirá la primera.
    ///
    /// # Errors
    /// Si sysinfo no conoce este sistema operativo.
    pub fn new() -> Result<Self, ErrorSistema> {
        Ok(Sistema { cpu: Cpu::new().map_err(ErrorSistema)?, leida: Instant::now() })
    }

    /// Uso de CPU, RAM y disco, como `obtener_metricas_sistema` del ejercicio (psutil 7.2).
    ///
    /// La CPU es la media desde la lectura anterior. Los contadores no admiten dos lecturas en menos
    /// de 200 ms: si faltan unos microsegundos, los espera.
    ///
    /// # Errors
    /// Si no se puede leer nada.
    pub fn obtener_metricas_sistema(&mut self, host_id: &str) -> Result<Metricas, ErrorSistema> {
        thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL.saturating_sub(self.leida.elapsed()));
        let cpu = self.cpu.percent();
        self.leida = Instant::now();
        let (ram, disco) = (ram(), disco_raiz());

        let sin_leer: Vec<_> = [cpu.as_ref().err(), ram.as_ref().err(), disco.as_ref().err()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if sin_leer.len() == 3 {
            return Err(ErrorSistema(sin_leer.join("; ")));
        }
        let (usada, total) = ram.unwrap_or((f64::NAN, f64::NAN));
        Ok(Metricas {
            host: host_id.to_owned(),
            cpu_percent: redondear(cpu.unwrap_or(f64::NAN), 1),
            ram_used_gb: redondear(usada / 1024_f64.powi(3), 2),
            ram_percent: redondear(100.0 * usada / total, 1),
            disk_percent: redondear(disco.unwrap_or(f64::NAN), 1),
            sin_leer,
        })
    }
}

/// psutil.virtual_memory(): usado = total - disponible; si el disponible es imposible, como en algunos
/// contenedores, se cuenta lo libre. En bytes: usado y total.
fn ram() -> Result<(f64, f64), String> {
    // Contadores nuevos cada vez: los que ya estuvieran se quedarían como estaban si no se pudiera leer.
    let mut contadores = sysinfo::System::new().map_err(|e| format!("{e:?}"))?;
    contadores.refresh_memory_specifics(sysinfo::MemoryRefreshKind::nothing().with_ram());
    let total = contadores.total_memory();
    let disponible = Some(contadores.available_memory()).filter(|d| *d <= total);
    let usada = total.checked_sub(disponible.unwrap_or_else(|| contadores.free_memory()));
    match usada {
        Some(usada) if total > 0 => Ok((usada as f64, total as f64)),
        _ if cfg!(target_os = "linux") => Err("no se puede leer la memoria en /proc/meminfo".to_owned()),
        _ => Err("no se puede leer la memoria".to_owned()),
    }
}

/// psutil: usado = bloques - libres; porcentaje = usado / (usado + disponible para un usuario normal).
/// La reserva de root no cuenta, y por eso no sale de total y disponible, que es lo que da sysinfo.
#[cfg(unix)]
fn disco_raiz() -> Result<f64, String> {
    let error = |causa: &str| format!("no se puede leer la ocupación del disco en / ({causa})");
    let disco = rustix::fs::statvfs("/").map_err(|e| error(&causa(&e.into())))?;
    let usado = disco.f_blocks.checked_sub(disco.f_bfree);
    usado
        .and_then(|usado| porcentaje(usado, usado.checked_add(disco.f_bavail)?))
        .ok_or_else(|| error("da un tamaño imposible"))
}

/// En Windows, psutil mira la unidad actual. Si es de red, sysinfo no la ve: se mira la del sistema.
#[cfg(windows)]
fn disco_raiz() -> Result<f64, String> {
    let error = |causa: String| format!("no se puede leer la ocupación del disco ({causa})");
    let actual = std::env::current_dir().map_err(|e| error(causa(&e)))?;
    let solo_espacio = sysinfo::DiskRefreshKind::nothing().with_storage();
    let discos = sysinfo::Disks::new_with_refreshed_list_specifics(solo_espacio)
        .map_err(|e| error(format!("{e:?}")))?;
    let sistema = std::env::var("SystemDrive").unwrap_or_else(|_| "C:".to_owned()) + "\\";
    let de = |ruta: &std::path::Path| discos.iter().find(|d| ruta.starts_with(d.mount_point()));
    let disco = de(&actual).or_else(|| de(sistema.as_ref()));
    let disco = disco.ok_or_else(|| error("no se encuentra la unidad actual".to_owned()))?;
    let (total, libre) = (disco.total_space(), disco.available_space());
    let usado = total.checked_sub(libre).and_then(|usado| porcentaje(usado, total));
    usado.ok_or_else(|| error("da un tamaño imposible".to_owned()))
}

/// Nada, si no hay de qué.
fn porcentaje(parte: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| 100.0 * parte as f64 / total as f64)
}

fn redondear(valor: f64, decimales: i32) -> f64 {
    let escala = 10_f64.powi(decimales);
    (valor * escala).round() / escala
}

impl fmt::Display for ErrorSistema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no se pueden leer las métricas de esta máquina: {}", self.0)
    }
}

impl std::error::Error for ErrorSistema {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redondea_como_el_ejercicio() {
        assert_eq!(redondear(45.84, 1), 45.8);
        assert_eq!(redondear(45.86, 1), 45.9);
        assert_eq!(redondear(7.456, 2), 7.46);
    }

    #[test]
    fn el_porcentaje_de_nada_no_es_cero_es_nada() {
        assert_eq!(porcentaje(0, 0), None);
        assert_eq!(porcentaje(1, 4), Some(25.0));
    }

    #[test]
    fn las_metricas_de_esta_maquina_tienen_sentido() {
        let metricas = Sistema::new().unwrap().obtener_metricas_sistema("servidor_A").unwrap();
        assert_eq!((&*metricas.host, &metricas.sin_leer), ("servidor_A", &vec![]));
        for percent in [metricas.cpu_percent, metricas.ram_percent, metricas.disk_percent] {
            assert!((0.0..=100.0).contains(&percent), "{metricas:?}");
        }
        assert!(metricas.ram_used_gb > 0.0 && metricas.ram_percent > 0.0, "{metricas:?}");
    }
}
