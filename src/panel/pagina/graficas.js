// Una gráfica de uPlot con su cifra, su tabla y su PNG.

import { conDecimal, entre, hora } from "./formato.js";
import { atributo, copia, nuevo, poner, tabla } from "./elementos.js";
import { LETRA, coloresDe, guardarPng, titulo } from "./papel.js";
import { MEDIA, conCortes, opciones } from "./trazado.js";

const uPlot = window.uPlot; // lo carga index.html antes que esto

const FILAS_DE_TABLA = 60;

// Las gráficas que hay en la página, para redibujarlas si cambia el tema.
const vivas = new Set();

/** Redibuja todo con los colores del tema de ahora. */
export function repintar() {
  for (const grafica of vivas) grafica.repintar();
}

/** El mínimo y el máximo de lo que se ve; `null` si no hay nada. */
function extremos(minimos, maximos) {
  let min = Infinity, max = -Infinity;
  for (const x of minimos) if (x !== null && x < min) min = x;
  for (const x of maximos) if (x !== null && x > max) max = x;
  return min <= max ? { min, max } : null;
}

/** Una gráfica: se crea una vez y luego solo se le cambian los datos. */
export class Grafica {
  /** `nombrar(extension)` da el nombre del fichero; `titular()`, el título del PNG. */
  constructor(tipo, { sincronia, nombrar, titular, escribir = conDecimal }) {
    Object.assign(this, { tipo, nombrar, titular, escribir, datos: [[], [], [], []], extremos: null });
    this.limites = { desde: Date.now() - 300_000, hasta: Date.now() };
    this.raiz = copia("plantilla-grafica");
    this.raiz.dataset.color = tipo.color;
    this.parte = (selector) => this.raiz.querySelector(selector);
    this.lienzo = this.parte(".lienzo");
    this.parte("h2").textContent = tipo.nombre;
    this.parte(".unidad").textContent = tipo.unidad;
    this.parte(".png").setAttribute("aria-label", `Guardar PNG de ${tipo.nombre}`);
    this.parte(".png").addEventListener("click", () => this.guardarPng());
    this.parte(".corredera").setAttribute("aria-label", `Datos de ${tipo.nombre}`);
    this.parte("details").addEventListener("toggle", () => this.llenarTabla());
    this.sincronia = sincronia;
    this.indice = null;
    this.tamanos = new ResizeObserver(() => this.ajustar());
    this.tamanos.observe(this.lienzo);
    vivas.add(this);
  }

  // uPlot se crea cuando ya se sabe cuánto sitio hay.
  ajustar() {
    const ancho = Math.floor(this.lienzo.clientWidth), alto = Math.floor(this.lienzo.clientHeight);
    if (ancho === 0 || alto === 0) return;
    if (this.plot) return this.plot.setSize({ width: ancho, height: alto });
    this.colores = coloresDe(this.raiz);
    const cosas = { ancho, alto, escala: 1, colores: () => this.colores, tipo: this.tipo,
      limites: () => this.limites, sincronia: this.sincronia, alMover: (u) => this.leer(u.cursor.idx) };
    this.plot = new uPlot(opciones(cosas), this.datos, this.lienzo);
  }

  /** `serie` es `{ min, max, media }`, y `ultimo`, la cifra grande: si no se da, la última media. */
  actualizar({ t, salto, desde, hasta }, serie, ultimo) {
    this.limites = { desde: Math.round(desde), hasta: Math.round(hasta) };
    this.datos = conCortes(t, [serie.min, serie.max, serie.media], salto);
    this.extremos = extremos(serie.min, serie.max);
    this.ultimo = ultimo === undefined ? serie.media.findLast((x) => x !== null) ?? null : ultimo;
    if (this.plot) {
      // Con los puntos muy juntos, una línea gruesa sería una mancha.
      this.plot.series[MEDIA].width = this.datos[0].length > this.plot.width / 3 ? 1.25 : 2;
      this.plot.setData(this.datos);
    }
    poner(this.parte(".valor"), this.escribir(this.ultimo));
    atributo(this.lienzo, "aria-label", this.descripcion());
    this.leer(this.plot?.cursor.idx ?? null);
  }

