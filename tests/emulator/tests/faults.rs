//! Every fault as a client sees it, and its record.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::{Client, MIB, Request, data, start, start_with};
use glacier_emulator::{
    Action, AfterResponse, ConnectionEnd, Emulator, Fault, Operation, Options, RefusalReason, ResponsePrefix, Storage,
    error_document,
};

/// An emulator, a connection, and an upload with parts of 1 MiB.
fn upload() -> (Emulator, Client, String) {
    let (emulator, mut client) = start();
    let id = client.initiate(MIB);
    (emulator, client, id)
}

/// Adds a fault for the next part, sends the part and returns the result.
fn hit(emulator: &Emulator, client: &mut Client, id: &str, action: Action) -> std::io::Result<client::Response> {
    emulator.add_fault(Fault::new(action).on(Operation::UploadMultipartPart));
    client.try_send(&Request::part(id, 0, &data(MIB)))
}

/// Sends the part on a new connection. It must succeed.
fn recovers(emulator: &Emulator, id: &str) {
    assert_eq!(Client::connect(emulator).send(&Request::part(id, 0, &data(MIB))).status, 204);
    assert_eq!(emulator.uploads()[0].parts.len(), 1);
}

#[test]
fn status_has_optional_body() {
    let (emulator, mut client, id) = upload();
    let response = hit(&emulator, &mut client, &id, Action::status(503)).unwrap();
    assert_eq!((response.status, response.body.len()), (503, 0));
    let throttled = Action::error(400, "ThrottlingException", "Rate exceeded");
    hit(&emulator, &mut client, &id, throttled).unwrap().expect_refusal(400, "ThrottlingException", "Rate exceeded");
    let html = Action::Status {
        status: 307,
        body: Some("<html>".to_owned()),
        content_type: Some("text/html".to_owned()),
        headers: vec![("Location".to_owned(), "http://127.0.0.1:1/".to_owned())],
    };
    let response = hit(&emulator, &mut client, &id, html).unwrap();
    let got = (response.status, response.header("content-type"), response.header("location"));
    assert_eq!(got, (307, Some("text/html"), Some("http://127.0.0.1:1/")));
    assert!(emulator.uploads()[0].parts.is_empty());
    assert_eq!(emulator.connections(), 1);
    recovers(&emulator, &id);
}

#[test]
fn reset_before_during_and_after_body() {
    for after_bytes in [Some(0), Some(300_000), None] {
        let (emulator, mut client, id) = upload();
        let error = hit(&emulator, &mut client, &id, Action::Reset { after_bytes }).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        drop(client);
        let record = &emulator.requests()[1];
        assert_eq!((record.status, record.body_bytes), (None, after_bytes.unwrap_or(MIB as u64)));
        recovers(&emulator, &id);
    }
}

