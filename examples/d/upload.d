/// Uploads a file to a vault.
///
/// usage: upload VAULT FILE [JOURNAL]
///
/// Keys and region come from the environment.
module upload;

import std.exception : ErrnoException;
import std.stdio : stderr, writeln;
import std.string : fromStringz, toStringz;

enum int ok = 0;
enum int stopUpload = 0;
enum int continueUpload = 1;
enum ulong unknown = ulong.max;

extern (C) nothrow
{
    struct glacier_config_t;
    struct glacier_client_t;
    struct glacier_upload_t;
    struct glacier_error_t;

    struct glacier_progress_t
    {
        ulong struct_size, bytes_total, bytes_done, bytes_resumed, bytes_hashed, bytes_sent;
        ulong parts_total, parts_done, parts_in_flight, retries, workers, elapsed_ms;
    }

    alias glacier_progress_fn = int function(void* user_data, const(glacier_progress_t)* progress) nothrow;

    glacier_config_t* glacier_config_new();
    void glacier_config_free(glacier_config_t* config);
    int glacier_client_new(const(glacier_config_t)* config, glacier_client_t** client, glacier_error_t** err);
    void glacier_client_free(glacier_client_t* client);
    int glacier_upload_new(glacier_client_t* client, const(char)* vault, glacier_upload_t** upload, glacier_error_t** err);
    int glacier_upload_set_source_file(glacier_upload_t* upload, const(char)* path, glacier_error_t** err);
    int glacier_upload_set_journal(glacier_upload_t* upload, const(char)* path, glacier_error_t** err);
    int glacier_upload_set_progress(glacier_upload_t* upload, glacier_progress_fn callback, void* user_data,
            void function(void*) destroy, glacier_error_t** err);
    int glacier_upload_run(glacier_upload_t* upload, glacier_error_t** err);
    const(char)* glacier_upload_archive_id(const(glacier_upload_t)* upload);
    void glacier_upload_free(glacier_upload_t* upload);
    const(char)* glacier_error_message(const(glacier_error_t)* error);
    void glacier_error_free(glacier_error_t* error);
    const(char)* glacier_result_name(int code);
}

/// The error of a function of the library.
class GlacierException : Exception
{
    string code;

    /// Copies an error of the library, and frees it.
    this(int result, glacier_error_t* error)
    {
        super(glacier_error_message(error).fromStringz.idup);
        code = glacier_result_name(result).fromStringz.idup;
        glacier_error_free(error);
    }
}

void show(const(glacier_progress_t)* progress)
{
    try
    {
        stderr.write(progress.bytes_done + progress.bytes_resumed);
        if (progress.bytes_total != unknown)
            stderr.write(" of ", progress.bytes_total);
        stderr.writeln(" bytes");
    }
    catch (ErrnoException)
    {
        // Standard error cannot be written. The upload does not need it.
    }
}

/// Stores an exception in userData: it must not leave a callback. So the function is nothrow.
extern (C) int onProgress(void* userData, const(glacier_progress_t)* progress) nothrow
{
    try
    {
        show(progress);
        return continueUpload;
    }
    catch (Throwable thrown)
    {
        *cast(Throwable*) userData = thrown;
        return stopUpload;
    }
}

string uploadFile(string vault, string file, string journal)
{
    glacier_client_t* client;
    glacier_upload_t* upload;
    glacier_error_t* err;
    Throwable failure;
    void check(int result)
    {
        if (result != ok)
            throw new GlacierException(result, err);
    }

    auto config = glacier_config_new();
    scope (exit)
    {
        // These functions accept null.
        glacier_upload_free(upload);
        glacier_client_free(client);
        glacier_config_free(config);
    }
    check(glacier_client_new(config, &client, &err));
    check(glacier_upload_new(client, vault.toStringz, &upload, &err));
    check(glacier_upload_set_source_file(upload, file.toStringz, &err));
    if (journal !is null)
        check(glacier_upload_set_journal(upload, journal.toStringz, &err));
    check(glacier_upload_set_progress(upload, &onProgress, &failure, null, &err));
    const result = glacier_upload_run(upload, &err);
    if (failure !is null)
    {
        glacier_error_free(err);
        throw failure;
    }
    check(result);
    return glacier_upload_archive_id(upload).fromStringz.idup;
}

int main(string[] arguments)
{
    if (arguments.length < 3 || arguments.length > 4)
    {
        stderr.writeln("usage: upload VAULT FILE [JOURNAL]");
        return 2;
    }
    try
        writeln(uploadFile(arguments[1], arguments[2], arguments.length == 4 ? arguments[3] : null));
    catch (GlacierException exception)
    {
        stderr.writeln(exception.code, ": ", exception.msg);
        return 1;
    }
    return 0;
}
