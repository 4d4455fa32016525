/*
 * glacier_mp.hpp: header-only C++17 interface to libglacier_mp.
 *
 * Each class owns one handle of the C interface. The C header glacier_mp.h describes the library: threads, callbacks,
 * resuming, limits. This header describes only the differences in C++:
 *
 * Errors. A failed call throws a subclass of glacier_mp::error, which has all details of glacier_error_t.
 * Ownership. All handle types are move-only. A moved-from object may only be destroyed or assigned to.
 * Strings. Text parameters are std::string_view and are copied. A NUL character inside throws usage_error. Paths are
 *   std::filesystem::path.
 * Callbacks. A callback is any callable object. If it throws, the working call stops and throws the same exception. The
 *   last progress callback of a run may come after the archive was created: the getters then have the archive ID. An
 *   exception in a log callback is ignored.
 * Threads. The rules are those of C. Destroying an upload frees its handle, which cancels a call in progress on another
 *   thread.
 *
 * Example: a complete program
 *
 *     #include <glacier_mp.hpp>
 *     #include <iostream>
 *
 *     int main() {
 *         try {
 *             glacier_mp::client client(glacier_mp::config().region("eu-central-1")); // keys from the environment
 *             glacier_mp::upload upload(client, "my-vault");
 *             upload.source_file("backup.tar").journal("backup.tar.glacier");
 *             std::cout << upload.run().id << '\n';
 *         } catch (const glacier_mp::error &e) {
 *             std::cerr << e.what() << '\n';
 *             return 1;
 *         }
 *     }
 *
 * Compile with `c++ -std=c++17 program.cpp $(pkg-config --cflags --libs glacier_mp)`.
 */
#ifndef GLACIER_MP_HPP
#define GLACIER_MP_HPP

#include <glacier_mp.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <future>
#include <initializer_list>
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

/** The counters of an upload: see glacier_progress_t. */
using progress = glacier_progress_t;

/** The `total` of a source of unknown length. */
inline constexpr std::uint64_t unknown_length = GLACIER_UNKNOWN_LENGTH;

/** The state of an upload: see glacier_state_names. Later library versions may return other values. */
enum class state : glacier_state_t {
    created = GLACIER_STATE_NEW,
    initiated = GLACIER_STATE_INITIATED,
    transferring = GLACIER_STATE_TRANSFERRING,
    completing = GLACIER_STATE_COMPLETING,
    completed = GLACIER_STATE_COMPLETED,
    aborted = GLACIER_STATE_ABORTED,
    unknown = GLACIER_STATE_UNKNOWN,
};

/** The level of a log line: see glacier_log_level_names. Each level includes the levels before it. */
enum class log_level : glacier_log_level_t {
    off = GLACIER_LOG_OFF,
    error = GLACIER_LOG_ERROR,
    warn = GLACIER_LOG_WARN,
    info = GLACIER_LOG_INFO,
    debug = GLACIER_LOG_DEBUG,
};

/* ==== Errors ====================================================================================================== */

/**
 * The base class of all exceptions of this library. what() returns glacier_error_message.
 *
 * A result code of a later library version that is outside all ranges below is thrown as this class. Copying does not
 * throw.
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
    /** True if the failure is transient: the same call may succeed later. */
    bool is_retryable() const noexcept { return details_->retryable; }
    /** True if the upload is in the vault and can be resumed: see glacier_error_is_resumable. */
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

/** A value or a call is not allowed (codes 1 to 99). Nothing was sent. */
class usage_error : public error {
    using error::error;
};

/** A failure on this machine: files, memory, the source, the journal (codes 100 to 199). */
class local_error : public error {
    using error::error;
};

/** A failure of the connection to the service: network, TLS, timeout, protocol (codes 200 to 299). */
class transport_error : public error {
    using error::error;
};

/** An error response of the service (codes 300 to 399): see service_code(), http_status() and request_id(). */
class service_error : public error {
    using error::error;
};

/** An integrity failure: a tree hash differs, or parts are missing (codes 400 to 499). */
class integrity_error : public error {
    using error::error;
};

/** A call that was stopped by cancel, or by a callback that returned false (codes 500 to 599). */
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

/** The last exception of a callback, until a call of the callback succeeds. Any thread may use it. */
class caught {
public:
    void store(std::exception_ptr exception) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        exception_ = std::move(exception);
    }

    std::exception_ptr get() const noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        return exception_;
    }

