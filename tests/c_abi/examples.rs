//! The examples: their output, their exit codes, and the archives that they create.

use std::ffi::OsStr;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use glacier_emulator::{Action, Emulator, Fault, Operation, Options};
use tempfile::TempDir;

use crate::harness::{
    Build, Program, answered, assert_holds, at, clean, data, data_file, finish, in_both_builds, local_glacier,
    only_archive, run, run_with, signal, start, succeed, wait_until,
};

const MIB: usize = 1 << 20;
const FILE_SIZE: usize = 10 * MIB + 1000;
/// A file name that a shell would split.
const NAME: &str = "it's a file";

in_both_builds!(
    uploads,
    uploads_over_tls,
    resumes_after_signal,
    resumes_after_failure,
    resumes_from_journal,
    uploads_standard_input,
    stops_while_standard_input_is_idle,
    several,
    rejects_wrong_usage,
    prints_archive_id_to_stderr_if_stdout_fails,
    does_not_write_output_into_file_with_descriptor_of_closed_stdout,
    treehash_stops_if_stdout_fails,
    shows_first_failure_and_retry,
    prints_names_without_control_characters,
    draws_bar_on_terminal,
    by_hand,
    by_hand_aborts_after_failure,
    treehash
);

fn upload(build: Build) -> Program {
    Program::c("bindings/c/examples/upload.c", build)
}

/// `upload` with parts of 1 MiB.
fn upload_command(program: &Program, glacier: &Emulator, file: &Path) -> Command {
    let mut command = program.command_at(glacier);
    command.args(["--part-size=1M", "--workers", "2", "--", "examplevault"]).arg(file);
    command
}

fn uploads(build: Build) {
    let glacier = local_glacier();
    let (_directory, file) = data_file(NAME, FILE_SIZE);
    let program = upload(build);
    let mut command = program.command();
    let Options { region, access_key, secret_key, account, .. } = Options::default();
    command.env("AWS_ACCESS_KEY_ID", access_key).env("AWS_SECRET_ACCESS_KEY", secret_key);
    command.arg(format!("--endpoint={}", glacier.endpoint())).args(["--region", &region, "--account-id", &account]);
    command.args(["--part-size=1M", "--workers=4", "--memory=64M", "--description=the demo", "examplevault"]).arg(file);
    let outcome = succeed(&mut command);

    let archive = only_archive(&glacier);
    assert_holds(&archive, &data(FILE_SIZE));
    assert_eq!(archive.description.as_deref(), Some("the demo"));
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 11);
    assert_eq!(outcome.value("archive-id"), archive.archive_id);
    assert_eq!(outcome.value("tree-hash"), archive.tree_hash);
    assert!(outcome.value("location").ends_with(&archive.archive_id));

    // Without a terminal: the upload ID early, at most one line per 10 %, and a summary at the end.
    assert!(outcome.stderr.contains("upload ID: "), "{outcome:?}");
    assert!(!outcome.stderr.contains('\r'), "{outcome:?}");
    let last = outcome.stderr.lines().last().unwrap();
    assert!(last.starts_with("uploaded 10.0 MiB in "), "{outcome:?}");
    assert!((3..=13).contains(&outcome.stderr.lines().count()), "{outcome:?}");
}

fn uploads_over_tls(build: Build) {
    let glacier = Emulator::start(Options { tls: true, ..Options::default() }).unwrap();
    let (directory, file) = data_file("file", MIB + 1);
    let ca_file = directory.path().join("ca.pem");
    fs::write(&ca_file, glacier.ca_pem().unwrap()).unwrap();
    let program = upload(build);
    let mut command = program.command_at(&glacier);
    succeed(command.arg("--ca-file").arg(ca_file).arg("--verbose").arg("examplevault").arg(file));
    assert_holds(&only_archive(&glacier), &data(MIB + 1));
}

