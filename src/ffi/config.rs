//! `glacier_config_t`: settings on their way to a client.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::{Mutex, TryLockError};

use super::args;
use super::boundary;
use super::callback::{
    self, UserData, glacier_credentials_fn, glacier_destroy_fn, glacier_log_fn, glacier_log_level_t,
};
use super::error::glacier_error_t;
use super::infallible;
use super::result::glacier_result_t;
use crate::config::Config;
use crate::error::{Error, Kind, Result};

/// Settings for clients. One thread uses a config at a time; a second one gets GLACIER_E_BUSY.
///
/// What a setter refuses leaves the setting as it was.
#[derive(Debug)]
pub struct glacier_config_t(Mutex<Config>);

impl glacier_config_t {
    /// Runs `body` on the settings. The lock is tried, not waited for: a destroy function may call back into this
    /// config.
    pub(super) fn with<T>(&self, body: impl FnOnce(&mut Config) -> Result<T>) -> Result<T> {
        match self.0.try_lock() {
            Ok(mut config) => body(&mut config),
            Err(TryLockError::Poisoned(config)) => body(&mut config.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::new(Kind::Busy, "the config is in use by another call")),
        }
    }
}

/// Makes settings from the defaults and the environment, which is read here and nowhere else: AWS_ACCESS_KEY_ID,
/// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; AWS_REGION, else AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_GLACIER, else
/// AWS_ENDPOINT_URL. A variable that is empty counts as not set. A setter wins over the environment, and wrong values
/// in the environment show in glacier_client_new. Variables that name a proxy are ignored in this version.
///
/// Free it with glacier_config_free. Any thread. NULL if there is no memory for it. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_config_new() -> *mut glacier_config_t {
    infallible::run(ptr::null_mut(), || args::into_handle(glacier_config_t(Mutex::new(Config::from_environment()))))
}

/// Sets the keys that requests are signed with: an access key ID, its secret key, and for temporary credentials their
/// session token, else NULL.
///
/// The three belong together: none of them is taken from the environment any more. Of this and
/// glacier_config_set_credentials_provider the one called last counts.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config, key_id, secret); GLACIER_E_INVALID (empty, longer than 32,768
/// bytes, or with a space or a character that is not printable ASCII; an empty token is none); GLACIER_E_BUSY;
/// GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_credentials(
    config: *mut glacier_config_t,
    key_id: *const c_char,
    secret: *const c_char,
    token_or_null: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        set(config, |config| {
            let key_id = args::str_arg(key_id, "key_id")?;
            let secret = args::str_arg(secret, "secret")?;
            config.set_credentials(key_id, secret, args::optional_str_arg(token_or_null, "token_or_null")?)
        })
    })
}

/// Sets who is asked for the keys that requests are signed with, in place of fixed ones: for keys that expire before
/// the uploads are done.
///
/// callback NULL: nobody; the credentials are those of the environment again. Of this and
/// glacier_config_set_credentials the one called last counts, and wins over the environment. Clients made from the
/// same settings share the callback, and may call it at the same time as each other.
///
/// user_data is handed to the callback as it is. From this call on it belongs to the library: destroy, if not NULL,
/// runs exactly once, before this returns if it fails or callback is NULL; else when another call sets credentials, or
/// when the config and all clients and uploads made from it are freed.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_credentials_provider(
    config: *mut glacier_config_t,
    callback: glacier_credentials_fn,
    user_data: *mut c_void,
    destroy: glacier_destroy_fn,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    let user_data = UserData::new(user_data, destroy);
    boundary::call(err, || {
        set(config, |config| config.set_credentials_provider(callback::credentials_provider(callback, user_data)))
    })
}

/// Sets the AWS region of the vaults, such as "eu-central-1". It chooses the endpoint, and is part of each signature.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config, region); GLACIER_E_INVALID (not the name of a region); GLACIER_E_BUSY;
/// GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_region(
    config: *mut glacier_config_t,
    region: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_region(args::str_arg(region, "region")?)))
}

