/*
 * Several threads on one handle: a call that is not admitted returns GLACIER_E_BUSY at once, and no data is lost. The
 * local Glacier stalls part 1 of every upload, so that a call stays in progress until it is canceled.
 */
#define _POSIX_C_SOURCE 200809L

#include "everything.h"
#include "threads.h"

/* CANCELS is finite so that an upload ends even if each request takes longer than the time between two cancels. */
enum { ROUNDS = 100, CANCELS = 10 };

static uint8_t *data;
static uint8_t hash[32];
static glacier_client_t *client;

static int32_t go_on(void *user_data, const glacier_progress_t *p)
{
    (void)user_data, (void)p;
    return GLACIER_CONTINUE;
}

static void count(void *destroyed)
{
    __atomic_fetch_add((int *)destroyed, 1, __ATOMIC_RELAXED);
}

static void *run(void *upload)
{
    CHECK_NUMBER(glacier_upload_run((glacier_upload_t *)upload, NULL), GLACIER_E_CANCELED);
    return NULL;
}

static void *put_stalled(void *upload)
{
    CHECK_NUMBER(glacier_upload_put_part((glacier_upload_t *)upload, 1, data, MIB, NULL), GLACIER_E_CANCELED);
    return NULL;
}

static void watching_goes_on(glacier_upload_t *upload)
{
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_TRANSFERRING);
    CHECK_TEXT(glacier_upload_vault(upload), VAULT);
    CHECK_NUMBER(glacier_upload_part_size(upload), MIB);
    CHECK(glacier_upload_id(upload) != NULL && glacier_upload_archive_id(upload) == NULL);
    OK(glacier_upload_set_bandwidth_limit(upload, 100 * MIB, &err));
}

static void beside_a_run(void)
{
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, 3 * MIB, &err));
    pthread_t thread = start(run, upload);
    wait_for_parts_in_flight(upload, 1);
    all_alone_give(GLACIER_E_BUSY, upload);
    all_parts_give(GLACIER_E_BUSY, upload);
    FAILS(GLACIER_E_BUSY, glacier_upload_abort(upload, &err));
    FAILS(GLACIER_E_STATE, glacier_upload_wait(upload, 0, &err)); /* no run was started */
    watching_goes_on(upload);
    glacier_upload_cancel(upload);
    join(thread);
    OK(glacier_upload_abort(upload, &err));
    glacier_upload_free(upload);
}

static void beside_a_part(void)
{
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_initiate(upload, &err));
    pthread_t thread = start(put_stalled, upload);
    wait_for_parts_in_flight(upload, 1);
    all_alone_give(GLACIER_E_BUSY, upload);
    FAILS(GLACIER_E_BUSY, glacier_upload_abort(upload, &err));
    FAILS_WITH(GLACIER_E_BUSY, "part 1", glacier_upload_put_part(upload, 1, data, MIB, &err));
    OK(glacier_upload_put_part(upload, 0, data, MIB, &err)); /* other parts may be put at the same time */
    OK(glacier_upload_put_part_checked(upload, 2, data, MIB, hash, &err));
    watching_goes_on(upload);
    glacier_upload_cancel(upload);
    join(thread);
    OK(glacier_upload_abort(upload, &err));
    glacier_upload_free(upload);
}

/* Polls and cancels from many threads while the main thread uses the handle. */
struct watched {
    glacier_upload_t *upload;
    int over;
};

static void *watch_and_wait(void *user_data)
{
    struct watched *watched = (struct watched *)user_data;
    glacier_upload_t *upload = watched->upload;
    const struct timespec millisecond = {0, 1000000};
    uint64_t done = 0, sent = 0;
    for (int i = 0; !__atomic_load_n(&watched->over, __ATOMIC_ACQUIRE); i++) {
        glacier_progress_t progress = progress_of(upload);
        CHECK(progress.bytes_done >= done && progress.bytes_sent >= sent); /* counts only grow */
        done = progress.bytes_done;
        sent = progress.bytes_sent;
        CHECK(glacier_upload_state(upload) <= GLACIER_STATE_COMPLETED);
        CHECK_TEXT(glacier_upload_vault(upload), VAULT);
        const char *id = glacier_upload_id(upload), *archive = glacier_upload_archive_id(upload);
        CHECK(archive == NULL || (id != NULL && glacier_upload_tree_hash(upload) != NULL));
        CHECK(glacier_upload_part_size(upload) == MIB || id == NULL);
        glacier_result_t result = glacier_upload_wait(upload, (uint64_t)(i % 3), &err);
        CHECK_NUMBER(glacier_error_code(err), result);
        CHECK(result == GLACIER_OK || result == GLACIER_E_PENDING || result == GLACIER_E_STATE ||
              result == GLACIER_E_CANCELED);
        glacier_error_free(err);
        if (i % 16 == 15 && i < 16 * CANCELS)
            glacier_upload_cancel(upload);
        nanosleep(&millisecond, NULL); /* valgrind runs one thread at a time */
    }
    return NULL;
}

/* Resumes after each cancel until there is an archive. */
static void run_in_the_background(glacier_upload_t *upload)
{
    glacier_result_t result;
    OK(glacier_upload_set_source_memory(upload, data, MIB, &err));
    do {
        OK(glacier_upload_start(upload, NULL, NULL, NULL, &err));
        result = glacier_upload_wait(upload, GLACIER_FOREVER, NULL);
        CHECK(result == GLACIER_OK || result == GLACIER_E_CANCELED || result == GLACIER_E_OUTCOME_UNKNOWN);
    } while (result != GLACIER_OK);
}

