/*
 * closed_streams FILE JOURNAL: a program that has closed its standard streams. What it writes to standard error must not get
 * into a file or a connection of the library.
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <unistd.h>

#include "local.h"

enum { STREAMS = 3 };

static int saved[STREAMS];

static void close_streams(void)
{
    fflush(stdout);
    for (int stream = 0; stream < STREAMS; stream++) {
        saved[stream] = fcntl(stream, F_DUPFD_CLOEXEC, 100);
        CHECK(saved[stream] >= 100);
        close(stream);
    }
}

static void open_streams(void)
{
    for (int stream = 0; stream < STREAMS; stream++)
        dup2(saved[stream], stream);
}

/* No thread of the library runs now. */
static void check_closed(void)
{
    int open[STREAMS];
    for (int stream = 0; stream < STREAMS; stream++)
        open[stream] = fcntl(stream, F_GETFD) != -1;
    open_streams();
    for (int stream = 0; stream < STREAMS; stream++)
        CHECK_NUMBER(open[stream], 0);
    close_streams();
}

int main(int argc, char **argv)
{
    CHECK_NUMBER(argc, 3);
    glacier_client_t *client = local_client(2);
    close_streams();

    glacier_upload_t *upload = local_upload(client);
    OK(glacier_upload_set_source_file(upload, argv[1], &err));
    OK(glacier_upload_set_journal(upload, argv[2], &err));
    OK(glacier_upload_initiate(upload, &err));
    check_closed(); /* the journal and a connection are open */
    OK(glacier_upload_run(upload, &err));
    check_closed(); /* the connections are open */
    glacier_upload_free(upload);
    glacier_client_free(client);

    open_streams();
    return 0;
}
