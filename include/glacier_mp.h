/*
 * libglacier_mp: multipart uploads to Amazon Glacier vaults (the vault API, 2012-06-01).
 *
 * It puts archives from 1 byte to 42,949,672,960,000 bytes (10,000 parts of 4 GiB) into a vault: several parts at
 * once, in bounded memory, with every hash checked against the service's, and so that a failure on the way loses no
 * work: what the service holds already is not sent again.
 *
 * For C99 or later and C++11 or later. Compile with `pkg-config --cflags --libs glacier_mp`, or link with
 * -lglacier_mp; no other library is needed.
 *
 * This header is the manual. It is generated: change the sources, not this file.
 *
 *
 * Example: a complete program
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
 *
 * The contract: it holds for every function, and is not repeated there
 *
 * Results. A function that can fail returns a glacier_result_t: GLACIER_OK, which is 0, or one of GLACIER_E_...,
 * whose range tells the origin. Each function names the results that it can give. Outputs are written only on
 * GLACIER_OK.
 *
 * Errors. The last parameter, err, is NULL or the address of a glacier_error_t pointer. The function first stores
 * NULL there, without reading or freeing what was there, and on every failure an error, never NULL, that tells more
 * than the result does. Free it with glacier_error_free before err is used again. There is no "last error" of a
 * thread.
 *
 * Success. GLACIER_OK means: the service acknowledged, with equal hashes, exactly the bytes that the source of this
 * call has; without a source, the parts that were given to this handle or that the service lists. This holds for
 * glacier_upload_run, _transfer, _start, _finish and _complete alike, also where a lost response is settled first, and
 * on a completed handle or journal, where nothing is sent: there the source is compared with the archive.
 *     A file is identified by device, inode, size, mtime and ctime. During a call, another size or mtime is
 * GLACIER_E_SOURCE_CHANGED. If the ctime alone differs (after a rename, a hard link or a chmod, or a modification whose
 * mtime was set back), the file is read again and compared before Complete. Between two calls, another size is
 * GLACIER_E_SOURCE_CHANGED; after any other difference the file is read again, and parts that differ are
 * GLACIER_E_SOURCE_CHANGED. Times less than 2 s old are not trusted: what is read of a file that was modified just
 * before is read again. Before its identity is recorded, a file is synced to its disk. Other sources have no identity
 * and are hashed in each call.
 *     What cannot be detected: a change after the last comparison, which comes right before Complete; a change that is
 * undone before it is read; a modification that leaves size, mtime and ctime as they were, because the clock was set
 * back, the clock of a file server is slow by more than 2 s, or the bytes were written past the file system; stores
 * through a shared mapping on a file system that does not record their time, such as tmpfs; and a change of memory
 * while a call works on it.
 *
 * Ownership. What a function whose name ends in _new returns or stores in *out, and a list that one stores there, is
 * the caller's, and is given back by the _free of its type, once. _free(NULL) does nothing. Handles may be freed in
 * any order: an upload keeps its client alive.
 *
 * Strings. In: UTF-8 that ends with NUL, copied; text that is not UTF-8 is GLACIER_E_INVALID. File names are any
 * bytes on Unix. Out: owned by the handle, list or error they come from, valid until it is freed; NULL where nothing
 * is known.
 *
 * Wrong use. NULL where it is not allowed (GLACIER_E_NULL, with the name of the parameter), wrong values
 * (GLACIER_E_INVALID) and calls out of order (GLACIER_E_STATE) are errors, and nothing is sent. What cannot be
 * noticed, and must not be: a pointer that is neither NULL nor what the parameter asks for, such as a handle freed
 * before.
 *
 * Threads. Working calls are those that talk to the service: glacier_upload_run, _transfer, _start, _write, _finish,
 * _initiate, _put_part, _put_part_checked, _list_parts, _complete and _abort, and glacier_client_list_uploads. A
 * config: one thread at a time. A client: any number at once. An upload: glacier_upload_put_part and
 * glacier_upload_put_part_checked from any number of threads at once; every other working call, and every setter,
 * needs the handle to itself: while one runs, another gets GLACIER_E_BUSY at once. A started run has the handle until
 * it is over, and a stream that is written from the first glacier_upload_write until it is finished or has failed:
 * meanwhile glacier_upload_abort stops either, and between two writes glacier_upload_set_progress is possible too.
 * glacier_upload_wait, _cancel, _state, _progress, _set_bandwidth_limit and the facts (_id, _location, _archive_id,
 * _archive_location, _tree_hash, _vault, _part_size) are free to any thread at any time.
 *
 * Several archives at once: one client, and for each archive one handle and one thread of the program. They share
 * the client's memory limit: a part waits until there is room, first come, first served; and its bandwidth limit. For
 * one display of them all, ask each with glacier_upload_progress. While it runs, glacier_upload_run has a thread of
 * the library for each part in flight, one for each processor, and one more.
 *
 * pthread_cancel. Cancellation of a thread is disabled while it is inside a function of the library that takes an err,
 * frees something or calls back, callbacks included, and on the library's own threads. The former state is restored on
 * return, so that a request takes effect at the thread's next cancellation point. To end a working call earlier, use
 * glacier_upload_cancel. A thread that enters the library must not have asynchronous cancelability.
 *
 * Callbacks. They come on the thread that is inside the working call, one at a time, with no lock held; with several
 * parts put at once, on one of the threads inside; of a started run, on the upload's own thread. That thread only waits
 * and delivers; files and network are worked by other threads of the library, so that progress is a heartbeat of at
 * least 4 a second, unless a callback takes its time: while one runs, the call that it came from delivers no other. A
 * callback that may stop the work returns GLACIER_CONTINUE to go on; anything else, 0 and -1 included, stops it with
 * GLACIER_E_CALLBACK. Inside a callback of an upload, only glacier_upload_cancel, _state, _progress,
 * _set_bandwidth_limit, the facts and _free of that upload may be called; any other call on it gets GLACIER_E_BUSY.
 * Inside a callback of a client, a log callback or a credentials provider, the same holds for the client and all its
 * uploads. A callback must not leave by longjmp or by a C++ exception.
 *
 * user_data. It is handed to the callback as it is, and belongs to the library from the call on that sets it: its
 * destroy function, if there is one, runs exactly once, also when that call fails. It never runs while the callback
 * runs.
 *
 * Cancel. glacier_upload_cancel stops each working call in progress or, if there is none, the next. It may be called
 * from any thread and from a signal handler. Calls return within 250 ms, but a callback that is being called is
 * waited for, and while Complete is on its way its answer is awaited for up to 10 s. The upload stays in the vault
 * and can be resumed; only the parts in flight are sent again. glacier_client_cancel does the same for
 * glacier_client_list_uploads. For Ctrl-C:
 *
 *     static glacier_upload_t *running;    // set before the handler is installed; freed after it is taken away
 *     static void on_signal(int number) { (void)number; glacier_upload_cancel(running); }
 *
 * No cancel may begin once glacier_upload_free is called on the handle: a program with several handles takes signals
 * with sigwait on one thread, and walks its handles there under a lock of its own.
 *
 * Freeing at work. glacier_upload_free never touches the network and never waits. A call that is at work on the
 * handle, a started run and a stream are canceled, and end by themselves.
 *
 * Fork. Threads of the library live only while a call or a started run is at work, and from the first
 * glacier_upload_write of a stream until it is finished, fails, is canceled or freed. Handles made before a fork do
 * not work in the child: calls get GLACIER_E_FORKED, _state and the facts tell how it was, and _free releases memory
 * only; what a thread of the parent held, a user_data for example, is not released there. Do not fork while a call
 * runs on another thread, unless the child calls exec at once. A child that is forked inside a callback must not
 * return from it. A child holds the lock of a journal that was open, until it calls exec or ends.
 *
 * Process. There is nothing to initialise. The library installs no signal handler, raises no SIGPIPE, never exits,
 * and reads the environment in glacier_config_new only. Its threads block asynchronous signals, so that these meet
 * the program's own. Secret keys and session tokens appear in no message and no log line. The library wipes its copies
 * of them from memory after their last use, all of them once the handles are freed; it does not touch the program's own
 * copies and the environment. A clock that differs from
 * the service's by too much for signatures is noticed by the service's answers, and signatures are corrected; the
 * clock itself is left alone. On Linux the library stays loaded once it is loaded: dlclose does nothing.
 *
 * Memory. Any function with an err gives GLACIER_E_MEMORY when memory is short. Part buffers, the buffers of
 * connections, threads, response bodies, lists and journals are allocated so that a failure is reported, and 2 MiB of
 * address space are set aside for the small allocations that this takes. What cannot be caught: a small allocation that
 * fails although the reserve was used and 2 seconds were waited for other threads to free memory aborts the process;
 * the C library aborts it if it cannot set up a new thread; and a system that overcommits memory, as Linux does by
 * default, kills a process instead of refusing memory to it. A text argument has at most 131,072 bytes, else
 * GLACIER_E_INVALID.
 *
 * Defects. A defect in the library that is noticed becomes GLACIER_E_PANIC or GLACIER_E_INTERNAL, not a crash; a
 * function without a result then returns NULL or 0.
 *
 * Growth. Within one glacier_abi_version, functions, results, states and fields at the end of glacier_progress_t are
 * only added. "Since" names the version that a function first appeared in.
 *
 *
 * What the service allows (Amazon Glacier developer guide, "Uploading Large Archives in Parts" and API reference)
 *
 *     part size        a power of two from 1 MiB to 4 GiB; the last part from 1 byte
 *     parts            at most 10,000
 *     archive          1 byte to 42,949,672,960,000 bytes
 *     vault name       1 to 255 of A-Z a-z 0-9 _ - . and neither "." nor ".."
 *     description      at most 1,024 bytes, each 0x20 to 0x7E, no space at either end
 *     account ID       12 digits without hyphens, or "-" for the account of the credentials
 *     idle upload      may be removed 24 hours after the last part came
 *
 * Contents
 *
 *     1. Simple use
 *     2. Full control: settings, carrying on, streams, background, shared uploads, by hand
 *     3. Watching
 *     4. Helpers: tree hashes, plans, versions
 */

#ifndef GLACIER_MP_H
#define GLACIER_MP_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header; glacier_version() and its kin tell that of the library. */
#define GLACIER_MP_VERSION "0.1.0"
#define GLACIER_MP_VERSION_MAJOR 0
#define GLACIER_MP_VERSION_MINOR 1
#define GLACIER_MP_VERSION_PATCH 0
#define GLACIER_MP_VERSION_NUMBER \
    (GLACIER_MP_VERSION_MAJOR << 16 | GLACIER_MP_VERSION_MINOR << 8 | GLACIER_MP_VERSION_PATCH)
#define GLACIER_MP_ABI_VERSION 0

/* The length of a source that is not known, and the time of a wait that has no end. */
#define GLACIER_UNKNOWN_LENGTH UINT64_MAX
#define GLACIER_FOREVER UINT64_MAX

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Settings for clients. One thread uses a config at a time; a second one gets GLACIER_E_BUSY.
 *
 * What a setter refuses leaves the setting as it was.
 */
typedef struct glacier_config_t glacier_config_t;

