/*
 * glacier_mp.hpp: header-only C++17 interface to libglacier_mp.
 *
 * Each class owns one handle of the C interface. The manual of the library is the C header glacier_mp.h: threads,
 * callbacks, cancellation, resuming, streaming, memory, service limits. This header describes the C++ interface.
 *
 *     #include <glacier_mp.hpp>
 *     #include <iostream>
 *
 *     int main() {
 *         try {
 *             glacier_mp::client client; // the region and the keys come from the environment
 *             glacier_mp::upload upload(client, "my-vault");
 *             upload.source_file("backup.tar").journal("backup.journal");
 *             std::cout << upload.run().id << '\n';
 *         } catch (const glacier_mp::error &e) {
 *             std::cerr << e.what() << '\n';
 *             return 1;
 *         }
 *     }
 *
 * Compile with `c++ -std=c++17 program.cpp $(pkg-config --cflags --libs glacier_mp)`. To resume after a failure, call
 * run() again, or start the program again: the journal has the upload ID.
 *
 * == Settings ==
 *
 * A setter of config or upload returns a reference to its object, so that calls can be chained. To keep a config, name
 * it first: `glacier_mp::config settings; settings.region("eu-central-1");`.
 *
 * == Errors ==
 *
 * A failed call throws a subclass of glacier_mp::error, which has all details of the failure. The subclass gives the
 * origin: usage_error, local_error, transport_error, service_error, integrity_error, stopped_error, internal_error.
 * error::code() gives the exact result, such as GLACIER_E_NOT_FOUND. The comment of a function lists after "Throws:"
 * what a caller may want to handle. Each function that is not noexcept may also throw usage_error for wrong use,
 * local_error if out of memory (GLACIER_E_MEMORY), std::bad_alloc, and internal_error.
 *
 * The working calls of an upload talk to the service: run, transfer, start, write, finish, initiate, put_part,
 * list_parts, complete and abort. "The errors of requests" are transport_error, service_error and stopped_error
 * (canceled, or a callback returned false), local_error for the source and the journal, and the exceptions of
 * callbacks.
 *
 * == Ownership ==
 *
 * All handle types are move-only. A moved-from object may only be destroyed or assigned to. Objects may be destroyed in
 * any order: an upload keeps what it needs of its client. Text and path parameters are copied. A NUL character inside
 * throws usage_error. Callable objects are moved or copied into the library, which destroys them when they are
 * replaced, or after the object and the last call that uses them have ended.
 *
 * == Callbacks ==
 *
 * A callback is any callable object. It runs on the thread of the working call, or after start() on the upload's own
 * thread. If it throws, the working call stops and throws the same exception. This also holds if the call has succeeded
 * meanwhile: the last progress callback of a run may come after the archive was created, and the getters then have the
 * archive ID. An exception of a log callback is ignored.
 *
 * Inside a callback of an upload only cancel, state, progress, bandwidth_limit and the getters of that upload are
 * allowed, and its destruction. Every other call on it throws usage_error (GLACIER_E_BUSY).
 *
 * == Threads ==
 *
 * Any number of threads may use a client at once. A config or a treehash is for one thread at a time. For an upload,
 * any number of threads may be in put_part at once; every other working call and every setter needs exclusive use of
 * the object, and otherwise throws usage_error (GLACIER_E_BUSY). Any thread may call cancel, wait, wait_for, state,
 * progress, bandwidth_limit and the getters at any time. Moving or destroying an object while another thread calls it
 * is a data race, except that a started run does not use the object itself.
 */
#ifndef GLACIER_MP_HPP
#define GLACIER_MP_HPP

#include <glacier_mp.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <future>
#include <ios>
#include <istream>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if __cplusplus >= 202002L
#include <version>
#endif
#if defined(__cpp_lib_span)
#include <span>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace glacier_mp {

/** A SHA-256 tree hash: 32 bytes. */
using digest = std::array<std::uint8_t, 32>;

/** The `total` of a source of unknown length, and the bytes_total of a progress that is not known yet. */
inline constexpr std::uint64_t unknown_length = GLACIER_UNKNOWN_LENGTH;

/**
 * The progress of an upload, or of hashing a file. The counters are the fields of glacier_progress_t: bytes_total,
 * bytes_done, bytes_resumed, bytes_hashed, bytes_sent, parts_total, parts_done, parts_in_flight, retries, workers and
 * elapsed_ms.
 */
struct progress : glacier_progress_t {
    /** Creates counters of 0. */
    progress() noexcept : glacier_progress_t{} {}
    /** Copies the fields that the library filled. A field that it does not know is 0. */
    explicit progress(const glacier_progress_t &counters) noexcept : glacier_progress_t{} {
        const auto filled = static_cast<std::size_t>(counters.struct_size);
        glacier_progress_t &to = *this;
        std::memcpy(&to, &counters, filled < sizeof to ? filled : sizeof to);
    }

    /** The bytes of the archive that the service holds: bytes_done + bytes_resumed. */
    std::uint64_t bytes_stored() const noexcept { return bytes_done + bytes_resumed; }
    /** The fraction of the archive that the service holds, 0 to 1; std::nullopt while the archive size is unknown. */
    std::optional<double> fraction() const noexcept {
        if (bytes_total == unknown_length || bytes_total == 0) {
            return std::nullopt;
        }
        return static_cast<double>(bytes_stored()) / static_cast<double>(bytes_total);
    }
    /** The time since the start of the first working call that moved data. */
    std::chrono::milliseconds elapsed() const noexcept {
        return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(elapsed_ms));
    }
};

/** The state of an upload: see glacier_state_names. Later library versions may return other values. */
enum class state : glacier_state_t {
    /** No working call has initiated an upload, or used the given upload ID or journal. */
    created = GLACIER_STATE_NEW,
    /** The upload has an ID, and this handle has sent no part. The service may not know the ID of an attached upload. */
    initiated = GLACIER_STATE_INITIATED,
    /** Parts are being sent or were sent. */
    transferring = GLACIER_STATE_TRANSFERRING,
    /** Complete was sent, and its response is awaited or will be requested again. */
    completing = GLACIER_STATE_COMPLETING,
    /** There is an archive. */
    completed = GLACIER_STATE_COMPLETED,
    /** The upload is deleted. */
    aborted = GLACIER_STATE_ABORTED,
    /** Complete was sent, and its outcome cannot be determined. */
    unknown = GLACIER_STATE_UNKNOWN,
};

/** The level of a log line: see glacier_log_level_names. Each level includes the levels before it. */
enum class log_level : glacier_log_level_t {
    /** Nothing. */
    off = GLACIER_LOG_OFF,
    /** Why a call failed. */
    error = GLACIER_LOG_ERROR,
    /** Recovered failures, such as a retry. */
    warn = GLACIER_LOG_WARN,
    /** The steps of an upload. */
    info = GLACIER_LOG_INFO,
    /** Each request. */
    debug = GLACIER_LOG_DEBUG,
};

/* ==== Errors ====================================================================================================== */

/**
 * The base class of all exceptions of this library.
 *
 * what() is one line of English: what failed, on which object, and what to do. It contains no secret and no control
 * character: see glacier_error_message. A result code of a later library version that is outside all ranges below is
 * thrown as this class. Copying does not throw. Any number of threads may use an error at once.
 */
class error : public std::runtime_error {
public:
    /** Creates an error with a result code and a message, without details of the service. */
    error(glacier_result_t code, const std::string &message) : error(code, message, details{}) {}

