/*
 * The return values of callbacks, the calls inside them, and the single release of each user_data. The local Glacier
 * stalls part 1 of every upload, so that each run continues until its callback ends it.
 */
#define _POSIX_C_SOURCE 200809L

#include "everything.h"
#include "threads.h"

struct watcher {
    glacier_upload_t *upload;
    int32_t answer;
    void (*act)(struct watcher *);
    int calls, destroyed;
};

static uint8_t *data;
static glacier_client_t *client;

static int32_t watch(void *user_data, const glacier_progress_t *p)
{
    struct watcher *watcher = (struct watcher *)user_data;
    (void)p;
    CHECK_NUMBER(watcher->destroyed, 0);
    watcher->calls++;
    if (watcher->act != NULL)
        watcher->act(watcher);
    return watcher->answer;
}

static void count(void *user_data)
{
    ((struct watcher *)user_data)->destroyed++;
}

/* Runs an upload that its callback ends. Checks that user_data is released once. */
static void run_with(struct watcher *watcher, glacier_result_t want)
{
    watcher->upload = local_upload(client);
    OK(glacier_upload_set_source_memory(watcher->upload, data, 3 * MIB, &err));
    OK(glacier_upload_set_progress(watcher->upload, watch, watcher, count, &err));
    FAILS(want, glacier_upload_run(watcher->upload, &err));
    CHECK(watcher->calls > 0);
    glacier_upload_free(watcher->upload);
    CHECK_NUMBER(watcher->destroyed, 1);
}

static void only_continue_goes_on(void)
{
    static const int32_t answers[] = {GLACIER_STOP, -1, 2, 0x5a5a5a5a};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct watcher watcher = {NULL, answers[i], NULL, 0, 0};
        run_with(&watcher, GLACIER_E_CALLBACK);
        CHECK_NUMBER(watcher.calls, 1);
    }
}

/* The same during put_part. After it, the handle can be used again. */
static void stopping_a_part(void)
{
    struct watcher watcher = {NULL, GLACIER_STOP, NULL, 0, 0};
    watcher.upload = local_upload(client);
    OK(glacier_upload_initiate(watcher.upload, &err));
    OK(glacier_upload_set_progress(watcher.upload, watch, &watcher, count, &err));
    FAILS(GLACIER_E_CALLBACK, glacier_upload_put_part(watcher.upload, 1, data, MIB, &err));
    CHECK_NUMBER(watcher.calls, 1);
    watcher.answer = GLACIER_CONTINUE;
    OK(glacier_upload_put_part(watcher.upload, 0, data, MIB, &err));
    OK(glacier_upload_abort(watcher.upload, &err));
    glacier_upload_free(watcher.upload);
    CHECK_NUMBER(watcher.destroyed, 1);
}

static void cancel(struct watcher *watcher)
{
    glacier_upload_cancel(watcher->upload);
    glacier_upload_cancel(watcher->upload);
}

/* Every call that uses the handle is rejected. Getters and cancel are not. */
static void call_everything(struct watcher *watcher)
{
    glacier_upload_t *upload = watcher->upload;
    glacier_progress_t progress;
    everything_gives(GLACIER_E_BUSY, upload);
    OK(glacier_upload_progress(upload, &progress, sizeof progress, &err));
    OK(glacier_upload_set_bandwidth_limit(upload, 1000000, &err));
    CHECK(glacier_upload_state(upload) <= GLACIER_STATE_TRANSFERRING);
    CHECK_TEXT(glacier_upload_vault(upload), VAULT);
    glacier_upload_cancel(upload);
}

static void *call_from_another_thread(void *user_data)
{
    struct watcher *watcher = (struct watcher *)user_data;
    CHECK_NUMBER(glacier_upload_abort(watcher->upload, NULL), GLACIER_E_BUSY);
    CHECK_NUMBER(glacier_upload_put_part(watcher->upload, 0, data, MIB, NULL), GLACIER_E_BUSY);
    glacier_upload_cancel(watcher->upload);
    return NULL;
}

static void call_on_another_thread(struct watcher *watcher)
{
    join(start(call_from_another_thread, watcher));
}

static void free_inside(struct watcher *watcher)
{
    if (watcher->calls == 1)
        glacier_upload_free(watcher->upload);
}