/**
 * A client: the endpoint, account and credentials used for requests, and the memory and bandwidth limits shared by its
 * uploads.
 *
 * Any number of threads may use a client at once. Its uploads keep it alive: it may be freed before them.
 */
typedef struct glacier_client_t glacier_client_t;

/**
 * One multipart upload, and what is known of the archive that it makes: one handle is one upload ID for its life.
 *
 * Which threads may call what stands under "Threads" above.
 */
typedef struct glacier_upload_t glacier_upload_t;

/**
 * What went wrong in one call: made when a function fails and was given an err, freed by glacier_error_free.
 *
 * It never changes, and any number of threads may read it at once. It does not depend on the handle of the call.
 */
typedef struct glacier_error_t glacier_error_t;

/**
 * What a function that can fail returns: one of the values of glacier_result_names. Compare with GLACIER_OK.
 *
 * Later versions add values and never reuse one, so a switch needs a default. Since: 0.1
 */
typedef int32_t glacier_result_t;

/**
 * The values of glacier_result_t. Their ranges tell the origin: 1 the caller, 100 this machine, 200 the way to the
 * service, 300 the service, 400 the integrity of the data, 500 stopped on request, 900 the library itself.
 */
typedef enum {
    /** Done. */
    GLACIER_OK = 0,
    /** A pointer that must not be NULL is NULL; the message names the parameter. */
    GLACIER_E_NULL = 1,
    /** A value is not allowed; the message names the value and the rule. Nothing was sent. */
    GLACIER_E_INVALID = 2,
    /** The call is not allowed in the handle's state, or after the calls made so far. Nothing was sent. */
    GLACIER_E_STATE = 3,
    /**
     * Another call, a started run or a stream works with the handle, or this is a call from inside one of its
     * callbacks.
     */
    GLACIER_E_BUSY = 4,
    /** The run that glacier_upload_wait waits for is not over yet. */
    GLACIER_E_PENDING = 5,
    /** The handle was made by the parent of this process, before a fork. */
    GLACIER_E_FORKED = 6,
    /** A local file could not be opened, read or written. */
    GLACIER_E_IO = 100,
    /**
     * Out of memory or another system resource, such as file descriptors or threads. If a connection finds no
     * descriptor while another request of the client has a connection, it waits for that one instead.
     */
    GLACIER_E_MEMORY = 101,
    /** The source ended before its announced size. */
    GLACIER_E_SOURCE_SHORT = 102,
    /** The source changed while it was being uploaded, or is not what the upload holds. */
    GLACIER_E_SOURCE_CHANGED = 103,
    /** The journal is damaged, or of another upload, or the file is not a journal. It was not changed. */
    GLACIER_E_JOURNAL = 104,
    /** Another process, or another handle, works with the journal. */
    GLACIER_E_LOCKED = 105,
    /** The connection could not be made, or was lost, until the attempts were used up. */
    GLACIER_E_NETWORK = 200,
    /** The certificate of the service, or TLS itself, was refused. */
    GLACIER_E_TLS = 201,
    /**
     * The last attempt ended in a timeout: no connection within the connect timeout, a stall, or no response to
     * Complete within glacier_config_set_give_up_after_ms; or a part takes longer than the 5 minutes that a signature
     * is valid, even when no other part is in flight. If another error ended the last attempt, its code is returned.
     */
    GLACIER_E_TIMEOUT = 202,
    /**
     * The response is not what the protocol allows: not HTTP, a document that cannot be read, a success without the
     * tree hash or ID that acknowledges it, a list that does not end, or an ID that could not be sent back.
     */
    GLACIER_E_PROTOCOL = 203,
    /** The service refused the request for a reason without a code of its own here: see glacier_error_service_code. */
    GLACIER_E_SERVICE = 300,
    /**
     * The credentials lack permission for this operation or do not belong to this account. Or a
     * proxy denies access.
     */
    GLACIER_E_ACCESS = 301,
    /**
     * The credentials are missing, wrong or expired, or the clock of this machine is wrong in a way that could not be
     * corrected.
     */
    GLACIER_E_CREDENTIALS = 302,
    /** The service went on asking for fewer requests until the attempts were used up. */
    GLACIER_E_THROTTLED = 303,
    /**
     * The service reports that the vault does not exist in this region and account, or the upload no longer exists. A
     * 404 of a proxy is not this: it is retried, and then GLACIER_E_SERVICE.
     */
    GLACIER_E_NOT_FOUND = 304,
    /** A limit of the service would be, or was, exceeded. */
    GLACIER_E_LIMIT = 305,
    /** The service does not serve this account any more. */
    GLACIER_E_NO_LONGER_SUPPORTED = 306,
    /**
     * Complete was sent, and whether it was carried out is not known. If glacier_error_is_resumable gives 1, this
     * handle learns it by running or completing again, and so does another one with the same journal; without a
     * journal it must be this one, before the program ends: a new handle, attached to the ID, gets
     * GLACIER_E_NOT_FOUND if there is an archive. Else only an inventory of the vault can tell; do not upload again
     * before looking there.
     */
    GLACIER_E_OUTCOME_UNKNOWN = 307,
    /** A tree hash differs from the one expected. */
    GLACIER_E_TREE_HASH = 400,
    /** Parts are missing. */
    GLACIER_E_INCOMPLETE = 401,
    /** The call was stopped by a cancel. */
    GLACIER_E_CANCELED = 500,
    /** A callback did not return GLACIER_CONTINUE. */
    GLACIER_E_CALLBACK = 501,
    /** A defect in the library, caught; please report it with the message. The handle can still be freed. */
    GLACIER_E_PANIC = 900,
    /** A defect in the library, noticed; please report it with the message. */
    GLACIER_E_INTERNAL = 901,
} glacier_result_names;

/**
 * Releases a user_data: called exactly once, when the library will never touch it again. It may be NULL.
 *
 * It may come on any thread, and must call nothing of this library. Since: 0.1
 */
typedef void (*glacier_destroy_fn)(void *user_data);

/**
 * What a callback that may stop the work returns. Nothing but GLACIER_CONTINUE goes on.
 *
 * It is 1, and neither 0 nor "not 0": a callback of another language that ends in an exception returns anything.
 * Since: 0.1
 */
typedef enum {
    /** Stop: the call returns GLACIER_E_CALLBACK. */
    GLACIER_STOP = 0,
    /** Go on. */
    GLACIER_CONTINUE = 1,
} glacier_flow_names;

/**
 * How far an upload, or the hashing of a file, is. All counts; later versions add fields at the end.
 *
 * The counts only grow, but for parts_in_flight and workers, which go up and down. Since: 0.1
 */
typedef struct {
    /** The bytes of this struct that are filled. */
    uint64_t struct_size;
    /**
     * The bytes of the whole archive; UINT64_MAX until the source is open and the service was asked about an upload
     * that exists already, and of a stream of unknown length until its end: look for that before adding up.
     */
    uint64_t bytes_total;
    /**
     * The bytes in parts that the service acknowledged to this handle. With bytes_resumed it reaches bytes_total;
     * both grow by whole parts.
     */
    uint64_t bytes_done;
    /** The bytes in parts that the service held before. */
    uint64_t bytes_resumed;
    /** The bytes hashed; a part that is read again counts again. */
    uint64_t bytes_hashed;
    /**
     * The bytes of parts that went out on the wire, without headers, those of repeated attempts too: it moves
     * steadily where bytes_done jumps, and may end above bytes_total.
     */
    uint64_t bytes_sent;
    /** The parts of the whole archive; UINT64_MAX while unknown. */
    uint64_t parts_total;
    /** The parts that the service holds: acknowledged to this handle, or held before. */
    uint64_t parts_done;
    /** The parts being sent at this moment. */
    uint64_t parts_in_flight;
    /**
     * The failed attempts after which another one follows, of all requests: Initiate, ListParts, parts, Complete and
     * Abort. Counted when the attempt fails, before the wait.
     */
    uint64_t retries;
    /**
     * The most parts that may be in flight at this moment: those that were set, or fewer when the service pushes back
     * or the line is slow. While memory is short, fewer are.
     */
    uint64_t workers;
    /**
     * Milliseconds since the first working call that moved data began. Like all counts it goes on when an upload is
     * run again with the same handle.
     */
    uint64_t elapsed_ms;
} glacier_progress_t;

/**
 * Told how far the work is, at least 4 times a second while a working call runs, also when nothing moves.
 *
 * progress is valid inside the callback only. Returns GLACIER_CONTINUE to go on; anything else stops the call with
 * GLACIER_E_CALLBACK. Which thread it comes on, and what it may call, stands under "Callbacks" above. Since: 0.1
 */
typedef int32_t (*glacier_progress_fn)(void *user_data, const glacier_progress_t *progress);

/* ==== 1. Simple use ================================================================================================
 *
 * A config, a client, an upload, a source, and glacier_upload_run; then the archive ID. The example above is all of
 * it.
 */

/**
 * Makes settings from the defaults and the environment, which is read here and nowhere else: AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; AWS_REGION, else AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_GLACIER, else
 * AWS_ENDPOINT_URL. A variable that is empty counts as not set. A setter wins over the environment, and wrong values
 * in the environment show in glacier_client_new. Variables that name a proxy are ignored in this version.
 *
 * Free it with glacier_config_free. Any thread. NULL if there is no memory for it. Since: 0.1
 */
glacier_config_t *glacier_config_new(void);

/**
 * Sets the keys that requests are signed with: an access key ID, its secret key, and for temporary credentials their
 * session token, else NULL.
 *
 * The three belong together: none of them is taken from the environment any more. Of this and
 * glacier_config_set_credentials_provider the one called last counts.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config, key_id, secret); GLACIER_E_INVALID (empty, longer than 32,768
 * bytes, or with a space or a character that is not printable ASCII; an empty token is none); GLACIER_E_BUSY;
 * GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_credentials(glacier_config_t *config,
                                                const char *key_id,
                                                const char *secret,
                                                const char *token_or_null,
                                                glacier_error_t **err);

/**
 * Sets the AWS region of the vaults, such as "eu-central-1". It chooses the endpoint, and is part of each signature.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config, region); GLACIER_E_INVALID (not the name of a region); GLACIER_E_BUSY;
 * GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_region(glacier_config_t *config,
                                           const char *region,
                                           glacier_error_t **err);

/** Frees settings. Clients made from them go on. NULL is ignored. Since: 0.1 */
void glacier_config_free(glacier_config_t *config);

/**
 * Makes a client from a copy of the settings: changing or freeing config afterwards has no effect on it. Nothing is
 * sent.
 *
 * Missing or invalid environment values are reported here.
 *
 * *out gets the client; free it with glacier_client_free. Any thread, as long as no other uses config.
 * Results: GLACIER_OK; GLACIER_E_NULL (config, out); GLACIER_E_INVALID (no region is set, a value from the
 * environment is not allowed, or the CA file has no certificate); GLACIER_E_CREDENTIALS (no credentials are set, or
 * the environment has only one of the two keys); GLACIER_E_IO (the CA file cannot be read); GLACIER_E_TLS;
 * GLACIER_E_BUSY (config is in use); GLACIER_E_MEMORY; GLACIER_E_PANIC; GLACIER_E_INTERNAL. Since: 0.1
 */
glacier_result_t glacier_client_new(const glacier_config_t *config,
                                    glacier_client_t **out,
                                    glacier_error_t **err);

