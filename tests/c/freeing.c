/*
 * Handles are freed in every order, by callbacks, and while other threads are inside calls. The local Glacier stalls
 * parts 1 and 2 of every upload, so that calls stay in progress until they are canceled by freeing.
 *
 * freeing EVERY: tries one of EVERY orders.
 */
#define _POSIX_C_SOURCE 200809L

#include "local.h"
#include "threads.h"

enum { CONFIG, CLIENT, UPLOAD, ERROR, PARTS, UPLOADS, KINDS };

static uint8_t *data;
static char existing_id[512];

/* One handle of each kind. Some were created from others. */
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

/* The remaining handles work. */
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
    /* Each user_data is released with its last user. */
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

/* Tries every order of the elements from place to the end. */
static void in_orders(void (*free_in)(const int *), int kinds, int *order, int place, int every, int *tried)
{
    if (place == kinds && (*tried)++ % every == 0)
        free_in(order);
    for (int i = place; i < kinds; i++) {
        int other = order[i];
        order[i] = order[place], order[place] = other;
        in_orders(free_in, kinds, order, place + 1, every, tried);
        order[place] = order[i], order[i] = other;
    }
}

/* Uploads in the background, and their results. */
enum { MAKER, STARTED, WRITTEN, REFUSAL_OF_BUSY, BUSY_KINDS };

struct busy_family {
    glacier_client_t *client;
    glacier_upload_t *started, *written;
    glacier_error_t *error;
    int done, done_destroyed, progress_destroyed;
};

static void end_of_run(void *user_data, glacier_result_t result, const glacier_error_t *failure)
{
    struct busy_family *family = (struct busy_family *)user_data;
    CHECK_NUMBER(result, GLACIER_E_CANCELED);
    CHECK_NUMBER(glacier_error_code(failure), result);
    CHECK_NUMBER(family->done_destroyed, 0);
    __atomic_fetch_add(&family->done, 1, __ATOMIC_RELEASE);
}

static void count_done(void *user_data)
{
    __atomic_fetch_add(&((struct busy_family *)user_data)->done_destroyed, 1, __ATOMIC_RELEASE);
}

static void count_progress(void *user_data)
{
    __atomic_fetch_add(&((struct busy_family *)user_data)->progress_destroyed, 1, __ATOMIC_RELEASE);
}

static void make_busy(struct busy_family *family)
{
    memset(family, 0, sizeof *family);
    family->client = local_client(1);
    family->started = local_upload(family->client);
    family->written = local_upload(family->client);
    OK(glacier_upload_set_source_memory(family->started, data + MIB, 2 * MIB, &err));
    OK(glacier_upload_set_progress(family->started, go_on, family, count_progress, &err));
    OK(glacier_upload_set_progress(family->written, go_on, family, count_progress, &err));
    OK(glacier_upload_start(family->started, end_of_run, family, count_done, &err));
    OK(glacier_upload_write(family->written, data, MIB + 1, &err));
    CHECK_NUMBER(glacier_upload_run(family->started, &family->error), GLACIER_E_BUSY);
}

static void free_one_busy(struct busy_family *family, int kind)
{
    if (kind != STARTED && family->started != NULL)
        FAILS(GLACIER_E_PENDING, glacier_upload_wait(family->started, 0, &err));
    if (kind != WRITTEN && family->written != NULL)
        OK(glacier_upload_write(family->written, data, 1, &err));
    switch (kind) {
    case MAKER: glacier_client_free(family->client); break;
    case STARTED: glacier_upload_free(family->started), family->started = NULL; break;
    case WRITTEN: glacier_upload_free(family->written), family->written = NULL; break;
    default: CHECK(*glacier_error_message(family->error) != '\0'), glacier_error_free(family->error); break;
    }
}

/* Before the first call. Later a thread that was joined can still be listed for a moment. */
static int threads_at_rest;

/* Each run ends on its own, with its threads. */
static void free_busy_in_order(const int order[BUSY_KINDS])
{
    struct busy_family family;
    make_busy(&family);
    for (int i = 0; i < BUSY_KINDS; i++)
        free_one_busy(&family, order[i]);
    WAIT_UNTIL(threads_now() == threads_at_rest);
    CHECK_NUMBER(__atomic_load_n(&family.done, __ATOMIC_ACQUIRE), 1);
    CHECK_NUMBER(__atomic_load_n(&family.done_destroyed, __ATOMIC_ACQUIRE), 1);
    CHECK_NUMBER(__atomic_load_n(&family.progress_destroyed, __ATOMIC_ACQUIRE), 2);
}

/* A log callback that frees all handles: the call around it ends on its own. */
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

/* A call on its own thread. */
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

/* Frees a handle while one or two calls use it, and checks that they return. */
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
    glacier_client_free(client); /* the upload keeps working */
    freed_during(put, 2, upload);
}

int main(int argc, char **argv)
{
    int order[KINDS] = {CONFIG, CLIENT, UPLOAD, ERROR, PARTS, UPLOADS}, tried = 0;
    int busy_order[BUSY_KINDS] = {MAKER, STARTED, WRITTEN, REFUSAL_OF_BUSY}, busy_tried = 0;
    CHECK_NUMBER(argc, 2);
    threads_at_rest = threads_now();
    data = local_data(3 * MIB);
    glacier_client_t *client = local_client(1);
    glacier_upload_t *existing = local_upload(client);
    OK(glacier_upload_initiate(existing, &err));
    OK(glacier_upload_put_part(existing, 0, data, MIB, &err));
    snprintf(existing_id, sizeof existing_id, "%s", glacier_upload_id(existing));
    glacier_upload_free(existing);
    glacier_client_free(client);

    in_orders(free_in_order, KINDS, order, 0, atoi(argv[1]), &tried);
    CHECK_NUMBER(tried, 720);
    in_orders(free_busy_in_order, BUSY_KINDS, busy_order, 0, (atoi(argv[1]) + 5) / 6, &busy_tried);
    CHECK_NUMBER(busy_tried, 24);
    freed_by_a_log_callback();
    freed_at_work();
    free(data);
    return 0;
}