fn resumes_after_signal(build: Build) {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let glacier = local_glacier();
        let (_directory, file) = data_file(NAME, FILE_SIZE);
        let program = upload(build);
        glacier.add_fault(
            Fault::new(Action::Stall { after_bytes: Some(1000) }).on(Operation::UploadMultipartPart).part(9),
        );
        let child = start(&mut upload_command(&program, &glacier, &file));
        // The other worker meanwhile sends all parts except the stalled one.
        wait_until("all other parts are sent", || answered(&glacier, Operation::UploadMultipartPart, 204) == 10);
        wait_until("the stalled part is met", || {
            glacier.requests().iter().any(|r| r.range.is_some_and(|(first, _)| first == 9 * MIB as u64))
        });
        signal(name, child.id());
        let outcome = finish(child);
        assert_eq!(outcome.status.code(), Some(code), "{outcome:?}");
        assert_eq!(outcome.value("upload-id"), glacier.uploads()[0].upload_id);

        resume(&glacier, &outcome.stderr, b"");
        assert_holds(&only_archive(&glacier), &data(FILE_SIZE));
        assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 11, "no part is sent twice");
    }
}

fn resumes_after_failure(build: Build) {
    let glacier = local_glacier();
    let (_directory, file) = data_file(NAME, FILE_SIZE);
    let program = upload(build);
    let refusal = Action::error(403, "AccessDeniedException", "No.");
    glacier.add_fault(Fault::new(refusal).on(Operation::UploadMultipartPart).part(3));
    let outcome = run(&mut upload_command(&program, &glacier, &file));
    assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
    assert!(outcome.stderr.contains(NAME), "{outcome:?}");
    assert_eq!(outcome.value("upload-id"), glacier.uploads()[0].upload_id);

    resume(&glacier, &outcome.stderr, b"");
    assert_holds(&only_archive(&glacier), &data(FILE_SIZE));
    assert_eq!(answered(&glacier, Operation::InitiateMultipartUpload, 201), 1);
}

/// The program is killed, and the same command is run again.
fn resumes_from_journal(build: Build) {
    let glacier = local_glacier();
    let (directory, file) = data_file(NAME, FILE_SIZE);
    let journal = directory.path().join("it's a journal");
    let program = upload(build);
    let command = || {
        let mut command = program.command_at(&glacier);
        command.arg("--journal").arg(&journal);
        command.args(["--part-size=1M", "--workers=2", "--description=noted", "--", "examplevault"]).arg(&file);
        command
    };
    glacier
        .add_fault(Fault::new(Action::Stall { after_bytes: None }).on(Operation::UploadMultipartPart).part(9).always());
    let child = start(&mut command());
    wait_until("all other parts are noted", || {
        fs::read_to_string(&journal).is_ok_and(|text| text.matches("{\"part\":").count() == 10)
    });
    // The emulator would serve a request that it reads only after the fault was removed.
    wait_until("the stall began", || glacier.requests().iter().any(|request| request.part == Some(9)));
    signal("KILL", child.id());
    assert_eq!(finish(child).status.code(), None);
    glacier.clear_faults();

    let refusal = Action::error(403, "AccessDeniedException", "No.");
    glacier.add_fault(Fault::new(refusal).on(Operation::CompleteMultipartUpload));
    let outcome = run(&mut command());
    assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
    resume(&glacier, &outcome.stderr, b"");
    let archive = only_archive(&glacier);
    assert_holds(&archive, &data(FILE_SIZE));
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 11, "no part is sent twice");

    let requests = glacier.requests().len();
    let again = succeed(&mut command());
    assert_eq!(again.value("archive-id"), archive.archive_id);
    assert!(again.stderr.contains("all parts were already stored"), "{again:?}");
    assert_eq!(glacier.requests().len(), requests);
}

