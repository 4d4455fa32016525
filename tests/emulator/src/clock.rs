//! The service's clock, which tests may set, and the three ways Glacier writes a time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::number;

/// The time of day plus an offset.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_seconds: AtomicI64,
}

impl Clock {
    /// Moves the clock this far from the real time; earlier offsets are forgotten.
    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset_seconds.store(seconds, Ordering::SeqCst);
    }

    /// Now.
    pub(crate) fn now(&self) -> Instant {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(real.as_millis()).unwrap_or(i64::MAX);
        Instant { unix_millis: millis.saturating_add(self.offset_seconds.load(Ordering::SeqCst).saturating_mul(1000)) }
    }
}

/// A point in time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant {
    unix_millis: i64,
}

impl Instant {
    /// Before everything.
    pub(crate) const LONG_AGO: Self = Self { unix_millis: i64::MIN };

    /// Whole seconds since 1970.
    pub(crate) fn unix_seconds(self) -> i64 {
        self.unix_millis.div_euclid(1000)
    }

    /// The milliseconds since an earlier time; negative since a later one.
    pub(crate) fn millis_since(self, other: Self) -> i64 {
        self.unix_millis.saturating_sub(other.unix_millis)
    }

    /// This many seconds after the given time; before it, if negative.
    pub(crate) fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }

    /// This many milliseconds after the given time; before it, if negative.
    pub(crate) fn plus_millis(self, millis: i64) -> Self {
        Self { unix_millis: self.unix_millis.saturating_add(millis) }
    }

    /// As signatures carry it: `20120320T170343Z`.
    pub(crate) fn basic(self) -> String {
        let t = self.civil();
        format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second)
    }

    /// As the JSON documents carry it: `2012-03-20T17:03:43.221Z`.
    pub(crate) fn extended(self) -> String {
        let t = self.civil();
        let millis = self.unix_millis.rem_euclid(1000);
        let (date, time) = ((t.year, t.month, t.day), (t.hour, t.minute, t.second));
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z", date.0, date.1, date.2, time.0, time.1, time.2)
    }

    /// As the `Date` header carries it: `Tue, 20 Mar 2012 17:03:43 GMT`.
    pub(crate) fn http(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let t = self.civil();
        let weekday = usize::try_from(t.days.rem_euclid(7)).unwrap_or(0);
        let month = usize::try_from(t.month - 1).unwrap_or(0);
        format!(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            DAYS[weekday], t.day, MONTHS[month], t.year, t.hour, t.minute, t.second
        )
    }

    /// Reads `20120320T170343Z`, and nothing else.
    pub(crate) fn parse_basic(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| number::unsigned::<i64>(text.get(from..to)?);
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        let parsed = Self { unix_millis: seconds * 1000 };
        // A 30th of February would come back as another day.
        (parsed.basic() == text).then_some(parsed)
    }

    fn civil(self) -> Civil {
        let seconds = self.unix_seconds();
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        Civil { days, year, month, day, hour: of_day / 3600, minute: of_day / 60 % 60, second: of_day % 60 }
    }
}

struct Civil {
    days: i64,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

/// Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is their last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let march_month = (month + 9) % 12;
    let leap_days = march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
    march_year * 365 + leap_days + (march_month * 153 + 2) / 5 + day - 1 - DAYS_TO_1970
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
    let march_month = (day_of_year * 5 + 2) / 153;
    let day = day_of_year - (march_month * 153 + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_times() {
        let at = Instant { unix_millis: 1_332_263_023_221 };
        assert_eq!(at.basic(), "20120320T170343Z");
        assert_eq!(at.extended(), "2012-03-20T17:03:43.221Z");
        assert_eq!(at.http(), "Tue, 20 Mar 2012 17:03:43 GMT");
        assert_eq!(Instant::parse_basic("20120320T170343Z").map(Instant::unix_seconds), Some(1_332_263_023));
        assert_eq!(Instant::parse_basic("20240229T000000Z").map(Instant::unix_seconds), Some(1_709_164_800));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in
            ["", "20120230T000000Z", "20120320T250000Z", "20120320 170343Z", "2012032aT170343Z", "20120320T170343"]
        {
            assert_eq!(Instant::parse_basic(text), None, "{text}");
        }
    }
}
