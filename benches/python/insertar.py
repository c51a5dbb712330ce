"""insert_many de pymongo con los documentos que ha guardado el consumidor, en las mismas tandas
y con los mismos índices.

    insertar.py BASE

Escribe sus documentos por segundo.
"""

import os
import sys
import time
from itertools import groupby

from pymongo import MongoClient, WriteConcern

cliente = MongoClient(os.environ["MONGODB_URI"])
crudos = cliente[sys.argv[1]]["system_metrics_raw_iabd06"]
guardados = crudos.find().sort("kafka.offset")
tandas = [list(tanda) for _, tanda in groupby(guardados, lambda d: d["kafka"]["recibido_en"])]
base = cliente.get_database("de_pymongo", write_concern=WriteConcern("majority"))
for nombre, indice in crudos.index_information().items():
    if nombre != "_id_":
        base["raw"].create_index(indice["key"])
inicio = time.perf_counter()
for tanda in tandas:
    base["raw"].insert_many(tanda, ordered=False)
print(sum(map(len, tandas)) / (time.perf_counter() - inicio))
cliente.drop_database(base)
