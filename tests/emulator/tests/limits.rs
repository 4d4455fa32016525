//! The program where a resource is missing: descriptors, space in files, or the directory of its storage.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;
mod process;

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use client::{Client, MIB, Request, data};
use process::{Started, entries, program, send_signal};

/// Returns the error of a program that does not start.
fn error(command: &mut Command) -> String {
    let output = command.arg("--until-stdin-closes").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The processor time of a process, in ticks of 10 ms.
#[cfg(target_os = "linux")]
fn processor_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Starts the program with this maximum number of descriptors.
fn start_with_descriptors(limit: usize) -> Started {
    let script = format!(r#"ulimit -n {limit} && exec "$0" --until-stdin-closes --storage hashes"#);
    Started::of(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_glacier-emulator")]))
}

#[cfg(target_os = "linux")]
#[test]
fn waits_for_a_free_descriptor_without_processor_time() {
    // A connection takes two descriptors. For one of the limits, the last free one is missing.
    for limit in [24, 25] {
        let running = start_with_descriptors(limit);
        let clients: Vec<_> = (0..30).map(|_| running.client()).collect();
        let before = processor_time(running.child.id());
        std::thread::sleep(Duration::from_millis(800));
        let used = processor_time(running.child.id()) - before;
        // A slow machine makes the number of ticks smaller.
        assert!(used < 20, "{used} ticks in 800 ms");
        // Each client then closes its connection, and the next one gets the descriptors.
        for mut client in clients {
            assert_eq!(client.send(&Request::list_uploads("")).status, 200);
        }
        running.end();
    }
}

/// Without a free descriptor the program cannot connect to itself, which wakes its listener.
#[cfg(target_os = "linux")]
#[test]
fn ends_without_a_free_descriptor() {
    for connections in 8..24 {
        let running = start_with_descriptors(24);
        let address = running.endpoint.strip_prefix("http://").unwrap();
        let clients: Vec<_> = (0..connections).map(|_| TcpStream::connect(address).unwrap()).collect();
        running.end();
        drop(clients);
    }
}

#[test]
fn second_program_with_the_same_data_directory_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let first = Started::of(program().args(arguments).arg("--until-stdin-closes"));
    let mut client = first.client();
    let id = client.initiate(MIB);
    let part = Request::part(&id, 0, &[7; MIB]);
    client.write(&part.head(&client.host)).unwrap();
    client.write(&part.body[..MIB / 2]).unwrap();
    let why = error(program().args(arguments));
    let says = format!("glacier-emulator: cannot start: {}: another local Glacier is using it\n", data.display());
    assert_eq!(why, says);
    // The part that the first one was receiving.
    client.write(&part.body[MIB / 2..]).unwrap();
    assert_eq!(client.read_response().unwrap().status, 204);
    first.end();
    let second = Started::of(program().args(arguments).arg("--until-stdin-closes"));
    let parts = second.client().send(&Request::list_parts(&id, "")).json();
    assert_eq!(parts["Parts"].as_array().unwrap().len(), 1);
    second.end();
}

#[test]
fn error_of_the_data_directory_names_it() {
    let why = error(program().args(["--data", "/dev/null"]));
    assert!(why.starts_with("glacier-emulator: cannot start: /dev/null: "), "{why}");
    let directory = tempfile::tempdir().unwrap();
    let upload = directory.path().join("uploads/id");
    std::fs::create_dir_all(&upload).unwrap();
    std::fs::write(upload.join("upload.json"), "{").unwrap();
    let why = error(program().arg("--data").arg(directory.path()));
    let says = format!("glacier-emulator: cannot start: {}/upload.json: EOF", upload.display());
    assert!(why.starts_with(&says), "{why}");
}

#[test]
fn empty_tmpdir_is_like_none() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program();
    command.arg("--until-stdin-closes").env("TMPDIR", "").current_dir(directory.path());
    let running = Started::of(&mut command);
    let is_of_child = |entry: &std::fs::DirEntry| {
        entry.file_name().to_string_lossy().starts_with(&format!("glacier-emulator-{}-", running.child.id()))
    };
    let in_tmp = Path::new("/tmp").read_dir().unwrap().filter(|entry| entry.as_ref().is_ok_and(is_of_child)).count();
    assert_eq!((in_tmp, directory.path().read_dir().unwrap().count()), (1, 0));
    running.end();
}

/// Returns a command that starts the program with this maximum size of its files, in units of 512 or 1024 bytes by
/// the shell. SIGXFSZ has its default action. Its temporary directory is in `directory`.
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
    let mut running = Started::of(command.args(arguments).stderr(Stdio::piped()));
    requests(&mut running.client());
    send_signal("TERM", &running.pid());
    let mut reported = String::new();
    running.child.stderr.take().unwrap().read_to_string(&mut reported).unwrap();
    let status = running.child.wait().unwrap();
    assert_eq!(status.signal(), Some(15), "{status}: {reported}");
    reported
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
        let whole = data(3 * MIB);
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
    let running = Started::of(program().args(arguments).arg("--until-stdin-closes"));
    let admin =
        |path: &str| Request::new("GET", format!("/.admin/{path}")).with(|request| request.authorization = false);
    for path in ["uploads", "archives"] {
        assert_eq!(running.client().send(&admin(path)).json(), serde_json::json!([]), "{path}");
    }
    assert_eq!(running.client().send(&archive).status, 201);
    running.end();
}
