/*
 * Every call in every state of a handle: after each, abort and free succeed. The local Glacier stalls part 1 of every
 * upload, so that a run can be stopped before its end.
 */
#define _POSIX_C_SOURCE 200809L

#include "local.h"
#include "threads.h"

enum state {
    NEW,
    ATTACHED,
    ATTACHED_TO_NOTHING,
    INITIATED,
    BY_HAND,
    ALL_AT_ONCE,
    COMPLETED,
    ABORTED,
    READ,    /* a callback source that stopped before its end */
    STARTED, /* and still running */
    WRITING,
    BROKEN_OFF, /* a write stream that failed */
    STATES
};

static const char *const state_names[STATES] = {
    "new",       "attached", "attached to nothing", "initiated", "by hand", "all at once",
    "completed", "aborted",  "read half-way",       "started",   "writing", "broken off"};

#define STATE GLACIER_E_STATE
#define GONE GLACIER_E_NOT_FOUND
#define BUSY GLACIER_E_BUSY
#define STOPPED GLACIER_E_CALLBACK
#define INVALID GLACIER_E_INVALID
#define HOLED GLACIER_E_INCOMPLETE
#define CANCELED GLACIER_E_CANCELED

/* Upload IDs that the service does not know. */
#define NOBODYS "-nobodys-upload"
#define ANOTHER "another"

static uint8_t *data;
static uint8_t hash[32]; /* of the first MiB */
static glacier_client_t *client;
static char existing_id[512]; /* the upload of the attached handles */

/* One line per function, and one per row of the table, where it fits. */
/* clang-format off */
static glacier_result_t set_description(glacier_upload_t *u) { return glacier_upload_set_description(u, "text", &err); }
static glacier_result_t set_part_size(glacier_upload_t *u) { return glacier_upload_set_part_size(u, MIB, &err); }
static glacier_result_t set_memory(glacier_upload_t *u) { return glacier_upload_set_source_memory(u, data, 1, &err); }
static glacier_result_t set_file(glacier_upload_t *u) { return glacier_upload_set_source_file(u, "/etc/passwd", &err); }
static glacier_result_t put(glacier_upload_t *u) { return glacier_upload_put_part(u, 0, data, MIB, &err); }
static glacier_result_t put_checked(glacier_upload_t *u)
{
    return glacier_upload_put_part_checked(u, 0, data, MIB, hash, &err);
}
static glacier_result_t set_id(glacier_upload_t *u) { return glacier_upload_set_upload_id(u, ANOTHER, &err); }
static glacier_result_t set_progress(glacier_upload_t *u)
{
    return glacier_upload_set_progress(u, NULL, NULL, NULL, &err);
}
static int32_t read_two_parts(void *upload, uint8_t *buf, size_t cap, size_t *out_len);

static glacier_result_t set_callback(glacier_upload_t *u)
{
    return glacier_upload_set_source_callback(u, read_two_parts, GLACIER_UNKNOWN_LENGTH, u, NULL, &err);
}
static glacier_result_t set_journal(glacier_upload_t *u) { return glacier_upload_set_journal(u, "/no/journal", &err); }
static glacier_result_t set_part_range(glacier_upload_t *u) { return glacier_upload_set_part_range(u, 0, 1, &err); }
static glacier_result_t set_archive_size(glacier_upload_t *u) { return glacier_upload_set_archive_size(u, 9, &err); }
static glacier_result_t set_expected_size(glacier_upload_t *u) { return glacier_upload_set_expected_size(u, 9, &err); }
static glacier_result_t transfer(glacier_upload_t *u) { return glacier_upload_transfer(u, &err); }
static glacier_result_t write_byte(glacier_upload_t *u)
{
    /* The first or a later call reports that the upload does not exist. */
    const char *id = glacier_upload_id(u);
    glacier_result_t result;
    do
        result = glacier_upload_write(u, data, 1, &err);
    while (result == GLACIER_OK && id != NULL && strcmp(id, NOBODYS) == 0);
    return result;
}
static glacier_result_t finish(glacier_upload_t *u) { return glacier_upload_finish(u, &err); }
static glacier_result_t poll_end(glacier_upload_t *u) { return glacier_upload_wait(u, 0, &err); }
static glacier_result_t start_and_wait(glacier_upload_t *u)
{
    glacier_result_t result = glacier_upload_start(u, NULL, NULL, NULL, &err);
    return result != GLACIER_OK ? result : glacier_upload_wait(u, GLACIER_FOREVER, &err);
}
static glacier_result_t run(glacier_upload_t *u) { return glacier_upload_run(u, &err); }
static glacier_result_t initiate(glacier_upload_t *u) { return glacier_upload_initiate(u, &err); }
static glacier_result_t complete(glacier_upload_t *u) { return glacier_upload_complete(u, &err); }
static glacier_result_t abort_it(glacier_upload_t *u) { return glacier_upload_abort(u, &err); }
static glacier_result_t list(glacier_upload_t *u)
{
    glacier_parts_t *parts = NULL;
    glacier_result_t result = glacier_upload_list_parts(u, &parts, &err);
    glacier_parts_free(parts);
    return result;
}

