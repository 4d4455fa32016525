//! The program where a resource is missing: descriptors, or the directory of its storage.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use client::{Client, MIB, Request};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_glacier-emulator"))
}

fn start(command: &mut Command) -> (Child, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut endpoint = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
    (child, endpoint.trim_end().to_owned())
}

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
fn start_with_descriptors(limit: usize) -> (Child, String) {
    let script = format!(r#"ulimit -n {limit} && exec "$0" --until-stdin-closes --storage hashes"#);
    start(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_glacier-emulator")]))
}

#[cfg(target_os = "linux")]
#[test]
fn waits_for_a_free_descriptor_without_processor_time() {
    // A connection takes two descriptors. For one of the limits, the last free one is missing.
    for limit in [24, 25] {
        let (mut child, endpoint) = start_with_descriptors(limit);
        let address = endpoint.strip_prefix("http://").unwrap();
        let clients: Vec<_> = (0..30).map(|_| TcpStream::connect(address).unwrap()).collect();
        let before = processor_time(child.id());
        std::thread::sleep(Duration::from_millis(800));
        let used = processor_time(child.id()) - before;
        // A slow machine makes the number of ticks smaller.
        assert!(used < 20, "{used} ticks in 800 ms");
        drop(clients);
        assert_eq!(Client::connect_without_tls(&endpoint).send(&Request::list_uploads("")).status, 200);
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}

/// Without a free descriptor the program cannot connect to itself, which wakes its listener.
#[cfg(target_os = "linux")]
#[test]
fn ends_without_a_free_descriptor() {
    for connections in 8..24 {
        let (mut child, endpoint) = start_with_descriptors(24);
        let address = endpoint.strip_prefix("http://").unwrap();
        let clients: Vec<_> = (0..connections).map(|_| TcpStream::connect(address).unwrap()).collect();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        drop(clients);
    }
}

#[test]
fn second_program_with_the_same_data_directory_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let (mut first, endpoint) = start(program().args(arguments).arg("--until-stdin-closes"));
    let mut client = Client::connect_without_tls(&endpoint);
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
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    let (mut second, endpoint) = start(program().args(arguments).arg("--until-stdin-closes"));
    let parts = Client::connect_without_tls(&endpoint).send(&Request::list_parts(&id, "")).json();
    assert_eq!(parts["Parts"].as_array().unwrap().len(), 1);
    drop(second.stdin.take());
    assert!(second.wait().unwrap().success());
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
    let (mut child, _) = start(&mut command);
    let is_of_child = |entry: &std::fs::DirEntry| {
        entry.file_name().to_string_lossy().starts_with(&format!("glacier-emulator-{}-", child.id()))
    };
    let in_tmp = Path::new("/tmp").read_dir().unwrap().filter(|entry| entry.as_ref().is_ok_and(is_of_child)).count();
    assert_eq!((in_tmp, directory.path().read_dir().unwrap().count()), (1, 0));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
