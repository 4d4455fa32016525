//! What a journal says: its text, line by line, and what the lines tell together. Pure.
//!
//! The first line names the format and its version. Each further line is one record: 16 hexadecimal digits, the start of the
//! SHA-256 of the JSON that follows a space. The first record is the [`Header`], each later one an [`Record`].

mod version_1;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::decimal::parse_decimal;
use crate::error::{Error, Kind, Result};
use crate::limits::{check_part, check_part_size, check_upload_id};
use crate::plan::Plan;
use crate::source::file::Identity;
use crate::treehash::Digest;
use crate::upload::parts::StoredPart;

/// What an upload is: written once, before its first part.
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
    /// `None` for a source that is no file.
    pub(crate) source: Option<I>,
}

/// What happened to the upload since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Record<I = Identity, P = PartRecord> {
    /// The file has another identity: the hashes of earlier records may be of other bytes.
    Source(I),
    /// The service acknowledged a part.
    Part(P),
    /// Complete is about to be sent, with this size in bytes and this tree hash.
    Completing { size: u64, tree: Digest },
    /// Complete was refused: the upload is still open.
    Refused,
    /// The archive is there.
    Completed { archive_id: String, location: String, tree: Digest },
    /// The upload is gone, and has left no archive.
    Aborted,
}

/// A part that the service holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartRecord {
    pub(crate) index: u32,
    #[serde(rename = "held")]
    pub(crate) part: StoredPart,
    /// The hash is that of the file's bytes for as long as the file has the identity recorded last.
    pub(crate) trusted: bool,
}

/// A version of the format. A journal keeps the one it was begun with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    #[default]
    Two,
}

/// What a journal tells of its upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) version: Version,
    /// `None` if no upload was begun.
    pub(crate) head: Option<Header>,
    /// The source as it was last.
    pub(crate) source: Option<Identity>,
    /// Each part as it was noted last, by its index.
    pub(crate) parts: BTreeMap<u32, StoredPart>,
    /// The parts whose hashes are those of the source's bytes, if it still has that identity.
    pub(crate) trusted: BTreeSet<u32>,
    /// Size and tree hash of the Complete that may have been sent, and was not refused.
    pub(crate) completing: Option<(u64, Digest)>,
    pub(crate) end: Option<Outcome>,
}

/// How an upload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed { archive_id: String, location: String, tree: Digest },
    Aborted,
}

/// The first line of a new journal.
pub(crate) const FIRST: &[u8] = b"glacier_mp journal 2\n";
/// What it has in common with the first lines of other versions.
const FORMAT: &[u8] = b"glacier_mp journal ";
/// How many hexadecimal digits a checksum has.
const CHECKSUM: usize = 16;

impl Version {
    const ALL: [Self; 2] = [Self::One, Self::Two];

    fn first_line(self) -> &'static [u8] {
        match self {
            Self::One => version_1::FIRST,
            Self::Two => FIRST,
        }
    }

    /// The line of a head.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn line_of_head(self, head: &Header) -> Result<Vec<u8>> {
        match self {
            Self::One => version_1::line_of_head(head),
            Self::Two => line_of(head),
        }
    }

    /// The line of an entry.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn line_of_entry(self, entry: &Record) -> Result<Vec<u8>> {
        match self {
            Self::One => version_1::line_of_entry(entry),
            Self::Two => line_of(entry),
        }
    }

    fn head(self, json: &[u8]) -> Result<Header> {
        match self {
            Self::One => version_1::head(json),
            Self::Two => parse(json),
        }
    }

    fn entry(self, json: &[u8]) -> Result<Option<Record>> {
        match self {
            Self::One => version_1::entry(json),
            Self::Two => parse(json).map(Some),
        }
    }
}

fn line_of(record: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(record)
        .map_err(|cause| Error::new(Kind::Internal, format!("a record of the journal cannot be written: {cause}")))?;
    let checksum = checksum(&json);
    Ok([checksum.as_bytes(), b" ", &json, b"\n"].concat())
}

