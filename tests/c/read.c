/*
 * Streams that a callback reads: its return values and calls, and the progress of the upload while it blocks.
 *
 * read JOURNAL: the path of a file that does not exist.
 */
#define _POSIX_C_SOURCE 200809L

#include "everything.h"
#include "service.h"
#include "threads.h"

enum { WHOLE = 5 * 1048576 + 1000, PARTS = 6 };

static uint8_t *data;
static glacier_client_t *client;
static const char *journal;

/* What the callback supplies: the first bytes of the data, in pieces of one size. */
struct source {
    size_t size, piece;
    void (*act)(struct source *); /* called before anything is supplied */
    int32_t answer;
    size_t too_many; /* the number of bytes by which the callback exceeds cap */

    pthread_t caller;
    glacier_upload_t *upload, *other;
    size_t given;
    int ended, told, destroyed;
};

static int32_t give(void *user_data, uint8_t *buf, size_t cap, size_t *out_len)
{
    struct source *source = (struct source *)user_data;
    CHECK(pthread_equal(pthread_self(), source->caller));
    CHECK_NUMBER(source->destroyed, 0);
    CHECK_NUMBER(source->ended, 0); /* it is not called after the end */
    CHECK_NUMBER(*out_len, 0);
    CHECK(cap > 0);
    if (source->act != NULL)
        source->act(source);
    size_t n = source->size - source->given;
    n = n < source->piece ? n : source->piece;
    n = n < cap ? n : cap;
    memset(buf, 0xee, cap); /* all of the buffer is writable */
    memcpy(buf, data + source->given, n);
    source->given += n;
    source->ended = n == 0;
    *out_len = source->too_many > 0 ? cap + source->too_many : n;
    return source->answer;
}

static void count(void *source)
{
    ((struct source *)source)->destroyed++;
}

static int32_t tell(void *source, const glacier_progress_t *p)
{
    (void)p;
    ((struct source *)source)->told++;
    return GLACIER_CONTINUE;
}

static struct source source_of(size_t size, size_t piece, void (*act)(struct source *))
{
    struct source source = {size, piece, act, GLACIER_CONTINUE, 0, pthread_self(), NULL, NULL, 0, 0, 0, 0};
    return source;
}

/* Creates an upload of the source. */
static glacier_upload_t *upload_of(struct source *source, uint64_t total)
{
    source->upload = local_upload(client);
    OK(glacier_upload_set_source_callback(source->upload, give, total, source, count, &err));
    OK(glacier_upload_set_progress(source->upload, tell, source, NULL, &err));
    return source->upload;
}

/* The upload is the last owner. */
static void free_with(struct source *source)
{
    CHECK_NUMBER(source->destroyed, 0);
    glacier_upload_free(source->upload);
    CHECK_NUMBER(source->destroyed, 1);
}

static void in_pieces_of_every_size(void)
{
    static const size_t pieces[] = {WHOLE, 65536, 4099};
    for (int known = 0; known < 2; known++) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            struct source source = source_of(WHOLE, pieces[i], NULL);
            glacier_upload_t *upload = upload_of(&source, known ? WHOLE : GLACIER_UNKNOWN_LENGTH);
            OK(glacier_upload_run(upload, &err));
            CHECK_NUMBER(source.ended, 1);
            CHECK_NUMBER(progress_of(upload).bytes_done, WHOLE);
            CHECK_NUMBER(progress_of(upload).parts_done, PARTS);
            OK(glacier_upload_run(upload, &err)); /* completed: nothing is read */
            free_with(&source);
        }
    }
}

/* The callback supplies less than it announced: nothing is sent. */
static void answers_that_stop(void)
{
    static const struct {
        int32_t answer;
        size_t too_many;
    } cases[] = {{GLACIER_STOP, 0},
                 {-1, 0},
                 {2, 0},
                 {0x5a5a5a5a, 0},
                 {GLACIER_STOP, 1},
                 {GLACIER_CONTINUE, 1},
                 {GLACIER_CONTINUE, SIZE_MAX / 2}};
    unsigned before = requests_so_far();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct source source = source_of(WHOLE, WHOLE, NULL);
        source.answer = cases[i].answer;
        source.too_many = cases[i].too_many;
        FAILS_WITH(GLACIER_E_CALLBACK, "read callback", glacier_upload_run(upload_of(&source, WHOLE), &err));
        free_with(&source);
    }
    struct source empty = source_of(0, 1, NULL);
    FAILS(GLACIER_E_INVALID, glacier_upload_run(upload_of(&empty, GLACIER_UNKNOWN_LENGTH), &err));
    free_with(&empty);
    CHECK_NUMBER(requests_so_far(), before);
}

