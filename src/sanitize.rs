//! Text from outside the library, made safe for error messages, log lines and getters.
//!
//! Service responses, file names, environment values and the caller's arguments may hold line breaks, terminal escapes
//! and, in a service's echo of a request, secrets. All of them pass [`escaped`], which keeps one message one line, and
//! those of a client pass its [`Redactor`] as well. `Error` and `Log` call both, so no caller can forget them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use zeroize::Zeroizing;

use crate::sync::{Mutex, lock};

/// The most characters of one text in an error message.
pub const TEXT_MAX: usize = 4096;
/// The most characters of a short text: an error code, a request ID, a date.
pub const NAME_MAX: usize = 128;
/// The most bytes that are searched for secrets. A longer text is cut to this first.
const SEARCHED_MAX: usize = 64 << 10;
/// The fewest characters of a secret that count as an echo of it.
const ECHO_MIN: usize = 16;
/// A secret shorter than this would redact ordinary words. Shorter ones than [`ECHO_MIN`] count only as a whole.
const SECRET_MIN: usize = 8;
/// The secrets that are remembered: those of the last keys of a client.
const SECRETS_MAX: usize = 32;

const REDACTED: &str = "[redacted]";

/// Replaces control and format characters, and cuts a text to `max` characters. Applied again,
/// with a larger `max`, it changes nothing.
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

