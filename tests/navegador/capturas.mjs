// Las capturas de la documentación: node capturas.mjs http://127.0.0.1:8080/ CARPETA
// Las lanza servicios/probar-panel --capturas.

import { createRequire } from "node:module";

const [url, carpeta] = process.argv.slice(2);
const { chromium } = createRequire(`${process.env.NAVEGADOR}/`)("playwright-core");

const navegador = await chromium.launch({
  executablePath: `${process.env.NAVEGADOR}/chromium`,
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
const pagina = await navegador.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "es-ES" });
const VISTAS = {
  servidor: ["?vista=servidor&host=servidor_A", "#servidor canvas"],
  flota: ["?vista=flota", ".ficha .linea[d*=L]"],
  kpis: ["?vista=kpis&rango=5m", ".ventanas tbody tr"],
};
for (const [vista, [consulta, listo]] of Object.entries(VISTAS)) {
  await pagina.goto(new URL(consulta, url).href);
  await pagina.locator(listo).first().waitFor();
  await pagina.screenshot({ path: `${carpeta}/panel-${vista}.png` });
}
await navegador.close();
