//! Side-by-side benchmarks.
//!
//! Each repetition runs all candidates, starting with a different one each time. Ratios are computed within a repetition,
//! so that other load on the machine affects all candidates equally. The measure is the CPU time of the process. For work
//! shared by threads, it is wall-clock time.

use std::fs;
use std::time::Duration;

pub use rustix::time::ClockId;
use rustix::time::clock_gettime;

/// A candidate in a benchmark.
pub struct Candidate<'a> {
    name: String,
    run: Box<dyn FnMut() + 'a>,
}

/// Creates a candidate with its name in the table.
pub fn candidate<'a>(name: impl Into<String>, run: impl FnMut() + 'a) -> Candidate<'a> {
    Candidate { name: name.into(), run: Box::new(run) }
}

/// Runs the candidates over `bytes` bytes each, and prints their speed relative to the candidates at the indexes
/// `references`.
pub fn compare(title: &str, bytes: usize, repetitions: usize, references: &[usize], candidates: Vec<Candidate<'_>>) {
    compare_by(ClockId::ProcessCPUTime, title, bytes, repetitions, references, candidates);
}

/// Like [`compare`], with another clock.
pub fn compare_by(
    clock: ClockId,
    title: &str,
    bytes: usize,
    repetitions: usize,
    references: &[usize],
    mut candidates: Vec<Candidate<'_>>,
) {
    let mut seconds = vec![Vec::with_capacity(repetitions); candidates.len()];
    for repetition in 0..repetitions {
        for offset in 0..candidates.len() {
            let index = (offset + repetition) % candidates.len();
            let before = time(clock);
            (candidates[index].run)();
            seconds[index].push((time(clock) - before).as_secs_f64());
        }
    }
    println!("\n{title} ({repetitions} repetitions, load {})", load());
    for reference in references {
        println!("  x{}: times as fast as {}", reference + 1, candidates[*reference].name);
    }
    for (candidate, own) in candidates.iter().zip(&seconds) {
        for &reference in references {
            let ratios = seconds[reference].iter().zip(own).map(|(reference, own)| reference / own);
            let [low, median, high] = spread(ratios);
            print!("  x{} {median:.3} ({low:.3}-{high:.3})", reference + 1);
        }
        let [_, median, _] = spread(own.iter().copied());
        println!("  {:8.2} ms  {:6.3} GB/s  {}", median * 1e3, bytes as f64 / median * 1e-9, candidate.name);
    }
}

/// Returns the CPU time of all threads of this process.
pub fn cpu_time() -> Duration {
    time(ClockId::ProcessCPUTime)
}

fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Returns the first decile, the median and the last decile.
pub fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 10, last / 2, last - last / 10].map(|at| values[at])
}

/// Returns the load average of the last minute.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
