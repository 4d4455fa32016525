//! How fast an upload goes: bytes a second, by a clock whose waits take no time, and parts in flight.
#![cfg(test)]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use glacier_emulator::{Action, Emulator, Fault, Operation, Options, Storage};
use glacier_mp::client::Client;
use glacier_mp::clock::Clock;
use glacier_mp::log::Level;
use glacier_mp::upload::{Flow, Upload};
use support::data::generate;
use support::glacier::{CapturedLog, MIB, VAULT, VirtualClock, archive, client, client_with_clock, config};

/// An upload takes 100 s by this: what the machine itself takes is little beside it.
const LIMIT: u64 = 50_000;
const LENGTH: usize = 5_000_000;

fn start() -> Emulator {
    Emulator::start(Options::default()).unwrap()
}

/// A client of that limit, 0 for none, and its clock.
fn limited(glacier: &Emulator, limit: u64) -> (Arc<Client>, Arc<VirtualClock>) {
    let (mut config, clock) = (config(glacier), Arc::new(VirtualClock::default()));
    config.set_bandwidth_limit(limit).unwrap();
    (client_with_clock(&clock, config, &CapturedLog::default()), clock)
}

/// An upload of LENGTH bytes in parts of 1 MiB.
fn upload(client: &Arc<Client>) -> Arc<Upload> {
    upload_of(client, LENGTH)
}

fn many_parts(client: &Arc<Client>, parts: usize) -> Arc<Upload> {
    upload_of(client, parts << 20)
}

fn upload_of(client: &Arc<Client>, length: usize) -> Arc<Upload> {
    let upload = Upload::new(client, VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.set_source_memory(generate("mod251", length).leak()).unwrap();
    upload
}

/// Does the work, which must take so many seconds by the clock, within 5 %.
#[track_caller]
fn assert_takes(seconds: u64, clock: &VirtualClock, work: impl FnOnce()) {
    let start = clock.monotonic();
    work();
    let (took, should) = (clock.monotonic() - start, Duration::from_secs(seconds));
    assert!(took.abs_diff(should) <= should / 20, "{took:?} instead of {should:?}");
}

#[test]
fn the_clients_limit_holds_for_an_upload() {
    let glacier = start();
    let (client, clock) = limited(&glacier, LIMIT);
    let upload = upload(&client);
    assert_takes(100, &clock, || upload.run().unwrap());
    assert_eq!(archive(&glacier), generate("mod251", LENGTH));
    assert_eq!(upload.progress().unwrap().bytes_sent, LENGTH as u64);
}

#[test]
fn the_uploads_own_limit_holds_too() {
    let glacier = start();
    for (clients, own) in [(0, LIMIT), (3 * LIMIT, LIMIT), (LIMIT, 3 * LIMIT)] {
        let (client, clock) = limited(&glacier, clients);
        let upload = upload(&client);
        upload.set_bandwidth_limit(own).unwrap();
        assert_takes(100, &clock, || upload.run().unwrap());
    }
}

#[test]
fn two_uploads_share_the_clients_limit() {
    let glacier = start();
    let (client, clock) = limited(&glacier, LIMIT);
    assert_takes(200, &clock, || {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| upload(&client).run().unwrap());
            }
        });
    });
}

#[test]
fn parts_put_by_hand_are_limited() {
    let glacier = start();
    let (client, clock) = limited(&glacier, LIMIT);
    let (upload, data) = (upload(&client), generate("mod251", LENGTH));
    upload.initiate().unwrap();
    assert_takes(100, &clock, || {
        thread::scope(|scope| {
            for (index, part) in data.chunks(1 << 20).enumerate() {
                let upload = &upload;
                scope.spawn(move || upload.put_part(u32::try_from(index).unwrap(), part, None).unwrap());
            }
        });
    });
}

/// It is a limit on the wire: a part that goes twice counts twice.
#[test]
fn what_is_sent_again_counts() {
    let glacier = start();
    glacier.add_fault(Fault::new(Action::TruncatedAnswer).on(Operation::UploadMultipartPart).part(0).times(2));
    let (client, clock) = limited(&glacier, LIMIT);
    let upload = upload(&client);
    assert_takes(100 + 42, &clock, || upload.run().unwrap());
}

/// The first limit takes two years: nobody waits for that any more once it is lifted.
#[test]
fn the_limit_can_be_lifted_inside_a_callback() {
    let glacier = start();
    let (client, clock) = limited(&glacier, 0);
    let upload = many_parts(&client, 64);
    upload.set_bandwidth_limit(1).unwrap();
    let lifted = Arc::new(OnceLock::new());
    let (steered, lifts, now) = (Arc::downgrade(&upload), Arc::clone(&lifted), Arc::clone(&clock));
    upload
        .set_progress(Some(Box::new(move |progress| {
            if progress.bytes_sent > 0 {
                steered.upgrade().unwrap().set_bandwidth_limit(0).unwrap();
                lifts.get_or_init(|| (now.monotonic(), progress.bytes_sent));
            }
            Flow::Continue
        })))
        .unwrap();
    upload.run().unwrap();
    let (when, sent) = lifted.get().unwrap();
    let left = 64 * MIB - sent;
    assert!(clock.monotonic() - *when < Duration::from_secs(left / 1000), "{left} bytes were left");
    assert_eq!(upload.progress().unwrap().workers, 8);
}

