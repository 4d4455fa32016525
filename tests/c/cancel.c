/*
 * Cancel, from another thread and from a signal handler, while the service does not answer; then the same handles
 * carry on. The local Glacier stalls part 1 until this program has printed a line and read one.
 */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>

#include "local.h"
#include "threads.h"

static glacier_upload_t *in_progress;
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

int main(void)
{
    uint8_t *data = local_data(3 * MIB);
    glacier_client_t *client = local_client(1);
    glacier_upload_t *all_at_once = local_upload(client), *by_hand = local_upload(client);
    struct sigaction handler = {0};
    handler.sa_handler = cancel_on_signal;
    CHECK_NUMBER(sigaction(SIGUSR1, &handler, NULL), 0);
    main_thread = pthread_self();

    OK(glacier_upload_set_source_memory(all_at_once, data, 3 * MIB, &err));
    in_progress = all_at_once;
    run_is_canceled_by(cancel);
    run_is_canceled_by(send_signal);

    OK(glacier_upload_initiate(by_hand, &err));
    glacier_upload_cancel(by_hand);
    glacier_upload_cancel(by_hand); /* twice is once: it stops the next call, and not the one after that */
    FAILS(GLACIER_E_CANCELED, glacier_upload_put_part(by_hand, 0, data, MIB, &err));
    OK(glacier_upload_put_part(by_hand, 0, data, MIB, &err));
    in_progress = by_hand;
    part_is_canceled_by(cancel, data + MIB);
    part_is_canceled_by(send_signal, data + MIB);

    puts("canceled");
    fflush(stdout);
    CHECK(getchar() != EOF);

    OK(glacier_upload_run(all_at_once, &err));
    OK(glacier_upload_put_part(by_hand, 1, data + MIB, MIB, &err));
    OK(glacier_upload_put_part(by_hand, 2, data + 2 * MIB, MIB, &err));
    OK(glacier_upload_complete(by_hand, &err));

    glacier_upload_free(all_at_once);
    glacier_upload_free(by_hand);
    glacier_client_free(client);
    free(data);
    return 0;
}
