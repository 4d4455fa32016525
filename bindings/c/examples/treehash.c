/*
 * treehash: prints the SHA-256 tree hash of files, as Glacier computes it, in the format of sha256sum.
 *
 * Shows two methods: a file with all processors, and a stream in pieces. "-", or no file, is standard input.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>

#include "output.h"

static int parse_threads(const char *text, uint32_t *threads);
static int print_hash(const char *name, uint32_t threads);
static glacier_result_t hash_stream(int fd, uint8_t hash[32], glacier_error_t **err);
static int32_t show_progress(void *name, const glacier_progress_t *);
static void print_line(const uint8_t hash[32], const char *name);

int main(int argc, char **argv)
{
    uint32_t threads = 0; /* all processors */
    int first = 1, ok = 1;
    prepare_output();
    if (argc > 1 && strncmp(argv[1], "--threads=", 10) == 0) {
        if (!parse_threads(argv[1] + 10, &threads)) {
            fputs("treehash: ", stderr);
            put_name(argv[1], stderr);
            fputs(": a number of threads has digits only; 0 is one for each processor\n", stderr);
            ok = 0;
        }
        first = 2;
    }
    if (first < argc && strcmp(argv[first], "--") == 0)
        first++;
    else if (first < argc && argv[first][0] == '-' && argv[first][1] != '\0')
        ok = 0;
    if (!ok) {
        fprintf(stderr, "usage: treehash [--threads=N] [--] [FILE...]\n");
        return EXIT_USAGE;
    }

    if (first == argc)
        ok = print_hash("-", threads);
    for (int i = first; i < argc && !ferror(stdout); i++)
        ok &= print_hash(argv[i], threads);
    ok &= finish_output("treehash");
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int parse_threads(const char *text, uint32_t *threads)
{
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    *threads = (uint32_t)number;
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0' && errno == 0 && number <= UINT32_MAX;
}

static int print_hash(const char *name, uint32_t threads)
{
    uint8_t hash[32];
    glacier_error_t *err = NULL;
    glacier_result_t result;
    if (strcmp(name, "-") == 0) {
        result = hash_stream(STDIN_FILENO, hash, &err);
    } else {
        int on_terminal = isatty(STDERR_FILENO);
        result = glacier_treehash_file(name, threads, on_terminal ? show_progress : NULL, NULL, hash, &err);
        if (on_terminal)
            fprintf(stderr, "\r    \r");
    }
    const char *cause = err != NULL ? glacier_error_message(err) : strerror(errno);
    if (result == GLACIER_OK) {
        print_line(hash, name);
        flush_output(); /* main stops if the reader is closed */
    } else {
        fputs("treehash: ", stderr);
        put_name(name, stderr);
        fprintf(stderr, ": %s\n", cause);
    }
    glacier_error_free(err);
    return result == GLACIER_OK;
}

/* The hash does not depend on the size of the pieces. After a failed read, *err is NULL and errno has the cause. */
static glacier_result_t hash_stream(int fd, uint8_t hash[32], glacier_error_t **err)
{
    static uint8_t buffer[1 << 20];
    glacier_treehash_t *hasher = glacier_treehash_new();
    glacier_result_t result = GLACIER_OK;
    ssize_t n;
    while (result == GLACIER_OK && (n = read(fd, buffer, sizeof buffer)) != 0) {
        if (n > 0)
            result = glacier_treehash_update(hasher, buffer, (size_t)n, err);
        else if (errno != EINTR)
            result = GLACIER_E_IO;
    }
    if (result == GLACIER_OK)
        result = glacier_treehash_finish(hasher, hash, err);
    int cause = errno; /* glacier_treehash_free may change it */
    glacier_treehash_free(hasher);
    errno = cause;
    return result;
}

static int32_t show_progress(void *user_data, const glacier_progress_t *p)
{
    (void)user_data;
    if (p->bytes_total > 0)
        fprintf(stderr, "\r%3d%%", (int)((double)p->bytes_hashed * 100 / (double)p->bytes_total));
    return GLACIER_CONTINUE;
}

/* Like sha256sum: a name with a line feed or a backslash is escaped, and the line begins with a backslash. */
static void print_line(const uint8_t hash[32], const char *name)
{
    if (strpbrk(name, "\\\n\r") != NULL)
        putchar('\\');
    for (int i = 0; i < 32; i++)
        printf("%02x", hash[i]);
    fputs("  ", stdout);
    for (; *name != '\0'; name++) {
        if (*name == '\\' || *name == '\n' || *name == '\r')
            fputs(*name == '\\' ? "\\\\" : *name == '\n' ? "\\n" : "\\r", stdout);
        else
            putchar(*name);
    }
    putchar('\n');
}
