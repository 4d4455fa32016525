//! Bandwidth limits that depend on the time of day: `08:00-18:00=1M,*=0`.

use std::str::FromStr;

use glacier_mp::decimal::parse_decimal;

use crate::hyphens::quoted_argument;
use crate::size::parse_size;

const MINUTES_PER_DAY: u32 = 24 * 60;

/// The bandwidth limits of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    windows: Vec<Window>,
    /// The limit outside all windows, in bytes per second; 0: no limit.
    otherwise: u64,
}

/// A part of the day. It wraps at midnight if it ends before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    /// In minutes since midnight.
    start: u32,
    /// Exclusive.
    end: u32,
    /// In bytes per second; 0: no limit.
    limit: u64,
}

impl Schedule {
    /// Returns the limit at a time of day in minutes since midnight, in bytes per second; 0: no limit. The first window that
    /// contains the time counts.
    pub(crate) fn limit_at(&self, minute: u32) -> u64 {
        let window = self.windows.iter().find(|window| window.contains(minute));
        window.map_or(self.otherwise, |window| window.limit)
    }
}

impl Window {
    fn contains(&self, minute: u32) -> bool {
        if self.start < self.end {
            (self.start..self.end).contains(&minute)
        } else {
            minute >= self.start || minute < self.end
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    /// Parses a rate, or a list of windows with rates in which `*` is the rest of the day. Without `*` the rest has no limit.
    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains('=') {
            return Ok(Self { windows: Vec::new(), otherwise: parse_rate(text)? });
        }
        let mut windows = Vec::new();
        let mut otherwise = None;
        for item in text.split(',').map(without_spaces) {
            let (when, rate) = item.split_once('=').ok_or_else(|| rule(item))?;
            let limit = parse_rate(rate)?;
            if without_spaces(when) != "*" {
                windows.push(parse_window(item, when, limit)?);
            } else if otherwise.replace(limit).is_some() {
                return Err(format!("{} has two rates for *", quoted_argument(text)));
            }
        }
        Ok(Self { windows, otherwise: otherwise.unwrap_or(0) })
    }
}

/// Parses a rate per second; 0: no limit.
fn parse_rate(text: &str) -> Result<u64, String> {
    let text = without_spaces(text);
    parse_size(text.strip_suffix("/s").unwrap_or(text))
}

fn parse_window(item: &str, when: &str, limit: u64) -> Result<Window, String> {
    let (start, end) = when.split_once('-').ok_or_else(|| rule(item))?;
    let start = parse_minute(start).filter(|minute| *minute < MINUTES_PER_DAY).ok_or_else(|| rule(item))?;
    let end = parse_minute(end).ok_or_else(|| rule(item))?;
    if start == end {
        return Err(format!("{} is an empty time: its start and its end are the same", quoted_argument(item)));
    }
    Ok(Window { start, end, limit })
}

fn parse_minute(text: &str) -> Option<u32> {
    let (hour, minute) = without_spaces(text).split_once(':')?;
    let number = |digits: &str| parse_decimal::<u32>(digits).filter(|_| digits.len() <= 2);
    let minute = number(minute).filter(|minute| *minute < 60)?;
    Some(number(hour)? * 60 + minute).filter(|minute| *minute <= MINUTES_PER_DAY)
}

/// Removes the spaces at both ends. Other white space is an error.
fn without_spaces(text: &str) -> &str {
    text.trim_matches(' ')
}

fn rule(item: &str) -> String {
    format!(
        "{} is not a time and a rate: write HH:MM-HH:MM=RATE or *=RATE, such as 08:00-18:00=1M,*=0",
        quoted_argument(item)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_rate_is_the_limit_of_the_whole_day() {
        for text in ["5M", "5MiB/s", " 5M ", "5 MiB/s"] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!([0, 720, 1439].map(|minute| schedule.limit_at(minute)), [5 << 20; 3], "{text}");
        }
    }

    #[test]
    fn window_includes_its_start_and_excludes_its_end() {
        let schedule: Schedule = "08:00-18:00=1M,*=0".parse().unwrap();
        let limits = [479, 480, 1079, 1080].map(|minute| schedule.limit_at(minute));
        assert_eq!(limits, [0, 1 << 20, 1 << 20, 0]);
    }

    #[test]
    fn window_wraps_at_midnight_and_the_first_match_counts() {
        let schedule: Schedule = "22:00-06:00=0, 05:00-23:00=1K".parse().unwrap();
        let limits = [1319, 1320, 1439, 0, 359, 360].map(|minute| schedule.limit_at(minute));
        assert_eq!(limits, [1024, 0, 0, 0, 0, 1024]);
        let until_midnight: Schedule = "12:00-24:00=1K,*=2K".parse().unwrap();
        assert_eq!([719, 720, 1439].map(|minute| until_midnight.limit_at(minute)), [2048, 1024, 1024]);
    }

    #[test]
    fn rejects_invalid_schedules() {
        for text in [
            "",
            "x",
            "08:00=1M",
            "08:00-18:00",
            "8-18=1M",
            "08:00-25:00=1M",
            "24:00-08:00=1M",
            "08:60-18:00=1M",
            "*=1M,*=2M",
            "08:00-08:00=1M",
            "08:00-18:00=fast",
            "0.5",
            "0.9B/s",
            "08:00-18:00=0.5,*=1M",
            "08:00-18:00=1M,*=0.5",
            "5M\n",
            "5M\u{a0}",
            "\u{3000}5M",
            "5M \t/s",
            "08:00-18:00=1M,\n*=0",
            "08:00-18:00\u{a0}=1M",
            "08:00\t-18:00=1M",
            "*\u{2003}=1M",
            "*=1M\r",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
