/*
 * Journals: another process resumes with them, and one process at a time may use one.
 *
 * journal FILE DIRECTORY       a file of WHOLE bytes, and a directory for journals
 * journal run FILE JOURNAL     in another process: uploads the file
 * journal locked FILE JOURNAL  cannot upload, because the journal is locked
 * journal write FILE JOURNAL   writes most of it as a stream, and waits
 * journal fork FILE JOURNAL    dies with the journal open, and leaves a child
 * journal exec FILE JOURNAL    the same, but the child executes another program
 * journal stay                 that program: ends at the end of its standard input
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>

#include "local.h"
#include "processes.h"
#include "service.h"
#include "threads.h"

enum { WHOLE = 3 * 1048576 + 1000, PARTS = 4 };

static const char *program, *file;
static glacier_client_t *client;

static glacier_upload_t *upload_with(const char *journal)
{
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_file(upload, file, &err));
    OK(glacier_upload_set_journal(upload, journal, &err));
    return upload;
}

static pid_t start_mode(const char *mode, const char *journal)
{
    const char *arguments[] = {mode, file, journal, NULL};
    return start_process(program, arguments);
}

static const char *path_of(const char *directory, const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int lines_in(const char *journal, const char *with)
{
    char line[4096];
    int count = 0;
    FILE *opened = fopen(journal, "r");
    while (opened != NULL && fgets(line, sizeof line, opened) != NULL)
        count += strstr(line, with) != NULL;
    if (opened != NULL)
        fclose(opened);
    return count;
}

/* Killed before the last part: the next process sends only that one. After there is an archive, nothing is sent. */
static void carried_on_by_another_process(const char *journal)
{
    service_fault(STALLED_PART(2));
    pid_t killed = start_mode("run", journal);
    WAIT_UNTIL(lines_in(journal, "{\"part\":") == PARTS - 1 && stalled_requests() == 1);
    kill_process(killed);
    service_works();
    glacier_upload_t *upload = upload_with(journal), *again = upload_with(journal);
    OK(glacier_upload_run(upload, &err));
    CHECK_NUMBER(progress_of(upload).bytes_resumed, WHOLE - MIB);
    CHECK_NUMBER(progress_of(upload).bytes_hashed, MIB); /* no other part is read again */

    unsigned before = requests_so_far();
    OK(glacier_upload_run(again, &err));
    CHECK_NUMBER(requests_so_far(), before);
    CHECK_TEXT(glacier_upload_archive_id(again), glacier_upload_archive_id(upload));
    CHECK_TEXT(glacier_upload_tree_hash(again), glacier_upload_tree_hash(upload));
    glacier_upload_free(again);
    glacier_upload_free(upload);
    ends_well(start_mode("run", journal));
    CHECK_NUMBER(requests_so_far(), before);
}

static void locked_while_a_handle_has_it(const char *journal)
{
    service_fault(REFUSED(CompleteMultipartUpload));
    glacier_upload_t *first = upload_with(journal), *second = upload_with(journal);
    FAILS(GLACIER_E_ACCESS, glacier_upload_run(first, &err));
    service_works();
    unsigned before = requests_so_far();
    FAILS_WITH(GLACIER_E_LOCKED, journal, glacier_upload_run(second, &err));
    ends_well(start_mode("locked", journal));
    CHECK_NUMBER(requests_so_far(), before);
    glacier_upload_free(first);
    OK(glacier_upload_run(second, &err));  /* the handle can be used after the lock is released */
    ends_well(start_mode("run", journal)); /* completed, so the lock is released */
    glacier_upload_free(second);
}

/* The child of a dead process keeps its journal lock, until the child executes another program. */
static void locked_by_a_child(const char *mode, const char *journal, glacier_result_t want)
{
    int to_child[2], status = 0;
    CHECK_NUMBER(pipe(to_child), 0);
    CHECK(fcntl(to_child[1], F_SETFD, FD_CLOEXEC) == 0 && dup2(to_child[0], STDIN_FILENO) == STDIN_FILENO);
    close(to_child[0]);
    service_fault(REFUSED(CompleteMultipartUpload));
    pid_t dead = start_mode(mode, journal);
    CHECK(waitpid(dead, &status, 0) == dead);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    service_works();

    glacier_upload_t *upload = upload_with(journal);
    FAILS(want, glacier_upload_run(upload, &err));
    close(to_child[1]); /* the child ends */
    WAIT_UNTIL(glacier_upload_run(upload, NULL) != GLACIER_E_LOCKED);
    OK(glacier_upload_run(upload, &err));
    glacier_upload_free(upload);
}

