// Los colores de un dibujo, y guardarlo en un PNG.

import { descargar } from "./formato.js";
import { nuevo } from "./elementos.js";

/** La letra de los lienzos. */
export const LETRA = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

/** Los colores que panel.css da a este elemento, en letras que un lienzo entiende. */
export function coloresDe(elemento) {
  const sonda = elemento.appendChild(nuevo("span"));
  const leer = (variable) => {
    sonda.style.color = `var(${variable})`;
    return getComputedStyle(sonda).color;
  };
  const colores = { tinta: leer("--tinta"), texto: leer("--suave"), rejilla: leer("--rejilla"),
    fondo: leer("--tarjeta"), letra: leer("--letra") };
  sonda.remove();
  colores.banda = colores.tinta.replace("rgb(", "rgba(").replace(")", ", 0.22)");
  colores.borde = colores.tinta.replace("rgb(", "rgba(").replace(")", ", 0.4)");
  return colores;
}

/** El título de un PNG. */
export function titulo(ctx, colores, texto, x, y) {
  ctx.fillStyle = colores.letra;
  ctx.font = `600 34px ${LETRA}`;
  ctx.fillText(texto, x, y, 1528);
}

/** Guarda un PNG con lo que pinte `dibujar`. */
export async function guardarPng(nombre, ancho, alto, dibujar) {
  const lienzo = nuevo("canvas");
  lienzo.width = ancho;
  lienzo.height = alto;
  const ctx = lienzo.getContext("2d");
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, 0, ancho, alto);
  dibujar(ctx);
  descargar(nombre, await new Promise((listo) => lienzo.toBlob(listo, "image/png")));
}
