//! The shell commands of the program that export the variables of a client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, which clippy sees only inside of tests")]

mod client;
mod process;

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use client::{Client, Request};
use glacier_emulator::Options;
use process::program;

/// Variables that have no value for the emulator without TLS and session token.
const UNSET: [&str; 6] = [
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CA_BUNDLE",
];

/// A program in the background with this process ID. SIGTERM ends it on drop, also after a failed assertion.
struct Background(String);

impl Drop for Background {
    fn drop(&mut self) {
        let status = Command::new("sh").args(["-c", "kill -TERM $0", &self.0]).status();
        // A second panic would abort the tests.
        assert!(std::thread::panicking() || status.is_ok_and(|status| status.success()), "kill {}", self.0);
    }
}

/// Runs a shell script that starts `$emulator` in the background, and `echo` with these words. Returns the program and the
/// words that `echo` prints.
fn shell(start: &str, words: &str) -> (Background, Vec<String>) {
    let output = Command::new("sh")
        .args(["-c", &format!("{start}\necho $GLACIER_EMULATOR_PID\necho {words}")])
        .env("emulator", env!("CARGO_BIN_EXE_glacier-emulator"))
        .envs(UNSET.map(|name| (name, "of something else")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (pid, words) = text.split_once('\n').unwrap_or_else(|| panic!("{output:?}"));
    let background = Background(pid.to_owned());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    (background, words.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn exports_exempt_emulator_from_proxies() {
    for (before, after) in [
        ("unset no_proxy NO_PROXY", "127.0.0.1"),
        ("unset no_proxy; NO_PROXY=.example.com", "127.0.0.1,.example.com"),
        ("no_proxy=a.example,10.0.0.0/8; NO_PROXY=.example.com", "127.0.0.1,a.example,10.0.0.0/8"),
        ("no_proxy='*'", "*"),
    ] {
        for eval in [r#"eval "$($emulator --background)""#, r"eval $($emulator --background)"] {
            let (_background, words) = shell(&format!("set -euf\n{before}\n{eval}"), "$no_proxy $NO_PROXY");
            assert_eq!(words, [after, after], "{before}");
        }
    }
}

#[test]
fn exports_replace_settings_that_select_another_endpoint_or_key() {
    let set = [
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false"),
        ("AWS_USE_FIPS_ENDPOINT", "false"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "false"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    let show: String = set.iter().map(|(name, _)| format!(" ${name}")).collect();
    let unset: String = UNSET.map(|name| format!(" ${{{name}-unset}}")).concat();
    for eval in [r#"eval "$($emulator --background)""#, r"eval $($emulator --background)"] {
        for option in ["", "f"] {
            let (_background, words) = shell(&format!("set -eu{option}\n{eval}"), &format!("{show} {unset}"));
            let expected: Vec<_> = set.iter().map(|(_, value)| *value).chain(["unset"; UNSET.len()]).collect();
            assert_eq!(words, expected, "{eval}");
        }
    }
}

#[test]
fn exports_configure_client_and_kill_ends_background() {
    const SHOW: &str = "$AWS_ENDPOINT_URL_GLACIER $AWS_REGION $AWS_DEFAULT_REGION $AWS_ACCESS_KEY_ID \
                        $AWS_SECRET_ACCESS_KEY ${AWS_SESSION_TOKEN-none}";
    // With and without quotes around the substitution.
    for eval in [r#"eval "$($emulator --background --vault v)""#, r"eval $($emulator --background --vault v)"] {
        let (background, words) = shell(eval, SHOW);
        let [endpoint, settings @ ..] = &words[..] else { panic!("{words:?}") };
        let defaults = Options::default();
        assert_eq!(settings, [&defaults.region, &defaults.region, &defaults.access_key, &defaults.secret_key, "none"]);
        let vault = Request::new("GET", "/-/vaults/v");
        assert_eq!(Client::connect_without_tls(endpoint).send(&vault).status, 200);
        drop(background);
        let address = endpoint.strip_prefix("http://").unwrap();
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("it's a ca.pem");
    let start = format!("eval \"$($emulator --background --tls --ca-out \"{}\" --session-token t)\"", ca.display());
    let (_background, words) = shell(&start, "$AWS_SESSION_TOKEN $AWS_CA_BUNDLE");
    assert_eq!(words.join(" "), format!("t {}", ca.display()));
    assert!(ca.exists());
}

#[test]
fn sample_of_first_upload_matches_exports() {
    let guide = include_str!("../../../docs/first-upload.md");
    let (_, sample) = guide.split_once("$ make emulator\n").unwrap();
    let (sample, _) = sample.split_once("...\n").unwrap();
    let mut command = program();
    let output = command.args(["--print-exports", "--until-stdin-closes"]).stdin(Stdio::null()).output().unwrap();
    let exports = String::from_utf8(output.stdout).unwrap();
    // The port differs in each run.
    let without_port = |line: &str| match line.split_once("http://127.0.0.1:") {
        Some((before, port)) => format!("{before}{}", port.trim_matches(|c: char| c.is_ascii_digit())),
        None => line.to_owned(),
    };
    let shown: Vec<_> = sample.lines().map(without_port).collect();
    let printed: Vec<_> = exports.lines().take(shown.len()).map(without_port).collect();
    assert!(shown.len() >= 2, "{sample}");
    assert_eq!(shown, printed);
}
