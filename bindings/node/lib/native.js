'use strict';

// The functions of the C library. The C header documents them.

const koffi = require('koffi');
const { escaped, quoted } = require('./escape');

const VARIABLE = 'GLACIER_MP_LIBRARY';
const GIVEN = process.env[VARIABLE];
const PATH = GIVEN || 'libglacier_mp.so.0';

/** Runs a function that uses the library file. Its error names the file, which those of koffi may not. */
function loading(load) {
  try {
    return load();
  } catch (error) {
    const hint = GIVEN ? ` (from ${VARIABLE})` : `: install it, or set ${VARIABLE} to its path`;
    throw new Error(`cannot load the C library ${quoted(PATH)}${hint}: ${escaped(error.message)}`, { cause: error });
  }
}

const library = loading(() => koffi.load(PATH));

koffi.pointer('config_t', koffi.opaque());
koffi.pointer('client_t', koffi.opaque());
koffi.pointer('upload_t', koffi.opaque());
koffi.pointer('error_t', koffi.opaque());
koffi.pointer('uploads_t', koffi.opaque());
koffi.pointer('parts_t', koffi.opaque());
koffi.pointer('plan_t', koffi.opaque());
koffi.pointer('treehash_t', koffi.opaque());
koffi.pointer('credentials_t', koffi.opaque());

const PROGRESS_FIELDS = [
  'struct_size', 'bytes_total', 'bytes_done', 'bytes_resumed', 'bytes_hashed', 'bytes_sent',
  'parts_total', 'parts_done', 'parts_in_flight', 'retries', 'workers', 'elapsed_ms',
];
const Progress = koffi.struct('progress_t', Object.fromEntries(PROGRESS_FIELDS.map((name) => [name, 'uint64_t'])));

const callbacks = {
  progress: koffi.pointer(koffi.proto('int32_t progress_fn(void *user_data, const progress_t *progress)')),
  credentials: koffi.pointer(koffi.proto('int32_t credentials_fn(void *user_data, credentials_t out)')),
  log: koffi.pointer(koffi.proto('void log_fn(void *user_data, int32_t level, const char *message)')),
  done: koffi.pointer(koffi.proto('void done_fn(void *user_data, int32_t result, error_t error)')),
  destroy: koffi.pointer(koffi.proto('void destroy_fn(void *user_data)')),
};

