/*
 * The keys, return values and calls of a credentials provider, and the single release of each user_data. The local
 * Glacier accepts "token-1"; "token-0" has expired.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/wait.h>
#include <unistd.h>

#include "local.h"
#include "threads.h"

static uint8_t *data;

/* A provider and its behavior. */
struct desk {
    pthread_t caller;
    glacier_client_t *client;
    glacier_upload_t *upload;
    int32_t answer;
    void (*act)(struct desk *, glacier_credentials_t *out);
    int inside, calls, destroyed;
};

static void count(void *user_data)
{
    struct desk *desk = (struct desk *)user_data;
    CHECK_NUMBER(desk->inside, 0);
    desk->destroyed++;
}

static glacier_result_t set(glacier_credentials_t *out, const char *token, int64_t expires, glacier_error_t **error)
{
    const char *key_id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
    return glacier_credentials_set(out, key_id, secret, token, expires, error);
}

static int32_t give(void *user_data, glacier_credentials_t *out)
{
    struct desk *desk = (struct desk *)user_data;
    CHECK_NUMBER(desk->destroyed, 0);
    CHECK_NUMBER(__atomic_fetch_add(&desk->inside, 1, __ATOMIC_SEQ_CST), 0); /* one call at a time */
    CHECK(pthread_equal(pthread_self(), desk->caller));
    desk->calls++;
    desk->act(desk, out);
    __atomic_fetch_sub(&desk->inside, 1, __ATOMIC_SEQ_CST);
    return desk->answer;
}

static void give_valid(struct desk *desk, glacier_credentials_t *out)
{
    (void)desk;
    OK(set(out, "token-1", 0, &err));
}

/* A client with this provider, and a handle with a source of three parts. */
static void open_desk(struct desk *desk)
{
    glacier_config_t *config = glacier_config_new();
    desk->caller = pthread_self();
    if (desk->act == NULL)
        desk->act = give_valid;
    OK(glacier_config_set_credentials_provider(config, give, desk, count, &err));
    OK(glacier_client_new(config, &desk->client, &err));
    glacier_config_free(config);
    desk->upload = local_upload(desk->client);
    OK(glacier_upload_set_source_memory(desk->upload, data, 3 * MIB, &err));
}

/* The client is freed first: its upload keeps the provider. */
static void close_desk(struct desk *desk)
{
    glacier_client_free(desk->client);
    CHECK_NUMBER(desk->destroyed, 0);
    glacier_upload_free(desk->upload);
    CHECK_NUMBER(desk->destroyed, 1);
}

static void give_an_expired_token_first(struct desk *desk, glacier_credentials_t *out)
{
    OK(set(out, desk->calls == 1 ? "token-0" : "token-1", 0, &err));
}

static void an_expired_token_is_replaced(void)
{
    struct desk desk = {.answer = GLACIER_CONTINUE, .act = give_an_expired_token_first};
    open_desk(&desk);
    OK(glacier_upload_run(desk.upload, &err));
    CHECK(glacier_upload_archive_id(desk.upload) != NULL);
    CHECK_NUMBER(desk.calls, 2);
    close_desk(&desk);
}

static void give_expired(struct desk *desk, glacier_credentials_t *out)
{
    (void)desk;
    OK(set(out, "token-0", 0, &err));
}

static void expired_tokens_end_it(void)
{
    struct desk desk = {.answer = GLACIER_CONTINUE, .act = give_expired};
    open_desk(&desk);
    FAILS_WITH(GLACIER_E_CREDENTIALS, "credentials provider", glacier_upload_run(desk.upload, &err));
    CHECK_NUMBER(desk.calls, 4);
    desk.act = give_valid;
    OK(glacier_upload_initiate(desk.upload, &err));
    desk.act = give_expired; /* not called: the key is valid */
    OK(glacier_upload_abort(desk.upload, &err));
    CHECK_NUMBER(desk.calls, 5);
    close_desk(&desk);
}

static void only_continue_goes_on(void)
{
    static const int32_t answers[] = {GLACIER_STOP, -1, 2, 0x5a5a5a5a};
    struct desk desk = {.answer = GLACIER_STOP};
    glacier_uploads_t *uploads = NULL;
    open_desk(&desk);
    for (int i = 0; i < 4; i++) {
        desk.answer = answers[i];
        FAILS_WITH(GLACIER_E_CALLBACK, "credentials provider", glacier_upload_run(desk.upload, &err));
        FAILS(GLACIER_E_CALLBACK, glacier_client_list_uploads(desk.client, VAULT, &uploads, &err));
        CHECK_NUMBER(desk.calls, 2 * i + 2);
    }
    CHECK_NUMBER(glacier_upload_state(desk.upload), GLACIER_STATE_NEW);
    close_desk(&desk);
}

static void give_nothing(struct desk *desk, glacier_credentials_t *out)
{
    (void)desk, (void)out;
}

