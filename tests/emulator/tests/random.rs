//! Random faults: the same for the same seed, and limited so that every upload can finish.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use std::collections::BTreeMap;
use std::thread;

use client::{Client, MIB, Request, Response, data, start, start_with, tree_hash};
use glacier_emulator::{Action, Emulator, Fault, FaultKind, Operation, Options, RandomFaults, Storage};

const PART: Operation = Operation::UploadMultipartPart;

/// An emulator with random faults of short duration.
fn start_random(faults: RandomFaults) -> Emulator {
    start_with(Options {
        random_faults: Some(RandomFaults { millis: 5, ..faults }),
        storage: Storage::Temporary,
        ..Options::default()
    })
    .0
}

/// Sends a request until it succeeds, each time on a new connection.
fn insist(emulator: &Emulator, request: &Request) -> Response {
    loop {
        match Client::connect(emulator).try_send(request) {
            Ok(response) if response.status < 300 => return response,
            _ => {}
        }
    }
}

fn initiate(emulator: &Emulator) -> String {
    insist(emulator, &Request::initiate(MIB)).header("x-amz-multipart-upload-id").unwrap().to_owned()
}

/// Sends parts until Complete succeeds. After a rejected Complete it lists the stored parts.
fn upload(emulator: &Emulator, id: &str, whole: &[u8]) {
    loop {
        let list = insist(emulator, &Request::list_parts(id, "")).json();
        for (index, bytes) in whole.chunks(MIB).enumerate() {
            let held = list["Parts"].as_array().unwrap().iter().any(|part| {
                let range = part["RangeInBytes"].as_str().unwrap();
                range.starts_with(&format!("{}-", index * MIB)) && part["SHA256TreeHash"] == tree_hash(bytes).as_str()
            });
            if !held {
                insist(emulator, &Request::part(id, index * MIB, bytes));
            }
        }
        let complete = Request::complete(id, whole);
        // More attempts than consecutive faults: if all fail, a stored part is wrong.
        let made =
            (0..4).any(|_| Client::connect(emulator).try_send(&complete).is_ok_and(|response| response.status == 201));
        if made {
            return;
        }
    }
}

/// The faults of each attempt at each part.
fn met(emulator: &Emulator) -> BTreeMap<u64, Vec<Vec<Action>>> {
    let mut met = BTreeMap::<u64, Vec<Vec<Action>>>::new();
    for request in emulator.requests().into_iter().filter(|request| request.operation == Some(PART)) {
        met.entry(request.part.unwrap()).or_default().push(request.faults);
    }
    met
}

#[test]
fn seed_repeats_in_any_thread_interleaving() {
    let play = |seed: u64, threads: usize| {
        let emulator = start_random(RandomFaults { probability: 0.6, ..RandomFaults::new(seed) });
        let id = initiate(&emulator);
        thread::scope(|scope| {
            for thread in 0..threads {
                let (emulator, id) = (&emulator, &id);
                let mine = move |part: &usize| part % threads == thread;
                // The last part is sent first.
                scope.spawn(move || {
                    (0..12).rev().filter(mine).for_each(|part| {
                        insist(emulator, &Request::part(id, part * MIB, &data(1000 * part + 1)));
                    })
                });
            }
        });
        met(&emulator)
    };
    let first = play(11, 1);
    assert!(first.values().flatten().filter(|actions| !actions.is_empty()).count() > 5, "{first:?}");
    assert_eq!(first, play(11, 6));
    assert_ne!(first, play(12, 1));
}

#[test]
fn every_upload_can_finish() {
    for seed in 0..6 {
        let emulator = start_random(RandomFaults { probability: 0.9, combined: 0.5, ..RandomFaults::new(seed) });
        let whole = data(3 * MIB + 5);
        let id = initiate(&emulator);
        upload(&emulator, &id, &whole);
        let archives = emulator.archives();
        assert_eq!(archives.len(), 1, "seed {seed}");
        assert!(std::fs::read(archives[0].path.as_ref().unwrap()).unwrap() == whole, "seed {seed}");
    }
}

#[test]
fn applies_only_selected_kinds_and_operations() {
    let faults = RandomFaults { probability: 1.0, combined: 0.0, ..RandomFaults::new(2) };
    let emulator = start_random(RandomFaults {
        operations: Some(vec![PART]),
        ..faults.only(&[FaultKind::Throttling, FaultKind::BadRequest])
    });
    let mut client = Client::connect(&emulator);
    let id = client.initiate(MIB);
    let statuses: Vec<_> = (0..8).map(|_| client.send(&Request::part(&id, 0, b"abc")).status).collect();
    assert_eq!(statuses, [400, 400, 400, 204, 400, 400, 400, 204]);
    assert_eq!(client.send(&Request::list_parts(&id, "")).status, 200);
    emulator.set_random_faults(None);
    assert_eq!(client.send(&Request::part(&id, 0, b"abc")).status, 204);
}

#[test]
fn scripted_fault_does_not_change_random_ones() {
    let play = |scripted: bool| {
        let (emulator, mut client) = start();
        let faults = RandomFaults { probability: 0.5, ..RandomFaults::new(4) };
        emulator.set_random_faults(Some(faults.only(&[FaultKind::BadGateway, FaultKind::Throttling])));
        let id = insist(&emulator, &Request::initiate(MIB)).header("x-amz-multipart-upload-id").unwrap().to_owned();
        if scripted {
            emulator.add_fault(Fault::new(Action::status(501)).on(PART).skip(3).times(2));
        }
        (0..20).map(|_| client.send(&Request::part(&id, 0, b"abc")).status).collect::<Vec<_>>()
    };
    let mut without = play(false);
    let with = play(true);
    assert_eq!(with[3..5], [501, 501]);
    without[3..5].fill(501);
    assert_eq!(with, without);
    assert!(without.contains(&204) && without.contains(&502) && without.contains(&400), "{without:?}");
}

#[test]
fn admin_path_sets_random_faults() {
    let (_emulator, mut client) = start();
    let admin = |method: &str, body: &str| {
        Request::new(method, "/.admin/random").with(|request| request.authorization = false).body(body.as_bytes())
    };
    let list = Request::list_uploads("");
    let all = r#"{"seed": 1, "probability": 1, "kinds": {"503": 1}, "in_a_row": 1}"#;
    assert_eq!(client.send(&admin("POST", all)).status, 204);
    assert_eq!([(); 4].map(|()| client.send(&list).status), [503, 200, 503, 200]);
    client.send(&admin("POST", r#"{"seed": 1, "probability": 2}"#)).expect_refusal(400, "BadRequest", "no share");
    assert_eq!(client.send(&admin("DELETE", "")).status, 204);
    assert_eq!([(); 4].map(|()| client.send(&list).status), [200; 4]);
}
