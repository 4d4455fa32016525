//! Copies of secrets in the memory of a process: none after all handles are freed.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glacier_emulator::{Action, Emulator, Fault, Operation, Options};
use tempfile::TempDir;

use crate::harness::{Build, Outcome, Program, succeed};
use crate::relay::relay;
use crate::server::{Peer, Server};

const TOKEN: &str = "FwoGZXIvYXdzEJr//////////wEaDPq+3kZ1Gm5SZ0x9yyLRAaBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789+/AbCdEfGh==";
/// The limit for a living client. It has up to 5 copies; buffers of requests that are not wiped would make it 18 or more.
const LIVE_COPIES_MAX: u64 = 10;
const PROXY_PASSWORD: &str = "Kq7vX2mR9tLw4ZbN8cHy5GdS3fJp6TaU1eVo0QiB";

#[test]
fn wipes_set_credentials() {
    check_copies("key");
}

/// AWS repeats the canonical request, with the token, in the message about a wrong signature.
#[test]
fn wipes_responses_that_repeat_the_token() {
    check_copies("echo");
}

#[test]
fn wipes_provided_credentials() {
    check_copies("provider");
}

#[test]
fn wipes_credentials_of_files() {
    check_copies("file");
}

#[test]
fn wipes_credentials_of_processes() {
    check_copies("process");
}

#[test]
fn wipes_credentials_of_roles() {
    check_copies("role");
}

#[test]
fn wipes_credentials_of_instances() {
    check_copies("instance");
}

#[test]
fn wipes_credentials_of_containers() {
    check_copies("container");
}

#[test]
fn wipes_credentials_of_web_identities() {
    check_copies("web identity");
}

#[test]
fn wipes_credentials_of_sso() {
    check_copies("sso");
}

/// An `http` endpoint gets requests through the proxy with the password, an `https` endpoint a tunnel.
#[test]
fn wipes_password_of_proxy() {
    check_copies("proxy");
}

/// The environment has one copy before and after.
#[test]
fn wipes_copies_of_environment_credentials() {
    check_copies("environment");
}

fn check_copies(mode: &str) {
    let program = Program::c("tests/c/secrets_in_memory.c", Build::Plain);
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for tls in [false, true] {
        let session_token = (mode != "proxy").then(|| TOKEN.to_owned());
        let options = Options { tls, session_token, ..Options::default() };
        let glacier = Emulator::start(options.clone()).unwrap();
        let ca_file = directory.path().join("ca.pem");
        std::fs::write(&ca_file, glacier.ca_pem().unwrap_or_default()).unwrap();
        let mut command = program.command_at(&glacier);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        // Without this, the dynamic linker saves vector registers on the stack at the first call of a function.
        command.env("LD_BIND_NOW", "1").env("KEY_ID", &options.access_key);
        command.env("SECRET", inverted(&options.secret_key)).env("TOKEN", inverted(TOKEN));
        if mode == "environment" || mode == "proxy" {
            command.env("AWS_ACCESS_KEY_ID", &options.access_key).env("AWS_SECRET_ACCESS_KEY", &options.secret_key);
        }
        if mode == "environment" {
            command.env("AWS_SESSION_TOKEN", TOKEN);
        }
        if mode == "echo" {
            repeat_token_in_errors(&glacier);
        }
        let _proxy = (mode == "proxy").then(|| configure_proxy(&mut command, &glacier));
        let _server = configure(mode, &mut command, &options, tls, directory.path());
        let outcome = succeed(command.arg(if tls { ca_file.as_os_str() } else { "-".as_ref() }).arg(mode));
        program.print_checks(&outcome);
        println!("{mode}, TLS {tls}: {}", outcome.stdout);
        let own = if mode == "environment" { [1, 1] } else { [0, 0] };
        assert_eq!(counts(&outcome, "before"), own, "the copies of the program");
        let [secrets, tokens] = counts(&outcome, "alive");
        assert!(secrets > own[0] && tokens > own[1], "the search finds the copies of a living client: {outcome:?}");
        assert!(secrets.max(tokens) <= LIVE_COPIES_MAX, "a living client has {secrets} and {tokens} copies");
        assert_eq!(counts(&outcome, "freed"), own, "{outcome:?}");
        assert_eq!(counts(&outcome, "in freed blocks"), [0, 0], "{outcome:?}");
    }
}

/// Makes the local Glacier reject each operation twice, with the token in the message. An escape makes the parser copy the text.
fn repeat_token_in_errors(glacier: &Emulator) {
    for operation in [
        Operation::InitiateMultipartUpload,
        Operation::UploadMultipartPart,
        Operation::CompleteMultipartUpload,
        Operation::ListMultipartUploads,
    ] {
        let message = format!("The canonical request is\nx-amz-security-token:{TOKEN}\n");
        glacier
            .add_fault(Fault::new(Action::error(503, "ServiceUnavailableException", &message)).on(operation).times(2));
    }
}

