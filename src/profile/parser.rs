//! The parser of one file: sections of `key = value` lines, as the AWS CLI reads them.
//!
//! An error names the line and the rule, never a text from the line, which may be a secret.

use std::collections::HashMap;

use zeroize::Zeroizing;

/// A section, such as `[profile work]`.
#[derive(Clone)]
pub(super) struct RawSection {
    /// The text in brackets.
    pub(super) header: String,
    /// The line of the header, from 1.
    pub(super) line: usize,
    pub(super) entries: Vec<Entry>,
}

/// A key of a section.
#[derive(Clone)]
pub(super) struct Entry {
    /// In lower case.
    pub(super) key: String,
    /// The line of the key, from 1.
    pub(super) line: usize,
    pub(super) value: Value,
    /// The first indented line that continues the text.
    pub(super) continued_at: Option<usize>,
    /// The indented lines that continue the value but look like a key of their own.
    pub(super) absorbed: Vec<AbsorbedKey>,
}

/// A key that is part of the value above it, because its line is indented deeper.
#[derive(Clone)]
pub(super) struct AbsorbedKey {
    /// In lower case.
    pub(super) key: String,
    pub(super) line: usize,
}

/// The value of a key.
#[derive(Clone)]
pub(super) enum Value {
    /// Text, trimmed. It has line feeds if indented lines continue it.
    Text(Zeroizing<String>),
    /// The indented `key = value` lines below a key without a value.
    Block(Vec<BlockEntry>),
}

/// A line of a block.
#[derive(Clone)]
pub(super) struct BlockEntry {
    /// Unlike the keys of a section, these keys are case-sensitive.
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Zeroizing<String>,
}

/// The first violation in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The line, from 1.
    pub(super) line: usize,
    /// The rule, and what to do.
    pub(super) rule: String,
}

/// The memory that a line takes at most, besides copies of its text, in bytes: a key or a section, with its entries in
/// vectors and maps, which hold two copies while they grow.
const LINE_MEMORY: usize = 768;

/// Returns the memory in bytes that parsing takes at most. The allocations are infallible.
pub(super) fn memory_to_parse(bytes: &[u8]) -> usize {
    let lines = 1 + bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    lines * LINE_MEMORY + 3 * bytes.len()
}

/// Parses a file.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<RawSection>, Violation> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    // Some editors write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser::default();
    for (index, line) in lines(text).enumerate() {
        parser.line(index + 1, line)?;
    }
    parser.finish()
}

/// The state between two lines.
#[derive(Default)]
struct Parser<'a> {
    sections: Vec<RawSection>,
    /// The index of each section, by header.
    indexes: HashMap<String, usize>,
    /// The index of the section of the next key.
    current: Option<usize>,
    /// The lines of the keys of all sections, by section and key.
    key_lines: HashMap<(usize, String), usize>,
    /// The key whose value the next line may continue.
    open: Option<OpenEntry<'a>>,
    /// The indentation of the last key or header, in characters.
    indentation: usize,
}

/// A key whose value is not complete. Keeps references to the text, so that a secret is copied only once, to its place.
struct OpenEntry<'a> {
    key: String,
    line: usize,
    /// The value and the lines that continue it, with their numbers.
    values: Vec<(usize, &'a str)>,
}

/// The section whose keys Python's parser adds to all sections. They are ignored here.
const PYTHON_DEFAULTS: &str = "DEFAULT";

impl<'a> Parser<'a> {
    fn line(&mut self, number: usize, line: &'a str) -> Result<(), Violation> {
        let text = line.trim_matches(is_space);
        if text.starts_with(['#', ';']) {
            return Ok(());
        }
        if text.is_empty() {
            // An empty line is part of a value that continues below it.
            if let Some(open) = &mut self.open {
                open.values.push((number, ""));
            }
            return Ok(());
        }
        let indentation = line.chars().take_while(|&c| is_space(c)).count();
        if let Some(open) = self.open.as_mut().filter(|_| indentation > self.indentation) {
            open.values.push((number, without_comment(text)));
            return Ok(());
        }
        self.indentation = indentation;
        self.close_entry()?;
        if text.starts_with('[') { self.header(number, text) } else { self.key(number, text) }
    }

    fn header(&mut self, number: usize, text: &str) -> Result<(), Violation> {
        // Up to the last bracket, as in Python. What follows it is ignored.
        let end =
            text.rfind(']').ok_or_else(|| violation(number, "the bracket of the section is not closed: add ]"))?;
        let header = text.get(1..end).filter(|header| !header.is_empty());
        let header =
            header.ok_or_else(|| violation(number, "the section has no name: write [default] or another name"))?;
        let index = match self.indexes.get(header) {
            Some(&index) if header == PYTHON_DEFAULTS => index,
            Some(&index) => {
                let first = self.sections.get(index).map_or(0, |section| section.line);
                return Err(violation(
                    number,
                    format!(
                        "the section has the same name as the one in line {first}: put their keys into one section"
                    ),
                ));
            }
            None => {
                self.indexes.insert(header.to_owned(), self.sections.len());
                self.sections.push(RawSection { header: header.to_owned(), line: number, entries: Vec::new() });
                self.sections.len() - 1
            }
        };
        self.current = Some(index);
        Ok(())
    }