/// Sets where requests go instead of the region's own endpoint: scheme, host, and a port if it is not the scheme's
/// own, such as "http://127.0.0.1:8080". Plain http is possible by such an explicit endpoint only. The region must be
/// set all the same: signatures name it.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config, endpoint); GLACIER_E_INVALID (not such a URL); GLACIER_E_BUSY;
/// GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_endpoint(
    config: *mut glacier_config_t,
    endpoint: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_endpoint(args::str_arg(endpoint, "endpoint")?)))
}

/// Sets the account that owns the vaults: 12 digits without hyphens, or "-", the default, for the account of the
/// credentials.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config, account_id); GLACIER_E_INVALID (anything else); GLACIER_E_BUSY;
/// GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_account_id(
    config: *mut glacier_config_t,
    account_id: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_account_id(args::str_arg(account_id, "account_id")?)))
}

/// Sets the CA file: certificates in PEM that the service's certificate is checked against, instead of the built-in
/// list of public certificate authorities. glacier_client_new reads it. The service's certificate is accepted if a
/// certificate authority in the file issued it, or if it is in the file itself, such as a self-signed one made by
/// openssl req -x509. Either way it must be within its validity and for the endpoint's host.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config, path); GLACIER_E_INVALID (empty); GLACIER_E_BUSY; GLACIER_E_PANIC.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_ca_file(
    config: *mut glacier_config_t,
    path: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_ca_file(args::path_arg(path, "path")?)))
}

/// Names the program in the User-Agent header of the requests, before the name and version of this library: 1 to 256
/// printable ASCII characters. The default is the library alone.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config, user_agent); GLACIER_E_INVALID (anything else); GLACIER_E_BUSY;
/// GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_user_agent(
    config: *mut glacier_config_t,
    user_agent: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_user_agent(args::str_arg(user_agent, "user_agent")?)))
}

/// Sets how many parts glacier_upload_run sends at once: workers from 1 to 32 for each upload; the default is 8.
///
/// That is the most. When the service pushes back (HTTP 408, 429, 500 and 503, throttling), it goes on with half as
/// many, never less than one; each full round of parts that are then acknowledged adds one. And it sends no more at
/// once than the line, as measured and as limited, finishes in 4 minutes, for a signature lives 5. The log tells each
/// change, and workers in glacier_progress_t how many it is now.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (out of range); GLACIER_E_BUSY; GLACIER_E_PANIC.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_concurrency(
    config: *mut glacier_config_t,
    workers: u32,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_concurrency(workers)))
}

/// Sets the maximum number of attempts per request for transient failures: a lost connection, a stall, HTTP 408, 429,
/// 500, 502, 503, 504 and 509, throttling, and a 404 that is not from the service. With 0 only time counts:
/// glacier_config_set_give_up_after_ms.
///
/// If it is not set, the maximum is 10, and an outage does not use it up: an attempt that does not reach the service (no
/// connection, a connection that is lost or stalls, a response that is cut) counts only if another request of the client
/// was answered meanwhile. If it is set, every attempt counts.
///
/// Ambiguous failures are retried at most 3 times: a success without the tree hash or ID it must have, a part that
/// arrives damaged, a response that is not HTTP, and any other response without a Glacier error document and without
/// x-amzn-RequestId, as a proxy sends it. Re-signing a request with a corrected clock or new keys does not count as an
/// attempt.
///
/// The wait before a retry is random (exponential backoff with full jitter): up to 0.5 s at first, then up to twice that
/// each time, up to 20 s. A longer Retry-After of the service is honoured, up to 300 s.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_max_attempts(
    config: *mut glacier_config_t,
    attempts: u32,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_max_attempts(attempts)))
}

/// Sets the memory, in bytes, that the parts in work of all uploads of one client take together; the default is
/// 268,435,456 (256 MiB).
///
/// It is a limit on buffers, not on the process. A part larger than the limit divided by the workers of one upload is
/// not held in memory: it is read twice, once to hash it and once to send it. glacier_plan_memory says which limit
/// avoids that. Several uploads share the limit: a part waits until there is room, first come, first served, so that N
/// uploads go at full speed with N times that. Data given to glacier_upload_put_part is the caller's and does not
/// count.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (below 1,048,576, 1 MiB); GLACIER_E_BUSY;
/// GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_memory_limit(
    config: *mut glacier_config_t,
    bytes: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_memory_limit(bytes)))
}

