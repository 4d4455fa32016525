/* The declarations of an early header of ABI version 0. tests/abi compiles program.c with it. Never change this file. */
#ifndef GLACIER_MP_H
#define GLACIER_MP_H

#include <stddef.h>
#include <stdint.h>

#define GLACIER_MP_VERSION "0.1.0"
#define GLACIER_MP_VERSION_MAJOR 0
#define GLACIER_MP_VERSION_MINOR 1
#define GLACIER_MP_VERSION_PATCH 0
#define GLACIER_MP_VERSION_NUMBER \
    (GLACIER_MP_VERSION_MAJOR << 16 | GLACIER_MP_VERSION_MINOR << 8 | GLACIER_MP_VERSION_PATCH)
#define GLACIER_MP_ABI_VERSION 0

#define GLACIER_UNKNOWN_LENGTH UINT64_MAX
#define GLACIER_FOREVER UINT64_MAX

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glacier_config_t glacier_config_t;

typedef struct glacier_client_t glacier_client_t;

typedef struct glacier_upload_t glacier_upload_t;

typedef struct glacier_error_t glacier_error_t;

typedef int32_t glacier_result_t;

typedef enum {
    GLACIER_OK = 0,
    GLACIER_E_NULL = 1,
    GLACIER_E_INVALID = 2,
    GLACIER_E_STATE = 3,
    GLACIER_E_BUSY = 4,
    GLACIER_E_PENDING = 5,
    GLACIER_E_FORKED = 6,
    GLACIER_E_IO = 100,
    GLACIER_E_MEMORY = 101,
    GLACIER_E_SOURCE_SHORT = 102,
    GLACIER_E_SOURCE_CHANGED = 103,
    GLACIER_E_JOURNAL = 104,
    GLACIER_E_LOCKED = 105,
    GLACIER_E_NETWORK = 200,
    GLACIER_E_TLS = 201,
    GLACIER_E_TIMEOUT = 202,
    GLACIER_E_PROTOCOL = 203,
    GLACIER_E_SERVICE = 300,
    GLACIER_E_ACCESS = 301,
    GLACIER_E_CREDENTIALS = 302,
    GLACIER_E_THROTTLED = 303,
    GLACIER_E_NOT_FOUND = 304,
    GLACIER_E_LIMIT = 305,
    GLACIER_E_NO_LONGER_SUPPORTED = 306,
    GLACIER_E_OUTCOME_UNKNOWN = 307,
    GLACIER_E_TREE_HASH = 400,
    GLACIER_E_INCOMPLETE = 401,
    GLACIER_E_CANCELED = 500,
    GLACIER_E_CALLBACK = 501,
    GLACIER_E_PANIC = 900,
    GLACIER_E_INTERNAL = 901,
} glacier_result_names;

typedef void (*glacier_destroy_fn)(void *user_data);

typedef enum {
    GLACIER_STOP = 0,
    GLACIER_CONTINUE = 1,
} glacier_flow_names;

typedef struct {
    uint64_t struct_size;
    uint64_t bytes_total;
    uint64_t bytes_done;
    uint64_t bytes_resumed;
    uint64_t bytes_hashed;
    uint64_t bytes_sent;
    uint64_t parts_total;
    uint64_t parts_done;
    uint64_t parts_in_flight;
    uint64_t retries;
    uint64_t workers;
    uint64_t elapsed_ms;
} glacier_progress_t;

typedef int32_t (*glacier_progress_fn)(void *user_data, const glacier_progress_t *progress);

glacier_config_t *glacier_config_new(void);

glacier_result_t glacier_config_set_credentials(glacier_config_t *config,
                                                const char *key_id,
                                                const char *secret,
                                                const char *token_or_null,
                                                glacier_error_t **err);

glacier_result_t glacier_config_set_region(glacier_config_t *config,
                                           const char *region,
                                           glacier_error_t **err);

void glacier_config_free(glacier_config_t *config);

glacier_result_t glacier_client_new(const glacier_config_t *config,
                                    glacier_client_t **out,
                                    glacier_error_t **err);

