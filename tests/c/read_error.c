/*
 * read_error FILE: a source with an unreadable part. This program defines pread64, which the library calls, and fails
 * with EIO from offset BAD on.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "local.h"

/* In part 3, but not at the start of a read. */
#define BAD (3 * MIB + 4096)

static int is_bad;

ssize_t pread64(int file, void *buffer, size_t size, off64_t offset)
{
    if (__atomic_load_n(&is_bad, __ATOMIC_SEQ_CST)) {
        if (offset >= (off64_t)BAD) {
            errno = EIO;
            return -1;
        }
        if (offset + (off64_t)size > (off64_t)BAD)
            size = (size_t)((off64_t)BAD - offset);
    }
    return syscall(SYS_pread64, file, buffer, size, offset);
}

/* With a memory limit that holds each part, and with one for which each part is read twice. */
static void names_offset_and_part(const char *path, uint64_t memory_limit)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    OK(glacier_config_set_memory_limit(config, memory_limit, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_file(upload, path, &err));
    is_bad = 1;
    CHECK_NUMBER(glacier_upload_run(upload, &err), GLACIER_E_IO);
    const char *message = glacier_error_message(err);
    if (strstr(message, "part 3") == NULL || strstr(message, ": cannot read ") == NULL ||
        strstr(message, " bytes at offset 3149824 of ") == NULL || strstr(message, path) == NULL ||
        strstr(message, "Input/output error") == NULL) {
        fprintf(stderr, "%s\n", message);
        exit(EXIT_FAILURE);
    }
    CHECK_NUMBER(glacier_error_is_resumable(err), 1);
    glacier_error_free(err);
    err = NULL;
    is_bad = 0;
    OK(glacier_upload_run(upload, &err));
    glacier_upload_free(upload);
    glacier_client_free(client);
    glacier_config_free(config);
}

int main(int argc, char **argv)
{
    CHECK_NUMBER(argc, 2);
    names_offset_and_part(argv[1], 64 * MIB);
    names_offset_and_part(argv[1], 2 * MIB);
    return 0;
}