/// The input comes from a pipe, and after a failure again from its first byte.
fn uploads_standard_input(build: Build) {
    let glacier = local_glacier();
    let program = upload(build);
    let upload = |arguments: &[&str], input: &[u8]| {
        run_with(program.command_at(&glacier).args(arguments).args(["examplevault", "-"]), input)
    };
    let refusal = Action::error(403, "AccessDeniedException", "No.");
    glacier.add_fault(Fault::new(refusal).on(Operation::UploadMultipartPart).part(3));
    let outcome = upload(&["--part-size=1M", "--workers=1"], &data(FILE_SIZE));
    assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
    assert!(outcome.stderr.contains("send the same input from its first byte"), "{outcome:?}");
    resume(&glacier, &outcome.stderr, &data(FILE_SIZE));
    assert_holds(&only_archive(&glacier), &data(FILE_SIZE));
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 11, "no part is sent twice");

    let outcome = upload(&["--expected-size=1G"], &data(FILE_SIZE));
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(outcome.stderr.contains("uploaded 10.0 MiB in "), "{outcome:?}");
    assert_holds(&glacier.archives()[1], &data(FILE_SIZE));
    assert_eq!(answered(&glacier, Operation::UploadMultipartPart, 204), 12, "one part of 16 MiB");

    let nothing = upload(&[], b"");
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
}

/// The pipe is open, but has no data.
fn stops_while_standard_input_is_idle(build: Build) {
    let glacier = local_glacier();
    let program = upload(build);
    let mut child = start(program.command_at(&glacier).args(["--part-size=1M", "examplevault", "-"]));
    let mut input = child.stdin.take().unwrap();
    input.write_all(&data(MIB)).unwrap();
    wait_until("the first part is there", || answered(&glacier, Operation::UploadMultipartPart, 204) == 1);
    signal("INT", child.id());
    let outcome = finish(child);
    drop(input);
    assert_eq!(outcome.status.code(), Some(130), "{outcome:?}");
    assert_eq!(outcome.value("upload-id"), glacier.uploads()[0].upload_id);
}

fn several(build: Build) {
    let glacier = local_glacier();
    let (directory, first) = data_file(NAME, FILE_SIZE);
    let second = directory.path().join("second");
    fs::write(&second, data(MIB)).unwrap();
    let program = Program::c("bindings/c/examples/several.c", build);
    let upload =
        |third: &Path| run(program.command_at(&glacier).arg("examplevault").args([&first, &second]).arg(third));

    let outcome = upload(Path::new("/nonexistent/third"));
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("several: /nonexistent/third: "), "{outcome:?}");
    let archives = glacier.archives();
    assert_eq!(archives.len(), 2);
    for archive in &archives {
        assert_holds(archive, &data(usize::try_from(archive.size).unwrap()));
        assert!(outcome.stdout.contains(&format!("{}  ", archive.archive_id)), "{outcome:?}");
    }

    // The journals of these two have their archive IDs.
    let third = directory.path().join("third");
    fs::write(&third, data(2)).unwrap();
    let outcome = upload(&third);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(glacier.archives().len(), 3);
    assert_eq!(outcome.stdout.lines().count(), 3);
    assert_eq!(outcome.stderr.matches(": stored\n").count(), 3, "{outcome:?}");
    assert_eq!(run(&mut program.command()).status.code(), Some(2));
}

/// Removes the faults and runs the command line that the program printed in a shell.
fn resume(glacier: &Emulator, stderr: &str, input: &[u8]) {
    glacier.clear_faults();
    let (_, line) = stderr.split_once("resume with\n").unwrap_or_else(|| panic!("no command in {stderr}"));
    let mut shell = clean(Command::new("sh"));
    shell.arg("-c").arg(line);
    let outcome = run_with(&mut at(shell, glacier), input);
    assert!(outcome.status.success(), "{outcome:?}");
}

