// Las tres vistas. Cada una se monta al entrar en ella, pinta lo que llega cada segundo y se quita al salir.
//
// Una vista recibe su sección de index.html, sus parámetros (los que van en la dirección) y `cambiar`, a
// la que llama cuando alguien toca un mando. `pintar(datos)` dice si no había nada que enseñar.

import { Grafica, actualizarMiniatura, atributo, copia, miniatura, nuevo, pngDeServidor, poner, tabla } from "./graficas.js";
import { NADA, conDecimal, conDosDecimales, csv, descargar, entre, hace, hora, instante, nombreDeFichero, recortar, sinDecimales } from "./formato.js";

const LETRAS = 200; // de un texto ajeno, las que se enseñan
const FILAS_DE_MENSAJES = 20;

const PERIODOS = { "5m": "5 min", "1h": "1 h", "24h": "24 h", "7d": "7 días" };
const EN_PALABRAS = { "5m": "últimos 5 minutos", "1h": "última hora", "24h": "últimas 24 horas", "7d": "últimos 7 días" };

/** Los parámetros de cada vista, con su valor si la dirección no los trae. */
export const PARAMETROS = {
  servidor: { host: "", rango: "5m" },
  flota: { buscar: "", pagina: "0" },
  kpis: { rango: "1h" },
};

/** Los periodos que admite cada vista. */
export const RANGOS = { servidor: ["5m", "1h", "24h"], kpis: ["5m", "1h", "24h", "7d"] };

export const VISTAS = { servidor: vistaServidor, flota: vistaFlota, kpis: vistaKpis };

// --- piezas comunes -----------------------------------------------------------------

