/*
 * Cancels from another thread and from a signal handler while the service does not respond. Then the same handles
 * resume. The local Glacier stalls part 1 until this program has printed a line and read one.
 */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>

#include "local.h"
#include "service.h"
#include "threads.h"

#define LISTS "\"ListMultipartUploads\""

static glacier_upload_t *in_progress;
static glacier_client_t *listing;
static pthread_t main_thread;

static void *cancel(void *unused)
{
    (void)unused;
    wait_for_parts_in_flight(in_progress, 1);
    glacier_upload_cancel(in_progress);
    return NULL;
}

static void cancel_on_signal(int signal_number)
{
    (void)signal_number;
    glacier_upload_cancel(in_progress);
}

static void *send_signal(void *unused)
{
    (void)unused;
    wait_for_parts_in_flight(in_progress, 1);
    CHECK_NUMBER(pthread_kill(main_thread, SIGUSR1), 0);
    return NULL;
}

static void run_is_canceled_by(void *(*canceler)(void *))
{
    pthread_t thread = start(canceler, NULL);
    CHECK_NUMBER(glacier_upload_run(in_progress, &err), GLACIER_E_CANCELED);
    CHECK_NUMBER(glacier_error_is_resumable(err), 1);
    CHECK(strstr(glacier_error_message(err), glacier_upload_id(in_progress)) != NULL);
    glacier_error_free(err);
    err = NULL;
    join(thread);
}

static void part_is_canceled_by(void *(*canceler)(void *), const uint8_t *part)
{
    pthread_t thread = start(canceler, NULL);
    FAILS(GLACIER_E_CANCELED, glacier_upload_put_part(in_progress, 1, part, MIB, &err));
    join(thread);
}

static void wait_for_lists(unsigned count)
{
    while (requests_with(LISTS) < count)
        ;
}

static void *cancel_list(void *count)
{
    wait_for_lists(*(const unsigned *)count);
    glacier_client_cancel(listing);
    return NULL;
}

static void cancel_list_on_signal(int signal_number)
{
    (void)signal_number;
    glacier_client_cancel(listing);
}

static void *send_list_signal(void *count)
{
    wait_for_lists(*(const unsigned *)count);
    CHECK_NUMBER(pthread_kill(main_thread, SIGUSR2), 0);
    return NULL;
}

/* The requests of both calls stall until they are canceled. */
static void list_is_canceled(glacier_client_t *client)
{
    glacier_uploads_t *uploads = NULL;
    unsigned count = requests_with(LISTS) + 1;
    listing = client;
    service_fault("{\"operation\": \"ListMultipartUploads\", \"times\": 2, \"action\": {\"kind\": \"stall\"}}");
    pthread_t thread = start(cancel_list, &count);
    FAILS(GLACIER_E_CANCELED, glacier_client_list_uploads(client, VAULT, &uploads, &err));
    join(thread);
    count++;
    thread = start(send_list_signal, &count);
    FAILS(GLACIER_E_CANCELED, glacier_client_list_uploads(client, VAULT, &uploads, &err));
    join(thread);

    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err)); /* the request is cleared */
    glacier_uploads_free(uploads);
    count = requests_with(LISTS);
    glacier_client_cancel(client);
    glacier_client_cancel(client); /* two cancels count as one: they stop the next call, which sends nothing */
    FAILS(GLACIER_E_CANCELED, glacier_client_list_uploads(client, VAULT, &uploads, &err));
    CHECK_NUMBER(requests_with(LISTS), count);
    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
    glacier_uploads_free(uploads);
    glacier_client_cancel(NULL);
}

static void wait_is_canceled_by(void *(*canceler)(void *))
{
    OK(glacier_upload_start(in_progress, NULL, NULL, NULL, &err));
    pthread_t thread = start(canceler, NULL);
    FAILS(GLACIER_E_CANCELED, glacier_upload_wait(in_progress, GLACIER_FOREVER, &err));
    join(thread);
}

/* Inside write, which waits for memory, or inside finish, which waits for the service. */
static void stream_is_canceled_by(void *(*canceler)(void *), const uint8_t *data, int finish)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *small = NULL;
    glacier_result_t result;
    OK(glacier_config_set_memory_limit(config, 2 * MIB, &err));
    OK(glacier_client_new(config, &small, &err));
    glacier_config_free(config);
    in_progress = local_upload(small);
    pthread_t thread = start(canceler, NULL);
    do {
        result = glacier_upload_write(in_progress, data, finish ? 2 * MIB : 3 * MIB, NULL);
        if (finish && result == GLACIER_OK)
            result = glacier_upload_finish(in_progress, NULL);
    } while (result == GLACIER_OK);
    join(thread);
    CHECK_NUMBER(result, GLACIER_E_CANCELED);
    OK(glacier_upload_abort(in_progress, &err));
    glacier_upload_free(in_progress);
    glacier_client_free(small);
}

int main(void)
{
    uint8_t *data = local_data(3 * MIB);
    glacier_client_t *client = local_client(1);
    glacier_upload_t *all_at_once = local_upload(client), *by_hand = local_upload(client);
    glacier_upload_t *started = local_upload(client);
    struct sigaction handler = {0};
    handler.sa_handler = cancel_on_signal;
    CHECK_NUMBER(sigaction(SIGUSR1, &handler, NULL), 0);
    handler.sa_handler = cancel_list_on_signal;
    CHECK_NUMBER(sigaction(SIGUSR2, &handler, NULL), 0);
    main_thread = pthread_self();
    list_is_canceled(client);

    OK(glacier_upload_set_source_memory(all_at_once, data, 3 * MIB, &err));
    in_progress = all_at_once;
    run_is_canceled_by(cancel);
    run_is_canceled_by(send_signal);

    OK(glacier_upload_initiate(by_hand, &err));
    glacier_upload_cancel(by_hand);
    glacier_upload_cancel(by_hand); /* two cancels count as one: they stop the next call, but not the one after it */
    FAILS(GLACIER_E_CANCELED, glacier_upload_put_part(by_hand, 0, data, MIB, &err));
    OK(glacier_upload_put_part(by_hand, 0, data, MIB, &err));
    in_progress = by_hand;
    part_is_canceled_by(cancel, data + MIB);
    part_is_canceled_by(send_signal, data + MIB);

    OK(glacier_upload_set_source_memory(started, data, 3 * MIB, &err));
    in_progress = started;
    wait_is_canceled_by(cancel);
    wait_is_canceled_by(send_signal);
    for (int finish = 0; finish < 2; finish++) {
        stream_is_canceled_by(cancel, data, finish);
        stream_is_canceled_by(send_signal, data, finish);
    }

    puts("canceled");
    fflush(stdout);
    CHECK(getchar() != EOF);

    OK(glacier_upload_run(all_at_once, &err));
    OK(glacier_upload_put_part(by_hand, 1, data + MIB, MIB, &err));
    OK(glacier_upload_put_part(by_hand, 2, data + 2 * MIB, MIB, &err));
    OK(glacier_upload_complete(by_hand, &err));
    glacier_upload_cancel(started); /* there is no call in progress: the cancel stops the next one */
    OK(glacier_upload_start(started, NULL, NULL, NULL, &err));
    FAILS(GLACIER_E_CANCELED, glacier_upload_wait(started, GLACIER_FOREVER, &err));
    OK(glacier_upload_start(started, NULL, NULL, NULL, &err));
    OK(glacier_upload_wait(started, GLACIER_FOREVER, &err));

    glacier_upload_free(started);
    glacier_upload_free(all_at_once);
    glacier_upload_free(by_hand);
    glacier_client_free(client);
    free(data);
    return 0;
}
