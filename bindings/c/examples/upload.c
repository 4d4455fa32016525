/*
 * upload: uploads a file, or standard input, to an Amazon Glacier vault, in parallel parts.
 *
 * Shows glacier_upload_run with progress, Ctrl-C, a journal, and the resumption of a stopped or failed upload. See also
 * `upload --help`.
 */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>

#include "upload_display.h"
#include "upload_options.h"

static glacier_result_t make_client(const struct options *, struct display *, glacier_client_t **, glacier_error_t **);
static glacier_result_t make_upload(const struct options *, struct display *, glacier_client_t *, glacier_upload_t **,
                                    glacier_error_t **);
static glacier_result_t run(glacier_upload_t *, glacier_error_t **);
static int report_settings(glacier_error_t *);
static int report_success(const glacier_upload_t *);
static int report_failure(const char *program, const struct options *, const glacier_upload_t *,
                          const glacier_error_t *);

static volatile sig_atomic_t stopped_by; /* the signal that stopped the upload */

int main(int argc, char **argv)
{
    struct options options = {0};
    struct display display = {0};
    glacier_client_t *client = NULL;
    glacier_upload_t *upload = NULL;
    glacier_error_t *err = NULL;
    prepare_output();
    int code = parse_arguments(argc, argv, &options);
    if (code >= 0)
        return code;

    display.is_terminal = isatty(STDERR_FILENO);
    glacier_result_t result = make_client(&options, &display, &client, &err);
    if (result == GLACIER_OK)
        result = make_upload(&options, &display, client, &upload, &err);
    if (result != GLACIER_OK) {
        code = report_settings(err);
    } else {
        result = run(upload, &err);
        clear_bar(&display);
        code = result == GLACIER_OK ? report_success(upload) : report_failure(argv[0], &options, upload, err);
        glacier_error_free(err);
    }
    glacier_upload_free(upload);
    glacier_client_free(client);
    return code;
}

/* ---- The upload --------------------------------------------------------------------------------------------- */

/* Options of the command line override the environment. */
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
        result = glacier_config_set_concurrency(config, (uint32_t)options->number[WORKERS], err);
    if (result == GLACIER_OK && options->text[MEMORY] != NULL)
        result = glacier_config_set_memory_limit(config, options->number[MEMORY], err);
    if (result == GLACIER_OK)
        result = glacier_config_set_log(config, options->verbose ? GLACIER_LOG_DEBUG : GLACIER_LOG_WARN, show_log,
                                        display, NULL, err);
    if (result == GLACIER_OK)
        result = glacier_client_new(config, client, err);
    glacier_config_free(config); /* the client has its own copy */
    return result;
}

/* Reads the available bytes of standard input. It must not block without checking for cancellation. */
static int32_t read_input(void *user_data, uint8_t *buf, size_t cap, size_t *out_len)
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    ssize_t n;
    (void)user_data;
    do {
        if (stopped_by != 0)
            return GLACIER_STOP;
        n = poll(&input, 1, 100) > 0 ? read(STDIN_FILENO, buf, cap) : -1;
    } while (n < 0 && (input.revents == 0 || errno == EINTR || errno == EAGAIN));
    if (n < 0)
        fprintf(stderr, "upload: standard input: %s\n", strerror(errno));
    else
        *out_len = (size_t)n;
    return n < 0 ? GLACIER_STOP : GLACIER_CONTINUE;
}

