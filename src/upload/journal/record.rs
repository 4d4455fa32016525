//! The format of a journal: its records, one a line, and the state that they describe together. Pure.
//!
//! The first line names the format and its version. Each further line is one record: 16 hexadecimal digits, the start of the
//! SHA-256 of the JSON that follows a space. The first record is the [`Header`], each later one a [`Record`].

mod version_1;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::decimal::parse_decimal;
use crate::error::{Error, Kind, Result};
use crate::limits::{check_part, check_part_size, check_upload_id};
use crate::plan::Plan;
use crate::sanitize::{is_unprintable, quoted};
use crate::source::file::Identity;
use crate::treehash::Digest;
use crate::upload::session::part_map::{PartMap, PartSet};
use crate::upload::session::parts::StoredPart;

/// The facts of an upload, written once, before its first part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header<I = Identity> {
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) account_id: String,
    pub(crate) vault: String,
    pub(crate) upload_id: String,
    /// In bytes.
    pub(crate) part_size: u64,
    /// In bytes; `None` for a source of unknown length.
    pub(crate) archive_size: Option<u64>,
    pub(crate) description: String,
    /// `None` if the source is not a file.
    pub(crate) source: Option<I>,
}

/// An event of the upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Record<I = Identity, P = PartRecord> {
    /// The file has this identity now: the hashes of earlier records may be those of other bytes.
    Source(I),
    /// The service acknowledged a part.
    Part(P),
    /// Complete is about to be sent, with this size in bytes and this tree hash.
    Completing { size: u64, tree: Digest },
    /// Complete was rejected: the upload still exists.
    #[serde(rename = "refused")]
    Rejected,
    /// The archive exists.
    Completed { archive_id: String, location: String, tree: Digest },
    /// The upload no longer exists, and left no archive.
    Aborted,
}

/// A part that the service holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartRecord {
    pub(crate) index: u32,
    #[serde(rename = "held")]
    pub(crate) part: StoredPart,
    /// Whether the hash is that of the file's bytes for as long as the file keeps the identity recorded last.
    pub(crate) trusted: bool,
}

/// A version of the format. A journal keeps the version of its first line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    #[default]
    Two,
}

/// The state of an upload that a journal records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) version: Version,
    /// `None` if the journal records no upload.
    pub(crate) header: Option<Header>,
    /// The identity of the source that was recorded last.
    pub(crate) source: Option<Identity>,
    /// The last record of each part, by index.
    pub(crate) parts: PartMap<StoredPart>,
    /// The parts whose hashes are those of the source's bytes, if it still has this identity.
    pub(crate) trusted: PartSet,
    /// Size and tree hash of a Complete that may have been sent, and was not rejected.
    pub(crate) completing: Option<(u64, Digest)>,
    pub(crate) end: Option<Outcome>,
}

/// The end of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed { archive_id: String, location: String, tree: Digest },
    Aborted,
}

/// The first line of a new journal.
pub(crate) const FIRST: &[u8] = b"glacier_mp journal 2\n";
/// The common start of the first lines of all versions.
const FORMAT: &[u8] = b"glacier_mp journal ";
/// The number of hexadecimal digits of a checksum.
const CHECKSUM: usize = 16;
/// The maximum length of the JSON of a record, in bytes. The longest record that the library writes is that of an
/// archive ID and a location. They are in the header section of one response, of at most 32 KiB, and UTF-8 or JSON
/// takes 2 bytes for some bytes of a header.
pub(crate) const RECORD_MAX: usize = 128 << 10;

impl Version {
    const ALL: [Self; 2] = [Self::One, Self::Two];

