//! Unfinished uploads: for each a journal, and a description of the upload that is also its lock.
//!
//! The names follow from vault, endpoint, account and source, so that the same command finds its journal again.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use glacier_mp::treehash::part_hashes;
use glacier_mp::upload::JournalSummary;
use serde::{Deserialize, Serialize};

use super::StateDirectory;
use super::files::{FILE_MODE, is_named, sync_directory};
use crate::console::{shown, shown_path};
use crate::exit::{Failure, Result};
use crate::files::{open_file, open_with};

/// How often a file that is removed while it is opened is opened again.
const TRIES: u32 = 8;

/// The upload of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadKey {
    pub(crate) vault: String,
    pub(crate) endpoint: String,
    pub(crate) account_id: String,
    /// The path of the source without symbolic links, as hexadecimal digits: it can be any bytes.
    source: String,
}

/// An unfinished upload that this process has locked.
#[derive(Debug)]
pub(crate) struct Entry {
    description: PathBuf,
    journal: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

impl UploadKey {
    /// Creates a key. `source` is an absolute path.
    pub(crate) fn new(vault: &str, endpoint: &str, account_id: &str, source: &Path) -> Self {
        Self {
            vault: vault.to_owned(),
            endpoint: endpoint.to_owned(),
            account_id: account_id.to_owned(),
            source: hex::encode(source.as_os_str().as_bytes()),
        }
    }

    /// Returns the path of the source.
    pub(crate) fn source(&self) -> Option<PathBuf> {
        hex::decode(&self.source).ok().map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
    }

    /// Returns the name of the files, without extension.
    fn name(&self) -> String {
        let Self { vault, endpoint, account_id, source } = self;
        let text = [vault, endpoint, account_id, source].map(|field| format!("{}:{field}", field.len())).concat();
        part_hashes(text.as_bytes()).linear.to_hex()[..32].to_owned()
    }
}

impl Entry {
    /// Locks the entry of an upload, and creates it if there is none.
    ///
    /// # Errors
    /// Another process has locked it; it cannot be written.
    pub(crate) fn lock(state: &StateDirectory, key: &UploadKey) -> Result<Self> {
        let directory = state.uploads();
        let name = key.name();
        let description = directory.join(format!("{name}.json"));
        let journal = directory.join(format!("{name}.journal"));
        let failed = |cause: io::Error| {
            Failure::new(format!("cannot write the upload state {}: {cause}", shown_path(&description)))
        };
        let mut file = open_locked(&description).map_err(failed)?.ok_or_else(|| {
            let source = key.source().map(shown_path).unwrap_or_default();
            Failure::new(format!(
                "another process uploads {source} to vault {}: wait until it ends, or stop it",
                shown(&key.vault)
            ))
        })?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        if serde_json::from_slice::<UploadKey>(&text).ok().as_ref() != Some(key) {
            let text = serde_json::to_vec(key).map_err(|cause| Failure::new(cause.to_string()))?;
            file.set_len(0).and_then(|()| file.write_all(&text)).map_err(failed)?;
            file.sync_all().and_then(|()| sync_directory(&directory)).map_err(failed)?;
        }
        Ok(Self { description, journal, _lock: file })
    }

    /// Returns the path of the journal.
    pub(crate) fn journal(&self) -> &Path {
        &self.journal
    }

    /// Moves the journal to the entry of another key. If that has a journal of its own, the journal is removed.
    ///
    /// # Errors
    /// Another process has locked the other entry; the path and the cause.
    pub(crate) fn move_journal(&self, state: &StateDirectory, key: &UploadKey) -> Result<()> {
        let journal = state.uploads().join(format!("{}.journal", key.name()));
        if journal == self.journal {
            return Ok(());
        }
        let _other = Self::lock(state, key)?;
        if journal.exists() {
            return remove_file(&self.journal);
        }
        fs::rename(&self.journal, &journal).and_then(|()| sync_directory(&state.uploads())).map_err(|cause| {
            Failure::new(format!(
                "cannot rename the journal {} to {}: {cause}",
                shown_path(&self.journal),
                shown_path(&journal)
            ))
        })
    }

    /// Removes the entry with its journal.
    ///
    /// # Errors
    /// The path and the cause.
    pub(crate) fn remove(self) -> Result<()> {
        // The journal first: a description without a journal is harmless.
        remove_file(&self.journal)?;
        remove_file(&self.description)
    }

