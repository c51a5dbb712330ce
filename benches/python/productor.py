"""Lo que escribiría un productor en Python sin pausa entre rondas: los mensajes de docs/python.

    productor.py confluent|kafka-python MENSAJES

Escribe sus mensajes por segundo, desde que simula el primero hasta que el broker ha confirmado todos.
"""

import json
import os
import sys
import time
from datetime import datetime, timezone

from productor_metrics_iabd06 import SERVIDORES, simular

BROKER = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
TOPIC = "banco"
BATCH_SIZE = 512 * 1024
SERVIDORES += [f"srv{i:05}" for i in range(6, 1001)]


def mensajes(cuantos):
    for _ in range(cuantos // len(SERVIDORES)):
        ahora = datetime.now(timezone.utc)
        for server_id in SERVIDORES:
            yield server_id, json.dumps(simular(server_id, ahora), separators=(",", ":"))


def con_confluent(cuantos):
    from confluent_kafka import Producer

    entregas = [0, 0]  # bien y mal

    def anotar(error, _mensaje):
        entregas[error is not None] += 1

    productor = Producer(
        {"bootstrap.servers": BROKER, "acks": "all", "batch.size": BATCH_SIZE, "on_delivery": anotar}
    )
    for clave, texto in mensajes(cuantos):
        while True:
            try:
                productor.produce(TOPIC, key=clave, value=texto)
                break
            except BufferError:  # la cola está llena
                productor.poll(0.1)
        productor.poll(0)
    productor.flush()
    assert entregas == [cuantos, 0], entregas


def con_kafka_python(cuantos):
    from kafka import KafkaProducer

    errores = []
    productor = KafkaProducer(bootstrap_servers=BROKER, acks="all", linger_ms=5, batch_size=BATCH_SIZE)
    for clave, texto in mensajes(cuantos):
        envio = productor.send(TOPIC, key=clave.encode(), value=texto.encode())
        envio.add_errback(errores.append)
    productor.flush()
    assert not errores, errores


cliente, cuantos = sys.argv[1], int(sys.argv[2])
inicio = time.perf_counter()
{"confluent": con_confluent, "kafka-python": con_kafka_python}[cliente](cuantos)
print(cuantos / (time.perf_counter() - inicio))
