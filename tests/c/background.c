/* Background runs: the order, number and thread of the callbacks, and every call during a run. */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>

#include "everything.h"
#include "service.h"
#include "threads.h"

enum { WHOLE = 3 * 1048576 };

static uint8_t *data;
static glacier_client_t *client;
static pthread_t main_thread;
static int threads_at_rest;

/* A started run and its results so far. */
struct run {
    glacier_upload_t *upload;
    int32_t (*in_progress)(struct run *); /* what the progress callback does; may be NULL */
    void (*when_done)(struct run *);

    pthread_t thread; /* the thread of its callbacks */
    int told, done, destroyed, held, go_on;
    size_t read;
    glacier_result_t result;
    char message[512];
};

#define NOW(counter) __atomic_load_n(&(counter), __ATOMIC_ACQUIRE)
#define ONE_MORE(counter) __atomic_fetch_add(&(counter), 1, __ATOMIC_RELEASE)

/* All callbacks come on one thread, which is not one of the program's. None comes after done. */
static void on_its_thread(struct run *run)
{
    if (run->told + run->done == 0)
        run->thread = pthread_self();
    CHECK(pthread_equal(pthread_self(), run->thread));
    CHECK(run->done == 0 && run->destroyed == 0);
}

static int32_t tell(void *user_data, const glacier_progress_t *p)
{
    struct run *run = (struct run *)user_data;
    (void)p;
    if (pthread_equal(pthread_self(), main_thread))
        return GLACIER_CONTINUE; /* progress of a call after the run */
    on_its_thread(run);
    int32_t flow = run->in_progress != NULL ? run->in_progress(run) : GLACIER_CONTINUE;
    ONE_MORE(run->told);
    return flow;
}

static void done(void *user_data, glacier_result_t result, const glacier_error_t *failure)
{
    struct run *run = (struct run *)user_data;
    on_its_thread(run);
    CHECK((failure == NULL) == (result == GLACIER_OK));
    CHECK_NUMBER(glacier_error_code(failure), result);
    run->result = result;
    if (failure != NULL)
        snprintf(run->message, sizeof run->message, "%s", glacier_error_message(failure));
    if (run->when_done != NULL)
        run->when_done(run);
    ONE_MORE(run->done);
}

static void count(void *user_data)
{
    struct run *run = (struct run *)user_data;
    CHECK_NUMBER(run->done, 1);
    ONE_MORE(run->destroyed);
}

static struct run run_of(glacier_upload_t *upload)
{
    struct run run = {0};
    run.upload = upload;
    OK(glacier_upload_set_source_memory(upload, data, WHOLE, &err));
    return run;
}

static void start_it(struct run *run)
{
    run->told = run->done = run->destroyed = 0;
    OK(glacier_upload_set_progress(run->upload, tell, run, NULL, &err));
    OK(glacier_upload_start(run->upload, done, run, count, &err));
}

/* Starts a run. The service does not respond to one part, so the run continues until it is canceled. */
static void start_stalled(struct run *run)
{
    service_fault(STALLED_PART(1));
    start_it(run);
    wait_for_parts_in_flight(run->upload, 1);
}

/* When a caller learns the result, done and destroy have returned, once each. */
static void ended(struct run *run, glacier_result_t want)
{
    CHECK_NUMBER(glacier_upload_wait(run->upload, GLACIER_FOREVER, &err), want);
    CHECK_NUMBER(NOW(run->done), 1);
    CHECK_NUMBER(NOW(run->destroyed), 1);
    CHECK_NUMBER(run->result, want);
    if (err != NULL)
        CHECK_TEXT(glacier_error_message(err), run->message);
    glacier_error_free(err);
    err = NULL;
    WAIT_UNTIL(threads_now() == threads_at_rest);
    service_works();
}

/* ---- Waiting ------------------------------------------------------------------------------------------------ */

static int32_t hold(struct run *run)
{
    WAIT_UNTIL(NOW(run->go_on));
    return GLACIER_CONTINUE;
}

static void *wait_for_it(void *user_data)
{
    struct run *run = (struct run *)user_data;
    glacier_result_t result;
    while ((result = glacier_upload_wait(run->upload, 3, &err)) == GLACIER_E_PENDING) {
        CHECK_NUMBER(glacier_error_code(err), GLACIER_E_PENDING);
        glacier_error_free(err);
    }
    CHECK_NUMBER(result, GLACIER_OK);
    CHECK_NUMBER(NOW(run->destroyed), 1);
    OK(glacier_upload_wait(run->upload, 0, &err));
    OK(glacier_upload_wait(run->upload, GLACIER_FOREVER, &err));
    return NULL;
}

