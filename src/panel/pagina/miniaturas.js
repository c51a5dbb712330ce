// Las líneas pequeñas de la flota, y su PNG.

import { atributo, nuevo } from "./elementos.js";
import { LETRA, coloresDe, guardarPng, titulo } from "./papel.js";

const SVG = "http://www.w3.org/2000/svg";
const ANCHO = 100, ALTO = 24;

const enSvg = (etiqueta, atributos) => {
  const elemento = document.createElementNS(SVG, etiqueta);
  for (const [nombre, valor] of Object.entries(atributos)) elemento.setAttribute(nombre, valor);
  return elemento;
};

/** Una línea pequeña, con la del umbral si lo hay. */
export function miniatura(tipo) {
  const svg = enSvg("svg", { viewBox: `0 0 ${ANCHO} ${ALTO}`, preserveAspectRatio: "none", role: "img", class: "miniatura" });
  svg.append(enSvg("path", { class: "umbral" }), enSvg("path", { class: "linea" }));
  svg.dataset.color = tipo.color;
  return svg;
}

/** Lo alto que llega cada miniatura: 100 si son porcentajes, o su máximo. */
const cima = (tipo, valores) => (tipo.porcentaje ? 100 : Math.max(1, ...valores.map((v) => v ?? 0)));

/** El camino de una línea en un rectángulo; donde falta un valor, se corta. Los errores son barras. */
function camino(tipo, valores, ancho, alto) {
  const arriba = cima(tipo, valores), paso = ancho / Math.max(1, valores.length - 1);
  let trazo = "", seguido = false;
  valores.forEach((valor, i) => {
    const x = (i * paso).toFixed(1);
    const y = (alto - 1 - (Math.min(valor, arriba) / arriba) * (alto - 2)).toFixed(1);
    if (tipo.barras) trazo += valor > 0 ? `M${x},${alto}V${y}` : "";
    else if (valor !== null) trazo += seguido ? `L${x},${y}` : `M${x},${y}h.1`;
    seguido = valor !== null;
  });
  return trazo;
}

const alturaDelUmbral = (umbral, alto) => (alto - 1 - (umbral / 100) * (alto - 2)).toFixed(1);

export function actualizarMiniatura(svg, tipo, valores, umbral, descripcion) {
  atributo(svg, "aria-label", descripcion);
  atributo(svg.children[1], "d", camino(tipo, valores, ANCHO, ALTO));
  atributo(svg.children[0], "d", umbral ? `M0,${alturaDelUmbral(umbral, ALTO)}H${ANCHO}` : "");
}

/** El PNG de un servidor: sus métricas, una debajo de otra. `filas` es `{ tipo, valor, valores, umbral }`. */
export async function pngDeServidor(nombre, rotulo, filas) {
  const papel = nuevo("div", "papel");
  document.body.append(papel);
  const colores = new Map(filas.map(({ tipo }) => {
    papel.dataset.color = tipo.color;
    return [tipo, coloresDe(papel)];
  }));
  papel.remove();
  await guardarPng(nombre, 1600, 140 + filas.length * 130, (ctx) => {
    titulo(ctx, colores.get(filas[0].tipo), rotulo, 36, 66);
    filas.forEach(({ tipo, valor, valores, umbral }, i) => {
      const { tinta, texto, letra } = colores.get(tipo), ancho = 1130, alto = 100;
      ctx.save();
      ctx.translate(36, 110 + i * 130);
      ctx.font = `28px ${LETRA}`;
      ctx.fillStyle = texto;
      ctx.fillText(tipo.nombre, 0, 62);
      ctx.fillStyle = letra;
      ctx.textAlign = "right";
      ctx.fillText(valor, 360, 62);
      ctx.translate(398, 0);
      ctx.strokeStyle = texto;
      ctx.lineWidth = 2;
      ctx.setLineDash([8, 8]);
      if (umbral) ctx.stroke(new Path2D(`M0,${alturaDelUmbral(umbral, alto)}H${ancho}`));
      ctx.setLineDash([]);
      ctx.strokeStyle = tinta;
      ctx.lineWidth = tipo.barras ? 8 : 3;
      ctx.stroke(new Path2D(camino(tipo, valores, ancho, alto)));
      ctx.restore();
    });
  });
}