    fn first_line(self) -> &'static [u8] {
        match self {
            Self::One => version_1::FIRST,
            Self::Two => FIRST,
        }
    }

    /// Returns the line of a header.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn line_of_header(self, header: &Header) -> Result<Vec<u8>> {
        match self {
            Self::One => version_1::line_of_header(header),
            Self::Two => line_of(header),
        }
    }

    /// Returns the line of a record.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn line_of_record(self, record: &Record) -> Result<Vec<u8>> {
        match self {
            Self::One => version_1::line_of_record(record),
            Self::Two => line_of(record),
        }
    }

    fn header(self, json: &[u8]) -> Result<Header> {
        match self {
            Self::One => version_1::header(json),
            Self::Two => parse(json),
        }
    }

    fn record(self, json: &[u8]) -> Result<Option<Record>> {
        match self {
            Self::One => version_1::record(json),
            Self::Two => parse(json).map(Some),
        }
    }
}

fn line_of(record: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(record)
        .map_err(|cause| Error::new(Kind::Internal, format!("cannot encode a record of the journal: {cause}")))?;
    let checksum = checksum(&json);
    Ok([checksum.as_bytes(), b" ", &json, b"\n"].concat())
}

/// Returns the memory in bytes that the strings of one record take at most. Their allocations are infallible.
pub(crate) fn memory_of_record(text: &[u8]) -> usize {
    // JSON with escapes is copied into a buffer that doubles, and then to its place.
    4 * text.len().min(RECORD_MAX)
}

/// Reads a journal, and returns where its last whole record ends. The bytes after that are a torn tail, which a crash leaves.
///
/// # Errors
/// `Journal` if the text is of another version, is no journal, or has a record that is damaged or out of order: the message
/// names the line. `Memory`.
pub(crate) fn read(text: &[u8]) -> Result<(Replay, usize)> {
    let Some(version) = Version::ALL.into_iter().find(|version| text.starts_with(version.first_line())) else {
        let torn = Version::ALL.iter().any(|version| version.first_line().starts_with(text));
        return if torn { Ok((Replay::default(), 0)) } else { Err(not_ours(text)) };
    };
    let mut replay = Replay { version, ..Replay::default() };
    let (first, records) = text.split_at(version.first_line().len());
    let mut position = first.len();
    let mut end = position;
    let mut bad = None;
    for (number, line) in (2..).zip(records.split_inclusive(|byte| *byte == b'\n')) {
        position += line.len();
        match json_of(line) {
            Some(json) if bad.is_none() => {
                replay.apply(json).map_err(|error| match error.kind() {
                    Kind::Memory => error,
                    _ => replay.damaged(number, error.message()),
                })?;
                end = position;
            }
            None if !ends_in_record(line) => bad = bad.or(Some(number)),
            _ => {
                return Err(
                    replay.damaged(bad.unwrap_or(number), "its checksum is wrong, and valid records follow the damage")
                );
            }
        }
    }
    Ok((replay, end))
}

impl<I> Header<I> {
    fn with_source<J>(self, source: impl FnOnce(I) -> J) -> Header<J> {
        let Self { endpoint, region, account_id, vault, upload_id, part_size, archive_size, description, .. } = self;
        let source = self.source.map(source);
        Header { endpoint, region, account_id, vault, upload_id, part_size, archive_size, description, source }
    }
}

impl Header {
    /// Checks the values that are used unseen: the upload ID, the part size and the archive size.
    ///
    /// # Errors
    /// `Invalid`.
    pub(crate) fn check(&self) -> Result<()> {
        check_upload_id(&self.upload_id)?;
        match self.archive_size {
            Some(size) => Plan::new(size, Some(self.part_size)).map(drop),
            None => check_part_size(self.part_size),
        }
    }
}

impl<I, P> Record<I, P> {
    fn map<J, Q>(self, source: impl FnOnce(I) -> J, part: impl FnOnce(P) -> Q) -> Record<J, Q> {
        match self {
            Self::Source(identity) => Record::Source(source(identity)),
            Self::Part(record) => Record::Part(part(record)),
            Self::Completing { size, tree } => Record::Completing { size, tree },
            Self::Rejected => Record::Rejected,
            Self::Completed { archive_id, location, tree } => Record::Completed { archive_id, location, tree },
            Self::Aborted => Record::Aborted,
        }
    }
}

