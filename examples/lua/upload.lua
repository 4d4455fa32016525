-- Uploads a file to a vault.
--
-- usage: luajit upload.lua VAULT FILE [JOURNAL]
--
-- The program uses the FFI of LuaJIT. Keys and region come from the environment.
local ffi = require("ffi")

ffi.cdef [[
typedef struct glacier_config_t glacier_config_t;
typedef struct glacier_client_t glacier_client_t;
typedef struct glacier_upload_t glacier_upload_t;
typedef struct glacier_error_t glacier_error_t;
typedef struct {
    uint64_t struct_size, bytes_total, bytes_done, bytes_resumed, bytes_hashed, bytes_sent;
    uint64_t parts_total, parts_done, parts_in_flight, retries, workers, elapsed_ms;
} glacier_progress_t;
typedef int32_t (*glacier_progress_fn)(void *user_data, const glacier_progress_t *progress);
glacier_config_t *glacier_config_new(void);
void glacier_config_free(glacier_config_t *config);
int32_t glacier_client_new(const glacier_config_t *config, glacier_client_t **out, glacier_error_t **err);
void glacier_client_free(glacier_client_t *client);
int32_t glacier_upload_new(glacier_client_t *client, const char *vault, glacier_upload_t **out, glacier_error_t **err);
int32_t glacier_upload_set_source_file(glacier_upload_t *upload, const char *path, glacier_error_t **err);
int32_t glacier_upload_set_journal(glacier_upload_t *upload, const char *path, glacier_error_t **err);
int32_t glacier_upload_set_progress(glacier_upload_t *upload, glacier_progress_fn callback, void *user_data,
                                    void (*destroy)(void *), glacier_error_t **err);
int32_t glacier_upload_run(glacier_upload_t *upload, glacier_error_t **err);
const char *glacier_upload_archive_id(const glacier_upload_t *upload);
void glacier_upload_free(glacier_upload_t *upload);
int32_t glacier_error_code(const glacier_error_t *error);
const char *glacier_error_message(const glacier_error_t *error);
void glacier_error_free(glacier_error_t *error);
const char *glacier_result_name(int32_t result);
void (*signal(int number, void (*handler)(int)))(int);
]]

local glacier = ffi.load("libglacier_mp.so.0")
local OK, STOP, CONTINUE, UNKNOWN = 0, 0, 1, -1ULL
local SIGINT = 2

local err = ffi.new("glacier_error_t *[1]")

-- Raises the error of a call as a table.
local function check(result)
    if result ~= OK then
        local failure = {
            code = ffi.string(glacier.glacier_result_name(result)),
            message = ffi.string(glacier.glacier_error_message(err[0])),
        }
        glacier.glacier_error_free(err[0])
        error(failure)
    end
end

local function decimal(number)
    return (tostring(number):gsub("ULL$", ""))
end

local function show(progress)
    local total = progress.bytes_total ~= UNKNOWN and " of " .. decimal(progress.bytes_total) or ""
    io.stderr:write(decimal(progress.bytes_done + progress.bytes_resumed), total, " bytes\n")
end

-- The callback is anchored here, so that it is not collected. An error must not leave it.
local failure
local on_progress = ffi.cast("glacier_progress_fn", function(_, progress)
    local shown, raised = pcall(show, progress)
    if not shown then failure = raised end
    return shown and CONTINUE or STOP
end)

-- A function that LuaJIT has compiled must not call C code that calls back into Lua.
local function run(upload)
    return glacier.glacier_upload_run(upload, err)
end
jit.off(run)

local function upload_file(vault, file, journal)
    -- ffi.gc frees the handles, in any order.
    local config = ffi.gc(glacier.glacier_config_new(), glacier.glacier_config_free)
    local out = ffi.new("glacier_client_t *[1]")
    check(glacier.glacier_client_new(config, out, err))
    local client = ffi.gc(out[0], glacier.glacier_client_free)
    out = ffi.new("glacier_upload_t *[1]")
    check(glacier.glacier_upload_new(client, vault, out, err))
    local upload = ffi.gc(out[0], glacier.glacier_upload_free)
    check(glacier.glacier_upload_set_source_file(upload, file, err))
    if journal then check(glacier.glacier_upload_set_journal(upload, journal, err)) end
    check(glacier.glacier_upload_set_progress(upload, on_progress, nil, nil, err))
    local done, raised = pcall(check, run(upload))
    if failure or not done then error(failure or raised, 0) end
    return ffi.string(glacier.glacier_upload_archive_id(upload))
end

if #arg < 2 or #arg > 3 then
    io.stderr:write("usage: luajit upload.lua VAULT FILE [JOURNAL]\n")
    os.exit(2)
end
-- The handler of luajit raises an error in the callback before its pcall begins. The default action ends the program.
ffi.C.signal(SIGINT, nil)
local done, result = pcall(upload_file, arg[1], arg[2], arg[3])
if done then
    print(result)
elseif type(result) == "table" then
    io.stderr:write(result.code, ": ", result.message, "\n")
    os.exit(1)
else
    error(result, 0)
end
