/* The command line of the upload example: parses it, and prints the one that resumes an upload. */
#ifndef UPLOAD_OPTIONS_H
#define UPLOAD_OPTIONS_H

#include <stdint.h>
#include <sys/stat.h>

#include "output.h"

static const char usage[] =
    "usage: upload [options] VAULT FILE\n"
    "\n"
    "Uploads FILE, or standard input if it is -, to an Amazon Glacier vault as one archive. Progress goes to standard\n"
    "error. Standard output gets archive-id, tree-hash and location, one per line, or upload-id if the upload is not\n"
    "complete and can be resumed.\n"
    "Credentials come from where the AWS CLI finds them: environment, profile, container or instance.\n"
    "\n"
    "  --endpoint=URL        use this address instead of the region's\n"
    "  --region=NAME         default: AWS_REGION or AWS_DEFAULT_REGION\n"
    "  --account-id=ID       the owner of the vault; default: the account of the credentials\n"
    "  --ca-file=FILE        trust the certificates in this PEM file\n"
    "  --part-size=SIZE      a power of two from 1M to 4G; default: chosen for the size of FILE\n"
    "  --expected-size=SIZE  about the size of standard input: selects its part size; default: 64M, for up to 625G\n"
    "  --workers=N           parts in flight, at most 32; default: 8\n"
    "  --memory=SIZE         memory for parts; default: 256M\n"
    "  --description=TEXT    stored with the archive\n"
    "  --journal=PATH        record the progress here: the same command resumes, even after a power failure\n"
    "  --upload-id=ID        resume this upload: parts that the service holds are not sent again\n"
    "  --verbose             show the complete log; errors and warnings, retries included, are always shown\n"
    "  --help                show this\n"
    "\n"
    "SIZE is in bytes, or has a unit of 1024: 512K, 16M, 1G, 1T, or KiB, MiB, GiB, TiB. An ID or a VAULT may begin with\n"
    "a hyphen: write --upload-id=-x, and -- before VAULT. To resume standard input, send it again from its first byte.\n"
    "\n"
    "Exit codes: 0 the archive is stored; 1 failed; 2 wrong usage: an option or a variable; 3 failed, but the upload\n"
    "is kept and can be resumed; 4 it is unknown whether the archive is stored; 5 the archive is stored, but standard\n"
    "output failed: its ID is on standard error; 130 and 143 stopped by Ctrl-C and by SIGTERM: an existing upload is\n"
    "kept.\n";

static const char try_help[] = "Try: upload --help\n";

enum { EXIT_KEPT = 3, EXIT_UNKNOWN = 4, EXIT_OUTPUT = 5, EXIT_SIGNAL = 128 };

enum {
    ENDPOINT,
    REGION,
    ACCOUNT_ID,
    CA_FILE,
    PART_SIZE,
    EXPECTED_SIZE,
    WORKERS,
    MEMORY,
    DESCRIPTION,
    JOURNAL,
    UPLOAD_ID,
    OPTIONS
};

static const char *const option_names[OPTIONS] = {"endpoint",    "region",        "account-id", "ca-file",
                                                  "part-size",   "expected-size", "workers",    "memory",
                                                  "description", "journal",       "upload-id"};

struct options {
    const char *text[OPTIONS]; /* as in the arguments, or NULL */
    uint64_t number[OPTIONS];  /* the values of sizes and counts */
    int verbose;
    const char *vault, *file;
};

static int is_standard_input(const struct options *options)
{
    return strcmp(options->file, "-") == 0;
}

/* Returns 1 if a path is the file of standard input. The library cannot detect this: it gets bytes from a callback. */
static int is_input(const char *path)
{
    struct stat input, file;
    return path != NULL && fstat(STDIN_FILENO, &input) == 0 && stat(path, &file) == 0 && input.st_dev == file.st_dev &&
           input.st_ino == file.st_ino;
}

/* Parses digits and, in a size, an optional unit of 1024 such as K or KiB. Units of 1000 such as MB are rejected. */
static int parse_number(const char *text, int is_size, uint64_t *value)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = is_size && *end != '\0' ? strchr(units, *end) : NULL;
    unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
    end += unit != NULL;
    if (unit != NULL && strcmp(end, "iB") == 0)
        end += 2;
    if (*text < '0' || *text > '9' || errno != 0 || *end != '\0' || number > UINT64_MAX >> shift)
        return 0;
    *value = (uint64_t)number << shift;
    return 1;
}

static int wrong_usage(const char *what, const char *value)
{
    fprintf(stderr, "upload: %s", what);
    put_name(value, stderr);
    fprintf(stderr, "\n%s", try_help);
    return EXIT_USAGE;
}

