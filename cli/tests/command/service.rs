//! Lists, parts, aborts and plans.

use glacier_emulator::{Action, Fault, Operation, error_document};

use crate::run::{MIB, Place, Ran, content};

/// Leaves unfinished uploads, of which every third ID begins with a hyphen. Returns their IDs.
pub(crate) fn unfinished(place: &Place, count: usize) -> Vec<String> {
    unfinished_with(place, count, &[])
}

/// As [`unfinished`], of commands with these options.
pub(crate) fn unfinished_with(place: &Place, count: usize, options: &[&str]) -> Vec<String> {
    let body = Some(error_document(403, "AccessDeniedException", "Complete is not allowed"));
    let fault = Fault::new(Action::Status { status: 403, body, content_type: None, headers: Vec::new() });
    place.glacier.add_fault(fault.on(Operation::CompleteMultipartUpload).always());
    for number in 0..count {
        let file = place.file(&format!("f{number}"), &content(MIB + number));
        let ran = place.run(["upload", "--part-size=1M", &file].into_iter().chain(options.iter().copied()));
        ran.expect(3);
    }
    place.glacier.clear_faults();
    place.glacier.uploads().into_iter().map(|upload| upload.upload_id).collect()
}

#[test]
fn accepts_ids_that_begin_with_a_hyphen_in_every_command() {
    let place = Place::new();
    let ids = unfinished(&place, 4);
    assert!(ids.iter().any(|id| id.starts_with('-')), "{ids:?}");
    let list = place.run(["list"]);
    assert!(
        list.expect(0).len() == 4 && list.stdout.lines().all(|line| line.contains("  parts of 1.0 MiB  f")),
        "{list:?}"
    );
    assert_eq!(place.run(["list", "--older-than", "1d"]).expect(0).len(), 0);
    for id in &ids {
        let parts = place.run(["parts", id]);
        assert!(parts.expect(0)[0].ends_with("  0  1048576"), "{parts:?}");
    }
    let aborted = place.run(["abort", "--yes"].into_iter().chain(ids[..2].iter().map(String::as_str)));
    assert_eq!(aborted.expect(0), ids[..2]);
    assert_eq!(place.glacier.uploads().len(), 2);
    assert_eq!(place.unfinished(), 4, "the journals of the aborted uploads are removed");
    let aborted = place.run(["abort", "--older-than=0s", "--yes"]);
    assert_eq!((aborted.expect(0).len(), place.glacier.uploads().len(), place.unfinished()), (2, 0, 0));
}

#[test]
fn resumes_all_unfinished_uploads_of_the_vault() {
    let place = Place::new();
    unfinished(&place, 2);
    assert_eq!(place.run(["resume", "--list"]).expect(0).len(), 2);
    let other = place.run(["resume", "--vault", "other"]);
    assert!(other.expect(0).is_empty() && other.stderr.contains("no upload to vault other is unfinished"), "{other:?}");
    let before = place.sent_parts();
    assert_eq!(place.run(["resume"]).expect(0).len(), 2);
    assert_eq!(
        (place.sent_parts(), place.catalog().len(), place.unfinished()),
        (before, 2, 0),
        "no part is sent again"
    );
}

#[test]
fn resumes_the_upload_of_another_machine_by_its_id() {
    let place = Place::new();
    let id = unfinished(&place, 1).remove(0);
    let file = place.file("f0", &content(MIB));
    let ran = place.run(["resume", "--state-dir=other", "--upload-id", &id, &file]);
    assert_eq!(ran.expect(0).len(), 1, "{ran:?}");
    let found = place.run(["archives", "--state-dir=other", "--json"]);
    assert!(found.expect(0)[0].contains("\"description\":\"f0\""), "{found:?}");
    let unknown = place.run(["resume", "--state-dir=other", &file]);
    assert!(unknown.expect(1).is_empty() && unknown.stderr.contains("no unfinished upload"), "{unknown:?}");
}

#[test]
fn changed_source_is_an_error_that_names_restart() {
    let place = Place::new();
    let old = unfinished(&place, 1);
    let file = place.file("f0", &content(MIB + 9));
    let ran = place.run(["upload", "--part-size=1M", &file]);
    ran.expect(1);
    assert!(ran.stderr.contains("the file changed") && ran.stderr.contains("--restart"), "{ran:?}");
    let ran = place.run(["upload", "--part-size=1M", "--restart", &file]);
    assert_eq!(ran.expect(0).len(), 1);
    assert_eq!((place.glacier.uploads().len(), place.glacier.archives()[0].size), (0, (1 << 20) + 9), "{old:?}");
}

/// Checks that a message names the upload once, and not the journal in the state directory.
fn assert_named_once(place: &Place, ran: &Ran, id: &str) {
    assert_eq!(ran.stderr.matches(id).count(), 1, "{ran:?}");
    assert!(!ran.stderr.contains(place.state().to_str().unwrap()), "{ran:?}");
    assert!(!ran.stderr.contains("can be resumed"), "{ran:?}");
}

#[test]
fn file_with_other_bytes_and_the_same_size_is_not_said_to_be_resumable() {
    let place = Place::new();
    let id = unfinished(&place, 1).remove(0);
    let file = place.file("f0", &[b'x'; MIB]);
    for (words, says) in [
        (&["upload", &file][..], "the file changed since its unfinished upload"),
        (&["resume", "--upload-id", &id, &file], "has other bytes than this file"),
    ] {
        let ran = place.run(words.iter().copied());
        assert!(ran.expect(1).is_empty() && ran.stderr.contains(says), "{ran:?}");
        assert_named_once(&place, &ran, &id);
    }
}

#[test]
fn plans_without_a_service() {
    let place = Place::new();
    let plan = place.run(["plan", "--size", "1T", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(plan.expect(0)[0]).unwrap();
    assert_eq!((plan["part_size"].as_u64(), plan["parts"].as_u64()), (Some(128 << 20), Some(8192)));
    let ran = place.run(["plan", "--size", "1T", "--part-size", "1M"]);
    assert!(ran.expect(2).is_empty() && ran.stderr.contains("too small"), "{ran:?}");
    let empty = place.run_with_input(["treehash", "-"], b"");
    assert_eq!(empty.expect(0), ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -"]);
    assert!(place.glacier.requests().is_empty());
}