fn rejects_wrong_usage(build: Build) {
    const SIZE: &str = "a size is a number of bytes, or has the unit K, M, G or T, or KiB, MiB, GiB or TiB";
    const PART_SIZE: &str = "a part size is a power of two from 1M to 4G, such as 16M";
    const WORKERS: &str = "the number of workers is from 1 to 32";
    let program = upload(build);
    let (_directory, file) = data_file("file", 1);
    let glacier = local_glacier();
    for (arguments, says) in [
        (&["examplevault"][..], "VAULT and FILE are needed"),
        (&["--no-such-option", "examplevault", "file"], "--no-such-option"),
        (&["--part-size=16Q", "examplevault", "file"], SIZE),
        (&["--part-size=99999999999T", "examplevault", "file"], SIZE),
        (&["--part-size=8MB", "examplevault", "file"], SIZE),
        (&["--part-size=+1M", "examplevault", "file"], SIZE),
        (&["--memory=64m", "examplevault", "file"], SIZE),
        (&["--part-size=3M", "examplevault", "file"], PART_SIZE),
        (&["--part-size=512K", "examplevault", "file"], PART_SIZE),
        (&["--part-size=8G", "examplevault", "file"], PART_SIZE),
        (&["--workers=-1", "examplevault", "file"], WORKERS),
        (&["--workers=0", "examplevault", "file"], WORKERS),
        (&["--workers=33", "examplevault", "file"], WORKERS),
        (&["--workers=1K", "examplevault", "file"], WORKERS),
        (&["--expected-size=much", "examplevault", "-"], SIZE),
        (&["--journal"], "--journal"),
        (&["examplevault", "file", "another"], "another"),
        (&["--description"], "--description"),
        // Values that the library rejects before anything is sent.
        (&["--description=f\u{fc}r alle", "examplevault", "file"], "only the printable ASCII characters"),
        (&["--memory=5", "examplevault", "file"], "(1 MiB)"),
        (&["--region=a b", "examplevault", "file"], "us-east-1"),
        (&["--endpoint=ftp://x", "examplevault", "file"], "http://host"),
        (&["a b", "file"], "A-Z a-z 0-9"),
    ] {
        let outcome = run(program.command_at(&glacier).args(arguments));
        assert_eq!(outcome.status.code(), Some(2), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains("--help") && outcome.stderr.contains(says), "{outcome:?}");
    }
    let journal = format!("--journal={}", file.display());
    let mut command = program.command_at(&glacier);
    let command = command.args([&journal, "examplevault", "-"]).stdin(fs::File::open(&file).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("the journal is the file of standard input"), "{stderr}");
    assert!(glacier.requests().is_empty());
    let variable = run(program.command_at(&glacier).env("AWS_REGION", "a b").args(["examplevault", "file"]));
    assert_eq!(variable.status.code(), Some(2), "{variable:?}");
    assert!(variable.stderr.contains("AWS_REGION"), "{variable:?}");
    let units = ["--part-size=1MiB", "--memory=65536K", "--expected-size=1G", "--", "examplevault"];
    succeed(program.command_at(&glacier).args(units).arg(&file));

    let help = succeed(program.command().arg("--help")).stdout;
    for word in ["--upload-id", "--journal", "--verbose", "130", "143"] {
        assert!(help.contains(word), "{word} is not in the help");
    }
    let nowhere = run(program.command_at(&glacier).arg("no-such-vault").arg(&file));
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
    assert_eq!(nowhere.stdout, "");
    let nothing = run(program.command_at(&glacier).args(["examplevault", "/nonexistent"]));
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(nothing.stderr.contains("/nonexistent"), "{nothing:?}");
}

