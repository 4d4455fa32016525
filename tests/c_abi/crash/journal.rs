//! Reads a journal by the specification of its format, without the library: lines of a checksum and JSON.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::MIB;

const FIRST: &str = "glacier_mp journal 2\n";

/// The content of a journal.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) upload_id: Option<String>,
    /// The lengths of the recorded parts, by their first byte.
    pub(super) parts: BTreeMap<u64, u64>,
    /// Whether Complete may have been sent and was not rejected.
    pub(super) completing: bool,
    pub(super) completed: bool,
    /// The positions in the file of the last part records. A crash of the machine may lose them.
    pub(super) last_parts: Range<usize>,
}

impl Journal {
    /// Reads a journal up to its torn tail.
    pub(super) fn read(path: &Path) -> Self {
        let mut journal = Self::default();
        let text = fs::read(path).unwrap_or_default();
        if !text.starts_with(FIRST.as_bytes()) {
            assert!(FIRST.as_bytes().starts_with(&text), "{text:?}");
            return journal;
        }
        let mut end = FIRST.len();
        journal.last_parts = end..end;
        for line in text[end..].split_inclusive(|byte| *byte == b'\n') {
            let Some(record) = record(line) else { break };
            end += line.len();
            if !journal.learn(&record) {
                journal.last_parts.start = end;
            }
            journal.last_parts.end = end;
        }
        journal
    }

    /// Applies a record. Returns whether it is a part.
    fn learn(&mut self, record: &Value) -> bool {
        let number = |pointer| record.pointer(pointer).and_then(Value::as_u64);
        if let (Some(index), Some(length)) = (number("/part/index"), number("/part/held/length")) {
            self.parts.insert(index * MIB as u64, length);
            return true;
        }
        if let Some(id) = record.get("upload_id") {
            self.upload_id = id.as_str().map(str::to_owned);
        }
        self.completing |= record.get("completing").is_some();
        self.completing &= record != "refused";
        self.completed |= record.get("completed").is_some();
        false
    }
}

/// Returns the JSON of a complete line.
fn record(line: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (checksum, json) = text.split_once(' ')?;
    (hex::encode(&Sha256::digest(json)[..8]) == checksum).then(|| serde_json::from_str(json).unwrap())
}
