/* In a forked child, handles of the parent are rejected and can be freed. In the parent they keep working. */
#define _POSIX_C_SOURCE 200809L

#include "everything.h"
#include "processes.h"
#include "service.h"
#include "threads.h"

static void in_the_child(glacier_client_t *client, glacier_upload_t *upload)
{
    glacier_uploads_t *uploads = NULL;
    glacier_upload_t *another = NULL;
    glacier_progress_t progress;
    FAILS(GLACIER_E_FORKED, glacier_client_list_uploads(client, VAULT, &uploads, &err));
    FAILS(GLACIER_E_FORKED, glacier_upload_new(client, VAULT, &another, &err));
    everything_gives(GLACIER_E_FORKED, upload);
    FAILS(GLACIER_E_FORKED, glacier_upload_progress(upload, &progress, sizeof progress, &err));
    CHECK(glacier_upload_state(upload) != GLACIER_STATE_NEW && glacier_upload_id(upload) != NULL);
    CHECK_TEXT(glacier_upload_vault(upload), VAULT);
    CHECK_NUMBER(glacier_upload_part_size(upload), MIB);
    CHECK(glacier_upload_archive_id(upload) == NULL && glacier_upload_tree_hash(upload) == NULL);
    glacier_upload_cancel(upload);
    glacier_upload_free(upload);
    glacier_client_free(client);

    /* Handles that the child creates work. */
    client = local_client(1);
    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
    CHECK_NUMBER(glacier_uploads_count(uploads), 1);
    glacier_uploads_free(uploads);
    glacier_client_free(client);
}

/* The child has none of the parent's threads and cannot free their memory: it does not count as a leak. */
static void leave_without_counting(void)
{
    execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
}

/* AddressSanitizer's allocator does not survive a fork while another thread allocates: the child inherits a lock that no thread
 * releases. The C library's allocator survives it. */
#ifdef __SANITIZE_ADDRESS__
enum { CAN_ALLOCATE_BESIDE_THREADS = 0 };
#else
enum { CAN_ALLOCATE_BESIDE_THREADS = 1 };
#endif

static void try_in_a_child(glacier_client_t *client, glacier_upload_t *upload, void (*leave)(void))
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (leave != leave_without_counting || CAN_ALLOCATE_BESIDE_THREADS)
            in_the_child(client, upload);
        leave();
    }
    ends_well(child);
}

static uint8_t *data;

static void leave(void)
{
    free(data);
    exit(EXIT_SUCCESS);
}

static void between_two_calls(glacier_client_t *client)
{
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_initiate(upload, &err));
    try_in_a_child(client, upload, leave);
    OK(glacier_upload_put_part(upload, 0, data, MIB, &err));
    OK(glacier_upload_complete(upload, &err));
    glacier_upload_free(upload);
}

static int done_and_destroyed;

static void count_done(void *done, glacier_result_t result, const glacier_error_t *failure)
{
    (void)failure;
    CHECK_NUMBER(result, GLACIER_E_CANCELED);
    ++*(int *)done;
}

static void count(void *counter)
{
    ++*(int *)counter;
}

static void during_a_started_run(glacier_client_t *client)
{
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, MIB, &err));
    service_fault(STALLED_PART(0));
    OK(glacier_upload_start(upload, count_done, &done_and_destroyed, count, &err));
    wait_for_parts_in_flight(upload, 1);
    try_in_a_child(client, upload, leave_without_counting);
    FAILS(GLACIER_E_PENDING, glacier_upload_wait(upload, 0, &err));
    glacier_upload_cancel(upload);
    FAILS(GLACIER_E_CANCELED, glacier_upload_wait(upload, GLACIER_FOREVER, &err));
    CHECK_NUMBER(done_and_destroyed, 2);
    service_works();
    OK(glacier_upload_run(upload, &err));
    glacier_upload_free(upload);
}

static void during_a_stream(glacier_client_t *client)
{
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_write(upload, data, MIB, &err));
    WAIT_UNTIL(progress_of(upload).parts_done == 1);
    try_in_a_child(client, upload, leave_without_counting);
    OK(glacier_upload_finish(upload, &err));
    glacier_upload_free(upload);
}

/* A fork inside a callback: the child leaves by exec or _exit, and the parent returns. */
static int32_t fork_once(void *upload, const glacier_progress_t *p)
{
    static int forked;
    (void)p;
    if (!forked++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (CAN_ALLOCATE_BESIDE_THREADS) {
                FAILS(GLACIER_E_FORKED, glacier_upload_abort((glacier_upload_t *)upload, &err));
                glacier_upload_free((glacier_upload_t *)upload);
            }
            leave_without_counting();
        }
        ends_well(child);
    }
    return GLACIER_CONTINUE;
}

static void in_a_callback(glacier_client_t *client)
{
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, MIB, &err));
    OK(glacier_upload_set_progress(upload, fork_once, upload, NULL, &err));
    OK(glacier_upload_run(upload, &err));
    glacier_upload_free(upload);
}

static void *write_until_canceled(void *upload)
{
    while (glacier_upload_write((glacier_upload_t *)upload, data, 1, NULL) == GLACIER_OK) {
    }
    return NULL;
}

/* The other threads may hold any lock of the library at the time of the fork. A client that the child creates needs none of
 * them. */
static void beside_calls_of_other_threads(glacier_client_t *client, int forks)
{
    enum { THREADS = 4, SECONDS_MAX = 120 };
    glacier_upload_t *uploads[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        uploads[i] = local_upload(client);
        threads[i] = start(write_until_canceled, uploads[i]);
    }
    while (forks-- > 0) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(SECONDS_MAX); /* ends a child that waits for a lock */
            if (CAN_ALLOCATE_BESIDE_THREADS) {
                glacier_client_t *own = local_client(1);
                glacier_upload_t *upload = local_upload(own);
                OK(glacier_upload_initiate(upload, &err));
                OK(glacier_upload_put_part(upload, 0, data, MIB, &err));
                OK(glacier_upload_abort(upload, &err));
                glacier_upload_free(upload);
                glacier_client_free(own);
            }
            leave_without_counting();
        }
        ends_well(child);
    }
    for (int i = 0; i < THREADS; i++) {
        glacier_upload_cancel(uploads[i]);
        join(threads[i]);
        glacier_upload_free(uploads[i]);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    data = local_data(MIB);
    glacier_client_t *client = local_client(1);
    between_two_calls(client);
    during_a_started_run(client);
    during_a_stream(client);
    in_a_callback(client);
    if (atoi(argv[1]) > 0)
        beside_calls_of_other_threads(client, atoi(argv[1]));
    glacier_client_free(client);
    free(data);
    return 0;
}