    fn key(&mut self, number: usize, text: &'a str) -> Result<(), Violation> {
        let section = self.current.ok_or_else(|| {
            violation(number, "the line is before the first section: write [default] or another section above it")
        })?;
        let (key, value) = text
            .split_once(['=', ':'])
            .ok_or_else(|| violation(number, "the line has no \"=\": write it as key = value"))?;
        let key = key.trim_matches(is_space).to_lowercase();
        if key.is_empty() {
            return Err(violation(number, "the line has no key before \"=\": write it as key = value"));
        }
        if let Some(first) = self.key_lines.insert((section, key.clone()), number) {
            return Err(violation(
                number,
                format!("the key is already in line {first} of the same section: remove one of the two lines"),
            ));
        }
        self.open = Some(OpenEntry { key, line: number, values: vec![(number, without_comment(value))] });
        Ok(())
    }

    /// Adds the open key to its section.
    fn close_entry(&mut self) -> Result<(), Violation> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let entry = open.close()?;
        if let Some(section) = self.current.and_then(|index| self.sections.get_mut(index)) {
            section.entries.push(entry);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<RawSection>, Violation> {
        self.close_entry()?;
        self.sections.retain(|section| section.header != PYTHON_DEFAULTS);
        Ok(self.sections)
    }
}

impl OpenEntry<'_> {
    fn close(mut self) -> Result<Entry, Violation> {
        while self.values.len() > 1 && self.values.last().is_some_and(|(_, value)| value.is_empty()) {
            self.values.pop();
        }
        let is_block = self.values.len() > 1 && self.values.first().is_some_and(|(_, value)| value.is_empty());
        let (value, absorbed) =
            if is_block { (Value::Block(self.block()?), Vec::new()) } else { (self.text(), self.absorbed()) };
        let continuation = self.values.iter().skip(1).find(|(_, line)| !is_block && !line.is_empty());
        let continued_at = continuation.map(|(line, _)| *line);
        Ok(Entry { key: self.key, line: self.line, value, continued_at, absorbed })
    }

    fn block(&self) -> Result<Vec<BlockEntry>, Violation> {
        let lines = self.values.iter().filter(|(_, line)| !line.is_empty());
        let entry = |&(number, line): &(usize, &str)| {
            let (key, value) = line.split_once('=').ok_or_else(|| {
                violation(
                    number,
                    format!(
                        "the indented line has no \"=\": write it as key = value, or put the value behind the \"=\" of line \
                         {}",
                        self.line
                    ),
                )
            })?;
            let [key, value] = [key, value].map(|text| text.trim_matches(is_space));
            Ok(BlockEntry { key: key.to_owned(), line: number, value: Zeroizing::new(value.to_owned()) })
        };
        lines.map(entry).collect()
    }

    fn text(&self) -> Value {
        let size = self.values.iter().map(|(_, line)| line.len() + 1).sum();
        // Allocated at full size: a growing string would leave copies of a secret in freed memory.
        let mut text = Zeroizing::new(String::with_capacity(size));
        for (index, (_, line)) in self.values.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            text.push_str(line);
        }
        Value::Text(text)
    }

    fn absorbed(&self) -> Vec<AbsorbedKey> {
        let key_of = |&(line, text): &(usize, &str)| {
            let (key, _) = text.split_once(['=', ':'])?;
            Some(AbsorbedKey { key: key.trim_matches(is_space).to_lowercase(), line })
        };
        self.values.iter().skip(1).filter_map(key_of).collect()
    }
}

/// Splits text at `\n`, `\r\n` and `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let (line, after) = text.split_at(end);
        let separator = if after.starts_with("\r\n") { 2 } else { 1 };
        rest = after.get(separator..);
        Some(line)
    })
}

/// Removes a comment: white space followed by `#` or `;`. Trims the value.
fn without_comment(value: &str) -> &str {
    let mut is_after_space = false;
    for (index, c) in value.char_indices() {
        if is_after_space && matches!(c, '#' | ';') {
            return value.get(..index).unwrap_or_default().trim_matches(is_space);
        }
        is_after_space = is_space(c);
    }
    value.trim_matches(is_space)
}

/// White space as Python defines it: the information separators belong to it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

fn violation(line: usize, rule: impl Into<String>) -> Violation {
    Violation { line, rule: rule.into() }
}

fn not_utf8(bytes: &[u8], offset: usize) -> Violation {
    let before = bytes.get(..offset).unwrap_or_default();
    // The bytes before the offset are UTF-8.
    let line = std::str::from_utf8(before).map_or(1, |text| lines(text).count());
    violation(line, "the line is not UTF-8: save the file in the encoding UTF-8")
}

#[cfg(test)]
mod tests;