static void waited_for_by_many(void)
{
    pthread_t waiters[4];
    struct run run = run_of(local_upload(client));
    run.in_progress = hold;
    FAILS(GLACIER_E_STATE, glacier_upload_wait(run.upload, GLACIER_FOREVER, &err)); /* no run was started */
    start_it(&run);
    for (int i = 0; i < 4; i++)
        waiters[i] = start(wait_for_it, &run);
    for (int i = 0; i < 3; i++)
        FAILS(GLACIER_E_PENDING, glacier_upload_wait(run.upload, (uint64_t)i, &err));
    CHECK_NUMBER(NOW(run.done), 0);
    ONE_MORE(run.go_on);
    for (int i = 0; i < 4; i++)
        join(waiters[i]);
    ended(&run, GLACIER_OK);
    CHECK_NUMBER(glacier_upload_state(run.upload), GLACIER_STATE_COMPLETED);

    /* Once more: there is nothing to do, and the callbacks report it. */
    unsigned before = requests_so_far();
    start_it(&run);
    ended(&run, GLACIER_OK);
    CHECK_NUMBER(requests_so_far(), before);
    glacier_upload_free(run.upload);
}

static void count_at_once(void *destroyed)
{
    ++*(int *)destroyed;
}

static void never_comes(void *user_data, glacier_result_t result, const glacier_error_t *failure)
{
    (void)user_data, (void)failure;
    CHECK_NUMBER(result, 1);
    CHECK(0);
}

static void nobody_is_told(void)
{
    int destroyed = 0;
    struct run run = run_of(local_upload(client));
    OK(glacier_upload_start(run.upload, NULL, &destroyed, count_at_once, &err));
    CHECK_NUMBER(destroyed, 1); /* released at once without a callback */
    OK(glacier_upload_wait(run.upload, GLACIER_FOREVER, &err));
    OK(glacier_upload_start(run.upload, NULL, NULL, NULL, &err));
    OK(glacier_upload_wait(run.upload, GLACIER_FOREVER, &err));
    glacier_upload_free(run.upload);
}

static void what_cannot_be_started(void)
{
    int destroyed = 0;
    glacier_upload_t *upload = local_upload(client);
    FAILS(GLACIER_E_STATE, glacier_upload_start(upload, never_comes, &destroyed, count_at_once, &err));
    OK(glacier_upload_set_source_memory(upload, data, WHOLE, &err));
    OK(glacier_upload_set_part_range(upload, 0, 1, &err));
    FAILS(GLACIER_E_STATE, glacier_upload_start(upload, never_comes, &destroyed, count_at_once, &err));
    CHECK_NUMBER(destroyed, 2);
    FAILS(GLACIER_E_STATE, glacier_upload_wait(upload, GLACIER_FOREVER, &err));
    glacier_upload_free(upload);

    struct run run = run_of(local_upload(client));
    start_stalled(&run);
    FAILS(GLACIER_E_BUSY, glacier_upload_start(run.upload, never_comes, &destroyed, count_at_once, &err));
    CHECK_NUMBER(destroyed, 3);
    FAILS(GLACIER_E_PENDING, glacier_upload_wait(run.upload, 0, &err));
    glacier_upload_cancel(run.upload);
    ended(&run, GLACIER_E_CANCELED);
    glacier_upload_free(run.upload);
}

/* ---- During the run ----------------------------------------------------------------------------------------- */

/* Returns true if a thread blocks the signals, or has ended. The mask of a thread that is just ending reads as 0. */
static int blocks_signals_or_ended(const char *thread)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGALRM, SIGPIPE};
    unsigned long long blocked = 0;
    char path[300], line[256];
    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *status = fopen(path, "r");
    if (status == NULL)
        return 1;
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
            break;
    fclose(status);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if ((blocked >> (signals[i] - 1) & 1) == 0)
            return 0;
    return 1;
}

/* Returns whether the thread with this name blocks a signal; -1 if there is no such thread. */
static int thread_blocks(const char *name, int signal_number)
{
    DIR *tasks = opendir("/proc/self/task");
    int blocks = -1;
    CHECK(tasks != NULL);
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char path[300], line[256];
        unsigned long long blocked = 0;
        int is_wanted = 0;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "r");
        if (status == NULL)
            continue;
        while (fgets(line, sizeof line, status) != NULL) {
            if (strncmp(line, "Name:\t", 6) == 0)
                is_wanted = strncmp(line + 6, name, strlen(name)) == 0;
            if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
                break;
        }
        fclose(status);
        if (is_wanted)
            blocks = (int)(blocked >> (signal_number - 1) & 1);
    }
    closedir(tasks);
    return blocks;
}