/// Reads a journal, and tells where its last record ends. What stands behind that is a torn tail, as a crash leaves it.
///
/// # Errors
/// `Journal` if the text is of another version or no journal at all, or has a record that is damaged, or cannot stand where
/// it does: the message names its line.
pub(crate) fn read(text: &[u8]) -> Result<(Replay, usize)> {
    let Some(version) = Version::ALL.into_iter().find(|version| text.starts_with(version.first_line())) else {
        let torn = Version::ALL.iter().any(|version| version.first_line().starts_with(text));
        return if torn { Ok((Replay::default(), 0)) } else { Err(not_ours(text)) };
    };
    let mut past = Replay { version, ..Replay::default() };
    let (first, records) = text.split_at(version.first_line().len());
    let mut position = first.len();
    let mut end = position;
    let mut bad = None;
    for (number, line) in (2..).zip(records.split_inclusive(|byte| *byte == b'\n')) {
        position += line.len();
        match json_of(line) {
            Some(json) if bad.is_none() => {
                past.learn(json).map_err(|why| past.damaged(number, why.message()))?;
                end = position;
            }
            None if !ends_in_record(line) => bad = bad.or(Some(number)),
            _ => return Err(past.damaged(bad.unwrap_or(number), "its checksum is wrong, and whole records follow it")),
        }
    }
    Ok((past, end))
}

impl<I> Header<I> {
    fn with_source<J>(self, source: impl FnOnce(I) -> J) -> Header<J> {
        let Self { endpoint, region, account_id, vault, upload_id, part_size, archive_size, description, .. } = self;
        let source = self.source.map(source);
        Header { endpoint, region, account_id, vault, upload_id, part_size, archive_size, description, source }
    }
}

impl Header {
    /// Checks what is taken from here, and not compared with what is known: the upload ID, and the part size with the
    /// archive's.
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
            Self::Refused => Record::Refused,
            Self::Completed { archive_id, location, tree } => Record::Completed { archive_id, location, tree },
            Self::Aborted => Record::Aborted,
        }
    }
}

impl Record {
    /// Checks that an upload can have the part.
    ///
    /// # Errors
    /// `Invalid`.
    pub(crate) fn check(&self, part_size: u64) -> Result<()> {
        match self {
            Self::Part(PartRecord { index, part, .. }) => check_part(*index, part.length, part_size),
            _ => Ok(()),
        }
    }
}

impl Replay {
    fn learn(&mut self, json: &[u8]) -> Result<()> {
        let Some(head) = &self.head else {
            let head = self.version.head(json)?;
            head.check()?;
            self.source = head.source;
            self.head = Some(head);
            return Ok(());
        };
        let Some(entry) = self.version.entry(json)? else { return Ok(()) };
        entry.check(head.part_size)?;
        match entry {
            Record::Source(identity) => {
                self.source = Some(identity);
                self.trusted.clear();
            }
            Record::Part(PartRecord { index, part, trusted }) => {
                self.parts.insert(index, part);
                if trusted {
                    self.trusted.insert(index);
                } else {
                    self.trusted.remove(&index);
                }
            }
            Record::Completing { size, tree } => self.completing = Some((size, tree)),
            Record::Refused => self.completing = None,
            Record::Completed { archive_id, location, tree } => {
                self.end = Some(Outcome::Completed { archive_id, location, tree });
            }
            Record::Aborted => self.end = Some(Outcome::Aborted),
        }
        Ok(())
    }

    fn damaged(&self, line: usize, why: &str) -> Error {
        let error = Error::new(Kind::Journal, format!("line {line} is damaged ({why}); nothing was changed"));
        match &self.head {
            Some(head) => error.with_hint(format_args!(
                "without this journal, upload {} in vault {} can be carried on by its ID",
                head.upload_id, head.vault
            )),
            None => error,
        }
    }
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

/// The JSON of a line that is whole.
fn json_of(line: &[u8]) -> Option<&[u8]> {
    let (given, rest) = line.strip_suffix(b"\n")?.split_at_checked(CHECKSUM)?;
    let json = rest.strip_prefix(b" ")?;
    (checksum(json).as_bytes() == given).then_some(json)
}

/// Whether a whole record stands at the end of a bad line: then it was the newline between two that was damaged, and this is
/// no torn tail. The last space of a line is the one before its JSON: entries have none in it.
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
pub(crate) mod tests {
    use super::*;

