//! What a journal records, for programs that keep several of them.

use std::path::Path;

use super::file::read_unlocked;
use super::record::{Header, Outcome, Replay, read};
use crate::error::Result;
use crate::source::file::Identity;
use crate::sys::attributes::Attributes;
use crate::treehash::Digest;

/// The facts of the upload that a journal records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSummary {
    /// The URL of the endpoint.
    pub endpoint: String,
    /// The region in the signatures.
    pub region: String,
    /// 12 digits, or `-`.
    pub account_id: String,
    /// The vault.
    pub vault: String,
    /// The upload ID.
    pub upload_id: String,
    /// The part size in bytes.
    pub part_size: u64,
    /// The size of the archive in bytes; `None` for a stream of unknown length that has not ended.
    pub archive_size: Option<u64>,
    /// The description of the archive.
    pub description: String,
    /// The identity of the source as recorded last; `None` if the source is not a file.
    source: Option<Identity>,
    /// The number of parts that the service acknowledged.
    pub parts_done: usize,
    /// The end of the upload. `None`: it can be resumed.
    pub end: Option<JournalEnd>,
}

/// The end of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEnd {
    /// The archive exists.
    Completed {
        /// The archive ID.
        archive_id: String,
        /// The tree hash of the archive.
        tree_hash: Digest,
    },
    /// The upload was aborted.
    Aborted,
    /// Complete was sent, and its response is not recorded.
    Completing,
}

