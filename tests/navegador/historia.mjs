// Lo que cuesta la página con una historia y con otra diez veces más larga, y si su memoria crece.
//
//   node historia.mjs URL_CORTA URL_LARGA
//
// Lo lanza servicios/probar-panel --largo, con los programas en marcha detrás de cada panel.

import assert from "node:assert/strict";
import { VISTAS, abrirNavegador, conDatos, medidor } from "./comun.mjs";

const [corta, larga] = process.argv.slice(2);
const MINUTOS = 10;
const CONSULTAS = { servidor: "?vista=servidor&host=servidor_A&rango=24h", flota: "?vista=flota", kpis: "?vista=kpis&rango=24h" };

const mediana = (valores) => valores.toSorted((a, b) => a - b)[Math.floor(valores.length / 2)];
const navegador = await abrirNavegador();

async function abrir(url, vista) {
  const contexto = await navegador.newContext({ viewport: { width: 1280, height: 800 }, locale: "es-ES" });
  const pagina = await contexto.newPage();
  const inicio = performance.now();
  await pagina.goto(new URL(CONSULTAS[vista], url).href);
  await conDatos(pagina, vista);
  return { contexto, pagina, tardado: performance.now() - inicio };
}

// Por turnos, para que lo que haga el ordenador mientras tanto les toque a las dos.
for (const vista of VISTAS) {
  const [tiempos, deLarga] = [[], []];
  for (let vez = 0; vez < 9; vez++) {
    for (const [url, lista] of [[corta, tiempos], [larga, deLarga]]) {
      const { contexto, tardado } = await abrir(url, vista);
      lista.push(tardado);
      await contexto.close();
    }
  }
  const [una, diez] = [mediana(tiempos), mediana(deLarga)];
  console.log(`${vista}: primera vista completa en ${una.toFixed(0)} ms; con diez veces más historia, ${diez.toFixed(0)} ms`);
  assert.ok(diez < una * 1.5, `${vista} tarda más cuanto más larga es la historia`);
}

const paginas = [];
for (const vista of VISTAS) {
  for (const [historia, url] of Object.entries({ corta, larga })) {
    const { contexto, pagina } = await abrir(url, vista);
    paginas.push({ nombre: `${vista} ${historia}`, medir: await medidor(pagina, contexto), megas: [] });
  }
}
for (let minuto = 0; minuto <= MINUTOS; minuto++) {
  for (const { medir, megas } of paginas) megas.push((await medir()).JSHeapUsedSize / 2 ** 20);
  console.log(`minuto ${minuto}, MiB: ${paginas.map(({ nombre, megas }) => `${nombre} ${megas.at(-1).toFixed(2)}`).join("; ")}`);
  if (minuto < MINUTOS) await new Promise((listo) => setTimeout(listo, 60_000));
}
for (const { nombre, megas } of paginas) {
  assert.ok(megas.at(-1) < megas[MINUTOS / 2] * 1.15, `${nombre}: de ${megas[MINUTOS / 2]} a ${megas.at(-1)} MiB`);
}
for (let i = 0; i < paginas.length; i += 2) {
  const [una, diez] = [paginas[i].megas.at(-1), paginas[i + 1].megas.at(-1)];
  assert.ok(diez < una * 1.3, `${paginas[i + 1].nombre}: ${diez} MiB, y la otra ${una}`);
}
await navegador.close();