/** Frees a client. Its uploads keep working. NULL is ignored. Since: 0.1 */
void glacier_client_free(glacier_client_t *client);

/**
 * Makes a handle for an upload into a vault. Nothing is sent, and the service knows nothing of it yet.
 *
 * vault is the vault's name: 1 to 255 of the characters A-Z a-z 0-9 _ - . and neither "." nor "..". The vault must
 * exist.
 *
 * *out gets the upload; free it with glacier_upload_free. Any thread.
 * Results: GLACIER_OK; GLACIER_E_NULL (client, vault, out); GLACIER_E_INVALID (vault not allowed); GLACIER_E_BUSY
 * (called from inside a callback of this client); GLACIER_E_FORKED; GLACIER_E_PANIC. Source of the rule: Amazon
 * Glacier developer guide, "Creating a Vault". Since: 0.1
 */
glacier_result_t glacier_upload_new(glacier_client_t *client,
                                    const char *vault,
                                    glacier_upload_t **out,
                                    glacier_error_t **err);

/**
 * Sets the archive's description, which an inventory of the vault shows: at most 1,024 bytes, each a printable ASCII
 * character (0x20 to 0x7E), without a space at its beginning or end, which would be dropped on the way. Empty, the
 * default, is none. It cannot be changed once the upload is initiated.
 *
 * Before the first working call.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload, description); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too
 * late); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC.
 * Source of the rule: Amazon Glacier developer guide, "Initiate Multipart Upload". Since: 0.1
 */
glacier_result_t glacier_upload_set_description(glacier_upload_t *upload,
                                                const char *description,
                                                glacier_error_t **err);

/**
 * Sets a regular file as the source; a symbolic link is followed. It is always the whole archive, also of an upload
 * that exists already. It must not be empty, and must not change until the upload is completed.
 *
 * Before the first working call; of several sources the last one set counts. The file is opened by the working call,
 * before anything is sent; one that cannot be read, or is no regular file, is GLACIER_E_IO there, without blocking.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload, path); GLACIER_E_INVALID (path is empty); GLACIER_E_STATE (too late);
 * GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_source_file(glacier_upload_t *upload,
                                                const char *path,
                                                glacier_error_t **err);

/**
 * Sets len bytes of memory as the source: always the whole archive. They are not copied: they must stay valid and
 * unchanged until the upload is freed and no call or started run on it is left.
 *
 * Before the first working call; of several sources the last one set counts. With no bytes glacier_upload_run fails.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload; data, if len is not 0); GLACIER_E_INVALID (len is more than memory can
 * hold); GLACIER_E_STATE (too late); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_source_memory(glacier_upload_t *upload,
                                                  const void *data,
                                                  size_t len,
                                                  glacier_error_t **err);

/**
 * Sets the callback that is told how far the upload is, in every working call. It may stop the call. The default,
 * and with callback NULL: none.
 *
 * user_data is handed to the callback as it is. From this call on it belongs to the library: destroy, if not NULL,
 * runs exactly once, before this returns if it fails or callback is NULL; else when another call replaces the
 * callback, or when the upload is freed and no call, started run or stream on it is left.
 *
 * At any time that no working call runs, between two of glacier_upload_write too. A program that would rather ask
 * uses glacier_upload_progress.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_progress(glacier_upload_t *upload,
                                             glacier_progress_fn callback,
                                             void *user_data,
                                             glacier_destroy_fn destroy,
                                             glacier_error_t **err);

/**
 * Keeps a journal in a file: what a new process needs to resume the upload after a crash, without reading again what
 * the service has of a file. The first call that initiates the upload or sends parts of it makes the file, or resumes
 * the upload of the file that is there. So a program sets the same journal each time, whether the upload is new or not.
 *
 * It holds names, sizes, hashes, the upload ID and in the end the archive ID, but no keys and no data: some 150 bytes
 * a part. It must be on a disk of this machine. From the first working call until the upload is completed or aborted,
 * or the handle is freed, another handle or process gets GLACIER_E_LOCKED. The working call is GLACIER_E_JOURNAL for a
 * file that is not a journal, is damaged, or is of another upload (vault, region, account, endpoint, part size and so
 * on), and GLACIER_E_INVALID for a file that is the source itself, under whatever name. Such a file is not changed, and
 * nothing is sent.
 *
 * A journal that cannot be opened, made or written is GLACIER_E_IO before the first part is sent: nothing is initiated,
 * unless only the upload ID could not be written, as on a disk that fills up at that moment; then the upload exists,
 * and the message has its ID. A journal that cannot be written later stops nothing: warnings in the log say what it
 * misses. Resuming with it re-reads more of the source; if the end is missing, it may give GLACIER_E_NOT_FOUND instead
 * of the archive ID.
 *
 * The source of the next run must have the same bytes: see "Success" above. On a finished journal glacier_upload_run
 * compares the source with the archive and sends nothing: GLACIER_OK if they are equal, otherwise
 * GLACIER_E_SOURCE_CHANGED. A program that uploads the same file again and again needs a new journal each time.
 *
 * Delete a finished journal once the archive ID is stored elsewhere: afterwards only an inventory of the vault has it.
 * Delete an unfinished one to upload anew: after glacier_upload_abort, or if the upload is gone (GLACIER_E_NOT_FOUND).
 * Journals of earlier versions are read; what they record of a file is read again and compared.
 *
 * Before the first working call.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload, path); GLACIER_E_INVALID (path is empty); GLACIER_E_STATE (too late);
 * GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_journal(glacier_upload_t *upload,
                                            const char *path,
                                            glacier_error_t **err);

/**
 * Uploads the source: initiates the upload, or carries on the one that exists; sends the parts that the service does
 * not hold yet, several at once; completes. Returns when that is done, or cannot be.
 *
 * Then glacier_upload_archive_id and the other facts are known. On a handle or journal that is completed it sends
 * nothing: it returns GLACIER_OK if the source has the archive's bytes, and otherwise GLACIER_E_SOURCE_CHANGED, or
 * GLACIER_E_IO if the source cannot be read, with the archive ID in the message. Parts that the service
 * holds are skipped only if their tree hash is that of the source; others are sent again and replaced.
 *
 * The source is opened and measured first: if that fails, nothing is initiated. If it fails after the upload is
 * initiated, the upload stays in the vault, glacier_error_is_resumable gives 1, and the message has the upload ID.
 * Call it again on the same handle (whose source is a file or memory), or give a new handle the same journal
 * (glacier_upload_set_journal) or the upload ID (glacier_upload_set_upload_id), to send what is missing; or give up
 * with glacier_upload_abort. It never starts another upload in place of one that the service does not know any more.
 *
 * If the service refuses to complete, the parts are listed, those that are missing or differ are sent again, and it is
 * asked again, up to 3 times.
 *
 * GLACIER_E_ACCESS, GLACIER_E_CREDENTIALS, GLACIER_E_NO_LONGER_SUPPORTED, GLACIER_E_TLS, and GLACIER_E_NOT_FOUND with
 * glacier_error_operation "InitiateMultipartUpload" (the vault) will meet every other archive as well.
 *
 * Needs a source. Any thread; one working call at a time. Callbacks come on this thread.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (the source is empty, or larger than its part size
 * allows with 10,000 parts, or has not the archive size that was set; or the part size differs from that of the
 * existing upload; or twice the part size of a callback's source does not fit into the memory limit); GLACIER_E_STATE
 * (no source, or parts were put by hand or written, or a part range is set, or a callback's source was read before,
 * or the upload is aborted); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_IO (the source cannot be opened or read, or
 * is not a regular file; or the journal cannot be opened or made); GLACIER_E_MEMORY; GLACIER_E_SOURCE_SHORT (a
 * callback ended early); GLACIER_E_SOURCE_CHANGED (it changed meanwhile or since the upload began, the message naming
 * the part; or is smaller than what the upload holds, or not what the archive of the journal was made of);
 * GLACIER_E_JOURNAL; GLACIER_E_LOCKED; GLACIER_E_NETWORK; GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL;
 * GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS; GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the vault; or
 * the service does not know the upload: it was completed or aborted, has expired, or never was); GLACIER_E_LIMIT (of
 * the service; or a callback's source is longer than 10,000 parts); GLACIER_E_NO_LONGER_SUPPORTED;
 * GLACIER_E_OUTCOME_UNKNOWN; GLACIER_E_TREE_HASH (data arrived damaged, repeatedly; or the archive has another tree
 * hash than what was sent); GLACIER_E_INCOMPLETE; GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC;
 * GLACIER_E_INTERNAL. Since: 0.1
 */
glacier_result_t glacier_upload_run(glacier_upload_t *upload,
                                    glacier_error_t **err);

/**
 * The ID of the archive, under which it is retrieved and deleted: keep it, for the service tells it again only in an
 * inventory of the vault. NULL until the upload is completed, and for NULL; never changing afterwards.
 *
 * Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
 */
const char *glacier_upload_archive_id(const glacier_upload_t *upload);

/**
 * Frees a handle. The upload in the vault stays as it is: glacier_upload_abort is what deletes it there.
 *
 * It never touches the network and returns at once. A call that works on the handle, on another thread or around the
 * callback that calls this, is canceled and returns GLACIER_E_CANCELED. A started run is canceled, and its done and
 * destroy still come, maybe after this returns; a stream that is not finished is canceled. Another handle may have
 * the journal when this returns; only while Complete waits for its answer, up to 10 s, it gets GLACIER_E_LOCKED. In a
 * forked child it releases memory only. NULL is ignored. Any thread, in callbacks. Since: 0.1
 */
void glacier_upload_free(glacier_upload_t *upload);

/** The result that the failed call returned; GLACIER_OK for NULL. Since: 0.1 */
glacier_result_t glacier_error_code(const glacier_error_t *error);

/**
 * What happened, to what, and where it helps, what to do: one line of English for people, without a newline at its
 * end.
 *
 * It names the upload ID where an upload stays in the vault. Values from outside, such as the service's text and file
 * names, are sanitized: control characters and invisible ones are escaped ("\n", "\x1b", "\u{202e}"), long values are
 * cut, and an echo of a secret key or session token that the client has or had, or of 16 or more characters of one, is
 * replaced by the word "redacted" in brackets.
 * Valid until the error is freed; NULL for NULL. Since: 0.1
 */
const char *glacier_error_message(const glacier_error_t *error);

/** Frees an error, and with it the texts that came from it. NULL is ignored. Since: 0.1 */
void glacier_error_free(glacier_error_t *error);

/* ==== 2. Full control ==============================================================================================
 *
 * -- Settings: each has a default, and is given to glacier_client_new together. ---------------------------------------
 */

