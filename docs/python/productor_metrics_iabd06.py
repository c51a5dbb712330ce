"""El productor: cinco servidores simulados mandan sus métricas a Kafka cada diez segundos.

Necesita confluent-kafka y una variable de entorno: KAFKA_BOOTSTRAP_SERVERS, con su puerto
(localhost:29092). Se para con Ctrl-C. La guía está en docs/02-productor.md.
"""

import argparse
import json
import os
import random
import time
import uuid
from datetime import datetime, timezone

from confluent_kafka import Producer

TOPIC = "system-metrics-topic-iabd06"
SERVIDORES = ["web01", "web02", "db01", "app01", "cache01"]


def entre(minimo, maximo):
    return round(random.uniform(minimo, maximo), 2)


def simular(server_id, ahora):
    # Los rangos del curso: casi siempre tranquilo, y de vez en cuando un pico.
    return {
        "server_id": server_id,
        "timestamp_utc": ahora.isoformat(timespec="microseconds"),
        "metrics": {
            "cpu_percent": entre(85, 98) if random.random() < 0.10 else entre(5, 75),
            "memory_percent": entre(90, 99) if random.random() < 0.05 else entre(20, 85),
            "disk_io_mbps": entre(0.1, 50),
            "network_mbps": entre(1, 100),
            "error_count": random.randint(1, 3) if random.random() < 0.08 else 0,
        },
        "message_uuid": str(uuid.uuid4()),
    }


def main():
    opciones = argparse.ArgumentParser(description="Productor de métricas simuladas")
    opciones.add_argument("--rondas", type=int, help="acaba tras N rondas [hasta Ctrl-C]")
    opciones.add_argument("--intervalo", type=float, default=10, help="segundos entre rondas [10]")
    config = opciones.parse_args()

    # 1. Inicialización: el broker.
    productor = Producer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            # Confirman todas las réplicas, y un reenvío no repite el mensaje.
            "enable.idempotence": True,
            # Con el broker caído se insiste sin límite: por defecto, a los 5 minutos se tiran.
            "delivery.timeout.ms": 0,
            "reconnect.backoff.ms": 1000,  # y menos a menudo, que cada intento sale en pantalla
        }
    )
    rondas = confirmados = 0

    def anotar(error, _mensaje):
        nonlocal confirmados
        if error:
            print(f"Un mensaje no se ha entregado: {error}")
        else:
            confirmados += 1

    # 2. Una ronda cada diez segundos: un mensaje de cada servidor.
    try:
        while config.rondas != rondas:
            ahora = datetime.now(timezone.utc)
            for server_id in SERVIDORES:
                # Sin espacios, como lo escribe el de Rust.
                texto = json.dumps(simular(server_id, ahora), separators=(",", ":"))
                productor.produce(TOPIC, key=server_id, value=texto, on_delivery=anotar)
            rondas += 1

            # produce() solo encola. La ronda está en el topic cuando el broker la confirma.
            while pendientes := productor.flush(5):
                print(f"El broker no responde: {pendientes} sin confirmar. Se sigue intentando.")
            print(f"ronda {rondas}  {confirmados} mensajes confirmados")

            if config.rondas != rondas:
                time.sleep(config.intervalo)
    except KeyboardInterrupt:
        print("Parando...")

    # 3. Cierre: todo lo confirmado está en el topic.
    finally:
        productor.flush(4)
        sin_confirmar = rondas * len(SERVIDORES) - confirmados
        print(f"{rondas} rondas: {confirmados} mensajes confirmados, {sin_confirmar} sin confirmar.")


if __name__ == "__main__":
    main()
