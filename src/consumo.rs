//! Lo que el consumidor hace con los mensajes, sin broker ni base de datos: qué se guarda y hasta
//! dónde se confirma.
//!
//! El orden es la garantía: primero los crudos, luego los KPIs y por último la confirmación, que solo
//! avanza donde no queda ninguna ventana abierta. Si el programa muere, al volver relee la ventana
//! abierta entera; como cada documento tiene siempre el mismo `_id`, no se repite ninguno.

use std::collections::BTreeMap;
use std::time::SystemTime;

use flate2::Crc;
use serde_json::{Number, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::almacen::{Dato, Documento};
use crate::broker::{Recibido, Registro};
use crate::guardadas::{Guardadas, Paso, Ventana};
use crate::kpis::{Agregador, Kpis};
use crate::mensaje::{self, Leido, Metricas};

/// Las ventanas abiertas, una por partición.
pub struct Consumo {
    topic: String,
    ventana: u64,
    agregadores: BTreeMap<i32, Agregador>,
    /// De cada partición que se está leyendo, las ventanas que ya estaban guardadas.
    guardadas: BTreeMap<i32, Guardadas>,
}

/// Lo que sale de una tanda de mensajes, en el orden en que hay que guardarlo.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tanda {
    /// Los mensajes que cuentan.
    pub crudos: Vec<Documento>,
    /// Las métricas de cada uno de ellos.
    pub metricas: Vec<Metricas>,
    /// Los que no, con su razón.
    pub descartados: Vec<Documento>,
    /// Las ventanas cerradas.
    pub kpis: Vec<Documento>,
    /// Por partición, el offset por el que habría que seguir tras un reinicio.
    pub confirmar: BTreeMap<i32, i64>,
    /// Lo que hay que decir.
    pub avisos: Vec<String>,
}

impl Consumo {
    /// Ventanas de `ventana` mensajes sobre `topic`.
    pub fn new(topic: &str, ventana: u64) -> Self {
        Consumo { topic: topic.to_owned(), ventana, agregadores: BTreeMap::new(), guardadas: BTreeMap::new() }
    }

    /// De cada partición que empieza, o vuelve a empezar, pregunta qué ventanas hay guardadas que acaben por su
    /// primer mensaje o después. Se puede repetir.
    ///
    /// # Errors
    /// Los de `preguntar`, que recibe la partición y ese offset.
    pub fn situar<E>(
        &mut self,
        recibido: &Recibido,
        mut preguntar: impl FnMut(i32, i64) -> Result<Vec<Ventana>, E>,
    ) -> Result<(), E> {
        self.guardadas.retain(|particion, _| !recibido.reiniciadas.contains(particion));
        for Registro { particion, offset, .. } in &recibido.registros {
            if !self.guardadas.contains_key(particion) {
                self.guardadas.insert(*particion, Guardadas::new(preguntar(*particion, *offset)?));
            }
        }
        Ok(())
    }

    /// Reparte los mensajes de una lectura, que ha llegado a esta hora. Antes olvida la ventana abierta de las
    /// particiones reiniciadas: sus mensajes vienen otra vez desde lo confirmado, o son ya de otro.
    pub fn procesar(&mut self, recibido: &Recibido, llegada: SystemTime) -> Tanda {
        self.agregadores.retain(|particion, _| !recibido.reiniciadas.contains(particion));
        let mut tanda = Tanda::default();
        for registro in &recibido.registros {
            let agregador =
                self.agregadores.entry(registro.particion).or_insert_with(|| Agregador::new(self.ventana));
            match mensaje::leer(&registro.valor) {
                Ok(leido) => {
                    let guardadas = self.guardadas.entry(registro.particion).or_default();
                    let paso = guardadas.paso(registro.offset, self.ventana);
                    if paso != Paso::Contar && agregador.mensajes() > 0 {
                        *agregador = Agregador::new(self.ventana);
                    }
                    let kpis = match paso {
                        Paso::Saltar => {
                            tanda.avisos.extend(guardadas.por_decir().map(|hasta| salto(registro, hasta)));
                            None
                        }
                        _ => agregador.sumar(&leido.metricas, registro.offset, llegada),
                    };
                    tanda.metricas.push(leido.metricas);
                    tanda.crudos.push(crudo(&self.topic, registro, leido, llegada));
                    tanda.kpis.extend(kpis.map(|k| documento_kpis(&self.topic, registro.particion, &k)));
                }
                Err(razon) => tanda.descartados.push(descartado(&self.topic, registro, razon, llegada)),
            }
            if agregador.mensajes() == 0 {
                tanda.confirmar.insert(registro.particion, registro.offset + 1);
            }
        }
        tanda
    }

    /// Mensajes por ventana.
    pub fn ventana(&self) -> u64 {
        self.ventana
    }

    /// Mensajes que lleva cada ventana abierta, por partición.
    pub fn abiertas(&self) -> impl Iterator<Item = (i32, u64)> {
        self.agregadores.iter().map(|(p, a)| (*p, a.mensajes())).filter(|(_, n)| *n > 0)
    }
}

