/*
 * large_inputs CALL KIB INPUT: one call with a large input while the address space can grow by only KIB. Prints its
 * result. CALL and INPUT are one of:
 *   combine COUNT  glacier_treehash_combine of COUNT hashes
 *   client PATH    glacier_client_new with a CA file; the AWS config file is in the environment
 *   journal PATH   glacier_upload_list_parts with a journal
 */
#define _GNU_SOURCE

#include <sys/mman.h>

#include "little.h"
#include "local.h"

static uint8_t hash[32];

static glacier_result_t combine(size_t room, size_t count)
{
    /* Untouched pages: the hashes are zeros. */
    void *hashes = mmap(NULL, count * 32, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(hashes != MAP_FAILED);
    limit_address_space(room);
    return glacier_treehash_combine((const uint8_t *)hashes, count, hash, &err);
}

static glacier_result_t client_new(size_t room, const char *ca_file)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    if (*ca_file != '\0')
        OK(glacier_config_set_ca_file(config, ca_file, &err));
    limit_address_space(room);
    glacier_result_t result = glacier_client_new(config, &client, &err);
    glacier_client_free(client);
    glacier_config_free(config);
    return result;
}

static glacier_result_t read_journal(size_t room, const char *path)
{
    glacier_client_t *client = local_client(1);
    glacier_upload_t *upload = NULL;
    glacier_parts_t *parts = NULL;
    OK(glacier_upload_new(client, VAULT, &upload, &err));
    OK(glacier_upload_set_journal(upload, path, &err));
    limit_address_space(room);
    glacier_result_t result = glacier_upload_list_parts(upload, &parts, &err);
    glacier_parts_free(parts);
    glacier_upload_free(upload);
    glacier_client_free(client);
    return result;
}

int main(int argc, char **argv)
{
    CHECK_NUMBER(argc, 4);
    size_t room = (size_t)atol(argv[2]) << 10;
    glacier_result_t result = GLACIER_OK;
    setvbuf(stdout, NULL, _IOLBF, 256);
    if (strcmp(argv[1], "combine") == 0)
        result = combine(room, (size_t)atol(argv[3]));
    else if (strcmp(argv[1], "client") == 0)
        result = client_new(room, argv[3]);
    else
        result = read_journal(room, argv[3]);
    printf("result: %s\n", glacier_result_name(result));
    printf("message: %s\n", err != NULL ? glacier_error_message(err) : "");
    glacier_error_free(err);
    return 0;
}
