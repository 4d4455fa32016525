//! Tests of the AIMD window and of the 4-minute bound.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::Outcome::{Acknowledged, Failed, Throttled};
use super::*;
use crate::limits::MIB;

fn at(seconds: u64, sent: u64) -> Sample {
    Sample { time: Duration::from_secs(seconds), sent }
}

/// Creates a limit without a throughput estimate: no time passes.
fn limit(workers: u32) -> ConcurrencyLimit {
    ConcurrencyLimit::new(workers, MIB)
}

/// Begins as many attempts as the window admits.
fn begin_all(limit: &mut ConcurrencyLimit, now: Sample) -> Vec<Ticket> {
    std::iter::from_fn(|| limit.begin(now)).collect()
}

fn end_all(limit: &mut ConcurrencyLimit, tickets: Vec<Ticket>, outcome: Outcome, now: Sample) {
    tickets.into_iter().for_each(|ticket| limit.end(ticket, outcome, now));
}

#[test]
fn starts_with_all_workers_in_flight() {
    let mut limit = limit(8);
    assert_eq!(begin_all(&mut limit, at(0, 0)).len(), 8);
    assert!(limit.begin(at(1000, 0)).is_none());
}

#[test]
fn halves_once_per_throttled_window() {
    let mut limit = limit(8);
    for window in [4, 2, 1, 1] {
        let throttled = begin_all(&mut limit, at(0, 0));
        end_all(&mut limit, throttled, Throttled, at(0, 0));
        assert_eq!(limit.window(), window);
    }
}

#[test]
fn halves_again_if_an_attempt_after_halving_is_throttled() {
    let mut limit = limit(8);
    let mut throttled = begin_all(&mut limit, at(0, 0));
    limit.end(throttled.remove(0), Throttled, at(0, 0));
    assert!(limit.begin(at(0, 0)).is_none(), "7 attempts are in flight");
    let last = throttled.split_off(3);
    end_all(&mut limit, last, Failed, at(0, 0));
    let new = limit.begin(at(0, 0)).unwrap();
    end_all(&mut limit, throttled, Throttled, at(0, 0));
    assert_eq!(limit.window(), 4, "the rest of the throttled window");
    limit.end(new, Throttled, at(0, 0));
    assert_eq!(limit.window(), 2);
}

#[test]
fn increases_by_one_per_acknowledged_window() {
    let mut limit = limit(8);
    for _ in 0..3 {
        let throttled = begin_all(&mut limit, at(0, 0));
        end_all(&mut limit, throttled, Throttled, at(0, 0));
    }
    let mut windows = Vec::new();
    for _ in 0..30 {
        let ticket = limit.begin(at(0, 0)).unwrap();
        limit.end(ticket, Acknowledged, at(0, 0));
        windows.push(limit.window());
    }
    let rounds = [vec![2; 2], vec![3; 3], vec![4; 4], vec![5; 5], vec![6; 6], vec![7; 7], vec![8; 3]];
    assert_eq!(windows, rounds.concat());
}

#[test]
fn ignores_acknowledgements_from_before_halving() {
    let mut limit = limit(8);
    let mut old = begin_all(&mut limit, at(0, 0));
    limit.end(old.remove(0), Throttled, at(0, 0));
    end_all(&mut limit, old, Acknowledged, at(0, 0));
    assert_eq!(limit.window(), 4);
    let new = begin_all(&mut limit, at(0, 0));
    end_all(&mut limit, new, Acknowledged, at(0, 0));
    assert_eq!(limit.window(), 5);
}

#[test]
fn keeps_window_after_other_failures() {
    let mut limit = limit(8);
    for _ in 0..5 {
        let all = begin_all(&mut limit, at(0, 0));
        end_all(&mut limit, all, Failed, at(0, 0));
    }
    assert_eq!(limit.window(), 8);
}

/// A transfer with a full window, whose parts are acknowledged one after the other.
struct Simulation {
    limit: ConcurrencyLimit,
    in_flight: VecDeque<Ticket>,
    clock: Sample,
}

impl Simulation {
    fn new() -> Self {
        Self { limit: ConcurrencyLimit::new(8, 16 * MIB), in_flight: VecDeque::new(), clock: at(0, 0) }
    }

    /// Sends parts at a throughput in bytes per second.
    fn send(&mut self, parts: u64, speed: u32) {
        for _ in 0..parts {
            self.in_flight.extend(begin_all(&mut self.limit, self.clock));
            self.clock.sent += 16 * MIB;
            self.clock.time += Duration::from_secs(16 * MIB) / speed;
            self.limit.end(self.in_flight.pop_front().unwrap(), Acknowledged, self.clock);
        }
    }
}

#[test]
fn admits_parts_that_finish_within_4_minutes() {
    for (speed, window) in [(10_000, 1), (69_000, 1), (140_000, 2), (350_000, 5), (559_000, 7), (560_000, 8)] {
        let mut run = Simulation::new();
        run.send(10, speed);
        assert_eq!(run.limit.window(), window, "{speed}");
        assert_eq!(run.limit.limiting_throughput().is_some(), window < 8, "{speed}");
        run.send(100, 10_000_000);
        assert_eq!(run.limit.window(), 8, "fast again after {speed}");
    }
}

