//! `glacier_config_t`: the settings of clients.

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

/// The settings of clients.
///
/// A setter that fails leaves the setting unchanged.
#[derive(Debug)]
pub struct glacier_config_t(Mutex<Config>);

impl glacier_config_t {
    /// Runs `body` on the settings, and removes their secrets from its error. Does not wait for the lock, because a
    /// destroy function may call back into this config.
    pub(super) fn with<T>(&self, body: impl FnOnce(&mut Config) -> Result<T>) -> Result<T> {
        let mut config = match self.0.try_lock() {
            Ok(config) => config,
            Err(TryLockError::Poisoned(config)) => config.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(Kind::Busy, "the config is in use by another call"));
            }
        };
        body(&mut config).map_err(|error| config.redacted(error))
    }
}

/// Creates a config from the defaults and the environment.
///
/// This call captures all environment variables; no other function reads them. Unless noted, an empty variable counts
/// as not set. glacier_client_new reads the AWS config and credentials files. The first setting in each of these
/// lists counts:
///
/// - Profile: glacier_config_set_profile, AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
/// - Files: AWS_CONFIG_FILE or ~/.aws/config, and AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials. Settings in the
///   credentials file override those in the config file. A missing file counts as empty, and an empty variable means no
///   file.
/// - Keys: see "Credentials".
/// - Region: glacier_config_set_region, AWS_REGION, AWS_DEFAULT_REGION, region in the profile. No profile inherits the
///   region of [default].
/// - Endpoint: glacier_config_set_endpoint, AWS_ENDPOINT_URL_GLACIER, AWS_ENDPOINT_URL; endpoint_url in the services
///   section that the profile names, below "glacier ="; endpoint_url in the profile; the endpoint of the region. If
///   AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or ignore_configured_endpoint_urls in the profile is true, only
///   glacier_config_set_endpoint and the region count.
/// - Endpoint of the region: the FIPS one if AWS_USE_FIPS_ENDPOINT or use_fips_endpoint in the profile is true, the
///   one with IPv6 if AWS_USE_DUALSTACK_ENDPOINT or use_dualstack_endpoint is true. Either one together with an
///   endpoint setting that counts is an error.
/// - Proxy: glacier_config_set_proxy, then the variables that are listed there.
/// - Certificates: see glacier_config_set_ca_file.
///
/// Returns NULL if out of memory. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_config_new() -> *mut glacier_config_t {
    infallible::run(ptr::null_mut(), || args::into_handle(glacier_config_t(Mutex::new(Config::from_environment()))))
}

/// Sets the keys that sign requests: an access key ID, its secret key, and the session token of temporary credentials
/// or NULL. An empty token counts as NULL.
///
/// The three belong together, and all other sources are ignored. Of this and glacier_config_set_credentials_provider,
/// the later call counts. See "Credentials".
///
/// Results: config results (the key ID or the secret is empty; a text is longer than 32,768 bytes, or has a space or
/// a character that is not printable ASCII). Since: 0.1
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

/// Sets a credentials provider. If callback is NULL, sources 2 to 7 of "Credentials" apply.
///
/// Of this and glacier_config_set_credentials, the later call counts; both override all other sources. Clients
/// created from the same config share the callback and may call it at the same time. Setting other credentials also
/// releases it.
///
/// Results: config results. Since: 0.1
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

/// Selects a profile of the AWS config and credentials files, such as "backup", in place of the one that the
/// environment selects. In the config file its section is [profile backup], in the credentials file [backup].
///
/// The environment still overrides the profile's region and endpoint, but not its keys: AWS_ACCESS_KEY_ID, AWS_ROLE_ARN
/// and the other variables for keys and web identity are then ignored. Keys that a setter sets override the profile.
/// glacier_client_new reads the files, and fails if neither has the profile.
///
/// Results: config results (profile is empty). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_profile(
    config: *mut glacier_config_t,
    profile: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_profile(args::str_arg(profile, "profile")?)))
}

/// Sets the AWS region of the vaults, such as "eu-central-1". It selects the endpoint and is part of each signature.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_region(
    config: *mut glacier_config_t,
    region: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_region(args::str_arg(region, "region")?)))
}

