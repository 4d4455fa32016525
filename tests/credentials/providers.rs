//! The built-in providers against services that fail, and against programs: each error says what failed and what to do.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use glacier_mp::client::Client;
use glacier_mp::clock::{Clock, SystemClock};
use glacier_mp::config::{Config, ResolvedConfig};
use glacier_mp::credentials::{Chain, CredentialsSource, Route};
use glacier_mp::endpoint::ServiceEndpoints;
use glacier_mp::environment::Environment;
use glacier_mp::error::{Error, Kind, Result};
use glacier_mp::http::Request;
use glacier_mp::log::Level;
use glacier_mp::retry;
use tempfile::TempDir;

use crate::fake::{EmptyVault, Fake, Received, Redirecting, Reply, metadata_keys};
use crate::support::glacier::{CapturedLog, VirtualClock};
use crate::time::{MovedClock, StoppedClock, iso8601};

/// The guarantee is 250 ms. The rest is for a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// The environment and the files of a client, and its services.
struct Setup {
    directory: TempDir,
    variables: HashMap<String, String>,
    fake: Fake,
    lines: CapturedLog,
    vault: EmptyVault,
    process_time_limit: Option<Duration>,
}

impl Setup {
    fn new(respond: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut setup = Self {
            fake: Fake::start(respond),
            variables: HashMap::new(),
            lines: CapturedLog::default(),
            vault: EmptyVault::default(),
            process_time_limit: None,
            directory,
        };
        let path = |name: &str| setup.directory.path().join(name).to_str().unwrap().to_owned();
        let (home, config, credentials) = (path("home"), path("config"), path("credentials"));
        setup
            .set("HOME", &home)
            .set("AWS_CONFIG_FILE", &config)
            .set("AWS_SHARED_CREDENTIALS_FILE", &credentials)
            .set("AWS_EC2_METADATA_DISABLED", "true")
            .set("AWS_REGION", "us-east-1")
            .set("PATH", &std::env::var("PATH").unwrap());
        setup
    }

    /// As `new`, for tests that send nothing.
    fn offline() -> Self {
        Self::new(|received, _| panic!("{received:?}"))
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file. `{dir}` is the directory of the files.
    fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("{dir}", self.directory.path().to_str().unwrap())).unwrap();
    }

    fn config(&self) -> Config {
        let mut config = Config::new(Environment::from_pairs(self.variables.clone()));
        config.set_log(Level::Debug, Some(self.lines.sink())).unwrap();
        config
    }

    fn resolve(&self) -> Result<ResolvedConfig> {
        let mut resolved = self.config().resolve()?;
        if let Some(limit) = self.process_time_limit {
            let (environment, profiles) = (Arc::clone(&resolved.environment), Arc::clone(&resolved.profiles));
            let endpoints = ServiceEndpoints::new("us-east-1", Arc::clone(&environment), Arc::clone(&profiles));
            let chain = Chain::new(environment, profiles, endpoints)?.with_process_time_limit(limit);
            resolved.credentials = CredentialsSource::Chain(Arc::new(chain));
        }
        Ok(resolved)
    }

    fn client(&self) -> Result<(Client, Arc<Redirecting>)> {
        self.client_at(Arc::new(VirtualClock::default()))
    }

    fn client_at(&self, clock: Arc<dyn Clock>) -> Result<(Client, Arc<Redirecting>)> {
        let vault = EmptyVault { requests: Arc::clone(&self.vault.requests), errors: Arc::clone(&self.vault.errors) };
        let transports = self.fake.transports();
        let resolved = self.resolve()?;
        Ok((Client::with_transports(resolved, Arc::new(vault), transports.clone(), clock), transports))
    }

    /// Calls the service once. Returns the access key ID that signed the request.
    fn call(&self) -> Result<String> {
        let (client, _) = self.client()?;
        client.list_uploads("vault")?;
        Ok(self.key_ids().pop().unwrap())
    }

    fn error(&self) -> Error {
        self.call().unwrap_err()
    }

    /// Makes Glacier reject the session token of the next request.
    fn expire_token(&self) {
        let body = r#"{"code":"ExpiredTokenException","message":"expired","type":"Client"}"#;
        self.vault.errors.lock().unwrap().push((403, body.to_owned()));
    }

    /// Returns the access key IDs of the requests to Glacier.
    fn key_ids(&self) -> Vec<String> {
        self.vault.requests.lock().unwrap().iter().map(key_id).collect()
    }

    fn targets(&self) -> Vec<String> {
        self.fake.received().iter().map(|received| format!("{} {}", received.method, received.target)).collect()
    }

    /// A role of the profile `default`, and keys to assume it.
    fn with_role(mut self) -> Self {
        self.file("config", "[default]\nrole_arn = arn:aws:iam::123456789012:role/backup\nsource_profile = base\n");
        self.file("credentials", "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = secret-base-key\n");
        self.set("AWS_ENDPOINT_URL_STS", "https://sts.example");
        self
    }

    fn with_container(mut self) -> Self {
        self.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/keys");
        self.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token-of-the-container");
        self
    }

    fn with_instance(mut self) -> Self {
        self.variables.remove("AWS_EC2_METADATA_DISABLED");
        self
    }

    fn with_sso(self) -> Self {
        let expires = iso8601(SystemClock::new().unix_time() + 3600);
        self.file(
            "config",
            "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Backup\n\
             [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.example/start\n",
        );
        self.file(
            "home/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
            &format!("{{\"accessToken\": \"token-of-the-login\", \"expiresAt\": \"{expires}\"}}"),
        );
        self
    }

    fn with_process(self, command: &str) -> Self {
        self.file("config", &format!("[default]\ncredential_process = {command}\n"));
        self
    }
}

