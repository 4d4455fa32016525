//! The test programs of tests/c. Their sources state what they do. The tests here set the faults of the
//! local Glacier, and check the archives and requests.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::thread;
use std::time::Duration;

use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation, Options};
use tempfile::TempDir;

use crate::harness::{
    Build, Outcome, Program, answered, assert_holds, data, data_file, finish, in_both_builds, local_glacier,
    only_archive, settled_data_file, signal, start, succeed, under_valgrind,
};

pub(crate) const MIB: usize = 1 << 20;
const FILE_SIZE: usize = 10 * MIB + 1000;
const STREAM_SIZE: usize = 5 * MIB + 1000;

in_both_builds!(
    run_file,
    run_memory,
    by_hand_ops,
    states,
    errors,
    profile,
    callbacks,
    credentials,
    cancel,
    descriptors,
    no_descriptor_for_keys,
    stopped,
    threads,
    freeing,
    plan_and_hash,
    fork,
    written,
    read,
    background,
    journal,
    shared,
    pthread_cancel,
    closed_streams,
    exit
);

under_valgrind!(
    run_memory,
    by_hand_ops,
    states,
    errors,
    profile,
    callbacks,
    credentials,
    cancel,
    threads,
    freeing,
    fork,
    written,
    read,
    background,
    journal,
    shared
);

fn run_file(build: Build) {
    let program = Program::c("tests/c/run_file.c", build);
    let outcome = upload_file(&program, "a file, from C");
    program.print_checks(&outcome);
}

/// Uploads a file. Each request is made once, and the archive equals the file.
pub(crate) fn upload_file(program: &Program, description: &str) -> Outcome {
    let glacier = local_glacier();
    let (_directory, file) = data_file("file", FILE_SIZE);
    let outcome = succeed(program.command_at(&glacier).arg(file));
    let archive = only_archive(&glacier);
    assert_eq!(archive.description.as_deref(), Some(description));
    assert_holds(&archive, &data(FILE_SIZE));
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 201), 1);
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 11);
    assert_eq!(answered(&glacier, Operation::CompleteMultipartUpload, 201), 1);
    assert_eq!(glacier.requests().len(), 13);
    outcome
}

fn closed_streams(build: Build) {
    let glacier = local_glacier();
    let (directory, file) = data_file("file", 3 * MIB);
    let program = Program::c("tests/c/closed_streams.c", build);
    program.check(program.command_at(&glacier).arg(file).arg(directory.path().join("journal")));
    assert_holds(&only_archive(&glacier), &data(3 * MIB));
}

fn exit(build: Build) {
    let glacier = local_glacier();
    let program = Program::c("tests/c/exit.c", build);
    program.check(&mut program.command_at(&glacier));
    // Three by each call of use_everything: on two threads, in two key destructors, in the exit handler and in the destructor.
    // One more on the thread that only runs.
    let archives = glacier.archives();
    assert_eq!(archives.len(), 6 * 3 + 1);
    archives.iter().for_each(|archive| assert_holds(archive, &data(1000)));
    assert!(glacier.uploads().is_empty());
}

fn run_memory(build: Build) {
    let glacier = local_glacier();
    let refusal = Action::error(403, "AccessDeniedException", "No.");
    glacier.add_fault(Fault::new(refusal).on(Operation::UploadMultipartPart).part(3));
    let program = Program::c("tests/c/run_memory.c", build);
    program.check(&mut program.command_at(&glacier));
    assert_holds(&only_archive(&glacier), &data(5 * MIB + 1));
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 201), 1);
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 6, "no part is sent twice");
}

fn by_hand_ops(build: Build) {
    let glacier = local_glacier();
    let program = Program::c("tests/c/by_hand_ops.c", build);
    program.check(&mut program.command_at(&glacier));
    assert_holds(&only_archive(&glacier), &data(FILE_SIZE));
    assert!(glacier.uploads().is_empty());
    let sent = glacier.requests().iter().filter(|r| r.operation == Some(Operation::UploadMultipartPart)).count();
    assert_eq!(sent, 12 + 2, "rejected parts are not sent");
}

fn states(build: Build) {
    let glacier = local_glacier();
    glacier.add_fault(stalled_part(1).always());
    let program = Program::c("tests/c/states.c", build);
    program.check(&mut program.command_at(&glacier));
    assert!(glacier.uploads().is_empty(), "all are completed or aborted");
}

fn errors(build: Build) {
    let glacier = local_glacier();
    let program = Program::c("tests/c/errors.c", build);
    program.check(&mut program.command_at(&glacier));
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 404), 1);
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 403), 1);
    assert_eq!(glacier.requests().len(), 2, "rejected parts are not sent");
}

