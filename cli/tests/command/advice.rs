//! Messages that say what to do, and the commands that they name.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use glacier_emulator::{Action, Fault, Operation, error_document};

use crate::run::{MIB, Place, Ran, content};
use crate::service::{unfinished, unfinished_with};
use crate::stops::run_printed;

/// Returns the command after "start again, run: " or "as it is now, run: " in a message.
pub(crate) fn restart_command(ran: &Ran) -> String {
    let command = ran.stderr.lines().find_map(|line| Some(line.split_once(" run: ")?.1.to_owned()));
    let command = command.unwrap_or_else(|| panic!("{ran:?}"));
    assert!(command.contains(" upload ") && command.contains("--restart"), "{command}");
    command
}

/// Renames the source `f0`. Returns the new path.
fn move_source(place: &Place) -> PathBuf {
    let moved = place.directory.path().join("moved");
    fs::rename(place.directory.path().join("f0"), &moved).unwrap();
    moved
}

#[test]
fn rejects_the_upload_id_of_another_file() {
    for state in [&[][..], &["--state-dir=elsewhere"]] {
        let place = Place::new();
        let id = unfinished_with(&place, 1, state).remove(0);
        let other = place.file("other", &content(MIB));
        let before = place.glacier.requests().len();
        let mut command = String::new();
        for journal in [&[][..], &["--no-journal"], &["--journal=j"]] {
            let words = ["resume", "--upload-id", &id, &other].into_iter().chain(state.iter().copied());
            let ran = place.run(words.chain(journal.iter().copied()));
            assert!(ran.expect(1).is_empty() && ran.stderr.contains("belongs to "), "{ran:?}");
            assert_eq!(place.glacier.requests().len(), before, "nothing is sent");
            command = ran.stderr.lines().next().unwrap().split_once("run: ").unwrap().1.to_owned();
        }
        assert_eq!(run_printed(&place, &command, b"").expect(0).len(), 1, "{command}");
        let found = place.run(["archives", "--json"].into_iter().chain(state.iter().copied()));
        assert!(found.expect(0)[0].contains("\"description\":\"f0\""), "{found:?}");
    }
}

#[test]
fn resumes_a_file_that_was_moved() {
    let place = Place::new();
    let id = unfinished(&place, 1).remove(0);
    let moved = move_source(&place);
    let lost = place.run(["resume"]);
    assert!(lost.expect(1).is_empty(), "{lost:?}");
    let (_, command) = lost.stderr.split_once("resume its upload by: ").unwrap_or_else(|| panic!("{lost:?}"));
    let unknown = place.run(["resume", "moved"]);
    assert!(unknown.expect(1).is_empty() && unknown.stderr.contains("if the file was moved"), "{unknown:?}");
    let wrong = place.file("wrong", &[b'x'; MIB]);
    let sent = place.sent_parts();
    let command = command.lines().next().unwrap();
    let ran = run_printed(&place, &command.replace("NEWPATH", &format!("'{wrong}'")), b"");
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("has other bytes than this file"), "{ran:?}");
    let ran = run_printed(&place, &command.replace("NEWPATH", &format!("'{}'", moved.display())), b"");
    assert_eq!(ran.expect(0).len(), 1, "{ran:?}");
    let catalog = place.catalog();
    let record = &catalog[0];
    assert_eq!((record["description"].as_str(), record["source"].as_str()), (Some("f0"), moved.to_str()), "{id}");
    assert_eq!((place.sent_parts(), place.unfinished()), (sent, 0), "stored parts are not sent again");
}

#[test]
fn moved_file_whose_upload_is_gone_is_settled_by_the_printed_command() {
    let place = Place::new();
    let id = unfinished(&place, 1).remove(0);
    let moved = move_source(&place);
    place.run(["abort", "--state-dir=other", "--yes", &id]).expect(0);
    let mut restart = String::new();
    for words in [&["resume", "--upload-id", &id, "moved"][..], &["resume"]] {
        let ran = place.run(words.iter().copied());
        assert!(ran.expect(1).is_empty() && !ran.stderr.contains("cannot read"), "{ran:?}");
        restart = restart_command(&ran);
    }
    assert_eq!(run_printed(&place, &restart, b"").expect(0).len(), 1, "{restart}");
    let catalog = place.catalog();
    assert_eq!((catalog[0]["description"].as_str(), catalog[0]["source"].as_str()), (Some("f0"), moved.to_str()));
    let ran = place.run(["resume"]);
    assert!(ran.expect(0).is_empty() && ran.stderr.contains("is unfinished"), "{ran:?}");
    assert_eq!(place.unfinished(), 0);
}

