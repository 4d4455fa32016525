/*
 * Several threads on one handle: whoever does not fit is told that it is busy, nobody waits for the other, and nothing
 * is lost. The local Glacier stalls part 1 of every upload, so that who is inside stays there until it is canceled.
 */
#define _POSIX_C_SOURCE 200809L

#include "everything.h"
#include "threads.h"

enum { ROUNDS = 100 };

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
    FAILS(GLACIER_E_STATE, glacier_upload_wait(upload, 0, &err)); /* it was not started */
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
    FAILS_SAYING(GLACIER_E_BUSY, "part 1", glacier_upload_put_part(upload, 1, data, MIB, &err));
    OK(glacier_upload_put_part(upload, 0, data, MIB, &err)); /* other parts may go at once */
    OK(glacier_upload_put_part_checked(upload, 2, data, MIB, hash, &err));
    watching_goes_on(upload);
    glacier_upload_cancel(upload);
    join(thread);
    OK(glacier_upload_abort(upload, &err));
    glacier_upload_free(upload);
}

/* What the threads of a crowd share. */
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

/* All at once, on one handle of each kind. */
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

    /* The last cancel may still wait for a call to stop. */
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
    glacier_client_free(client);
    free(data);
    return 0;
}