    /** The result code: one of glacier_result_names. */
    glacier_result_t code() const noexcept { return details_->code; }
    /** The name of the result code, such as "GLACIER_E_NOT_FOUND". */
    const char *name() const noexcept { return glacier_result_name(code()); }
    /** The service's operation that failed, such as "UploadMultipartPart"; empty if there was none. */
    const std::string &operation() const noexcept { return details_->operation; }
    /** The HTTP status of the service's response; 0 if there was none. */
    int http_status() const noexcept { return details_->http_status; }
    /** The service's error code, such as "ResourceNotFoundException"; empty if there was none. */
    const std::string &service_code() const noexcept { return details_->service_code; }
    /** The service's ID of the failed request, for AWS Support; empty if there was none. */
    const std::string &request_id() const noexcept { return details_->request_id; }
    /**
     * True if the failure is transient, so that the same call may succeed later. The library has already retried it.
     */
    bool is_retryable() const noexcept { return details_->retryable; }
    /**
     * True if the upload is in the vault and can be resumed: call the same function again or, always for a stream,
     * create an upload with the same source and the same journal or upload ID. See glacier_error_is_resumable.
     */
    bool is_resumable() const noexcept { return details_->resumable; }

    /** Throws the subclass for a result code other than GLACIER_OK. Copies the details of err, which may be NULL. */
    [[noreturn]] static void raise(glacier_result_t result, const glacier_error_t *err);

protected:
    /** The details of a glacier_error_t. */
    struct details {
        glacier_result_t code = GLACIER_E_INTERNAL;
        int http_status = 0;
        bool retryable = false;
        bool resumable = false;
        std::string operation{};
        std::string service_code{};
        std::string request_id{};
    };

    error(glacier_result_t code, const std::string &message, details facts) : std::runtime_error(message) {
        facts.code = code;
        details_ = std::make_shared<const details>(std::move(facts));
    }

private:
    template <typename Class> [[noreturn]] static void raise_as(glacier_result_t, const std::string &, details);

    std::shared_ptr<const details> details_;
};

/**
 * A value or a call is not allowed (codes 1 to 99): GLACIER_E_INVALID, GLACIER_E_STATE, GLACIER_E_BUSY,
 * GLACIER_E_FORKED. Nothing was sent. what() has the value and the rule.
 */
class usage_error : public error {
    using error::error;
};

/**
 * A failure on this machine (codes 100 to 199): GLACIER_E_IO, GLACIER_E_MEMORY, GLACIER_E_SOURCE_SHORT,
 * GLACIER_E_SOURCE_CHANGED, GLACIER_E_JOURNAL, GLACIER_E_LOCKED.
 */
class local_error : public error {
    using error::error;
};

/**
 * A failure of the connection to the service (codes 200 to 299): GLACIER_E_NETWORK, GLACIER_E_TLS, GLACIER_E_TIMEOUT,
 * GLACIER_E_PROTOCOL.
 */
class transport_error : public error {
    using error::error;
};

/**
 * An error response of the service (codes 300 to 399): GLACIER_E_SERVICE, GLACIER_E_ACCESS, GLACIER_E_CREDENTIALS,
 * GLACIER_E_THROTTLED, GLACIER_E_NOT_FOUND, GLACIER_E_LIMIT, GLACIER_E_NO_LONGER_SUPPORTED, GLACIER_E_OUTCOME_UNKNOWN.
 * See service_code(), http_status() and request_id().
 */
class service_error : public error {
    using error::error;
};

/**
 * An integrity failure (codes 400 to 499): a tree hash differs (GLACIER_E_TREE_HASH), or parts are missing
 * (GLACIER_E_INCOMPLETE).
 */
class integrity_error : public error {
    using error::error;
};

/**
 * A call that was stopped (codes 500 to 599) by cancel() (GLACIER_E_CANCELED), or by a callback that returned false
 * (GLACIER_E_CALLBACK).
 */
class stopped_error : public error {
    using error::error;
};

/** A defect in the library (codes 900 to 999). Please report it with the message. */
class internal_error : public error {
    using error::error;
};

template <typename Class> void error::raise_as(glacier_result_t code, const std::string &message, details facts) {
    throw Class(code, message, std::move(facts));
}

inline void error::raise(glacier_result_t result, const glacier_error_t *err) {
    const auto text = [](const char *value) { return std::string(value != nullptr ? value : ""); };
    const std::string message = text(err != nullptr ? glacier_error_message(err) : glacier_result_message(result));
    details facts;
    facts.http_status = glacier_error_http_status(err);
    facts.retryable = glacier_error_is_retryable(err) != 0;
    facts.resumable = glacier_error_is_resumable(err) != 0;
    facts.operation = text(glacier_error_operation(err));
    facts.service_code = text(glacier_error_service_code(err));
    facts.request_id = text(glacier_error_request_id(err));
    switch (result / 100) {
    case 0: raise_as<usage_error>(result, message, std::move(facts));
    case 1: raise_as<local_error>(result, message, std::move(facts));
    case 2: raise_as<transport_error>(result, message, std::move(facts));
    case 3: raise_as<service_error>(result, message, std::move(facts));
    case 4: raise_as<integrity_error>(result, message, std::move(facts));
    case 5: raise_as<stopped_error>(result, message, std::move(facts));
    case 9: raise_as<internal_error>(result, message, std::move(facts));
    default: raise_as<error>(result, message, std::move(facts));
    }
}

/* ==== Details ===================================================================================================== */

namespace detail {

/** A deleter that frees a handle by its C function. */
template <auto Free> struct deleter {
    template <typename Handle> void operator()(Handle *handle) const noexcept { Free(handle); }
};

template <typename Handle, auto Free> using owned = std::unique_ptr<Handle, deleter<Free>>;

/** Calls a C function with an error output, and throws the error. */
template <typename Call> void check(Call &&call) {
    glacier_error_t *err = nullptr;
    const glacier_result_t result = std::forward<Call>(call)(&err);
    const owned<glacier_error_t, glacier_error_free> reported(err);
    if (result != GLACIER_OK) {
        error::raise(result, err);
    }
}

/** Returns a NUL-terminated copy. Throws usage_error if the text contains NUL. */
inline std::string terminated(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) {
        throw usage_error(GLACIER_E_INVALID, "the text must not contain a NUL character, but has one at position " +
                                                 std::to_string(text.find('\0')));
    }
    return std::string(text);
}

/** Returns a time in milliseconds. Throws usage_error if it is negative. */
inline std::uint64_t milliseconds(std::chrono::milliseconds time) {
    if (time.count() < 0) {
        throw usage_error(GLACIER_E_INVALID,
                          "a time must not be negative, not " + std::to_string(time.count()) + " ms");
    }
    return static_cast<std::uint64_t>(time.count());
}

/** Returns a C string as a view; empty for NULL. */
inline std::string_view view(const char *text) noexcept {
    return text != nullptr ? std::string_view(text) : std::string_view();
}

/** Returns the owner of a new handle. Throws std::bad_alloc for NULL. */
template <typename Owned> Owned allocated(typename Owned::pointer handle) {
    if (handle == nullptr) {
        throw std::bad_alloc();
    }
    return Owned(handle);
}

/** How the last call of a callback ended. Any thread may use it. */
class outcome {
public:
    /** Records a call that continued, or that stopped the work, by this exception if it is not NULL. */
    void store(bool stopped, std::exception_ptr exception) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopped_ = stopped;
        exception_ = std::move(exception);
    }

    /** Returns the exception that the callback threw; NULL if it threw none. */
    std::exception_ptr exception() const noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        return exception_;
    }

    /** Returns whether the callback stopped the work. */
    bool stopped() const noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        return stopped_;
    }

private:
    mutable std::mutex mutex_;
    bool stopped_ = false;
    std::exception_ptr exception_;
};

/** Calls the function of upload::source_callback. */
template <typename Function> std::size_t read_with(Function &function, std::byte *buffer, std::size_t capacity) {
#if defined(__cpp_lib_span)
    if constexpr (std::is_invocable_v<Function &, std::span<std::byte>>) {
        return function(std::span<std::byte>(buffer, capacity));
    } else {
        return function(buffer, capacity);
    }
#else
    return function(buffer, capacity);
#endif
}

/**
 * The outcomes of all callbacks that a working call of an upload may run.
 *
 * A call takes the outcomes when it ends, so that later calls do not see them. A call that was not admitted
 * (GLACIER_E_BUSY) leaves them to the call in progress.
 */
