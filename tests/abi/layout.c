/* The layout of glacier_progress_t, the only public struct. Fields may be added at its end. */
#include <glacier_mp.h>

#include <assert.h>

#define FIELD(name, number) \
    static_assert(offsetof(glacier_progress_t, name) == 8 * (number), "offset of " #name); \
    static_assert(sizeof(((glacier_progress_t *)0)->name) == 8, "size of " #name)

FIELD(struct_size, 0);
FIELD(bytes_total, 1);
FIELD(bytes_done, 2);
FIELD(bytes_resumed, 3);
FIELD(bytes_hashed, 4);
FIELD(bytes_sent, 5);
FIELD(parts_total, 6);
FIELD(parts_done, 7);
FIELD(parts_in_flight, 8);
FIELD(retries, 9);
FIELD(workers, 10);
FIELD(elapsed_ms, 11);
/* A new field: add its line above, and 1 to this number. */
static_assert(sizeof(glacier_progress_t) == 8 * 12, "size of glacier_progress_t");

/* The types that are numbers. */
static_assert(sizeof(glacier_result_t) == 4 && sizeof(glacier_state_t) == 4 && sizeof(glacier_log_level_t) == 4,
              "int32_t");
static_assert((glacier_result_t)-1 < 0 && (glacier_state_t)-1 < 0 && (glacier_log_level_t)-1 < 0, "signed");
