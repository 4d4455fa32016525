/*
 * libglacier_mp: multipart uploads to Amazon Glacier vaults (the vault API, 2012-06-01).
 *
 * The library uploads archives of 1 byte to 42,949,672,960,000 bytes (10,000 parts of 4 GiB). It sends several parts at
 * once, uses bounded memory, and compares every hash with the service's. After a failure it sends only the parts that
 * the service lacks or holds with another hash. Initiate, Complete and Abort below are the service's operations
 * InitiateMultipartUpload, CompleteMultipartUpload and AbortMultipartUpload.
 *
 * Requires C99 or C++11. Compile with `pkg-config --cflags --libs glacier_mp`, or link with -lglacier_mp. No other
 * library is needed.
 *
 * This header is the manual. It is generated: change the sources in src/ffi, not this file.
 *
 *
 * == Quick start ==
 *
 *     #include <glacier_mp.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         glacier_config_t *config = glacier_config_new(); // keys and region come from the environment
 *         glacier_client_t *client = NULL;
 *         glacier_upload_t *upload = NULL;
 *         glacier_error_t *err = NULL;
 *         int done = glacier_client_new(config, &client, &err) == GLACIER_OK
 *                 && glacier_upload_new(client, "my-vault", &upload, &err) == GLACIER_OK
 *                 && glacier_upload_set_source_file(upload, "backup.tar", &err) == GLACIER_OK
 *                 && glacier_upload_run(upload, &err) == GLACIER_OK;
 *         puts(done ? glacier_upload_archive_id(upload) : glacier_error_message(err));
 *         glacier_error_free(err);
 *         glacier_upload_free(upload);
 *         glacier_client_free(client);
 *         glacier_config_free(config);
 *         return done ? 0 : 1;
 *     }
 *
 * To resume after a failure, also set a journal: glacier_upload_set_journal.
 *
 *
 * == Errors ==
 *
 * A function with an err returns a glacier_result_t: GLACIER_OK (0) or one of GLACIER_E_.... It writes its outputs only
 * on GLACIER_OK.
 *
 * Its last parameter, err, is NULL or the address of a glacier_error_t pointer. The function first stores NULL there,
 * without reading or freeing the old value. On failure it stores an error, never NULL, perhaps after callbacks have
 * run: the address err must stay valid meanwhile. Free the error with glacier_error_free before err is used again.
 * There is no thread-local "last error".
 *
 * Wrong use is an error, and no part is sent. NULL for a required pointer is GLACIER_E_NULL, and the message names the
 * parameter. A value that is not allowed is GLACIER_E_INVALID. A call out of order is GLACIER_E_STATE. These pointers
 * may be NULL: err, user_data, destroy, token_or_null, url_or_null, data of 0 bytes, and a callback if its function
 * says so. All others are required. The library cannot detect other invalid pointers, such as a freed handle.
 *
 * A defect that the library detects becomes GLACIER_E_PANIC or GLACIER_E_INTERNAL, not a crash.
 *
 * A function without err does nothing, or returns NULL or 0, if the handle is NULL or a defect occurs. Getters also
 * return NULL or 0 for an index past the end and for a value that is not known.
 *
 * Function comments list the possible results after "Results:". They refer to these groups by name. Working calls are
 * those that talk to the service: see "Threads".
 *
 *     common results     GLACIER_OK, GLACIER_E_NULL, GLACIER_E_MEMORY, GLACIER_E_PANIC, GLACIER_E_INTERNAL: from every
 *                        function with an err, not repeated.
 *     config results     GLACIER_E_INVALID (value not allowed), GLACIER_E_BUSY (another call is using the config).
 *     setter results     GLACIER_E_INVALID (value not allowed), GLACIER_E_STATE (after the first working call, also a
 *                        failed one: see "Uploads"), GLACIER_E_BUSY, GLACIER_E_FORKED.
 *     request results    the transport results GLACIER_E_NETWORK, GLACIER_E_TLS, GLACIER_E_TIMEOUT, GLACIER_E_PROTOCOL;
 *                        the service results GLACIER_E_SERVICE, GLACIER_E_ACCESS, GLACIER_E_CREDENTIALS,
 *                        GLACIER_E_THROTTLED, GLACIER_E_NOT_FOUND, GLACIER_E_LIMIT, GLACIER_E_NO_LONGER_SUPPORTED;
 *                        GLACIER_E_BUSY, GLACIER_E_FORKED, GLACIER_E_CANCELED, GLACIER_E_CALLBACK.
 *     upload results     the request results (GLACIER_E_NOT_FOUND: the service does not know the upload);
 *                        GLACIER_E_INVALID (a part size was set that the upload does not have; GLACIER_E_JOURNAL
 *                        instead if a journal records the upload);
 *                        GLACIER_E_STATE (aborted, parts are sent in another way, or the call needs an upload ID:
 *                        see "Uploads");
 *                        GLACIER_E_OUTCOME_UNKNOWN (also if the state is GLACIER_STATE_UNKNOWN);
 *                        for source and journal GLACIER_E_IO, GLACIER_E_JOURNAL, GLACIER_E_LOCKED.
 *
 * After a failed upload call, the first line that applies says what to do. The same call resumes the upload. A stream
 * with parts missing, a change of settings and GLACIER_E_FORKED need a new handle with the same journal or upload ID.
 *
 *     call again            GLACIER_E_CANCELED, GLACIER_E_CALLBACK; and GLACIER_E_OUTCOME_UNKNOWN if
 *                           glacier_error_is_resumable returns 1
 *     call again later      any result if glacier_error_is_retryable returns 1; GLACIER_E_BUSY, _LOCKED, _MEMORY, _IO,
 *                           _PENDING
 *     stop all uploads      the transport results, GLACIER_E_ACCESS, _CREDENTIALS, _NO_LONGER_SUPPORTED; and
 *                           _NOT_FOUND if glacier_error_operation is "InitiateMultipartUpload" (the vault). Other
 *                           uploads fail too, until the cause is removed
 *     use a new handle      GLACIER_E_FORKED
 *     correct the call      GLACIER_E_NULL, _INVALID, _STATE; in multipart operations also GLACIER_E_TREE_HASH,
 *                           _INCOMPLETE: put the part again that the message names
 *     give up this upload   any other result. The message says what is wrong and what to do
 *
 *
 * == Success ==
 *
 * GLACIER_OK of glacier_upload_run, _transfer, _wait, _finish and _complete means: the service acknowledged, with equal
 * hashes, exactly the bytes of this call's source or part range; without a source, the bytes of the parts that this
 * handle put or the service lists. If the response to Complete is lost, the call finds out whether there is an archive,
 * or returns GLACIER_E_OUTCOME_UNKNOWN. If the handle or its journal records a completed upload, the call sends nothing
 * and compares the source with the archive: a file with the recorded identity is not read again, any other source is
 * read to its end, a stream at most one byte beyond the size of the archive (glacier_upload_complete reads no callback
 * source).
 *
 * A file is identified by device, inode, size, mtime and ctime. It is synced to disk before its identity is recorded.
 * On Linux, the identity comes from the file server, not from a cache of its attributes. In two cases an identity does
 * not replace reading, and the file is read again before Complete and in each later call:
 *
 * - The sync fails. Read-only file systems without a sync operation, such as squashfs and isofs, are excepted.
 * - The file system has no ctime of its own, or may have none: vfat, exFAT, HFS, AFFS, ADFS, OMFS, minix, AFS, 9P, FUSE
 *   (also virtiofs), SMB/CIFS and vboxsf.
 *
 * Changes of a file:
 *
 * - During a call, a different size or mtime is GLACIER_E_SOURCE_CHANGED. If only the ctime differs (rename, hard link,
 *   chmod, or an mtime that was set back), the file is read again and compared before Complete. If it changes again
 *   while it is compared, three times, the result is GLACIER_E_SOURCE_CHANGED.
 * - Between calls, a different size is GLACIER_E_SOURCE_CHANGED. After any other difference the file is read again; if
 *   a part has another hash than this handle or its journal recorded: GLACIER_E_SOURCE_CHANGED. For parts without a
 *   record see "Resuming".
 * - Data that is read less than 2 s after the file's mtime or ctime is read again before Complete and compared.
 *
 * Memory and streams have no identity and are hashed in each call. Memory is compared with the recorded hashes as a
 * file is; for streams see "Streaming".
 *
 * The library cannot detect:
 *
 * - a change after the last comparison, which comes right before Complete;
 * - a change that is undone before it is read;
 * - a modification that leaves size, mtime and ctime unchanged, because the clock was set back, the clock of a file
 *   server is more than 2 s slow, the write bypassed the file system, or a read-only file system was replaced by
 *   another image with the same times;
 * - a modification during a call whose mtime is set back, on a file system without a ctime of its own;
 * - a loss of power after which a file has new bytes with its old times, because the data was written to disk and the
 *   metadata was not;
 * - writes through a shared mapping on a file system that does not record their time, such as tmpfs;
 * - a change of a memory source during a call.
 *
 *
 * == Ownership ==
 *
 * The caller owns each handle that a _new function returns or stores in *out, each list and each error. Release it
 * once, with the _free function of its type. Handles may be freed in any order: an upload keeps its client alive.
 *
 *
 * == Strings ==
 *
 * In: UTF-8 that ends with NUL, at most 131,072 bytes, else GLACIER_E_INVALID. File names may be any bytes on Unix. The
 * library copies input strings.
 * Out: owned by the handle, list or error, and valid until it is freed. NULL until the value is known; then it never
 * changes.
 *
 *
 * == Threads ==
 *
 * Working calls talk to the service: glacier_upload_run, _transfer, _start, _write, _finish, _initiate, _put_part,
 * _put_part_checked, _list_parts, _complete, _abort, and glacier_client_list_uploads. Any thread may make them, and
 * call every other function.
 *
 * - Config, tree hash: one thread at a time. Another gets GLACIER_E_BUSY.
 * - Clients, errors, lists, plans: any number of threads at once. Errors, lists and plans never change.
 * - Upload: any number of threads may be in glacier_upload_put_part and _put_part_checked at once. Every other working
 *   call and, except as below, every setter needs exclusive use of the handle. If the handle is in use, it returns
 *   GLACIER_E_BUSY at once.
 * - A started run uses the handle until it ends. A stream uses it from the first glacier_upload_write until it is
 *   finished or fails. Meanwhile the only working calls allowed are glacier_upload_abort, which cancels the run or
 *   stream, and glacier_upload_write and _finish for the stream. glacier_upload_set_progress is allowed between two
 *   writes.
 * - At any time, on any thread (for callbacks see "Callbacks"): glacier_upload_wait, _cancel, _state, _progress,
 *   _set_bandwidth_limit and the getters (_id, _location, _archive_id, _archive_location, _tree_hash, _vault,
 *   _part_size).
 *
 * To upload several archives at once, use one client, and one handle for each archive. Run each handle on a thread of
 * the program, or with glacier_upload_start. The handles share the client's memory and bandwidth limits. For a combined
 * display, call glacier_upload_progress on each. Many handles help only if each archive has few parts. For each upload
 * in progress, the library has at most one thread per worker, one per processor, and two more; a started run has one
 * more.
 *
 * pthread_cancel is disabled on the library's threads, in functions that take an err or free something, and in
 * callbacks. The former state is restored on return; a pending pthread_cancel takes effect at the thread's next
 * cancellation point. Threads that call the library must not have asynchronous cancelability. To stop a working call
 * from another thread, use glacier_upload_cancel.
 *
 *
 * == Callbacks ==
 *
 * A callback runs on the thread that is inside the working call, with no lock held. One upload runs one callback at a
 * time; two uploads can run callbacks at the same time. If several threads are in glacier_upload_put_part, one of them
 * runs the callbacks. A started run has a thread of its own for them, with a stack of 8 MiB, which does no file or
 * network I/O. Progress is reported at least 4 times a second, unless a callback takes longer.
 *
 * A callback that can stop the work returns GLACIER_CONTINUE to continue. Any other value, 0 and -1 included, stops the
 * call with GLACIER_E_CALLBACK, unless its work was already done.
 *
 * Inside a callback of an upload, only these functions of that upload are allowed: glacier_upload_cancel, _state,
 * _progress, _set_bandwidth_limit, _free and the getters. Any other call on it returns GLACIER_E_BUSY. Functions of the
 * client and of other uploads are allowed. Inside a log callback or a credentials provider, the restriction covers all
 * uploads of the client, and on the client only glacier_client_cancel and _free are allowed. A callback must not leave
 * by longjmp, pthread_exit or a C++ exception.
 *
 * user_data: the library passes it to the callback unchanged, and owns it from the start of the call that sets it. Its
 * destroy function, if not NULL, runs exactly once:
 *
 * - before the call returns, if the call fails or the callback is NULL;
 * - otherwise when the last handle that uses the callback is freed or gets another one. Clients and uploads use the
 *   callbacks of the config that they were created from. done is used until it has returned. If a call, started run or
 *   stream is still in progress then, destroy runs after it has ended.
 *
 * destroy never runs while the callback runs. It may run on any thread, and must call no function of this library.
 *
 *
 * == Cancellation ==
 *
 * glacier_upload_cancel stops all working calls in progress on the handle or, if there are none, the next call.
 * glacier_client_cancel does the same for glacier_client_list_uploads. Both are one atomic store: any thread may call
 * them at any time, also in a callback or a signal handler. A cancel that stopped a stream or a call
 * (GLACIER_E_CANCELED or GLACIER_E_OUTCOME_UNKNOWN) is cleared when no call is in progress. Then the handle can be used
 * again, but not to continue that stream: see glacier_upload_write. A cancel that comes too late stops the next working
 * call.
 *
 * Calls return within 250 ms, except that they wait for a running callback or name lookup and, if Complete was sent, up
 * to 10 s for its response. The upload stays in the vault and can be resumed. For Ctrl-C:
 *
 *     static glacier_upload_t *running;    // set before the handler is installed; freed after it is removed
 *     static void on_signal(int number) { (void)number; glacier_upload_cancel(running); }
 *
 * Do not cancel a handle once glacier_upload_free is called on it. A program with several handles blocks the signals
 * before it starts a thread, receives them with sigwait on one thread, and cancels its handles there under its own
 * lock.
 *
 *
 * == Fork and signals ==
 *
 * Library threads exist only during a call or a started run, and from the first glacier_upload_write until the stream
 * is finished, fails, is canceled or freed. They block asynchronous signals, so that the program's threads receive
 * them. The thread of a started run inherits the mask of the real-time signals from the thread that starts it: runtimes
 * with a garbage collector stop threads with these signals.
 *
 * In a forked child, calls on the parent's clients and uploads return GLACIER_E_FORKED. glacier_upload_state and the
 * getters return their values as of the fork, and _free only releases memory and runs destroy functions. It skips what
 * a thread of the parent was using. Do not fork while a call runs on another thread, unless the child calls exec at
 * once. A child forked inside a callback must not return from it. A child holds the lock of an open journal until it
 * calls exec or ends.
 *
 * The library needs no initialization, installs no signal handler, raises no SIGPIPE and never calls exit. If the
 * program exits during a started run or a stream, it ends as in a killed process: done and destroy are not called, and
 * the upload can be resumed. Only glacier_config_new reads the environment. On Linux the library stays loaded: dlclose
 * does nothing.
 *
 *
 * == Memory ==
 *
 * If a part or connection buffer, a thread, a response body, a list or a journal cannot be allocated, the call returns
 * GLACIER_E_MEMORY. 2 MiB of address space are reserved for the small allocations of this error. The process ends only
 * if a small allocation fails after the reserve is used and other threads freed nothing for 2 seconds; if the C library
 * aborts while it starts a thread; or if a system that overcommits memory, the Linux default, kills it.
 *
 *
 * == Secrets and clocks ==
 *
 * No message and no log line contains a secret key or session token that the library knows (glacier_error_message has
 * the details). The library wipes its copies from memory after their last use, all of them once the handles are freed.
 * It does not wipe the program's own copies or the environment.
 *
 * If the service rejects a signature because the machine's clock is wrong, the library corrects its signatures by the
 * time in the response. It does not set the clock.
 *
 *
 * == Service limits ==
 *
 *     part size        a power of two from 1 MiB to 4 GiB; the last part from 1 byte
 *     parts            at most 10,000
 *     archive          1 byte to 42,949,672,960,000 bytes
 *     vault name       1 to 255 of A-Z a-z 0-9 _ - . and neither "." nor ".."
 *     description      at most 1,024 bytes, each 0x20 to 0x7E, no space at either end
 *     account ID       12 digits without hyphens, or "-" for the account of the credentials
 *     idle upload      may be removed 24 hours after its last part arrived
 *
 * Source: Amazon Glacier developer guide, "Uploading Large Archives in Parts", "Creating a Vault", "Computing
 * Checksums", and API reference.
 *
 *
 * == Compatibility ==
 *
 * Within one glacier_abi_version, functions, results, states and fields at the end of glacier_progress_t are only
 * added; nothing is changed or removed. "Since" is the version that added a function.
 */

