/* Other processes that run the same program, with other arguments. POSIX. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { ARGUMENTS_MAX = 8 };

/* Starts a process; the arguments end with NULL. */
static inline pid_t start_process(const char *program, const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX + 1] = {program};
    for (int i = 0; arguments[i] != NULL; i++) {
        CHECK(i + 1 < ARGUMENTS_MAX);
        argv[i + 1] = arguments[i];
    }
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execv(program, (char *const *)argv);
        _exit(127);
    }
    return pid;
}

/* Checks that all checks of the process passed. */
static inline void ends_well(pid_t pid)
{
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline void kill_process(pid_t pid)
{
    int status = 0;
    CHECK_NUMBER(kill(pid, SIGKILL), 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status));
}

#endif
