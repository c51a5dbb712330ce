//! El agregador: suma mensaje a mensaje y, al llegar a la ventana, da los KPIs del ejercicio.
//!
//! Solo lleva contadores: no guarda los mensajes, no mira el reloj y no habla con nadie. Una ventana
//! es de una partición; con una partición es el «cada 20 mensajes» del ejercicio.
//!
//! La tasa es cuántos mensajes por segundo se han recibido **y guardado**. Llegan por tandas, así que el
//! tiempo que va de guardar una tanda a guardar la siguiente se reparte entre los mensajes de esta, y el
//! de una ventana es la suma de los de sus mensajes: 20 mensajes son 20 huecos, no 19.

use std::time::{Duration, Instant, SystemTime};

use flate2::Crc;

use crate::mensaje::Metricas;

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
    /// `num_mensajes / duracion`, en mensajes por segundo.
    pub tasa_procesamiento_msg_seg: f64,
    /// Cuántos mensajes hay en la ventana.
    pub num_mensajes: u64,
    /// Cuándo llegó el último mensaje, por el reloj del sistema.
    pub ventana_fin: SystemTime,
    /// Lo que se ha tardado en recibir y guardar sus mensajes, por un reloj que no se cambia.
    pub duracion: Duration,
    /// Offset del primer mensaje que cuenta.
    pub offset_inicio: i64,
    /// Offset del último.
    pub offset_fin: i64,
    /// Suma de las sumas de sus mensajes: la misma ventana da siempre la misma.
    pub crc32: u32,
}

/// Los contadores de la ventana abierta de una partición.
#[derive(Debug)]
pub struct Agregador {
    ventana: u64,
    guardada: Option<Instant>, // la tanda anterior
    paso: Paso,
    abierta: Option<Abierta>,
}

/// Lo que le toca de tiempo a cada mensaje de una tanda.
#[derive(Debug, Clone, Copy)]
enum Paso {
    /// De una tanda a la siguiente.
    Medido(Duration),
    /// Es la primera tanda: solo se sabe lo que se ha tardado en leerla y guardarla. Los mensajes podían
    /// llevar horas esperando.
    Primera(Duration),
}

#[derive(Debug, Default)]
struct Abierta {
    offset_inicio: i64,
    mensajes: u64,
    cpu: f64,
    memoria: f64,
    disco: f64,
    red: f64,
    errores: i64,
    medidos: u64, // mensajes con su tiempo medido
    medido: Duration,
    primera: Duration,
    crc: Crc,
}

impl Agregador {
    /// Ventanas de `ventana` mensajes (20 en el ejercicio; una al menos).
    pub fn new(ventana: u64) -> Self {
        let paso = Paso::Primera(Duration::ZERO);
        Agregador { ventana: ventana.max(1), guardada: None, paso, abierta: None }
    }

    /// Los `mensajes` que se van a sumar han llegado juntos: se pidieron en `pedida` y ya están
    /// guardados, en `guardada`.
    pub fn tanda(&mut self, mensajes: u32, pedida: Instant, guardada: Instant) {
        let cada_uno = |desde| guardada.saturating_duration_since(desde) / mensajes.max(1);
        self.paso = match self.guardada.replace(guardada) {
            Some(anterior) => Paso::Medido(cada_uno(anterior)),
            None => Paso::Primera(cada_uno(pedida)),
        };
    }

    /// Suma un mensaje, con su offset, la suma de sus bytes y la hora a la que ha llegado. Si completa la
    /// ventana, la cierra y devuelve sus KPIs.
    pub fn sumar(
        &mut self,
        metricas: &Metricas,
        offset: i64,
        crc32: u32,
        llegada: SystemTime,
    ) -> Option<Kpis> {
        let vacia = || Abierta { offset_inicio: offset, ..Abierta::default() };
        let abierta = self.abierta.get_or_insert_with(vacia);
        abierta.mensajes += 1;
        abierta.cpu += metricas.cpu_percent;
        abierta.memoria += metricas.memory_percent;
        abierta.disco += metricas.disk_io_mbps;
        abierta.red += metricas.network_mbps;
        abierta.errores += metricas.error_count; // no se desborda: mira MAX_ERRORES en `mensaje`
        abierta.crc.update(&crc32.to_be_bytes());
        match self.paso {
            Paso::Primera(tiempo) => abierta.primera += tiempo,
            Paso::Medido(tiempo) => {
                abierta.medidos += 1;
                abierta.medido += tiempo;
            }
        }
        if abierta.mensajes < self.ventana {
            return None;
        }
        self.abierta.take().map(|abierta| abierta.cerrar(offset, llegada))
    }

    /// Deja la ventana abierta, si la hay: sus mensajes no se cuentan.
    pub fn dejar(&mut self) {
        self.abierta = None;
    }

    /// Mensajes que lleva la ventana abierta.
    pub fn mensajes(&self) -> u64 {
        self.abierta.as_ref().map_or(0, |a| a.mensajes)
    }
}

impl Abierta {
    fn cerrar(self, offset_fin: i64, llegada: SystemTime) -> Kpis {
        let n = self.mensajes as f64;
        let duracion = self.duracion();
        Kpis {
            cpu_percent_avg: self.cpu / n,
            memory_percent_avg: self.memoria / n,
            disk_io_mbps_avg: self.disco / n,
            network_mbps_avg: self.red / n,
            error_count_sum: self.errores,
            tasa_procesamiento_msg_seg: n / duracion.as_secs_f64(),
            num_mensajes: self.mensajes,
            ventana_fin: llegada,
            duracion,
            offset_inicio: self.offset_inicio,
            offset_fin,
            crc32: self.crc.sum(),
        }
    }

    /// Los mensajes de la primera tanda, que ya esperaban, cuentan al paso de los demás. Si no hay otros,
    /// por lo que se ha tardado en leerlos y guardarlos.
    fn duracion(&self) -> Duration {
        let duracion = match self.medidos {
            0 => self.primera,
            medidos => self.medido.mul_f64(self.mensajes as f64 / medidos as f64),
        };
        duracion.max(Duration::from_nanos(1)) // un reloj poco fino puede no haberse movido
    }
}
