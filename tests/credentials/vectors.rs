//! Known answers of botocore for credentials, region and endpoint (`data/credentials.json`), and the requests that the
//! providers send.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use glacier_mp::client::Client;
use glacier_mp::clock::{Clock, SystemClock};
use glacier_mp::error::{Error, Kind};
use glacier_mp::http::Request;
use glacier_mp::log::Level;
use glacier_mp::sign::{EMPTY_PAYLOAD_SHA256, Key, Signer, UnsignedRequest, is_signed_by_default};
use serde_json::Value;

use crate::cases::{Case, fill, known_answers, new_directory};
use crate::fake::{EmptyVault, Fake, Received, Reply};
use crate::support::glacier::{CapturedLog, VirtualClock};

/// The cases that this library answers differently, with the reason. Each differs in its requests only.
const OTHER_REQUESTS: [(&str, &str); 1] =
    [("sso_session_refresh", "a valid token is used until it expires; the AWS CLI alone refreshes it")];

#[test]
fn resolves_credentials_as_known_answers() {
    let file = known_answers();
    let (mut right, mut skipped, mut wrong) = (0, 0, Vec::new());
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let directory = new_directory();
        let fake = start_services(case["http"].clone(), directory.path().to_owned());
        let case = Case::new(case, &file["default_env"], directory, fake.url());
        if case.has_readable_secret() {
            skipped += 1;
            continue;
        }
        match check(&case, &fake) {
            Ok(()) => right += 1,
            Err(problem) => wrong.push(format!("{}: {problem}", case.name)),
        }
    }
    println!("{right} of {} known answers are right, {skipped} need another user than root", cases.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(right + skipped, cases.len());
}

/// Starts a server that plays the services of a case. `directory` replaces a placeholder.
fn start_services(responses: Value, directory: PathBuf) -> Fake {
    let counts: Mutex<HashMap<String, usize>> = Mutex::default();
    Fake::start(move |received, _| {
        let form = received.field("Action").map(|action| format!("POST {action}"));
        let key = form.unwrap_or_else(|| format!("{} {}", received.method, received.target));
        let Some(responses) = responses.get(&key).and_then(Value::as_array) else { return Reply::new(404, "") };
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(key).or_default();
        let response = &responses[(*count).min(responses.len() - 1)];
        *count += 1;
        let headers = response["headers"].as_object().into_iter().flatten();
        Reply::Response {
            status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
            headers: headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
            body: fill(response["body"].as_str().unwrap(), &directory, ""),
        }
    })
}

fn check(case: &Case, fake: &Fake) -> Result<(), String> {
    let lines = CapturedLog::default();
    match (resolve(case, fake, &lines), case.expected("error")) {
        (Err(error), Some(kind)) => check_error(&error, &kind)?,
        (Err(error), None) => return Err(format!("unexpected error {error}")),
        (Ok(_), Some(kind)) => return Err(format!("no error, but {kind} is expected")),
        (Ok(answer), None) => answer.check(case, &lines)?,
    }
    if OTHER_REQUESTS.iter().any(|(name, _)| case.name == *name) {
        return Ok(());
    }
    check_requests(&fake.received(), case)
}

/// What the library does in a case without an error.
struct Answer {
    region: String,
    endpoint: String,
    request: Request,
}

fn resolve(case: &Case, fake: &Fake, lines: &CapturedLog) -> Result<Answer, Error> {
    let mut config = case.config()?;
    if let Some(id) = case.argument("access_key") {
        let secret = case.argument("secret_key").unwrap_or_default();
        config.set_credentials(&id, &secret, case.argument("token").as_deref())?;
    }
    config.set_log(Level::Info, Some(lines.sink()))?;
    let resolved = config.resolve()?;
    let (region, endpoint) = (resolved.region.clone(), resolved.endpoint.to_string());
    let vault = EmptyVault::default();
    let requests = Arc::clone(&vault.requests);
    assert!(fake.received().is_empty(), "creating a client sends nothing");
    let clock = Arc::new(VirtualClock::default());
    let client = Client::with_transports(resolved, Arc::new(vault), fake.transports(), clock);
    client.list_uploads("vault")?;
    let request = requests.lock().unwrap().remove(0);
    Ok(Answer { region, endpoint, request })
}

impl Answer {
    fn check(&self, case: &Case, lines: &CapturedLog) -> Result<(), String> {
        let text = |name: &str| case.expected(name);
        let compare = |what: &str, ours: Option<&str>, expected: Option<String>| match ours == expected.as_deref() {
            true => Ok(()),
            false => Err(format!("{what} {ours:?}, but {expected:?} is expected")),
        };
        compare("region", Some(&self.region), text("region"))?;
        compare("endpoint", Some(&self.endpoint), text("endpoint_url"))?;
        let header =
            |name: &str| self.request.headers.iter().find(|(have, _)| *have == name).map(|(_, value)| value.as_str());
        compare("token", header("x-amz-security-token"), text("token"))?;
        let id = text("access_key").unwrap();
        let key = Key::new(id, text("secret_key").unwrap(), text("token"));
        let date = header("x-amz-date").unwrap();
        let added = |name: &str| ["x-amz-date", "x-amz-security-token"].contains(&name);
        let unsigned = UnsignedRequest {
            method: self.request.method.as_str(),
            target: &self.request.target,
            headers: self
                .request
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .filter(|(name, _)| is_signed_by_default(name) && !added(name))
                .collect(),
            payload_sha256: EMPTY_PAYLOAD_SHA256,
        };
        // The signature proves the secret key.
        let now = SystemClock::new().unix_time();
        let time = (now - 600..=now + 600).find(|time| glacier_mp::dates::amz_date(*time) == date).unwrap();
        let signed = Signer::new(&self.region).sign(&unsigned, &key, time);
        compare("authorization", header("authorization"), signed.into_iter().last().map(|(_, value)| value))?;
        let source = source(&text("source").unwrap());
        let logged = lines.of(Level::Info);
        match logged
            .iter()
            .any(|line| line.contains("supplies the keys") && source.iter().all(|part| line.contains(part)))
        {
            true => Ok(()),
            false => Err(format!("the log does not name the source {source:?}: {logged:?}")),
        }
    }
}

