/*
 * Handles are freed in every order, by callbacks, and while other threads are inside of calls. The local Glacier stalls
 * parts 1 and 2 of every upload, so that what is in progress stays so until it is freed.
 *
 * freeing EVERY: of all orders, it tries the first of each EVERY.
 */
#define _POSIX_C_SOURCE 200809L

#include "local.h"
#include "threads.h"

enum { CONFIG, CLIENT, UPLOAD, ERROR, PARTS, UPLOADS, KINDS };

static uint8_t *data;
static char existing_id[512];

/* One of each kind, where one was made from the other. */
struct family {
    glacier_config_t *config;
    glacier_client_t *client;
    glacier_upload_t *upload;
    glacier_error_t *error;
    glacier_parts_t *parts;
    glacier_uploads_t *uploads;
    int log_destroyed, progress_destroyed;
};

static int32_t go_on(void *user_data, const glacier_progress_t *p)
{
    (void)user_data, (void)p;
    return GLACIER_CONTINUE;
}

static void ignore_line(void *user_data, glacier_log_level_t level, const char *message)
{
    (void)user_data, (void)level, (void)message;
}

static void count(void *destroyed)
{
    ++*(int *)destroyed;
}

static void make(struct family *family)
{
    memset(family, 0, sizeof *family);
    family->config = glacier_config_new();
    OK(glacier_config_set_log(family->config, GLACIER_LOG_INFO, ignore_line, &family->log_destroyed, count, &err));
    OK(glacier_client_new(family->config, &family->client, &err));
    family->upload = local_upload(family->client);
    OK(glacier_upload_set_progress(family->upload, go_on, &family->progress_destroyed, count, &err));
    OK(glacier_upload_set_upload_id(family->upload, existing_id, &err));
    OK(glacier_upload_list_parts(family->upload, &family->parts, &err));
    OK(glacier_client_list_uploads(family->client, VAULT, &family->uploads, &err));
    CHECK_NUMBER(glacier_upload_run(family->upload, &family->error), GLACIER_E_STATE);
}

/* What is left works. */
static void use(const struct family *family)
{
    glacier_client_t *another = NULL;
    glacier_progress_t progress;
    if (family->config != NULL) {
        OK(glacier_client_new(family->config, &another, &err));
        glacier_client_free(another);
    }
    if (family->client != NULL)
        glacier_upload_free(local_upload(family->client));
    if (family->upload != NULL) {
        CHECK_TEXT(glacier_upload_id(family->upload), existing_id);
        OK(glacier_upload_progress(family->upload, &progress, sizeof progress, &err));
    }
    if (family->error != NULL)
        CHECK(*glacier_error_message(family->error) != '\0');
    if (family->parts != NULL)
        CHECK(strlen(glacier_parts_tree_hash(family->parts, 0)) == 64);
    if (family->uploads != NULL)
        CHECK(*glacier_uploads_id(family->uploads, 0) != '\0');
}

static void free_one(struct family *family, int kind)
{
    glacier_config_free(kind == CONFIG ? family->config : NULL);
    glacier_client_free(kind == CLIENT ? family->client : NULL);
    glacier_upload_free(kind == UPLOAD ? family->upload : NULL);
    glacier_error_free(kind == ERROR ? family->error : NULL);
    glacier_parts_free(kind == PARTS ? family->parts : NULL);
    glacier_uploads_free(kind == UPLOADS ? family->uploads : NULL);
    switch (kind) {
    case CONFIG: family->config = NULL; break;
    case CLIENT: family->client = NULL; break;
    case UPLOAD: family->upload = NULL; break;
    case ERROR: family->error = NULL; break;
    case PARTS: family->parts = NULL; break;
    default: family->uploads = NULL; break;
    }
    /* Each user_data comes back with the last that may use it. */
    CHECK_NUMBER(family->progress_destroyed, family->upload == NULL);
    CHECK_NUMBER(family->log_destroyed, family->config == NULL && family->client == NULL && family->upload == NULL);
}

static void free_in_order(const int order[KINDS])
{
    struct family family;
    make(&family);
    for (int i = 0; i < KINDS; i++) {
        use(&family);
        free_one(&family, order[i]);
    }
}

