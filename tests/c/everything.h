/* Every call that uses an upload: for handles that are in use, or of another process. */
#ifndef EVERYTHING_H
#define EVERYTHING_H

#include "local.h"

static inline int32_t never_told(void *user_data, const glacier_progress_t *p)
{
    (void)user_data, (void)p;
    return GLACIER_STOP;
}

static inline int32_t never_read(void *user_data, uint8_t *buf, size_t cap, size_t *out_len)
{
    (void)user_data, (void)buf, (void)cap, (void)out_len;
    return GLACIER_STOP;
}

static inline void never_done(void *user_data, glacier_result_t result, const glacier_error_t *failure)
{
    (void)user_data, (void)result, (void)failure;
}

static inline void count_refused(void *destroyed)
{
    ++*(int *)destroyed;
}

/* The working calls that need exclusive use, except abort, and the setters. Each user_data is released at once. */
static inline void all_alone_give(glacier_result_t want, glacier_upload_t *upload)
{
    static const uint8_t byte[1];
    glacier_parts_t *parts = NULL;
    int destroyed = 0;
    FAILS(want, glacier_upload_run(upload, &err));
    FAILS(want, glacier_upload_transfer(upload, &err));
    FAILS(want, glacier_upload_start(upload, never_done, &destroyed, count_refused, &err));
    FAILS(want, glacier_upload_write(upload, byte, 1, &err));
    FAILS(want, glacier_upload_finish(upload, &err));
    FAILS(want, glacier_upload_initiate(upload, &err));
    FAILS(want, glacier_upload_list_parts(upload, &parts, &err));
    FAILS(want, glacier_upload_complete(upload, &err));
    FAILS(want, glacier_upload_set_description(upload, "text", &err));
    FAILS(want, glacier_upload_set_part_size(upload, MIB, &err));
    FAILS(want, glacier_upload_set_upload_id(upload, "text", &err));
    FAILS(want, glacier_upload_set_journal(upload, "file", &err));
    FAILS(want, glacier_upload_set_part_range(upload, 0, 1, &err));
    FAILS(want, glacier_upload_set_archive_size(upload, 1, &err));
    FAILS(want, glacier_upload_set_expected_size(upload, 1, &err));
    FAILS(want, glacier_upload_set_source_file(upload, "file", &err));
    FAILS(want, glacier_upload_set_source_memory(upload, byte, 1, &err));
    FAILS(want, glacier_upload_set_source_callback(upload, never_read, 1, &destroyed, count_refused, &err));
    FAILS(want, glacier_upload_set_progress(upload, never_told, &destroyed, count_refused, &err));
    CHECK_NUMBER(destroyed, 3);
    CHECK(parts == NULL);
}

/* The calls that put parts, which may run at the same time. */
static inline void all_parts_give(glacier_result_t want, glacier_upload_t *upload)
{
    static const uint8_t byte[1], hash[32];
    FAILS(want, glacier_upload_put_part(upload, 0, byte, 1, &err));
    FAILS(want, glacier_upload_put_part_checked(upload, 0, byte, 1, hash, &err));
}

/* All calls: inside a callback, and in a forked child. */
static inline void everything_gives(glacier_result_t want, glacier_upload_t *upload)
{
    all_alone_give(want, upload);
    all_parts_give(want, upload);
    FAILS(want, glacier_upload_abort(upload, &err));
    FAILS(want, glacier_upload_wait(upload, GLACIER_FOREVER, &err));
}

#endif