class outcomes {
public:
    explicit outcomes(std::shared_ptr<const outcome> of_provider) noexcept : provider_(std::move(of_provider)) {}

    outcome source;
    outcome progress;
    /** The last background run. */
    outcome run;

    /** Returns the exception that ended an exclusive call: that of a callback, also if the call succeeded meanwhile. */
    std::exception_ptr take_exclusive(glacier_result_t result) noexcept {
        if (result == GLACIER_E_BUSY) {
            return nullptr;
        }
        std::exception_ptr exception = own();
        if (exception == nullptr) {
            exception = exception_for(result);
        }
        reset();
        return exception;
    }

    /** As take_exclusive, at the end of a background run. Keeps the exception for the threads that wait. */
    std::exception_ptr take_run(glacier_result_t result) noexcept {
        std::exception_ptr exception = take_exclusive(result);
        run.store(false, exception);
        run_ends_.store(true);
        return exception;
    }

    /** Returns whether a background run has ended, or has a result and is about to end. */
    bool run_ends() const noexcept { return run_ends_.load(); }

    /** Records that a background run is about to start. */
    void run_starts() noexcept { run_ends_.store(false); }

    /** Counts a call that may run beside others of its kind. */
    void enter_shared() noexcept { shared_calls_.fetch_add(1); }

    /** Returns the exception that ended a shared call. The last of the calls in progress takes the outcomes. */
    std::exception_ptr take_shared(glacier_result_t result) noexcept {
        std::exception_ptr exception = exception_for(result);
        if (shared_calls_.fetch_sub(1) == 1 && result != GLACIER_E_BUSY) {
            reset();
        }
        return exception;
    }

private:
    /** Returns the exception of the upload's own callbacks; NULL if there is none. */
    std::exception_ptr own() const noexcept {
        std::exception_ptr read = source.exception();
        return read != nullptr ? read : progress.exception();
    }

    /** Returns the exception that ended a call with this result; NULL if none did. */
    std::exception_ptr exception_for(glacier_result_t result) const noexcept {
        if (result != GLACIER_E_CALLBACK) {
            return nullptr;
        }
        return source.stopped() || progress.stopped() ? own() : provider_->exception();
    }

    void reset() noexcept {
        source.store(false, nullptr);
        progress.store(false, nullptr);
    }

    std::shared_ptr<const outcome> provider_;
    std::atomic<unsigned> shared_calls_{0};
    std::atomic<bool> run_ends_{false};
};

/** Makes a C call. `exception_for` returns the exception that replaces the error of a result, or NULL. */
template <typename Call, typename ExceptionFor> void check_or_rethrow(Call &&call, ExceptionFor &&exception_for) {
    glacier_error_t *err = nullptr;
    const glacier_result_t result = std::forward<Call>(call)(&err);
    const owned<glacier_error_t, glacier_error_free> reported(err);
    if (const std::exception_ptr exception = std::forward<ExceptionFor>(exception_for)(result)) {
        std::rethrow_exception(exception);
    }
    if (result != GLACIER_OK) {
        error::raise(result, err);
    }
}

/** Makes a C call that may run the credentials provider only. */
template <typename Call> void check_with(const outcome &provider, Call &&call) {
    check_or_rethrow(std::forward<Call>(call), [&](glacier_result_t result) {
        return result == GLACIER_E_CALLBACK ? provider.exception() : nullptr;
    });
}

/** Calls a function that returns void or bool. Returns true for void. */
template <typename Function, typename... Arguments> bool continues(Function &function, Arguments &&...arguments) {
    if constexpr (std::is_void_v<std::invoke_result_t<Function &, Arguments...>>) {
        function(std::forward<Arguments>(arguments)...);
        return true;
    } else {
        return static_cast<bool>(function(std::forward<Arguments>(arguments)...));
    }
}

/** The user_data of a C callback: a callable object, and how its last call ended. */
template <typename Function> struct callback {
    Function function;
    std::shared_ptr<outcome> last;

    /** Allocates a callback. The library owns it as soon as the setter is called. */
    template <typename Callable> static callback *make(Callable &&callable, std::shared_ptr<outcome> last) {
        return new callback{std::forward<Callable>(callable), std::move(last)};
    }

    static callback &from(void *user_data) noexcept { return *static_cast<callback *>(user_data); }
    static void destroy(void *user_data) noexcept { delete static_cast<callback *>(user_data); }

    /** Runs `body`, which returns true to continue. Stores an exception, and stops the call. */
    template <typename Body> std::int32_t guarded(Body &&body) noexcept {
        try {
            const bool more = std::forward<Body>(body)(function);
            last->store(!more, nullptr);
            return more ? GLACIER_CONTINUE : GLACIER_STOP;
        } catch (...) {
            last->store(true, std::current_exception());
            return GLACIER_STOP;
        }
    }

    /** The glacier_progress_fn of a function that takes a progress and returns void or bool. */
    static std::int32_t report(void *user_data, const glacier_progress_t *counters) noexcept {
        return from(user_data).guarded(
            [&](auto &reporter) { return continues(reporter, glacier_mp::progress(*counters)); });
    }
};

} // namespace detail

/* ==== Settings and clients ======================================================================================== */

/** Keys that sign requests: printable ASCII without spaces. See glacier_credentials_set. */
struct credentials {
    /** The access key ID. */
    std::string key_id;
    /** The secret access key. */
    std::string secret_key;
    /** The session token of temporary credentials; empty for none. */
    std::string session_token{};
    /** The expiration time, used in whole seconds; std::nullopt for keys that do not expire. */
    std::optional<std::chrono::system_clock::time_point> expires{};
};

/**
 * The settings of clients. One thread at a time may use a config.
 *
 * Initial values come from the environment and from a profile of the AWS files, see glacier_config_new. A setter
 * overrides both, and throws usage_error (GLACIER_E_INVALID) if the value is not allowed; the setting is then unchanged.
 * A time is any std::chrono duration that converts to milliseconds without loss.
 */
class config {
public:
    /** Creates settings from the environment and the defaults. Throws: std::bad_alloc. */
    config() : handle_(detail::allocated<owned_handle>(glacier_config_new())) {}

    /**
     * Selects a profile of the AWS config and credentials files, such as "backup". Default: the one that the environment
     * selects, else "default". See glacier_config_set_profile.
     */
    config &profile(std::string_view name) { return text(glacier_config_set_profile, name); }
    /** Sets the AWS region of the vaults, such as "eu-central-1". It selects the endpoint and is part of signatures. */
    config &region(std::string_view name) { return text(glacier_config_set_region, name); }
    /**
     * Sets the endpoint: scheme, host and an optional port, such as "http://127.0.0.1:8080". Default: see
     * glacier_config_new.
     */
    config &endpoint(std::string_view url) { return text(glacier_config_set_endpoint, url); }
    /** Sets the account that owns the vaults: 12 digits, or "-", the default, for the account of the credentials. */
    config &account_id(std::string_view id) { return text(glacier_config_set_account_id, id); }
    /**
     * Sets the CA file: a PEM file with the only certificates to trust. The constructor of client reads it. Default: see
     * glacier_config_set_ca_file.
     */
    config &ca_file(const std::filesystem::path &path) { return text(glacier_config_set_ca_file, path.native()); }
    /**
     * Sets the proxy for all connections instead of the environment's: http://[user:password@]host[:port] or https://...;
     * "": no proxy. See glacier_config_set_proxy.
     */
    config &proxy(std::string_view url) { return text(glacier_config_set_proxy, url); }
    /** Sets the name of the program in the User-Agent header: 1 to 256 printable ASCII characters. Default: none. */
    config &user_agent(std::string_view name) { return text(glacier_config_set_user_agent, name); }
    /**
     * Sets the maximum number of parts in flight per upload: 1 to 32. Default: 8. See glacier_config_set_concurrency.
     */
    config &concurrency(std::uint32_t workers) { return number(glacier_config_set_concurrency, workers); }
    /**
     * Sets the maximum number of attempts per request for transient failures; 0: no maximum, only give_up_after
     * applies. Default: 10 attempts that reach the service. See glacier_config_set_max_attempts.
     */
    config &max_attempts(std::uint32_t attempts) { return number(glacier_config_set_max_attempts, attempts); }
    /**
     * Sets the total part-buffer memory of all uploads of a client, in bytes: at least 1,048,576 (1 MiB). Default:
     * 268,435,456 (256 MiB). Larger parts than fit are read twice: see plan::memory.
     */
    config &memory_limit(std::uint64_t bytes) { return number(glacier_config_set_memory_limit, bytes); }
    /** Sets the total bandwidth of all uploads of a client, in bytes per second; 0, the default: no limit. */
    config &bandwidth_limit(std::uint64_t bytes_per_second) {
        return number(glacier_config_set_bandwidth_limit, bytes_per_second);
    }
    /** Sets the maximum time to open a connection, TLS included: at least 1 ms. Default: 10 s. */
    config &connect_timeout(std::chrono::milliseconds time) {
        return number(glacier_config_set_connect_timeout_ms, detail::milliseconds(time));
    }
    /**
     * Sets the time within which a connection must make progress: at least 1 ms. Default: 60 s. See
     * glacier_config_set_stall_timeout_ms.
     */
    config &stall_timeout(std::chrono::milliseconds time) {
        return number(glacier_config_set_stall_timeout_ms, detail::milliseconds(time));
    }
    /**
     * Sets the time without an acknowledged part after which retries end: at least 1 ms. Default: 30 min. See
     * glacier_config_set_give_up_after_ms.
     */
    config &give_up_after(std::chrono::milliseconds time) {
        return number(glacier_config_set_give_up_after_ms, detail::milliseconds(time));
    }

