// Lo que comparten las pruebas de la página y las capturas: el navegador, y cuándo está completa una vista.

import { createRequire } from "node:module";

/** Donde están playwright-core, axe-core y el enlace a Chromium: servicios/instalar navegador. */
const NAVEGADOR = process.env.NAVEGADOR;
export const requerir = createRequire(`${NAVEGADOR}/`);

export const VISTAS = ["servidor", "flota", "kpis"];

export const abrirNavegador = () => requerir("playwright-core").chromium.launch({
  executablePath: `${NAVEGADOR}/chromium`,
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});

/** Espera a que la vista esté entera, con sus datos. */
export async function conDatos(pagina, vista) {
  const senal = {
    servidor: () => [...document.querySelectorAll("#servidor .valor")].every((v) => /\d/.test(v.textContent))
      && document.querySelectorAll("#servidor canvas").length === 3,
    flota: () => document.querySelectorAll(".ficha .linea[d*=L]").length >= 5,
    kpis: () => document.querySelectorAll("#kpis canvas").length === 6
      && document.querySelectorAll(".ventanas tbody tr").length > 0,
  }[vista];
  await pagina.waitForFunction(senal);
}

/** Para leer los contadores de la página, recién recogida la basura. */
export async function medidor(pagina, contexto) {
  const cdp = await contexto.newCDPSession(pagina);
  await cdp.send("Performance.enable");
  return async () => {
    await cdp.send("HeapProfiler.collectGarbage");
    const { metrics } = await cdp.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
}
