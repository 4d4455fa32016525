//! The normalization of text for the search for secrets, and the decoding of encoded echoes.

use std::ops::Range;

use zeroize::Zeroizing;

use super::unprintable::is_unprintable;

/// A normalization of text for comparison. It ignores case, backslashes, spaces, control characters, invisible characters
/// and combining marks. Full-width characters are the same as those of ASCII. `-` and `_` are the same as `+` and `/`, for
/// which base64url has them.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    /// No decoding.
    Plain,
    /// Decodes percent-encoding (also repeated), JSON escapes, character references, and the escapes of [`super::escaped`].
    Decoded,
}

impl View {
    /// Returns the bytes of the normalized characters with the byte ranges of the characters in the text.
    pub(super) fn characters(self, text: &str) -> impl Iterator<Item = (u8, Range<usize>)> {
        let mut next = 0;
        let characters = std::iter::from_fn(move || {
            let start = next;
            let rest = text.get(start..)?;
            let first = rest.chars().next()?;
            let decoded = match self {
                Self::Plain => None,
                Self::Decoded => decode_first(rest.as_bytes()),
            };
            let (c, length) = decoded.unwrap_or((first, first.len_utf8()));
            next = start + length;
            Some((normalized(c), start..next))
        });
        characters.flat_map(|(c, range)| {
            let mut bytes = [0; 4];
            let length = c.map_or(0, |c| c.encode_utf8(&mut bytes).len());
            bytes.into_iter().take(length).map(move |byte| (byte, range.clone()))
        })
    }

    /// Returns the bytes of the normalized characters of a secret.
    pub(super) fn wiped_characters(self, secret: &str) -> Zeroizing<Vec<u8>> {
        // Allocated at full size: a growing vector would leave copies of the secret in freed memory. No character is longer
        // than its encoded form.
        let mut characters = Zeroizing::new(Vec::with_capacity(secret.len()));
        characters.extend(self.characters(secret).map(|(byte, _)| byte));
        characters
    }
}

/// Returns the character for the comparison, or `None` if the comparison ignores it.
fn normalized(c: char) -> Option<char> {
    let c = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0)?,
        c => c,
    };
    match c.to_ascii_lowercase() {
        ..=' ' | '\x7f' | '\\' => None,
        c if is_unprintable(c) || is_combining(c) => None,
        '-' => Some('+'),
        '_' => Some('/'),
        c => Some(c),
    }
}

/// Returns whether a character is in one of the blocks of combining marks, which are above or below another character.
fn is_combining(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Decodes the first character. Returns it and its encoded length in bytes, or `None` if it is not encoded.
fn decode_first(rest: &[u8]) -> Option<(char, usize)> {
    match rest {
        [b'%', ..] | [b'\\', b'x', ..] => decode_bytes(rest),
        [b'\\', b'n' | b'r' | b't', ..] => Some((' ', 2)),
        [b'\\', b'u', b'{', digits @ ..] => decode_number(digits, b'}', 16).map(|(c, length)| (c, length + 3)),
        [b'\\', b'u', ..] => decode_utf16(rest),
        [b'&', b'a', b'm', b'p', b';', ..] => Some(('&', 5)),
        [b'&', b'l', b't', b';', ..] => Some(('<', 4)),
        [b'&', b'g', b't', b';', ..] => Some(('>', 4)),
        [b'&', b'q', b'u', b'o', b't', b';', ..] => Some(('"', 6)),
        [b'&', b'#', b'x' | b'X', digits @ ..] => decode_number(digits, b';', 16).map(|(c, length)| (c, length + 3)),
        [b'&', b'#', digits @ ..] => decode_number(digits, b';', 10).map(|(c, length)| (c, length + 2)),
        _ => None,
    }
}

/// Decodes a character whose bytes in UTF-8 are all encoded. A byte that begins none is U+FFFD.
fn decode_bytes(rest: &[u8]) -> Option<(char, usize)> {
    let (_, first_length) = decode_byte(rest)?;
    // No vector, which would leave bytes of a secret in freed memory.
    let mut bytes = [0; 4];
    let mut length = 0;
    for last in 0..bytes.len() {
        let Some((byte, encoded)) = rest.get(length..).and_then(decode_byte) else { break };
        *bytes.get_mut(last)? = byte;
        length += encoded;
        if let Ok(text) = std::str::from_utf8(bytes.get(..=last)?) {
            return text.chars().next().map(|c| (c, length));
        }
    }
    Some((char::REPLACEMENT_CHARACTER, first_length))
}

/// Decodes `\x2f`, `%2F`, `%252F` and so on.
fn decode_byte(rest: &[u8]) -> Option<(u8, usize)> {
    let mut digits = match rest {
        [b'\\', b'x', digits @ ..] | [b'%', digits @ ..] => digits,
        _ => return None,
    };
    while let [b'2', b'5', inner @ ..] = digits
        && rest.starts_with(b"%")
        && hex_pair(inner).is_some()
    {
        digits = inner;
    }
    Some((hex_pair(digits)?, rest.len() - digits.len() + 2))
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    u8::try_from(number(digits.get(..2)?, 16)?).ok()
}

/// Decodes `\u002f`, or the two escapes of a surrogate pair.
fn decode_utf16(rest: &[u8]) -> Option<(char, usize)> {
    const LENGTH: usize = 6;
    let unit = |escape: &[u8]| u16::try_from(number(escape.strip_prefix(b"\\u")?, 16)?).ok();
    let first = unit(rest.get(..LENGTH)?)?;
    let second = rest.get(LENGTH..2 * LENGTH).and_then(unit);
    let c = char::decode_utf16(std::iter::once(first).chain(second)).next()?.ok()?;
    Some((c, LENGTH * c.len_utf16()))
}

/// Decodes the number of a character, such as `2f` or `47`, and the character that ends it.
fn decode_number(digits: &[u8], end: u8, radix: u32) -> Option<(char, usize)> {
    const DIGITS_MAX: usize = 8;
    let length = digits.iter().take(DIGITS_MAX + 1).position(|&byte| byte == end)?;
    let c = char::from_u32(number(digits.get(..length)?, radix)?)?;
    Some((c, length + 1))
}

/// Returns the number that the text is. It has no sign.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let is_number = digits.iter().all(|&byte| char::from(byte).is_digit(radix));
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_number)?, radix).ok()
}
