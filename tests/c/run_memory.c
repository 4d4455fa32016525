/*
 * Uploads memory; an empty source; a cancel before the call; a resume with another handle. The local Glacier rejects
 * part 3 once.
 */
#include "local.h"

int main(void)
{
    const size_t size = 5 * MIB + 1;
    uint8_t *data = local_data(size);
    glacier_client_t *client = local_client(1);
    glacier_upload_t *upload = local_upload(client);

    FAILS(GLACIER_E_STATE, glacier_upload_run(upload, &err)); /* no source */
    OK(glacier_upload_set_source_memory(upload, NULL, 0, &err));
    FAILS_WITH(GLACIER_E_INVALID, "empty", glacier_upload_run(upload, &err));
    CHECK(glacier_upload_id(upload) == NULL);
    glacier_upload_free(upload);

    /* The last source set is used. A cancel stops the next call, once. */
    upload = local_upload(client);
    OK(glacier_upload_set_source_file(upload, "/nonexistent", &err));
    OK(glacier_upload_set_source_memory(upload, data, size, &err));
    glacier_upload_cancel(upload);
    FAILS(GLACIER_E_CANCELED, glacier_upload_run(upload, &err));
    CHECK(glacier_upload_id(upload) == NULL);
    CHECK_NUMBER(glacier_upload_run(upload, &err), GLACIER_E_ACCESS);
    CHECK_NUMBER(glacier_error_is_resumable(err), 1);
    CHECK(strstr(glacier_error_message(err), glacier_upload_id(upload)) != NULL);
    glacier_error_free(err);
    err = NULL;
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_TRANSFERRING);
    FAILS(GLACIER_E_STATE, glacier_upload_set_part_size(upload, 2 * MIB, &err));

    /* Another handle resumes, with the part size of the upload. */
    glacier_upload_t *other = NULL;
    OK(glacier_upload_new(client, VAULT, &other, &err));
    OK(glacier_upload_set_upload_id(other, glacier_upload_id(upload), &err));
    OK(glacier_upload_set_source_memory(other, data, size, &err));
    CHECK_TEXT(glacier_upload_id(other), glacier_upload_id(upload));
    FAILS(GLACIER_E_STATE, glacier_upload_set_upload_id(other, "another", &err)); /* attached to another upload */
    OK(glacier_upload_run(other, &err));
    CHECK_NUMBER(glacier_upload_part_size(other), MIB);
    CHECK(glacier_upload_location(other) == NULL);
    glacier_progress_t progress;
    OK(glacier_upload_progress(other, &progress, sizeof progress, &err));
    CHECK_NUMBER(progress.bytes_resumed, 3 * MIB);
    CHECK_NUMBER(progress.bytes_resumed + progress.bytes_done, size);
    CHECK_NUMBER(progress.parts_done, 6);

    glacier_client_free(client);
    glacier_upload_free(upload);
    glacier_upload_free(other);
    free(data);
    return 0;
}
