//! Standard input that is a regular file.

use std::fs::{self, File};

use crate::run::{MIB, Place, Ran, content};
use crate::stops::{stall, wait_for_parts};

#[test]
fn file_that_is_truncated_while_it_is_read_becomes_no_archive() {
    let place = Place::new();
    let path = place.file("input", &content(8 * MIB));
    stall(&place);
    let words = ["upload", "--part-size=1M", "--concurrency=1", "--memory=2M", "--stall-timeout=1s", "-"];
    let child = place.command(words).stdin(File::open(&path).unwrap()).spawn().unwrap();
    // Part 3 is in flight, and the memory has room for one more part.
    wait_for_parts(&place, 3);
    fs::File::options().write(true).open(&path).unwrap().set_len(6 << 20).unwrap();
    place.glacier.clear_faults();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(ran.status != 0 && place.archives().is_empty(), "{ran:?}");
    assert!(ran.stderr.contains("2097152 bytes earlier than when it was opened"), "{ran:?}");
}

#[test]
fn tree_hash_and_archive_are_those_of_the_rest_of_a_file() {
    use std::io::{Seek, SeekFrom};

    let place = Place::new();
    let path = place.file("input", &content(MIB + 9));
    let rest = place.file("rest", &content(MIB + 9)[5..]);
    let expected = place.run(["treehash", &rest]).expect(0)[0].split_once(' ').unwrap().0.to_owned();
    for words in [&["treehash", "-"][..], &["upload", "--part-size=1M", "-"]] {
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(5)).unwrap();
        Ran::of(place.command(words.iter().copied()).stdin(file).output().unwrap()).expect(0);
    }
    assert_eq!(place.catalog()[0]["tree_hash"].as_str(), Some(expected.as_str()));
}
