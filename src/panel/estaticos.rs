//! Los ficheros de la página, metidos en el programa: no se busca ninguno en el disco.

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const TEXTO: &str = "text/plain; charset=utf-8";

/// Ruta, tipo y contenido de cada uno.
pub const FICHEROS: &[(&str, &str, &[u8])] = &[
    ("/", HTML, include_bytes!("pagina/index.html")),
    ("/panel.css", CSS, include_bytes!("pagina/panel.css")),
    ("/elementos.js", JS, include_bytes!("pagina/elementos.js")),
    ("/formato.js", JS, include_bytes!("pagina/formato.js")),
    ("/papel.js", JS, include_bytes!("pagina/papel.js")),
    ("/trazado.js", JS, include_bytes!("pagina/trazado.js")),
    ("/graficas.js", JS, include_bytes!("pagina/graficas.js")),
    ("/miniaturas.js", JS, include_bytes!("pagina/miniaturas.js")),
    ("/piezas.js", JS, include_bytes!("pagina/piezas.js")),
    ("/ficha.js", JS, include_bytes!("pagina/ficha.js")),
    ("/vista-servidor.js", JS, include_bytes!("pagina/vista-servidor.js")),
    ("/vista-flota.js", JS, include_bytes!("pagina/vista-flota.js")),
    ("/vista-kpis.js", JS, include_bytes!("pagina/vista-kpis.js")),
    ("/vistas.js", JS, include_bytes!("pagina/vistas.js")),
    ("/panel.js", JS, include_bytes!("pagina/panel.js")),
    ("/uPlot.iife.min.js", JS, include_bytes!("pagina/uPlot.iife.min.js")),
    ("/uPlot.min.css", CSS, include_bytes!("pagina/uPlot.min.css")),
    ("/LICENCIA-uPlot.txt", TEXTO, include_bytes!("pagina/LICENCIA-uPlot.txt")),
];
