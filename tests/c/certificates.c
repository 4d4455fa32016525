/*
 * certificates [CA_FILE]: makes a request over HTTPS with the certificates that the environment trusts, or those of the CA
 * file. Prints the result and the message, which the harness checks.
 */
#define _XOPEN_SOURCE 600

#include "local.h"

int main(int argc, char **argv)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    glacier_uploads_t *uploads = NULL;
    glacier_result_t result;

    /* Only glacier_config_new reads the environment, so these values have no effect. */
    CHECK(setenv("AWS_CA_BUNDLE", "/later", 1) == 0);
    CHECK(setenv("SSL_CERT_FILE", "/later", 1) == 0);
    CHECK(setenv("SSL_CERT_DIR", "/later", 1) == 0);
    CHECK(setenv("HOME", "/later", 1) == 0);

    OK(glacier_config_set_max_attempts(config, 1, &err));
    if (argc > 1)
        OK(glacier_config_set_ca_file(config, argv[1], &err));
    result = glacier_client_new(config, &client, &err);
    if (result == GLACIER_OK)
        result = glacier_client_list_uploads(client, VAULT, &uploads, &err);
    printf("result: %s\n", glacier_result_name(result));
    if (err != NULL)
        printf("message: %s\n", glacier_error_message(err));

    glacier_error_free(err);
    glacier_uploads_free(uploads);
    glacier_client_free(client);
    glacier_config_free(config);
    return EXIT_SUCCESS;
}