  descripcion() {
    const con = (x) => `${this.escribir(x)} ${this.tipo.unidad}`.trim();
    if (!this.extremos) return `${this.titular()}: sin datos.`;
    const { min, max } = this.extremos;
    return `${this.titular()}. Último: ${con(this.ultimo)}; mínimo: ${con(min)}; máximo: ${con(max)}.`;
  }

  // Lo que hay bajo el cursor y, si no está sobre la gráfica, los extremos.
  leer(indice) {
    if (this.ultimo === undefined) return; // aún no ha llegado nada
    const [t, min, max, media] = this.datos;
    let texto = "Sin datos";
    if (indice !== null && indice !== undefined && t[indice] !== undefined) {
      const valor = media[indice] === null ? "sin datos" : this.escribir(media[indice]);
      const [desde, hasta] = [this.escribir(min[indice]), this.escribir(max[indice])];
      const banda = desde === hasta ? "" : ` (de ${desde} a ${hasta})`.replaceAll(" ", "\u00a0").replace("\u00a0", " ");
      texto = `${hora(t[indice])}: ${valor}${banda}`;
    } else if (this.extremos) {
      const [desde, hasta] = [this.escribir(this.extremos.min), this.escribir(this.extremos.max)];
      texto = desde === hasta ? `Estable en ${desde}` : `De ${desde} a ${hasta}`;
    }
    poner(this.parte(".lectura"), texto);
  }

  // La tabla se hace al abrirla y no cambia sola: se puede leer con calma.
  llenarTabla() {
    const sitio = this.parte(".corredera");
    sitio.replaceChildren();
    if (!this.parte("details").open) return;
    const filas = [];
    for (let i = this.datos[0].length - 1; i >= 0 && filas.length < FILAS_DE_TABLA; i--) {
      const [t, min, max, media] = this.datos.map((columna) => columna[i]);
      if (media !== null) filas.push([hora(t), ...[media, min, max].map(this.escribir)]);
    }
    const titulo = filas.length === 0 ? "Sin datos."
      : `${this.tipo.nombre}${this.tipo.unidad && ` (${this.tipo.unidad})`}: lo último a las ${hora(Date.now())}. `
        + "Ábrela otra vez para ponerla al día.";
    sitio.append(tabla(titulo, ["Hora", "Media", "Mínimo", "Máximo"], filas));
  }

  repintar() {
    if (!this.plot) return;
    this.colores = coloresDe(this.raiz);
    this.plot.redraw(false);
  }

  async guardarPng() {
    if (this.ultimo === undefined) return; // aún no ha llegado nada
    const papel = nuevo("div", "papel"); // fuera de la vista y siempre con el tema claro
    papel.dataset.color = this.tipo.color;
    document.body.append(papel);
    const colores = coloresDe(papel);
    let plot;
    await new Promise((alDibujar) => {
      const cosas = { ancho: 1600, alto: 620, escala: 2, colores: () => colores, tipo: this.tipo,
        limites: () => this.limites, alDibujar };
      plot = new uPlot(opciones(cosas), this.datos, papel);
    });
    const fuente = plot.ctx.canvas, e = fuente.width / 1600;
    await guardarPng(this.nombrar("png"), 1600 * e, 760 * e, (ctx) => {
      ctx.scale(e, e);
      titulo(ctx, colores, this.titular(), 36, 62);
      ctx.fillStyle = colores.tinta;
      ctx.fillRect(36, 98, 44, 5);
      ctx.fillStyle = colores.banda;
      ctx.fillRect(216, 86, 44, 28);
      ctx.fillStyle = colores.texto;
      ctx.font = `26px ${LETRA}`;
      ctx.fillText("media", 92, 109);
      ctx.fillText("de mínimo a máximo", 272, 109);
      ctx.textAlign = "right";
      const unidad = this.tipo.unidad && !this.tipo.porcentaje ? `${this.tipo.unidad}, ` : "";
      ctx.fillText(unidad + entre(this.limites.desde, this.limites.hasta), 1572, 109);
      ctx.drawImage(fuente, 0, 130, 1600, 620);
    });
    plot.destroy();
    papel.remove();
  }

  /** Suelta todo: al cambiar de vista no queda nada suyo en la memoria. */
  quitar() {
    vivas.delete(this);
    this.tamanos.disconnect();
    this.plot?.destroy();
    this.raiz.remove();
  }
}
