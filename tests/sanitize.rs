//! A service echoes secrets and control characters in every field of its responses, and file names contain control
//! characters. No message, getter or log line shows them.
#![cfg(test)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use glacier_mp::client::Client;
use glacier_mp::config::Config;
use glacier_mp::credentials::Credentials;
use glacier_mp::environment::Environment;
use glacier_mp::error::{Error, Kind, Result};
use glacier_mp::log::Level;
use glacier_mp::sign::Key;
use glacier_mp::upload::Upload;
use support::acceptor::Acceptor;
use support::glacier::{CapturedLog, VAULT, client, config, file};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "FwoGZXIvYXdzEJr//////////wEaDPq+3kZ1Gm5SZ0x9yyLRAaBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789+/AbCdEfGh==";
/// The minimum length of an echo, in characters.
const ECHO: usize = 16;

/// A call that sends requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Initiate,
    PutPart,
    ListParts,
    Complete,
    Abort,
    ListUploads,
}

const CALLS: [Call; 6] =
    [Call::Initiate, Call::PutPart, Call::ListParts, Call::Complete, Call::Abort, Call::ListUploads];

/// Starts a service that returns `response` for `call`, and success for the requests that precede it.
fn service(call: Call, response: String) -> Acceptor {
    Acceptor::start(move |stream| serve(&stream, call, &response))
}

fn serve(mut stream: &TcpStream, call: Call, response: &str) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let listing = head.starts_with("GET") && head.contains("/multipart-uploads/");
        let prepared = json(
            200,
            "",
            r#"{"PartSizeInBytes":1048576,"Parts":[{"RangeInBytes":"0-9","SHA256TreeHash":
            "1111111111111111111111111111111111111111111111111111111111111111"}],"Marker":null}"#,
        );
        let response = if listing && call != Call::ListParts { &prepared } else { response };
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

fn json(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Text\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Makes one call, which must fail, and returns its error.
fn fail(call: Call, config: Config, lines: &CapturedLog) -> Error {
    let client = client(config, lines);
    if call == Call::ListUploads {
        return client.list_uploads(VAULT).expect_err("must be rejected");
    }
    let source = file(b"0123456789");
    let upload = Upload::new(&client, VAULT).unwrap();
    upload.set_source_file(source.path()).unwrap();
    if call != Call::Initiate {
        upload.set_upload_id("upload-id").unwrap();
    }
    let outcome = match call {
        Call::Initiate => upload.initiate(),
        Call::PutPart => upload.put_part(0, b"0123456789", None),
        Call::ListParts => upload.list_parts().map(drop),
        Call::Complete => upload.complete(),
        Call::Abort => upload.abort(),
        Call::ListUploads => Ok(()),
    };
    outcome.expect_err("must be rejected")
}

fn config_at(service: &Acceptor) -> Config {
    let mut config = Config::new(Environment::isolated());
    config.set_region("us-east-1").unwrap();
    config.set_endpoint(&format!("http://{}", service.address)).unwrap();
    config.set_credentials("AKIDEXAMPLE", SECRET, Some(TOKEN)).unwrap();
    config
}

fn assert_sanitized(error: &Error, lines: &CapturedLog, secrets: &[&str]) {
    let logged = [Level::Error, Level::Warn, Level::Info, Level::Debug].map(|level| lines.of(level)).concat();
    let getters = [error.service_code(), error.request_id(), error.date(), Some(error.message())];
    let debug = format!("{error:?}");
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut causes = Vec::new();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    let texts = getters.into_iter().flatten().chain(logged.iter().map(String::as_str));
    for text in texts.chain([debug.as_str()]).chain(causes.iter().map(String::as_str)) {
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
        assert!(text.len() < 5000, "{} bytes: {text}", text.len());
        for secret in secrets {
            for at in 0..=secret.len() - ECHO {
                let echo = &secret[at..at + ECHO];
                assert!(!text.contains(echo), "{echo} of {secret} is in {text}");
                assert!(!text.replace("%2F", "/").replace("%2B", "+").contains(echo), "{echo} is in {text}");
            }
        }
    }
}

/// Returns the contents of a malicious field, with JSON escapes.
fn echoes() -> Vec<String> {
    let encoded = TOKEN.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    vec![
        format!("token {TOKEN} secret {SECRET}"),
        format!("{} {} {encoded}", &TOKEN[30..60], &SECRET[5..25]),
        format!(
            "The Canonical String for this request should have been\\n'POST\\n/-/vaults\\n\\nhost:h\\n\
             x-amz-security-token:{TOKEN}\\n\\nhost;x-amz-security-token'\\r\\n\\u001b[2JERROR \\u0007forged\\u202e"
        ),
        format!("{}{TOKEN}", "long ".repeat(20_000)),
    ]
}

#[test]
fn hides_secrets_that_service_echoes_in_errors() {
    for call in CALLS {
        for echo in echoes() {
            let plain = echo.replace("\\n", " ").replace("\\r", " ").replace("\\u00", "-").replace("\\u202e", "-");
            let short = &plain[plain.len().saturating_sub(600)..];
            let echo = &echo[..];
            let responses = [
                json(403, "", &format!(r#"{{"code":"Code","message":"{echo}","type":"Client"}}"#)),
                json(403, "", &format!(r#"{{"code":"{echo}","message":"{echo}","type":"{echo}"}}"#)),
                json(500, &format!("x-amzn-RequestId: {short}\r\nDate: {short}\r\n"), "{}"),
                json(403, &format!("x-amzn-ErrorType: {short}\r\nx-amzn-RequestId: {short}\r\n"), echo),
                json(301, &format!("Location: https://h/{short}\r\n"), ""),
                json(400, "", &format!("<html>{echo}")),
                json(
                    if call == Call::ListParts { 200 } else { 418 },
                    "",
                    &format!(r#"{{"PartSizeInBytes":"{echo}"}}"#),
                ),
            ];
            for response in responses {
                let lines = CapturedLog::default();
                let error = fail(call, config_at(&service(call, response)), &lines);
                assert_sanitized(&error, &lines, &[SECRET, TOKEN]);
            }
        }
    }
}

#[test]
fn hides_secrets_in_success_responses() {
    let accepted = json(201, &format!("x-amz-multipart-upload-id: id\r\nLocation: /-/{TOKEN}\r\n"), "");
    let upload = |response: &str, lines: &CapturedLog| {
        let service = service(Call::Initiate, response.to_owned());
        (Upload::new(&client(config_at(&service), lines), VAULT).unwrap(), service)
    };
    let lines = CapturedLog::default();
    let (initiated, _service) = upload(&accepted, &lines);
    initiated.initiate().unwrap();
    assert_eq!(initiated.location().unwrap().to_str().unwrap(), "/-/[redacted]");

    let rejected = json(201, &format!("x-amz-multipart-upload-id: {TOKEN}\r\nLocation: /-/\r\n"), "");
    let (upload, _service) = upload(&rejected, &lines);
    let error = upload.initiate().unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol);
    assert_sanitized(&error, &lines, &[SECRET, TOKEN]);

    let list = format!(
        r#"{{"Marker":null,"UploadsList":[{{"ArchiveDescription":"{SECRET}","CreationDate":"2012-03-20T17:03:43Z",
        "MultipartUploadId":"id","PartSizeInBytes":1048576}}]}}"#
    );
    let service = service(Call::ListUploads, json(200, "", &list));
    let uploads = client(config_at(&service), &lines).list_uploads(VAULT).unwrap();
    assert_eq!(uploads[0].description.as_deref(), Some("[redacted]"));
}

