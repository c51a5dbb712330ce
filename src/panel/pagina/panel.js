// El panel: qué vista se ve, qué dice la dirección, y preguntar al servidor cada segundo.

import { atributo, nuevo, poner } from "./elementos.js";
import { repintar } from "./graficas.js";
import { RANGOS } from "./piezas.js";
import { PARAMETROS, VISTAS } from "./vistas.js";

const CADA = 1_000; // milisegundos entre preguntas
const PACIENCIA = 5_000; // lo que se espera una contestación: pasado esto, lo que se ve no es de ahora
const ESPERA_MAXIMA = 5_000; // entre intentos, si el panel no responde

const por = (id) => document.getElementById(id);
const pestanas = [...document.querySelectorAll("[role=tab]")];

// La vista que hay en pantalla: su nombre, sus parámetros y lo que devolvió al montarse.
let nombre = "", parametros = {}, vista = null;

// --- la dirección -------------------------------------------------------------------

/** De `?vista=servidor&host=…` a la vista y sus parámetros. Lo que no vale se queda en lo de siempre. */
function leerDireccion() {
  const dicho = new URLSearchParams(location.search);
  const pedida = Object.hasOwn(VISTAS, dicho.get("vista") ?? "") ? dicho.get("vista") : "servidor";
  const suyos = { ...PARAMETROS[pedida] };
  for (const clave of Object.keys(suyos)) {
    if (dicho.has(clave)) suyos[clave] = dicho.get(clave).slice(0, 200);
  }
  if (suyos.rango && !RANGOS[pedida].includes(suyos.rango)) suyos.rango = PARAMETROS[pedida].rango;
  if (suyos.pagina && !/^\d{1,6}$/.test(suyos.pagina)) suyos.pagina = "0";
  return [pedida, suyos];
}

/** Deja la vista en la dirección, para que «atrás» vuelva y el enlace se pueda mandar. */
function escribirDireccion(modo) {
  // Lo que vale lo de siempre no se escribe.
  const distintos = Object.entries(parametros).filter(([clave, valor]) => valor !== PARAMETROS[nombre][clave]);
  const direccion = `?${new URLSearchParams([["vista", nombre], ...distintos])}`;
  if (direccion === location.search) return;
  history[modo === "sin historia" ? "replaceState" : "pushState"](null, "", direccion);
}

// --- las vistas ----------------------------------------------------------------------

function ver(pedida, suyos) {
  vista?.quitar();
  nombre = pedida;
  parametros = suyos;
  for (const pestana of pestanas) {
    const suya = pestana.getAttribute("aria-controls") === nombre;
    pestana.setAttribute("aria-selected", suya);
    pestana.tabIndex = suya ? 0 : -1;
    por(pestana.getAttribute("aria-controls")).hidden = !suya;
    if (suya) document.title = `${pestana.textContent} · Panel de métricas`;
  }
  por(nombre).classList.add("esperando"); // hasta que lleguen sus datos
  ponerAviso(avisoDeLaVista(), null);
  vista = VISTAS[nombre](por(nombre), parametros, (nuevos, modo) => {
    Object.assign(parametros, nuevos);
    escribirDireccion(modo);
    preguntarYa();
  });
  preguntarYa();
}

// Las pestañas se recorren con las flechas, y con el tabulador se sale de ellas.
for (const [i, pestana] of pestanas.entries()) {
  const ir = (otra) => {
    const suya = otra.getAttribute("aria-controls");
    if (suya === nombre) return;
    ver(suya, { ...PARAMETROS[suya] });
    escribirDireccion();
  };
  pestana.addEventListener("click", () => ir(pestana));
  pestana.addEventListener("keydown", (tecla) => {
    const pasos = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: -1 }[tecla.key];
    if (pasos === undefined) return;
    tecla.preventDefault();
    const otra = pestanas.at(pasos % pestanas.length);
    otra.focus();
    ir(otra);
  });
}
addEventListener("popstate", () => ver(...leerDireccion()));

// --- los avisos ----------------------------------------------------------------------

const avisoDeLaVista = () => por(nombre).querySelector(".aviso");

/** Enseña `{ nivel, frase, orden }`, o lo esconde si es `null`. Si no cambia, no se toca. */
function ponerAviso(elemento, aviso) {
  const clave = JSON.stringify(aviso);
  if (elemento.clave === clave) return;
  elemento.clave = clave;
  elemento.hidden = aviso === null;
  elemento.replaceChildren();
  if (aviso === null) return;
  elemento.dataset.nivel = aviso.nivel;
  elemento.append(nuevo("p", "", aviso.frase));
  for (const orden of (aviso.orden ?? "").split("\n").filter(Boolean)) {
    const linea = nuevo("p", "orden");
    const codigo = nuevo("code", "", orden);
    const boton = nuevo("button", "boton", "Copiar");
    boton.type = "button";
    boton.addEventListener("click", () => copiar(codigo, boton));
    linea.append(codigo, boton);
    elemento.append(linea);
  }
}

