//! The document: what each case sent and got, with what differs from run to run replaced by a name.

use glacier_emulator::unspecified::UNSPECIFIED;

use crate::client::{Answer, Request};
use crate::rule::{Group, Outcome};

const INTRODUCTION: &str = "\
# What the local Glacier accepts and refuses

Each rule of the service's multipart interface with the cases that show it: at least one where a client gets it right
and one where it gets it wrong, unless there is only one way. A case shows its last request and the answer to it: a
right one succeeds, a wrong one is refused. The tables are written by the test that plays the cases
(`tests/emulator/tests/conformance`), which fails when they differ.

*Source* says where a rule is known from:
M the service model in botocore · G the developer guide · L answers of the live service that users have published ·
P the source of published SDKs · T tried with published clients · I inferred from the others ·
*choice*: not known; see the end.

In braces: `{upload}`, `{archive}` IDs of 92 and 138 characters; `{time}`; `{marker}`. Hashes are cut after 8 digits.
Every request has `Host`, `x-amz-date`, `Authorization`, `x-amz-glacier-version: 2012-06-01` and `Content-Length`, and
each of its headers is signed, unless it is said otherwise.
";

const CHOICES_INTRODUCTION: &str = "\
## Choices

Nobody outside can try these on the live service. A client that is right must not depend on any of them. *Invalid*
stands for 400 `InvalidParameterValueException`.

| open question | choice |
|---|---|
";

/// The whole text.
pub(crate) fn render(outcomes: &[(&Group, Vec<Outcome>)]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut number = 0;
    for (group, outcomes) in outcomes {
        text.push_str(&format!(
            "\n## {}\n\n| no. | rule | source | | sent | came back |\n|---|---|---|---|---|---|\n",
            group.title
        ));
        let mut before = "";
        for outcome in outcomes {
            number += 1;
            let rule = outcome.rule;
            // A rule is written once, in the row of its first case.
            let (says, source) = if rule.says == before { ("", "") } else { (rule.says, rule.source) };
            before = rule.says;
            let source = if rule.choice().is_some() && !source.is_empty() { "choice" } else { source };
            let side = if outcome.right { "right" } else { "wrong" };
            let Ok(shown) = &outcome.shown else { continue };
            let row = [says, source, side, &shown.sent, &shown.came].map(|cell| cell.replace('|', "\\|"));
            text.push_str(&format!("| {number} | {} |\n", row.join(" | ")));
        }
    }
    text.push('\n');
    text.push_str(CHOICES_INTRODUCTION);
    UNSPECIFIED.iter().for_each(|(question, choice)| text.push_str(&format!("| {question} | {choice} |\n")));
    text
}

/// A request: its line, its headers, its body, and how it differs from what is usual.
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

/// An answer: its status and what it says.
pub(crate) fn answer(answer: &Answer) -> String {
    let document = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
    if let (Some(code), Some(message)) = (document["code"].as_str(), document["message"].as_str()) {
        return format!("{} `{code}`: {}", answer.status, shortened(message).replace('\t', "\\t"));
    }
    let mut shown = vec![answer.status.to_string()];
    for (name, value) in &answer.headers {
        if name == "location" || name.starts_with("x-amz-") {
            shown.push(code(&format!("{name}: {value}")));
        }
    }
    if !answer.body.is_empty() {
        shown.push(code(&String::from_utf8_lossy(&answer.body)));
    }
    shown.join(", ")
}

fn code(text: &str) -> String {
    let text = shortened(text).replace('\t', "\\t");
    // A span with a backtick in it has two at either end.
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// With names for what is random, and without the middle of what is long.
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

/// The length of the token that the text begins with, and how it is shown.
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

/// Whether the text begins with digits where the shape has them, and with the same characters elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(have, want): (u8, u8)| if want == b'0' { have.is_ascii_digit() } else { have == want };
    text.len() >= shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}
