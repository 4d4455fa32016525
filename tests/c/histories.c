/*
 * histories FILE OTHER JOURNAL
 *
 * Executes commands for one upload from standard input, one per line, and prints a line for each:
 *
 *     open KIND ID WHICH a new handle. KIND is the kind of source: file, memory, callback, unknown (a callback of
 *                        unknown length), pushed. The bytes are those of FILE, or of OTHER if WHICH is other. If
 *                        JOURNAL is "-", there is none, and ID is "-" or the upload ID to attach to
 *     run, start, transfer, complete     "result NAME ARCHIVE-ID UPLOAD-ID MESSAGE"; run of pushed bytes writes and finishes
 *     hold N             prints "held" at the N-th read of a source file from now on, and waits for a line
 *     die N              dies at the N-th point of the journal from now on: see dying.h
 *     map                maps FILE, shared, until another map or the end
 *     store OFFSET BYTE  stores into the mapping
 *
 * After die the process may end at any moment. WORKERS and MEMORY_LIMIT are in the environment. COARSE in the
 * environment gives files times of even seconds, as some file systems do.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <sys/mman.h>

#include "dying.h"
#include "local.h"

enum { WRITE_SIZE = 300000, LINE_MAX = 4096 };

static const char *source, *other, *journal;
static glacier_client_t *client;
static glacier_upload_t *upload;
static uint8_t *memory;
static FILE *stream;
static int is_pushed;

static unsigned long reads_to_hold;

static int is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

/* The library reads by position only from a source file. A read of one byte checks for the end of the file. */
ssize_t pread64(int fd, void *into, size_t length, off64_t offset)
{
    if (length > 1 && reads_to_hold > 0 && --reads_to_hold == 0) {
        char line[LINE_MAX];
        say("held");
        if (fgets(line, sizeof line, stdin) == NULL)
            _exit(EXIT_FAILURE);
    }
    return syscall(SYS_pread64, fd, into, length, offset);
}

static void coarsen(struct statx_timestamp *time)
{
    time->tv_sec -= time->tv_sec % 2;
    time->tv_nsec = 0;
}

int statx(int directory, const char *restrict path, int flags, unsigned mask, struct statx *restrict about)
{
    int failed = (int)syscall(SYS_statx, directory, path, flags, mask, about);
    if (failed == 0 && getenv("COARSE") != NULL) {
        coarsen(&about->stx_mtime);
        coarsen(&about->stx_ctime);
    }
    return failed;
}

static int32_t read_stream(void *user_data, uint8_t *into, size_t room, size_t *length)
{
    *length = fread(into, 1, room < WRITE_SIZE ? room : WRITE_SIZE, (FILE *)user_data);
    return ferror((FILE *)user_data) ? GLACIER_STOP : GLACIER_CONTINUE;
}

static off_t length_of(FILE *file)
{
    struct stat about;
    CHECK(fstat(fileno(file), &about) == 0);
    return about.st_size;
}

static void open_handle(const char *kind, const char *id, const char *which)
{
    glacier_upload_free(upload);
    if (stream != NULL)
        fclose(stream);
    free(memory);
    memory = NULL;
    stream = NULL;
    is_pushed = is(kind, "pushed");
    upload = NULL;
    OK(glacier_upload_new(client, VAULT, &upload, &err));
    if (!is(journal, "-"))
        OK(glacier_upload_set_journal(upload, journal, &err));
    if (!is(id, "-"))
        OK(glacier_upload_set_upload_id(upload, id, &err));
    else
        OK(glacier_upload_set_part_size(upload, MIB, &err));
    if (is(kind, "file")) {
        OK(glacier_upload_set_source_file(upload, source, &err));
        return;
    }
    stream = fopen(is(which, "other") ? other : source, "r");
    CHECK(stream != NULL);
    size_t length = (size_t)length_of(stream);
    if (is(kind, "memory")) {
        memory = (uint8_t *)malloc(length);
        CHECK(memory != NULL && fread(memory, 1, length, stream) == length);
        OK(glacier_upload_set_source_memory(upload, memory, length, &err));
    } else if (!is_pushed) {
        uint64_t total = is(kind, "unknown") ? GLACIER_UNKNOWN_LENGTH : length;
        OK(glacier_upload_set_source_callback(upload, read_stream, total, stream, NULL, &err));
    }
}