/**
 * Sets where requests go instead of the region's own endpoint: scheme, host, and a port if it is not the scheme's
 * own, such as "http://127.0.0.1:8080". Plain http is possible by such an explicit endpoint only. The region must be
 * set all the same: signatures name it.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config, endpoint); GLACIER_E_INVALID (not such a URL); GLACIER_E_BUSY;
 * GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_endpoint(glacier_config_t *config,
                                             const char *endpoint,
                                             glacier_error_t **err);

/**
 * Sets the account that owns the vaults: 12 digits without hyphens, or "-", the default, for the account of the
 * credentials.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config, account_id); GLACIER_E_INVALID (anything else); GLACIER_E_BUSY;
 * GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_account_id(glacier_config_t *config,
                                               const char *account_id,
                                               glacier_error_t **err);

/**
 * Sets the CA file: certificates in PEM that the service's certificate is checked against, instead of the built-in
 * list of public certificate authorities. glacier_client_new reads it. The service's certificate is accepted if a
 * certificate authority in the file issued it, or if it is in the file itself, such as a self-signed one made by
 * openssl req -x509. Either way it must be within its validity and for the endpoint's host.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config, path); GLACIER_E_INVALID (empty); GLACIER_E_BUSY; GLACIER_E_PANIC.
 * Since: 0.1
 */
glacier_result_t glacier_config_set_ca_file(glacier_config_t *config,
                                            const char *path,
                                            glacier_error_t **err);

/**
 * Names the program in the User-Agent header of the requests, before the name and version of this library: 1 to 256
 * printable ASCII characters. The default is the library alone.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config, user_agent); GLACIER_E_INVALID (anything else); GLACIER_E_BUSY;
 * GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_user_agent(glacier_config_t *config,
                                               const char *user_agent,
                                               glacier_error_t **err);

/**
 * Sets how many parts glacier_upload_run sends at once: workers from 1 to 32 for each upload; the default is 8.
 *
 * That is the most. When the service pushes back (HTTP 408, 429, 500 and 503, throttling), it goes on with half as
 * many, never less than one; each full round of parts that are then acknowledged adds one. And it sends no more at
 * once than the line, as measured and as limited, finishes in 4 minutes, for a signature lives 5. The log tells each
 * change, and workers in glacier_progress_t how many it is now.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (out of range); GLACIER_E_BUSY; GLACIER_E_PANIC.
 * Since: 0.1
 */
glacier_result_t glacier_config_set_concurrency(glacier_config_t *config,
                                                uint32_t workers,
                                                glacier_error_t **err);

/**
 * Sets the maximum number of attempts per request for transient failures: a lost connection, a stall, HTTP 408, 429,
 * 500, 502, 503, 504 and 509, throttling, and a 404 that is not from the service. With 0 only time counts:
 * glacier_config_set_give_up_after_ms.
 *
 * If it is not set, the maximum is 10, and an outage does not use it up: an attempt that does not reach the service (no
 * connection, a connection that is lost or stalls, a response that is cut) counts only if another request of the client
 * was answered meanwhile. If it is set, every attempt counts.
 *
 * Ambiguous failures are retried at most 3 times: a success without the tree hash or ID it must have, a part that
 * arrives damaged, a response that is not HTTP, and any other response without a Glacier error document and without
 * x-amzn-RequestId, as a proxy sends it. Re-signing a request with a corrected clock or new keys does not count as an
 * attempt.
 *
 * The wait before a retry is random (exponential backoff with full jitter): up to 0.5 s at first, then up to twice that
 * each time, up to 20 s. A longer Retry-After of the service is honoured, up to 300 s.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_max_attempts(glacier_config_t *config,
                                                 uint32_t attempts,
                                                 glacier_error_t **err);

/**
 * Sets the memory, in bytes, that the parts in work of all uploads of one client take together; the default is
 * 268,435,456 (256 MiB).
 *
 * It is a limit on buffers, not on the process. A part larger than the limit divided by the workers of one upload is
 * not held in memory: it is read twice, once to hash it and once to send it. glacier_plan_memory says which limit
 * avoids that. Several uploads share the limit: a part waits until there is room, first come, first served, so that N
 * uploads go at full speed with N times that. Data given to glacier_upload_put_part is the caller's and does not
 * count.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (below 1,048,576, 1 MiB); GLACIER_E_BUSY;
 * GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_memory_limit(glacier_config_t *config,
                                                 uint64_t bytes,
                                                 glacier_error_t **err);

/**
 * Sets how many bytes of parts all uploads of one client may send together, in bytes a second; 0, the default, is no
 * limit.
 *
 * It is a limit on the wire: what is sent again counts again; headers and encryption, some percent, come on top. The
 * bytes flow evenly, parts in flight share them fairly, and time in which nothing was sent is not made up for. Parts
 * that are put by hand are limited as well. glacier_upload_set_bandwidth_limit sets one for a single upload, also
 * while it runs; where there are both, both hold.
 *
 * One part should not take longer than 4 minutes, for a signature lives 5: a limit below the part size divided by 240
 * wants smaller parts (70,000 bytes a second for parts of 16 MiB).
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_bandwidth_limit(glacier_config_t *config,
                                                    uint64_t bytes_per_s,
                                                    glacier_error_t **err);

/**
 * Sets how long opening one connection may take, TLS included, in milliseconds; the default is 10,000 (10 s). Time in
 * which the process was stopped does not count, nor does the name lookup, which the system bounds. If the host has
 * several addresses, they are tried 250 ms apart, or at once after a failure, IPv6 and IPv4 alternately (RFC 8305). The
 * first that accepts is used, and tried first for the next connection of the client.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (0); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_connect_timeout_ms(glacier_config_t *config,
                                                       uint64_t milliseconds,
                                                       glacier_error_t **err);

/**
 * Sets the stall timeout, in milliseconds; the default is 60,000 (60 s). An attempt of a request fails, and the request
 * is retried, if
 * - less than 1 KB of the request is acknowledged within the stall timeout. Time in which the library waits for the
 *   source or for the bandwidth limit does not count. What is left of a request may be less than 1 KB;
 * - the response does not begin within the stall timeout after the request was acknowledged. The response to Complete
 *   may take many minutes: only glacier_config_set_give_up_after_ms bounds the wait for it;
 * - the header section of a response, or of an interim response (HTTP status 1xx), does not end within the stall
 *   timeout of its first byte;
 * - the body of a list does not end within the stall timeout of its first byte.
 *
 * An interim response changes no timeout; more than 8 of them are an error. At most 64 KiB of the body of an error
 * response are read, for at most 5 s. A bandwidth limit below 1 KB per stall timeout is allowed.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (0); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_stall_timeout_ms(glacier_config_t *config,
                                                     uint64_t milliseconds,
                                                     glacier_error_t **err);

/**
 * Sets the longest time without any part acknowledged, in milliseconds: after it, a failed request is not retried, and
 * the call fails with the error of the last attempt, whatever its code is. The default is 1,800,000 (30 min). The
 * upload stays in the vault.
 *
 * Until a client has opened its first connection, the time is 45 s if this is longer, and a host name that does not
 * exist is final after 3 attempts: then region, endpoint or network are more likely wrong than down. Time in which the
 * process was stopped (SIGSTOP, a debugger, a suspended machine) does not count, here and in the other timeouts.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (0); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_give_up_after_ms(glacier_config_t *config,
                                                     uint64_t milliseconds,
                                                     glacier_error_t **err);

/**
 * How much the log says: one of the values of glacier_log_level_names. Each level includes those before it. Since:
 * 0.1
 */
typedef int32_t glacier_log_level_t;

/** The values of glacier_log_level_t. */
typedef enum {
    /** Nothing. */
    GLACIER_LOG_OFF = 0,
    /** What made a call fail. */
    GLACIER_LOG_ERROR = 1,
    /** What went wrong and was mended, such as a repeated attempt. */
    GLACIER_LOG_WARN = 2,
    /** The steps of an upload. */
    GLACIER_LOG_INFO = 3,
    /** Each request. */
    GLACIER_LOG_DEBUG = 4,
} glacier_log_level_names;

/**
 * Receives one line of the log: English, without a newline at its end, sanitized as glacier_error_message is.
 *
 * A program should show the lines of level GLACIER_LOG_WARN where a person reads them, on stderr for example, as the
 * examples in bindings/c do. They report what the result of a call does not:
 * - an attempt failed and will be repeated: the request, its error and the delay;
 * - InitiateMultipartUpload is repeated, so that an empty upload may stay in the vault until it expires;
 * - fewer parts are sent at once, because the service throttles;
 * - the clock of the machine is wrong, and signatures are corrected;
 * - a record could not be appended to the journal, on a full disk for example, and what a later resume does not find;
 * - the source was touched since it was read, and is read again;
 * - Complete was rejected: which parts are sent again;
 * - a stream of unknown length comes near 10,000 parts;
 * - log lines were dropped: how many.
 *
 * message is valid inside the callback only. Since: 0.1
 */
typedef void (*glacier_log_fn)(void *user_data, glacier_log_level_t level, const char *message);

/**
 * Sets where log lines of the clients made from these settings go, up to a level. The default is no log.
 *
 * callback NULL: no log. Lines wait in a bounded queue until a thread is inside a working call, and come on that
 * thread, one at a time; lines that found no room are counted, and the count is a line.
 *
 * user_data is handed to the callback as it is. From this call on it belongs to the library: destroy, if not NULL,
 * runs exactly once, before this returns if it fails or callback is NULL; else when another call replaces the
 * callback, or when the config and all clients and uploads made from it are freed.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (not a level); GLACIER_E_BUSY; GLACIER_E_PANIC.
 * Since: 0.1
 */
glacier_result_t glacier_config_set_log(glacier_config_t *config,
                                        glacier_log_level_t level,
                                        glacier_log_fn callback,
                                        void *user_data,
                                        glacier_destroy_fn destroy,
                                        glacier_error_t **err);

/* -- Keys that expire: asked for when they are needed. ----------------------------------------------------------------
 *
 * Temporary credentials, as the security token service (STS) gives them, hold for some hours, and an upload may take
 * weeks. A provider gets fresh ones, in whatever way the program has:
 *
 *     static int32_t fresh_keys(void *user_data, glacier_credentials_t *out) {
 *         struct keys keys;
 *         if (!assume_role(user_data, &keys)) // the program's own: a request to STS, a file, another program
 *             return GLACIER_STOP;
 *         return glacier_credentials_set(out, keys.id, keys.secret, keys.token, keys.expires, NULL) == GLACIER_OK
 *                        ? GLACIER_CONTINUE : GLACIER_STOP;
 *     }
 *
 *     glacier_config_set_credentials_provider(config, fresh_keys, role, NULL, &err);
 *
 * Without a provider a token that expires ends the call with GLACIER_E_CREDENTIALS. The upload stays in the vault: a
 * client with fresh credentials, and a handle of it attached to the upload ID, carry on.
 */

/** Where a credentials provider puts the keys that it was asked for. Valid inside that callback only. */
typedef struct glacier_credentials_t glacier_credentials_t;

