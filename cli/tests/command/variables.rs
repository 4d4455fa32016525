//! Environment variables in messages and in the help.

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