/// Returns standard outputs that fail, each with the cause: its reader is closed, its disk is full, or it is a file that has
/// the maximum size of [`with_file_limit`].
fn failing_outputs() -> [(Stdio, &'static str); 3] {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut large = tempfile::tempfile().unwrap();
    large.set_len(4 * MIB as u64).unwrap();
    large.seek(SeekFrom::End(0)).unwrap();
    [(writer.into(), "Broken pipe"), (full.into(), "No space left on device"), (large.into(), "File too large")]
}

/// Returns a command that runs a program with a maximum size of its files, 1 or 2 MiB by the unit of the shell. SIGXFSZ has its
/// default action, which this test program may have changed.
fn with_file_limit(program: &Program) -> Command {
    let mut shell = clean(Command::new("sh"));
    let script = r#"ulimit -f 2048 && exec env --default-signal=XFSZ "$@""#;
    shell.args(["-c", script, "sh"]).arg(program.path()).stdin(Stdio::null()).stderr(Stdio::piped());
    shell
}

fn prints_archive_id_to_stderr_if_stdout_fails(build: Build) {
    let (_directory, file) = data_file("file", MIB + 1);
    for (name, code) in [("upload", 5), ("by_hand", 1), ("several", 1)] {
        let program = Program::c(&format!("bindings/c/examples/{name}.c"), build);
        for (output, cause) in failing_outputs() {
            let glacier = local_glacier();
            let _ = fs::remove_file(file.with_extension("journal"));
            let mut command = at(with_file_limit(&program), &glacier);
            let outcome = command.arg("examplevault").arg(&file).stdout(output).output().unwrap();
            let stderr = String::from_utf8(outcome.stderr).unwrap();
            assert_eq!(outcome.status.code(), Some(code), "{name}, {cause}: {}: {stderr}", outcome.status);
            assert!(stderr.contains(&format!("{name}: standard output: {cause}\n")), "{stderr}");
            assert!(stderr.contains(&only_archive(&glacier).archive_id), "{stderr}");
        }
    }
    // An upload that stays in the vault.
    let program = upload(build);
    for (output, cause) in failing_outputs() {
        let glacier = local_glacier();
        let refusal = Action::error(403, "AccessDeniedException", "No.");
        glacier.add_fault(Fault::new(refusal).on(Operation::UploadMultipartPart));
        let mut command = at(with_file_limit(&program), &glacier);
        let outcome = command.args(["--part-size=1M", "examplevault"]).arg(&file).stdout(output).output().unwrap();
        let stderr = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(outcome.status.code(), Some(3), "{cause}: {}: {stderr}", outcome.status);
        assert!(stderr.contains(&format!("\nupload-id: {}\n", glacier.uploads()[0].upload_id)), "{stderr}");
    }
}

/// The first file that a program opens gets the lowest free descriptor: here the journal.
fn does_not_write_output_into_file_with_descriptor_of_closed_stdout(build: Build) {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let journal = directory.path().join("journal");
    let glacier = local_glacier();
    let program = upload(build);
    let mut shell = at(clean(Command::new("sh")), &glacier);
    shell.args(["-c", r#"exec "$@" >&-"#, "sh"]).arg(program.path());
    // An upload that stays in the vault keeps its journal open.
    let refusal = Action::error(403, "AccessDeniedException", "No.");
    glacier.add_fault(Fault::new(refusal).on(Operation::UploadMultipartPart));
    let outcome = run_with(shell.arg("--journal").arg(&journal).args(["examplevault", "-"]), &data(MIB));
    assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
    let upload_id = &glacier.uploads()[0].upload_id;
    assert!(outcome.stderr.contains(&format!("\nupload-id: {upload_id}\n")), "{outcome:?}");
    assert!(!fs::read_to_string(&journal).unwrap().contains("upload-id: "));
}

fn treehash_stops_if_stdout_fails(build: Build) {
    let (_directory, file) = data_file("file", MIB);
    let program = Program::c("bindings/c/examples/treehash.c", build);
    for (output, cause) in failing_outputs() {
        let mut command = with_file_limit(&program);
        // The program would report the second file as missing.
        let outcome = command.arg(&file).arg("/nonexistent").stdout(output).output().unwrap();
        let stderr = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!((outcome.status.code(), stderr), (Some(1), format!("treehash: standard output: {cause}\n")));
    }
    let outcome = run(program.command().arg("--threads=+1").arg(&file));
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("digits only"), "{outcome:?}");
}

fn shows_first_failure_and_retry(build: Build) {
    let (_directory, file) = data_file("file", MIB + 1);
    let terminal = Program::c("tests/c/on_terminal.c", Build::Plain);
    for name in ["upload", "by_hand", "several"] {
        let program = Program::c(&format!("bindings/c/examples/{name}.c"), build);
        for on_terminal in [false, true] {
            let glacier = local_glacier();
            let _ = fs::remove_file(file.with_extension("journal"));
            glacier.add_fault(Fault::new(Action::status(500)).on(Operation::InitiateMultipartUpload));
            let mut command = if on_terminal { terminal.command_at(&glacier) } else { program.command_at(&glacier) };
            if on_terminal {
                command.arg("80").arg(program.path());
            }
            let outcome = succeed(command.arg("examplevault").arg(&file));
            let shown = if on_terminal { outcome.stdout } else { outcome.stderr };
            let warning = format!("{name}: warning: InitiateMultipartUpload attempt 1 failed, ");
            let lines: Vec<_> = shown.split(['\r', '\n']).collect();
            assert!(lines.iter().any(|line| line.starts_with(&warning) && line.contains("500")), "{shown}");
            if name == "upload" {
                let is_progress = |line: &&&str| line.contains(" 1 retries") && !line.starts_with("uploaded ");
                assert!(lines.iter().find(is_progress).is_some(), "{shown}");
            }
        }
    }
}

fn prints_names_without_control_characters(build: Build) {
    let glacier = local_glacier();
    // The last byte is no UTF-8: a terminal of 8 bits interprets it.
    let missing = [
        &b"/nonexistent/a\x1b[31m\nb"[..],
        "\u{9b}\u{202e}\u{fff0}\u{fffb}\u{fffc}\u{e0001}\u{e9}".as_bytes(),
        b"\x9b",
    ]
    .concat();
    let missing = OsStr::from_bytes(&missing);
    for (name, code) in [("upload", 1), ("by_hand", 1), ("several", 1), ("treehash", 1)] {
        let program = Program::c(&format!("bindings/c/examples/{name}.c"), build);
        let mut command = program.command_at(&glacier);
        if name != "treehash" {
            command.arg("examplevault");
        }
        let outcome = run(command.arg(missing));
        assert_eq!(outcome.status.code(), Some(code), "{outcome:?}");
        let escaped =
            concat!(r"a\x1b[31m\nb\u{9b}\u{202e}\u{fff0}\u{fffb}", "\u{fffc}", r"\u{e0001}", "\u{e9}", r"\x9b");
        let own = format!("{name}: /nonexistent/{escaped}: ");
        assert!(outcome.stderr.contains(&own), "{outcome:?}");
        let is_printable = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(outcome.stderr.chars().all(is_printable), "{outcome:?}");
    }
    // The command that resumes is printed too.
    glacier
        .add_fault(Fault::new(Action::error(403, "AccessDeniedException", "No.")).on(Operation::UploadMultipartPart));
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = directory.path().join(OsStr::from_bytes(b"it's\x1b[31m\xe2\x80\xae\x9b\\"));
    fs::write(&file, "x").unwrap();
    let outcome = run(upload(build).command_at(&glacier).arg("examplevault").arg(&file));
    assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
    assert!(outcome.stderr.contains(r"/it\047s\033[31m\342\200\256\233\134'"), "{outcome:?}");
    assert!(!outcome.stderr.contains('\u{1b}'), "{outcome:?}");
}

fn draws_bar_on_terminal(build: Build) {
    let glacier = local_glacier();
    let (_directory, file) = data_file("file", FILE_SIZE);
    let program = upload(build);
    let terminal = Program::c("tests/c/on_terminal.c", Build::Plain);
    // A terminal without a width counts as 80 columns wide.
    for (columns, most) in [("80", 79), ("40", 39), ("0", 79)] {
        let mut command = terminal.command_at(&glacier);
        command.arg(columns).arg(program.path()).args(["--part-size=1M", "examplevault"]).arg(&file);
        let shown = succeed(&mut command).stdout;
        let lines: Vec<_> = shown.split(['\r', '\n']).collect();
        let (bars, after) = lines.split_at(lines.iter().rposition(|line| line.contains("ETA")).unwrap() + 1);
        assert!(bars.iter().any(|bar| bar.contains("% ")), "{shown:?}");
        assert!(bars.iter().filter(|bar| bar.contains("ETA")).all(|bar| bar.len() == most), "{shown:?}");
        // Spaces overwrite the bar. The summary follows in its place.
        assert!(after[0].len() == most && after[0].trim().is_empty(), "{shown:?}");
        assert!(after[1].starts_with("uploaded 10.0 MiB in "), "{shown:?}");
    }
}

fn by_hand(build: Build) {
    const SIZE: usize = 33 * MIB + 1;
    let glacier = local_glacier();
    let (_directory, file) = data_file("file", SIZE);
    let program = Program::c("bindings/c/examples/by_hand.c", build);
    let outcome = succeed(program.command_at(&glacier).arg("examplevault").arg(&file));
    let archive = only_archive(&glacier);
    assert_holds(&archive, &data(SIZE));
    assert_eq!(outcome.value("archive-id"), archive.archive_id);
    assert_eq!(outcome.value("tree-hash"), archive.tree_hash);
    assert!(
        outcome.stdout.starts_with("3 parts of 16777216 bytes, the last may be shorter; 5 requests\n"),
        "{outcome:?}"
    );
    assert!(outcome.stdout.contains("\npart at 33554432, 1048577 bytes, tree hash "), "{outcome:?}");
}

fn by_hand_aborts_after_failure(build: Build) {
    let glacier = local_glacier();
    let (_directory, file) = data_file("file", 33 * MIB + 1);
    let program = Program::c("bindings/c/examples/by_hand.c", build);
    let refusal = Action::error(403, "AccessDeniedException", "No.");
    glacier.add_fault(Fault::new(refusal).on(Operation::UploadMultipartPart).part(1).always());

    let outcome = run(program.command_at(&glacier).arg("examplevault").arg(&file));
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains(&glacier.uploads()[0].upload_id), "{outcome:?}");
    let outcome = run(program.command_at(&glacier).args(["--abort-on-failure", "examplevault"]).arg(&file));
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert_eq!(glacier.uploads().len(), 1, "the second is aborted");
}

fn treehash(build: Build) {
    // The tree hashes of 7 MiB of these bytes, and of no bytes.
    const WHOLE: &str = "8bfce57c6a4076b3e930e725fbaa00beeffff0f0d9a6491a89a53baa73b4810d";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let (directory, _file) = data_file("file", 7 * MIB);
    let program = Program::c("bindings/c/examples/treehash.c", build);
    let command = || {
        let mut command = program.command();
        command.current_dir(directory.path());
        command
    };
    fs::write(directory.path().join("two\nlines\\"), data(7 * MIB)).unwrap();

    let outcome = succeed(command().args(["--threads=2", "file", "two\nlines\\"]));
    assert_eq!(outcome.stdout, format!("{WHOLE}  file\n\\{WHOLE}  two\\nlines\\\\\n"));
    assert_eq!(succeed(&mut command()).stdout, format!("{EMPTY}  -\n"));
    let mut child = start(command().arg("-"));
    child.stdin.take().unwrap().write_all(&data(7 * MIB)).unwrap();
    assert_eq!(finish(child).stdout, format!("{WHOLE}  -\n"));

    // The other files are hashed if one cannot be read.
    let outcome = run(command().args(["nothing", "file"]));
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert_eq!(outcome.stdout, format!("{WHOLE}  file\n"));
    assert!(outcome.stderr.contains("nothing"), "{outcome:?}");
    assert_eq!(run(command().arg("--threads=x")).status.code(), Some(2));
}