/// Sets how many bytes of parts all uploads of one client may send together, in bytes a second; 0, the default, is no
/// limit.
///
/// It is a limit on the wire: what is sent again counts again; headers and encryption, some percent, come on top. The
/// bytes flow evenly, parts in flight share them fairly, and time in which nothing was sent is not made up for. Parts
/// that are put by hand are limited as well. glacier_upload_set_bandwidth_limit sets one for a single upload, also
/// while it runs; where there are both, both hold.
///
/// One part should not take longer than 4 minutes, for a signature lives 5: a limit below the part size divided by 240
/// wants smaller parts (70,000 bytes a second for parts of 16 MiB).
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_bandwidth_limit(
    config: *mut glacier_config_t,
    bytes_per_s: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_bandwidth_limit(bytes_per_s)))
}

/// Sets how long opening one connection may take, TLS included, in milliseconds; the default is 10,000 (10 s). Time in
/// which the process was stopped does not count, nor does the name lookup, which the system bounds. If the host has
/// several addresses, they are tried 250 ms apart, or at once after a failure, IPv6 and IPv4 alternately (RFC 8305). The
/// first that accepts is used, and tried first for the next connection of the client.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (0); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_connect_timeout_ms(
    config: *mut glacier_config_t,
    milliseconds: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_connect_timeout_ms(milliseconds)))
}

/// Sets the stall timeout, in milliseconds; the default is 60,000 (60 s). An attempt of a request fails, and the request
/// is retried, if
/// - less than 1 KB of the request is acknowledged within the stall timeout. Time in which the library waits for the
///   source or for the bandwidth limit does not count. What is left of a request may be less than 1 KB;
/// - the response does not begin within the stall timeout after the request was acknowledged. The response to Complete
///   may take many minutes: only glacier_config_set_give_up_after_ms bounds the wait for it;
/// - the header section of a response, or of an interim response (HTTP status 1xx), does not end within the stall
///   timeout of its first byte;
/// - the body of a list does not end within the stall timeout of its first byte.
///
/// An interim response changes no timeout; more than 8 of them are an error. At most 64 KiB of the body of an error
/// response are read, for at most 5 s. A bandwidth limit below 1 KB per stall timeout is allowed.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (0); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_stall_timeout_ms(
    config: *mut glacier_config_t,
    milliseconds: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_stall_timeout_ms(milliseconds)))
}

/// Sets the longest time without any part acknowledged, in milliseconds: after it, a failed request is not retried, and
/// the call fails with the error of the last attempt, whatever its code is. The default is 1,800,000 (30 min). The
/// upload stays in the vault.
///
/// Until a client has opened its first connection, the time is 45 s if this is longer, and a host name that does not
/// exist is final after 3 attempts: then region, endpoint or network are more likely wrong than down. Time in which the
/// process was stopped (SIGSTOP, a debugger, a suspended machine) does not count, here and in the other timeouts.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (0); GLACIER_E_BUSY; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_give_up_after_ms(
    config: *mut glacier_config_t,
    milliseconds: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_give_up_after_ms(milliseconds)))
}

/// Sets where log lines of the clients made from these settings go, up to a level. The default is no log.
///
/// callback NULL: no log. Lines wait in a bounded queue until a thread is inside a working call, and come on that
/// thread, one at a time; lines that found no room are counted, and the count is a line.
///
/// user_data is handed to the callback as it is. From this call on it belongs to the library: destroy, if not NULL,
/// runs exactly once, before this returns if it fails or callback is NULL; else when another call replaces the
/// callback, or when the config and all clients and uploads made from it are freed.
///
/// Results: GLACIER_OK; GLACIER_E_NULL (config); GLACIER_E_INVALID (not a level); GLACIER_E_BUSY; GLACIER_E_PANIC.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_log(
    config: *mut glacier_config_t,
    level: glacier_log_level_t,
    callback: glacier_log_fn,
    user_data: *mut c_void,
    destroy: glacier_destroy_fn,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    let user_data = UserData::new(user_data, destroy);
    boundary::call(err, || {
        set(config, |config| {
            let known = callback::level(level);
            let known = known.ok_or_else(|| Error::invalid(format!("level {level} is not a log level")))?;
            config.set_log(known, callback::log_sink(callback, user_data))
        })
    })
}

