//! The soak: whole uploads that meet faults at random, are stopped and carried on, and must become the archive all the
//! same. Everything is drawn from a seed. `GLACIER_SOAK_SECONDS` lets it go on for so long, from `GLACIER_SOAK_SEED` on, or
//! from a seed that nobody has tried yet.

mod course;
mod play;
mod tally;

use std::io::Write;
use std::num::NonZero;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::play::play;
use self::tally::Tally;
use crate::text_of;

/// The uploads of a short run.
const SHORT: u64 = 200;

#[test]
fn uploads_through_everything() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("GLACIER_SOAK_SECONDS");
    let first = number("GLACIER_SOAK_SEED");
    let start = Instant::now();
    let (first, is_over): (u64, Box<dyn Fn(u64) -> bool + Sync>) = match (first, seconds) {
        // The seed of a failure, by itself.
        (Some(seed), None) => (seed, Box::new(|played| played == 1)),
        (None, None) => (1, Box::new(|played| played == SHORT)),
        (seed, Some(seconds)) => {
            let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() * 1000;
            let last = Duration::from_secs(seconds);
            (seed.unwrap_or_else(now), Box::new(move |_| start.elapsed() >= last))
        }
    };
    let (next, total, failed) = (Mutex::new(0), Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    let threads = 2 * std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let mut played = next.lock().unwrap();
                    if is_over(*played) || failed.lock().unwrap().len() >= 3 {
                        break;
                    }
                    let seed = first + *played;
                    *played += 1;
                    drop(played);
                    match catch_unwind(|| play(seed)).unwrap_or_else(|panic| Err(text_of(&*panic))) {
                        Ok(tally) => *total.lock().unwrap() += tally,
                        Err(why) => failed.lock().unwrap().push((seed, why)),
                    }
                }
            });
        }
    });
    // Shown whether the test passes or not.
    write!(std::io::stdout(), "\nsoak of {:.1?}: {}", start.elapsed(), total.into_inner().unwrap()).unwrap();
    let failed = failed.into_inner().unwrap();
    for (seed, why) in &failed {
        println!("GLACIER_SOAK_SEED={seed} replays this:\n{why}\n");
    }
    assert!(failed.is_empty(), "{} uploads failed", failed.len());
}
