//! Version 1 of the format, which is read and continued, but not begun. Its identity of a file lacks the device and the
//! ctime, and its parts lack whether their hashes are trusted: so none is.

use serde::{Deserialize, Serialize};

use super::{Header, PartRecord, Record, line_of, parse};
use crate::error::Result;
use crate::source::file::Identity;
use crate::upload::session::parts::StoredPart;

/// The first line.
pub(crate) const FIRST: &[u8] = b"glacier_mp journal 1\n";

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
    held: StoredPart,
}

/// The line of a header.
pub(crate) fn line_of_header(header: &Header) -> Result<Vec<u8>> {
    line_of(&header.clone().with_source(Source::from))
}

/// The line of an record.
pub(crate) fn line_of_record(record: &Record) -> Result<Vec<u8>> {
    let part = |PartRecord { index, part, .. }| Part { index, held: part };
    line_of(&record.clone().map(Source::from, part))
}

/// Reads a header. Its source may have changed unseen, and is not known. What the service dropped from a description is
/// dropped here.
pub(crate) fn header(json: &[u8]) -> Result<Header> {
    let header: Header<Source> = parse(json)?;
    let description = header.description.trim_matches(' ').to_owned();
    Ok(Header { description, source: None, ..header.with_source(Identity::from) })
}

/// Reads an record; `None` for one that means nothing here.
pub(crate) fn record(json: &[u8]) -> Result<Option<Record>> {
    let part = |Part { index, held }| PartRecord { index, part: held, trusted: false };
    let record = parse::<Record<Source, Part>>(json)?.map(Identity::from, part);
    Ok(Some(record).filter(|record| !matches!(record, Record::Source(_))))
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
