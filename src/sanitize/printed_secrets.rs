//! Secrets in texts of others: what a program printed, such as a trace of a shell script on standard error, and files.

use zeroize::Zeroizing;

use super::{ENCODED_MAX, REDACTED, Redactor, SECRET_MIN, SECRETS_MAX};

/// The names of secrets. White space is enough between one of them and its value, if there is none in the name.
const NAMES: [&[u8]; 4] = [b"secretaccesskey", b"sessiontoken", b"securitytoken", b"accesstoken"];
/// The ends of other names of secrets, which are also ordinary words. A colon or an equals sign must follow, unless the
/// name is that of an option, such as `--token`.
const NAME_ENDS: [&[u8]; 6] = [b"token", b"secret", b"password", b"passwd", b"secretkey", b"secretaccesskey"];
/// The header whose value is the name of a scheme and a secret.
const AUTHORIZATION: &[u8] = b"authorization";

/// Returns a redactor that knows the values of `"SecretAccessKey": "..."`, `--session-token ...`, `password=...` and
/// similar texts, and the passwords of URLs. Names may differ in case, and in spaces, underscores and hyphens.
/// Returns `None` if a redactor cannot find all of them: a value is longer than [`ENCODED_MAX`], or there are more than
/// [`SECRETS_MAX`] values. The limits also bound the time.
pub(crate) fn printed_secrets<const N: usize>(outputs: [&[u8]; N]) -> Option<Redactor> {
    let values = secret_values(outputs)?;
    let redactor = Redactor::default();
    for value in values {
        redactor.add(&lossy_text(value));
    }
    Some(redactor)
}

/// Returns the secrets in a text as [`printed_secrets`] finds them. Returns none if there are too many.
pub(crate) fn secrets_in(text: &str) -> Vec<Zeroizing<String>> {
    let values = secret_values([text.as_bytes()]).unwrap_or_default();
    values.into_iter().map(lossy_text).collect()
}

fn secret_values<const N: usize>(outputs: [&[u8]; N]) -> Option<Vec<&[u8]>> {
    let mut values: Vec<&[u8]> = Vec::new();
    for output in outputs {
        for start in 0..output.len() {
            let found = [value_of_name(output, start), url_password(output, start)];
            for value in found.into_iter().flatten().filter(|value| value.len() >= SECRET_MIN) {
                if values.contains(&value) {
                    continue;
                }
                if value.len() > ENCODED_MAX || values.len() == SECRETS_MAX {
                    return None;
                }
                values.push(value);
            }
        }
    }
    Some(values)
}

