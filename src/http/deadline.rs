//! The deadlines of one exchange. Pure: the time is an argument.

use std::fmt;
use std::time::Duration;

use super::response::Phase;

/// Less than this many bytes acknowledged within the stall timeout is a stall.
const PROGRESS: u64 = 1024;

/// How long an optional body may take. That of an error only explains the status.
const ERROR_BODY: Duration = Duration::from_secs(5);

/// How long the body of a 201 may take. It says nothing; once it is read, the connection can be used again.
const CREATED_BODY: Duration = Duration::from_secs(1);

/// What is waited for, and since when.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// The stall timeout.
    stall: Duration,
    /// How long the first byte of a response may take after the request was acknowledged.
    response: Duration,
    /// When enough bytes were last acknowledged, and how many were acknowledged then.
    progressed: Duration,
    acknowledged: u64,
    unacknowledged: u64,
    /// The section of the response that is being received, and since when.
    section: (u32, Phase),
    since: Duration,
    /// When the final header section was complete.
    head_end: Duration,
}

/// A deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    what: What,
    limit: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Request,
    Response,
    Head,
    Body,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        match self.what {
            What::Request => write!(f, "less than {PROGRESS} bytes of the request were acknowledged within {limit:?}"),
            What::Response => write!(f, "no response came within {limit:?}"),
            What::Head => write!(f, "the header section of the response did not end within {limit:?}"),
            What::Body => write!(f, "the body of the response did not end within {limit:?}"),
        }
    }
}

impl Deadlines {
    /// Deadlines of an exchange that begins at time 0, on a connection with that many bytes acknowledged.
    pub(crate) fn new(stall: Duration, response: Option<Duration>, acknowledged: u64) -> Self {
        Self {
            stall,
            response: response.unwrap_or(stall),
            progressed: Duration::ZERO,
            acknowledged,
            unacknowledged: 0,
            section: (0, Phase::Waiting),
            since: Duration::ZERO,
            head_end: Duration::ZERO,
        }
    }

    /// Records how many of the bytes that the connection has sent are acknowledged.
    pub(crate) fn acknowledge(&mut self, now: Duration, written: u64, unacknowledged: u64) {
        let acknowledged = written.saturating_sub(unacknowledged);
        self.unacknowledged = unacknowledged;
        let new = acknowledged.saturating_sub(self.acknowledged);
        if new >= PROGRESS || (new > 0 && unacknowledged == 0) {
            self.progressed = now;
            self.acknowledged = acknowledged;
        }
    }

    /// Records the section of the response that the next byte belongs to, after that many interim responses.
    pub(crate) fn receive(&mut self, now: Duration, interim: u32, phase: Phase) {
        if self.section == (interim, phase) {
            return;
        }
        if matches!(self.section.1, Phase::Waiting | Phase::Head) {
            self.head_end = now;
        }
        self.section = (interim, phase);
        self.since = now;
    }