    /**
     * Sets fixed keys that sign requests, instead of those of the environment or a provider. `keys.expires` is ignored,
     * because fixed keys are never replaced.
     */
    config &fixed_credentials(const credentials &keys) {
        const std::string id = detail::terminated(keys.key_id);
        const std::string secret = detail::terminated(keys.secret_key);
        const std::string token = detail::terminated(keys.session_token);
        detail::check([&](glacier_error_t **err) {
            return glacier_config_set_credentials(get(), id.c_str(), secret.c_str(), token.c_str(), err);
        });
        return *this;
    }

    /**
     * Sets a callable object `credentials provider()` that returns the keys that sign requests.
     *
     * It is called before the first request, before the keys expire, and when the service reports an expired token: see
     * glacier_credentials_fn. One call at a time per client; clients of the same config share the object and may call
     * it at the same time. If it throws, all calls that wait for keys stop and throw the same exception. The uploads
     * stay in the vault, and the next call asks the provider again.
     */
    template <typename Provider> config &credentials_provider(Provider &&provider) {
        using callback = detail::callback<std::decay_t<Provider>>;
        static_assert(std::is_invocable_r_v<credentials, std::decay_t<Provider> &>, "the provider returns credentials");
        const glacier_credentials_fn call = [](void *user_data, glacier_credentials_t *out) noexcept -> std::int32_t {
            return callback::from(user_data).guarded([out](auto &function) {
                give(out, function());
                return true;
            });
        };
        const auto data = callback::make(std::forward<Provider>(provider), provider_);
        detail::check([&](glacier_error_t **err) {
            return glacier_config_set_credentials_provider(get(), call, data, callback::destroy, err);
        });
        return *this;
    }

    /**
     * Sets a callable object `void log(log_level, std::string_view)` that receives the log lines of a level and of
     * those before it. Default: no log. Show log_level::warn to a person: see glacier_log_fn.
     *
     * A line is one line of English without a newline, and is valid only inside the callback. One line at a time per
     * client, on a thread inside a working call. An exception is ignored.
     */
    template <typename Log> config &log(log_level level, Log &&log) {
        using callback = detail::callback<std::decay_t<Log>>;
        const glacier_log_fn call = [](void *user_data, glacier_log_level_t at, const char *line) noexcept {
            try {
                callback::from(user_data).function(static_cast<log_level>(at), std::string_view(line));
            } catch (...) { // A failed log callback does not stop the upload.
            }
        };
        const auto data = callback::make(std::forward<Log>(log), provider_);
        detail::check([&](glacier_error_t **err) {
            return glacier_config_set_log(get(), static_cast<glacier_log_level_t>(level), call, data, callback::destroy,
                                          err);
        });
        return *this;
    }

    /** The C handle. This object still owns it. */
    glacier_config_t *get() const noexcept { return handle_.get(); }

private:
    friend class client;
    using owned_handle = detail::owned<glacier_config_t, glacier_config_free>;

    template <typename Setter> config &text(Setter setter, std::string_view value) {
        const std::string copy = detail::terminated(value);
        detail::check([&](glacier_error_t **err) { return setter(get(), copy.c_str(), err); });
        return *this;
    }

    template <typename Setter, typename Number> config &number(Setter setter, Number value) {
        detail::check([&](glacier_error_t **err) { return setter(get(), value, err); });
        return *this;
    }

    static void give(glacier_credentials_t *out, const credentials &keys) {
        const std::string id = detail::terminated(keys.key_id);
        const std::string secret = detail::terminated(keys.secret_key);
        const std::string token = detail::terminated(keys.session_token);
        std::int64_t expires = 0;
        if (keys.expires) {
            expires = std::chrono::duration_cast<std::chrono::seconds>(keys.expires->time_since_epoch()).count();
        }
        detail::check([&](glacier_error_t **err) {
            return glacier_credentials_set(out, id.c_str(), secret.c_str(), token.c_str(), expires, err);
        });
    }

    owned_handle handle_;
    std::shared_ptr<detail::outcome> provider_ = std::make_shared<detail::outcome>();
};

/** A multipart upload in progress, from client::list_uploads. */
struct upload_info {
    /** The upload ID. */
    std::string id;
    /** The archive description; empty if there is none. */
    std::string description;
    /** The time at which the upload was initiated, in whole seconds. */
    std::chrono::system_clock::time_point created;
    /** The part size in bytes. */
    std::uint64_t part_size;
};

/**
 * A client: the endpoint, account and credentials used for requests, and the memory and bandwidth limits shared by its
 * uploads. Any number of threads may use a client at once. It may be destroyed before its uploads.
 *
 * To upload several archives in parallel, use one client, and one upload object for each archive, each with start() or
 * on its own thread.
 */
class client {
public:
    /** Creates a client with the settings of the environment: as client(config()). */
    client() : client(config()) {}

    /**
     * Creates a client from a copy of the settings: later changes to them do not affect it. Sends nothing.
     *
     * Throws: usage_error (no region, an invalid value in the environment, no certificate in the CA file);
     * service_error with GLACIER_E_CREDENTIALS (the source of the keys is incomplete, such as one half of a key);
     * local_error with GLACIER_E_IO (the CA file cannot be read); transport_error with GLACIER_E_TLS.
     */
    explicit client(const config &settings) : provider_(settings.provider_) {
        glacier_client_t *handle = nullptr;
        detail::check([&](glacier_error_t **err) { return glacier_client_new(settings.get(), &handle, err); });
        handle_.reset(handle);
    }

