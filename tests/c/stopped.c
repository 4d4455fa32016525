/*
 * The process is stopped for longer than its timeouts. If the connection is lost meanwhile, it retries as if no time
 * had passed. If the response arrives meanwhile, it accepts it. The test harness stops and continues the process. The
 * argument is the expected number of retries.
 */
#include "local.h"

int main(int argc, char **argv)
{
    uint8_t *data = local_data(MIB);
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    glacier_upload_t *upload;
    glacier_progress_t progress;
    CHECK_NUMBER(argc, 2);
    OK(glacier_config_set_give_up_after_ms(config, 8000, &err));
    OK(glacier_config_set_stall_timeout_ms(config, 8000, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, MIB, &err));
    OK(glacier_upload_run(upload, &err));
    OK(glacier_upload_progress(upload, &progress, sizeof progress, &err));
    CHECK_NUMBER(progress.retries, atoi(argv[1]));
    glacier_upload_free(upload);
    glacier_client_free(client);
    free(data);
    return 0;
}
