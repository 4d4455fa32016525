//! The rules of the service as numbered cases. `docs/conformance.md` shows the request and the response of each case. The
//! test compares it with the outcomes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, which clippy sees only inside of tests")]

mod archives;
#[path = "../client/mod.rs"]
mod client;
mod common;
mod complete_abort;
mod document;
mod errors;
mod fixture;
mod initiate;
mod lists;
mod parts;
mod rule;
mod signature;
mod vaults;

use std::path::Path;

use glacier_emulator::unspecified::UNSPECIFIED;
use rule::{Group, Outcome};

const INVALID: &str = "InvalidParameterValueException";
const MISSING: &str = "MissingParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const SIGNATURE: &str = "InvalidSignatureException";

/// The groups in the order of the document. New rules go to the end of their group, new cases to the end of their rule.
const GROUPS: &[Group] = &[
    common::GROUP,
    signature::GROUP,
    initiate::GROUP,
    parts::GROUP,
    complete_abort::COMPLETE,
    complete_abort::ABORT,
    lists::PARTS,
    lists::UPLOADS,
    lists::PAGES,
    archives::GROUP,
    archives::HASHES,
    errors::GROUP,
    vaults::DESCRIBE,
    vaults::LIST,
];

#[test]
fn cases_match_the_document() {
    let outcomes: Vec<(&Group, Vec<Outcome>)> = GROUPS.iter().map(|group| (group, group.run())).collect();
    let failed: Vec<_> = outcomes.iter().flat_map(|(_, of_group)| of_group).filter_map(Outcome::failure).collect();
    assert!(failed.is_empty(), "cases failed:\n{}", failed.join("\n"));

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let text = document::render(&outcomes);
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = committed.lines().zip(text.lines()).find(|(have, want)| have != want);
    assert!(
        committed == text,
        "docs/conformance.md differs from the outcomes, first in {differing:#?};\n\
         write it with: UPDATE_CONFORMANCE=1 cargo test -p glacier-emulator --test conformance"
    );
}

#[test]
fn every_unspecified_behavior_has_cases() {
    let sources = || GROUPS.iter().flat_map(|group| group.rules).filter_map(|rule| rule.unspecified());
    for (question, _) in UNSPECIFIED {
        assert!(sources().any(|source| source == *question), "no rule shows the choice for {question:?}");
    }
    for source in sources() {
        assert!(UNSPECIFIED.iter().any(|(question, _)| source == *question), "unknown choice: {source:?}");
    }
}
