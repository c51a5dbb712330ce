// La vista KPIs: su evolución, las últimas ventanas y lo descartado.

import { nuevo, poner } from "./elementos.js";
import { conDecimal, conDosDecimales, descargar, hora, nombreDeFichero, sinDecimales } from "./formato.js";
import { Grafica } from "./graficas.js";
import { csvDeFilas, csvDeSerie, EN_PALABRAS, oyentes, ponerAjeno, ponerId, ponerRangos } from "./piezas.js";

const DE_LOS_KPIS = [
  { campo: "cpu_percent_avg", nombre: "CPU media", unidad: "%", porcentaje: true, color: "cpu", escribir: conDecimal },
  { campo: "memory_percent_avg", nombre: "Memoria media", unidad: "%", porcentaje: true, color: "memoria", escribir: conDecimal },
  { campo: "disk_io_mbps_avg", nombre: "Disco medio", unidad: "MB/s", color: "disco", escribir: conDecimal },
  { campo: "network_mbps_avg", nombre: "Red media", unidad: "MB/s", color: "red", escribir: conDecimal },
  { campo: "error_count_sum", nombre: "Suma de errores", unidad: "", entero: true, color: "errores", escribir: sinDecimales },
  { campo: "tasa_procesamiento_msg_seg", nombre: "Tasa de procesamiento", unidad: "msg/s", color: "tasa", escribir: conDosDecimales },
];

export function vistaKpis(raiz, parametros, cambiar) {
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
    descargar("ventanas.csv", csvDeFilas(campos, ["ventana_inicio", "ventana_fin"], datos.ventanas));
  });
  oir(parte(".descartados .csv"), "click", () => {
    if (!datos) return;
    const campos = ["_id", "particion", "offset", "razon", "recibido_en", "contenido"];
    descargar("descartados.csv", csvDeFilas(campos, ["recibido_en"], datos.descartados.ultimos));
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
