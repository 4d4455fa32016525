//! The handle: its settings, its getters, and the state that its calls share.

use std::ffi::CStr;
use std::path::Path;
use std::sync::Arc;

use super::admission::{Access, HandleLock};
use super::background::Background;
use super::options::{Options, PartRange};
use super::progress::{ProgressCallback, ProgressFn};
use super::session::Session;
use super::session::counters::Progress;
use super::session::state::State;
use super::stream::write::WriteSession;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::limits::{
    check_archive_size, check_description, check_part_size, check_path, check_upload_id, check_vault_name,
};
use crate::reentrancy::check_not_in_callback;
use crate::source::{CallbackReader, ReadFn, SourceSpec};
use crate::sync::cancel::{Cancel, Reason};
use crate::sync::{Mutex, lock};
use crate::sys::process::CreatorPid;

/// An upload. Any thread may use it.
#[derive(Debug)]
pub struct Upload {
    pub(super) session: Session,
    pub(super) creator: CreatorPid,
    pub(super) options: Mutex<Options>,
    pub(super) lock: HandleLock,
    pub(super) cancel: Arc<Cancel>,
    pub(super) progress_callback: ProgressCallback,
    /// The text of the error if a callback asked to stop.
    pub(super) stopped_by: Mutex<&'static str>,
    pub(super) background: Background,
    pub(super) write_session: Mutex<Option<Arc<WriteSession>>>,
}

impl Upload {
    /// Creates a handle for an upload to a vault. Sends nothing.
    ///
    /// # Errors
    /// `Invalid`, `Forked`; `Busy` inside a log callback of the client.
    pub fn new(client: &Arc<Client>, vault: &str) -> Result<Arc<Self>> {
        client.creator.check()?;
        check_not_in_callback(&**client)?;
        check_vault_name(vault).map_err(|error| client.redacted(error))?;
        Ok(Arc::new(Self {
            session: Session::new(client, vault),
            creator: CreatorPid::current(),
            options: Mutex::default(),
            lock: HandleLock::default(),
            cancel: Arc::default(),
            progress_callback: ProgressCallback::default(),
            stopped_by: Mutex::default(),
            background: Background::default(),
            write_session: Mutex::default(),
        }))
    }

    /// Removes the secrets that the client has or had from an error of the upload.
    #[must_use]
    pub fn redacted(&self, error: Error) -> Error {
        self.session.client.redacted(error)
    }

    /// Sets the description that the vault keeps with the archive; empty: none.
    ///
    /// # Errors
    /// `Invalid`; as all setters, `State` after the first working call, `Busy`, `Forked`.
    pub fn set_description(&self, text: &str) -> Result<()> {
        check_description(text)?;
        self.set(|options| text.clone_into(&mut options.settings.description))
    }

