"""Escribe y lee en un motor con los clientes de Python. Lo usa servicios/probar-motores.

Uso: humo.py escribir|leer confluent|kafka-python|mongo MARCA

Los datos de conexión los toma del entorno. «escribir» escribe MARCA y lo relee;
«leer» comprueba que MARCA está, y una sola vez.
"""

import os
import sys
import time

TOPIC = "humo"
LIMITE = 15  # segundos


def servidor():
    return os.environ["KAFKA_BOOTSTRAP_SERVERS"]


def escribir_confluent(marca):
    import confluent_kafka

    productor = confluent_kafka.Producer({"bootstrap.servers": servidor(), "acks": "all"})
    confirmaciones = []
    productor.produce(TOPIC, marca.encode(), callback=lambda error, _: confirmaciones.append(error))
    productor.flush(LIMITE)
    assert confirmaciones == [None], f"sin confirmar: {confirmaciones}"


def leer_confluent():
    import confluent_kafka

    consumidor = confluent_kafka.Consumer(
        {"bootstrap.servers": servidor(), "group.id": "humo", "enable.auto.commit": False}
    )
    particion = confluent_kafka.TopicPartition(TOPIC, 0, 0)
    _, total = consumidor.get_watermark_offsets(particion, LIMITE)
    consumidor.assign([particion])
    leidos, fin = [], time.monotonic() + LIMITE
    while len(leidos) < total and time.monotonic() < fin:
        mensaje = consumidor.poll(1)
        if mensaje and not mensaje.error():
            leidos.append(mensaje.value().decode())
    consumidor.close()
    return leidos


def escribir_kafka_python(marca):
    import kafka

    productor = kafka.KafkaProducer(bootstrap_servers=servidor(), acks="all")
    productor.send(TOPIC, marca.encode()).get(LIMITE)
    productor.close()


def leer_kafka_python():
    import kafka

    # Con grupo: así pasa también por el reparto de particiones y los offsets.
    consumidor = kafka.KafkaConsumer(
        TOPIC,
        bootstrap_servers=servidor(),
        group_id=f"humo-{time.time_ns()}",
        auto_offset_reset="earliest",
        consumer_timeout_ms=1500,
    )
    leidos = [mensaje.value.decode() for mensaje in consumidor]
    consumidor.close()
    return leidos


def coleccion():
    import pymongo

    cliente = pymongo.MongoClient(os.environ["MONGODB_URI"], serverSelectionTimeoutMS=LIMITE * 1000)
    return cliente[os.environ["MONGODB_DATABASE"]]["humo"]


def escribir_mongo(marca):
    coleccion().insert_one({"marca": marca})


def leer_mongo():
    return [documento["marca"] for documento in coleccion().find()]


accion, cliente, marca = sys.argv[1:]
funcion = cliente.replace("-", "_")
if accion == "escribir":
    globals()[f"escribir_{funcion}"](marca)
leidos = globals()[f"leer_{funcion}"]()
assert leidos.count(marca) == 1, f"se esperaba «{marca}» una vez y se ha leído {leidos}"