#[test]
fn hides_secrets_of_replaced_keys() {
    let echo = format!(r#"{{"code":"ExpiredTokenException","message":"{TOKEN} {SECRET}"}}"#);
    let service = service(Call::Initiate, json(403, "", &echo));
    let mut config = config_at(&service);
    let calls = std::sync::atomic::AtomicU32::new(0);
    let provider = move || -> Result<Credentials> {
        let number = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (secret, token) =
            if number == 0 { (SECRET, TOKEN) } else { ("another-secret-key", "another-session-token") };
        Ok(Credentials { key: Key::new("AK", secret, Some(token.to_owned())), expires: None })
    };
    config.set_credentials("AKIDEXAMPLE", "a-key-that-is-not-used", None).unwrap();
    config.set_credentials_provider(Some(Box::new(provider))).unwrap();
    let lines = CapturedLog::default();
    let error = fail(Call::Initiate, config, &lines);
    assert_eq!(error.kind(), Kind::Credentials);
    assert_sanitized(&error, &lines, &[SECRET, TOKEN]);
}

#[test]
fn escapes_file_names() {
    let directory = tempfile::tempdir().unwrap();
    let name = "a\r\nERROR forged \x1b[2J\x07\u{9b}\u{202e}";
    let path = directory.path().join(name);
    let glacier = glacier_emulator::Emulator::start(glacier_emulator::Options::default()).unwrap();
    let lines = CapturedLog::default();
    let upload = |change: &dyn Fn(&Upload)| {
        let upload: Arc<Upload> = Upload::new(&client(config(&glacier), &lines), VAULT).unwrap();
        upload.set_source_memory(b"x").unwrap();
        change(&upload);
        upload.run().unwrap_err()
    };
    let missing = upload(&|upload| upload.set_source_file(&path).unwrap());
    std::fs::create_dir(&path).unwrap();
    let directory_as_source = upload(&|upload| upload.set_source_file(&path).unwrap());
    let directory_as_journal = upload(&|upload| upload.set_journal(&path).unwrap());
    std::fs::write(path.join("foreign"), "no journal").unwrap();
    let foreign = upload(&|upload| upload.set_journal(&path.join("foreign")).unwrap());
    let ca_file = |path: &Path| {
        let mut config = config(&glacier);
        config.set_ca_file(path).unwrap();
        Client::new(&config).unwrap_err()
    };
    for error in [missing, directory_as_source, directory_as_journal, foreign, ca_file(&path), ca_file(&path.join("x"))]
    {
        assert_sanitized(&error, &lines, &[]);
        assert!(error.message().contains(r"a\r\nERROR forged \x1b[2J\x07\u{9b}\u{202e}"), "{error}");
    }
}
