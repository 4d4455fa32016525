//! A journal whose archive exists already: success needs the bytes of this source.

use std::fs;
use std::path::PathBuf;

use glacier_emulator::{Action, ConnectionEnd, Fault, Operation};

use crate::advice::restart_command;
use crate::run::{MIB, Place, Ran, content};
use crate::stops::run_printed;

/// Returns bytes of the same length, of which one in each MiB differs.
fn other(content: &[u8]) -> Vec<u8> {
    content.iter().enumerate().map(|(at, byte)| if at % MIB == 0 { byte ^ 1 } else { *byte }).collect()
}

/// Runs a command whose catalog has the maximum size, so that its journal keeps the archive. Returns the archive ID.
fn finish_without_catalog(place: &Place, words: &[&str], input: &[u8]) -> String {
    let known = place.archives();
    fs::create_dir_all(place.state()).unwrap();
    let (catalog, kept) = (place.state().join("archives.jsonl"), place.state().join("kept"));
    let has_catalog = fs::rename(&catalog, &kept).is_ok();
    fs::write(&catalog, "{}\n".repeat(32 << 10)).unwrap();
    let ran = place.run_at_limit_of_file_sizes(words.iter().copied(), input);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("the archive exists as "), "{ran:?}");
    fs::remove_file(&catalog).unwrap();
    if has_catalog {
        fs::rename(&kept, &catalog).unwrap();
    }
    let mut archives = place.archives();
    archives.retain(|id| !known.contains(id));
    assert_eq!(archives.len(), 1, "{ran:?}");
    archives.remove(0)
}

/// Returns the source of each archive in the catalog, with the archive ID. Checks that the hash is that of the archive.
fn cataloged(place: &Place) -> Vec<(String, String)> {
    if !place.state().join("archives.jsonl").exists() {
        return Vec::new();
    }
    let text = |record: &serde_json::Value, field: &str| record[field].as_str().unwrap().to_owned();
    let archives = place.glacier.archives();
    let checked = |record: &serde_json::Value| {
        let id = text(record, "archive_id");
        let archive = archives.iter().find(|archive| archive.archive_id == id).unwrap();
        assert_eq!(
            (text(record, "tree_hash"), record["size"].as_u64()),
            (archive.tree_hash.clone(), Some(archive.size))
        );
        (text(record, "source"), id)
    };
    place.catalog().iter().map(checked).collect()
}

/// Returns the bytes of an archive.
fn bytes_of(place: &Place, id: &str) -> Vec<u8> {
    let archive = place.glacier.archives().into_iter().find(|archive| archive.archive_id == id).unwrap();
    fs::read(archive.path.unwrap()).unwrap()
}

fn journal(place: &Place) -> PathBuf {
    place.directory.path().join("j")
}

/// Checks that a command failed because of the archive in its journal, and changed nothing.
fn assert_rejected(place: &Place, ran: &Ran, id: &str) {
    assert!(ran.expect(1).is_empty() && ran.stderr.contains(id), "{ran:?}");
    assert!(ran.stderr.contains("other bytes than this source"), "{ran:?}");
    assert_eq!((cataloged(place), place.archives().len()), (vec![], 1), "{ran:?}");
    assert!(journal(place).exists(), "{ran:?}");
}

#[test]
fn standard_input_is_compared_with_the_archive_of_its_journal() {
    let place = Place::new();
    let day = content(2 * MIB + 5);
    let words = ["upload", "--part-size=1M", "--journal=j", "-"];
    let id = finish_without_catalog(&place, &words, &day);
    let requests = place.glacier.requests().len();
    for input in [&other(&day)[..], b"abcde", &day[..2 * MIB], b""] {
        let ran = place.run_with_input(words, input);
        assert_rejected(&place, &ran, &id);
        assert!(ran.stderr.contains("supply the same standard input again"), "{ran:?}");
        restart_command(&ran);
    }
    assert_eq!(place.run_with_input(words, &day).expect(0), [format!("{id}  -")]);
    assert_eq!((cataloged(&place), place.glacier.requests().len()), (vec![("-".to_owned(), id)], requests));
    assert!(!journal(&place).exists());
}