/* Reports an option with a wrong value, and the form of its values. */
static int wrong_value(int option, const char *value, const char *form)
{
    fprintf(stderr, "upload: --%s=", option_names[option]);
    put_name(value, stderr);
    fprintf(stderr, ": %s\n%s", form, try_help);
    return EXIT_USAGE;
}

/* Parses the options that are numbers. Returns the exit code, or -1 to continue. */
static int parse_numbers(struct options *options)
{
    static const int sizes[] = {PART_SIZE, EXPECTED_SIZE, MEMORY};
    const char *workers = options->text[WORKERS], *part_size = options->text[PART_SIZE];
    uint64_t *number = options->number;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const char *text = options->text[sizes[i]];
        if (text != NULL && !parse_number(text, 1, &number[sizes[i]]))
            return wrong_value(sizes[i], text,
                               "a size is a number of bytes, or has the unit K, M, G or T, or KiB, MiB, GiB or TiB");
    }
    uint64_t part = number[PART_SIZE];
    if (part_size != NULL && (part < 1 << 20 || part > UINT64_C(4) << 30 || (part & (part - 1)) != 0))
        return wrong_value(PART_SIZE, part_size, "a part size is a power of two from 1M to 4G, such as 16M");
    if (workers != NULL && (!parse_number(workers, 0, &number[WORKERS]) || number[WORKERS] < 1 || number[WORKERS] > 32))
        return wrong_value(WORKERS, workers, "the number of workers is from 1 to 32");
    return -1;
}

/* Parses an option ("--name=value" or "--name value"). Returns the next argument, or NULL. */
static char **take_option(char **argument, struct options *options)
{
    const char *name = *argument + 2;
    for (int i = 0; i < OPTIONS; i++) {
        size_t length = strlen(option_names[i]);
        if (strncmp(name, option_names[i], length) != 0)
            continue;
        if (name[length] == '=') {
            options->text[i] = name + length + 1;
            return argument + 1;
        }
        if (name[length] == '\0' && argument[1] != NULL) {
            options->text[i] = argument[1];
            return argument + 2;
        }
    }
    return NULL;
}

/* Returns the exit code, or -1 to continue. */
static int parse_arguments(int argc, char **argv, struct options *options)
{
    int operands_only = 0;
    char **argument = argv + (argc > 0);

    while (*argument != NULL) {
        const char *text = *argument;
        if (operands_only || text[0] != '-' || text[1] == '\0') {
            if (options->file != NULL)
                return wrong_usage("too many arguments, only VAULT and FILE are allowed: ", text);
            *(options->vault == NULL ? &options->vault : &options->file) = text;
            argument++;
        } else if (strcmp(text, "--") == 0) {
            operands_only = 1;
            argument++;
        } else if (strcmp(text, "--help") == 0) {
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        } else if (strcmp(text, "--verbose") == 0) {
            options->verbose = 1;
            argument++;
        } else if (text[1] != '-' || (argument = take_option(argument, options)) == NULL) {
            return wrong_usage("unknown option, or its value is missing: ", text);
        }
    }
    if (options->file == NULL)
        return wrong_usage("VAULT and FILE are needed", "");
    if (is_standard_input(options) && is_input(options->text[JOURNAL]))
        return wrong_usage("the journal is the file of standard input: ", options->text[JOURNAL]);
    return parse_numbers(options);
}

/*
 * Prints an argument for a shell: unchanged if that is safe, else in single quotes. What a terminal would interpret is
 * printed in the form $'...' of bash, zsh and POSIX 2024.
 */
static void print_quoted(FILE *to, const char *text)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:=,+@%";
    if (*text != '\0' && text[strspn(text, safe)] == '\0') {
        fputs(text, to);
        return;
    }
    if (!is_printable(text)) {
        fputs("$'", to);
        for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
            if (*c >= 0x20 && *c < 0x7F && *c != '\'' && *c != '\\')
                fputc(*c, to);
            else
                fprintf(to, "\\%03o", *c);
        fputc('\'', to);
        return;
    }
    fputc('\'', to);
    for (; *text != '\0'; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, to);
    fputc('\'', to);
}

/* Prints the command line that resumes. The upload has its part size and description, and a journal has the ID. */
static void print_command(FILE *to, const char *program, const struct options *options, const char *upload_id)
{
    fputs("  ", to);
    print_quoted(to, program);
    for (int i = 0; i < OPTIONS; i++) {
        const char *text = options->text[i];
        if (i == UPLOAD_ID && options->text[JOURNAL] == NULL)
            text = upload_id;
        if (text == NULL || i == PART_SIZE || i == EXPECTED_SIZE || i == DESCRIPTION)
            continue;
        fprintf(to, " --%s=", option_names[i]);
        print_quoted(to, text);
    }
    fputs(options->verbose ? " --verbose -- " : " -- ", to);
    print_quoted(to, options->vault);
    fputc(' ', to);
    print_quoted(to, options->file);
    fputc('\n', to);
}

#endif
