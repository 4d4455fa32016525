//! Version 1 of the format, which is read and continued, but not begun. Its identity of a file lacks the device and the
//! ctime, and its parts lack whether their hashes are trusted: so none is.

use serde::{Deserialize, Serialize};

use super::super::parts::Held;
use super::{Entry, Head, PartRecord, line_of, parse};
use crate::error::Result;
use crate::file::Identity;

/// The first line.
pub(super) const FIRST: &[u8] = b"glacier_mp journal 1\n";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    size: u64,
    modified_ns: i128,
    inode: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    index: u32,
    held: Held,
}

/// The line of a head.
pub(super) fn line_of_head(head: &Head) -> Result<Vec<u8>> {
    line_of(&head.clone().with_source(Source::from))
}

/// The line of an entry.
pub(super) fn line_of_entry(entry: &Entry) -> Result<Vec<u8>> {
    let part = |PartRecord { index, part, .. }| Part { index, held: part };
    line_of(&entry.clone().map(Source::from, part))
}

/// Reads a head. Its source may have changed unseen, and is not known. What the service dropped from a description is
/// dropped here.
pub(super) fn head(json: &[u8]) -> Result<Head> {
    let head: Head<Source> = parse(json)?;
    let description = head.description.trim_matches(' ').to_owned();
    Ok(Head { description, source: None, ..head.with_source(Identity::from) })
}

/// Reads an entry; `None` for one that means nothing here.
pub(super) fn entry(json: &[u8]) -> Result<Option<Entry>> {
    let part = |Part { index, held }| PartRecord { index, part: held, trusted: false };
    let entry = parse::<Entry<Source, Part>>(json)?.map(Identity::from, part);
    Ok(Some(entry).filter(|entry| !matches!(entry, Entry::Source(_))))
}

impl From<Identity> for Source {
    fn from(identity: Identity) -> Self {
        let Identity { size, modified_ns, inode, .. } = identity;
        Self { size, modified_ns, inode }
    }
}

impl From<Source> for Identity {
    fn from(Source { size, modified_ns, inode }: Source) -> Self {
        Self { device: 0, inode, size, modified_ns, changed_ns: 0 }
    }
}
