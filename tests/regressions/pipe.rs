//! A pipe of unknown length whose writer is slow to begin and to go on (glacier-cmd issue 155: a `pg_dump` that came to
//! nothing for two seconds was taken for one that had ended; aws-cli issue 3663, glaciertools issue 10).

use std::thread::sleep;
use std::time::Duration;

use glacier_emulator::{Action, Fault, Operation};
use glacier_mp::config::Config;
use glacier_mp::source::ReadOutcome;

use crate::support::glacier::archive;
use crate::{content, of, start, upload};

/// What a line may be silent for, in milliseconds; the writer is so for longer.
const PATIENCE: u64 = 1000;
const SILENCE: Duration = Duration::from_millis(1500);

fn impatient(config: &mut Config) {
    config.set_stall_timeout_ms(PATIENCE).unwrap();
    config.set_give_up_after_ms(PATIENCE).unwrap();
}

#[test]
fn a_writer_may_take_its_time() {
    let content = content((3 << 20) + 1);
    let slow = [0, 1 << 20, 3 << 20];

    let glacier = start();
    let pushed = upload(&glacier, impatient);
    for (number, piece) in content.chunks(1 << 19).enumerate() {
        if slow.contains(&(number << 19)) {
            sleep(SILENCE);
        }
        pushed.write(piece).unwrap();
    }
    pushed.finish().unwrap();
    assert!(archive(&glacier) == content);

    let glacier = start();
    let read = upload(&glacier, impatient);
    let (bytes, mut at) = (content.clone(), 0);
    let supply = move |room: &mut [u8]| {
        if slow.contains(&at) {
            sleep(SILENCE);
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

/// The time that the writer took is not the service's.
#[test]
fn what_comes_late_is_tried_again_all_the_same() {
    let glacier = start();
    glacier.add_fault(Fault::new(Action::status(503)).on(Operation::UploadMultipartPart).part(1));
    // By the clock of this client, waits take no time: it is one part that may take that long.
    let upload = upload(&glacier, |config| config.set_give_up_after_ms(PATIENCE).unwrap());
    let content = content(3 << 20);
    upload.write(&content[..1 << 20]).unwrap();
    while of(&glacier, Operation::UploadMultipartPart).iter().filter(|part| part.over).count() < 1 {
        std::thread::yield_now();
    }
    sleep(SILENCE);
    upload.write(&content[1 << 20..]).unwrap();
    upload.finish().unwrap();
    assert!(archive(&glacier) == content);
    assert_eq!(of(&glacier, Operation::UploadMultipartPart).len(), 4);
}
