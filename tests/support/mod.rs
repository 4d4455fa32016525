//! What integration tests share.

// Each test program uses some of it.
#![allow(dead_code)]

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

/// A file of `tests/data/`, as text.
pub(crate) fn known_answers(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of a CSV file of `tests/data/` below its header. Fields may stand in quotes, but hold no quotes themselves.
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
