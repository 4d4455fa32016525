//! The soak: whole uploads that meet random faults, are stopped and resumed, and must still create the correct archive. A
//! seed determines the whole scenario. `GLACIER_SOAK_SECONDS` sets the duration. `GLACIER_SOAK_SEED` sets the first seed;
//! the default is a new one for each run.

mod run;
mod scenario;
mod stats;

use std::io::Write;
use std::num::NonZero;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::run::run_scenario;
use self::stats::Stats;
use crate::panic_text;

/// The number of uploads in a short run.
const SHORT: u64 = 200;

#[test]
fn uploads_survive_random_faults() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("GLACIER_SOAK_SECONDS");
    let first = number("GLACIER_SOAK_SEED");
    let start = Instant::now();
    let (first, is_over): (u64, Box<dyn Fn(u64) -> bool + Sync>) = match (first, seconds) {
        // Repeats one failure.
        (Some(seed), None) => (seed, Box::new(|ran| ran == 1)),
        (None, None) => (1, Box::new(|ran| ran == SHORT)),
        (seed, Some(seconds)) => {
            let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() * 1000;
            let last = Duration::from_secs(seconds);
            (seed.unwrap_or_else(now), Box::new(move |_| start.elapsed() >= last))
        }
    };
    let (next, total, failed) = (Mutex::new(0), Mutex::new(Stats::default()), Mutex::new(Vec::new()));
    let threads = 2 * std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let mut ran = next.lock().unwrap();
                    if is_over(*ran) || failed.lock().unwrap().len() >= 3 {
                        break;
                    }
                    let seed = first + *ran;
                    *ran += 1;
                    drop(ran);
                    match catch_unwind(|| run_scenario(seed)).unwrap_or_else(|panic| Err(panic_text(&*panic))) {
                        Ok(stats) => *total.lock().unwrap() += stats,
                        Err(why) => failed.lock().unwrap().push((seed, why)),
                    }
                }
            });
        }
    });
    // Printed whether the test passes or fails.
    write!(std::io::stdout(), "\nsoak of {:.1?}: {}", start.elapsed(), total.into_inner().unwrap()).unwrap();
    let failed = failed.into_inner().unwrap();
    for (seed, why) in &failed {
        println!("GLACIER_SOAK_SEED={seed} repeats this failure:\n{why}\n");
    }
    assert!(failed.is_empty(), "{} uploads failed", failed.len());
}
