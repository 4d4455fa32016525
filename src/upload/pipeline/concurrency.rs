//! The concurrency limit: an AIMD congestion window for the parts in flight. Pure: time is an argument.
//!
//! The lowest of three bounds counts: the number of workers that the caller set; the window, which throttling halves and each
//! full window of acknowledged parts increases by one; and the number of parts that the connection can finish before their
//! signatures expire.

use std::time::Duration;

/// The time in which all parts in flight must finish. A signature is valid for 5 minutes, and the service may check it when it
/// has received the last byte of the part.
const DRAIN_SECONDS: u64 = 4 * 60;
/// The shortest time over which the throughput is measured.
const SAMPLE_TIME: Duration = Duration::from_secs(20);

/// The number of parts that may be in flight, computed from the outcome of each attempt.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    workers: u32,
    part_size: u64,
    in_flight: u32,
    /// The number of the next attempt.
    next: u64,
    congestion_window: u32,
    /// Attempts with a lower number were in flight when the window was last halved: they do not count for the new window.
    halved_at: u64,
    /// The parts acknowledged since the window last changed.
    acknowledged: u32,
    throughput: ThroughputEstimate,
    /// The bandwidth limit in bytes per second.
    cap: Option<u64>,
}

/// An attempt in flight.
#[derive(Debug)]
pub(crate) struct Ticket(u64);

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The service holds the part.
    Acknowledged,
    /// The service throttled the request, or the connection was too slow for the signature.
    Throttled,
    /// The attempt failed for another reason.
    Failed,
}

/// A point in time, with the number of bytes sent until then.
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
            congestion_window: workers,
            halved_at: 0,
            acknowledged: 0,
            throughput: ThroughputEstimate::default(),
            cap: None,
        }
    }

    /// Returns the most parts that may be in flight; at least 1.
    pub(crate) fn window(&self) -> u32 {
        self.congestion_window.min(self.parts_in_time())
    }

    /// Returns the throughput in bytes per second if it is the lowest bound.
    pub(crate) fn limiting_throughput(&self) -> Option<u64> {
        self.throughput().filter(|_| self.parts_in_time() < self.congestion_window)
    }

    /// Sets the bandwidth limit in bytes per second. A change discards the estimate, which was made under the old limit.
    pub(crate) fn set_bandwidth_cap(&mut self, cap: Option<u64>, now: Sample) {
        if self.cap != cap {
            self.cap = cap;
            self.throughput = ThroughputEstimate { last: now, ..ThroughputEstimate::default() };
        }
    }

    /// Begins an attempt; `None` if the window is full.
    pub(crate) fn begin(&mut self, now: Sample) -> Option<Ticket> {
        if self.in_flight >= self.window() {
            return None;
        }
        if self.in_flight == 0 {
            // Idle time is not slowness.
            self.throughput.skip(now);
        }
        self.in_flight += 1;
        self.next += 1;
        Some(Ticket(self.next - 1))
    }

    /// Ends an attempt.
    pub(crate) fn end(&mut self, ticket: Ticket, outcome: Outcome, now: Sample) {
        self.in_flight -= 1;
        let of_this_window = ticket.0 >= self.halved_at;
        match outcome {
            Outcome::Acknowledged if of_this_window => self.increase(),
            Outcome::Throttled if of_this_window => self.decrease(),
            _ => {}
        }
        match outcome {
            Outcome::Acknowledged | Outcome::Throttled => self.throughput.measure(now),
            // A lost connection is not slow either.
            Outcome::Failed => self.throughput.skip(now),
        }
    }

    fn increase(&mut self) {
        self.acknowledged += 1;
        if self.acknowledged >= self.window() {
            self.acknowledged = 0;
            // A window that the throughput keeps from being used is not increased.
            if self.congestion_window < self.workers && self.congestion_window <= self.parts_in_time() {
                self.congestion_window += 1;
            }
        }
    }

    fn decrease(&mut self) {
        self.congestion_window = (self.window() / 2).max(1);
        self.halved_at = self.next;
        self.acknowledged = 0;
    }

    /// The measured throughput, or the bandwidth limit if that is lower.
    fn throughput(&self) -> Option<u64> {
        self.throughput.bytes_per_second.into_iter().chain(self.cap).min()
    }

    /// The number of parts that finish within [`DRAIN_SECONDS`].
    fn parts_in_time(&self) -> u32 {
        let Some(throughput) = self.throughput() else { return u32::MAX };
        let parts = throughput.saturating_mul(DRAIN_SECONDS) / self.part_size;
        u32::try_from(parts).unwrap_or(u32::MAX).max(1)
    }
}

/// An estimate of the throughput, measured while parts are in flight.
#[derive(Debug, Default)]
struct ThroughputEstimate {
    /// The last complete measurement.
    bytes_per_second: Option<u64>,
    /// The time and bytes of the current measurement.
    time: Duration,
    bytes: u64,
    /// The end of the current measurement.
    last: Sample,
}

impl ThroughputEstimate {
    /// Excludes the time and bytes since the last sample.
    fn skip(&mut self, now: Sample) {
        self.last = now;
    }

    /// Includes the time and bytes since the last sample.
    fn measure(&mut self, now: Sample) {
        self.time += now.time.saturating_sub(self.last.time);
        self.bytes += now.sent.saturating_sub(self.last.sent);
        self.last = now;
        if self.time >= SAMPLE_TIME {
            let per_second = u128::from(self.bytes) * 1000 / self.time.as_millis();
            self.bytes_per_second = u64::try_from(per_second).ok();
            (self.time, self.bytes) = (Duration::ZERO, 0);
        }
    }
}

#[cfg(test)]
mod tests;