#[test]
fn rejects_another_journal_for_an_upload_of_the_state_directory() {
    let place = Place::new();
    let id = unfinished(&place, 1).remove(0);
    let before = place.glacier.requests().len();
    move_source(&place);
    for option in ["--no-journal", "--journal=j"] {
        let ran = place.run(["resume", option, "--upload-id", &id, "moved"]);
        assert!(ran.expect(2).is_empty() && ran.stderr.contains("leave out --journal and --no-journal"), "{ran:?}");
        assert_eq!(place.glacier.requests().len(), before, "nothing is sent");
    }
    assert_eq!(place.run(["resume", "--upload-id", &id, "moved"]).expect(0).len(), 1);
    assert_eq!(place.unfinished(), 0);
}

#[test]
fn notes_the_description_of_an_upload_of_another_machine() {
    let place = Place::new();
    let id = unfinished(&place, 1).remove(0);
    let other = place.file("other", &content(MIB));
    let ran = place.run(["resume", "--state-dir=other-state", "--upload-id", &id, &other]);
    assert_eq!(ran.expect(0).len(), 1);
    assert!(
        ran.stderr.contains("the description \"f0\", perhaps of another file; stored parts that differ are replaced"),
        "{ran:?}"
    );
}

#[test]
fn changed_file_names_the_command_that_starts_again() {
    let place = Place::new();
    unfinished(&place, 1);
    let file = place.file("f0", &content(MIB + 9));
    let resumed = place.run(["resume"]);
    assert!(resumed.expect(1).is_empty(), "{resumed:?}");
    let ran = place.run(["upload", "--part-size=1M", "--description=d", &file]);
    ran.expect(1);
    assert!(restart_command(&ran).contains("--description=d"), "{ran:?}");
    assert_eq!(run_printed(&place, &restart_command(&resumed), b"").expect(0).len(), 1);
    assert_eq!((place.glacier.uploads().len(), place.archives().len()), (0, 1));
}

#[test]
fn command_that_starts_again_keeps_the_description_of_the_unfinished_upload() {
    let place = Place::new();
    unfinished_with(&place, 1, &["--description=monday's"]);
    let file = place.file("f0", &content(MIB + 9));
    let ran = place.run(["upload", &file]);
    ran.expect(1);
    assert_eq!(run_printed(&place, &restart_command(&ran), b"").expect(0).len(), 1);
    assert_eq!(place.catalog()[0]["description"], "monday's");
}

#[test]
fn other_options_than_those_of_the_unfinished_upload_name_both_remedies() {
    for (option, says) in [("--part-size=2M", "part size 1048576"), ("--description=other", "description \"f0\"")] {
        let place = Place::new();
        unfinished(&place, 1);
        let sent = place.sent_parts();
        let ran = place.run(["upload", option, "f0"]);
        assert!(ran.expect(3).is_empty() && ran.stderr.contains(says), "{ran:?}");
        restart_command(&ran);
        let resume = ran.stderr.lines().last().unwrap();
        assert_eq!(run_printed(&place, resume, b"").expect(0).len(), 1, "{ran:?}");
        assert_eq!((place.sent_parts(), place.unfinished()), (sent, 0));
    }
}

#[test]
fn resumes_uploads_to_all_vaults_without_a_vault() {
    let place = Place::new();
    unfinished(&place, 2);
    for words in [&["resume", "f0"][..], &["resume"]] {
        let mut command = place.command(words.iter().copied());
        let ran = Ran::of(command.env_remove("GLACIER_MP_VAULT").output().unwrap());
        assert_eq!(ran.expect(0).len(), 1, "{ran:?}");
    }
    let mut command = place.command(["resume"]);
    let ran = Ran::of(command.env_remove("GLACIER_MP_VAULT").output().unwrap());
    assert!(ran.expect(0).is_empty() && ran.stderr.contains("is unfinished"), "{ran:?}");
}

#[test]
fn resume_without_a_vault_names_what_is_wrong_with_its_journal() {
    let place = Place::new();
    unfinished(&place, 1);
    place.file("damaged", b"not a journal\n");
    let before = place.glacier.requests().len();
    for (words, says, without) in [
        (&["resume", "--journal=missing", "f0"][..], "missing does not exist or records no upload", "--vault"),
        (&["resume", "--journal=damaged", "f0"], "journal ", "names the vault"),
        (&["resume", "other"], "is recorded for this endpoint and account", "vault"),
    ] {
        let mut command = place.command(words.iter().copied());
        let ran = Ran::of(command.env_remove("GLACIER_MP_VAULT").output().unwrap());
        assert!(ran.expect(1).is_empty() && ran.stderr.contains(says) && !ran.stderr.contains(without), "{ran:?}");
    }
    let ran = place.run(["resume", "--journal=missing", "f0"]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("does not exist or records no upload"), "{ran:?}");
    let ran = place.run(["resume", "other"]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("to vault examplevault is recorded"), "{ran:?}");
    assert_eq!(place.glacier.requests().len(), before, "nothing is sent");
}