#ifndef GLACIER_MP_H
#define GLACIER_MP_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header. For the version of the library see "Versions". */
#define GLACIER_MP_VERSION "0.1.0"
#define GLACIER_MP_VERSION_MAJOR 0
#define GLACIER_MP_VERSION_MINOR 1
#define GLACIER_MP_VERSION_PATCH 0
#define GLACIER_MP_VERSION_NUMBER \
    (GLACIER_MP_VERSION_MAJOR << 16 | GLACIER_MP_VERSION_MINOR << 8 | GLACIER_MP_VERSION_PATCH)
#define GLACIER_MP_ABI_VERSION 0

/* The total of a source of unknown length, and the timeout of a wait without a limit. */
#define GLACIER_UNKNOWN_LENGTH UINT64_MAX
#define GLACIER_FOREVER UINT64_MAX

#ifdef __cplusplus
extern "C" {
#endif

/* ==== Types and results ========================================================================================= */

/**
 * The settings of clients.
 *
 * A setter that fails leaves the setting unchanged.
 */
typedef struct glacier_config_t glacier_config_t;

/**
 * A client: the endpoint, account and credentials used for requests, and the memory and bandwidth limits shared by its
 * uploads. Its uploads keep it alive.
 */
typedef struct glacier_client_t glacier_client_t;

/** One multipart upload and the archive that it creates. A handle has the same upload ID for its life. */
typedef struct glacier_upload_t glacier_upload_t;

/** The error of one failed call, independent of the handle. */
typedef struct glacier_error_t glacier_error_t;

/**
 * The result of a function that can fail: a value of glacier_result_names. Compare it with GLACIER_OK.
 *
 * Later versions may add values and never reuse one, so a switch needs a default.
 */
typedef int32_t glacier_result_t;

/**
 * The values of glacier_result_t, in ranges by origin: 1 the caller, 100 this machine, 200 the connection to the
 * service, 300 the service, 400 data integrity, 500 stopped on request, 900 the library.
 */
typedef enum {
    /** Success. */
    GLACIER_OK = 0,
    /** A required pointer is NULL. */
    GLACIER_E_NULL = 1,
    /** A value is not allowed. The message has the value and the rule. No part was sent. */
    GLACIER_E_INVALID = 2,
    /** The call is not allowed in the handle's state, or after earlier calls. Nothing was sent. */
    GLACIER_E_STATE = 3,
    /**
     * Another call, a started run or a stream is using the handle, or the call was made inside one of its callbacks.
     */
    GLACIER_E_BUSY = 4,
    /** The run that glacier_upload_wait waits for has not ended. */
    GLACIER_E_PENDING = 5,
    /** The handle was created before fork() by the parent of this process. */
    GLACIER_E_FORKED = 6,
    /** A local file could not be opened, read or written. */
    GLACIER_E_IO = 100,
    /**
     * Out of memory or another system resource, such as file descriptors or threads. If no descriptor is left for a
     * new connection, a request first waits for a connection that another request of the client is using.
     */
    GLACIER_E_MEMORY = 101,
    /** The source ended before its announced size. */
    GLACIER_E_SOURCE_SHORT = 102,
    /** The source changed during the upload, or does not match what the upload holds. */
    GLACIER_E_SOURCE_CHANGED = 103,
    /** The file is not a journal, is damaged, or belongs to another upload. It was not changed. */
    GLACIER_E_JOURNAL = 104,
    /** Another process or handle is using the journal. */
    GLACIER_E_LOCKED = 105,
    /** The connection failed or was lost in each attempt, or a proxy refused it or requires a password. */
    GLACIER_E_NETWORK = 200,
    /** The certificate of the service was rejected, or TLS failed. */
    GLACIER_E_TLS = 201,
    /**
     * The last attempt timed out: no connection within the connect timeout, or a stall. Or a part takes longer than
     * the 5 minutes that its signature is valid, even with no other part in flight. A missing response to Complete
     * is GLACIER_E_OUTCOME_UNKNOWN.
     */
    GLACIER_E_TIMEOUT = 202,
    /**
     * The response breaks the protocol: not HTTP, an unreadable document, a success without the tree hash or ID that
     * acknowledges it, a list that does not end or contradicts itself, or an ID that cannot be sent back.
     */
    GLACIER_E_PROTOCOL = 203,
    /** The service rejected the request for a reason that has no result of its own: see glacier_error_service_code. */
    GLACIER_E_SERVICE = 300,
    /**
     * The credentials lack permission for this operation or do not belong to this account. Also HTTP 401, 403
     * or 407 without an error code, perhaps from a proxy that forwards requests.
     */
    GLACIER_E_ACCESS = 301,
    /**
     * The credentials are missing, wrong or expired, or the library cannot correct signatures for a wrong machine
     * clock.
     */
    GLACIER_E_CREDENTIALS = 302,
    /** The service throttled the request in each attempt. */
    GLACIER_E_THROTTLED = 303,
    /**
     * The service reports that the vault does not exist in this region and account, or that the upload does not
     * exist: it was completed, aborted (perhaps by a call that received no response) or removed. Before you upload
     * again, look for the archive in an inventory of the vault, which the service makes as a job of the type
     * inventory-retrieval (InitiateJob). A 404 from a proxy is retried, then GLACIER_E_SERVICE.
     */
    GLACIER_E_NOT_FOUND = 304,
    /** A limit of the service was or would be exceeded. */
    GLACIER_E_LIMIT = 305,
    /** The service no longer serves this account. */
    GLACIER_E_NO_LONGER_SUPPORTED = 306,
    /**
     * Complete was sent, but its outcome is unknown. If glacier_error_is_resumable returns 1, repeat the call, with
     * this handle or with one that has the same journal: the library repeats Complete, and the service repeats the
     * archive ID. Without a journal, do so before the program ends: a new handle attached to the ID does not know
     * that Complete was sent, and gets GLACIER_E_NOT_FOUND if there is an archive. If glacier_error_is_resumable
     * returns 0, look for the archive in an inventory of the vault before you upload again.
     */
    GLACIER_E_OUTCOME_UNKNOWN = 307,
    /** A tree hash differs from the expected one. */
    GLACIER_E_TREE_HASH = 400,
    /** Parts are missing. */
    GLACIER_E_INCOMPLETE = 401,
    /** The call was canceled. */
    GLACIER_E_CANCELED = 500,
    /** A callback did not return GLACIER_CONTINUE. */
    GLACIER_E_CALLBACK = 501,
    /** A defect in the library caused a panic. Please report the message. The handle can still be freed. */
    GLACIER_E_PANIC = 900,
    /** The library detected a defect in itself. Please report the message. */
    GLACIER_E_INTERNAL = 901,
} glacier_result_names;

/**
 * Returns the name of a result, such as "GLACIER_E_NOT_FOUND"; "GLACIER_E_UNKNOWN" if this version does not know it.
 *
 * Static, never NULL. Since: 0.1
 */
const char *glacier_result_name(glacier_result_t result);

/**
 * Returns an English description of a result. glacier_error_message describes the failure.
 *
 * Static, never NULL. Since: 0.1
 */
const char *glacier_result_message(glacier_result_t result);

/** Returns the result of the failed call. Since: 0.1 */
glacier_result_t glacier_error_code(const glacier_error_t *error);

/**
 * Returns one line of English without a newline: what failed, on which object, and what to do.
 *
 * If the upload stays in the vault, the message has its ID. Text from outside, such as the service's messages and file
 * names, is sanitized: control and invisible characters are escaped ("\n", "\x1b", "\u{202e}") and long values are
 * cut.
 *
 * A secret key or session token that the config, client or upload of the call knows, or 16 or more characters of one,
 * is replaced by the word "redacted" in brackets. A config knows the secrets that were set on it and those in the
 * environment, a client and its uploads also those of the profile and of all later keys. Other functions, such as
 * glacier_treehash_file, know none. Secrets of fewer than 8 characters are not replaced; a secret key of AWS has 40.
 * A rejected URL is shown only as far as it cannot contain a password or a token. Since: 0.1
 */
const char *glacier_error_message(const glacier_error_t *error);

/** Frees an error. Since: 0.1 */
void glacier_error_free(glacier_error_t *error);

/** Releases a user_data, which the library no longer uses. See "Callbacks". Since: 0.1 */
typedef void (*glacier_destroy_fn)(void *user_data);

/**
 * The return values of callbacks that can stop the work.
 *
 * Only 1 continues, because a callback of another language that ends in an exception returns an arbitrary value.
 */
typedef enum {
    /** Stop: the call returns GLACIER_E_CALLBACK. */
    GLACIER_STOP = 0,
    /** Continue. */
    GLACIER_CONTINUE = 1,
} glacier_flow_names;

/* ==== Configuration ================================================================================================
 *
 * Every setting but the region and the credentials has a default.
 */

/**
 * Creates a config from the defaults and the environment.
 *
 * This call captures all environment variables; no other function reads them. Unless noted, an empty variable counts
 * as not set. glacier_client_new reads the AWS config and credentials files. The first setting in each of these
 * lists counts:
 *
 * - Profile: glacier_config_set_profile, AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
 * - Files: AWS_CONFIG_FILE or ~/.aws/config, and AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials. Settings in the
 *   credentials file override those in the config file. A missing file counts as empty, and an empty variable means no
 *   file.
 * - Keys: see "Credentials".
 * - Region: glacier_config_set_region, AWS_REGION, AWS_DEFAULT_REGION, region in the profile. No profile inherits the
 *   region of [default].
 * - Endpoint: glacier_config_set_endpoint, AWS_ENDPOINT_URL_GLACIER, AWS_ENDPOINT_URL; endpoint_url in the services
 *   section that the profile names, below "glacier ="; endpoint_url in the profile; the endpoint of the region. If
 *   AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or ignore_configured_endpoint_urls in the profile is true, only
 *   glacier_config_set_endpoint and the region count.
 * - Endpoint of the region: the FIPS one if AWS_USE_FIPS_ENDPOINT or use_fips_endpoint in the profile is true, the
 *   one with IPv6 if AWS_USE_DUALSTACK_ENDPOINT or use_dualstack_endpoint is true. Either one together with an
 *   endpoint setting that counts is an error.
 * - Proxy: glacier_config_set_proxy, then the variables that are listed there.
 * - Certificates: see glacier_config_set_ca_file.
 *
 * Returns NULL if out of memory. Since: 0.1
 */
glacier_config_t *glacier_config_new(void);

/**
 * Selects a profile of the AWS config and credentials files, such as "backup", in place of the one that the
 * environment selects. In the config file its section is [profile backup], in the credentials file [backup].
 *
 * The environment still overrides the profile's region and endpoint, but not its keys: AWS_ACCESS_KEY_ID, AWS_ROLE_ARN
 * and the other variables for keys and web identity are then ignored. Keys that a setter sets override the profile.
 * glacier_client_new reads the files, and fails if neither has the profile.
 *
 * Results: config results (profile is empty). Since: 0.1
 */
glacier_result_t glacier_config_set_profile(glacier_config_t *config,
                                            const char *profile,
                                            glacier_error_t **err);

/**
 * Sets the AWS region of the vaults, such as "eu-central-1". It selects the endpoint and is part of each signature.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_region(glacier_config_t *config,
                                           const char *region,
                                           glacier_error_t **err);

/**
 * Sets the endpoint that replaces the region's own: scheme, host, and a port unless it is the scheme's default, such
 * as "http://127.0.0.1:8080". Only such an endpoint, or one of the environment or a profile, can use plain http. The
 * region is still required for signatures.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_endpoint(glacier_config_t *config,
                                             const char *endpoint,
                                             glacier_error_t **err);

/**
 * Sets the account that owns the vaults: 12 digits without hyphens, or "-", the default, for the account of the
 * credentials.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_account_id(glacier_config_t *config,
                                               const char *account_id,
                                               glacier_error_t **err);

/**
 * Sets the keys that sign requests: an access key ID, its secret key, and the session token of temporary credentials
 * or NULL. An empty token counts as NULL.
 *
 * The three belong together, and all other sources are ignored. Of this and glacier_config_set_credentials_provider,
 * the later call counts. See "Credentials".
 *
 * Results: config results (the key ID or the secret is empty; a text is longer than 32,768 bytes, or has a space or
 * a character that is not printable ASCII). Since: 0.1
 */
glacier_result_t glacier_config_set_credentials(glacier_config_t *config,
                                                const char *key_id,
                                                const char *secret,
                                                const char *token_or_null,
                                                glacier_error_t **err);

/**
 * Sets the CA file: a PEM file with the only certificates that the client trusts. It must be a regular file of at most
 * 16 MiB in which each certificate is valid PEM. glacier_client_new reads it.
 *
 * Without this function, the first of these counts:
 *
 * - The CA file that AWS_CA_BUNDLE names (set but empty: an error), or ca_bundle in the profile. A leading ~ is the
 *   home directory.
 * - The certificates in the file SSL_CERT_FILE and in the directories SSL_CERT_DIR, as in OpenSSL. If one of the two
 *   is set, but neither has a certificate, a client with an https endpoint cannot be created.
 * - The system's trust store, such as /etc/ssl/certs. Certificates that cannot be read are skipped and logged.
 * - A built-in list of public authorities, only if the system has no trust store.
 *
 * The service's certificate is accepted if a trusted authority issued it, or if it is trusted itself, such as a
 * self-signed one made by openssl req -x509. It must also be within its validity period and match the endpoint's host.
 * TLS 1.2 and 1.3 are supported. No setting turns these checks off.
 *
 * Results: config results (path is empty). Since: 0.1
 */
glacier_result_t glacier_config_set_ca_file(glacier_config_t *config,
                                            const char *path,
                                            glacier_error_t **err);

/**
 * Sets the proxy for all connections: http://[user:password@]host[:port], or https://... for TLS to the proxy. Without
 * a scheme, http applies; without a port, 80 or 443. "" disables all proxies. NULL, the default: the environment's
 * proxy applies.
 *
 * - The environment's proxy is the first of these variables that is not empty: for an https endpoint https_proxy,
 *   HTTPS_PROXY, all_proxy, ALL_PROXY; for an http endpoint http_proxy, all_proxy, ALL_PROXY. If it is invalid,
 *   glacier_client_new fails.
 * - no_proxy, else NO_PROXY, lists hosts that are reached directly, also if this function sets a proxy: names,
 *   domains with all names below them, IP addresses and ranges (192.0.2.0/24), separated by commas or spaces, without
 *   ports; or "*" alone for all. Loopback addresses are not exempt.
 * - These rules are those of curl.
 *
 * The proxy looks up the endpoint's name. For https it opens a tunnel (CONNECT), so it sees the name but no request.
 * For http it receives the whole requests. User and password are sent by Basic authentication in the first request;
 * write special characters in them as %XX. The certificate of an https proxy is checked like that of the service.
 *
 * If the proxy responds to CONNECT with 3xx or 4xx, such as 407, the call fails with GLACIER_E_NETWORK without a
 * retry, and glacier_error_http_status returns that status. 408, 429, 5xx and lost connections are retried.
 *
 * Results: config results (the URL is not allowed). Since: 0.1
 */
glacier_result_t glacier_config_set_proxy(glacier_config_t *config,
                                          const char *url_or_null,
                                          glacier_error_t **err);

/**
 * Sets the program's name in the User-Agent header, before the library's name and version: 1 to 256 printable ASCII
 * characters. The default is none.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_user_agent(glacier_config_t *config,
                                               const char *user_agent,
                                               glacier_error_t **err);

/**
 * Sets the maximum number of parts in flight per upload: 1 to 32 workers, 8 by default. Each has its own connection:
 * an upload in progress uses at most one connection per worker.
 *
 * Throttling (HTTP 408, 429, 500, 503, throttling codes) halves the number in use, down to 1. A number N grows by 1
 * after N acknowledged parts. The number is also limited to the parts that the measured connection and the bandwidth
 * limits can send in 4 minutes, because a signature is valid for 5. Each upload adapts on its own. The log reports
 * each change; see also workers in glacier_progress_t.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_concurrency(glacier_config_t *config,
                                                uint32_t workers,
                                                glacier_error_t **err);

/**
 * Sets the total part-buffer memory, in bytes, for all uploads of a client: at least 1,048,576 (1 MiB), by default
 * 268,435,456 (256 MiB).
 *
 * It limits buffers, not the process. A part larger than the limit divided by the workers is not kept in memory but
 * read twice, to hash and to send it. glacier_plan_memory returns the limit that avoids this. Uploads share the limit,
 * first come, first served: N uploads run at full speed if the limit is N times that of glacier_plan_memory.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_memory_limit(glacier_config_t *config,
                                                 uint64_t bytes,
                                                 glacier_error_t **err);

/**
 * Sets the bandwidth limit for parts of all uploads of a client together, in bytes per second; 0, the default, is no
 * limit.
 *
 * It counts the bytes of parts each time they are sent. Headers and encryption add a few percent. The bytes flow
 * evenly, parts in flight share the limit fairly, and unused bandwidth is not carried over. It also applies to
 * glacier_upload_put_part. glacier_upload_set_bandwidth_limit limits one upload in addition, also while it runs.
 *
 * A part should take at most 4 minutes, because a signature is valid for 5: if the limit is below the part size
 * divided by 240 (70,000 bytes per second for 16 MiB), use smaller parts.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_bandwidth_limit(glacier_config_t *config,
                                                    uint64_t bytes_per_s,
                                                    glacier_error_t **err);

/**
 * Sets the maximum number of attempts per request for transient failures: a lost connection, a stall, HTTP 408, 429,
 * 500, 502, 503, 504 and 509, throttling, and a 404 that is not from the service. 0 means no maximum: only
 * glacier_config_set_give_up_after_ms applies.
 *
 * The default is 10, which an outage alone never uses up: an attempt that does not reach the service (no connection,
 * failed TLS handshake, lost or stalled connection, truncated response, 502 or 504 of a gateway) counts only if the
 * client has received another response to any request since the previous attempt. If this function sets a maximum,
 * even 10, every attempt counts.
 *
 * A rejected certificate is not retried. Any other failure of a TLS handshake is retried only if the client has
 * connected before. With TLS 1.3 a server can reject the client after the handshake, for example if it requires a
 * client certificate: this is retried only if the client has received a response before.
 *
 * Ambiguous failures are retried at most 3 times: a success without its tree hash or ID, a part damaged in transit,
 * a response that is not HTTP, and any other error response that is probably from a proxy, because it has neither
 * x-amzn-RequestId nor an error document with a code of AWS. Re-signing a request with a corrected clock or new
 * keys does not count as an attempt.
 *
 * Retries use exponential backoff with full jitter: a random delay of up to 0.5 s, doubled after each failure, up to
 * 20 s. A longer Retry-After of the service is followed, up to 300 s.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_max_attempts(glacier_config_t *config,
                                                 uint32_t attempts,
                                                 glacier_error_t **err);

/**
 * Sets the timeout for opening a connection, TLS and the proxy included, in milliseconds: at least 1, by default
 * 10,000 (10 s). The name lookup, which the system bounds, does not count. If the host has several addresses, they
 * are tried 250 ms apart, or right after a failure, IPv6 and IPv4 alternately (RFC 8305). The first to accept is
 * used. The client's next connection tries it first, or last if it failed before a response. After a timeout, the
 * next connection first tries the addresses that were not tried.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_connect_timeout_ms(glacier_config_t *config,
                                                       uint64_t milliseconds,
                                                       glacier_error_t **err);

/**
 * Sets the stall timeout in milliseconds: at least 1, by default 60,000 (60 s). An attempt fails, and the request is
 * retried, if
 *
 * - the peer does not acknowledge 1 KB of the request, or the rest if it is less, within the timeout. Waiting for
 *   the source or the bandwidth limit does not count;
 * - the response does not begin within the timeout after the request is acknowledged. Only
 *   glacier_config_set_give_up_after_ms limits the response to Complete, which may take many minutes. Through a
 *   proxy, which acknowledges bytes before it sends them, the timeout grows by the time the request took;
 * - the headers of a response or of an interim response (HTTP 1xx) do not end within the timeout after their first
 *   byte;
 * - the body of a list does not end within the timeout after its first byte.
 *
 * Interim responses do not change a timeout; more than 8 are an error. At most 64 KiB of an error response are read,
 * for at most 5 s. A bandwidth limit below 1 KB per stall timeout is allowed.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_stall_timeout_ms(glacier_config_t *config,
                                                     uint64_t milliseconds,
                                                     glacier_error_t **err);

/**
 * Sets how long failed parts are retried while none is acknowledged, in milliseconds: at least 1, by default
 * 1,800,000 (30 min). Any other request, such as Complete, has this time for itself. After it, the call returns the
 * error of the last attempt, or GLACIER_E_OUTCOME_UNKNOWN if Complete was sent. The upload stays in the vault.
 *
 * The last attempt is made when the time is over. A delay that would end later is shortened. A Retry-After of the
 * service is never shortened. If it ends after this time, the call fails when the time is over, or at once if no
 * other part can be acknowledged meanwhile. The message names the Retry-After.
 *
 * Until a client opens its first connection, at most 45 s apply, and an unknown host name is final after 3 attempts:
 * the region or endpoint may be wrong. Time in which the process was stopped (SIGSTOP, debugger, suspended machine)
 * does not count, here and in the other timeouts.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_give_up_after_ms(glacier_config_t *config,
                                                     uint64_t milliseconds,
                                                     glacier_error_t **err);

/** Frees a config. Its clients keep working. Since: 0.1 */
void glacier_config_free(glacier_config_t *config);

/* ==== Logging =================================================================================================== */

/** A log level: a value of glacier_log_level_names. Each level includes those before it. */
typedef int32_t glacier_log_level_t;

/** The values of glacier_log_level_t. */
typedef enum {
    /** Nothing. */
    GLACIER_LOG_OFF = 0,
    /** Why a call failed. */
    GLACIER_LOG_ERROR = 1,
    /** Recovered failures, such as a retry. */
    GLACIER_LOG_WARN = 2,
    /** The steps of an upload, and the source of the keys. */
    GLACIER_LOG_INFO = 3,
    /** Each request. */
    GLACIER_LOG_DEBUG = 4,
} glacier_log_level_names;

/**
 * Receives one log line: English, without a newline, sanitized like glacier_error_message. message is valid only
 * inside the callback.
 *
 * Show GLACIER_LOG_WARN lines to a person, for example on stderr. They report what no result reports:
 *
 * - retries, with request, error and delay;
 * - throttling, which reduces the parts in flight;
 * - keys that cannot be replaced before they expire;
 * - a wrong machine clock, and corrected signatures;
 * - journal write failures, for example on a full disk, and what a later resume will miss;
 * - a source that is read again because its attributes changed;
 * - a rejected Complete, and which parts are sent again;
 * - a stream of unknown length that approaches 10,000 parts;
 * - the number of dropped log lines. Since: 0.1
 */
typedef void (*glacier_log_fn)(void *user_data, glacier_log_level_t level, const char *message);

/**
 * Sets the log callback and level for clients created from this config. callback may be NULL for no log, the default.
 *
 * Lines wait in a bounded queue. A thread inside a working call, or the thread of a started run, passes them to the
 * callback, one line at a time for all handles of a client. Between two writes of a stream, lines wait for the next
 * call. Lines that do not fit are dropped and counted.
 *
 * Results: config results (level unknown). Since: 0.1
 */
glacier_result_t glacier_config_set_log(glacier_config_t *config,
                                        glacier_log_level_t level,
                                        glacier_log_fn callback,
                                        void *user_data,
                                        glacier_destroy_fn destroy,
                                        glacier_error_t **err);

/* ==== Credentials ==================================================================================================
 *
 * The library finds credentials where the AWS CLI finds them. It uses the first of these sources that is configured:
 *
 *  1. glacier_config_set_credentials or glacier_config_set_credentials_provider, the one called last
 *  2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; not if the program selects a profile
 *  3. role_arn of the profile, with source_profile or credential_source
 *  4. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (like 2, not if the program selects a profile), or these settings
 *     of the profile, as in pods of EKS
 *  5. the profile: an SSO role (token of aws sso login), keys, or a credential_process
 *  6. the endpoint of a container: ECS, or EKS Pod Identity
 *  7. the role of an EC2 instance; not if AWS_EC2_METADATA_DISABLED is true
 *
 * glacier_client_new reports errors of the settings. The first call that needs the service gets the keys, those of
 * sources 2 to 7 on a thread of the library; if there are none, it returns GLACIER_E_CREDENTIALS with the reason of
 * each source. A source that fails ends the call: the next source would be another identity. The log names the source
 * (GLACIER_LOG_INFO).
 *
 * Keys are replaced 5 minutes before they expire (for lifetimes under 10 minutes, at half the lifetime), and if the
 * service reports an expired token. In both cases, profiles are read again. If no new keys are available, the old ones
 * are used until the service rejects them. A credential_process may run for 60 seconds. Canceling a call ends its
 * search for keys and kills a running credential_process.
 *
 * A program that has its own source of keys sets a credentials provider, a callback:
 *
 *     static int32_t fresh_keys(void *user_data, glacier_credentials_t *out) {
 *         struct keys keys;
 *         if (!get_keys(user_data, &keys))
 *             return GLACIER_STOP;
 *         return glacier_credentials_set(out, keys.id, keys.secret, keys.token, keys.expires, NULL) == GLACIER_OK
 *                        ? GLACIER_CONTINUE : GLACIER_STOP;
 *     }
 *
 *     glacier_config_set_credentials_provider(config, fresh_keys, state, NULL, &err);
 *
 * If a token expires and cannot be replaced, the call returns GLACIER_E_CREDENTIALS. The upload stays in the vault. To
 * resume, create a client with new credentials and attach a handle to the upload ID.
 */

/** Receives the keys from a credentials provider. Valid only inside that callback. */
typedef struct glacier_credentials_t glacier_credentials_t;

/**
 * Passes keys from a credentials provider to the library: an access key ID, its secret key, the session token of
 * temporary credentials (NULL or empty: none), and their expiry in seconds since 1970-01-01 UTC, 0 for never.
 *
 * Any thread may call it with the callback's out, until the callback returns. The last successful call counts.
 *
 * Results: GLACIER_E_INVALID (the key ID or the secret is empty; a text is longer than 32,768 bytes, or has a space
 * or a character that is not printable ASCII; or expires_unix is negative). Since: 0.1
 */
glacier_result_t glacier_credentials_set(glacier_credentials_t *out,
                                         const char *key_id,
                                         const char *secret,
                                         const char *token_or_null,
                                         int64_t expires_unix,
                                         glacier_error_t **err);

/**
 * Supplies the keys that sign requests: calls glacier_credentials_set and returns GLACIER_CONTINUE.
 *
 * It is called before the first request; if the keys expire within 5 minutes (or, for lifetimes under 10 minutes,
 * once half the lifetime has passed); and whenever the service reports an expired token. One call serves all
 * requests of the client. They wait for it without a time limit; calls of other uploads can be canceled meanwhile.
 *
 * If it returns anything but GLACIER_CONTINUE, the waiting calls return GLACIER_E_CALLBACK. If it sets no keys, or the
 * service reports its keys as expired three times in a row, they return GLACIER_E_CREDENTIALS. Uploads stay in the
 * vault, and the next call asks the provider again.
 *
 * It runs on a thread inside a working call of the client or its uploads, one call at a time per client. Between two
 * writes of a stream, parts that need new keys wait for the next call. See "Callbacks" for what it may call. It must
 * not wait for another thread that is using the client. Since: 0.1
 */
typedef int32_t (*glacier_credentials_fn)(void *user_data, glacier_credentials_t *out);

/**
 * Sets a credentials provider. If callback is NULL, sources 2 to 7 of "Credentials" apply.
 *
 * Of this and glacier_config_set_credentials, the later call counts; both override all other sources. Clients
 * created from the same config share the callback and may call it at the same time. Setting other credentials also
 * releases it.
 *
 * Results: config results. Since: 0.1
 */
glacier_result_t glacier_config_set_credentials_provider(glacier_config_t *config,
                                                         glacier_credentials_fn callback,
                                                         void *user_data,
                                                         glacier_destroy_fn destroy,
                                                         glacier_error_t **err);

/* ==== Clients =================================================================================================== */

/**
 * Creates a client from a copy of the config: later changes to config do not affect it. Reads the AWS config and
 * credentials files and the CA file. Nothing is sent.
 *
 * Results: config results (the profile does not exist; a line of a file cannot be parsed; no region; a region
 * without Glacier; a value in the environment or the profile is not allowed; no certificate in the CA file);
 * GLACIER_E_CREDENTIALS (the source of the keys is incomplete, such as one half of a key, or needs MFA);
 * GLACIER_E_IO (the CA file, or an AWS file, cannot be read); GLACIER_E_TLS (TLS cannot be set up). Since: 0.1
 */
glacier_result_t glacier_client_new(const glacier_config_t *config,
                                    glacier_client_t **out,
                                    glacier_error_t **err);

/** Frees a client. Its uploads keep working. Since: 0.1 */
void glacier_client_free(glacier_client_t *client);

/* ==== Uploads ======================================================================================================
 *
 * Create a handle, set a source, and call glacier_upload_run. The last source that is set is used. A handle sends parts
 * in one of three ways: glacier_upload_run, _transfer and _start; glacier_upload_write and _finish; or
 * glacier_upload_put_part and _put_part_checked. The first of these calls decides. The other ways then return
 * GLACIER_E_STATE. The first working call freezes the settings, even if it fails, for example because the source does
 * not exist: to change one, create a new handle. An unusable journal freezes nothing.
 */

/**
 * Creates a handle for an upload to an existing vault. Nothing is sent.
 *
 * Results: GLACIER_E_INVALID (vault name: see "Service limits"); GLACIER_E_BUSY (inside this client's log callback
 * or credentials provider); GLACIER_E_FORKED. Since: 0.1
 */
glacier_result_t glacier_upload_new(glacier_client_t *client,
                                    const char *vault,
                                    glacier_upload_t **out,
                                    glacier_error_t **err);

/**
 * Sets a regular file as the source, or a symbolic link to one. Set the whole file, also to resume an existing
 * upload. The file must not be empty, and must not change until completion. The working call opens the file before
 * it sends anything, and returns GLACIER_E_IO, without blocking, if it cannot be read or is not regular.
 *
 * Results: setter results (path is empty). Since: 0.1
 */
glacier_result_t glacier_upload_set_source_file(glacier_upload_t *upload,
                                                const char *path,
                                                glacier_error_t **err);

/**
 * Sets len bytes of memory as the source. They are always the whole archive, and are not copied: they must stay valid
 * and unchanged until the upload is freed and no call or started run uses it.
 *
 * If len is 0, glacier_upload_run fails.
 *
 * Results: setter results (len is more than memory can hold). Since: 0.1
 */
glacier_result_t glacier_upload_set_source_memory(glacier_upload_t *upload,
                                                  const void *data,
                                                  size_t len,
                                                  glacier_error_t **err);

/**
 * Sets the archive description, which an inventory of the vault shows: see "Service limits". The service or HTTP
 * would drop a space at either end. The default is empty. It is fixed once the upload is initiated.
 *
 * Results: setter results. Since: 0.1
 */
glacier_result_t glacier_upload_set_description(glacier_upload_t *upload,
                                                const char *description,
                                                glacier_error_t **err);

/**
 * Sets the part size in bytes: a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB). The default is the
 * smallest that needs at most 10,000 parts, but at least 16 MiB (see glacier_plan_new, and "Streaming"). A failure or
 * cancel loses the parts in flight: smaller parts lose less, but need more requests.
 *
 * For an existing upload it is optional and must be the same.
 *
 * Results: setter results. Since: 0.1
 */
glacier_result_t glacier_upload_set_part_size(glacier_upload_t *upload,
                                              uint64_t bytes,
                                              glacier_error_t **err);

/**
 * Sets the exact archive size in bytes: 1 to 42,949,672,960,000. It is compared with the source before anything is
 * sent, with the end of a stream, and with the parts before Complete. An attached handle without a source or a
 * recorded size needs it to complete, because the library could not detect a missing end.
 *
 * Results: setter results. Since: 0.1
 */
glacier_result_t glacier_upload_set_archive_size(glacier_upload_t *upload,
                                                 uint64_t bytes,
                                                 glacier_error_t **err);

/**
 * Uploads the source: initiates the upload or resumes the existing one, sends the missing parts, and completes it.
 * Then glacier_upload_archive_id is known.
 *
 * Stored parts are skipped only if their tree hash equals the source's; others are sent again and replaced. On a
 * completed handle or journal the call only compares (see "Success"), and its errors name the archive ID.
 *
 * The source is opened and measured first: if this fails, nothing is initiated. After a later failure, if
 * glacier_error_is_resumable returns 1, the upload is in the vault and the message has the upload ID. To resume,
 * call glacier_upload_run again (file and memory sources), or see "Resuming". To give up, call glacier_upload_abort.
 * An upload that the service no longer knows is never replaced by a new one.
 *
 * If the service rejects Complete, the library lists the parts, sends missing and different ones again, and retries,
 * up to 3 times.
 *
 * Results: upload results; and
 *
 * - GLACIER_E_INVALID: the source is empty, needs more than 10,000 parts of its part size, or does not match the
 *   archive size that was set; or twice the part size of a callback source exceeds the memory limit
 * - GLACIER_E_STATE: no source, a part range is set, or a callback source was read before
 * - GLACIER_E_SOURCE_SHORT: a callback source ended early
 * - GLACIER_E_SOURCE_CHANGED: the source changed (the message names the part), is smaller than what the upload
 *   holds, or differs from what the journal records
 * - GLACIER_E_LIMIT: also if a callback source is longer than 10,000 parts
 * - GLACIER_E_TREE_HASH: data arrived damaged repeatedly, or the archive's tree hash differs from what was sent
 * - GLACIER_E_INCOMPLETE: parts are missing
 *
 * Since: 0.1
 */
glacier_result_t glacier_upload_run(glacier_upload_t *upload,
                                    glacier_error_t **err);

/**
 * Returns the archive ID, with which the archive is retrieved and deleted; NULL until the upload is completed. Store
 * it: otherwise only an inventory of the vault has it. Since: 0.1
 */
const char *glacier_upload_archive_id(const glacier_upload_t *upload);

/** Returns the path of the archive at the service; NULL until the upload is completed. Since: 0.1 */
const char *glacier_upload_archive_location(const glacier_upload_t *upload);

/**
 * Returns the tree hash of the archive, 64 lower-case hexadecimal digits; NULL until it is known, at the latest when
 * the upload is completed. Since: 0.1
 */
const char *glacier_upload_tree_hash(const glacier_upload_t *upload);

/**
 * Returns the upload ID, with which any process can attach to the upload; NULL until the upload is initiated or
 * attached. Since: 0.1
 */
const char *glacier_upload_id(const glacier_upload_t *upload);

/**
 * Returns the path of the upload at the service; NULL until this handle initiated it, so always NULL for an attached
 * upload. Since: 0.1
 */
const char *glacier_upload_location(const glacier_upload_t *upload);

/** Returns the name of the vault. Since: 0.1 */
const char *glacier_upload_vault(const glacier_upload_t *upload);

/** Returns the part size in bytes; 0 until it is known. Since: 0.1 */
uint64_t glacier_upload_part_size(const glacier_upload_t *upload);

/** The state of an upload: a value of glacier_state_names. */
typedef int32_t glacier_state_t;

/** The values of glacier_state_t. */
typedef enum {
    /** No working call has initiated an upload, or used the given upload ID or journal. */
    GLACIER_STATE_NEW = 0,
    /**
     * The upload has an ID, and this handle has sent no part. The first working call of an attached handle sets this
     * state before it asks whether the service knows the upload.
     */
    GLACIER_STATE_INITIATED = 1,
    /** Parts are being sent or were sent. */
    GLACIER_STATE_TRANSFERRING = 2,
    /** Complete was sent, and its response is awaited or will be requested again. */
    GLACIER_STATE_COMPLETING = 3,
    /** There is an archive; glacier_upload_archive_id is known. */
    GLACIER_STATE_COMPLETED = 4,
    /** The upload is deleted. */
    GLACIER_STATE_ABORTED = 5,
    /** Complete was sent, and its outcome cannot be determined. */
    GLACIER_STATE_UNKNOWN = 6,
} glacier_state_names;

/** Returns the state of the upload. Since: 0.1 */
glacier_state_t glacier_upload_state(const glacier_upload_t *upload);

/**
 * Cancels the working calls of the upload: see "Cancellation".
 *
 * A second cancel does not shorten the wait for the response to Complete. Parts in flight, at most workers times the
 * part size, are sent again later. A cancel during Initiate may leave an upload without parts, with an unknown
 * ID, in the vault. Since: 0.1
 */
void glacier_upload_cancel(glacier_upload_t *upload);

/**
 * Sets the bandwidth limit for parts of this upload, in bytes per second; 0, the default, is no limit of its own. The
 * client's limit also applies: see glacier_config_set_bandwidth_limit. Takes effect within 100 ms, also for parts in
 * flight. Callable at any time.
 *
 * Results: GLACIER_E_FORKED. Since: 0.1
 */
glacier_result_t glacier_upload_set_bandwidth_limit(glacier_upload_t *upload,
                                                    uint64_t bytes_per_s,
                                                    glacier_error_t **err);

/**
 * Frees a handle. The upload stays in the vault; glacier_upload_abort deletes it.
 *
 * Uses no network and never waits. A call in progress is canceled: see "Cancellation". This includes the call that
 * the current callback runs in. A started run or unfinished stream is canceled; done and destroy of a run are still
 * called, possibly after this function returns; then waiting glacier_upload_wait calls return. No call may begin on
 * a freed handle. Another handle can use the journal, except while Complete waits for its response, up to 10 s
 * (GLACIER_E_LOCKED). Allowed in callbacks. Since: 0.1
 */
void glacier_upload_free(glacier_upload_t *upload);

/* ==== Progress ================================================================================================== */

/**
 * The progress of an upload, or of hashing a file.
 *
 * Counts only grow, except parts_in_flight and workers. The totals change once, from UINT64_MAX to a number.
 */
typedef struct {
    /** The number of bytes of this struct that are filled. */
    uint64_t struct_size;
    /**
     * The archive size. UINT64_MAX until the source is open and, for an existing upload, the service has responded;
     * for a stream of unknown length until its end; in multipart operations until glacier_upload_complete.
     */
    uint64_t bytes_total;
    /**
     * The bytes in parts that the service acknowledged to this handle. bytes_done plus bytes_resumed reaches
     * bytes_total, unless a part range is set; both grow by whole parts. A part that is sent again counts once.
     */
    uint64_t bytes_done;
    /** The bytes in parts that the service held before. */
    uint64_t bytes_resumed;
    /** The bytes hashed. A part that is read again counts again. */
    uint64_t bytes_hashed;
    /**
     * The bytes of parts sent on the wire, retries included, headers excluded. It grows steadily, unlike bytes_done,
     * and may exceed bytes_total. For a smooth display, show bytes_resumed plus bytes_sent, at most bytes_total.
     */
    uint64_t bytes_sent;
    /** The number of parts of the archive; UINT64_MAX while unknown. */
    uint64_t parts_total;
    /** The number of parts that the service holds. */
    uint64_t parts_done;
    /** The number of parts being sent. */
    uint64_t parts_in_flight;
    /**
     * The failed attempts that are followed by another, of all requests: Initiate, ListParts, parts, Complete and
     * Abort. The counter changes when the attempt fails, before the delay. If a Retry-After ends after the limit of
     * glacier_config_set_give_up_after_ms, the counter changes after the delay.
     */
    uint64_t retries;
    /**
     * The maximum number of parts in flight: the number that was set, or fewer if the service throttles or the
     * connection is slow. If memory is short, fewer parts are in flight.
     */
    uint64_t workers;
    /**
     * Milliseconds since the first working call that moved data began, time between calls included. No call resets a
     * count.
     */
    uint64_t elapsed_ms;
} glacier_progress_t;

/**
 * Receives the progress at least 4 times a second while a working call runs, also if nothing moves. progress is
 * valid only inside the callback. See "Callbacks". Since: 0.1
 */
typedef int32_t (*glacier_progress_fn)(void *user_data, const glacier_progress_t *progress);

/**
 * Sets the callback that reports progress in every working call and can stop the call. callback may be NULL for none,
 * the default.
 *
 * Allowed while no working call runs, also between two glacier_upload_write calls.
 *
 * Results: GLACIER_E_BUSY; GLACIER_E_FORKED. Since: 0.1
 */
glacier_result_t glacier_upload_set_progress(glacier_upload_t *upload,
                                             glacier_progress_fn callback,
                                             void *user_data,
                                             glacier_destroy_fn destroy,
                                             glacier_error_t **err);

/**
 * Writes the progress of the upload to *out, at any time.
 *
 * size_of_it is sizeof(glacier_progress_t) as the program was compiled, at least 8. Exactly that many bytes are
 * written: fields unknown to the program are left out; fields unknown to the library are 0 and not counted in
 * out->struct_size.
 *
 * Results: GLACIER_E_INVALID (size_of_it is below 8, or more than memory can hold); GLACIER_E_FORKED. Since: 0.1
 */
glacier_result_t glacier_upload_progress(const glacier_upload_t *upload,
                                         glacier_progress_t *out,
                                         size_t size_of_it,
                                         glacier_error_t **err);

/* ==== Resuming =====================================================================================================
 *
 * A failure before glacier_upload_id is set leaves nothing in the vault, except possibly an upload without parts,
 * which expires: if the response to Initiate was lost, the message says so, and glacier_client_list_uploads shows the
 * upload. After a later failure, the upload and its parts are in the vault if glacier_error_is_resumable returns 1.
 *
 * With a journal (glacier_upload_set_journal), a new process resumes by making the same calls again. Without one,
 * attach a new handle to the upload ID and set the same source:
 *
 *     glacier_upload_set_upload_id(upload, "the ID", &err);
 *     glacier_upload_set_source_file(upload, "backup.tar", &err);
 *     glacier_upload_run(upload, &err);
 *
 * To save the upload ID before any part is sent, set a journal, or call glacier_upload_initiate, store
 * glacier_upload_id, and then call glacier_upload_run or glacier_upload_write.
 *
 * Keep ID and source together. Without a journal, stored parts that differ from the source are replaced without an
 * error, and a wrong source is detected only if it is smaller than what the upload holds (GLACIER_E_SOURCE_CHANGED).
 */

/**
 * Sets the journal: a file from which a new process resumes the upload, without rereading stored parts of a source
 * file. Working calls open it and continue the upload that it records; those that initiate or send parts create it.
 *
 * The journal holds names, sizes, hashes, the upload ID and finally the archive ID, about 150 bytes per part, but no
 * keys and no data. It must be on a local disk: the locks of a network file system can let a second writer in. It is
 * locked from the first working call until the upload is completed, aborted or freed: others get GLACIER_E_LOCKED.
 *
 * These calls need only a journal and no source: glacier_upload_complete (if the upload is completed, it sends
 * nothing), glacier_upload_abort and glacier_upload_list_parts. After any of them, even if it returned
 * GLACIER_E_STATE, the getters and glacier_upload_state return what the journal records, such as the archive ID.
 *
 * GLACIER_E_JOURNAL: the file is no journal, is damaged, or is of another upload (another endpoint, region, account,
 * vault or upload ID or, if set and recorded, part size, description or archive size). The path of the source may
 * differ. A journal path that leads to the source file is GLACIER_E_INVALID. In each case the file is not changed,
 * nothing is sent, and another journal can be set.
 *
 * If the journal cannot be opened, created or written before the first part is sent, the call returns GLACIER_E_IO.
 * An upload is then in the vault only if the write of its ID failed, for example because the disk filled up; the
 * message has the ID. A later write failure does not stop the upload: a log warning reports it. Resuming then
 * re-reads more of the source; if the end of the journal is missing, it may return GLACIER_E_NOT_FOUND instead of
 * the archive ID.
 *
 * A file or memory source of a later call must have the same bytes (see "Success"); a stream replaces parts that
 * differ. To upload the same file again, use a new journal.
 *
 * Delete a finished journal only after you store the archive ID. To give up an unfinished upload and start a new
 * one, first call glacier_upload_abort, then delete the journal; after GLACIER_E_NOT_FOUND, see its comment. A
 * journal of an earlier version works, but the source is read again and compared.
 *
 * Results: setter results (path is empty). Since: 0.1
 */
glacier_result_t glacier_upload_set_journal(glacier_upload_t *upload,
                                            const char *path,
                                            glacier_error_t **err);

/**
 * Attaches the handle to an existing upload by its ID, to resume, complete or abort it. Nothing is sent. The first
 * working call takes part size and description from the service. A description that is set on this handle is checked
 * only if a journal records the upload.
 *
 * The ID comes from glacier_upload_id, also after a failure, or from glacier_uploads_id. The service's IDs have about
 * 90 letters, digits, "-" and "_", and may begin with "-". Any text of 1 to 1,024 bytes without control characters is
 * accepted, except "." and "..". Two handles with equal sources may work on one upload at once, here or elsewhere, but
 * send parts twice.
 *
 * Results: setter results (GLACIER_E_STATE also if the handle is attached to another upload). Since: 0.1
 */
glacier_result_t glacier_upload_set_upload_id(glacier_upload_t *upload,
                                              const char *upload_id,
                                              glacier_error_t **err);

/** The multipart uploads in progress in a vault, from glacier_client_list_uploads, in no order. */
typedef struct glacier_uploads_t glacier_uploads_t;

/**
 * Lists all multipart uploads in progress in a vault, up to 10,000 pages and 50,000 uploads. A longer list, a repeated
 * page, or an ID that glacier_upload_set_upload_id does not accept is GLACIER_E_PROTOCOL.
 *
 * The list does not show who initiated an upload.
 *
 * The calling thread also delivers log lines and calls the credentials provider.
 *
 * Results: request results; and GLACIER_E_INVALID (vault name not allowed). Since: 0.1
 */
glacier_result_t glacier_client_list_uploads(const glacier_client_t *client,
                                             const char *vault,
                                             glacier_uploads_t **out,
                                             glacier_error_t **err);

/** Cancels glacier_client_list_uploads. Uploads are not affected. See "Cancellation". Since: 0.1 */
void glacier_client_cancel(glacier_client_t *client);

/** Returns the number of uploads in the list. Since: 0.1 */
size_t glacier_uploads_count(const glacier_uploads_t *uploads);

/**
 * Returns the ID of the upload at an index of the list (0 to glacier_uploads_count - 1), for
 * glacier_upload_set_upload_id. Since: 0.1
 */
const char *glacier_uploads_id(const glacier_uploads_t *uploads, size_t index);

/** Returns the archive description of that upload; NULL if it has none. Since: 0.1 */
const char *glacier_uploads_description(const glacier_uploads_t *uploads, size_t index);

/** Returns when that upload was initiated, in the service's format, such as "2012-03-20T17:03:43.221Z". Since: 0.1 */
const char *glacier_uploads_created(const glacier_uploads_t *uploads,
                                    size_t index);

/** Returns when that upload was initiated, in whole seconds since 1970-01-01 UTC. Since: 0.1 */
int64_t glacier_uploads_created_unix(const glacier_uploads_t *uploads, size_t index);

/** Returns the part size of that upload in bytes. Since: 0.1 */
uint64_t glacier_uploads_part_size(const glacier_uploads_t *uploads, size_t index);

/** Frees a list of uploads. Since: 0.1 */
void glacier_uploads_free(glacier_uploads_t *uploads);

/* ==== Streaming ====================================================================================================
 *
 * For sources that can be read only once. Their length may be unknown. To push the data, call glacier_upload_write. No
 * archive is created until you call glacier_upload_finish; if your program fails, do not call it:
 *
 *     while (result == GLACIER_OK && (n = fread(buf, 1, sizeof buf, in)) > 0)
 *         result = glacier_upload_write(upload, buf, n, &err);
 *     if (result == GLACIER_OK && !ferror(in))
 *         result = glacier_upload_finish(upload, &err);
 *
 * To have the library pull data instead, set a read callback and call glacier_upload_run, or glacier_upload_start to
 * stream in the background:
 *
 *     static int32_t read_stdin(void *user_data, uint8_t *buf, size_t cap, size_t *out_len) {
 *         *out_len = fread(buf, 1, cap, user_data);
 *         return ferror(user_data) ? GLACIER_STOP : GLACIER_CONTINUE;
 *     }
 *
 *     glacier_upload_set_source_callback(upload, read_stdin, GLACIER_UNKNOWN_LENGTH, stdin, NULL, &err);
 *     glacier_upload_run(upload, &err);
 *
 * Memory: each part stays in memory until the service acknowledges it. If memory is free, the next part is filled
 * meanwhile. Twice the part size must fit in the memory limit of the client; otherwise the first call returns
 * GLACIER_E_INVALID, and nothing is initiated. The default limit allows parts of up to 128 MiB. One buffer is reserved
 * for each stream, so other uploads cannot block it. The limit divided by the part size is the number of streams that a
 * client can have at once, by default 4; the next one gets GLACIER_E_MEMORY, and nothing is initiated.
 *
 * Part size, the first that applies: the one of glacier_upload_set_part_size; one selected for
 * glacier_upload_set_archive_size or the total of the callback; one selected for glacier_upload_set_expected_size; 64
 * MiB, for at most 671,088,640,000 bytes. After glacier_upload_initiate, the part size is the one selected there. More
 * than 10,000 parts are GLACIER_E_LIMIT.
 *
 * Resuming: after a failure with parts missing, create a new handle with the same journal or upload ID and restart the
 * stream at byte 0. Parts that the service holds with the same hash are not sent again; others are replaced, also if a
 * journal records them. A stream shorter than what the service holds is GLACIER_E_SOURCE_CHANGED. If no part arrives
 * for 24 hours, the service may remove the upload, and the stream fails with GLACIER_E_NOT_FOUND: for slow streams set
 * a small part size.
 */

/**
 * Sets an estimate, in bytes, of a stream of unknown length (glacier_upload_write or a callback): 1 to
 * 42,949,672,960,000. It selects a part size with which a stream of this length stays well below 10,000 parts; a large
 * estimate is safer than a small one. See "Streaming".
 *
 * Results: setter results. Since: 0.1
 */
glacier_result_t glacier_upload_set_expected_size(glacier_upload_t *upload,
                                                  uint64_t bytes,
                                                  glacier_error_t **err);

/**
 * Writes the next bytes of a stream. The first call starts the stream. Library threads send the parts, also between
 * calls, until glacier_upload_finish creates the archive.
 *
 * The len bytes at data are copied. len may be any number: small pieces are collected. A call with 0 bytes does
 * nothing, and does not report a failed stream. The call blocks while the memory is full of parts in flight.
 *
 * After a part failed, or a cancel or a callback stopped the stream, glacier_upload_write and _finish return the
 * same error, because this handle cannot take the bytes again. To resume, see "Streaming". To stop without
 * completing, call glacier_upload_free (keeps the upload) or glacier_upload_abort (deletes it).
 *
 * One call at a time. Short calls may deliver no callback.
 *
 * Results: those of glacier_upload_run with a callback source; and GLACIER_E_STATE (a source is set, or the stream
 * is finished); GLACIER_E_LIMIT (more than 10,000 parts); GLACIER_E_SOURCE_CHANGED (more bytes than the archive size
 * that was set). Since: 0.1
 */
glacier_result_t glacier_upload_write(glacier_upload_t *upload,
                                      const void *data,
                                      size_t len,
                                      glacier_error_t **err);

/**
 * Ends the stream: sends the remaining parts and creates the archive. Then glacier_upload_archive_id is known.
 *
 * If all parts arrived but Complete failed, call again. Any other failure is returned again.
 *
 * Results: those of glacier_upload_write, but GLACIER_OK on a finished stream; and GLACIER_E_INVALID (no bytes were
 * written; nothing is initiated); GLACIER_E_SOURCE_SHORT (fewer bytes than the archive size that was set);
 * GLACIER_E_SOURCE_CHANGED (fewer than the service holds). Since: 0.1
 */
glacier_result_t glacier_upload_finish(glacier_upload_t *upload,
                                       glacier_error_t **err);

/**
 * Reads the next bytes of a source into buf, at most cap, and stores their number in *out_len, initially 0. cap is
 * never 0. Fewer than cap are allowed, as with read() of a pipe. 0 with GLACIER_CONTINUE ends the source: the
 * callback is not called again.
 *
 * Returns GLACIER_CONTINUE to continue. Anything else, or a number above cap, stops the call with GLACIER_E_CALLBACK.
 * buf is valid only inside the callback.
 *
 * It may block. Meanwhile no other callback runs, but parts already read are sent and written to the journal.
 * glacier_upload_cancel does not interrupt it: the call returns after the callback does. No function tells it that a
 * cancel is pending: if it may block for long, set a flag of your own, or close the pipe, when you cancel.
 * Since: 0.1
 */
typedef int32_t (*glacier_read_fn)(void *user_data, uint8_t *buf, size_t cap, size_t *out_len);

/**
 * Sets a read callback as the source, for glacier_upload_run, _transfer and _start.
 *
 * total is the number of bytes, or GLACIER_UNKNOWN_LENGTH. If the callback supplies fewer, the call returns
 * GLACIER_E_SOURCE_SHORT; if more, GLACIER_E_SOURCE_CHANGED.
 *
 * For memory and resuming see "Streaming". This handle cannot resume once the callback has been called: it returns
 * GLACIER_E_STATE, unless all parts arrived and only Complete remains.
 *
 * destroy is called when another source is set or the upload is freed, not at the end of the run.
 *
 * Results: setter results (total is 0 or larger than an archive may be); GLACIER_E_NULL (callback). Since: 0.1
 */
glacier_result_t glacier_upload_set_source_callback(glacier_upload_t *upload,
                                                    glacier_read_fn callback,
                                                    uint64_t total,
                                                    void *user_data,
                                                    glacier_destroy_fn destroy,
                                                    glacier_error_t **err);

/* ==== Background uploads ======================================================================================== */

/**
 * Receives the result of a started run, once, and its error or NULL, valid only inside the callback.
 * glacier_upload_wait stores an error that you own.
 *
 * It is the last callback of the run, on the upload's own thread. It may free this upload or start another upload,
 * but not start this one again. Since: 0.1
 */
typedef void (*glacier_done_fn)(void *user_data, glacier_result_t result, const glacier_error_t *error);

/**
 * Starts glacier_upload_run on a thread of the upload and returns. That thread runs all callbacks, including done,
 * which may be NULL.
 *
 * done is called exactly once if and only if this function returns GLACIER_OK: when the run ends, for any reason.
 * destroy is called after done returns, or at once if done is NULL.
 *
 * The run uses the handle: see "Threads". glacier_upload_cancel stops the run; so does glacier_upload_free, without
 * waiting. After the run has ended, glacier_upload_start may be called again and resumes, except with a callback
 * source: see glacier_upload_set_source_callback.
 *
 * Calling glacier_upload_wait is optional. Keep a callback's code and data until its destroy was called.
 *
 * Allowed in callbacks of other uploads.
 *
 * Results: GLACIER_E_STATE (no source, a part range is set, or parts are sent in another way); GLACIER_E_BUSY;
 * GLACIER_E_FORKED. done and glacier_upload_wait return the results of glacier_upload_run. Since: 0.1
 */
glacier_result_t glacier_upload_start(glacier_upload_t *upload,
                                      glacier_done_fn done,
                                      void *user_data,
                                      glacier_destroy_fn destroy,
                                      glacier_error_t **err);

/**
 * Waits for the last started run, at most timeout_ms milliseconds: 0 polls, GLACIER_FOREVER has no limit. Returns
 * the run's result after done and its destroy have returned. May be called any number of times, on any number of
 * threads at once. These threads run no callback. A cancel, or glacier_upload_free on another thread, stops the run
 * and so ends the wait. Each GLACIER_E_PENDING also stores an error in err: free it, or pass NULL.
 *
 * Results: GLACIER_E_PENDING (not ended); GLACIER_E_STATE (no run was started); GLACIER_E_BUSY (inside a callback of
 * the upload); GLACIER_E_FORKED. Any other result is that of the run, which has ended: those of glacier_upload_run.
 * Since: 0.1
 */
glacier_result_t glacier_upload_wait(glacier_upload_t *upload,
                                     uint64_t timeout_ms,
                                     glacier_error_t **err);

/* ==== Sharing an upload ============================================================================================
 *
 * Several processes or machines can send parts of one archive. One initiates the upload and gives the others its ID.
 * Each attaches to it, sets the whole source, and sends a range of the parts:
 *
 *     glacier_upload_set_upload_id(upload, id, &err);
 *     glacier_upload_set_source_file(upload, "backup.tar", &err);
 *     glacier_upload_set_part_range(upload, 0, 500, &err);
 *     glacier_upload_transfer(upload, &err);
 *
 * Each may use its own journal. When all have returned, one calls glacier_upload_complete, which must know the archive
 * size: see there.
 */

/**
 * Limits glacier_upload_transfer to a range of parts. first is the index of the first part, from 0; count is their
 * number, UINT32_MAX for all that follow. Overlapping ranges do no harm.
 *
 * Requires an existing upload (its ID or journal) and a file or memory source. With a range, every other call that
 * sends parts returns GLACIER_E_STATE.
 *
 * Results: setter results (count is 0). Since: 0.1
 */
glacier_result_t glacier_upload_set_part_range(glacier_upload_t *upload,
                                               uint32_t first,
                                               uint32_t count,
                                               glacier_error_t **err);

/**
 * Does what glacier_upload_run does, but does not complete. Returns when the service holds all parts of the source, or
 * of the part range. glacier_upload_complete, or glacier_upload_run without a part range, then creates the archive.
 *
 * Results: those of glacier_upload_run; and GLACIER_E_INVALID (the part range is not inside the archive);
 * GLACIER_E_STATE (a part range is set, but the upload does not exist yet or the source is a callback; or Complete was
 * sent and its response is unknown). Since: 0.1
 */
glacier_result_t glacier_upload_transfer(glacier_upload_t *upload,
                                         glacier_error_t **err);

/* ==== Multipart operations =========================================================================================
 *
 * The service's own operations, one per call, for programs with their own threads. Failed requests are retried as
 * configured.
 *
 *     glacier_upload_set_part_size(upload, 1048576, &err);
 *     glacier_upload_initiate(upload, &err);
 *     glacier_upload_put_part(upload, 0, first, 1048576, &err);    // these two may run at once
 *     glacier_upload_put_part(upload, 1, second, second_len, &err);
 *     glacier_upload_complete(upload, &err);
 */

/**
 * Initiates the upload. Then glacier_upload_id is known, and parts can be put.
 *
 * The part size is the first that applies: the one that was set; one selected for the source, the archive size or
 * the expected size that was set; 16 MiB, also for a stream. If the response is lost, the library initiates again:
 * an upload without parts may stay in the vault, which costs nothing and expires.
 *
 * Results: upload results; and GLACIER_E_INVALID (the source is empty, or needs more than 10,000 parts);
 * GLACIER_E_STATE (the upload ID is already known); GLACIER_E_NOT_FOUND (the vault). Since: 0.1
 */
glacier_result_t glacier_upload_initiate(glacier_upload_t *upload,
                                         glacier_error_t **err);

/**
 * Sends one part. Returns after the service acknowledges it with the same tree hash, or after the last retry fails.
 *
 * part_index is 0 to 9,999; the part begins at part_index times the part size. len is the part size; the last part of
 * the archive may be shorter, from 1 byte. Parts may come in any order, and a repeated part replaces the earlier one.
 * data is not copied, is not read after the return, and does not count against the memory limit.
 *
 * First call glacier_upload_initiate, or set the upload ID or a journal that has it. Any number of threads may put
 * different parts at once, each over its own connection.
 *
 * Results: upload results; and
 *
 * - GLACIER_E_INVALID: part_index or len not allowed, a second short part, or a part after a short one
 * - GLACIER_E_STATE: Complete was sent
 * - GLACIER_E_BUSY: another thread puts this part, or another call is using the handle
 * - GLACIER_E_TREE_HASH: the part arrived damaged repeatedly
 * - GLACIER_E_SOURCE_CHANGED: data changed during the call
 *
 * Since: 0.1
 */
glacier_result_t glacier_upload_put_part(glacier_upload_t *upload,
                                         uint32_t part_index,
                                         const void *data,
                                         size_t len,
                                         glacier_error_t **err);

/**
 * If data has the given tree hash (32 bytes), does what glacier_upload_put_part does; otherwise sends nothing. This
 * ensures that the bytes sent are those that the program hashed earlier.
 *
 * Results: those of glacier_upload_put_part; and GLACIER_E_TREE_HASH (data has another hash). Since: 0.1
 */
glacier_result_t glacier_upload_put_part_checked(glacier_upload_t *upload,
                                                 uint32_t part_index,
                                                 const void *data,
                                                 size_t len,
                                                 const uint8_t tree_hash[32],
                                                 glacier_error_t **err);

/**
 * Creates the archive from the parts, after checking that they cover it completely. Then glacier_upload_archive_id is
 * known. On a completed handle nothing is sent.
 *
 * If a source is set, the parts or the existing archive must have the bytes of the source: see "Success". The call
 * reads and compares the bytes of a file or memory source that this handle has not read: the whole source, if other
 * handles sent the parts. To complete without reading, set the archive size and no source. The call does not read a
 * callback source. If no earlier call of this handle read it to its end, the result is GLACIER_E_INVALID, or
 * GLACIER_E_STATE if there is an archive.
 *
 * The archive size is the first that is known: of the source, of glacier_upload_set_archive_size, of the journal, of
 * a stream that ended. If none is known and this handle initiated the upload, the archive ends with the last part
 * that was put. On an attached handle, and after a stream that stopped before its end, an unknown size is
 * GLACIER_E_INVALID, because the library could not detect a missing end. The call lists the parts first, unless this
 * handle put all of them.
 *
 * The response may take many minutes for terabytes. glacier_config_set_give_up_after_ms limits the wait over all
 * attempts. The last attempt may begin at this limit. It then waits up to 10 s for its response, or up to the limit
 * if the limit is shorter than 10 s. If the response is lost, Complete is repeated. If the call is canceled or gives
 * up before the response arrives, it returns GLACIER_E_OUTCOME_UNKNOWN. If the service does not know the upload when
 * Complete is repeated, the state becomes GLACIER_STATE_UNKNOWN.
 *
 * Results: upload results; and
 *
 * - GLACIER_E_INVALID: the size is unknown, or the archive exists with another size than was set
 * - GLACIER_E_SOURCE_CHANGED: the source differs; the message names the part
 * - GLACIER_E_TREE_HASH: the archive, or a part that this handle sent, has another tree hash than what was sent
 * - GLACIER_E_INCOMPLETE: a gap, a missing end, a short part before the last, a part of another handle beyond the end,
 *   or a wrong size; the message names the part
 *
 * Since: 0.1
 */
glacier_result_t glacier_upload_complete(glacier_upload_t *upload,
                                         glacier_error_t **err);

/**
 * Deletes the upload and its parts at the service. This cannot be undone. Result by state:
 *
 * - already aborted, or handle and journal have no upload ID: GLACIER_OK, nothing is sent
 * - completed: GLACIER_E_STATE, because there is an archive
 * - outcome unknown (GLACIER_STATE_UNKNOWN, or Complete was sent and the service no longer knows the upload):
 *   GLACIER_E_OUTCOME_UNKNOWN
 *
 * The response is lost if none arrives, or a 408, or a gateway's 502 or 504 in its place. Then the request is
 * repeated. If the repetition finds no upload, the result is GLACIER_OK, and a warning is logged: the upload was
 * aborted, or another program completed it. After an error response, such as 503, a repetition that finds no upload
 * is GLACIER_E_NOT_FOUND.
 *
 * A call that fails or is canceled may have deleted the upload: glacier_error_is_resumable then returns 0, the state
 * stays, and the message has the upload ID. Call again with this handle: after a lost response it returns GLACIER_OK
 * if the upload is gone. Another handle, also one with the same journal, gets GLACIER_E_NOT_FOUND.
 *
 * A started run or a stream is canceled first, and the call waits until it has ended: see "Cancellation". The
 * journal records the abort when it succeeds.
 *
 * Results: upload results. Since: 0.1
 */
glacier_result_t glacier_upload_abort(glacier_upload_t *upload,
                                      glacier_error_t **err);

/** The parts that the service holds of an upload, from glacier_upload_list_parts, in the order of their offsets. */
typedef struct glacier_parts_t glacier_parts_t;

/**
 * Lists the parts that the service holds of the upload, all pages. Parts in flight are not included.
 *
 * Results: upload results; and GLACIER_E_STATE (also if completed). Since: 0.1
 */
glacier_result_t glacier_upload_list_parts(glacier_upload_t *upload,
                                           glacier_parts_t **out,
                                           glacier_error_t **err);

/** Returns the number of parts in the list. Since: 0.1 */
size_t glacier_parts_count(const glacier_parts_t *parts);

/**
 * Returns where the part at an index of the list (0 to glacier_parts_count - 1) begins in the archive, in bytes. The
 * index is not the part_index of glacier_upload_put_part, because the list may have gaps. Since: 0.1
 */
uint64_t glacier_parts_offset(const glacier_parts_t *parts,
                              size_t index);

/** Returns the length of that part in bytes. Since: 0.1 */
uint64_t glacier_parts_length(const glacier_parts_t *parts, size_t index);

/** Returns the service's tree hash of that part, 64 lower-case hexadecimal digits. Since: 0.1 */
const char *glacier_parts_tree_hash(const glacier_parts_t *parts, size_t index);

/** Frees a list of parts. Since: 0.1 */
void glacier_parts_free(glacier_parts_t *parts);

/* ==== Error details ============================================================================================= */

/** Returns the service operation that failed, such as "UploadMultipartPart"; NULL if none did. Since: 0.1 */
const char *glacier_error_operation(const glacier_error_t *error);

/** Returns the HTTP status of the response, or of a proxy that opened no connection; 0 if there was none. Since: 0.1 */
int32_t glacier_error_http_status(const glacier_error_t *error);

/**
 * Returns the service's error code, such as "ResourceNotFoundException", sanitized, at most 128 characters; NULL if
 * the response had none. Since: 0.1
 */
const char *glacier_error_service_code(const glacier_error_t *error);

/**
 * Returns the service's ID of the failed request, which AWS support asks for, sanitized, at most 128 characters; NULL
 * if there was no response. Since: 0.1
 */
const char *glacier_error_request_id(const glacier_error_t *error);

/**
 * Returns 1 if the failure is transient or ambiguous, so that the same call may succeed later; else 0. The library has
 * already retried it: see glacier_config_set_max_attempts. Since: 0.1
 */
int32_t glacier_error_is_retryable(const glacier_error_t *error);

/**
 * Returns 1 if, as far as the handle knows, the upload is in the vault and can be resumed with this handle (a stream
 * with parts missing: with a new one); else 0, also after a failed glacier_upload_abort that may have deleted it. See
 * "Resuming". It does not check the source. After GLACIER_E_OUTCOME_UNKNOWN only this handle, or one with the same
 * journal, can resume. Since: 0.1
 */
int32_t glacier_error_is_resumable(const glacier_error_t *error);

/* ==== Tree hashes ==================================================================================================
 *
 * The tree hash is the service's checksum of parts and archives.
 */

/** A tree hash of bytes added in pieces. */
typedef struct glacier_treehash_t glacier_treehash_t;

/** Creates a tree hash of no bytes. Returns NULL if out of memory. Since: 0.1 */
glacier_treehash_t *glacier_treehash_new(void);

/**
 * Adds len bytes. The hash does not depend on how the bytes are divided into calls. With 16 MiB or more per call, some
 * processors are twice as fast.
 *
 * Results: GLACIER_E_INVALID (len is more than memory can hold); GLACIER_E_BUSY. Since: 0.1
 */
glacier_result_t glacier_treehash_update(glacier_treehash_t *treehash,
                                         const void *data,
                                         size_t len,
                                         glacier_error_t **err);

/**
 * Writes the tree hash of all added bytes, 32 bytes, to out. This empties the handle. The tree hash of no bytes is
 * the SHA-256 of no bytes.
 *
 * Results: GLACIER_E_BUSY. Since: 0.1
 */
glacier_result_t glacier_treehash_finish(glacier_treehash_t *treehash,
                                         uint8_t out[32],
                                         glacier_error_t **err);

/** Frees a tree hash. Since: 0.1 */
void glacier_treehash_free(glacier_treehash_t *treehash);

/**
 * Computes the tree hash of an archive from the tree hashes of its parts, and writes 32 bytes to out.
 *
 * digests holds count hashes of 32 bytes each, in the order of the parts. The part size is 1 MiB times a power of
 * two; the last part may be shorter.
 *
 * Results: GLACIER_E_INVALID (count is 0, or more than memory can hold). Since: 0.1
 */
glacier_result_t glacier_treehash_combine(const uint8_t *digests,
                                          size_t count,
                                          uint8_t out[32],
                                          glacier_error_t **err);

/**
 * Computes the tree hash of a regular file with the given number of threads, 0 for one per core, and writes 32 bytes
 * to out. At most 256 threads are used, each with at most 16 MiB of memory. The hash of an empty file is that of no
 * bytes.
 *
 * callback may be NULL. It runs on the calling thread, at least 4 times a second and once at the end, with
 * bytes_total, bytes_hashed and elapsed_ms; the other fields are 0. user_data stays the caller's. All threads end
 * before the function returns.
 *
 * Results: GLACIER_E_INVALID (path is empty); GLACIER_E_IO (the file cannot be read, or is not regular);
 * GLACIER_E_SOURCE_CHANGED (the file changed meanwhile); GLACIER_E_CALLBACK. Since: 0.1
 */
glacier_result_t glacier_treehash_file(const char *path,
                                       uint32_t threads,
                                       glacier_progress_fn callback,
                                       void *user_data,
                                       uint8_t out[32],
                                       glacier_error_t **err);

/* ==== Plans ===================================================================================================== */

/** A plan: how an archive of a given size is divided into parts. */
typedef struct glacier_plan_t glacier_plan_t;

/**
 * Plans an archive of size bytes: 1 to 42,949,672,960,000.
 *
 * part_size is as for glacier_upload_set_part_size, and size must need at most 10,000 parts of it. 0 selects the
 * default.
 *
 * Results: GLACIER_E_INVALID (size, part_size or their combination not allowed). Since: 0.1
 */
glacier_result_t glacier_plan_new(uint64_t size,
                                  uint64_t part_size,
                                  glacier_plan_t **out,
                                  glacier_error_t **err);

/** Returns the part size in bytes; the last part may be shorter. Since: 0.1 */
uint64_t glacier_plan_part_size(const glacier_plan_t *plan);

/** Returns the number of parts. Since: 0.1 */
uint32_t glacier_plan_part_count(const glacier_plan_t *plan);

/** Returns the number of charged requests of an upload without retries: initiate, one per part, complete. Since: 0.1 */
uint32_t glacier_plan_request_count(const glacier_plan_t *plan);

/**
 * Returns the smallest memory limit in bytes, for glacier_config_set_memory_limit, with which no part is read twice
 * with this number of workers; 0 counts as 1. A lower limit also works: see there. Since: 0.1
 */
uint64_t glacier_plan_memory(const glacier_plan_t *plan,
                             uint32_t workers);

/** Frees a plan. Since: 0.1 */
void glacier_plan_free(glacier_plan_t *plan);

/* ==== Versions ================================================================================================== */

/**
 * Returns the version of the running library, such as "0.1.0".
 *
 * Static, never NULL. Since: 0.1
 */
const char *glacier_version(void);

/** Returns the version of the running library as a number that grows: major << 16 | minor << 8 | patch. Since: 0.1 */
uint32_t glacier_version_number(void);

/**
 * Returns the number in the library's SONAME. See "Compatibility". A program that uses dlopen should reject a number
 * other than GLACIER_MP_ABI_VERSION. Since: 0.1
 */
uint32_t glacier_abi_version(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* GLACIER_MP_H */
