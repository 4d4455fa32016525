//! Errors of functions with a config, a client or an upload: none shows a secret that the handle knows.

use std::ffi::CString;
use std::ptr;

use super::args;
use super::client::{glacier_client_free, glacier_client_list_uploads, glacier_client_new};
use super::config::*;
use super::error::{glacier_error_free, glacier_error_message, glacier_error_t};
use super::result::glacier_result_t;
use super::upload::{glacier_upload_free, glacier_upload_new};
use super::upload_settings::glacier_upload_set_upload_id;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEHwaCXVzLWVhc3QtMSJHMEUC";

/// Returns the message of a call that fails.
fn message(call: impl FnOnce(*mut *mut glacier_error_t) -> glacier_result_t) -> String {
    let mut err = ptr::null_mut();
    assert_ne!(call(&raw mut err), 0);
    // SAFETY: the call created the error, and it is freed below.
    let message = args::str_arg(unsafe { glacier_error_message(err) }, "message").unwrap().to_owned();
    // SAFETY: as above.
    unsafe { glacier_error_free(err) };
    message
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn assert_redacted(messages: &[String]) {
    for message in messages {
        assert!(message.contains("[redacted]"), "{message}");
        assert!(!message.contains("7MDENG") && !message.contains("LWVhc3Qt"), "{message}");
    }
}

/// Creates a config that knows the secrets.
fn config() -> *mut glacier_config_t {
    let config = glacier_config_new();
    let (id, secret, token) = (c_string("AKIDEXAMPLE"), c_string(SECRET), c_string(TOKEN));
    // SAFETY: the config is alive, and the texts end with NUL.
    let result = unsafe {
        glacier_config_set_credentials(config, id.as_ptr(), secret.as_ptr(), token.as_ptr(), ptr::null_mut())
    };
    assert_eq!(result, 0);
    config
}

#[test]
fn setters_of_a_config_redact_its_secrets() {
    let config = config();
    let (secret, line, host, proxy) = (
        c_string(SECRET),
        c_string(&format!("{SECRET}\n")),
        c_string(&format!("http://{TOKEN}:0")),
        c_string(&format!("ftp://{TOKEN}")),
    );
    // SAFETY: here and below, the config is alive, and the texts end with NUL.
    let region = message(|err| unsafe { glacier_config_set_region(config, secret.as_ptr(), err) });
    // SAFETY: see above.
    let endpoint = message(|err| unsafe { glacier_config_set_endpoint(config, host.as_ptr(), err) });
    // SAFETY: see above.
    let account = message(|err| unsafe { glacier_config_set_account_id(config, secret.as_ptr(), err) });
    // SAFETY: see above.
    let user_agent = message(|err| unsafe { glacier_config_set_user_agent(config, line.as_ptr(), err) });
    // SAFETY: see above.
    let proxy = message(|err| unsafe { glacier_config_set_proxy(config, proxy.as_ptr(), err) });
    assert_redacted(&[region, endpoint, account, user_agent, proxy]);
    // SAFETY: see above; freed once.
    unsafe { glacier_config_free(config) };
}

#[test]
fn clients_and_uploads_redact_their_secrets() {
    let config = config();
    let (secret, line) = (c_string(SECRET), c_string(&format!("{SECRET}\n")));
    let (mut client, mut upload, mut uploads, none) =
        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: here and below, handles are alive, texts end with NUL, and outputs have room.
    assert_eq!(unsafe { glacier_config_set_region(config, c"us-east-1".as_ptr(), none) }, 0);
    // SAFETY: see above.
    assert_eq!(unsafe { glacier_client_new(config, &raw mut client, none) }, 0);
    // SAFETY: see above; freed once.
    unsafe { glacier_config_free(config) };
    // SAFETY: see above.
    let list = message(|err| unsafe { glacier_client_list_uploads(client, secret.as_ptr(), &raw mut uploads, err) });
    // SAFETY: see above.
    let new = message(|err| unsafe { glacier_upload_new(client, secret.as_ptr(), &raw mut upload, err) });
    // SAFETY: see above.
    assert_eq!(unsafe { glacier_upload_new(client, c"vault".as_ptr(), &raw mut upload, none) }, 0);
    // SAFETY: see above.
    let id = message(|err| unsafe { glacier_upload_set_upload_id(upload, line.as_ptr(), err) });
    assert_redacted(&[list, new, id]);
    // SAFETY: see above; each freed once.
    unsafe { glacier_upload_free(upload) };
    // SAFETY: see above.
    unsafe { glacier_client_free(client) };
}
