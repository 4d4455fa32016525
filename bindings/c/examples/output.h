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
 * Call it first in main. SIGPIPE would end the program in `program | true`, and SIGXFSZ at the maximum size of a file
 * (`ulimit -f`). The archive ID would be lost. Without the signals, the write fails. A closed standard stream is opened
 * read-only, so that no file of the upload gets its descriptor and the output.
 */
static inline void prepare_output(void)
{
    int fd;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
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

/* Decodes the UTF-8 character at a text. Returns its length, or 0 if the bytes are not UTF-8. */
static inline int decode(const unsigned char *c, unsigned *code)
{
    int length = *c < 0x80 ? 1 : *c < 0xC2 ? 0 : *c < 0xE0 ? 2 : *c < 0xF0 ? 3 : *c < 0xF5 ? 4 : 0;
    *code = length < 2 ? *c : *c & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((c[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (c[i] & 0x3F);
    }
    int is_wrong = (length == 3 && (*code < 0x800 || (*code >= 0xD800 && *code < 0xE000))) ||
                   (length == 4 && (*code < 0x10000 || *code > 0x10FFFF));
    return is_wrong ? 0 : length;
}

/* Returns 1 for a character that controls a terminal, is invisible, is a space other than " ", or changes the direction. */
static inline int is_unprintable(unsigned code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0xA0) || code == 0xAD || code == 0x61C || code == 0x1680 ||
           code == 0x180E || (code >= 0x2000 && code <= 0x200F) || (code >= 0x2028 && code <= 0x202F) ||
           (code >= 0x205F && code <= 0x206F) || code == 0x3000 || (code >= 0xFE00 && code <= 0xFE0F) ||
           code == 0xFEFF || (code >= 0xFFF0 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE0FFF);
}

/* Writes a file name on one line, without characters that a terminal would interpret. */
static inline void put_name(const char *name, FILE *to)
{
    const unsigned char *c = (const unsigned char *)name;
    while (*c != '\0') {
        unsigned code;
        int length = decode(c, &code);
        if (*c == '\n')
            fputs("\\n", to);
        else if (length == 0 || (length == 1 && is_unprintable(code)))
            fprintf(to, "\\x%02x", *c);
        else if (is_unprintable(code))
            fprintf(to, "\\u{%x}", code);
        else
            fwrite(c, 1, (size_t)length, to);
        c += length > 0 ? length : 1;
    }
}

/* Returns 1 if put_name would write a text unchanged. */
static inline int is_printable(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    unsigned code;
    for (int length; *c != '\0'; c += length)
        if ((length = decode(c, &code)) == 0 || is_unprintable(code))
            return 0;
    return 1;
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
