"""PR0204: agente de monitorización que escribe en InfluxDB por lotes.

Necesita psutil e influxdb-client, y cuatro variables de entorno: INFLUXDB_V2_URL,
INFLUXDB_V2_TOKEN, INFLUXDB_V2_ORG e INFLUXDB_BUCKET. Se para con Ctrl-C.
La guía está en docs/01-agente-influxdb.md.
"""

import argparse
import os
import time

import psutil
from influxdb_client import InfluxDBClient, Point, WriteOptions


def obtener_metricas_sistema(host_id):
    # La CPU es la media del segundo que dura esta llamada: de paso, marca el ritmo del bucle.
    cpu_usage = psutil.cpu_percent(interval=1)

    mem = psutil.virtual_memory()
    ram_used_gb = round(mem.used / (1024**3), 2)

    disk = psutil.disk_usage("/")

    return {
        "host": host_id,
        "cpu_percent": cpu_usage,
        "ram_used_gb": ram_used_gb,
        "ram_percent": mem.percent,
        "disk_percent": disk.percent,
    }


def main():
    opciones = argparse.ArgumentParser(description="Agente de la práctica PR0204")
    opciones.add_argument("--lecturas", type=int, help="acaba tras N lecturas [hasta Ctrl-C]")
    config = opciones.parse_args()

    # 1. Inicialización: el cliente y su WriteApi en modo batching.
    cliente = InfluxDBClient(
        url=os.environ["INFLUXDB_V2_URL"],
        token=os.environ["INFLUXDB_V2_TOKEN"],
        org=os.environ["INFLUXDB_V2_ORG"],
    )
    bucket = os.environ["INFLUXDB_BUCKET"]
    # Una lectura por segundo y un envío cada diez (en milisegundos): lotes de unos diez puntos.
    write_api = cliente.write_api(write_options=WriteOptions(flush_interval=10_000))

    # 2. Bucle de lectura, hasta Ctrl-C.
    lecturas = 0
    try:
        while config.lecturas != lecturas:
            metricas = obtener_metricas_sistema("servidor_A")
            lecturas += 1

            punto = (
                Point("rendimiento_servidor")
                .tag("host_id", metricas["host"])
                .tag("entorno", "produccion")
                .field("cpu_percent", metricas["cpu_percent"])
                .field("ram_percent", metricas["ram_percent"])
                .field("disk_percent", metricas["disk_percent"])
                .time(time.time_ns())
            )

            write_api.write(bucket=bucket, record=punto)
            print(metricas)
    except KeyboardInterrupt:
        print("Parando...")

    # 3. Cierre: lo que quede en el buffer sale ahora.
    finally:
        write_api.close()
        cliente.close()
        print(f"{lecturas} lecturas.")


if __name__ == "__main__":
    main()
