//! `glacier_client_t`: one account's way to the service, shared by any number of uploads.

use std::ffi::c_char;
use std::sync::Arc;

use super::args;
use super::boundary;
use super::config::glacier_config_t;
use super::error::glacier_error_t;
use super::infallible;
use super::lists::glacier_uploads_t;
use super::result::glacier_result_t;
use crate::client::Client;

/// A client: the endpoint, account and credentials used for requests, and the memory and bandwidth limits shared by its
/// uploads.
///
/// Any number of threads may use a client at once. Its uploads keep it alive: it may be freed before them.
#[derive(Debug)]
pub struct glacier_client_t(pub(super) Arc<Client>);

/// Makes a client from a copy of the settings: changing or freeing config afterwards has no effect on it. Nothing is
/// sent.
///
/// Missing or invalid environment values are reported here.
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
    boundary::call(err, || {
        let config = args::share(config, "config")?;
        let out = args::Out::new(out, "out")?;
        let client = config.with(|config| Client::new(config))?;
        out.set(args::into_handle(glacier_client_t(client)));
        Ok(())
    })
}

/// Lists all multipart uploads in progress in a vault. It requests page after page, up to 10,000 pages and 50,000
/// uploads; a longer list is GLACIER_E_PROTOCOL, and so is a list that repeats a page or has an ID that
/// glacier_upload_set_upload_id does not accept.
///
/// An upload that received no part for 24 hours may be missing. The list does not say who initiated an upload.
///
/// vault is the vault's name. *out gets the list, which may be empty; free it with glacier_uploads_free. Any thread;
/// log lines are delivered on it, and a credentials provider is called on it. glacier_client_cancel stops it.
/// Results: GLACIER_OK; GLACIER_E_NULL (client, vault, out); GLACIER_E_INVALID (vault not allowed); GLACIER_E_BUSY
/// (called from inside a callback of this client); GLACIER_E_FORKED; GLACIER_E_MEMORY; GLACIER_E_NETWORK;
/// GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS;
/// GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the vault); GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED;
/// GLACIER_E_CALLBACK (the credentials provider did not return GLACIER_CONTINUE); GLACIER_E_CANCELED; GLACIER_E_PANIC;
/// GLACIER_E_INTERNAL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_client_list_uploads(
    client: *const glacier_client_t,
    vault: *const c_char,
    out: *mut *mut glacier_uploads_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let client = args::share(client, "client")?;
        let vault = args::str_arg(vault, "vault")?;
        let out = args::Out::new(out, "out")?;
        out.set(args::into_handle(glacier_uploads_t::from(client.0.list_uploads(vault)?)));
        Ok(())
    })
}

/// Requests that glacier_client_list_uploads stop: it returns GLACIER_E_CANCELED within 250 ms. A name lookup of the
/// system that is in progress is not interrupted. Uploads of the client are not affected: see glacier_upload_cancel.
///
/// The request stops each call in progress or, if there is none, the next one. When all calls in progress have returned,
/// at least one of them with GLACIER_E_CANCELED, the request is cleared; otherwise it stays pending and stops the next
/// call. Any thread, at any time, and in a signal handler: it is one atomic store. NULL is ignored. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_client_cancel(client: *mut glacier_client_t) {
    infallible::read(client, (), |client| client.0.cancel());
}

/// Frees a client. Its uploads keep working. NULL is ignored. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_client_free(client: *mut glacier_client_t) {
    infallible::run((), || drop(args::take_back(client)));
}