impl JournalSummary {
    /// Reads a journal without locking or changing it. `None`: there is no file, or it records no upload yet.
    ///
    /// # Errors
    /// `Journal` if the file is damaged, of a later version, or another kind of file; `Io`, also if it is not a regular file.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read_unlocked(path)? else { return Ok(None) };
        let (replay, _) =
            read(&text).map_err(|error| error.with_context(format_args!("journal {}", path.display())))?;
        Ok(Self::of(replay))
    }

    /// Returns whether a file has the size and the modification time that the journal records for its source. True if it
    /// records none. This does not show that the file has the bytes of the upload: a run with the journal compares them.
    pub fn may_have_source(&self, path: &Path) -> bool {
        self.matches(path, |now, recorded| (now.size, now.modified_ns) == (recorded.size, recorded.modified_ns))
    }

    /// Returns whether a file has the size that the journal records for its source. True if it records none. A run with the
    /// journal rejects a file of another size, and reads a file of the same size again if its identity differs.
    pub fn has_source_size(&self, path: &Path) -> bool {
        self.matches(path, |now, recorded| now.size == recorded.size)
    }

    fn matches(&self, path: &Path, is_match: impl Fn(Identity, Identity) -> bool) -> bool {
        self.source.is_none_or(|recorded| {
            std::fs::metadata(path).is_ok_and(|metadata| is_match(Identity::from(Attributes::of(&metadata)), recorded))
        })
    }

    fn of(replay: Replay) -> Option<Self> {
        let Replay { header, source, parts, completing, end, .. } = replay;
        let Header { endpoint, region, account_id, vault, upload_id, part_size, archive_size, description, .. } =
            header?;
        let archive_size = completing.map(|(size, _)| size).or(archive_size);
        let end = match (end, completing) {
            (Some(Outcome::Completed { archive_id, tree, .. }), _) => {
                Some(JournalEnd::Completed { archive_id, tree_hash: tree })
            }
            (Some(Outcome::Aborted), _) => Some(JournalEnd::Aborted),
            (None, Some(_)) => Some(JournalEnd::Completing),
            (None, None) => None,
        };
        let parts_done = parts.len();
        Some(Self {
            endpoint,
            region,
            account_id,
            vault,
            upload_id,
            part_size,
            archive_size,
            description,
            source,
            parts_done,
            end,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::error::Kind;
    use crate::upload::journal::file::JournalFile;
    use crate::upload::journal::record::{FIRST, Record, Version};

    const MIB: u64 = 1 << 20;

    fn header() -> Header {
        Header {
            endpoint: "https://glacier.example".to_owned(),
            region: "us-east-1".to_owned(),
            account_id: "-".to_owned(),
            vault: "v".to_owned(),
            upload_id: "-id".to_owned(),
            part_size: MIB,
            archive_size: None,
            description: "d".to_owned(),
            source: Some(Identity { device: 1, inode: 2, size: 3, modified_ns: 4, changed_ns: 5 }),
        }
    }

    #[test]
    fn reads_each_step_of_an_upload() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        assert_eq!(JournalSummary::read(&path).unwrap(), None);
        let (file, _) = JournalFile::open(&path, true, None).unwrap().unwrap();
        assert_eq!(JournalSummary::read(&path).unwrap(), None, "the journal records no upload yet");
        file.begin(&header()).unwrap();
        let summary = JournalSummary::read(&path).unwrap().unwrap();
        assert_eq!((summary.upload_id.as_str(), summary.source, summary.archive_size), ("-id", header().source, None));
        assert_eq!(summary.end, None);
        let tree = Digest([7; 32]);
        file.append(&Record::Completing { size: 9, tree }).unwrap();
        let summary = JournalSummary::read(&path).unwrap().unwrap();
        assert_eq!((summary.archive_size, summary.end), (Some(9), Some(JournalEnd::Completing)));
        file.append(&Record::Completed { archive_id: "a".to_owned(), location: "l".to_owned(), tree }).unwrap();
        let summary = JournalSummary::read(&path).unwrap().unwrap();
        let completed = JournalEnd::Completed { archive_id: "a".to_owned(), tree_hash: tree };
        assert_eq!((summary.archive_size, summary.end), (Some(9), Some(completed)));
    }

    #[test]
    fn compares_size_and_modification_time_of_the_source() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let now = Identity::from(Attributes::of(&file.as_file().metadata().unwrap()));
        let summary = |source| {
            let header = Some(Header { source, ..header() });
            JournalSummary::of(Replay { header, source, ..Replay::default() }).unwrap()
        };
        let other_place = Identity { device: 0, inode: 0, changed_ns: 0, ..now };
        for (source, expected) in [
            (Some(other_place), true),
            (Some(Identity { size: 4, ..now }), false),
            (Some(Identity { modified_ns: now.modified_ns - 1, ..now }), false),
            (None, true),
        ] {
            assert_eq!(summary(source).may_have_source(file.path()), expected, "{source:?}");
        }
        for (source, expected) in [
            (Some(Identity { modified_ns: now.modified_ns - 1, ..other_place }), true),
            (Some(Identity { size: 4, ..now }), false),
            (None, true),
        ] {
            assert_eq!(summary(source).has_source_size(file.path()), expected, "{source:?}");
        }
        assert!(!summary(Some(now)).has_source_size(Path::new("/no/such/file")));
        assert!(!summary(Some(now)).may_have_source(Path::new("/no/such/file")));
        assert!(summary(None).may_have_source(Path::new("/no/such/file")));
    }

    #[test]
    fn rejects_other_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not a journal").unwrap();
        assert_eq!(JournalSummary::read(file.path()).unwrap_err().kind(), Kind::Journal);
    }

    #[test]
    fn rejects_files_that_are_not_regular() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [fifo.as_path(), Path::new("/dev/null"), directory.path()] {
            let error = JournalSummary::read(path).unwrap_err();
            assert_eq!(error.kind(), Kind::Io, "{error}");
            assert!(error.message().contains("not a regular file"), "{error}");
        }
    }

    #[test]
    fn rejects_control_characters_in_archive_id_and_location() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tree = Digest([7; 32]);
        for (archive_id, location, word) in [("a\u{1b}[2J", "l", "archive ID"), ("a", "l\u{202e}", "location")] {
            let record = Record::Completed { archive_id: archive_id.to_owned(), location: location.to_owned(), tree };
            let lines = [Version::Two.line_of_header(&header()), Version::Two.line_of_record(&record)];
            let text = [FIRST, &lines.map(Result::unwrap).concat()].concat();
            std::fs::write(file.path(), text).unwrap();
            let error = JournalSummary::read(file.path()).unwrap_err();
            assert_eq!(error.kind(), Kind::Journal, "{error}");
            let path = file.path().to_str().unwrap();
            for word in [path, "line 3", word] {
                assert!(error.message().contains(word), "{word:?} is not in {error}");
            }
        }
    }
}