static void stay(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    _exit(EXIT_SUCCESS);
}

/* In another process: opens the journal, leaves a child behind, and dies. */
static void leave_a_child(const char *journal, int exec)
{
    int at_work[2];
    char byte;
    FAILS(GLACIER_E_ACCESS, glacier_upload_run(upload_with(journal), &err));
    CHECK_NUMBER(pipe(at_work), 0);
    CHECK(fcntl(at_work[1], F_SETFD, FD_CLOEXEC) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (exec)
            execl(program, program, "stay", (char *)NULL);
        close(at_work[1]);
        stay();
    }
    close(at_work[1]);
    CHECK(read(at_work[0], &byte, 1) == 0); /* the child is ready */
    raise(SIGKILL);
}

static void what_is_no_journal(const char *directory)
{
    char other[4096];
    unsigned before = requests_so_far();
    snprintf(other, sizeof other, "%s/notes", directory);
    FILE *notes = fopen(other, "w");
    CHECK(notes != NULL && fputs("somebody's notes\n", notes) >= 0 && fclose(notes) == 0);
    const struct {
        const char *path;
        glacier_result_t want;
    } cases[] = {{other, GLACIER_E_JOURNAL}, {directory, GLACIER_E_IO}, {"/nonexistent/journal", GLACIER_E_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        glacier_upload_t *upload = upload_with(cases[i].path);
        FAILS_WITH(cases[i].want, cases[i].path, glacier_upload_run(upload, &err));
        OK(glacier_upload_start(upload, NULL, NULL, NULL, &err));
        FAILS(cases[i].want, glacier_upload_wait(upload, GLACIER_FOREVER, &err));
        glacier_upload_free(upload);
        upload = local_upload(client);
        OK(glacier_upload_set_journal(upload, cases[i].path, &err));
        FAILS(cases[i].want, glacier_upload_initiate(upload, &err));
        CHECK_NUMBER(glacier_upload_write(upload, "x", 1, NULL) != GLACIER_OK ||
                         glacier_upload_finish(upload, NULL) != GLACIER_OK,
                     1);
        glacier_upload_free(upload);
    }
    CHECK_NUMBER(lines_in(other, "somebody's notes\n"), 1);
    CHECK_NUMBER(requests_so_far(), before);
}

/* A stream of another process, which is killed before its last part is full. */
static void a_stream_that_another_process_wrote(const char *journal)
{
    uint8_t *data = local_data(WHOLE);
    pid_t killed = start_mode("write", journal);
    WAIT_UNTIL(lines_in(journal, "{\"part\":") == PARTS - 1);
    kill_process(killed);
    unsigned sent = requests_with("UploadMultipartPart");
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_journal(upload, journal, &err));
    OK(glacier_upload_write(upload, data, WHOLE, &err));
    OK(glacier_upload_finish(upload, &err));
    CHECK_NUMBER(requests_with("UploadMultipartPart"), sent + 1);
    glacier_upload_free(upload);
    free(data);
}

/* In another process: writes all but the last byte, and waits. */
static void write_most(const char *journal)
{
    uint8_t *data = local_data(WHOLE);
    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_journal(upload, journal, &err));
    OK(glacier_upload_write(upload, data, WHOLE - 1, &err));
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc == 2 && strcmp(argv[1], "stay") == 0)
        stay();
    client = local_client(2);
    if (argc == 4) {
        const char *mode = argv[1], *journal = argv[3];
        file = argv[2];
        glacier_upload_t *upload = upload_with(journal);
        if (strcmp(mode, "run") == 0)
            OK(glacier_upload_run(upload, &err));
        else if (strcmp(mode, "locked") == 0)
            FAILS(GLACIER_E_LOCKED, glacier_upload_run(upload, &err));
        else if (strcmp(mode, "write") == 0)
            write_most(journal);
        else
            leave_a_child(journal, strcmp(mode, "exec") == 0);
        glacier_upload_free(upload);
        glacier_client_free(client);
        return 0;
    }
    CHECK_NUMBER(argc, 3);
    file = argv[1];
    carried_on_by_another_process(path_of(argv[2], "carried on"));
    locked_while_a_handle_has_it(path_of(argv[2], "locked"));
    locked_by_a_child("fork", path_of(argv[2], "forked"), GLACIER_E_LOCKED);
    locked_by_a_child("exec", path_of(argv[2], "executed"), GLACIER_OK);
    a_stream_that_another_process_wrote(path_of(argv[2], "written"));
    what_is_no_journal(argv[2]);
    glacier_client_free(client);
    return 0;
}