    /**
     * Returns all multipart uploads in progress in a vault, in no order. Sends one request per page.
     *
     * Throws: the errors of requests; usage_error (vault name not allowed); service_error with GLACIER_E_NOT_FOUND (no
     * such vault); stopped_error (cancel); the exception of the credentials provider.
     */
    std::vector<upload_info> list_uploads(std::string_view vault) const {
        const std::string name = detail::terminated(vault);
        glacier_uploads_t *handle = nullptr;
        detail::check_with(*provider_, [&](glacier_error_t **err) {
            return glacier_client_list_uploads(get(), name.c_str(), &handle, err);
        });
        const detail::owned<glacier_uploads_t, glacier_uploads_free> list(handle);
        std::vector<upload_info> uploads;
        uploads.reserve(glacier_uploads_count(handle));
        for (std::size_t i = 0; i < glacier_uploads_count(handle); i++) {
            uploads.push_back(
                {std::string(detail::view(glacier_uploads_id(handle, i))),
                 std::string(detail::view(glacier_uploads_description(handle, i))),
                 std::chrono::system_clock::time_point(std::chrono::seconds(glacier_uploads_created_unix(handle, i))),
                 glacier_uploads_part_size(handle, i)});
        }
        return uploads;
    }

#if defined(__cpp_lib_jthread)
    /** As above. A stop request on `token` cancels the call, with the other list_uploads calls of the client. */
    std::vector<upload_info> list_uploads(std::string_view vault, const std::stop_token &token) const {
        const std::stop_callback stop(token, [this] { cancel(); });
        return list_uploads(vault);
    }
#endif

    /**
     * Cancels the list_uploads calls in progress, or the next one. They throw stopped_error (GLACIER_E_CANCELED).
     * Uploads are not affected. Any thread, any time, also in a signal handler.
     */
    void cancel() const noexcept { glacier_client_cancel(get()); }

    /** The C handle. This object still owns it. */
    glacier_client_t *get() const noexcept { return handle_.get(); }

private:
    friend class upload;

    detail::owned<glacier_client_t, glacier_client_free> handle_;
    std::shared_ptr<detail::outcome> provider_;
};

/* ==== Uploads ===================================================================================================== */

/** An archive. Store its ID: the service reports it again only in an inventory of the vault. */
struct archive {
    /** The archive ID. */
    std::string id;
    /** The URI path of the archive. */
    std::string location;
    /** The tree hash: 64 hexadecimal digits in lower case. */
    std::string tree_hash;
};

/** A stored part, from upload::list_parts. */
struct part_info {
    /** The offset of the first byte in the archive. */
    std::uint64_t offset;
    /** The length in bytes. */
    std::uint64_t length;
    /** The tree hash: 64 hexadecimal digits in lower case. */
    std::string tree_hash;
};

/**
 * One multipart upload, and the archive that it creates. The object has the same upload ID for its life.
 *
 * An upload sends parts in one of three ways: run, transfer and start for a source; write and finish for a stream;
 * initiate, put_part and complete for the operations of the service. The first of these calls decides, and the others
 * then throw usage_error (GLACIER_E_STATE).
 *
 * Setters must precede the first working call, which fixes the settings even if it fails: to change one, create another
 * object. Only on_progress (while no working call runs) and bandwidth_limit (any time) are exceptions. They throw
 * usage_error: GLACIER_E_INVALID (the value is not allowed), GLACIER_E_STATE (too late) or GLACIER_E_BUSY (another call
 * uses the object).
 *
 * The destructor frees the handle, without waiting. It cancels a call in progress and a background run. The upload
 * stays in the vault and can be resumed; abort() deletes it.
 */
class upload {
public:
    /**
     * Creates an object for an upload to an existing vault. Sends nothing.
     *
     * Throws: usage_error (vault name not allowed).
     */
    upload(const client &owner, std::string_view vault)
        : outcomes_(std::make_shared<detail::outcomes>(owner.provider_)) {
        const std::string name = detail::terminated(vault);
        glacier_upload_t *handle = nullptr;
        detail::check(
            [&](glacier_error_t **err) { return glacier_upload_new(owner.get(), name.c_str(), &handle, err); });
        handle_ = std::shared_ptr<glacier_upload_t>(handle, glacier_upload_free);
    }

    upload(upload &&) noexcept = default;
    upload &operator=(upload &&) noexcept = default;

    /**
     * Sets the archive description: at most 1,024 printable ASCII characters, no space at either end. Default: none.
     */
    upload &description(std::string_view text) {
        const std::string copy = detail::terminated(text);
        return set([&](auto err) { return glacier_upload_set_description(get(), copy.c_str(), err); });
    }
    /**
     * Sets the part size in bytes: a power of two from 1 MiB to 4 GiB. Default: as plan, or for a stream 64 MiB. It
     * must be that of an existing upload.
     */
    upload &part_size(std::uint64_t bytes) {
        return set([&](auto err) { return glacier_upload_set_part_size(get(), bytes, err); });
    }
    /** Attaches to an existing upload by its ID, from id() or client::list_uploads. Sends nothing. */
    upload &upload_id(std::string_view id) {
        const std::string copy = detail::terminated(id);
        return set([&](auto err) { return glacier_upload_set_upload_id(get(), copy.c_str(), err); });
    }
    /**
     * Sets the journal: a file on a local disk from which a new process resumes. Calls that initiate or send parts
     * create it; every working call continues the upload of an existing one. Use one journal per upload, and delete it
     * after storing the archive ID. See glacier_upload_set_journal.
     */
    upload &journal(const std::filesystem::path &path) {
        const std::string copy = detail::terminated(path.native());
        return set([&](auto err) { return glacier_upload_set_journal(get(), copy.c_str(), err); });
    }
    /**
     * Limits transfer() to `count` parts from index `first`, UINT32_MAX for all that follow. Needs an existing upload
     * and a file or memory source.
     */
    upload &part_range(std::uint32_t first, std::uint32_t count = UINT32_MAX) {
        return set([&](auto err) { return glacier_upload_set_part_range(get(), first, count, err); });
    }
    /**
     * Sets the exact archive size in bytes: 1 to 42,949,672,960,000. It is compared with the source, the end of a
     * stream and the stored parts. complete() of an attached upload without a source needs it.
     */
    upload &archive_size(std::uint64_t bytes) {
        return set([&](auto err) { return glacier_upload_set_archive_size(get(), bytes, err); });
    }
    /** Sets an estimate, in bytes, of a source of unknown length. It selects the part size; a large one is safer. */
    upload &expected_size(std::uint64_t bytes) {
        return set([&](auto err) { return glacier_upload_set_expected_size(get(), bytes, err); });
    }

    /**
     * Sets a regular file as the source, always the whole archive. It must not change until completion. The working
     * call opens it. The last source that is set is used.
     */
    upload &source_file(const std::filesystem::path &path) {
        const std::string copy = detail::terminated(path.native());
        return set([&](auto err) { return glacier_upload_set_source_file(get(), copy.c_str(), err); });
    }
    /**
     * Sets `size` bytes of memory as the source, always the whole archive. They are not copied: they must stay valid
     * and unchanged until the object is destroyed and no call or background run uses it.
     */
    upload &source_memory(const void *data, std::size_t size) {
        return set([&](auto err) { return glacier_upload_set_source_memory(get(), data, size, err); });
    }
#if defined(__cpp_lib_span)
    /** As above. */
    upload &source_memory(std::span<const std::byte> bytes) { return source_memory(bytes.data(), bytes.size()); }
#endif
    /**
     * Sets a callable object `std::size_t read(std::byte *buffer, std::size_t capacity)` as the source; with C++20 also
     * `std::size_t read(std::span<std::byte> buffer)`. It stores the next bytes in `buffer`, which is never empty and
     * valid only inside the callback, and returns their number, at most `capacity`; 0 ends the source. It may block.
     *
     * `total` is the length of the source in bytes. Each part stays in memory until it is acknowledged, so twice the
     * part size must fit in config::memory_limit. The source is read once: to resume, create another object with the
     * same journal or upload ID and a source that starts at byte 0.
     */
    template <typename Read> upload &source_callback(Read &&read, std::uint64_t total = unknown_length) {
        using callback = detail::callback<std::decay_t<Read>>;
        const glacier_read_fn call = [](void *user_data, std::uint8_t *buffer, std::size_t capacity,
                                        std::size_t *length) noexcept -> std::int32_t {
            return callback::from(user_data).guarded([&](auto &function) {
                *length = detail::read_with(function, reinterpret_cast<std::byte *>(buffer), capacity);
                return *length <= capacity;
            });
        };
        const auto data = callback::make(std::forward<Read>(read), source_outcome());
        return set([&](auto err) {
            return glacier_upload_set_source_callback(get(), call, total, data, callback::destroy, err);
        });
    }
    /**
     * Sets a stream as the source: as source_callback. It must exist until the upload is completed or destroyed. A read
     * error, or a stream that failed before (for example, its open), stops the call, which throws std::ios_base::failure.
     * A stream that was never opened is an empty source.
     */
    upload &source_stream(std::istream &in, std::uint64_t total = unknown_length) {
        const auto read = [&in](std::byte *buffer, std::size_t capacity) {
            in.read(reinterpret_cast<char *>(buffer), static_cast<std::streamsize>(capacity));
            // A stream that failed before would be an empty source.
            if (in.bad() || (in.fail() && !in.eof())) {
                throw std::ios_base::failure("reading the source stream failed");
            }
            return static_cast<std::size_t>(in.gcount());
        };
        return source_callback(read, total);
    }

