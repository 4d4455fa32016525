/*
 * glacier_mp.hpp: C++17 interface to libglacier_mp, header-only.
 *
 * Each class owns one handle of the C interface (glacier_mp.h). The C header describes the library: threads, callbacks,
 * resuming, limits. This header describes only what differs in C++:
 *
 * Errors. A call that fails throws a subclass of glacier_mp::error, which holds everything that glacier_error_t reports.
 * Ownership. All handle types are move-only. A handle that was moved from may only be destroyed or assigned to.
 * Strings. Text is taken as std::string_view and copied; a NUL character inside is an invalid_argument. File names are
 *   std::filesystem::path.
 * Callbacks. Any callable object. It may throw: the exception stops the working call, and the call throws it unchanged. The
 *   last progress callback of a run comes when the archive is complete already: the getters have its ID. An exception
 *   inside a log callback is dropped.
 * Threads. As in C. Destroying an upload is freeing it: a call in progress on another thread is canceled.
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

/** The length of a source that is not known in advance. */
inline constexpr std::uint64_t unknown_length = GLACIER_UNKNOWN_LENGTH;

/** The state of an upload: see glacier_state_names. Later versions of the library may return other values. */
enum class state : glacier_state_t {
    created = GLACIER_STATE_NEW,
    initiated = GLACIER_STATE_INITIATED,
    transferring = GLACIER_STATE_TRANSFERRING,
    completing = GLACIER_STATE_COMPLETING,
    completed = GLACIER_STATE_COMPLETED,
    aborted = GLACIER_STATE_ABORTED,
    unknown = GLACIER_STATE_UNKNOWN,
};

/** The level of a log line: see glacier_log_level_names. Each level includes those before it. */
enum class log_level : glacier_log_level_t {
    off = GLACIER_LOG_OFF,
    error = GLACIER_LOG_ERROR,
    warn = GLACIER_LOG_WARN,
    info = GLACIER_LOG_INFO,
    debug = GLACIER_LOG_DEBUG,
};

/* ==== Errors ====================================================================================================== */

/**
 * The base of all exceptions of this library. what() is glacier_error_message.
 *
 * A result of a later library version that belongs to no range known here is thrown as this class itself. Copying does
 * not throw.
 */
class error : public std::runtime_error {
public:
    /** An error with a result and a message, and no details of the service. */
    error(glacier_result_t code, const std::string &message) : error(code, message, details{}) {}

    /** The result: one of glacier_result_names. */
    glacier_result_t code() const noexcept { return details_->code; }
    /** The name of the result, such as "GLACIER_E_NOT_FOUND". */
    const char *name() const noexcept { return glacier_result_name(code()); }
    /** The service's operation that failed, such as "UploadMultipartPart"; empty if there was none. */
    const std::string &operation() const noexcept { return details_->operation; }
    /** The HTTP status of the service's response; 0 if there was none. */
    int http_status() const noexcept { return details_->http_status; }
    /** The service's own error code, such as "ResourceNotFoundException"; empty if there was none. */
    const std::string &service_code() const noexcept { return details_->service_code; }
    /** The service's ID of the failed request, which AWS support asks for; empty if there was none. */
    const std::string &request_id() const noexcept { return details_->request_id; }
    /** True if the failure is transient: the same call may succeed later. */
    bool is_retryable() const noexcept { return details_->retryable; }
    /** True if the upload is in the vault and can be resumed: see glacier_error_is_resumable. */
    bool is_resumable() const noexcept { return details_->resumable; }

