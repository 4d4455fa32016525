/*
 * by_hand: calls the service's multipart operations, with parts sent by four threads of the program.
 *
 * For programs that have their own threads and buffers and decide when each part is sent. Other programs are simpler
 * with glacier_upload_run: see upload.c. Endpoint, region and credentials come from the environment.
 */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>

#include "output.h"

#define THREADS 4

/* Shared by the sending threads. */
struct job {
    glacier_upload_t *upload;
    int fd;
    uint64_t size, part_size;
    uint32_t parts;
    pthread_mutex_t lock; /* guards the fields below */
    uint32_t next;        /* the next part to send */
    int failed;
};

static int upload_file(glacier_client_t *, const char *vault, int fd, uint64_t size, int abort_on_failure);
static int send_parts(struct job *);
static void *sender(void *job);
static int put_one(struct job *, uint32_t index, void *buffer);
static int show_parts(glacier_upload_t *);
static int fail(const char *what, glacier_error_t *err);

int main(int argc, char **argv)
{
    int abort_on_failure = argc == 4 && strcmp(argv[1], "--abort-on-failure") == 0;
    prepare_output();
    if (argc != 3 + abort_on_failure) {
        fprintf(stderr, "usage: by_hand [--abort-on-failure] VAULT FILE\n");
        return EXIT_USAGE;
    }
    const char *vault = argv[argc - 2], *path = argv[argc - 1];

    struct stat status;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) != 0) {
        const char *cause = strerror(errno);
        fputs("by_hand: ", stderr);
        put_name(path, stderr);
        fprintf(stderr, ": %s\n", cause);
        return EXIT_FAILURE;
    }
    if (!S_ISREG(status.st_mode)) {
        fputs("by_hand: ", stderr);
        put_name(path, stderr);
        fputs(": not a regular file\n", stderr);
        return EXIT_FAILURE;
    }
    glacier_error_t *err = NULL;
    glacier_client_t *client = NULL;
    glacier_config_t *config = glacier_config_new();
    int code = EXIT_SUCCESS;
    if (glacier_config_set_log(config, GLACIER_LOG_WARN, log_to_stderr, "by_hand", NULL, &err) != GLACIER_OK ||
        glacier_client_new(config, &client, &err) != GLACIER_OK)
        code = settings_failed("by_hand", err);
    else
        code = upload_file(client, vault, fd, (uint64_t)status.st_size, abort_on_failure);

    glacier_client_free(client);
    glacier_config_free(config);
    close(fd);
    return code;
}

