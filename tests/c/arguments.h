/*
 * The shared code of the calls that tests/c_abi/arguments.rs generates: valid arguments, new ones for each call, and
 * checks of the result. A case has three steps: begin(), the call inside its check, end().
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/wait.h>
#include <unistd.h>

#include "local.h"
#include "panic.h"

/* The valid arguments of a call, and the places for its outputs. */
static struct things {
    glacier_config_t *config;
    glacier_upload_t *upload;
    glacier_plan_t *plan;
    glacier_treehash_t *treehash;
    glacier_progress_t progress;
    uint8_t bytes[32];

    glacier_client_t *new_client;
    glacier_upload_t *new_upload;
    glacier_parts_t *new_parts;
    glacier_uploads_t *new_uploads;
    glacier_plan_t *new_plan;
    int destroyed;
} it;

/* Arguments that no call changes. */
static glacier_client_t *client;
static glacier_parts_t *parts;
static glacier_uploads_t *uploads;
static glacier_error_t *error;
static glacier_credentials_t *credentials; /* inside a provider: its out parameter */

static const char *function; /* the function under test */
static const char *given;    /* the wrong argument */
static const glacier_result_t *documented;
static size_t documented_count;
static glacier_result_t as_right;       /* the result of the call with valid arguments */
static glacier_upload_t *of_the_parent; /* in a forked child: the upload of the parent */

/* err may hold any value before a call. */
static char stale;
#define STALE ((glacier_error_t *)(void *)&stale)

static inline int32_t go_on(void *user_data, const glacier_progress_t *p)
{
    (void)user_data, (void)p;
    return GLACIER_CONTINUE;
}

static inline int32_t read_nothing(void *user_data, uint8_t *buf, size_t cap, size_t *out_len)
{
    (void)user_data, (void)buf, (void)cap, (void)out_len;
    return GLACIER_CONTINUE;
}

static inline void ignore_end(void *user_data, glacier_result_t result, const glacier_error_t *failure)
{
    (void)user_data, (void)result, (void)failure;
}

static inline void ignore_line(void *user_data, glacier_log_level_t level, const char *message)
{
    (void)user_data, (void)level, (void)message;
}

static inline int32_t give_keys(void *user_data, glacier_credentials_t *out)
{
    (void)user_data, (void)out;
    return GLACIER_STOP;
}

static inline void count(void *user_data)
{
    CHECK(user_data == NULL || user_data == &it);
    it.destroyed++;
}

static inline void begin(const char *what)
{
    memset(&it, 0, sizeof it);
    given = what;
    it.config = glacier_config_new();
    it.treehash = glacier_treehash_new();
    CHECK(it.config != NULL && it.treehash != NULL);
    OK(glacier_plan_new(1, 0, &it.plan, &err));
    it.upload = of_the_parent;
    if (of_the_parent == NULL)
        it.upload = local_upload(client);
    err = STALE;
}

static inline int nothing_new(void)
{
    return it.new_client == NULL && it.new_upload == NULL && it.new_parts == NULL && it.new_uploads == NULL &&
           it.new_plan == NULL;
}

static inline void end(int destroyed)
{
    if (err != STALE)
        glacier_error_free(err);
    err = NULL;
    glacier_config_free(it.config);
    if (of_the_parent == NULL)
        glacier_upload_free(it.upload);
    glacier_plan_free(it.plan);
    glacier_treehash_free(it.treehash);
    glacier_client_free(it.new_client);
    glacier_upload_free(it.new_upload);
    glacier_parts_free(it.new_parts);
    glacier_uploads_free(it.new_uploads);
    glacier_plan_free(it.new_plan);
    /* The upload of the parent keeps its user_data. */
    if (of_the_parent == NULL || it.destroyed > destroyed)
        CHECK_NUMBER(it.destroyed, destroyed);
}

static inline void wrong(const char *what, glacier_result_t have)
{
    const char *message = err != NULL && err != STALE ? glacier_error_message(err) : "";
    fprintf(stderr, "%s with %s: %s; it returns %s: %s\n", function, given, what, glacier_result_name(have), message);
    exit(EXIT_FAILURE);
}

