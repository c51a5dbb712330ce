// Las pruebas de la página de panel_metricas, en un Chromium de verdad.
//
//   node panel.mjs http://127.0.0.1:8080/
//
// Las lanza servicios/probar-panel, que pone en marcha el agente, el productor, el consumidor y el panel,
// y dice en NAVEGADOR dónde está lo que ha instalado servicios/instalar navegador.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { VISTAS, abrirNavegador, conDatos, medidor, requerir } from "./comun.mjs";

const URL_PANEL = new URL(process.argv[2]);
const AXE = readFileSync(requerir.resolve("axe-core/axe.min.js"), "utf8");

/** Lo que probar-panel mete en los datos: en la página tiene que ser letras y nada más. */
const HOSTIL = "<img src=x onerror=alert(1)>";

let navegador;
before(async () => { navegador = await abrirNavegador(); });
after(() => navegador?.close());

/**
 * Una prueba con su página. Falla si la consola dice algo, si se pide algo fuera de este ordenador o si
 * salta un diálogo: un «alert» sería un dato que se ha ejecutado.
 */
function prueba(nombre, opciones, hacer) {
  const { consulta = "", tema = "light", ancho = 1280, alto = 800, ruidosa = false, antes } = opciones;
  test(nombre, { timeout: 60_000 }, async () => {
    const contexto = await navegador.newContext({
      viewport: { width: ancho, height: alto }, colorScheme: tema, locale: "es-ES", acceptDownloads: true,
    });
    const problemas = [];
    contexto.on("request", (peticion) => {
      const url = new URL(peticion.url());
      if (!["data:", "blob:"].includes(url.protocol) && url.host !== URL_PANEL.host) problemas.push(`pide ${url}`);
    });
    contexto.on("console", (mensaje) => {
      if (!ruidosa && ["error", "warning"].includes(mensaje.type())) problemas.push(mensaje.text());
    });
    contexto.on("weberror", (error) => problemas.push(error.error().stack));
    contexto.on("dialog", (dialogo) => {
      problemas.push(`diálogo: ${dialogo.message()}`);
      dialogo.dismiss();
    });
    try {
      const pagina = await contexto.newPage();
      pagina.setDefaultTimeout(15_000);
      await antes?.(pagina);
      await pagina.goto(new URL(consulta, URL_PANEL).href);
      await hacer(pagina, contexto);
      assert.deepEqual(problemas, []);
      await pagina.unrouteAll({ behavior: "ignoreErrors" });
    } finally {
      await contexto.close();
    }
  });
}

const texto = (pagina, selector) => pagina.locator(selector).first().textContent();

// --- lo que se ve -----------------------------------------------------------------------

prueba("Servidor: tres gráficas dibujadas, con su cifra", { consulta: "?vista=servidor&host=servidor_A" }, async (pagina) => {
  await conDatos(pagina, "servidor");
  for (const valor of await pagina.locator("#servidor .valor").allTextContents()) {
    assert.match(valor, /^\d{1,3},\d$/);
  }
  // Cada lienzo tiene más de diez puntos del color de su línea: se espera, que el agente acaba de empezar.
  await pagina.waitForFunction(() => [...document.querySelectorAll("#servidor .grafica")].every((grafica) => {
    const [r, g, b] = getComputedStyle(grafica.querySelector("h2"), "::before").backgroundColor.match(/\d+/g).map(Number);
    const lienzo = grafica.querySelector("canvas");
    // En una copia: Chromium se queja si se lee muchas veces un lienzo que no es para eso.
    const copia = new OffscreenCanvas(lienzo.width, lienzo.height).getContext("2d", { willReadFrequently: true });
    copia.drawImage(lienzo, 0, 0);
    const { data } = copia.getImageData(0, 0, lienzo.width, lienzo.height);
    let cuantos = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 255 && data[i] === r && data[i + 1] === g && data[i + 2] === b) cuantos++;
    }
    return cuantos > 10;
  }), null, { polling: 500 });
  for (const rotulo of await pagina.locator("#servidor .lienzo").evaluateAll((l) => l.map((x) => x.ariaLabel))) {
    assert.match(rotulo, /^(CPU|RAM|Disco) de .+, últimos 5 minutos\. Último: .+; mínimo: .+; máximo: .+\.$/);
  }
});

