//! Environment variables in messages and in the help.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::run::{Place, Ran};

const VALUE: &str = "x\nERROR forged\x1b[2J\u{202e}\u{9b}y";
const SHOWN: &str = r"x\nERROR forged\x1b[2J\u{202e}\u{9b}y";

fn run(place: &Place, words: &[&str], variable: &str) -> Ran {
    let mut command = place.command(words.iter().copied());
    Ran::of(command.env(variable, VALUE).output().unwrap())
}

fn assert_printable(ran: &Ran) {
    let text = ran.stdout.clone() + &ran.stderr;
    let is_printable = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
    assert!(text.chars().all(is_printable), "{ran:?}");
    assert!(!text.lines().any(|line| line.starts_with("ERROR")), "{ran:?}");
}

#[test]
fn value_of_a_variable_cannot_control_a_message() {
    let place = Place::new();
    let file = place.file("f", b"x");
    let id = "-hGj3WZerNPYabcdefghijklmnop";
    for words in [
        &["upload", &file][..],
        &["upload", "--description=\x1b[2J", &file],
        &["resume"],
        &["list"],
        &["parts", id],
        &["abort", "--yes", id],
    ] {
        let ran = run(&place, words, "GLACIER_MP_VAULT");
        assert!(ran.expect(2).is_empty(), "{ran:?}");
        assert_printable(&ran);
    }
    let ran = run(&place, &["list"], "GLACIER_MP_VAULT");
    assert!(ran.stderr.starts_with(&format!("error: invalid value '{SHOWN}' for '--vault <VAULT>'")), "{ran:?}");
    for words in [&["config"][..], &["config", "--json"], &["resume", "--list"], &["archives"]] {
        assert_printable(&run(&place, words, "GLACIER_MP_STATE_DIR"));
    }
    for words in [&["list", id][..], &["list", "--a\x1b[2J\nERROR"], &["completions", "b\x1b[2J\nERROR"], &["l\x1bst"]]
    {
        let ran = run(&place, words, "GLACIER_MP_VAULT");
        assert!(ran.expect(2).is_empty(), "{ran:?}");
        assert_printable(&ran);
    }
    let ran = run(&place, &["completions", "b\x1b[2J\nERROR"], "GLACIER_MP_VAULT");
    assert!(ran.stderr.contains(r"invalid value 'b\x1b[2J\nERROR'"), "{ran:?}");
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn help_names_variables_without_their_values() {
    let place = Place::new();
    for variable in ["GLACIER_MP_VAULT", "GLACIER_MP_STATE_DIR"] {
        for help in ["-h", "--help"] {
            let ran = run(&place, &["upload", help], variable);
            ran.expect(0);
            assert_printable(&ran);
            assert!(ran.stdout.contains(variable) && !ran.stdout.contains("forged"), "{ran:?}");
        }
    }
}

#[test]
fn invalid_value_of_a_variable_names_the_variable() {
    let place = Place::new();
    let list = |value: &[u8], words: &[&str]| {
        let mut command = place.command(words.iter().copied());
        Ran::of(command.env("GLACIER_MP_VAULT", OsStr::from_bytes(value)).output().unwrap())
    };
    let names = "the value is from the environment variable GLACIER_MP_VAULT";
    for (value, says) in [
        (&b"my-vault\r"[..], "it has a carriage return at its end"),
        (b"my-vault\r\n", "it has a carriage return at its end"),
        (b"a b", "it has a space at offset 1"),
        (b"..", "neither"),
        (b"\xff", "invalid UTF-8"),
    ] {
        let ran = list(value, &["list"]);
        assert!(ran.expect(2).is_empty() && ran.stderr.contains(says) && ran.stderr.contains(names), "{ran:?}");
        // The option takes precedence, so the variable is not the cause.
        let ran = list(value, &["list", "--vault=a/b"]);
        assert!(ran.expect(2).is_empty() && !ran.stderr.contains(names), "{ran:?}");
        let ran = list(value, &["upload", "--vault=v", "--memory=x", "f"]);
        assert!(ran.expect(2).is_empty() && !ran.stderr.contains(names), "{ran:?}");
    }
    let ran = list(b"a/b", &["list", "--vault=a/b"]);
    assert!(ran.expect(2).is_empty() && !ran.stderr.contains(names), "{ran:?}");
    let ran = list(b"v", &["upload", "--memory=x", "f"]);
    assert!(ran.expect(2).is_empty() && !ran.stderr.contains(names), "{ran:?}");
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn value_in_an_error_is_escaped_once_and_truncated() {
    let place = Place::new();
    let ran = place.run(["list", "--vault=\x1b[31m"]);
    let says = r#"invalid value '\x1b[31m' for '--vault <VAULT>': vault name "\x1b[31m" is not allowed"#;
    assert!(ran.expect(2).is_empty() && ran.stderr.contains(says), "{ran:?}");
    let ran = place.run(["list", "--vault=a\\b"]);
    assert!(ran.expect(2).is_empty() && ran.stderr.contains(r"invalid value 'a\b' for"), "{ran:?}");
    let long = "/".repeat(100_000);
    let option = format!("--{}\x1b", "x".repeat(100_000));
    for words in [
        &["list", "--vault", &long][..],
        &["upload", "--memory", &long],
        &["list", &option],
        &["upload", "--vault=v", &option, "f"],
        &["list", &long],
        &["completions", &long],
        &[&long],
        &["list", &format!("-{}", "x".repeat(100_000))],
    ] {
        let ran = place.run(words.iter().copied());
        assert!(ran.expect(2).is_empty() && ran.stderr.len() < 4096, "{}: {ran:?}", ran.stderr.len());
        assert!(ran.stderr.contains(" bytes)") && !ran.stderr.contains('\x1b'), "{ran:?}");
    }
    let ran = Ran::of(place.command(["list"]).env("GLACIER_MP_VAULT", &long).output().unwrap());
    assert!(ran.expect(2).is_empty() && ran.stderr.len() < 4096, "{ran:?}");
}
