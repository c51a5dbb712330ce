//! La tabla de opciones de un programa, y la ayuda que sale de ella.

use std::fmt;

/// Una opción de un programa. Cada una es una constante: se lee con ella, y no con su nombre escrito otra
/// vez, que podría no ser el mismo.
#[derive(Clone, Copy)]
pub struct Opcion {
    /// Nombre largo, sin guiones.
    pub nombre: &'static str,
    /// Letra corta, si la tiene.
    pub corta: Option<char>,
    /// Cómo se llama su valor en la ayuda. Vacío: es un interruptor.
    pub valor: &'static str,
    /// Variable de entorno (o línea de `.env`) equivalente. Vacía: no tiene.
    pub variable: &'static str,
    /// Para qué sirve, en una línea.
    pub ayuda: &'static str,
}

/// Un programa y sus opciones.
pub struct Programa {
    /// El nombre del binario.
    pub nombre: &'static str,
    /// Qué hace, en una o dos líneas.
    pub resumen: &'static str,
    /// Sus opciones, por grupos, en el orden de la ayuda.
    pub opciones: &'static [&'static [Opcion]],
    /// Lo que va tras las opciones en la ayuda.
    pub pie: &'static str,
}

impl Opcion {
    /// Una opción con valor.
    pub const fn new(
        nombre: &'static str,
        valor: &'static str,
        variable: &'static str,
        ayuda: &'static str,
    ) -> Self {
        Opcion { nombre, corta: None, valor, variable, ayuda }
    }

    /// Una opción que se pone o no se pone.
    pub const fn interruptor(nombre: &'static str, ayuda: &'static str) -> Self {
        Opcion::new(nombre, "", "", ayuda)
    }

    /// Si no lleva valor.
    pub fn es_interruptor(&self) -> bool {
        self.valor.is_empty()
    }

    /// Su columna en la ayuda.
    fn izquierda(&self) -> String {
        let corta = self.corta.map_or("    ".to_owned(), |c| format!("-{c}, "));
        let valor = if self.es_interruptor() { String::new() } else { format!(" {}", self.valor) };
        format!("{corta}--{}{valor}", self.nombre)
    }
}

/// Cómo se nombra en un mensaje: su variable y su opción.
impl fmt::Display for Opcion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variable {
            "" => write!(f, "--{}", self.nombre),
            variable => write!(f, "{variable} (o --{})", self.nombre),
        }
    }
}

impl Programa {
    /// Todas sus opciones, en el orden de la ayuda.
    pub fn todas(&self) -> impl Iterator<Item = &'static Opcion> {
        self.opciones.iter().flat_map(|grupo| grupo.iter())
    }

    /// Lo que contesta a `--version`.
    pub fn version(&self) -> String {
        format!("{} {}", self.nombre, env!("CARGO_PKG_VERSION"))
    }

    /// Lo que contesta a `--ayuda`.
    pub fn ayuda(&self) -> String {
        let mut texto = format!("{}\n\nUso: {} [OPCIONES]\n\nOpciones:\n", self.resumen, self.nombre);
        let fijas = [
            ("-h, --ayuda".to_owned(), "Enseña esta ayuda"),
            ("-V, --version".to_owned(), "Enseña la versión"),
        ];
        let propias = self.todas().map(|o| (o.izquierda(), o.ayuda));
        let filas: Vec<_> = propias.chain(fijas).collect();
        let ancho = filas.iter().map(|(izquierda, _)| izquierda.chars().count()).max().unwrap_or(0);
        for (izquierda, ayuda) in filas {
            texto += &format!("  {izquierda:<ancho$}  {ayuda}\n");
        }
        texto + "\n" + self.pie
    }
}
