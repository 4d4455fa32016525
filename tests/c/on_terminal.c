/*
 * on_terminal COLUMNS PROGRAM [ARGUMENT...]: runs a program with standard error on a terminal of that width, and copies
 * its output to standard output. Ends with the program's exit code.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 125;
}

int main(int argc, char **argv)
{
    struct winsize size = {24, 80, 0, 0};
    struct termios mode;
    char buffer[4096];
    int status, terminal, slave;
    ssize_t n;
    if (argc < 3)
        return 125;
    size.ws_col = (unsigned short)atoi(argv[1]);
    if ((terminal = posix_openpt(O_RDWR | O_NOCTTY)) < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        return fail("terminal");
    if ((slave = open(ptsname(terminal), O_RDWR | O_NOCTTY)) < 0 || tcgetattr(slave, &mode) != 0)
        return fail("terminal");
    mode.c_oflag &= ~(tcflag_t)OPOST; /* no conversion of the output */
    if (tcsetattr(slave, TCSANOW, &mode) != 0 || ioctl(slave, TIOCSWINSZ, &size) != 0)
        return fail("terminal");

    pid_t child = fork();
    if (child < 0)
        return fail("fork");
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(slave, STDERR_FILENO);
        close(slave);
        close(terminal);
        execv(argv[2], argv + 2);
        _exit(125);
    }
    close(slave);
    /* The terminal reports EIO when no process has it open. */
    while ((n = read(terminal, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            fwrite(buffer, 1, (size_t)n, stdout);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return fail("program");
    return WEXITSTATUS(status);
}
