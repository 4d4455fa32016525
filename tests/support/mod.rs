//! Code that the integration tests share.

// Each test program uses a part of it.
#![allow(dead_code)]

#[cfg(test)]
pub(crate) mod acceptor;
#[cfg(test)]
pub(crate) mod closed_port;
#[cfg(test)]
pub(crate) mod command;
#[cfg(test)]
pub(crate) mod compiler;
pub(crate) mod data;
#[cfg(test)]
pub(crate) mod glacier;
pub(crate) mod header;
#[cfg(test)]
pub(crate) mod operations;
#[cfg(test)]
pub(crate) mod request_hook;

/// Returns the text of a file in `tests/data/`.
pub(crate) fn known_answers(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the rows of a CSV file in `tests/data/` without its header. A field may be quoted but cannot contain quotes.
pub(crate) fn known_rows<const N: usize>(name: &str) -> Vec<[String; N]> {
    let text = known_answers(name);
    let rows: Vec<_> = text.lines().skip(1).map(|line| fields(line).try_into().expect(line)).collect();
    assert!(!rows.is_empty(), "{name} has no rows");
    rows
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().expect("there is one").push(c),
        }
    }
    fields
}