/// Connections are taken from the pool again: more than one is more than one part at a time.
fn connections_for_parts(glacier: &Emulator) -> usize {
    let parts = glacier.requests().into_iter().filter(|r| r.operation == Some(Operation::UploadMultipartPart));
    parts.map(|request| request.connection).collect::<BTreeSet<_>>().len()
}

#[test]
fn no_more_parts_are_in_flight_than_the_limit_finishes_in_4_minutes() {
    let (glacier, lines) = (start(), CapturedLog::default());
    let mut config = config(&glacier);
    config.set_bandwidth_limit(6000).unwrap();
    let upload = upload(&client(config, &lines));
    upload.run().unwrap();
    assert_eq!(connections_for_parts(&glacier), 1);
    assert_eq!(upload.progress().unwrap().workers, 1);
    let told = in_flight(&lines, Level::Info);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("at most 1 from now on, not 8: at 6000 bytes per second"), "{told:?}");
}

/// Log lines that tell how many parts may be in flight.
fn in_flight(lines: &CapturedLog, level: Level) -> Vec<String> {
    lines.of(level).into_iter().filter(|line| line.starts_with("parts in flight: ")).collect()
}

#[test]
fn a_push_back_halves_the_parts_in_flight_and_they_grow_back() {
    let throttled = [
        Action::error(408, "RequestTimeoutException", "Request timed out."),
        Action::error(400, "ThrottlingException", "Rate exceeded"),
        Action::error(403, "ThrottlingException", "Rate exceeded"),
        Action::status(429),
        Action::status(500),
        Action::status(503),
    ];
    for action in throttled {
        let glacier = Emulator::start(Options { storage: Storage::Count, ..Options::default() }).unwrap();
        let (mut config, lines) = (config(&glacier), CapturedLog::default());
        config.set_concurrency(4).unwrap();
        glacier.add_fault(Fault::new(action.clone()).on(Operation::UploadMultipartPart));
        // Far more than the others send while the answer that pushes back is on its way.
        let upload = many_parts(&client(config, &lines), 64);
        upload.run().unwrap();
        let halved = in_flight(&lines, Level::Warn);
        assert_eq!(halved.len(), 1, "{action:?}: {halved:?}");
        assert!(halved[0].contains("parts in flight: at most 2 from now on, not 4 after throttling: "), "{halved:?}");
        assert!(halved[0].contains("HTTP status"), "{halved:?}");
        let grown = in_flight(&lines, Level::Info);
        assert_eq!(grown.len(), 2, "{action:?}: {grown:?}");
        assert!(grown[0].ends_with("at most 3 from now on, not 2"), "{grown:?}");
        assert!(grown[1].ends_with("at most 4 from now on, not 3"), "{grown:?}");
        assert_eq!(upload.progress().unwrap().workers, 4);
    }
}

#[test]
fn other_failures_leave_the_parts_in_flight_as_they_are() {
    for action in [Action::Reset { after_bytes: Some(1000) }, Action::status(502), Action::WrongTreeHash] {
        let (glacier, lines) = (start(), CapturedLog::default());
        glacier.add_fault(Fault::new(action.clone()).on(Operation::UploadMultipartPart).times(3));
        let upload = many_parts(&client(config(&glacier), &lines), 12);
        upload.run().unwrap();
        assert_eq!(upload.progress().unwrap().workers, 8);
        let told = [in_flight(&lines, Level::Warn), in_flight(&lines, Level::Info)].concat();
        assert!(told.is_empty(), "{action:?}: {told:?}");
    }
}

/// The only part, pushed back again and again: halved to one, and then not any further.
#[test]
fn one_part_may_always_be_in_flight() {
    let (glacier, lines) = (start(), CapturedLog::default());
    glacier.add_fault(Fault::new(Action::status(503)).on(Operation::UploadMultipartPart).times(6));
    let upload = many_parts(&client(config(&glacier), &lines), 1);
    upload.run().unwrap();
    let halved = in_flight(&lines, Level::Warn);
    assert_eq!(halved.len(), 3, "{halved:?}");
    for (line, limits) in halved.iter().zip(["4 from now on, not 8", "2 from now on, not 4", "1 from now on, not 2"]) {
        assert!(line.contains(limits), "{halved:?}");
    }
    assert_eq!(upload.progress().unwrap().workers, 2, "it was acknowledged, a full round of one");
}

/// The caller's own threads are the caller's own pace.
#[test]
fn parts_put_by_hand_are_not_held_back() {
    let glacier = start();
    let (client, _) = limited(&glacier, 1_000_000);
    let upload = upload(&client);
    upload.initiate().unwrap();
    glacier.add_fault(Fault::new(Action::status(503)).on(Operation::UploadMultipartPart).times(4));
    thread::scope(|scope| {
        for index in 0..4 {
            let upload = &upload;
            scope.spawn(move || upload.put_part(index, &[7; 1 << 20], None).unwrap());
        }
    });
    assert_eq!(upload.progress().unwrap().workers, 0);
}