    /// Sets the size of all parts but the last, in bytes.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_part_size(&self, bytes: u64) -> Result<()> {
        check_part_size(bytes)?;
        self.set(|options| options.settings.part_size = Some(bytes))
    }

    /// Attaches the handle to an upload that exists. Sends nothing.
    ///
    /// # Errors
    /// As [`Upload::set_description`]; `State` if the handle is attached to another upload.
    pub fn set_upload_id(&self, id: &str) -> Result<()> {
        check_upload_id(id)?;
        let mut attached = Ok(());
        self.set(|_| attached = self.session.attach(id))?;
        attached
    }

    /// Keeps a journal at a path. If the file exists, the upload that it records is resumed.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_journal(&self, path: &Path) -> Result<()> {
        check_path("the journal", path)?;
        self.set(|options| options.settings.journal = Some(path.to_owned()))
    }

    /// Restricts `transfer` to `count` parts from index `first`; `count` `u32::MAX`: to the last part.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_part_range(&self, first: u32, count: u32) -> Result<()> {
        if count == 0 {
            return Err(Error::invalid("a part range of 0 parts is not allowed: it must have at least 1 part"));
        }
        self.set(|options| options.settings.part_range = Some(PartRange { first, count }))
    }

    /// Sets the size of the archive in bytes, which is checked before Complete.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_archive_size(&self, bytes: u64) -> Result<()> {
        check_archive_size(bytes)?;
        self.set(|options| options.settings.archive_size = Some(bytes))
    }

    /// Sets the size in bytes up to which a stream of unknown length probably grows. It chooses the part size.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_expected_size(&self, bytes: u64) -> Result<()> {
        check_archive_size(bytes)?;
        self.set(|options| options.settings.expected_size = Some(bytes))
    }

    /// Sets a file as the source. The first working call that needs it opens it.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_source_file(&self, path: &Path) -> Result<()> {
        check_path("the source file", path)?;
        self.set_source(SourceSpec::File(path.to_owned()))
    }

    /// Sets memory as the source.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_source_memory(&self, bytes: &'static [u8]) -> Result<()> {
        self.set_source(SourceSpec::Memory(bytes))
    }

    /// Sets a callback as the source, which returns the bytes from the first to the last. `size`: their number, if known.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_source_callback(&self, read: ReadFn, size: Option<u64>) -> Result<()> {
        if let Some(bytes) = size {
            check_archive_size(bytes)?;
        }
        self.set_source(SourceSpec::Callback(Arc::new(CallbackReader::new(read)), size))
    }

    /// Sets the progress callback; `None`: no callback. Can be changed between working calls.
    ///
    /// # Errors
    /// `Busy`, `Forked`.
    pub fn set_progress(&self, progress: Option<ProgressFn>) -> Result<()> {
        self.check_callable()?;
        let _admission = self.lock.enter(Access::Exclusive, &self.cancel)?;
        drop(self.progress_callback.replace(progress));
        Ok(())
    }

    /// Sets the bandwidth limit of this upload in bytes of parts per second; 0: no limit. The client's limit applies as well.
    /// Takes effect at once, also for parts in flight.
    ///
    /// # Errors
    /// `Forked`.
    pub fn set_bandwidth_limit(&self, bytes_per_second: u64) -> Result<()> {
        self.creator.check()?;
        self.session.bandwidth.set_limit(bytes_per_second);
        Ok(())
    }

    /// Stops the working call, or the next one. Safe in a signal handler.
    pub fn cancel(&self) {
        self.cancel.raise();
    }

    /// Releases the handle: the working call stops, and no other can start.
    pub fn release(&self) {
        if self.creator.check().is_ok() {
            self.cancel.raise_for(Reason::HandleFreed);
            // A thread that waits for the response to Complete must still be able to record it.
            if self.state() != State::Completing {
                self.session.journal.release();
            }
        }
    }

    /// Returns the state.
    pub fn state(&self) -> State {
        self.session.state()
    }

    /// Returns the progress.
    ///
    /// # Errors
    /// `Forked`.
    pub fn progress(&self) -> Result<Progress> {
        self.creator.check()?;
        Ok(self.session.progress())
    }

    /// Returns the error of the attempt that was retried last, of all requests of the handle; `None` before the first retry.
    pub fn last_retry(&self) -> Option<Error> {
        lock(&self.session.counters.last_retry).clone()
    }

    /// Returns the upload ID.
    pub fn id(&self) -> Option<&CStr> {
        self.session.id()
    }

    /// Returns the upload's path at the service.
    pub fn location(&self) -> Option<&CStr> {
        self.session.location()
    }

    /// Returns the archive ID.
    pub fn archive_id(&self) -> Option<&CStr> {
        self.session.archive_id()
    }

    /// Returns the archive's path at the service.
    pub fn archive_location(&self) -> Option<&CStr> {
        self.session.archive_location()
    }

    /// Returns the archive's tree hash, 64 hexadecimal digits.
    pub fn tree_hash(&self) -> Option<&CStr> {
        self.session.tree_hash()
    }

    /// Returns the vault.
    pub fn vault(&self) -> &CStr {
        self.session.vault()
    }

    /// Returns the part size in bytes; 0 until it is known.
    pub fn part_size(&self) -> u64 {
        self.session.part_size()
    }

    /// Fails in a forked child, and inside a callback of this handle or its client.
    pub(super) fn check_callable(&self) -> Result<()> {
        self.creator.check()?;
        check_not_in_callback(self)?;
        check_not_in_callback(&*self.session.client)
    }

    fn set(&self, change: impl FnOnce(&mut Options)) -> Result<()> {
        self.check_callable()?;
        let _admission = self.lock.enter(Access::Exclusive, &self.cancel)?;
        let mut options = lock(&self.options);
        options.check_settable()?;
        change(&mut options);
        Ok(())
    }

    fn set_source(&self, source: SourceSpec) -> Result<()> {
        let mut replaced = None;
        // Dropping a callback runs the caller's code, so no lock may be held then.
        self.set(|options| replaced = options.settings.source.replace(source))
    }
}
