//! The parser of the shared AWS files for the fuzz target.

use std::path::PathBuf;
use std::sync::Arc;

use super::classify;
use super::parser::{self, Value};
use super::section::Section;

/// Parses a file and reads its sections. Returns the headers, keys and values.
///
/// # Errors
/// The number of the line with the first violation, and the rule.
pub fn sections(bytes: &[u8]) -> Result<Vec<String>, (usize, String)> {
    let sections = parser::parse(bytes).map_err(|violation| (violation.line, violation.rule))?;
    let file = Arc::new(PathBuf::from("file"));
    let mut texts = Vec::new();
    for raw in sections {
        let name = classify(&raw.header).map(|(_, name)| name).unwrap_or_default();
        texts.push(format!("[{}] {name}", raw.header));
        for entry in &raw.entries {
            match &entry.value {
                Value::Text(value) => texts.push(format!("{}={}", entry.key, value.as_str())),
                Value::Block(lines) => {
                    texts
                        .extend(lines.iter().map(|line| format!("{}.{}={}", entry.key, line.key, line.value.as_str())));
                }
            }
        }
        let keys: Vec<_> = raw.entries.iter().map(|entry| entry.key.clone()).collect();
        let section = Section::new(name, Arc::clone(&file), raw);
        for key in keys {
            let (setting, block) = (section.text(&key), section.block(&key));
            texts.push(format!("{setting:?} {block:?} {:?}", section.absorbed(&key)));
        }
        texts.push(format!("{:?}", section.keys()));
    }
    Ok(texts)
}