const DECLARATIONS = `
  const char *version()
  const char *result_name(int32_t result)
  config_t config_new()
  void config_free(config_t config)
  int32_t config_set_region(config_t config, const char *value, _Out_ error_t *err)
  int32_t config_set_endpoint(config_t config, const char *value, _Out_ error_t *err)
  int32_t config_set_account_id(config_t config, const char *value, _Out_ error_t *err)
  int32_t config_set_profile(config_t config, const char *value, _Out_ error_t *err)
  int32_t config_set_proxy(config_t config, const char *value, _Out_ error_t *err)
  int32_t config_set_ca_file(config_t config, const char *value, _Out_ error_t *err)
  int32_t config_set_user_agent(config_t config, const char *value, _Out_ error_t *err)
  int32_t config_set_concurrency(config_t config, uint32_t value, _Out_ error_t *err)
  int32_t config_set_max_attempts(config_t config, uint32_t value, _Out_ error_t *err)
  int32_t config_set_memory_limit(config_t config, uint64_t value, _Out_ error_t *err)
  int32_t config_set_bandwidth_limit(config_t config, uint64_t value, _Out_ error_t *err)
  int32_t config_set_connect_timeout_ms(config_t config, uint64_t value, _Out_ error_t *err)
  int32_t config_set_stall_timeout_ms(config_t config, uint64_t value, _Out_ error_t *err)
  int32_t config_set_give_up_after_ms(config_t config, uint64_t value, _Out_ error_t *err)
  int32_t config_set_credentials(config_t config, const char *id, const char *secret, const char *token, _Out_ error_t *err)
  int32_t config_set_credentials_provider(config_t config, credentials_fn *callback, void *user_data, destroy_fn *destroy, _Out_ error_t *err)
  int32_t credentials_set(credentials_t out, const char *id, const char *secret, const char *token, int64_t expires, _Out_ error_t *err)
  int32_t config_set_log(config_t config, int32_t level, log_fn *callback, void *user_data, destroy_fn *destroy, _Out_ error_t *err)
  int32_t client_new(config_t config, _Out_ client_t *out, _Out_ error_t *err)
  void client_free(client_t client)
  void client_cancel(client_t client)
  int32_t client_list_uploads(client_t client, const char *vault, _Out_ uploads_t *out, _Out_ error_t *err)
  size_t uploads_count(uploads_t uploads)
  const char *uploads_id(uploads_t uploads, size_t index)
  const char *uploads_description(uploads_t uploads, size_t index)
  int64_t uploads_created_unix(uploads_t uploads, size_t index)
  uint64_t uploads_part_size(uploads_t uploads, size_t index)
  void uploads_free(uploads_t uploads)
  int32_t upload_new(client_t client, const char *vault, _Out_ upload_t *out, _Out_ error_t *err)
  void upload_free(upload_t upload)
  int32_t upload_set_source_file(upload_t upload, const char *path, _Out_ error_t *err)
  int32_t upload_set_source_memory(upload_t upload, const uint8_t *data, size_t length, _Out_ error_t *err)
  int32_t upload_set_description(upload_t upload, const char *value, _Out_ error_t *err)
  int32_t upload_set_part_size(upload_t upload, uint64_t value, _Out_ error_t *err)
  int32_t upload_set_archive_size(upload_t upload, uint64_t value, _Out_ error_t *err)
  int32_t upload_set_expected_size(upload_t upload, uint64_t value, _Out_ error_t *err)
  int32_t upload_set_upload_id(upload_t upload, const char *value, _Out_ error_t *err)
  int32_t upload_set_journal(upload_t upload, const char *value, _Out_ error_t *err)
  int32_t upload_set_bandwidth_limit(upload_t upload, uint64_t value, _Out_ error_t *err)
  int32_t upload_start(upload_t upload, done_fn *done, void *user_data, destroy_fn *destroy, _Out_ error_t *err)
  int32_t upload_wait(upload_t upload, uint64_t timeout_ms, _Out_ error_t *err)
  int32_t upload_write(upload_t upload, const uint8_t *data, size_t length, _Out_ error_t *err)
  int32_t upload_finish(upload_t upload, _Out_ error_t *err)
  int32_t upload_abort(upload_t upload, _Out_ error_t *err)
  int32_t upload_list_parts(upload_t upload, _Out_ parts_t *out, _Out_ error_t *err)
  void upload_cancel(upload_t upload)
  int32_t upload_state(upload_t upload)
  int32_t upload_progress(upload_t upload, _Out_ progress_t *out, size_t size, _Out_ error_t *err)
  const char *upload_id(upload_t upload)
  const char *upload_archive_id(upload_t upload)
  const char *upload_archive_location(upload_t upload)
  const char *upload_tree_hash(upload_t upload)
  uint64_t upload_part_size(upload_t upload)
  size_t parts_count(parts_t parts)
  uint64_t parts_offset(parts_t parts, size_t index)
  uint64_t parts_length(parts_t parts, size_t index)
  const char *parts_tree_hash(parts_t parts, size_t index)
  void parts_free(parts_t parts)
  int32_t error_code(error_t error)
  const char *error_message(error_t error)
  const char *error_operation(error_t error)
  int32_t error_http_status(error_t error)
  const char *error_service_code(error_t error)
  const char *error_request_id(error_t error)
  int32_t error_is_retryable(error_t error)
  int32_t error_is_resumable(error_t error)
  void error_free(error_t error)
  treehash_t treehash_new()
  int32_t treehash_update(treehash_t hash, const uint8_t *data, size_t length, _Out_ error_t *err)
  int32_t treehash_finish(treehash_t hash, _Out_ uint8_t *out, _Out_ error_t *err)
  void treehash_free(treehash_t hash)
  int32_t treehash_file(const char *path, uint32_t threads, void *callback, void *user_data, _Out_ uint8_t *out, _Out_ error_t *err)
  int32_t plan_new(uint64_t size, uint64_t part_size, _Out_ plan_t *out, _Out_ error_t *err)
  uint64_t plan_part_size(plan_t plan)
  uint32_t plan_part_count(plan_t plan)
  uint32_t plan_request_count(plan_t plan)
  uint64_t plan_memory(plan_t plan, uint32_t workers)
  void plan_free(plan_t plan)
`;

const functions = {};
for (const line of DECLARATIONS.trim().split('\n')) {
  const [, result, name, parameters] = line.trim().match(/^(.*?)(\w+)(\(.*\))$/);
  functions[name] = loading(() => library.func(`${result}glacier_${name}${parameters}`));
}

module.exports = { koffi, functions, callbacks, Progress, PROGRESS_FIELDS };
