//! Confirmar sin olvidar nada: lo que el broker no confirma ahora se guarda, se sigue leyendo y se vuelve a
//! probar, cada vez más espaciado.
//!
//! Los documentos ya están guardados: si el programa acaba antes, al volver se relee y no se repite ninguno.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{ErrorBroker, Receptor, Recibido};
use crate::avisos::{Avisos, Nivel};
use crate::guardia::Guardia;
use crate::herramientas::reintentos::Reintentos;
use crate::insistir::POLITICA;

/// Un receptor cuyo [`confirmar`](Receptor::confirmar) solo falla si no se va a arreglar esperando.
pub struct Confirmador {
    receptor: Box<dyn Receptor>,
    avisos: Avisos,
    guardia: Guardia,
    pendientes: BTreeMap<i32, i64>,
    reintentos: Reintentos,
    /// Tras un fallo: cuándo se vuelve a probar, y qué se dijo.
    despues: Option<(Instant, String)>,
}

impl Confirmador {
    /// Confirma por `receptor` y cuenta por `avisos` lo que no puede.
    pub fn new(receptor: Box<dyn Receptor>, avisos: &Avisos) -> Self {
        Confirmador {
            receptor,
            avisos: avisos.clone(),
            guardia: Guardia::new("el broker", avisos),
            pendientes: BTreeMap::new(),
            reintentos: Reintentos::new(POLITICA),
            despues: None,
        }
    }

    fn ha_fallado(&mut self, frase: String) {
        let antes = self.despues.take().map(|(_, frase)| frase);
        let nivel = if antes.as_ref() == Some(&frase) { Nivel::Detalle } else { Nivel::Aviso };
        (self.avisos)(
            nivel,
            &format!("{frase}. Se sigue leyendo, y se confirmará cuando se pueda; si no, se releerá."),
        );
        let espera = self.reintentos.fallo(Instant::now(), fastrand::f64());
        self.despues = Some((Instant::now() + espera, frase));
    }
}

impl Receptor for Confirmador {
    /// Lo que faltaba por confirmar de una partición reiniciada se olvida: ya es de otro, o viene otra vez.
    fn recibir(&mut self, espera: Duration) -> Result<Recibido, ErrorBroker> {
        let recibido = self.receptor.recibir(espera)?;
        self.pendientes.retain(|particion, _| !recibido.reiniciadas.contains(particion));
        Ok(recibido)
    }

    /// Confirma esto y lo que faltara de antes. Se puede llamar sin nada nuevo, para volver a probar.
    fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker> {
        self.pendientes.extend(siguientes);
        let toca = self.despues.as_ref().is_none_or(|(cuando, _)| *cuando <= Instant::now());
        if self.pendientes.is_empty() || !toca {
            return Ok(());
        }
        match self.guardia.vigilar(|| self.receptor.confirmar(&self.pendientes)) {
            Ok(()) => {
                self.pendientes.clear();
                self.reintentos.exito();
                if self.despues.take().is_some() {
                    (self.avisos)(Nivel::Info, "El broker ya ha confirmado lo que faltaba.");
                }
                Ok(())
            }
            Err(ErrorBroker::Pasajero(frase)) => {
                self.ha_fallado(frase);
                Ok(())
            }
            Err(definitivo) => Err(definitivo),
        }
    }

    fn atraso(&mut self) -> Result<u64, ErrorBroker> {
        self.guardia.vigilar(|| self.receptor.atraso())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herramientas::reintentos::Politica;
    use std::sync::{Arc, Mutex};

    type Pedidos = Arc<Mutex<Vec<Vec<(i32, i64)>>>>;

    /// Contesta a cada commit lo que se le diga, y apunta lo que se le pide.
    struct DeMentira {
        respuestas: Vec<Result<(), ErrorBroker>>,
        pedido: Pedidos,
        reiniciadas: Vec<i32>,
    }

    impl Receptor for DeMentira {
        fn recibir(&mut self, _: Duration) -> Result<Recibido, ErrorBroker> {
            Ok(Recibido { reiniciadas: self.reiniciadas.clone(), registros: Vec::new() })
        }

        fn confirmar(&mut self, siguientes: &BTreeMap<i32, i64>) -> Result<(), ErrorBroker> {
            self.pedido.lock().unwrap().push(siguientes.iter().map(|(p, o)| (*p, *o)).collect());
            self.respuestas.remove(0)
        }

        fn atraso(&mut self) -> Result<u64, ErrorBroker> {
            Ok(0)
        }
    }

    fn pasajero(frase: &str) -> Result<(), ErrorBroker> {
        Err(ErrorBroker::Pasajero(frase.to_owned()))
    }

    #[test]
    fn lo_que_no_se_confirma_se_guarda_se_espera_y_se_confirma_con_lo_siguiente() {
        let pedido = Arc::new(Mutex::new(Vec::new()));
        let respuestas = vec![pasajero("ocupado"), pasajero("ocupado"), pasajero("otra cosa"), Ok(())];
        let receptor = DeMentira { respuestas, pedido: Arc::clone(&pedido), reiniciadas: vec![1] };
        let dichas = Arc::new(Mutex::new(Vec::new()));
        let apuntar = Arc::clone(&dichas);
        let avisos: Avisos =
            Arc::new(move |nivel, frase| apuntar.lock().unwrap().push((nivel, frase.to_owned())));
        let mut confirmador = Confirmador::new(Box::new(receptor), &avisos);

        confirmador.confirmar(&[(0, 20), (1, 5)].into()).unwrap();
        confirmador.confirmar(&[(0, 40)].into()).unwrap(); // enseguida no se vuelve a probar
        assert_eq!(*pedido.lock().unwrap(), [[(0, 20), (1, 5)]]);

        confirmador.reintentos = Reintentos::new(Politica { max_retry_delay: Duration::ZERO, ..POLITICA });
        confirmador.despues = confirmador.despues.map(|(_, frase)| (Instant::now(), frase));
        confirmador.confirmar(&BTreeMap::new()).unwrap();
        confirmador.recibir(Duration::ZERO).unwrap(); // la 1 es ya de otro
        confirmador.confirmar(&[(2, 7)].into()).unwrap();
        confirmador.confirmar(&BTreeMap::new()).unwrap();
        confirmador.confirmar(&BTreeMap::new()).unwrap(); // ya no falta nada
        let (todo, resto) = (vec![(0, 40), (1, 5)], vec![(0, 40), (2, 7)]);
        assert_eq!(pedido.lock().unwrap()[1..], [todo, resto.clone(), resto]);
        let niveles: Vec<_> = dichas.lock().unwrap().iter().map(|(nivel, _)| *nivel).collect();
        assert_eq!(niveles, [Nivel::Aviso, Nivel::Detalle, Nivel::Aviso, Nivel::Info], "{dichas:?}");
    }

    #[test]
    fn una_negativa_definitiva_acaba() {
        let definitivo = Err(ErrorBroker::Definitivo("sin permiso".to_owned()));
        let (pedido, reiniciadas) = (Arc::default(), Vec::new());
        let receptor = DeMentira { respuestas: vec![definitivo.clone()], pedido, reiniciadas };
        let avisos: Avisos = Arc::new(|_, _| {});
        let mut confirmador = Confirmador::new(Box::new(receptor), &avisos);
        assert_eq!(confirmador.confirmar(&[(0, 20)].into()), definitivo);
    }
}