    /**
     * Sets a callable object `void report(const progress &)` or `bool report(const progress &)`, called at least 4
     * times a second during a working call, also if nothing moves. False stops the call with stopped_error
     * (GLACIER_E_CALLBACK). Allowed while no working call runs.
     */
    template <typename Report> upload &on_progress(Report &&report) {
        using callback = detail::callback<std::decay_t<Report>>;
        const auto data = callback::make(std::forward<Report>(report), progress_outcome());
        return set([&](auto err) {
            return glacier_upload_set_progress(get(), callback::report, data, callback::destroy, err);
        });
    }

    /**
     * Uploads the source: initiates the upload or resumes an existing one, sends the missing parts and completes. After
     * a failure, call it again to send the missing parts. On a completed upload it sends nothing. See
     * glacier_upload_run.
     *
     * Throws: the errors of requests; usage_error (no source, an empty source, a source that does not match the archive
     * size); local_error (the source cannot be read, changed, or ended early; the journal cannot be used);
     * integrity_error; service_error with GLACIER_E_OUTCOME_UNKNOWN (no response to Complete: call it again).
     */
    archive run() {
        work([&](auto err) { return glacier_upload_run(get(), err); });
        return finished();
    }
    /**
     * Sends the missing parts of the source, or of its part range, without completing. Throws: as run; usage_error (the
     * part range is outside the archive, or the upload does not exist yet).
     */
    void transfer() {
        work([&](auto err) { return glacier_upload_transfer(get(), err); });
    }

    /**
     * Starts run() in the background, and returns. The future gets the archive, or the exception that run() would
     * throw. All callbacks run on the upload's own thread, which also makes the future ready.
     *
     * The destructor of the future does not block. Destroying the upload cancels the run; the future then gets a
     * stopped_error. A program that exits does not wait for the run. The upload may be moved during the run. Throws:
     * usage_error (no source, a part range is set, or another call uses the object).
     */
    std::future<archive> start() { return start_with(std::make_unique<background>()); }

    /**
     * Waits for a background run. Returns false if it does not end within `timeout`, which must not be negative. Throws
     * the run's exception; usage_error (no run was started). The future need not exist.
     */
    bool wait_for(std::chrono::milliseconds timeout) { return wait(detail::milliseconds(timeout)); }
    /** Waits for a background run without a timeout. Throws: as wait_for. */
    void wait() { wait(GLACIER_FOREVER); }

    /**
     * Writes the next bytes of the archive, which are copied. Threads of the library send full parts, also between
     * calls. It blocks while the memory is full of parts in flight. finish() creates the archive. See
     * glacier_upload_write, and ostream.
     *
     * Throws: as run; usage_error (a source is set, or the stream is finished); local_error (more bytes than the
     * archive size). After a failure the stream cannot continue, and each call throws the same error. To resume, create
     * another object with the same journal or upload ID, and write from byte 0.
     */
    void write(const void *data, std::size_t size) {
        work([&](auto err) { return glacier_upload_write(get(), data, size, err); });
    }
    /** As above. */
    void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
#if defined(__cpp_lib_span)
    /** As above. */
    void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }
#endif
    /**
     * Ends the stream: sends the remaining bytes and completes. If all parts are stored but Complete failed, call it
     * again. On a finished stream it returns the archive.
     *
     * Throws: as write; usage_error (nothing was written); local_error (fewer bytes than the archive size, or than the
     * service holds).
     */
    archive finish() {
        work([&](auto err) { return glacier_upload_finish(get(), err); });
        return finished();
    }

    /**
     * Initiates the upload at the service. Then id() is known. Throws: the errors of requests; usage_error (the upload
     * has an ID); service_error with GLACIER_E_NOT_FOUND (no such vault).
     */
    void initiate() {
        work([&](auto err) { return glacier_upload_initiate(get(), err); });
    }
    /**
     * Sends one part, and returns when the service has acknowledged it with the same tree hash. Any number of threads
     * may call it at once. `index` is 0 to 9,999; `size` is the part size, and only the last part may be shorter. The
     * bytes are not copied, and must not change during the call. A repeated part replaces the earlier one.
     *
     * Throws: the errors of requests; usage_error (index or size not allowed; another thread puts this part);
     * integrity_error (the part arrived damaged repeatedly); local_error (the bytes changed during the call).
     */
    void put_part(std::uint32_t index, const void *data, std::size_t size) {
        put([&](auto err) { return glacier_upload_put_part(get(), index, data, size, err); });
    }
    /** As above, if `tree_hash` is the tree hash of the bytes. Otherwise throws integrity_error and sends nothing. */
    void put_part(std::uint32_t index, const void *data, std::size_t size, const digest &tree_hash) {
        put([&](auto err) { return glacier_upload_put_part_checked(get(), index, data, size, tree_hash.data(), err); });
    }
#if defined(__cpp_lib_span)
    /** As above. */
    void put_part(std::uint32_t index, std::span<const std::byte> bytes) {
        put_part(index, bytes.data(), bytes.size());
    }
    /** As above. */
    void put_part(std::uint32_t index, std::span<const std::byte> bytes, const digest &tree_hash) {
        put_part(index, bytes.data(), bytes.size(), tree_hash);
    }
#endif
    /**
     * Returns the stored parts, in the order of their offsets, without those in flight. Throws: the errors of requests;
     * usage_error (not initiated or attached, completed or aborted).
     */
    std::vector<part_info> list_parts() {
        detail::owned<glacier_parts_t, glacier_parts_free> list;
        work([&](auto err) {
            glacier_parts_t *handle = nullptr;
            const glacier_result_t result = glacier_upload_list_parts(get(), &handle, err);
            list.reset(handle);
            return result;
        });
        std::vector<part_info> parts;
        parts.reserve(glacier_parts_count(list.get()));
        for (std::size_t i = 0; i < glacier_parts_count(list.get()); i++) {
            parts.push_back({glacier_parts_offset(list.get(), i), glacier_parts_length(list.get(), i),
                             std::string(detail::view(glacier_parts_tree_hash(list.get(), i)))});
        }
        return parts;
    }
    /**
     * Completes the upload from its parts, after checking that they cover the archive. If a source is set, the parts
     * must have its bytes. For terabytes the response may take many minutes. See glacier_upload_complete.
     *
     * Throws: the errors of requests; integrity_error (parts are missing, or a tree hash differs); usage_error (the
     * archive size is unknown); local_error (the source differs); service_error with GLACIER_E_OUTCOME_UNKNOWN (no
     * response: call it again).
     */
    archive complete() {
        work([&](auto err) { return glacier_upload_complete(get(), err); });
        return finished();
    }
    /**
     * Deletes the upload and its parts at the service. This cannot be undone. A background run or a stream is canceled
     * first. A call that fails after a lost response may have deleted the upload: is_resumable() is then false; call
     * abort() of this object again. See glacier_upload_abort. Throws: the errors of requests; usage_error (completed).
     */
    void abort() {
        put([&](auto err) { return glacier_upload_abort(get(), err); });
    }

    /**
     * Cancels the working calls in progress, or the next one. They throw stopped_error (GLACIER_E_CANCELED) within 250
     * ms; if Complete was sent, they wait up to 10 s for its response. The upload stays in the vault, and the object
     * can be used again. Any thread, any time, also in a signal handler.
     */
    void cancel() noexcept { glacier_upload_cancel(get()); }
    /** Limits the bandwidth of this upload, in bytes per second; 0: only the client's limit. Any thread, any time. */
    void bandwidth_limit(std::uint64_t bytes_per_second) {
        detail::check(
            [&](glacier_error_t **err) { return glacier_upload_set_bandwidth_limit(get(), bytes_per_second, err); });
    }