/// A text in quotes, escaped, and cut where it is long.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut out = String::from("\"");
    for c in text.chars().take(SHOWN) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        push_escaped(&mut out, c);
    }
    out.push('"');
    if text.chars().nth(SHOWN).is_some() {
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

/// C1 controls, and characters that are invisible or change the direction or the order of text.
fn is_unprintable(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Finds the secrets of a client in text, also in part and percent-encoded. It keeps no secret: only keyed hashes of
/// pieces of them.
#[derive(Default)]
pub struct Redactor {
    hasher: RandomState,
    secrets: Mutex<VecDeque<Secret>>,
}

/// The hashes of all pieces of a secret.
struct Secret {
    /// In characters.
    piece: usize,
    /// Sorted.
    hashes: Vec<u64>,
}

impl Redactor {
    /// Adds a secret. The oldest ones are forgotten.
    pub fn add(&self, secret: &str) {
        for view in [View::Plain, View::Decoded] {
            self.add_characters(secret, view);
        }
    }

    fn add_characters(&self, secret: &str, view: View) {
        // With room for all of them from the start: a vector that grows leaves copies behind.
        let mut characters = Zeroizing::new(Vec::with_capacity(secret.len()));
        characters.extend(view.of(secret).map(|(byte, _)| byte));
        if characters.len() < SECRET_MIN {
            return;
        }
        let piece = characters.len().min(ECHO_MIN);
        let mut hashes: Vec<_> = characters.windows(piece).map(|piece| self.hasher.hash_one(piece)).collect();
        hashes.sort_unstable();
        let mut secrets = lock(&self.secrets);
        if secrets.iter().any(|known| known.hashes == hashes) {
            return;
        }
        if secrets.len() == SECRETS_MAX {
            secrets.pop_front();
        }
        secrets.push_back(Secret { piece, hashes });
    }

    /// Replaces each echo of a secret, or of 16 or more characters of it.
    pub fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secrets = lock(&self.secrets);
        if secrets.is_empty() || text.len() < SECRET_MIN {
            return Cow::Borrowed(text);
        }
        let text = start_of(text, SEARCHED_MAX);
        let mut echoes = self.echoes(&secrets, text, View::Plain);
        // Both: what stands before a plain echo may make its first characters look encoded.
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

    /// Where pieces of secrets are in a text, in bytes.
    fn echoes(&self, secrets: &VecDeque<Secret>, text: &str, view: View) -> Vec<Range<usize>> {
        let (characters, places): (Vec<u8>, Vec<Range<usize>>) = view.of(text).unzip();
        let mut echoes = Vec::new();
        for piece in pieces(secrets) {
            for (window, places) in characters.windows(piece).zip(places.windows(piece)) {
                let hash = self.hasher.hash_one(window);
                let is_echo = |secret: &Secret| secret.piece == piece && secret.hashes.binary_search(&hash).is_ok();
                if let [first, .., last] = places
                    && secrets.iter().any(is_echo)
                {
                    echoes.push(first.start..last.end);
                }
            }
        }
        echoes
    }

    /// Whether a text echoes a secret.
    pub fn contains_secret(&self, text: &str) -> bool {
        matches!(self.redacted(text), Cow::Owned(_))
    }

    /// A text as a message may show it: without secrets, on one line, and of at most `max` characters.
    pub fn sanitized(&self, text: &str, max: usize) -> String {
        escaped(&self.redacted(text), max)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(..)")
    }
}

/// The lengths of the pieces that are searched for.
fn pieces(secrets: &VecDeque<Secret>) -> Vec<usize> {
    let mut lengths: Vec<_> = secrets.iter().map(|secret| secret.piece).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// Ranges, sorted by their start, that overlap or touch become one.
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

/// At most `max` bytes of a text.
fn start_of(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// How the characters of a text are read to be compared. Case, backslashes, spaces and control characters do not count.
#[derive(Clone, Copy, Debug)]
enum View {
    /// As they are.
    Plain,
    /// With percent-encoding (once or several times), JSON escapes and numeric character references decoded.
    Decoded,
}

impl View {
    /// The characters, each with its place.
    fn of(self, text: &str) -> impl Iterator<Item = (u8, Range<usize>)> {
        let bytes = text.as_bytes();
        let mut next = 0;
        std::iter::from_fn(move || {
            loop {
                let start = next;
                let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
                let (byte, length) = match self {
                    Self::Plain => (rest.first().copied()?, 1),
                    Self::Decoded => decoded_first(rest),
                };
                next = start + length;
                if byte > b' ' && byte != 0x7f && byte != b'\\' {
                    return Some((byte.to_ascii_lowercase(), start..next));
                }
            }
        })
    }
}

/// The first character, and how many bytes it takes.
fn decoded_first(rest: &[u8]) -> (u8, usize) {
    let found = match rest {
        [b'%', ..] => percent(rest),
        [b'\\', b'u', b'0', b'0', digits @ ..] => hex_pair(digits).map(|byte| (byte, 6)),
        [b'&', b'#', reference @ ..] => numeric(reference).map(|(byte, length)| (byte, length + 2)),
        _ => None,
    };
    found.unwrap_or((rest.first().copied().unwrap_or_default(), 1))
}

/// `%2F`, or `%252F`, and so on.
fn percent(rest: &[u8]) -> Option<(u8, usize)> {
    let mut digits = rest.get(1..)?;
    while let [b'2', b'5', inner @ ..] = digits {
        if hex_pair(inner).is_none() {
            break;
        }
        digits = inner;
    }
    Some((hex_pair(digits)?, rest.len() - digits.len() + 2))
}

/// `x2F;` or `47;`.
fn numeric(reference: &[u8]) -> Option<(u8, usize)> {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "IQoJb3JpZ2luX2VjEHwaCXVz/LWVhc3QtMSJH+MEUCIQDeadBeef0123456789==";

    fn redactor() -> Redactor {
        let redactor = Redactor::default();
        redactor.add(TOKEN);
        redactor
    }

    #[test]
    fn escapes_control_and_format_characters() {
        for (text, expected) in [
            ("plain text, \"quoted\" 'and' C:\\dir", "plain text, \"quoted\" 'and' C:\\dir"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\x1b[31mred\x07\0\x7f", "\\x1b[31mred\\x07\\x00\\x7f"),
            ("\u{85}\u{9b}", "\\u{85}\\u{9b}"),
            ("\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{2028}", "\\u{202e}txt.exe\\u{2066}\\u{200b}\\u{feff}\\u{2028}"),
            ("Größe 大 e\u{301}", "Größe 大 e\u{301}"),
        ] {
            assert_eq!(escaped(text, TEXT_MAX), expected);
        }
        assert_eq!(quoted("a\"b\\c\x1b"), r#""a\"b\\c\x1b""#);
    }

    #[test]
    fn cuts_long_text_between_characters() {
        assert_eq!(escaped("ééé", 3), "ééé");
        assert_eq!(escaped("éééé", 3), "ééé... (8 bytes)");
        assert_eq!(quoted(&"é".repeat(81)), format!("\"{}\"... (162 bytes)", "é".repeat(80)));
    }

    #[test]
    fn redacts_whole_and_partial_echoes() {
        let redactor = redactor();
        for (text, expected) in [
            (format!("token {TOKEN}."), "token [redacted].".to_owned()),
            (format!("{TOKEN}{TOKEN}"), "[redacted]".to_owned()),
            (format!("x {} y", &TOKEN[20..36]), "x [redacted] y".to_owned()),
            (format!("x {} y", &TOKEN[20..35]), format!("x {} y", &TOKEN[20..35])),
            (format!("über {}", &TOKEN[3..]), "über [redacted]".to_owned()),
            (TOKEN.to_lowercase(), "[redacted]".to_owned()),
            ("InvalidSignatureException: no".to_owned(), "InvalidSignatureException: no".to_owned()),
        ] {
            assert_eq!(redactor.redacted(&text), expected, "{text}");
        }
    }

    #[test]
    fn redacts_encoded_echoes() {
        let redactor = redactor();
        let once = TOKEN.replace('/', "%2F").replace('+', "%2b").replace('=', "%3D");
        let all: String = TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for text in [
            once.clone(),
            once.replace('%', "%25"),
            once.replace('%', "%2525"),
            all,
            TOKEN.replace('/', "\\/"),
            TOKEN.replace('/', "\\u002f"),
            TOKEN.replace('/', "&#x2F;").replace('+', "&#43;"),
            TOKEN.as_bytes().chunks(8).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\r\n "),
        ] {
            assert_eq!(redactor.redacted(&format!("<{text}>")), "<[redacted]>", "{text}");
        }
    }

    #[test]
    fn redacts_echoes_that_look_encoded_in_part() {
        let redactor = redactor();
        let echo = TOKEN.get(44..60).unwrap();
        for before in ["%", "%25", "&#", "\\u00"] {
            let text = format!("{before}{echo}");
            assert!(!redactor.redacted(&text).contains(echo), "{text}");
        }
        let encoded_secret = Redactor::default();
        encoded_secret.add("secret%2Fwith%2Fencoding");
        assert_eq!(encoded_secret.redacted("<secret%2Fwith%2Fencoding>"), "<[redacted]>");
        assert_eq!(encoded_secret.redacted("<secret/with/encoding>"), "<[redacted]>");
    }

    #[test]
    fn redacts_short_secrets_only_as_a_whole() {
        let redactor = Redactor::default();
        redactor.add("short-secret");
        redactor.add("key");
        assert_eq!(redactor.redacted("a short-secret key"), "a [redacted] key");
        assert_eq!(redactor.redacted("a short-secre"), "a short-secre");
    }

    #[test]
    fn remembers_replaced_secrets() {
        let redactor = redactor();
        for number in 0..SECRETS_MAX - 1 {
            redactor.add(&format!("secret-{number:020}"));
        }
        assert!(redactor.contains_secret(TOKEN));
        redactor.add("the-last-of-them");
        assert!(!redactor.contains_secret(TOKEN));
        assert!(redactor.contains_secret("the-last-of-them"));
    }

    #[test]
    fn bounds_the_search() {
        let redactor = redactor();
        let text = "é".repeat(10 << 20) + TOKEN;
        assert!(redactor.redacted(&text).len() <= SEARCHED_MAX);
    }

    proptest! {
        #[test]
        fn never_shows_sixteen_characters_of_a_secret(before in "\\PC{0,40}", start in 0usize..48, after in "\\PC{0,40}") {
            let echo = &TOKEN[start..start + 16];
            let shown = redactor().sanitized(&format!("{before}{echo}{after}"), TEXT_MAX);
            prop_assert!(!shown.contains(echo));
        }

        #[test]
        fn shows_one_line_and_escapes_once(text in any::<String>()) {
            let shown = escaped(&text, TEXT_MAX);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(escaped(&shown, usize::MAX), shown.clone());
            let _ = redactor().redacted(&text);
        }
    }
}