    /// A journal with every record, its checksums by `sha256sum`.
    pub(in crate::upload) const SAMPLE: &[u8] = include_bytes!("../../../tests/data/journal-2.txt");
    /// The same of version 1.
    pub(in crate::upload) const SAMPLE_1: &[u8] = include_bytes!("../../../tests/data/journal-1.txt");

    const EVERY_BIT: [u8; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

    pub(in crate::upload) fn head() -> Header {
        Header {
            endpoint: "https://glacier.us-east-1.amazonaws.com".to_owned(),
            region: "us-east-1".to_owned(),
            account_id: "-".to_owned(),
            vault: "photos".to_owned(),
            upload_id: "OW2fM5iVylEpFEMM9_HpKowRapC3vn5sSL39_396UW9zLFUWVrnRHaPjUJddQ5OxSHVXjYtrN47NBZ-khxOjyEXAMPLE"
                .to_owned(),
            part_size: 1 << 20,
            archive_size: Some((1 << 20) + 1),
            description: "two words".to_owned(),
            source: Some(Identity {
                device: 64_769,
                inode: u64::MAX,
                size: (1 << 20) + 1,
                modified_ns: 1_332_263_023_221_000_000,
                changed_ns: 1_332_263_023_222_000_000,
            }),
        }
    }

    pub(in crate::upload) fn entries() -> Vec<Record> {
        let (a, b) = (Digest([0xaa; 32]), Digest([0xbb; 32]));
        vec![
            Record::Part(PartRecord { index: 0, part: StoredPart { length: 1 << 20, tree: a }, trusted: true }),
            Record::Source(Identity { device: 1, inode: 7, size: (1 << 20) + 1, modified_ns: -1, changed_ns: 5 }),
            Record::Part(PartRecord { index: 0, part: StoredPart { length: 1 << 20, tree: a }, trusted: false }),
            Record::Part(PartRecord { index: 1, part: StoredPart { length: 1, tree: b }, trusted: true }),
            Record::Completing { size: (1 << 20) + 1, tree: a },
            Record::Refused,
            Record::Completing { size: (1 << 20) + 1, tree: b },
            Record::Completed {
                archive_id: "NkbByEejwEggmBz2fTHgJrg0XBoDfjP4q6iu87-TjhqG6eGoOY9Z8i1_AUyUsuhPAdTqLHy8pTl5nfCFJmDl2yEZO\
                             Ni5L26Omw12vcs01MNGntHEQL8MBfGlqrEXAMPLEArchiveId"
                    .to_owned(),
                location: "/111122223333/vaults/photos/archives/NkbByEejwEggmBz2fTHg".to_owned(),
                tree: b,
            },
            Record::Aborted,
        ]
    }

    /// What a journal with these records must replay to.
    pub(in crate::upload) fn expected(head: Option<&Header>, entries: &[Record]) -> Replay {
        let since = |what: fn(&Record) -> bool| entries.iter().rposition(what).map_or(entries, |at| &entries[at + 1..]);
        let part = |entry: &Record| if let Record::Part(record) = entry { Some(*record) } else { None };
        let records: BTreeMap<_, _> = entries.iter().filter_map(part).map(|record| (record.index, record)).collect();
        let last: BTreeMap<_, _> = since(|entry| matches!(entry, Record::Source(_)))
            .iter()
            .filter_map(part)
            .map(|record| (record.index, record.trusted))
            .collect();
        Replay {
            version: Version::Two,
            head: head.cloned(),
            source: (entries.iter().rev())
                .find_map(|entry| if let Record::Source(identity) = entry { Some(*identity) } else { None })
                .or(head.and_then(|head| head.source)),
            parts: records.iter().map(|(index, record)| (*index, record.part)).collect(),
            trusted: last.iter().filter(|(_, trusted)| **trusted).map(|(index, _)| *index).collect(),
            completing: since(|entry| *entry == Record::Refused).iter().rev().find_map(|entry| match entry {
                Record::Completing { size, tree } => Some((*size, *tree)),
                _ => None,
            }),
            end: entries.iter().rev().find_map(|entry| match entry.clone() {
                Record::Completed { archive_id, location, tree } => {
                    Some(Outcome::Completed { archive_id, location, tree })
                }
                Record::Aborted => Some(Outcome::Aborted),
                _ => None,
            }),
        }
    }

    /// What a journal of version 1 with these records must replay to: no identity, and no hash that is trusted.
    pub(in crate::upload) fn expected_1(head: Option<&Header>, entries: &[Record]) -> Replay {
        let expected = expected(head, entries);
        let head = expected.head.map(|head| Header { source: None, ..head });
        Replay { version: Version::One, head, source: None, trusted: BTreeSet::new(), ..expected }
    }

    fn text(head: &Header, entries: &[Record]) -> Vec<u8> {
        text_of(Version::Two, head, entries)
    }

    fn text_of(version: Version, head: &Header, entries: &[Record]) -> Vec<u8> {
        let lines = entries.iter().map(|entry| version.line_of_entry(entry).unwrap());
        let first = [version.first_line().to_vec(), version.line_of_head(head).unwrap()];
        first.into_iter().chain(lines).collect::<Vec<_>>().concat()
    }

    /// A journal of the sample's head and lines that are made of any JSON.
    fn with_lines(lines: &[&str]) -> Vec<u8> {
        let mut text = text(&head(), &[]);
        for json in lines {
            text.extend(format!("{} {json}\n", checksum(json.as_bytes())).bytes());
        }
        text
    }

    fn refused(text: &[u8], words: &[&str]) {
        let error = read(text).expect_err("must be refused");
        assert_eq!(error.kind(), Kind::Journal);
        for word in words {
            assert!(error.message().contains(word), "{word:?} is not in {:?}", error.message());
        }
    }

    #[test]
    fn writes_and_reads_the_text_of_version_2() {
        assert_eq!(String::from_utf8(text(&head(), &entries())).unwrap(), String::from_utf8_lossy(SAMPLE));
        assert_eq!(read(SAMPLE).unwrap(), (expected(Some(&head()), &entries()), SAMPLE.len()));
    }

    #[test]
    fn reads_and_continues_version_1_and_trusts_none_of_its_hashes() {
        let entries: Vec<_> =
            entries().into_iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, one)| one).collect();
        assert_eq!(
            String::from_utf8(text_of(Version::One, &head(), &entries)).unwrap(),
            String::from_utf8_lossy(SAMPLE_1)
        );
        assert_eq!(read(SAMPLE_1).unwrap(), (expected_1(Some(&head()), &entries), SAMPLE_1.len()));
        let first = &SAMPLE_1[..version_1::FIRST.len()];
        assert_eq!(read(first).unwrap(), (Replay { version: Version::One, ..Replay::default() }, first.len()));
        assert_eq!(read(&first[..first.len() - 1]).unwrap(), (Replay::default(), 0), "torn");
    }

