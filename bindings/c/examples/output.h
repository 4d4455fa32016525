/* Standard output, standard error and the log callback of all examples. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "glacier_mp.h"

/* Exit codes of the examples, in addition to EXIT_SUCCESS and EXIT_FAILURE. */
enum { EXIT_USAGE = 2 };

/*
 * Call it first in main. SIGPIPE would end the program in `program | true`, and the archive ID would be lost. A closed
 * standard stream is opened read-only, so that no file of the upload gets its descriptor and the output.
 */
static inline void prepare_output(void)
{
    int fd;
    signal(SIGPIPE, SIG_IGN);
    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd <= STDERR_FILENO)
        continue;
    if (fd >= 0)
        close(fd);
}

static int output_error; /* the errno of the first write to standard output that failed */

/* Writes the buffered output. Returns 0 if a write failed, now or before. */
static inline int flush_output(void)
{
    if (output_error == 0 && fflush(stdout) != 0)
        output_error = errno;
    return output_error == 0 && !ferror(stdout);
}

/*
 * Flushes and closes standard output. Returns 1, or 0 after a message if any of the output was not written; some file
 * systems report a full disk only at the close.
 */
static inline int finish_output(const char *program)
{
    int written = flush_output();
    if (fclose(stdout) != 0 && written) {
        output_error = errno;
        written = 0;
    }
    if (!written)
        fprintf(stderr, "%s: standard output: %s\n", program, strerror(output_error != 0 ? output_error : EIO));
    return written;
}

/* Writes a file name on one line, without control characters, which a terminal would interpret. */
static inline void put_name(const char *name, FILE *to)
{
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++) {
        int is_c1 = c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F;
        if (*c == '\n')
            fputs("\\n", to);
        else if (*c < 0x20 || *c == 0x7F)
            fprintf(to, "\\x%02x", *c);
        else if (is_c1)
            fprintf(to, "\\u%04x", *++c);
        else
            fputc(*c, to);
    }
}

static inline const char *log_level_name(glacier_log_level_t level)
{
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    return level >= GLACIER_LOG_ERROR && level <= GLACIER_LOG_DEBUG ? names[level] : "log";
}

/* A log callback. Warnings report failed attempts before the retry, and a journal that cannot be written: show them. */
static inline void log_to_stderr(void *program, glacier_log_level_t level, const char *message)
{
    fprintf(stderr, "%s: %s: %s\n", (const char *)program, log_level_name(level), message);
}

/* Prints the message of an error and frees it. Returns the exit code: a setting with a wrong value is wrong usage. */
static inline int settings_failed(const char *program, glacier_error_t *err)
{
    int code = glacier_error_code(err) == GLACIER_E_INVALID ? EXIT_USAGE : EXIT_FAILURE;
    fprintf(stderr, "%s: %s\n", program, glacier_error_message(err));
    glacier_error_free(err);
    return code;
}

#endif
