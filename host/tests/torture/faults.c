/* Fault points below one directory, for LD_PRELOAD: calls of the C library that fail, fall short or take their time there.
 *
 * FAULTS_BELOW names the directory. FAULTS_CONTROL is a file of numbers (struct control) that the test maps and changes while the
 * program runs; FAULTS_TRACE, if set, is a file that gets a line for each call that makes data durable or visible.
 * Descriptors are judged by where /proc says they lead, so nothing has to be remembered of them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Chances in a thousand, then milliseconds. `injected` counts what was made to fail. */
struct control {
    uint32_t short_write, write_error, sync_error, open_error, rename_error;
    uint32_t write_errno, sync_errno, open_errno, rename_errno;
    uint32_t slow_ms;
    uint32_t injected;
};

static struct control none, *control = &none;
static char below[PATH_MAX];
static size_t below_length;
static int trace = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS_CONTROL"), *where = getenv("FAULTS_BELOW"), *log = getenv("FAULTS_TRACE");
    if (!path || !where || !realpath(where, below))
        return;
    below_length = strlen(below);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        control = map;
    if (log)
        trace = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_below(const char *path)
{
    return below_length && strncmp(path, below, below_length) == 0 && (path[below_length] == '/' || !path[below_length]);
}

/* Where a descriptor leads: nonzero when below the directory. */
static int leads(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int saved = errno;
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = saved;
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

static int by_chance(uint32_t of_thousand)
{
    static __thread uint64_t state;
    if (!of_thousand)
        return 0;
    if (!state)
        state = (uint64_t)(uintptr_t)&state ^ (uint64_t)time(NULL) ^ 0x9E3779B97F4A7C15u;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    if (state % 1000 >= of_thousand)
        return 0;
    __atomic_add_fetch(&control->injected, 1, __ATOMIC_RELAXED);
    return 1;
}

static void dawdle(void)
{
    uint32_t ms = control->slow_ms;
    if (!ms)
        return;
    struct timespec nap = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&nap, NULL);
}

/* `what`, when, path and, for a move, the new path. */
static void note(const char *what, const char *path, const char *more)
{
    if (trace < 0)
        return;
    char line[2 * PATH_MAX + 64];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int length = snprintf(line, sizeof line, "%s\t%ld.%09ld\t%s\t%s\n", what, (long)now.tv_sec, now.tv_nsec, path, more);
    int saved = errno;
    /* Appended whole; a line that is lost would show as a sync that is missing. */
    if (syscall(SYS_write, trace, line, length) < 0)
        abort();
    errno = saved;
}

/* How much of a write is to be done: less than asked for, or -1 with errno. */
static ssize_t allowed(int fd, size_t length)
{
    char path[PATH_MAX];
    if (!(control->short_write | control->write_error | control->slow_ms) || !leads(fd, path))
        return (ssize_t)length;
    dawdle();
    if (by_chance(control->write_error)) {
        errno = (int)control->write_errno;
        return -1;
    }
    return length > 1 && by_chance(control->short_write) ? (ssize_t)(length / 2) : (ssize_t)length;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    REAL(write);
    ssize_t most = allowed(fd, length);
    return most < 0 ? -1 : real(fd, bytes, (size_t)most);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    REAL(writev);
    size_t length = count > 0 ? pieces[0].iov_len : 0;
    ssize_t most = allowed(fd, length);
    if (most < 0)
        return -1;
    /* Short: half of the first piece. */
    return (size_t)most < length ? write(fd, pieces[0].iov_base, (size_t)most) : real(fd, pieces, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at)
{
    REAL(pwrite64);
    ssize_t most = allowed(fd, length);
    return most < 0 ? -1 : real(fd, bytes, (size_t)most, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    return pwrite64(fd, bytes, length, at);
}

static int sync_by(int fd, int (*real)(int))
{
    char path[PATH_MAX];
    if (!leads(fd, path))
        return real(fd);
    dawdle();
    if (by_chance(control->sync_error)) {
        errno = (int)control->sync_errno;
        return -1;
    }
    int done = real(fd);
    if (!done)
        note("sync", path, "");
    return done;
}

int fsync(int fd)
{
    REAL(fsync);
    return sync_by(fd, real);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return sync_by(fd, real);
}

static int may_open(int dir, const char *path, int flags)
{
    char whole[PATH_MAX];
    /* Only what would make a file: a limit of descriptors is the system's to show. */
    if (!control->open_error || !(flags & O_CREAT))
        return 1;
    if (path[0] == '/' ? !is_below(path) : !leads(dir, whole))
        return 1;
    if (!by_chance(control->open_error))
        return 1;
    errno = (int)control->open_errno;
    return 0;
}

#define OPEN(name, dir, ...) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    } \
    REAL(name); \
    return may_open(dir, path, flags) ? real(__VA_ARGS__, mode) : -1

int open(const char *path, int flags, ...) { OPEN(open, AT_FDCWD, path, flags); }
int open64(const char *path, int flags, ...) { OPEN(open64, AT_FDCWD, path, flags); }
int openat(int dir, const char *path, int flags, ...) { OPEN(openat, dir, dir, path, flags); }
int openat64(int dir, const char *path, int flags, ...) { OPEN(openat64, dir, dir, path, flags); }

int renameat(int from, const char *old, int to, const char *new)
{
    char source[PATH_MAX], target[PATH_MAX];
    REAL(renameat);
    if (!leads(to, target) || !leads(from, source))
        return real(from, old, to, new);
    dawdle();
    if (by_chance(control->rename_error)) {
        errno = (int)control->rename_errno;
        return -1;
    }
    char old_path[2 * PATH_MAX], new_path[2 * PATH_MAX];
    snprintf(old_path, sizeof old_path, "%s/%s", source, old);
    snprintf(new_path, sizeof new_path, "%s/%s", target, new);
    int done = real(from, old, to, new);
    if (!done)
        note("move", old_path, new_path);
    return done;
}
