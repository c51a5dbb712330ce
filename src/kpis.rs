//! El agregador: suma mensaje a mensaje y, al llegar a la ventana, da los KPIs del ejercicio.
//!
//! Solo lleva contadores: no guarda los mensajes, no mira el reloj y no habla con nadie. Una ventana
//! es de una partición; con una partición es el «cada 20 mensajes» del ejercicio.

use std::time::{Duration, SystemTime};

use crate::mensaje::Metricas;

/// Por debajo de esto una duración no da una tasa creíble.
const DURACION_MINIMA: Duration = Duration::from_millis(1);

/// Los KPIs de una ventana cerrada. Los promedios van sin redondear.
#[derive(Debug, Clone, PartialEq)]
pub struct Kpis {
    /// Promedio de uso de CPU, en %.
    pub cpu_percent_avg: f64,
    /// Promedio de uso de memoria, en %.
    pub memory_percent_avg: f64,
    /// Promedio de disco, en MB por segundo.
    pub disk_io_mbps_avg: f64,
    /// Promedio de red, en MB por segundo.
    pub network_mbps_avg: f64,
    /// Suma de errores.
    pub error_count_sum: i64,
    /// `num_mensajes / duracion`, en mensajes por segundo. Nada si la duración no llega a 1 ms.
    pub tasa_procesamiento_msg_seg: Option<f64>,
    /// Cuántos mensajes hay en la ventana.
    pub num_mensajes: u64,
    /// Desde cuándo se mide: el cierre de la ventana anterior o, si no la hay, el primer mensaje.
    pub ventana_inicio: SystemTime,
    /// Cuándo llegó el último mensaje.
    pub ventana_fin: SystemTime,
    /// De `ventana_inicio` a `ventana_fin`.
    pub duracion: Duration,
    /// Offset del primer mensaje que cuenta.
    pub offset_inicio: i64,
    /// Offset del último.
    pub offset_fin: i64,
}

/// Los contadores de la ventana abierta de una partición.
#[derive(Debug)]
pub struct Agregador {
    ventana: u64,
    cierre_anterior: Option<SystemTime>,
    abierta: Option<Abierta>,
}

#[derive(Debug)]
struct Abierta {
    inicio: SystemTime,
    offset_inicio: i64,
    mensajes: u64,
    cpu: f64,
    memoria: f64,
    disco: f64,
    red: f64,
    errores: i64,
}

impl Agregador {
    /// Ventanas de `ventana` mensajes (20 en el ejercicio; una al menos).
    pub fn new(ventana: u64) -> Self {
        Agregador { ventana: ventana.max(1), cierre_anterior: None, abierta: None }
    }

    /// Suma un mensaje, con su offset y la hora a la que ha llegado. Si completa la ventana, la cierra
    /// y devuelve sus KPIs.
    pub fn sumar(&mut self, metricas: &Metricas, offset: i64, llegada: SystemTime) -> Option<Kpis> {
        // La duración va de cierre a cierre: 20 mensajes son 20 huecos. Contada del primero al último
        // serían 19, y la tasa saldría un 5 % alta.
        let inicio = self.cierre_anterior.unwrap_or(llegada);
        let abierta = self.abierta.get_or_insert(Abierta {
            inicio,
            offset_inicio: offset,
            mensajes: 0,
            cpu: 0.0,
            memoria: 0.0,
            disco: 0.0,
            red: 0.0,
            errores: 0,
        });
        abierta.mensajes += 1;
        abierta.cpu += metricas.cpu_percent;
        abierta.memoria += metricas.memory_percent;
        abierta.disco += metricas.disk_io_mbps;
        abierta.red += metricas.network_mbps;
        abierta.errores += metricas.error_count; // no puede desbordar: mira `mensaje::MAX_ERRORES`
        if abierta.mensajes < self.ventana {
            return None;
        }
        self.cierre_anterior = Some(llegada);
        self.abierta.take().map(|abierta| abierta.cerrar(offset, llegada))
    }

    /// Mensajes que lleva la ventana abierta.
    pub fn mensajes(&self) -> u64 {
        self.abierta.as_ref().map_or(0, |a| a.mensajes)
    }
}

impl Abierta {
    fn cerrar(self, offset_fin: i64, llegada: SystemTime) -> Kpis {
        let n = self.mensajes as f64;
        // Si el reloj va hacia atrás no hay duración, ni tasa.
        let duracion = llegada.duration_since(self.inicio).unwrap_or_default();
        let tasa = (duracion >= DURACION_MINIMA).then(|| n / duracion.as_secs_f64());
        Kpis {
            cpu_percent_avg: self.cpu / n,
            memory_percent_avg: self.memoria / n,
            disk_io_mbps_avg: self.disco / n,
            network_mbps_avg: self.red / n,
            error_count_sum: self.errores,
            tasa_procesamiento_msg_seg: tasa,
            num_mensajes: self.mensajes,
            ventana_inicio: self.inicio,
            ventana_fin: llegada,
            duracion,
            offset_inicio: self.offset_inicio,
            offset_fin,
        }
    }
}
