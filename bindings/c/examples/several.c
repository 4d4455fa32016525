/*
 * several: uploads several files at once, in the background, and shows their total progress.
 *
 * For programs that do other work meanwhile: one handle per file, glacier_upload_start, and glacier_upload_wait to poll
 * for the end. Each file has a journal, FILE.journal: to resume, run the same command again. Endpoint, region and
 * credentials come from the environment.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>

#include "output.h"

static glacier_upload_t *start_upload(glacier_client_t *, const char *vault, const char *file);
static void report(const char *file, const char *what);
static void print_archive(FILE *, const glacier_upload_t *, const char *file);
static void say_end(void *file, glacier_result_t, const glacier_error_t *);
static void show(glacier_upload_t *const *uploads, int count);

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    interrupted = signal_number;
}

int main(int argc, char **argv)
{
    prepare_output();
    if (argc < 3) {
        fprintf(stderr, "usage: several VAULT FILE...\n");
        return EXIT_USAGE;
    }
    int count = argc - 2, stored = 0;
    glacier_error_t *err = NULL;
    glacier_client_t *client = NULL;
    glacier_config_t *config = glacier_config_new();
    glacier_upload_t **uploads = calloc((size_t)count, sizeof *uploads);
    if (uploads == NULL ||
        glacier_config_set_log(config, GLACIER_LOG_WARN, log_to_stderr, "several", NULL, &err) != GLACIER_OK ||
        glacier_client_new(config, &client, &err) != GLACIER_OK) {
        if (uploads == NULL)
            fputs("several: out of memory\n", stderr);
        int code = uploads != NULL ? settings_failed("several", err) : EXIT_FAILURE;
        glacier_config_free(config);
        free(uploads);
        return code;
    }
    glacier_config_free(config);
    signal(SIGINT, interrupt);
    for (int i = 0; i < count; i++)
        uploads[i] = start_upload(client, argv[1], argv[i + 2]);

    for (int i = 0; i < count; i++) {
        while (uploads[i] != NULL && glacier_upload_wait(uploads[i], 500, NULL) == GLACIER_E_PENDING) {
            for (int k = 0; interrupted && k < count; k++)
                glacier_upload_cancel(uploads[k]);
            show(uploads, count);
        }
        if (glacier_upload_archive_id(uploads[i]) != NULL) {
            print_archive(stdout, uploads[i], argv[i + 2]);
            stored++;
        }
    }
    int printed = finish_output("several");
    for (int i = 0; i < count && !printed; i++) /* the archives are stored, and only these IDs give access to them */
        if (glacier_upload_archive_id(uploads[i]) != NULL)
            print_archive(stderr, uploads[i], argv[i + 2]);
    for (int i = 0; i < count; i++)
        glacier_upload_free(uploads[i]);
    glacier_client_free(client);
    free(uploads);
    return printed && stored == count ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_archive(FILE *to, const glacier_upload_t *upload, const char *file)
{
    fprintf(to, "%s  ", glacier_upload_archive_id(upload));
    put_name(file, to);
    fputc('\n', to);
}

static void report(const char *file, const char *what)
{
    fputs("several: ", stderr);
    put_name(file, stderr);
    fprintf(stderr, ": %s\n", what);
}

/* Starts an upload. Prints a failure and returns NULL. All uploads share the client's memory limit. */
static glacier_upload_t *start_upload(glacier_client_t *client, const char *vault, const char *file)
{
    char journal[4096];
    glacier_error_t *err = NULL;
    glacier_upload_t *upload = NULL;
    if (snprintf(journal, sizeof journal, "%s.journal", file) >= (int)sizeof journal) {
        report(file, "the name is too long for the name of a journal");
        return NULL;
    }
    if (glacier_upload_new(client, vault, &upload, &err) != GLACIER_OK ||
        glacier_upload_set_source_file(upload, file, &err) != GLACIER_OK ||
        glacier_upload_set_journal(upload, journal, &err) != GLACIER_OK ||
        glacier_upload_start(upload, say_end, (void *)file, NULL, &err) != GLACIER_OK) {
        report(file, glacier_error_message(err));
        glacier_error_free(err);
        glacier_upload_free(upload);
        return NULL;
    }
    return upload;
}

/* Called once on the upload's own thread, at the end of the run. */
static void say_end(void *file, glacier_result_t result, const glacier_error_t *err)
{
    report(file, result == GLACIER_OK ? "stored" : glacier_error_message(err));
}

static void show(glacier_upload_t *const *uploads, int count)
{
    uint64_t held = 0, total = 0, in_flight = 0, retries = 0;
    for (int i = 0; i < count; i++) {
        glacier_progress_t p;
        if (uploads[i] == NULL || glacier_upload_progress(uploads[i], &p, sizeof p, NULL) != GLACIER_OK)
            continue;
        held += p.bytes_done + p.bytes_resumed;
        total += p.bytes_total != UINT64_MAX ? p.bytes_total : 0; /* unknown until the file is open */
        in_flight += p.parts_in_flight;
        retries += p.retries;
    }
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 " MiB, %" PRIu64 " parts in flight, %" PRIu64 " retries\n", held >> 20,
            total >> 20, in_flight, retries);
}