/**
 * Gives the keys that a credentials provider was asked for: an access key ID, its secret key, for temporary credentials
 * their session token, else NULL, and when they expire, in seconds since 1970-01-01 UTC, or 0 for keys that do not.
 *
 * Only inside the callback, with the out that it got, by any thread. It may be called several times: the last call
 * that gives GLACIER_OK counts.
 * Results: GLACIER_OK; GLACIER_E_NULL (out, key_id, secret); GLACIER_E_INVALID (a text is empty, or has a space or a
 * character that is not printable ASCII, though an empty token is none; or expires_unix is negative);
 * GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_credentials_set(glacier_credentials_t *out,
                                         const char *key_id,
                                         const char *secret,
                                         const char *token_or_null,
                                         int64_t expires_unix,
                                         glacier_error_t **err);

/**
 * Asked for the keys to sign requests with: gives them by glacier_credentials_set and returns GLACIER_CONTINUE.
 *
 * It is asked before the first request; when less than 5 minutes of the life of the keys are left, or half of a life
 * that is shorter than 10 minutes; and when the service calls their token expired, whatever the clock says. Each time
 * it is asked once for all the requests of the client. All of them wait for it, as long as it takes; those of other
 * uploads can be canceled meanwhile.
 *
 * If it returns anything but GLACIER_CONTINUE, the calls that wait for keys give GLACIER_E_CALLBACK; without keys set,
 * or when the service calls the keys expired that it gave three times in a row, GLACIER_E_CREDENTIALS. Uploads stay in
 * the vault, and the next call asks it again.
 *
 * It comes on a thread of the program that is inside a working call of an upload of the client, or inside
 * glacier_client_list_uploads; one call at a time for each client, with no lock held. What it may call stands under
 * "Callbacks" above; nor must it wait for another thread that works with the client. Since: 0.1
 */
typedef int32_t (*glacier_credentials_fn)(void *user_data, glacier_credentials_t *out);

/**
 * Sets who is asked for the keys that requests are signed with, in place of fixed ones: for keys that expire before
 * the uploads are done.
 *
 * callback NULL: nobody; the credentials are those of the environment again. Of this and
 * glacier_config_set_credentials the one called last counts, and wins over the environment. Clients made from the
 * same settings share the callback, and may call it at the same time as each other.
 *
 * user_data is handed to the callback as it is. From this call on it belongs to the library: destroy, if not NULL,
 * runs exactly once, before this returns if it fails or callback is NULL; else when another call sets credentials, or
 * when the config and all clients and uploads made from it are freed.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_config_set_credentials_provider(glacier_config_t *config,
                                                         glacier_credentials_fn callback,
                                                         void *user_data,
                                                         glacier_destroy_fn destroy,
                                                         glacier_error_t **err);

/* -- Carrying on: what is left in the vault after a failure. ----------------------------------------------------------
 *
 * What fails before glacier_upload_id is known leaves nothing in the vault, or at most an upload without parts, which
 * vanishes by itself. From then on the upload stays, with the parts that arrived, as long as
 * glacier_error_is_resumable gives 1. With a journal (glacier_upload_set_journal) a program that starts anew does
 * what it did before, and that carries on. Without one, attach a new handle to the upload, give it the same source,
 * and run:
 *
 *     glacier_upload_set_upload_id(upload, "the ID", &err);
 *     glacier_upload_set_source_file(upload, "backup.tar", &err);
 *     glacier_upload_run(upload, &err);
 *
 * A program that would have the ID written down before a part is sent calls glacier_upload_initiate first, and then
 * runs, or writes.
 *
 * The program keeps ID and source together: a part whose hash is not that of the source is sent again and replaces the
 * one there, without an error. A wrong source shows only if it is smaller than what the upload holds
 * (GLACIER_E_SOURCE_CHANGED).
 */

/**
 * Attaches to an upload that exists already, by its ID, to carry it on, complete it or abort it. Nothing is sent
 * yet: the first working call takes part size and description from the service; a description set here is not used.
 *
 * upload_id comes from glacier_upload_id, which can be read after a failure too, or from glacier_uploads_id. The
 * service's IDs are some 90 letters, digits, "-" and "_", and may begin with "-"; any text of 1 to 1,024 bytes is
 * accepted that is not "." or ".." and has no control characters. Two handles that work on one upload at once, here or
 * elsewhere, do no harm if they have the same source, but send parts twice.
 *
 * Before the first working call; one handle is one upload, so a second, different ID is refused.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload, upload_id); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too
 * late, or attached to another upload); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_upload_id(glacier_upload_t *upload,
                                              const char *upload_id,
                                              glacier_error_t **err);

/**
 * Sets the part size in bytes: a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB). By default
 * glacier_upload_run takes the smallest that keeps to 10,000 parts, and not below 16 MiB (glacier_plan_new tells
 * it), and glacier_upload_initiate does the same, or takes 16 MiB if there is no source. A part in flight is what a
 * failure or a cancel loses: smaller parts lose less, and cost more requests.
 *
 * Before the first working call. For an upload that exists already it need not be set, and must be the same.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too late);
 * GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC.
 * Source of the rule: Amazon Glacier developer guide, "Uploading Large Archives in Parts". Since: 0.1
 */
glacier_result_t glacier_upload_set_part_size(glacier_upload_t *upload,
                                              uint64_t bytes,
                                              glacier_error_t **err);

/**
 * Says what the archive has, exactly, in bytes: 1 to 42,949,672,960,000. It is checked against the source before
 * anything is sent, against the end of a stream, and against the parts before they are completed. A handle that is
 * attached and has no source can complete only with it: a missing end would go unseen.
 *
 * Before the first working call.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too late);
 * GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_archive_size(glacier_upload_t *upload,
                                                 uint64_t bytes,
                                                 glacier_error_t **err);

/**
 * The multipart uploads in progress in a vault, from glacier_client_list_uploads, in no order.
 *
 * Freed by glacier_uploads_free. It never changes, and any number of threads may read it at once.
 */
typedef struct glacier_uploads_t glacier_uploads_t;

/**
 * Lists all multipart uploads in progress in a vault. It requests page after page, up to 10,000 pages and 50,000
 * uploads; a longer list is GLACIER_E_PROTOCOL, and so is a list that repeats a page or has an ID that
 * glacier_upload_set_upload_id does not accept.
 *
 * An upload that received no part for 24 hours may be missing. The list does not say who initiated an upload.
 *
 * vault is the vault's name. *out gets the list, which may be empty; free it with glacier_uploads_free. Any thread;
 * log lines are delivered on it, and a credentials provider is called on it. glacier_client_cancel stops it.
 * Results: GLACIER_OK; GLACIER_E_NULL (client, vault, out); GLACIER_E_INVALID (vault not allowed); GLACIER_E_BUSY
 * (called from inside a callback of this client); GLACIER_E_FORKED; GLACIER_E_MEMORY; GLACIER_E_NETWORK;
 * GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS;
 * GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the vault); GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED;
 * GLACIER_E_CALLBACK (the credentials provider did not return GLACIER_CONTINUE); GLACIER_E_CANCELED; GLACIER_E_PANIC;
 * GLACIER_E_INTERNAL. Since: 0.1
 */
glacier_result_t glacier_client_list_uploads(const glacier_client_t *client,
                                             const char *vault,
                                             glacier_uploads_t **out,
                                             glacier_error_t **err);

/**
 * Requests that glacier_client_list_uploads stop: it returns GLACIER_E_CANCELED within 250 ms. A name lookup of the
 * system that is in progress is not interrupted. Uploads of the client are not affected: see glacier_upload_cancel.
 *
 * The request stops each call in progress or, if there is none, the next one. When all calls in progress have returned,
 * at least one of them with GLACIER_E_CANCELED, the request is cleared; otherwise it stays pending and stops the next
 * call. Any thread, at any time, and in a signal handler: it is one atomic store. NULL is ignored. Since: 0.1
 */
void glacier_client_cancel(glacier_client_t *client);

/** The number of uploads in the list. 0 for NULL. Since: 0.1 */
size_t glacier_uploads_count(const glacier_uploads_t *uploads);

/**
 * The ID of upload number index, from 0 to glacier_uploads_count - 1, as glacier_upload_set_upload_id takes it.
 *
 * Valid until the list is freed. NULL for NULL and past the end. Since: 0.1
 */
const char *glacier_uploads_id(const glacier_uploads_t *uploads,
                               size_t index);

/**
 * The archive description of that upload; NULL if it has none, for NULL and past the end. Valid until the list is
 * freed. Since: 0.1
 */
const char *glacier_uploads_description(const glacier_uploads_t *uploads,
                                        size_t index);

/**
 * When that upload was initiated, as the service writes it, such as "2012-03-20T17:03:43.221Z". Valid until the list
 * is freed. NULL for NULL and past the end. Since: 0.1
 */
const char *glacier_uploads_created(const glacier_uploads_t *uploads,
                                    size_t index);

/** The same in whole seconds since 1970-01-01 UTC. 0 for NULL and past the end. Since: 0.1 */
int64_t glacier_uploads_created_unix(const glacier_uploads_t *uploads, size_t index);

/** The part size of that upload, in bytes. 0 for NULL and past the end. Since: 0.1 */
uint64_t glacier_uploads_part_size(const glacier_uploads_t *uploads, size_t index);

/** Frees a list of uploads, and with it the texts that came from it. NULL is ignored. Since: 0.1 */
void glacier_uploads_free(glacier_uploads_t *uploads);

/* -- Streams: sources that can be read only once, and whose length need not be known. ---------------------------------
 *
 * A program that produces bytes writes them. What it does not finish becomes no archive, so an error of its own ends
 * without glacier_upload_finish:
 *
 *     while (result == GLACIER_OK && (n = fread(buf, 1, sizeof buf, in)) > 0)
 *         result = glacier_upload_write(upload, buf, n, &err);
 *     if (result == GLACIER_OK && !ferror(in))
 *         result = glacier_upload_finish(upload, &err);
 *
 * One that would rather be asked for bytes sets a callback as the source, and runs:
 *
 *     static int32_t read_stdin(void *user_data, uint8_t *buf, size_t cap, size_t *out_len) {
 *         *out_len = fread(buf, 1, cap, user_data);
 *         return ferror(user_data) ? GLACIER_STOP : GLACIER_CONTINUE;
 *     }
 *
 *     glacier_upload_set_source_callback(upload, read_stdin, GLACIER_UNKNOWN_LENGTH, stdin, NULL, &err);
 *     glacier_upload_run(upload, &err);
 *
 * Memory. Each part is held in memory until the service has acknowledged it, and while one is sent another is filled.
 * Twice the part size must fit the client's memory limit (glacier_config_set_memory_limit); otherwise the first call is
 * GLACIER_E_INVALID, and nothing is initiated. With the default limit parts may have up to 128 MiB.
 *
 * Resuming. Neither can be read twice: after a failure, give a new handle the same journal or the upload ID, and the
 * stream from byte 0. Parts that the service holds with the same hash are not sent again; others are replaced.
 */

/**
 * Says what a stream of unknown length (glacier_upload_write, or a callback) may have, in bytes: 1 to
 * 42,949,672,960,000. It is an estimate, and better too large than too small: it chooses the part size, so that a
 * stream that long keeps well below the 10,000 parts that an upload may have. Without it parts have 64 MiB, and a
 * stream ends with GLACIER_E_LIMIT after 671,088,640,000 bytes. A part size that is set outranks it.
 *
 * Before the first working call.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too late);
 * GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_expected_size(glacier_upload_t *upload,
                                                  uint64_t bytes,
                                                  glacier_error_t **err);

/**
 * Writes the next bytes of the archive: a stream whose length need not be known. The first call begins it; parts are
 * sent by threads of the library, also between two calls, until glacier_upload_finish makes the archive.
 *
 * data has len bytes; it is copied, and len may be anything: small pieces are gathered, and no bytes do nothing. The
 * call waits while memory is full of parts on their way. Parts have the size that was set, or that suits
 * glacier_upload_set_archive_size or _set_expected_size, or 64 MiB.
 *
 * A part may fail long after its bytes were taken, and a cancel may come between two calls: then the next call fails,
 * and so does every further one with the same error, since what was taken cannot be taken back. A new handle carries
 * on, as told under "Streams" above. If this process has nothing more to write, glacier_upload_free lets the upload
 * be, and glacier_upload_abort deletes it: only glacier_upload_finish makes an archive.
 *
 * Any thread; one call at a time. No source may be set. Callbacks come on the thread that is inside, not with every
 * short call.
 * Results: those of glacier_upload_run; and GLACIER_E_NULL (upload; data, if len is not 0); GLACIER_E_STATE (a source
 * is set, parts were put by hand, or the stream is finished); GLACIER_E_LIMIT (more than 10,000 parts);
 * GLACIER_E_SOURCE_CHANGED (more bytes than the archive size that was set). Since: 0.1
 */
