/*
 * Working calls after the thread-local storage of a thread is destroyed: in an exit handler, in a destructor of the
 * program, and in the destructor of a pthread key. The thread has used the library before, and callbacks run.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "local.h"

enum { SIZE = 1000 };

static glacier_client_t *client;
static uint8_t *data;
static pthread_key_t key;
static unsigned long lines, reports;

static void count_line(void *user_data, glacier_log_level_t level, const char *message)
{
    (void)user_data, (void)level, (void)message;
    __atomic_fetch_add(&lines, 1, __ATOMIC_RELAXED);
}

static int32_t count_report(void *user_data, const glacier_progress_t *p)
{
    (void)p;
    __atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED);
    /* The handle is in use by the call that runs this callback. */
    FAILS(GLACIER_E_BUSY, glacier_upload_run((glacier_upload_t *)user_data, &err));
    return GLACIER_CONTINUE;
}

static void run_from_memory(void)
{
    unsigned long lines_before = lines, reports_before = reports;
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_progress(upload, count_report, upload, NULL, &err));
    OK(glacier_upload_set_source_memory(upload, data, SIZE, &err));
    OK(glacier_upload_run(upload, &err));
    CHECK(glacier_upload_archive_id(upload) != NULL);
    CHECK(lines > lines_before && reports > reports_before);
    glacier_upload_free(upload);
}

/* One upload by each kind of call, and the other calls. */
static void use_everything(void)
{
    run_from_memory();

    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, SIZE, &err));
    OK(glacier_upload_start(upload, NULL, NULL, NULL, &err));
    OK(glacier_upload_wait(upload, UINT64_MAX, &err));
    glacier_upload_free(upload);

    upload = local_upload(client);
    OK(glacier_upload_write(upload, data, SIZE, &err));
    OK(glacier_upload_finish(upload, &err));
    glacier_upload_free(upload);

    upload = local_upload(client);
    OK(glacier_upload_initiate(upload, &err));
    OK(glacier_upload_put_part(upload, 0, data, SIZE, &err));
    glacier_parts_t *parts = NULL;
    OK(glacier_upload_list_parts(upload, &parts, &err));
    CHECK_NUMBER(glacier_parts_count(parts), 1);
    glacier_parts_free(parts);
    glacier_uploads_t *uploads = NULL;
    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
    CHECK_NUMBER(glacier_uploads_count(uploads), 1);
    glacier_uploads_free(uploads);
    OK(glacier_upload_abort(upload, &err));
    FAILS(GLACIER_E_STATE, glacier_upload_run(upload, &err));
    glacier_upload_free(upload);

    glacier_client_free(local_client(1));
    uint8_t hash[32];
    glacier_treehash_t *tree = glacier_treehash_new();
    OK(glacier_treehash_update(tree, data, SIZE, &err));
    OK(glacier_treehash_finish(tree, hash, &err));
    glacier_treehash_free(tree);
}

static void use_everything_in_key_destructor(void *value)
{
    (void)value;
    use_everything();
}

static void *use_everything_and_end(void *unused)
{
    (void)unused;
    CHECK_NUMBER(pthread_setspecific(key, data), 0);
    use_everything();
    return NULL;
}

/* The thread calls start for the first time in the destructor of the key. This must not leak memory. */
static void *run_and_end(void *unused)
{
    (void)unused;
    CHECK_NUMBER(pthread_setspecific(key, data), 0);
    run_from_memory();
    return NULL;
}

__attribute__((destructor)) static void use_everything_in_destructor(void)
{
    use_everything();
    glacier_client_free(client);
    free(data);
}

int main(void)
{
    glacier_config_t *config = glacier_config_new();
    OK(glacier_config_set_log(config, GLACIER_LOG_DEBUG, count_line, NULL, NULL, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    data = local_data(SIZE);

    CHECK_NUMBER(pthread_key_create(&key, use_everything_in_key_destructor), 0);
    pthread_t thread;
    CHECK_NUMBER(pthread_create(&thread, NULL, use_everything_and_end, NULL), 0);
    CHECK_NUMBER(pthread_join(thread, NULL), 0);
    CHECK_NUMBER(pthread_create(&thread, NULL, run_and_end, NULL), 0);
    CHECK_NUMBER(pthread_join(thread, NULL), 0);

    CHECK_NUMBER(atexit(use_everything), 0);
    use_everything();
    return 0;
}
