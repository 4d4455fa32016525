//! The page `docs/configuration.md` lists every setter of the header, and every environment variable and profile key that
//! the sources read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

type Names = BTreeSet<String>;

#[test]
fn lists_every_setter() {
    let header = read("include/glacier_mp.h");
    let setters = header.split("glacier_config_set_").skip(1).filter_map(|rest| rest.split_once('('));
    let setters: Names = setters.map(|(name, _)| name.to_owned()).filter(|name| is_key(name)).collect();
    assert_eq!(names_in_columns(&["C"]), setters);
}

#[test]
fn lists_every_environment_variable() {
    let variables: Names = literals(&["src"]).into_iter().filter(|text| is_variable(text)).collect();
    let documented: Names = backquoted(&page()).into_iter().filter(|text| is_variable(text)).collect();
    assert_eq!(documented, variables);
}

#[test]
fn lists_every_profile_key() {
    let sources = ["src/config", "src/credentials", "src/endpoint", "src/profile/section.rs"];
    let is_read = |text: &String| is_key(text) && (text.contains('_') || ONE_WORD_KEYS.contains(&text.as_str()));
    let keys: Names = literals(&sources).into_iter().filter(is_read).filter(|text| !is_no_key(text)).collect();
    assert_eq!(names_in_columns(&["profile key", "profile keys"]), keys);
}

/// The keys without an underscore.
const ONE_WORD_KEYS: [&str; 2] = ["region", "services"];

/// Returns whether a text in the sources, which looks like a key, is something else.
fn is_no_key(text: &str) -> bool {
    // A field of debug output, and setters.
    text == "profile_name" || text.starts_with("glacier_")
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn is_variable(text: &str) -> bool {
    let is_upper = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let is_proxy = is_key(text) && text.ends_with("_proxy") && !text.starts_with("glacier_");
    // The others are error codes, and variables that cargo sets for the compiler.
    let is_read = !text.starts_with("GLACIER_") && !text.starts_with("CARGO_");
    (is_upper && is_read && (text.contains('_') || ["HOME", "PATH"].contains(&text))) || is_proxy
}

/// Returns the names in columns of the tables of the page.
fn names_in_columns(names: &[&str]) -> Names {
    let mut found = Names::new();
    let mut columns = Vec::new();
    for line in page().lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if cells.len() == 1 {
            columns.clear();
        } else if columns.is_empty() {
            columns = cells.iter().map(|cell| names.contains(cell)).collect();
        } else {
            let cells = cells.iter().zip(&columns).filter(|(_, is_asked)| **is_asked);
            found.extend(cells.flat_map(|(cell, _)| backquoted(cell)));
        }
    }
    found
}

/// Returns the texts in back quotes.
fn backquoted(text: &str) -> Vec<String> {
    let texts = text.split('`').skip(1).step_by(2);
    texts.map(|text| text.split_once('=').map_or(text, |(name, _)| name).to_owned()).collect()
}

/// Returns the string literals of source files, without those of unit tests.
fn literals(paths: &[&str]) -> Names {
    let mut found = Names::new();
    for path in paths.iter().flat_map(|path| files(&root().join(path))) {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        add_literals(code, &mut found);
    }
    found
}

fn files(path: &Path) -> Vec<std::path::PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.ends_with("tests") && !path.ends_with("tests.rs"))
        .flat_map(|path| files(&path))
        .collect()
}

/// Adds the string literals of a source text.
fn add_literals(code: &str, found: &mut Names) {
    let mut rest = code;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, from) = rest.split_at(at);
        rest = if from.starts_with("//") {
            from.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(raw) = from.strip_prefix('"').filter(|_| before.ends_with("r#")) {
            raw.split_once("\"#").map_or("", |(_, rest)| rest)
        } else if let Some(text) = from.strip_prefix('"') {
            let end = end_of_literal(text);
            found.insert(text[..end].to_owned());
            text.get(end + 1..).unwrap_or_default()
        } else {
            // A quotation mark as a character.
            from.strip_prefix("'\"'").unwrap_or(&from[1..])
        };
    }
}

fn end_of_literal(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.unwrap_or(text.len())
}

fn page() -> String {
    read("docs/configuration.md")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