    #[test]
    fn a_record_of_one_version_is_damage_in_the_other() {
        let text = |version: Version, record: &[u8]| {
            [version.first_line(), &version.line_of_head(&head()).unwrap(), record].concat()
        };
        for entry in &entries()[..3] {
            for (version, other) in [(Version::One, Version::Two), (Version::Two, Version::One)] {
                refused(&text(version, &other.line_of_entry(entry).unwrap()), &["line 3 is damaged"]);
            }
        }
        for (version, other) in [(Version::One, Version::Two), (Version::Two, Version::One)] {
            let text = [version.first_line(), &other.line_of_head(&head()).unwrap()].concat();
            refused(&text, &["line 2 is damaged"]);
        }
    }

    #[test]
    fn every_value_comes_back() {
        for modified_ns in [i128::MIN, i128::MAX, 0, (1 << 53) + 1] {
            let identity =
                Identity { device: u64::MAX, inode: u64::MAX, size: u64::MAX, modified_ns, changed_ns: modified_ns };
            let strange = "\u{0}\n\r\" \\ \u{7f} \u{2028} \u{1f600} ".to_owned();
            let head = Header {
                endpoint: strange.clone(),
                vault: strange.clone(),
                description: strange.clone(),
                archive_size: None,
                source: None,
                ..head()
            };
            let entries = [
                Record::Source(identity),
                Record::Part(PartRecord {
                    index: 9_999,
                    part: StoredPart { length: 1 << 20, tree: Digest([0xff; 32]) },
                    trusted: true,
                }),
                Record::Completing { size: u64::MAX, tree: Digest([0; 32]) },
                Record::Completed { archive_id: strange.clone(), location: strange, tree: Digest([1; 32]) },
            ];
            let text = text(&head, &entries);
            assert_eq!(read(&text).unwrap(), (expected(Some(&head), &entries), text.len()));
        }
    }