#[test]
fn rejected_keys_name_their_origin() {
    let place = Place::new();
    let mut command = place.command(["list"]);
    let ran = Ran::of(command.env("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN").output().unwrap());
    assert!(ran.expect(1).is_empty(), "{ran:?}");
    assert!(ran.stderr.contains("the keys came from ") && ran.stderr.contains("AWS_ACCESS_KEY_ID"), "{ran:?}");
    let ran = place.run(["list", "--region=eu-west-1"]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("the region of the signature is eu-west-1"), "{ran:?}");
}

#[test]
fn directory_names_a_command_that_uploads_it() {
    let place = Place::new();
    let ran = place.run(["upload", "."]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("tar c DIR | glacier-mp upload -"), "{ran:?}");
}

/// Starts a proxy that rejects all requests. It runs until the test program ends.
fn proxy_that_rejects() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // A client that closes the connection early gets no response.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    address
}

#[test]
fn printed_commands_have_no_user_name_and_no_password_of_a_proxy() {
    let place = Place::new();
    unfinished(&place, 1);
    let address = proxy_that_rejects();
    let shown = format!("--proxy=http://USER:PASSWORD@{address}");
    for given in [
        "bob:hush-hush@",
        "http:bob:hush-hush@",
        r"http:\\bob:hush-hush@",
        "http://hush-hush@",
        "HTTP://bob:hush-hush@",
    ] {
        let proxy = format!("--proxy={given}{address}");
        let ran = place.run(["upload", "--max-attempts=1", &proxy, "f0"]);
        assert!(ran.expect(3).is_empty(), "{ran:?}");
        assert!(ran.stderr.contains("with the user name and the password of the proxy"), "{ran:?}");
        let json = place.run(["resume", "--json", "--max-attempts=1", &proxy]);
        let events = json.expect(3).into_iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let stopped = events.into_iter().find(|event| event["event"] == "stopped").unwrap();
        assert_eq!(stopped["proxy_password"], true);
        let restart = place.run(["upload", "--part-size=2M", &proxy, "f0"]);
        assert!(restart_command(&restart).contains(&shown), "{restart:?}");
        for (text, ran) in [(&ran.stderr, &ran), (&json.stdout, &json), (&restart.stderr, &restart)] {
            assert!(text.contains(&shown), "{ran:?}");
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!all.contains("hush-hush") && !all.contains("bob"), "{ran:?}");
        }
    }
    let ran = place.run(["upload", "--max-attempts=1", &format!("--proxy={address}"), "f0"]);
    assert!(ran.expect(3).is_empty() && ran.stderr.contains("to resume, run:"), "{ran:?}");
    assert!(ran.stderr.contains(&format!(" --proxy={address} ")), "{ran:?}");
}

#[test]
fn printed_command_without_standard_input_has_no_expected_size() {
    let place = Place::new();
    unfinished(&place, 1);
    let words = ["upload", "--part-size=2M", "--expected-size=4M", "-", "f0"];
    let ran = place.run_with_input(words, &content(MIB));
    assert_eq!(ran.expect(3).len(), 1, "{ran:?}");
    assert!(!restart_command(&ran).contains("--expected-size"), "{ran:?}");
    assert_eq!(run_printed(&place, &restart_command(&ran), b"").expect(0).len(), 1);
}

#[test]
fn part_size_of_a_journal_counts_for_the_memory_of_standard_input() {
    let place = Place::new();
    let body = Some(error_document(403, "AccessDeniedException", "Complete is not allowed"));
    let fault = Fault::new(Action::Status { status: 403, body, content_type: None, headers: Vec::new() });
    place.glacier.add_fault(fault.on(Operation::CompleteMultipartUpload).always());
    let words = ["upload", "--memory=8M", "--journal=j", "-", "--part-size=1M"];
    place.run_with_input(words, &content(2 * MIB)).expect(3);
    place.glacier.clear_faults();
    let sent = place.sent_parts();
    assert_eq!(place.run_with_input(words[..4].iter().copied(), &content(2 * MIB)).expect(0).len(), 1);
    assert_eq!(place.sent_parts(), sent, "stored parts are not sent again");
}
