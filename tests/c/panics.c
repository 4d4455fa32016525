/*
 * Panics on the threads of a library that is built to cause them on request. Each panic becomes a result of the call,
 * and the handle can be used again and freed.
 */
#define _POSIX_C_SOURCE 200809L

#include "local.h"
#include "panic.h"

static int32_t go_on(void *user_data, const glacier_progress_t *p)
{
    (void)user_data, (void)p;
    return GLACIER_CONTINUE;
}

static void count(void *destroyed)
{
    ++*(int *)destroyed;
}

static void in_each_thread_of_a_run(glacier_client_t *client, const uint8_t *data, size_t size)
{
    static const char *const threads[] = {"glacier-job", "glacier-read", "glacier-hash", "glacier-send"};
    glacier_upload_t *upload = local_upload(client);
    int destroyed = 0;
    OK(glacier_upload_set_source_memory(upload, data, size, &err));
    OK(glacier_upload_set_progress(upload, go_on, &destroyed, count, &err));
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        panic_in(threads[i]);
        FAILS_WITH(GLACIER_E_PANIC, threads[i], glacier_upload_run(upload, &err));
        panic_no_more();
        CHECK_NUMBER(glacier_upload_state(upload) == GLACIER_STATE_NEW, i == 0);

        /* Some handles are only freed after the panic. */
        glacier_upload_t *given_up = local_upload(client);
        OK(glacier_upload_set_source_memory(given_up, data, size, &err));
        panic_in(threads[i]);
        FAILS(GLACIER_E_PANIC, glacier_upload_run(given_up, &err));
        panic_no_more();
        OK(glacier_upload_abort(given_up, &err));
        glacier_upload_free(given_up);
    }
    OK(glacier_upload_run(upload, &err));
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_COMPLETED);
    glacier_upload_free(upload);
    CHECK_NUMBER(destroyed, 1);
}

static void count_done(void *ended_with, glacier_result_t result, const glacier_error_t *failure)
{
    panic_no_more(); /* the call runs on a thread that was asked to panic */
    CHECK_NUMBER(glacier_error_code(failure), result);
    CHECK_NUMBER(*(glacier_result_t *)ended_with, GLACIER_OK);
    *(glacier_result_t *)ended_with = result;
}

/* done is called after a panic. */
static void in_each_thread_of_a_started_run(glacier_client_t *client, const uint8_t *data, size_t size)
{
    static const char *const threads[] = {"glacier-run", "glacier-job", "glacier-read", "glacier-hash", "glacier-send"};
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, size, &err));
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        glacier_result_t ended_with = GLACIER_OK;
        panic_in(threads[i]);
        OK(glacier_upload_start(upload, count_done, &ended_with, NULL, &err));
        FAILS_WITH(GLACIER_E_PANIC, threads[i], glacier_upload_wait(upload, GLACIER_FOREVER, &err));
        CHECK_NUMBER(ended_with, GLACIER_E_PANIC);
    }
    OK(glacier_upload_abort(upload, &err));
    glacier_upload_free(upload);
}

static int32_t give_one(void *given, uint8_t *buf, size_t cap, size_t *out_len)
{
    CHECK(cap > 0);
    *buf = 'x';
    *out_len = *(int *)given == 0;
    ++*(int *)given;
    return GLACIER_CONTINUE;
}

/* A write stream fails permanently. A callback source that was not yet read can be run again. */
static void in_each_thread_of_a_stream(glacier_client_t *client, const uint8_t *data, size_t size)
{
    static const char *const threads[] = {"glacier-push", "glacier-job", "glacier-read", "glacier-hash",
                                          "glacier-send"};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        glacier_upload_t *upload = local_upload(client);
        int given = 0;
        panic_in(threads[i]);
        if (i != 1) {
            glacier_result_t result = glacier_upload_write(upload, data, size, NULL);
            CHECK(result == GLACIER_E_PANIC || (result == GLACIER_OK && i != 0));
            FAILS_WITH(GLACIER_E_PANIC, threads[i], glacier_upload_finish(upload, &err));
            panic_no_more();
            FAILS_WITH(GLACIER_E_PANIC, threads[i], glacier_upload_finish(upload, &err));
        } else {
            OK(glacier_upload_set_source_callback(upload, give_one, GLACIER_UNKNOWN_LENGTH, &given, NULL, &err));
            FAILS_WITH(GLACIER_E_PANIC, threads[i], glacier_upload_run(upload, &err));
            panic_no_more();
            CHECK_NUMBER(given, 0);
            OK(glacier_upload_transfer(upload, &err));
        }
        OK(glacier_upload_abort(upload, &err));
        glacier_upload_free(upload);
    }
}

static void in_each_other_working_call(glacier_client_t *client, const uint8_t *data)
{
    glacier_upload_t *upload = local_upload(client);
    glacier_uploads_t *uploads = NULL;
    glacier_parts_t *parts = NULL;

    panic_in("glacier-job");
    FAILS(GLACIER_E_PANIC, glacier_client_list_uploads(client, VAULT, &uploads, &err));
    FAILS(GLACIER_E_PANIC, glacier_upload_initiate(upload, &err));
    panic_no_more();
    OK(glacier_upload_initiate(upload, &err));

    panic_in("glacier-job");
    FAILS(GLACIER_E_PANIC, glacier_upload_put_part(upload, 0, data, MIB, &err));
    CHECK(strcmp(glacier_upload_id(upload), "") != 0);
    FAILS(GLACIER_E_PANIC, glacier_upload_list_parts(upload, &parts, &err));
    FAILS(GLACIER_E_PANIC, glacier_upload_complete(upload, &err));
    FAILS(GLACIER_E_PANIC, glacier_upload_abort(upload, &err));
    CHECK(uploads == NULL && parts == NULL);
    panic_no_more();

    OK(glacier_upload_put_part(upload, 0, data, MIB, &err));
    OK(glacier_upload_abort(upload, &err));
    glacier_upload_free(upload);
}

/* A file of two groups of leaves, so that a second thread hashes. */
static void in_a_thread_that_hashes(const char *name)
{
    FILE *file = fopen(name, "w");
    uint8_t hash[32];
    CHECK(file != NULL);
    CHECK_NUMBER(fseek(file, 16 * (long)MIB, SEEK_SET), 0);
    CHECK(fputc('x', file) == 'x');
    CHECK_NUMBER(fclose(file), 0);

    panic_in("glacier-hash");
    FAILS_WITH(GLACIER_E_PANIC, "glacier-hash", glacier_treehash_file(name, 2, NULL, NULL, hash, &err));
    FAILS_WITH(GLACIER_E_PANIC, "glacier-hash", glacier_treehash_file(name, 2, go_on, NULL, hash, &err));
    panic_no_more();
    OK(glacier_treehash_file(name, 2, go_on, NULL, hash, &err));
}

int main(int argc, char **argv)
{
    CHECK_NUMBER(argc, 2); /* a file to write */
    const size_t size = 3 * MIB + 1;
    uint8_t *data = local_data(size);
    glacier_client_t *client = local_client(2);
    in_each_thread_of_a_run(client, data, size);
    in_each_thread_of_a_started_run(client, data, size);
    in_each_thread_of_a_stream(client, data, size);
    in_each_other_working_call(client, data);
    in_a_thread_that_hashes(argv[1]);
    glacier_client_free(client);
    free(data);
    return 0;
}
