//! Las métricas de esta máquina, con las fórmulas de psutil. Único usuario de sysinfo y de statvfs.

use std::fmt;
use std::thread;
use std::time::Instant;

/// Lo que devuelve el ejercicio: los mismos cinco valores, con el mismo redondeo.
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
}

/// Por qué no se pueden leer las métricas.
#[derive(Debug)]
pub struct ErrorSistema(String);

/// Los contadores del sistema. La CPU se mide entre dos lecturas, así que hay que conservarlos.
pub struct Sistema {
    contadores: sysinfo::System,
    leida: Instant, // la última lectura de CPU
}

impl Sistema {
    /// Toma la lectura de CPU desde la que se medirá la primera.
    ///
    /// # Errors
    /// Si sysinfo no conoce este sistema operativo.
    pub fn new() -> Result<Self, ErrorSistema> {
        let mut contadores = sysinfo::System::new().map_err(|e| ErrorSistema(format!("{e:?}")))?;
        contadores.refresh_cpu_usage();
        Ok(Sistema { contadores, leida: Instant::now() })
    }

    /// Uso de CPU, RAM y disco, como `obtener_metricas_sistema` del ejercicio (psutil 7.2).
    ///
    /// La CPU es la media desde la lectura anterior. Los contadores no admiten dos lecturas en menos
    /// de 200 ms: si faltan unos microsegundos, los espera.
    ///
    /// # Errors
    /// Si el sistema no da la ocupación del disco.
    pub fn obtener_metricas_sistema(&mut self, host_id: &str) -> Result<Metricas, ErrorSistema> {
        // psutil.cpu_percent(): lo que no es «idle» ni «iowait».
        thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL.saturating_sub(self.leida.elapsed()));
        self.contadores.refresh_cpu_usage();
        self.leida = Instant::now();
        let cpu_percent = f64::from(self.contadores.global_cpu_usage());

        // psutil.virtual_memory(): usado = total - disponible.
        self.contadores.refresh_memory_specifics(sysinfo::MemoryRefreshKind::nothing().with_ram());
        let total = self.contadores.total_memory();
        let usada = total.saturating_sub(self.contadores.available_memory());

        // psutil.disk_usage('/')
        let disk_percent = disco_raiz()?;

        Ok(Metricas {
            host: host_id.to_owned(),
            cpu_percent: redondear(cpu_percent, 1),
            ram_used_gb: redondear(usada as f64 / 1024_f64.powi(3), 2),
            ram_percent: redondear(porcentaje(usada, total), 1),
            disk_percent: redondear(disk_percent, 1),
        })
    }
}

/// psutil: usado = bloques - libres; porcentaje = usado / (usado + disponible para un usuario normal).
/// La reserva de root no cuenta, y por eso no sale de total y disponible, que es lo que da sysinfo.
#[cfg(unix)]
fn disco_raiz() -> Result<f64, ErrorSistema> {
    let disco = rustix::fs::statvfs("/").map_err(|e| ErrorSistema(format!("statvfs de /: {e}")))?;
    let usado = disco.f_blocks.saturating_sub(disco.f_bfree);
    Ok(porcentaje(usado, usado + disco.f_bavail))
}

/// En Windows, psutil mira la unidad actual. Si es de red, sysinfo no la ve: se mira la del sistema.
#[cfg(windows)]
fn disco_raiz() -> Result<f64, ErrorSistema> {
    let actual = std::env::current_dir().map_err(|e| ErrorSistema(e.to_string()))?;
    let solo_espacio = sysinfo::DiskRefreshKind::nothing().with_storage();
    let discos = sysinfo::Disks::new_with_refreshed_list_specifics(solo_espacio)
        .map_err(|e| ErrorSistema(format!("{e:?}")))?;
    let sistema = std::env::var("SystemDrive").unwrap_or_else(|_| "C:".to_owned()) + "\\";
    let de = |ruta: &std::path::Path| discos.iter().find(|d| ruta.starts_with(d.mount_point()));
    let disco = de(&actual).or_else(|| de(sistema.as_ref()));
    let disco = disco.ok_or_else(|| ErrorSistema("no se encuentra la unidad actual".to_owned()))?;
    Ok(porcentaje(disco.total_space().saturating_sub(disco.available_space()), disco.total_space()))
}

fn porcentaje(parte: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { 100.0 * parte as f64 / total as f64 }
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
    fn el_porcentaje_de_nada_es_cero() {
        assert_eq!(porcentaje(0, 0), 0.0);
        assert_eq!(porcentaje(1, 4), 25.0);
    }

    #[test]
    fn las_metricas_de_esta_maquina_tienen_sentido() {
        let metricas = Sistema::new().unwrap().obtener_metricas_sistema("servidor_A").unwrap();
        assert_eq!(metricas.host, "servidor_A");
        for percent in [metricas.cpu_percent, metricas.ram_percent, metricas.disk_percent] {
            assert!((0.0..=100.0).contains(&percent), "{metricas:?}");
        }
        assert!(metricas.ram_used_gb > 0.0 && metricas.ram_percent > 0.0, "{metricas:?}");
    }
}
