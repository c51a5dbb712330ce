// Averías a voluntad (Linux, con LD_PRELOAD): cada una dura mientras exista un fichero con su nombre en la
// carpeta $AVERIAS. Así se prueba lo que hace un programa, el de verdad, con un reloj que cambia o un disco malo.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define REAL(nombre) ((__typeof__(&nombre))dlsym(RTLD_NEXT, #nombre))

static const char *en(const char *que) {
    static __thread char ruta[4096];
    snprintf(ruta, sizeof ruta, "%s/%s", getenv("AVERIAS"), que);
    return ruta;
}

static int hay(const char *que) { return access(en(que), F_OK) == 0; }

static void marcar(const char *que) {
    int fd = REAL(open)(en(que), O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) close(fd);
}

// Espera a que se arregle. Si no se arregla nunca, lo deja dicho y sigue: la prueba falla, y no se cuelga.
static void colgarse(const char *que) {
    for (int i = 0; hay(que); i++) {
        if (i == 0) marcar("colgado");
        if (i == 1500) { marcar("cansado"); return; }
        usleep(10000);
    }
}

int clock_gettime(clockid_t reloj, struct timespec *t) {
    int r = REAL(clock_gettime)(reloj, t);
    if (reloj == CLOCK_REALTIME && hay("una-hora-adelantado")) t->tv_sec += 3600;
    if (reloj == CLOCK_REALTIME && hay("una-hora-atrasado")) t->tv_sec -= 3600;
    return r;
}

int fsync(int fd) { colgarse("fsync-colgado"); return REAL(fsync)(fd); }
int fdatasync(int fd) { colgarse("fsync-colgado"); return REAL(fdatasync)(fd); }

int flock(int fd, int que) {
    if (que == LOCK_UN && hay("sin-soltar")) { REAL(flock)(fd, que); errno = EIO; return -1; }
    return REAL(flock)(fd, que);
}

ssize_t write(int fd, const void *que, size_t n) {
    if (fd == 1) colgarse("salida-colgada");
    if ((fd == 1 || fd == 2) && hay("sin-terminal")) { errno = EIO; return -1; }
    return REAL(write)(fd, que, n);
}

static int averiado(const char **ruta) {
    if (!strcmp(*ruta, "/proc/stat") && hay("stat-ilegible")) { errno = EACCES; return 1; }
    if (!strcmp(*ruta, "/proc/stat") && hay("stat-parado")) *ruta = en("stat-parado");
    if (!strcmp(*ruta, "/proc/meminfo") && hay("meminfo-vacio")) *ruta = "/dev/null";
    return 0;
}

#define ABRIR(nombre)                                                                            \
    int nombre(const char *ruta, int modo, ...) {                                                \
        va_list resto; va_start(resto, modo); int permisos = va_arg(resto, int); va_end(resto);  \
        return averiado(&ruta) ? -1 : REAL(nombre)(ruta, modo, permisos);                        \
    }
ABRIR(open)
ABRIR(open64)
