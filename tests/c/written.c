/* Write streams: bytes in pieces of any size and of unknown length. */
#define _POSIX_C_SOURCE 200809L

#include "everything.h"
#include "service.h"
#include "threads.h"

enum { WHOLE = 5 * 1048576 + 1000, PARTS = 6 };

static uint8_t *data;
static glacier_client_t *client;
static int threads_at_rest;

/* Progress callbacks so far, of the upload that has this callback. */
static int beats;

static int32_t beat(void *answer, const glacier_progress_t *p)
{
    (void)p;
    __atomic_fetch_add(&beats, 1, __ATOMIC_RELAXED);
    return answer == NULL ? GLACIER_CONTINUE : *(int32_t *)answer;
}

static glacier_result_t write_all(glacier_upload_t *upload, size_t size)
{
    glacier_result_t result = GLACIER_OK;
    for (size_t at = 0; at < size && result == GLACIER_OK; at += 100003)
        result = glacier_upload_write(upload, data + at, size - at < 100003 ? size - at : 100003, &err);
    return result;
}

static void finish(glacier_upload_t *upload)
{
    OK(glacier_upload_finish(upload, &err));
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_COMPLETED);
    CHECK(glacier_upload_archive_id(upload) != NULL && strlen(glacier_upload_tree_hash(upload)) == 64);
    glacier_progress_t progress = progress_of(upload);
    CHECK_NUMBER(progress.bytes_total, WHOLE);
    CHECK_NUMBER(progress.bytes_done + progress.bytes_resumed, WHOLE);
    CHECK_NUMBER(progress.parts_done, progress.parts_total);
    WAIT_UNTIL(threads_now() == threads_at_rest);
}

static void in_pieces_of_every_size(void)
{
    static const size_t sizes[] = {1, 3, 4099, 65536, MIB - 1, MIB, MIB + 1, 2 * MIB + 3, 777};
    glacier_upload_t *upload = local_upload(client);
    for (size_t at = 0, i = 0; at < WHOLE; i++) {
        size_t n = sizes[i % (sizeof sizes / sizeof sizes[0])];
        n = n < WHOLE - at ? n : WHOLE - at;
        uint8_t *piece = (uint8_t *)malloc(n);
        CHECK(piece != NULL);
        memcpy(piece, data + at, n);
        OK(glacier_upload_write(upload, piece, n, &err));
        free(piece); /* it was copied */
        at += n;
    }
    OK(glacier_upload_write(upload, NULL, 0, &err));
    finish(upload);
    OK(glacier_upload_finish(upload, &err));
    FAILS(GLACIER_E_STATE, glacier_upload_write(upload, data, 1, &err));
    glacier_upload_free(upload);
}

/* Nothing is initiated before a part is full, and nothing at all for an empty stream. */
static void the_first_part_is_waited_for(void)
{
    unsigned before = requests_so_far();
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_write(upload, data, 0, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_finish(upload, &err));
    OK(glacier_upload_write(upload, data, MIB - 1, &err));
    CHECK(threads_now() > threads_at_rest);
    CHECK(glacier_upload_id(upload) == NULL);
    glacier_upload_free(upload);
    WAIT_UNTIL(threads_now() == threads_at_rest);
    CHECK_NUMBER(requests_so_far(), before);
}

