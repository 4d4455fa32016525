/* Shared by the test programs that limit their address space. Define _GNU_SOURCE before any include. */
#ifndef LITTLE_H
#define LITTLE_H

#include <sys/resource.h>
#include <unistd.h>

#include "check.h"

/* Limits the address space to what is in use and room more bytes. Allocates nothing that stays. */
static inline void limit_address_space(size_t room)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fscanf(statm, "%lu", &pages) == 1);
    fclose(statm);
    size_t size = pages * (size_t)sysconf(_SC_PAGESIZE) + room;
    struct rlimit limit = {size, size};
    CHECK_NUMBER(setrlimit(RLIMIT_AS, &limit), 0);
}

#endif
