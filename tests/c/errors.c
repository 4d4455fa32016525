/* The errors of wrong values, of rejections by the service, and of an address without a server. */
#include "local.h"

static glacier_client_t *client_of(glacier_config_t *config)
{
    glacier_client_t *client = NULL;
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    return client;
}

static void wrong_values_are_named(glacier_client_t *client)
{
    glacier_config_t *config = glacier_config_new();
    glacier_upload_t *upload = local_upload(client), *none = NULL;
    glacier_progress_t progress;
    static char huge[70001];
    char too_long[1026];
    memset(huge, 'h', sizeof huge - 1);
    memset(too_long, 'd', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';

    FAILS_WITH(GLACIER_E_INVALID, "1111-2222-3333", glacier_config_set_account_id(config, "1111-2222-3333", &err));
    FAILS_WITH(GLACIER_E_INVALID, "ftp://x", glacier_config_set_endpoint(config, "ftp://x", &err));
    FAILS(GLACIER_E_INVALID, glacier_config_set_region(config, "", &err));
    FAILS(GLACIER_E_INVALID, glacier_config_set_region(config, "\xff\xfe", &err)); /* not UTF-8 */
    FAILS_WITH(GLACIER_E_INVALID, "33", glacier_config_set_concurrency(config, 33, &err));
    FAILS(GLACIER_E_INVALID, glacier_config_set_concurrency(config, 0, &err));
    FAILS(GLACIER_E_INVALID, glacier_config_set_memory_limit(config, MIB - 1, &err));
    FAILS(GLACIER_E_INVALID, glacier_config_set_stall_timeout_ms(config, 0, &err));
    FAILS(GLACIER_E_INVALID, glacier_config_set_credentials(config, "", "secret", NULL, &err));
    FAILS(GLACIER_E_INVALID, glacier_config_set_log(config, 99, NULL, NULL, NULL, &err));
    FAILS_WITH(GLACIER_E_INVALID, "\"..\"", glacier_upload_new(client, "..", &none, &err));
    FAILS_WITH(GLACIER_E_INVALID, "a/b", glacier_upload_new(client, "a/b", &none, &err));
    FAILS_WITH(GLACIER_E_INVALID, "3145728", glacier_upload_set_part_size(upload, 3 * MIB, &err));
    FAILS_WITH(GLACIER_E_INVALID, "1025", glacier_upload_set_description(upload, too_long, &err));
    FAILS_WITH(GLACIER_E_INVALID, "0x09", glacier_upload_set_description(upload, "tab\there", &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_set_upload_id(upload, "", &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_set_upload_id(upload, "a\nb", &err));
    FAILS_WITH(GLACIER_E_INVALID, "at most 32768", glacier_config_set_credentials(config, "id", "secret", huge, &err));
    FAILS_WITH(GLACIER_E_INVALID, "1024 bytes", glacier_upload_set_upload_id(upload, huge, &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_set_source_file(upload, "", &err));
    FAILS(GLACIER_E_INVALID, glacier_upload_progress(upload, &progress, 7, &err));
    CHECK(none == NULL);

    OK(glacier_upload_set_source_file(upload, "/nonexistent/file", &err));
    FAILS_WITH(GLACIER_E_IO, "/nonexistent/file", glacier_upload_run(upload, &err));
    CHECK(glacier_upload_id(upload) == NULL);

    glacier_upload_free(upload);
    glacier_config_free(config);
}

static void the_service_refuses(glacier_client_t *client)
{
    glacier_upload_t *upload = NULL;
    OK(glacier_upload_new(client, "no-such-vault", &upload, &err));
    OK(glacier_upload_set_part_size(upload, MIB, &err));
    CHECK_NUMBER(glacier_upload_initiate(upload, &err), GLACIER_E_NOT_FOUND);
    CHECK_NUMBER(glacier_error_code(err), GLACIER_E_NOT_FOUND);
    CHECK_NUMBER(glacier_error_http_status(err), 404);
    CHECK_TEXT(glacier_error_operation(err), "InitiateMultipartUpload");
    CHECK_TEXT(glacier_error_service_code(err), "ResourceNotFoundException");
    CHECK(glacier_error_request_id(err) != NULL && *glacier_error_request_id(err) != '\0');
    CHECK(strstr(glacier_error_message(err), "no-such-vault") != NULL);
    CHECK_NUMBER(glacier_error_is_retryable(err), 0);
    CHECK_NUMBER(glacier_error_is_resumable(err), 0);
    glacier_upload_free(upload); /* the error is independent of the upload */
    CHECK_NUMBER(glacier_error_http_status(err), 404);
    glacier_error_free(err);

    /* err may hold any value before a call: it is not read. */
    err = (glacier_error_t *)(uintptr_t)0x5a5a5a50;
    glacier_plan_t *plan = NULL;
    OK(glacier_plan_new(1, 0, &plan, &err));
    glacier_plan_free(plan);
    err = (glacier_error_t *)(uintptr_t)0x5a5a5a50;
    FAILS(GLACIER_E_INVALID, glacier_plan_new(0, 0, &plan, &err));
    /* err may be NULL. */
    CHECK_NUMBER(glacier_plan_new(0, 0, &plan, NULL), GLACIER_E_INVALID);
    CHECK_NUMBER(glacier_upload_run(NULL, NULL), GLACIER_E_NULL);

    /* Keys of another account: the message reports them, but does not contain them. */
    glacier_config_t *config = glacier_config_new();
    OK(glacier_config_set_credentials(config, "AKIAIOSFODNN7EXAMPLE", "a-secret-that-is-wrong", NULL, &err));
    glacier_client_t *wrong = client_of(config);
    upload = local_upload(wrong);
    CHECK_NUMBER(glacier_upload_initiate(upload, &err), GLACIER_E_CREDENTIALS);
    CHECK_NUMBER(glacier_error_http_status(err), 403);
    CHECK(strstr(glacier_error_message(err), "a-secret-that-is-wrong") == NULL);
    glacier_error_free(err);
    err = NULL;
    glacier_upload_free(upload);
    glacier_client_free(wrong);
}

static void nobody_answers(void)
{
    glacier_config_t *config = glacier_config_new();
    OK(glacier_config_set_endpoint(config, "http://127.0.0.1:1", &err));
    OK(glacier_config_set_max_attempts(config, 1, &err));
    glacier_client_t *client = client_of(config);
    glacier_upload_t *upload = local_upload(client);
    CHECK_NUMBER(glacier_upload_initiate(upload, &err), GLACIER_E_NETWORK);
    CHECK_NUMBER(glacier_error_http_status(err), 0);
    CHECK(glacier_error_service_code(err) == NULL && glacier_error_request_id(err) == NULL);
    CHECK(strstr(glacier_error_message(err), "127.0.0.1:1") != NULL);
    CHECK_NUMBER(glacier_error_is_retryable(err), 1);
    glacier_error_free(err);
    err = NULL;
    glacier_upload_free(upload);
    glacier_client_free(client);
}

static void results_have_names(void)
{
    CHECK_TEXT(glacier_result_name(GLACIER_OK), "GLACIER_OK");
    CHECK_TEXT(glacier_result_name(GLACIER_E_NOT_FOUND), "GLACIER_E_NOT_FOUND");
    CHECK_TEXT(glacier_result_name(GLACIER_E_INTERNAL), "GLACIER_E_INTERNAL");
    CHECK_TEXT(glacier_result_name(12345), "GLACIER_E_UNKNOWN");
    CHECK_TEXT(glacier_result_name(-1), "GLACIER_E_UNKNOWN");
    CHECK(*glacier_result_message(GLACIER_E_CANCELED) != '\0' && *glacier_result_message(12345) != '\0');
}

int main(void)
{
    glacier_client_t *client = local_client(2);
    wrong_values_are_named(client);
    the_service_refuses(client);
    nobody_answers();
    results_have_names();
    glacier_client_free(client);
    return 0;
}
