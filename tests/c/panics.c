/*
 * Panics on the threads of the library, which is built to have them on request: each becomes a result of the call, and
 * the handle can be used again, and freed.
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
    static const char *const threads[] = {"glacier-job", "glacier-read", "glacier-send"};
    glacier_upload_t *upload = local_upload(client);
    int destroyed = 0;
    OK(glacier_upload_set_source_memory(upload, data, size, &err));
    OK(glacier_upload_set_progress(upload, go_on, &destroyed, count, &err));
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        panic_in(threads[i]);
        FAILS_SAYING(GLACIER_E_PANIC, threads[i], glacier_upload_run(upload, &err));
        panic_no_more();
        CHECK_NUMBER(glacier_upload_state(upload) == GLACIER_STATE_NEW, i == 0);

        /* One that is given up after its panic is only freed. */
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

/* A file of two chunks, so that there is another thread. */
static void in_a_thread_that_hashes(const char *name)
{
    FILE *file = fopen(name, "w");
    uint8_t hash[32];
    CHECK(file != NULL);
    CHECK_NUMBER(fseek(file, 8 * (long)MIB, SEEK_SET), 0);
    CHECK(fputc('x', file) == 'x');
    CHECK_NUMBER(fclose(file), 0);

    panic_in("glacier-hash");
    FAILS_SAYING(GLACIER_E_PANIC, "glacier-hash", glacier_treehash_file(name, 2, NULL, NULL, hash, &err));
    FAILS_SAYING(GLACIER_E_PANIC, "glacier-hash", glacier_treehash_file(name, 2, go_on, NULL, hash, &err));
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
    in_each_other_working_call(client, data);
    in_a_thread_that_hashes(argv[1]);
    glacier_client_free(client);
    free(data);
    return 0;
}