/* A garbage collector stops threads with real-time signals: the callback thread has those of the thread that started it. */
static void real_time_signals_are_inherited(void)
{
    sigset_t one, before;
    CHECK_NUMBER(sigemptyset(&one), 0);
    CHECK_NUMBER(sigaddset(&one, SIGRTMIN + 1), 0);
    CHECK_NUMBER(pthread_sigmask(SIG_BLOCK, &one, &before), 0);
    struct run run = run_of(local_upload(client));
    start_stalled(&run);
    CHECK_NUMBER(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    CHECK_NUMBER(thread_blocks("glacier-run", SIGRTMIN + 1), 1);
    WAIT_UNTIL(thread_blocks("glacier-run", SIGRTMIN) == 0); /* it blocks all signals while it starts a thread */
    CHECK_NUMBER(thread_blocks("glacier-run", SIGUSR1), 1);
    CHECK_NUMBER(thread_blocks("glacier-job", SIGRTMIN), 1);
    glacier_upload_cancel(run.upload);
    ended(&run, GLACIER_E_CANCELED);
    glacier_upload_free(run.upload);
}

/* Checks the threads of the library: all except the program's own thread. */
static void check_that_signals_are_blocked(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int looked_at = 0;
    CHECK(tasks != NULL);
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;) {
        if (task->d_name[0] == '.' || atol(task->d_name) == (long)getpid())
            continue;
        WAIT_UNTIL(blocks_signals_or_ended(task->d_name));
        looked_at++;
    }
    closedir(tasks);
    CHECK(looked_at > 1);
}

static void in_use_and_told_about(void)
{
    struct run run = run_of(local_upload(client));
    start_stalled(&run);
    all_alone_give(GLACIER_E_BUSY, run.upload);
    all_parts_give(GLACIER_E_BUSY, run.upload);
    CHECK_NUMBER(glacier_upload_state(run.upload), GLACIER_STATE_TRANSFERRING);
    CHECK(glacier_upload_id(run.upload) != NULL && glacier_upload_archive_id(run.upload) == NULL);
    check_that_signals_are_blocked();
    int told = NOW(run.told);
    WAIT_UNTIL(NOW(run.told) >= told + 3); /* no part moves, but the progress callback is called */
    glacier_upload_cancel(run.upload);
    ended(&run, GLACIER_E_CANCELED);

    /* A canceled run can be started again. */
    start_it(&run);
    ended(&run, GLACIER_OK);
    OK(glacier_upload_run(run.upload, &err));
    glacier_upload_free(run.upload);
}

static int32_t stop(struct run *run)
{
    return NOW(run->go_on) ? GLACIER_STOP : GLACIER_CONTINUE;
}

static void stopped_by_its_callback(void)
{
    struct run run = run_of(local_upload(client));
    run.in_progress = stop;
    start_stalled(&run);
    ONE_MORE(run.go_on);
    ended(&run, GLACIER_E_CALLBACK);
    glacier_upload_free(run.upload);
}

static void aborted(void)
{
    struct run run = run_of(local_upload(client));
    start_stalled(&run);
    OK(glacier_upload_abort(run.upload, &err));
    CHECK_NUMBER(NOW(run.destroyed), 1);
    CHECK_NUMBER(glacier_upload_state(run.upload), GLACIER_STATE_ABORTED);
    ended(&run, GLACIER_E_CANCELED);
    start_it(&run);
    ended(&run, GLACIER_E_STATE);
    glacier_upload_free(run.upload);
}

/* A source that blocks on the upload's own thread until it is released. */
static int32_t read_slowly(void *user_data, uint8_t *buf, size_t cap, size_t *out_len)
{
    struct run *run = (struct run *)user_data;
    size_t n = WHOLE - run->read < cap ? WHOLE - run->read : cap;
    on_its_thread(run);
    if (run->read == MIB) {
        ONE_MORE(run->held);
        hold(run);
    }
    memcpy(buf, data + run->read, n);
    run->read += n;
    *out_len = n;
    return GLACIER_CONTINUE;
}

/* A cancel does not interrupt a callback: the run ends after the callback returns. */
static void canceled_while_its_source_blocks(void)
{
    for (int canceled = 0; canceled < 2; canceled++) {
        struct run run = run_of(local_upload(client));
        OK(glacier_upload_set_source_callback(run.upload, read_slowly, WHOLE, &run, NULL, &err));
        start_it(&run);
        WAIT_UNTIL(NOW(run.held) == 1 && progress_of(run.upload).parts_done == 1);
        if (canceled)
            glacier_upload_cancel(run.upload);
        for (int i = 0; i < 3; i++)
            FAILS(GLACIER_E_PENDING, glacier_upload_wait(run.upload, 100, &err));
        ONE_MORE(run.go_on);
        ended(&run, canceled ? GLACIER_E_CANCELED : GLACIER_OK);
        glacier_upload_free(run.upload);
    }
}