static const struct {
    const char *name;
    glacier_result_t (*call)(glacier_upload_t *);
    glacier_result_t wants[STATES];
} calls[] = {
    /* new, attached, attached to nothing, initiated, by hand, all at once,
       completed, aborted, read half-way, started, writing, broken off */
#define SETTER {0, 0, 0, STATE, STATE, STATE, STATE, STATE, STATE, BUSY, STATE, STATE}
    {"set_description", set_description, SETTER},
    {"set_part_size", set_part_size, SETTER},
    {"set_source_file", set_file, SETTER},
    {"set_source_memory", set_memory, SETTER},
    {"set_source_callback", set_callback, SETTER},
    {"set_journal", set_journal, SETTER},
    {"set_part_range", set_part_range, SETTER},
    {"set_archive_size", set_archive_size, SETTER},
    {"set_expected_size", set_expected_size, SETTER},
    {"set_upload_id", set_id, {0, STATE, STATE, STATE, STATE, STATE, STATE, STATE, STATE, BUSY, STATE, STATE}},
    {"set_progress", set_progress, {0, 0, 0, 0, 0, 0, 0, 0, 0, BUSY, 0, 0}},
    {"run", run, {STATE, STATE, STATE, STATE, STATE, STOPPED, 0, STATE, STATE, BUSY, BUSY, STATE}},
    {"transfer", transfer, {STATE, STATE, STATE, STATE, STATE, STOPPED, 0, STATE, STATE, BUSY, BUSY, STATE}},
    {"start", start_and_wait, {STATE, STATE, STATE, STATE, STATE, STOPPED, 0, STATE, STATE, BUSY, BUSY, STATE}},
    {"wait", poll_end, {STATE, STATE, STATE, STATE, STATE, STATE, STATE, STATE, STATE, GLACIER_E_PENDING, STATE, STATE}},
    {"write", write_byte, {0, 0, GONE, 0, STATE, STATE, STATE, STATE, STATE, BUSY, 0, CANCELED}},
    {"finish", finish, {INVALID, INVALID, INVALID, INVALID, STATE, STATE, STATE, STATE, STATE, BUSY, 0, CANCELED}},
    {"initiate", initiate, {0, STATE, STATE, STATE, STATE, STATE, STATE, STATE, STATE, BUSY, BUSY, STATE}},
    {"put_part", put, {STATE, 0, GONE, 0, 0, STATE, STATE, STATE, STATE, BUSY, BUSY, STATE}},
    {"put_part_checked", put_checked, {STATE, 0, GONE, 0, 0, STATE, STATE, STATE, STATE, BUSY, BUSY, STATE}},
    {"list_parts", list, {STATE, 0, GONE, 0, 0, 0, STATE, STATE, 0, BUSY, BUSY, 0}},
    {"complete", complete, {STATE, INVALID, INVALID, HOLED, 0, HOLED, 0, STATE, INVALID, BUSY, BUSY, INVALID}},
    {"abort", abort_it, {0, 0, GONE, 0, 0, 0, STATE, 0, 0, 0, 0, 0}},
};
/* clang-format on */

/* Stops each call that sends parts. Other calls also report progress if the service is slow. */
static int32_t stop_half_way(void *user_data, const glacier_progress_t *progress)
{
    (void)user_data;
    return progress->parts_in_flight > 0 ? GLACIER_STOP : GLACIER_CONTINUE;
}

