//! Files whose time or inode changed since their unfinished upload: the bytes decide.

use std::fs;
use std::time::SystemTime;

use crate::advice::restart_command;
use crate::run::{MIB, Place, content};
use crate::service::{unfinished, unfinished_with};
use crate::stops::run_printed;

/// Gives a file another time.
fn touch(path: &str) {
    fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::now()).unwrap();
}

/// Replaces a file by a copy, which has another inode and another time.
fn copy_back(path: &str) {
    let copy = format!("{path}.copy");
    fs::copy(path, &copy).unwrap();
    fs::remove_file(path).unwrap();
    fs::rename(&copy, path).unwrap();
    touch(path);
}

#[test]
fn resumes_a_file_of_the_same_bytes() {
    let change: [fn(&str); 2] = [touch, copy_back];
    for change in change {
        for (options, words) in [
            (&[][..], &["upload", "f0"][..]),
            (&[], &["resume"]),
            (&[], &["resume", "f0"]),
            (&["--journal=j"], &["upload", "--journal=j", "f0"]),
            (&["--journal=j"], &["resume", "--journal=j", "f0"]),
        ] {
            let place = Place::new();
            unfinished_with(&place, 1, options);
            let sent = place.sent_parts();
            change(place.directory.path().join("f0").to_str().unwrap());
            let ran = place.run(words.iter().copied());
            assert_eq!(ran.expect(0).len(), 1, "{words:?}: {ran:?}");
            assert_eq!((place.sent_parts(), place.archives().len()), (sent, 1), "{words:?}: no part is sent again");
        }
    }
}

#[test]
fn file_of_other_bytes_names_both_remedies() {
    for options in [&[][..], &["--journal=j"]] {
        let place = Place::new();
        let id = unfinished_with(&place, 1, options).remove(0);
        let mut bytes = content(MIB);
        bytes[9] ^= 1;
        let words = || ["upload"].into_iter().chain(options.iter().copied()).chain(["f0"]);
        let file = place.file("f0", &bytes);
        touch(&file);
        let ran = place.run(words());
        assert!(ran.expect(1).is_empty(), "{ran:?}");
        let says = format!("the file changed since its unfinished upload {id}: part 0 (bytes 0-1048575) of the source");
        assert!(ran.stderr.contains(&says), "{ran:?}");
        assert!(ran.stderr.contains(&format!("to keep its parts, restore the file {file}; to abort")), "{ran:?}");
        let restart = restart_command(&ran);
        // The restored file has another identity than the recorded one.
        let sent = place.sent_parts();
        place.file("f0", &content(MIB));
        assert_eq!(place.run(words()).expect(0).len(), 1);
        assert_eq!(place.sent_parts(), sent, "no part is sent again");
        assert_eq!(run_printed(&place, &restart, b"").expect(0).len(), 1);
    }
}

#[test]
fn file_of_another_size_sends_nothing() {
    let place = Place::new();
    let id = unfinished(&place, 1).remove(0);
    let requests = place.glacier.requests().len();
    let file = place.file("f0", b"");
    let ran = place.run(["resume"]);
    assert!(ran.expect(1).is_empty(), "{ran:?}");
    assert!(ran.stderr.contains(&format!("the file changed since its unfinished upload {id}; to keep")), "{ran:?}");
    restart_command(&ran);
    assert_eq!(place.glacier.requests().len(), requests);
    fs::write(&file, content(MIB)).unwrap();
    assert_eq!(place.run(["resume"]).expect(0).len(), 1);
}
