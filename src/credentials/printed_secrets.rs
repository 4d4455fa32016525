//! Secrets in what a program printed, such as a trace of a shell script on standard error.

use zeroize::Zeroizing;

use crate::sanitize::{ENCODED_MAX, Redactor, SECRET_MIN, SECRETS_MAX};

/// The names before secrets, in lower case and without separators between words.
const NAMES: [&[u8]; 4] = [b"secretaccesskey", b"sessiontoken", b"securitytoken", b"accesstoken"];

/// Returns a redactor that knows the values of `"SecretAccessKey": "..."`, `--session-token ...` and similar texts.
/// Returns `None` if a redactor cannot find all of them: a value is longer than [`ENCODED_MAX`], or there are more than
/// [`SECRETS_MAX`] values. The limits also bound the time.
pub(super) fn printed_secrets(outputs: [&[u8]; 2]) -> Option<Redactor> {
    let mut values: Vec<&[u8]> = Vec::new();
    for output in outputs {
        for start in 0..output.len() {
            let Some(value) = output.get(start..).and_then(value).filter(|value| value.len() >= SECRET_MIN) else {
                continue;
            };
            if values.contains(&value) {
                continue;
            }
            if value.len() > ENCODED_MAX || values.len() == SECRETS_MAX {
                return None;
            }
            values.push(value);
        }
    }
    let redactor = Redactor::default();
    for value in values {
        redactor.add(&lossy_text(value));
    }
    Some(redactor)
}

/// Returns bytes as text, with U+FFFD for invalid UTF-8.
pub(super) fn lossy_text(bytes: &[u8]) -> Zeroizing<String> {
    // Allocated at full size: a growing string would leave copies of the secret in freed memory.
    let size = bytes.len() * char::REPLACEMENT_CHARACTER.len_utf8();
    let mut text = Zeroizing::new(String::with_capacity(size));
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// Returns the value if a text begins with a name, a separator and a value. A separator is a colon, an equals sign, the end
/// of an XML tag or white space, also with quotes. A value that is longer than [`ENCODED_MAX`] is cut after one more byte.
fn value(text: &[u8]) -> Option<&[u8]> {
    let rest = NAMES.iter().find_map(|name| after_name(text, name))?;
    let rest = after(rest, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let is_separator = |byte: u8| matches!(byte, b':' | b'=' | b'>') || byte.is_ascii_whitespace();
    rest.first().filter(|byte| is_separator(**byte))?;
    let rest = after(rest, |byte| matches!(byte, b'"' | b'\'' | b'\\') || is_separator(byte));
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\'' | b',' | b'}' | b';' | b'<') || byte.is_ascii_whitespace();
    let rest = rest.get(..=ENCODED_MAX).unwrap_or(rest);
    rest.get(..rest.iter().position(is_end).unwrap_or(rest.len()))
}

/// Returns the text after a name, whose words may have underscores or hyphens between them.
fn after_name<'a>(mut text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    for letter in name {
        if matches!(text, [b'_' | b'-', ..]) {
            text = text.get(1..)?;
        }
        let (first, rest) = text.split_first()?;
        if !first.eq_ignore_ascii_case(letter) {
            return None;
        }
        text = rest;
    }
    Some(text)
}

fn after(text: &[u8], is_skipped: impl Fn(u8) -> bool) -> &[u8] {
    let start = text.iter().position(|byte| !is_skipped(*byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        printed_secrets([text.as_bytes(), b""]).unwrap().redacted(text).into_owned()
    }

    #[test]
    fn finds_the_values_after_the_names_of_secrets() {
        for text in [
            r#"{"Version": 1, "SecretAccessKey": "the-secret/value", "x": 1}"#,
            r#"+ echo '{\"SecretAccessKey\":\"the-secret\/value\"}'"#,
            "aws_secret_access_key = the-secret/value\n",
            "export AWS_SESSION_TOKEN=the-secret/value; run",
            "--session-token='the-secret/value'",
            "\"accessToken\":\n  \"the-secret/value\"",
            "\"SessionToken\": \"the-secret/value",
            "aws configure set aws_secret_access_key the-secret/value",
            "login --session-token \t 'the-secret/value' --region r",
            "'secretAccessKey' => 'the-secret/value'",
        ] {
            let shown = redacted(text);
            assert!(!shown.contains("value") && shown.contains("[redacted]"), "{shown}");
        }
    }

    #[test]
    fn other_text_has_no_secrets() {
        for text in [
            "the SecretAccessKey is missing in environment",
            "The security token included in the request is invalid",
            "AccessKeyId: AKIDEXAMPLE",
            "SessionTokenProvider: unavailable",
            "SessionToken",
            "token: none",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn ends_a_value_at_the_next_xml_tag() {
        let text = "<SecretAccessKey>short/value</SecretAccessKey>\n<SessionToken>other/value</SessionToken>";
        let expected = "<SecretAccessKey>[redacted]</SecretAccessKey>\n<SessionToken>[redacted]</SessionToken>";
        assert_eq!(redacted(text), expected);
        assert_eq!(redacted(&format!("{text} short/value")), format!("{expected} [redacted]"));
    }

    #[test]
    fn finds_a_value_with_invalid_utf8() {
        let output = b"KEY='x' AWS_SESSION_TOKEN=short\xff/value\xe2\x82; run";
        let text = String::from_utf8_lossy(output);
        assert_eq!(*lossy_text(output), text);
        let shown = printed_secrets([b"", output]).unwrap().redacted(&text).into_owned();
        assert_eq!(shown, "KEY='x' AWS_SESSION_TOKEN=[redacted]; run");
    }

    #[test]
    fn refuses_more_values_than_a_redactor_keeps() {
        let values = |count: usize| -> String { (0..count).map(|n| format!("SessionToken=secret-{n:04}\n")).collect() };
        let most = values(SECRETS_MAX);
        assert!(!redacted(&most.repeat(3)).contains("secret-"));
        assert!(printed_secrets([values(SECRETS_MAX + 1).as_bytes(), b""]).is_none());
        assert!(printed_secrets([most.as_bytes(), b"SessionToken=secret-of-errors"]).is_none());
    }

    #[test]
    fn refuses_a_value_that_is_too_long() {
        let text = |length: usize| format!("SessionToken={} end", "x".repeat(length));
        assert!(printed_secrets([text(ENCODED_MAX).as_bytes(), b""]).is_some());
        assert!(printed_secrets([text(ENCODED_MAX + 1).as_bytes(), b""]).is_none());
        assert!(printed_secrets(["accesstoken=".repeat(20_000).as_bytes(), b""]).is_none());
    }
}
