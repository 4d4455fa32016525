/*
 * Checks for the test programs. The first failed check prints its place and ends the program. At its end, a program
 * prints the number of checks. C99 and C++11.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "glacier_mp.h"

/* The err argument of the calls. Each thread has its own. */
static __thread glacier_error_t *err;

/* The number of passed checks on all threads. */
static unsigned long checks;

#define CHECK(condition) check_true((condition) != 0, #condition, __FILE__, __LINE__)
#define CHECK_NUMBER(have, want) \
    check_number((unsigned long long)(have), (unsigned long long)(want), #have, __FILE__, __LINE__)
#define CHECK_TEXT(have, want) check_text((have), (want), #have, __FILE__, __LINE__)
/* Calls that take &err as their last argument. */
#define OK(call) check_result((call), GLACIER_OK, "", #call, __FILE__, __LINE__)
#define FAILS(code, call) check_result((call), (code), "", #call, __FILE__, __LINE__)
#define FAILS_WITH(code, words, call) check_result((call), (code), (words), #call, __FILE__, __LINE__)

static inline void checked(void)
{
    __atomic_fetch_add(&checks, 1, __ATOMIC_RELAXED);
}

__attribute__((destructor)) static void print_checks(void)
{
    printf("checks: %lu\n", checks);
}

static inline void check_true(int condition, const char *what, const char *file, int line)
{
    if (condition) {
        checked();
        return;
    }
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    exit(EXIT_FAILURE);
}

static inline void check_number(unsigned long long have, unsigned long long want, const char *what, const char *file,
                                int line)
{
    if (have == want) {
        checked();
        return;
    }
    fprintf(stderr, "%s:%d: %s is %llu, not %llu\n", file, line, what, have, want);
    exit(EXIT_FAILURE);
}

static inline void check_text(const char *have, const char *want, const char *what, const char *file, int line)
{
    if (have != NULL && strcmp(have, want) == 0) {
        checked();
        return;
    }
    fprintf(stderr, "%s:%d: %s is %s, not %s\n", file, line, what, have != NULL ? have : "NULL", want);
    exit(EXIT_FAILURE);
}

/* Checks the result, and that err has the same result. Frees err. */
static inline void check_result(glacier_result_t have, glacier_result_t want, const char *words, const char *call,
                                const char *file, int line)
{
    const char *message = err != NULL ? glacier_error_message(err) : "";
    if (have != want || glacier_error_code(err) != want || (err != NULL) != (want != GLACIER_OK) ||
        strstr(message, words) == NULL || (want != GLACIER_OK && *message == '\0')) {
        fprintf(stderr, "%s:%d: %s returns %s, not %s; its message: %s\n", file, line, call, glacier_result_name(have),
                glacier_result_name(want), message);
        exit(EXIT_FAILURE);
    }
    checked();
    glacier_error_free(err);
    err = NULL;
}

#endif
