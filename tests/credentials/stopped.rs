//! A search for keys in a process that is stopped (SIGSTOP) for longer than the time limits of the search.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use glacier_mp::client::Client;
use glacier_mp::clock::SystemClock;
use glacier_mp::config::Config;
use glacier_mp::environment::Environment;

use crate::fake::{EmptyVault, Fake, Reply, metadata_keys};

/// Set in the process that is stopped: the URL of the server.
const SERVER_URL: &str = "TEST_SERVER_URL";
/// The stop lasts longer than the time limit of each request, which is 1 s or 2 s, and than a gap that counts as a busy machine.
const STOP: Duration = Duration::from_secs(7);
const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const CONTAINER: &str = "/keys";

/// Stops a child, and continues it after [`STOP`].
fn stop(pid: libc::pid_t) {
    signal(pid, libc::SIGSTOP);
    while !fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
        thread::sleep(Duration::from_millis(1));
    }
    thread::spawn(move || {
        thread::sleep(STOP);
        signal(pid, libc::SIGCONT);
    });
}

#[allow(unsafe_code)]
fn signal(pid: libc::pid_t, number: libc::c_int) {
    // SAFETY: the process is a child of this test.
    unsafe { libc::kill(pid, number) };
}

#[test]
fn stopped_process_gets_keys_after_it_is_continued() {
    if let Ok(url) = std::env::var(SERVER_URL) {
        get_keys("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url);
        return get_keys("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{url}{CONTAINER}"));
    }
    let pid = Arc::new(Mutex::new(0));
    let stopped_pid = Arc::clone(&pid);
    // The process is stopped when its request has arrived. The response arrives while the process is stopped.
    let fake = Fake::start(move |received, _| {
        let target = received.target.as_str();
        if target == TOKEN || target == CONTAINER {
            stop(*stopped_pid.lock().unwrap());
        }
        match target {
            TOKEN => Reply::new(200, "token-of-the-instance"),
            ROLES => Reply::new(200, "backup-role"),
            _ => metadata_keys("ASIA", 3600),
        }
    });
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "stopped::stopped_process_gets_keys_after_it_is_continued"]);
    let output = {
        // The server waits for the number of the process.
        let mut pid = pid.lock().unwrap();
        let child = program.env(SERVER_URL, fake.url()).stdout(Stdio::piped()).spawn().unwrap();
        *pid = libc::pid_t::try_from(child.id()).unwrap();
        child
    }
    .wait_with_output()
    .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let targets: Vec<_> = fake.received().into_iter().map(|received| received.target).collect();
    assert_eq!(targets, [TOKEN, ROLES, &format!("{ROLES}backup-role"), CONTAINER], "no request was repeated");
}

/// Calls the service once, with keys of the source that this variable selects.
fn get_keys(variable: &str, url: &str) {
    let mut config = Config::new(Environment::from_pairs([
        (variable, url),
        ("AWS_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", ""),
        ("AWS_SHARED_CREDENTIALS_FILE", ""),
    ]));
    config.set_max_attempts(1).unwrap();
    let resolved = config.resolve().unwrap();
    let transports = Arc::new(resolved.network().unwrap());
    let vault = Arc::new(EmptyVault::default());
    let client = Client::with_transports(resolved, vault, transports, Arc::new(SystemClock::new()));
    client.list_uploads("vault").unwrap();
}