/* A cancel of a stream is permanent: writes until then, or to the end. */
static void write_as_a_stream(glacier_upload_t *upload)
{
    glacier_result_t result = GLACIER_OK;
    for (size_t at = 0; at < MIB && result == GLACIER_OK; at += 1024)
        result = glacier_upload_write(upload, data + at, 1024, NULL);
    if (result == GLACIER_OK)
        result = glacier_upload_finish(upload, NULL);
    CHECK(result == GLACIER_OK || result == GLACIER_E_CANCELED || result == GLACIER_E_OUTCOME_UNKNOWN);
}

static void watched_by_many(void (*work)(glacier_upload_t *))
{
    pthread_t threads[4];
    for (int round = 0; round < 3; round++) {
        struct watched watched = {local_upload(client), 0};
        for (int i = 0; i < 4; i++)
            threads[i] = start(watch_and_wait, &watched);
        work(watched.upload);
        __atomic_store_n(&watched.over, 1, __ATOMIC_RELEASE);
        for (int i = 0; i < 4; i++)
            join(threads[i]);
        glacier_upload_free(watched.upload);
    }
}

/* Shared by the threads of a crowd. */
struct crowd {
    glacier_upload_t *upload;
    glacier_config_t *config;
    glacier_treehash_t *hasher;
    int given, destroyed;
};

static void *list_and_watch(void *user_data)
{
    struct crowd *crowd = (struct crowd *)user_data;
    for (int i = 0; i < ROUNDS; i++) {
        glacier_parts_t *parts = NULL;
        glacier_progress_t progress;
        glacier_result_t result = glacier_upload_list_parts(crowd->upload, &parts, NULL);
        CHECK(result == GLACIER_OK || result == GLACIER_E_BUSY || result == GLACIER_E_CANCELED);
        CHECK((parts != NULL) == (result == GLACIER_OK));
        glacier_parts_free(parts);
        CHECK_NUMBER(glacier_upload_progress(crowd->upload, &progress, sizeof progress, NULL), GLACIER_OK);
        CHECK(glacier_upload_id(crowd->upload) != NULL);
    }
    return NULL;
}

static void *put_and_cancel(void *user_data)
{
    struct crowd *crowd = (struct crowd *)user_data;
    for (int i = 0; i < ROUNDS; i++) {
        glacier_result_t result = glacier_upload_put_part(crowd->upload, 0, data, 1000, NULL);
        CHECK(result == GLACIER_OK || result == GLACIER_E_BUSY || result == GLACIER_E_CANCELED);
        if (i % 10 == 0)
            glacier_upload_cancel(crowd->upload);
    }
    return NULL;
}

static void *set_and_hash(void *user_data)
{
    struct crowd *crowd = (struct crowd *)user_data;
    for (int i = 0; i < ROUNDS; i++) {
        glacier_result_t result = glacier_upload_set_progress(crowd->upload, go_on, &crowd->destroyed, count, NULL);
        CHECK(result == GLACIER_OK || result == GLACIER_E_BUSY);
        __atomic_fetch_add(&crowd->given, 1, __ATOMIC_RELAXED);
        result = glacier_config_set_region(crowd->config, "eu-central-1", NULL);
        CHECK(result == GLACIER_OK || result == GLACIER_E_BUSY);
        result = glacier_treehash_update(crowd->hasher, data, 1000, NULL);
        CHECK(result == GLACIER_OK || result == GLACIER_E_BUSY);
    }
    return NULL;
}

/* All of them at once, on one handle of each kind. */
static void in_a_crowd(void)
{
    static void *(*const works[])(void *) = {list_and_watch, list_and_watch, put_and_cancel,
                                             put_and_cancel, set_and_hash,   set_and_hash};
    enum { THREADS = sizeof works / sizeof works[0] };
    pthread_t threads[THREADS];
    struct crowd crowd = {local_upload(client), glacier_config_new(), glacier_treehash_new(), 0, 0};
    OK(glacier_upload_initiate(crowd.upload, &err));
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(works[i], &crowd);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);

    /* The last cancel may still be pending for the next call. */
    if (glacier_upload_abort(crowd.upload, NULL) == GLACIER_E_CANCELED)
        OK(glacier_upload_abort(crowd.upload, &err));
    CHECK_NUMBER(glacier_upload_state(crowd.upload), GLACIER_STATE_ABORTED);
    glacier_upload_free(crowd.upload);
    glacier_config_free(crowd.config);
    glacier_treehash_free(crowd.hasher);
    CHECK_NUMBER(crowd.destroyed, crowd.given);
}

int main(void)
{
    data = local_data(3 * MIB);
    client = local_client(1);
    glacier_treehash_t *hasher = glacier_treehash_new();
    OK(glacier_treehash_update(hasher, data, MIB, &err));
    OK(glacier_treehash_finish(hasher, hash, &err));
    glacier_treehash_free(hasher);

    beside_a_run();
    beside_a_part();
    in_a_crowd();
    watched_by_many(run_in_the_background);
    watched_by_many(write_as_a_stream);
    glacier_client_free(client);
    free(data);
    return 0;
}
