"""El consumidor como se suele entregar: un insert_one por mensaje y, cada 20, otro con los KPIs.

    consumidor.py MENSAJES

Escribe sus mensajes por segundo, desde que recibe el primero hasta que guarda el último.
"""

import json
import os
import sys
import time
import uuid
import zlib
from datetime import datetime, timezone

from confluent_kafka import Consumer
from consumidor_metrics_iabd06 import TOPIC, Agregador
from pymongo import MongoClient

cuantos = int(sys.argv[1])
consumidor = Consumer(
    {
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": f"banco-{uuid.uuid4()}",
        "auto.offset.reset": "earliest",
    }
)
consumidor.subscribe([TOPIC])
base = MongoClient(os.environ["MONGODB_URI"])["de_python"]
agregador = Agregador(0)
leidos = 0
while leidos < cuantos:
    pedida = time.monotonic()
    mensaje = consumidor.poll(1)
    if mensaje is None or mensaje.error():
        continue
    if leidos == 0:
        inicio = time.perf_counter()
    documento = json.loads(mensaje.value())
    base["raw"].insert_one(documento)
    agregador.tanda(1, pedida, time.monotonic())
    crc32 = zlib.crc32(mensaje.value())
    kpi = agregador.sumar(documento["metrics"], mensaje.offset(), crc32, datetime.now(timezone.utc))
    if kpi:
        base["kpis"].insert_one(kpi)
        print(json.dumps(kpi, default=datetime.isoformat), file=sys.stderr)
    leidos += 1
print(cuantos / (time.perf_counter() - inicio))
consumidor.close()
base.client.drop_database(base)
