//! Secrets in what a program printed, such as a trace of a shell script on standard error.

use crate::sanitize::Redactor;

/// The names before secrets, in lower case and without separators between words.
const NAMES: [&[u8]; 4] = [b"secretaccesskey", b"sessiontoken", b"securitytoken", b"accesstoken"];

/// Returns a redactor that knows the values of `"SecretAccessKey": "..."`, `AWS_SESSION_TOKEN=...` and similar texts.
pub(super) fn printed_secrets(outputs: [&[u8]; 2]) -> Redactor {
    let redactor = Redactor::default();
    for output in outputs {
        for start in 0..output.len() {
            if let Some(secret) = output.get(start..).and_then(value).and_then(|value| std::str::from_utf8(value).ok())
            {
                redactor.add(secret);
            }
        }
    }
    redactor
}

/// Returns the value if a text begins with a name, a colon or an equals sign, and a value.
fn value(text: &[u8]) -> Option<&[u8]> {
    let rest = NAMES.iter().find_map(|name| after_name(text, name))?;
    let rest = after(rest, |byte| matches!(byte, b'"' | b'\'' | b'\\' | b' ' | b'\t'));
    let [b':' | b'=', rest @ ..] = rest else { return None };
    let rest = after(rest, |byte| matches!(byte, b'"' | b'\'' | b'\\') || byte.is_ascii_whitespace());
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\'' | b',' | b'}' | b';') || byte.is_ascii_whitespace();
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
        ] {
            let shown = printed_secrets([text.as_bytes(), b""]).redacted(text).into_owned();
            assert!(!shown.contains("value") && shown.contains("[redacted]"), "{shown}");
        }
    }

    #[test]
    fn other_text_has_no_secrets() {
        for text in
            ["the SecretAccessKey is missing in environment", "AccessKeyId: AKIDEXAMPLE", "SessionToken", "token: none"]
        {
            assert_eq!(printed_secrets([b"", text.as_bytes()]).redacted(text), text);
        }
    }
}
