"""El consumidor: guarda cada mensaje en crudo y, cada 20, los KPIs de la ventana.

Necesita confluent-kafka y pymongo, y dos variables de entorno: KAFKA_BOOTSTRAP_SERVERS y
MONGODB_URI. MONGODB_DATABASE es iabd06 si no se dice otra. Se para con Ctrl-C.
La guía está en docs/03-consumidor-kpis.md.

Escribe los mismos documentos que el de Rust. Con mensajes muy raros es más sencillo: la razón de
un JSON roto no dice qué tiene mal, y un mensaje que BSON no admite (un nombre de campo con un
carácter nulo, por ejemplo) para el programa, cuando el de Rust lo guarda como texto. Y si los
offsets del grupo vuelven atrás, no mira si una ventana pisa a otra ya guardada.
"""

import argparse
import json
import math
import os
import sys
import time
import zlib
from datetime import datetime, timedelta, timezone

from confluent_kafka import Consumer, KafkaException, TopicPartition
from pymongo import MongoClient, WriteConcern
from pymongo.errors import AutoReconnect, BulkWriteError

TOPIC = "system-metrics-topic-iabd06"
VENTANA = 20
PROMEDIADAS = ["cpu_percent", "memory_percent", "disk_io_mbps", "network_mbps"]
RESERVADOS = ["_id", "kafka", "timestamp", "original"]
REPETIDO = 11000  # ya hay un documento con ese _id


class Agregador:
    """Los contadores de la ventana abierta de una partición. No guarda los mensajes.

    La tasa es cuántos mensajes por segundo se han recibido y guardado: el tiempo que va de guardar una
    tanda a guardar la siguiente se reparte entre los mensajes de esta. 20 mensajes son 20 huecos, no 19.
    """

    def __init__(self, particion):
        self.particion = particion
        self.guardada = None  # la tanda anterior
        self.mensajes = 0

    def tanda(self, mensajes, pedida, guardada):
        """Los mensajes que se van a sumar han llegado juntos, y ya están guardados."""
        self.medida = self.guardada is not None
        # De la primera solo se sabe lo que se ha tardado en leerla y guardarla: podía llevar horas ahí.
        self.paso = (guardada - (self.guardada if self.medida else pedida)) / mensajes
        self.guardada = guardada

    def sumar(self, metricas, offset, crc32, llegada):
        """Suma un mensaje. Si completa la ventana, la cierra y devuelve sus KPIs."""
        if self.mensajes == 0:
            self.offset_inicio = offset
            self.sumas = dict.fromkeys(PROMEDIADAS, 0.0)
            self.errores = self.medidos = self.crc32 = 0
            self.medido = self.primera = 0.0

        self.mensajes += 1
        for nombre in PROMEDIADAS:
            self.sumas[nombre] += metricas[nombre]
        self.errores += int(metricas["error_count"])
        self.crc32 = zlib.crc32(crc32.to_bytes(4, "big"), self.crc32)
        if self.medida:
            self.medidos += 1
            self.medido += self.paso
        else:
            self.primera += self.paso

        if self.mensajes < VENTANA:
            return None
        self.mensajes = 0
        return self.documento(offset, llegada)

    def documento(self, offset_fin, llegada):
        # Los de la primera tanda, que ya esperaban, cuentan al paso de los demás.
        duracion = self.medido * VENTANA / self.medidos if self.medidos else self.primera
        duracion = max(duracion, 1e-9)  # un reloj poco fino puede no haberse movido
        return {
            "_id": f"{TOPIC}#{self.particion}#{self.offset_inicio}-{offset_fin}",
            "timestamp_utc": llegada,
            "ventana_inicio": llegada - timedelta(seconds=duracion),
            "ventana_fin": llegada,
            "duracion_ventana_seg": duracion,
            "num_mensajes": VENTANA,
            **{f"{nombre}_avg": suma / VENTANA for nombre, suma in self.sumas.items()},
            "error_count_sum": self.errores,
            "tasa_procesamiento_msg_seg": VENTANA / duracion,
            "particion": self.particion,
            "offset_inicio": self.offset_inicio,
            "offset_fin": offset_fin,
            "crc32": self.crc32,
        }


def entero(texto):
    """Un entero que cabe en 64 bits: Python sabe más, pero MongoDB no."""
    numero = int(texto)
    if not -(2**63) <= numero < 2**64:
        raise ValueError
    return numero


def decimal(texto):
    """Un decimal finito: NaN e Infinity no existen en JSON, aunque json.loads los admite."""
    numero = float(texto)
    if not math.isfinite(numero):
        raise ValueError
    return numero


