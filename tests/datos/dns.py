"""Un DNS de mentira en 127.0.0.1:53, para las pruebas.

Uso: dns.py mudo | raro | noexiste | SEGUNDOS. Con los segundos, contesta bien, pero tarda eso.
"""

import socket
import struct
import sys
import threading
import time

MODO = sys.argv[1]
A, TXT, SRV = 1, 16, 33
CODIGOS = {"raro": 2, "noexiste": 3}  # SERVFAIL y NXDOMAIN

servidor = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
servidor.bind(("127.0.0.1", 53))


def nombre(texto):
    return b"".join(bytes([len(parte)]) + parte.encode() for parte in texto.split(".")) + b"\0"


def contestar(pregunta, quien):
    fin = pregunta.index(b"\0", 12) + 1
    tipo = struct.unpack(">H", pregunta[fin : fin + 2])[0]
    datos = {
        A: socket.inet_aton("127.0.0.1"),
        SRV: struct.pack(">HHH", 0, 0, 27999) + nombre("h.abc.example.net"),
        TXT: bytes([16]) + b"authSource=admin",
    }
    codigo = CODIGOS.get(MODO, 0)
    if MODO == "mudo":
        return
    if not codigo:
        time.sleep(float(MODO))
    respuesta = b""
    if not codigo and tipo in datos:
        respuesta = b"\xc0\x0c" + struct.pack(">HHIH", tipo, 1, 60, len(datos[tipo])) + datos[tipo]
    cabecera = pregunta[:2] + struct.pack(">HHHHH", 0x8180 | codigo, 1, bool(respuesta), 0, 0)
    servidor.sendto(cabecera + pregunta[12 : fin + 4] + respuesta, quien)


print("listo", flush=True)
while True:
    threading.Thread(target=contestar, args=servidor.recvfrom(2048), daemon=True).start()