/// Returns what the log line of a source has.
fn source(name: &str) -> &'static [&'static str] {
    match name {
        "explicit" => &["the program supplies"],
        "env" => &["the environment variable AWS_ACCESS_KEY_ID"],
        "shared-credentials-file" => &["profile ", " in /"],
        "config-file" => &["profile ", "config supplies"],
        "assume-role" => &["role arn:", " of profile"],
        "assume-role-with-web-identity" => &["web identity (role arn:"],
        "custom-process" => &["the program ", "credential_process"],
        "container-role" => &["container endpoint "],
        "iam-role" => &["instance metadata at "],
        "sso" => &["SSO (profile "],
        _ => panic!("{name}"),
    }
}

/// Checks kind and message of an error.
fn check_error(error: &Error, expected: &str) -> Result<(), String> {
    use Kind::{Credentials, Invalid, Io};
    let (kinds, words): (&[Kind], &[&str]) = match expected {
        "ProfileNotFound" => (&[Invalid], &["profile", "does not exist"]),
        "PartialCredentials" => {
            (&[Credentials, Invalid], &[" is not", " but no ", "is empty", "without a source of keys"])
        }
        "InvalidCredentials" => (&[Invalid, Credentials], &["must consist of printable"]),
        "ConfigParseError" => (&[Invalid], &["cannot parse"]),
        "InvalidConfig" => (
            &[Invalid],
            &[
                "is not a number of seconds",
                "has both source_profile",
                "does not exist",
                "has no credentials",
                "is not allowed",
                "no role is set",
                "is missing",
                "services",
                "true or false",
                "custom endpoint",
                "does not allow",
                "endpoint",
            ],
        ),
        "InfiniteLoop" => (&[Invalid], &["in a loop"]),
        "NoCredentials" => (&[Credentials], &["no credentials found"]),
        "NoRegion" => (&[Invalid], &["no region"]),
        "InvalidRegion" => (&[Invalid], &["region"]),
        "InvalidEndpoint" => (&[Invalid], &["endpoint"]),
        "FileError" => (&[Io], &["cannot read"]),
        "CredentialRetrieval" => (
            &[Credentials],
            &[
                "has no credentials",
                "failed",
                "has no Version",
                "Version 2",
                "has no SecretAccessKey",
                "is not a JSON object",
                "cannot start",
                "has no Token",
                "without keys",
                "AWS_ACCESS_KEY_ID is not set",
            ],
        ),
        "ContainerHostNotAllowed" => (&[Invalid], &["is not allowed without encryption"]),
        "InvalidAuthToken" => (&[Credentials], &["authorization token"]),
        "InvalidImdsEndpoint" => (&[Invalid], &["endpoint mode"]),
        "ServiceError" => (&[Credentials], &["HTTP status 4"]),
        "SsoToken" => (&[Credentials], &["aws sso login"]),
        "MfaRequired" => (&[Credentials], &["MFA"]),
        _ => return Err(format!("unknown kind {expected}")),
    };
    let is_right = kinds.contains(&error.kind()) && words.iter().any(|word| error.message().contains(word));
    if is_right { Ok(()) } else { Err(format!("{expected} is expected, not {:?}: {error}", error.kind())) }
}

fn check_requests(received: &[Received], case: &Case) -> Result<(), String> {
    let expected = case.requests();
    // An implementation may repeat a failed request more often.
    let mut received = received.to_vec();
    if received.len() > expected.len() {
        received.dedup_by(|a, b| (&a.method, &a.url, &a.body) == (&b.method, &b.url, &b.body));
    }
    if received.len() != expected.len() {
        let urls: Vec<_> = received.iter().map(|request| format!("{} {}", request.method, request.url)).collect();
        return Err(format!("requests {urls:?}, but {} are expected", expected.len()));
    }
    for (ours, expected) in received.iter().zip(expected) {
        let fail = |what: &str| Err(format!("{what}: {ours:?}, but {expected} is expected"));
        if expected["method"] != ours.method.as_str() {
            return fail("method");
        }
        let url = case.filled(expected["url"].as_str().unwrap());
        if url != ours.url {
            return fail("url");
        }
        for (name, value) in expected["headers"].as_object().into_iter().flatten() {
            if ours.header(name) != value.as_str() {
                return fail(name);
            }
        }
        let form = expected["form"].as_object();
        for (name, value) in form.into_iter().flatten() {
            let ours = ours.field(name);
            if ours.is_none() || (value != "<generated>" && ours.as_deref() != value.as_str()) {
                return fail(name);
            }
        }
        if form.is_some_and(|form| form.len() != ours.body.split('&').count()) {
            return fail("number of fields");
        }
        let authorization = ours.header("authorization").unwrap_or_default();
        match &expected["signed_by"] {
            Value::Null if authorization.starts_with("AWS4") => return fail("signed"),
            Value::Null => {}
            by => {
                let text = |name: &str| by[name].as_str().unwrap();
                let credential = format!("Credential={}/", text("access_key"));
                let scope = format!("/{}/{}/aws4_request", text("region"), text("service"));
                if !(authorization.contains(&credential) && authorization.contains(&scope)) {
                    return fail("signed_by");
                }
            }
        }
    }
    Ok(())
}
