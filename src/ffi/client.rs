//! `glacier_client_t`: one account's way to the service, shared by any number of uploads.

use std::ffi::c_char;
use std::sync::Arc;

use super::config::glacier_config_t;
use super::error::glacier_error_t;
use super::guard;
use super::lists::glacier_uploads_t;
use super::result::glacier_result_t;
use crate::client::Client;

/// The way to the service: endpoint, account, credentials, and the memory limit that its uploads share.
///
/// Any number of threads may use a client at once. Its uploads keep it alive: it may be freed before them.
#[derive(Debug)]
pub struct glacier_client_t(pub(super) Arc<Client>);

/// Makes a client from a copy of the settings: changing or freeing config afterwards has no effect on it. Nothing is
/// sent.
///
/// What is wrong in the environment, and what is missing, shows here.
///
/// *out gets the client; free it with glacier_client_free. Any thread, as long as no other uses config.
/// Results: GLACIER_OK; GLACIER_E_NULL (config, out); GLACIER_E_INVALID (no region is set, a value from the
/// environment is not allowed, or the CA file has no certificate); GLACIER_E_CREDENTIALS (no credentials are set, or
/// the environment has only one of the two keys); GLACIER_E_IO (the CA file cannot be read); GLACIER_E_TLS;
/// GLACIER_E_BUSY (config is in use); GLACIER_E_MEMORY; GLACIER_E_PANIC; GLACIER_E_INTERNAL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_client_new(
    config: *const glacier_config_t,
    out: *mut *mut glacier_client_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    guard::call(err, || {
        let config = guard::share(config, "config")?;
        let out = guard::Out::new(out, "out")?;
        let client = config.with(|config| Client::new(config))?;
        out.set(guard::into_handle(glacier_client_t(client)));
        Ok(())
    })
}

/// Asks the service for all multipart uploads in progress in a vault, page by page to the end.
///
/// An upload of which no part came for 24 hours may be gone from it. The list does not say who initiated an upload.
///
/// vault is the vault's name. *out gets the list, which may be empty; free it with glacier_uploads_free. Any thread;
/// log lines are delivered on it, and a credentials provider is asked on it.
/// Results: GLACIER_OK; GLACIER_E_NULL (client, vault, out); GLACIER_E_INVALID (vault not allowed); GLACIER_E_BUSY
/// (called from inside a callback of this client); GLACIER_E_FORKED; GLACIER_E_MEMORY; GLACIER_E_NETWORK;
/// GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS;
/// GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the vault); GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED;
/// GLACIER_E_CALLBACK (the credentials provider did not return GLACIER_CONTINUE); GLACIER_E_PANIC; GLACIER_E_INTERNAL.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_client_list_uploads(
    client: *const glacier_client_t,
    vault: *const c_char,
    out: *mut *mut glacier_uploads_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    guard::call(err, || {
        let client = guard::share(client, "client")?;
        let vault = guard::str_arg(vault, "vault")?;
        let out = guard::Out::new(out, "out")?;
        out.set(guard::into_handle(glacier_uploads_t::from(client.0.list_uploads(vault)?)));
        Ok(())
    })
}

/// Gives a client back. Its uploads go on working. NULL is ignored. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_client_free(client: *mut glacier_client_t) {
    guard::value((), || drop(guard::take_back(client)));
}
