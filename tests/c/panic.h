/* Requests a panic in a function or on a thread of a library that is built for it. POSIX. */
#ifndef PANIC_H
#define PANIC_H

#include "check.h"

static inline void panic_in(const char *place)
{
    CHECK_NUMBER(setenv("GLACIER_MP_TEST_PANIC", place, 1), 0);
}

static inline void panic_no_more(void)
{
    CHECK_NUMBER(unsetenv("GLACIER_MP_TEST_PANIC"), 0);
}

#endif