#[test]
fn measures_throughput_over_20_s_without_idle_time() {
    let mut limit = ConcurrencyLimit::new(8, 16 * MIB);
    let ticket = limit.begin(at(0, 0)).unwrap();
    limit.end(ticket, Acknowledged, at(19, 19_000));
    assert_eq!(limit.window(), 8, "no estimate yet");
    // An idle hour, an attempt on a lost connection, and another idle hour.
    let ticket = limit.begin(at(3600, 19_000)).unwrap();
    limit.end(ticket, Failed, at(7200, 19_000));
    assert_eq!(limit.window(), 8);
    let ticket = limit.begin(at(10_800, 19_000)).unwrap();
    limit.end(ticket, Throttled, at(10_801, 20_000));
    assert_eq!(limit.limiting_throughput(), Some(1000));
    assert_eq!(limit.window(), 1);
}

#[test]
fn admits_one_part_at_zero_throughput() {
    let mut limit = ConcurrencyLimit::new(8, 4096 * MIB);
    let ticket = limit.begin(at(0, 0)).unwrap();
    limit.end(ticket, Throttled, at(300, 0));
    assert_eq!((limit.limiting_throughput(), limit.window()), (Some(0), 1));
    assert!(limit.begin(at(300, 0)).is_some());
}

#[test]
fn bandwidth_cap_applies_at_once() {
    let mut run = Simulation::new();
    run.limit.set_bandwidth_cap(Some(210_000), at(0, 0));
    assert_eq!((run.limit.window(), run.limit.limiting_throughput()), (3, Some(210_000)));
    run.send(10, 100_000);
    let Simulation { mut limit, clock, .. } = run;
    assert_eq!(limit.window(), 1, "the measured throughput is lower");
    limit.set_bandwidth_cap(Some(210_000), clock);
    assert_eq!(limit.window(), 1, "the same cap keeps the estimate");
    limit.set_bandwidth_cap(Some(420_000), clock);
    assert_eq!(limit.window(), 6, "another cap discards the estimate");
    limit.set_bandwidth_cap(None, clock);
    assert_eq!((limit.window(), limit.limiting_throughput()), (8, None));
    limit.set_bandwidth_cap(Some(1), clock);
    assert_eq!(limit.window(), 1);
}

#[test]
fn keeps_window_while_throughput_is_lower() {
    let mut limit = ConcurrencyLimit::new(8, 16 * MIB);
    let throttled = begin_all(&mut limit, at(0, 0));
    end_all(&mut limit, throttled, Throttled, at(0, 0));
    limit.set_bandwidth_cap(Some(70_000), at(0, 0));
    for _ in 0..100 {
        let ticket = limit.begin(at(0, 0)).unwrap();
        limit.end(ticket, Acknowledged, at(0, 0));
    }
    assert_eq!(limit.window(), 1);
    limit.set_bandwidth_cap(None, at(0, 0));
    assert_eq!(limit.window(), 4);
}

#[test]
fn halves_the_effective_window() {
    let mut limit = ConcurrencyLimit::new(8, 16 * MIB);
    limit.set_bandwidth_cap(Some(280_000), at(0, 0));
    let throttled = begin_all(&mut limit, at(0, 0));
    assert_eq!(throttled.len(), 4);
    end_all(&mut limit, throttled, Throttled, at(0, 0));
    assert_eq!(limit.window(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Begin,
    End(usize, Outcome),
    Cap(Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64, u64)>> {
    let outcome = prop_oneof![3 => Just(Acknowledged), 1 => Just(Throttled), 1 => Just(Failed)];
    let step = prop_oneof![
        4 => Just(Step::Begin),
        4 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => prop::option::of(0..1_000_000_u64).prop_map(Step::Cap),
    ];
    prop::collection::vec((step, 0..60_000_u64, 0..100_000_000_u64), 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// At least one part, at most all workers, never more than the window when an attempt begins, and never more than the cap.
    #[test]
    fn window_stays_within_bounds(workers in 1..=32_u32, steps in steps()) {
        let (mut limit, mut clock, mut in_flight) = (ConcurrencyLimit::new(workers, 16 * MIB), at(0, 0), Vec::new());
        for (step, millis, bytes) in steps {
            clock.time += Duration::from_millis(millis);
            clock.sent += bytes;
            let before = (limit.window(), in_flight.len());
            match step {
                Step::Begin => {
                    let ticket = limit.begin(clock);
                    prop_assert_eq!(ticket.is_some(), before.1 < before.0 as usize);
                    in_flight.extend(ticket);
                }
                Step::End(which, outcome) if !in_flight.is_empty() => {
                    let which = which % in_flight.len();
                    limit.end(in_flight.swap_remove(which), outcome, clock);
                    if outcome == Failed {
                        prop_assert_eq!(limit.window(), before.0);
                    }
                }
                Step::End(..) => {}
                Step::Cap(cap) => limit.set_bandwidth_cap(cap, clock),
            }
            prop_assert!((1..=workers).contains(&limit.window()));
            if let Some(cap) = limit.cap {
                prop_assert!(limit.window() == 1 || u64::from(limit.window()) * 16 * MIB <= cap * 240);
            }
        }
    }
}