glacier_result_t glacier_upload_write(glacier_upload_t *upload,
                                      const void *data,
                                      size_t len,
                                      glacier_error_t **err);

/**
 * Says that the last byte was written, sends what is left, and makes the archive. Then glacier_upload_archive_id and
 * the other facts are known. On a stream that is finished it returns GLACIER_OK.
 *
 * A stream without a byte is GLACIER_E_INVALID, and nothing is initiated. If all parts arrived and completing failed,
 * it may be called again, and completes; after any other failure it gives the same error again.
 *
 * Any thread; one call at a time. Callbacks come on it.
 * Results: those of glacier_upload_write; and GLACIER_E_INVALID (nothing was written); GLACIER_E_SOURCE_SHORT (less
 * than the archive size that was set); GLACIER_E_SOURCE_CHANGED (less than the service holds). Since: 0.1
 */
glacier_result_t glacier_upload_finish(glacier_upload_t *upload,
                                       glacier_error_t **err);

/**
 * Reads the next bytes of a source into buf, which has room for cap bytes, and stores their number in *out_len, which
 * is 0 when the callback is called. It may store less than cap, as read() of a pipe does; with 0 and
 * GLACIER_CONTINUE the source has ended, and the callback is not called again.
 *
 * Returns GLACIER_CONTINUE to go on; anything else stops the call with GLACIER_E_CALLBACK, and so does a number above
 * cap. cap is never 0. buf is valid inside the callback only.
 *
 * It may block: meanwhile nothing else is delivered, but parts that were read already go on their way, and into the
 * journal. A cancel cannot end it: the call returns when the callback has. One that may block for long looks by itself
 * whether it is to stop.
 *
 * Since: 0.1
 */
typedef int32_t (*glacier_read_fn)(void *user_data, uint8_t *buf, size_t cap, size_t *out_len);

/**
 * Sets a callback as the source: it is called again and again for the next bytes, on the thread that is inside
 * glacier_upload_run or _transfer, or after glacier_upload_start on the upload's own.
 *
 * total is the number of bytes in all, or GLACIER_UNKNOWN_LENGTH. If the callback ends before it, the call fails with
 * GLACIER_E_SOURCE_SHORT; if it has more, with GLACIER_E_SOURCE_CHANGED.
 *
 * See "Streams" above for the memory that it needs, and for how a new handle resumes. This handle
 * cannot once the callback was called, for the next bytes are not the first: glacier_upload_run and its like then give
 * GLACIER_E_STATE, unless all parts arrived and completing is all that is left.
 *
 * user_data is handed to the callback as it is. From this call on it belongs to the library: destroy, if not NULL,
 * runs exactly once, before this returns if it fails; else when another source replaces this one, or when the upload
 * is freed and no call or started run on it is left.
 *
 * Before the first working call; of several sources the last one set counts.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload, callback); GLACIER_E_INVALID (total is 0, or larger than an archive
 * may be); GLACIER_E_STATE (too late); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_source_callback(glacier_upload_t *upload,
                                                    glacier_read_fn callback,
                                                    uint64_t total,
                                                    void *user_data,
                                                    glacier_destroy_fn destroy,
                                                    glacier_error_t **err);

/* -- In the background: a run that does not keep the program's thread. --------------------------------------------- */

/**
 * Told once how a started run ended: its result, and NULL or the error, which is valid inside the callback only;
 * glacier_upload_wait gives one to keep.
 *
 * It comes on the upload's own thread, as the last of the run's callbacks, and may call what any callback may: it may
 * free the upload, and start another one, but not the same again. Since: 0.1
 */
typedef void (*glacier_done_fn)(void *user_data, glacier_result_t result, const glacier_error_t *error);

/**
 * Starts glacier_upload_run on a thread of the upload's own, and returns. All its callbacks come on that thread, done
 * included, which may be NULL.
 *
 * done is called exactly once if, and only if, this returns GLACIER_OK: when the run is over, however it ended.
 * user_data is handed to it as it is. From this call on it belongs to the library: destroy, if not NULL, runs exactly
 * once, before this returns if it fails or done is NULL; else when done has returned.
 *
 * Meanwhile the handle is in use: other working calls and all setters get GLACIER_E_BUSY, but glacier_upload_abort,
 * which cancels it first. glacier_upload_cancel asks it to stop; glacier_upload_free does the same, and gives the
 * handle back at once. When it is over, it may be started again: that carries on, as a second glacier_upload_run
 * does.
 *
 * It need not be waited for: a program that learns of the end by done, or asks glacier_upload_state, just frees the
 * upload. Nothing may be unloaded or freed that its callbacks use before destroy has come.
 *
 * Any thread, in callbacks of other uploads too.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_STATE (no source, a part range is set, or parts were put by
 * hand or written); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_MEMORY (no thread can be had); GLACIER_E_PANIC;
 * GLACIER_E_INTERNAL. What glacier_upload_run gives comes to done, and from glacier_upload_wait. Since: 0.1
 */
glacier_result_t glacier_upload_start(glacier_upload_t *upload,
                                      glacier_done_fn done,
                                      void *user_data,
                                      glacier_destroy_fn destroy,
                                      glacier_error_t **err);

/**
 * Waits until the run that was started last is over, at most timeout_ms milliseconds: 0 asks only, GLACIER_FOREVER
 * waits as long as it takes. Gives what the run gave, after done and its destroy have returned; any number of times,
 * and on any number of threads at once. No callback comes on these threads. A cancel stops the run, and so ends the
 * wait.
 *
 * Results: those of glacier_upload_run; and GLACIER_E_PENDING (it is not over yet); GLACIER_E_STATE (none was
 * started); GLACIER_E_BUSY (called from inside a callback of the upload). Since: 0.1
 */
glacier_result_t glacier_upload_wait(glacier_upload_t *upload,
                                     uint64_t timeout_ms,
                                     glacier_error_t **err);

/* -- Shared uploads: several processes or machines send parts of one archive. -----------------------------------------
 *
 * One initiates the upload, and tells the others its ID. Each attaches to it and sends a range of the parts:
 *
 *     glacier_upload_set_upload_id(upload, id, &err);
 *     glacier_upload_set_source_file(upload, "backup.tar", &err);
 *     glacier_upload_set_part_range(upload, 0, 500, &err);
 *     glacier_upload_transfer(upload, &err);
 *
 * Each may have a journal of its own. When all are done, one completes it: it needs the source too, or
 * glacier_upload_set_archive_size.
 */

/**
 * Has glacier_upload_transfer send count parts from part first on, and no others; count UINT32_MAX: to the last. So
 * several processes or machines share one upload: each attaches to it by its ID, with the whole source and a range,
 * and when all have returned, one calls glacier_upload_complete. Ranges that overlap do no harm.
 *
 * first counts from 0. Needs an upload that exists (its ID, or its journal), and a file or memory as the source.
 * Whether the range lies inside the archive shows in glacier_upload_transfer (GLACIER_E_INVALID). Every other call
 * that sends parts is GLACIER_E_STATE with a range.
 *
 * Before the first working call.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (count is 0); GLACIER_E_STATE (too late);
 * GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_part_range(glacier_upload_t *upload,
                                               uint32_t first,
                                               uint32_t count,
                                               glacier_error_t **err);

/**
 * Does what glacier_upload_run does, but does not complete: it returns when the service holds all parts of the
 * source, or those of the part range. glacier_upload_complete, or glacier_upload_run without a part range, makes the
 * archive of them.
 *
 * Needs a source. Any thread; one working call at a time. Callbacks come on this thread.
 * Results: those of glacier_upload_run; and GLACIER_E_INVALID (the part range does not lie in the archive);
 * GLACIER_E_STATE (a part range is set, and the upload does not exist yet or the source is a callback; or Complete was
 * sent, and its answer is not known). Since: 0.1
 */
glacier_result_t glacier_upload_transfer(glacier_upload_t *upload,
                                         glacier_error_t **err);

/* -- By hand: the service's own operations, one a call, for programs with threads of their own. -----------------------
 *
 *     glacier_upload_set_part_size(upload, 1048576, &err);
 *     glacier_upload_initiate(upload, &err);
 *     glacier_upload_put_part(upload, 0, first, 1048576, &err);    // these two may run at once
 *     glacier_upload_put_part(upload, 1, second, second_len, &err);
 *     glacier_upload_complete(upload, &err);
 *
 * A failed request is repeated as the settings say, so a result is final. A handle is used in one way: by hand, or
 * all at once (glacier_upload_run, _transfer, _start), or written (glacier_upload_write, _finish). The first of these
 * calls, of those by hand glacier_upload_put_part, decides, and the others get GLACIER_E_STATE from then on.
 */

/**
 * Initiates the upload at the service; glacier_upload_id is known then. Without it nothing can be put.
 *
 * Its parts have the size that glacier_upload_set_part_size set, else the one that glacier_plan_new gives for the
 * source, or without a source 16 MiB. If the answer is lost the library initiates again: an upload without parts may
 * be left in the vault, which costs nothing and vanishes by itself.
 *
 * Any thread; one working call at a time. Callbacks come on the calling thread.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (the source is empty, or too large for 10,000 parts
 * of the part size); GLACIER_E_STATE (it has an upload ID already); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_IO
 * (the source, the journal); GLACIER_E_MEMORY; GLACIER_E_JOURNAL; GLACIER_E_LOCKED; GLACIER_E_NETWORK; GLACIER_E_TLS;
 * GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS;
 * GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the vault); GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED;
 * GLACIER_E_OUTCOME_UNKNOWN (the state is GLACIER_STATE_UNKNOWN); GLACIER_E_CANCELED; GLACIER_E_CALLBACK;
 * GLACIER_E_PANIC; GLACIER_E_INTERNAL.
 * Source: Amazon Glacier developer guide, "Initiate Multipart Upload". Since: 0.1
 */
glacier_result_t glacier_upload_initiate(glacier_upload_t *upload,
                                         glacier_error_t **err);