static void give_what_is_none(struct desk *desk, glacier_credentials_t *out)
{
    (void)desk;
    FAILS(GLACIER_E_INVALID, glacier_credentials_set(out, "", "secret", NULL, 0, &err));
    FAILS(GLACIER_E_INVALID, glacier_credentials_set(out, "key", "a secret", NULL, 0, &err));
    FAILS(GLACIER_E_INVALID, glacier_credentials_set(out, "key", "secret", "token\n", 0, &err));
    FAILS(GLACIER_E_INVALID, glacier_credentials_set(out, "key", "secret", NULL, -1, &err));
    FAILS(GLACIER_E_NULL, glacier_credentials_set(out, "key", NULL, NULL, 0, &err));
}

/* The last keys set are used. A setter that fails changes nothing. */
static void give_several(struct desk *desk, glacier_credentials_t *out)
{
    OK(glacier_credentials_set(out, "key", "secret", NULL, 1, &err));
    OK(set(out, "token-1", INT64_MAX, &err));
    give_what_is_none(desk, out);
}

static void what_is_set_last_counts(void)
{
    struct desk none = {.answer = GLACIER_CONTINUE, .act = give_nothing};
    open_desk(&none);
    FAILS_WITH(GLACIER_E_CREDENTIALS, "glacier_credentials_set", glacier_upload_run(none.upload, &err));
    none.act = give_what_is_none;
    FAILS_WITH(GLACIER_E_CREDENTIALS, "glacier_credentials_set", glacier_upload_run(none.upload, &err));
    CHECK_NUMBER(none.calls, 2);
    close_desk(&none);

    struct desk several = {.answer = GLACIER_CONTINUE, .act = give_several};
    open_desk(&several);
    OK(glacier_upload_initiate(several.upload, &err));
    OK(glacier_upload_abort(several.upload, &err));
    CHECK_NUMBER(several.calls, 1);
    close_desk(&several);
}

static void *give_on_another_thread(void *out)
{
    CHECK_NUMBER(set((glacier_credentials_t *)out, "token-1", 0, NULL), GLACIER_OK);
    return NULL;
}

