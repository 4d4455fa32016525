/*
 * The keys of a client come from a file or a server, and no descriptor is left. The call fails with GLACIER_E_MEMORY, which
 * says that it may succeed later. The keys are not at fault.
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "local.h"

int main(void)
{
    glacier_client_t *client = local_client(1);
    glacier_upload_t *upload = local_upload(client);
    glacier_uploads_t *uploads = NULL;
    int lowest = open("/dev/null", O_RDONLY);
    CHECK(lowest > 0);
    close(lowest);
    struct rlimit before;
    CHECK_NUMBER(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {(rlim_t)lowest, before.rlim_max};
    CHECK_NUMBER(setrlimit(RLIMIT_NOFILE, &none), 0);
    FAILS(GLACIER_E_MEMORY, glacier_client_list_uploads(client, VAULT, &uploads, &err));
    FAILS(GLACIER_E_MEMORY, glacier_upload_initiate(upload, &err));
    CHECK_NUMBER(setrlimit(RLIMIT_NOFILE, &before), 0);
    glacier_upload_free(upload);
    glacier_client_free(client);
    return 0;
}
