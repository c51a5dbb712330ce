// Las tres vistas. Cada una se monta al entrar en ella, pinta lo que llega cada segundo y se quita al salir.
//
// Una vista recibe su sección de index.html, sus parámetros (los que van en la dirección) y `cambiar`, a
// la que llama cuando alguien toca un mando. `pintar(datos)` dice si no había nada que enseñar.

import { vistaFlota } from "./vista-flota.js";
import { vistaKpis } from "./vista-kpis.js";
import { vistaServidor } from "./vista-servidor.js";

/** Los parámetros de cada vista, con su valor si la dirección no los trae. */
export const PARAMETROS = {
  servidor: { host: "", rango: "5m" },
  flota: { buscar: "", pagina: "0" },
  kpis: { rango: "1h" },
};

export const VISTAS = { servidor: vistaServidor, flota: vistaFlota, kpis: vistaKpis };