/// Sets the endpoint that replaces the region's own: scheme, host, and a port unless it is the scheme's default, such
/// as "http://127.0.0.1:8080". Only such an endpoint, or one of the environment or a profile, can use plain http. The
/// region is still required for signatures.
///
/// Results: config results. Since: 0.1
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
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_account_id(
    config: *mut glacier_config_t,
    account_id: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_account_id(args::str_arg(account_id, "account_id")?)))
}

/// Sets the CA file: a PEM file with the only certificates that the client trusts. It must be a regular file of at most
/// 16 MiB in which each certificate is valid PEM. glacier_client_new reads it.
///
/// Without this function, the first of these counts:
///
/// - The CA file that AWS_CA_BUNDLE names (set but empty: an error), or ca_bundle in the profile. A leading ~ is the
///   home directory.
/// - The certificates in the file SSL_CERT_FILE and in the directories SSL_CERT_DIR, as in OpenSSL. If one of the two
///   is set, but neither has a certificate, a client with an https endpoint cannot be created.
/// - The system's trust store, such as /etc/ssl/certs. Certificates that cannot be read are skipped and logged.
/// - A built-in list of public authorities, only if the system has no trust store.
///
/// The service's certificate is accepted if a trusted authority issued it, or if it is trusted itself, such as a
/// self-signed one made by openssl req -x509. It must also be within its validity period and match the endpoint's host.
/// TLS 1.2 and 1.3 are supported. No setting turns these checks off.
///
/// Results: config results (path is empty). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_ca_file(
    config: *mut glacier_config_t,
    path: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_ca_file(args::path_arg(path, "path")?)))
}

/// Sets the proxy for all connections: http://[user:password@]host[:port], or https://... for TLS to the proxy. Without
/// a scheme, http applies; without a port, 80 or 443. "" disables all proxies. NULL, the default: the environment's
/// proxy applies.
///
/// - The environment's proxy is the first of these variables that is not empty: for an https endpoint https_proxy,
///   HTTPS_PROXY, all_proxy, ALL_PROXY; for an http endpoint http_proxy, all_proxy, ALL_PROXY. If it is invalid,
///   glacier_client_new fails.
/// - no_proxy, else NO_PROXY, lists hosts that are reached directly, also if this function sets a proxy: names,
///   domains with all names below them, IP addresses and ranges (192.0.2.0/24), separated by commas or spaces, without
///   ports; or "*" alone for all. Loopback addresses are not exempt.
/// - These rules are those of curl.
///
/// The proxy looks up the endpoint's name. For https it opens a tunnel (CONNECT), so it sees the name but no request.
/// For http it receives the whole requests. User and password are sent by Basic authentication in the first request;
/// write special characters in them as %XX. The certificate of an https proxy is checked like that of the service.
///
/// If the proxy responds to CONNECT with 3xx or 4xx, such as 407, the call fails with GLACIER_E_NETWORK without a
/// retry, and glacier_error_http_status returns that status. 408, 429, 5xx and lost connections are retried.
///
/// Results: config results (the URL is not allowed). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_proxy(
    config: *mut glacier_config_t,
    url_or_null: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_proxy(args::optional_str_arg(url_or_null, "url_or_null")?)))
}

/// Sets the program's name in the User-Agent header, before the library's name and version: 1 to 256 printable ASCII
/// characters. The default is none.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_user_agent(
    config: *mut glacier_config_t,
    user_agent: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_user_agent(args::str_arg(user_agent, "user_agent")?)))
}

/// Sets the maximum number of parts in flight per upload: 1 to 32 workers, 8 by default. Each has its own connection:
/// an upload in progress uses at most one connection per worker.
///
/// Throttling (HTTP 408, 429, 500, 503, throttling codes) halves the number in use, down to 1. A number N grows by 1
/// after N acknowledged parts. The number is also limited to the parts that the measured connection and the bandwidth
/// limits can send in 4 minutes, because a signature is valid for 5. Each upload adapts on its own. The log reports
/// each change; see also workers in glacier_progress_t.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_concurrency(
    config: *mut glacier_config_t,
    workers: u32,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_concurrency(workers)))
}