    /// Removes the entry if its journal records no upload.
    pub(crate) fn close(self) {
        if matches!(JournalSummary::read(&self.journal), Ok(None)) {
            let _ = self.remove();
        }
    }
}

/// Returns the unfinished uploads that the state directory records, with their journals, in the order of their names.
///
/// # Errors
/// The directory exists and cannot be read.
pub(crate) fn unfinished(state: &StateDirectory) -> Result<Vec<(UploadKey, PathBuf)>> {
    let directory = state.uploads();
    let failed =
        |cause: io::Error| Failure::new(format!("cannot read the state directory {}: {cause}", shown_path(&directory)));
    let files = match fs::read_dir(&directory) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files.map_err(failed)?,
    };
    let paths: io::Result<Vec<_>> = files.map(|file| file.map(|file| file.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let key = serde_json::from_reader::<_, UploadKey>(BufReader::new(open_file(&path).ok()?)).ok()?;
        let journal = path.with_extension("journal");
        journal.exists().then_some((key, journal))
    };
    Ok(paths.into_iter().filter_map(read).collect())
}

/// Returns the unfinished upload that the state directory records for a key.
pub(crate) fn recorded(state: &StateDirectory, key: &UploadKey) -> Option<JournalSummary> {
    JournalSummary::read(&state.uploads().join(format!("{}.journal", key.name()))).ok().flatten()
}

/// Removes a file, if it exists.
///
/// # Errors
/// The path and the cause.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(Failure::new(format!("cannot remove {}: {cause}", shown_path(path))))
        }
        _ => Ok(()),
    }
}

/// Opens and locks a file. `None`: another process has locked it.
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        let options = &mut OpenOptions::new();
        let file = open_with(options.read(true).append(true).create(true).mode(FILE_MODE), path)?;
        match file.try_lock() {
            Ok(()) if is_named(path, &file.metadata()?) => return Ok(Some(file)),
            // The process that had locked it removed it.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(cause)) => return Err(cause),
        }
    }
    Err(io::Error::other("the file keeps being replaced"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::args::StateArgs;

    fn state(directory: &Path) -> StateDirectory {
        let state = StateDirectory::find(&StateArgs { directory: Some(directory.to_owned()) }).unwrap();
        state.prepare().unwrap();
        state
    }

    #[test]
    fn every_field_of_the_key_changes_the_name() {
        let names = [
            ("v", "e", "a", "/s"),
            ("w", "e", "a", "/s"),
            ("v", "f", "a", "/s"),
            ("v", "e", "b", "/s"),
            ("v", "e", "a", "/t"),
        ]
        .map(|(vault, endpoint, account, source)| UploadKey::new(vault, endpoint, account, Path::new(source)).name());
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn keeps_paths_that_are_not_utf8() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        let source = Path::new(OsStr::from_bytes(b"/tmp/\xff\n"));
        let key = UploadKey::new("v", "e", "-", source);
        let entry = Entry::lock(&state, &key).unwrap();
        assert_eq!(unfinished(&state).unwrap(), [], "there is no journal yet");
        fs::write(entry.journal(), "").unwrap();
        let found = unfinished(&state).unwrap();
        assert_eq!(found, [(key, entry.journal().to_owned())]);
        assert_eq!(found[0].0.source().as_deref(), Some(source));
    }

    #[test]
    fn locks_an_entry_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        let key = UploadKey::new("v", "e", "-", Path::new("/s"));
        let entry = Entry::lock(&state, &key).unwrap();
        assert!(Entry::lock(&state, &key).unwrap_err().message.contains("another process uploads /s to vault v"));
        entry.close();
        Entry::lock(&state, &key).unwrap().remove().unwrap();
        assert_eq!(fs::read_dir(state.uploads()).unwrap().count(), 0);
    }

    #[test]
    fn moves_a_journal_to_another_key_and_replaces_none() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        let key = |source| UploadKey::new("v", "e", "-", Path::new(source));
        for text in ["first", "second"] {
            let entry = Entry::lock(&state, &key("/old")).unwrap();
            fs::write(entry.journal(), text).unwrap();
            entry.move_journal(&state, &key("/new")).unwrap();
            assert!(!entry.journal().exists());
            entry.close();
            let found = unfinished(&state).unwrap();
            assert_eq!((found.len(), &found[0].0), (1, &key("/new")));
            assert_eq!(fs::read_to_string(&found[0].1).unwrap(), "first");
        }
        let entry = Entry::lock(&state, &key("/new")).unwrap();
        entry.move_journal(&state, &key("/new")).unwrap();
        assert!(entry.journal().exists());
    }

    #[test]
    fn replaces_a_torn_description() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        let key = UploadKey::new("v", "e", "-", Path::new("/s"));
        let path = state.uploads().join(format!("{}.json", key.name()));
        fs::write(&path, "{\"vau").unwrap();
        let entry = Entry::lock(&state, &key).unwrap();
        fs::write(entry.journal(), "").unwrap();
        assert_eq!(unfinished(&state).unwrap().len(), 1);
    }
}
