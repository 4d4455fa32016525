//! Sanitizing of external text for error messages, log lines and getters.
//!
//! Service responses, file names, environment values and arguments may contain line breaks and terminal escapes. If the
//! service echoes a request, they may also contain secrets. [`escaped`] keeps each message on one line. The [`Redactor`] of
//! a client removes its secrets. `Error` and `Log` apply both, so no caller can forget it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use zeroize::Zeroizing;

use crate::sync::{Mutex, lock};

/// The maximum length of one text in an error message, in characters.
pub(crate) const TEXT_MAX: usize = 4096;
/// The maximum length of a short text, in characters: an error code, a request ID, a date.
pub(crate) const NAME_MAX: usize = 128;
/// The maximum number of bytes searched for secrets. Longer texts are truncated first.
const SEARCHED_MAX: usize = 64 << 10;
/// The minimum length of an echo, in characters: a part of a secret that is redacted.
const ECHO_MIN: usize = 16;
/// The minimum length of a secret, in characters. Shorter ones would redact ordinary words. Secrets shorter than
/// [`ECHO_MIN`] are redacted only as a whole.
const SECRET_MIN: usize = 8;
/// The maximum number of secrets kept: those of the latest keys of a client.
const SECRETS_MAX: usize = 32;

const REDACTED: &str = "[redacted]";

/// Escapes control and format characters, and truncates the text to `max` characters. Idempotent for a larger `max`.
pub fn escaped(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    let mut left = max;
    for c in text.chars() {
        let Some(rest) = left.checked_sub(1) else {
            let _ = write!(out, "... ({} bytes)", text.len());
            break;
        };
        left = rest;
        push_escaped(&mut out, c);
    }
    out
}

/// Returns the text in quotes, escaped and truncated.
pub(crate) fn quoted(text: &str) -> String {
    const MAX: usize = 80;
    let mut out = String::from("\"");
    for c in text.chars().take(MAX) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        push_escaped(&mut out, c);
    }
    out.push('"');
    if text.chars().nth(MAX).is_some() {
        let _ = write!(out, "... ({} bytes)", text.len());
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    let _ = match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\0'..='\x1f' | '\x7f' => write!(out, "\\x{:02x}", u32::from(c)),
        _ if is_unprintable(c) => write!(out, "\\u{{{:x}}}", u32::from(c)),
        _ => out.write_char(c),
    };
}

