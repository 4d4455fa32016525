/*
 * pthread_cancel on a thread inside a working call: the call continues, and the thread is canceled after it returns.
 * The local Glacier stalls part 1 of uploads of two parts.
 */
#define _POSIX_C_SOURCE 200809L

#include "local.h"
#include "threads.h"

/* A call that continues until it is canceled. */
struct job {
    glacier_upload_t *upload;
    glacier_result_t (*call)(glacier_upload_t *upload);
    const uint8_t *data;
    int disabled_before;
    int has_returned;
    int callbacks;
};

static const uint8_t *data;

static int is_cancelable(void)
{
    int state = -1, unused;
    CHECK_NUMBER(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state), 0);
    CHECK_NUMBER(pthread_setcancelstate(state, &unused), 0);
    return state == PTHREAD_CANCEL_ENABLE;
}

static int32_t on_progress(void *user_data, const glacier_progress_t *progress)
{
    (void)progress;
    __atomic_fetch_add(&((struct job *)user_data)->callbacks, 1, __ATOMIC_SEQ_CST);
    CHECK(!is_cancelable());
    pthread_testcancel();
    return GLACIER_CONTINUE;
}

static void *call_and_be_canceled(void *user_data)
{
    struct job *job = (struct job *)user_data;
    int unused;
    if (job->disabled_before)
        CHECK_NUMBER(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &unused), 0);
    CHECK_NUMBER(job->call(job->upload), GLACIER_E_CANCELED);
    CHECK_NUMBER(is_cancelable(), !job->disabled_before);
    __atomic_store_n(&job->has_returned, 1, __ATOMIC_SEQ_CST);
    pthread_testcancel();
    CHECK(job->disabled_before);
    return job;
}

static void canceled_in(glacier_client_t *client, glacier_result_t (*call)(glacier_upload_t *upload),
                        int disabled_before)
{
    struct job job = {local_upload(client), call, data, disabled_before, 0, 0};
    void *returned = NULL;
    OK(glacier_upload_set_progress(job.upload, on_progress, &job, NULL, &err));
    pthread_t thread = start(call_and_be_canceled, &job);
    wait_for_parts_in_flight(job.upload, 1);
    CHECK_NUMBER(pthread_cancel(thread), 0);
    /* After some callbacks, each with a cancellation point, the call is still in progress. */
    int callbacks = __atomic_load_n(&job.callbacks, __ATOMIC_SEQ_CST);
    WAIT_UNTIL(__atomic_load_n(&job.callbacks, __ATOMIC_SEQ_CST) > callbacks + 2);
    CHECK_NUMBER(__atomic_load_n(&job.has_returned, __ATOMIC_SEQ_CST), 0);
    glacier_upload_cancel(job.upload);
    CHECK_NUMBER(pthread_join(thread, &returned), 0);
    CHECK_NUMBER(job.has_returned, 1);
    CHECK(returned == (disabled_before ? (void *)&job : PTHREAD_CANCELED));
    OK(glacier_upload_abort(job.upload, &err));
    glacier_upload_free(job.upload);
}

static glacier_result_t run(glacier_upload_t *upload)
{
    OK(glacier_upload_set_source_memory(upload, data, 2 * MIB, &err));
    return glacier_upload_run(upload, NULL);
}

/* The callbacks run on the thread of the upload. */
static glacier_result_t start_and_wait(glacier_upload_t *upload)
{
    OK(glacier_upload_set_source_memory(upload, data, 2 * MIB, &err));
    OK(glacier_upload_start(upload, NULL, NULL, NULL, &err));
    return glacier_upload_wait(upload, GLACIER_FOREVER, NULL);
}

static glacier_result_t put_part(glacier_upload_t *upload)
{
    OK(glacier_upload_initiate(upload, &err));
    return glacier_upload_put_part(upload, 1, data, MIB, NULL);
}

static glacier_result_t write_and_finish(glacier_upload_t *upload)
{
    OK(glacier_upload_write(upload, data, 2 * MIB, &err));
    return glacier_upload_finish(upload, NULL);
}

/* The thread of a started run belongs to the library, but a callback can cancel it. */
static int32_t cancel_self(void *user_data, const glacier_progress_t *progress)
{
    (void)progress;
    CHECK_NUMBER(pthread_cancel(pthread_self()), 0);
    pthread_testcancel();
    __atomic_fetch_add((int *)user_data, 1, __ATOMIC_SEQ_CST);
    return GLACIER_CONTINUE;
}

static void started_run_goes_on(glacier_client_t *client)
{
    int callbacks = 0;
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, MIB, &err));
    OK(glacier_upload_set_progress(upload, cancel_self, &callbacks, NULL, &err));
    OK(glacier_upload_start(upload, NULL, NULL, NULL, &err));
    OK(glacier_upload_wait(upload, GLACIER_FOREVER, &err));
    CHECK(callbacks > 0);
    glacier_upload_free(upload);
}

int main(void)
{
    uint8_t *bytes = local_data(2 * MIB);
    data = bytes;
    glacier_client_t *client = local_client(2);
    for (int disabled_before = 0; disabled_before < 2; disabled_before++) {
        canceled_in(client, run, disabled_before);
        canceled_in(client, start_and_wait, disabled_before);
        canceled_in(client, put_part, disabled_before);
        canceled_in(client, write_and_finish, disabled_before);
    }
    started_run_goes_on(client);
    glacier_client_free(client);
    free(bytes);
    return 0;
}
