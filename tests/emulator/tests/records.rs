//! The records of requests.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use client::{Client, MIB, Request, data, start, start_with, tree_hash};
use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation, Options, RequestRecord, Storage};

/// The requests, after all records are final.
fn over(emulator: &Emulator) -> Vec<RequestRecord> {
    loop {
        let requests = emulator.requests();
        if requests.iter().all(|request| request.over) {
            return requests;
        }
        std::thread::yield_now();
    }
}

#[test]
fn records_requests_in_order() {
    let (emulator, mut client) = start();
    let id = client.initiate(MIB);
    client.send(&Request::part(&id, MIB, b"abc"));
    emulator.add_fault(Fault::new(Action::status(500)).on(Operation::UploadMultipartPart));
    client.send(&Request::part(&id, 0, &data(MIB)));
    Client::connect(&emulator).send(&Request::list_parts(&id, "?limit=3"));
    let requests = over(&emulator);
    let brief: Vec<_> = requests.iter().map(|r| (r.operation, r.range, r.body_bytes, r.status, r.connection)).collect();
    let mib = MIB as u64;
    assert_eq!(
        brief,
        [
            (Some(Operation::InitiateMultipartUpload), None, 0, Some(201), 0),
            (Some(Operation::UploadMultipartPart), Some((mib, mib + 2)), 3, Some(204), 0),
            (Some(Operation::UploadMultipartPart), Some((0, mib - 1)), mib, Some(500), 0),
            (Some(Operation::ListParts), None, 0, Some(200), 1),
        ]
    );
    assert!(requests[3].target.ends_with("?limit=3"));
    assert_eq!(requests[0].header("x-amz-part-size"), Some("1048576"));
    assert!(requests.iter().all(|request| request.upload_id.as_deref() == Some(&id)), "the first has started it");
    assert_eq!(requests.iter().map(|r| r.number).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(requests.iter().map(|r| r.part).collect::<Vec<_>>(), [None, Some(1), Some(0), None]);
}

#[test]
fn record_shows_change_despite_lost_response() {
    let (emulator, mut client) = start();
    let id = client.initiate(MIB);
    let mut attempt = |action: Option<Action>, request: &Request| {
        if let Some(action) = action {
            emulator.add_fault(Fault::new(action));
        }
        // Most of these get no response.
        let _ = client.try_send(request);
        client = Client::connect(&emulator);
        let record = over(&emulator).pop().unwrap();
        (record.status, record.changed, record.tree_hash, record.faults)
    };
    let part = Request::part(&id, 0, b"abc");
    let hash = || Some(tree_hash(b"abc"));
    assert_eq!(attempt(None, &part), (Some(204), true, hash(), vec![]));
    for (action, changed, tree_hash) in [
        (Action::LostAnswer { then: ConnectionEnd::Close }, true, hash()),
        (Action::TruncatedAnswer, true, hash()),
        (Action::Close { after_bytes: None }, false, hash()),
        (Action::Reset { after_bytes: Some(2) }, false, None),
        (Action::Garbage, false, hash()),
    ] {
        assert_eq!(attempt(Some(action.clone()), &part), (None, changed, tree_hash, vec![action]));
    }
    let unavailable = Action::status(503);
    assert_eq!(attempt(Some(unavailable.clone()), &part), (Some(503), false, hash(), vec![unavailable]));

    // The bytes differ from the hash in the header: the record has the hash of the received bytes.
    let damaged = part.clone().body(b"abd");
    assert_eq!(attempt(None, &damaged), (Some(403), false, Some(tree_hash(b"abd")), vec![]));
    let list = Request::list_parts(&id, "");
    assert_eq!(attempt(None, &list), (Some(200), false, None, vec![]));
    let complete = Request::complete(&id, b"abc");
    let lost = Action::LostAnswer { then: ConnectionEnd::Reset };
    assert_eq!(attempt(Some(lost.clone()), &complete), (None, true, None, vec![lost]));
    assert_eq!(attempt(None, &complete), (Some(201), false, None, vec![]), "made before");
    assert_eq!(attempt(None, &part), (Some(404), false, hash(), vec![]));

    let abort = Request::abort(&Client::connect(&emulator).initiate(MIB));
    assert_eq!(attempt(None, &abort), (Some(204), true, None, vec![]));
    assert_eq!(attempt(None, &abort), (Some(204), false, None, vec![]), "aborted before");
}

#[test]
fn record_of_lost_initiate_has_upload_id() {
    let (emulator, mut client) = start();
    emulator.add_fault(Fault::new(Action::LostAnswer { then: ConnectionEnd::Close }));
    client.try_send(&Request::initiate(MIB)).unwrap_err();
    let orphan = &emulator.uploads()[0];
    assert_eq!(over(&emulator)[0].upload_id.as_deref(), Some(orphan.upload_id.as_str()));
    let again = Client::connect(&emulator).initiate(MIB);
    assert_ne!(again, orphan.upload_id);
    let listed = Client::connect(&emulator).send(&Request::list_uploads("")).json();
    assert_eq!(listed["UploadsList"].as_array().unwrap().len(), 2);
}

#[test]
fn requests_from_skips_earlier_records() {
    let (emulator, mut client) = start();
    let id = client.initiate(MIB);
    client.send(&Request::part(&id, 0, b"abc"));
    let new = emulator.requests_from(1);
    assert_eq!(
        new.iter().map(|r| (r.number, r.operation)).collect::<Vec<_>>(),
        [(1, Some(Operation::UploadMultipartPart))]
    );
    assert!(emulator.requests_from(2).is_empty() && emulator.requests_from(9).is_empty());

    let admin = |query: &str| {
        Request::new("GET", format!("/.admin/requests{query}")).with(|request| request.authorization = false)
    };
    assert_eq!(client.send(&admin("?from=1")).json()[0]["number"], 1);
    assert_eq!(client.send(&admin("?from=2")).json(), serde_json::json!([]));
    assert_eq!(client.send(&admin("")).json().as_array().unwrap().len(), 2);
    client.send(&admin("?from=x")).expect_refusal(400, "BadRequest", "from takes a number in digits only, not x");
}

#[test]
fn counted_payload_has_no_hash() {
    let (emulator, mut client) = start_with(Options { storage: Storage::Count, ..Options::default() });
    let id = client.initiate(MIB);
    client.send(&Request::part(&id, 0, b"abc"));
    let record = over(&emulator).pop().unwrap();
    assert_eq!((record.body_bytes, record.changed, record.tree_hash), (3, true, None));
}
