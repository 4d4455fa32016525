//! The text of one progress line, fitted into a width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::console::shown;
use crate::progress::{Phase, Snapshot};
use crate::size::{show_size, show_time};

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// The widths of a bar, in columns. Narrower lines have none.
const BAR_MIN: usize = 10;
const BAR_MAX: usize = 40;
/// The number of fields that are more important than the bar.
const BEFORE_BAR: usize = 3;
/// The minimum width of a name, in columns.
const NAME_MIN: usize = 8;

/// Returns the fields of a progress line after the name, the most important first.
pub(crate) fn fields(file: &Snapshot, limit: u64) -> Vec<String> {
    let mut fields = Vec::new();
    fields.extend(file.percent().map(|percent| format!("{percent} %")));
    fields.extend(file.rate.filter(|_| file.phase == Phase::Running).map(|rate| format!("{}/s", show_size(rate))));
    fields.extend(file.time_left().map(|time| format!("{} left", show_time(time))));
    fields.push(match file.total {
        Some(total) => format!("{} of {}", show_size(file.done), show_size(total)),
        None => show_size(file.done),
    });
    if file.parts_done + file.parts_in_flight > 0 || file.parts_total.is_some() {
        let total = file.parts_total.map(|total| format!("/{total}")).unwrap_or_default();
        let noun = if file.parts_total.unwrap_or(file.parts_done) == 1 { "part" } else { "parts" };
        fields.push(format!("{}{total} {noun}, {} in flight", file.parts_done, file.parts_in_flight));
    }
    if file.retries > 0 {
        fields.push(retries(file.retries));
    }
    if limit > 0 {
        fields.push(format!("limit {}/s", show_size(limit)));
    }
    fields
}

/// Returns a progress line of at most `width` columns. Fields that do not fit are left out, the least important first.
pub(crate) fn line(file: &Snapshot, limit: u64, width: usize, is_colored: bool) -> String {
    let fields = fields(file, limit);
    // The directory of a file is in the messages, and in the lines that are no bars.
    let name = file.name.strip_prefix('/').map_or(file.name.as_str(), |path| path.rsplit('/').next().unwrap_or(path));
    let name = shown(name);
    let name_width = name.width().min((width / 4).max(NAME_MIN));
    let mut used = name_width;
    let mut chosen = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        // A bar is more important than the last fields.
        let room =
            if index < BEFORE_BAR || file.percent().is_none() { width } else { width.saturating_sub(BAR_MIN + 4) };
        if used + 2 + field.width() > room {
            break;
        }
        used += 2 + field.width();
        chosen.push(field.as_str());
    }
    let mut out = cut_start(&name, name_width);
    let bar = width.saturating_sub(used + 4).min(BAR_MAX);
    if let Some(percent) = file.percent().filter(|_| bar >= BAR_MIN) {
        out += &format!("  [{}]", self::bar(percent, bar, is_colored));
    }
    for field in chosen {
        out += "  ";
        out += field;
    }
    out
}

/// Returns the line below a progress line, which says why attempts were retried; `None` without a retry.
pub(crate) fn retry_line(file: &Snapshot, width: usize, is_colored: bool) -> Option<String> {
    let cause = file.last_retry.as_ref().filter(|_| file.retries > 0 && file.phase == Phase::Running)?;
    let text = cut_end(&format!("  {}, last error: {cause}", retries(file.retries)), width);
    Some(if is_colored { format!("{YELLOW}{text}{RESET}") } else { text })
}

fn retries(count: u64) -> String {
    if count == 1 { "1 retry".to_owned() } else { format!("{count} retries") }
}

fn bar(percent: u64, width: usize, is_colored: bool) -> String {
    let full = usize::try_from(percent).unwrap_or(100).min(100) * width / 100;
    let head = if full < width { ">" } else { "" };
    let (done, rest) = (format!("{}{head}", "=".repeat(full)), " ".repeat(width.saturating_sub(full + head.len())));
    if is_colored { format!("{GREEN}{done}{RESET}{rest}") } else { format!("{done}{rest}") }
}

/// Shortens a text at its end to a number of columns.
fn cut_end(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let dots = &"..."[..width.min(3)];
    let start: String = fitting(text.chars(), width - dots.len()).collect();
    start + dots
}

/// Shortens a path at its start, because its end is what differs.
fn cut_start(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let dots = &"..."[..width.min(3)];
    let mut end: Vec<_> = fitting(text.chars().rev(), width - dots.len()).collect();
    end.reverse();
    dots.chars().chain(end).collect()
}

/// Returns the first characters that fit into a number of columns. Some characters are two columns wide.
fn fitting(text: impl Iterator<Item = char>, width: usize) -> impl Iterator<Item = char> {
    let mut used = 0;
    text.take_while(move |c| {
        used += c.width().unwrap_or(0);
        used <= width
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::snapshot::tests::snapshot;

    #[test]
    fn wide_line_has_all_fields() {
        assert_eq!(
            line(&snapshot(), 5 << 20, 140, false),
            "backup.tar  [=============>                 ]  45 %  52.0 MiB/s  1:49 left  4.5 GiB of 10.0 GiB  288/640 parts, 8 in \
             flight  limit 5.0 MiB/s"
        );
    }

    #[test]
    fn narrow_line_keeps_the_important_fields() {
        assert_eq!(line(&snapshot(), 0, 40, false), "backup.tar  45 %  52.0 MiB/s  1:49 left");
        assert_eq!(line(&snapshot(), 0, 20, false), "...p.tar  45 %");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let names =
            ["a", "/a/very/long/path/to/some/backup-2026-01-31.tar.zst", "/\u{30d0}\u{30c3}\u{30af}.tar", "/\n\x1b"];
        for (name, width) in names.into_iter().flat_map(|name| (8..200).map(move |width| (name, width))) {
            let file = Snapshot {
                name: name.to_owned(),
                retries: 3,
                last_retry: Some("part 3: HTTP status 503".repeat(9)),
                ..snapshot()
            };
            assert!(line(&file, 1, width, false).width() <= width, "{width}");
            assert!(retry_line(&file, width, false).unwrap().width() <= width, "{width}");
            assert!(!line(&file, 1, width, false).contains(char::is_control), "{width}");
        }
    }

    #[test]
    fn color_adds_only_escape_sequences() {
        let colored = line(&snapshot(), 0, 100, true);
        assert!(colored.contains(GREEN));
        assert_eq!(colored.replace(GREEN, "").replace(RESET, ""), line(&snapshot(), 0, 100, false));
    }

    #[test]
    fn names_the_cause_of_the_last_retry() {
        let file = Snapshot { retries: 1, last_retry: Some("part 0: HTTP status 503".to_owned()), ..snapshot() };
        assert_eq!(retry_line(&file, 80, false).as_deref(), Some("  1 retry, last error: part 0: HTTP status 503"));
        assert_eq!(retry_line(&snapshot(), 80, false), None);
    }

    #[test]
    fn line_of_unknown_size_has_no_bar() {
        let file = Snapshot { total: None, parts_total: None, ..snapshot() };
        assert_eq!(line(&file, 0, 100, false), "backup.tar  52.0 MiB/s  4.5 GiB  288 parts, 8 in flight");
    }
}