#if defined(__cpp_lib_jthread)
    // As the functions above. A stop request on the token cancels the call: see cancel(). If the call ends for another
    // reason at the same time, the request stays pending and stops the next working call.

    /** As run(). A stop request on `token` cancels it. */
    archive run(const std::stop_token &token) {
        const auto stop = canceled_by(token);
        return run();
    }
    /** As transfer(). A stop request on `token` cancels it. */
    void transfer(const std::stop_token &token) {
        const auto stop = canceled_by(token);
        transfer();
    }
    /** As start(). A stop request on `token` cancels the run. */
    std::future<archive> start(const std::stop_token &token) {
        auto data = std::make_unique<background>();
        data->stop.emplace(token, canceler{handle_});
        return start_with(std::move(data));
    }
    /** As finish(). A stop request on `token` cancels it. */
    archive finish(const std::stop_token &token) {
        const auto stop = canceled_by(token);
        return finish();
    }
    /** As complete(). A stop request on `token` cancels it. */
    archive complete(const std::stop_token &token) {
        const auto stop = canceled_by(token);
        return complete();
    }
#endif

    /** The state. Any thread may call this and the getters below at any time. */
    glacier_mp::state state() const noexcept { return static_cast<glacier_mp::state>(glacier_upload_state(get())); }
    /** The counters at this moment. */
    glacier_mp::progress progress() const {
        glacier_progress_t now{};
        detail::check([&](glacier_error_t **err) { return glacier_upload_progress(get(), &now, sizeof now, err); });
        return glacier_mp::progress(now);
    }
    /**
     * The upload ID, by which any process can attach; empty until the upload is initiated or attached. The texts of all
     * getters are valid while this object exists, and never change once they are known.
     */
    std::string_view id() const noexcept { return detail::view(glacier_upload_id(get())); }
    /** The URI path of the upload; empty until this object has initiated it. */
    std::string_view location() const noexcept { return detail::view(glacier_upload_location(get())); }
    /** The archive ID; empty until the upload is completed. */
    std::string_view archive_id() const noexcept { return detail::view(glacier_upload_archive_id(get())); }
    /** The URI path of the archive; empty until the upload is completed. */
    std::string_view archive_location() const noexcept { return detail::view(glacier_upload_archive_location(get())); }
    /** The tree hash of the archive, 64 hexadecimal digits; empty until it is known. */
    std::string_view tree_hash() const noexcept { return detail::view(glacier_upload_tree_hash(get())); }
    /** The name of the vault. */
    std::string_view vault() const noexcept { return detail::view(glacier_upload_vault(get())); }
    /** The part size in bytes; 0 until it is known. */
    std::uint64_t part_size() const noexcept { return glacier_upload_part_size(get()); }

    /** The C handle. This object still owns it. */
    glacier_upload_t *get() const noexcept { return handle_.get(); }

private:
#if defined(__cpp_lib_jthread)
    /** Cancels an upload unless it is freed. */
    struct canceler {
        std::weak_ptr<glacier_upload_t> upload;
        void operator()() const noexcept {
            if (const auto handle = upload.lock()) {
                glacier_upload_cancel(handle.get());
            }
        }
    };

    std::stop_callback<canceler> canceled_by(const std::stop_token &token) const {
        return std::stop_callback<canceler>(token, canceler{handle_});
    }
#endif

    /** The user_data of a background run. */
    struct background {
        std::promise<archive> promise{};
        std::weak_ptr<glacier_upload_t> handle{};
        std::shared_ptr<detail::outcomes> callbacks{};
#if defined(__cpp_lib_jthread)
        std::optional<std::stop_callback<canceler>> stop{};
#endif

        static void done(void *user_data, glacier_result_t result, const glacier_error_t *err) noexcept {
            static_cast<background *>(user_data)->finish(result, err);
        }
        static void destroy(void *user_data) noexcept { delete static_cast<background *>(user_data); }

    private:
        void finish(glacier_result_t result, const glacier_error_t *err) noexcept {
            try {
                if (const std::exception_ptr exception = callbacks->take_run(result)) {
                    std::rethrow_exception(exception);
                }
                const auto upload = handle.lock();
                if (result != GLACIER_OK || upload == nullptr) {
                    error::raise(result != GLACIER_OK ? result : glacier_result_t{GLACIER_E_CANCELED}, err);
                }
                promise.set_value(finished(upload.get()));
            } catch (...) {
                promise.set_exception(std::current_exception());
            }
        }
    };

    std::future<archive> start_with(std::unique_ptr<background> data) {
        settle();
        outcomes_->run_starts();
        data->handle = handle_;
        data->callbacks = outcomes_;
        std::future<archive> future = data->promise.get_future();
        // The library owns the data from this call on, even if the call fails.
        detail::check([&](glacier_error_t **err) {
            return glacier_upload_start(get(), background::done, data.release(), background::destroy, err);
        });
        return future;
    }

    /**
     * Waits until a background run that has a result no longer uses the handle. The future is ready shortly before,
     * and the calls after future::get() must not fail because of it.
     */
    void settle() const noexcept {
        if (outcomes_->run_ends()) {
            static_cast<void>(glacier_upload_wait(get(), GLACIER_FOREVER, nullptr));
        }
    }

    template <typename Call> upload &set(Call &&call) {
        settle();
        detail::check(std::forward<Call>(call));
        return *this;
    }

    /** Makes a working call that needs exclusive use. */
    template <typename Call> void work(Call &&call) {
        settle();
        detail::check_or_rethrow(std::forward<Call>(call),
                                 [this](glacier_result_t result) { return outcomes_->take_exclusive(result); });
    }

    /** Makes a working call that may run during others. */
    template <typename Call> void put(Call &&call) {
        settle();
        outcomes_->enter_shared();
        detail::check_or_rethrow(std::forward<Call>(call),
                                 [this](glacier_result_t result) { return outcomes_->take_shared(result); });
    }

    bool wait(std::uint64_t timeout) {
        bool ended = true;
        const auto call = [&](auto err) {
            const glacier_result_t result = glacier_upload_wait(get(), timeout, err);
            ended = result != GLACIER_E_PENDING;
            return ended ? result : glacier_result_t{GLACIER_OK};
        };
        detail::check_or_rethrow(call, [&](glacier_result_t result) {
            return ended && result != GLACIER_E_BUSY ? outcomes_->run.exception() : nullptr;
        });
        return ended;
    }

    static archive finished(const glacier_upload_t *handle) {
        return {std::string(detail::view(glacier_upload_archive_id(handle))),
                std::string(detail::view(glacier_upload_archive_location(handle))),
                std::string(detail::view(glacier_upload_tree_hash(handle)))};
    }
    archive finished() const { return finished(get()); }

    std::shared_ptr<detail::outcome> source_outcome() const noexcept { return {outcomes_, &outcomes_->source}; }
    std::shared_ptr<detail::outcome> progress_outcome() const noexcept { return {outcomes_, &outcomes_->progress}; }

    // The done callback of a background run shares the handle while it reads the result.
    std::shared_ptr<glacier_upload_t> handle_;
    std::shared_ptr<detail::outcomes> outcomes_;
};