def leer(valor):
    """Los campos del mensaje. ValueError, con la razón, si no cuenta para los KPIs."""
    try:
        campos = json.loads(
            valor.decode("utf-8-sig"), parse_int=entero, parse_float=decimal, parse_constant=decimal
        )
    except (ValueError, RecursionError):
        raise ValueError("no es JSON válido") from None
    if not isinstance(campos, dict):
        raise ValueError("no es un objeto JSON")
    if "metrics" not in campos:
        raise ValueError("falta metrics")
    metricas = campos["metrics"]
    if not isinstance(metricas, dict):
        raise ValueError("metrics no es un objeto")

    for nombre in [*PROMEDIADAS, "error_count"]:
        if nombre not in metricas:
            raise ValueError(f"falta metrics.{nombre}")
        numero = metricas[nombre]
        # True también es un int, y json.loads admite NaN e infinito.
        if type(numero) not in (int, float):
            raise ValueError(f"metrics.{nombre} no es un número")
        if abs(numero) > (1e12 if nombre == "error_count" else 1e300):
            raise ValueError(f"metrics.{nombre} es demasiado grande")
    if numero != int(numero):
        raise ValueError("metrics.error_count no es un entero")
    return campos


def fecha(valor):
    """La fecha de un timestamp_utc: ISO 8601 con zona horaria, o un número de Unix en segundos (diez
    cifras) o en milisegundos (trece). None si no es una de esas, o no está entre 1970 y 9999."""
    try:
        if isinstance(valor, str):
            instante = datetime.fromisoformat(valor.strip())
            if instante.tzinfo is None:
                return None
            instante = instante.astimezone(timezone.utc)
        elif type(valor) in (int, float) and 1e9 <= valor < 1e10:
            instante = datetime.fromtimestamp(valor, timezone.utc)
        elif type(valor) in (int, float) and 1e12 <= valor < 1e13:
            instante = datetime.fromtimestamp(valor / 1000, timezone.utc)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return instante if instante.year >= 1970 else None


def identidad(mensaje):
    return f"{TOPIC}#{mensaje.partition()}#{mensaje.offset()}"


def procedencia(mensaje, llegada):
    clave = mensaje.key() or None
    try:
        clave = clave and clave.decode()
    except UnicodeDecodeError:
        pass  # no es texto: se guarda en bytes
    return {
        "topic": TOPIC,
        "partition": mensaje.partition(),
        "offset": mensaje.offset(),
        "key": clave,
        "crc32": zlib.crc32(mensaje.value() or b""),
        "recibido_en": llegada,
    }


def crudo(mensaje, campos, llegada):
    """El mensaje como vino, con su fecha y su procedencia. Los campos reservados, en original."""
    documento = {"_id": identidad(mensaje)}
    documento |= {clave: valor for clave, valor in campos.items() if clave not in RESERVADOS}
    if instante := fecha(campos.get("timestamp_utc")):
        documento["timestamp"] = instante
    if original := {clave: valor for clave, valor in campos.items() if clave in RESERVADOS}:
        documento["original"] = original
    documento["kafka"] = procedencia(mensaje, llegada)
    return documento


def descartado(mensaje, razon, llegada):
    return {
        "_id": identidad(mensaje),
        "razon": razon,
        "bytes": mensaje.value() or b"",
        "timestamp": llegada,
        "kafka": procedencia(mensaje, llegada),
    }


def huella(documento):
    """La suma del mensaje del que sale un documento o, en un KPI, la de todos los suyos."""
    return documento.get("kafka", documento).get("crc32")


def guardar(coleccion, documentos):
    """Guarda los documentos y dice cuántos no estaban. Si MongoDB no responde, espera y vuelve a probar."""
    while documentos:  # insert_many no admite una lista vacía
        try:
            return insertar_nuevos(coleccion, documentos)
        except AutoReconnect:
            print("MongoDB no responde; se reintenta.", file=sys.stderr)
            time.sleep(1)
    return 0


def insertar_nuevos(coleccion, documentos):
    """Inserta los que no estén, y dice cuántos son. Uno que ya está se queda como estaba."""
    try:
        return len(coleccion.insert_many(documentos, ordered=False).inserted_ids)
    except BulkWriteError as error:
        fallos = error.details["writeErrors"]
        if error.details["writeConcernErrors"] or any(f["code"] != REPETIDO for f in fallos):
            raise
        for nuevo in [documentos[f["index"]] for f in fallos]:
            # El que está ha de ser del mismo mensaje o, si es un KPI, de los mismos mensajes.
            guardado = coleccion.find_one({"_id": nuevo["_id"]})
            if huella(guardado) not in (None, huella(nuevo)):
                sys.exit(
                    f"error: en la base de datos ya hay un {nuevo['_id']} de otra historia: el topic "
                    "se ha creado otra vez, o es de otro clúster. Usa otra MONGODB_DATABASE; no se ha "
                    "sobrescrito nada."
                )
        return len(documentos) - len(fallos)


