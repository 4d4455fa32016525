//! How many parts may be in flight at once. Pure: time is an argument.
//!
//! Three things bound it, and the lowest counts: the caller's setting; a window, which a push-back of the service halves
//! and each full round of acknowledged parts widens by one; and what the line can finish before signatures expire.

use std::time::Duration;

/// How long all parts in flight may take together. A signature lives five minutes, and may be looked at when the last
/// byte of its part is there.
const DRAIN_SECONDS: u64 = 4 * 60;
/// The shortest time that the line is measured over.
const MEASURED_OVER: Duration = Duration::from_secs(20);

/// Decides it, from what becomes of each attempt.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    workers: u32,
    part_size: u64,
    in_flight: u32,
    /// The number of the next attempt.
    next: u64,
    window: u32,
    /// Attempts of a lower number were in flight when the window was halved last: they say nothing of the new one.
    halved_at: u64,
    /// The parts of this round that were acknowledged.
    acknowledged: u32,
    line: Speed,
    /// What the caller lets the line have, in bytes a second.
    allowed: Option<u64>,
}

/// An attempt that is in flight.
#[derive(Debug)]
pub(crate) struct Ticket(u64);

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The service holds the part.
    Acknowledged,
    /// The service, or the line, is overloaded.
    PushedBack,
    /// It failed for another reason.
    Failed,
}

/// A moment: the time, and how many bytes were on the wire by then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) time: Duration,
    pub(crate) sent: u64,
}

impl ConcurrencyLimit {
    /// Starts with all workers.
    pub(crate) fn new(workers: u32, part_size: u64) -> Self {
        Self {
            workers,
            part_size,
            in_flight: 0,
            next: 0,
            window: workers,
            halved_at: 0,
            acknowledged: 0,
            line: Speed::default(),
            allowed: None,
        }
    }

    /// The most parts that may be in flight; never 0.
    pub(crate) fn limit(&self) -> u32 {
        self.window.min(self.line_limit())
    }

    /// The line's speed in bytes a second, if that is what bounds the parts in flight.
    pub(crate) fn bounding_speed(&self) -> Option<u64> {
        self.line_speed().filter(|_| self.line_limit() < self.window)
    }

    /// Takes note of what the caller allows the line, in bytes a second. What was measured while it was another speed says
    /// nothing any more.
    pub(crate) fn allow(&mut self, allowed: Option<u64>, now: Sample) {
        if self.allowed != allowed {
            self.allowed = allowed;
            self.line = Speed { since: now, ..Speed::default() };
        }
    }

    /// Lets another attempt begin, unless there are as many in flight as may be.
    pub(crate) fn begin(&mut self, now: Sample) -> Option<Ticket> {
        if self.in_flight >= self.limit() {
            return None;
        }
        if self.in_flight == 0 {
            // A line that had nothing to do is not slow.
            self.line.skip(now);
        }
        self.in_flight += 1;
        self.next += 1;
        Some(Ticket(self.next - 1))
    }

    /// An attempt is over.
    pub(crate) fn end(&mut self, ticket: Ticket, outcome: Outcome, now: Sample) {
        self.in_flight -= 1;
        let of_this_window = ticket.0 >= self.halved_at;
        match outcome {
            Outcome::Acknowledged if of_this_window => self.widen(),
            Outcome::PushedBack if of_this_window => self.halve(),
            _ => {}
        }
        match outcome {
            Outcome::Acknowledged | Outcome::PushedBack => self.line.measure(now),
            // A line that broke is not slow either.
            Outcome::Failed => self.line.skip(now),
        }
    }

    fn widen(&mut self) {
        self.acknowledged += 1;
        if self.acknowledged >= self.limit() {
            self.acknowledged = 0;
            // Where the line is what bounds it, the window was not tried out.
            if self.window < self.workers && self.window <= self.line_limit() {
                self.window += 1;
            }
        }
    }

    fn halve(&mut self) {
        self.window = (self.limit() / 2).max(1);
        self.halved_at = self.next;
        self.acknowledged = 0;
    }

