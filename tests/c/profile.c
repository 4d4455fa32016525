/*
 * profile LOOP: profiles of the AWS config file. The config file has the profiles default, local and bare. AWS_CONFIG_FILE names
 * it, and AWS_SHARED_CREDENTIALS_FILE a file that does not exist. LOOP is a file that cannot be read.
 */
#define _GNU_SOURCE

#include "local.h"

static char *config_file;

static glacier_config_t *new_config(void)
{
    glacier_config_t *config = glacier_config_new();
    OK(glacier_config_set_credentials(config, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL,
                                      &err));
    return config;
}

static void lists_uploads(const glacier_config_t *config)
{
    glacier_client_t *client = NULL;
    glacier_uploads_t *uploads = NULL;
    OK(glacier_client_new(config, &client, &err));
    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
    CHECK_NUMBER(glacier_uploads_count(uploads), 0);
    glacier_uploads_free(uploads);
    glacier_client_free(client);
}

static void fails(const glacier_config_t *config, glacier_result_t code, const char *words)
{
    glacier_client_t *client = NULL;
    FAILS_WITH(code, words, glacier_client_new(config, &client, &err));
    CHECK(client == NULL);
}

static void rejects_invalid_names(void)
{
    glacier_config_t *config = new_config();
    FAILS(GLACIER_E_NULL, glacier_config_set_profile(NULL, "local", &err));
    FAILS(GLACIER_E_NULL, glacier_config_set_profile(config, NULL, &err));
    FAILS_WITH(GLACIER_E_INVALID, "profile", glacier_config_set_profile(config, "", &err));
    FAILS_WITH(GLACIER_E_INVALID, "profile", glacier_config_set_profile(config, "\xff", &err));
    OK(glacier_config_set_profile(config, "absent", &err));
    fails(config, GLACIER_E_INVALID, "\"absent\" (set by the program) does not exist");
    glacier_config_free(config);
}

static void profile_supplies_region_and_endpoint(void)
{
    glacier_config_t *config = new_config();
    fails(config, GLACIER_E_INVALID, "\"eu-central-2\" has no Glacier");
    OK(glacier_config_set_profile(config, "local", &err));
    lists_uploads(config);
    OK(glacier_config_set_profile(config, "bare", &err));
    fails(config, GLACIER_E_INVALID, "no region is set");
    glacier_config_free(config);
}

/* The config captures the environment. The client reads the files. */
static void setters_and_variables_select_the_profile(void)
{
    CHECK(setenv("AWS_PROFILE", "local", 1) == 0);
    glacier_config_t *config = new_config();
    CHECK(setenv("AWS_PROFILE", "bare", 1) == 0 && setenv("AWS_CONFIG_FILE", "/nonexistent", 1) == 0);
    lists_uploads(config);
    OK(glacier_config_set_profile(config, "bare", &err));
    fails(config, GLACIER_E_INVALID, "no region is set");
    glacier_config_free(config);
    CHECK(unsetenv("AWS_PROFILE") == 0 && setenv("AWS_CONFIG_FILE", config_file, 1) == 0);
}

static void environment_overrides_the_profile(void)
{
    CHECK(setenv("AWS_ENDPOINT_URL", "http://127.0.0.1/path", 1) == 0);
    glacier_config_t *config = new_config();
    OK(glacier_config_set_profile(config, "local", &err));
    fails(config, GLACIER_E_INVALID, "the environment variable AWS_ENDPOINT_URL");
    glacier_config_free(config);
    CHECK(unsetenv("AWS_ENDPOINT_URL") == 0);
    CHECK(setenv("AWS_USE_FIPS_ENDPOINT", "yes", 1) == 0);
    config = new_config();
    fails(config, GLACIER_E_INVALID, "the environment variable AWS_USE_FIPS_ENDPOINT is \"yes\"");
    glacier_config_free(config);
    CHECK(unsetenv("AWS_USE_FIPS_ENDPOINT") == 0);
}

static void reports_files_that_cannot_be_read_or_parsed(const char *loop)
{
    CHECK(setenv("AWS_SHARED_CREDENTIALS_FILE", loop, 1) == 0);
    glacier_config_t *config = new_config();
    fails(config, GLACIER_E_IO, loop);
    glacier_config_free(config);
    CHECK(setenv("AWS_SHARED_CREDENTIALS_FILE", "", 1) == 0);
    config = new_config();
    FILE *file = fopen(config_file, "a");
    CHECK(file != NULL && fputs("hush-hush", file) >= 0 && fclose(file) == 0);
    fails(config, GLACIER_E_INVALID, "/config, line 8: the line has no \"=\"");
    glacier_config_free(config);
}

int main(int argc, char **argv)
{
    CHECK_NUMBER(argc, 2);
    config_file = strdup(getenv("AWS_CONFIG_FILE"));
    CHECK(config_file != NULL);
    rejects_invalid_names();
    profile_supplies_region_and_endpoint();
    setters_and_variables_select_the_profile();
    environment_overrides_the_profile();
    reports_files_that_cannot_be_read_or_parsed(argv[1]);
    free(config_file);
    return 0;
}
