// Números, horas y ficheros, como se escriben en España. Aquí no se toca la página.

const decimal = new Intl.NumberFormat("es-ES", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const dosDecimales = new Intl.NumberFormat("es-ES", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const entero = new Intl.NumberFormat("es-ES", { maximumFractionDigits: 0 });
const corto = new Intl.NumberFormat("es-ES", { maximumSignificantDigits: 3 });
const soloHora = new Intl.DateTimeFormat("es-ES", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const diaYHora = new Intl.DateTimeFormat("es-ES", {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const horaYMinuto = new Intl.DateTimeFormat("es-ES", { hour: "2-digit", minute: "2-digit" });
const dia = new Intl.DateTimeFormat("es-ES", { day: "numeric", month: "short" });

const conFecha = new Intl.DateTimeFormat("es-ES", { dateStyle: "medium", timeStyle: "short" });

/** Lo que se enseña cuando un dato falta. */
export const NADA = "–";

// Un dato puede faltar (null) o no ser un número: viene de mensajes que escribe cualquiera.
const con = (formato) => (x) => (Number.isFinite(x) ? formato.format(x) : NADA);

/** 12,3 */
export const conDecimal = con(decimal);
/** 0,50 */
export const conDosDecimales = con(dosDecimales);
/** 12.480 */
export const sinDecimales = con(entero);
/** Para los ejes: hasta tres cifras, las que hagan falta. */
export const cifras = con(corto);

const esDeHoy = (t) => new Date(t).toDateString() === new Date().toDateString();

/** 12:03:41, con el día delante si no es de hoy. */
export function hora(t) {
  return Number.isFinite(t) ? (esDeHoy(t) ? soloHora : diaYHora).format(t) : NADA;
}

/** 24 nov 2026, 15:42–15:47: para lo que se lee otro día. */
export const entre = (desde, hasta) => conFecha.formatRange(desde, hasta);

/** La marca de un eje de tiempo, según lo que separa a una de la siguiente. */
export function marca(t, separacion) {
  if (separacion >= 86_400_000) return dia.format(t);
  return (separacion >= 60_000 ? horaYMinuto : soloHora).format(t);
}

/** «hace 3 s», a grandes rasgos. */
export function hace(milis) {
  const s = Math.max(0, Math.round(milis / 1_000));
  if (s < 60) return `hace ${s} s`;
  if (s < 3_600) return `hace ${Math.floor(s / 60)} min`;
  if (s < 2 * 86_400) return `hace ${Math.floor(s / 3_600)} h`;
  return `hace ${Math.floor(s / 86_400)} días`;
}

/** El texto, cortado si es larguísimo. */
export function recortar(texto, letras) {
  const todas = Array.from(String(texto ?? "").slice(0, 2 * letras + 2)); // una letra ocupa hasta dos
  return todas.length > letras ? todas.slice(0, letras - 1).join("") + "…" : todas.join("");
}

// --- ficheros ---------------------------------------------------------------

/** 2026-04-18 14:48:18, en la hora de este ordenador: así Excel ve una fecha, y con la «T» ve un texto. */
function fechaIso(t) {
  const d = new Date(t);
  const dos = (n) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${dos(d.getMonth() + 1)}-${dos(d.getDate())} `
    + `${dos(d.getHours())}:${dos(d.getMinutes())}:${dos(d.getSeconds())}`;
}

/** La zona de esa fecha en este ordenador: UTC+02:00. Cambia de verano a invierno. */
function zona(t) {
  const minutos = -new Date(t).getTimezoneOffset(), signo = minutos < 0 ? "-" : "+";
  const dos = (n) => String(Math.floor(Math.abs(n))).padStart(2, "0");
  return `UTC${signo}${dos(minutos / 60)}:${dos(minutos % 60)}`;
}

/** Un instante de un CSV: ocupa dos columnas, la fecha y su zona. */
export const instante = (t) => ({ t });
/** Y su cabecera. */
export const deInstante = (nombre) => ({ nombre });

/** Las celdas de un valor: una o, si es un instante, dos. */
function celdas(valor) {
  if (valor?.nombre !== undefined) return [valor.nombre, `${valor.nombre}_zona`];
  if (valor !== null && typeof valor === "object") {
    return Number.isFinite(valor.t) ? [fechaIso(valor.t), zona(valor.t)] : ["", ""];
  }
  return [celda(valor)];
}

function celda(valor) {
  if (valor === null || valor === undefined) return "";
  if (typeof valor === "number") return Number.isFinite(valor) ? String(valor).replace(".", ",") : "";
  // Un texto que empieza así, Excel lo ejecutaría como una fórmula: el apóstrofo lo impide.
  const texto = /^[=+\-@\t\r]/.test(valor) ? `'${valor}` : String(valor);
  return /[";\n\r]/.test(texto) ? `"${texto.replaceAll('"', '""')}"` : texto;
}

/** Un CSV que el Excel español abre bien: punto y coma, coma decimal y la marca de UTF-8 delante. */
export function csv(cabecera, filas) {
  const lineas = [cabecera, ...filas].map((fila) => fila.flatMap(celdas).join(";"));
  return "\uFEFF" + lineas.join("\r\n") + "\r\n";
}

/** servidor_A-cpu-5m.png: las partes, solo con letras que valen en cualquier sistema. */
export function nombreDeFichero(partes, extension) {
  const limpias = partes.map((p) => recortar(p, 40).replace(/[^\p{L}\p{N}._-]+/gu, "_"));
  return `${limpias.filter(Boolean).join("-")}.${extension}`;
}

/** Guarda en Descargas un texto o un Blob. */
export function descargar(nombre, contenido) {
  const blob = contenido instanceof Blob ? contenido : new Blob([contenido], { type: "text/csv;charset=utf-8" });
  const enlace = document.createElement("a");
  enlace.href = URL.createObjectURL(blob);
  enlace.download = nombre;
  enlace.click();
  setTimeout(() => URL.revokeObjectURL(enlace.href), 10_000);
}