    #[test]
    fn a_journal_that_is_cut_anywhere_tells_its_whole_lines() {
        let entries = entries();
        for cut in 0..=SAMPLE.len() {
            let whole = SAMPLE[..cut].iter().filter(|byte| **byte == b'\n').count();
            let head = (whole >= 2).then(head);
            let (past, end) = read(&SAMPLE[..cut]).unwrap();
            assert_eq!(past, expected(head.as_ref(), &entries[..whole.saturating_sub(2)]), "cut at {cut}");
            assert_eq!(SAMPLE[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1), end);
        }
    }

    #[test]
    fn a_torn_tail_may_hold_anything_but_a_record() {
        let entries = &entries()[..3];
        let whole = text(&head(), entries);
        let line = line_of(&Record::<Identity, PartRecord>::Aborted).unwrap();
        let shifted: Vec<u8> = [b"x", line.as_slice()].concat();
        for tail in [&b"\n"[..], b"\n\n\n", &[0; 5000], b"\xff\xfe\n\xff", &line[..line.len() - 1], &line[1..]] {
            let text = [&whole, tail].concat();
            assert_eq!(read(&text).unwrap(), (expected(Some(&head()), entries), whole.len()), "{tail:?}");
            refused(&[&text, line.as_slice()].concat(), &["line 6 is damaged"]);
            refused(&[&text, shifted.as_slice()].concat(), &["line 6 is damaged"]);
        }
    }

