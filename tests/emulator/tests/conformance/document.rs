//! The document: the request and the response of each case, with names in place of values that differ between runs.

use glacier_emulator::unspecified::UNSPECIFIED;

use crate::client::{Request, Response};
use crate::rule::{Group, Outcome};

const INTRODUCTION: &str = "\
# What the local Glacier accepts and rejects

This page lists the rules of the service's multipart interface with cases. Each rule has at least one case with a correct
client and one with an incorrect client, if both exist. A case shows its last request and the response: a correct request
succeeds, a wrong one is rejected. The test in `tests/emulator/tests/conformance` runs the cases and writes the tables. It
fails if they differ.

*Source* states the origin of a rule:
M the service model in botocore · G the developer guide · L responses of the live service that users have published ·
P the source of published SDKs · T tests with published clients · I inferred from the others ·
*choice*: not known; see the end.

Names in braces replace random values: `{upload}` and `{archive}` are IDs of 92 and 138 characters; `{time}`; `{marker}`.
Hashes are truncated after 8 digits. Unless stated otherwise, every request has `Host`, `x-amz-date`, `Authorization`,
`x-amz-glacier-version: 2012-06-01` and `Content-Length`, and each of its headers is signed.
";

const CHOICES_INTRODUCTION: &str = "\
## Choices

The live service cannot be tested without a vault. A correct client must not depend on any of these choices. *Invalid*
means 400 `InvalidParameterValueException`.

| open question | choice |
|---|---|
";

/// Renders the document.
pub(crate) fn render(outcomes: &[(&Group, Vec<Outcome>)]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut number = 0;
    for (group, outcomes) in outcomes {
        text.push_str(&format!(
            "\n## {}\n\n| no. | rule | source | | request | response |\n|---|---|---|---|---|---|\n",
            group.title
        ));
        let mut before = "";
        for outcome in outcomes {
            number += 1;
            let rule = outcome.rule;
            // A rule is shown once, in the row of its first case.
            let (statement, source) = if rule.statement == before { ("", "") } else { (rule.statement, rule.source) };
            before = rule.statement;
            let source = if rule.unspecified().is_some() && !source.is_empty() { "choice" } else { source };
            let side = if outcome.right { "right" } else { "wrong" };
            let Ok(shown) = &outcome.shown else { continue };
            let row = [statement, source, side, &shown.sent, &shown.received].map(|cell| cell.replace('|', "\\|"));
            text.push_str(&format!("| {number} | {} |\n", row.join(" | ")));
        }
    }
    text.push('\n');
    text.push_str(CHOICES_INTRODUCTION);
    UNSPECIFIED.iter().for_each(|(question, choice)| text.push_str(&format!("| {question} | {choice} |\n")));
    text
}

/// Renders a request: its request line, its headers, its body, and its differences from a usual request.
pub(crate) fn request(request: &Request) -> String {
    let mut shown = vec![code(&format!("{} {}", request.method, request.target))];
    for (name, value) in &request.headers {
        if (name.as_str(), value.as_str()) != ("x-amz-glacier-version", "2012-06-01") {
            shown.push(code(&format!("{name}: {value}")));
        }
    }
    if !request.body.is_empty() {
        shown.push(format!("{} bytes", request.body.len()));
    }
    let usual = Request::new("", "");
    let mut note = |differs: bool, text: String| shown.extend(differs.then_some(text));
    note(!request.headers.iter().any(|(name, _)| name == "x-amz-glacier-version"), "no API version".to_owned());
    match request.content_length {
        None => note(true, "no `Content-Length`".to_owned()),
        Some(length) => note(length != request.body.len() as u64, code(&format!("content-length: {length}"))),
    }
    let twice = request.headers.iter().any(|(name, _)| name == "content-length");
    note(twice, "`content-length` twice".to_owned());
    note(!request.sends_host, "no `Host`".to_owned());
    note(
        !request.authorization && !request.headers.iter().any(|(name, _)| name == "authorization"),
        "no `Authorization`".to_owned(),
    );
    note(request.access_key != usual.access_key, "signed with an unknown key".to_owned());
    note(request.secret_key != usual.secret_key, "signed with another secret".to_owned());
    note(request.region != usual.region, format!("signed for `{}`", request.region));
    note(request.service != usual.service, format!("signed for the service `{}`", request.service));
    note(request.clock_offset != 0, format!("signed {:+} s from now", request.clock_offset));
    note(request.date_header != usual.date_header, "`Date` instead of `x-amz-date`".to_owned());
    note(request.signed_host.is_some(), "`Host` signed without its port".to_owned());
    request.unsigned.iter().for_each(|name| note(true, format!("`{name}` not signed")));
    shown.join(", ")
}

/// Renders a response: its status, and its message or headers.
pub(crate) fn response(response: &Response) -> String {
    let document = serde_json::from_slice::<serde_json::Value>(&response.body).unwrap_or_default();
    if let (Some(code), Some(message)) = (document["code"].as_str(), document["message"].as_str()) {
        return format!("{} `{code}`: {}", response.status, shortened(message).replace('\t', "\\t"));
    }
    let mut shown = vec![response.status.to_string()];
    for (name, value) in &response.headers {
        if name == "location" || name.starts_with("x-amz-") {
            shown.push(code(&format!("{name}: {value}")));
        }
    }
    if !response.body.is_empty() {
        shown.push(code(&String::from_utf8_lossy(&response.body)));
    }
    shown.join(", ")
}

fn code(text: &str) -> String {
    let text = shortened(text).replace('\t', "\\t");
    // A code span that contains a backtick has two at either end.
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// Replaces random values by names and truncates long ones.
fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, shown) = next_token(rest, first);
        out.push_str(&shown);
        rest = &rest[token..];
    }
    match out.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &out[..at]),
        None => out,
    }
}

/// Returns the length of the first token, and its replacement.
fn next_token(text: &str, first: char) -> (usize, String) {
    for (shape, name) in [("0000-00-00T00:00:00.000Z", "{time}"), ("00000000T000000Z", "{time}")] {
        if has_shape(text, shape) {
            return (shape.len(), name.to_owned());
        }
    }
    let repeated = text.len() - text.trim_start_matches(first).len();
    if repeated > 16 * first.len_utf8() && first != '0' {
        return (repeated, format!("{first}…({} times)", repeated / first.len_utf8()));
    }
    let run = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(text.len());
    match run {
        92 => (run, "{upload}".to_owned()),
        138 => (run, "{archive}".to_owned()),
        64 if text[..run].bytes().all(|b| b.is_ascii_hexdigit()) => (run, format!("{}…", &text[..8])),
        0 => (first.len_utf8(), first.to_string()),
        _ => (run, text[..run].to_owned()),
    }
}

/// Whether the text begins with the shape. A 0 in the shape stands for any digit.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(have, want): (u8, u8)| if want == b'0' { have.is_ascii_digit() } else { have == want };
    text.len() >= shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}