static void the_handle_may_be_freed_inside(void)
{
    struct watcher watcher = {NULL, GLACIER_CONTINUE, free_inside, 0, 0};
    watcher.upload = local_upload(client);
    OK(glacier_upload_set_source_memory(watcher.upload, data, 3 * MIB, &err));
    OK(glacier_upload_set_progress(watcher.upload, watch, &watcher, count, &err));
    FAILS(GLACIER_E_CANCELED, glacier_upload_run(watcher.upload, &err));
    CHECK_NUMBER(watcher.destroyed, 1);
}

static void refused_user_data_comes_back(void)
{
    struct watcher watcher = {0};
    glacier_upload_t *upload = local_upload(client);
    FAILS(GLACIER_E_NULL, glacier_upload_set_progress(NULL, watch, &watcher, count, &err));
    CHECK_NUMBER(watcher.destroyed, 1);
    OK(glacier_upload_set_progress(upload, NULL, &watcher, count, &err)); /* released at once without a callback */
    CHECK_NUMBER(watcher.destroyed, 2);
    OK(glacier_upload_set_progress(upload, watch, &watcher, count, &err));
    CHECK_NUMBER(watcher.destroyed, 2);
    OK(glacier_upload_set_progress(upload, watch, &watcher, NULL, &err)); /* replaced */
    CHECK_NUMBER(watcher.destroyed, 3);
    glacier_upload_free(upload);
    CHECK_NUMBER(watcher.destroyed, 3);
}

struct log {
    pthread_t caller;
    glacier_client_t *client;
    glacier_upload_t *upload;
    int lines, destroyed;
};

static void keep_line(void *user_data, glacier_log_level_t level, const char *message)
{
    struct log *log = (struct log *)user_data;
    glacier_uploads_t *uploads = NULL;
    CHECK(pthread_equal(pthread_self(), log->caller));
    CHECK(level >= GLACIER_LOG_ERROR && level <= GLACIER_LOG_DEBUG);
    CHECK(strchr(message, '\n') == NULL && strstr(message, getenv("AWS_SECRET_ACCESS_KEY")) == NULL);
    CHECK_NUMBER(glacier_client_list_uploads(log->client, VAULT, &uploads, NULL), GLACIER_E_BUSY);
    CHECK_NUMBER(glacier_upload_initiate(log->upload, NULL), GLACIER_E_BUSY);
    CHECK_NUMBER(glacier_upload_put_part(log->upload, 0, data, MIB, NULL), GLACIER_E_BUSY);
    CHECK_NUMBER(glacier_upload_set_description(log->upload, "text", NULL), GLACIER_E_BUSY);
    CHECK_NUMBER(glacier_upload_set_bandwidth_limit(log->upload, 0, NULL), GLACIER_OK);
    log->lines++;
}

static void count_log(void *user_data)
{
    ((struct log *)user_data)->destroyed++;
}

static void log_lines_come_on_the_calling_thread(void)
{
    struct log refused = {0}, log = {0};
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *logging = NULL;
    FAILS(GLACIER_E_INVALID, glacier_config_set_log(config, 77, keep_line, &refused, count_log, &err));
    CHECK_NUMBER(refused.destroyed, 1);

    OK(glacier_config_set_log(config, GLACIER_LOG_DEBUG, keep_line, &log, count_log, &err));
    OK(glacier_client_new(config, &logging, &err));
    glacier_config_free(config);
    log.caller = pthread_self();
    log.client = logging;
    glacier_upload_t *upload = local_upload(logging);
    log.upload = local_upload(logging); /* another upload of the same client */
    OK(glacier_upload_initiate(upload, &err));
    OK(glacier_upload_abort(upload, &err));
    CHECK(log.lines > 0);
    glacier_upload_free(log.upload);

    glacier_client_free(logging);
    CHECK_NUMBER(log.destroyed, 0); /* the upload keeps it alive */
    glacier_upload_free(upload);
    CHECK_NUMBER(log.destroyed, 1);
}

int main(void)
{
    data = local_data(3 * MIB);
    client = local_client(2);

    only_continue_goes_on();
    stopping_a_part();
    struct watcher canceling = {NULL, GLACIER_CONTINUE, cancel, 0, 0};
    run_with(&canceling, GLACIER_E_CANCELED);
    struct watcher calling = {NULL, GLACIER_CONTINUE, call_everything, 0, 0};
    run_with(&calling, GLACIER_E_CANCELED);
    struct watcher threaded = {NULL, GLACIER_CONTINUE, call_on_another_thread, 0, 0};
    run_with(&threaded, GLACIER_E_CANCELED);
    the_handle_may_be_freed_inside();
    refused_user_data_comes_back();
    log_lines_come_on_the_calling_thread();

    glacier_client_free(client);
    free(data);
    return 0;
}
