/*
 * A program for the header beside it: uploads, lists, streams, callbacks, errors and hashes. tests/abi compiles it with that
 * header and runs it with the present library. Never change what it expects.
 *
 * usage: program FILE JOURNAL: endpoint, region and keys of a local Glacier are in the environment; FILE has 3 MiB and 5 bytes
 */
#include "glacier_mp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VAULT "examplevault"
#define MIB ((uint64_t)1 << 20)
#define SIZE (3 * MIB + 5)
#define CHECK(condition) check((condition) != 0, #condition, __LINE__)
#define OK(call) ok((call), #call, __LINE__)

static glacier_error_t *err;
static unsigned done_calls, destroyed, log_lines;

static void check(int condition, const char *what, int line)
{
    if (!condition) {
        fprintf(stderr, "line %d: %s\n", line, what);
        exit(1);
    }
}

static void ok(glacier_result_t result, const char *what, int line)
{
    if (result != 0) {
        fprintf(stderr, "line %d: %s: %d: %s\n", line, what, (int)result, glacier_error_message(err));
        exit(1);
    }
}

static int32_t on_progress(void *user_data, const glacier_progress_t *progress)
{
    /* A later library may fill more fields. */
    CHECK(progress->struct_size >= sizeof *progress);
    CHECK(progress->bytes_total == SIZE && progress->bytes_done <= SIZE);
    *(glacier_progress_t *)user_data = *progress;
    return GLACIER_CONTINUE;
}

static void on_done(void *user_data, glacier_result_t result, const glacier_error_t *error)
{
    CHECK(result == GLACIER_OK && error == NULL && user_data == &done_calls);
    done_calls++;
}

static void on_destroy(void *user_data)
{
    CHECK(user_data != NULL);
    destroyed++;
}

static void on_log(void *user_data, glacier_log_level_t level, const char *message)
{
    CHECK(user_data == &log_lines && level >= GLACIER_LOG_ERROR && level <= GLACIER_LOG_DEBUG && *message != '\0');
    log_lines++;
}

static int32_t stop(void *user_data, uint8_t *buf, size_t cap, size_t *out_len)
{
    CHECK(user_data == NULL && buf != NULL && cap > 0);
    *out_len = 0;
    return GLACIER_STOP;
}

/* Three pieces of 1,000 bytes. */
static int32_t on_read(void *user_data, uint8_t *buf, size_t cap, size_t *out_len)
{
    unsigned *pieces = (unsigned *)user_data;
    *out_len = *pieces < 3 ? 1000 : 0;
    CHECK(cap >= *out_len);
    memset(buf, (int)*pieces, *out_len);
    ++*pieces;
    return GLACIER_CONTINUE;
}

static glacier_upload_t *new_upload(glacier_client_t *client)
{
    glacier_upload_t *upload = NULL;
    OK(glacier_upload_new(client, VAULT, &upload, &err));
    OK(glacier_upload_set_part_size(upload, MIB, &err));
    CHECK(glacier_upload_state(upload) == 0);
    return upload;
}

static void upload_file(glacier_client_t *client, const char *file, const char *journal, char hash[65])
{
    glacier_upload_t *upload = new_upload(client);
    glacier_progress_t seen = {0}, polled;
    OK(glacier_upload_set_source_file(upload, file, &err));
    OK(glacier_upload_set_journal(upload, journal, &err));
    OK(glacier_upload_set_progress(upload, on_progress, &seen, on_destroy, &err));
    OK(glacier_upload_run(upload, &err));
    memset(&polled, 0xff, sizeof polled);
    OK(glacier_upload_progress(upload, &polled, sizeof polled, &err));
    CHECK(polled.struct_size == sizeof polled && polled.bytes_done == SIZE && polled.parts_done == 4);
    CHECK(seen.bytes_done == SIZE && seen.parts_total == 4 && seen.retries == 0 && seen.parts_in_flight == 0);
    CHECK(glacier_upload_state(upload) == GLACIER_STATE_COMPLETED && glacier_upload_archive_id(upload) != NULL);
    CHECK(strlen(glacier_upload_tree_hash(upload)) == 64);
    strcpy(hash, glacier_upload_tree_hash(upload));
    destroyed = 0;
    glacier_upload_free(upload);
    CHECK(destroyed == 1);
}