private:
    mutable std::mutex mutex_;
    std::exception_ptr exception_;
};

/** Returns the exception of the first callback that has one; NULL if none has. */
inline std::exception_ptr first_of(std::initializer_list<const caught *> callbacks) noexcept {
    for (const caught *callback : callbacks) {
        if (std::exception_ptr exception = callback->get()) {
            return exception;
        }
    }
    return nullptr;
}

/** As check, but throws the exception of a callback if it stopped the call. */
template <typename Call> void check_or_rethrow(std::initializer_list<const caught *> callbacks, Call &&call) {
    glacier_error_t *err = nullptr;
    const glacier_result_t result = std::forward<Call>(call)(&err);
    const owned<glacier_error_t, glacier_error_free> reported(err);
    if (result == GLACIER_E_CALLBACK) {
        if (const std::exception_ptr exception = first_of(callbacks)) {
            std::rethrow_exception(exception);
        }
    }
    if (result != GLACIER_OK) {
        error::raise(result, err);
    }
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

/** The user_data of a C callback: a callable object, and the holder of its exceptions. */
template <typename Function> struct callback {
    Function function;
    std::shared_ptr<caught> exceptions;

    /** Allocates a callback. The library owns it as soon as the setter is called. */
    template <typename Callable> static callback *make(Callable &&callable, std::shared_ptr<caught> exceptions) {
        return new callback{std::forward<Callable>(callable), std::move(exceptions)};
    }

    static callback &from(void *user_data) noexcept { return *static_cast<callback *>(user_data); }
    static void destroy(void *user_data) noexcept { delete static_cast<callback *>(user_data); }

    /** Runs `body`, which returns true to continue. Stores an exception, and stops the call. */
    template <typename Body> std::int32_t guarded(Body &&body) noexcept {
        try {
            const bool more = std::forward<Body>(body)(function);
            exceptions->store(nullptr);
            return more ? GLACIER_CONTINUE : GLACIER_STOP;
        } catch (...) {
            exceptions->store(std::current_exception());
            return GLACIER_STOP;
        }
    }
};

} // namespace detail

/* ==== Settings and clients ======================================================================================== */

/** Keys that sign requests: see glacier_credentials_set. */
struct credentials {
    /** The access key ID. */
    std::string key_id;
    /** The secret access key. */
    std::string secret_key;
    /** The session token of temporary credentials; empty for none. */
    std::string session_token{};
    /** The expiration time; std::nullopt for keys that do not expire. */
    std::optional<std::chrono::system_clock::time_point> expires{};
};

/**
 * Settings for clients: see glacier_config_new. Initial values come from the environment. Each setter returns *this.
 *
 * Only one thread at a time may use a config.
 */
class config {
public:
    /** Creates settings from the environment and the defaults. Throws std::bad_alloc. */
    config() : handle_(detail::allocated<owned_handle>(glacier_config_new())) {}

    /** The AWS region of the vaults, such as "eu-central-1". */
    config &region(std::string_view name) { return text(glacier_config_set_region, name); }
    /** The endpoint URL, such as "http://127.0.0.1:8080". Default: the endpoint of the region. */
    config &endpoint(std::string_view url) { return text(glacier_config_set_endpoint, url); }
    /** The account that owns the vaults: 12 digits, or "-" for the account of the credentials. */
    config &account_id(std::string_view id) { return text(glacier_config_set_account_id, id); }
    /** A file of trusted CA certificates (PEM), in place of the built-in list. */
    config &ca_file(const std::filesystem::path &path) { return text(glacier_config_set_ca_file, path.native()); }
    /** The name of the program in the User-Agent header. */
    config &user_agent(std::string_view name) { return text(glacier_config_set_user_agent, name); }
    /** The maximum number of parts that one upload sends in parallel: 1 to 32. */
    config &concurrency(std::uint32_t workers) { return number(glacier_config_set_concurrency, workers); }
    /** The maximum number of attempts per request; 0: no maximum, only give_up_after applies. */
    config &max_attempts(std::uint32_t attempts) { return number(glacier_config_set_max_attempts, attempts); }
    /** The total part-buffer memory of all uploads of a client, in bytes. */
    config &memory_limit(std::uint64_t bytes) { return number(glacier_config_set_memory_limit, bytes); }
    /** The total bandwidth of all uploads of a client, in bytes per second; 0: no limit. */
    config &bandwidth_limit(std::uint64_t bytes_per_second) {
        return number(glacier_config_set_bandwidth_limit, bytes_per_second);
    }
    /** The maximum time to open a connection: see glacier_config_set_connect_timeout_ms. */
    config &connect_timeout(std::chrono::milliseconds time) {
        return number(glacier_config_set_connect_timeout_ms, detail::milliseconds(time));
    }
    /** The time within which a connection must make progress: see glacier_config_set_stall_timeout_ms. */
    config &stall_timeout(std::chrono::milliseconds time) {
        return number(glacier_config_set_stall_timeout_ms, detail::milliseconds(time));
    }
    /** The time without an acknowledged part after which retries end: see glacier_config_set_give_up_after_ms. */
    config &give_up_after(std::chrono::milliseconds time) {
        return number(glacier_config_set_give_up_after_ms, detail::milliseconds(time));
    }