prueba("Flota: el resumen y una ficha por servidor", { consulta: "?vista=flota" }, async (pagina) => {
  await conDatos(pagina, "flota");
  const nombres = await pagina.locator(".ficha h2").allTextContents();
  for (const nombre of ["app01", "cache01", "db01", "web01", "web02"]) assert.ok(nombres.includes(nombre), nombre);
  assert.ok(Number(await texto(pagina, "#flota .total")) >= 5);
  assert.match(await texto(pagina, "#flota .ritmo"), /^\d+,\d\d$/);
  assert.match(await texto(pagina, "#flota .umbrales"), /CPU 85 %, memoria 90 %/);
});

prueba("KPIs: seis gráficas, ventanas de veinte mensajes y lo descartado", { consulta: "?vista=kpis&rango=5m" }, async (pagina) => {
  await conDatos(pagina, "kpis");
  const fila = await pagina.locator(".ventanas tbody tr").first().locator("td").allTextContents();
  assert.equal(fila.length, 11);
  assert.match(fila[2], /^\d+ a \d+$/);
  assert.equal(fila[3], "20");
  assert.ok((await texto(pagina, ".descartados tbody .texto")).length > 0);
});

for (const [vista, selector] of [["servidor", ".fresco"], ["flota", ".mensajes"], ["kpis", ".ventanas tbody td:nth-child(3)"]]) {
  prueba(`${vista}: lo nuevo llega sin recargar`, { consulta: `?vista=${vista}${vista === "servidor" ? "&host=servidor_A" : ""}` }, async (pagina) => {
    await conDatos(pagina, vista);
    await pagina.evaluate(() => { window.marca = "la misma página"; });
    for (let vez = 0; vez < 3; vez++) {
      const antes = await texto(pagina, `#${vista} ${selector}`);
      await pagina.waitForFunction(([donde, viejo]) => document.querySelector(donde).textContent !== viejo,
        [`#${vista} ${selector}`, antes]);
    }
    if (vista === "servidor") assert.match(await texto(pagina, ".fresco"), /hace [0-2] s/);
    assert.equal(await pagina.evaluate(() => window.marca), "la misma página");
  });
}

// --- descargas ------------------------------------------------------------------------------

async function descarga(pagina, boton) {
  const [bajada] = await Promise.all([pagina.waitForEvent("download"), boton.click()]);
  return { nombre: bajada.suggestedFilename(), bytes: readFileSync(await bajada.path()) };
}