static void the_total_is_held_to(void)
{
    static const struct {
        size_t total;
        glacier_result_t want;
    } cases[] = {{WHOLE - 1, GLACIER_E_SOURCE_CHANGED}, {WHOLE + 1, GLACIER_E_SOURCE_SHORT}};
    for (size_t i = 0; i < 2; i++) {
        struct source source = source_of(WHOLE, WHOLE, NULL);
        FAILS(cases[i].want, glacier_upload_run(upload_of(&source, cases[i].total), &err));
        FAILS(GLACIER_E_INVALID, glacier_upload_complete(source.upload, &err));
        OK(glacier_upload_abort(source.upload, &err));
        free_with(&source);
    }
}

static void fail_after_two_parts(struct source *source)
{
    if (source->given < 2 * MIB)
        return;
    WAIT_UNTIL(progress_of(source->upload).parts_done == 2);
    source->answer = GLACIER_STOP;
}

/* The same handle cannot restart at byte 0, but a new one can. */
static void carried_on_by_a_new_handle(void)
{
    struct source first = source_of(WHOLE, MIB, fail_after_two_parts), second = source_of(WHOLE, 65536, NULL);
    unsigned sent = requests_with("UploadMultipartPart");
    CHECK_NUMBER(glacier_upload_run(upload_of(&first, GLACIER_UNKNOWN_LENGTH), &err), GLACIER_E_CALLBACK);
    CHECK_NUMBER(glacier_error_is_resumable(err), 1);
    glacier_error_free(err);
    first.answer = GLACIER_CONTINUE;
    FAILS(GLACIER_E_STATE, glacier_upload_run(first.upload, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_complete(first.upload, &err));
    OK(glacier_upload_start(first.upload, NULL, NULL, NULL, &err));
    FAILS(GLACIER_E_STATE, glacier_upload_wait(first.upload, GLACIER_FOREVER, &err));

    upload_of(&second, GLACIER_UNKNOWN_LENGTH);
    OK(glacier_upload_set_upload_id(second.upload, glacier_upload_id(first.upload), &err));
    OK(glacier_upload_run(second.upload, &err));
    CHECK_NUMBER(progress_of(second.upload).bytes_resumed, 2 * MIB);
    CHECK_NUMBER(requests_with("UploadMultipartPart"), sent + PARTS);
    free_with(&first);
    free_with(&second);
}

static void transferred_and_completed(void)
{
    struct source source = source_of(WHOLE, 65536, NULL);
    OK(glacier_upload_transfer(upload_of(&source, GLACIER_UNKNOWN_LENGTH), &err));
    CHECK_NUMBER(glacier_upload_state(source.upload), GLACIER_STATE_TRANSFERRING);
    CHECK(glacier_upload_archive_id(source.upload) == NULL);
    OK(glacier_upload_complete(source.upload, &err));
    free_with(&source);
}

/* ---- Calls inside the callback ------------------------------------------------------------------------------ */

static void call_everything(struct source *source)
{
    if (source->given != MIB)
        return;
    everything_gives(GLACIER_E_BUSY, source->upload);
    CHECK_NUMBER(progress_of(source->upload).bytes_total, WHOLE);
    CHECK_TEXT(glacier_upload_vault(source->upload), VAULT);
}

static void cancel(struct source *source)
{
    if (source->given == MIB)
        glacier_upload_cancel(source->upload);
}

static void free_it(struct source *source)
{
    if (source->given == MIB)
        glacier_upload_free(source->upload);
}

/* Other uploads of the same client: one is written with the same bytes, and one is run to its archive. */
static void work_on_others(struct source *source)
{
    size_t next = WHOLE - source->given < source->piece ? WHOLE - source->given : source->piece;
    OK(glacier_upload_write(source->other, data + source->given, next, &err));
    if (source->given != MIB)
        return;
    struct source inner = source_of(WHOLE, MIB, NULL);
    OK(glacier_upload_run(upload_of(&inner, WHOLE), &err));
    free_with(&inner);
}

static void what_it_may_call(void)
{
    struct source source = source_of(WHOLE, MIB, call_everything);
    OK(glacier_upload_run(upload_of(&source, WHOLE), &err));
    free_with(&source);

    source = source_of(WHOLE, MIB, work_on_others);
    source.other = local_upload(client);
    OK(glacier_upload_run(upload_of(&source, WHOLE), &err));
    OK(glacier_upload_finish(source.other, &err));
    glacier_upload_free(source.other);
    free_with(&source);

    source = source_of(WHOLE, MIB, cancel);
    FAILS(GLACIER_E_CANCELED, glacier_upload_run(upload_of(&source, WHOLE), &err));
    OK(glacier_upload_abort(source.upload, &err));
    free_with(&source);

    source = source_of(WHOLE, MIB, free_it);
    FAILS(GLACIER_E_CANCELED, glacier_upload_run(upload_of(&source, WHOLE), &err));
    CHECK_NUMBER(source.destroyed, 1);
}

/* ---- While the callback blocks ------------------------------------------------------------------------------ */

static int parts_in(const char *path)
{
    char line[512];
    int count = 0;
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, "{\"part\":") != NULL;
    CHECK_NUMBER(fclose(file), 0);
    return count;
}