/// Sets the maximum number of attempts per request for transient failures: a lost connection, a stall, HTTP 408, 429,
/// 500, 502, 503, 504 and 509, throttling, and a 404 that is not from the service. 0 means no maximum: only
/// glacier_config_set_give_up_after_ms applies.
///
/// The default is 10, which an outage alone never uses up: an attempt that does not reach the service (no connection,
/// failed TLS handshake, lost or stalled connection, truncated response, 502 or 504 of a gateway) counts only if the
/// client has received another response to any request since the previous attempt. If this function sets a maximum,
/// even 10, every attempt counts.
///
/// A rejected certificate is not retried. Any other failure of a TLS handshake is retried only if the client has
/// connected before. With TLS 1.3 a server can reject the client after the handshake, for example if it requires a
/// client certificate: this is retried only if the client has received a response before.
///
/// Ambiguous failures are retried at most 3 times: a success without its tree hash or ID, a part damaged in transit,
/// a response that is not HTTP, and any other error response that is probably from a proxy, because it has neither
/// x-amzn-RequestId nor an error document with a code of AWS. Re-signing a request with a corrected clock or new
/// keys does not count as an attempt.
///
/// Retries use exponential backoff with full jitter: a random delay of up to 0.5 s, doubled after each failure, up to
/// 20 s. A longer Retry-After of the service is followed, up to 300 s.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_max_attempts(
    config: *mut glacier_config_t,
    attempts: u32,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_max_attempts(attempts)))
}

/// Sets the total part-buffer memory, in bytes, for all uploads of a client: at least 1,048,576 (1 MiB), by default
/// 268,435,456 (256 MiB).
///
/// It limits buffers, not the process. A part larger than the limit divided by the workers is not kept in memory but
/// read twice, to hash and to send it. glacier_plan_memory returns the limit that avoids this. Uploads share the limit,
/// first come, first served: N uploads run at full speed if the limit is N times that of glacier_plan_memory.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_memory_limit(
    config: *mut glacier_config_t,
    bytes: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_memory_limit(bytes)))
}

/// Sets the bandwidth limit for parts of all uploads of a client together, in bytes per second; 0, the default, is no
/// limit.
///
/// It counts the bytes of parts each time they are sent. Headers and encryption add a few percent. The bytes flow
/// evenly, parts in flight share the limit fairly, and unused bandwidth is not carried over. It also applies to
/// glacier_upload_put_part. glacier_upload_set_bandwidth_limit limits one upload in addition, also while it runs.
///
/// A part should take at most 4 minutes, because a signature is valid for 5: if the limit is below the part size
/// divided by 240 (70,000 bytes per second for 16 MiB), use smaller parts.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_bandwidth_limit(
    config: *mut glacier_config_t,
    bytes_per_s: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_bandwidth_limit(bytes_per_s)))
}

/// Sets the timeout for opening a connection, TLS and the proxy included, in milliseconds: at least 1, by default
/// 10,000 (10 s). The name lookup, which the system bounds, does not count. If the host has several addresses, they
/// are tried 250 ms apart, or right after a failure, IPv6 and IPv4 alternately (RFC 8305). The first to accept is
/// used. The client's next connection tries it first, or last if it failed before a response. After a timeout, the
/// next connection first tries the addresses that were not tried.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_connect_timeout_ms(
    config: *mut glacier_config_t,
    milliseconds: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_connect_timeout_ms(milliseconds)))
}

/// Sets the stall timeout in milliseconds: at least 1, by default 60,000 (60 s). An attempt fails, and the request is
/// retried, if
///
/// - the peer does not acknowledge 1 KB of the request, or the rest if it is less, within the timeout. Waiting for
///   the source or the bandwidth limit does not count;
/// - the response does not begin within the timeout after the request is acknowledged. Only
///   glacier_config_set_give_up_after_ms limits the response to Complete, which may take many minutes. Through a
///   proxy, which acknowledges bytes before it sends them, the timeout grows by the time the request took;
/// - the headers of a response or of an interim response (HTTP 1xx) do not end within the timeout after their first
///   byte;
/// - the body of a list does not end within the timeout after its first byte.
///
/// Interim responses do not change a timeout; more than 8 are an error. At most 64 KiB of an error response are read,
/// for at most 5 s. A bandwidth limit below 1 KB per stall timeout is allowed.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_stall_timeout_ms(
    config: *mut glacier_config_t,
    milliseconds: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_stall_timeout_ms(milliseconds)))
}