/** Lee un CSV como lo haría el Excel español. */
function leerCsv(bytes) {
  const todo = bytes.toString("utf8");
  assert.ok(todo.startsWith("\uFEFF"), "empieza por la marca de UTF-8");
  const celdas = [...todo.slice(1).matchAll(/("(?:[^"]|"")*"|[^;\r\n]*)(;|\r\n)/g)];
  const filas = [[]];
  for (const [, celda, fin] of celdas) {
    filas.at(-1).push(celda.startsWith('"') ? celda.slice(1, -1).replaceAll('""', '"') : celda);
    if (fin !== ";") filas.push([]);
  }
  filas.pop();
  for (const fila of filas) assert.equal(fila.length, filas[0].length, `columnas de ${fila}`);
  return filas;
}

const CSVS = {
  servidor: [["#servidor .csv", /^servidor_A-5m\.csv$/, "cpu_percent_media"]],
  flota: [["#flota .csv", /^flota\.csv$/, "network_mbps"]],
  kpis: [
    ["#kpis .mandos .csv", /^kpis-1h\.csv$/, "tasa_procesamiento_msg_seg_max"],
    [".ventanas .csv", /^ventanas\.csv$/, "cpu_percent_avg"],
    [".descartados .csv", /^descartados\.csv$/, "razon"],
  ],
};

for (const vista of VISTAS) {
  const host = vista === "servidor" ? "&host=servidor_A" : "";
  prueba(`${vista}: CSV y PNG`, { consulta: `?vista=${vista}${host}` }, async (pagina) => {
    await conDatos(pagina, vista);
    for (const [boton, nombre, columna] of CSVS[vista]) {
      const csv = await descarga(pagina, pagina.locator(boton));
      assert.match(csv.nombre, nombre);
      const [cabecera, ...filas] = leerCsv(csv.bytes);
      assert.ok(cabecera.includes(columna) && filas.length > 0);
      assert.ok(filas.some((f) => f.some((c) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(c))), "hay fechas");
      const zona = cabecera.findIndex((c) => c.endsWith("_zona"));
      assert.ok(filas.every((f) => /^(UTC[+-]\d\d:\d\d)?$/.test(f[zona]) && Boolean(f[zona]) === Boolean(f[zona - 1])), "con su zona");
      assert.ok(boton.includes("descartados") || filas.some((f) => f.some((c) => /^\d+,\d+$/.test(c))), "hay decimales con coma");
      assert.ok(filas.every((f) => f.every((c) => !/^[=+@]/.test(c))), "ninguna celda es una fórmula");
    }
    const png = await descarga(pagina, pagina.locator(`#${vista} .png`).first());
    assert.match(png.nombre, { servidor: /^servidor_A-cpu-5m\.png$/, flota: /-flota\.png$/, kpis: /^kpis-cpu_percent_avg-1h\.png$/ }[vista]);
    assert.equal(png.bytes.subarray(0, 8).toString("latin1"), "\x89PNG\r\n\x1a\n");
    assert.ok(png.bytes.readUInt32BE(16) >= 1600 && png.bytes.readUInt32BE(20) >= 700, "ancho y alto");
    assert.ok(png.bytes.length > 5_000, "no está en blanco");
  });
}

// --- la dirección ------------------------------------------------------------------------------

prueba("la dirección guarda la vista, y «atrás» vuelve", { consulta: "?vista=kpis&rango=7d" }, async (pagina) => {
  await conDatos(pagina, "kpis");
  assert.equal(await pagina.locator("#kpis input:checked").inputValue(), "7d");
  await pagina.getByRole("tab", { name: "Flota" }).click();
  await pagina.locator(".buscar").fill("WEB");
  await pagina.waitForURL("**/?vista=flota&buscar=WEB");
  await pagina.waitForFunction(() => [...document.querySelectorAll(".ficha h2")].map((h) => h.textContent).join() === "web01,web02");
  assert.match(await pagina.title(), /^Flota/);
  await pagina.goBack();
  await conDatos(pagina, "kpis");
  assert.equal(await pagina.locator("#kpis input:checked").inputValue(), "7d");
  await pagina.goForward();
  assert.equal(await pagina.locator(".buscar").inputValue(), "WEB");
  await pagina.locator(".buscar").fill("ni uno");
  await pagina.getByText("Ningún servidor contiene «ni uno».").waitFor();

  await pagina.goto(new URL("?vista=servidor&host=servidor_A&rango=24h", URL_PANEL).href);
  await conDatos(pagina, "servidor");
  assert.equal(await pagina.locator(".hosts").inputValue(), "servidor_A");
  assert.equal(await pagina.locator("#servidor input:checked").inputValue(), "24h");
});

prueba("una dirección mal escrita no rompe nada", { consulta: "?vista=__proto__&host=%3Cb%3E&rango=9y&pagina=-1" }, async (pagina) => {
  await pagina.locator("#servidor").waitFor();
  assert.equal(await pagina.locator("#servidor input:checked").inputValue(), "5m");
});

// --- teclado y lectores de pantalla ----------------------------------------------------------------

prueba("todo se maneja con el teclado", {}, async (pagina) => {
  await conDatos(pagina, "servidor");
  const foco = () => pagina.evaluate(() => document.activeElement.id);
  await pagina.keyboard.press("Tab");
  assert.equal(await foco(), "pestana-servidor");
  for (const [tecla, pestana] of [["ArrowRight", "flota"], ["End", "kpis"], ["ArrowRight", "servidor"], ["ArrowLeft", "kpis"], ["Home", "servidor"]]) {
    await pagina.keyboard.press(tecla);
    assert.equal(await foco(), `pestana-${pestana}`, tecla);
    assert.ok(await pagina.locator(`#${pestana}`).isVisible());
  }
  for (const vista of VISTAS) {
    await pagina.goto(new URL(`?vista=${vista}`, URL_PANEL).href);
    await conDatos(pagina, vista);
    // Lo que debería poder alcanzarse: de las pestañas y de los radios, solo el elegido.
    const alcanzables = await pagina.evaluate(() => {
      const todos = document.querySelectorAll("a[href], button, input, select, summary, [tabindex]");
      const valen = [...todos].filter((e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility()
        && (e.type !== "radio" || e.checked));
      valen.forEach((e, i) => { e.numero = i; });
      return valen.length;
    });
    const vistos = new Set();
    for (let i = 0; i < alcanzables; i++) {
      await pagina.keyboard.press("Tab");
      const { numero, borde } = await pagina.evaluate(() => {
        const e = document.activeElement;
        const conBorde = e.type === "radio" ? e.nextElementSibling : e;
        return { numero: e.numero, borde: getComputedStyle(conBorde).outlineStyle };
      });
      assert.notEqual(borde, "none", `${vista}: el foco se ve en el control ${numero}`);
      vistos.add(numero);
    }
    assert.equal(vistos.size, alcanzables, `${vista}: se alcanzan todos`);
  }
  // Y usarlos: el periodo con las flechas, la tabla con Intro.
  await pagina.locator("#kpis input:checked").focus();
  await pagina.keyboard.press("ArrowRight");
  await pagina.waitForURL("**/?vista=kpis&rango=24h");
  await pagina.locator("#kpis summary").first().focus();
  await pagina.keyboard.press("Enter");
  await pagina.locator("#kpis details td").first().waitFor();
});

prueba("detrás de cada gráfica hay una tabla, que solo existe abierta", {}, async (pagina) => {
  await conDatos(pagina, "servidor");
  assert.equal(await pagina.locator("#servidor table").count(), 0);
  for (const resumen of await pagina.locator("#servidor summary").all()) await resumen.click();
  await pagina.locator("#servidor table").nth(2).waitFor();
  assert.deepEqual(await pagina.locator("#servidor table").first().locator("th").allTextContents(), ["Hora", "Media", "Mínimo", "Máximo"]);
  const filas = await pagina.locator("#servidor table").first().locator("tbody tr").count();
  assert.ok(filas > 0 && filas <= 60, `${filas} filas`);
  await pagina.locator("#servidor summary").first().click();
  await pagina.waitForFunction(() => document.querySelectorAll("#servidor table").length === 2);
});

for (const tema of ["light", "dark"]) {
  for (const vista of VISTAS) {
    prueba(`axe no encuentra nada serio: ${vista}, ${tema}`, { consulta: `?vista=${vista}`, tema }, async (pagina) => {
      await conDatos(pagina, vista);
      for (const resumen of (await pagina.locator(`#${vista} summary`).all()).slice(0, 3)) await resumen.click();
      const { violations } = await pagina.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"] })`);
      const graves = violations.filter((v) => ["serious", "critical"].includes(v.impact));
      assert.deepEqual(graves.map((v) => `${v.id}: ${v.nodes[0].target}`), []);
    });
  }
}

// --- tema y tamaños ---------------------------------------------------------------------------------

const FONDO = () => getComputedStyle(document.body).backgroundColor;

prueba("el tema se cambia y se recuerda; el del sistema no hace falta recordarlo", {}, async (pagina) => {
  const claro = await pagina.evaluate(FONDO);
  await pagina.getByRole("button", { name: "Cambiar al tema oscuro" }).click();
  const oscuro = await pagina.evaluate(FONDO);
  assert.notEqual(oscuro, claro);
  await pagina.reload();
  assert.equal(await pagina.evaluate(FONDO), oscuro);
  await pagina.getByRole("button", { name: "Cambiar al tema claro" }).click();
  assert.equal(await pagina.evaluate(FONDO), claro);
  assert.equal(await pagina.evaluate(() => localStorage.getItem("tema")), null);
  await pagina.emulateMedia({ colorScheme: "dark" });
  assert.equal(await pagina.evaluate(FONDO), oscuro);
});

prueba("con el almacén del navegador prohibido también funciona", {
  antes: (pagina) => pagina.addInitScript(() => {
    Object.defineProperty(window, "localStorage", { get() { throw new DOMException("prohibido", "SecurityError"); } });
  }),
}, async (pagina) => {
  await conDatos(pagina, "servidor");
  await pagina.getByRole("button", { name: "Cambiar al tema oscuro" }).click();
  await pagina.getByRole("button", { name: "Cambiar al tema claro" }).waitFor();
});

prueba("ningún título de gráfica se corta a 1280 px", { ancho: 1280, alto: 800 }, async (pagina) => {
  for (const vista of VISTAS.filter((v) => v !== "flota")) {
    await pagina.goto(new URL(`?vista=${vista}`, URL_PANEL).href);
    await conDatos(pagina, vista);
    const cortados = await pagina.evaluate(() => [...document.querySelectorAll(".grafica h2")]
      .filter((h) => h.scrollWidth > h.clientWidth).map((h) => h.textContent));
    assert.deepEqual(cortados, [], vista);
  }
});

for (const ancho of [360, 768, 1920]) {
  prueba(`a ${ancho} px nada se sale por los lados`, { ancho, alto: 740 }, async (pagina) => {
    for (const vista of VISTAS) {
      await pagina.goto(new URL(`?vista=${vista}`, URL_PANEL).href);
      await conDatos(pagina, vista);
      assert.equal(await pagina.evaluate(() => document.documentElement.scrollWidth), ancho, vista);
    }
    // La gráfica sigue al tamaño de la ventana.
    await pagina.goto(URL_PANEL.href);
    await conDatos(pagina, "servidor");
    await pagina.setViewportSize({ width: ancho + 150, height: 740 });
    await pagina.waitForFunction(() => {
      const lienzo = document.querySelector("#servidor .lienzo");
      return Math.abs(lienzo.clientWidth - lienzo.querySelector(".uplot").clientWidth) <= 1;
    });
  });
}

// --- datos hostiles ----------------------------------------------------------------------------------

/** Cambia lo que contesta el panel: `arreglar` recibe el JSON de verdad. */
const falsear = (arreglar) => (pagina) => pagina.route("**/api/**", async (ruta) => {
  const respuesta = await ruta.fetch();
  const json = await respuesta.json();
  arreglar(json);
  await ruta.fulfill({ response: respuesta, json });
});

const ningunaImagen = async (pagina) => assert.equal(await pagina.locator("img, [onerror]").count(), 0);

prueba("hostil, de verdad: lo que mandan los mensajes son letras", { consulta: "?vista=flota&buscar=onerror" }, async (pagina) => {
  await pagina.getByRole("heading", { name: HOSTIL }).waitFor();
  await ningunaImagen(pagina);
  await pagina.getByRole("tab", { name: "KPIs" }).click();
  await conDatos(pagina, "kpis");
  const largo = pagina.locator(".descartados .contenido span", { hasText: /z{100}/ }).first();
  assert.ok((await largo.textContent()).length <= 250, "el texto de 1 MB llega cortado");
  await pagina.getByRole("tab", { name: "Servidor" }).click();
  await conDatos(pagina, "servidor");
  await pagina.locator(".hosts").selectOption({ value: HOSTIL });
  await pagina.waitForFunction((malo) => document.querySelector("#servidor .lienzo").ariaLabel.includes(malo), HOSTIL);
  const csv = await descarga(pagina, pagina.locator("#servidor .csv"));
  assert.match(csv.nombre, /^_img_src_x_onerror_alert_1_-5m\.csv$/);
  await ningunaImagen(pagina);
});

prueba("hostil: textos larguísimos, fórmulas, nulos y listas vacías", {
  consulta: "?vista=flota",
  antes: falsear((json) => {
    if (!json.servidores) return;
    const uno = json.servidores[0];
    const vacio = { ...uno, server_id: "", cpu_percent: null, t: null, sobre: [], serie: Object.fromEntries(Object.keys(uno.serie).map((c) => [c, []])) };
    const nulo = { ...uno, server_id: "nulo", sobre: ["memory_percent"], serie: Object.fromEntries(Object.entries(uno.serie).map(([c, v]) => [c, c === "t" ? v : v.map(() => null)])) };
    json.servidores = [vacio, nulo, { ...uno, server_id: "=1+1" }, { ...uno, server_id: "\u202e\u0000ñ漢" }, { ...uno, server_id: "W".repeat(1_000_000) }];
    Object.assign(json, { mensajes: null, total: 10_000, encontrados: 10_000, pagina: 3 });
  }),
}, async (pagina) => {
  await pagina.getByRole("heading", { name: "=1+1" }).waitFor();
  await pagina.getByRole("heading", { name: "(vacío)" }).waitFor();
  assert.equal(await texto(pagina, "#flota .mensajes"), "–");
  assert.equal(await texto(pagina, "#flota .cual"), "4 de 417");
  assert.ok((await pagina.locator("#flota h2").last().getAttribute("title")).length <= 200);
  assert.equal(await pagina.evaluate(() => document.documentElement.scrollWidth), 1280);
  const csv = await descarga(pagina, pagina.locator("#flota .csv"));
  assert.equal(csv.nombre, "flota-pagina4.csv");
  const nombres = leerCsv(csv.bytes).map((fila) => fila[0]);
  assert.ok(nombres.includes("'=1+1") && !nombres.includes("=1+1"));
  for (const resumen of await pagina.locator("#flota summary").all()) await resumen.click();
  for (const boton of await pagina.locator("#flota .png").all()) {
    assert.ok((await descarga(pagina, boton)).nombre.length < 60);
  }
});

prueba("hostil: 500 hosts de 10.000 y series con huecos", {
  antes: falsear((json) => {
    if (!json.hosts) return;
    json.hosts = Array.from({ length: 500 }, (_, i) => `srv${String(i).padStart(5, "0")}`);
    json.hosts_total = 10_000;
    json.ram_percent = { min: json.t.map(() => null), max: json.t.map(() => null), media: json.t.map(() => null) };
    json.ultimo.ram_percent = null;
    json.disk_percent.media = json.disk_percent.media.map((v, i) => (i % 2 ? v : null));
  }),
}, async (pagina) => {
  await pagina.waitForFunction(() => document.querySelectorAll(".hosts option").length >= 500);
  assert.deepEqual(await pagina.locator("#servidor .valor").nth(1).textContent(), "–");
  assert.match(await pagina.locator("#servidor .lienzo").nth(1).getAttribute("aria-label"), /sin datos/);
  await pagina.getByLabel("Otro host").fill("servidor_A");
  await pagina.keyboard.press("Enter");
  await pagina.waitForURL("**/?vista=servidor&host=servidor_A");
});

prueba("sin datos se dice dónde estarían, con la orden que los trae", {
  antes: falsear((json) => {
    const orden = "cargo run --bin productor_metrics_iabd06\ncargo run --bin consumidor_metrics_iabd06";
    json.aviso = { nivel: "info", frase: "Aún no hay nada.", orden };
    const nada = { min: [], max: [], media: [] };
    if (json.t) for (const clave of Object.keys(json)) if (json[clave]?.media) json[clave] = nada;
    Object.assign(json, { t: [], hosts: [], hosts_total: 0, host: null, ultimo: null, servidores: [], total: 0, encontrados: 0,
      ventanas: [], ventanas_total: 0, abierta: { mensajes: 19, de: 20, faltan: 1 }, descartados: { total: 0, ultimos: [] } });
  }),
}, async (pagina, contexto) => {
  await contexto.grantPermissions(["clipboard-read", "clipboard-write"]);
  for (const vista of VISTAS) {
    await pagina.goto(new URL(`?vista=${vista}`, URL_PANEL).href);
    const aviso = pagina.locator(`#${vista} > .aviso`);
    await aviso.getByText("Aún no hay nada.").waitFor();
    assert.deepEqual(await aviso.locator("code").allTextContents(), ["cargo run --bin productor_metrics_iabd06", "cargo run --bin consumidor_metrics_iabd06"]);
    await aviso.getByRole("button").nth(1).click();
    await aviso.getByText("Copiado").waitFor();
    assert.equal(await pagina.evaluate(() => navigator.clipboard.readText()), "cargo run --bin consumidor_metrics_iabd06");
    assert.equal(await pagina.locator(`#${vista} canvas:visible, #${vista} .ficha:visible, #${vista} table:visible`).count(), 0);
  }
  await pagina.getByText("Ventana abierta: 19 de 20, falta 1").waitFor();
});

// --- el panel que no contesta ---------------------------------------------------------------------------

prueba("si el panel no responde se dice, y se recupera solo", { ruidosa: true }, async (pagina) => {
  await conDatos(pagina, "servidor");
  await pagina.route("**/api/**", (ruta) => ruta.abort("connectionrefused"));
  await pagina.getByText("El panel no responde.").waitFor();
  assert.equal(await texto(pagina, "#estado"), "Sin conexión");
  assert.match(await texto(pagina, "#servidor .valor"), /\d/, "los últimos datos siguen a la vista");
  await pagina.unroute("**/api/**");
  await pagina.getByText("En directo").waitFor();
  assert.ok(await pagina.locator("#conexion").isHidden());
});

prueba("en directo solo si se acaba de leer", {
  antes: (pagina) => pagina.route("**/api/servidor*", async (ruta) => {
    const json = await (await ruta.fetch()).json();
    await ruta.fulfill({ json: { ...json, al_dia: false } });
  }),
}, async (pagina) => {
  await conDatos(pagina, "servidor");
  assert.equal(await texto(pagina, "#estado"), "Leyendo…");
});

prueba("un error del panel se enseña con sus palabras", {
  ruidosa: true,
  antes: (pagina) => pagina.route("**/api/**", (ruta) => ruta.fulfill({ status: 400, json: { error: "Ese rango no vale." } })),
}, async (pagina) => {
  await pagina.locator("#servidor > .aviso").getByText("Ese rango no vale.").waitFor();
});

prueba("nunca hay dos preguntas a la vez, y con la página oculta no hay ninguna", {}, async (pagina) => {
  let ahora = 0, maximo = 0, total = 0;
  await pagina.route("**/api/**", async (ruta) => {
    maximo = Math.max(maximo, ++ahora);
    total++;
    await new Promise((listo) => setTimeout(listo, 1_500)); // más lento que el ritmo de la página
    ahora--;
    await ruta.continue();
  });
  while (total < 4) await pagina.waitForResponse("**/api/**");
  assert.equal(maximo, 1);
  await pagina.unroute("**/api/**", { behavior: "wait" });

  await pagina.waitForResponse("**/api/**");
  const preguntas = await pagina.evaluate(async () => {
    let cuantas = 0;
    const deVerdad = window.fetch;
    window.fetch = (...todo) => (cuantas++, deVerdad(...todo));
    const ocultar = (valor) => {
      Object.defineProperty(document, "hidden", { value: valor, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    };
    ocultar(true);
    await new Promise((listo) => setTimeout(listo, 2_500)); // más que su ritmo: se mira que no pase nada
    const oculta = cuantas;
    ocultar(false);
    return { oculta, alVolver: cuantas };
  });
  assert.deepEqual(preguntas, { oculta: 0, alVolver: 1 });
});

prueba("una contestación que llega tarde no estropea la vista en la que ya se está", {
  antes: (pagina) => pagina.route("**/api/servidor?*", async (ruta) => {
    await new Promise((listo) => setTimeout(listo, 1_000));
    await ruta.continue();
  }),
}, async (pagina) => {
  await pagina.evaluate(() => {
    window.estados = [];
    new MutationObserver(() => window.estados.push(document.getElementById("estado").textContent))
      .observe(document.getElementById("estado"), { childList: true });
  });
  await pagina.getByRole("tab", { name: "Flota" }).click();
  await conDatos(pagina, "flota");
  await pagina.getByRole("tab", { name: "Servidor" }).click();
  await conDatos(pagina, "servidor");
  assert.deepEqual(await pagina.evaluate(() => window.estados), ["En directo"]);
});

// --- memoria -------------------------------------------------------------------------------------------

prueba("ir y venir entre vistas no deja restos", {}, async (pagina, contexto) => {
  const medir = await medidor(pagina, contexto);
  const vueltas = async (cuantas) => {
    for (let i = 0; i < cuantas; i++) {
      for (const vista of ["flota", "kpis", "servidor"]) {
        await pagina.locator(`#pestana-${vista}`).click();
        await conDatos(pagina, vista);
      }
    }
    return medir();
  };
  const antes = await vueltas(3), despues = await vueltas(10);
  for (const que of ["Nodes", "JSEventListeners"]) {
    assert.ok(despues[que] < antes[que] * 1.2, `${que}: de ${antes[que]} a ${despues[que]}`);
  }
});
