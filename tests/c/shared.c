/*
 * Several processes send the parts of one archive, and one completes it.
 *
 * shared FILE DIRECTORY                     a file of WHOLE bytes, and a directory for journals
 * shared FILE DIRECTORY ID FIRST COUNT      in another process: sends a range of its parts
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>

#include "local.h"
#include "processes.h"
#include "service.h"

enum { WHOLE = 5 * 1048576 + 1000, PARTS = 6 };

static const char *program, *file, *directory;
static glacier_client_t *client;

static glacier_upload_t *attached_to(const char *id)
{
    glacier_upload_t *upload = NULL;
    OK(glacier_upload_new(client, VAULT, &upload, &err));
    OK(glacier_upload_set_upload_id(upload, id, &err));
    return upload;
}

static glacier_upload_t *with_range(const char *id, uint32_t first, uint32_t count)
{
    glacier_upload_t *upload = attached_to(id);
    OK(glacier_upload_set_source_file(upload, file, &err));
    OK(glacier_upload_set_part_range(upload, first, count, &err));
    return upload;
}

/* Each process has its own journal. */
static void send_range(const char *id, const char *first, const char *count)
{
    char journal[4096];
    glacier_upload_t *upload = with_range(id, (uint32_t)strtoul(first, NULL, 10), (uint32_t)strtoul(count, NULL, 10));
    snprintf(journal, sizeof journal, "%s/journal from %s", directory, first);
    OK(glacier_upload_set_journal(upload, journal, &err));
    OK(glacier_upload_transfer(upload, &err));
    CHECK_NUMBER(glacier_upload_state(upload), GLACIER_STATE_TRANSFERRING);
    glacier_upload_free(upload);
}

static pid_t start_sender(const char *id, const char *first, const char *count)
{
    const char *arguments[] = {file, directory, id, first, count, NULL};
    return start_process(program, arguments);
}

/* A handle without the source, which has put no part. */
static void complete(const char *id, uint64_t size, glacier_result_t want, const char *words)
{
    glacier_upload_t *upload = attached_to(id);
    if (size > 0)
        OK(glacier_upload_set_archive_size(upload, size, &err));
    FAILS_WITH(want, words, glacier_upload_complete(upload, &err));
    CHECK((glacier_upload_archive_id(upload) != NULL) == (want == GLACIER_OK));
    glacier_upload_free(upload);
}

static void ranges_that_cannot_be(const char *id)
{
    static const uint32_t ranges[][2] = {{PARTS, 1}, {0, PARTS + 1}, {UINT32_MAX, 2}, {PARTS, UINT32_MAX}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        glacier_upload_t *upload = with_range(id, ranges[i][0], ranges[i][1]);
        FAILS_WITH(GLACIER_E_INVALID, "0 to 5", glacier_upload_transfer(upload, &err));
        glacier_upload_free(upload);
    }
    glacier_upload_t *upload = with_range(id, 0, 1);
    FAILS(GLACIER_E_STATE, glacier_upload_run(upload, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_set_part_range(upload, 0, 0, &err));
    glacier_upload_free(upload);
    upload = local_upload(client);
    OK(glacier_upload_set_source_file(upload, file, &err));
    OK(glacier_upload_set_part_range(upload, 0, 1, &err));
    FAILS(GLACIER_E_STATE, glacier_upload_transfer(upload, &err)); /* the upload does not exist yet */
    glacier_upload_free(upload);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3 || argc == 6);
    program = argv[0];
    file = argv[1];
    directory = argv[2];
    client = local_client(2);
    if (argc == 6) {
        send_range(argv[3], argv[4], argv[5]);
        glacier_client_free(client);
        return 0;
    }
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_initiate(upload, &err));
    const char *id = glacier_upload_id(upload);
    ranges_that_cannot_be(id);
    CHECK_NUMBER(requests_with("UploadMultipartPart"), 0);

    pid_t first = start_sender(id, "0", "2"), last = start_sender(id, "3", "4294967295");
    ends_well(first);
    ends_well(last);
    CHECK_NUMBER(requests_with("UploadMultipartPart"), PARTS - 1);
    complete(id, WHOLE, GLACIER_E_INCOMPLETE, "part 2 is missing");
    ends_well(start_sender(id, "1", "3")); /* the first and last part of the range are already stored */
    CHECK_NUMBER(requests_with("UploadMultipartPart"), PARTS);
    complete(id, 0, GLACIER_E_INVALID, "size");
    complete(id, WHOLE + 1, GLACIER_E_INCOMPLETE, "part 5");
    complete(id, 4 * MIB, GLACIER_E_INCOMPLETE, "part 5");
    complete(id, WHOLE, GLACIER_OK, "");
    glacier_upload_free(upload);
    glacier_client_free(client);
    return 0;
}