static glacier_result_t make_upload(const struct options *options, struct display *display, glacier_client_t *client,
                                    glacier_upload_t **upload, glacier_error_t **err)
{
    static const struct {
        int option;
        glacier_result_t (*set)(glacier_upload_t *, const char *, glacier_error_t **);
    } texts[] = {{UPLOAD_ID, glacier_upload_set_upload_id},
                 {JOURNAL, glacier_upload_set_journal},
                 {DESCRIPTION, glacier_upload_set_description}};
    glacier_result_t result = glacier_upload_new(client, options->vault, upload, err);

    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && result == GLACIER_OK; i++)
        if (options->text[texts[i].option] != NULL)
            result = texts[i].set(*upload, options->text[texts[i].option], err);
    if (result == GLACIER_OK && is_standard_input(options))
        result = glacier_upload_set_source_callback(*upload, read_input, GLACIER_UNKNOWN_LENGTH, NULL, NULL, err);
    else if (result == GLACIER_OK)
        result = glacier_upload_set_source_file(*upload, options->file, err);
    if (result == GLACIER_OK && options->text[PART_SIZE] != NULL)
        result = glacier_upload_set_part_size(*upload, options->number[PART_SIZE], err);
    if (result == GLACIER_OK && options->text[EXPECTED_SIZE] != NULL)
        result = glacier_upload_set_expected_size(*upload, options->number[EXPECTED_SIZE], err);
    if (result == GLACIER_OK)
        result = glacier_upload_set_progress(*upload, show_progress, display, NULL, err);
    display->upload = *upload;
    return result;
}

static glacier_upload_t *running; /* set before the handler is installed; cleared after it is removed */

/* glacier_upload_cancel may be called in a signal handler. It stops the call; the service keeps the upload. */
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

static void report_speed(const glacier_progress_t *p)
{
    double seconds = (double)p->elapsed_ms / 1000;
    if (p->bytes_done == 0) {
        fprintf(stderr, "all parts were already stored\n");
        return;
    }
    fprintf(stderr, "uploaded %.1f MiB in %.1f s", mib((double)p->bytes_done), seconds);
    if (seconds > 0)
        fprintf(stderr, ", %.1f MiB/s", mib((double)p->bytes_done) / seconds);
    if (p->bytes_resumed > 0)
        fprintf(stderr, ", %.1f MiB were already stored", mib((double)p->bytes_resumed));
    fprintf(stderr, ", %" PRIu64 " retries\n", p->retries);
}

/* A wrong value in an option or in the environment is wrong usage. */
static int report_settings(glacier_error_t *err)
{
    int code = settings_failed("upload", err);
    if (code == EXIT_USAGE)
        fputs(try_help, stderr);
    return code;
}

static int report_success(const glacier_upload_t *upload)
{
    glacier_progress_t p;
    if (glacier_upload_progress(upload, &p, sizeof p, NULL) == GLACIER_OK)
        report_speed(&p);
    printf("archive-id: %s\ntree-hash: %s\nlocation: %s\n", glacier_upload_archive_id(upload),
           glacier_upload_tree_hash(upload), glacier_upload_archive_location(upload));
    if (!finish_output("upload")) {
        /* The archive is stored, and only this ID gives access to it. */
        fprintf(stderr, "archive-id: %s\n", glacier_upload_archive_id(upload));
        return EXIT_OUTPUT;
    }
    return EXIT_SUCCESS;
}

static int report_failure(const char *program, const struct options *options, const glacier_upload_t *upload,
                          const glacier_error_t *err)
{
    const char *id = glacier_upload_id(upload);
    int unknown = glacier_error_code(err) == GLACIER_E_OUTCOME_UNKNOWN;
    int kept = id != NULL && glacier_error_is_resumable(err) && !unknown;

    fputs("upload: ", stderr);
    put_name(options->file, stderr);
    fprintf(stderr, ": %s\n", glacier_error_message(err));
    if (glacier_error_request_id(err) != NULL)
        fprintf(stderr, "upload: the service's request ID: %s\n", glacier_error_request_id(err));
    if (kept) {
        fprintf(stderr, "upload: the service keeps the upload for 24 hours after its last part; %sresume with\n",
                is_standard_input(options) ? "send the same input from its first byte to " : "");
        print_command(stderr, program, options, id);
        printf("upload-id: %s\n", id);
        if (!finish_output("upload"))
            fprintf(stderr, "upload-id: %s\n", id);
    } else if (id != NULL) {
        fprintf(stderr, "upload: upload ID %s\n", id);
    }
    if (unknown)
        fprintf(stderr, "upload: there may be an archive: check an inventory of the vault before you upload again\n");
    if (stopped_by != 0)
        return EXIT_SIGNAL + stopped_by;
    return unknown ? EXIT_UNKNOWN : kept ? EXIT_KEPT : EXIT_FAILURE;
}
