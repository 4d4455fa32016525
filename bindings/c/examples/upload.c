/*
 * upload: puts a file into an Amazon Glacier vault, in parallel parts.
 *
 * Shows "all at once": one call, glacier_upload_run, with progress, Ctrl-C, and carrying on with an upload that was
 * stopped or has failed. `upload --help` has the rest.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "glacier_mp.h"

static const char usage[] =
    "usage: upload [options] VAULT FILE\n"
    "\n"
    "Puts FILE into an Amazon Glacier vault as one archive. Progress goes to standard error; standard output gets\n"
    "archive-id, tree-hash and location, a line each, or upload-id if the upload is not complete and can be carried on.\n"
    "Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.\n"
    "\n"
    "  --endpoint=URL      talk to this address instead of the region's\n"
    "  --region=NAME       default: AWS_REGION or AWS_DEFAULT_REGION\n"
    "  --account-id=ID     whose vault it is; default: the owner of the credentials\n"
    "  --ca-file=FILE      trust the certificates in this PEM file\n"
    "  --part-size=SIZE    a power of two from 1M to 4G; default: chosen by the size of FILE\n"
    "  --workers=N         parts in flight, at most 32; default: 8\n"
    "  --memory=SIZE       memory for parts; default: 256M\n"
    "  --description=TEXT  stored with the archive\n"
    "  --upload-id=ID      carry on with this upload: what the service holds already is not sent again\n"
    "  --verbose           show the library's log\n"
    "  --help              show this\n"
    "\n"
    "SIZE is in bytes, or has a unit: 512K, 16M, 1G, 1T. An ID or a VAULT may begin with a hyphen: write\n"
    "--upload-id=-x, and -- before VAULT.\n"
    "\n"
    "Exit codes: 0 the archive is stored; 1 failed; 2 wrong usage; 3 failed, but the upload is kept and can be carried\n"
    "on; 4 whether the archive is stored is not known; 130 and 143 stopped by Ctrl-C and by SIGTERM, and if there is an\n"
    "upload by then, it is kept.\n";

enum { EXIT_USAGE = 2, EXIT_KEPT = 3, EXIT_UNKNOWN = 4, EXIT_SIGNAL = 128 };

enum { ENDPOINT, REGION, ACCOUNT_ID, CA_FILE, PART_SIZE, WORKERS, MEMORY, DESCRIPTION, UPLOAD_ID, OPTIONS };

static const char *const option_names[OPTIONS] = {
    "endpoint", "region", "account-id", "ca-file", "part-size", "workers", "memory", "description", "upload-id"};

struct options {
    const char *text[OPTIONS]; /* as given, or NULL */
    uint64_t part_size, memory;
    uint32_t workers;
    int verbose;
    const char *vault, *file;
};

/* What is shown while the upload runs: a bar on a terminal, lines elsewhere. */
struct display {
    const glacier_upload_t *upload;
    int is_terminal;
    int id_shown, bar_shown;
    uint64_t sampled_ms, sampled_bytes; /* where the last sample of the rate ended */
    double rate;                        /* bytes a second on the wire, smoothed */
    uint64_t next_percent, next_ms;     /* when the next line is due */
};

static int parse_arguments(int argc, char **argv, struct options *options);
static glacier_result_t make_client(const struct options *, struct display *, glacier_client_t **, glacier_error_t **);
static glacier_result_t make_upload(const struct options *, struct display *, glacier_client_t *, glacier_upload_t **,
                                    glacier_error_t **);
static glacier_result_t run(glacier_upload_t *, glacier_error_t **);
static int report_success(const glacier_upload_t *);
static int report_failure(const char *program, const struct options *, const glacier_upload_t *,
                          const glacier_error_t *);
static int32_t show_progress(void *display, const glacier_progress_t *);
static void show_log(void *display, glacier_log_level_t, const char *message);
static void clear_bar(struct display *);

static volatile sig_atomic_t stopped_by; /* the signal */

