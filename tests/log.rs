//! Log lines: each request, each retry, each step, and no secrets.
#![cfg(test)]

mod support;

use std::sync::{Arc, Mutex, OnceLock};

use glacier_emulator::{Action, Emulator, Fault, Operation, Options};
use glacier_mp::client::Client;
use glacier_mp::error::Kind;
use glacier_mp::log::{Level, Sink};
use glacier_mp::upload::Upload;
use support::glacier::{CapturedLog, VAULT, client, config};

const TOKEN: &str = "token-that-must-not-be-logged";

fn fault(action: Action) -> Fault {
    Fault::new(action).on(Operation::UploadMultipartPart)
}

/// Uploads one byte with a session token. Returns the log lines and the result.
fn upload(faults: Vec<Fault>) -> (CapturedLog, Result<(), glacier_mp::error::Error>) {
    let options = Options { session_token: Some(TOKEN.to_owned()), ..Options::default() };
    let glacier = Emulator::start(options.clone()).unwrap();
    faults.into_iter().for_each(|fault| glacier.add_fault(fault));
    let mut config = config(&glacier);
    config.set_credentials(&options.access_key, &options.secret_key, Some(TOKEN)).unwrap();
    let lines = CapturedLog::default();
    let upload = Upload::new(&client(config, &lines), VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    let outcome = upload.run();
    (lines, outcome)
}

#[test]
fn logs_each_request_with_status_request_id_and_duration() {
    let (lines, outcome) = upload(vec![fault(Action::status(500)), fault(Action::Reset { after_bytes: None }).skip(1)]);
    outcome.unwrap();
    let mut requests = lines.of(Level::Debug);
    // The trust store logs the number of its certificates.
    requests.retain(|line| line.contains(" attempt "));
    let starts = [
        "InitiateMultipartUpload attempt 1: HTTP status 201, request ID ",
        "UploadMultipartPart part 0 attempt 1: HTTP status 500, request ID ",
        "UploadMultipartPart part 0 attempt 2: ",
        "UploadMultipartPart part 0 attempt 3: HTTP status 204, request ID ",
        "CompleteMultipartUpload attempt 1: HTTP status 201, request ID ",
    ];
    assert_eq!(requests.len(), starts.len(), "{requests:?}");
    for (line, start) in requests.iter().zip(starts) {
        assert!(line.starts_with(start) && line.ends_with(" ms"), "{line:?} does not start with {start:?}");
    }
    assert!(requests.iter().filter(|line| line.contains("HTTP")).all(|line| !line.contains("request ID none")));
}

#[test]
fn logs_each_retry_with_cause_and_delay() {
    let (lines, outcome) = upload(vec![fault(Action::error(400, "ThrottlingException", "Rate exceeded"))]);
    outcome.unwrap();
    let warnings = lines.of(Level::Warn);
    assert_eq!(warnings.len(), 2, "one warning is for the halved congestion window: {warnings:?}");
    assert!(
        warnings[0].starts_with("the maximum number of parts in flight changes from 8 to 4 after throttling: "),
        "{warnings:?}"
    );
    let warnings = &warnings[1..];
    assert!(warnings[0].starts_with("part 0 attempt 1 failed, retrying in "), "{warnings:?}");
    assert!(
        warnings[0].contains(" ms: ") && warnings[0].contains("ThrottlingException: Rate exceeded"),
        "{warnings:?}"
    );
}

#[test]
fn logs_steps_and_final_error_of_an_upload() {
    let (lines, outcome) = upload(Vec::new());
    outcome.unwrap();
    let steps = lines.of(Level::Info);
    assert!(steps[0].starts_with("the program supplies the keys: access key ID "), "{steps:?}");
    assert!(steps[1].starts_with("upload ") && steps[1].contains(" initiated "), "{steps:?}");
    assert!(steps[2].starts_with("archive "), "{steps:?}");

    let (lines, outcome) = upload(vec![fault(Action::error(403, "AccessDeniedException", "no"))]);
    assert_eq!(lines.of(Level::Error), [outcome.unwrap_err().to_string()]);
}

#[test]
fn log_lines_and_errors_contain_no_secrets() {
    let secret = Options::default().secret_key;
    let faults = [
        Action::error(403, "ExpiredTokenException", "The security token included in the request is expired"),
        Action::Garbage,
        Action::status(301),
        Action::error(403, "InvalidSignatureException", "Signature expired"),
    ];
    for action in faults {
        let (lines, outcome) = upload(vec![fault(action).always()]);
        let text = format!("{lines:?} {outcome:?}");
        assert!(text.len() > 500 && !text.contains(TOKEN) && !text.contains(&secret), "{text}");
    }
}

#[test]
fn rejects_calls_on_client_inside_its_log_callback() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let itself: Arc<OnceLock<Arc<Client>>> = Arc::default();
    let rejections = Arc::new(Mutex::new(Vec::new()));
    let (inside, seen) = (Arc::clone(&itself), Arc::clone(&rejections));
    let sink: Sink = Box::new(move |_, _| {
        let client = inside.get().unwrap();
        seen.lock().unwrap().push(Upload::new(client, VAULT).unwrap_err().kind());
        seen.lock().unwrap().push(client.list_uploads(VAULT).unwrap_err().kind());
    });
    let mut config = config(&glacier);
    config.set_log(Level::Debug, Some(sink)).unwrap();
    let client = Client::new(&config).unwrap();
    itself.set(Arc::clone(&client)).unwrap();
    client.list_uploads(VAULT).unwrap();
    let rejections = rejections.lock().unwrap();
    assert!(rejections.len() >= 2 && rejections.iter().all(|kind| *kind == Kind::Busy), "{rejections:?}");
    Upload::new(&client, VAULT).unwrap();
}
