// Lo que comparten las vistas.

import { atributo, nuevo, poner } from "./elementos.js";
import { NADA, csv, deInstante, instante, recortar } from "./formato.js";

const LETRAS = 200; // de un texto ajeno, las que se enseñan

const PERIODOS = { "5m": "5 min", "1h": "1 h", "24h": "24 h", "7d": "7 días" };

/** Un periodo, en un título. */
export const EN_PALABRAS = { "5m": "últimos 5 minutos", "1h": "última hora", "24h": "últimas 24 horas", "7d": "últimos 7 días" };

/** Los periodos que admite cada vista. */
export const RANGOS = { servidor: ["5m", "1h", "24h"], kpis: ["5m", "1h", "24h", "7d"] };

/** Los botones del periodo: son radios, así que se cambian con las flechas. Devuelve cómo marcar uno. */
export function ponerRangos(raiz, vista, cambiar) {
  const grupo = raiz.querySelector(".rangos");
  grupo.replaceChildren(grupo.querySelector("legend"));
  for (const rango of RANGOS[vista]) {
    const opcion = nuevo("label");
    const radio = nuevo("input");
    Object.assign(radio, { type: "radio", name: `rango-${vista}`, value: rango });
    radio.addEventListener("change", () => cambiar({ rango }));
    opcion.append(radio, nuevo("span", "", PERIODOS[rango]));
    grupo.append(opcion);
  }
  return (rango) => {
    for (const radio of grupo.querySelectorAll("input")) radio.checked = radio.value === rango;
  };
}

/** Un texto que viene de los mensajes, en un elemento: si no cabe, CSS lo corta y el «title» lo enseña. */
export function ponerAjeno(elemento, texto) {
  const cabe = texto === "" ? "(vacío)" : recortar(texto ?? NADA, LETRAS);
  poner(elemento, cabe);
  atributo(elemento, "title", cabe);
}

/** Una partición o un offset: son números, pero no cantidades. */
export const ponerId = (n) => String(n ?? NADA);

/** Las columnas del CSV de una serie: por cada métrica, mínimo, media y máximo. */
export function csvDeSerie(datos, campos) {
  const cabecera = [deInstante("fecha_hora"), ...campos.flatMap((c) => [`${c}_min`, `${c}_media`, `${c}_max`])];
  const filas = datos.t.map((t, i) =>
    [instante(t), ...campos.flatMap((c) => [datos[c].min[i], datos[c].media[i], datos[c].max[i]])]);
  return csv(cabecera, filas);
}

/** El CSV de una tabla: esos campos de cada fila; los de `instantes` son horas. */
export function csvDeFilas(campos, instantes, filas) {
  const esHora = (campo) => instantes.includes(campo);
  return csv(campos.map((c) => (esHora(c) ? deInstante(c) : c)),
    filas.map((fila) => campos.map((c) => (esHora(c) ? instante(fila[c]) : fila[c]))));
}

/** Un oyente por botón y vista montada: al salir de la vista se quitan todos de golpe. */
export function oyentes() {
  const fin = new AbortController();
  const oir = (elemento, suceso, hacer) => elemento.addEventListener(suceso, hacer, { signal: fin.signal });
  return { oir, soltar: () => fin.abort() };
}
