//! Measures ways to do one thing, side by side.
//!
//! Each repetition runs all of them, every time beginning with another, and ratios are taken within a repetition: what
//! else the machine does meanwhile meets all alike. What counts is the processor's time of the process, since waiting
//! for a turn is nobody's cost; but for threads that share their work, it is the time on the clock.

use std::fs;
use std::time::Duration;

pub use rustix::time::ClockId;
use rustix::time::clock_gettime;

/// One way to do it.
pub struct Way<'a> {
    name: String,
    run: Box<dyn FnMut() + 'a>,
}

/// A way, and what it is called in the table.
pub fn way<'a>(name: impl Into<String>, run: impl FnMut() + 'a) -> Way<'a> {
    Way { name: name.into(), run: Box::new(run) }
}

/// Runs the ways over `bytes` bytes each, and prints how many times as fast each is as the ways at `references`.
pub fn compare(title: &str, bytes: usize, repetitions: usize, references: &[usize], ways: Vec<Way<'_>>) {
    compare_by(ClockId::ProcessCPUTime, title, bytes, repetitions, references, ways);
}

/// The same by a clock of the caller's choice.
pub fn compare_by(
    clock: ClockId,
    title: &str,
    bytes: usize,
    repetitions: usize,
    references: &[usize],
    mut ways: Vec<Way<'_>>,
) {
    let mut seconds = vec![Vec::with_capacity(repetitions); ways.len()];
    for repetition in 0..repetitions {
        for turn in 0..ways.len() {
            let turn = (turn + repetition) % ways.len();
            let before = time(clock);
            (ways[turn].run)();
            seconds[turn].push((time(clock) - before).as_secs_f64());
        }
    }
    println!("\n{title} ({repetitions} repetitions, load {})", load());
    for reference in references {
        println!("  x{}: times as fast as {}", reference + 1, ways[*reference].name);
    }
    for (way, own) in ways.iter().zip(&seconds) {
        for &reference in references {
            let ratios = seconds[reference].iter().zip(own).map(|(reference, own)| reference / own);
            let [low, median, high] = spread(ratios);
            print!("  x{} {median:.3} ({low:.3}-{high:.3})", reference + 1);
        }
        let [_, median, _] = spread(own.iter().copied());
        println!("  {:8.2} ms  {:6.3} GB/s  {}", median * 1e3, bytes as f64 / median * 1e-9, way.name);
    }
}

/// The processor's time that all threads of this process took.
pub fn processor_time() -> Duration {
    time(ClockId::ProcessCPUTime)
}

fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The first decile, the median and the last decile.
pub fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 10, last / 2, last - last / 10].map(|at| values[at])
}

/// How much else the machine does.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
