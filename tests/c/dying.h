/*
 * Ends the process with SIGKILL at a given point: before the N-th write to the journal or the N-th sync. The functions
 * of this program replace those of libc, so the library calls them. A record is written in more than one piece, as the
 * system may do, so some points are in the middle of a record.
 *
 * If the power also fails, data that is not synced is lost: of the journal, and of the directory with its name. Linux.
 */
#ifndef DYING_H
#define DYING_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECE_MAX ((size_t)100)

static struct {
    const char *journal; /* the path of the journal, or NULL */
    unsigned long at;    /* the point, from 1 on; 0: never */
    int power_fails;
} death;

/* Called after a failed write to the journal; may be NULL. */
static void (*when_full)(void);

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static unsigned long points;
static int name_synced;
static off_t size_synced;

/* Nothing is written after the end has begun. */
static inline void point(void)
{
    if (++points != death.at)
        return;
    if (death.power_fails && name_synced)
        (void)!truncate(death.journal, size_synced);
    else if (death.power_fails)
        unlink(death.journal);
    raise(SIGKILL);
}

static inline int is_journal(int fd)
{
    struct stat open, there;
    return death.journal != NULL && fstat(fd, &open) == 0 && stat(death.journal, &there) == 0 &&
           open.st_dev == there.st_dev && open.st_ino == there.st_ino;
}

static inline int sync_by(long call, int fd)
{
    struct stat about;
    /* A source file, which is synced before its times are recorded. */
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
        return (int)syscall(call, fd);
    pthread_mutex_lock(&one_at_a_time);
    point();
    int failed = (int)syscall(call, fd);
    if (failed == 0 && fstat(fd, &about) == 0) {
        if (S_ISDIR(about.st_mode))
            name_synced = 1;
        else if (is_journal(fd))
            size_synced = about.st_size;
    }
    pthread_mutex_unlock(&one_at_a_time);
    return failed;
}

ssize_t write(int fd, const void *data, size_t length)
{
    if (!is_journal(fd))
        return syscall(SYS_write, fd, data, length);
    pthread_mutex_lock(&one_at_a_time);
    point();
    ssize_t written = syscall(SYS_write, fd, data, length < PIECE_MAX ? length : PIECE_MAX);
    int cause = errno;
    if (written < 0 && when_full != NULL)
        when_full();
    pthread_mutex_unlock(&one_at_a_time);
    errno = cause;
    return written;
}

int fsync(int fd)
{
    return sync_by(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_by(SYS_fdatasync, fd);
}

#endif
