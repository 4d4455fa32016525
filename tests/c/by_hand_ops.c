/* The six multipart operations: parts of 1 MiB, the last of 1,000 bytes. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "local.h"

enum { PARTS = 11 };
static const size_t size = 10 * MIB + 1000;

struct share {
    glacier_upload_t *upload;
    const uint8_t *data;
    uint32_t first; /* sends this part and every fourth one after it */
};

static void *put_share(void *user_data)
{
    const struct share *share = (const struct share *)user_data;
    for (uint32_t i = share->first; i < PARTS; i += 4) {
        size_t length = i == PARTS - 1 ? size - i * MIB : MIB;
        glacier_error_t *own = NULL;
        glacier_result_t result = glacier_upload_put_part(share->upload, i, share->data + i * MIB, length, &own);
        if (result != GLACIER_OK)
            fprintf(stderr, "part %u: %s\n", (unsigned)i, glacier_error_message(own));
        CHECK_NUMBER(result, GLACIER_OK);
    }
    return NULL;
}

static void put_all(glacier_upload_t *upload, const uint8_t *data)
{
    pthread_t threads[4];
    struct share shares[4];
    for (uint32_t i = 0; i < 4; i++) {
        shares[i].upload = upload;
        shares[i].data = data;
        shares[i].first = i;
        CHECK_NUMBER(pthread_create(&threads[i], NULL, put_share, &shares[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        CHECK_NUMBER(pthread_join(threads[i], NULL), 0);
}

static void check_parts(glacier_upload_t *upload, const uint8_t *data)
{
    glacier_parts_t *parts = NULL;
    OK(glacier_upload_list_parts(upload, &parts, &err));
    CHECK_NUMBER(glacier_parts_count(parts), PARTS);
    for (size_t i = 0; i < PARTS; i++) {
        size_t length = i == PARTS - 1 ? 1000 : MIB;
        glacier_treehash_t *hasher = glacier_treehash_new();
        uint8_t hash[32];
        char hex[65];
        OK(glacier_treehash_update(hasher, data + i * MIB, length, &err));
        OK(glacier_treehash_finish(hasher, hash, &err));
        glacier_treehash_free(hasher);
        to_hex(hash, hex);
        CHECK_NUMBER(glacier_parts_offset(parts, i), i * MIB);
        CHECK_NUMBER(glacier_parts_length(parts, i), length);
        CHECK_TEXT(glacier_parts_tree_hash(parts, i), hex);
    }
    CHECK(glacier_parts_tree_hash(parts, PARTS) == NULL);
    CHECK_NUMBER(glacier_parts_offset(parts, PARTS), 0);
    CHECK_NUMBER(glacier_parts_length(parts, PARTS), 0);
    glacier_parts_free(parts);
}

/* Whether the vault lists this upload as in progress, with the values of its initiation. */
static int is_listed(glacier_client_t *client, const char *id)
{
    glacier_uploads_t *uploads = NULL;
    int found = 0;
    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
    size_t count = glacier_uploads_count(uploads);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(glacier_uploads_id(uploads, i), id) != 0)
            continue;
        found = 1;
        CHECK_TEXT(glacier_uploads_description(uploads, i), "by hand");
        CHECK_NUMBER(glacier_uploads_part_size(uploads, i), MIB);
        CHECK(strlen(glacier_uploads_created(uploads, i)) >= 20);
        CHECK(glacier_uploads_created_unix(uploads, i) > 1500000000);
    }
    CHECK(glacier_uploads_id(uploads, count) == NULL && glacier_uploads_created(uploads, count) == NULL);
    glacier_uploads_free(uploads);
    return found;
}

static glacier_upload_t *initiate(glacier_client_t *client)
{
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_description(upload, "by hand", &err));
    OK(glacier_upload_initiate(upload, &err));
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_INITIATED);
    CHECK(glacier_upload_id(upload) != NULL && glacier_upload_location(upload) != NULL);
    return upload;
}

static void completes(glacier_client_t *client, const uint8_t *data)
{
    glacier_upload_t *upload = initiate(client);
    uint8_t *other = (uint8_t *)calloc(1, MIB);
    uint8_t hash[32];
    char hex[65];
    CHECK(other != NULL);

    CHECK(is_listed(client, glacier_upload_id(upload)));
    OK(glacier_upload_put_part(upload, 3, other, MIB, &err)); /* replaced later */
    put_all(upload, data);
    check_parts(upload, data);
    OK(glacier_upload_complete(upload, &err));
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_COMPLETED);
    glacier_treehash_t *hasher = glacier_treehash_new();
    OK(glacier_treehash_update(hasher, data, size, &err));
    OK(glacier_treehash_finish(hasher, hash, &err));
    glacier_treehash_free(hasher);
    to_hex(hash, hex);
    CHECK_TEXT(glacier_upload_tree_hash(upload), hex);
    CHECK(!is_listed(client, glacier_upload_id(upload)));
    glacier_upload_free(upload);
    free(other);
}

/* Rejects wrong lengths, positions and hashes before anything is sent. Then the upload is aborted. */
static void refuses(glacier_client_t *client, const uint8_t *data)
{
    glacier_upload_t *upload = initiate(client);
    glacier_parts_t *parts = NULL;
    glacier_treehash_t *hasher = glacier_treehash_new();
    uint8_t hash[32];
    OK(glacier_treehash_update(hasher, data, MIB, &err));
    OK(glacier_treehash_finish(hasher, hash, &err));
    glacier_treehash_free(hasher);

    FAILS(GLACIER_E_INVALID, glacier_upload_put_part(upload, 0, data, 0, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_put_part(upload, 0, data, MIB + 1, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_put_part(upload, 10000, data, MIB, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_put_part(upload, UINT32_MAX, data, MIB, &err));
    FAILS(GLACIER_E_NULL, glacier_upload_put_part(upload, 0, NULL, MIB, &err));
    FAILS(GLACIER_E_NULL, glacier_upload_put_part_checked(upload, 0, data, MIB, NULL, &err));
    hash[31] ^= 1;
    CHECK_NUMBER(glacier_upload_put_part_checked(upload, 0, data, MIB, hash, &err), GLACIER_E_TREE_HASH);
    CHECK_NUMBER(glacier_error_is_retryable(err), 0); /* the same call would fail again */
    glacier_error_free(err);
    err = NULL;
    OK(glacier_upload_list_parts(upload, &parts, &err));
    CHECK_NUMBER(glacier_parts_count(parts), 0);
    glacier_parts_free(parts);

    hash[31] ^= 1;
    OK(glacier_upload_put_part_checked(upload, 0, data, MIB, hash, &err));
    OK(glacier_upload_put_part(upload, 2, data, 1000, &err)); /* a short part, so the last one */
    FAILS(GLACIER_E_INVALID, glacier_upload_put_part(upload, 3, data, MIB, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_put_part(upload, 1, data, 1000, &err));
    FAILS(GLACIER_E_INCOMPLETE, glacier_upload_complete(upload, &err)); /* part 1 is missing */
    CHECK(glacier_upload_archive_id(upload) == NULL);

    OK(glacier_upload_abort(upload, &err));
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_ABORTED);
    CHECK(!is_listed(client, glacier_upload_id(upload)));
    FAILS(GLACIER_E_STATE, glacier_upload_put_part(upload, 1, data, MIB, &err));
    glacier_upload_free(upload);
}

int main(void)
{
    uint8_t *data = local_data(size);
    glacier_client_t *client = local_client(4);
    completes(client, data);
    refuses(client, data);
    glacier_client_free(client);
    free(data);
    return 0;
}
