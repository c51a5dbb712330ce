# shellcheck shell=bash
# Funciones comunes de los guiones de servicios/.
# No se ejecuta: los demás lo cargan con «source».
# shellcheck disable=SC2034 # aquí hay variables que solo usan ellos

SERVICIOS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
CACHE=${SERVICIOS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/practicas-iabd06}
[[ $CACHE == /* ]] || CACHE=$PWD/$CACHE
ESTADO=$SERVICIOS/.estado

INFLUX_VERSION=2.7.12
KAFKA_VERSION=3.9.1
KAFKA34_VERSION=3.4.1
KAFKA4_VERSION=4.1.0
PLAYWRIGHT_VERSION=1.65.1
AXE_VERSION=4.14.1
# Lo que arrancar y parar saben manejar; instalar conoce además «python» y «navegador».
MOTORES=(influx influx1 victoria kafka kafka34 kafka4 mongo)

# Los mensajes van siempre a la salida de errores: la normal queda para los datos.
decir() { printf '%s\n' "$*" >&2; }
fallar() {
  decir "Error: $*"
  exit 1
}

# ¿Está $1 entre los demás argumentos?
esta_entre() {
  local buscado=$1 uno
  shift
  for uno in "$@"; do
    [[ $uno == "$buscado" ]] && return 0
  done
  return 1
}

# Ruta del programa de cada motor. La de cada Kafka es un enlace a Java, junto a sus
# .jar: si ese Java desaparece del sistema, el motor deja de estar instalado. La del
# navegador es, igual, un enlace a Chromium junto a lo que lo maneja.
programa_de() {
  case $1 in
    influx) echo "$CACHE/influxd-$INFLUX_VERSION/influxd" ;;
    influx1) echo "$CACHE/influxdb1/influxd" ;;
    victoria) echo "$CACHE/victoria-metrics/victoria-metrics" ;;
    kafka) echo "$CACHE/kafka-$KAFKA_VERSION/java" ;;
    kafka34) echo "$CACHE/kafka-$KAFKA34_VERSION/java" ;;
    kafka4) echo "$CACHE/kafka-$KAFKA4_VERSION/java" ;;
    mongo) echo "$CACHE/mongo/bin/python" ;; # el servidor está escrito en Python
    python) echo "$CACHE/python/bin/python" ;;
    navegador) echo "$CACHE/navegador-$PLAYWRIGHT_VERSION-$AXE_VERSION/chromium" ;;
  esac
}

instalado() {
  [[ -x $(programa_de "$1") ]] || return 1
  # Un entorno de Python sirve solo si terminó de instalarse y con estas versiones.
  [[ ! -e $SERVICIOS/requisitos-$1.txt ]] ||
    cmp -s "$SERVICIOS/requisitos-$1.txt" "$CACHE/$1/instalado.txt"
}

# ¿Hay en la carpeta $1 un motor en marcha? El número de proceso guardado pudo
# pasar a otro programa, así que se comprueba que la orden sea la del motor y
# que use esa misma carpeta.
en_marcha() {
  local dir=$1 pid orden programa
  [[ -s $dir/pid && -s $dir/motor ]] || return 1
  pid=$(<"$dir/pid")
  if [[ -d /proc/self ]]; then
    # Un proceso muerto que nadie ha recogido («zombi») tiene la orden vacía.
    orden=$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline") || return 1
    programa=${orden%%$'\n'*}
  else
    orden=$(ps -p "$pid" -ww -o args= 2>/dev/null) || return 1
    programa=${orden%% *}
  fi
  [[ ${programa##*/} == "$(basename "$(programa_de "$(<"$dir/motor")")")" ]] &&
    [[ $orden == *"$dir/"* ]]
}

# ¿Escucha alguien en el puerto $1 de 127.0.0.1?
ocupado() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Detiene el motor de la carpeta $1 y no vuelve hasta que ha terminado.
# $2: TERM (le da 10 s para cerrar bien y luego lo mata) o KILL (lo mata ya).
detener() {
  local dir=$1 senal=$2 pid intento
  pid=$(<"$dir/pid")
  kill -s "$senal" "$pid" 2>/dev/null || true
  for ((intento = 0; intento < 200; intento++)); do
    if ! en_marcha "$dir"; then
      # Un proceso que acaba suelta sus puertos un instante después que su nombre.
      for ((intento = 0; intento < 20; intento++)); do
        [[ -s $dir/puerto ]] && ocupado "$(<"$dir/puerto")" || break
        sleep 0.05
      done
      rm -f "$dir/pid"
      return 0
    fi
    if ((intento == 100)); then
      [[ $senal == KILL ]] || decir "No se cierra en 10 s: se mata el proceso $pid."
      kill -s KILL "$pid" 2>/dev/null || true
    fi
    sleep 0.1
  done
  decir "El proceso $pid sigue vivo después de matarlo."
  return 1
}
