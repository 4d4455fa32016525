/* run_file FILE: uploads a file of 10 MiB and 1,000 bytes with progress callbacks. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "local.h"

struct seen {
    pthread_t caller;
    int calls, destroyed;
    glacier_progress_t last;
};

static int32_t watch(void *user_data, const glacier_progress_t *p)
{
    struct seen *seen = (struct seen *)user_data;
    CHECK(pthread_equal(pthread_self(), seen->caller));
    CHECK_NUMBER(seen->destroyed, 0);
    CHECK_NUMBER(p->struct_size, sizeof *p);
    CHECK_NUMBER(p->bytes_total, 10 * MIB + 1000);
    CHECK(p->bytes_done >= seen->last.bytes_done && p->bytes_done <= p->bytes_total);
    CHECK(p->bytes_sent >= seen->last.bytes_sent && p->bytes_hashed >= seen->last.bytes_hashed);
    CHECK(p->parts_in_flight <= 4 && p->workers <= 4);
    seen->last = *p;
    seen->calls++;
    return GLACIER_CONTINUE;
}

static void count(void *user_data)
{
    ((struct seen *)user_data)->destroyed++;
}

int main(int argc, char **argv)
{
    struct seen replaced = {0}, seen = {0};
    glacier_progress_t progress;
    uint8_t hash[32];
    char hex[65];
    CHECK_NUMBER(argc, 2);
    seen.caller = pthread_self();

    glacier_client_t *client = local_client(4);
    glacier_upload_t *upload = local_upload(client);
    glacier_client_free(client); /* the upload keeps it alive */
    OK(glacier_upload_set_description(upload, "a file, from C", &err));
    OK(glacier_upload_set_source_file(upload, argv[1], &err));
    OK(glacier_upload_set_progress(upload, watch, &replaced, count, &err));
    OK(glacier_upload_set_progress(upload, watch, &seen, count, &err));
    CHECK_NUMBER(replaced.destroyed, 1);

    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_NEW);
    CHECK_TEXT(glacier_upload_vault(upload), VAULT);
    CHECK(glacier_upload_id(upload) == NULL && glacier_upload_location(upload) == NULL);
    CHECK(glacier_upload_archive_id(upload) == NULL && glacier_upload_archive_location(upload) == NULL);

    OK(glacier_upload_run(upload, &err));
    CHECK(seen.calls > 0);
    CHECK_NUMBER(seen.last.bytes_done, 10 * MIB + 1000);
    CHECK_NUMBER(seen.last.parts_done, 11);
    CHECK_NUMBER(seen.last.parts_total, 11);
    CHECK_NUMBER(seen.last.bytes_resumed, 0);
    CHECK_NUMBER(seen.last.retries, 0);

    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_COMPLETED);
    CHECK_NUMBER(glacier_upload_part_size(upload), MIB);
    OK(glacier_treehash_file(argv[1], 2, NULL, NULL, hash, &err));
    to_hex(hash, hex);
    CHECK_TEXT(glacier_upload_tree_hash(upload), hex);
    CHECK(strstr(glacier_upload_location(upload), glacier_upload_id(upload)) != NULL);
    CHECK(strstr(glacier_upload_archive_location(upload), glacier_upload_archive_id(upload)) != NULL);

    /* Polls the progress: as many fields as the program knows, and 0 for those that the library does not know. */
    struct {
        glacier_progress_t known;
        uint64_t later;
    } longer;
    memset(&longer, 0xff, sizeof longer);
    memset(&progress, 0xff, sizeof progress);
    OK(glacier_upload_progress(upload, &longer.known, sizeof longer, &err));
    CHECK_NUMBER(longer.known.struct_size, sizeof progress);
    CHECK_NUMBER(longer.known.bytes_done, 10 * MIB + 1000);
    CHECK_NUMBER(longer.later, 0);
    OK(glacier_upload_progress(upload, &progress, 3 * sizeof(uint64_t), &err));
    CHECK_NUMBER(progress.struct_size, 3 * sizeof(uint64_t));
    CHECK_NUMBER(progress.bytes_done, 10 * MIB + 1000);
    CHECK_NUMBER(progress.bytes_resumed, UINT64_MAX);

    OK(glacier_upload_run(upload, &err)); /* once more: already completed */
    FAILS(GLACIER_E_STATE, glacier_upload_abort(upload, &err));

    CHECK_NUMBER(seen.destroyed, 0);
    glacier_upload_free(upload);
    CHECK_NUMBER(seen.destroyed, 1);
    CHECK_NUMBER(replaced.destroyed, 1);
    return 0;
}
