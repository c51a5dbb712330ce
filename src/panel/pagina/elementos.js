// Las piezas de la página: crear y cambiar elementos.

/** Crea un elemento. El texto va siempre por textContent: nunca es HTML, venga de donde venga. */
export function nuevo(etiqueta, clase = "", texto = "") {
  const elemento = document.createElement(etiqueta);
  if (clase) elemento.className = clase;
  if (texto !== "") elemento.textContent = texto;
  return elemento;
}

/** Cambia un texto solo si es otro: lo que no cambia no se vuelve a dibujar ni a leer en voz alta. */
export function poner(elemento, texto) {
  if (elemento.textContent !== texto) elemento.textContent = texto;
}

/** Lo mismo con un atributo. */
export function atributo(elemento, nombre, valor) {
  if (elemento.getAttribute(nombre) !== valor) elemento.setAttribute(nombre, valor);
}

export const copia = (plantilla) =>
  document.getElementById(plantilla).content.firstElementChild.cloneNode(true);

/** Una tabla con la primera columna de cabecera. `filas` es texto ya escrito. */
export function tabla(titulo, cabecera, filas) {
  const entera = nuevo("table");
  entera.append(nuevo("caption", "", titulo));
  const arriba = entera.createTHead().insertRow();
  for (const texto of cabecera) {
    const celda = nuevo("th", "", texto);
    celda.scope = "col";
    arriba.append(celda);
  }
  const cuerpo = entera.createTBody();
  for (const fila of filas) {
    const linea = cuerpo.insertRow();
    for (const texto of fila) linea.insertCell().textContent = texto;
  }
  return entera;
}