fn key_id(request: &Request) -> String {
    let (_, authorization) = request.headers.iter().find(|(name, _)| *name == "authorization").unwrap();
    let after = authorization.split_once("Credential=").unwrap().1;
    after.split_once('/').unwrap().0.to_owned()
}

fn sts_keys(id: &str) -> Reply {
    let expires = iso8601(SystemClock::new().unix_time() + 3600);
    Reply::new(
        200,
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
             <Expiration>{expires}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}

fn sso_keys() -> Reply {
    let keys = r#"{"roleCredentials":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t","expiration":4102444800000}}"#;
    Reply::new(200, keys)
}

fn sts_error(status: u16, code: &str, message: &str) -> Reply {
    Reply::new(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}

/// Plays the metadata service. `keys` is the response to the request for the keys.
fn instance(received: &Received, keys: Reply) -> Reply {
    match received.target.as_str() {
        "/latest/api/token" => Reply::new(200, "token-of-the-instance"),
        "/latest/meta-data/iam/security-credentials/" => Reply::new(200, "backup-role"),
        _ => keys,
    }
}

fn redirect() -> Reply {
    let headers = vec![("location".to_owned(), "http://192.0.2.1/elsewhere".to_owned())];
    Reply::Response { status: 302, headers, body: String::new() }
}

fn assert_contains(error: &Error, words: &[&str]) {
    for word in words {
        assert!(error.message().contains(word), "{word:?} is not in {error}");
    }
}

// All providers

#[test]
fn nothing_found_lists_each_provider_its_reason_and_the_setting() {
    let setup = Setup::offline();
    setup.file("credentials", "[work]\naws_access_key_id = AK\naws_secret_access_key = s\n");
    let error = setup.error();
    assert_eq!(error.kind(), Kind::Credentials);
    let (config, credentials) = (setup.path("config"), setup.path("credentials"));
    assert_contains(
        &error,
        &[
            "no credentials found: environment: AWS_ACCESS_KEY_ID is not set; ",
            "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; ",
            &format!(
                "profile \"default\": {} does not exist, {} has only [work]; ",
                config.display(),
                credentials.display()
            ),
            "container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set; ",
            "instance metadata: AWS_EC2_METADATA_DISABLED is set to true",
        ],
    );
    assert!(setup.key_ids().is_empty(), "nothing is sent");
}

#[test]
fn creating_a_client_sends_nothing_and_starts_no_process() {
    for setup in [
        Setup::offline().with_role(),
        Setup::offline().with_container(),
        Setup::offline().with_instance(),
        Setup::offline().with_sso(),
        Setup::offline().with_process("touch {dir}/started"),
    ] {
        let client = setup.client().unwrap();
        drop(client);
        assert!(setup.fake.received().is_empty() && !setup.path("started").exists());
    }
}

#[test]
fn creating_a_client_finds_errors_of_the_selected_provider() {
    let role = "role_arn = arn:aws:iam::123456789012:role/backup";
    for (config, words) in [
        ("[default]\naws_access_key_id = AK\n".to_owned(), vec!["profile \"default\" in ", "no aws_secret_access_key"]),
        (
            "[default]\naws_access_key_id = AK\n  aws_secret_access_key = s\n".to_owned(),
            vec!["line 3", "indented deeper", "aws_access_key_id"],
        ),
        (
            "[default]\naws_access_key_id = AK x\naws_secret_access_key = s\n".to_owned(),
            vec!["aws_access_key_id in line 2 of ", "a space at offset 2"],
        ),
        (format!("[default]\n{role}\n"), vec!["without a source of keys", "source_profile"]),
        (format!("[default]\n{role}\nsource_profile = nobody\n"), vec!["profile \"nobody\" does not exist"]),
        (
            format!("[default]\n{role}\nsource_profile = b\n[profile b]\n{role}\nsource_profile = default\n"),
            vec!["in a loop (default -> b -> default)"],
        ),
        (
            format!("[default]\n{role}\ncredential_source = Environment\n"),
            vec!["Environment has no credentials: AWS_ACCESS_KEY_ID is not set"],
        ),
        (
            format!("[default]\n{role}\ncredential_source = EcsContainer\nmfa_serial = arn:mfa\n"),
            vec!["EcsContainer has no credentials: neither"],
        ),
        (
            format!(
                "[default]\n{role}\nsource_profile = b\nmfa_serial = arn:mfa\n[profile b]\naws_access_key_id = A\naws_secret_access_key = s\n"
            ),
            vec!["MFA", "aws configure export-credentials --profile default --format process"],
        ),
        (
            format!(
                "[default]\n{role}\nsource_profile = b\nduration_seconds = +3600\n[profile b]\naws_access_key_id = A\naws_secret_access_key = s\n"
            ),
            vec!["duration_seconds in line 4", "\"+3600\" is not a number of seconds"],
        ),
        ("[default]\nlogin_session = x\n".to_owned(), vec!["login sessions are not supported", "export-credentials"]),
        (
            "[default]\ncredential_process = a 'b\n".to_owned(),
            vec!["credential_process in line 2", "an unclosed quote"],
        ),
        ("[default]\nsso_account_id = 1\nsso_role_name = r\n".to_owned(), vec!["sso_region is missing"]),
    ] {
        let setup = Setup::offline();
        setup.file("config", &config);
        let error = setup.client().map(|_| ()).unwrap_err();
        assert_contains(&error, &words);
    }
}

#[test]
fn chain_of_source_profiles_has_at_most_32_profiles() {
    let role = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = ";
    for (length, is_allowed) in [(32, true), (33, false), (30_000, false)] {
        let last = length - 2;
        let chain: String = (0..last).map(|n| format!("[profile p{n}]\n{role}p{}\n", n + 1)).collect();
        let keys = "aws_access_key_id = AKIDBASE\naws_secret_access_key = secret-base-key\n";
        let mut setup = Setup::new(|received, number| {
            assert!(received.body.contains("Action=AssumeRole&"), "{received:?}");
            sts_keys(&format!("ASID{number}"))
        });
        setup.set("AWS_ENDPOINT_URL_STS", "https://sts.example");
        setup.file("config", &format!("[default]\n{role}p0\n{chain}[profile p{last}]\n{keys}"));
        match setup.call() {
            Ok(id) => assert_eq!((is_allowed, id.as_str()), (true, "ASID30")),
            Err(error) => {
                assert!(!is_allowed, "{error}");
                assert_contains(&error, &["begins with profile \"default\"", "more than 32 profiles"]);
            }
        }
    }
}

#[test]
fn secret_key_alone_is_reported_if_nothing_else_is_found() {
    let mut setup = Setup::offline();
    setup.set("AWS_SECRET_ACCESS_KEY", "secret-of-the-test");
    assert_contains(&setup.error(), &["AWS_SECRET_ACCESS_KEY is set in the environment, but AWS_ACCESS_KEY_ID is not"]);
    setup.file("credentials", "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = s\n");
    assert_eq!(setup.call().unwrap(), "AKIDFILE");
}

/// Checks that a text that is too long for a request is an error that names its place, before anything is sent.
fn check_too_long(setup: &Setup, kind: Kind, words: &[&str]) {
    let error = setup.error();
    assert_eq!(error.kind(), kind, "{error}");
    assert_contains(&error, words);
    assert!(!error.message().contains("xxxxxxxx"), "{error}");
    assert!(setup.fake.received().is_empty(), "nothing is sent");
}

#[test]
fn settings_that_are_too_long_for_a_request_are_invalid() {
    let long = "x".repeat(70_000);
    let rule = "has 70000 bytes: it must have at most 2048";
    for key in ["sso_account_id", "sso_role_name"] {
        let setup = Setup::offline().with_sso();
        let config = std::fs::read_to_string(setup.path("config")).unwrap();
        let value = config.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap();
        setup.file("config", &config.replace(value, &long));
        check_too_long(&setup, Kind::Invalid, &[key, "profile \"default\"", rule]);
    }
    for key in ["role_arn", "role_session_name", "external_id"] {
        let setup = Setup::offline().with_role();
        let role = "role_arn = arn:aws:iam::1:role/r\n".repeat(usize::from(key != "role_arn"));
        setup.file("config", &format!("[default]\nsource_profile = base\n{role}{key} = {long}\n"));
        check_too_long(&setup, Kind::Invalid, &[&format!("{key} in line "), "profile \"default\"", rule]);
    }
    for variable in ["AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"] {
        let mut setup = Setup::offline();
        setup.set("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere").set("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
        setup.set(variable, &long);
        check_too_long(&setup, Kind::Invalid, &[variable, rule]);
    }
    for variable in ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
        let mut setup = Setup::offline();
        let prefix = if variable.contains("FULL") { "http://127.0.0.1/" } else { "/" };
        setup.set(variable, &format!("{prefix}{}", &long[prefix.len()..]));
        check_too_long(&setup, Kind::Invalid, &[variable, "has 70000 bytes: it must have at most 8192"]);
    }
}

#[test]
fn tokens_that_are_too_long_for_a_request_are_errors() {
    let long = "x".repeat(200_000);
    let rule = "has 200000 bytes: it must have at most 32768";
    let setup = Setup::offline().with_sso();
    let file = "home/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    let cache = std::fs::read_to_string(setup.path(file)).unwrap();
    setup.file(file, &cache.replace("token-of-the-login", &long));
    check_too_long(&setup, Kind::Credentials, &["accessToken in the SSO token file", rule, "aws sso login"]);

    let mut setup = Setup::offline().with_container();
    setup.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", &long);
    let words = ["the authorization token in AWS_CONTAINER_AUTHORIZATION_TOKEN", rule];
    check_too_long(&setup, Kind::Credentials, &words);

    setup.file("token", &long);
    let path = setup.path("token").to_str().unwrap().to_owned();
    setup.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &path);
    let words = ["the authorization token in ", &path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", rule];
    check_too_long(&setup, Kind::Credentials, &words);

    let mut setup = Setup::offline();
    setup.file("token", &long);
    let path = setup.path("token").to_str().unwrap().to_owned();
    setup.set("AWS_WEB_IDENTITY_TOKEN_FILE", &path).set("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
    check_too_long(&setup, Kind::Credentials, &["the web identity token file ", &path, rule]);
}

#[test]
fn settings_of_the_maximum_length_are_sent() {
    let name = "x".repeat(2048);
    let setup = Setup::new(|_, _| sso_keys()).with_sso();
    let config = std::fs::read_to_string(setup.path("config")).unwrap();
    setup.file("config", &config.replace("123456789012", &name).replace("Backup", &"é".repeat(1024)));
    let file = "home/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    let cache = std::fs::read_to_string(setup.path(file)).unwrap();
    setup.file(file, &cache.replace("token-of-the-login", &"t".repeat(32 << 10)));
    assert_eq!(setup.call().unwrap(), "ASIA");

    let mut setup = Setup::new(|_, _| metadata_keys("ASIA", 3600)).with_container();
    setup.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", &format!("/{}", "x".repeat(8191)));
    setup.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", &"t".repeat(32 << 10));
    assert_eq!(setup.call().unwrap(), "ASIA");

    let setup = Setup::new(|_, _| sts_keys("ASIA")).with_role();
    let keys =
        format!("aws_access_key_id = {0}\naws_secret_access_key = s\naws_session_token = {0}\n", "A".repeat(32 << 10));
    setup.file("credentials", &format!("[base]\n{keys}"));
    let role = format!("role_arn = {name}\nrole_session_name = {name}\nexternal_id = {name}\n");
    setup.file("config", &format!("[default]\nsource_profile = base\n{role}"));
    assert_eq!(setup.call().unwrap(), "ASIA");
}

// STS

#[test]
fn sts_is_asked_three_times_if_it_fails() {
    let setup = Setup::new(|_, number| if number < 2 { Reply::new(500, "oops") } else { sts_keys("ASIA") }).with_role();
    assert_eq!(setup.call().unwrap(), "ASIA");
    assert_eq!(setup.fake.received().len(), 3);
    let warnings = setup.lines.of(Level::Warn).join("\n");
    assert!(warnings.contains("AssumeRole attempt 2 failed") && warnings.contains("HTTP status 500"), "{warnings}");
}

#[test]
fn sts_refusal_ends_the_call_at_once_and_names_role_and_code() {
    let setup = Setup::new(|_, _| sts_error(403, "AccessDenied", "not allowed, secret-base-key\x1b[2J")).with_role();
    let error = setup.error();
    assert_eq!((error.kind(), error.http_status(), error.service_code()), (Kind::Credentials, None, None));
    assert_contains(
        &error,
        &["profile \"default\"", "role/backup at https://sts.example", "403", "AccessDenied", "not allowed"],
    );
    assert!(!error.message().contains("secret-base-key") && !error.message().contains('\x1b'), "{error}");
    assert_eq!(setup.fake.received().len(), 1);
}

/// Returns responses of a proxy, a captive portal or a load balancer in front of a service.
fn responses_of_proxies() -> Vec<(u16, Reply)> {
    let page = |status| (status, Reply::new(status, "<html>no</html>"));
    let mut replies: Vec<_> = [200, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503, 511].map(page).into();
    replies.extend([(200, Reply::new(200, "")), (403, Reply::new(403, "")), (302, redirect())]);
    // The service's own documents, damaged.
    replies.push((200, Reply::new(200, "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA")));
    replies.push((200, Reply::new(200, "{\"roleCredentials\":{\"accessKeyId\":\"ASIA\"")));
    replies
}

/// Checks that responses of proxies before the service's own one, `keys`, are retried, and that the error of a service behind
/// a proxy names the proxy.
fn check_responses_of_proxies(with_source: fn(Setup) -> Setup, keys: fn() -> Reply) {
    for (status, reply) in responses_of_proxies() {
        let reply = Mutex::new(Some(reply));
        let setup = with_source(Setup::new(move |_, _| reply.lock().unwrap().take().unwrap_or_else(keys)));
        assert_eq!(setup.call().unwrap_or_else(|error| panic!("{status}: {error}")), "ASIA");
        assert_eq!(setup.fake.received().len(), 2, "{status}");
    }
    for index in 0..responses_of_proxies().len() {
        let setup = with_source(Setup::new(move |_, _| responses_of_proxies().remove(index).1));
        let mut config = setup.config();
        config.set_max_attempts(1).unwrap();
        let clock = Arc::new(VirtualClock::default());
        let vault = Arc::new(EmptyVault::default());
        let client = Client::with_transports(config.resolve().unwrap(), vault, setup.fake.transports(), clock);
        let error = client.list_uploads("vault").unwrap_err();
        let status = responses_of_proxies()[index].0;
        assert_contains(&error, &[&format!("HTTP status {status}"), "is not a document of S", MAYBE_A_PROXY]);
        assert!(!error.message().contains("aws sso login") && retry::is_retryable(&error), "{error}");
        assert_eq!(setup.fake.received().len(), 3, "{error}");
    }
}

const MAYBE_A_PROXY: &str = "the response has no request ID, so a proxy or another server may have sent it";

/// Adds a request ID to a response.
fn identified(reply: Reply) -> Reply {
    let Reply::Response { status, mut headers, body } = reply else { panic!() };
    headers.push(("x-amzn-RequestId".to_owned(), "1".to_owned()));
    Reply::Response { status, headers, body }
}

#[test]
fn errors_show_no_key_in_the_place_of_another_field() {
    let (secret, token) = ("wJalrXUtnFEMI/K7MDENG", "IQoJb3JpZ2luX2VjEHwa");
    let sts = |expiration: &str| {
        format!(
            "<R><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials></R>"
        )
    };
    let metadata = |code: &str, message: &str, expiration: &str| {
        format!(
            "{{\"Code\":\"{code}\",\"Message\":\"{message}\",\"AccessKeyId\":\"ASIA\",\"SecretAccessKey\":\"{secret}\",\
             \"Token\":\"{token}\",\"Expiration\":\"{expiration}\"}}"
        )
    };
    let mut setups = Vec::new();
    for text in [secret, token] {
        let body = sts(text);
        setups.push(Setup::new(move |_, _| identified(Reply::new(200, &body))).with_role());
        for body in [metadata("Success", "", text), metadata(text, "", ""), metadata("Failed", text, "")] {
            let of_instance = body.clone();
            setups.push(Setup::new(move |_, _| Reply::new(200, &body)).with_container());
            setups
                .push(Setup::new(move |received, _| instance(received, Reply::new(200, &of_instance))).with_instance());
        }
    }
    for setup in setups {
        let error = setup.error();
        assert!(error.message().contains("[redacted]"), "{error}");
        assert!(!error.message().contains("wJalr") && !error.message().contains("IQoJ"), "{error}");
    }
}

#[test]
fn sts_is_asked_again_after_a_response_of_a_proxy() {
    check_responses_of_proxies(Setup::with_role, || sts_keys("ASIA"));
}

#[test]
fn sts_responses_that_are_no_keys_are_errors() {
    for (reply, expected) in [
        (Reply::new(200, "<html>login</html>"), "is not a document of STS: it has no Credentials"),
        (Reply::new(200, "<a><b></a>"), "is not XML"),
        (Reply::new(200, ""), "is not a document of STS"),
        (Reply::new(403, ""), "HTTP status 403"),
        (redirect(), "redirects are not followed"),
    ] {
        let reply = Mutex::new(Some(identified(reply)));
        let setup = Setup::new(move |_, _| reply.lock().unwrap().take().unwrap()).with_role();
        let error = setup.error();
        assert_contains(&error, &[expected]);
        assert!(!error.message().contains("proxy"), "{error}");
        assert_eq!(setup.fake.received().len(), 1);
    }
}

#[test]
fn sts_signature_is_corrected_by_the_date_of_the_response() {
    let setup = Setup::new(|_, number| match number {
        0 => {
            let Reply::Response { status, body, .. } = sts_error(403, "SignatureDoesNotMatch", "expired") else {
                panic!()
            };
            let time = u64::try_from(SystemClock::new().unix_time() + 5 * 3600).unwrap();
            let headers = vec![("date".to_owned(), glacier_mp::dates::format_http(time).unwrap())];
            Reply::Response { status, headers, body }
        }
        _ => sts_keys("ASIA"),
    })
    .with_role();
    assert_eq!(setup.call().unwrap(), "ASIA");
    let dates: Vec<_> =
        setup.fake.received().iter().map(|received| received.header("x-amz-date").unwrap().to_owned()).collect();
    assert!(dates[1] > dates[0], "{dates:?}");
}

#[test]
fn expired_keys_of_sts_are_used_until_glacier_rejects_them() {
    let setup = Setup::new(|_, number| {
        let Reply::Response { status, headers, body } = sts_keys(&format!("ASIA{number}")) else { panic!() };
        let body = body.replace(
            &body[body.find("<Expiration>").unwrap()..body.find("</Expiration>").unwrap()],
            "<Expiration>2020-01-01T00:00:00Z",
        );
        Reply::Response { status, headers, body }
    })
    .with_role();
    let (client, _) = setup.client().unwrap();
    client.list_uploads("vault").unwrap();
    setup.expire_token();
    client.list_uploads("vault").unwrap();
    assert_eq!(setup.key_ids(), ["ASIA0", "ASIA0", "ASIA1"]);
}

// Containers

#[test]
fn container_keys_are_asked_three_times_without_a_proxy() {
    for make in [
        || Reply::new(500, "oops"),
        || Reply::new(200, "oops"),
        || Reply::Raw(b"HTTP/1.1 200 x\r\ncontent-le".to_vec()),
    ] {
        let setup =
            Setup::new(move |_, number| if number < 2 { make() } else { metadata_keys("ASIA", 3600) }).with_container();
        let (client, transports) = setup.client().unwrap();
        client.list_uploads("vault").unwrap();
        assert_eq!(setup.key_ids(), ["ASIA"]);
        let expected = vec![("http://169.254.170.2".to_owned(), Route::Direct); 3];
        assert_eq!(*transports.routes.lock().unwrap(), expected);
    }
}

#[test]
fn failed_container_does_not_fall_back_to_the_instance() {
    for (status, reply) in [(401, "no"), (403, "token-of-the-container"), (404, ""), (302, "")] {
        let setup = Setup::new(move |_, _| if status == 302 { redirect() } else { Reply::new(status, reply) });
        let setup = setup.with_container().with_instance();
        let error = setup.error();
        assert_eq!(error.kind(), Kind::Credentials);
        assert_contains(&error, &["GET http://169.254.170.2/v2/keys", &format!("HTTP status {status}")]);
        assert!(!error.message().contains("token-of-the-container"), "{error}");
        assert_eq!(setup.targets(), ["GET /v2/keys"; 3]);
    }
}

#[test]
fn container_token_file_is_read_at_each_refresh() {
    let mut setup = Setup::new(|received, number| {
        assert_eq!(received.header("authorization"), Some(format!("jwt-{number}").as_str()));
        metadata_keys(&format!("ASIA{number}"), 3600)
    })
    .with_container();
    let path = setup.path("token").to_str().unwrap().to_owned();
    setup.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &path);
    setup.file("token", "jwt-0");
    let (client, _) = setup.client().unwrap();
    client.list_uploads("vault").unwrap();
    setup.file("token", "jwt-1");
    setup.expire_token();
    client.list_uploads("vault").unwrap();
    assert_eq!(setup.key_ids(), ["ASIA0", "ASIA0", "ASIA1"]);
}

#[test]
fn endless_response_of_a_container_is_an_error() {
    let start = b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let piece = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    let setup = Setup::new(move |_, _| Reply::Endless(start.clone(), piece.clone(), Duration::ZERO)).with_container();
    let error = setup.error();
    assert_eq!(error.kind(), Kind::Credentials, "{error}");
}

// Instances

#[test]
fn instance_keys_come_from_version_2_without_a_proxy() {
    let setup = Setup::new(|received, _| instance(received, metadata_keys("ASIA", 3600))).with_instance();
    let (client, transports) = setup.client().unwrap();
    client.list_uploads("vault").unwrap();
    assert_eq!(setup.key_ids(), ["ASIA"]);
    assert!(
        transports
            .routes
            .lock()
            .unwrap()
            .iter()
            .all(|(url, route)| url == "http://169.254.169.254" && *route == Route::Direct)
    );
    let tokens: Vec<_> = setup
        .fake
        .received()
        .iter()
        .map(|received| received.header("x-aws-ec2-metadata-token").map(str::to_owned))
        .collect();
    assert_eq!(tokens, [None, Some("token-of-the-instance".to_owned()), Some("token-of-the-instance".to_owned())]);
}

#[test]
fn instance_without_version_2_has_no_credentials() {
    for status in [400, 403, 404, 405, 302] {
        let setup =
            Setup::new(move |_, _| if status == 302 { redirect() } else { Reply::new(status, "") }).with_instance();
        let error = setup.error();
        assert_contains(
            &error,
            &[
                "no credentials found: ",
                "instance metadata: PUT http://169.254.169.254/latest/api/token",
                &status.to_string(),
            ],
        );
        assert_eq!(setup.targets(), ["PUT /latest/api/token"], "version 1 is never used");
    }
}

#[test]
fn slow_instance_metadata_ends_after_a_second() {
    for reply in [0, 1] {
        let setup = Setup::new(move |_, _| match reply {
            0 => Reply::Silence,
            _ => Reply::Endless(b"HTTP/1.1 200 x\r\n".to_vec(), b"x: y\r\n".to_vec(), Duration::from_millis(300)),
        })
        .with_instance();
        let start = Instant::now();
        let error = setup.error();
        assert_contains(&error, &["PUT http://169.254.169.254/latest/api/token timed out after 1 s", "hop limit 2"]);
        assert!(start.elapsed() < Duration::from_secs(1) + SOON);
        assert_eq!(setup.targets(), ["PUT /latest/api/token"]);
    }
}

#[test]
fn instance_is_asked_four_times_after_server_errors_and_expired_tokens() {
    for (status, expected) in [(500, "HTTP status 500"), (401, "session token")] {
        let setup = Setup::new(move |received, _| instance(received, Reply::new(status, ""))).with_instance();
        let mut config = setup.config();
        config.set_max_attempts(1).unwrap();
        let clock = Arc::new(VirtualClock::default());
        let vault = Arc::new(EmptyVault::default());
        let client = Client::with_transports(config.resolve().unwrap(), vault, setup.fake.transports(), clock);
        assert_contains(&client.list_uploads("vault").unwrap_err(), &[expected]);
        assert_eq!(setup.fake.received().len(), 4 * 3, "each attempt gets a new session token");
    }
    let setup = Setup::new(|received, number| match number {
        2 => Reply::new(401, ""),
        _ => instance(received, metadata_keys("ASIA", 3600)),
    })
    .with_instance();
    assert_eq!(setup.call().unwrap(), "ASIA");
}

#[test]
fn instance_reports_code_and_message_and_rejects_garbage() {
    for (reply, expected) in [
        (
            r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role."}"#,
            "AssumeRoleUnauthorizedAccess",
        ),
        ("<html>", "is not a JSON object"),
        (r#"{"Code":"Success"}"#, "has no AccessKeyId"),
    ] {
        let setup = Setup::new(move |received, _| instance(received, Reply::new(200, reply))).with_instance();
        let error = setup.error();
        assert_eq!(error.kind(), Kind::Credentials);
        assert_contains(&error, &[expected]);
    }
    let setup = Setup::new(|_, _| Reply::new(200, "tok\x01en")).with_instance();
    assert_contains(&setup.error(), &["invalid session token"]);
}

// SSO

#[test]
fn sso_without_a_valid_token_names_the_commands() {
    let expired = "{\"accessToken\": \"t\", \"expiresAt\": \"2020-01-01T00:00:00Z\"}";
    for (content, expected) in [
        (Some(expired), "expired at 2020"),
        (Some("{}"), "SSO token file"),
        (Some("no"), "is not a JSON object"),
        (None, "cannot read"),
    ] {
        let setup = Setup::offline().with_sso();
        let file = "home/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
        match content {
            Some(content) => setup.file(file, content),
            None => std::fs::remove_file(setup.path(file)).unwrap(),
        }
        assert_contains(
            &setup.error(),
            &[
                expected,
                "`aws sso login --profile default`",
                "`credential_process = aws configure export-credentials --profile default --format process`",
            ],
        );
    }
    let setup = Setup::new(|_, _| Reply::new(401, r#"{"message":"Session token not found or invalid"}"#)).with_sso();
    let error = setup.error();
    assert_contains(&error, &["Session token not found", "aws sso login"]);
    assert!(!error.message().contains("token-of-the-login"), "{error}");
}

#[test]
fn advice_quotes_the_profile_for_a_shell() {
    let sso = "sso_account_id = 123456789012\nsso_role_name = r\nsso_region = eu-west-1\nsso_start_url = https://x\n";
    let role = "role_arn = arn:r\nsource_profile = b\nmfa_serial = arn:mfa\n";
    for (name, word) in [
        ("my prof", "'my prof'"),
        ("it's", r"'it'\''s'"),
        ("a;$(id)", "'a;$(id)'"),
        ("corp-1.eu", "corp-1.eu"),
        ("a\u{202e}b", r"$'a\342\200\256b'"),
    ] {
        let login = format!("`aws sso login --profile {word}`");
        let export =
            format!("`credential_process = aws configure export-credentials --profile {word} --format process`");
        for (settings, advice) in
            [(sso, vec![login.as_str(), &export]), (role, vec![&export]), ("login_session = x\n", vec![&export])]
        {
            let mut setup = Setup::offline();
            let keys = "[profile b]\naws_access_key_id = A\naws_secret_access_key = s\n";
            setup.file("config", &format!("[profile \"{name}\"]\n{settings}{keys}"));
            setup.set("AWS_PROFILE", name);
            assert_contains(&setup.error(), &advice);
        }
    }
}

#[test]
fn sso_is_asked_three_times_through_the_proxy() {
    let setup = Setup::new(|_, number| if number < 2 { Reply::new(503, "") } else { sso_keys() }).with_sso();
    let (client, transports) = setup.client().unwrap();
    client.list_uploads("vault").unwrap();
    let expected = vec![("https://portal.sso.eu-west-1.amazonaws.com".to_owned(), Route::Proxied); 3];
    assert_eq!(*transports.routes.lock().unwrap(), expected);
}

#[test]
fn sso_is_asked_again_after_a_response_of_a_proxy() {
    check_responses_of_proxies(Setup::with_sso, sso_keys);
}

#[test]
fn sso_refusal_ends_the_call_at_once() {
    for (reply, expected) in [
        (Reply::new(401, r#"{"message":"Session token not found or invalid"}"#), "needs a login at SSO"),
        (Reply::new(403, r#"{"message":"No access"}"#), "failed: No access"),
        (identified(Reply::new(401, "")), "needs a login at SSO"),
        (identified(Reply::new(404, "")), "HTTP status 404"),
        (identified(Reply::new(200, "<html>")), "is not a JSON object"),
    ] {
        let reply = Mutex::new(Some(reply));
        let setup = Setup::new(move |_, _| reply.lock().unwrap().take().unwrap()).with_sso();
        let error = setup.error();
        assert_eq!(error.kind(), Kind::Credentials);
        assert_contains(&error, &[expected]);
        assert_eq!(setup.fake.received().len(), 1);
    }
}

// Processes

const PROCESS_KEYS: &str = r#"{"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "s"}"#;

#[test]
fn process_gets_the_captured_environment_and_no_input() {
    let setup = Setup::offline()
        .with_process("sh -c 'test -z \"$(cat)\" && test $AWS_REGION = us-east-1 && cat \"$0\"' {dir}/keys.json");
    setup.file("keys.json", PROCESS_KEYS);
    assert_eq!(setup.call().unwrap(), "AKIDPROCESS");
}

#[test]
fn failed_process_shows_the_end_of_its_errors_without_secrets() {
    let setup = Setup::offline().with_process("sh -c 'echo no ticket $TOKEN >&2; printf \"\\033[2J\" >&2; exit 3'");
    let mut setup = setup;
    setup.set("TOKEN", "secret-of-the-container");
    setup.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret-of-the-container");
    let error = setup.error();
    assert_eq!(error.kind(), Kind::Credentials);
    assert_contains(
        &error,
        &[
            "the program \"sh\"",
            "credential_process in line 2",
            "exit status 3",
            "ends with: no ticket [redacted]\\n\\x1b[2J",
        ],
    );
}

/// The client does not know these keys: no document with them was complete.
#[test]
fn failed_process_hides_the_keys_that_it_printed() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    for script in [
        format!("SECRET={secret}; set -x; export AWS_SECRET_ACCESS_KEY=$SECRET; false"),
        format!("echo \\\"SecretAccessKey\\\": \\\"{secret}\\\"; echo rejected {secret} >&2"),
        format!("echo {{\\\"Version\\\": 2, \\\"SessionToken\\\": \\\"{secret}\\\"}}; echo used {secret} >&2"),
    ] {
        let error = Setup::offline().with_process(&format!("sh -c \"{script}\"")).error();
        assert_contains(&error, &["the program \"sh\"", "[redacted]"]);
        assert!((0..secret.len() - 15).all(|at| !error.message().contains(&secret[at..at + 16])), "{error}");
    }
}

#[test]
fn process_is_ended_at_its_limits() {
    let mut setup = Setup::offline().with_process("sh -c 'trap \"\" TERM; sleep 1000'");
    setup.process_time_limit = Some(Duration::from_millis(300));
    assert_contains(&setup.error(), &["did not end within 0.3 s and was killed"]);
    let setup =
        Setup::offline().with_process("sh -c 'while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done'");
    assert_contains(&setup.error(), &["more than 262144 bytes"]);
}

#[test]
fn process_has_its_time_without_the_time_in_which_the_library_was_stopped() {
    let mut setup = Setup::offline().with_process("sh -c 'sleep 0.5; cat \"$0\"' {dir}/keys.json");
    setup.file("keys.json", PROCESS_KEYS);
    setup.process_time_limit = Some(Duration::from_millis(100));
    let (client, _) = setup.client_at(Arc::new(StoppedClock::default())).unwrap();
    client.list_uploads("vault").unwrap();
    assert_eq!(setup.key_ids(), ["AKIDPROCESS"]);
}

#[test]
fn process_may_leave_a_daemon_that_keeps_its_output_open() {
    let setup =
        Setup::offline().with_process("sh -c 'sleep 1000 & echo $! >\"$0\"/daemon; cat \"$0\"/keys.json' {dir}");
    setup.file("keys.json", PROCESS_KEYS);
    assert_eq!(setup.call().unwrap(), "AKIDPROCESS");
    let pid: i32 = std::fs::read_to_string(setup.path("daemon")).unwrap().trim().parse().unwrap();
    assert!(is_running(pid));
    end(pid);
}

#[test]
fn process_runs_again_before_its_keys_expire() {
    let setup = Setup::offline().with_process("sh -c 'echo x >>\"$0\"/runs; cat \"$0\"/keys.json' {dir}");
    let keys = |seconds: i64| {
        let expires = iso8601(SystemClock::new().unix_time() + seconds);
        setup.file("keys.json", &PROCESS_KEYS.replace('}', &format!(", \"Expiration\": \"{expires}\"}}")));
    };
    keys(3600);
    let clock = Arc::new(MovedClock::default());
    let (client, _) = setup.client_at(clock.clone()).unwrap();
    let runs_at = |seconds: i64| {
        clock.move_to(seconds);
        client.list_uploads("vault").unwrap();
        std::fs::read_to_string(setup.path("runs")).unwrap().lines().count()
    };
    assert_eq!((runs_at(0), runs_at(3200)), (1, 1));
    keys(7200);
    assert_eq!((runs_at(3400), runs_at(3500)), (2, 2));
}

#[allow(unsafe_code)]
fn is_running(pid: i32) -> bool {
    // SAFETY: signal 0 has no effect.
    unsafe { libc::kill(pid, 0) == 0 }
}

#[allow(unsafe_code)]
fn end(pid: i32) {
    // SAFETY: the process was started by this test.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

// Files that are rewritten

#[test]
fn expired_token_reads_the_profile_again() {
    let setup = Setup::offline();
    let write = |id: &str| {
        setup.file(
            "credentials",
            &format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = s\naws_session_token = t\n"),
        );
    };
    write("AKIDONE");
    let (client, _) = setup.client().unwrap();
    client.list_uploads("vault").unwrap();
    write("AKIDTWO");
    client.list_uploads("vault").unwrap();
    setup.expire_token();
    client.list_uploads("vault").unwrap();
    assert_eq!(setup.key_ids(), ["AKIDONE", "AKIDONE", "AKIDONE", "AKIDTWO"]);
    // A file that is not rewritten.
    setup.expire_token();
    let error = client.list_uploads("vault").unwrap_err();
    assert_contains(&error, &["still supplies the keys that the service rejected as expired", "credentials"]);
    // A file without keys: no other identity takes over.
    setup.file("credentials", "");
    assert_contains(&client.list_uploads("vault").unwrap_err(), &["no longer supplies keys"]);
    write("AKIDTHREE");
    client.list_uploads("vault").unwrap();
    assert_eq!(setup.key_ids().last().unwrap(), "AKIDTHREE");
}

#[test]
fn environment_keys_do_not_change() {
    let mut setup = Setup::offline();
    setup.set("AWS_ACCESS_KEY_ID", "AKID").set("AWS_SECRET_ACCESS_KEY", "s").set("AWS_SESSION_TOKEN", "t");
    setup.expire_token();
    let error = setup.error();
    assert_eq!(error.kind(), Kind::Credentials);
    assert_contains(&error, &["the session token has expired"]);
}

// Cancellation

#[test]
fn cancel_ends_each_provider_at_work() {
    let silent = || Setup::new(|_, _| Reply::Silence);
    let mut web_identity = silent();
    web_identity.file("token", "h.p.s");
    let token = web_identity.path("token").to_str().unwrap().to_owned();
    web_identity
        .set("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
        .set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup");
    for (name, setup) in [
        ("AssumeRole", silent().with_role()),
        ("web identity", web_identity),
        ("SSO", silent().with_sso()),
        ("container", silent().with_container()),
        ("instance metadata", silent().with_instance()),
    ] {
        let elapsed = canceled_at(&setup, || !setup.fake.received().is_empty());
        println!("{name}: returned {elapsed:?} after the cancel");
    }
}

#[test]
fn cancel_ends_a_process_and_its_children_that_ignore_sigterm() {
    let setup = Setup::offline().with_process(
        "sh -c 'trap \"\" TERM; sh -c \"trap \\\"\\\" TERM; echo \\$\\$ >$0/inner; sleep 1000\" & echo $$ >\"$0\"/outer; wait; sleep 1000' {dir}",
    );
    let pid =
        |name: &str| std::fs::read_to_string(setup.path(name)).ok().and_then(|text| text.trim().parse::<i32>().ok());
    let elapsed = canceled_at(&setup, || pid("inner").is_some() && pid("outer").is_some());
    println!("process: returned {elapsed:?} after the cancel");
    let deadline = Instant::now() + Duration::from_secs(10);
    for pid in [pid("outer").unwrap(), pid("inner").unwrap()] {
        // The system's own parent process collects the inner one.
        while is_running(pid) && !is_zombie(pid) {
            assert!(Instant::now() < deadline, "process {pid} survives");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn is_zombie(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// Cancels a call when `is_at_work`. Returns the time from the cancel to the end of the call.
fn canceled_at(setup: &Setup, is_at_work: impl Fn() -> bool) -> Duration {
    let (client, _) = setup.client().unwrap();
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        let client = &client;
        let call = scope.spawn(move || {
            let error = client.list_uploads("vault").unwrap_err();
            ended.send((Instant::now(), error.kind())).unwrap();
        });
        while !is_at_work() {
            assert!(!call.is_finished(), "the call ended before the cancel");
            thread::sleep(Duration::from_millis(1));
        }
        let canceled = Instant::now();
        client.cancel();
        let (time, kind) = end.recv().unwrap();
        assert_eq!(kind, Kind::Canceled);
        assert!(time - canceled < SOON, "{:?}", time - canceled);
        time - canceled
    })
}
