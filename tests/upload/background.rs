//! Uploads in the background: start, wait, the done callback.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use glacier_emulator::{Action, Fault, Operation};
use glacier_mp::error::Kind;
use glacier_mp::upload::state::State;
use glacier_mp::upload::{DoneFn, Flow};

use crate::support::glacier::{archive, file, upload};
use crate::{code, content, of, ready, start};

const FOREVER: Duration = Duration::MAX;

fn stalled() -> Fault {
    Fault::new(Action::Stall { after_bytes: Some(9) }).on(Operation::UploadMultipartPart).always()
}

#[test]
fn start_runs_in_background_and_wait_returns_result() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let upload = ready(&glacier, &file);
    assert_eq!(code(upload.wait(FOREVER)), Kind::State, "no run was started");
    let (sender, receiver) = mpsc::channel();
    upload.start(Some(DoneFn::new(move |outcome| sender.send(outcome.is_ok()).unwrap()))).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| upload.wait(FOREVER).unwrap());
        }
    });
    assert_eq!(receiver.try_recv(), Ok(true), "done was called before wait returned");
    assert!(receiver.try_recv().is_err(), "once");
    upload.wait(Duration::ZERO).unwrap();
    assert_eq!(archive(&glacier), content);

    upload.start(None).unwrap();
    upload.wait(FOREVER).unwrap();
    assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 1, "the upload was already completed");
}

#[test]
fn failed_start_never_calls_done() {
    let glacier = start();
    let dropped = Arc::new(AtomicBool::new(false));
    struct DropFlag(Arc<AtomicBool>);
    impl Drop for DropFlag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let drop_flag = DropFlag(Arc::clone(&dropped));
    let done = DoneFn::new(move |_| {
        let _ = &drop_flag;
        panic!("done was called after a failed start");
    });
    assert_eq!(code(upload(&glacier).start(Some(done))), Kind::State, "no source");
    assert!(dropped.load(Ordering::Acquire));
}

#[test]
fn callbacks_run_on_the_uploads_own_thread() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let upload = ready(&glacier, &file);
    let here = std::thread::current().id();
    let (sender, receiver) = mpsc::channel();
    let done_sender = sender.clone();
    upload
        .set_progress(Some(Box::new(move |_| {
            sender.send(std::thread::current().id()).unwrap();
            Flow::Continue
        })))
        .unwrap();
    upload.start(Some(DoneFn::new(move |_| done_sender.send(std::thread::current().id()).unwrap()))).unwrap();
    upload.wait(FOREVER).unwrap();
    drop(upload);
    let threads: Vec<_> = receiver.iter().collect();
    assert!(threads.len() >= 2);
    assert!(threads.iter().all(|thread| *thread == threads[0] && *thread != here));
}

#[test]
fn started_run_is_exclusive_and_cancelable() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    glacier.add_fault(stalled());
    let upload = ready(&glacier, &file);
    upload.start(None).unwrap();
    assert_eq!(code(upload.run()), Kind::Busy);
    assert_eq!(code(upload.start(None)), Kind::Busy);
    assert_eq!(code(upload.wait(Duration::ZERO)), Kind::Pending);
    upload.cancel();
    let error = upload.wait(FOREVER).unwrap_err();
    assert_eq!(error.kind(), Kind::Canceled);
    assert_eq!(code(upload.wait(FOREVER)), Kind::Canceled, "wait may be repeated");
    glacier.clear_faults();
    upload.start(None).unwrap();
    upload.wait(FOREVER).unwrap();
    assert_eq!(archive(&glacier), content);
}

#[test]
fn handle_is_busy_inside_done() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let upload = ready(&glacier, &file);
    let inside = Arc::downgrade(&upload);
    upload
        .start(Some(DoneFn::new(move |_| {
            let upload = inside.upgrade().unwrap();
            assert_eq!(code(upload.wait(FOREVER)), Kind::Busy);
            assert_eq!(code(upload.start(None)), Kind::Busy);
            assert_eq!(upload.state(), State::Completed);
        })))
        .unwrap();
    upload.wait(FOREVER).unwrap();
    upload.run().unwrap();
}

#[test]
fn wait_returns_canceled_when_handle_is_freed() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    glacier.add_fault(stalled());
    let upload = ready(&glacier, &file);
    upload.start(None).unwrap();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| code(upload.wait(FOREVER)))).collect();
        while upload.progress().unwrap().parts_in_flight == 0 {
            std::thread::yield_now();
        }
        upload.release();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Kind::Canceled);
        }
    });
}

#[test]
fn free_cancels_started_run_and_done_is_called() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    glacier.add_fault(stalled());
    let upload = ready(&glacier, &file);
    let (sender, receiver) = mpsc::channel();
    upload
        .start(Some(DoneFn::new(move |outcome| {
            sender.send(outcome.as_ref().err().map(|error| error.kind())).unwrap();
        })))
        .unwrap();
    upload.release();
    drop(upload);
    assert_eq!(receiver.recv().unwrap(), Some(Kind::Canceled));
    assert!(receiver.recv().is_err(), "the values captured by done have been dropped");
}

#[test]
fn abort_cancels_started_run_first() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    glacier.add_fault(stalled());
    let upload = ready(&glacier, &file);
    let in_flight = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&in_flight);
    upload
        .set_progress(Some(Box::new(move |progress| {
            seen.fetch_max(progress.parts_in_flight, Ordering::Release);
            Flow::Continue
        })))
        .unwrap();
    upload.start(None).unwrap();
    while in_flight.load(Ordering::Acquire) == 0 {
        std::thread::yield_now();
    }
    upload.abort().unwrap();
    assert!(glacier.uploads().is_empty());
    assert_eq!(upload.state(), State::Aborted);
    assert_eq!(code(upload.wait(FOREVER)), Kind::Canceled);
}
