//! Changes of a journal between two processes.

use std::fs;
use std::path::Path;

use fastrand::Rng;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Truncates the journal within its last records, as a crash of the machine may do.
pub(super) fn tear(path: &Path, rng: &mut Rng) {
    let Ok(mut text) = fs::read(path) else { return };
    text.truncate(text.len() - rng.usize(..=text.len().min(300)));
    fs::write(path, text).unwrap();
}

/// Rewrites a journal in version 1 of the format.
pub(super) fn to_version_1(path: &Path) {
    let Ok(text) = fs::read_to_string(path) else { return };
    let Some(records) = text.strip_prefix("glacier_mp journal 2\n") else { return };
    let mut old = "glacier_mp journal 1\n".to_owned();
    for line in records.lines() {
        // Omits a torn tail.
        let record = line.split_once(' ').and_then(|(_, json)| serde_json::from_str(json).ok());
        let Some(mut record): Option<Value> = record else { continue };
        if let Some(source) = record.pointer_mut("/source").filter(|source| source.is_object()) {
            let of = |name: &str| source[name].clone();
            *source = json!({ "size": of("size"), "modified_ns": of("modified_ns"), "inode": of("inode") });
        }
        if let Some(part) = record.pointer_mut("/part").and_then(Value::as_object_mut) {
            part.remove("trusted");
        }
        let record = record.to_string();
        old += &format!("{} {record}\n", hex::encode(&Sha256::digest(&record)[..8]));
    }
    fs::write(path, old).unwrap();
}