/* Every order of what stands from place to the end. */
static void free_in_orders(int order[KINDS], int place, int every, int *tried)
{
    if (place == KINDS && (*tried)++ % every == 0)
        free_in_order(order);
    for (int i = place; i < KINDS; i++) {
        int other = order[i];
        order[i] = order[place], order[place] = other;
        free_in_orders(order, place + 1, every, tried);
        order[place] = order[i], order[i] = other;
    }
}

/* A log callback that frees all there is: the call that it interrupts ends by itself. */
struct log {
    glacier_client_t *client;
    glacier_upload_t *upload;
    int destroyed;
};

static void free_both(void *user_data, glacier_log_level_t level, const char *message)
{
    struct log *log = (struct log *)user_data;
    (void)level, (void)message;
    CHECK_NUMBER(log->destroyed, 0);
    glacier_client_free(log->client);
    glacier_upload_free(log->upload);
    log->client = NULL;
    log->upload = NULL;
}

static void count_log(void *user_data)
{
    ((struct log *)user_data)->destroyed++;
}

static void freed_by_a_log_callback(void)
{
    struct log log = {NULL, NULL, 0};
    glacier_config_t *config = glacier_config_new();
    OK(glacier_config_set_log(config, GLACIER_LOG_INFO, free_both, &log, count_log, &err));
    OK(glacier_client_new(config, &log.client, &err));
    glacier_config_free(config);
    log.upload = local_upload(log.client);
    OK(glacier_upload_set_source_memory(log.upload, data, 3 * MIB, &err));
    FAILS(GLACIER_E_CANCELED, glacier_upload_run(log.upload, &err));
    CHECK(log.upload == NULL);
    CHECK_NUMBER(log.destroyed, 1);
}

/* A call on a thread of its own. */
struct call {
    glacier_upload_t *upload;
    uint32_t part;
    glacier_result_t result;
    pthread_t thread;
};

static void *run(void *user_data)
{
    struct call *call = (struct call *)user_data;
    call->result = glacier_upload_run(call->upload, NULL);
    return NULL;
}

static void *put(void *user_data)
{
    struct call *call = (struct call *)user_data;
    call->result = glacier_upload_put_part(call->upload, call->part, data, MIB, NULL);
    return NULL;
}

/* Frees a handle that one or two calls are at work on, and sees them return. */
static void freed_during(void *(*work)(void *), int calls_count, glacier_upload_t *upload)
{
    int destroyed = 0;
    struct call calls[2] = {{upload, 1, GLACIER_OK, 0}, {upload, 1, GLACIER_OK, 0}};
    OK(glacier_upload_set_progress(upload, go_on, &destroyed, count, &err));
    for (int i = 0; i < calls_count; i++) {
        calls[i].part += (uint32_t)i;
        calls[i].thread = start(work, &calls[i]);
    }
    wait_for_parts_in_flight(upload, (uint64_t)calls_count);
    glacier_upload_free(upload);
    for (int i = 0; i < calls_count; i++) {
        join(calls[i].thread);
        CHECK_NUMBER(calls[i].result, GLACIER_E_CANCELED);
    }
    CHECK_NUMBER(destroyed, 1);
}

static void freed_at_work(void)
{
    glacier_client_t *client = local_client(1);
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data + MIB, 2 * MIB, &err));
    freed_during(run, 1, upload);

    upload = local_upload(client);
    OK(glacier_upload_initiate(upload, &err));
    freed_during(put, 1, upload);

    upload = local_upload(client);
    OK(glacier_upload_initiate(upload, &err));
    glacier_client_free(client); /* the upload goes on */
    freed_during(put, 2, upload);
}

int main(int argc, char **argv)
{
    int order[KINDS] = {CONFIG, CLIENT, UPLOAD, ERROR, PARTS, UPLOADS}, tried = 0;
    CHECK_NUMBER(argc, 2);
    data = local_data(3 * MIB);
    glacier_client_t *client = local_client(1);
    glacier_upload_t *existing = local_upload(client);
    OK(glacier_upload_initiate(existing, &err));
    OK(glacier_upload_put_part(existing, 0, data, MIB, &err));
    snprintf(existing_id, sizeof existing_id, "%s", glacier_upload_id(existing));
    glacier_upload_free(existing);
    glacier_client_free(client);

    free_in_orders(order, 0, atoi(argv[1]), &tried);
    CHECK_NUMBER(tried, 720);
    freed_by_a_log_callback();
    freed_at_work();
    free(data);
    return 0;
}
