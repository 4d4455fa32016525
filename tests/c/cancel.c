/*
 * Cancel, from another thread and from a signal handler, while the service does not answer; then the same handles
 * carry on. The local Glacier stalls part 1 until this program has printed a line and read one.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "local.h"

static glacier_upload_t *in_progress;
static pthread_t main_thread;

static void wait_for_part_in_flight(void)
{
    const struct timespec millisecond = {0, 1000000};
    glacier_progress_t progress;
    do {
        nanosleep(&millisecond, NULL);
        CHECK_NUMBER(glacier_upload_progress(in_progress, &progress, sizeof progress, NULL), GLACIER_OK);
    } while (progress.parts_in_flight == 0);
}

static void *cancel(void *unused)
{
    (void)unused;
    wait_for_part_in_flight();
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
    wait_for_part_in_flight();
    CHECK_NUMBER(pthread_kill(main_thread, SIGUSR1), 0);
    return NULL;
}

static void run_is_canceled_by(void *(*canceler)(void *))
{
    pthread_t thread;
    CHECK_NUMBER(pthread_create(&thread, NULL, canceler, NULL), 0);
    CHECK_NUMBER(glacier_upload_run(in_progress, &err), GLACIER_E_CANCELED);
    CHECK_NUMBER(glacier_error_is_resumable(err), 1);
    CHECK(strstr(glacier_error_message(err), glacier_upload_id(in_progress)) != NULL);
    glacier_error_free(err);
    err = NULL;
    CHECK_NUMBER(pthread_join(thread, NULL), 0);
}

static void part_is_canceled_by(void *(*canceler)(void *), const uint8_t *data)
{
    pthread_t thread;
    CHECK_NUMBER(pthread_create(&thread, NULL, canceler, NULL), 0);
    FAILS(GLACIER_E_CANCELED, glacier_upload_put_part(in_progress, 1, data, MIB, &err));
    CHECK_NUMBER(pthread_join(thread, NULL), 0);
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
    OK(glacier_upload_put_part(by_hand, 0, data, MIB, &err));
    in_progress = by_hand;
    part_is_canceled_by(cancel, data);
    part_is_canceled_by(send_signal, data);

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