void glacier_client_free(glacier_client_t *client);

glacier_result_t glacier_upload_new(glacier_client_t *client,
                                    const char *vault,
                                    glacier_upload_t **out,
                                    glacier_error_t **err);

glacier_result_t glacier_upload_set_description(glacier_upload_t *upload,
                                                const char *description,
                                                glacier_error_t **err);

glacier_result_t glacier_upload_set_source_file(glacier_upload_t *upload,
                                                const char *path,
                                                glacier_error_t **err);

glacier_result_t glacier_upload_set_source_memory(glacier_upload_t *upload,
                                                  const void *data,
                                                  size_t len,
                                                  glacier_error_t **err);

glacier_result_t glacier_upload_set_progress(glacier_upload_t *upload,
                                             glacier_progress_fn callback,
                                             void *user_data,
                                             glacier_destroy_fn destroy,
                                             glacier_error_t **err);

glacier_result_t glacier_upload_set_journal(glacier_upload_t *upload,
                                            const char *path,
                                            glacier_error_t **err);

glacier_result_t glacier_upload_run(glacier_upload_t *upload,
                                    glacier_error_t **err);

const char *glacier_upload_archive_id(const glacier_upload_t *upload);

void glacier_upload_free(glacier_upload_t *upload);

glacier_result_t glacier_error_code(const glacier_error_t *error);

const char *glacier_error_message(const glacier_error_t *error);

void glacier_error_free(glacier_error_t *error);

glacier_result_t glacier_config_set_endpoint(glacier_config_t *config,
                                             const char *endpoint,
                                             glacier_error_t **err);

glacier_result_t glacier_config_set_account_id(glacier_config_t *config,
                                               const char *account_id,
                                               glacier_error_t **err);

glacier_result_t glacier_config_set_ca_file(glacier_config_t *config,
                                            const char *path,
                                            glacier_error_t **err);

glacier_result_t glacier_config_set_user_agent(glacier_config_t *config,
                                               const char *user_agent,
                                               glacier_error_t **err);

glacier_result_t glacier_config_set_concurrency(glacier_config_t *config,
                                                uint32_t workers,
                                                glacier_error_t **err);

glacier_result_t glacier_config_set_max_attempts(glacier_config_t *config,
                                                 uint32_t attempts,
                                                 glacier_error_t **err);

glacier_result_t glacier_config_set_memory_limit(glacier_config_t *config,
                                                 uint64_t bytes,
                                                 glacier_error_t **err);

glacier_result_t glacier_config_set_bandwidth_limit(glacier_config_t *config,
                                                    uint64_t bytes_per_s,
                                                    glacier_error_t **err);

glacier_result_t glacier_config_set_connect_timeout_ms(glacier_config_t *config,
                                                       uint64_t milliseconds,
                                                       glacier_error_t **err);

glacier_result_t glacier_config_set_stall_timeout_ms(glacier_config_t *config,
                                                     uint64_t milliseconds,
                                                     glacier_error_t **err);

glacier_result_t glacier_config_set_give_up_after_ms(glacier_config_t *config,
                                                     uint64_t milliseconds,
                                                     glacier_error_t **err);

typedef int32_t glacier_log_level_t;

typedef enum {
    GLACIER_LOG_OFF = 0,
    GLACIER_LOG_ERROR = 1,
    GLACIER_LOG_WARN = 2,
    GLACIER_LOG_INFO = 3,
    GLACIER_LOG_DEBUG = 4,
} glacier_log_level_names;

typedef void (*glacier_log_fn)(void *user_data, glacier_log_level_t level, const char *message);

glacier_result_t glacier_config_set_log(glacier_config_t *config,
                                        glacier_log_level_t level,
                                        glacier_log_fn callback,
                                        void *user_data,
                                        glacier_destroy_fn destroy,
                                        glacier_error_t **err);

typedef struct glacier_credentials_t glacier_credentials_t;

glacier_result_t glacier_credentials_set(glacier_credentials_t *out,
                                         const char *key_id,
                                         const char *secret,
                                         const char *token_or_null,
                                         int64_t expires_unix,
                                         glacier_error_t **err);