/* Plans, initiates, puts the parts, lists them and completes. Returns the exit code. */
static int upload_file(glacier_client_t *client, const char *vault, int fd, uint64_t size, int abort_on_failure)
{
    glacier_error_t *err = NULL;
    glacier_upload_t *upload = NULL;
    glacier_plan_t *plan = NULL;
    struct job job = {.fd = fd, .size = size, .lock = PTHREAD_MUTEX_INITIALIZER};
    int ok = glacier_plan_new(size, 0, &plan, &err) == GLACIER_OK || fail("plan", err);
    if (!ok)
        return EXIT_FAILURE;
    job.part_size = glacier_plan_part_size(plan);
    job.parts = glacier_plan_part_count(plan);
    printf("%" PRIu32 " parts of %" PRIu64 " bytes, the last may be shorter; %" PRIu32 " requests\n", job.parts,
           job.part_size, glacier_plan_request_count(plan));
    glacier_plan_free(plan);

    if (glacier_upload_new(client, vault, &upload, &err) != GLACIER_OK)
        return settings_failed("by_hand", err);
    ok = ok && (glacier_upload_set_part_size(upload, job.part_size, &err) == GLACIER_OK || fail("part size", err));
    ok = ok && (glacier_upload_initiate(upload, &err) == GLACIER_OK || fail("initiate", err));
    if (ok) {
        printf("upload-id: %s\n", glacier_upload_id(upload));
        flush_output(); /* if this process is killed, the upload can be resumed by its ID */
        job.upload = upload;
        ok = send_parts(&job) && show_parts(upload);
        ok = ok && (glacier_upload_complete(upload, &err) == GLACIER_OK || fail("complete", err));
        if (ok) {
            printf("archive-id: %s\ntree-hash: %s\nlocation: %s\n", glacier_upload_archive_id(upload),
                   glacier_upload_tree_hash(upload), glacier_upload_archive_location(upload));
            ok = finish_output("by_hand");
            if (!ok) /* the archive is stored, and only this ID gives access to it */
                fprintf(stderr, "archive-id: %s\n", glacier_upload_archive_id(upload));
        } else if (abort_on_failure) {
            if (glacier_upload_abort(upload, &err) == GLACIER_OK)
                fprintf(stderr, "by_hand: aborted: the service has deleted the upload and its parts\n");
            else
                fail("abort", err);
        } else {
            fprintf(stderr, "by_hand: the service keeps upload %s for 24 hours after its last part\n",
                    glacier_upload_id(upload));
        }
    }
    glacier_upload_free(upload);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int send_parts(struct job *job)
{
    pthread_t threads[THREADS];
    int started = 0;
    while (started < THREADS && pthread_create(&threads[started], NULL, sender, job) == 0)
        started++;
    if (started == 0) {
        fprintf(stderr, "by_hand: no thread could be started\n");
        return 0;
    }
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return !job->failed;
}

/* Sends the next part until all are sent or one has failed. */
static void *sender(void *user_data)
{
    struct job *job = user_data;
    size_t capacity = (size_t)(job->size < job->part_size ? job->size : job->part_size);
    void *buffer = malloc(capacity);
    if (buffer == NULL)
        fprintf(stderr, "by_hand: no memory for a part of %zu bytes\n", capacity);
    for (int ok = buffer != NULL;;) {
        pthread_mutex_lock(&job->lock);
        job->failed |= !ok;
        int done = job->failed || job->next == job->parts;
        uint32_t index = done ? 0 : job->next++;
        pthread_mutex_unlock(&job->lock);
        if (done)
            break;
        ok = put_one(job, index, buffer);
    }
    free(buffer);
    return NULL;
}

static int put_one(struct job *job, uint32_t index, void *buffer)
{
    glacier_error_t *err = NULL;
    uint64_t offset = index * job->part_size, left = job->size - offset;
    size_t length = (size_t)(left < job->part_size ? left : job->part_size);
    for (size_t filled = 0; filled < length;) {
        ssize_t n = pread(job->fd, (char *)buffer + filled, length - filled, (off_t)(offset + filled));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fprintf(stderr, "by_hand: reading part %" PRIu32 ": %s\n", index,
                    n < 0 ? strerror(errno) : "the file was truncated");
            return 0;
        }
        filled += (size_t)n;
    }
    return glacier_upload_put_part(job->upload, index, buffer, length, &err) == GLACIER_OK || fail("part", err);
}

/* Prints the parts that the service holds. */
static int show_parts(glacier_upload_t *upload)
{
    glacier_error_t *err = NULL;
    glacier_parts_t *parts = NULL;
    if (glacier_upload_list_parts(upload, &parts, &err) != GLACIER_OK)
        return fail("list parts", err);
    for (size_t i = 0; i < glacier_parts_count(parts); i++)
        printf("part at %" PRIu64 ", %" PRIu64 " bytes, tree hash %s\n", glacier_parts_offset(parts, i),
               glacier_parts_length(parts, i), glacier_parts_tree_hash(parts, i));
    glacier_parts_free(parts);
    return 1;
}

/* Prints the error and frees it. Returns 0. */
static int fail(const char *what, glacier_error_t *err)
{
    fprintf(stderr, "by_hand: %s: %s\n", what, glacier_error_message(err));
    glacier_error_free(err);
    return 0;
}