/// Sets how long failed parts are retried while none is acknowledged, in milliseconds: at least 1, by default
/// 1,800,000 (30 min). Any other request, such as Complete, has this time for itself. After it, the call returns the
/// error of the last attempt, or GLACIER_E_OUTCOME_UNKNOWN if Complete was sent. The upload stays in the vault.
///
/// The last attempt is made when the time is over. A delay that would end later is shortened. A Retry-After of the
/// service is never shortened. If it ends after this time, the call fails when the time is over, or at once if no
/// other part can be acknowledged meanwhile. The message names the Retry-After.
///
/// Until a client opens its first connection, at most 45 s apply, and an unknown host name is final after 3 attempts:
/// the region or endpoint may be wrong. Time in which the process was stopped (SIGSTOP, debugger, suspended machine)
/// does not count, here and in the other timeouts.
///
/// Results: config results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_config_set_give_up_after_ms(
    config: *mut glacier_config_t,
    milliseconds: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || set(config, |config| config.set_give_up_after_ms(milliseconds)))
}

/// Sets the log callback and level for clients created from this config. callback may be NULL for no log, the default.
///
/// Lines wait in a bounded queue. A thread inside a working call, or the thread of a started run, passes them to the
/// callback, one line at a time for all handles of a client. Between two writes of a stream, lines wait for the next
/// call. Lines that do not fit are dropped and counted.
///
/// Results: config results (level unknown). Since: 0.1
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

/// Frees a config. Its clients keep working. Since: 0.1
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
        // SAFETY: the tests pass a u32 that outlives the config.
        unsafe { *user_data.cast::<u32>() += 1 };
    }

    /// Sets the log. Returns the result, and how often user_data was released by then.
    fn set_log(config: *mut glacier_config_t, level: i32, callback: glacier_log_fn, released: &mut u32) -> (i32, u32) {
        let user_data = ptr::from_mut(released).cast();
        // SAFETY: the config is NULL or alive.
        let result =
            unsafe { glacier_config_set_log(config, level, callback, user_data, Some(count), ptr::null_mut()) };
        // SAFETY: `released` is alive; the destroy function may have changed it.
        (result, unsafe { ptr::from_mut(released).read_volatile() })
    }

    #[test]
    fn releases_user_data_exactly_once_on_success_and_failure() {
        let config = glacier_config_new();
        let [mut a, mut b, mut c, mut d, mut e] = [0; 5];
        assert_eq!(set_log(ptr::null_mut(), 1, Some(log), &mut a), (GLACIER_E_NULL as i32, 1));
        assert_eq!(set_log(config, 17, Some(log), &mut b), (GLACIER_E_INVALID as i32, 1));
        assert_eq!(set_log(config, 1, None, &mut c), (0, 1), "released at once without a callback");
        assert_eq!(set_log(config, 1, Some(log), &mut d), (0, 0), "kept with its callback");
        assert_eq!(set_log(config, 1, Some(log), &mut e), (0, 0));
        assert_eq!(d, 1, "replaced");
        // SAFETY: created above, freed once.
        unsafe { glacier_config_free(config) };
        assert_eq!((a, b, c, d, e), (1, 1, 1, 1, 1));
    }

    #[test]
    fn names_the_argument_and_the_rule_of_wrong_texts() {
        let config = glacier_config_new();
        for (text, expected, word) in [
            (ptr::null(), GLACIER_E_NULL, "account_id is NULL"),
            (c"\xc3(".as_ptr(), GLACIER_E_INVALID, "account_id is not UTF-8"),
            (c"1111-2222-3333".as_ptr(), GLACIER_E_INVALID, "1111-2222-3333"),
        ] {
            let mut err = ptr::null_mut();
            // SAFETY: the config is alive, the text is NULL or ends with NUL.
            assert_eq!(unsafe { glacier_config_set_account_id(config, text, &raw mut err) }, expected as i32);
            // SAFETY: the call above created the error.
            let message = args::str_arg(unsafe { glacier_error_message(err) }, "message").unwrap();
            assert!(message.contains(word), "{message}");
            // SAFETY: as above.
            unsafe { glacier_error_free(err) };
        }
        // SAFETY: created above, freed once.
        unsafe { glacier_config_free(config) };
    }

    #[test]
    fn returns_busy_to_destroy_function_that_calls_back() {
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
        // SAFETY: created above, freed once.
        unsafe { glacier_config_free(config) };
    }
}