/* ---- Calls inside its callbacks ----------------------------------------------------------------------------- */

static void call_everything(struct run *run)
{
    everything_gives(GLACIER_E_BUSY, run->upload);
    CHECK_NUMBER(glacier_upload_state(run->upload), GLACIER_STATE_COMPLETED);
    CHECK(glacier_upload_archive_id(run->upload) != NULL);
}

static int32_t call_everything_once(struct run *run)
{
    if (run->told == 0)
        everything_gives(GLACIER_E_BUSY, run->upload);
    return GLACIER_CONTINUE;
}

/* The stack is as large as that of a thread of the program. */
static void use_a_large_stack(struct run *run)
{
    volatile uint8_t large[1048576];
    for (size_t i = 0; i < sizeof large; i += 1024)
        large[i] = (uint8_t)run->told;
    CHECK_NUMBER(large[0], (uint8_t)run->told);
}

static struct run next;

/* Other uploads of the same client: one is started, and one is run to its end. */
static void work_on_others(struct run *run)
{
    (void)run;
    glacier_upload_t *other = local_upload(client);
    start_it(&next);
    OK(glacier_upload_write(other, data, WHOLE, &err));
    OK(glacier_upload_finish(other, &err));
    glacier_upload_free(other);
}

static void what_its_callbacks_may_do(void)
{
    static void (*const acts[])(struct run *) = {call_everything, use_a_large_stack, work_on_others};
    next = run_of(local_upload(client));
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        struct run run = run_of(local_upload(client));
        run.in_progress = call_everything_once;
        run.when_done = acts[i];
        start_it(&run);
        CHECK_NUMBER(glacier_upload_wait(run.upload, GLACIER_FOREVER, NULL), GLACIER_OK);
        if (acts[i] == work_on_others)
            ended(&next, GLACIER_OK);
        ended(&run, GLACIER_OK);
        glacier_upload_free(run.upload);
    }
    glacier_upload_free(next.upload);
}

/* Log lines come on the same thread. */
static pthread_t log_thread;
static int lines;

static void keep_line(void *user_data, glacier_log_level_t level, const char *message)
{
    (void)user_data, (void)level, (void)message;
    CHECK(lines == 0 || pthread_equal(pthread_self(), log_thread));
    log_thread = pthread_self();
    lines++;
}

static void its_log_lines(void)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *logging = NULL;
    OK(glacier_config_set_log(config, GLACIER_LOG_DEBUG, keep_line, NULL, NULL, &err));
    OK(glacier_client_new(config, &logging, &err));
    glacier_config_free(config);
    struct run run = run_of(local_upload(logging));
    glacier_client_free(logging);
    start_it(&run);
    ended(&run, GLACIER_OK);
    CHECK(lines > 0 && pthread_equal(log_thread, run.thread));
    glacier_upload_free(run.upload);
}

/* ---- Freed during the run ----------------------------------------------------------------------------------- */

static void free_it(struct run *run)
{
    glacier_upload_free(run->upload);
}

static int32_t free_at_first(struct run *run)
{
    if (run->told == 0)
        free_it(run);
    return GLACIER_CONTINUE;
}

static void gone(struct run *run, glacier_result_t want)
{
    WAIT_UNTIL(NOW(run->destroyed) == 1);
    CHECK_NUMBER(run->done, 1);
    CHECK_NUMBER(run->result, want);
    WAIT_UNTIL(threads_now() == threads_at_rest);
    service_works();
}

static void freed(void)
{
    struct run run = run_of(local_upload(client));
    start_stalled(&run);
    glacier_upload_free(run.upload);
    gone(&run, GLACIER_E_CANCELED);

    run = run_of(local_upload(client));
    run.in_progress = free_at_first;
    service_fault(STALLED_PART(1));
    start_it(&run);
    gone(&run, GLACIER_E_CANCELED);

    run = run_of(local_upload(client));
    run.when_done = free_it;
    start_it(&run);
    gone(&run, GLACIER_OK);
}

int main(void)
{
    data = local_data(WHOLE);
    client = local_client(2);
    main_thread = pthread_self();
    threads_at_rest = threads_now();
    waited_for_by_many();
    nobody_is_told();
    what_cannot_be_started();
    real_time_signals_are_inherited();
    in_use_and_told_about();
    stopped_by_its_callback();
    aborted();
    canceled_while_its_source_blocks();
    what_its_callbacks_may_do();
    its_log_lines();
    freed();

    /* The program does not wait for the last run: it ends while callbacks may still come. */
    static struct run last;
    last = run_of(local_upload(client));
    start_stalled(&last);
    glacier_upload_free(last.upload);
    glacier_client_free(client);
    return 0;
}
