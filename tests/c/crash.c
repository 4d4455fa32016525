/*
 * crash WAY MEMORY PATH FILE
 *
 * Uploads FILE in parts of 1 MiB, or resumes the upload of an earlier process, and prints the result. WAY is the kind
 * of source: file, pushed, callback. MEMORY is how the next process learns of the upload: journal (at PATH), or the
 * upload ID, which this program writes to PATH: watched (when the progress callback first sees it), or initiated (by
 * its own call, before a byte is read). Environment variables, all optional:
 *
 *     PROCESS      the user agent, which identifies the requests of a process
 *     UPLOAD_ID    attaches to that upload
 *     DIE_AT       a number: see dying.h
 *     POWER_FAILS  at DIE_AT, also discards all data that is not synced
 *     FILE_LIMIT   the maximum size of a file in bytes, as on a full disk
 *     MAKE_ROOM    lifts FILE_LIMIT after one failed write to the journal
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <sys/resource.h>

#include "dying.h"
#include "local.h"

enum { WORKERS = 4, WRITE_SIZE = 300000 };

static const char *path;
static glacier_upload_t *upload;
static int remembered;

static int is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

/* Whenever this process dies, the file has the complete ID or does not exist. */
static void remember(const char *id)
{
    char unfinished[4096];
    size_t length = strlen(id);
    snprintf(unfinished, sizeof unfinished, "%s.new", path);
    int fd = open(unfinished, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(fd >= 0 && write(fd, id, length) == (ssize_t)length && fsync(fd) == 0 && close(fd) == 0);
    CHECK(rename(unfinished, path) == 0);
    remembered = 1;
}

static void attach_to_what_was_remembered(void)
{
    char id[1024] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    CHECK(fgets(id, sizeof id, file) != NULL);
    fclose(file);
    OK(glacier_upload_set_upload_id(upload, id, &err));
    remembered = 1;
}

static int32_t remember_once_known(void *user_data, const glacier_progress_t *progress)
{
    const char *id = glacier_upload_id(upload);
    (void)user_data, (void)progress;
    if (id != NULL && !remembered)
        remember(id);
    return GLACIER_CONTINUE;
}

static int32_t read_file(void *user_data, uint8_t *into, size_t room, size_t *length)
{
    *length = fread(into, 1, room, (FILE *)user_data);
    return ferror((FILE *)user_data) ? GLACIER_STOP : GLACIER_CONTINUE;
}

static void close_file(void *user_data)
{
    fclose((FILE *)user_data);
}

static void tell_line(void *user_data, glacier_log_level_t level, const char *line)
{
    (void)user_data, (void)level;
    fprintf(stderr, "log: %s\n", line);
}

static glacier_client_t *client_that_logs(void)
{
    glacier_config_t *config = glacier_config_new();
    glacier_client_t *client = NULL;
    const char *process = getenv("PROCESS");
    OK(glacier_config_set_concurrency(config, WORKERS, &err));
    OK(glacier_config_set_log(config, GLACIER_LOG_WARN, tell_line, NULL, NULL, &err));
    if (process != NULL)
        OK(glacier_config_set_user_agent(config, process, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
    return client;
}

static void take_up(const char *memory)
{
    const char *id = getenv("UPLOAD_ID");
    if (id != NULL)
        OK(glacier_upload_set_upload_id(upload, id, &err));
    if (is(memory, "journal")) {
        death.journal = path;
        OK(glacier_upload_set_journal(upload, path, &err));
        return;
    }
    attach_to_what_was_remembered();
    if (is(memory, "watched"))
        OK(glacier_upload_set_progress(upload, remember_once_known, NULL, NULL, &err));
}

/* Opens a source that is not read from its path. */
static FILE *set_source(const char *way, const char *name)
{
    struct stat about;
    if (is(way, "file")) {
        OK(glacier_upload_set_source_file(upload, name, &err));
        return NULL;
    }
    FILE *file = fopen(name, "r");
    CHECK(file != NULL && fstat(fileno(file), &about) == 0);
    if (is(way, "pushed"))
        return file;
    CHECK(is(way, "callback"));
    OK(glacier_upload_set_source_callback(upload, read_file, (uint64_t)about.st_size, file, close_file, &err));
    return NULL;
}

static glacier_result_t push(FILE *file)
{
    static uint8_t bytes[WRITE_SIZE];
    glacier_result_t result = GLACIER_OK;
    size_t length;
    while (result == GLACIER_OK && (length = fread(bytes, 1, sizeof bytes, file)) > 0)
        result = glacier_upload_write(upload, bytes, length, &err);
    CHECK(!ferror(file));
    fclose(file);
    return result == GLACIER_OK ? glacier_upload_finish(upload, &err) : result;
}

static void tell(glacier_result_t result)
{
    glacier_progress_t progress;
    CHECK_NUMBER(glacier_upload_progress(upload, &progress, sizeof progress, NULL), GLACIER_OK);
    printf("result: %s\n", glacier_result_name(result));
    printf("resumable: %d\n", (int)glacier_error_is_resumable(err));
    printf("message: %s\n", err != NULL ? glacier_error_message(err) : "");
    printf("upload-id: %s\n", glacier_upload_id(upload) != NULL ? glacier_upload_id(upload) : "");
    printf("archive-id: %s\n", glacier_upload_archive_id(upload) != NULL ? glacier_upload_archive_id(upload) : "");
    printf("bytes-hashed: %llu\n", (unsigned long long)progress.bytes_hashed);
    printf("points: %lu\n", points);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit most = {bytes, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_FSIZE, &most) == 0);
}

static void make_room(void)
{
    limit_files(RLIM_INFINITY);
}

int main(int argc, char **argv)
{
    const char *die_at = getenv("DIE_AT"), *limit = getenv("FILE_LIMIT");
    CHECK_NUMBER(argc, 5);
    path = argv[3];
    death.at = die_at != NULL ? strtoul(die_at, NULL, 10) : 0;
    death.power_fails = getenv("POWER_FAILS") != NULL;
    /* SIGXFSZ ends a process and keeps its default action: no thread that writes the journal may receive it. */
    if (limit != NULL)
        limit_files(strtoul(limit, NULL, 10));
    when_full = getenv("MAKE_ROOM") != NULL ? make_room : NULL;
    glacier_client_t *client = client_that_logs();
    upload = local_upload(client);
    glacier_client_free(client);
    take_up(argv[2]);
    FILE *pushed = set_source(argv[1], argv[4]);
    if (is(argv[2], "initiated") && !remembered) {
        OK(glacier_upload_initiate(upload, &err));
        remember(glacier_upload_id(upload));
    }
    glacier_result_t result = pushed != NULL ? push(pushed) : glacier_upload_run(upload, &err);
    tell(result);
    glacier_error_free(err);
    glacier_upload_free(upload);
    return result == GLACIER_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