/* Checks that the header lists the result for the function. */
static inline glacier_result_t gives_documented(glacier_result_t have)
{
    size_t i = 0;
    while (i < documented_count && documented[i] != have)
        i++;
    if (i == documented_count)
        wrong("its comment does not list the result", have);
    if (err != STALE && ((err != NULL) != (have != GLACIER_OK) || glacier_error_code(err) != have))
        wrong("err has another result", have);
    if (have != GLACIER_OK && !nothing_new())
        wrong("a failure has an output", have);
    checked();
    return have;
}

/* Checks for exactly this result. The message begins with the word, if there is one. */
static inline void gives(glacier_result_t want, const char *word, glacier_result_t have)
{
    gives_documented(have);
    if (err == STALE)
        wrong("err is unchanged", have);
    if (have != want)
        wrong(glacier_result_name(want), have);
    if (word == NULL)
        return;
    const char *message = glacier_error_message(err);
    if (strncmp(message, word, strlen(word)) != 0 || message[strlen(word)] != ' ')
        wrong("its message names another argument", have);
}

/* Checks for exactly this result of a call with err NULL. */
static inline void gives_silently(glacier_result_t want, glacier_result_t have)
{
    gives_documented(have);
    if (err != STALE)
        wrong("err is changed", have);
    if (have != want)
        wrong(glacier_result_name(want), have);
}

/* Checks that a function without a result returns NULL, 0 or nothing. */
static inline void gives_nothing(int is_nothing)
{
    if (!is_nothing)
        wrong("the value is not NULL or 0", GLACIER_OK);
    checked();
}

static inline void gives_text(const char *text)
{
    if (text == NULL || *text == '\0')
        wrong("no text", GLACIER_OK);
    checked();
}

static inline void begin_function(const char *name, const glacier_result_t *results, size_t results_count)
{
    function = name;
    documented = results;
    documented_count = results_count;
    as_right = GLACIER_OK;
}

/* Creates the objects that the calls share: an upload with a part, both lists, and an error. */
static inline void begin_program(void)
{
    glacier_upload_t *upload = NULL;
    client = local_client(1);
    upload = local_upload(client);
    OK(glacier_upload_initiate(upload, &err));
    OK(glacier_upload_put_part(upload, 0, "x", 1, &err));
    OK(glacier_upload_list_parts(upload, &parts, &err));
    OK(glacier_client_list_uploads(client, VAULT, &uploads, &err));
    CHECK_NUMBER(glacier_plan_new(0, 0, NULL, &error), GLACIER_E_NULL);
    glacier_upload_free(upload);
}

static inline void end_program(void)
{
    glacier_parts_free(parts);
    glacier_uploads_free(uploads);
    glacier_error_free(error);
    glacier_client_free(client);
}

/* Makes the calls inside a credentials provider of a client that they do not use. */
static inline int32_t call_inside(void *calls, glacier_credentials_t *out)
{
    credentials = out;
    (*(void (**)(void))calls)();
    credentials = NULL;
    return GLACIER_STOP;
}

static inline void in_a_provider(void (*calls)(void))
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *provided = NULL;
    glacier_uploads_t *none = NULL;
    OK(glacier_config_set_credentials_provider(config, call_inside, &calls, NULL, &err));
    OK(glacier_client_new(config, &provided, &err));
    glacier_config_free(config);
    FAILS(GLACIER_E_CALLBACK, glacier_client_list_uploads(provided, VAULT, &none, &err));
    glacier_client_free(provided);
}

/* Makes the calls in a child, on handles of this process. */
static inline void in_a_child(void (*calls)(void))
{
    glacier_upload_t *upload = local_upload(client);
    pid_t child = fork();
    int status = 0;
    CHECK(child >= 0);
    if (child == 0) {
        checks = 0;
        of_the_parent = upload;
        calls();
        glacier_upload_free(upload);
        end_program();
        exit(EXIT_SUCCESS);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    glacier_upload_free(upload);
}
