//! Models of the state that threads share, for a model checker. It tries thousands of thread interleavings. Waits never time out
//! in it, so it reports a lost wake-up as a deadlock. `make models` runs them.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use shuttle::thread;

use crate::bandwidth::TokenBucket;
use crate::callback_loop::WakeEvent;
use crate::client::Client;
use crate::clock::Clock;
use crate::config::Config;
use crate::credentials::{Credentials, keys_from_function};
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::log::{Level, Log};
use crate::memory::BufferPool;
use crate::plan::ByteRange;
use crate::sign::Key;
use crate::source::ReadOutcome;
use crate::sync::cancel::{Cancel, Reason, canceled};
use crate::sync::fifo::FifoLock;
use crate::sync::lock;
use crate::treehash::{BatchPolicy, Kernels};
use crate::upload::admission::{Access, HandleLock};
use crate::upload::pipeline::hash::{HashQueue, HashingPart, hash_step};
use crate::upload::pipeline::limiter::SendLimiter;
use crate::upload::pipeline::part::PartBytes;
use crate::upload::pipeline::queue::Queue;
use crate::upload::progress::{Flow, ProgressCallback};
use crate::upload::session::Session;
use crate::upload::session::resume::PendingPart;
use crate::upload::session::state::{AtomicState, Event, State};
use crate::upload::stream::pipe::{Pipe, ReadStep};

/// Tries many random interleavings, and many with few context switches at bad points (PCT).
fn check(model: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(model, 3000);
    shuttle::check_pct(model, 1500, 3);
}

/// Runs each closure on a thread of its own, and waits for all.
fn all<T: Send + 'static>(works: Vec<Box<dyn FnOnce() -> T + Send>>) -> Vec<T> {
    let threads: Vec<_> = works.into_iter().map(|work| thread::spawn(work)).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn queue_delivers_each_item_once_and_closes() {
    check(|| {
        let (queue, cancel) = (Arc::new(Queue::new(1, 2)), Arc::new(Cancel::default()));
        let mut works: Vec<Box<dyn FnOnce() -> Vec<u32> + Send>> = Vec::new();
        for start in [0, 10] {
            let (queue, cancel) = (queue.clone(), cancel.clone());
            works.push(Box::new(move || {
                (start..start + 3).for_each(|n| queue.push(n, &cancel).unwrap());
                queue.writer_done();
                Vec::new()
            }));
        }
        for _ in 0..2 {
            let (queue, cancel) = (queue.clone(), cancel.clone());
            works.push(Box::new(move || std::iter::from_fn(|| queue.pop(&cancel).unwrap()).collect()));
        }
        let mut taken = all(works).concat();
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 10, 11, 12]);
    });
}

#[test]
fn cancel_ends_a_wait_at_the_queue() {
    check(|| {
        let (queue, cancel) = (Arc::new(Queue::<u32>::new(1, 1)), Arc::new(Cancel::default()));
        let (waiting, stop) = ((queue.clone(), cancel.clone()), cancel.clone());
        let waiting = thread::spawn(move || waiting.0.pop(&waiting.1));
        stop.raise();
        // In place of the interval after which a wait checks the cancel token.
        queue.writer_done();
        assert!(!matches!(waiting.join().unwrap(), Ok(Some(_))));
        assert_eq!(queue.push(1, &cancel).err().map(|error| error.kind()), None, "there is room: nothing to wait for");
        assert_eq!(queue.push(2, &cancel).unwrap_err().kind(), Kind::Canceled);
    });
}

