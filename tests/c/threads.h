/* Calls on the program's own threads, and waits for their state. POSIX and Linux. */
#ifndef THREADS_H
#define THREADS_H

#include <dirent.h>
#include <pthread.h>
#include <time.h>

#include "check.h"

/* Polls until a condition holds that must become true. */
#define WAIT_UNTIL(is_so) \
    do { \
        const struct timespec millisecond = {0, 1000000}; \
        nanosleep(&millisecond, NULL); \
    } while (!(is_so))

static inline pthread_t start(void *(*work)(void *), void *user_data)
{
    pthread_t thread;
    CHECK_NUMBER(pthread_create(&thread, NULL, work, user_data), 0);
    return thread;
}

static inline void join(pthread_t thread)
{
    CHECK_NUMBER(pthread_join(thread, NULL), 0);
}

static inline glacier_progress_t progress_of(const glacier_upload_t *upload)
{
    glacier_progress_t progress;
    CHECK_NUMBER(glacier_upload_progress(upload, &progress, sizeof progress, NULL), GLACIER_OK);
    return progress;
}

static inline void wait_for_parts_in_flight(const glacier_upload_t *upload, uint64_t parts)
{
    WAIT_UNTIL(progress_of(upload).parts_in_flight == parts);
}

/* Returns the number of threads of this process. */
static inline int threads_now(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    CHECK(tasks != NULL);
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;)
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

#endif
