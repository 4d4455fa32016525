//! Throughput: the bandwidth limit, measured with a clock that does not wait, and the congestion window.
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

/// The bandwidth limit in bytes per second. An upload takes 100 s of virtual time, so the real time of the machine is
/// negligible.
const LIMIT: u64 = 50_000;
const LENGTH: usize = 5_000_000;

fn start() -> Emulator {
    Emulator::start(Options::default()).unwrap()
}

/// Returns a client with a bandwidth limit (0 for none) and its clock.
fn limited(glacier: &Emulator, limit: u64) -> (Arc<Client>, Arc<VirtualClock>) {
    let (mut config, clock) = (config(glacier), Arc::new(VirtualClock::default()));
    config.set_bandwidth_limit(limit).unwrap();
    (client_with_clock(&clock, config, &CapturedLog::default()), clock)
}

/// Returns an upload of `LENGTH` bytes with part size 1 MiB.
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

/// Runs `work`, which must take `seconds` of the clock's time, within 5 %.
#[track_caller]
fn assert_takes(seconds: u64, clock: &VirtualClock, work: impl FnOnce()) {
    let start = clock.monotonic();
    work();
    let (took, expected) = (clock.monotonic() - start, Duration::from_secs(seconds));
    assert!(took.abs_diff(expected) <= expected / 20, "{took:?} instead of {expected:?}");
}

#[test]
fn client_limit_applies_to_upload() {
    let glacier = start();
    let (client, clock) = limited(&glacier, LIMIT);
    let upload = upload(&client);
    assert_takes(100, &clock, || upload.run().unwrap());
    assert_eq!(archive(&glacier), generate("mod251", LENGTH));
    assert_eq!(upload.progress().unwrap().bytes_sent, LENGTH as u64);
}

#[test]
fn lower_of_client_and_upload_limit_applies() {
    let glacier = start();
    for (clients, own) in [(0, LIMIT), (3 * LIMIT, LIMIT), (LIMIT, 3 * LIMIT)] {
        let (client, clock) = limited(&glacier, clients);
        let upload = upload(&client);
        upload.set_bandwidth_limit(own).unwrap();
        assert_takes(100, &clock, || upload.run().unwrap());
    }
}

#[test]
fn uploads_share_client_limit() {
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
fn limit_applies_to_put_part() {
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

#[test]
fn limit_counts_resent_bytes() {
    let glacier = start();
    glacier.add_fault(Fault::new(Action::TruncatedAnswer).on(Operation::UploadMultipartPart).part(0).times(2));
    let (client, clock) = limited(&glacier, LIMIT);
    let upload = upload(&client);
    assert_takes(100 + 42, &clock, || upload.run().unwrap());
}

/// With the first limit, the upload would take two years. No thread waits for it after the limit is removed.
#[test]
fn callback_can_remove_the_limit() {
    let glacier = start();
    let (client, clock) = limited(&glacier, 0);
    let upload = many_parts(&client, 64);
    upload.set_bandwidth_limit(1).unwrap();
    let removed = Arc::new(OnceLock::new());
    let (handle, removal, now) = (Arc::downgrade(&upload), Arc::clone(&removed), Arc::clone(&clock));
    upload
        .set_progress(Some(Box::new(move |progress| {
            if progress.bytes_sent > 0 {
                handle.upgrade().unwrap().set_bandwidth_limit(0).unwrap();
                removal.get_or_init(|| (now.monotonic(), progress.bytes_sent));
            }
            Flow::Continue
        })))
        .unwrap();
    upload.run().unwrap();
    let (when, sent) = removed.get().unwrap();
    let left = 64 * MIB - sent;
    assert!(clock.monotonic() - *when < Duration::from_secs(left / 1000), "{left} bytes were left");
    assert_eq!(upload.progress().unwrap().workers, 8);
}

/// Returns the number of connections that sent parts. The pool reuses connections, so more than one connection means more
/// than one part at a time.
fn connections_for_parts(glacier: &Emulator) -> usize {
    let parts = glacier.requests().into_iter().filter(|r| r.operation == Some(Operation::UploadMultipartPart));
    parts.map(|request| request.connection).collect::<BTreeSet<_>>().len()
}

#[test]
fn bandwidth_limit_bounds_parts_in_flight_to_4_minutes() {
    let (glacier, lines) = (start(), CapturedLog::default());
    let mut config = config(&glacier);
    config.set_bandwidth_limit(6000).unwrap();
    let upload = upload(&client(config, &lines));
    upload.run().unwrap();
    assert_eq!(connections_for_parts(&glacier), 1);
    assert_eq!(upload.progress().unwrap().workers, 1);
    let changes = in_flight(&lines, Level::Info);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].contains("changes from 8 to 1: at 6000 bytes per second"), "{changes:?}");
}

/// Returns the log lines about changes of the congestion window.
fn in_flight(lines: &CapturedLog, level: Level) -> Vec<String> {
    lines.of(level).into_iter().filter(|line| line.starts_with("the maximum number of parts in flight")).collect()
}

#[test]
fn throttling_halves_the_window_which_then_grows_back() {
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
        // Far more parts than the other workers send before the throttling response arrives.
        let upload = many_parts(&client(config, &lines), 64);
        upload.run().unwrap();
        let decreases = in_flight(&lines, Level::Warn);
        assert_eq!(decreases.len(), 1, "{action:?}: {decreases:?}");
        assert!(decreases[0].contains("changes from 4 to 2 after throttling: "), "{decreases:?}");
        assert!(decreases[0].contains("HTTP status"), "{decreases:?}");
        let increases = in_flight(&lines, Level::Info);
        assert_eq!(increases.len(), 2, "{action:?}: {increases:?}");
        assert!(increases[0].ends_with("changes from 2 to 3"), "{increases:?}");
        assert!(increases[1].ends_with("changes from 3 to 4"), "{increases:?}");
        assert_eq!(upload.progress().unwrap().workers, 4);
    }
}

#[test]
fn other_failures_do_not_change_the_window() {
    for action in [Action::Reset { after_bytes: Some(1000) }, Action::status(502), Action::WrongTreeHash] {
        let (glacier, lines) = (start(), CapturedLog::default());
        glacier.add_fault(Fault::new(action.clone()).on(Operation::UploadMultipartPart).times(3));
        let upload = many_parts(&client(config(&glacier), &lines), 12);
        upload.run().unwrap();
        assert_eq!(upload.progress().unwrap().workers, 8);
        let changes = [in_flight(&lines, Level::Warn), in_flight(&lines, Level::Info)].concat();
        assert!(changes.is_empty(), "{action:?}: {changes:?}");
    }
}

/// One part is throttled six times. The window is halved to 1, but no further.
#[test]
fn window_is_never_below_one_part() {
    let (glacier, lines) = (start(), CapturedLog::default());
    glacier.add_fault(Fault::new(Action::status(503)).on(Operation::UploadMultipartPart).times(6));
    let upload = many_parts(&client(config(&glacier), &lines), 1);
    upload.run().unwrap();
    let decreases = in_flight(&lines, Level::Warn);
    assert_eq!(decreases.len(), 3, "{decreases:?}");
    for (line, limits) in decreases.iter().zip(["from 8 to 4", "from 4 to 2", "from 2 to 1"]) {
        assert!(line.contains(limits), "{decreases:?}");
    }
    assert_eq!(upload.progress().unwrap().workers, 2, "one acknowledged part is a full window");
}

/// The caller controls the concurrency of `put_part`.
#[test]
fn window_does_not_limit_put_part() {
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
