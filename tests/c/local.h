/* Shared by the test programs: a client of the local Glacier that the harness started, and data to upload. */
#ifndef LOCAL_H
#define LOCAL_H

#include "check.h"

/* The vault that the local Glacier has from the start. */
#define VAULT "examplevault"
#define MIB ((size_t)1 << 20)

/* Endpoint, region and keys are in the environment. */
static inline glacier_client_t *local_client(uint32_t workers)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    OK(glacier_config_set_concurrency(config, workers, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    return client;
}

static inline glacier_upload_t *local_upload(glacier_client_t *client)
{
    glacier_upload_t *upload = NULL;
    OK(glacier_upload_new(client, VAULT, &upload, &err));
    OK(glacier_upload_set_part_size(upload, MIB, &err));
    return upload;
}

/* Byte i is i mod 251, as the harness expects in the archives. */
static inline uint8_t *local_data(size_t size)
{
    uint8_t *data = (uint8_t *)malloc(size);
    CHECK(data != NULL);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i % 251);
    return data;
}

static inline void to_hex(const uint8_t hash[32], char hex[65])
{
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
}

#endif
