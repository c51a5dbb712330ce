// La vista Servidor: lo que mide el agente.

import { nuevo, poner } from "./elementos.js";
import { csvDeSerie, EN_PALABRAS, oyentes, ponerRangos } from "./piezas.js";
import { descargar, hace, hora, nombreDeFichero, recortar } from "./formato.js";
import { Grafica } from "./graficas.js";

const DEL_SERVIDOR = [
  { campo: "cpu_percent", corto: "cpu", nombre: "CPU", unidad: "%", porcentaje: true, color: "cpu" },
  { campo: "ram_percent", corto: "ram", nombre: "RAM", unidad: "%", porcentaje: true, color: "memoria" },
  { campo: "disk_percent", corto: "disco", nombre: "Disco", unidad: "%", porcentaje: true, color: "disco" },
];

export function vistaServidor(raiz, parametros, cambiar) {
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