typedef int32_t (*glacier_credentials_fn)(void *user_data, glacier_credentials_t *out);

glacier_result_t glacier_config_set_credentials_provider(glacier_config_t *config,
                                                         glacier_credentials_fn callback,
                                                         void *user_data,
                                                         glacier_destroy_fn destroy,
                                                         glacier_error_t **err);

glacier_result_t glacier_upload_set_upload_id(glacier_upload_t *upload,
                                              const char *upload_id,
                                              glacier_error_t **err);

glacier_result_t glacier_upload_set_part_size(glacier_upload_t *upload,
                                              uint64_t bytes,
                                              glacier_error_t **err);

glacier_result_t glacier_upload_set_archive_size(glacier_upload_t *upload,
                                                 uint64_t bytes,
                                                 glacier_error_t **err);

typedef struct glacier_uploads_t glacier_uploads_t;

glacier_result_t glacier_client_list_uploads(const glacier_client_t *client,
                                             const char *vault,
                                             glacier_uploads_t **out,
                                             glacier_error_t **err);

size_t glacier_uploads_count(const glacier_uploads_t *uploads);

const char *glacier_uploads_id(const glacier_uploads_t *uploads,
                               size_t index);

const char *glacier_uploads_description(const glacier_uploads_t *uploads,
                                        size_t index);

const char *glacier_uploads_created(const glacier_uploads_t *uploads,
                                    size_t index);

int64_t glacier_uploads_created_unix(const glacier_uploads_t *uploads, size_t index);

uint64_t glacier_uploads_part_size(const glacier_uploads_t *uploads, size_t index);

void glacier_uploads_free(glacier_uploads_t *uploads);

glacier_result_t glacier_upload_set_expected_size(glacier_upload_t *upload,
                                                  uint64_t bytes,
                                                  glacier_error_t **err);

glacier_result_t glacier_upload_write(glacier_upload_t *upload,
                                      const void *data,
                                      size_t len,
                                      glacier_error_t **err);

glacier_result_t glacier_upload_finish(glacier_upload_t *upload,
                                       glacier_error_t **err);

typedef int32_t (*glacier_read_fn)(void *user_data, uint8_t *buf, size_t cap, size_t *out_len);

glacier_result_t glacier_upload_set_source_callback(glacier_upload_t *upload,
                                                    glacier_read_fn callback,
                                                    uint64_t total,
                                                    void *user_data,
                                                    glacier_destroy_fn destroy,
                                                    glacier_error_t **err);

typedef void (*glacier_done_fn)(void *user_data, glacier_result_t result, const glacier_error_t *error);

glacier_result_t glacier_upload_start(glacier_upload_t *upload,
                                      glacier_done_fn done,
                                      void *user_data,
                                      glacier_destroy_fn destroy,
                                      glacier_error_t **err);

glacier_result_t glacier_upload_wait(glacier_upload_t *upload,
                                     uint64_t timeout_ms,
                                     glacier_error_t **err);

glacier_result_t glacier_upload_set_part_range(glacier_upload_t *upload,
                                               uint32_t first,
                                               uint32_t count,
                                               glacier_error_t **err);

glacier_result_t glacier_upload_transfer(glacier_upload_t *upload,
                                         glacier_error_t **err);

glacier_result_t glacier_upload_initiate(glacier_upload_t *upload,
                                         glacier_error_t **err);

glacier_result_t glacier_upload_put_part(glacier_upload_t *upload,
                                         uint32_t part_index,
                                         const void *data,
                                         size_t len,
                                         glacier_error_t **err);

glacier_result_t glacier_upload_put_part_checked(glacier_upload_t *upload,
                                                 uint32_t part_index,
                                                 const void *data,
                                                 size_t len,
                                                 const uint8_t tree_hash[32],
                                                 glacier_error_t **err);

glacier_result_t glacier_upload_complete(glacier_upload_t *upload,
                                         glacier_error_t **err);

glacier_result_t glacier_upload_abort(glacier_upload_t *upload,
                                      glacier_error_t **err);

