/*
 * watched: uploads a file through the C ABI. A second thread samples its progress. Endpoint, region, keys and CA_FILE
 * come from the environment.
 *
 * usage: watched run|transfer FILE PART_SIZE WORKERS [JOURNAL [UPLOAD_ID]]      An empty JOURNAL means none.
 *
 * Prints a line "name: value" for each figure. The times "first-..." and "last-..." are averages per part: over the time
 * from the first acknowledged part to a tenth of all parts, and over the last tenth.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "glacier_mp.h"

#define NEAR_THE_END ((uint64_t)16 << 20)

struct sample {
    uint64_t parts;   /* stored by the service; 0: no sample yet */
    double wall, cpu; /* seconds */
};

struct watch {
    const glacier_upload_t *upload;
    int done;
    double started;
    uint64_t max_in_flight;
    struct sample first, tenth, last_tenth, all;
    double completing; /* the time at which Complete was sent; 0 if not sampled */
};

static double seconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void record(struct sample *sample, uint64_t parts, int is_due)
{
    if (sample->parts > 0 || !is_due)
        return;
    *sample = (struct sample){parts, seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

/* Samples once per millisecond, and ten times as often near the end, where milliseconds count. */
static void *watch_upload(void *argument)
{
    struct watch *watch = argument;
    while (!__atomic_load_n(&watch->done, __ATOMIC_ACQUIRE)) {
        glacier_progress_t p;
        long interval = 1000000;
        if (glacier_upload_progress(watch->upload, &p, sizeof p, NULL) == GLACIER_OK && p.parts_total != UINT64_MAX) {
            record(&watch->first, p.parts_done, p.parts_done > 0);
            record(&watch->tenth, p.parts_done, p.parts_done > 0 && p.parts_done >= p.parts_total / 10);
            record(&watch->last_tenth, p.parts_done, p.parts_done >= p.parts_total - p.parts_total / 10);
            record(&watch->all, p.parts_done, p.parts_done == p.parts_total);
            if (p.parts_in_flight > watch->max_in_flight)
                watch->max_in_flight = p.parts_in_flight;
            if (p.bytes_resumed + p.bytes_sent + NEAR_THE_END >= p.bytes_total)
                interval /= 10;
        }
        if (watch->completing == 0 && glacier_upload_state(watch->upload) == GLACIER_STATE_COMPLETING)
            watch->completing = seconds(CLOCK_MONOTONIC);
        nanosleep(&(struct timespec){0, interval}, NULL);
    }
    return NULL;
}

static void print_share(const char *name, const struct sample *from, const struct sample *to)
{
    if (from->parts == 0 || to->parts <= from->parts)
        return;
    double parts = (double)(to->parts - from->parts);
    printf("%s-cpu-us: %.3f\n%s-wall-us: %.3f\n", name, (to->cpu - from->cpu) / parts * 1e6, name,
           (to->wall - from->wall) / parts * 1e6);
}

static void report(const struct watch *watch, double returned)
{
    glacier_progress_t p;
    printf("upload-id: %s\n", glacier_upload_id(watch->upload));
    if (glacier_upload_tree_hash(watch->upload) != NULL)
        printf("tree-hash: %s\n", glacier_upload_tree_hash(watch->upload));
    print_share("first", &watch->first, &watch->tenth);
    print_share("last", &watch->last_tenth, &watch->all);
    printf("most-in-flight: %" PRIu64 "\n", watch->max_in_flight);
    printf("returned-ms: %.3f\n", (returned - watch->started) * 1e3);
    if (watch->all.parts > 0 && watch->completing > 0)
        printf("until-complete-ms: %.3f\ncomplete-ms: %.3f\n", (watch->completing - watch->all.wall) * 1e3,
               (returned - watch->completing) * 1e3);
    if (glacier_upload_progress(watch->upload, &p, sizeof p, NULL) == GLACIER_OK)
        printf("bytes-hashed: %" PRIu64 "\nbytes-sent: %" PRIu64 "\nbytes-resumed: %" PRIu64 "\nretries: %" PRIu64 "\n",
               p.bytes_hashed, p.bytes_sent, p.bytes_resumed, p.retries);
}

static glacier_result_t make(char **argument, int count, glacier_client_t **client, glacier_upload_t **upload,
                             glacier_error_t **err)
{
    glacier_config_t *config = glacier_config_new();
    const char *ca_file = getenv("CA_FILE");
    glacier_result_t result = glacier_config_set_concurrency(config, (uint32_t)strtoul(argument[4], NULL, 10), err);
    if (result == GLACIER_OK && ca_file != NULL)
        result = glacier_config_set_ca_file(config, ca_file, err);
    if (result == GLACIER_OK)
        result = glacier_client_new(config, client, err);
    glacier_config_free(config);
    if (result == GLACIER_OK)
        result = glacier_upload_new(*client, "examplevault", upload, err);
    if (result == GLACIER_OK)
        result = glacier_upload_set_source_file(*upload, argument[2], err);
    if (result == GLACIER_OK)
        result = glacier_upload_set_part_size(*upload, strtoull(argument[3], NULL, 10), err);
    if (result == GLACIER_OK && count > 5 && argument[5][0] != '\0')
        result = glacier_upload_set_journal(*upload, argument[5], err);
    if (result == GLACIER_OK && count > 6)
        result = glacier_upload_set_upload_id(*upload, argument[6], err);
    return result;
}

int main(int count, char **argument)
{
    glacier_client_t *client = NULL;
    glacier_upload_t *upload = NULL;
    glacier_error_t *err = NULL;
    pthread_t thread;

    if (count < 5 || count > 7) {
        fprintf(stderr, "usage: watched run|transfer FILE PART_SIZE WORKERS [JOURNAL [UPLOAD_ID]]\n");
        return 2;
    }
    glacier_result_t result = make(argument, count, &client, &upload, &err);
    if (result == GLACIER_OK) {
        struct watch watch = {.upload = upload, .started = seconds(CLOCK_MONOTONIC)};
        if (pthread_create(&thread, NULL, watch_upload, &watch) != 0)
            return 1;
        result =
            strcmp(argument[1], "run") == 0 ? glacier_upload_run(upload, &err) : glacier_upload_transfer(upload, &err);
        double returned = seconds(CLOCK_MONOTONIC);
        __atomic_store_n(&watch.done, 1, __ATOMIC_RELEASE);
        pthread_join(thread, NULL);
        if (result == GLACIER_OK)
            report(&watch, returned);
    }
    if (result != GLACIER_OK)
        fprintf(stderr, "watched: %s\n", glacier_error_message(err));
    glacier_error_free(err);
    glacier_upload_free(upload);
    glacier_client_free(client);
    return result == GLACIER_OK ? 0 : 1;
}