    /** Fixed keys that sign requests. `keys.expires` is ignored, because fixed keys are never replaced. */
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
     * A callable object `credentials provider()` that returns the keys that sign requests: see glacier_credentials_fn.
     * If it throws, all calls that wait for keys stop and throw the same exception.
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
        const auto data = callback::make(std::forward<Provider>(provider), exceptions_);
        detail::check([&](glacier_error_t **err) {
            return glacier_config_set_credentials_provider(get(), call, data, callback::destroy, err);
        });
        return *this;
    }

    /**
     * A callable object `void log(log_level, std::string_view)` for log lines up to a level. The line is valid only
     * inside the callback. An exception is ignored.
     */
    template <typename Log> config &log(log_level level, Log &&log) {
        using callback = detail::callback<std::decay_t<Log>>;
        const glacier_log_fn call = [](void *user_data, glacier_log_level_t at, const char *line) noexcept {
            try {
                callback::from(user_data).function(static_cast<log_level>(at), std::string_view(line));
            } catch (...) { // A failed log callback does not stop the upload.
            }
        };
        const auto data = callback::make(std::forward<Log>(log), exceptions_);
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
    std::shared_ptr<detail::caught> exceptions_ = std::make_shared<detail::caught>();
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
 * uploads. See glacier_client_new.
 *
 * Any number of threads may use a client at once. It may be destroyed before its uploads.
 */
class client {
public:
    /** Creates a client from a copy of the settings. Sends nothing. */
    explicit client(const config &settings) : exceptions_(settings.exceptions_) {
        glacier_client_t *handle = nullptr;
        detail::check([&](glacier_error_t **err) { return glacier_client_new(settings.get(), &handle, err); });
        handle_.reset(handle);
    }

    /** Returns all multipart uploads in progress in a vault: see glacier_client_list_uploads. */
    std::vector<upload_info> list_uploads(std::string_view vault) const {
        const std::string name = detail::terminated(vault);
        glacier_uploads_t *handle = nullptr;
        detail::check_or_rethrow({exceptions_.get()}, [&](glacier_error_t **err) {
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

    /**
     * Cancels the list_uploads calls in progress, or the next one: see glacier_client_cancel. Uploads are not affected.
     * Any thread, any time, also in a signal handler.
     */
    void cancel() const noexcept { glacier_client_cancel(get()); }

    /** The C handle. This object still owns it. */
    glacier_client_t *get() const noexcept { return handle_.get(); }

private:
    friend class upload;

    detail::owned<glacier_client_t, glacier_client_free> handle_;
    std::shared_ptr<detail::caught> exceptions_;
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
 * One multipart upload: see glacier_upload_new. Each setter returns *this.
 *
 * The destructor frees the handle. It cancels a call in progress and a background run. The upload stays in the vault.
 */
class upload {
public:
    /** Creates a handle for an upload to a vault. Sends nothing. */
    upload(const client &owner, std::string_view vault) : client_exceptions_(owner.exceptions_) {
        const std::string name = detail::terminated(vault);
        glacier_upload_t *handle = nullptr;
        detail::check(
            [&](glacier_error_t **err) { return glacier_upload_new(owner.get(), name.c_str(), &handle, err); });
        handle_ = std::shared_ptr<glacier_upload_t>(handle, glacier_upload_free);
    }

    upload(upload &&) noexcept = default;
    upload &operator=(upload &&) noexcept = default;

    /** The archive description: at most 1,024 printable ASCII characters. */
    upload &description(std::string_view text) {
        const std::string copy = detail::terminated(text);
        return set([&](auto err) { return glacier_upload_set_description(get(), copy.c_str(), err); });
    }
    /** The part size in bytes: a power of two from 1 MiB to 4 GiB. */
    upload &part_size(std::uint64_t bytes) {
        return set([&](auto err) { return glacier_upload_set_part_size(get(), bytes, err); });
    }
    /** Attaches the handle to an existing upload. */
    upload &upload_id(std::string_view id) {
        const std::string copy = detail::terminated(id);
        return set([&](auto err) { return glacier_upload_set_upload_id(get(), copy.c_str(), err); });
    }
    /** The journal file, from which a new process can resume. */
    upload &journal(const std::filesystem::path &path) {
        const std::string copy = detail::terminated(path.native());
        return set([&](auto err) { return glacier_upload_set_journal(get(), copy.c_str(), err); });
    }
    /** The parts that transfer() sends: `count` parts from index `first`. Default: up to the last part. */
    upload &part_range(std::uint32_t first, std::uint32_t count = UINT32_MAX) {
        return set([&](auto err) { return glacier_upload_set_part_range(get(), first, count, err); });
    }
    /** The exact size of the archive in bytes. */
    upload &archive_size(std::uint64_t bytes) {
        return set([&](auto err) { return glacier_upload_set_archive_size(get(), bytes, err); });
    }
    /** An estimate of the size of a source of unknown length, in bytes. It selects the part size. */
    upload &expected_size(std::uint64_t bytes) {
        return set([&](auto err) { return glacier_upload_set_expected_size(get(), bytes, err); });
    }

    /** A regular file as the source. */
    upload &source_file(const std::filesystem::path &path) {
        const std::string copy = detail::terminated(path.native());
        return set([&](auto err) { return glacier_upload_set_source_file(get(), copy.c_str(), err); });
    }
    /** Memory as the source. It is not copied: it must stay valid and unchanged while this object exists. */
    upload &source_memory(const void *data, std::size_t size) {
        return set([&](auto err) { return glacier_upload_set_source_memory(get(), data, size, err); });
    }
#if defined(__cpp_lib_span)
    /** Memory as the source. It is not copied: it must stay valid and unchanged while this object exists. */
    upload &source_memory(std::span<const std::byte> bytes) { return source_memory(bytes.data(), bytes.size()); }
#endif
    /**
     * A callable object `std::size_t read(std::byte *buffer, std::size_t capacity)` as the source. It stores the next
     * bytes in `buffer` and returns their number; 0 at the end. `total` is the length of the source in bytes.
     */
    template <typename Read> upload &source_callback(Read &&read, std::uint64_t total = unknown_length) {
        using callback = detail::callback<std::decay_t<Read>>;
        const glacier_read_fn call = [](void *user_data, std::uint8_t *buffer, std::size_t capacity,
                                        std::size_t *length) noexcept -> std::int32_t {
            return callback::from(user_data).guarded([&](auto &function) {
                *length = function(reinterpret_cast<std::byte *>(buffer), capacity);
                return true;
            });
        };
        const auto data = callback::make(std::forward<Read>(read), source_exceptions_);
        return set([&](auto err) {
            return glacier_upload_set_source_callback(get(), call, total, data, callback::destroy, err);
        });
    }
    /** A stream as the source. It must exist until the upload is completed or destroyed. Read errors stop the call. */
    upload &source_stream(std::istream &in, std::uint64_t total = unknown_length) {
        const auto read = [&in](std::byte *buffer, std::size_t capacity) {
            in.read(reinterpret_cast<char *>(buffer), static_cast<std::streamsize>(capacity));
            if (in.bad()) {
                throw std::ios_base::failure("reading the source stream failed");
            }
            return static_cast<std::size_t>(in.gcount());
        };
        return source_callback(read, total);
    }

    /**
     * A callable object `bool report(const progress &)` or `void report(const progress &)`, called at least 4 times a
     * second during a working call. False stops the call with GLACIER_E_CALLBACK.
     */
    template <typename Report> upload &on_progress(Report &&report) {
        using callback = detail::callback<std::decay_t<Report>>;
        const glacier_progress_fn call = [](void *user_data, const glacier_progress_t *now) noexcept -> std::int32_t {
            return callback::from(user_data).guarded([&](auto &function) { return detail::continues(function, *now); });
        };
        const auto data = callback::make(std::forward<Report>(report), progress_exceptions_);
        return set([&](auto err) { return glacier_upload_set_progress(get(), call, data, callback::destroy, err); });
    }

    /** Uploads the source: initiates or resumes, sends the missing parts and completes. See glacier_upload_run. */
    archive run() {
        work([&](auto err) { return glacier_upload_run(get(), err); });
        return finished();
    }
    /** Sends the missing parts without completing. See glacier_upload_transfer. */
    void transfer() {
        work([&](auto err) { return glacier_upload_transfer(get(), err); });
    }
#if defined(__cpp_lib_jthread)
    /**
     * As run(). A stop request on `token` cancels it. If the run ends for another reason at the same time, the request
     * stays pending and stops the next working call: see glacier_upload_cancel.
     */
    archive run(const std::stop_token &token) {
        const std::stop_callback stop(token, [this] { cancel(); });
        return run();
    }
#endif

    /**
     * Starts run() in the background. The future gets the archive, or the exception that run() would throw. The
     * destructor of the future does not block. Destroying the upload cancels the run; the future then gets a
     * stopped_error.
     */
    std::future<archive> start() {
        struct background {
            std::promise<archive> promise;
            std::weak_ptr<glacier_upload_t> handle;
            std::array<std::shared_ptr<detail::caught>, 3> callbacks;
        };
        const glacier_done_fn done = [](void *user_data, glacier_result_t result, const glacier_error_t *err) noexcept {
            background &run = *static_cast<background *>(user_data);
            try {
                const auto handle = run.handle.lock();
                auto exception = detail::first_of({run.callbacks[0].get(), run.callbacks[1].get()});
                if (exception == nullptr && result == GLACIER_E_CALLBACK) {
                    exception = run.callbacks[2]->get();
                }
                if (exception != nullptr) {
                    run.promise.set_exception(exception);
                } else if (result == GLACIER_OK && handle != nullptr) {
                    run.promise.set_value(finished(handle.get()));
                } else {
                    error::raise(result != GLACIER_OK ? result : glacier_result_t{GLACIER_E_CANCELED}, err);
                }
            } catch (...) {
                run.promise.set_exception(std::current_exception());
            }
        };
        const glacier_destroy_fn destroy = [](void *user_data) noexcept {
            delete static_cast<background *>(user_data);
        };
        auto data = std::make_unique<background>();
        data->handle = handle_;
        data->callbacks = {source_exceptions_, progress_exceptions_, client_exceptions_};
        std::future<archive> future = data->promise.get_future();
        forget_exceptions();
        // The library owns the data from this call on, even if the call fails.
        detail::check(
            [&](glacier_error_t **err) { return glacier_upload_start(get(), done, data.release(), destroy, err); });
        return future;
    }
    /** Waits for a background run. Returns false if it does not end within `timeout`. Throws the run's exception. */
    bool wait_for(std::chrono::milliseconds timeout) { return wait(detail::milliseconds(timeout)); }
    /** Waits for a background run without a timeout. Throws the run's exception. */
    void wait() { wait(GLACIER_FOREVER); }

    /** Writes the next bytes of the archive: see glacier_upload_write. */
    void write(const void *data, std::size_t size) {
        work([&](auto err) { return glacier_upload_write(get(), data, size, err); });
    }
    /** Writes the next bytes of the archive. */
    void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
#if defined(__cpp_lib_span)
    /** Writes the next bytes of the archive. */
    void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }
#endif
    /** Ends the stream and completes the upload. */
    archive finish() {
        work([&](auto err) { return glacier_upload_finish(get(), err); });
        return finished();
    }

    /** Initiates the upload at the service. */
    void initiate() {
        work([&](auto err) { return glacier_upload_initiate(get(), err); });
    }
    /** Sends one part. Any number of threads may call it at once. */
    void put_part(std::uint32_t index, const void *data, std::size_t size) {
        put([&](auto err) { return glacier_upload_put_part(get(), index, data, size, err); });
    }
    /** Sends one part if `tree_hash` is its tree hash. */
    void put_part(std::uint32_t index, const void *data, std::size_t size, const digest &tree_hash) {
        put([&](auto err) { return glacier_upload_put_part_checked(get(), index, data, size, tree_hash.data(), err); });
    }
    /** Returns the stored parts. */
    std::vector<part_info> list_parts() {
        glacier_parts_t *handle = nullptr;
        work([&](auto err) { return glacier_upload_list_parts(get(), &handle, err); });
        const detail::owned<glacier_parts_t, glacier_parts_free> list(handle);
        std::vector<part_info> parts;
        parts.reserve(glacier_parts_count(handle));
        for (std::size_t i = 0; i < glacier_parts_count(handle); i++) {
            parts.push_back({glacier_parts_offset(handle, i), glacier_parts_length(handle, i),
                             std::string(detail::view(glacier_parts_tree_hash(handle, i)))});
        }
        return parts;
    }
    /** Completes the upload from its parts. */
    archive complete() {
        work([&](auto err) { return glacier_upload_complete(get(), err); });
        return finished();
    }
    /** Deletes the upload and its parts at the service. */
    void abort() {
        put([&](auto err) { return glacier_upload_abort(get(), err); });
    }

    /** Cancels the working calls in progress, or the next one. Any thread, any time, also in a signal handler. */
    void cancel() noexcept { glacier_upload_cancel(get()); }
    /** Limits the bandwidth, in bytes per second; 0: only the client's limit. Any thread, any time. */
    void bandwidth_limit(std::uint64_t bytes_per_second) {
        set([&](auto err) { return glacier_upload_set_bandwidth_limit(get(), bytes_per_second, err); });
    }

    /** The state. Any thread may call this and the getters below at any time. */
    glacier_mp::state state() const noexcept { return static_cast<glacier_mp::state>(glacier_upload_state(get())); }
    /** The counters. */
    glacier_mp::progress progress() const {
        glacier_mp::progress now{};
        detail::check([&](glacier_error_t **err) { return glacier_upload_progress(get(), &now, sizeof now, err); });
        return now;
    }
    /** The upload ID; empty until it is known. The texts of all getters are valid while this object exists. */
    std::string_view id() const noexcept { return detail::view(glacier_upload_id(get())); }
    /** The URI path of the upload; empty until it is known. */
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
    template <typename Call> upload &set(Call &&call) {
        detail::check(std::forward<Call>(call));
        return *this;
    }

    /** Makes an exclusive working call. Throws an exception of its callbacks, whatever the result code is. */
    template <typename Call> void work(Call &&call) {
        forget_exceptions();
        put([&](glacier_error_t **err) {
            const glacier_result_t result = call(err);
            if (const auto exception = detail::first_of({source_exceptions_.get(), progress_exceptions_.get()})) {
                glacier_error_free(*err);
                *err = nullptr;
                std::rethrow_exception(exception);
            }
            return result;
        });
    }

    /** Makes a working call that may run during others. */
    template <typename Call> void put(Call &&call) {
        detail::check_or_rethrow({source_exceptions_.get(), progress_exceptions_.get(), client_exceptions_.get()},
                                 std::forward<Call>(call));
    }

    bool wait(std::uint64_t timeout) {
        bool ended = true;
        put([&](auto err) {
            const glacier_result_t result = glacier_upload_wait(get(), timeout, err);
            ended = result != GLACIER_E_PENDING;
            return ended ? result : glacier_result_t{GLACIER_OK};
        });
        return ended;
    }

    void forget_exceptions() noexcept {
        source_exceptions_->store(nullptr);
        progress_exceptions_->store(nullptr);
    }

    static archive finished(const glacier_upload_t *handle) {
        return {std::string(detail::view(glacier_upload_archive_id(handle))),
                std::string(detail::view(glacier_upload_archive_location(handle))),
                std::string(detail::view(glacier_upload_tree_hash(handle)))};
    }
    archive finished() const { return finished(get()); }

    // The done callback of a background run shares the handle while it reads the result.
    std::shared_ptr<glacier_upload_t> handle_;
    std::shared_ptr<detail::caught> source_exceptions_ = std::make_shared<detail::caught>();
    std::shared_ptr<detail::caught> progress_exceptions_ = std::make_shared<detail::caught>();
    std::shared_ptr<detail::caught> client_exceptions_;
};

/**
 * A std::ostream that writes the archive: see glacier_upload_write.
 *
 * finish() creates the archive. Without finish(), no archive is created and the upload stays in the vault. If a write
 * fails, the stream sets std::ios_base::badbit, and finish() throws the exception.
 */
class ostream : public std::ostream {
public:
    /** Creates a stream that writes to `to`, which must exist as long as the stream. */
    explicit ostream(upload &to) : std::ostream(nullptr), buffer_(to) { rdbuf(&buffer_); }

    /** Writes the buffered bytes and completes the upload. */
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

/** An incremental tree hash: see glacier_treehash_new. Only one thread at a time may use it. */
class treehash {
public:
    /** Creates a tree hash of no bytes. Throws std::bad_alloc. */
    treehash() : handle_(detail::allocated<owned_handle>(glacier_treehash_new())) {}

    /** Adds bytes. */
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
    /** Returns the tree hash of all bytes added, and resets the object. */
    digest finish() {
        digest out{};
        detail::check([&](glacier_error_t **err) { return glacier_treehash_finish(get(), out.data(), err); });
        return out;
    }

    /** Returns the tree hash of an archive from those of its parts, in order: see glacier_treehash_combine. */
    static digest combine(const std::vector<digest> &parts) {
        static_assert(sizeof(digest) == 32, "a vector of digests is a contiguous array of bytes");
        digest out{};
        detail::check([&](glacier_error_t **err) {
            return glacier_treehash_combine(parts.empty() ? out.data() : parts.front().data(), parts.size(), out.data(),
                                            err);
        });
        return out;
    }

    /** Returns the tree hash of a regular file. `threads` 0: one thread per processor core. */
    static digest file(const std::filesystem::path &path, std::uint32_t threads = 0) {
        return file(path, threads, [](const progress &) {});
    }
    /** As above, with a progress callback as in upload::on_progress. */
    template <typename Report>
    static digest file(const std::filesystem::path &path, std::uint32_t threads, Report &&report) {
        using callback = detail::callback<std::decay_t<Report> &>;
        std::decay_t<Report> kept(std::forward<Report>(report));
        callback data{kept, std::make_shared<detail::caught>()};
        const glacier_progress_fn call = [](void *user_data, const glacier_progress_t *now) noexcept -> std::int32_t {
            return callback::from(user_data).guarded([&](auto &function) { return detail::continues(function, *now); });
        };
        const std::string copy = detail::terminated(path.native());
        digest out{};
        detail::check_or_rethrow({data.exceptions.get()}, [&](glacier_error_t **err) {
            return glacier_treehash_file(copy.c_str(), threads, call, &data, out.data(), err);
        });
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

/** The division of an archive of a given size into parts: see glacier_plan_new. */
class plan {
public:
    /** Plans an archive of `size` bytes. `part_size` 0: the part size that upload::run chooses. */
    explicit plan(std::uint64_t size, std::uint64_t part_size = 0) {
        glacier_plan_t *handle = nullptr;
        detail::check([&](glacier_error_t **err) { return glacier_plan_new(size, part_size, &handle, err); });
        handle_.reset(handle);
    }

    /** The part size in bytes; the last part may be shorter. */
    std::uint64_t part_size() const noexcept { return glacier_plan_part_size(get()); }
    /** The number of parts. */
    std::uint32_t part_count() const noexcept { return glacier_plan_part_count(get()); }
    /** The number of requests of the upload without retries. */
    std::uint32_t request_count() const noexcept { return glacier_plan_request_count(get()); }
    /** The smallest memory limit in bytes at which no part is read twice, for a number of workers. */
    std::uint64_t memory(std::uint32_t workers) const noexcept { return glacier_plan_memory(get(), workers); }

    /** The C handle. This object still owns it. */
    glacier_plan_t *get() const noexcept { return handle_.get(); }

private:
    detail::owned<glacier_plan_t, glacier_plan_free> handle_;
};

/** The version of the loaded library, such as "0.1.0". */
inline std::string_view version() noexcept { return glacier_version(); }

} // namespace glacier_mp

#endif // GLACIER_MP_HPP