/// Frees settings. Clients made from them go on. NULL is ignored. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_free(config: *mut glacier_config_t) {
    infallible::run((), || drop(args::take_back(config)));
}

fn set(config: *mut glacier_config_t, change: impl FnOnce(&mut Config) -> Result<()>) -> Result<()> {
    args::share(config, "config")?.with(change)
}

#[cfg(test)]
mod tests {
    use super::super::error::{glacier_error_free, glacier_error_message};
    use super::super::result::glacier_result_names::*;
    use super::*;

    unsafe extern "C" fn log(_: *mut c_void, _: glacier_log_level_t, _: *const c_char) {}

    unsafe extern "C" fn count(user_data: *mut c_void) {
        // SAFETY: the tests give a u32 that outlives the config.
        unsafe { *user_data.cast::<u32>() += 1 };
    }

    /// Sets the log, and says what came back and how often user_data was released by then.
    fn set_log(config: *mut glacier_config_t, level: i32, callback: glacier_log_fn, released: &mut u32) -> (i32, u32) {
        let user_data = ptr::from_mut(released).cast();
        // SAFETY: the config is NULL or alive.
        let result =
            unsafe { glacier_config_set_log(config, level, callback, user_data, Some(count), ptr::null_mut()) };
        // SAFETY: `released` lives; C may have changed it.
        (result, unsafe { ptr::from_mut(released).read_volatile() })
    }

    #[test]
    fn user_data_is_released_exactly_once_whatever_happens() {
        let config = glacier_config_new();
        let [mut a, mut b, mut c, mut d, mut e] = [0; 5];
        assert_eq!(set_log(ptr::null_mut(), 1, Some(log), &mut a), (GLACIER_E_NULL as i32, 1));
        assert_eq!(set_log(config, 17, Some(log), &mut b), (GLACIER_E_INVALID as i32, 1));
        assert_eq!(set_log(config, 1, None, &mut c), (0, 1), "no callback: nothing to keep it for");
        assert_eq!(set_log(config, 1, Some(log), &mut d), (0, 0), "kept with its callback");
        assert_eq!(set_log(config, 1, Some(log), &mut e), (0, 0));
        assert_eq!(d, 1, "replaced");
        // SAFETY: made above, freed once.
        unsafe { glacier_config_free(config) };
        assert_eq!((a, b, c, d, e), (1, 1, 1, 1, 1));
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told() {
        let config = glacier_config_new();
        for (text, expected, word) in [
            (ptr::null(), GLACIER_E_NULL, "account_id is NULL"),
            (c"\xc3(".as_ptr(), GLACIER_E_INVALID, "account_id is not UTF-8"),
            (c"1111-2222-3333".as_ptr(), GLACIER_E_INVALID, "1111-2222-3333"),
        ] {
            let mut err = ptr::null_mut();
            // SAFETY: the config is alive, the text is NULL or ends with NUL.
            assert_eq!(unsafe { glacier_config_set_account_id(config, text, &raw mut err) }, expected as i32);
            // SAFETY: the error was just made.
            let message = args::str_arg(unsafe { glacier_error_message(err) }, "message").unwrap();
            assert!(message.contains(word), "{message}");
            // SAFETY: as above.
            unsafe { glacier_error_free(err) };
        }
        // SAFETY: made above, freed once.
        unsafe { glacier_config_free(config) };
    }

    #[test]
    fn a_destroy_function_that_calls_back_is_told_that_the_config_is_busy() {
        unsafe extern "C" fn call_back(config: *mut c_void) {
            // SAFETY: the config is alive.
            let result = unsafe { glacier_config_set_concurrency(config.cast(), 1, ptr::null_mut()) };
            assert_eq!(result, GLACIER_E_BUSY as i32);
        }
        let config = glacier_config_new();
        // SAFETY: as above.
        let result =
            unsafe { glacier_config_set_log(config, 1, None, config.cast(), Some(call_back), ptr::null_mut()) };
        assert_eq!(result, GLACIER_OK as i32);
        // SAFETY: made above, freed once.
        unsafe { glacier_config_free(config) };
    }
}