int main(int argc, char **argv)
{
    struct options options = {0};
    struct display display = {0};
    glacier_client_t *client = NULL;
    glacier_upload_t *upload = NULL;
    glacier_error_t *err = NULL;
    int code = parse_arguments(argc, argv, &options);
    if (code >= 0)
        return code;

    display.is_terminal = isatty(STDERR_FILENO);
    glacier_result_t result = make_client(&options, &display, &client, &err);
    if (result == GLACIER_OK)
        result = make_upload(&options, &display, client, &upload, &err);
    if (result == GLACIER_OK)
        result = run(upload, &err);
    clear_bar(&display);
    code = result == GLACIER_OK ? report_success(upload) : report_failure(argv[0], &options, upload, err);

    glacier_error_free(err);
    glacier_upload_free(upload);
    glacier_client_free(client);
    return code;
}

/* ---- The upload --------------------------------------------------------------------------------------------- */

/* Settings start from the environment; what was given on the command line wins. */
static glacier_result_t make_client(const struct options *options, struct display *display, glacier_client_t **client,
                                    glacier_error_t **err)
{
    static const struct {
        int option;
        glacier_result_t (*set)(glacier_config_t *, const char *, glacier_error_t **);
    } texts[] = {{ENDPOINT, glacier_config_set_endpoint},
                 {REGION, glacier_config_set_region},
                 {ACCOUNT_ID, glacier_config_set_account_id},
                 {CA_FILE, glacier_config_set_ca_file}};
    glacier_config_t *config = glacier_config_new();
    glacier_result_t result = GLACIER_OK;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && result == GLACIER_OK; i++)
        if (options->text[texts[i].option] != NULL)
            result = texts[i].set(config, options->text[texts[i].option], err);
    if (result == GLACIER_OK && options->text[WORKERS] != NULL)
        result = glacier_config_set_concurrency(config, options->workers, err);
    if (result == GLACIER_OK && options->text[MEMORY] != NULL)
        result = glacier_config_set_memory_limit(config, options->memory, err);
    if (result == GLACIER_OK && options->verbose)
        result = glacier_config_set_log(config, GLACIER_LOG_DEBUG, show_log, display, NULL, err);
    if (result == GLACIER_OK)
        result = glacier_client_new(config, client, err);
    glacier_config_free(config); /* the client has its own copy */
    return result;
}

static glacier_result_t make_upload(const struct options *options, struct display *display, glacier_client_t *client,
                                    glacier_upload_t **upload, glacier_error_t **err)
{
    glacier_result_t result = glacier_upload_new(client, options->vault, upload, err);
    if (result == GLACIER_OK)
        result = glacier_upload_set_source_file(*upload, options->file, err);
    if (result == GLACIER_OK && options->text[UPLOAD_ID] != NULL)
        result = glacier_upload_set_upload_id(*upload, options->text[UPLOAD_ID], err);
    if (result == GLACIER_OK && options->text[PART_SIZE] != NULL)
        result = glacier_upload_set_part_size(*upload, options->part_size, err);
    if (result == GLACIER_OK && options->text[DESCRIPTION] != NULL)
        result = glacier_upload_set_description(*upload, options->text[DESCRIPTION], err);
    if (result == GLACIER_OK)
        result = glacier_upload_set_progress(*upload, show_progress, display, NULL, err);
    display->upload = *upload;
    return result;
}

static glacier_upload_t *running; /* set before the handler is installed, until after it is gone */

/* glacier_upload_cancel may be called in a signal handler. It stops the work; the service keeps the upload. */
static void stop(int signal_number)
{
    stopped_by = signal_number;
    glacier_upload_cancel(running);
}

static glacier_result_t run(glacier_upload_t *upload, glacier_error_t **err)
{
    struct sigaction handler = {0}, old_int, old_term;
    handler.sa_handler = stop;
    handler.sa_flags = (int)SA_RESETHAND; /* a second Ctrl-C ends the program at once */
    sigemptyset(&handler.sa_mask);

    running = upload;
    sigaction(SIGINT, &handler, &old_int);
    sigaction(SIGTERM, &handler, &old_term);
    glacier_result_t result = glacier_upload_run(upload, err);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    return result;
}

/* ---- The outcome -------------------------------------------------------------------------------------------- */

static double mib(double bytes)
{
    return bytes / 1048576;
}