static void operations(glacier_client_t *client)
{
    static uint8_t data[1 << 20];
    glacier_upload_t *upload = new_upload(client);
    glacier_uploads_t *uploads = NULL;
    glacier_parts_t *parts = NULL;
    OK(glacier_upload_initiate(upload, &err));
    OK(glacier_upload_put_part(upload, 0, data, sizeof data, &err));
    OK(glacier_upload_list_parts(upload, &parts, &err));
    CHECK(glacier_parts_count(parts) == 1 && glacier_parts_length(parts, 0) == MIB);
    glacier_parts_free(parts);
    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
    CHECK(glacier_uploads_count(uploads) == 1 && glacier_uploads_part_size(uploads, 0) == MIB);
    CHECK(strcmp(glacier_uploads_id(uploads, 0), glacier_upload_id(upload)) == 0);
    glacier_uploads_free(uploads);
    OK(glacier_upload_abort(upload, &err));
    CHECK(glacier_upload_state(upload) == GLACIER_STATE_ABORTED);
    glacier_upload_free(upload);
}

static void streams(glacier_client_t *client)
{
    unsigned pieces = 0;
    glacier_upload_t *upload = new_upload(client);
    OK(glacier_upload_write(upload, "abc", 3, &err));
    OK(glacier_upload_finish(upload, &err));
    CHECK(glacier_upload_archive_id(upload) != NULL);
    glacier_upload_free(upload);

    upload = new_upload(client);
    OK(glacier_upload_set_source_callback(upload, on_read, GLACIER_UNKNOWN_LENGTH, &pieces, NULL, &err));
    OK(glacier_upload_start(upload, on_done, &done_calls, NULL, &err));
    OK(glacier_upload_wait(upload, GLACIER_FOREVER, &err));
    CHECK(done_calls == 1 && pieces == 4);
    glacier_upload_free(upload);
}

static void failures(glacier_client_t *client, const char *file)
{
    glacier_upload_t *upload = NULL;
    CHECK(glacier_upload_new(client, "no/vault", &upload, &err) == 2 && upload == NULL);
    CHECK(glacier_error_code(err) == 2 && strstr(glacier_error_message(err), "no/vault") != NULL);
    glacier_error_free(err);
    CHECK(glacier_upload_run(NULL, &err) == 1);
    glacier_error_free(err);

    OK(glacier_upload_new(client, "absent", &upload, &err));
    OK(glacier_upload_set_source_file(upload, file, &err));
    CHECK(glacier_upload_run(upload, &err) == 304);
    CHECK(glacier_error_http_status(err) == 404 && glacier_error_is_resumable(err) == 0);
    CHECK(strcmp(glacier_error_service_code(err), "ResourceNotFoundException") == 0);
    CHECK(strcmp(glacier_result_name(304), "GLACIER_E_NOT_FOUND") == 0);
    glacier_error_free(err);
    glacier_upload_free(upload);

    upload = new_upload(client);
    OK(glacier_upload_set_source_callback(upload, stop, 10, NULL, NULL, &err));
    CHECK(glacier_upload_run(upload, &err) == 501);
    glacier_error_free(err);
    err = NULL;
    glacier_upload_free(upload);
}

static void hashes(const char *file, const char *expected)
{
    uint8_t hash[32];
    char hex[65];
    glacier_plan_t *plan = NULL;
    OK(glacier_treehash_file(file, 0, NULL, NULL, hash, &err));
    for (int i = 0; i < 32; i++)
        sprintf(hex + 2 * i, "%02x", hash[i]);
    CHECK(strcmp(hex, expected) == 0);
    OK(glacier_plan_new(SIZE, MIB, &plan, &err));
    CHECK(glacier_plan_part_count(plan) == 4 && glacier_plan_part_size(plan) == MIB);
    glacier_plan_free(plan);
}

int main(int argc, char **argv)
{
    char hash[65];
    glacier_client_t *client = NULL;
    glacier_config_t *config = glacier_config_new();
    CHECK(argc == 3 && config != NULL);
    CHECK(glacier_abi_version() == GLACIER_MP_ABI_VERSION && glacier_version_number() >= GLACIER_MP_VERSION_NUMBER);
    OK(glacier_config_set_concurrency(config, 2, &err));
    OK(glacier_config_set_log(config, GLACIER_LOG_DEBUG, on_log, &log_lines, NULL, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    upload_file(client, argv[1], argv[2], hash);
    operations(client);
    streams(client);
    failures(client, argv[1]);
    hashes(argv[1], hash);
    glacier_client_free(client);
    CHECK(log_lines > 0);
    printf("%s\n", glacier_version());
    return 0;
}
