/* Calls on threads of the program's own, and when they are where a test wants them. POSIX. */
#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>
#include <time.h>

#include "check.h"

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

static inline void wait_for_parts_in_flight(const glacier_upload_t *upload, uint64_t parts)
{
    const struct timespec millisecond = {0, 1000000};
    glacier_progress_t progress;
    do {
        nanosleep(&millisecond, NULL);
        CHECK_NUMBER(glacier_upload_progress(upload, &progress, sizeof progress, NULL), GLACIER_OK);
    } while (progress.parts_in_flight != parts);
}

#endif