/**
 * A std::ostream that writes the archive: see upload::write. One thread at a time may use it.
 *
 * finish() creates the archive. Without finish(), no archive is created and the upload stays in the vault: also if an
 * exception leaves the scope of the stream. If a write fails, the stream sets std::ios_base::badbit and ignores further
 * output, and finish() throws the exception. A flush gives the buffered bytes to the library, but sends no short part.
 */
class ostream : public std::ostream {
public:
    /** Creates a stream that writes to `to`, which must neither move nor be destroyed before the stream. */
    explicit ostream(upload &to) : std::ostream(nullptr), buffer_(to) { rdbuf(&buffer_); }

    /**
     * Writes the buffered bytes and completes the upload. Throws: as upload::finish, and the error of a failed write.
     */
    archive finish() { return buffer_.finish(); }

private:
    class buffer : public std::streambuf {
    public:
        explicit buffer(upload &to) : upload_(to), bytes_(std::size_t{1} << 16) { reset(); }

        archive finish() {
            if (failure_ == nullptr) {
                flush();
            }
            if (failure_ != nullptr) {
                std::rethrow_exception(failure_);
            }
            return upload_.finish();
        }

    protected:
        int_type overflow(int_type next) override {
            if (!flush()) {
                return traits_type::eof();
            }
            if (!traits_type::eq_int_type(next, traits_type::eof())) {
                sputc(traits_type::to_char_type(next));
            }
            return traits_type::not_eof(next);
        }

        std::streamsize xsputn(const char *data, std::streamsize size) override {
            if (size < epptr() - pptr()) {
                return std::streambuf::xsputn(data, size);
            }
            return flush() && send(data, static_cast<std::size_t>(size)) ? size : 0;
        }

        int sync() override { return flush() ? 0 : -1; }

    private:
        bool flush() {
            const bool sent = send(pbase(), static_cast<std::size_t>(pptr() - pbase()));
            reset();
            return sent;
        }

        bool send(const char *data, std::size_t size) {
            if (failure_ == nullptr) {
                try {
                    upload_.write(data, size);
                } catch (...) {
                    failure_ = std::current_exception();
                }
            }
            return failure_ == nullptr;
        }

        void reset() { setp(bytes_.data(), bytes_.data() + bytes_.size()); }

        upload &upload_;
        std::vector<char> bytes_;
        std::exception_ptr failure_;
    };

    buffer buffer_;
};

/* ==== Tree hashes and plans ======================================================================================= */

/**
 * An incremental tree hash, the service's checksum of parts and archives. One thread at a time may use it; another gets
 * usage_error (GLACIER_E_BUSY).
 */
class treehash {
public:
    /** Creates a tree hash of no bytes. Throws std::bad_alloc. */
    treehash() : handle_(detail::allocated<owned_handle>(glacier_treehash_new())) {}

    /** Adds bytes. Their division into calls does not affect the hash. 16 MiB or more per call are fastest. */
    treehash &update(const void *data, std::size_t size) {
        detail::check([&](glacier_error_t **err) { return glacier_treehash_update(get(), data, size, err); });
        return *this;
    }
    /** Adds bytes. */
    treehash &update(std::string_view bytes) { return update(bytes.data(), bytes.size()); }
#if defined(__cpp_lib_span)
    /** Adds bytes. */
    treehash &update(std::span<const std::byte> bytes) { return update(bytes.data(), bytes.size()); }
#endif
    /** Returns the tree hash of all bytes added, and resets the object. That of no bytes is the SHA-256 of no bytes. */
    digest finish() {
        digest out{};
        detail::check([&](glacier_error_t **err) { return glacier_treehash_finish(get(), out.data(), err); });
        return out;
    }

    /**
     * Returns the tree hash of an archive from the tree hashes of its parts, in order. The part size is 1 MiB times a
     * power of two; the last part may be shorter. Throws: usage_error (no parts).
     */
    static digest combine(const std::vector<digest> &parts) {
        static_assert(sizeof(digest) == 32, "a vector of digests is a contiguous array of bytes");
        digest out{};
        detail::check([&](glacier_error_t **err) {
            return glacier_treehash_combine(parts.empty() ? out.data() : parts.front().data(), parts.size(), out.data(),
                                            err);
        });
        return out;
    }

    /**
     * Returns the tree hash of a regular file, computed by this number of threads, 0 for one per processor core. Each
     * uses at most 16 MiB of memory.
     *
     * Throws: usage_error with GLACIER_E_INVALID (the path is empty); local_error with GLACIER_E_IO (the file cannot be
     * read, or is not regular) or GLACIER_E_SOURCE_CHANGED (it changed meanwhile).
     */
    static digest file(const std::filesystem::path &path, std::uint32_t threads = 0) {
        return file(path, threads, [](const progress &) {});
    }
    /**
     * As above, with a progress callback as in upload::on_progress, called on this thread at least 4 times a second and
     * once at the end. It sees bytes_total, bytes_hashed and elapsed_ms. False stops the call with stopped_error.
     */
    template <typename Report>
    static digest file(const std::filesystem::path &path, std::uint32_t threads, Report &&report) {
        using callback = detail::callback<std::remove_reference_t<Report> &>;
        callback data{report, std::make_shared<detail::outcome>()};
        const std::string copy = detail::terminated(path.native());
        digest out{};
        const auto call = [&](glacier_error_t **err) {
            return glacier_treehash_file(copy.c_str(), threads, callback::report, &data, out.data(), err);
        };
        detail::check_or_rethrow(call, [&](glacier_result_t) { return data.last->exception(); });
        return out;
    }

    /** The C handle. This object still owns it. */
    glacier_treehash_t *get() const noexcept { return handle_.get(); }

private:
    using owned_handle = detail::owned<glacier_treehash_t, glacier_treehash_free>;
    owned_handle handle_;
};

/** Returns a digest as 64 hexadecimal digits in lower case. */
inline std::string to_hex(const digest &value) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * value.size());
    for (const std::uint8_t byte : value) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

/** The division of an archive of a given size into parts. Any number of threads may use it at once. */
class plan {
public:
    /**
     * Plans an archive of `size` bytes, 1 to 42,949,672,960,000. `part_size` is a power of two from 1 MiB to 4 GiB, or
     * 0 for the part size that upload::run chooses: the smallest with at most 10,000 parts, at least 16 MiB.
     *
     * Throws: usage_error (a size, or the combination of both, is not allowed).
     */
    explicit plan(std::uint64_t size, std::uint64_t part_size = 0) {
        glacier_plan_t *handle = nullptr;
        detail::check([&](glacier_error_t **err) { return glacier_plan_new(size, part_size, &handle, err); });
        handle_.reset(handle);
    }

    /** The part size in bytes; the last part may be shorter. */
    std::uint64_t part_size() const noexcept { return glacier_plan_part_size(get()); }
    /** The number of parts. */
    std::uint32_t part_count() const noexcept { return glacier_plan_part_count(get()); }
    /** The number of charged requests of the upload without retries: Initiate, one per part, Complete. */
    std::uint32_t request_count() const noexcept { return glacier_plan_request_count(get()); }
    /** The smallest config::memory_limit in bytes at which no part is read twice, for this config::concurrency. */
    std::uint64_t memory(std::uint32_t workers) const noexcept { return glacier_plan_memory(get(), workers); }

    /** The C handle. This object still owns it. */
    glacier_plan_t *get() const noexcept { return handle_.get(); }

private:
    detail::owned<glacier_plan_t, glacier_plan_free> handle_;
};

/* ==== Versions ==================================================================================================== */

/** Returns the version of the loaded library, such as "0.1.0". GLACIER_MP_VERSION is the version of the header. */
inline std::string_view version() noexcept { return glacier_version(); }

/** Returns the version of the loaded library as a number that grows: major << 16 | minor << 8 | patch. */
inline std::uint32_t version_number() noexcept { return glacier_version_number(); }

/** Returns the number in the SONAME of the loaded library: see GLACIER_MP_ABI_VERSION. */
inline std::uint32_t abi_version() noexcept { return glacier_abi_version(); }

} // namespace glacier_mp

#endif // GLACIER_MP_HPP