/// Returns whether `c` is a C1 control, invisible, or changes the direction or order of text.
fn is_unprintable(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Finds the secrets of a client in text, including partial and encoded echoes. Stores keyed hashes of substrings instead
/// of the secrets.
#[derive(Default)]
pub struct Redactor {
    hasher: RandomState,
    secrets: Mutex<VecDeque<Secret>>,
}

/// The hashes of all substrings of one length of a secret.
struct Secret {
    /// The length of the substrings, in characters.
    length: usize,
    /// Sorted.
    hashes: Vec<u64>,
}

impl Redactor {
    /// Adds a secret. Beyond [`SECRETS_MAX`], removes the oldest one.
    pub(crate) fn add(&self, secret: &str) {
        for view in [View::Plain, View::Decoded] {
            self.add_characters(secret, view);
        }
    }

    fn add_characters(&self, secret: &str, view: View) {
        // Allocated at full size: a growing vector would leave copies of the secret in freed memory.
        let mut characters = Zeroizing::new(Vec::with_capacity(secret.len()));
        characters.extend(view.characters(secret).map(|(byte, _)| byte));
        if characters.len() < SECRET_MIN {
            return;
        }
        let length = characters.len().min(ECHO_MIN);
        let mut hashes: Vec<_> = characters.windows(length).map(|window| self.hasher.hash_one(window)).collect();
        hashes.sort_unstable();
        let mut secrets = lock(&self.secrets);
        if secrets.iter().any(|known| known.hashes == hashes) {
            return;
        }
        if secrets.len() == SECRETS_MAX {
            secrets.pop_front();
        }
        secrets.push_back(Secret { length, hashes });
    }

    /// Redacts each echo: a whole secret, or 16 or more characters of one.
    pub(crate) fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secrets = lock(&self.secrets);
        if secrets.is_empty() || text.len() < SECRET_MIN {
            return Cow::Borrowed(text);
        }
        let text = truncated(text, SEARCHED_MAX);
        let mut echoes = self.echoes(&secrets, text, View::Plain);
        // Searches both views: the text before a plain echo can make its first characters look encoded.
        if text.contains(['%', '\\', '&']) {
            echoes.extend(self.echoes(&secrets, text, View::Decoded));
        }
        if echoes.is_empty() {
            return Cow::Borrowed(text);
        }
        echoes.sort_unstable_by_key(|echo| echo.start);
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for echo in merged(echoes) {
            out.push_str(text.get(copied..echo.start).unwrap_or_default());
            out.push_str(REDACTED);
            copied = echo.end;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// Returns the byte ranges of echoes in the text.
    fn echoes(&self, secrets: &VecDeque<Secret>, text: &str, view: View) -> Vec<Range<usize>> {
        let (characters, ranges): (Vec<u8>, Vec<Range<usize>>) = view.characters(text).unzip();
        let mut echoes = Vec::new();
        for length in window_lengths(secrets) {
            for (window, ranges) in characters.windows(length).zip(ranges.windows(length)) {
                let hash = self.hasher.hash_one(window);
                let is_echo = |secret: &Secret| secret.length == length && secret.hashes.binary_search(&hash).is_ok();
                if let [first, .., last] = ranges
                    && secrets.iter().any(is_echo)
                {
                    echoes.push(first.start..last.end);
                }
            }
        }
        echoes
    }

    /// Returns whether the text contains an echo of a secret.
    pub(crate) fn contains_secret(&self, text: &str) -> bool {
        matches!(self.redacted(text), Cow::Owned(_))
    }

    /// Returns the text for use in a message: redacted, on one line, with at most `max` characters.
    pub(crate) fn sanitized(&self, text: &str, max: usize) -> String {
        escaped(&self.redacted(text), max)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(..)")
    }
}

/// Returns the distinct substring lengths of the secrets.
fn window_lengths(secrets: &VecDeque<Secret>) -> Vec<usize> {
    let mut lengths: Vec<_> = secrets.iter().map(|secret| secret.length).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// Merges overlapping and adjacent ranges. The ranges must be sorted by start.
fn merged(ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Returns at most the first `max` bytes of a text.
fn truncated(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// A normalization of text for comparison. It ignores case, backslashes, spaces and control characters.
#[derive(Clone, Copy, Debug)]
enum View {
    /// No decoding.
    Plain,
    /// Decodes percent-encoding (also repeated), JSON escapes and numeric character references.
    Decoded,
}

impl View {
    /// Returns the normalized characters with their byte ranges.
    fn characters(self, text: &str) -> impl Iterator<Item = (u8, Range<usize>)> {
        let bytes = text.as_bytes();
        let mut next = 0;
        std::iter::from_fn(move || {
            loop {
                let start = next;
                let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
                let (byte, length) = match self {
                    Self::Plain => (rest.first().copied()?, 1),
                    Self::Decoded => decode_first(rest),
                };
                next = start + length;
                if byte > b' ' && byte != 0x7f && byte != b'\\' {
                    return Some((byte.to_ascii_lowercase(), start..next));
                }
            }
        })
    }
}

/// Decodes the first character. Returns it and its encoded length in bytes.
fn decode_first(rest: &[u8]) -> (u8, usize) {
    let found = match rest {
        [b'%', ..] => decode_percent(rest),
        [b'\\', b'u', b'0', b'0', digits @ ..] => hex_pair(digits).map(|byte| (byte, 6)),
        [b'&', b'#', reference @ ..] => decode_reference(reference).map(|(byte, length)| (byte, length + 2)),
        _ => None,
    };
    found.unwrap_or((rest.first().copied().unwrap_or_default(), 1))
}

/// Decodes `%2F`, `%252F` and so on.
fn decode_percent(rest: &[u8]) -> Option<(u8, usize)> {
    let mut digits = rest.get(1..)?;
    while let [b'2', b'5', inner @ ..] = digits {
        if hex_pair(inner).is_none() {
            break;
        }
        digits = inner;
    }
    Some((hex_pair(digits)?, rest.len() - digits.len() + 2))
}

/// Decodes `x2F;` or `47;`.
fn decode_reference(reference: &[u8]) -> Option<(u8, usize)> {
    let end = reference.iter().take(6).position(|&byte| byte == b';')?;
    let digits = std::str::from_utf8(reference.get(..end)?).ok()?;
    let byte = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    Some((byte.ok()?, end + 1))
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let digits = digits.get(..2).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
