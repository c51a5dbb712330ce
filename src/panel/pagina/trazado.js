// Cómo dibuja uPlot una serie: sus ejes, sus líneas y sus huecos.

import { cifras, marca } from "./formato.js";
import { nuevo } from "./elementos.js";
import { LETRA } from "./papel.js";

/** Los datos como los quiere uPlot, con un punto vacío donde la línea debe cortarse. */
export function conCortes(t, columnas, salto) {
  const salida = [[], [], [], []];
  for (let i = 0; i < t.length; i++) {
    if (i > 0 && t[i] - t[i - 1] > salto) {
      salida[0].push((t[i - 1] + t[i]) / 2);
      for (let j = 1; j < 4; j++) salida[j].push(null);
    }
    salida[0].push(t[i]);
    for (let j = 1; j < 4; j++) salida[j].push(columnas[j - 1][i] ?? null);
  }
  return salida;
}

// Series de uPlot: 0 es el tiempo.
export const MIN = 1, MAX = 2, MEDIA = 3;

// Lo que puede separar dos marcas de un eje: de un segundo a una semana, o números enteros.
const INSTANTES = [
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800].map((s) => s * 1_000),
  ...[1, 2, 3, 4, 6, 8, 12, 24, 48, 168].map((h) => h * 3_600_000),
];
const ENTEROS = [0, 1, 2, 3, 4, 5, 6].flatMap((n) => [1, 2, 5].map((x) => x * 10 ** n));

/** Un punto sin vecinos no hace línea: se dibuja suelto. */
function puntosSueltos(u, serie, todos) {
  if (todos) return null; // hay pocos: uPlot los dibuja todos
  const y = u.data[serie];
  return y.flatMap((v, i) => (v !== null && (y[i - 1] ?? null) === null && (y[i + 1] ?? null) === null ? [i] : []));
}

/**
 * Las opciones de uPlot. `escala` agranda letras y líneas: un PNG se dibuja más grande que la pantalla.
 * `tipo` dice qué se mide: `{ nombre, unidad, porcentaje }`.
 */
export function opciones({ ancho, alto, escala, colores, tipo, limites, sincronia, alMover, alDibujar }) {
  const letra = `${12 * escala}px ${LETRA}`;
  const eje = {
    font: letra,
    stroke: () => colores().texto,
    grid: { stroke: () => colores().rejilla, width: escala },
    ticks: { show: false },
  };
  const contorno = { stroke: () => colores().borde, width: escala, points: { show: false } };
  return {
    width: ancho,
    height: alto,
    ms: 1, // los instantes son milisegundos
    legend: { show: false },
    padding: [8 * escala, 28 * escala, 0, 0],
    scales: {
      x: { range: () => [limites().desde, limites().hasta] },
      y: { range: (u, min, max) => (tipo.porcentaje ? [0, 100] : [0, techo(max)]) },
    },
    axes: [
      { ...eje, size: 26 * escala, gap: 6 * escala, incrs: INSTANTES,
        // Con segundos, una marca ocupa más.
        space: (u, i, min, max, sitio) => (max - min <= 600_000 && sitio > 500 * escala ? 84 : 50) * escala,
        values: (u, marcas, i, espacio, separacion) => marcas.map((t) => marca(t, separacion)) },
      { ...eje, size: (tipo.porcentaje ? 52 : 44) * escala, gap: 6 * escala, space: 26 * escala,
        incrs: tipo.porcentaje ? [25, 50] : tipo.entero ? ENTEROS : undefined,
        values: (u, marcas) => marcas.map((v) => cifras(v) + (tipo.porcentaje ? " %" : "")) },
    ],
    series: [
      {},
      contorno,
      contorno,
      { stroke: () => colores().tinta, width: 2 * escala,
        points: { size: 6 * escala, fill: () => colores().tinta, filter: puntosSueltos } },
    ],
    bands: [{ series: [MAX, MIN], fill: () => colores().banda }],
    cursor: {
      show: Boolean(alMover),
      y: false,
      drag: { x: false, y: false },
      sync: sincronia ? { key: sincronia } : undefined,
      points: {
        show: (u, serie) => (serie === MEDIA ? nuevo("div", "punto") : false),
        stroke: () => colores().tinta, fill: () => colores().fondo,
      },
    },
    hooks: { setCursor: alMover ? [alMover] : [], draw: alDibujar ? [alDibujar] : [] },
  };
}

/** Hasta dónde llega el eje: un poco más que el máximo, y nunca un eje de altura cero. */
function techo(maximo) {
  return Number.isFinite(maximo) && maximo > 0 ? maximo * 1.15 : 1;
}
