/*
 * The process is stopped for longer than the time to give up, and the connection is lost meanwhile: it retries as if no
 * time had passed. The test harness stops and continues it, and the local Glacier ends the first request with a reset.
 */
#include "local.h"

int main(void)
{
    uint8_t *data = local_data(MIB);
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    glacier_upload_t *upload;
    glacier_progress_t progress;
    OK(glacier_config_set_give_up_after_ms(config, 8000, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, MIB, &err));
    OK(glacier_upload_run(upload, &err));
    OK(glacier_upload_progress(upload, &progress, sizeof progress, &err));
    CHECK_NUMBER(progress.retries, 1);
    glacier_upload_free(upload);
    glacier_client_free(client);
    free(data);
    return 0;
}
