//! Tests of the rules for request histories.

use std::collections::BTreeSet;

use glacier_emulator::{Action, Operation, RequestRecord};
use glacier_mp::http::response::INTERIM_MAX;

use super::{RequestHistory, Session};

/// The tree hash of the only part.
const HASH: &str = "d15942ec74dcd597b344cca50d4c822c6134170cc8a570184269d1c73379d4f3";

/// A PUT of the only part. The service acknowledged it.
fn put(number: usize, faults: Vec<Action>) -> RequestRecord {
    RequestRecord {
        number,
        operation: Some(Operation::UploadMultipartPart),
        method: "PUT".to_owned(),
        target: "/-/vaults/examplevault/multipart-uploads/id".to_owned(),
        headers: vec![("user-agent".to_owned(), "session-0 libglacier_mp".to_owned())],
        upload_id: Some("id".to_owned()),
        part: Some(0),
        range: Some((0, 0)),
        connection: number as u64,
        faults,
        body_bytes: 1,
        tree_hash: Some(HASH.to_owned()),
        changed: true,
        status: Some(204),
        over: true,
    }
}

/// Whether the history of one session that sent the part in this way is right.
fn is_right(faults: &[Vec<Action>]) -> bool {
    let session = Session { name: "session-0".to_owned(), from: 0, unfinished: BTreeSet::new(), canceled: false };
    let requests: Vec<_> = faults.iter().cloned().enumerate().map(|(number, faults)| put(number, faults)).collect();
    RequestHistory { requests: &requests, sessions: &[session], hashes: &[HASH.to_owned()] }.check().is_ok()
}

fn interim_responses(count: u64) -> Action {
    Action::InterimResponse {
        after_bytes: Some(0),
        status: 102,
        http_1_0: false,
        count: Some(count),
        header_bytes: 0,
        segment_bytes: None,
        millis: 0,
    }
}

#[test]
fn acknowledged_part_is_not_sent_again() {
    assert!(is_right(&[vec![]]));
    assert!(!is_right(&[vec![], vec![]]));
    assert!(is_right(&[vec![Action::DamagePart], vec![]]));
    assert!(!is_right(&[vec![Action::DamagePart], vec![], vec![]]));
}

#[test]
fn damaged_part_whose_response_is_unreadable_may_overwrite_the_next() {
    let too_many = interim_responses(u64::from(INTERIM_MAX) + 1);
    assert!(is_right(&[vec![Action::DamagePart, too_many.clone()], vec![], vec![]]));
    assert!(!is_right(&[vec![too_many], vec![], vec![]]));
    assert!(!is_right(&[vec![Action::DamagePart, interim_responses(INTERIM_MAX.into())], vec![], vec![]]));
}