/// Configures the source of the keys: files in `directory`, and a server that the caller keeps.
fn configure(mode: &str, command: &mut Command, options: &Options, tls: bool, directory: &Path) -> Option<Server> {
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    let Options { access_key, secret_key, .. } = options;
    let ini = format!(
        "aws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\naws_session_token = {TOKEN}\n"
    );
    // An escape makes the parser copy the text.
    let json = format!(
        r#""AccessKeyId": "{access_key}", "SecretAccessKey": "{}", "{}": "{TOKEN}", "Expiration": "2099-01-01T00:00:00Z""#,
        secret_key.replace('/', "\\/"),
        if mode == "process" { "SessionToken" } else { "Token" },
    );
    let sts = |action: &str| {
        format!(
            "<{action}Response><{action}Result><Credentials><AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>\
             {secret_key}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
             </Credentials></{action}Result></{action}Response>"
        )
    };
    command.env("AWS_CONFIG_FILE", directory.join("config"));
    command.env("AWS_SHARED_CREDENTIALS_FILE", directory.join("credentials"));
    match mode {
        "file" => write("credentials", &format!("[default]\n{ini}")),
        "process" => {
            write("config", &format!("[default]\ncredential_process = cat '{}/keys.json'\n", directory.display()));
            write("keys.json", &format!("{{\"Version\": 1, {json}}}"));
        }
        "role" => {
            write("config", "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n");
            write("credentials", "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = another-secret\n");
            return Some(serve("AWS_ENDPOINT_URL_STS", sts("AssumeRole"), command, tls, directory));
        }
        // The token of the identity provider is equal to the session token.
        "web identity" => {
            write("token", TOKEN);
            command.env("AWS_WEB_IDENTITY_TOKEN_FILE", directory.join("token"));
            command.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r");
            return Some(serve("AWS_ENDPOINT_URL_STS", sts("AssumeRoleWithWebIdentity"), command, tls, directory));
        }
        "container" => {
            write("token", TOKEN);
            command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", directory.join("token"));
            return Some(serve("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{{{json}}}"), command, tls, directory));
        }
        "sso" => {
            let start_url = "https://start.example";
            write(
                "config",
                &format!(
                    "[default]\nsso_account_id = 123456789012\nsso_role_name = r\nsso_region = us-east-1\n\
                     sso_start_url = {start_url}\n"
                ),
            );
            std::fs::create_dir_all(directory.join(".aws/sso/cache")).unwrap();
            // The name is the SHA-1 of the URL.
            write(
                ".aws/sso/cache/1c5a689b7bb92284d0c514c4b1c1e1ce96d9621f.json",
                &format!(r#"{{"accessToken": "{TOKEN}", "expiresAt": "2099-01-01T00:00:00Z"}}"#),
            );
            command.env("HOME", directory);
            let keys = format!(
                r#"{{"roleCredentials": {{"accessKeyId": "{access_key}", "secretAccessKey": "{}", "sessionToken": "{TOKEN}",
                "expiration": 4070908800000}}}}"#,
                secret_key.replace('/', "\\/")
            );
            return Some(serve("AWS_ENDPOINT_URL_SSO", keys, command, tls, directory));
        }
        "instance" => {
            let server = Server::plain(move |peer| {
                respond(peer, |head| match head.split(' ').nth(1).unwrap() {
                    "/latest/api/token" => "token-of-the-instance".to_owned(),
                    "/latest/meta-data/iam/security-credentials/" => "role".to_owned(),
                    _ => format!("{{\"Code\": \"Success\", {json}}}"),
                });
            });
            command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url()).env_remove("AWS_EC2_METADATA_DISABLED");
            return Some(server);
        }
        _ => {}
    }
    None
}

/// Starts a proxy that relays to Glacier, and sets its password in place of the secrets.
fn configure_proxy(command: &mut Command, glacier: &Emulator) -> Server {
    let port: u16 = glacier.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
    let proxy = Server::plain(move |peer| {
        let Some(head) = peer.request() else { return };
        if head.starts_with("CONNECT ") {
            peer.send(ESTABLISHED);
            return relay(peer, address, u64::MAX);
        }
        let payload = peer.payload(content_length(&head));
        let (line, headers) = head.split_once("\r\n").unwrap();
        let line = line.replace(&format!("http://{address}"), "");
        let mut glacier = TcpStream::connect(address).unwrap();
        let request = format!("{line}\r\nConnection: close\r\n{headers}");
        glacier.write_all(&[request.as_bytes(), &payload].concat()).unwrap();
        let mut response = Vec::new();
        glacier.read_to_end(&mut response).unwrap();
        peer.send(response);
    });
    command.env("PROXY", proxy.address.to_string());
    command.env("SECRET", inverted(PROXY_PASSWORD));
    command.env("TOKEN", inverted(&STANDARD.encode(format!("user:{PROXY_PASSWORD}"))));
    proxy
}

/// Starts a server that responds with a body, and names it in a variable.
fn serve(variable: &str, body: String, command: &mut Command, tls: bool, directory: &Path) -> Server {
    let server = Server::either(tls, move |peer| respond(peer, |_| body.clone()));
    command.env(variable, server.url());
    if let Some(ca) = &server.ca_pem {
        let file = directory.join("ca.pem");
        let known = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{known}{ca}")).unwrap();
    }
    server
}

/// Responds to each request of a connection with a body.
fn respond(peer: &mut Peer, body: impl Fn(&str) -> String) {
    while let Some(head) = peer.request() {
        peer.payload(content_length(&head));
        let body = body(&head);
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    }
}

fn content_length(head: &str) -> u64 {
    head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap())
}

/// Returns the number of copies of the secret key and of the token.
fn counts(outcome: &Outcome, when: &str) -> [u64; 2] {
    let counts: Vec<_> = outcome.value(when).split(' ').map(|count| count.parse().unwrap()).collect();
    counts.try_into().unwrap()
}

fn inverted(secret: &str) -> OsString {
    OsString::from_vec(secret.bytes().map(|byte| !byte).collect())
}
