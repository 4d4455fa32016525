//! The service's clock, which a test can set, and the three formats in which Glacier writes a time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

type Format = &'static [BorrowedFormatItem<'static>];

const BASIC: Format = format_description!("[year][month][day]T[hour][minute][second]Z");
const EXTENDED: Format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const HTTP: Format =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The system's time plus an offset.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_seconds: AtomicI64,
}

impl Clock {
    /// Sets the offset from the system's time. It replaces the previous offset.
    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset_seconds.store(seconds, Ordering::SeqCst);
    }

    /// Returns the service's current time.
    pub(crate) fn now(&self) -> Instant {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(system.as_millis()).unwrap_or(i64::MAX);
        Instant { unix_millis: millis.saturating_add(self.offset_seconds.load(Ordering::SeqCst).saturating_mul(1000)) }
    }
}

/// A point in time with a resolution of one millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant {
    unix_millis: i64,
}

impl Instant {
    /// A time earlier than every other time.
    pub(crate) const LONG_AGO: Self = Self { unix_millis: i64::MIN };

    /// Returns the whole seconds since 1970.
    pub(crate) fn unix_seconds(self) -> i64 {
        self.unix_millis.div_euclid(1000)
    }

    /// Returns the milliseconds since `other`. The result is negative if `other` is later.
    pub(crate) fn millis_since(self, other: Self) -> i64 {
        self.unix_millis.saturating_sub(other.unix_millis)
    }

    /// Adds seconds, which may be negative.
    pub(crate) fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }

    /// Adds milliseconds, which may be negative.
    pub(crate) fn plus_millis(self, millis: i64) -> Self {
        Self { unix_millis: self.unix_millis.saturating_add(millis) }
    }

    /// Returns the format of signatures: `20120320T170343Z`.
    pub(crate) fn basic(self) -> String {
        self.format(BASIC)
    }

    /// Returns the format of the JSON documents: `2012-03-20T17:03:43.221Z`.
    pub(crate) fn extended(self) -> String {
        self.format(EXTENDED)
    }

    /// Returns the format of the `Date` header: `Tue, 20 Mar 2012 17:03:43 GMT`.
    pub(crate) fn http(self) -> String {
        self.format(HTTP)
    }

    /// Parses `20120320T170343Z`. Returns `None` for every other format.
    pub(crate) fn parse_basic(text: &str) -> Option<Self> {
        let seconds = PrimitiveDateTime::parse(text, BASIC).ok()?.assume_utc().unix_timestamp();
        let parsed = Self { unix_millis: seconds * 1000 };
        // The parser also accepts a sign before the year.
        (parsed.basic() == text).then_some(parsed)
    }

    fn format(self, format: Format) -> String {
        let calendar = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.unix_millis) * 1_000_000);
        let limit = if self.unix_millis < 0 { PrimitiveDateTime::MIN } else { PrimitiveDateTime::MAX };
        // A UTC time has every component of these formats, so formatting cannot fail.
        calendar.unwrap_or(limit.assume_utc()).format(format).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses_times() {
        let at = Instant { unix_millis: 1_332_263_023_221 };
        assert_eq!(at.basic(), "20120320T170343Z");
        assert_eq!(at.extended(), "2012-03-20T17:03:43.221Z");
        assert_eq!(at.http(), "Tue, 20 Mar 2012 17:03:43 GMT");
        assert_eq!(Instant::parse_basic("20120320T170343Z").map(Instant::unix_seconds), Some(1_332_263_023));
        assert_eq!(Instant::parse_basic("20240229T000000Z").map(Instant::unix_seconds), Some(1_709_164_800));
    }

    #[test]
    fn formats_times_outside_the_calendar() {
        assert_eq!(Instant::LONG_AGO.extended(), "-9999-01-01T00:00:00.000Z");
        assert_eq!(Instant { unix_millis: i64::MAX }.basic(), "99991231T235959Z");
    }

    #[test]
    fn rejects_invalid_times() {
        for text in [
            "",
            "20120230T000000Z",
            "20120320T250000Z",
            "20120320T170360Z",
            "20120320 170343Z",
            "2012032aT170343Z",
            "20120320T170343",
            "+20120320T170343Z",
            "20120320T170343ZZ",
        ] {
            assert_eq!(Instant::parse_basic(text), None, "{text}");
        }
    }
}