impl Record {
    /// Checks that an upload with this part size can have the part, and that the archive ID and the location are printable
    /// and not empty.
    ///
    /// # Errors
    /// `Invalid`.
    pub(crate) fn check(&self, part_size: u64) -> Result<()> {
        match self {
            Self::Part(PartRecord { index, part, .. }) => check_part(*index, part.length, part_size),
            Self::Completed { archive_id, location, .. } => {
                check_printable("archive ID", archive_id).and_then(|()| check_printable("location", location))
            }
            _ => Ok(()),
        }
    }
}

impl Replay {
    fn apply(&mut self, json: &[u8]) -> Result<()> {
        if json.len() > RECORD_MAX {
            let message = format!("its record has {} bytes, but a record has at most {RECORD_MAX}", json.len());
            return Err(Error::new(Kind::Journal, message));
        }
        let Some(header) = &self.header else {
            let header = self.version.header(json)?;
            header.check()?;
            self.source = header.source;
            self.header = Some(header);
            return Ok(());
        };
        let Some(record) = self.version.record(json)? else { return Ok(()) };
        record.check(header.part_size)?;
        match record {
            Record::Source(identity) => {
                self.source = Some(identity);
                self.trusted.clear();
            }
            Record::Part(PartRecord { index, part, trusted }) => {
                self.parts.try_insert(index, part)?;
                if trusted {
                    self.trusted.insert(index);
                } else {
                    self.trusted.remove(index);
                }
            }
            Record::Completing { size, tree } => self.completing = Some((size, tree)),
            Record::Rejected => self.completing = None,
            Record::Completed { archive_id, location, tree } => {
                self.end = Some(Outcome::Completed { archive_id, location, tree });
            }
            Record::Aborted => self.end = Some(Outcome::Aborted),
        }
        Ok(())
    }

    fn damaged(&self, line: usize, why: &str) -> Error {
        let error = Error::new(Kind::Journal, format!("line {line} is damaged ({why}); nothing was changed"));
        match &self.header {
            Some(header) => error.with_hint(format_args!(
                "to resume upload {} in vault {}, attach a handle to its ID, and set no journal or a new one",
                header.upload_id, header.vault
            )),
            None => error,
        }
    }
}

/// Fails if a text is empty, or has characters that the library never writes.
fn check_printable(what: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid(format!("{what} is empty")));
    }
    if text.chars().any(|c| c.is_control() || is_unprintable(c)) {
        let message =
            format!("{what} {} is not allowed: it must have no control or invisible characters", quoted(text));
        return Err(Error::invalid(message));
    }
    Ok(())
}

fn not_ours(text: &[u8]) -> Error {
    let version = text.strip_prefix(FORMAT).and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    let version = version.and_then(|digits| parse_decimal::<u32>(std::str::from_utf8(digits).ok()?));
    let message = match version {
        Some(version) if version > 2 => {
            format!("it has format version {version}, and this library reads versions 1 and 2: use a later library")
        }
        _ => "the file is not a journal of glacier_mp".to_owned(),
    };
    Error::new(Kind::Journal, message + "; it is not overwritten")
}

/// Returns the JSON of a whole line.
fn json_of(line: &[u8]) -> Option<&[u8]> {
    let (given, rest) = line.strip_suffix(b"\n")?.split_at_checked(CHECKSUM)?;
    let json = rest.strip_prefix(b" ")?;
    (checksum(json).as_bytes() == given).then_some(json)
}

/// Returns true if a bad line ends in a whole record. Then the newline between two records was damaged, and this is no torn
/// tail. The last space of a line is the one before its JSON, which has no spaces itself.
fn ends_in_record(line: &[u8]) -> bool {
    let space = line.iter().rposition(|byte| *byte == b' ');
    let start = space.and_then(|space| space.checked_sub(CHECKSUM));
    start.and_then(|start| json_of(line.get(start..)?)).is_some()
}

fn checksum(json: &[u8]) -> String {
    hex::encode(&Sha256::digest(json)[..CHECKSUM / 2])
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|cause| Error::new(Kind::Journal, cause.to_string()).caused_by(cause))
}

#[cfg(test)]
pub(crate) mod tests;