#[test]
fn printed_command_uploads_other_standard_input_and_records_both_archives() {
    let place = Place::new();
    let day = content(MIB + 5);
    let words = ["upload", "--part-size=1M", "--journal=j", "-"];
    let described = ["upload", "--part-size=1M", "--journal=j", "--description=old", "-"];
    let id = finish_without_catalog(&place, &described, &day);
    let ran = place.run_with_input(words, &other(&day));
    assert_rejected(&place, &ran, &id);
    let ran = run_printed(&place, &restart_command(&ran), &other(&day));
    let new = place.archives().into_iter().find(|new| *new != id).unwrap();
    assert_eq!(ran.expect(0), [format!("{new}  -")]);
    assert_eq!(bytes_of(&place, &new), other(&day));
    assert_eq!(cataloged(&place), [(String::new(), id), ("-".to_owned(), new)], "the source of the first is unknown");
    assert_eq!(place.catalog().iter().map(|record| record["description"].clone()).collect::<Vec<_>>(), ["old", ""]);
    assert!(!journal(&place).exists());
}

#[test]
fn file_that_was_rewritten_with_its_old_time_becomes_a_new_archive() {
    let place = Place::new();
    let file = place.file("f", &content(2 * MIB));
    let words = ["upload", "--part-size=1M", &file];
    let id = finish_without_catalog(&place, &words, b"");
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, other(&content(2 * MIB))).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    let ran = place.run(words);
    let new = place.archives().into_iter().find(|new| *new != id).unwrap_or_else(|| panic!("{ran:?}"));
    assert_eq!(ran.expect(0), [format!("{new}  {file}")]);
    assert!(ran.stderr.contains(&format!("archive {id} of an earlier upload of this source")), "{ran:?}");
    assert_eq!(bytes_of(&place, &new), other(&content(2 * MIB)));
    assert_eq!((cataloged(&place), place.unfinished()), (vec![(file.clone(), id), (file, new)], 0));
}

#[test]
fn replaced_file_becomes_a_new_archive() {
    for next in [content(MIB + 9), other(&content(MIB)), content(MIB)] {
        let place = Place::new();
        let file = place.file("f", &content(MIB));
        let id = finish_without_catalog(&place, &["upload", "--description=monday", &file], b"");
        fs::remove_file(&file).unwrap();
        fs::write(&file, &next).unwrap();
        let ran = place.run(["upload", "--part-size=2M", "--description=tuesday", &file]);
        let new = place.archives().into_iter().find(|new| *new != id).unwrap_or_else(|| panic!("{ran:?}"));
        assert_eq!(ran.expect(0), [format!("{new}  {file}")]);
        assert_eq!(bytes_of(&place, &new), next);
        assert_eq!((cataloged(&place), place.unfinished()), (vec![(file.clone(), id), (file, new)], 0));
        assert_eq!(place.catalog()[1]["description"], "tuesday");
    }
}

#[test]
fn file_with_the_bytes_of_the_archive_sends_nothing() {
    for options in [&[][..], &["--journal=j"]] {
        let place = Place::new();
        let file = place.file("f", &content(MIB + 7));
        let id = finish_without_catalog(&place, &[&["upload", &file][..], options].concat(), b"");
        fs::remove_file(&file).unwrap();
        fs::write(&file, content(MIB + 7)).unwrap();
        let requests = place.glacier.requests().len();
        let ran = place.run(["upload", "--part-size=4M", &file].into_iter().chain(options.iter().copied()));
        assert_eq!(ran.expect(0), [format!("{id}  {file}")]);
        assert_eq!((cataloged(&place), place.glacier.requests().len()), (vec![(file, id)], requests));
        assert!(!journal(&place).exists() && place.unfinished() == 0);
    }
}

#[test]
fn file_is_compared_with_the_archive_of_another_source_in_its_journal() {
    for input in [&[][..], &content(1000)] {
        let place = Place::new();
        let first = if input.is_empty() { place.file("first", &content(MIB)) } else { "-".to_owned() };
        let id = finish_without_catalog(&place, &["upload", "--journal=j", &first], input);
        for size in [5000, MIB, 1000] {
            let file = place.file("other", &other(&content(size)));
            let ran = place.run(["upload", "--journal=j", &file]);
            assert_rejected(&place, &ran, &id);
        }
        let ran = place.run(["resume", "--journal=j", "other"]);
        assert_rejected(&place, &ran, &id);
        let file = place.directory.path().join("other").to_str().unwrap().to_owned();
        let ran = run_printed(&place, &restart_command(&ran), b"");
        let new = place.archives().into_iter().find(|new| *new != id).unwrap();
        assert_eq!(ran.expect(0), [format!("{new}  {file}")]);
        assert_eq!(cataloged(&place), [(String::new(), id), (file, new)]);
    }
}

#[test]
fn other_description_is_not_that_of_the_archive_in_the_journal() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    let id = finish_without_catalog(&place, &["upload", "--journal=j", "--description=one", &file], b"");
    let ran = place.run(["upload", "--journal=j", "--description=two", &file]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("the description \"one\", not \"two\""), "{ran:?}");
    assert_eq!(cataloged(&place), []);
    assert_eq!(place.run(["upload", "--journal=j", &file]).expect(0), [format!("{id}  {file}")]);
    assert_eq!(place.catalog()[0]["description"], "one");
}