fn salto(Registro { particion, offset, .. }: &Registro, hasta: i64) -> String {
    format!(
        "La partición {particion} se lee otra vez desde el mensaje {offset}, y hasta el {hasta} los hay que ya están en \
         ventanas guardadas (los offsets del grupo han vuelto atrás, o --ventana era otra): no se cuentan dos veces."
    )
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn texto(clave: &str, valor: &str) -> (String, Dato) {
    (clave.to_owned(), Dato::Json(Value::from(valor)))
}

fn entero(clave: &str, valor: impl Into<Number>) -> (String, Dato) {
    (clave.to_owned(), Dato::Json(Value::Number(valor.into())))
}

fn decimal(clave: &str, valor: Option<f64>) -> (String, Dato) {
    (clave.to_owned(), Dato::Json(valor.and_then(Number::from_f64).map_or(Value::Null, Value::Number)))
}

/// De dónde viene un mensaje.
fn procedencia(topic: &str, registro: &Registro, crc: u32, llegada: SystemTime) -> Vec<(String, Dato)> {
    let clave = match registro.clave.as_deref().map(std::str::from_utf8) {
        None => Dato::Json(Value::Null),
        Some(Ok(clave)) => Dato::Json(Value::from(clave)),
        Some(Err(_)) => Dato::Bytes(registro.clave.clone().unwrap_or_default()),
    };
    vec![
        texto("topic", topic),
        entero("partition", registro.particion),
        entero("offset", registro.offset),
        ("key".to_owned(), clave),
        entero("crc32", crc),
        ("recibido_en".to_owned(), Dato::Fecha(llegada)),
    ]
}

/// El mensaje como vino, más `timestamp` (fecha) y `kafka`. Si traía un campo con uno de esos nombres
/// o un `_id`, se conserva dentro de `original`.
fn crudo(topic: &str, registro: &Registro, leido: Leido, llegada: SystemTime) -> Documento {
    let crc = crc32(&registro.valor);
    let fecha = leido.campos.get("timestamp_utc").and_then(Value::as_str);
    let fecha = fecha.and_then(|f| OffsetDateTime::parse(f, &Rfc3339).ok()).map(SystemTime::from);
    let (nuestros, suyos): (Vec<_>, Vec<_>) = leido
        .campos
        .into_iter()
        .map(|(clave, valor)| (clave, Dato::Json(valor)))
        .partition(|(clave, _)| ["_id", "kafka", "timestamp", "original"].contains(&clave.as_str()));
    let mut campos = suyos;
    campos.extend(fecha.map(|f| ("timestamp".to_owned(), Dato::Fecha(f))));
    if !nuestros.is_empty() {
        campos.push(("original".to_owned(), Dato::Sub(nuestros)));
    }
    campos.push(("kafka".to_owned(), Dato::Sub(procedencia(topic, registro, crc, llegada))));
    Documento { id: identidad(topic, registro), crc32: Some(crc), campos }
}

fn descartado(topic: &str, registro: &Registro, razon: String, llegada: SystemTime) -> Documento {
    let crc = crc32(&registro.valor);
    let campos = vec![
        texto("razon", &razon),
        ("bytes".to_owned(), Dato::Bytes(registro.valor.clone())),
        ("timestamp".to_owned(), Dato::Fecha(llegada)),
        ("kafka".to_owned(), Dato::Sub(procedencia(topic, registro, crc, llegada))),
    ];
    Documento { id: identidad(topic, registro), crc32: Some(crc), campos }
}

fn documento_kpis(topic: &str, particion: i32, kpis: &Kpis) -> Documento {
    let Kpis { offset_inicio, offset_fin, .. } = kpis;
    let campos = vec![
        ("timestamp_utc".to_owned(), Dato::Fecha(kpis.ventana_fin)),
        ("ventana_inicio".to_owned(), Dato::Fecha(kpis.ventana_inicio)),
        ("ventana_fin".to_owned(), Dato::Fecha(kpis.ventana_fin)),
        decimal("duracion_ventana_seg", Some(kpis.duracion.as_secs_f64())),
        entero("num_mensajes", kpis.num_mensajes),
        decimal("cpu_percent_avg", Some(kpis.cpu_percent_avg)),
        decimal("memory_percent_avg", Some(kpis.memory_percent_avg)),
        decimal("disk_io_mbps_avg", Some(kpis.disk_io_mbps_avg)),
        decimal("network_mbps_avg", Some(kpis.network_mbps_avg)),
        entero("error_count_sum", kpis.error_count_sum),
        decimal("tasa_procesamiento_msg_seg", kpis.tasa_procesamiento_msg_seg),
        entero("particion", particion),
        entero("offset_inicio", *offset_inicio),
        entero("offset_fin", *offset_fin),
    ];
    Documento { id: format!("{topic}#{particion}#{offset_inicio}-{offset_fin}"), crc32: None, campos }
}

fn identidad(topic: &str, registro: &Registro) -> String {
    format!("{topic}#{}#{}", registro.particion, registro.offset)
}
