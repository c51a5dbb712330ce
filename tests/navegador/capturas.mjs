// Las capturas de la documentación: node capturas.mjs http://127.0.0.1:8080/ CARPETA
// Las lanza servicios/probar-panel --capturas.

import { abrirNavegador, conDatos } from "./comun.mjs";

const [url, carpeta] = process.argv.slice(2);
const navegador = await abrirNavegador();
const pagina = await navegador.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "es-ES" });
const CONSULTAS = { servidor: "?vista=servidor&host=servidor_A", flota: "?vista=flota", kpis: "?vista=kpis&rango=5m" };
for (const [vista, consulta] of Object.entries(CONSULTAS)) {
  await pagina.goto(new URL(consulta, url).href);
  await conDatos(pagina, vista);
  await pagina.screenshot({ path: `${carpeta}/panel-${vista}.png` });
}
await navegador.close();
