//! Files of bandwidth limits that the command rejects at the start.

use crate::run::{MIB, Place, content};

#[test]
fn limit_file_without_a_limit_is_rejected_before_anything_is_sent() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    for (text, says) in [
        (String::new(), "is empty: write a rate such as 5M, a schedule such as 08:00-18:00=1M,*=0, or 0 for no limit"),
        (" \n\t\n".to_owned(), "is empty: write a rate"),
        (" ".repeat(4095) + "10M", "has more than 4096 bytes"),
        (format!("5M{}", "\u{3000}".repeat(2000)), "has more than 4096 bytes"),
        ("5M\u{a0}".to_owned(), "is not a size"),
    ] {
        let limit = place.file("limit", text.as_bytes());
        let limit = format!("--limit-file={limit}");
        for words in [["upload", "--restart", &limit, &file], ["upload", "--json", &limit, &file]] {
            let ran = place.run(words);
            assert!(ran.expect(2).is_empty(), "{ran:?}");
            assert!(ran.stderr.contains("limit file ") && ran.stderr.contains("/limit"), "{ran:?}");
            assert!(ran.stderr.contains(says), "{says}: {ran:?}");
        }
    }
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn limit_file_can_have_several_lines() {
    let place = Place::new();
    let file = place.file("f", b"x");
    place.file("limit", b"\n00:00-12:00=1G,\n\t12:00-24:00=1G,\r\n*=0\n\n");
    place.run(["upload", "--limit-file=limit", &file]).expect(0);
}