static void block_until_three_parts_are_there(struct source *source)
{
    if (source->given != 3 * MIB)
        return;
    int told = source->told;
    WAIT_UNTIL(progress_of(source->upload).parts_done == 3);
    CHECK_NUMBER(parts_in(journal), 3);
    CHECK_NUMBER(source->told, told); /* only this thread could deliver it */
}

static void parts_go_on_and_are_journalled(void)
{
    struct source source = source_of(WHOLE, MIB, block_until_three_parts_are_there);
    OK(glacier_upload_set_journal(upload_of(&source, WHOLE), journal, &err));
    OK(glacier_upload_run(source.upload, &err));
    CHECK_NUMBER(parts_in(journal), PARTS);
    CHECK(source.told > 0);
    free_with(&source);
}

/* ---- Its user_data ------------------------------------------------------------------------------------------ */

static void the_user_data_comes_back_once(void)
{
    struct source source = source_of(WHOLE, MIB, NULL);
    int given = 0;
    glacier_upload_t *upload = local_upload(client);
    FAILS(GLACIER_E_NULL, glacier_upload_set_source_callback(NULL, give, 1, &source, count, &err));
    CHECK_NUMBER(source.destroyed, ++given);
    FAILS(GLACIER_E_NULL, glacier_upload_set_source_callback(upload, NULL, 1, &source, count, &err));
    CHECK_NUMBER(source.destroyed, ++given);
    FAILS(GLACIER_E_INVALID, glacier_upload_set_source_callback(upload, give, 0, &source, count, &err));
    CHECK_NUMBER(source.destroyed, ++given);
    OK(glacier_upload_set_source_callback(upload, give, 1, &source, count, &err));
    OK(glacier_upload_set_source_callback(upload, give, WHOLE, &source, count, &err)); /* replaces the first */
    CHECK_NUMBER(source.destroyed, ++given);
    OK(glacier_upload_set_source_memory(upload, data, WHOLE, &err)); /* the last source set is used */
    CHECK_NUMBER(source.destroyed, ++given);
    OK(glacier_upload_run(upload, &err));
    CHECK_NUMBER(source.given, 0);
    FAILS(GLACIER_E_STATE, glacier_upload_set_source_callback(upload, give, 1, &source, count, &err));
    CHECK_NUMBER(source.destroyed, ++given);
    glacier_upload_free(upload);
    CHECK_NUMBER(source.destroyed, given);
}

int main(int argc, char **argv)
{
    CHECK_NUMBER(argc, 2);
    journal = argv[1];
    data = local_data(WHOLE);
    client = local_client(2);
    in_pieces_of_every_size();
    answers_that_stop();
    the_total_is_held_to();
    carried_on_by_a_new_handle();
    transferred_and_completed();
    what_it_may_call();
    parts_go_on_and_are_journalled();
    the_user_data_comes_back_once();
    glacier_client_free(client);
    free(data);
    return 0;
}
