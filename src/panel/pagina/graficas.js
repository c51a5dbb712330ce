// Los dibujos: una gráfica de uPlot con su cifra y su tabla, las líneas pequeñas de la flota y los PNG.

import { cifras, conDecimal, descargar, entre, hora, marca } from "./formato.js";

const uPlot = window.uPlot; // lo carga index.html antes que esto

const LETRA = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
const FILAS_DE_TABLA = 60;

/** Crea un elemento. El texto va siempre por textContent: nunca es HTML, venga de donde venga. */
export function nuevo(etiqueta, clase = "", texto = "") {
  const elemento = document.createElement(etiqueta);
  if (clase) elemento.className = clase;
  if (texto !== "") elemento.textContent = texto;
  return elemento;
}

/** Cambia un texto solo si es otro: lo que no cambia no se vuelve a dibujar ni a leer en voz alta. */
export function poner(elemento, texto) {
  if (elemento.textContent !== texto) elemento.textContent = texto;
}

/** Lo mismo con un atributo. */
export function atributo(elemento, nombre, valor) {
  if (elemento.getAttribute(nombre) !== valor) elemento.setAttribute(nombre, valor);
}

export const copia = (plantilla) =>
  document.getElementById(plantilla).content.firstElementChild.cloneNode(true);

/** Una tabla con la primera columna de cabecera. `filas` es texto ya escrito. */
export function tabla(titulo, cabecera, filas) {
  const entera = nuevo("table");
  entera.append(nuevo("caption", "", titulo));
  const arriba = entera.createTHead().insertRow();
  for (const texto of cabecera) {
    const celda = nuevo("th", "", texto);
    celda.scope = "col";
    arriba.append(celda);
  }
  const cuerpo = entera.createTBody();
  for (const fila of filas) {
    const linea = cuerpo.insertRow();
    for (const texto of fila) linea.insertCell().textContent = texto;
  }
  return entera;
}

/** Los colores que panel.css da a este elemento, en letras que un lienzo entiende. */
function coloresDe(elemento) {
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

// Las gráficas que hay en la página, para redibujarlas si cambia el tema.
const vivas = new Set();

/** Redibuja todo con los colores del tema de ahora. */
export function repintar() {
  for (const grafica of vivas) grafica.repintar();
}

/** Los datos como los quiere uPlot, con un punto vacío donde la línea debe cortarse. */
function conCortes(t, columnas, salto) {
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
const MIN = 1, MAX = 2, MEDIA = 3;

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
function opciones({ ancho, alto, escala, colores, tipo, limites, sincronia, alMover, alDibujar }) {
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

function titulo(ctx, colores, texto, x, y) {
  ctx.fillStyle = colores.letra;
  ctx.font = `600 34px ${LETRA}`;
  ctx.fillText(texto, x, y, 1528);
}

async function guardarPng(nombre, ancho, alto, dibujar) {
  const lienzo = nuevo("canvas");
  lienzo.width = ancho;
  lienzo.height = alto;
  const ctx = lienzo.getContext("2d");
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, 0, ancho, alto);
  dibujar(ctx);
  descargar(nombre, await new Promise((listo) => lienzo.toBlob(listo, "image/png")));
}

// --- las líneas pequeñas de la flota ---------------------------------------------

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