    /// The time left for what is waited for.
    ///
    /// # Errors
    /// No time is left.
    pub(crate) fn left(&self, now: Duration, is_sending: bool, optional: Option<u16>) -> Result<Duration, Overdue> {
        let request = (What::Request, self.progressed, self.stall);
        let (what, since, limit) = match (self.section.1, optional) {
            (Phase::Waiting, _) if is_sending || self.unacknowledged > 0 => request,
            (Phase::Waiting, _) => (What::Response, self.progressed, self.response),
            (Phase::Head, _) => (What::Head, self.since, self.stall),
            (_, Some(201)) => (What::Body, self.head_end, self.stall.min(CREATED_BODY)),
            (_, Some(_)) => (What::Body, self.head_end, self.stall.min(ERROR_BODY)),
            (_, None) => (What::Body, self.since, self.stall),
        };
        let left = remaining(now, since, limit).ok_or(Overdue { what, limit })?;
        if is_sending && what != What::Request {
            let (what, since, limit) = request;
            return remaining(now, since, limit).map(|request| request.min(left)).ok_or(Overdue { what, limit });
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

    fn overdue(what: What, limit: Duration) -> Result<Duration, Overdue> {
        Err(Overdue { what, limit })
    }

    #[test]
    fn one_kilobyte_within_the_stall_timeout_is_progress() {
        let mut deadlines = deadlines(None);
        deadlines.acknowledge(secs(8), 100_000, 100_000 - 1023);
        assert_eq!(deadlines.left(secs(9), true, None), Ok(secs(1)), "1023 bytes are none");
        deadlines.acknowledge(secs(9), 100_000, 100_000 - 1024);
        assert_eq!(deadlines.left(secs(9), true, None), Ok(STALL));
        deadlines.acknowledge(secs(18), 100_000, 100_000 - 2047);
        assert_eq!(deadlines.left(secs(19), true, None), overdue(What::Request, STALL));
    }

    #[test]
    fn fewer_bytes_are_progress_where_no_more_were_sent() {
        let mut deadlines = deadlines(None);
        deadlines.acknowledge(secs(8), 10, 5);
        assert_eq!(deadlines.left(secs(9), true, None), Ok(secs(1)));
        deadlines.acknowledge(secs(9), 10, 0);
        assert_eq!(deadlines.left(secs(9), true, None), Ok(STALL));
    }

    #[test]
    fn the_wait_for_the_response_begins_when_the_request_is_acknowledged() {
        let mut deadlines = deadlines(Some(secs(100)));
        deadlines.acknowledge(secs(1), 300, 300);
        assert_eq!(deadlines.left(secs(10), false, None), overdue(What::Request, STALL));
        deadlines.acknowledge(secs(9), 300, 0);
        assert_eq!(deadlines.left(secs(10), false, None), Ok(secs(99)));
        assert_eq!(deadlines.left(secs(109), false, None), overdue(What::Response, secs(100)));
    }

    #[test]
    fn an_interim_response_changes_no_timeout() {
        for response in [secs(3), secs(100)] {
            let mut deadlines = deadlines(Some(response));
            deadlines.acknowledge(secs(0), 300, 0);
            for interim in 0..8 {
                deadlines.receive(secs(2), interim, Phase::Head);
                deadlines.receive(secs(2), interim + 1, Phase::Waiting);
            }
            assert_eq!(deadlines.left(secs(2), false, None), Ok(response - secs(2)));
            assert_eq!(deadlines.left(response, false, None), overdue(What::Response, response));
        }
    }

    #[test]
    fn each_section_ends_within_the_stall_timeout_of_its_first_byte() {
        let mut deadlines = deadlines(Some(secs(100)));
        deadlines.receive(secs(50), 0, Phase::Head);
        deadlines.receive(secs(55), 0, Phase::Head);
        assert_eq!(deadlines.left(secs(60), false, None), overdue(What::Head, STALL));
        deadlines.receive(secs(59), 1, Phase::Head);
        assert_eq!(deadlines.left(secs(68), false, None), Ok(secs(1)), "the next header section has its own time");
        deadlines.receive(secs(68), 1, Phase::BodyStart);
        deadlines.receive(secs(77), 1, Phase::Body);
        assert_eq!(deadlines.left(secs(86), false, None), Ok(secs(1)));
        assert_eq!(deadlines.left(secs(87), false, None), overdue(What::Body, STALL));
    }

    #[test]
    fn an_optional_body_has_a_few_seconds_after_the_header_section() {
        for (status, limit) in [(403, secs(5)), (201, secs(1))] {
            let mut deadlines = deadlines(None);
            deadlines.receive(secs(1), 0, Phase::Head);
            deadlines.receive(secs(2), 0, Phase::BodyStart);
            deadlines.receive(secs(2) + limit / 2, 0, Phase::Body);
            assert_eq!(deadlines.left(secs(2) + limit / 2, false, Some(status)), Ok(limit - limit / 2));
            assert_eq!(deadlines.left(secs(2) + limit, false, Some(status)), overdue(What::Body, limit));
        }
    }

    #[test]
    fn a_header_section_that_begins_early_is_bounded_while_the_request_is_sent() {
        let mut deadlines = deadlines(None);
        deadlines.receive(secs(1), 0, Phase::Head);
        deadlines.acknowledge(secs(10), 1 << 20, 1 << 19);
        assert_eq!(deadlines.left(secs(10), true, None), Ok(secs(1)));
        assert_eq!(deadlines.left(secs(11), true, None), overdue(What::Head, STALL));
    }
}
