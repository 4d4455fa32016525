//! A pipe of unknown length with a slow writer. In glacier-cmd issue 155 a `pg_dump` without output for two seconds was
//! treated as finished. See also aws-cli issue 3663 and glaciertools issue 10.

use std::thread::sleep;
use std::time::Duration;

use glacier_emulator::{Action, Fault, Operation};
use glacier_mp::config::Config;
use glacier_mp::source::ReadOutcome;

use crate::support::glacier::archive;
use crate::{content, of, start, upload};

/// The timeouts in milliseconds. The writer pauses for longer.
const TIMEOUT_MS: u64 = 1000;
const PAUSE: Duration = Duration::from_millis(1500);

fn short_timeouts(config: &mut Config) {
    config.set_stall_timeout_ms(TIMEOUT_MS).unwrap();
    config.set_give_up_after_ms(TIMEOUT_MS).unwrap();
}

#[test]
fn slow_writer_causes_no_timeout() {
    let content = content((3 << 20) + 1);
    let slow = [0, 1 << 20, 3 << 20];

    let glacier = start();
    let pushed = upload(&glacier, short_timeouts);
    for (number, piece) in content.chunks(1 << 19).enumerate() {
        if slow.contains(&(number << 19)) {
            sleep(PAUSE);
        }
        pushed.write(piece).unwrap();
    }
    pushed.finish().unwrap();
    assert!(archive(&glacier) == content);

    let glacier = start();
    let read = upload(&glacier, short_timeouts);
    let (bytes, mut at) = (content.clone(), 0);
    let supply = move |room: &mut [u8]| {
        if slow.contains(&at) {
            sleep(PAUSE);
        }
        let length = room.len().min(1 << 19).min(bytes.len() - at);
        room[..length].copy_from_slice(&bytes[at..at + length]);
        at += length;
        ReadOutcome::Bytes(length)
    };
    read.set_source_callback(Box::new(supply), None).unwrap();
    read.run().unwrap();
    assert!(archive(&glacier) == content);
}

/// The pause of the writer does not count as time without response from the service.
#[test]
fn retries_part_after_slow_writer() {
    let glacier = start();
    glacier.add_fault(Fault::new(Action::status(503)).on(Operation::UploadMultipartPart).part(1));
    // The client's clock skips backoffs, so the limit applies to one part.
    let upload = upload(&glacier, |config| config.set_give_up_after_ms(TIMEOUT_MS).unwrap());
    let content = content(3 << 20);
    upload.write(&content[..1 << 20]).unwrap();
    while of(&glacier, Operation::UploadMultipartPart).iter().filter(|part| part.over).count() < 1 {
        std::thread::yield_now();
    }
    sleep(PAUSE);
    upload.write(&content[1 << 20..]).unwrap();
    upload.finish().unwrap();
    assert!(archive(&glacier) == content);
    assert_eq!(of(&glacier, Operation::UploadMultipartPart).len(), 4);
}