static glacier_result_t push(void)
{
    static uint8_t bytes[WRITE_SIZE];
    glacier_result_t result = GLACIER_OK;
    size_t length;
    while (result == GLACIER_OK && (length = fread(bytes, 1, sizeof bytes, stream)) > 0)
        result = glacier_upload_write(upload, bytes, length, &err);
    return result == GLACIER_OK ? glacier_upload_finish(upload, &err) : result;
}

static glacier_result_t call(const char *name)
{
    if (is(name, "transfer"))
        return glacier_upload_transfer(upload, &err);
    if (is(name, "complete"))
        return glacier_upload_complete(upload, &err);
    if (is_pushed)
        return push();
    if (is(name, "run"))
        return glacier_upload_run(upload, &err);
    glacier_result_t started = glacier_upload_start(upload, NULL, NULL, NULL, &err);
    return started == GLACIER_OK ? glacier_upload_wait(upload, GLACIER_FOREVER, &err) : started;
}

static const char *or_dash(const char *text)
{
    return text != NULL ? text : "-";
}

static void tell(glacier_result_t result)
{
    printf("result %s %s %s %s\n", glacier_result_name(result), or_dash(glacier_upload_archive_id(upload)),
           or_dash(glacier_upload_id(upload)), err != NULL ? glacier_error_message(err) : "");
    fflush(stdout);
    glacier_error_free(err);
    err = NULL;
}

static void store(size_t offset, int byte, int anew)
{
    static uint8_t *mapping;
    static size_t length;
    if (anew) {
        int fd = open(source, O_RDWR);
        struct stat about;
        if (mapping != NULL)
            munmap(mapping, length);
        CHECK(fd >= 0 && fstat(fd, &about) == 0);
        length = (size_t)about.st_size;
        mapping = (uint8_t *)mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(mapping != MAP_FAILED && close(fd) == 0);
        return;
    }
    CHECK(mapping != NULL && offset < length);
    mapping[offset] = (uint8_t)byte;
}

static void make_client(void)
{
    glacier_config_t *config = glacier_config_new();
    OK(glacier_config_set_concurrency(config, (uint32_t)atoi(getenv("WORKERS")), &err));
    OK(glacier_config_set_memory_limit(config, (uint64_t)atoll(getenv("MEMORY_LIMIT")), &err));
    OK(glacier_config_set_max_attempts(config, 2, &err));
    OK(glacier_client_new(config, &client, &err));
    glacier_config_free(config);
}

int main(int argc, char **argv)
{
    static char line[LINE_MAX], word[LINE_MAX], first[LINE_MAX], second[LINE_MAX], third[LINE_MAX];
    CHECK_NUMBER(argc, 4);
    source = argv[1];
    other = argv[2];
    journal = argv[3];
    death.journal = is(journal, "-") ? NULL : journal;
    make_client();
    while (fgets(line, sizeof line, stdin) != NULL) {
        first[0] = second[0] = third[0] = '\0';
        CHECK(sscanf(line, "%4095s %4095s %4095s %4095s", word, first, second, third) >= 1);
        if (is(word, "open")) {
            open_handle(first, second, third);
        } else if (is(word, "hold")) {
            reads_to_hold = strtoul(first, NULL, 10);
        } else if (is(word, "die")) {
            death.at = points + strtoul(first, NULL, 10);
        } else if (is(word, "map")) {
            store(0, 0, 1);
        } else if (is(word, "store")) {
            store(strtoul(first, NULL, 10), atoi(second), 0);
        } else {
            tell(call(word));
            continue;
        }
        say("done");
    }
    glacier_upload_free(upload);
    glacier_client_free(client);
    free(memory);
    return EXIT_SUCCESS;
}