/// Returns bytes as text, with U+FFFD for invalid UTF-8.
pub(crate) fn lossy_text(bytes: &[u8]) -> Zeroizing<String> {
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

/// Returns the value if a name, a separator and a value begin at an offset. A separator is a colon, an equals sign, the
/// end of an XML tag or white space, also with quotes. A value that is longer than [`ENCODED_MAX`] is cut after one more
/// byte.
fn value_of_name(output: &[u8], start: usize) -> Option<&[u8]> {
    let text = output.get(start..)?;
    let with_space = || {
        let rest = NAMES.iter().find_map(|name| after_name(text, name, is_hyphen))?;
        after_space(rest)
    };
    let with_sign = || NAME_ENDS.iter().find_map(|name| after_sign(after_name(text, name, is_between_words)?));
    let of_option = || {
        let rest = NAME_ENDS.iter().find_map(|name| after_space(after_name(text, name, is_hyphen)?))?;
        is_option(output, start).then_some(rest)
    };
    if let Some(rest) = with_space().or_else(with_sign).or_else(of_option) {
        return Some(first_word(rest));
    }
    let value = after_sign(after_name(text, AUTHORIZATION, is_between_words)?)?;
    let first = first_word(value);
    let second = first_word(after(value.get(first.len()..)?, is_blank));
    Some(if second.is_empty() { first } else { second })
}

fn is_hyphen(byte: u8) -> bool {
    matches!(byte, b'_' | b'-')
}

fn is_between_words(byte: u8) -> bool {
    is_hyphen(byte) || byte == b' '
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns whether the word around an offset begins with a hyphen.
fn is_option(output: &[u8], at: usize) -> bool {
    let before = output.get(..at).unwrap_or_default();
    let start = before.iter().rposition(|byte| !byte.is_ascii_alphanumeric() && !is_hyphen(*byte));
    output.get(start.map_or(0, |start| start + 1)) == Some(&b'-')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'\\')
}

fn is_sign(byte: u8) -> bool {
    matches!(byte, b':' | b'=' | b'>')
}

/// Returns the text after a separator, which can be white space alone.
fn after_space(text: &[u8]) -> Option<&[u8]> {
    let is_separator = |byte: u8| is_sign(byte) || byte.is_ascii_whitespace();
    let rest = after(text, is_quote);
    rest.first().filter(|byte| is_separator(**byte))?;
    Some(after(rest, |byte| is_quote(byte) || is_separator(byte)))
}

/// Returns the text after a separator with a sign. If no quote is before the sign, the value begins in the same line:
/// the text after a prompt, such as `Password:`, is no value.
fn after_sign(text: &[u8]) -> Option<&[u8]> {
    let unquoted = after(text, is_quote);
    let rest = after(unquoted, is_blank);
    let is_tag = rest.len() == text.len();
    rest.first().filter(|byte| matches!(byte, b':' | b'=') || is_tag && **byte == b'>')?;
    let is_quoted = unquoted.len() < text.len();
    Some(after(rest, |byte| {
        is_quote(byte) || is_sign(byte) || is_blank(byte) || is_quoted && byte.is_ascii_whitespace()
    }))
}

/// Returns the text up to a quote, white space or another end of a value.
fn first_word(text: &[u8]) -> &[u8] {
    until(text, |byte| matches!(byte, b'"' | b'\'' | b',' | b'}' | b';' | b'<'))
}

/// Returns the text up to white space or another end, and at most [`ENCODED_MAX`] and one more byte of it.
fn until(text: &[u8], is_end: impl Fn(u8) -> bool) -> &[u8] {
    let text = text.get(..=ENCODED_MAX).unwrap_or(text);
    let end = text.iter().position(|byte| byte.is_ascii_whitespace() || is_end(*byte));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Returns the password of a URL, or its user name if it has no password, if `://` is at an offset.
fn url_password(output: &[u8], start: usize) -> Option<&[u8]> {
    let user_info = user_information(output.get(start..)?.strip_prefix(b"://")?)?;
    let colon = user_info.iter().position(|byte| *byte == b':');
    user_info.get(colon.map_or(0, |colon| colon + 1)..)
}

/// Returns the user name and the password at the start of the rest of a URL after `://`. All up to the last `@` counts: a
/// password may have any character.
fn user_information(rest: &[u8]) -> Option<&[u8]> {
    let url = until(rest, |byte| matches!(byte, b'"' | b'\'' | b'<' | b'>'));
    url.get(..url.iter().rposition(|byte| *byte == b'@')?)
}

/// Removes user names and passwords from the URLs in a text, also those that are too short for a redactor.
pub(crate) fn without_user_information(text: &str) -> Zeroizing<String> {
    const START: &str = "://";
    // Allocated at full size: a growing string would leave copies of a secret in freed memory.
    let mut out = Zeroizing::new(String::with_capacity(text.len() + text.matches(START).count() * REDACTED.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(START) {
        out.push_str(before);
        out.push_str(START);
        rest = after;
        if let Some(user_info) = user_information(after.as_bytes()) {
            out.push_str(REDACTED);
            rest = after.get(user_info.len()..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Returns the text after a name, which may have one separator before each letter.
fn after_name<'a>(mut text: &'a [u8], name: &[u8], is_separator: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
    for letter in name {
        if let Some(rest) = text.split_first().filter(|(byte, _)| is_separator(**byte)).map(|(_, rest)| rest) {
            text = rest;
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
            r#"{"Token": "the-secret/value"}"#,
            "Session Token: the-secret/value",
            "Secret Access Key: the-secret/value",
            "SecretKey=the-secret/value",
            "> Authorization: Bearer the-secret/value",
            "authorization: the-secret/value",
            r#"curl -H "Authorization: Basic the-secret/value" URL"#,
            r#"{"refreshToken":"the-secret/value"}"#,
            "idToken = the-secret/value",
            "'clientSecret': 'the-secret/value'",
            "X-Vault-Token: the-secret/value",
            "password=the-secret/value",
            "PGPASSWD=the-secret/value psql",
            "login --password the-secret/value",
            "<Token>the-secret/value</Token>",
            "https://user:the-secret/value@host/path",
            "https://the-secret-value@host/path and the-secret-value",
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
            "the token has expired",
            "the session token expired yesterday, request another one",
            "the secret is not readable: permission denied",
            "authorization failed for the password provider",
            "Password:\nAuthentication failed",
            "https://host.example/path: connection refused",
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
