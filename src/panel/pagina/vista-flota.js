// La vista Flota: lo último de cada máquina simulada, por páginas.

import { nuevo, poner } from "./elementos.js";
import { DE_LA_FLOTA, nuevaFicha } from "./ficha.js";
import { conDosDecimales, csv, deInstante, descargar, instante, nombreDeFichero, recortar, sinDecimales } from "./formato.js";
import { oyentes } from "./piezas.js";

export function vistaFlota(raiz, parametros, cambiar) {
  const parte = (selector) => raiz.querySelector(selector);
  const { oir, soltar } = oyentes();
  let fichas = new Map(); // por server_id
  let datos = null, espera = 0;
  const vacia = nuevo("p", "nota ninguno");
  parte(".fichas").replaceChildren();

  const buscar = parte(".buscar");
  buscar.value = parametros.buscar;
  // Se pregunta al dejar de teclear, no con cada letra.
  oir(buscar, "input", () => {
    clearTimeout(espera);
    espera = setTimeout(() => cambiar({ buscar: buscar.value, pagina: "0" }, "sin historia"), 200);
  });
  const ir = (pasos) => cambiar({ pagina: String(Math.max(0, datos.pagina + pasos)) });
  oir(parte(".anterior"), "click", () => ir(-1));
  oir(parte(".siguiente"), "click", () => ir(1));
  oir(parte(".csv"), "click", () => {
    if (!datos) return;
    const cabecera = ["server_id", deInstante("fecha_hora"), ...DE_LA_FLOTA.map((t) => t.campo), "errores_recientes", "sobre_umbral"];
    const filas = datos.servidores.map((s) => [s.server_id, instante(s.t), ...DE_LA_FLOTA.map((t) => s[t.campo]),
      s.errores_recientes, s.sobre.join(" ")]);
    descargar(nombreDeFichero(["flota", parametros.buscar, datos.pagina > 0 ? `pagina${datos.pagina + 1}` : ""], "csv"), csv(cabecera, filas));
  });

  function pintarResumen() {
    poner(parte(".total"), sinDecimales(datos.total));
    poner(parte(".sobre"), sinDecimales(datos.sobre_umbral));
    poner(parte(".errores"), sinDecimales(datos.con_errores));
    poner(parte(".ritmo"), conDosDecimales(datos.msg_seg));
    poner(parte(".mensajes"), sinDecimales(datos.mensajes));
    parte(".sobre").parentElement.classList.toggle("encendida", datos.sobre_umbral > 0);
    parte(".errores").parentElement.classList.toggle("encendida", datos.con_errores > 0);
    const { cpu_percent: cpu, memory_percent: memoria } = datos.umbrales;
    poner(parte(".umbrales"), `CPU ${sinDecimales(cpu)} %, memoria ${sinDecimales(memoria)} %`);
  }

  function pintarPaginas() {
    const paginas = Math.max(1, Math.ceil(datos.encontrados / datos.por_pagina));
    parte(".paginas").hidden = paginas === 1;
    poner(parte(".cual"), `${sinDecimales(datos.pagina + 1)} de ${sinDecimales(paginas)}`);
    parte(".anterior").disabled = datos.pagina === 0;
    parte(".siguiente").disabled = datos.pagina >= paginas - 1;
    poner(parte(".encontrados"), datos.encontrados === datos.total ? ""
      : `${sinDecimales(datos.encontrados)} de ${sinDecimales(datos.total)} servidores`);
  }

  // Cada servidor conserva su ficha, con su tabla abierta si lo estaba.
  function pintarFichas() {
    const { servidores } = datos;
    // Si caben todos, cada uno se queda en su sitio; si no, el panel manda delante los que hay que mirar.
    if (datos.encontrados === servidores.length) servidores.sort((a, b) => (a.server_id < b.server_id ? -1 : 1));
    const antes = fichas, sitio = parte(".fichas");
    fichas = new Map(servidores.map((s) => [s.server_id, antes.get(s.server_id) ?? nuevaFicha()]));
    for (const [id, ficha] of antes) if (!fichas.has(id)) ficha.raiz.remove();
    servidores.forEach((servidor, i) => {
      const ficha = fichas.get(servidor.server_id);
      if (sitio.children[i] !== ficha.raiz) sitio.insertBefore(ficha.raiz, sitio.children[i] ?? null);
      ficha.pintar(servidor, datos.umbrales, datos.ahora);
    });
    sitio.classList.toggle("pocas", servidores.length <= 6);
  }

  return {
    pintar(nuevos) {
      datos = nuevos;
      pintarResumen();
      pintarPaginas();
      pintarFichas();
      if (datos.total > 0 && datos.encontrados === 0) {
        vacia.textContent = `Ningún servidor contiene «${recortar(parametros.buscar, 40)}».`;
        parte(".fichas").append(vacia);
      } else {
        vacia.remove();
      }
      return datos.total === 0;
    },
    quitar() {
      clearTimeout(espera);
      soltar();
      parte(".fichas").replaceChildren();
    },
  };
}