    /** Throws the subclass of a result that is not GLACIER_OK, with what err reports. err may be NULL, and is not freed. */
    [[noreturn]] static void raise(glacier_result_t result, const glacier_error_t *err);

protected:
    /** What glacier_error_t reports besides its message. */
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

/** Wrong use: a value or a call that is not allowed (results 1 to 99). Nothing was sent. */
class usage_error : public error {
    using error::error;
};

/** A failure of this machine: files, memory, the source, the journal (results 100 to 199). */
class local_error : public error {
    using error::error;
};

/** A failure to reach the service: connection, TLS, timeout, protocol (results 200 to 299). */
class transport_error : public error {
    using error::error;
};

/** A refusal by the service (results 300 to 399): see service_code(), http_status() and request_id(). */
class service_error : public error {
    using error::error;
};

/** Data that is not what it should be: a tree hash differs, parts are missing (results 400 to 499). */
class integrity_error : public error {
    using error::error;
};

/** A call that stopped on request: cancel, or a callback that returned false (results 500 to 599). */
class stopped_error : public error {
    using error::error;
};

/** A defect in the library (results 900 to 999). Please report it with the message. */
class internal_error : public error {
    using error::error;
};

template <typename Class>
void error::raise_as(glacier_result_t code, const std::string &message, details facts) {
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

/** Frees a handle by its C function. */
template <auto Free> struct deleter {
    template <typename Handle> void operator()(Handle *handle) const noexcept { Free(handle); }
};

template <typename Handle, auto Free> using owned = std::unique_ptr<Handle, deleter<Free>>;

/** Calls a C function with its last parameter, and throws what it reports. */
template <typename Call> void check(Call &&call) {
    glacier_error_t *err = nullptr;
    const glacier_result_t result = std::forward<Call>(call)(&err);
    const owned<glacier_error_t, glacier_error_free> reported(err);
    if (result != GLACIER_OK) {
        error::raise(result, err);
    }
}

/** A text that ends with NUL. */
inline std::string terminated(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) {
        throw usage_error(GLACIER_E_INVALID, "the text has a NUL character at position " +
                                                 std::to_string(text.find('\0')) + ": it is not allowed there");
    }
    return std::string(text);
}

/** Milliseconds as the C functions take them. */
inline std::uint64_t milliseconds(std::chrono::milliseconds time) {
    if (time.count() < 0) {
        throw usage_error(GLACIER_E_INVALID, "a time of " + std::to_string(time.count()) + " ms is not allowed: it is negative");
    }
    return static_cast<std::uint64_t>(time.count());
}

/** A C text, or an empty one for NULL. */
inline std::string_view view(const char *text) noexcept {
    return text != nullptr ? std::string_view(text) : std::string_view();
}

/** A handle that its C function may fail to allocate. */
template <typename Owned> Owned allocated(typename Owned::pointer handle) {
    if (handle == nullptr) {
        throw std::bad_alloc();
    }
    return Owned(handle);
}

/** The exception that a callback threw last, until it succeeds again. */
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

/** The exception of the first of these callbacks that has one. */
inline std::exception_ptr first_of(std::initializer_list<const caught *> callbacks) noexcept {
    for (const caught *callback : callbacks) {
        if (std::exception_ptr exception = callback->get()) {
            return exception;
        }
    }
    return nullptr;
}

/** As check, but a call that a callback stopped throws the exception of that callback. */
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

/** Calls a function that returns void, or true to continue. */
template <typename Function, typename... Arguments> bool continues(Function &function, Arguments &&...arguments) {
    if constexpr (std::is_void_v<std::invoke_result_t<Function &, Arguments...>>) {
        function(std::forward<Arguments>(arguments)...);
        return true;
    } else {
        return static_cast<bool>(function(std::forward<Arguments>(arguments)...));
    }
}

/** The user_data of a C callback: a callable object, and where its exceptions go. */
template <typename Function> struct callback {
    Function function;
    std::shared_ptr<caught> exceptions;

    /** Allocates one; the library owns it from the call that sets the callback. */
    template <typename Callable> static callback *make(Callable &&callable, std::shared_ptr<caught> exceptions) {
        return new callback{std::forward<Callable>(callable), std::move(exceptions)};
    }

    static callback &from(void *user_data) noexcept { return *static_cast<callback *>(user_data); }
    static void destroy(void *user_data) noexcept { delete static_cast<callback *>(user_data); }

    /** Runs `body`, which returns true to continue. An exception stops the call. */
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

/** Keys to sign requests with: see glacier_credentials_set. */
struct credentials {
    /** The access key ID. */
    std::string key_id;
    /** The secret access key. */
    std::string secret_key;
    /** The session token of temporary credentials; empty for none. */
    std::string session_token{};
    /** When the keys expire; std::nullopt for keys that do not expire. */
    std::optional<std::chrono::system_clock::time_point> expires{};
};

/**
 * Settings for clients: see glacier_config_new. They start from the environment. Each setter returns *this.
 *
 * One thread at a time.
 */
class config {
public:
    /** Settings from the defaults and the environment. Throws std::bad_alloc. */
    config() : handle_(detail::allocated<owned_handle>(glacier_config_new())) {}

    /** The AWS region of the vaults, such as "eu-central-1". */
    config &region(std::string_view name) { return text(glacier_config_set_region, name); }
    /** The URL of the service, such as "http://127.0.0.1:8080", in place of the region's own endpoint. */
    config &endpoint(std::string_view url) { return text(glacier_config_set_endpoint, url); }
    /** The account that owns the vaults: 12 digits, or "-" for that of the credentials. */
    config &account_id(std::string_view id) { return text(glacier_config_set_account_id, id); }
    /** The file of CA certificates (PEM) that the service's certificate is verified against. */
    config &ca_file(const std::filesystem::path &path) { return text(glacier_config_set_ca_file, path.native()); }
    /** The name of the program in the User-Agent header. */
    config &user_agent(std::string_view name) { return text(glacier_config_set_user_agent, name); }
    /** The number of parts that one upload sends at once: 1 to 32. */
    config &concurrency(std::uint32_t workers) { return number(glacier_config_set_concurrency, workers); }
    /** The number of attempts for one request; 0: only time counts. */
    config &max_attempts(std::uint32_t attempts) { return number(glacier_config_set_max_attempts, attempts); }
    /** The total part-buffer memory of the client's uploads, in bytes. */
    config &memory_limit(std::uint64_t bytes) { return number(glacier_config_set_memory_limit, bytes); }
    /** The bandwidth of the client's uploads together, in bytes per second; 0: no limit. */
    config &bandwidth_limit(std::uint64_t bytes_per_second) {
        return number(glacier_config_set_bandwidth_limit, bytes_per_second);
    }
    /** The time that connecting may take, TLS included. */
    config &connect_timeout(std::chrono::milliseconds time) {
        return number(glacier_config_set_connect_timeout_ms, detail::milliseconds(time));
    }
    /** The time within which a connection must make progress: see glacier_config_set_stall_timeout_ms. */
    config &stall_timeout(std::chrono::milliseconds time) {
        return number(glacier_config_set_stall_timeout_ms, detail::milliseconds(time));
    }
    /** The longest time without any part acknowledged: see glacier_config_set_give_up_after_ms. */
    config &give_up_after(std::chrono::milliseconds time) {
        return number(glacier_config_set_give_up_after_ms, detail::milliseconds(time));
    }

    /** Fixed keys to sign requests with. `keys.expires` is ignored: fixed keys are never replaced. */
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
     * A callable object `credentials provider()` that returns the keys to sign requests with: see
     * glacier_credentials_fn. Its exception stops the calls that wait for keys, and each of them throws it.
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
     * A callable object `void log(log_level, std::string_view)` for log lines up to a level. An exception inside it is
     * dropped. The line is valid inside the callback only.
     */
    template <typename Log> config &log(log_level level, Log &&log) {
        using callback = detail::callback<std::decay_t<Log>>;
        const glacier_log_fn call = [](void *user_data, glacier_log_level_t at, const char *line) noexcept {
            try {
                callback::from(user_data).function(static_cast<log_level>(at), std::string_view(line));
            } catch (...) { // A log line is no reason to stop an upload.
            }
        };
        const auto data = callback::make(std::forward<Log>(log), exceptions_);
        detail::check([&](glacier_error_t **err) {
            return glacier_config_set_log(get(), static_cast<glacier_log_level_t>(level), call, data,
                                          callback::destroy, err);
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

/** A multipart upload in progress, as client::list_uploads returns it. */
struct upload_info {
    /** The upload ID. */
    std::string id;
    /** The archive description; empty if there is none. */
    std::string description;
    /** When the upload was initiated, in whole seconds. */
    std::chrono::system_clock::time_point created;
    /** The part size in bytes. */
    std::uint64_t part_size;
};

/**
 * A client: the endpoint, account and credentials used for requests, and the memory and bandwidth limits shared by its
 * uploads. See glacier_client_new.
 *
 * Any number of threads may use a client at once. Its uploads keep what they need of it: it may be destroyed before them.
 */
class client {
public:
    /** A client from a copy of the settings. Sends nothing. */
    explicit client(const config &settings) : exceptions_(settings.exceptions_) {
        glacier_client_t *handle = nullptr;
        detail::check([&](glacier_error_t **err) { return glacier_client_new(settings.get(), &handle, err); });
        handle_.reset(handle);
    }

    /** All multipart uploads in progress in a vault: see glacier_client_list_uploads. */
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
            uploads.push_back({std::string(detail::view(glacier_uploads_id(handle, i))),
                               std::string(detail::view(glacier_uploads_description(handle, i))),
                               std::chrono::system_clock::time_point(
                                   std::chrono::seconds(glacier_uploads_created_unix(handle, i))),
                               glacier_uploads_part_size(handle, i)});
        }
        return uploads;
    }

    /** The C handle. This object still owns it. */
    glacier_client_t *get() const noexcept { return handle_.get(); }

private:
    friend class upload;

    detail::owned<glacier_client_t, glacier_client_free> handle_;
    std::shared_ptr<detail::caught> exceptions_;
};

/* ==== Uploads ===================================================================================================== */

/** A finished archive. Keep its ID: the service reports it again only in an inventory of the vault. */
struct archive {
    /** The archive ID. */
    std::string id;
    /** The path of the archive at the service. */
    std::string location;
    /** The tree hash: 64 hexadecimal digits in lower case. */
    std::string tree_hash;
};

/** A part that the service holds, as upload::list_parts returns it. */
struct part_info {
    /** The offset of its first byte in the archive. */
    std::uint64_t offset;
    /** Its length in bytes. */
    std::uint64_t length;
    /** Its tree hash: 64 hexadecimal digits in lower case. */
    std::string tree_hash;
};

/**
 * One multipart upload: see glacier_upload_new. Each setter returns *this.
 *
 * Destroying it frees the handle: a call in progress and a started run are canceled, and the upload stays in the vault.
 */
class upload {
public:
    /** A handle for an upload to a vault. Sends nothing. */
    upload(const client &owner, std::string_view vault) : client_exceptions_(owner.exceptions_) {
        const std::string name = detail::terminated(vault);
        glacier_upload_t *handle = nullptr;
        detail::check([&](glacier_error_t **err) {
            return glacier_upload_new(owner.get(), name.c_str(), &handle, err);
        });
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
    /** Attaches the handle to an upload that exists already. */
    upload &upload_id(std::string_view id) {
        const std::string copy = detail::terminated(id);
        return set([&](auto err) { return glacier_upload_set_upload_id(get(), copy.c_str(), err); });
    }
    /** The journal file, from which a new process resumes. */
    upload &journal(const std::filesystem::path &path) {
        const std::string copy = detail::terminated(path.native());
        return set([&](auto err) { return glacier_upload_set_journal(get(), copy.c_str(), err); });
    }
    /** The parts that transfer() sends: `count` parts from part `first`; without `count`, to the last part. */
    upload &part_range(std::uint32_t first, std::uint32_t count = UINT32_MAX) {
        return set([&](auto err) { return glacier_upload_set_part_range(get(), first, count, err); });
    }
    /** The exact size of the archive in bytes. */
    upload &archive_size(std::uint64_t bytes) {
        return set([&](auto err) { return glacier_upload_set_archive_size(get(), bytes, err); });
    }
    /** An estimate of the size of a source of unknown length, in bytes. It chooses the part size. */
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
     * bytes in `buffer` and returns their number: 0 at the end. `total` is the number of bytes in all.
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
    /** A stream as the source. It must exist until the upload is completed or destroyed. */
    upload &source_stream(std::istream &in, std::uint64_t total = unknown_length) {
        const auto read = [&in](std::byte *buffer, std::size_t capacity) {
            in.read(reinterpret_cast<char *>(buffer), static_cast<std::streamsize>(capacity));
            if (in.bad()) {
                throw std::ios_base::failure("the source stream cannot be read");
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
        return set([&](auto err) {
            return glacier_upload_set_progress(get(), call, data, callback::destroy, err);
        });
    }

    /** Uploads the source: initiates or resumes, sends the missing parts, completes. See glacier_upload_run. */
    archive run() {
        work([&](auto err) { return glacier_upload_run(get(), err); });
        return finished();
    }
    /** As run(), without completing. */
    void transfer() {
        work([&](auto err) { return glacier_upload_transfer(get(), err); });
    }
#if defined(__cpp_lib_jthread)
    /**
     * As run(), and a stop request on `token` cancels it. A stop request that comes just as the call ends for another
     * reason stops the next working call: see glacier_upload_cancel.
     */
    archive run(const std::stop_token &token) {
        const std::stop_callback stop(token, [this] { cancel(); });
        return run();
    }
#endif

    /**
     * Starts run() on a thread of the upload's own. The future has the archive, or the exception that run() would throw.
     * Destroying the future does not wait. Destroying the upload cancels the run; the future then has a stopped_error.
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
        const glacier_destroy_fn destroy = [](void *user_data) noexcept { delete static_cast<background *>(user_data); };
        auto data = std::make_unique<background>();
        data->handle = handle_;
        data->callbacks = {source_exceptions_, progress_exceptions_, client_exceptions_};
        std::future<archive> future = data->promise.get_future();
        forget_exceptions();
        // The library owns the data from this call on, also if it fails.
        detail::check([&](glacier_error_t **err) {
            return glacier_upload_start(get(), done, data.release(), destroy, err);
        });
        return future;
    }
    /** Waits for a started run: true when it is over, false when `timeout` passed. Throws what the run threw. */
    bool wait_for(std::chrono::milliseconds timeout) { return wait(detail::milliseconds(timeout)); }
    /** Waits for a started run without a timeout. Throws what the run threw. */
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
    /** Ends the bytes that were written, and completes the archive. */
    archive finish() {
        work([&](auto err) { return glacier_upload_finish(get(), err); });
        return finished();
    }

    /** Initiates the upload at the service. */
    void initiate() {
        work([&](auto err) { return glacier_upload_initiate(get(), err); });
    }
    /** Sends one part. Any number of threads at once. */
    void put_part(std::uint32_t index, const void *data, std::size_t size) {
        put([&](auto err) { return glacier_upload_put_part(get(), index, data, size, err); });
    }
    /** Sends one part if `tree_hash` is its tree hash. */
    void put_part(std::uint32_t index, const void *data, std::size_t size, const digest &tree_hash) {
        put([&](auto err) {
            return glacier_upload_put_part_checked(get(), index, data, size, tree_hash.data(), err);
        });
    }
    /** The parts that the service holds. */
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

    /** Cancels the working calls in progress, or the next one. Any thread, at any time, also in a signal handler. */
    void cancel() noexcept { glacier_upload_cancel(get()); }
    /** The bandwidth of this upload in bytes per second; 0: only the client's limit. Any thread, at any time. */
    void bandwidth_limit(std::uint64_t bytes_per_second) {
        set([&](auto err) { return glacier_upload_set_bandwidth_limit(get(), bytes_per_second, err); });
    }

    /** The state. Any thread, at any time; the same holds for all getters below. */
    glacier_mp::state state() const noexcept { return static_cast<glacier_mp::state>(glacier_upload_state(get())); }
    /** The counters. */
    glacier_mp::progress progress() const {
        glacier_mp::progress now{};
        detail::check([&](glacier_error_t **err) { return glacier_upload_progress(get(), &now, sizeof now, err); });
        return now;
    }
    /** The upload ID; empty until it is known. All texts are valid while this object exists. */
    std::string_view id() const noexcept { return detail::view(glacier_upload_id(get())); }
    /** The path of the upload at the service; empty until it is known. */
    std::string_view location() const noexcept { return detail::view(glacier_upload_location(get())); }
    /** The archive ID; empty until the upload is completed. */
    std::string_view archive_id() const noexcept { return detail::view(glacier_upload_archive_id(get())); }
    /** The path of the archive at the service; empty until the upload is completed. */
    std::string_view archive_location() const noexcept {
        return detail::view(glacier_upload_archive_location(get()));
    }
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

    /** A working call that has the handle for itself: what its callbacks throw leaves it, whatever its result. */
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

    /** A working call that others may accompany. */
    template <typename Call> void put(Call &&call) {
        detail::check_or_rethrow({source_exceptions_.get(), progress_exceptions_.get(), client_exceptions_.get()},
                                 std::forward<Call>(call));
    }

    bool wait(std::uint64_t timeout) {
        bool over = true;
        put([&](auto err) {
            const glacier_result_t result = glacier_upload_wait(get(), timeout, err);
            over = result != GLACIER_E_PENDING;
            return over ? result : glacier_result_t{GLACIER_OK};
        });
        return over;
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

    std::shared_ptr<glacier_upload_t> handle_; // Shared with the callback of a started run only while it reads the result.
    std::shared_ptr<detail::caught> source_exceptions_ = std::make_shared<detail::caught>();
    std::shared_ptr<detail::caught> progress_exceptions_ = std::make_shared<detail::caught>();
    std::shared_ptr<detail::caught> client_exceptions_;
};

/**
 * A std::ostream whose bytes become the archive: see glacier_upload_write.
 *
 * finish() makes the archive. Without it there is no archive, and the upload stays in the vault. If a write fails, the
 * stream gets std::ios_base::badbit, and finish() throws the reason.
 */
class ostream : public std::ostream {
public:
    /** A stream that writes to `to`, which must exist as long. */
    explicit ostream(upload &to) : std::ostream(nullptr), buffer_(to) { rdbuf(&buffer_); }

    /** Sends what is buffered, and completes the archive. */
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

/** The tree hash of bytes that come piece by piece: see glacier_treehash_new. One thread at a time. */
class treehash {
public:
    /** A tree hash of no bytes yet. Throws std::bad_alloc. */
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
    /** The tree hash of all bytes added. The object is then ready for other bytes. */
    digest finish() {
        digest out{};
        detail::check([&](glacier_error_t **err) { return glacier_treehash_finish(get(), out.data(), err); });
        return out;
    }

    /** The tree hash of an archive from the tree hashes of its parts, in order: see glacier_treehash_combine. */
    static digest combine(const std::vector<digest> &parts) {
        static_assert(sizeof(digest) == 32, "digests lie next to each other");
        digest out{};
        detail::check([&](glacier_error_t **err) {
            return glacier_treehash_combine(parts.empty() ? out.data() : parts.front().data(), parts.size(),
                                            out.data(), err);
        });
        return out;
    }

    /** The tree hash of a regular file, by several threads; 0: one for each core. */
    static digest file(const std::filesystem::path &path, std::uint32_t threads = 0) {
        return file(path, threads, [](const progress &) {});
    }
    /** The same, with a callable object as upload::on_progress takes it. */
    template <typename Report> static digest file(const std::filesystem::path &path, std::uint32_t threads, Report &&report) {
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

/** A digest as 64 hexadecimal digits in lower case. */
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

/** The parts of an archive of a given size: see glacier_plan_new. */
class plan {
public:
    /** Plans an archive of `size` bytes; `part_size` 0: as upload::run chooses it. */
    explicit plan(std::uint64_t size, std::uint64_t part_size = 0) {
        glacier_plan_t *handle = nullptr;
        detail::check([&](glacier_error_t **err) { return glacier_plan_new(size, part_size, &handle, err); });
        handle_.reset(handle);
    }

    /** The part size in bytes; the last part may be shorter. */
    std::uint64_t part_size() const noexcept { return glacier_plan_part_size(get()); }
    /** The number of parts. */
    std::uint32_t part_count() const noexcept { return glacier_plan_part_count(get()); }
    /** The number of requests of an upload without retries. */
    std::uint32_t request_count() const noexcept { return glacier_plan_request_count(get()); }
    /** The memory limit in bytes from which no part is read twice with that many workers. */
    std::uint64_t memory(std::uint32_t workers) const noexcept { return glacier_plan_memory(get(), workers); }

    /** The C handle. This object still owns it. */
    glacier_plan_t *get() const noexcept { return handle_.get(); }

private:
    detail::owned<glacier_plan_t, glacier_plan_free> handle_;
};

/** The version of the library that runs, such as "0.1.0". */
inline std::string_view version() noexcept { return glacier_version(); }

} // namespace glacier_mp

#endif // GLACIER_MP_HPP