    /// As measured or, where that is less, as allowed.
    fn line_speed(&self) -> Option<u64> {
        self.line.measured.into_iter().chain(self.allowed).min()
    }

    /// How many parts the line finishes in time.
    fn line_limit(&self) -> u32 {
        let Some(speed) = self.line_speed() else { return u32::MAX };
        let parts = speed.saturating_mul(DRAIN_SECONDS) / self.part_size;
        u32::try_from(parts).unwrap_or(u32::MAX).max(1)
    }
}

/// Measures the line while there is something on it.
#[derive(Debug, Default)]
struct Speed {
    /// Bytes a second, as measured last.
    measured: Option<u64>,
    /// What the measure that is being taken has so far.
    time: Duration,
    bytes: u64,
    /// Up to when.
    since: Sample,
}

impl Speed {
    /// Leaves out what was since the last moment.
    fn skip(&mut self, now: Sample) {
        self.since = now;
    }

    /// Counts what was since the last moment.
    fn measure(&mut self, now: Sample) {
        self.time += now.time.saturating_sub(self.since.time);
        self.bytes += now.sent.saturating_sub(self.since.sent);
        self.since = now;
        if self.time >= MEASURED_OVER {
            let per_second = u128::from(self.bytes) * 1000 / self.time.as_millis();
            self.measured = u64::try_from(per_second).ok();
            (self.time, self.bytes) = (Duration::ZERO, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::Outcome::{Acknowledged, Failed, PushedBack};
    use super::*;
    use crate::limits::MIB;

    fn at(seconds: u64, sent: u64) -> Sample {
        Sample { time: Duration::from_secs(seconds), sent }
    }

    /// A pace whose line nobody measures: no time passes.
    fn pace(workers: u32) -> ConcurrencyLimit {
        ConcurrencyLimit::new(workers, MIB)
    }

    /// Fills the line, and returns those in flight.
    fn begin_all(pace: &mut ConcurrencyLimit, now: Sample) -> Vec<Ticket> {
        std::iter::from_fn(|| pace.begin(now)).collect()
    }

    fn end_all(pace: &mut ConcurrencyLimit, tickets: Vec<Ticket>, outcome: Outcome, now: Sample) {
        tickets.into_iter().for_each(|ticket| pace.end(ticket, outcome, now));
    }

    #[test]
    fn it_starts_with_all_workers_and_lets_no_more_go() {
        let mut pace = pace(8);
        assert_eq!(begin_all(&mut pace, at(0, 0)).len(), 8);
        assert!(pace.begin(at(1000, 0)).is_none());
    }

    #[test]
    fn a_storm_halves_once_and_the_next_one_again() {
        let mut pace = pace(8);
        for limit in [4, 2, 1, 1] {
            let storm = begin_all(&mut pace, at(0, 0));
            end_all(&mut pace, storm, PushedBack, at(0, 0));
            assert_eq!(pace.limit(), limit);
        }
    }

    #[test]
    fn a_push_back_of_what_began_after_the_halving_halves_again() {
        let mut pace = pace(8);
        let mut storm = begin_all(&mut pace, at(0, 0));
        pace.end(storm.remove(0), PushedBack, at(0, 0));
        assert!(pace.begin(at(0, 0)).is_none(), "seven are in flight still");
        let last = storm.split_off(3);
        end_all(&mut pace, last, Failed, at(0, 0));
        let new = pace.begin(at(0, 0)).unwrap();
        end_all(&mut pace, storm, PushedBack, at(0, 0));
        assert_eq!(pace.limit(), 4, "the rest of the storm");
        pace.end(new, PushedBack, at(0, 0));
        assert_eq!(pace.limit(), 2);
    }

    #[test]
    fn each_round_that_is_acknowledged_widens_it_by_one() {
        let mut pace = pace(8);
        for _ in 0..3 {
            let storm = begin_all(&mut pace, at(0, 0));
            end_all(&mut pace, storm, PushedBack, at(0, 0));
        }
        let mut limits = Vec::new();
        for _ in 0..30 {
            let ticket = pace.begin(at(0, 0)).unwrap();
            pace.end(ticket, Acknowledged, at(0, 0));
            limits.push(pace.limit());
        }
        let rounds = [vec![2; 2], vec![3; 3], vec![4; 4], vec![5; 5], vec![6; 6], vec![7; 7], vec![8; 3]];
        assert_eq!(limits, rounds.concat());
    }

    #[test]
    fn only_parts_of_the_new_window_widen_it() {
        let mut pace = pace(8);
        let mut old = begin_all(&mut pace, at(0, 0));
        pace.end(old.remove(0), PushedBack, at(0, 0));
        end_all(&mut pace, old, Acknowledged, at(0, 0));
        assert_eq!(pace.limit(), 4);
        let new = begin_all(&mut pace, at(0, 0));
        end_all(&mut pace, new, Acknowledged, at(0, 0));
        assert_eq!(pace.limit(), 5);
    }

    #[test]
    fn other_failures_change_nothing() {
        let mut pace = pace(8);
        for _ in 0..5 {
            let all = begin_all(&mut pace, at(0, 0));
            end_all(&mut pace, all, Failed, at(0, 0));
        }
        assert_eq!(pace.limit(), 8);
    }

    /// A run: as many parts in flight as may be, and one after the other arrives.
    struct Run {
        pace: ConcurrencyLimit,
        flying: VecDeque<Ticket>,
        clock: Sample,
    }

    impl Run {
        fn new() -> Self {
            Self { pace: ConcurrencyLimit::new(8, 16 * MIB), flying: VecDeque::new(), clock: at(0, 0) }
        }

        /// Sends so many parts over a line of that speed.
        fn send(&mut self, parts: u64, speed: u32) {
            for _ in 0..parts {
                self.flying.extend(begin_all(&mut self.pace, self.clock));
                self.clock.sent += 16 * MIB;
                self.clock.time += Duration::from_secs(16 * MIB) / speed;
                self.pace.end(self.flying.pop_front().unwrap(), Acknowledged, self.clock);
            }
        }
    }

    #[test]
    fn no_more_are_in_flight_than_the_line_finishes_in_4_minutes() {
        for (speed, limit) in [(10_000, 1), (69_000, 1), (140_000, 2), (350_000, 5), (559_000, 7), (560_000, 8)] {
            let mut run = Run::new();
            run.send(10, speed);
            assert_eq!(run.pace.limit(), limit, "{speed}");
            assert_eq!(run.pace.bounding_speed().is_some(), limit < 8, "{speed}");
            run.send(100, 10_000_000);
            assert_eq!(run.pace.limit(), 8, "the line is fast after {speed}");
        }
    }

    #[test]
    fn the_line_is_measured_over_20_s_of_work() {
        let mut pace = ConcurrencyLimit::new(8, 16 * MIB);
        let ticket = pace.begin(at(0, 0)).unwrap();
        pace.end(ticket, Acknowledged, at(19, 19_000));
        assert_eq!(pace.limit(), 8, "not known yet");
        // An hour in which nothing was on the line, an attempt on a line that broke, and another hour.
        let ticket = pace.begin(at(3600, 19_000)).unwrap();
        pace.end(ticket, Failed, at(7200, 19_000));
        assert_eq!(pace.limit(), 8);
        let ticket = pace.begin(at(10_800, 19_000)).unwrap();
        pace.end(ticket, PushedBack, at(10_801, 20_000));
        assert_eq!(pace.bounding_speed(), Some(1000));
        assert_eq!(pace.limit(), 1);
    }

    #[test]
    fn a_line_on_which_nothing_moves_still_gets_one_part() {
        let mut pace = ConcurrencyLimit::new(8, 4096 * MIB);
        let ticket = pace.begin(at(0, 0)).unwrap();
        pace.end(ticket, PushedBack, at(300, 0));
        assert_eq!((pace.bounding_speed(), pace.limit()), (Some(0), 1));
        assert!(pace.begin(at(300, 0)).is_some());
    }

    #[test]
    fn what_the_caller_allows_bounds_it_at_once() {
        let mut run = Run::new();
        run.pace.allow(Some(210_000), at(0, 0));
        assert_eq!((run.pace.limit(), run.pace.bounding_speed()), (3, Some(210_000)));
        run.send(10, 100_000);
        let Run { mut pace, clock, .. } = run;
        assert_eq!(pace.limit(), 1, "the line does less than is allowed");
        pace.allow(Some(210_000), clock);
        assert_eq!(pace.limit(), 1, "nothing new");
        pace.allow(Some(420_000), clock);
        assert_eq!(pace.limit(), 6, "what was measured before says nothing");
        pace.allow(None, clock);
        assert_eq!((pace.limit(), pace.bounding_speed()), (8, None));
        pace.allow(Some(1), clock);
        assert_eq!(pace.limit(), 1);
    }

    #[test]
    fn the_window_is_not_widened_while_the_line_bounds_it() {
        let mut pace = ConcurrencyLimit::new(8, 16 * MIB);
        let storm = begin_all(&mut pace, at(0, 0));
        end_all(&mut pace, storm, PushedBack, at(0, 0));
        pace.allow(Some(70_000), at(0, 0));
        for _ in 0..100 {
            let ticket = pace.begin(at(0, 0)).unwrap();
            pace.end(ticket, Acknowledged, at(0, 0));
        }
        assert_eq!(pace.limit(), 1);
        pace.allow(None, at(0, 0));
        assert_eq!(pace.limit(), 4);
    }

    #[test]
    fn a_push_back_halves_what_was_in_flight() {
        let mut pace = ConcurrencyLimit::new(8, 16 * MIB);
        pace.allow(Some(280_000), at(0, 0));
        let storm = begin_all(&mut pace, at(0, 0));
        assert_eq!(storm.len(), 4);
        end_all(&mut pace, storm, PushedBack, at(0, 0));
        assert_eq!(pace.limit(), 2);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin,
        End(usize, Outcome),
        Allow(Option<u64>),
    }

    fn steps() -> impl Strategy<Value = Vec<(Step, u64, u64)>> {
        let outcome = prop_oneof![3 => Just(Acknowledged), 1 => Just(PushedBack), 1 => Just(Failed)];
        let step = prop_oneof![
            4 => Just(Step::Begin),
            4 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
            1 => prop::option::of(0..1_000_000_u64).prop_map(Step::Allow),
        ];
        prop::collection::vec((step, 0..60_000_u64, 0..100_000_000_u64), 0..300)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever happens: at least one part, at most all workers, never more than the limit when one begins, and never
        /// more than is allowed.
        #[test]
        fn nothing_leads_out_of_its_bounds(workers in 1..=32_u32, steps in steps()) {
            let (mut pace, mut clock, mut flying) = (ConcurrencyLimit::new(workers, 16 * MIB), at(0, 0), Vec::new());
            for (step, millis, bytes) in steps {
                clock.time += Duration::from_millis(millis);
                clock.sent += bytes;
                let before = (pace.limit(), flying.len());
                match step {
                    Step::Begin => {
                        let ticket = pace.begin(clock);
                        prop_assert_eq!(ticket.is_some(), before.1 < before.0 as usize);
                        flying.extend(ticket);
                    }
                    Step::End(which, outcome) if !flying.is_empty() => {
                        let which = which % flying.len();
                        pace.end(flying.swap_remove(which), outcome, clock);
                        if outcome == Failed {
                            prop_assert_eq!(pace.limit(), before.0);
                        }
                    }
                    Step::End(..) => {}
                    Step::Allow(allowed) => pace.allow(allowed, clock),
                }
                prop_assert!((1..=workers).contains(&pace.limit()));
                if let Some(allowed) = pace.allowed {
                    prop_assert!(pace.limit() == 1 || u64::from(pace.limit()) * 16 * MIB <= allowed * 240);
                }
            }
        }
    }
}