/* Calls on the client and its uploads return GLACIER_E_BUSY, except getters and cancel. Other clients can be used. */
static void call_everything(struct desk *desk, glacier_credentials_t *out)
{
    glacier_uploads_t *uploads = NULL;
    glacier_upload_t *upload = NULL;
    glacier_parts_t *parts = NULL;
    glacier_progress_t progress;
    struct desk other = {.answer = GLACIER_CONTINUE};
    FAILS(GLACIER_E_BUSY, glacier_client_list_uploads(desk->client, VAULT, &uploads, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_new(desk->client, VAULT, &upload, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_run(desk->upload, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_initiate(desk->upload, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_put_part(desk->upload, 0, data, MIB, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_list_parts(desk->upload, &parts, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_complete(desk->upload, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_abort(desk->upload, &err));
    FAILS(GLACIER_E_BUSY, glacier_upload_set_description(desk->upload, "text", &err));
    OK(glacier_upload_progress(desk->upload, &progress, sizeof progress, &err));
    CHECK_NUMBER(glacier_upload_state(desk->upload), GLACIER_STATE_NEW);
    CHECK(glacier_upload_id(desk->upload) == NULL);

    open_desk(&other);
    OK(glacier_client_list_uploads(other.client, VAULT, &uploads, &err));
    glacier_uploads_free(uploads);
    close_desk(&other);
    join(start(give_on_another_thread, out));
}

static void calls_inside(void)
{
    struct desk desk = {.answer = GLACIER_CONTINUE, .act = call_everything};
    open_desk(&desk);
    OK(glacier_upload_initiate(desk.upload, &err));
    OK(glacier_upload_abort(desk.upload, &err));
    CHECK_NUMBER(desk.calls, 1);
    close_desk(&desk);
}

static void cancel(struct desk *desk, glacier_credentials_t *out)
{
    glacier_upload_cancel(desk->upload);
    give_valid(desk, out);
}

static void free_everything(struct desk *desk, glacier_credentials_t *out)
{
    glacier_client_free(desk->client);
    glacier_upload_free(desk->upload);
    CHECK_NUMBER(desk->destroyed, 0);
    give_valid(desk, out);
}

static void canceled_and_freed_inside(void)
{
    struct desk canceling = {.answer = GLACIER_CONTINUE, .act = cancel};
    open_desk(&canceling);
    FAILS(GLACIER_E_CANCELED, glacier_upload_run(canceling.upload, &err));
    CHECK_NUMBER(canceling.calls, 1);
    close_desk(&canceling);

    struct desk freeing = {.answer = GLACIER_CONTINUE, .act = free_everything};
    open_desk(&freeing);
    FAILS(GLACIER_E_CANCELED, glacier_upload_run(freeing.upload, &err));
    CHECK_NUMBER(freeing.calls, 1);
    CHECK_NUMBER(freeing.destroyed, 1);
}

static void user_data_comes_back(void)
{
    struct desk desk = {.answer = GLACIER_CONTINUE}, other = {.answer = GLACIER_CONTINUE};
    glacier_config_t *config = glacier_config_new();
    FAILS(GLACIER_E_NULL, glacier_config_set_credentials_provider(NULL, give, &desk, count, &err));
    CHECK_NUMBER(desk.destroyed, 1);
    /* Released at once without a callback. */
    OK(glacier_config_set_credentials_provider(config, NULL, &desk, count, &err));
    CHECK_NUMBER(desk.destroyed, 2);
    OK(glacier_config_set_credentials_provider(config, give, &desk, count, &err));
    CHECK_NUMBER(desk.destroyed, 2);
    OK(glacier_config_set_credentials_provider(config, give, &other, count, &err)); /* replaced */
    CHECK_NUMBER(desk.destroyed, 3);
    /* Not replaced, because the setter failed. */
    FAILS(GLACIER_E_INVALID, glacier_config_set_credentials(config, "key", "", NULL, &err));
    CHECK_NUMBER(other.destroyed, 0);
    OK(glacier_config_set_credentials(config, "key", "secret", NULL, &err));
    CHECK_NUMBER(other.destroyed, 1);
    OK(glacier_config_set_credentials_provider(config, give, &other, count, &err));
    glacier_config_free(config);
    CHECK_NUMBER(other.destroyed, 2);
    CHECK_NUMBER(desk.calls + other.calls, 0);
}

/* Without a provider the keys of the environment are used, which have no token here. */
static void the_environment_counts_again(void)
{
    struct desk desk = {.answer = GLACIER_CONTINUE};
    glacier_config_t *config = glacier_config_new();
    glacier_uploads_t *uploads = NULL;
    OK(glacier_config_set_credentials_provider(config, give, &desk, count, &err));
    OK(glacier_config_set_credentials_provider(config, NULL, NULL, NULL, &err));
    OK(glacier_client_new(config, &desk.client, &err));
    FAILS(GLACIER_E_CREDENTIALS, glacier_client_list_uploads(desk.client, VAULT, &uploads, &err));
    glacier_client_free(desk.client);
    glacier_config_free(config);
    CHECK_NUMBER(desk.calls, 0);
    CHECK_NUMBER(desk.destroyed, 1);
}

static void a_forked_child_asks_nobody(void)
{
    struct desk desk = {.answer = GLACIER_CONTINUE};
    glacier_uploads_t *uploads = NULL;
    int status = 0;
    open_desk(&desk);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        FAILS(GLACIER_E_FORKED, glacier_client_list_uploads(desk.client, VAULT, &uploads, &err));
        FAILS(GLACIER_E_FORKED, glacier_upload_run(desk.upload, &err));
        CHECK_NUMBER(desk.calls, 0);
        close_desk(&desk);
        free(data);
        exit(EXIT_SUCCESS);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(glacier_client_list_uploads(desk.client, VAULT, &uploads, &err));
    glacier_uploads_free(uploads);
    close_desk(&desk);
}

/* Several threads need keys at once: the provider is called once for all of them. */
struct shared {
    int inside, calls;
};

static int32_t give_to_threads(void *user_data, glacier_credentials_t *out)
{
    struct shared *shared = (struct shared *)user_data;
    CHECK_NUMBER(__atomic_fetch_add(&shared->inside, 1, __ATOMIC_SEQ_CST), 0);
    int calls = __atomic_add_fetch(&shared->calls, 1, __ATOMIC_SEQ_CST);
    CHECK_NUMBER(set(out, calls == 1 ? "token-0" : "token-1", 0, NULL), GLACIER_OK);
    __atomic_fetch_sub(&shared->inside, 1, __ATOMIC_SEQ_CST);
    return GLACIER_CONTINUE;
}

static void *list(void *user_data)
{
    glacier_uploads_t *uploads = NULL;
    CHECK_NUMBER(glacier_client_list_uploads((glacier_client_t *)user_data, VAULT, &uploads, NULL), GLACIER_OK);
    glacier_uploads_free(uploads);
    return NULL;
}

static void threads_share_the_answer(void)
{
    struct shared shared = {0, 0};
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    pthread_t threads[4];
    OK(glacier_config_set_credentials_provider(config, give_to_threads, &shared, NULL, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    for (int i = 0; i < 4; i++)
        threads[i] = start(list, client);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    CHECK_NUMBER(shared.calls, 2);
    glacier_client_free(client);
}

int main(void)
{
    data = local_data(3 * MIB);
    an_expired_token_is_replaced();
    expired_tokens_end_it();
    only_continue_goes_on();
    what_is_set_last_counts();
    calls_inside();
    canceled_and_freed_inside();
    user_data_comes_back();
    the_environment_counts_again();
    a_forked_child_asks_nobody();
    threads_share_the_answer();
    free(data);
    return 0;
}
