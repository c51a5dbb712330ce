"""El consumidor como se suele entregar: un insert_one por mensaje y, cada 20, otro con los KPIs.

    consumidor.py confluent|kafka-python MENSAJES

Escribe sus mensajes por segundo, desde que recibe el primero hasta que guarda el último.
"""

import json
import os
import sys
import time
import uuid
from datetime import datetime, timezone

from consumidor_metrics_iabd06 import TOPIC, Agregador
from pymongo import MongoClient

BROKER = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
GRUPO = f"banco-{uuid.uuid4()}"


def de_confluent():
    from confluent_kafka import Consumer

    consumidor = Consumer(
        {"bootstrap.servers": BROKER, "group.id": GRUPO, "auto.offset.reset": "earliest"}
    )
    consumidor.subscribe([TOPIC])
    while True:
        mensaje = consumidor.poll(1)
        if mensaje is not None and mensaje.error() is None:
            yield mensaje.offset(), mensaje.value()


def de_kafka_python():
    from kafka import KafkaConsumer

    consumidor = KafkaConsumer(
        TOPIC, bootstrap_servers=BROKER, group_id=GRUPO, auto_offset_reset="earliest"
    )
    for mensaje in consumidor:
        yield mensaje.offset, mensaje.value


recibidos = {"confluent": de_confluent, "kafka-python": de_kafka_python}[sys.argv[1]]()
cuantos = int(sys.argv[2])
base = MongoClient(os.environ["MONGODB_URI"])["de_python"]
agregador = Agregador(0)
for n, (offset, valor) in enumerate(recibidos):
    if n == 0:
        inicio = time.perf_counter()
    documento = json.loads(valor)
    base["raw"].insert_one(documento)
    if kpi := agregador.sumar(documento["metrics"], offset, datetime.now(timezone.utc)):
        base["kpis"].insert_one(kpi)
        print(json.dumps(kpi, default=datetime.isoformat), file=sys.stderr)
    if n + 1 == cuantos:
        print(cuantos / (time.perf_counter() - inicio))
        break
base.client.drop_database(base)