fn profile(build: Build) {
    let glacier = local_glacier();
    let directory = tempfile::tempdir().unwrap();
    let [config, credentials] = ["config", "credentials"].map(|name| directory.path().join(name));
    let local =
        format!("[profile local]\nregion = {}\nendpoint_url = {}\n", Options::default().region, glacier.endpoint());
    fs::write(&config, format!("[default]\nregion = eu-central-2\n{local}[profile bare]\noutput = json\n")).unwrap();
    // It cannot be read, not even by the superuser.
    std::os::unix::fs::symlink("loop", directory.path().join("loop")).unwrap();
    let program = Program::c("tests/c/profile.c", build);
    let mut command = program.command();
    command.env("AWS_CONFIG_FILE", config).env("AWS_SHARED_CREDENTIALS_FILE", credentials);
    program.check(command.arg(directory.path().join("loop")));
    assert_eq!(glacier.requests().len(), 2, "only the lists are requested");
}

fn callbacks(build: Build) {
    let glacier = local_glacier();
    glacier.add_fault(stalled_part(1).always());
    let program = Program::c("tests/c/callbacks.c", build);
    program.check(&mut program.command_at(&glacier));
    assert!(glacier.archives().is_empty());
}

fn credentials(build: Build) {
    let glacier = Emulator::start(Options { session_token: Some("token-0".to_owned()), ..Options::default() }).unwrap();
    glacier.replace_session_token("token-1");
    let program = Program::c("tests/c/credentials.c", build);
    program.check(&mut program.command_at(&glacier));
    assert_holds(&only_archive(&glacier), &data(3 * MIB));
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 3);
    assert!(glacier.uploads().is_empty());
}

fn cancel(build: Build) {
    let glacier = local_glacier();
    glacier.add_fault(stalled_part(1).always());
    let program = Program::c("tests/c/cancel.c", build);
    let mut child = start(&mut program.command_at(&glacier));
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    glacier.clear_faults();
    // If it has failed it does not read, and its end below says why.
    let _ = child.stdin.as_mut().unwrap().write_all(b"go on\n");
    let outcome = finish(child);
    assert!(outcome.status.success(), "{outcome:?}");
    program.print_checks(&outcome);
    assert_archives(&glacier, &vec![data(3 * MIB); 3]);
}

/// Three archives: at an address, at a name, and with two descriptors for eight workers.
fn descriptors(build: Build) {
    let glacier = local_glacier();
    let (_directory, file) = data_file("file", MIB);
    let program = Program::c("tests/c/descriptors.c", build);
    program.check(program.command_at(&glacier).arg(file));
    let archives = glacier.archives();
    assert_eq!(
        archives.iter().map(|archive| archive.size).collect::<Vec<_>>(),
        [MIB as u64, MIB as u64, 24 * MIB as u64]
    );
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 201), 3);
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 1 + 1 + 24);
    assert_eq!(glacier.requests().len(), 3 + 26 + 3, "nothing is sent without descriptors, and no part twice");
}

fn no_descriptor_for_keys(build: Build) {
    let program = Program::c("tests/c/no_descriptor_for_keys.c", build);
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    let token = r#"{"accessToken": "t", "expiresAt": "2099-01-01T00:00:00Z"}"#;
    // The name is the SHA-1 of the start URL.
    fs::write(cache.join("98df91031e87f97bfc088c045be6442dc5d70b2a.json"), token).unwrap();
    let config = home.path().join("config");
    let sso = "sso_start_url = https://sso.example/start\nsso_region = us-east-1\nsso_account_id = 111122223333\n";
    fs::write(&config, format!("[default]\n{sso}sso_role_name = reader\n")).unwrap();
    let metadata = "http://169.254.169.254:1";
    let token_file = cache.join("token");
    fs::write(&token_file, "t").unwrap();
    for (name, value) in [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/keys"),
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token_file.to_str().unwrap()),
    ] {
        let mut command = program.command_at(&local_glacier());
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("HOME", home.path());
        if name == "AWS_EC2_METADATA_SERVICE_ENDPOINT" {
            command.env_remove("AWS_EC2_METADATA_DISABLED");
        }
        command.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r").env(name, value);
        program.check(&mut command);
    }
}