static int32_t read_two_parts(void *upload, uint8_t *buf, size_t cap, size_t *out_len)
{
    uint64_t begun = progress_of((glacier_upload_t *)upload).bytes_hashed;
    memset(buf, 'x', cap);
    *out_len = cap;
    return begun > 0 ? GLACIER_STOP : GLACIER_CONTINUE;
}

static glacier_upload_t *bring_into(enum state state)
{
    glacier_upload_t *upload = local_upload(client);
    switch (state) {
    case ATTACHED: OK(glacier_upload_set_upload_id(upload, existing_id, &err)); break;
    case ATTACHED_TO_NOTHING: OK(glacier_upload_set_upload_id(upload, NOBODYS, &err)); break;
    case ALL_AT_ONCE:
        OK(glacier_upload_set_source_memory(upload, data, 3 * MIB, &err));
        OK(glacier_upload_set_progress(upload, stop_half_way, NULL, NULL, &err));
        FAILS(GLACIER_E_CALLBACK, glacier_upload_run(upload, &err));
        break;
    case READ:
        OK(set_callback(upload));
        FAILS(GLACIER_E_CALLBACK, glacier_upload_run(upload, &err));
        break;
    case STARTED:
        OK(glacier_upload_set_source_memory(upload, data, 3 * MIB, &err));
        OK(glacier_upload_start(upload, NULL, NULL, NULL, &err));
        wait_for_parts_in_flight(upload, 1);
        break;
    case WRITING:
    case BROKEN_OFF:
        OK(glacier_upload_write(upload, data, MIB, &err));
        WAIT_UNTIL(progress_of(upload).parts_done == 1);
        if (state == BROKEN_OFF) {
            glacier_upload_cancel(upload);
            FAILS(GLACIER_E_CANCELED, glacier_upload_write(upload, data, 1, &err));
        }
        break;
    case INITIATED:
    case BY_HAND:
    case COMPLETED:
    case ABORTED:
        OK(glacier_upload_initiate(upload, &err));
        if (state == BY_HAND || state == COMPLETED)
            OK(glacier_upload_put_part(upload, 0, data, MIB, &err));
        if (state == COMPLETED)
            OK(glacier_upload_complete(upload, &err));
        if (state == ABORTED)
            OK(glacier_upload_abort(upload, &err));
        break;
    default: break;
    }
    return upload;
}

/* The result of abort does not depend on the earlier calls. */
static void abort_and_free(glacier_upload_t *upload)
{
    int completed = glacier_upload_state(upload) == GLACIER_STATE_COMPLETED;
    glacier_result_t result = glacier_upload_abort(upload, &err);
    const char *id = glacier_upload_id(upload);
    int unknown = id != NULL && (strcmp(id, NOBODYS) == 0 || strcmp(id, ANOTHER) == 0);
    check_result(result, completed ? STATE : unknown ? GONE : GLACIER_OK, "", "abort at the end", __FILE__, __LINE__);
    glacier_upload_free(upload);
}

int main(void)
{
    data = local_data(3 * MIB);
    client = local_client(4);
    glacier_treehash_t *hasher = glacier_treehash_new();
    OK(glacier_treehash_update(hasher, data, MIB, &err));
    OK(glacier_treehash_finish(hasher, hash, &err));
    glacier_treehash_free(hasher);

    for (int state = 0; state < STATES; state++) {
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
            /* Aborting an attached handle ends its upload: each handle gets a new upload. */
            glacier_upload_t *existing = local_upload(client);
            OK(glacier_upload_initiate(existing, &err));
            snprintf(existing_id, sizeof existing_id, "%s", glacier_upload_id(existing));

            glacier_upload_t *upload = bring_into((enum state)state);
            fprintf(stderr, "%s when %s\n", calls[i].name, state_names[state]);
            FAILS(calls[i].wants[state], calls[i].call(upload));
            abort_and_free(upload);
            OK(glacier_upload_abort(existing, &err)); /* the service accepts a repeated abort */
            glacier_upload_free(existing);
        }
    }
    glacier_client_free(client);
    free(data);
    return 0;
}
