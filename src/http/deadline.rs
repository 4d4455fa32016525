//! The deadlines of one exchange. The module is pure: the time is an argument.

use std::fmt;
use std::time::Duration;

use super::response::Phase;

/// The minimum number of bytes acknowledged within the stall timeout. Fewer are a stall.
const PROGRESS_MIN: u64 = 1024;

/// The time limit of an optional body. An error body only explains the status.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit of the body of a 201. Its content is not used, but reading it keeps the connection reusable.
const CREATED_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// The deadlines and the progress of an exchange. All times are measured from the start of the exchange.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// The stall timeout.
    stall: Duration,
    /// The time limit from the acknowledgement of the request to the first byte of the response.
    response: Duration,
    /// The time of the last progress.
    last_progress: Duration,
    /// The number of bytes acknowledged at that time.
    acknowledged: u64,
    unacknowledged: u64,
    /// The section that is being received: the number of interim responses before it, and its phase.
    section: (u32, Phase),
    /// The start of that section.
    section_start: Duration,
    /// The end of the final header section.
    head_end: Duration,
    /// A proxy acknowledges the request, which it may not have sent to the server yet.
    is_proxied: bool,
}

/// An exceeded deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadlineExceeded {
    awaited: Awaited,
    limit: Duration,
}

/// The event that an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Request,
    Response,
    Head,
    Body,
}

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        match self.awaited {
            Awaited::Request => {
                write!(f, "less than {PROGRESS_MIN} bytes of the request were acknowledged within {limit:?}")
            }
            Awaited::Response => write!(f, "no response was received within {limit:?}"),
            Awaited::Head => write!(f, "the header section of the response did not end within {limit:?}"),
            Awaited::Body => write!(f, "the body of the response did not end within {limit:?}"),
        }
    }
}

impl Deadlines {
    /// Creates the deadlines of an exchange that begins at time 0, on a connection with `acknowledged` bytes acknowledged.
    pub(crate) fn new(stall: Duration, response: Option<Duration>, acknowledged: u64) -> Self {
        Self {
            stall,
            response: response.unwrap_or(stall),
            last_progress: Duration::ZERO,
            acknowledged,
            unacknowledged: 0,
            section: (0, Phase::Waiting),
            section_start: Duration::ZERO,
            head_end: Duration::ZERO,
            is_proxied: false,
        }
    }

    /// Sets whether a proxy acknowledges the request. The response may then take longer by the time that the request took: at
    /// its speed, the proxy sends what it has buffered in less time.
    pub(crate) fn through_proxy(mut self, is_proxied: bool) -> Self {
        self.is_proxied = is_proxied;
        self
    }

    /// Records how many of the `written` bytes of the connection are acknowledged.
    pub(crate) fn acknowledge(&mut self, now: Duration, written: u64, unacknowledged: u64) {
        let acknowledged = written.saturating_sub(unacknowledged);
        self.unacknowledged = unacknowledged;
        let new = acknowledged.saturating_sub(self.acknowledged);
        if new >= PROGRESS_MIN || (new > 0 && unacknowledged == 0) {
            self.last_progress = now;
            self.acknowledged = acknowledged;
        }
    }

    /// Records the section of the response that the next byte belongs to.
    pub(crate) fn receive(&mut self, now: Duration, interim: u32, phase: Phase) {
        if self.section == (interim, phase) {
            return;
        }
        if matches!(self.section.1, Phase::Waiting | Phase::Head) {
            self.head_end = now;
        }
        self.section = (interim, phase);
        self.section_start = now;
    }

    /// Returns the time left until the next deadline. `optional_body`: the status of a response whose body is optional.
    ///
    /// # Errors
    /// The deadline that has passed.
    pub(crate) fn time_left(
        &self,
        now: Duration,
        is_sending: bool,
        optional_body: Option<u16>,
    ) -> Result<Duration, DeadlineExceeded> {
        let request = (Awaited::Request, self.last_progress, self.stall);
        let (awaited, since, limit) = match (self.section.1, optional_body) {
            (Phase::Waiting, _) if is_sending || self.unacknowledged > 0 => request,
            (Phase::Waiting, _) => {
                let buffered = if self.is_proxied { self.last_progress } else { Duration::ZERO };
                (Awaited::Response, self.last_progress, self.response + buffered)
            }
            (Phase::Head, _) => (Awaited::Head, self.section_start, self.stall),
            (_, Some(201)) => (Awaited::Body, self.head_end, self.stall.min(CREATED_BODY_TIMEOUT)),
            (_, Some(_)) => (Awaited::Body, self.head_end, self.stall.min(ERROR_BODY_TIMEOUT)),
            (_, None) => (Awaited::Body, self.section_start, self.stall),
        };
        let left = remaining(now, since, limit).ok_or(DeadlineExceeded { awaited, limit })?;
        if is_sending && awaited != Awaited::Request {
            let (awaited, since, limit) = request;
            return remaining(now, since, limit)
                .map(|request| request.min(left))
                .ok_or(DeadlineExceeded { awaited, limit });
        }
        Ok(left)
    }
}

