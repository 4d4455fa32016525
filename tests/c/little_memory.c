/*
 * little_memory FILE KIB: an upload while the address space can grow by only KIB. Each call succeeds or returns
 * GLACIER_E_MEMORY. After a failure all handles can be freed. Prints the result of the run.
 */
#define _GNU_SOURCE

#include "little.h"
#include "local.h"

/* Returns whether the call succeeded. Prints its failure. */
static int succeeded(const char *call, glacier_result_t result)
{
    if (result == GLACIER_OK)
        return 1;
    if (result != GLACIER_E_MEMORY) {
        fprintf(stderr, "%s: %s: %s\n", call, glacier_result_name(result), glacier_error_message(err));
        exit(EXIT_FAILURE);
    }
    printf("result: %s in %s\n", glacier_result_name(result), call);
    glacier_error_free(err);
    err = NULL;
    return 0;
}

int main(int argc, char **argv)
{
    CHECK_NUMBER(argc, 3);
    size_t room = (size_t)atol(argv[2]) << 10;
    setvbuf(stdout, NULL, _IOLBF, 256);
    glacier_config_t *config = NULL;
    glacier_client_t *client = NULL;
    glacier_upload_t *upload = NULL;
    glacier_uploads_t *uploads = NULL;
    limit_address_space(room);
    config = glacier_config_new();
    if (config != NULL && getenv("CA_FILE") != NULL &&
        !succeeded("set_ca_file", glacier_config_set_ca_file(config, getenv("CA_FILE"), &err)))
        goto end;
    if (config != NULL && succeeded("client_new", glacier_client_new(config, &client, &err)) &&
        succeeded("upload_new", glacier_upload_new(client, VAULT, &upload, &err)) &&
        succeeded("set_part_size", glacier_upload_set_part_size(upload, MIB, &err)) &&
        succeeded("set_source_file", glacier_upload_set_source_file(upload, argv[1], &err)) &&
        succeeded("run", glacier_upload_run(upload, &err)) &&
        succeeded("list_uploads", glacier_client_list_uploads(client, VAULT, &uploads, &err)))
        printf("result: GLACIER_OK\n");
end:
    glacier_uploads_free(uploads);
    glacier_upload_free(upload);
    glacier_client_free(client);
    glacier_config_free(config);
    return 0;
}