/**
 * Sends one part and returns when the service has acknowledged it with the same tree hash, or it failed for good.
 *
 * part_index counts from 0 to 9,999: the part begins at part_index times the part size. len is the part size, or for
 * the last part of the archive 1 byte to the part size. Parts may come in any order; the same part again replaces
 * the earlier. data is not copied; nobody reads it any more when this returns. It does not count against the memory
 * limit.
 *
 * After glacier_upload_initiate or glacier_upload_set_upload_id. Any number of threads may put different parts of one
 * upload at once, each over its own connection. Callbacks come on one of these threads.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload; data, if len is not 0); GLACIER_E_INVALID (part_index or len not
 * allowed, a second short part, a part behind a short one, or a part size was set that the upload does not have);
 * GLACIER_E_STATE (not initiated and not attached, Complete was sent, the upload is aborted, or the handle was used
 * with glacier_upload_run); GLACIER_E_BUSY (this part is being put by another thread, or another call works with the
 * handle); GLACIER_E_FORKED; GLACIER_E_IO (the journal); GLACIER_E_MEMORY; GLACIER_E_JOURNAL; GLACIER_E_LOCKED;
 * GLACIER_E_NETWORK; GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS;
 * GLACIER_E_CREDENTIALS; GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the service does not know the upload);
 * GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED; GLACIER_E_TREE_HASH (the part arrived damaged, repeatedly);
 * GLACIER_E_SOURCE_CHANGED (data changed during the call); GLACIER_E_OUTCOME_UNKNOWN (as the state is
 * GLACIER_STATE_UNKNOWN); GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC; GLACIER_E_INTERNAL.
 * Source: Amazon Glacier developer guide, "Upload Part". Since: 0.1
 */
glacier_result_t glacier_upload_put_part(glacier_upload_t *upload,
                                         uint32_t part_index,
                                         const void *data,
                                         size_t len,
                                         glacier_error_t **err);

/**
 * Does what glacier_upload_put_part does, if the tree hash of data is tree_hash (32 bytes). If not it gives
 * GLACIER_E_TREE_HASH and nothing is sent: so what a program hashed long ago is what is uploaded.
 *
 * Threads: as glacier_upload_put_part.
 * Results: those of glacier_upload_put_part; and GLACIER_E_NULL (tree_hash); GLACIER_E_TREE_HASH (not the hash of
 * data). Since: 0.1
 *
 */
glacier_result_t glacier_upload_put_part_checked(glacier_upload_t *upload,
                                                 uint32_t part_index,
                                                 const void *data,
                                                 size_t len,
                                                 const uint8_t tree_hash[32],
                                                 glacier_error_t **err);

/**
 * Makes the archive out of the parts, after checking that they cover it from 0 to its end. Then
 * glacier_upload_archive_id and the other facts are known. On a handle that is completed it sends nothing.
 *
 * If a source is set, the parts, or the archive there is, must have its bytes: see "Success" above. What this handle
 * did not read of a file or of memory is read and compared, all of it if other handles sent the parts; a difference is
 * GLACIER_E_SOURCE_CHANGED, and the message names the part. To complete without reading, set
 * glacier_upload_set_archive_size and no source. A callback is not read here: unless this handle has read it to its
 * end, it is GLACIER_E_INVALID, or GLACIER_E_STATE if there is an archive.
 *
 * The size of the archive is that of the source, or the one set with glacier_upload_set_archive_size, or the one that
 * the journal has, or that of a stream which came to its end; without them the end of what was put by hand, if this
 * handle initiated the upload. A handle that is attached, or whose stream broke off, and that has none of these
 * cannot know it and gets GLACIER_E_INVALID: a missing end would go unseen. The parts are listed first if this handle
 * did not put every one; a hole, a missing end, a short part in the middle and a wrong size are GLACIER_E_INCOMPLETE,
 * and the message names the part.
 *
 * The answer may take many minutes for terabytes; glacier_config_set_give_up_after_ms bounds it. A lost answer is
 * asked for again. If this is canceled or gives up between the request and its answer, it gives
 * GLACIER_E_OUTCOME_UNKNOWN: call it again to learn the outcome. If the service does not know the upload any more by
 * then, it gives GLACIER_E_OUTCOME_UNKNOWN for good (GLACIER_STATE_UNKNOWN), and only an inventory of the vault can
 * tell whether there is an archive.
 *
 * Any thread; one working call at a time. Callbacks come on the calling thread.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (the size is not known, or a part size was set that
 * the upload does not have); GLACIER_E_STATE (not initiated and not attached, or aborted); GLACIER_E_BUSY;
 * GLACIER_E_FORKED; GLACIER_E_IO; GLACIER_E_MEMORY; GLACIER_E_SOURCE_CHANGED; GLACIER_E_JOURNAL; GLACIER_E_LOCKED;
 * GLACIER_E_NETWORK; GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS;
 * GLACIER_E_CREDENTIALS; GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the service does not know the upload);
 * GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED; GLACIER_E_OUTCOME_UNKNOWN; GLACIER_E_TREE_HASH (the archive, or a
 * part that this handle sent, has another tree hash than what was sent); GLACIER_E_INCOMPLETE (the message names what
 * is missing); GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC; GLACIER_E_INTERNAL. Source: Amazon Glacier
 * developer guide, "Complete Multipart Upload". Since: 0.1
 */
glacier_result_t glacier_upload_complete(glacier_upload_t *upload,
                                         glacier_error_t **err);

/**
 * Deletes the upload and its parts at the service; that cannot be undone. What comes of it:
 * - nothing initiated and nothing attached: GLACIER_OK, nothing is sent; already aborted: GLACIER_OK;
 * - completed: GLACIER_E_STATE, for there is an archive now;
 * - it cannot be known whether it is completed (GLACIER_STATE_UNKNOWN, or Complete was sent and the service does not
 *   know the upload any more): GLACIER_E_OUTCOME_UNKNOWN.
 *
 * A run that was started, or a stream that is being written, is canceled first, and what is in flight awaited: it ends
 * with GLACIER_E_CANCELED. The journal says that the upload is aborted.
 *
 * Any thread; one working call at a time. Callbacks come on the calling thread.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_STATE; GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_IO;
 * GLACIER_E_MEMORY; GLACIER_E_JOURNAL; GLACIER_E_LOCKED; GLACIER_E_NETWORK; GLACIER_E_TLS; GLACIER_E_TIMEOUT;
 * GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS; GLACIER_E_THROTTLED;
 * GLACIER_E_NOT_FOUND (the service does not know the upload); GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED;
 * GLACIER_E_OUTCOME_UNKNOWN; GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC; GLACIER_E_INTERNAL. Source:
 * Amazon Glacier developer guide, "Abort Multipart Upload". Since: 0.1
 */
glacier_result_t glacier_upload_abort(glacier_upload_t *upload,
                                      glacier_error_t **err);

/**
 * The parts that the service holds of an upload, from glacier_upload_list_parts, in the order of their offsets.
 *
 * Freed by glacier_parts_free. It never changes, and any number of threads may read it at once.
 */
typedef struct glacier_parts_t glacier_parts_t;

/**
 * Asks the service for the parts that it holds of the upload, page by page to the end. Parts on their way are not in
 * it.
 *
 * *out gets the list, which may be empty; free it with glacier_parts_free.
 *
 * After glacier_upload_initiate or glacier_upload_set_upload_id. Any thread; one working call at a time. Callbacks
 * come on it.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload, out); GLACIER_E_INVALID (a part size was set that the upload does not
 * have); GLACIER_E_STATE (not initiated and not attached, or already completed or aborted); GLACIER_E_BUSY;
 * GLACIER_E_FORKED; GLACIER_E_IO; GLACIER_E_MEMORY; GLACIER_E_JOURNAL; GLACIER_E_LOCKED; GLACIER_E_NETWORK;
 * GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS;
 * GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the service does not know the upload); GLACIER_E_LIMIT;
 * GLACIER_E_NO_LONGER_SUPPORTED; GLACIER_E_OUTCOME_UNKNOWN (as the state is GLACIER_STATE_UNKNOWN);
 * GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC; GLACIER_E_INTERNAL. Source: Amazon Glacier developer
 * guide, "List Parts". Since: 0.1
 */
glacier_result_t glacier_upload_list_parts(glacier_upload_t *upload,
                                           glacier_parts_t **out,
                                           glacier_error_t **err);

/** The number of parts in the list. 0 for NULL. Since: 0.1 */
size_t glacier_parts_count(const glacier_parts_t *parts);

/**
 * Where part number index of the list begins in the archive, in bytes. index counts from 0 to glacier_parts_count -
 * 1 and is not the index of glacier_upload_put_part: the list may have gaps. 0 for NULL and past the end. Since: 0.1
 */
uint64_t glacier_parts_offset(const glacier_parts_t *parts,
                              size_t index);

/** The bytes of that part. 0 for NULL and past the end. Since: 0.1 */
uint64_t glacier_parts_length(const glacier_parts_t *parts, size_t index);

/**
 * The tree hash of that part as the service has it, 64 hexadecimal digits in lower case. Valid until the list is
 * freed. NULL for NULL and past the end. Since: 0.1
 */
const char *glacier_parts_tree_hash(const glacier_parts_t *parts,
                                    size_t index);

/** Frees a list of parts, and with it the texts that came from it. NULL is ignored. Since: 0.1 */
void glacier_parts_free(glacier_parts_t *parts);

/* ==== 3. Watching ==================================================================================================
 *
 * What may be asked of an upload, and told to it, at any time; and what an error has to tell.
 */

/**
 * Asks the working calls of the upload to stop; they return GLACIER_E_CANCELED. The upload stays in the vault.
 *
 * It stops each working call in progress or, if there is none, the next one. When all those in progress have
 * returned, and one of them because of the request (GLACIER_E_CANCELED, or GLACIER_E_OUTCOME_UNKNOWN), it is used up,
 * and the upload can run again. If they all ended for other reasons, GLACIER_OK included, it stays and stops the
 * next.
 *
 * Calls return within 250 ms, with two exceptions: a name lookup of the system that is in progress cannot be
 * interrupted; and while Complete is on its way, its answer is awaited for up to 10 s, which a second cancel does not
 * shorten: without it the result is GLACIER_E_OUTCOME_UNKNOWN. Parts in flight are sent again later, at most the
 * number of workers times the part size. While Initiate is on its way, an empty upload without a known ID may be left
 * in the vault; it costs nothing and vanishes by itself.
 *
 * It returns at once. Any thread, at any time, in callbacks, and in a signal handler: it is one atomic store. NULL is
 * ignored. Since: 0.1
 */
void glacier_upload_cancel(glacier_upload_t *upload);

/** Where an upload stands: one of the values of glacier_state_names. Later versions may add values. Since: 0.1 */
typedef int32_t glacier_state_t;

/** The values of glacier_state_t. */
typedef enum {
    /** Nothing is initiated, and the service was not asked about an attached upload yet. */
    GLACIER_STATE_NEW = 0,
    /**
     * There is an upload ID, and no part was sent by this handle yet. Whether the service still knows an attached
     * upload, only the result of a working call tells.
     */
    GLACIER_STATE_INITIATED = 1,
    /** Parts are being sent, or were. */
    GLACIER_STATE_TRANSFERRING = 2,
    /** Complete was sent, and its answer is awaited, or will be asked for again. */
    GLACIER_STATE_COMPLETING = 3,
    /** There is an archive; glacier_upload_archive_id is known. */
    GLACIER_STATE_COMPLETED = 4,
    /** The upload is deleted. */
    GLACIER_STATE_ABORTED = 5,
    /** Complete was sent, and whether it was carried out cannot be known. */
    GLACIER_STATE_UNKNOWN = 6,
} glacier_state_names;