    /// In the first line, too.
    #[test]
    fn a_bit_that_flips_before_the_last_record_is_noticed() {
        let last = SAMPLE[..SAMPLE.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for (at, bit) in (0..SAMPLE.len()).flat_map(|at| EVERY_BIT.map(|bit| (at, bit))) {
            let mut text = SAMPLE.to_vec();
            text[at] ^= bit;
            match read(&text) {
                Err(error) if at < last => assert_eq!(error.kind(), Kind::Journal, "{error}"),
                Ok(read) if at >= last => {
                    let entries = &entries()[..entries().len() - 1];
                    assert_eq!(read, (expected(Some(&head()), entries), last), "byte {at}, bit {bit}");
                }
                result => panic!("byte {at}, bit {bit}: {result:?}"),
            }
        }
    }

    #[test]
    fn damage_is_named_by_its_line_and_the_upload_by_its_id() {
        let mut text = SAMPLE.to_vec();
        let sixth = SAMPLE.split_inclusive(|byte| *byte == b'\n').take(5).map(<[u8]>::len).sum::<usize>();
        text[sixth + 30] ^= 1;
        refused(&text, &["line 6 is damaged", "checksum", &head().upload_id, "vault photos"]);
        let mut text = SAMPLE.to_vec();
        text[FIRST.len() + 30] ^= 1;
        refused(&text, &["line 2 is damaged"]);
    }

    #[test]
    fn records_that_cannot_stand_where_they_do() {
        let part = |index: u32, length: u64| {
            let held = format!(r#"{{"length":{length},"tree":"{}"}}"#, "0".repeat(64));
            format!(r#"{{"part":{{"index":{index},"held":{held},"trusted":true}}}}"#)
        };
        read(&with_lines(&[&part(9_999, 1 << 20)])).unwrap();
        let second_head = serde_json::to_string(&head()).unwrap();
        for (json, word) in [
            (second_head.as_str(), "endpoint"),
            (&part(10_000, 1 << 20), "part index 10000"),
            (&part(1, 0), "0 bytes"),
            (&part(1, (1 << 20) + 1), "1048577"),
            (r#"{"paused":{}}"#, "paused"),
            (r#""paused""#, "paused"),
            (r#"{"completing":{"size":1,"tree":"00"}}"#, "64 hexadecimal digits"),
            (r#"{"completing":{"size":-1,"tree":""}}"#, "-1"),
            (r#"{"source":{"size":1,"modified_ns":1,"inode":1}}"#, "device"),
            (r#"{"source":{"device":1,"inode":1,"size":1,"modified_ns":1,"changed_ns":1,"mode":1}}"#, "mode"),
            (&part(1, 1).replace(",\"trusted\":true", ""), "trusted"),
            (&part(1, 1).replace("\"index\"", "\"speed\":9,\"index\""), "speed"),
            (&part(1, 1).replace("\"length\"", "\"speed\":9,\"length\""), "speed"),
            ("", "EOF"),
            ("\"refused\" \"refused\"", "trailing"),
        ] {
            // In the last line, too: a record whose checksum is right was written whole.
            refused(&with_lines(&[&part(0, 1), json]), &["line 4 is damaged", word]);
            refused(&with_lines(&[&part(0, 1), json, "\"refused\""]), &["line 4 is damaged", word]);
        }
    }

    #[test]
    fn heads_that_no_upload_can_have() {
        let entry = line_of(&Record::<Identity, PartRecord>::Refused).unwrap();
        refused(&[FIRST, entry.as_slice()].concat(), &["line 2 is damaged"]);
        for (head, word) in [
            (Header { part_size: 3, ..head() }, "part size 3"),
            (Header { part_size: 0, archive_size: None, ..head() }, "part size 0"),
            (Header { upload_id: String::new(), ..head() }, "upload ID"),
            (Header { archive_size: Some(0), ..head() }, "0 bytes"),
            (Header { archive_size: Some(10_000 * (1 << 20) + 1), ..head() }, "10001 parts"),
        ] {
            refused(&text(&head, &[]), &["line 2 is damaged", word]);
        }
        let json = serde_json::to_string(&head()).unwrap().replacen('{', "{\"storage_class\":1,", 1);
        let line = format!("{} {json}\n", checksum(json.as_bytes()));
        refused(&[FIRST, line.as_bytes()].concat(), &["line 2 is damaged", "storage_class"]);
    }

    #[test]
    fn other_files_and_later_versions() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        let json = br#"{"upload_id":"x","parts":[]}"#;
        let almost = [&b"glacier_mp journal\n"[..], b"glacier_mp journal 2 \n", b"glacier_mp journal 2\r\n"];
        for text in [&b"x"[..], b"\n", b"a text\nof two lines\n", png, json, &[0; 21]].into_iter().chain(almost) {
            refused(text, &["not a journal of glacier_mp", "not overwritten"]);
        }
        for text in [&b"glacier_mp journal 3\n"[..], b"glacier_mp journal 3"] {
            refused(text, &["version 3", "versions 1 and 2", "not overwritten"]);
        }
        refused(b"glacier_mp journal 10\nwhatever", &["version 10"]);
    }
}
