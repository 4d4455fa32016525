//! The emulator as a program: its command line and its README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use client::{Client, MIB, Request, start};
use glacier_emulator::{FaultKind, Options};

/// A running program. It ends on drop.
struct Program {
    child: Child,
    endpoint: String,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(arguments);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command
            .args(["--until-stdin-closes", "--storage", "hashes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, endpoint: line.strip_suffix('\n').unwrap().to_owned() }
    }

    fn client(&self) -> Client {
        Client::connect_without_tls(&self.endpoint)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_glacier-emulator"))
}

fn list() -> Request {
    Request::list_uploads("")
}

#[test]
fn prints_endpoint_and_ends_with_standard_input() {
    let running = Program::start(&["--vault", "a", "--vault", "b"]);
    assert!(running.endpoint.starts_with("http://127.0.0.1:"));
    let vault = |name: &str| Request::new("GET", format!("/-/vaults/{name}/multipart-uploads"));
    assert_eq!(["a", "b", "c"].map(|name| running.client().send(&vault(name)).status), [200, 200, 404]);
}

#[test]
fn rejects_invalid_command_line() {
    for (wrong, says) in [
        (&["--nonsense"][..], "unknown option --nonsense"),
        (&["--port"], "--port takes a number in digits only, not --until-stdin-closes"),
        (&["--port", "x"], "--port takes a number in digits only, not x"),
        (&["--port", "+0"], "--port takes a number in digits only, not +0"),
        (&["--port", ""], "--port takes a number in digits only, not \"\""),
        (&["--port", "65536"], "--port takes a number from 0 to 65535, not 65536"),
        (&["--port", "99999999999999999999"], "--port takes a number from 0 to 65535, not 99999999999999999999"),
        (&["--page-max", "+5"], "--page-max takes a number in digits only, not +5"),
        (&["--storage", "tape"], "unknown storage tape"),
        (&["--ca-out", "f"], "--ca-out needs --tls"),
        (&["--token-seconds", "60"], "--token-seconds needs --session-token"),
        (&["--token-seconds", "soon"], "--token-seconds takes a number in digits only, not soon"),
        (&["--clock-offset", "noon"], "--clock-offset takes a number in digits only, with - or without, not noon"),
        (&["--clock-offset", "+5"], "--clock-offset takes a number in digits only, with - or without, not +5"),
        (&["--requests-per-second", "-1"], "--requests-per-second takes a number in digits only, not -1"),
        (&["--response-delay", "1.5"], "--response-delay takes a number in digits only, not 1.5"),
        (&["--response-delay", "3600001"], "--response-delay takes a number from 0 to 3600000, not 3600001"),
        (&["--page-max", "0"], "--page-max takes a number from 1 to 50, not 0"),
        (&["--page-max", "51"], "--page-max takes a number from 1 to 50, not 51"),
        (&["--page-max", "99999999999999999999"], "--page-max takes a number from 1 to 50, not 99999999999999999999"),
        (
            &["--session-token", "t", "--token-seconds", "9223372036854775808"],
            "--token-seconds takes a number from 0 to 9223372036854775807, not 9223372036854775808",
        ),
        (
            &["--clock-offset", "9223372036854775808"],
            "--clock-offset takes a number from -9223372036854775808 to 9223372036854775807, not 9223372036854775808",
        ),
        (
            &["--clock-offset", "-99999999999999999999"],
            "--clock-offset takes a number from -9223372036854775808 to 9223372036854775807, not -99999999999999999999",
        ),
        (
            &["--requests-per-second", "18446744073709551616"],
            "--requests-per-second takes a number from 0 to 18446744073709551615, not 18446744073709551616",
        ),
        (&["--region", "a b"], "a b is no region: it has 1 to 63 letters, digits and inner hyphens, not only digits"),
        (&["--region", ""], "\"\" is no region"),
        (&["--access-key", "a b"], "a b is no access key: it has printable ASCII characters without spaces, / and ,"),
        (&["--access-key", ""], "\"\" is no access key"),
        (&["--secret-key", ""], "the secret key is empty: it must have only printable ASCII characters without spaces"),
        (
            &["--session-token", "se cret"],
            "the session token has a character that is not allowed: it must have only printable ASCII characters",
        ),
        (&["--account", ""], "\"\" is no account ID: it has 12 digits"),
        (&["--data", ""], "\"\" is no directory for the data"),
        (&["--tls", "--ca-out", ""], "--ca-out needs the name of a file, not \"\""),
        (&["--account", "1111-2222-3333"], "1111-2222-3333 is no account ID: it has 12 digits"),
        (
            &["--vault", "a", "--vault", "a/b"],
            "a/b is no vault name: it has 1 to 255 of the characters A-Z a-z 0-9 _ - .",
        ),
        (&["--vault", ""], "\"\" is no vault name"),
        (&["--background"], "--background and --until-stdin-closes exclude each other"),
        (&["--fault", "{}"], "--fault {}: missing field `action`"),
        (&["--fault", r#"{"action": {"kind": "flood"}}"#], "unknown variant `flood`"),
        (&["--random-faults", r#"{"seed": 1, "probability": 7}"#], "7 is no share: it goes from 0 to 1"),
    ] {
        // If the option is accepted, the program ends with its empty standard input.
        let output = program().args(wrong).arg("--until-stdin-closes").output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{wrong:?}");
        let why = String::from_utf8(output.stderr).unwrap();
        assert!(why.starts_with("glacier-emulator: ") && why.contains(says), "{wrong:?}: {why}");
        assert!(!why.contains("se cret"), "{why}");
    }
}

#[test]
fn arguments_with_other_bytes_are_errors_on_one_line() {
    for (wrong, says) in [
        (&b"--data=\xff"[..], "the argument --data=\u{fffd} is not UTF-8"),
        (b"--a\nb\x1b[2J\xc2\x9b\xe2\x80\xae", r"unknown option --a\nb\u{1b}[2J\u{9b}\u{202e}; see --help"),
    ] {
        let output = program().arg(OsStr::from_bytes(wrong)).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("glacier-emulator: {says}\n"));
    }
}

#[test]
fn full_standard_output_is_an_error() {
    for option in ["--help", "--until-stdin-closes", "--print-exports", "--background"] {
        let directory = tempfile::tempdir().unwrap();
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = program().arg(option).env("TMPDIR", directory.path()).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{option}");
        let why = String::from_utf8(output.stderr).unwrap();
        assert!(why.starts_with("glacier-emulator: standard output: No space left"), "{option}: {why}");
        assert_eq!(entries(directory.path()), 0, "{option}");
    }
}

/// Runs the program with options and a redirection of the shell. Its temporary directory is in `directory`.
fn redirected(options: &str, redirection: &str, directory: &Path) -> Output {
    let script = format!("exec \"$0\" {options} {redirection}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_glacier-emulator")]).env("TMPDIR", directory).output().unwrap()
}

#[test]
fn closed_standard_output_is_an_error_if_only_it_has_the_result() {
    for (options, what) in [
        ("--help", "--help prints the options"),
        ("--background", "--background prints the process ID"),
        ("--background --port 1", "--background prints the process ID"),
        ("--print-exports --until-stdin-closes", "--print-exports prints the variables"),
        ("--print-exports --until-stdin-closes --port 1", "--print-exports prints the variables"),
        ("--until-stdin-closes", "without --port, the program prints the chosen port"),
        ("--until-stdin-closes --port 0", "without --port, the program prints the chosen port"),
    ] {
        for redirection in [">&-", ">&- <&-"] {
            let directory = tempfile::tempdir().unwrap();
            let output = redirected(options, redirection, directory.path());
            let why = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{options} {redirection}: {why}");
            let says = format!("glacier-emulator: {what} on standard output, which is closed: redirect it\n");
            assert_eq!(why, says, "{options} {redirection}");
            assert_eq!(entries(directory.path()), 0, "{options} {redirection}");
        }
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(redirected(options, ">&- 2>&-", directory.path()).status.code(), Some(1), "{options}");
    }
}

#[test]
fn closed_or_discarded_standard_output_is_no_error_if_the_result_is_known() {
    let directory = tempfile::tempdir().unwrap();
    for options in ["--help", "--print-exports --until-stdin-closes", "--until-stdin-closes"] {
        // The runtime replaces a closed stream by /dev/null for reading and writing.
        for redirection in [">/dev/null", "1<>/dev/null"] {
            let output = redirected(options, redirection, directory.path());
            assert!(output.status.success() && output.stderr.is_empty(), "{options} {redirection}: {output:?}");
        }
    }
    // Another process may take the port first.
    let mut outputs = (0..100).map(|_| {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        redirected(&format!("--until-stdin-closes --port {free}"), ">&-", directory.path())
    });
    let output = outputs.find(|output| !String::from_utf8_lossy(&output.stderr).contains("in use")).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn command_line_sets_faults() {
    let running = Program::start(&[
        "--fault",
        r#"{"action": {"kind": "status", "status": 501}}"#,
        "--fault",
        r#"{"skip": 1, "action": {"kind": "refuse", "because": "throttling"}, "and": [{"kind": "truncated_answer"}]}"#,
        "--random-faults",
        r#"{"seed": 7, "probability": 1, "kinds": {"502": 1}, "in_a_row": 3, "operations": ["ListMultipartUploads"]}"#,
    ]);
    let mut client = running.client();
    assert_eq!(client.send(&list()).status, 501);
    assert_eq!(client.try_send(&list()).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    let mut client = running.client();
    assert_eq!([(); 3].map(|()| client.send(&list()).status), [502, 200, 502]);
    client.initiate(MIB);
}

#[test]
fn command_line_sets_clock_token_and_rate() {
    let running = Program::start(&["--clock-offset", "-3600", "--session-token", "t", "--token-seconds", "1000"]);
    let mut client = running.client();
    let list = |token: &str, offset: i64| {
        list().header("x-amz-security-token", token).with(|request| request.clock_offset = offset)
    };
    client.send(&list("t", 0)).expect_refusal(403, "InvalidSignatureException", "not yet current");
    assert_eq!(client.send(&list("t", -3600)).status, 200);
    assert_eq!(client.send(&list("u", -3600)).status, 400);
    let clock = Request::new("POST", "/.admin/clock").with(|request| request.authorization = false);
    assert_eq!(client.send(&clock.body(br#"{"offset": 0}"#)).status, 204);
    client.send(&list("t", 0)).expect_refusal(403, "ExpiredTokenException", "");

    let running = Program::start(&["--requests-per-second", "0"]);
    running.client().send(&list("t", 0)).expect_refusal(400, "ThrottlingException", "Rate exceeded");
}

#[test]
fn each_response_is_delayed() {
    const VARIABLE: &str = "GLACIER_EMULATOR_RESPONSE_DELAY";
    let mut by_variable = program();
    by_variable.env(VARIABLE, "300");
    for running in [Program::start(&["--response-delay", "300"]), Program::of(by_variable)] {
        let start = Instant::now();
        assert_eq!(running.client().send(&list()).status, 200);
        assert!(start.elapsed() >= Duration::from_millis(300));
    }
    let wrong = program().env(VARIABLE, "-1").arg("--until-stdin-closes").output().unwrap();
    let why = String::from_utf8(wrong.stderr).unwrap();
    assert!(why.contains("GLACIER_EMULATOR_RESPONSE_DELAY takes a number in digits only, not -1"), "{why}");
}

/// Starts the program through `env` with this option. Its temporary directory is in `directory`.
fn start_in(directory: &Path, dispositions: &str) -> (Child, String) {
    let mut command = Command::new("env");
    command.arg(dispositions).arg(env!("CARGO_BIN_EXE_glacier-emulator")).env("TMPDIR", directory);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut endpoint = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
    (child, endpoint.trim_end().to_owned())
}

fn send_signal(name: &str, pid: &str) {
    let command = format!("kill -{name} {pid}");
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
}

fn entries(directory: &Path) -> usize {
    directory.read_dir().unwrap().count()
}

#[test]
fn signals_remove_the_temporary_directory() {
    for (name, number) in [("HUP", 1), ("INT", 2), ("QUIT", 3), ("TERM", 15)] {
        let directory = tempfile::tempdir().unwrap();
        let (mut child, endpoint) = start_in(directory.path(), "--default-signal=HUP,INT,QUIT,TERM");
        // A connection in the middle of a request does not delay the end.
        let mut client = Client::connect_without_tls(&endpoint);
        let id = client.initiate(MIB);
        client.write(&Request::part(&id, 0, &[7; MIB]).head(&client.host)).unwrap();
        assert_eq!(entries(directory.path()), 1);
        send_signal(name, &child.id().to_string());
        assert_eq!(child.wait().unwrap().signal(), Some(number), "{name}");
        assert_eq!(entries(directory.path()), 0, "{name}");
    }
}

/// Returns a command that starts the program with this maximum size of its files, in units of 512 or 1024 bytes by the shell.
/// SIGXFSZ has its default action. Its temporary directory is in `directory`.
fn with_file_limit(units: usize, directory: &Path) -> Command {
    let mut shell = Command::new("sh");
    let script = format!(r#"ulimit -f {units} && exec env --default-signal=XFSZ,TERM "$@""#);
    shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_glacier-emulator")]).env("TMPDIR", directory);
    shell
}

/// Runs `requests` with a program that may not write large files, ends the program, and returns its standard error.
fn run_with_file_limit(
    units: usize,
    arguments: &[&str],
    directory: &Path,
    requests: impl FnOnce(&mut Client),
) -> String {
    let mut command = with_file_limit(units, directory);
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut endpoint = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
    requests(&mut Client::connect_without_tls(endpoint.trim_end()));
    send_signal("TERM", &child.id().to_string());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(15), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn expect_storage_failure(client: &mut Client, request: &Request) {
    client.send(request).expect_refusal(500, "ServiceUnavailableException", "The storage failed: File too large");
}

#[test]
fn standard_output_of_maximum_size_is_an_error() {
    for options in [&["--help"][..], &["--until-stdin-closes"], &["--print-exports"], &["--background"]] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = with_file_limit(0, directory.path());
        let output = command.args(options).stdout(tempfile::tempfile().unwrap()).output().unwrap();
        let why = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{options:?}: {}: {why}", output.status);
        assert!(why.starts_with("glacier-emulator: standard output: File too large"), "{options:?}: {why}");
        assert_eq!(entries(directory.path()), 0, "{options:?}");
    }
}

#[test]
fn certificate_file_of_maximum_size_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    let mut command = with_file_limit(0, directory.path());
    let output = command.args(["--tls", "--ca-out"]).arg(ca.path()).output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}: {why}", output.status);
    let says = format!("glacier-emulator: cannot write {}: File too large", ca.path().display());
    assert!(why.starts_with(&says), "{why}");
    assert_eq!(entries(directory.path()), 0);
}

/// Each file that the storage writes: an upload, a part, an archive of parts, an archive of one request and its properties.
#[test]
fn failed_write_to_storage_refuses_request_and_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let reported = run_with_file_limit(0, &[], directory.path(), |client| {
        expect_storage_failure(client, &Request::initiate(MIB));
        expect_storage_failure(client, &Request::archive(b"abc"));
        assert_eq!(client.send(&Request::list_uploads("")).json()["UploadsList"], serde_json::json!([]));
    });
    let lines: Vec<_> = reported.lines().collect();
    let start = format!(r#"glacier-emulator: the storage "{}/glacier-emulator-"#, directory.path().display());
    assert!(lines.len() == 2 && lines.iter().all(|line| line.starts_with(&start)), "{reported}");
    assert!(lines.iter().all(|line| line.contains(r#"" failed: File too large"#)), "{reported}");
    assert_eq!(entries(directory.path()), 0);

    // 1 or 2 MiB.
    run_with_file_limit(2048, &[], directory.path(), |client| {
        let whole = client::data(3 * MIB);
        let id = client.initiate(4 * MIB);
        expect_storage_failure(client, &Request::part(&id, 0, &whole));
        let id = client.initiate(MIB);
        for (index, part) in whole.chunks(MIB).enumerate() {
            assert_eq!(client.send(&Request::part(&id, index * MIB, part)).status, 204);
        }
        expect_storage_failure(client, &Request::complete(&id, &whole));
        // The parts are still stored.
        assert_eq!(client.send(&Request::list_parts(&id, "")).json()["Parts"].as_array().unwrap().len(), 3);
    });
    assert_eq!(entries(directory.path()), 0);
}

#[test]
fn data_directory_can_be_used_after_failed_writes() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let limited = |units, requests: &dyn Fn(&mut Client)| {
        run_with_file_limit(units, &arguments, directory.path(), |client| requests(client));
    };
    limited(0, &|client| expect_storage_failure(client, &Request::initiate(MIB)));
    // The archive fits. Its properties do not: the description alone is longer than 512 bytes, or 1024.
    let archive = Request::archive(b"abc").header("x-amz-archive-description", "d".repeat(1024));
    limited(1, &|client| expect_storage_failure(client, &archive));
    for folder in ["incoming", "uploads", "archives"] {
        assert_eq!(entries(&data.join(folder)), 0, "{folder}");
    }
    let running = Program::start(&["--storage", "disk", "--data", arguments[1]]);
    let admin =
        |path: &str| Request::new("GET", format!("/.admin/{path}")).with(|request| request.authorization = false);
    for path in ["uploads", "archives"] {
        assert_eq!(running.client().send(&admin(path)).json(), serde_json::json!([]), "{path}");
    }
    assert_eq!(running.client().send(&archive).status, 201);
}

#[test]
fn ignored_signal_stays_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, endpoint) = start_in(directory.path(), "--ignore-signal=HUP");
    send_signal("HUP", &child.id().to_string());
    assert_eq!(Client::connect_without_tls(&endpoint).send(&list()).status, 200);
    send_signal("TERM", &child.id().to_string());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

/// Variables that have no value for the emulator without TLS and session token.
const UNSET: [&str; 6] = [
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CA_BUNDLE",
];

/// Runs a shell script in which `$emulator` is the program. Returns the words that it prints.
fn shell(script: &str) -> Vec<String> {
    let output = Command::new("sh")
        .args(["-c", script])
        .env("emulator", env!("CARGO_BIN_EXE_glacier-emulator"))
        .envs(UNSET.map(|name| (name, "of something else")))
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn exports_exempt_emulator_from_proxies() {
    const END: &str = "echo $no_proxy $NO_PROXY; kill $GLACIER_EMULATOR_PID";
    for (before, after) in [
        ("unset no_proxy NO_PROXY", "127.0.0.1"),
        ("unset no_proxy; NO_PROXY=.example.com", "127.0.0.1,.example.com"),
        ("no_proxy=a.example,10.0.0.0/8; NO_PROXY=.example.com", "127.0.0.1,a.example,10.0.0.0/8"),
        ("no_proxy='*'", "*"),
    ] {
        for eval in [r#"eval "$($emulator --background)""#, r"eval $($emulator --background)"] {
            assert_eq!(shell(&format!("set -euf\n{before}\n{eval}\n{END}")), [after, after], "{before}");
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
            let script = format!("set -eu{option}\n{eval}\necho {show} {unset}; kill $GLACIER_EMULATOR_PID");
            let expected: Vec<_> = set.iter().map(|(_, value)| *value).chain(["unset"; UNSET.len()]).collect();
            assert_eq!(shell(&script), expected, "{eval}");
        }
    }
}

#[test]
fn exports_configure_client_and_kill_ends_background() {
    const SHOW: &str = "echo $GLACIER_EMULATOR_PID $AWS_ENDPOINT_URL_GLACIER $AWS_REGION $AWS_DEFAULT_REGION \
                        $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY ${AWS_SESSION_TOKEN-none}";
    // With and without quotes around the substitution.
    for eval in [r#"eval "$($emulator --background --vault v)""#, r"eval $($emulator --background --vault v)"] {
        let words = shell(&format!("{eval}\n{SHOW}"));
        let [pid, endpoint, settings @ ..] = &words[..] else { panic!("{words:?}") };
        let defaults = Options::default();
        assert_eq!(settings, [&defaults.region, &defaults.region, &defaults.access_key, &defaults.secret_key, "none"]);
        let vault = Request::new("GET", "/-/vaults/v");
        assert_eq!(Client::connect_without_tls(endpoint).send(&vault).status, 200);
        send_signal("TERM", pid);
        let address = endpoint.strip_prefix("http://").unwrap();
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("it's a ca.pem");
    let start = format!("eval \"$($emulator --background --tls --ca-out \"{}\" --session-token t)\"", ca.display());
    let words = shell(&format!("{start}\necho $GLACIER_EMULATOR_PID $AWS_SESSION_TOKEN $AWS_CA_BUNDLE"));
    assert_eq!(words[1..].join(" "), format!("t {}", ca.display()));
    assert!(ca.exists());
    send_signal("TERM", &words[0]);
}

#[test]
fn failed_background_start_reports_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = program().args(["--background", "--port", &port]).output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{why}");
    assert!(
        why.starts_with(&format!("glacier-emulator: cannot start: port {port} of 127.0.0.1: "))
            && why.lines().count() == 1,
        "{why}"
    );
}

#[test]
fn help_lists_all_options() {
    let run = |arguments: &[&str]| program().args(arguments).output().unwrap();
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let mut named = Vec::new();
    for line in help.lines().filter(|line| line.starts_with("  --")) {
        let mut words = line.split_whitespace();
        let (option, next) = (words.next().unwrap(), words.next().unwrap());
        if next.bytes().all(|b| b.is_ascii_uppercase()) {
            let why = String::from_utf8(run(&[option]).stderr).unwrap();
            assert!(why.contains(&format!("{option} needs a value")), "{why}");
        } else {
            assert!(run(&[option, "--help"]).status.success(), "{option}");
        }
        named.push(option);
    }
    // In the source, each known option is a string literal of its own.
    let known = include_str!("../src/bin/glacier-emulator/settings.rs")
        .split('"')
        .filter(|text| text.starts_with("--") && !text.contains(' '));
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(known, named);
}

#[test]
fn readme_matches_the_program() {
    let readme = include_str!("../README.md");
    let (emulator, mut client) = start();
    let mut examples = 0;
    for example in readme.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let place = if example.contains("\"seed\"") { "random" } else { "faults" };
        let post = Request::new("POST", format!("/.admin/{place}")).with(|request| request.authorization = false);
        assert_eq!(client.send(&post.body(example.as_bytes())).status, 204, "{example}");
        examples += 1;
    }
    assert!(examples >= 5, "{examples}");
    emulator.set_random_faults(None);
    emulator.clear_faults();
    let (_, rest) = readme.split_once("## Random faults").unwrap();
    let (random, records) = rest.split_once("## Request records").unwrap();
    for kind in FaultKind::ALL {
        let name = serde_json::to_value(kind).unwrap();
        assert!(random.contains(&format!("`{}`", name.as_str().unwrap())), "{name}");
    }
    client.initiate(MIB);
    let requests = Request::new("GET", "/.admin/requests").with(|request| request.authorization = false);
    for name in client.send(&requests).json()[0].as_object().unwrap().keys() {
        assert!(records.contains(&format!("`{name}`")), "{name}");
    }
}