/** Where the upload stands; GLACIER_STATE_NEW for NULL. Any thread, at any time, in callbacks. Since: 0.1 */
glacier_state_t glacier_upload_state(const glacier_upload_t *upload);

/**
 * Writes how far the upload is to *out, for programs that would rather ask than be told.
 *
 * size_of_it is the size of *out as the program was compiled: sizeof(glacier_progress_t), at least 8. That many
 * bytes are written: fields that the program does not know are left out, and those that the library does not know
 * are 0. out->struct_size is the number of bytes filled.
 *
 * Any thread, at any time, in callbacks.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload, out); GLACIER_E_INVALID (size_of_it below 8, or more than memory can
 * hold); GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_progress(const glacier_upload_t *upload,
                                         glacier_progress_t *out,
                                         size_t size_of_it,
                                         glacier_error_t **err);

/**
 * Sets how many bytes of parts this upload may send, in bytes a second; 0, the default, is no limit of its own. That of
 * its client (glacier_config_set_bandwidth_limit, where all is said about limits) holds as well.
 *
 * It takes effect within 100 ms, also for parts that are being sent. Any thread, at any time, in callbacks.
 * Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_upload_set_bandwidth_limit(glacier_upload_t *upload,
                                                    uint64_t bytes_per_s,
                                                    glacier_error_t **err);

/**
 * The upload ID: with it any process may attach to the upload. NULL until the upload is initiated or attached, and
 * for NULL; never changing afterwards.
 *
 * Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
 */
const char *glacier_upload_id(const glacier_upload_t *upload);

/**
 * The path of the upload at the service, as it answered when this handle initiated it. NULL until then, of an
 * attached upload, and for NULL; never changing afterwards.
 *
 * Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
 */
const char *glacier_upload_location(const glacier_upload_t *upload);

/**
 * The path of the archive at the service. NULL until the upload is completed, and for NULL; never changing
 * afterwards.
 *
 * Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
 */
const char *glacier_upload_archive_location(const glacier_upload_t *upload);

/**
 * The tree hash of the archive, 64 hexadecimal digits in lower case. NULL until it is known, at the latest when
 * the upload is completed, and for NULL; never changing afterwards.
 *
 * Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
 */
const char *glacier_upload_tree_hash(const glacier_upload_t *upload);

/**
 * The name of the vault. NULL for NULL.
 *
 * Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
 */
const char *glacier_upload_vault(const glacier_upload_t *upload);

/** The part size in bytes; 0 until it is known, and for NULL. Any thread, at any time, in callbacks. Since: 0.1 */
uint64_t glacier_upload_part_size(const glacier_upload_t *upload);

/**
 * The service's operation that failed, such as "UploadMultipartPart"; NULL if it was none, and for NULL.
 *
 * Valid until the error is freed. Since: 0.1
 */
const char *glacier_error_operation(const glacier_error_t *error);

/** The HTTP status of the service's answer; 0 if there was none, and for NULL. Since: 0.1 */
int32_t glacier_error_http_status(const glacier_error_t *error);

/**
 * The service's own error code, such as "ResourceNotFoundException"; NULL if the response had none, and for NULL.
 * Sanitized as the message is, and at most 128 characters long.
 *
 * Valid until the error is freed. Since: 0.1
 */
const char *glacier_error_service_code(const glacier_error_t *error);

/**
 * The service's ID of the failed request, which AWS support asks for; NULL if there was no response, and for NULL.
 * Sanitized as the message is, and at most 128 characters long.
 *
 * Valid until the error is freed. Since: 0.1
 */
const char *glacier_error_request_id(const glacier_error_t *error);

/**
 * 1 if the failure is transient or ambiguous, so that the same call may succeed later; 0 otherwise, and for NULL.
 *
 * The library has retried the request already: see glacier_config_set_max_attempts. Since: 0.1
 */
int32_t glacier_error_is_retryable(const glacier_error_t *error);

/**
 * 1 if, as far as the handle knows, the upload is in the vault and can be carried on, with this handle or with a new
 * one, as told under "Carrying on" above; 0 otherwise, and for NULL. It says nothing of whether the source fits. After
 * GLACIER_E_OUTCOME_UNKNOWN only this handle, or one with the same journal, can carry on. Since: 0.1
 */
int32_t glacier_error_is_resumable(const glacier_error_t *error);

/**
 * The name of a result as it stands here, such as "GLACIER_E_NOT_FOUND"; "GLACIER_E_UNKNOWN" for a number that this
 * version does not know.
 *
 * Static: never NULL, never freed. Any thread, at any time. Since: 0.1
 */
const char *glacier_result_name(glacier_result_t result);

/**
 * What a result says by itself, in English; glacier_error_message says more about the case at hand.
 *
 * Static: never NULL, never freed. Any thread, at any time. Since: 0.1
 */
const char *glacier_result_message(glacier_result_t result);

/* ==== 4. Helpers ===================================================================================================
 *
 * -- Tree hashes: the service's checksum of parts and archives. -------------------------------------------------------
 */

/**
 * The tree hash of bytes that come piece by piece. One thread uses it at a time; a second one gets GLACIER_E_BUSY.
 *
 * Freed by glacier_treehash_free.
 */
typedef struct glacier_treehash_t glacier_treehash_t;

/** Begins a tree hash. NULL if there is no memory for it. Any thread. Since: 0.1 */
glacier_treehash_t *glacier_treehash_new(void);

/**
 * Adds len bytes. How the bytes are cut into calls makes no difference to the hash; with 16 MiB or more a call, some
 * processors are twice as fast. data may be NULL if len is 0.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (treehash, data); GLACIER_E_INVALID (len is more than memory can hold);
 * GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
 */
glacier_result_t glacier_treehash_update(glacier_treehash_t *treehash,
                                         const void *data,
                                         size_t len,
                                         glacier_error_t **err);

/**
 * Writes the tree hash of all bytes added, 32 bytes, to out, and is ready for the next. Of no bytes it is the
 * SHA-256 of nothing.
 *
 * Results: GLACIER_OK; GLACIER_E_NULL (treehash, out); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
 *
 */
glacier_result_t glacier_treehash_finish(glacier_treehash_t *treehash,
                                         uint8_t out[32],
                                         glacier_error_t **err);

/** Frees a tree hash. NULL is ignored. Since: 0.1 */
void glacier_treehash_free(glacier_treehash_t *treehash);

/**
 * Folds the tree hashes of the parts of an archive into the tree hash of the archive.
 *
 * digests holds count hashes of 32 bytes each, one after the other in the order of the parts. It is right for parts
 * of one size that is a power of two of MiB, of which the last may be short. The 32 bytes of the result go to out.
 *
 * Any thread.
 * Results: GLACIER_OK; GLACIER_E_NULL (digests, out); GLACIER_E_INVALID (count is 0, or more than memory can hold);
 * GLACIER_E_PANIC. Source: Amazon Glacier developer guide, "Computing Checksums". Since: 0.1
 *
 */
glacier_result_t glacier_treehash_combine(const uint8_t *digests,
                                          size_t count,
                                          uint8_t out[32],
                                          glacier_error_t **err);

/**
 * Computes the tree hash of a regular file with several threads, 0 for as many as the machine has cores. The 32
 * bytes of the result go to out. Each thread takes at most 16 MiB of memory.
 *
 * callback may be NULL. Else it comes on the calling thread, at least 4 times a second, with bytes_total,
 * bytes_hashed and elapsed_ms (the other fields are 0), and a last time when the hashing is over; user_data is
 * handed to it as it is.
 *
 * Any thread; it returns when no thread of its own is left.
 * Results: GLACIER_OK; GLACIER_E_NULL (path, out); GLACIER_E_IO (it cannot be read, or is not a regular file);
 * GLACIER_E_SOURCE_CHANGED (it changed meanwhile); GLACIER_E_MEMORY (no thread, or no memory to read into, could be
 * had); GLACIER_E_CALLBACK (the callback did not return GLACIER_CONTINUE); GLACIER_E_PANIC. Since: 0.1
 *
 */
glacier_result_t glacier_treehash_file(const char *path,
                                       uint32_t threads,
                                       glacier_progress_fn callback,
                                       void *user_data,
                                       uint8_t out[32],
                                       glacier_error_t **err);

/* -- Plans: how an archive would be cut into parts. ---------------------------------------------------------------- */

/**
 * How an archive of a given size is cut into parts: pure arithmetic, nothing is sent.
 *
 * Freed by glacier_plan_free. It never changes, and any number of threads may read it at once.
 */
typedef struct glacier_plan_t glacier_plan_t;

/**
 * Plans an archive of size bytes: 1 to 42,949,672,960,000 (10,000 parts of 4 GiB).
 *
 * part_size is in bytes: a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB), at which size makes no more
 * than 10,000 parts; or 0 for what glacier_upload_run chooses: the smallest that keeps to 10,000 parts, and not
 * below 16 MiB.
 *
 * *out gets the plan; free it with glacier_plan_free. Any thread.
 * Results: GLACIER_OK; GLACIER_E_NULL (out); GLACIER_E_INVALID (size or part_size not allowed, or not together);
 * GLACIER_E_PANIC.
 * Source of the limits: Amazon Glacier developer guide, "Uploading Large Archives in Parts". Since: 0.1
 */
glacier_result_t glacier_plan_new(uint64_t size,
                                  uint64_t part_size,
                                  glacier_plan_t **out,
                                  glacier_error_t **err);

/** The bytes of each part; the last may have less. 0 for NULL. Since: 0.1 */
uint64_t glacier_plan_part_size(const glacier_plan_t *plan);

/** The number of parts. 0 for NULL. Since: 0.1 */
uint32_t glacier_plan_part_count(const glacier_plan_t *plan);

/**
 * The number of requests that the upload takes if none has to be repeated, which is what the service charges for:
 * one to initiate, one a part, one to complete. 0 for NULL. Since: 0.1
 */
uint32_t glacier_plan_request_count(const glacier_plan_t *plan);

/**
 * The memory limit in bytes, for glacier_config_set_memory_limit, from which on no part has to be read twice with
 * that many workers. Less works as well: see there. 0 for NULL. Since: 0.1
 */
uint64_t glacier_plan_memory(const glacier_plan_t *plan,
                             uint32_t workers);

/** Frees a plan. NULL is ignored. Since: 0.1 */
void glacier_plan_free(glacier_plan_t *plan);

/* -- Versions ------------------------------------------------------------------------------------------------------ */

/**
 * The version of the library that runs, such as "0.1.0". GLACIER_MP_VERSION is that of this header.
 *
 * Static: never NULL, never freed. Any thread, at any time. Since: 0.1
 */
const char *glacier_version(void);

/**
 * The version of the library that runs, as a number that grows: major << 16 | minor << 8 | patch.
 * GLACIER_MP_VERSION_NUMBER is that of this header.
 *
 * Any thread, at any time. Since: 0.1
 */
uint32_t glacier_version_number(void);

/**
 * The number in the library's SONAME. Within one number, functions, results and fields at the end of
 * glacier_progress_t are added, and nothing is changed or taken away. A program that loads the library by itself
 * should refuse another number than GLACIER_MP_ABI_VERSION.
 *
 * Any thread, at any time. Since: 0.1
 */
uint32_t glacier_abi_version(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* GLACIER_MP_H */