/* The handle is also in use between two calls. */
static void a_stream_has_the_handle_to_itself(void)
{
    glacier_parts_t *parts = NULL;
    glacier_upload_t *upload = local_upload(client);
    beats = 0;
    OK(glacier_upload_write(upload, data, MIB, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_run(upload, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_start(upload, NULL, NULL, NULL, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_list_parts(upload, &parts, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_complete(upload, &err));
    all_parts_give(GLACIER_E_BUSY, upload);
    FAILS(GLACIER_E_STATE, glacier_upload_wait(upload, GLACIER_FOREVER, &err)); /* a stream is not a run */
    FAILS(GLACIER_E_STATE, glacier_upload_set_archive_size(upload, WHOLE, &err));
    /* The only setter that is allowed during a stream. */
    OK(glacier_upload_set_progress(upload, beat, NULL, NULL, &err));
    CHECK_TEXT(glacier_upload_vault(upload), VAULT);
    int calls = 0;
    for (size_t at = MIB; at < WHOLE; at += 1000, calls++)
        OK(glacier_upload_write(upload, data + at, WHOLE - at < 1000 ? WHOLE - at : 1000, &err));
    CHECK(beats < calls / 4); /* short calls may deliver no callback */
    finish(upload);
    CHECK(beats > 0);
    glacier_upload_free(upload);
}

static void what_was_announced_is_held_to(void)
{
    static const struct {
        size_t announced;
        glacier_result_t want;
    } cases[] = {{WHOLE - 1, GLACIER_E_SOURCE_CHANGED}, {WHOLE + 1, GLACIER_E_SOURCE_SHORT}};
    for (size_t i = 0; i < 2; i++) {
        glacier_upload_t *upload = local_upload(client);
        OK(glacier_upload_set_archive_size(upload, cases[i].announced, &err));
        OK(write_all(upload, WHOLE));
        FAILS(cases[i].want, glacier_upload_finish(upload, &err));
        FAILS(cases[i].want, glacier_upload_finish(upload, &err)); /* all later calls fail */
        OK(glacier_upload_abort(upload, &err));
        glacier_upload_free(upload);
    }
}

static void the_expected_size_chooses_the_parts(void)
{
    glacier_upload_t *upload = NULL;
    OK(glacier_upload_new(client, VAULT, &upload, &err));
    OK(glacier_upload_set_expected_size(upload, 1, &err));
    OK(write_all(upload, WHOLE));
    finish(upload);
    CHECK_NUMBER(glacier_upload_part_size(upload), 16 * MIB);
    glacier_upload_free(upload);
}

static void *cancel_after_five_beats(void *upload)
{
    WAIT_UNTIL(__atomic_load_n(&beats, __ATOMIC_RELAXED) >= 5);
    glacier_upload_cancel((glacier_upload_t *)upload);
    return NULL;
}

/*
 * The memory limit is too small for two parts. Or it is not, but no part can be sent: the writer waits and gets
 * progress.
 */
static void memory_holds_the_writer_back(void)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *small = NULL;
    glacier_upload_t *upload;
    unsigned before = requests_so_far();
    OK(glacier_config_set_memory_limit(config, 3 * MIB, &err));
    OK(glacier_client_new(config, &small, &err));
    glacier_config_free(config);
    upload = local_upload(small);
    OK(glacier_upload_set_part_size(upload, 2 * MIB, &err));
    FAILS_WITH(GLACIER_E_INVALID, "4194304", glacier_upload_write(upload, data, 1, &err));
    glacier_upload_free(upload);
    CHECK_NUMBER(requests_so_far(), before);

    service_fault(STALLED_PART(0));
    service_fault(STALLED_PART(1));
    service_fault(STALLED_PART(2));
    upload = local_upload(small);
    OK(glacier_upload_initiate(upload, &err)); /* a cancel during Initiate may leave an upload */
    OK(glacier_upload_set_progress(upload, beat, NULL, NULL, &err));
    beats = 0;
    pthread_t canceler = start(cancel_after_five_beats, upload);
    FAILS(GLACIER_E_CANCELED, glacier_upload_write(upload, data, WHOLE, &err));
    join(canceler);
    WAIT_UNTIL(threads_now() == threads_at_rest);
    service_works();
    /* The bytes taken cannot be written again: the stream of this handle has failed permanently. */
    FAILS(GLACIER_E_CANCELED, glacier_upload_write(upload, data, 1, &err));
    FAILS(GLACIER_E_CANCELED, glacier_upload_finish(upload, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_complete(upload, &err));
    OK(glacier_upload_abort(upload, &err));
    glacier_upload_free(upload);
    glacier_client_free(small);
}

/* Canceled between two calls: a new handle gets the stream from byte 0 and sends the missing parts. */
static void carried_on_by_a_new_handle(void)
{
    glacier_upload_t *first = local_upload(client), *second = NULL;
    unsigned sent = requests_with("UploadMultipartPart");
    OK(write_all(first, 2 * MIB + 7));
    WAIT_UNTIL(progress_of(first).parts_done == 2);
    glacier_upload_cancel(first);
    WAIT_UNTIL(threads_now() == threads_at_rest); /* without another call */
    CHECK_NUMBER(glacier_upload_write(first, data, 1, &err), GLACIER_E_CANCELED);
    CHECK_NUMBER(glacier_error_is_resumable(err), 1);
    glacier_error_free(err);

    OK(glacier_upload_new(client, VAULT, &second, &err));
    OK(glacier_upload_set_upload_id(second, glacier_upload_id(first), &err));
    glacier_upload_free(first);
    OK(write_all(second, WHOLE));
    finish(second);
    CHECK_NUMBER(progress_of(second).bytes_resumed, 2 * MIB);
    CHECK_NUMBER(requests_with("UploadMultipartPart"), sent + PARTS);

    /* Another stream, shorter than what the service holds: it does not become the archive. */
    service_fault(REFUSED(CompleteMultipartUpload));
    first = local_upload(client);
    OK(write_all(first, WHOLE));
    FAILS(GLACIER_E_ACCESS, glacier_upload_finish(first, &err));
    glacier_upload_free(second);
    OK(glacier_upload_new(client, VAULT, &second, &err));
    OK(glacier_upload_set_upload_id(second, glacier_upload_id(first), &err));
    OK(write_all(second, MIB));
    FAILS(GLACIER_E_SOURCE_CHANGED, glacier_upload_finish(second, &err));
    glacier_upload_free(second);
    service_works();
    finish(first); /* all parts are stored: only Complete is missing */
    glacier_upload_free(first);
}

static void stopped_by_its_callback(void)
{
    int32_t answer = GLACIER_STOP;
    glacier_upload_t *upload = local_upload(client);
    service_fault(STALLED_PART(0));
    OK(glacier_upload_initiate(upload, &err)); /* see above */
    OK(glacier_upload_set_progress(upload, beat, &answer, NULL, &err));
    /* The call may be too short to return the error. */
    CHECK(glacier_upload_write(upload, data, MIB, NULL) != GLACIER_E_CANCELED);
    FAILS(GLACIER_E_CALLBACK, glacier_upload_finish(upload, &err));
    answer = GLACIER_CONTINUE; /* too late: the stream has failed */
    FAILS(GLACIER_E_CALLBACK, glacier_upload_finish(upload, &err));
    service_works();
    OK(glacier_upload_abort(upload, &err));
    glacier_upload_free(upload);
}

/* A part fails after its bytes were taken. A stream is aborted before its end. */
static void failed_and_aborted(void)
{
    glacier_upload_t *upload = local_upload(client);
    service_fault(REFUSED_PART(0));
    OK(glacier_upload_write(upload, data, MIB, &err));
    FAILS(GLACIER_E_ACCESS, glacier_upload_finish(upload, &err));
    FAILS(GLACIER_E_ACCESS, glacier_upload_finish(upload, &err));
    service_works();
    OK(glacier_upload_abort(upload, &err));
    glacier_upload_free(upload);

    upload = local_upload(client);
    service_fault(STALLED_PART(0));
    OK(glacier_upload_write(upload, data, MIB, &err));
    wait_for_parts_in_flight(upload, 1);
    OK(glacier_upload_abort(upload, &err));
    service_works();
    WAIT_UNTIL(threads_now() == threads_at_rest);
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_ABORTED);
    FAILS(GLACIER_E_STATE, glacier_upload_write(upload, data, 1, &err));
    FAILS(GLACIER_E_STATE, glacier_upload_finish(upload, &err));
    glacier_upload_free(upload);
}

int main(void)
{
    data = local_data(WHOLE);
    client = local_client(2);
    threads_at_rest = threads_now();
    in_pieces_of_every_size();
    the_first_part_is_waited_for();
    a_stream_has_the_handle_to_itself();
    what_was_announced_is_held_to();
    the_expected_size_chooses_the_parts();
    memory_holds_the_writer_back();
    carried_on_by_a_new_handle();
    stopped_by_its_callback();
    failed_and_aborted();
    glacier_client_free(client);
    free(data);
    return 0;
}