#[test]
fn archive_of_another_vault_or_upload_is_not_that_of_this_command() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    finish_without_catalog(&place, &["upload", "--journal=j", &file], b"");
    let other_id = "--upload-id=AnotherIdOfAnUpload-0123456789";
    for (words, status) in [(["upload", "--vault=other"], 1), (["resume", other_id], 3)] {
        let ran = place.run(words.into_iter().chain(["--journal=j", &file]));
        assert!(ran.expect(status).is_empty() && ran.stderr.contains("it is of another upload"), "{ran:?}");
        assert_eq!((cataloged(&place), journal(&place).exists()), (vec![], true));
    }
}

#[test]
fn file_that_changed_after_its_archive_was_recorded_is_uploaded_with_the_journal_that_was_left() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    let words = ["upload", "--journal=j", &file];
    let id = finish_without_catalog(&place, &words, b"");
    // The program ended after it wrote the catalog, and before it removed the journal.
    let left = fs::read(journal(&place)).unwrap();
    place.run(words).expect(0);
    fs::write(journal(&place), &left).unwrap();
    assert_eq!(place.run(words).expect(0), [format!("{id}  {file}")]);
    assert_eq!((cataloged(&place).len(), place.archives().len()), (1, 1), "the catalog has one line for an archive");
    fs::write(journal(&place), &left).unwrap();
    place.file("f", &other(&content(MIB)));
    let ran = place.run(words);
    let new = place.archives().into_iter().find(|new| *new != id).unwrap_or_else(|| panic!("{ran:?}"));
    assert_eq!(ran.expect(0), [format!("{new}  {file}")]);
    assert_eq!(bytes_of(&place, &new), other(&content(MIB)));
    assert_eq!(cataloged(&place), [(file.clone(), id), (file, new)]);
}

#[test]
fn moved_file_is_compared_with_the_archive_of_its_journal() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    let id = finish_without_catalog(&place, &["upload", &file], b"");
    let upload = place.glacier.archives().remove(0).upload_id.unwrap();
    let moved = place.directory.path().join("moved");
    fs::rename(&file, &moved).unwrap();
    let wrong = place.file("wrong", &other(&content(MIB)));
    let ran = place.run(["resume", "--upload-id", &upload, &wrong]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("has other bytes than this file"), "{ran:?}");
    assert_eq!((cataloged(&place), place.archives().len()), (vec![], 1));
    let moved = moved.to_str().unwrap();
    assert_eq!(place.run(["resume", "--upload-id", &upload, moved]).expect(0), [format!("{id}  {moved}")]);
    assert_eq!((cataloged(&place), place.unfinished()), (vec![(moved.to_owned(), id)], 0));
}

#[test]
fn lost_response_to_complete_is_settled_by_a_comparison() {
    let lost = || Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }).on(Operation::CompleteMultipartUpload);
    let day = content(MIB + 5);
    for source in ["-", "f"] {
        let place = Place::new();
        let path = place.file("f", &day);
        let words = ["upload", "--journal=j", "--max-attempts=1", source];
        place.glacier.add_fault(lost().always());
        place.run_with_input(words, &day).expect(4);
        place.glacier.clear_faults();
        let id = place.archives().remove(0);
        // A file without a new time is resumed, so that its Complete is repeated.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, other(&day)).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let ran = place.run_with_input(words, &other(&day));
        assert_rejected(&place, &ran, &id);
        let input = if source == "-" { other(&day) } else { Vec::new() };
        let ran = run_printed(&place, &restart_command(&ran), &input);
        assert_eq!((ran.expect(0).len(), cataloged(&place).len()), (1, 2), "{ran:?}");
    }
}

#[test]
fn archive_with_a_wrong_tree_hash_is_never_a_success() {
    for options in [&[][..], &["--journal=j"]] {
        let place = Place::new();
        let file = place.file("f", &content(MIB));
        place.glacier.add_fault(Fault::new(Action::WrongTreeHash).on(Operation::CompleteMultipartUpload));
        let words = || ["upload", &file].into_iter().chain(options.iter().copied());
        place.run(words()).expect(1);
        let ran = place.run(words());
        assert!(ran.expect(1).is_empty() && ran.stderr.contains("delete this archive and upload again"), "{ran:?}");
        assert_eq!(place.archives().len(), 1);
        assert_eq!(run_printed(&place, &restart_command(&ran), b"").expect(0).len(), 1);
        assert_eq!((place.archives().len(), place.catalog().len()), (2, 2));
    }
}