static int report_success(const glacier_upload_t *upload)
{
    glacier_progress_t p;
    if (glacier_upload_progress(upload, &p, sizeof p, NULL) == GLACIER_OK) {
        double seconds = (double)p.elapsed_ms / 1000;
        fprintf(stderr, "uploaded %.1f MiB in %.1f s", mib((double)p.bytes_done), seconds);
        if (seconds > 0)
            fprintf(stderr, ", %.1f MiB/s", mib((double)p.bytes_done) / seconds);
        if (p.bytes_resumed > 0)
            fprintf(stderr, ", %.1f MiB were there already", mib((double)p.bytes_resumed));
        fprintf(stderr, ", %" PRIu64 " retries\n", p.retries);
    }
    printf("archive-id: %s\ntree-hash: %s\nlocation: %s\n", glacier_upload_archive_id(upload),
           glacier_upload_tree_hash(upload), glacier_upload_archive_location(upload));
    if (fflush(stdout) != 0) {
        /* The archive is stored, and this ID is the only way to it. */
        fprintf(stderr, "upload: standard output: %s\narchive-id: %s\n", strerror(errno),
                glacier_upload_archive_id(upload));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* For a POSIX shell: as it is where that is safe, else in single quotes. */
static void print_quoted(FILE *to, const char *text)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:=,+@%";
    if (*text != '\0' && text[strspn(text, safe)] == '\0') {
        fputs(text, to);
        return;
    }
    fputc('\'', to);
    for (; *text != '\0'; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, to);
    fputc('\'', to);
}

/* The command line that carries on. Part size and description are the upload's own by now. */
static void print_command(FILE *to, const char *program, const struct options *options, const char *upload_id)
{
    fputs("  ", to);
    print_quoted(to, program);
    for (int i = 0; i < OPTIONS; i++) {
        const char *text = i == UPLOAD_ID ? upload_id : options->text[i];
        if (text == NULL || i == PART_SIZE || i == DESCRIPTION)
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

static int report_failure(const char *program, const struct options *options, const glacier_upload_t *upload,
                          const glacier_error_t *err)
{
    const char *id = glacier_upload_id(upload);
    int unknown = glacier_error_code(err) == GLACIER_E_OUTCOME_UNKNOWN;
    int kept = id != NULL && glacier_error_is_resumable(err) && !unknown;

    fprintf(stderr, "upload: %s: %s\n", options->file, glacier_error_message(err));
    if (glacier_error_request_id(err) != NULL)
        fprintf(stderr, "upload: the service's request ID: %s\n", glacier_error_request_id(err));
    if (kept) {
        fprintf(stderr, "upload: the upload is kept for 24 hours after its last part; carry on with\n");
        print_command(stderr, program, options, id);
        printf("upload-id: %s\n", id);
        fflush(stdout);
    } else if (id != NULL) {
        fprintf(stderr, "upload: upload ID %s\n", id);
    }
    if (unknown)
        fprintf(stderr, "upload: there may be an archive: look at an inventory of the vault before uploading again\n");
    if (stopped_by != 0)
        return EXIT_SIGNAL + stopped_by;
    return unknown ? EXIT_UNKNOWN : kept ? EXIT_KEPT : EXIT_FAILURE;
}

/* ---- What is shown meanwhile -------------------------------------------------------------------------------- */

static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void clear_bar(struct display *display)
{
    if (display->bar_shown)
        fprintf(stderr, "\r%*s\r", columns() - 1, "");
    display->bar_shown = 0;
}

/* The last column stays free: text in it would make some terminals wrap. */
static void draw_bar(struct display *display, uint64_t percent, const char *text)
{
    char line[512];
    int width = columns() - 1, room = width - (int)strlen(text) - 3;
    int bar = room > 40 ? 40 : room >= 10 ? room : 0;
    int full = bar * (int)percent / 100;

    if (bar > 0)
        snprintf(line, sizeof line, "[%.*s%*s] %s", full, "########################################", bar - full, "",
                 text);
    else
        snprintf(line, sizeof line, "%s", text);
    fprintf(stderr, "\r%-*.*s", width, width, line);
    fflush(stderr);
    display->bar_shown = 1;
}

/* Parts are acknowledged whole, the wire moves steadily: progress is taken from the first, the rate from the second. */
static void measure_rate(struct display *display, const glacier_progress_t *p)
{
    uint64_t ms = p->elapsed_ms - display->sampled_ms;
    if (ms < 1000 && display->rate > 0)
        return;
    if (ms > 0) {
        double now = (double)(p->bytes_sent - display->sampled_bytes) * 1000 / (double)ms;
        display->rate = display->rate > 0 ? 0.7 * display->rate + 0.3 * now : now;
    }
    display->sampled_ms = p->elapsed_ms;
    display->sampled_bytes = p->bytes_sent;
}

static int32_t show_progress(void *user_data, const glacier_progress_t *p)
{
    struct display *display = user_data;
    uint64_t held = p->bytes_done + p->bytes_resumed;
    uint64_t percent = p->bytes_total > 0 ? (uint64_t)((double)held * 100 / (double)p->bytes_total) : 0;
    char left[24] = "--:--", text[160];

    if (!display->id_shown && glacier_upload_id(display->upload) != NULL) {
        /* Early, so that whatever becomes of this process, the upload can be carried on. */
        clear_bar(display);
        fprintf(stderr, "upload ID: %s\n", glacier_upload_id(display->upload));
        display->id_shown = 1;
    }
    if (p->bytes_total == UINT64_MAX) /* not known until the file is open and the service has been asked */
        return GLACIER_CONTINUE;
    measure_rate(display, p);
    if (display->rate > 0) {
        uint64_t s = (uint64_t)((double)(p->bytes_total - held) / display->rate);
        snprintf(left, sizeof left, "%" PRIu64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60), (int)(s % 60));
    }
    snprintf(text, sizeof text, "%3" PRIu64 "%% %.0f/%.0f MiB %.1f MiB/s ETA %s %" PRIu64 " in flight %" PRIu64 " retries",
             percent, mib((double)held), mib((double)p->bytes_total), mib(display->rate), left, p->parts_in_flight,
             p->retries);
    if (display->is_terminal) {
        draw_bar(display, percent, text);
    } else if (percent >= display->next_percent || p->elapsed_ms >= display->next_ms) {
        fprintf(stderr, "%s\n", text);
        display->next_percent = (percent / 10 + 1) * 10;
        display->next_ms = p->elapsed_ms + 10000;
    }
    return GLACIER_CONTINUE;
}

static void show_log(void *user_data, glacier_log_level_t level, const char *message)
{
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    clear_bar(user_data);
    fprintf(stderr, "%s: %s\n", level >= GLACIER_LOG_ERROR && level <= GLACIER_LOG_DEBUG ? names[level] : "log",
            message);
}

/* ---- The command line --------------------------------------------------------------------------------------- */

static int parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
    end += unit != NULL;
    if (*text < '0' || *text > '9' || errno != 0 || *end != '\0' || number > UINT64_MAX >> shift)
        return 0;
    *bytes = (uint64_t)number << shift;
    return 1;
}

static int wrong_usage(const char *what, const char *value)
{
    fprintf(stderr, "upload: %s%s\nTry: upload --help\n", what, value);
    return EXIT_USAGE;
}

/* Finds the option's name and value ("--name=value" or "--name value"); the next argument to look at, or NULL. */
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

/* Returns the exit code, or -1 to go on. */
static int parse_arguments(int argc, char **argv, struct options *options)
{
    uint64_t workers = 0;
    int operands_only = 0;
    char **argument = argv + (argc > 0);

    while (*argument != NULL) {
        const char *text = *argument;
        if (operands_only || text[0] != '-' || text[1] == '\0') {
            if (options->file != NULL)
                return wrong_usage("one VAULT and one FILE are needed, this is more: ", text);
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
    if (options->text[PART_SIZE] != NULL && !parse_size(options->text[PART_SIZE], &options->part_size))
        return wrong_usage("not a size: ", options->text[PART_SIZE]);
    if (options->text[MEMORY] != NULL && !parse_size(options->text[MEMORY], &options->memory))
        return wrong_usage("not a size: ", options->text[MEMORY]);
    if (options->text[WORKERS] != NULL && (!parse_size(options->text[WORKERS], &workers) || workers > UINT32_MAX))
        return wrong_usage("not a number of workers: ", options->text[WORKERS]);
    options->workers = (uint32_t)workers;
    return -1;
}
