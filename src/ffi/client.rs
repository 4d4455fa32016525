//! `glacier_client_t`: creates, cancels and frees clients, and lists the uploads of a vault.

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
/// uploads. Its uploads keep it alive.
#[derive(Debug)]
pub struct glacier_client_t(pub(super) Arc<Client>);

/// Creates a client from a copy of the config: later changes to config do not affect it. Reads the AWS config and
/// credentials files and the CA file. Nothing is sent.
///
/// Results: config results (the profile does not exist; a line of a file cannot be parsed; no region; a region
/// without Glacier; a value in the environment or the profile is not allowed; no certificate in the CA file);
/// GLACIER_E_CREDENTIALS (the source of the keys is incomplete, such as one half of a key, or needs MFA);
/// GLACIER_E_IO (the CA file, or an AWS file, cannot be read); GLACIER_E_TLS (TLS cannot be set up). Since: 0.1
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

/// Lists all multipart uploads in progress in a vault, up to 10,000 pages and 50,000 uploads. A longer list, a repeated
/// page, or an ID that glacier_upload_set_upload_id does not accept is GLACIER_E_PROTOCOL.
///
/// The list does not show who initiated an upload.
///
/// The calling thread also delivers log lines and calls the credentials provider.
///
/// Results: request results; and GLACIER_E_INVALID (vault name not allowed). Since: 0.1
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
        out.set(args::into_handle(glacier_uploads_t::new(client.0.list_uploads(vault)?)?));
        Ok(())
    })
}

/// Cancels glacier_client_list_uploads. Uploads are not affected. See "Cancellation". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_client_cancel(client: *mut glacier_client_t) {
    infallible::read(client, (), |client| client.0.cancel());
}

/// Frees a client. Its uploads keep working. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_client_free(client: *mut glacier_client_t) {
    infallible::run((), || drop(args::take_back(client)));
}