typedef struct glacier_parts_t glacier_parts_t;

glacier_result_t glacier_upload_list_parts(glacier_upload_t *upload,
                                           glacier_parts_t **out,
                                           glacier_error_t **err);

size_t glacier_parts_count(const glacier_parts_t *parts);

uint64_t glacier_parts_offset(const glacier_parts_t *parts,
                              size_t index);

uint64_t glacier_parts_length(const glacier_parts_t *parts, size_t index);

const char *glacier_parts_tree_hash(const glacier_parts_t *parts,
                                    size_t index);

void glacier_parts_free(glacier_parts_t *parts);

void glacier_upload_cancel(glacier_upload_t *upload);

typedef int32_t glacier_state_t;

typedef enum {
    GLACIER_STATE_NEW = 0,
    GLACIER_STATE_INITIATED = 1,
    GLACIER_STATE_TRANSFERRING = 2,
    GLACIER_STATE_COMPLETING = 3,
    GLACIER_STATE_COMPLETED = 4,
    GLACIER_STATE_ABORTED = 5,
    GLACIER_STATE_UNKNOWN = 6,
} glacier_state_names;

glacier_state_t glacier_upload_state(const glacier_upload_t *upload);

glacier_result_t glacier_upload_progress(const glacier_upload_t *upload,
                                         glacier_progress_t *out,
                                         size_t size_of_it,
                                         glacier_error_t **err);

glacier_result_t glacier_upload_set_bandwidth_limit(glacier_upload_t *upload,
                                                    uint64_t bytes_per_s,
                                                    glacier_error_t **err);

const char *glacier_upload_id(const glacier_upload_t *upload);

const char *glacier_upload_location(const glacier_upload_t *upload);

const char *glacier_upload_archive_location(const glacier_upload_t *upload);

const char *glacier_upload_tree_hash(const glacier_upload_t *upload);

const char *glacier_upload_vault(const glacier_upload_t *upload);

uint64_t glacier_upload_part_size(const glacier_upload_t *upload);

const char *glacier_error_operation(const glacier_error_t *error);

int32_t glacier_error_http_status(const glacier_error_t *error);

const char *glacier_error_service_code(const glacier_error_t *error);

const char *glacier_error_request_id(const glacier_error_t *error);

int32_t glacier_error_is_retryable(const glacier_error_t *error);

int32_t glacier_error_is_resumable(const glacier_error_t *error);

const char *glacier_result_name(glacier_result_t result);

const char *glacier_result_message(glacier_result_t result);

typedef struct glacier_treehash_t glacier_treehash_t;

glacier_treehash_t *glacier_treehash_new(void);

glacier_result_t glacier_treehash_update(glacier_treehash_t *treehash,
                                         const void *data,
                                         size_t len,
                                         glacier_error_t **err);

glacier_result_t glacier_treehash_finish(glacier_treehash_t *treehash,
                                         uint8_t out[32],
                                         glacier_error_t **err);

void glacier_treehash_free(glacier_treehash_t *treehash);

glacier_result_t glacier_treehash_combine(const uint8_t *digests,
                                          size_t count,
                                          uint8_t out[32],
                                          glacier_error_t **err);

glacier_result_t glacier_treehash_file(const char *path,
                                       uint32_t threads,
                                       glacier_progress_fn callback,
                                       void *user_data,
                                       uint8_t out[32],
                                       glacier_error_t **err);

typedef struct glacier_plan_t glacier_plan_t;

glacier_result_t glacier_plan_new(uint64_t size,
                                  uint64_t part_size,
                                  glacier_plan_t **out,
                                  glacier_error_t **err);

uint64_t glacier_plan_part_size(const glacier_plan_t *plan);

uint32_t glacier_plan_part_count(const glacier_plan_t *plan);

uint32_t glacier_plan_request_count(const glacier_plan_t *plan);

uint64_t glacier_plan_memory(const glacier_plan_t *plan,
                             uint32_t workers);

void glacier_plan_free(glacier_plan_t *plan);

const char *glacier_version(void);

uint32_t glacier_version_number(void);

uint32_t glacier_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif
