//! Lo que el consumidor hace con los mensajes, sin broker ni base de datos: qué se guarda y hasta
//! dónde se confirma.
//!
//! El orden es la garantía: primero los crudos, luego los KPIs y por último la confirmación, que solo
//! avanza donde no queda ninguna ventana abierta. Si el programa muere, al volver relee la ventana
//! abierta entera; como cada documento tiene siempre el mismo `_id`, no se repite ninguno.

mod documentos;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Instant, SystemTime};

use crate::almacen::Documento;
use crate::broker::{Recibido, Registro};
use crate::fecha;
use crate::guardadas::{Guardadas, Paso, Ventana};
use crate::kpis::Agregador;
use crate::mensaje::{self, Leido, Metricas};
use crate::nombres::DESCARTADOS;

/// Razones distintas que se recuerdan para no repetirlas. Más no las lee nadie.
const MAX_DICHAS: usize = 100;

/// Las ventanas abiertas, una por partición.
pub struct Consumo {
    topic: String,
    ventana: u64,
    agregadores: BTreeMap<i32, Agregador>,
    /// De cada partición que se está leyendo, las ventanas que ya estaban guardadas.
    guardadas: BTreeMap<i32, Guardadas>,
    dichas: BTreeSet<String>,
}

/// Los mensajes de una lectura: lo que hay que guardar antes de contarlos.
#[derive(Debug, Default)]
pub struct Tanda {
    /// Los mensajes que cuentan.
    pub crudos: Vec<Documento>,
    /// Las métricas de cada uno de ellos.
    pub metricas: Vec<Metricas>,
    /// Los que no, con su razón.
    pub descartados: Vec<Documento>,
    /// De los que cuentan, los que no traen una fecha que se pueda usar.
    pub sin_fecha: usize,
    /// Lo que hay que decir de ellos, una vez por razón.
    pub avisos: Vec<String>,
    por_contar: BTreeMap<i32, Vec<PorContar>>, // por partición
}

/// Un mensaje leído: su offset, la suma de sus bytes y, si cuenta, sus métricas y cuándo llegó.
#[derive(Debug)]
struct PorContar {
    offset: i64,
    crc32: u32,
    cuenta: Option<(Metricas, SystemTime)>,
}

/// Lo que sale de contar una tanda que ya está guardada.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Cierre {
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
        let (agregadores, guardadas, dichas) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Consumo { topic: topic.to_owned(), ventana, agregadores, guardadas, dichas }
    }

    /// Reparte los mensajes de una lectura, que ha llegado a esta hora. Antes olvida la ventana abierta de las
    /// particiones reiniciadas: sus mensajes vienen otra vez desde lo confirmado, o son ya de otro.
    pub fn leer(&mut self, recibido: &Recibido, llegada: SystemTime) -> Tanda {
        self.agregadores.retain(|particion, _| !recibido.reiniciadas.contains(particion));
        let mut tanda = Tanda::default();
        for registro in &recibido.registros {
            let crc32 = documentos::crc32(&registro.valor);
            let leido = mensaje::leer(&registro.valor);
            let cuenta = leido.as_ref().ok().map(|leido| (leido.metricas, llegada));
            let suyos = tanda.por_contar.entry(registro.particion).or_default();
            suyos.push(PorContar { offset: registro.offset, crc32, cuenta });
            match leido {
                Ok(leido) => self.crudo(&mut tanda, registro, leido, crc32, llegada),
                Err(razon) => {
                    let frase = format!("no cuenta: {razon}. Queda en {DESCARTADOS}");
                    self.decir(&mut tanda, registro, &razon, &frase);
                    tanda.descartados.push(documentos::descartado(&self.topic, registro, &razon, llegada));
                }
            }
        }
        tanda
    }

    fn crudo(
        &mut self,
        tanda: &mut Tanda,
        registro: &Registro,
        leido: Leido,
        crc32: u32,
        llegada: SystemTime,
    ) {
        let fecha = fecha::leer(leido.campos.get("timestamp_utc"));
        if let Err(razon) = fecha {
            tanda.sin_fecha += 1;
            self.decir(tanda, registro, razon, &format!("se guarda sin timestamp: {razon}"));
        }
        tanda.metricas.push(leido.metricas);
        let crudo = documentos::crudo(&self.topic, registro, leido.campos, fecha.ok(), crc32, llegada);
        tanda.crudos.push(crudo);
    }

    /// Dice algo de un mensaje, si no se ha dicho ya de otro por la misma razón.
    fn decir(&mut self, tanda: &mut Tanda, registro: &Registro, razon: &str, frase: &str) {
        // Lo que va entre paréntesis cambia en cada mensaje.
        let clave = razon.split('(').next().unwrap_or_default();
        if self.dichas.len() < MAX_DICHAS && self.dichas.insert(clave.to_owned()) {
            let id = documentos::identidad(&self.topic, registro);
            tanda.avisos.push(format!("El mensaje {id} {frase}. Si hay más como él, no se repite."));
        }
    }

    /// De cada partición que empieza, o vuelve a empezar, pregunta qué ventanas hay guardadas que acaben por su
    /// primer mensaje o después. Antes de contarlos; se puede repetir.
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

    /// Cuenta los mensajes de una tanda que se pidió en `pedida` y está guardada desde `guardada`.
    pub fn contar(&mut self, tanda: &Tanda, pedida: Instant, guardada: Instant) -> Cierre {
        let mut cierre = Cierre::default();
        for (particion, mensajes) in &tanda.por_contar {
            let agregador =
                self.agregadores.entry(*particion).or_insert_with(|| Agregador::new(self.ventana));
            let guardadas = self.guardadas.entry(*particion).or_default();
            let paso = |m: &PorContar| m.cuenta.map(|_| guardadas.paso(m.offset, self.ventana));
            let pasos: Vec<_> = mensajes.iter().map(paso).collect();
            let cuentan = pasos.iter().filter(|p| matches!(p, Some(Paso::Contar | Paso::Empezar))).count();
            if cuentan > 0 {
                agregador.tanda(u32::try_from(cuentan).unwrap_or(u32::MAX), pedida, guardada);
            }
            for (PorContar { offset, crc32, cuenta }, paso) in mensajes.iter().zip(pasos) {
                if matches!(paso, Some(Paso::Empezar | Paso::Saltar)) {
                    agregador.dejar();
                }
                match (cuenta, paso) {
                    (_, Some(Paso::Saltar)) => {
                        let hasta = guardadas.por_decir();
                        cierre.avisos.extend(hasta.map(|hasta| salto(*particion, *offset, hasta)));
                    }
                    (Some((metricas, llegada)), _) => {
                        let kpis = agregador.sumar(metricas, *offset, *crc32, *llegada);
                        cierre.kpis.extend(kpis.map(|k| documentos::de_kpis(&self.topic, *particion, &k)));
                    }
                    (None, _) => {}
                }
                if agregador.mensajes() == 0 {
                    cierre.confirmar.insert(*particion, offset + 1);
                }
            }
        }
        cierre
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

fn salto(particion: i32, desde: i64, hasta: i64) -> String {
    format!(
        "La partición {particion} se lee otra vez desde el mensaje {desde}, y hasta el {hasta} los hay que ya están en \
         ventanas guardadas (los offsets del grupo han vuelto atrás, o --ventana era otra): no se cuentan dos veces."
    )
}
