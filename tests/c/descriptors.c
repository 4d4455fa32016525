/*
 * Too few file descriptors. With none, a call fails at once with GLACIER_E_MEMORY, sends nothing and logs no warning.
 * With enough again, the same handle uploads. With two, eight workers share two connections.
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "local.h"

static unsigned warnings;

static void count_warning(void *user_data, glacier_log_level_t level, const char *message)
{
    (void)user_data;
    fprintf(stderr, "%d %s\n", (int)level, message);
    if (level == GLACIER_LOG_WARN)
        warnings++;
}

/* Limits the process to this many more descriptors. */
static void allow_descriptors(rlim_t count)
{
    static rlim_t in_use;
    struct rlimit limit;
    if (in_use == 0) {
        int lowest = open("/dev/null", O_RDONLY);
        CHECK(lowest > 0);
        close(lowest);
        in_use = (rlim_t)lowest;
    }
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = in_use + count;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static glacier_client_t *client_at(const char *endpoint)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    if (endpoint != NULL)
        OK(glacier_config_set_endpoint(config, endpoint, &err));
    OK(glacier_config_set_concurrency(config, 8, &err));
    OK(glacier_config_set_log(config, GLACIER_LOG_WARN, count_warning, NULL, NULL, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    return client;
}

/* With a numeric address, and with a host name that must be looked up. */
static void upload_without(const char *endpoint, const uint8_t *data, size_t size)
{
    glacier_client_t *client = client_at(endpoint);
    glacier_upload_t *upload = local_upload(client);
    glacier_uploads_t *uploads = NULL;
    glacier_progress_t progress;
    OK(glacier_upload_set_source_memory(upload, data, size, &err));

    allow_descriptors(0);
    FAILS_WITH(GLACIER_E_MEMORY, "descriptor", glacier_upload_run(upload, &err));
    FAILS_WITH(GLACIER_E_MEMORY, "descriptor", glacier_client_list_uploads(client, VAULT, &uploads, &err));
    CHECK(glacier_upload_id(upload) == NULL);
    OK(glacier_upload_progress(upload, &progress, sizeof progress, &err));
    CHECK_NUMBER(progress.retries, 0);
    CHECK_NUMBER(warnings, 0);

    allow_descriptors(20);
    OK(glacier_upload_run(upload, &err));
    CHECK(glacier_upload_archive_id(upload) != NULL);
    glacier_upload_free(upload);
    glacier_client_free(client);
}

static void open_files_without(const char *file)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = client_at(NULL), *other = NULL;
    glacier_upload_t *upload = local_upload(client), *journalled = local_upload(client);
    uint8_t hash[32] = {0};
    char journal[4096];
    snprintf(journal, sizeof journal, "%s.glacier", file);
    OK(glacier_upload_set_source_file(upload, file, &err));
    OK(glacier_upload_set_source_memory(journalled, hash, sizeof hash, &err));
    OK(glacier_upload_set_journal(journalled, journal, &err));
    OK(glacier_config_set_ca_file(config, file, &err));
    /* A trust store that is a directory, which exists. */
    CHECK_NUMBER(setenv("SSL_CERT_DIR", "/dev", 1), 0);
    glacier_config_t *trusting = glacier_config_new();
    OK(glacier_config_set_endpoint(trusting, "https://127.0.0.1:1", &err));

    allow_descriptors(0);
    FAILS_WITH(GLACIER_E_MEMORY, file, glacier_upload_run(upload, &err));
    FAILS_WITH(GLACIER_E_MEMORY, file, glacier_treehash_file(file, 2, NULL, NULL, hash, &err));
    FAILS_WITH(GLACIER_E_MEMORY, file, glacier_client_new(config, &other, &err));
    FAILS_WITH(GLACIER_E_MEMORY, "/dev", glacier_client_new(trusting, &other, &err));
    FAILS_WITH(GLACIER_E_MEMORY, "journal", glacier_upload_run(journalled, &err));
    CHECK_NUMBER(warnings, 0);
    allow_descriptors(20);

    glacier_upload_free(upload);
    glacier_upload_free(journalled);
    glacier_client_free(client);
    glacier_config_free(config);
    glacier_config_free(trusting);
}

/* The harness creates the file, of any size. */
int main(int argc, char **argv)
{
    const size_t size = 24 * MIB;
    uint8_t *data = local_data(size);
    char named[100];
    CHECK(argc == 2);
    snprintf(named, sizeof named, "http://localhost%s", strrchr(getenv("AWS_ENDPOINT_URL_GLACIER"), ':'));

    upload_without(NULL, data, MIB);
    upload_without(named, data, MIB);
    open_files_without(argv[1]);

    glacier_client_t *client = client_at(NULL);
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_memory(upload, data, size, &err));
    allow_descriptors(2);
    OK(glacier_upload_run(upload, &err));
    CHECK_NUMBER(warnings, 0);
    allow_descriptors(20);
    glacier_upload_free(upload);
    glacier_client_free(client);
    free(data);
    return 0;
}