/** Los botones del periodo: son radios, así que se cambian con las flechas. Devuelve cómo marcar uno. */
function ponerRangos(raiz, vista, cambiar) {
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
function ponerAjeno(elemento, texto) {
  const cabe = texto === "" ? "(vacío)" : recortar(texto ?? NADA, LETRAS);
  poner(elemento, cabe);
  atributo(elemento, "title", cabe);
}

/** Una partición o un offset: son números, pero no cantidades. */
const ponerId = (n) => String(n ?? NADA);

/** Las columnas del CSV de una serie: por cada métrica, mínimo, media y máximo. */
function csvDeSerie(datos, campos) {
  const cabecera = ["fecha_hora", ...campos.flatMap((c) => [`${c}_min`, `${c}_media`, `${c}_max`])];
  const filas = datos.t.map((t, i) =>
    [instante(t), ...campos.flatMap((c) => [datos[c].min[i], datos[c].media[i], datos[c].max[i]])]);
  return csv(cabecera, filas);
}

// Un oyente por botón y vista montada: al salir de la vista se quitan todos de golpe.
function oyentes() {
  const fin = new AbortController();
  const oir = (elemento, suceso, hacer) => elemento.addEventListener(suceso, hacer, { signal: fin.signal });
  return { oir, soltar: () => fin.abort() };
}

// --- Servidor -----------------------------------------------------------------------

const DEL_SERVIDOR = [
  { campo: "cpu_percent", corto: "cpu", nombre: "CPU", unidad: "%", porcentaje: true, color: "cpu" },
  { campo: "ram_percent", corto: "ram", nombre: "RAM", unidad: "%", porcentaje: true, color: "memoria" },
  { campo: "disk_percent", corto: "disco", nombre: "Disco", unidad: "%", porcentaje: true, color: "disco" },
];

function vistaServidor(raiz, parametros, cambiar) {
  const parte = (selector) => raiz.querySelector(selector);
  const { oir, soltar } = oyentes();
  const marcarRango = ponerRangos(raiz, "servidor", cambiar);
  let datos = null, hosts = "";
  const host = () => datos?.host ?? "servidor";

  const graficas = DEL_SERVIDOR.map((tipo) => new Grafica(tipo, {
    sincronia: "servidor",
    nombrar: (extension) => nombreDeFichero([host(), tipo.corto, datos.rango], extension),
    titular: () => `${tipo.nombre} de ${recortar(host(), 60)}, ${EN_PALABRAS[datos.rango]}`,
  }));
  parte(".graficas").replaceChildren(...graficas.map((g) => g.raiz));

  const lista = parte(".hosts"), otro = parte(".otro-host");
  oir(lista, "change", () => cambiar({ host: lista.value }));
  oir(otro, "submit", (suceso) => {
    suceso.preventDefault();
    const escrito = otro.querySelector("input").value.trim();
    if (escrito) cambiar({ host: escrito });
  });
  oir(parte(".csv"), "click", () => {
    if (!datos) return;
    descargar(nombreDeFichero([host(), datos.rango], "csv"), csvDeSerie(datos, DEL_SERVIDOR.map((t) => t.campo)));
  });

  // La lista se rehace solo si cambia: si no, se cerraría cada segundo en las manos de quien la abre.
  function ponerHosts() {
    const nombres = datos.host === null || datos.hosts.includes(datos.host) ? datos.hosts : [datos.host, ...datos.hosts];
    const clave = JSON.stringify(nombres);
    if (clave !== hosts) {
      hosts = clave;
      lista.replaceChildren(...nombres.map((nombre) => {
        const opcion = nuevo("option", "", recortar(nombre, 60));
        opcion.value = nombre;
        return opcion;
      }));
      if (nombres.length === 0) lista.append(nuevo("option", "", "Ninguno"));
      lista.disabled = nombres.length === 0;
    }
    if (datos.host !== null) lista.value = datos.host;
    otro.hidden = datos.hosts_total <= datos.hosts.length;
  }

  return {
    pintar(nuevos) {
      datos = nuevos;
      ponerHosts();
      marcarRango(datos.rango);
      DEL_SERVIDOR.forEach(({ campo }, i) => graficas[i].actualizar(datos, datos[campo], datos.ultimo?.[campo] ?? null));
      const { ultimo, ahora } = datos;
      poner(parte(".fresco"), ultimo ? `Último punto: ${hora(ultimo.t)} (${hace(ahora - ultimo.t)})` : "");
      parte(".fresco").classList.toggle("viejo", Boolean(ultimo) && ahora - ultimo.t > 30_000);
      return datos.t.length === 0;
    },
    quitar() {
      soltar();
      for (const grafica of graficas) grafica.quitar();
    },
  };
}

// --- Flota --------------------------------------------------------------------------

const DE_LA_FLOTA = [
  { campo: "cpu_percent", nombre: "CPU", unidad: "%", porcentaje: true, color: "cpu", escribir: conDecimal },
  { campo: "memory_percent", nombre: "Memoria", unidad: "%", porcentaje: true, color: "memoria", escribir: conDecimal },
  { campo: "disk_io_mbps", nombre: "Disco", unidad: "MB/s", color: "disco", escribir: conDecimal },
  { campo: "network_mbps", nombre: "Red", unidad: "MB/s", color: "red", escribir: conDecimal },
  { campo: "error_count", nombre: "Errores", unidad: "", barras: true, color: "errores", escribir: sinDecimales },
];

/** La ficha de un servidor. Se reutiliza: cada segundo solo cambian sus textos y sus líneas. */
function nuevaFicha() {
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

function vistaFlota(raiz, parametros, cambiar) {
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
    const cabecera = ["server_id", "fecha_hora", ...DE_LA_FLOTA.map((t) => t.campo), "errores_recientes", "sobre_umbral"];
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

// --- KPIs ---------------------------------------------------------------------------

const DE_LOS_KPIS = [
  { campo: "cpu_percent_avg", nombre: "CPU media", unidad: "%", porcentaje: true, color: "cpu", escribir: conDecimal },
  { campo: "memory_percent_avg", nombre: "Memoria media", unidad: "%", porcentaje: true, color: "memoria", escribir: conDecimal },
  { campo: "disk_io_mbps_avg", nombre: "Disco medio", unidad: "MB/s", color: "disco", escribir: conDecimal },
  { campo: "network_mbps_avg", nombre: "Red media", unidad: "MB/s", color: "red", escribir: conDecimal },
  { campo: "error_count_sum", nombre: "Suma de errores", unidad: "", entero: true, color: "errores", escribir: sinDecimales },
  { campo: "tasa_procesamiento_msg_seg", nombre: "Tasa de procesamiento", unidad: "msg/s", color: "tasa", escribir: conDosDecimales },
];

function vistaKpis(raiz, parametros, cambiar) {
  const parte = (selector) => raiz.querySelector(selector);
  const { oir, soltar } = oyentes();
  const marcarRango = ponerRangos(raiz, "kpis", cambiar);
  let datos = null, ventanas = null, descartados = null, conocidas = null;

  const graficas = DE_LOS_KPIS.map((tipo) => new Grafica(tipo, {
    sincronia: "kpis",
    escribir: tipo.escribir,
    nombrar: (extension) => nombreDeFichero(["kpis", tipo.campo, datos.rango], extension),
    titular: () => `${tipo.nombre} por ventana, ${EN_PALABRAS[datos.rango]}`,
  }));
  parte(".graficas").replaceChildren(...graficas.map((g) => g.raiz));

  oir(parte(".mandos .csv"), "click", () => {
    if (datos) descargar(nombreDeFichero(["kpis", datos.rango], "csv"), csvDeSerie(datos, DE_LOS_KPIS.map((t) => t.campo)));
  });
  oir(parte(".ventanas .csv"), "click", () => {
    if (!datos) return;
    const campos = ["_id", "particion", "offset_inicio", "offset_fin", "num_mensajes", "ventana_inicio",
      "ventana_fin", "duracion_ventana_seg", ...DE_LOS_KPIS.map((t) => t.campo)];
    const escribir = (v, campo) => (/^ventana_/.test(campo) ? instante(v[campo]) : v[campo]);
    descargar("ventanas.csv", csv(campos, datos.ventanas.map((v) => campos.map((c) => escribir(v, c)))));
  });
  oir(parte(".descartados .csv"), "click", () => {
    if (!datos) return;
    const campos = ["_id", "particion", "offset", "razon", "recibido_en", "contenido"];
    const escribir = (d, campo) => (campo === "recibido_en" ? instante(d[campo]) : d[campo]);
    descargar("descartados.csv", csv(campos, datos.descartados.ultimos.map((d) => campos.map((c) => escribir(d, c)))));
  });

  function pintarAbierta() {
    const { abierta } = datos;
    parte(".abierta").hidden = abierta === null;
    if (abierta === null) return;
    const { mensajes, de, faltan } = abierta;
    poner(parte(".abierta span"), `Ventana abierta: ${mensajes} de ${de}, ${faltan === 1 ? "falta" : "faltan"} ${faltan}`);
    Object.assign(parte(".abierta progress"), { max: de, value: mensajes });
  }

  // Una tabla se rehace solo si hay algo nuevo: así se puede leer y copiar de ella.
  function pintarVentanas() {
    const clave = `${datos.ventanas_total} ${datos.ventanas[0]?._id}`;
    if (clave === ventanas) return;
    ventanas = clave;
    const filas = datos.ventanas.map((v) => {
      const fila = nuevo("tr", conocidas && !conocidas.has(v._id) ? "nueva" : "");
      const textos = [hora(v.ventana_fin), ponerId(v.particion),
        `${ponerId(v.offset_inicio)} a ${ponerId(v.offset_fin)}`, sinDecimales(v.num_mensajes),
        conDosDecimales(v.duracion_ventana_seg), ...DE_LOS_KPIS.map((t) => t.escribir(v[t.campo]))];
      for (const texto of textos) fila.insertCell().textContent = texto;
      return fila;
    });
    conocidas = new Set(datos.ventanas.map((v) => v._id));
    parte(".ventanas tbody").replaceChildren(...filas);
    parte(".ventanas").hidden = filas.length === 0;
    poner(parte(".cuantas"), cuantas(filas.length, datos.ventanas_total, "últimas"));
  }

  function pintarDescartados() {
    const { total, ultimos } = datos.descartados;
    const clave = `${total} ${ultimos[0]?._id} ${datos.ventanas_total > 0}`;
    if (clave === descartados) return;
    descartados = clave;
    const filas = ultimos.map((d) => {
      const fila = nuevo("tr");
      for (const texto of [hora(d.recibido_en), ponerId(d.particion), ponerId(d.offset)]) {
        fila.insertCell().textContent = texto;
      }
      for (const [clase, texto] of [["texto", d.razon], ["texto contenido", d.contenido]]) {
        const celda = fila.insertCell();
        celda.className = clase;
        ponerAjeno(celda.appendChild(nuevo("span")), texto);
      }
      return fila;
    });
    parte(".descartados tbody").replaceChildren(...filas);
    for (const selector of [".corredera", ".csv"]) parte(`.descartados ${selector}`).hidden = filas.length === 0;
    parte(".descartados").hidden = total === 0 && datos.ventanas_total === 0;
    poner(parte(".cuantos"), filas.length === 0 ? "Ninguno." : cuantas(filas.length, total, "últimos"));
  }

  return {
    pintar(nuevos) {
      datos = nuevos;
      marcarRango(datos.rango);
      DE_LOS_KPIS.forEach(({ campo }, i) => graficas[i].actualizar(datos, datos[campo]));
      pintarAbierta();
      pintarVentanas();
      pintarDescartados();
      return datos.t.length === 0;
    },
    quitar() {
      soltar();
      for (const grafica of graficas) grafica.quitar();
    },
  };
}

const cuantas = (vistas, total, ultimas) =>
  (vistas < total ? `${vistas} ${ultimas}, de ${sinDecimales(total)}` : `${sinDecimales(total)} en total`);