def cerrar_ventanas(agregadores, por_particion, pedida, llegada):
    """Cuenta los mensajes que ya están guardados. Da los KPIs de las ventanas que cierran y, por
    partición, hasta dónde se puede confirmar: donde no queda ninguna abierta."""
    guardada = time.monotonic()
    kpis, confirmar = [], {}
    for particion, mensajes in por_particion.items():
        agregador = agregadores.setdefault(particion, Agregador(particion))
        if cuentan := sum(metricas is not None for _, metricas in mensajes):
            agregador.tanda(cuentan, pedida, guardada)
        for mensaje, metricas in mensajes:
            if metricas is not None:
                crc32 = zlib.crc32(mensaje.value())
                if kpi := agregador.sumar(metricas, mensaje.offset(), crc32, llegada):
                    kpis.append(kpi)
            if agregador.mensajes == 0:
                confirmar[particion] = TopicPartition(TOPIC, particion, mensaje.offset() + 1)
    return kpis, confirmar


def main():
    opciones = argparse.ArgumentParser(description="Consumidor de métricas y KPIs")
    opciones.add_argument("--mensajes", type=int, help="acaba tras leer N mensajes [hasta Ctrl-C]")
    opciones.add_argument("--group-id", default="consumidor_metrics_iabd06")
    config = opciones.parse_args()

    # 1. Inicialización: dónde se guarda, de dónde se lee y las ventanas.
    mongo = MongoClient(os.environ["MONGODB_URI"], serverSelectionTimeoutMS=5000)
    base = mongo.get_database(
        os.environ.get("MONGODB_DATABASE", "iabd06"), write_concern=WriteConcern("majority")
    )
    base.command("ping")  # si no se puede entrar, mejor saberlo ya
    consumidor = Consumer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": config.group_id,
            "auto.offset.reset": "earliest",  # un grupo nuevo empieza por el principio
            "enable.auto.commit": False,  # se confirma a mano, donde se cierra una ventana
            "allow.auto.create.topics": True,
            "reconnect.backoff.ms": 1000,  # con el broker caído, menos intentos
        }
    )
    agregadores = {}
    # Al repartir las particiones se vuelve a lo confirmado: las ventanas abiertas se rehacen.
    consumidor.subscribe([TOPIC], on_assign=lambda *_: agregadores.clear())
    leidos = total_crudos = total_descartados = total_kpis = 0

    # 2. Bucle: cada tanda de mensajes, como la entrega el broker.
    try:
        while config.mensajes != leidos:
            tope = min(500, config.mensajes - leidos) if config.mensajes else 500
            pedida = time.monotonic()
            recibidos = consumidor.consume(tope, timeout=0.2)
            llegada = datetime.now(timezone.utc)
            crudos, descartados, por_particion = [], [], {}
            for mensaje in recibidos:
                if mensaje.error():
                    print(f"Kafka: {mensaje.error()}", file=sys.stderr)
                    continue
                leidos += 1
                suyos = por_particion.setdefault(mensaje.partition(), [])
                try:
                    campos = leer(mensaje.value() or b"")
                    crudos.append(crudo(mensaje, campos, llegada))
                    suyos.append((mensaje, campos["metrics"]))
                except ValueError as razon:
                    descartados.append(descartado(mensaje, str(razon), llegada))
                    suyos.append((mensaje, None))

            # Descartados, crudos, KPIs y commit, en este orden: así nada se pierde ni se repite.
            total_descartados += guardar(base["system_metrics_descartados_iabd06"], descartados)
            total_crudos += guardar(base["system_metrics_raw_iabd06"], crudos)
            kpis, confirmar = cerrar_ventanas(agregadores, por_particion, pedida, llegada)
            total_kpis += guardar(base["system_metrics_kpis_iabd06"], kpis)
            if confirmar:
                try:
                    consumidor.commit(offsets=list(confirmar.values()), asynchronous=False)
                except KafkaException as error:
                    # Lo confirmará la próxima ventana; si antes hay que releer, no se repite nada.
                    print(f"Kafka no ha confirmado: {error}", file=sys.stderr)

            for kpi in kpis:
                # Se guarda sin redondear y se enseña con dos decimales.
                corto = {c: round(v, 2) if isinstance(v, float) else v for c, v in kpi.items()}
                print(json.dumps(corto, default=datetime.isoformat))
            if recibidos:
                abierta = sum(agregador.mensajes for agregador in agregadores.values())
                print(f"{len(recibidos)} mensajes  ventana {abierta}/{VENTANA}", flush=True)
    except KeyboardInterrupt:
        print("Parando...")

    # 3. Cierre: la ventana abierta no se confirma, y la próxima vez se relee entera.
    finally:
        consumidor.close()
        mongo.close()
        for particion, agregador in sorted(agregadores.items()):
            if agregador.mensajes:
                abierta = f"{agregador.mensajes}/{VENTANA}"
                print(f"Partición {particion}: ventana abierta: {abierta}, se releerá.")
        print(
            f"{leidos} mensajes leídos: {total_crudos} crudos, "
            f"{total_descartados} descartados, {total_kpis} KPIs."
        )


if __name__ == "__main__":
    main()
