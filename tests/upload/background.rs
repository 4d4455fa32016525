//! Runs that do not keep the caller's thread.

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
fn a_run_is_started_and_waited_for() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let upload = ready(&glacier, &file);
    assert_eq!(code(upload.wait(FOREVER)), Kind::State, "nothing was started");
    let (tell, told) = mpsc::channel();
    upload.start(Some(DoneFn::new(move |outcome| tell.send(outcome.is_ok()).unwrap()))).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| upload.wait(FOREVER).unwrap());
        }
    });
    assert_eq!(told.try_recv(), Ok(true), "done was called before");
    assert!(told.try_recv().is_err(), "once");
    upload.wait(Duration::ZERO).unwrap();
    assert_eq!(archive(&glacier), content);

    upload.start(None).unwrap();
    upload.wait(FOREVER).unwrap();
    assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 1, "it is completed");
}

#[test]
fn done_is_not_called_for_what_was_not_started() {
    let glacier = start();
    let dropped = Arc::new(AtomicBool::new(false));
    struct Tells(Arc<AtomicBool>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let tells = Tells(Arc::clone(&dropped));
    let done = DoneFn::new(move |_| {
        let _ = &tells;
        panic!("it was not started");
    });
    assert_eq!(code(upload(&glacier).start(Some(done))), Kind::State, "no source");
    assert!(dropped.load(Ordering::Acquire));
}

#[test]
fn callbacks_come_on_the_uploads_own_thread() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let upload = ready(&glacier, &file);
    let here = std::thread::current().id();
    let (tell, told) = mpsc::channel();
    let tell_too = tell.clone();
    upload
        .set_progress(Some(Box::new(move |_| {
            tell.send(std::thread::current().id()).unwrap();
            Flow::Continue
        })))
        .unwrap();
    upload.start(Some(DoneFn::new(move |_| tell_too.send(std::thread::current().id()).unwrap()))).unwrap();
    upload.wait(FOREVER).unwrap();
    drop(upload);
    let threads: Vec<_> = told.iter().collect();
    assert!(threads.len() >= 2);
    assert!(threads.iter().all(|thread| *thread == threads[0] && *thread != here));
}

#[test]
fn a_started_run_has_the_handle_to_itself_and_can_be_canceled() {
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
    assert_eq!(code(upload.wait(FOREVER)), Kind::Canceled, "any number of times");
    glacier.clear_faults();
    upload.start(None).unwrap();
    upload.wait(FOREVER).unwrap();
    assert_eq!(archive(&glacier), content);
}

#[test]
fn inside_done_the_handle_is_busy_and_afterwards_free() {
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
fn who_waits_learns_that_the_handle_was_freed() {
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
fn freeing_a_started_run_ends_it_and_done_still_comes() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    glacier.add_fault(stalled());
    let upload = ready(&glacier, &file);
    let (tell, told) = mpsc::channel();
    upload
        .start(Some(DoneFn::new(move |outcome| {
            tell.send(outcome.as_ref().err().map(|error| error.kind())).unwrap();
        })))
        .unwrap();
    upload.release();
    drop(upload);
    assert_eq!(told.recv().unwrap(), Some(Kind::Canceled));
    assert!(told.recv().is_err(), "what done owns has gone");
}

#[test]
fn abort_stops_a_started_run_first() {
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