#[test]
fn hash_queue_hashes_each_part_once() {
    check(|| {
        let (hashing, cancel) =
            (Arc::new(HashQueue::new(BatchPolicy { min_half: 2, min_full: 3 }, 2)), Arc::new(Cancel::default()));
        let hash = || {
            let (hashing, cancel) = (hashing.clone(), cancel.clone());
            Box::new(move || {
                let mut indexes = Vec::new();
                loop {
                    let mut step = hashing.take(&cancel).unwrap();
                    if step.is_empty() {
                        return indexes;
                    }
                    hash_step(Kernels::best(), &mut step, &cancel, |_| ()).unwrap();
                    indexes.extend(hashing.give_back(step).into_iter().map(|part| part.pending.index));
                }
            }) as Box<dyn FnOnce() -> Vec<u32> + Send>
        };
        let (works, put) = ([hash(), hash()], hashing.clone());
        let read = move || {
            for index in 0..5 {
                let pending = PendingPart::new(index, ByteRange { first: 0, last: 0 });
                put.push(HashingPart::new(pending, PartBytes::Lent(b"x")), &Cancel::default()).unwrap();
            }
            put.close();
            Vec::new()
        };
        let mut hashed = all(works.into_iter().chain([Box::new(read) as Box<_>]).collect()).concat();
        hashed.sort_unstable();
        assert_eq!(hashed, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn handle_lock_admits_one_exclusive_or_many_shared_calls() {
    check(|| {
        let (gate, cancel) = (Arc::new(HandleLock::default()), Arc::new(Cancel::default()));
        let inside = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let enter = |entry| {
            let (gate, cancel, inside) = (gate.clone(), cancel.clone(), inside.clone());
            Box::new(move || {
                let Ok(entered) = gate.enter(entry, &cancel) else { return };
                let (shared, alone) = match entry {
                    Access::Shared => (inside.0.fetch_add(1, Ordering::SeqCst) + 1, inside.1.load(Ordering::SeqCst)),
                    Access::Exclusive => (inside.0.load(Ordering::SeqCst), inside.1.fetch_add(1, Ordering::SeqCst) + 1),
                };
                assert!(alone == 0 || (alone == 1 && shared == 0), "{shared} together and {alone} alone");
                match entry {
                    Access::Shared => inside.0.fetch_sub(1, Ordering::SeqCst),
                    Access::Exclusive => inside.1.fetch_sub(1, Ordering::SeqCst),
                };
                drop(entered);
            }) as Box<dyn FnOnce() + Send>
        };
        all(vec![enter(Access::Shared), enter(Access::Shared), enter(Access::Exclusive), enter(Access::Exclusive)]);
    });
}

#[test]
fn cancel_stops_a_call_or_stays() {
    check(|| {
        let (gate, cancel) = (Arc::new(HandleLock::default()), Arc::new(Cancel::default()));
        let stopped = Arc::new(AtomicU32::new(0));
        let mut works: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for _ in 0..2 {
            let (gate, cancel, stopped) = (gate.clone(), cancel.clone(), stopped.clone());
            works.push(Box::new(move || {
                let entered = gate.enter(Access::Shared, &cancel).unwrap();
                if cancel.is_raised() {
                    stopped.fetch_add(1, Ordering::SeqCst);
                    entered.was_canceled();
                }
            }));
        }
        let asks = cancel.clone();
        works.push(Box::new(move || asks.raise()));
        all(works);
        let stopped = stopped.load(Ordering::SeqCst);
        assert!(stopped > 0 || cancel.is_raised(), "nobody was stopped, and it is forgotten");
        // A cancel that stopped no call stops the next one, and is cleared by it.
        let entered = gate.enter(Access::Exclusive, &cancel).unwrap();
        if cancel.is_raised() {
            entered.was_canceled();
        }
        drop(entered);
        assert!(!cancel.is_raised());
    });
}

#[test]
fn child_cancel_does_not_raise_its_parent() {
    check(|| {
        let above = Arc::new(Cancel::default());
        let below = Arc::new(Cancel::child_of(above.clone()));
        let (fails, asks) = (below.clone(), above.clone());
        all(vec![
            Box::new(move || fails.raise_for(Reason::Failed)) as Box<dyn FnOnce() + Send>,
            Box::new(move || asks.raise_for(Reason::Callback)),
        ]);
        assert!(below.is_raised() && above.is_raised());
        above.clear(Reason::Callback);
        assert!(below.is_raised() && !above.is_raised());
    });
}

#[test]
fn fifo_lock_admits_one_at_a_time() {
    check(|| {
        let (turns, cancel) = (Arc::new(FifoLock::default()), Arc::new(Cancel::default()));
        let at_it = Arc::new(AtomicU32::new(0));
        let work = || {
            let (turns, cancel, at_it) = (turns.clone(), cancel.clone(), at_it.clone());
            Box::new(move || {
                let _place = turns.acquire(&cancel).unwrap();
                assert_eq!(at_it.fetch_add(1, Ordering::SeqCst), 0);
                at_it.fetch_sub(1, Ordering::SeqCst);
            }) as Box<dyn FnOnce() + Send>
        };
        all(vec![work(), work(), work()]);
    });
}

#[test]
fn buffer_pool_serves_all_within_its_limit() {
    check(|| {
        let (budget, cancel) = (Arc::new(BufferPool::new(100)), Arc::new(Cancel::default()));
        let held = Arc::new(AtomicUsize::new(0));
        let reserve = Arc::new(budget.reserve(40).unwrap());
        let mut works: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for length in [60, 30, 50] {
            let (budget, cancel, held) = (budget.clone(), cancel.clone(), held.clone());
            works.push(Box::new(move || {
                let buffer = budget.acquire(length, &cancel).unwrap();
                assert!(held.fetch_add(length, Ordering::SeqCst) + length <= 60);
                held.fetch_sub(length, Ordering::SeqCst);
                drop(buffer);
            }));
        }
        for _ in 0..2 {
            let (reserve, cancel) = (reserve.clone(), cancel.clone());
            works.push(Box::new(move || drop(reserve.acquire(&cancel).unwrap())));
        }
        all(works);
    });
}

/// A clock whose waits end at once.
#[derive(Debug, Default)]
struct Quick(Mutex<Duration>);

impl Clock for Quick {
    fn unix_time(&self) -> i64 {
        0
    }

    fn monotonic(&self) -> Duration {
        *lock(&self.0)
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<()> {
        *lock(&self.0) += time;
        cancel.check()
    }
}

#[test]
fn token_bucket_keeps_the_bandwidth_limit() {
    check(|| {
        let clock = Arc::new(Quick::default());
        let around = Arc::new(TokenBucket::new(1_000_000, clock.clone()));
        let cancel = Arc::new(Cancel::default());
        let taker = |bucket: Arc<TokenBucket>| {
            let cancel = cancel.clone();
            Box::new(move || {
                let mut left = 30_000;
                while left > 0 {
                    left -= bucket.take(left, &cancel).unwrap();
                }
            }) as Box<dyn FnOnce() + Send>
        };
        let inner = Arc::new(TokenBucket::child_of(&around));
        let changed = inner.clone();
        all(vec![
            taker(inner.clone()),
            taker(inner),
            taker(around.clone()),
            Box::new(move || changed.set_limit(700_000)),
        ]);
        let most = clock.monotonic().as_secs_f64() * 1e6 + 100_000.0;
        assert!(90_000.0 <= most, "90,000 bytes in {most}");
    });
}

#[test]
fn pipe_delivers_written_bytes_in_order() {
    check(|| {
        let pipe = Arc::new(Pipe::new(Arc::default()));
        let filled = {
            let pipe = pipe.clone();
            thread::spawn(move || {
                let (budget, cancel) = (Arc::new(BufferPool::new(100)), Cancel::default());
                let mut content = Vec::new();
                loop {
                    let (buffer, length) = pipe.fill(budget.acquire(4, &cancel).unwrap(), &cancel).unwrap();
                    content.extend_from_slice(&buffer[..length]);
                    if length < 4 {
                        return content;
                    }
                }
            })
        };
        let mut rest: &[u8] = b"0123456789";
        while !rest.is_empty() {
            let taken = pipe.push(&rest[..rest.len().min(3)]);
            rest = &rest[taken..];
            if taken == 0 {
                pipe.wake().wait(Duration::MAX);
            }
        }
        pipe.end();
        assert_eq!(filled.join().unwrap(), b"0123456789");
    });
}

#[test]
fn pipe_reads_a_callback_to_its_end_only() {
    check(|| {
        let pipe = Arc::new(Pipe::new(Arc::default()));
        let filled = {
            let pipe = pipe.clone();
            thread::spawn(move || {
                let (budget, cancel) = (Arc::new(BufferPool::new(100)), Cancel::default());
                let mut size = 0;
                loop {
                    let (buffer, length) = pipe.fill(budget.acquire(4, &cancel).unwrap(), &cancel).unwrap();
                    size += length;
                    if length < buffer.len() {
                        return size;
                    }
                }
            })
        };
        let mut left = 9;
        while !pipe.has_ended() {
            let step = pipe.read(|room| {
                assert!(!room.is_empty(), "no room is no question");
                let length = left.min(room.len()).min(3);
                left -= length;
                ReadOutcome::Bytes(length)
            });
            if step == ReadStep::Idle {
                pipe.wake().wait(Duration::MAX);
            }
        }
        assert_eq!(filled.join().unwrap(), 9);
    });
}

#[test]
fn wake_event_loses_no_notification() {
    check(|| {
        let (bell, done) = (Arc::new(WakeEvent::default()), Arc::new(AtomicU32::new(0)));
        let mut works: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for _ in 0..2 {
            let (bell, done) = (bell.clone(), done.clone());
            works.push(Box::new(move || {
                done.fetch_add(1, Ordering::SeqCst);
                bell.notify();
            }));
        }
        works.push(Box::new(move || {
            while done.load(Ordering::SeqCst) < 2 {
                bell.wait(Duration::MAX);
            }
        }));
        all(works);
    });
}

#[test]
fn log_delivers_each_line_once() {
    check(|| {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (inside, into) = (AtomicU32::new(0), lines.clone());
        let sink = move |_: Level, line: &CStr| {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            lock(&into).push(line.to_str().unwrap().to_owned());
            inside.fetch_sub(1, Ordering::SeqCst);
        };
        let log = Arc::new(Log::new(Level::Info, Some(Box::new(sink))));
        let work = |n: u32| {
            let log = log.clone();
            Box::new(move || {
                log.write(Level::Info, format_args!("{n}"));
                log.deliver();
            }) as Box<dyn FnOnce() + Send>
        };
        all(vec![work(1), work(2), work(3)]);
        let mut lines = lock(&lines).clone();
        lines.sort();
        assert_eq!(lines, ["1", "2", "3"], "whoever delivered last left none behind");
    });
}

#[test]
fn progress_callback_runs_on_one_thread_at_a_time() {
    check(|| {
        let listener = Arc::new(ProgressCallback::default());
        let inside = AtomicU32::new(0);
        drop(listener.replace(Some(Box::new(move |_| {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            Flow::Continue
        }))));
        let work = || {
            let listener = listener.clone();
            Box::new(move || {
                if let Some(mut report) = listener.replace(None) {
                    report(&crate::upload::Progress::default());
                    listener.replace(Some(report));
                }
            }) as Box<dyn FnOnce() + Send>
        };
        all(vec![work(), work(), work()]);
        assert!(listener.replace(None).is_some());
    });
}

#[test]
fn state_applies_events_atomically() {
    check(|| {
        let state = Arc::new(AtomicState::default());
        state.change(|state| state.after(Event::Known)).unwrap();
        let work = |event: Event| {
            let state = state.clone();
            Box::new(move || state.change(|state| state.after(event)).is_ok()) as Box<dyn FnOnce() -> bool + Send>
        };
        let sent = all(vec![work(Event::Sending), work(Event::Aborted), work(Event::Sending)]);
        assert!(sent[1]);
        assert_eq!(state.get(), State::Aborted);
    });
}

#[test]
fn limiter_runs_every_attempt() {
    fn session() -> Session {
        let mut config = Config::new(Environment::isolated());
        config.set_region("us-east-1").unwrap();
        config.set_credentials("id", "secret", None).unwrap();
        config.set_concurrency(2).unwrap();
        Session::new(&Client::new(&config).unwrap(), "vault")
    }
    shuttle::check_random(
        || {
            let session = session();
            // The limiter borrows the session for as long as its threads live.
            let session: &'static Session = Box::leak(Box::new(session));
            let (limiter, cancel) = (Arc::new(SendLimiter::new(session, 1 << 20)), Arc::new(Cancel::default()));
            let work = |is_throttled: bool| {
                let (limiter, cancel) = (limiter.clone(), cancel.clone());
                Box::new(move || {
                    for _ in 0..2 {
                        let outcome = if is_throttled { Err(Error::new(Kind::Throttled, "x")) } else { Ok(()) };
                        let _ = limiter.attempt(&cancel, || outcome);
                    }
                }) as Box<dyn FnOnce() + Send>
            };
            all(vec![work(false), work(true), work(false)]);
        },
        100,
    );
}

#[test]
fn one_thread_at_a_time_gets_keys_and_a_waiter_takes_over_from_a_canceled_one() {
    check(|| {
        let at_work = Arc::new(AtomicU32::new(0));
        let working = at_work.clone();
        let keys = Arc::new(keys_from_function(move |cancel| {
            assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0);
            thread::yield_now();
            let is_canceled = cancel.is_raised();
            working.fetch_sub(1, Ordering::SeqCst);
            if is_canceled {
                return Err(canceled());
            }
            Ok(Credentials { key: Key::new("AK", "secret", None), expires: None })
        }));
        let (canceled, other) = (Arc::new(Cancel::default()), Arc::new(Cancel::default()));
        let acquire = |cancel: &Arc<Cancel>| {
            let (keys, cancel) = (keys.clone(), cancel.clone());
            Box::new(move || keys.acquire(&|| 0, &cancel).is_ok()) as Box<dyn FnOnce() -> bool + Send>
        };
        let raised = canceled.clone();
        let cancels = Box::new(move || {
            raised.raise();
            true
        });
        let acquired = all(vec![acquire(&canceled), cancels, acquire(&other), acquire(&other)]);
        assert!(acquired[2] && acquired[3], "a cancel stops no other call");
        assert_eq!(keys.acquire(&|| 0, &other).unwrap().number, 1);
    });
}
