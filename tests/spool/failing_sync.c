/* Preloaded: fsync and fdatasync of a write-ahead log fail with EIO while the file FAIL_SYNC is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
    char link[64], path[4096];
    const char *flag = getenv("FAIL_SYNC");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || !flag || access(flag, F_OK)) return 0;
    path[length] = 0;
    return strstr(path, ".sqlite3-wal") != NULL;
}

static int sync_with(const char *name, int fd) {
    if (fails(fd)) {
        errno = EIO;
        return -1;
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }
