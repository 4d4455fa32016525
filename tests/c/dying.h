/*
 * Dies by SIGKILL at a point of the test's choosing: before the N-th piece of the journal is written, or the N-th sync is
 * done. The library's own calls come through here, because a program's functions stand before those of libc. A record
 * is written in more than one piece, as the system may have it: so some points lie in the middle of one. Linux.
 */
#ifndef DYING_H
#define DYING_H

#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECE_MAX ((size_t)100)

static const char *journal_path;   /* or NULL */
static unsigned long points, last; /* last: where it dies, from 1 on */

static inline void point(void)
{
    if (__atomic_add_fetch(&points, 1, __ATOMIC_SEQ_CST) == last)
        raise(SIGKILL);
}

static inline int is_journal(int fd)
{
    struct stat open, there;
    return journal_path != NULL && fstat(fd, &open) == 0 && stat(journal_path, &there) == 0 &&
           open.st_dev == there.st_dev && open.st_ino == there.st_ino;
}

ssize_t write(int fd, const void *data, size_t length)
{
    if (is_journal(fd)) {
        point();
        length = length < PIECE_MAX ? length : PIECE_MAX;
    }
    return syscall(SYS_write, fd, data, length);
}

int fsync(int fd)
{
    point();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    point();
    return (int)syscall(SYS_fdatasync, fd);
}

#endif