async function copiar(codigo, boton) {
  let copiado = true;
  try {
    await navigator.clipboard.writeText(codigo.textContent);
  } catch {
    // Fuera de localhost no hay portapapeles moderno: se selecciona y se copia como antes.
    getSelection().selectAllChildren(codigo);
    copiado = document.execCommand("copy");
  }
  boton.textContent = copiado ? "Copiado" : "Cópialo con Ctrl+C";
  setTimeout(() => { boton.textContent = "Copiar"; }, 2_000);
}

// --- preguntar al servidor --------------------------------------------------------------

let enCurso = null; // la pregunta que se espera; nunca hay dos
let reloj = 0;
let fallos = 0;

function preguntarYa() {
  clearTimeout(reloj);
  enCurso?.abort();
  preguntar();
}

async function preguntar() {
  if (document.hidden) return; // al volver a la página se sigue
  const turno = new AbortController();
  enCurso = turno;
  const limite = setTimeout(() => turno.abort(), PACIENCIA);
  const inicio = performance.now();
  let datos = null;
  try {
    const respuesta = await fetch(`api/${nombre}?${new URLSearchParams(parametros)}`, { signal: turno.signal, cache: "no-store" });
    datos = await respuesta.json();
  } catch {
    // Sin contestación, o no es del panel.
  }
  clearTimeout(limite);
  if (turno !== enCurso) return; // mientras tanto se ha preguntado otra cosa
  if (datos === null) {
    fallos++;
    sinRespuesta();
  } else {
    fallos = 0;
    ponerAviso(por("conexion"), null);
    if (datos.error) ponerAviso(avisoDeLaVista(), { nivel: "error", frase: datos.error, orden: null });
    else pintar(datos);
  }
  const pausa = Math.min(CADA * 2 ** fallos, fallos ? ESPERA_MAXIMA : CADA);
  reloj = setTimeout(preguntar, Math.max(0, pausa - (performance.now() - inicio)));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(reloj);
  else preguntarYa();
});

function pintar(datos) {
  const vacia = vista.pintar(datos);
  por(nombre).classList.remove("esperando");
  por(nombre).classList.toggle("sin-datos", vacia);
  ponerAviso(avisoDeLaVista(), datos.aviso);
  estado(datos.al_dia ? "En directo" : datos.aviso?.nivel === "error" ? "Sin datos nuevos" : "Leyendo…");
  poner(por("motor"), `Se lee de: ${datos.motor.nombre}, ${datos.motor.donde}`);
}

function sinRespuesta() {
  estado("Sin conexión");
  ponerAviso(por("conexion"), {
    nivel: "error",
    frase: "El panel no responde. Se sigue intentando; si lo has cerrado, vuelve a arrancarlo.",
    orden: "cargo run --bin panel_metricas",
  });
}

function estado(texto) {
  poner(por("estado"), texto);
  por("estado").dataset.bien = texto === "En directo";
}

// --- el tema -----------------------------------------------------------------------------

const oscuroDelSistema = matchMedia("(prefers-color-scheme: dark)");

// El navegador puede tener prohibido guardar nada: entonces el tema dura lo que la página.
function recordado() {
  try { return localStorage.getItem("tema"); } catch { return null; }
}
function recordar(tema) {
  try {
    if (tema) localStorage.setItem("tema", tema);
    else localStorage.removeItem("tema");
  } catch { /* no se puede guardar */ }
}

/** Sin tema elegido, manda el del sistema. */
function ponerTema(elegido) {
  if (elegido) document.documentElement.dataset.tema = elegido;
  else delete document.documentElement.dataset.tema;
  const oscuro = elegido ? elegido === "oscuro" : oscuroDelSistema.matches;
  const texto = `Cambiar al tema ${oscuro ? "claro" : "oscuro"}`;
  atributo(por("tema"), "aria-label", texto);
  atributo(por("tema"), "title", texto);
  repintar();
  return oscuro;
}

let tema = ["claro", "oscuro"].find((t) => t === recordado());
let oscuro = ponerTema(tema);
por("tema").addEventListener("click", () => {
  const quiere = oscuro ? "claro" : "oscuro";
  // Si es el del sistema, no hay nada que recordar.
  tema = (quiere === "oscuro") === oscuroDelSistema.matches ? undefined : quiere;
  recordar(tema);
  oscuro = ponerTema(tema);
});
oscuroDelSistema.addEventListener("change", () => { oscuro = ponerTema(tema); });

ver(...leerDireccion());
