//! The test programs: what each does stands in its source; here, what the local Glacier does and what must have arrived.

use std::io::{BufRead, BufReader, Write};

use glacier_emulator::{Action, Emulator, Fault, Operation};

use crate::harness::{
    Build, Program, answered, assert_holds, data, data_file, finish, in_both_builds, local_glacier, only_archive,
    start, succeed,
};

const MIB: usize = 1 << 20;
const FILE_SIZE: usize = 10 * MIB + 1000;

in_both_builds!(
    run_file,
    run_file_cpp,
    run_memory,
    by_hand_ops,
    states,
    errors,
    callbacks,
    cancel,
    plan_and_hash,
    fork
);

fn run_file(build: Build) {
    let program = Program::c("tests/c/run_file.c", build);
    let archive_description = upload_file(&program);
    assert_eq!(archive_description.as_deref(), Some("a file, from C"));
}

fn run_file_cpp(build: Build) {
    for standard in ["c++11", "c++17"] {
        let program = Program::cpp("tests/cpp/run_file.cpp", standard, build);
        let archive_description = upload_file(&program);
        assert_eq!(archive_description.as_deref(), Some("a file, from C++"));
    }
}

/// Each request was made once, and the archive is the file; returns its description.
fn upload_file(program: &Program) -> Option<String> {
    let glacier = local_glacier();
    let (_directory, file) = data_file("file", FILE_SIZE);
    succeed(program.command_at(&glacier).arg(file));
    let archive = only_archive(&glacier);
    assert_holds(&archive, &data(FILE_SIZE));
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 201), 1);
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 11);
    assert_eq!(answered(&glacier, Operation::CompleteMultipartUpload, 201), 1);
    assert_eq!(glacier.requests().len(), 13);
    archive.description
}

fn run_memory(build: Build) {
    let glacier = local_glacier();
    // The first run gets as far as part 3, where its callback stops it.
    glacier.add_fault(stalled_part(3));
    succeed(&mut Program::c("tests/c/run_memory.c", build).command_at(&glacier));
    assert_holds(&only_archive(&glacier), &data(5 * MIB + 1));
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 201), 1);
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 6, "no part is sent twice");
}

fn by_hand_ops(build: Build) {
    let glacier = local_glacier();
    succeed(&mut Program::c("tests/c/by_hand_ops.c", build).command_at(&glacier));
    assert_holds(&only_archive(&glacier), &data(FILE_SIZE));
    assert!(glacier.uploads().is_empty());
    let sent = glacier.requests().iter().filter(|r| r.operation == Some(Operation::UploadMultipartPart)).count();
    assert_eq!(sent, 12 + 2, "what is refused is not sent");
}

fn states(build: Build) {
    let glacier = local_glacier();
    glacier.add_fault(stalled_part(1).always());
    succeed(&mut Program::c("tests/c/states.c", build).command_at(&glacier));
    assert!(glacier.uploads().is_empty(), "all are completed or aborted");
}

fn errors(build: Build) {
    let glacier = local_glacier();
    succeed(&mut Program::c("tests/c/errors.c", build).command_at(&glacier));
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 404), 1);
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 403), 1);
    assert_eq!(glacier.requests().len(), 2, "what is refused is not sent");
}

fn callbacks(build: Build) {
    let glacier = local_glacier();
    glacier.add_fault(stalled_part(1).always());
    succeed(&mut Program::c("tests/c/callbacks.c", build).command_at(&glacier));
    assert!(glacier.archives().is_empty());
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
    assert_archives(&glacier, &[data(3 * MIB), data(3 * MIB)]);
}

fn plan_and_hash(build: Build) {
    succeed(&mut Program::c("tests/c/plan_and_hash.c", build).command());
}

fn fork(build: Build) {
    let glacier = local_glacier();
    succeed(&mut Program::c("tests/c/fork.c", build).command_at(&glacier));
    assert_holds(&only_archive(&glacier), &data(MIB));
}

fn stalled_part(index: u64) -> Fault {
    Fault::new(Action::Stall { after_bytes: None }).on(Operation::UploadMultipartPart).part(index)
}

fn assert_archives(glacier: &Emulator, want: &[Vec<u8>]) {
    let archives = glacier.archives();
    assert_eq!(archives.len(), want.len());
    for (archive, bytes) in archives.iter().zip(want) {
        assert_holds(archive, bytes);
    }
}
