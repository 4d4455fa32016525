/* Handles in a forked child are refused there and can be freed; the parent's go on working. */
#define _POSIX_C_SOURCE 200809L

#include <sys/wait.h>
#include <unistd.h>

#include "local.h"

static void count(void *destroyed)
{
    ++*(int *)destroyed;
}

static int32_t go_on(void *user_data, const glacier_progress_t *p)
{
    (void)user_data, (void)p;
    return GLACIER_CONTINUE;
}

static void in_the_child(glacier_client_t *client, glacier_upload_t *upload)
{
    static const uint8_t data[1];
    glacier_uploads_t *uploads = NULL;
    glacier_upload_t *another = NULL;
    glacier_parts_t *parts = NULL;
    int destroyed = 0;
    FAILS(GLACIER_E_FORKED, glacier_client_list_uploads(client, VAULT, &uploads, &err));
    FAILS(GLACIER_E_FORKED, glacier_upload_new(client, VAULT, &another, &err));
    FAILS(GLACIER_E_FORKED, glacier_upload_put_part(upload, 0, data, 1, &err));
    FAILS(GLACIER_E_FORKED, glacier_upload_list_parts(upload, &parts, &err));
    FAILS(GLACIER_E_FORKED, glacier_upload_complete(upload, &err));
    FAILS(GLACIER_E_FORKED, glacier_upload_run(upload, &err));
    FAILS(GLACIER_E_FORKED, glacier_upload_abort(upload, &err));
    FAILS(GLACIER_E_FORKED, glacier_upload_set_progress(upload, go_on, &destroyed, count, &err));
    CHECK_NUMBER(destroyed, 1);
    glacier_upload_cancel(upload);
    glacier_upload_free(upload);
    glacier_client_free(client);

    /* What the child makes itself works. */
    client = local_client(1);
    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
    CHECK_NUMBER(glacier_uploads_count(uploads), 1);
    glacier_uploads_free(uploads);
    glacier_client_free(client);
}

int main(void)
{
    uint8_t *data = local_data(MIB);
    glacier_client_t *client = local_client(1);
    glacier_upload_t *upload = local_upload(client);
    int status = 0;
    OK(glacier_upload_initiate(upload, &err));

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        in_the_child(client, upload);
        free(data);
        exit(EXIT_SUCCESS);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    OK(glacier_upload_put_part(upload, 0, data, MIB, &err));
    OK(glacier_upload_complete(upload, &err));
    glacier_upload_free(upload);
    glacier_client_free(client);
    free(data);
    return 0;
}