#[test]
fn close_sends_no_response() {
    let (emulator, mut client, id) = upload();
    let error = hit(&emulator, &mut client, &id, Action::Close { after_bytes: None }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    recovers(&emulator, &id);
}

#[test]
fn early_response_then_close_hold_or_drain() {
    for then in
        [AfterResponse::Close, AfterResponse::Hold, AfterResponse::HoldFor { millis: 120 }, AfterResponse::Drain]
    {
        let (emulator, mut client, id) = upload();
        let body = Some(error_document(403, "ExpiredTokenException", "The security token is expired"));
        let action = Action::EarlyAnswer { after_bytes: 1000, status: 403, body, then };
        emulator.add_fault(Fault::new(action).on(Operation::UploadMultipartPart));
        // The response arrives after the head and the first bytes.
        let request = Request::part(&id, 0, &data(MIB));
        let started = Instant::now();
        client.write(&request.head(&client.host)).unwrap();
        client.write(&request.body[..1000]).unwrap();
        client.read_response().unwrap().expect_refusal(403, "ExpiredTokenException", "expired");
        match then {
            AfterResponse::Close => assert!(client.is_closed()),
            AfterResponse::Hold => {
                client.tcp().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                assert_eq!(client.read_response().unwrap_err().kind(), ErrorKind::WouldBlock);
            }
            AfterResponse::HoldFor { .. } => {
                assert!(client.is_closed());
                assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
            }
            AfterResponse::Drain => {
                client.write(&request.body[1000..]).unwrap();
                assert_eq!(client.send(&request).status, 204);
            }
        }
    }
}

#[test]
fn stall_ends_with_client_or_emulator() {
    for after_bytes in [Some(10), None] {
        let (emulator, mut client, id) = upload();
        client.tcp().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let error = hit(&emulator, &mut client, &id, Action::Stall { after_bytes }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(emulator.open_connections(), 1);
        recovers(&emulator, &id);
        let started = Instant::now();
        if after_bytes.is_none() {
            // No byte is unread, so the emulator detects the end of the client.
            drop(client);
            while emulator.open_connections() > 0 {
                assert!(started.elapsed() < Duration::from_secs(20), "still open");
                std::thread::yield_now();
            }
        } else {
            drop(emulator);
            assert!(started.elapsed() < Duration::from_secs(20), "still waiting");
        }
    }
}

#[test]
fn garbage_is_not_http() {
    let (emulator, mut client, id) = upload();
    assert_eq!(hit(&emulator, &mut client, &id, Action::Garbage).unwrap_err().kind(), ErrorKind::InvalidData);
    recovers(&emulator, &id);
}

#[test]
fn slow_and_delayed_requests_work() {
    for action in [Action::Slow { bytes_per_second: 8 * MIB as u64 }, Action::DelayAnswer { millis: 120 }] {
        let (emulator, mut client, id) = upload();
        let started = Instant::now();
        assert_eq!(hit(&emulator, &mut client, &id, action).unwrap().status, 204);
        assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
        assert_eq!(emulator.uploads()[0].parts.len(), 1);
    }
}

#[test]
fn wrong_tree_hash_in_header_and_list() {
    let (emulator, mut client, id) = upload();
    let right = client::tree_hash(&data(MIB));
    let response = hit(&emulator, &mut client, &id, Action::WrongTreeHash).unwrap();
    let wrong = response.header("x-amz-sha256-tree-hash").unwrap();
    assert_eq!((response.status, wrong.len()), (204, 64));
    assert_ne!(wrong, right);
    assert_eq!(emulator.uploads()[0].parts[0].tree_hash, right);
    emulator.add_fault(Fault::new(Action::WrongTreeHash).on(Operation::ListParts));
    let list =
        |client: &mut Client| client.send(&Request::list_parts(&id, "")).json()["Parts"][0]["SHA256TreeHash"].clone();
    assert_eq!(list(&mut client), wrong);
    assert_eq!(list(&mut client), right.as_str());
}

#[test]
fn lost_response_after_processing() {
    for then in [ConnectionEnd::Close, ConnectionEnd::Reset] {
        let (emulator, mut client, id) = upload();
        client.send(&Request::part(&id, 0, b"abc"));
        emulator.add_fault(Fault::new(Action::LostAnswer { then }).on(Operation::CompleteMultipartUpload));
        let error = client.try_send(&Request::complete(&id, b"abc")).unwrap_err();
        let expected = if then == ConnectionEnd::Close { ErrorKind::UnexpectedEof } else { ErrorKind::ConnectionReset };
        assert_eq!(error.kind(), expected);
        let archive = &emulator.archives()[0];
        let again = Client::connect(&emulator).send(&Request::complete(&id, b"abc"));
        assert_eq!(again.header("x-amz-archive-id"), Some(archive.archive_id.as_str()));
    }
}

#[test]
fn truncated_response_with_and_without_content() {
    let (emulator, mut client, id) = upload();
    let error = hit(&emulator, &mut client, &id, Action::TruncatedAnswer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(emulator.uploads()[0].parts.len(), 1);
    emulator.add_fault(Fault::new(Action::TruncatedAnswer).on(Operation::ListParts));
    let error = Client::connect(&emulator).try_send(&Request::list_parts(&id, "")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn faults_match_their_requests() {
    let (emulator, mut client, id) = upload();
    let unavailable = |emulator: &Emulator, change: fn(Fault) -> Fault| {
        emulator.clear_faults();
        emulator.add_fault(change(Fault::new(Action::status(500))));
    };
    let statuses = |client: &mut Client| {
        let parts = [0, 1, 1, 1, 2].map(|part| client.send(&Request::part(&id, part * MIB, b"abc")).status);
        (parts, client.send(&Request::list_parts(&id, "")).status)
    };
    unavailable(&emulator, |fault| fault);
    assert_eq!(statuses(&mut client), ([500, 204, 204, 204, 204], 200));
    unavailable(&emulator, |fault| fault.on(Operation::ListParts));
    assert_eq!(statuses(&mut client), ([204; 5], 500));
    unavailable(&emulator, |fault| fault.part(1).skip(1).times(1));
    assert_eq!(statuses(&mut client), ([204, 204, 500, 204, 204], 200));
    unavailable(&emulator, Fault::always);
    assert_eq!(statuses(&mut client), ([500; 5], 500));
}

#[test]
fn truncates_page_of_list() {
    let (emulator, mut client) = start_with(Options { storage: Storage::Hashes, page_max: 2, ..Options::default() });
    let id = client.initiate(MIB);
    (0..3).for_each(|index| drop(client.send(&Request::part(&id, index * MIB, &data(MIB)))));
    emulator.add_fault(Fault::new(Action::TruncatedAnswer).on(Operation::ListParts).skip(1));
    let first = client.send(&Request::list_parts(&id, "")).json();
    let marker = first["Marker"].as_str().unwrap().replace('+', "%2B").replace('/', "%2F").replace('&', "%26");
    let second = Request::list_parts(&id, &format!("?marker={}", marker.replace('=', "%3D")));
    assert_eq!(client.try_send(&second).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let again = Client::connect(&emulator).send(&second).json();
    assert_eq!((again["Parts"].as_array().unwrap().len(), &again["Marker"]), (1, &serde_json::Value::Null));
}

#[test]
fn refusals_have_service_texts() {
    let (emulator, mut client, id) = upload();
    let hash = client::tree_hash(&data(MIB));
    for (because, status, code, text) in [
        (RefusalReason::Throttling, 400, "ThrottlingException", "Rate exceeded"),
        (RefusalReason::RequestTimeout, 408, "RequestTimeoutException", "Request timed out."),
        (RefusalReason::ServiceUnavailable, 500, "ServiceUnavailableException", ""),
        (RefusalReason::ExpiredToken, 403, "ExpiredTokenException", "expired"),
        (RefusalReason::SignatureExpired, 403, "InvalidSignatureException", "Signature expired: "),
        (RefusalReason::SignatureExpired, 403, "InvalidSignatureException", " - 5 min.)"),
        (RefusalReason::SignatureNotYetCurrent, 403, "InvalidSignatureException", "Signature not yet current: "),
        (RefusalReason::SignatureNotYetCurrent, 403, "InvalidSignatureException", " + 5 min.)"),
        (
            RefusalReason::TreeHash,
            400,
            "InvalidParameterValueException",
            &format!("Checksum mismatch: expected {hash}, computed "),
        ),
    ] {
        let before = SystemTime::now();
        let response = hit(&emulator, &mut client, &id, Action::Refuse { because }).unwrap();
        response.expect_refusal(status, code, text);
        // The clock is correct, whatever the refusal says about the signature.
        assert_date(&response, 0, before);
    }
    assert_eq!((emulator.connections(), emulator.uploads()[0].parts.len()), (1, 0));
    recovers(&emulator, &id);
}

#[test]
fn refused_complete_can_be_repeated() {
    let (emulator, mut client, id) = upload();
    client.send(&Request::part(&id, 0, b"abc"));
    let fault = Fault::new(Action::Refuse { because: RefusalReason::TreeHash });
    emulator.add_fault(fault.on(Operation::CompleteMultipartUpload).times(2));
    let complete = Request::complete(&id, b"abc");
    let text = format!("Invalid x-amz-sha256-tree-hash: {}", client::tree_hash(b"abc"));
    for _ in 0..2 {
        client.send(&complete).expect_refusal(400, "InvalidParameterValueException", &text);
        assert_eq!(emulator.uploads()[0].parts.len(), 1);
    }
    assert_eq!(client.send(&complete).status, 201);
}

#[test]
fn lost_part_is_acknowledged_and_not_stored() {
    let (emulator, mut client, id) = upload();
    let whole = data(2 * MIB);
    client.send(&Request::part(&id, MIB, &whole[MIB..]));
    let response = hit(&emulator, &mut client, &id, Action::LosePart).unwrap();
    let right = client::tree_hash(&whole[..MIB]);
    assert_eq!((response.status, response.header("x-amz-sha256-tree-hash")), (204, Some(right.as_str())));
    assert_eq!(emulator.uploads()[0].parts.len(), 1);
    let record = emulator.requests().swap_remove(2);
    assert_eq!((record.status, record.changed), (Some(204), false));

    let complete = Request::complete(&id, &whole);
    client.send(&complete).expect_refusal(400, "InvalidParameterValueException", "Missing range: bytes 0-1048575/*");
    client.send(&Request::part(&id, 0, &whole[..MIB]));
    // A lost part does not remove the part stored earlier.
    emulator.add_fault(Fault::new(Action::LosePart));
    assert_eq!(client.send(&Request::part(&id, 0, &[7; MIB])).status, 204);
    assert_eq!(client.send(&complete).status, 201);
}

#[test]
fn damaged_part_is_listed_with_its_new_hash() {
    let (emulator, mut client) = start_with(Options::default());
    let whole = data(2 * MIB);
    let (damaged, repaired) = (client.initiate(MIB), client.initiate(MIB));
    for id in [&damaged, &repaired] {
        let response = hit(&emulator, &mut client, id, Action::DamagePart).unwrap();
        let right = client::tree_hash(&whole[..MIB]);
        assert_eq!((response.status, response.header("x-amz-sha256-tree-hash")), (204, Some(right.as_str())));
        client.send(&Request::part(id, MIB, &whole[MIB..]));
        let hash = client.send(&Request::list_parts(id, "")).json()["Parts"][0]["SHA256TreeHash"].clone();
        assert_ne!(hash, right.as_str());
        let refused = client.send(&Request::complete(id, &whole));
        refused.expect_refusal(400, "InvalidParameterValueException", "Invalid x-amz-sha256-tree-hash: ");
    }
    client.send(&Request::part(&repaired, 0, &whole[..MIB]));
    assert_eq!(client.send(&Request::complete(&repaired, &whole)).status, 201);
    let bytes = |index: usize| std::fs::read(emulator.archives()[index].path.clone().unwrap()).unwrap();
    assert!(bytes(0) == whole);

    // A client that trusts the list creates an archive of the stored bytes.
    let held: Vec<u8> = whole[..MIB].iter().map(|byte| byte ^ 1).chain(whole[MIB..].iter().copied()).collect();
    assert_eq!(client.send(&Request::complete(&damaged, &held)).status, 201);
    assert!(bytes(1) == held);
}

#[test]
fn corruption_applies_only_to_parts() {
    let (emulator, mut client) = start_with(Options::default());
    for action in [Action::LosePart, Action::DamagePart] {
        emulator.add_fault(Fault::new(action));
        assert_eq!(client.send(&Request::archive(b"abc")).status, 201);
        assert_eq!(std::fs::read(emulator.archives().pop().unwrap().path.unwrap()).unwrap(), b"abc");
    }
}

#[test]
fn throttles_for_n_requests_or_seconds() {
    let (emulator, mut client, id) = upload();
    let throttling = || Fault::new(Action::Refuse { because: RefusalReason::Throttling });
    let list = |client: &mut Client, offset: i64| {
        client.send(&Request::list_parts(&id, "").with(|request| request.clock_offset = offset)).status
    };
    emulator.add_fault(throttling().times(3));
    assert_eq!([0; 5].map(|offset| list(&mut client, offset)), [400, 400, 400, 200, 200]);

    emulator.add_fault(throttling().always().seconds(7200));
    assert_eq!([0; 5].map(|offset| list(&mut client, offset)), [400; 5]);
    emulator.set_clock_offset(7100);
    assert_eq!(list(&mut client, 7100), 400);
    emulator.set_clock_offset(7300);
    assert_eq!(list(&mut client, 7300), 200);
}

#[test]
fn throttles_above_rate_limit() {
    let (emulator, mut client, id) = upload();
    emulator.limit_requests(Some(1));
    let since = Instant::now();
    let mut list = |offset: i64| {
        let response = client.send(&Request::list_parts(&id, "").with(|request| request.clock_offset = offset));
        if response.status != 200 {
            response.expect_refusal(400, "ThrottlingException", "Rate exceeded");
        }
        response.status
    };
    assert_eq!(list(0), 200);
    // One request is left in the burst, and each second since has added one.
    let admitted = (0..50).filter(|_| list(0) == 200).count();
    assert!(admitted as u64 <= since.elapsed().as_secs() + 1, "{admitted}");
    emulator.set_clock_offset(100);
    assert_eq!(list(100), 200);
    emulator.limit_requests(None);
    assert_eq!([100; 9].map(&mut list), [200; 9]);
}

#[test]
fn combined_actions_apply_at_their_stages() {
    let put = |fault: Fault| {
        let (emulator, mut client, id) = upload();
        emulator.add_fault(fault.on(Operation::UploadMultipartPart));
        let started = Instant::now();
        let outcome = client.try_send(&Request::part(&id, 0, &data(MIB)));
        let record = emulator.requests().swap_remove(1);
        let held = emulator.uploads()[0].parts.len();
        recovers(&emulator, &id);
        (outcome, started.elapsed(), record, held)
    };
    let slow = Action::Slow { bytes_per_second: 8 * MIB as u64 };
    let delayed = Action::DelayAnswer { millis: 120 };
    let late = Duration::from_millis(100);

    let reset = Action::Reset { after_bytes: Some(MIB as u64 - 10) };
    let (outcome, took, record, held) = put(Fault::new(slow.clone()).and(reset.clone()));
    assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
    assert!(took >= late, "{took:?}");
    assert_eq!((record.body_bytes, record.faults, held), (MIB as u64 - 10, vec![slow.clone(), reset], 0));

    // In either order of the list.
    for fault in [
        Fault::new(delayed.clone()).and(Action::TruncatedAnswer),
        Fault::new(Action::LostAnswer { then: ConnectionEnd::Close }).and(delayed.clone()),
    ] {
        let (outcome, took, record, held) = put(fault);
        assert_eq!((outcome.unwrap_err().kind(), record.status, held), (ErrorKind::UnexpectedEof, None, 1));
        assert!(took >= late, "{took:?}");
    }

    let (outcome, took, _, held) = put(Fault::new(slow).and(Action::WrongTreeHash));
    let response = outcome.unwrap();
    assert_ne!(response.header("x-amz-sha256-tree-hash"), Some(client::tree_hash(&data(MIB)).as_str()));
    assert_eq!((response.status, held), (204, 1));
    assert!(took >= late, "{took:?}");

    let (outcome, took, _, held) = put(Fault::new(Action::status(503)).and(delayed.clone()));
    assert_eq!((outcome.unwrap().status, held), (503, 0));
    assert!(took >= late, "{took:?}");
    let (outcome, took, ..) = put(Fault::new(Action::Garbage).and(delayed));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(took >= late, "{took:?}");

    let refusal = Action::error(503, "ServiceUnavailableException", "Try again");
    let (outcome, _, record, held) = put(Fault::new(refusal).and(Action::TruncatedAnswer));
    assert_eq!((outcome.unwrap_err().kind(), record.status, held), (ErrorKind::UnexpectedEof, None, 0));
}

#[test]
fn first_action_at_a_stage_applies() {
    let (emulator, mut client, id) = upload();
    let early = Action::EarlyAnswer { after_bytes: 10, status: 500, body: None, then: AfterResponse::Drain };
    emulator.add_fault(Fault::new(early).and(Action::Reset { after_bytes: None }).skip(1));
    emulator.add_fault(Fault::new(Action::status(501)).and(Action::status(502)));
    assert_eq!(client.send(&Request::part(&id, 0, b"abc")).status, 501);
    assert_eq!(client.send(&Request::part(&id, 0, b"abc")).status, 500);
    assert_eq!(client.send(&Request::part(&id, 0, b"abc")).status, 204);
}

#[test]
fn pause_ends_and_request_continues() {
    // At the start, during the body, after it, and without a body.
    for after_bytes in [Some(0), Some(300_000), None] {
        let (emulator, mut client, id) = upload();
        let started = Instant::now();
        let pause = Action::Pause { after_bytes, millis: 120 };
        assert_eq!(hit(&emulator, &mut client, &id, pause.clone()).unwrap().status, 204);
        assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());

        let started = Instant::now();
        emulator.add_fault(Fault::new(pause.clone()).on(Operation::ListParts));
        assert_eq!(client.send(&Request::list_parts(&id, "")).status, 200);
        assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());

        // With a close after it, the pause is a stall with an end.
        let started = Instant::now();
        emulator.add_fault(Fault::new(pause).and(Action::Close { after_bytes }));
        let error = client.try_send(&Request::part(&id, 0, &data(MIB))).unwrap_err();
        let ended = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(ended.contains(&error.kind()), "{error}");
        assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
        assert_eq!(emulator.requests()[3].body_bytes, after_bytes.unwrap_or(MIB as u64));
    }
}

#[test]
fn clock_moves_during_body() {
    for (offset, text) in [(400, "Signature expired: "), (-400, "Signature not yet current: ")] {
        for after_bytes in [Some(0), Some(300_000), None] {
            let (emulator, mut client, id) = upload();
            let before = SystemTime::now();
            let response = hit(&emulator, &mut client, &id, Action::MoveClock { after_bytes, offset }).unwrap();
            response.expect_refusal(403, "InvalidSignatureException", text);
            assert_eq!(emulator.requests()[1].body_bytes, MIB as u64);
            assert_date(&response, offset, before);
            // The clock has changed for all later requests.
            client.send(&Request::part(&id, 0, b"abc")).expect_refusal(403, "InvalidSignatureException", text);
            let skewed = Request::part(&id, 0, b"abc").with(|request| request.clock_offset = offset);
            assert_eq!(client.send(&skewed).status, 204);
        }
    }
}

#[test]
fn clock_offset_shows_in_date_header() {
    let (emulator, mut client, id) = upload();
    for (offset, sign, text) in [(3600, '-', "Signature expired: "), (-3600, '+', "Signature not yet current: ")] {
        emulator.set_clock_offset(offset);
        let before = SystemTime::now();
        let response = client.send(&Request::list_parts(&id, ""));
        response.expect_refusal(403, "InvalidSignatureException", text);
        response.expect_refusal(403, "InvalidSignatureException", &format!(" {sign} 5 min.)"));
        assert_date(&response, offset, before);
        let response = client.send(&Request::list_parts(&id, "").with(|request| request.clock_offset = offset));
        assert_eq!(response.status, 200);
        assert_date(&response, offset, before);
    }
}

#[test]
fn early_success_acknowledges_a_part_that_is_not_stored() {
    let (emulator, mut client, id) = upload();
    emulator.add_fault(Fault::new(Action::EarlySuccess { after_bytes: 0, then: AfterResponse::Drain }));
    let request = Request::part(&id, 0, &data(MIB));
    client.write(&request.head(&client.host)).unwrap();
    let response = client.read_response().unwrap();
    let hash = client::tree_hash(&data(MIB));
    assert_eq!((response.status, response.header("x-amz-sha256-tree-hash")), (204, Some(hash.as_str())));
    client.write(&request.body).unwrap();
    assert!(client.send(&Request::list_parts(&id, "")).json()["Parts"].as_array().unwrap().is_empty());
    let record = emulator.requests().swap_remove(1);
    assert_eq!((record.status, record.changed), (Some(204), false));

    // Other operations are processed.
    emulator.add_fault(Fault::new(Action::EarlySuccess { after_bytes: 0, then: AfterResponse::Close }));
    assert_eq!(client.send(&Request::list_parts(&id, "")).status, 200);
    recovers(&emulator, &id);
}

/// One interim response with status 100.
fn interim(after_bytes: Option<u64>) -> Action {
    Action::InterimResponse {
        after_bytes,
        status: 100,
        http_1_0: false,
        count: Some(1),
        header_bytes: 0,
        segment_bytes: None,
        millis: 0,
    }
}

#[test]
fn interim_responses_precede_the_response() {
    let (emulator, mut client, id) = upload();
    let action = Action::InterimResponse {
        after_bytes: None,
        status: 103,
        http_1_0: true,
        count: Some(2),
        header_bytes: 5,
        segment_bytes: Some(7),
        millis: 1,
    };
    emulator.add_fault(Fault::new(action).and(Action::Close { after_bytes: None }));
    client.write(&Request::list_parts(&id, "").head(&client.host)).unwrap();
    let early_hints = "HTTP/1.0 103 Early Hints\r\nLink: xxxxx\r\n\r\n";
    assert_eq!(client.read_to_end().0, early_hints.repeat(2));

    let mut client = Client::connect(&emulator);
    emulator.add_fault(Fault::new(interim(Some(0))).and(interim(Some(1000))).and(interim(None)));
    let request = Request::part(&id, 0, &data(MIB));
    client.write(&request.head(&client.host)).unwrap();
    assert_eq!(client.read_response().unwrap().status, 100);
    client.write(&request.body[..1000]).unwrap();
    assert_eq!(client.read_response().unwrap().status, 100);
    client.write(&request.body[1000..]).unwrap();
    assert_eq!([(); 2].map(|()| client.read_response().unwrap().status), [100, 204]);
    assert_eq!(emulator.uploads()[0].parts.len(), 1);
}

#[test]
fn no_interim_response_follows_the_response() {
    for then in [AfterResponse::Drain, AfterResponse::Close] {
        for early in [
            Action::EarlyAnswer { after_bytes: 500, status: 503, body: None, then },
            Action::EarlySuccess { after_bytes: 500, then },
        ] {
            let (emulator, mut client, id) = upload();
            emulator.add_fault(Fault::new(early).and(interim(Some(100))).and(interim(Some(1000))).and(interim(None)));
            let request = Request::part(&id, 0, &data(MIB));
            client.write(&request.head(&client.host)).unwrap();
            client.write(&request.body[..500]).unwrap();
            assert_eq!(client.read_response().unwrap().status, 100, "after 100 bytes");
            assert!(matches!(client.read_response().unwrap().status, 503 | 204));
            if then == AfterResponse::Drain {
                client.write(&request.body[500..]).unwrap();
                assert_eq!(client.send(&Request::list_parts(&id, "")).status, 200);
            } else {
                assert_eq!(client.read_to_end().0, "");
            }
        }
    }
}

/// The client may send the body or not, so the server cannot find the next request.
#[test]
fn early_response_instead_of_continue_ends_the_connection() {
    for then in [AfterResponse::Drain, AfterResponse::Close] {
        let (emulator, mut client, id) = upload();
        emulator.add_fault(Fault::new(Action::EarlyAnswer { after_bytes: 0, status: 503, body: None, then }));
        let request = Request::part(&id, 0, &data(MIB)).header("expect", "100-continue");
        client.write(&request.head(&client.host)).unwrap();
        let response = client.read_response().unwrap();
        assert_eq!((response.status, response.header("connection")), (503, Some("close")));
        assert_eq!(client.read_to_end().0, "");
    }
}

#[test]
fn endless_interim_responses_end_with_the_connection() {
    let (emulator, mut client, id) = upload();
    let endless: Fault = serde_json::from_str(r#"{"action": {"kind": "interim_response", "count": null}}"#).unwrap();
    emulator.add_fault(endless);
    client.write(&Request::list_parts(&id, "").head(&client.host)).unwrap();
    assert!((0..100).all(|_| client.read_response().unwrap().status == 100));
    drop(client);
    let started = Instant::now();
    while emulator.open_connections() > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "still open");
        std::thread::yield_now();
    }
}

#[test]
fn segmented_response_has_the_same_bytes() {
    let (emulator, mut client, id) = upload();
    emulator.add_fault(Fault::new(Action::SegmentedResponse { bytes: 20, millis: 5 }));
    let started = Instant::now();
    let list = client.send(&Request::list_parts(&id, ""));
    assert_eq!(list.json()["MultipartUploadId"], id.as_str());
    let least = Duration::from_millis(5 * list.body.len() as u64 / 20);
    assert!(started.elapsed() >= least, "{:?}", started.elapsed());
    assert_eq!(client.send(&Request::list_parts(&id, "")).body, list.body);
}

#[test]
fn folded_headers_take_two_lines_each() {
    let (emulator, mut client, id) = upload();
    emulator.add_fault(Fault::new(Action::FoldedHeaders).and(Action::CloseDelimited { then: ConnectionEnd::Close }));
    client.write(&Request::part(&id, 0, b"abc").head(&client.host)).unwrap();
    client.write(b"abc").unwrap();
    let text = client.read_to_end().0;
    assert!(text.starts_with("HTTP/1.1 204 No Content\r\n"), "{text}");
    let folded = format!("x-amz-sha256-tree-hash:\r\n {}\r\n", client::tree_hash(b"abc"));
    assert!(text.contains(&folded) && text.contains("Date: ") && text.contains(",\r\n "), "{text}");
    assert_eq!(emulator.uploads()[0].parts.len(), 1);
}

#[test]
fn close_delimited_response_has_no_length() {
    for (tls, then, orderly) in
        [(false, ConnectionEnd::Close, true), (true, ConnectionEnd::Close, true), (true, ConnectionEnd::Abrupt, false)]
    {
        let (emulator, mut client) = start_with(Options { tls, storage: Storage::Hashes, ..Options::default() });
        let denied = Action::error(403, "AccessDeniedException", "No.");
        emulator.add_fault(Fault::new(denied).and(Action::CloseDelimited { then }));
        client.write(&Request::list_uploads("").head(&client.host)).unwrap();
        let (text, ended) = client.read_to_end();
        assert!(text.starts_with("HTTP/1.1 403 ") && !text.contains("Content-Length"), "{text}");
        assert!(text.ends_with("\r\n\r\n{\"code\":\"AccessDeniedException\",\"message\":\"No.\",\"type\":\"Client\"}"));
        assert_eq!(ended.is_ok(), orderly, "{ended:?}");
    }
}

#[test]
fn cut_response_ends_at_requested_point() {
    let list = |after, then| {
        let (emulator, mut client, id) = upload();
        emulator.add_fault(Fault::new(Action::CutResponse { after, then }));
        client.write(&Request::list_parts(&id, "").head(&client.host)).unwrap();
        let (text, ended) = client.read_to_end();
        assert_eq!(emulator.requests()[1].status, None);
        (text, ended)
    };
    assert_eq!(list(ResponsePrefix::HalfStatusLine, ConnectionEnd::Close).0, "HTTP/1.1");
    let (text, _) = list(ResponsePrefix::HalfHeaders, ConnectionEnd::Close);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && !text.contains("\r\n\r\n"), "{text}");
    let (text, _) = list(ResponsePrefix::Headers, ConnectionEnd::Close);
    assert!(text.ends_with("\r\n\r\n") && text.contains("Content-Length: "), "{text}");
    let (text, _) = list(ResponsePrefix::HalfContent, ConnectionEnd::Close);
    assert!(text.contains("\r\n\r\n{\"") && !text.ends_with('}'), "{text}");
    let (_, ended) = list(ResponsePrefix::Headers, ConnectionEnd::Reset);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn missing_tree_hash_is_not_in_the_response() {
    let (emulator, mut client, id) = upload();
    let response = hit(&emulator, &mut client, &id, Action::MissingTreeHash).unwrap();
    assert_eq!((response.status, response.header("x-amz-sha256-tree-hash")), (204, None));
    assert_eq!(emulator.uploads()[0].parts.len(), 1);
    emulator.add_fault(Fault::new(Action::MissingTreeHash));
    let response = client.send(&Request::complete(&id, &data(MIB)));
    assert_eq!((response.status, response.header("x-amz-sha256-tree-hash")), (201, None));
    assert_eq!(response.header("x-amz-archive-id"), Some(emulator.archives()[0].archive_id.as_str()));
}

#[test]
fn repeated_header_has_two_values() {
    let (emulator, mut client, id) = upload();
    let action = Action::RepeatedHeader { name: "x-amz-sha256-tree-hash".to_owned() };
    let response = hit(&emulator, &mut client, &id, action).unwrap();
    let values = response.headers.iter().filter(|(name, _)| name == "x-amz-sha256-tree-hash");
    let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
    let correct = client::tree_hash(&data(MIB));
    assert_eq!((response.status, values.len(), values[0]), (204, 2, correct.as_str()));
    assert_ne!(values[1], correct);
    assert_eq!(values[1].len(), 64);
}

#[test]
fn proxy_response_has_no_request_id() {
    let (emulator, mut client, id) = upload();
    let html = Action::ProxyResponse { status: 404, body: Some("<html>".to_owned()), content_type: None };
    let response = hit(&emulator, &mut client, &id, html).unwrap();
    let got = (response.status, response.header("content-type"), response.header("x-amzn-requestid"));
    assert_eq!(got, (404, Some("text/html"), None));
    let empty = Action::ProxyResponse { status: 404, body: None, content_type: None };
    let response = hit(&emulator, &mut client, &id, empty).unwrap();
    assert_eq!((response.status, response.body.len(), response.header("x-amzn-requestid")), (404, 0, None));
    assert_eq!(emulator.connections(), 1);
    recovers(&emulator, &id);
}

/// Checks that the response's `Date` has this offset in seconds. The response was received after `before`.
fn assert_date(response: &client::Response, offset: i64, before: SystemTime) {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let date = httpdate::parse_http_date(response.header("date").unwrap()).unwrap();
    let right = seconds(before) + offset..=seconds(SystemTime::now()) + offset;
    assert!(right.contains(&seconds(date)), "{response:?} is not in {right:?}");
}

#[test]
fn faults_apply_over_tls() {
    let (emulator, mut client) = start_with(Options { tls: true, storage: Storage::Hashes, ..Options::default() });
    assert!(emulator.endpoint().starts_with("https://127.0.0.1:"));
    let id = client.initiate(MIB);
    let error = hit(&emulator, &mut client, &id, Action::Reset { after_bytes: Some(300_000) }).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    // An orderly close also ends the TLS session, so a client can distinguish it from a truncation.
    let mut client = Client::connect(&emulator);
    hit(&emulator, &mut client, &id, Action::Close { after_bytes: None }).unwrap_err();
    assert!(client.is_closed());
    recovers(&emulator, &id);
}
