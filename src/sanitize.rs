//! Sanitizing of external text for error messages, log lines and getters.
//!
//! Service responses, file names, environment values and arguments may contain line breaks and terminal escapes. If the
//! service echoes a request, they may also contain secrets. [`escaped`] keeps each message on one line. The [`Redactor`] of
//! a client removes its secrets. `Error` and `Log` apply both, so no caller can forget it.

pub(crate) mod printed_secrets;
mod unprintable;
mod view;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

pub use self::unprintable::is_unprintable;
use self::view::View;
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
pub(crate) const SECRET_MIN: usize = 8;
/// The maximum length of a secret that is also found in hexadecimal digits and in base64, in bytes. It bounds the memory.
pub(crate) const ENCODED_MAX: usize = 8 << 10;
/// The maximum number of secrets kept: those of the latest keys of a client.
pub(crate) const SECRETS_MAX: usize = 32;

/// The text in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

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
pub fn quoted(text: &str) -> String {
    let shown = quoted_start(text);
    let mut out = String::from("\"");
    for c in shown.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        push_escaped(&mut out, c);
    }
    out.push('"');
    if shown.len() < text.len() {
        let _ = write!(out, "... ({} bytes)", text.len());
    }
    out
}

/// Returns the text that [`quoted`] shows. It does not end with a few characters of a longer word, because the word may be
/// a secret, and a [`Redactor`] does not find fewer than [`ECHO_MIN`] of its characters.
fn quoted_start(text: &str) -> &str {
    const MAX: usize = 80;
    let is_separator = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | ':' | '=' | '>');
    let Some((end, next)) = text.char_indices().nth(MAX) else { return text };
    let shown = text.get(..end).unwrap_or_default();
    let word = shown.rsplit(is_separator).next().unwrap_or_default();
    if is_separator(next) || word.chars().count() >= ECHO_MIN {
        return shown;
    }
    shown.strip_suffix(word).unwrap_or_default()
}

/// Names the first space, control character or character that is not ASCII, and its place: `a carriage return at its end`.
/// Readers overlook these characters in a value.
pub(crate) fn non_graphic(text: &str) -> Option<String> {
    let (offset, found) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic())?;
    let what = match found {
        ' ' => "a space",
        '\t' => "a tab",
        '\n' => "a line feed",
        '\r' => "a carriage return",
        _ if found.is_ascii() => "a control character",
        _ => "a character that is not ASCII",
    };
    // "At its end" if no printable character follows, as with "\r\n".
    let place = match offset {
        0 => "at its start".to_owned(),
        _ if !text[offset..].contains(|c: char| c.is_ascii_graphic()) => "at its end".to_owned(),
        _ => format!("at offset {offset}"),
    };
    Some(format!("{what} {place}"))
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

/// Finds the secrets of a client in text, including partial and encoded echoes. Stores keyed hashes of substrings instead
/// of the secrets.
#[derive(Default)]
pub struct Redactor {
    hasher: RandomState,
    secrets: Mutex<VecDeque<Secret>>,
}

/// A secret: the substrings of each of its forms.
#[derive(PartialEq, Eq)]
struct Secret(Vec<Substrings>);

/// The hashes of all substrings of one length.
#[derive(PartialEq, Eq)]
struct Substrings {
    /// In characters.
    length: usize,
    /// Sorted.
    hashes: Vec<u64>,
}

impl Redactor {
    /// Adds a secret. Beyond [`SECRETS_MAX`], removes the oldest one.
    pub(crate) fn add(&self, secret: &str) {
        let mut forms = Vec::new();
        for view in [View::Plain, View::Decoded] {
            let characters = view.wiped_characters(secret);
            forms.extend(self.substrings(&characters, SECRET_MIN, ECHO_MIN).filter(|form| !forms.contains(form)));
        }
        if forms.is_empty() {
            return;
        }
        if secret.len() <= ENCODED_MAX {
            self.add_encoded_forms(secret, &mut forms);
        }
        let secret = Secret(forms);
        let mut secrets = lock(&self.secrets);
        if secrets.contains(&secret) {
            return;
        }
        if secrets.len() == SECRETS_MAX {
            secrets.pop_front();
        }
        secrets.push_back(secret);
    }

    /// Adds the forms of a secret in hexadecimal digits and in base64.
    fn add_encoded_forms(&self, secret: &str, forms: &mut Vec<Substrings>) {
        let digits = Zeroizing::new(hex::encode(secret));
        // Two digits stand for one character.
        forms.extend(self.substrings(digits.as_bytes(), 2 * SECRET_MIN, 2 * ECHO_MIN));
        for start in 0..3 {
            let Some(bytes) = secret.as_bytes().get(start..) else { break };
            let encoded = base64_without_ends(bytes);
            let Ok(text) = std::str::from_utf8(&encoded) else { break };
            forms.extend(self.substrings(&View::Plain.wiped_characters(text), ECHO_MIN, ECHO_MIN));
        }
    }

    /// Returns the substrings of a form of a secret: those of `length` characters, or the whole form if it is shorter.
    /// Returns `None` for a form shorter than `min`.
    fn substrings(&self, characters: &[u8], min: usize, length: usize) -> Option<Substrings> {
        if characters.len() < min {
            return None;
        }
        let length = characters.len().min(length);
        let mut hashes: Vec<_> = characters.windows(length).map(|window| self.hasher.hash_one(window)).collect();
        hashes.sort_unstable();
        Some(Substrings { length, hashes })
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
                let is_echo = |form: &Substrings| form.length == length && form.hashes.binary_search(&hash).is_ok();
                if let [first, .., last] = ranges
                    && secrets.iter().flat_map(|secret| &secret.0).any(is_echo)
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
    let mut lengths: Vec<_> = secrets.iter().flat_map(|secret| &secret.0).map(|form| form.length).collect();
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

/// Encodes bytes in base64, without the characters that depend on the bytes before and after them. A base64 text contains
/// the result for one of three consecutive starts in a secret, whatever surrounds the secret.
fn base64_without_ends(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let whole = bytes.get(..bytes.len() / 3 * 3).unwrap_or_default();
    // Encoded in place: functions that return or extend a string use buffers that nothing wipes.
    let mut encoded = Zeroizing::new(vec![0; whole.len() / 3 * 4]);
    let length = STANDARD_NO_PAD.encode_slice(whole, &mut encoded).unwrap_or_default();
    encoded.truncate(length);
    encoded
}

#[cfg(test)]
mod tests;