fn remaining(now: Duration, since: Duration, limit: Duration) -> Option<Duration> {
    (since + limit).checked_sub(now).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(10);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn deadlines(response: Option<Duration>) -> Deadlines {
        Deadlines::new(STALL, response, 0)
    }

    fn exceeded(awaited: Awaited, limit: Duration) -> Result<Duration, DeadlineExceeded> {
        Err(DeadlineExceeded { awaited, limit })
    }

    #[test]
    fn one_kilobyte_within_the_stall_timeout_is_progress() {
        let mut deadlines = deadlines(None);
        deadlines.acknowledge(secs(8), 100_000, 100_000 - 1023);
        assert_eq!(deadlines.time_left(secs(9), true, None), Ok(secs(1)), "1023 bytes are no progress");
        deadlines.acknowledge(secs(9), 100_000, 100_000 - 1024);
        assert_eq!(deadlines.time_left(secs(9), true, None), Ok(STALL));
        deadlines.acknowledge(secs(18), 100_000, 100_000 - 2047);
        assert_eq!(deadlines.time_left(secs(19), true, None), exceeded(Awaited::Request, STALL));
    }

    #[test]
    fn fewer_bytes_are_progress_if_no_more_were_sent() {
        let mut deadlines = deadlines(None);
        deadlines.acknowledge(secs(8), 10, 5);
        assert_eq!(deadlines.time_left(secs(9), true, None), Ok(secs(1)));
        deadlines.acknowledge(secs(9), 10, 0);
        assert_eq!(deadlines.time_left(secs(9), true, None), Ok(STALL));
    }

    #[test]
    fn response_timeout_begins_when_the_request_is_acknowledged() {
        let mut deadlines = deadlines(Some(secs(100)));
        deadlines.acknowledge(secs(1), 300, 300);
        assert_eq!(deadlines.time_left(secs(10), false, None), exceeded(Awaited::Request, STALL));
        deadlines.acknowledge(secs(9), 300, 0);
        assert_eq!(deadlines.time_left(secs(10), false, None), Ok(secs(99)));
        assert_eq!(deadlines.time_left(secs(109), false, None), exceeded(Awaited::Response, secs(100)));
    }

    #[test]
    fn proxy_may_delay_the_response_by_the_time_of_the_request() {
        for (is_proxied, delay) in [(false, secs(0)), (true, secs(25))] {
            let mut deadlines = deadlines(None).through_proxy(is_proxied);
            for second in 0..=25 {
                deadlines.acknowledge(secs(second), 1 << 20, (1 << 20) - ((second + 1) << 10));
            }
            assert_eq!(deadlines.time_left(secs(30), true, None), Ok(secs(5)), "the request stalls as without a proxy");
            deadlines.acknowledge(secs(25), 1 << 20, 0);
            assert_eq!(deadlines.time_left(secs(25), false, None), Ok(STALL + delay));
            assert_eq!(deadlines.time_left(secs(35) + delay, false, None), exceeded(Awaited::Response, STALL + delay));
        }
    }

    #[test]
    fn interim_responses_change_no_timeout() {
        for response in [secs(3), secs(100)] {
            let mut deadlines = deadlines(Some(response));
            deadlines.acknowledge(secs(0), 300, 0);
            for interim in 0..8 {
                deadlines.receive(secs(2), interim, Phase::Head);
                deadlines.receive(secs(2), interim + 1, Phase::Waiting);
            }
            assert_eq!(deadlines.time_left(secs(2), false, None), Ok(response - secs(2)));
            assert_eq!(deadlines.time_left(response, false, None), exceeded(Awaited::Response, response));
        }
    }

    #[test]
    fn each_section_ends_within_the_stall_timeout_of_its_first_byte() {
        let mut deadlines = deadlines(Some(secs(100)));
        deadlines.receive(secs(50), 0, Phase::Head);
        deadlines.receive(secs(55), 0, Phase::Head);
        assert_eq!(deadlines.time_left(secs(60), false, None), exceeded(Awaited::Head, STALL));
        deadlines.receive(secs(59), 1, Phase::Head);
        assert_eq!(
            deadlines.time_left(secs(68), false, None),
            Ok(secs(1)),
            "the next header section has its own deadline"
        );
        deadlines.receive(secs(68), 1, Phase::BodyStart);
        deadlines.receive(secs(77), 1, Phase::Body);
        assert_eq!(deadlines.time_left(secs(86), false, None), Ok(secs(1)));
        assert_eq!(deadlines.time_left(secs(87), false, None), exceeded(Awaited::Body, STALL));
    }

    #[test]
    fn limits_an_optional_body_to_a_few_seconds() {
        for (status, limit) in [(403, secs(5)), (201, secs(1))] {
            let mut deadlines = deadlines(None);
            deadlines.receive(secs(1), 0, Phase::Head);
            deadlines.receive(secs(2), 0, Phase::BodyStart);
            deadlines.receive(secs(2) + limit / 2, 0, Phase::Body);
            assert_eq!(deadlines.time_left(secs(2) + limit / 2, false, Some(status)), Ok(limit - limit / 2));
            assert_eq!(deadlines.time_left(secs(2) + limit, false, Some(status)), exceeded(Awaited::Body, limit));
        }
    }

    #[test]
    fn limits_an_early_header_section_while_the_request_is_sent() {
        let mut deadlines = deadlines(None);
        deadlines.receive(secs(1), 0, Phase::Head);
        deadlines.acknowledge(secs(10), 1 << 20, 1 << 19);
        assert_eq!(deadlines.time_left(secs(10), true, None), Ok(secs(1)));
        assert_eq!(deadlines.time_left(secs(11), true, None), exceeded(Awaited::Head, STALL));
    }
}
