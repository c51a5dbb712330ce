"""Imprime el environment: de un servicio de un docker-compose.yml, en líneas CLAVE=valor.

Uso: leer-compose.py FICHERO SERVICIO. Lo usa servicios/arrancar kafka --compose.
Pone en su sitio las variables ${NOMBRE} y ${NOMBRE:-valor}, como Docker Compose,
pero solo con las del entorno: el .env no lo lee.
"""

import os
import re
import sys

import yaml


def sustituir(texto):
    def una(encontrado):
        if encontrado["dolar"]:
            return "$"
        if encontrado["nombre"] is None:
            sys.exit(f"no entiendo el «$» de «{texto}»: aquí valen ${{NOMBRE}}, ${{NOMBRE:-valor}} y $$.")
        return os.environ.get(encontrado["nombre"]) or encontrado["valor"] or ""

    return re.sub(r"\$(?:(?P<dolar>\$)|\{(?P<nombre>\w+)(?::-(?P<valor>[^}]*))?\}|)", una, texto)


fichero, servicio = sys.argv[1:]
try:
    with open(fichero, encoding="utf-8") as abierto:
        entorno = yaml.safe_load(abierto)["services"][servicio]["environment"]
except OSError as error:
    sys.exit(f"no puedo leer {fichero}: {error.strerror}.")
except yaml.YAMLError as error:
    sys.exit(f"{fichero} no es YAML válido: {error}")
except (KeyError, TypeError):
    sys.exit(f"{fichero} no tiene el environment: del servicio {servicio}.")
if isinstance(entorno, list):  # también se admite «- CLAVE=valor»
    entorno = dict(linea.split("=", 1) for linea in entorno)
for clave, valor in entorno.items():
    if isinstance(valor, bool) or valor is None:
        sys.exit(f"{clave} tiene que ir entre comillas en {fichero}: Docker Compose no admite ahí {valor}.")
    print(f"{clave}={sustituir(str(valor))}")
