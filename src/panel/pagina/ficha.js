// La ficha de una máquina de la flota.

import { atributo, copia, nuevo, poner, tabla } from "./elementos.js";
import { conDecimal, entre, hace, hora, nombreDeFichero, recortar, sinDecimales } from "./formato.js";
import { actualizarMiniatura, miniatura, pngDeServidor } from "./miniaturas.js";
import { ponerAjeno } from "./piezas.js";

const FILAS_DE_MENSAJES = 20;

/** Lo que se ve de cada máquina. */
export const DE_LA_FLOTA = [
  { campo: "cpu_percent", nombre: "CPU", unidad: "%", porcentaje: true, color: "cpu", escribir: conDecimal },
  { campo: "memory_percent", nombre: "Memoria", unidad: "%", porcentaje: true, color: "memoria", escribir: conDecimal },
  { campo: "disk_io_mbps", nombre: "Disco", unidad: "MB/s", color: "disco", escribir: conDecimal },
  { campo: "network_mbps", nombre: "Red", unidad: "MB/s", color: "red", escribir: conDecimal },
  { campo: "error_count", nombre: "Errores", unidad: "", barras: true, color: "errores", escribir: sinDecimales },
];

/** La ficha de un servidor. Se reutiliza: cada segundo solo cambian sus textos y sus líneas. */
export function nuevaFicha() {
  const raiz = copia("plantilla-ficha");
  const parte = (selector) => raiz.querySelector(selector);
  let servidor = null, umbrales = {}, nombre = "";

  const filas = DE_LA_FLOTA.map((tipo) => {
    const fila = nuevo("div", "metrica");
    const valor = nuevo("b"), dibujo = miniatura(tipo);
    const cifra = nuevo("span", "dato");
    cifra.append(valor, nuevo("small", "", tipo.unidad && ` ${tipo.unidad}`));
    fila.append(nuevo("span", "", tipo.nombre), cifra, dibujo);
    parte(".metricas").append(fila);
    return { tipo, fila, valor, dibujo };
  });

  parte("details").addEventListener("toggle", () => {
    const sitio = parte(".corredera");
    sitio.replaceChildren();
    if (!parte("details").open) return;
    const { t } = servidor.serie, mensajes = [];
    for (let i = t.length - 1; i >= 0 && mensajes.length < FILAS_DE_MENSAJES; i--) {
      mensajes.push([hora(t[i]), ...DE_LA_FLOTA.map(({ campo, escribir }) => escribir(servidor.serie[campo][i]))]);
    }
    sitio.append(tabla(`Los ${mensajes.length} últimos mensajes de ${recortar(nombre, 60)}.`,
      ["Hora", ...DE_LA_FLOTA.map((tipo) => tipo.nombre)], mensajes));
  });
  parte(".png").addEventListener("click", () => pngDeServidor(
    nombreDeFichero([nombre, "flota"], "png"), rotulo(),
    filas.map(({ tipo, valor }) => ({ tipo, valor: valor.parentElement.textContent,
      valores: servidor.serie[tipo.campo], umbral: umbrales[tipo.campo] }))));

  function rotulo() {
    const { t } = servidor.serie;
    return t.length === 0 ? recortar(nombre, 60) : `${recortar(nombre, 60)}: ${entre(t[0], t.at(-1))}`;
  }

  return {
    raiz,
    pintar(suyo, susUmbrales, ahora) {
      servidor = suyo;
      umbrales = susUmbrales;
      nombre = servidor.server_id || "(vacío)";
      ponerAjeno(parte("h2"), servidor.server_id);
      parte(".sobre").hidden = servidor.sobre.length === 0;
      raiz.classList.toggle("sobre-umbral", servidor.sobre.length > 0);
      for (const { tipo, fila, valor, dibujo } of filas) {
        const valores = servidor.serie[tipo.campo];
        // De los errores importa cuántos lleva: el último mensaje casi siempre trae cero.
        poner(valor, tipo.escribir(tipo.barras ? servidor.errores_recientes : servidor[tipo.campo]));
        if (tipo.barras) poner(valor.nextSibling, ` en ${valores.length}`);
        fila.classList.toggle("pasada", servidor.sobre.includes(tipo.campo));
        actualizarMiniatura(dibujo, tipo, valores, umbrales[tipo.campo], describir(tipo, valores));
      }
      filas.at(-1).fila.classList.toggle("con-errores", servidor.errores_recientes > 0);
      poner(parte(".cuando"), Number.isFinite(servidor.t) ? hace(ahora - servidor.t) : "");
      atributo(parte(".corredera"), "aria-label", `Mensajes de ${recortar(nombre, 60)}`);
      atributo(parte(".png"), "aria-label", `Guardar PNG de ${recortar(nombre, 60)}`);
    },
  };
}

function describir({ nombre, unidad, escribir }, valores) {
  const buenos = valores.filter((v) => v !== null);
  if (buenos.length === 0) return `${nombre}: sin datos.`;
  return `${nombre}, últimos ${valores.length} mensajes: mínimo ${escribir(Math.min(...buenos))}, `
    + `máximo ${escribir(Math.max(...buenos))} ${unidad}`.trim() + ".";
}