/// Two processes are stopped when the part is sent, for longer than their timeouts and than any gap that counts as busy.
/// While they are stopped, one gets a reset, and the other gets its response.
fn stopped(build: Build) {
    const STOP: Duration = Duration::from_secs(9);
    let program = Program::c("tests/c/stopped.c", build);
    let delay = || Fault::new(Action::DelayAnswer { millis: 6000 });
    let lost = delay().and(Action::LostAnswer { then: ConnectionEnd::Reset });
    let cases = [(delay(), "0"), (lost, "1")].map(|(fault, retries)| {
        let glacier = local_glacier();
        glacier.add_fault(fault.on(Operation::UploadMultipartPart));
        let child = start(program.command_at(&glacier).arg(retries));
        (glacier, child)
    });
    for (glacier, child) in &cases {
        while !glacier.requests().iter().any(|r| r.operation == Some(Operation::UploadMultipartPart)) {
            thread::sleep(Duration::from_millis(1));
        }
        signal("STOP", child.id());
    }
    thread::sleep(STOP);
    for (glacier, child) in cases {
        assert_eq!(glacier.requests().len(), 2, "Initiate and the part: nothing was sent while it was stopped");
        signal("CONT", child.id());
        let outcome = finish(child);
        assert!(outcome.status.success(), "{outcome:?}");
        program.print_checks(&outcome);
        assert_holds(&only_archive(&glacier), &data(MIB));
    }
}

fn threads(build: Build) {
    let glacier = local_glacier();
    glacier.add_fault(stalled_part(1).always());
    let program = Program::c("tests/c/threads.c", build);
    program.check(&mut program.command_at(&glacier));
}

fn freeing(build: Build) {
    let glacier = local_glacier();
    glacier.add_fault(stalled_part(1).always());
    glacier.add_fault(stalled_part(2).always());
    let program = Program::c("tests/c/freeing.c", build);
    // valgrind is some hundred times slower: it runs one of 48 orders.
    let every = if build == Build::Valgrind { "48" } else { "1" };
    program.check(program.command_at(&glacier).arg(every));
    assert!(glacier.archives().is_empty());
}

fn plan_and_hash(build: Build) {
    let program = Program::c("tests/c/plan_and_hash.c", build);
    program.check(&mut program.command());
}

fn fork(build: Build) {
    let glacier = local_glacier();
    let program = Program::c("tests/c/fork.c", build);
    // valgrind runs one thread at a time, so no other thread holds a lock for long.
    let forks = if build == Build::Valgrind { "0" } else { "100" };
    program.check(program.command_at(&glacier).arg(forks));
    assert_archives(&glacier, &vec![data(MIB); 4]);
}

fn written(build: Build) {
    let glacier = local_glacier();
    let program = Program::c("tests/c/written.c", build);
    program.check(&mut program.command_at(&glacier));
    assert_archives(&glacier, &vec![data(STREAM_SIZE); 5]);
    assert!(glacier.uploads().is_empty(), "all are completed or aborted");
}

fn read(build: Build) {
    let glacier = local_glacier();
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = Program::c("tests/c/read.c", build);
    program.check(program.command_at(&glacier).arg(directory.path().join("journal")));
    assert_archives(&glacier, &vec![data(STREAM_SIZE); 14]);
}

fn background(build: Build) {
    let glacier = local_glacier();
    let program = Program::c("tests/c/background.c", build);
    program.check(&mut program.command_at(&glacier));
    assert_archives(&glacier, &vec![data(3 * MIB); 11]);
}

fn journal(build: Build) {
    let glacier = local_glacier();
    let directory = TempDir::new().unwrap();
    let file = settled_data_file(3 * MIB + 1000);
    let program = Program::c("tests/c/journal.c", build);
    program.check(program.command_at(&glacier).arg(file).arg(directory.path()));
    assert_archives(&glacier, &vec![data(3 * MIB + 1000); 5]);
}

fn shared(build: Build) {
    let glacier = local_glacier();
    let (directory, file) = data_file("file", STREAM_SIZE);
    let program = Program::c("tests/c/shared.c", build);
    program.check(program.command_at(&glacier).arg(file).arg(directory.path()));
    assert_archives(&glacier, &[data(STREAM_SIZE)]);
}

fn pthread_cancel(build: Build) {
    let glacier = local_glacier();
    glacier.add_fault(stalled_part(1).always());
    let program = Program::c("tests/c/pthread_cancel.c", build);
    program.check(&mut program.command_at(&glacier));
    assert_archives(&glacier, &[data(MIB)]);
}

/// The program replaces pread64, which the sanitizers also do. So there is only a plain build.
#[test]
fn read_error_names_offset_and_part() {
    let glacier = local_glacier();
    let (_directory, file) = data_file("file", 5 * MIB);
    let program = Program::c("tests/c/read_error.c", Build::Plain);
    program.check(program.command_at(&glacier).arg(file));
    assert_archives(&glacier, &vec![data(5 * MIB); 2]);
}

fn stalled_part(index: u64) -> Fault {
    Fault::new(Action::Stall { after_bytes: None }).on(Operation::UploadMultipartPart).part(index)
}

pub(crate) fn assert_archives(glacier: &Emulator, want: &[Vec<u8>]) {
    let archives = glacier.archives();
    assert_eq!(archives.len(), want.len());
    for (archive, bytes) in archives.iter().zip(want) {
        assert_holds(archive, bytes);
    }
}
