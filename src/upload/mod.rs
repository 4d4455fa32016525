//! The upload handle: one upload, from its first byte to its archive.
//!
//! Any thread may hold it. A gate decides who may work on it, the state machine what may be done, and each working call is
//! done on threads of the library while the caller's own thread waits and delivers its callbacks.

mod admission;
mod background;
mod by_hand;
mod complete;
mod journal;
#[cfg(test)]
mod model_tests;
mod options;
mod parts;
mod pipeline;
mod progress;
mod resume;
pub mod state;
mod stream;
mod verify;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use once_cell::sync::OnceCell;

use self::admission::{Access, Admission, HandleLock};
use self::background::Background;
pub use self::background::DoneFn;
use self::journal::JournalState;
use self::options::{Mode, Options, PartRange};
use self::parts::Parts;
use self::pipeline::Goal;
use self::progress::{Counters, ProgressCallback};
pub use self::progress::{Flow, Progress, ProgressFn};
use self::resume::{SourceRecord, StoredListing};
use self::state::{Action, AtomicState, Event, Operation, State};
use self::stream::pipe::{Pipe, ReadStep};
use self::stream::write::WriteSession;
use crate::api::{UploadName, UploadParts};
use crate::bandwidth::TokenBucket;
use crate::callback_loop::{CallbackPump, WakeEvent, run_on_worker};
use crate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::ffi_text::to_cstring;
use crate::http::RequestContext;
use crate::limits::{check_archive_size, check_description, check_part_size, check_upload_id, check_vault_name};
use crate::log::Level;
use crate::reentrancy::{self, CallbackScope};
use crate::source::file::Identity;
use crate::source::{CallbackReader, ReadFn, SourceSpec};
use crate::sync::cancel::{Cancel, Reason};
use crate::sync::{Mutex, lock};
use crate::sys::process::CreatorPid;
use crate::treehash::Digest;

/// A part that the service holds, as `list_parts` tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartEntry {
    /// Where it begins in the archive, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Its tree hash.
    pub tree_hash: Digest,
}

/// One upload. Its ID, once known, never changes.
#[derive(Debug)]
pub struct Upload {
    client: Arc<Client>,
    vault: CString,
    creator: CreatorPid,
    lock: HandleLock,
    cancel: Arc<Cancel>,
    bandwidth: Arc<TokenBucket>,
    options: Mutex<Options>,
    state: AtomicState,
    facts: Facts,
    /// What is known of its parts, once there is a part size. For an upload that existed before, the first who asks the
    /// service does so for all.
    parts: OnceCell<Mutex<Parts>>,
    /// What is remembered of the source, for a resume.
    known: Mutex<SourceRecord>,
    notes: Mutex<JournalState>,
    /// The archive's size: as the journal has it, or a stream that was sent to its end.
    size_known: Mutex<Option<u64>>,
    /// Size and tree hash of the Complete that was sent.
    completing: Mutex<Option<(u64, Digest)>>,
    pushed: Mutex<Option<Arc<WriteSession>>>,
    /// Whether the stream that this handle read to its end is what the service has.
    stream_outcome: Mutex<Option<Result<()>>>,
    background: Background,
    counters: Counters,
    listener: ProgressCallback,
    /// Which callback did not want to go on, as the error's text.
    stopped_by: Mutex<&'static str>,
}

/// What becomes known of an upload, and then never changes.
#[derive(Debug, Default)]
struct Facts {
    id: OnceLock<CString>,
    location: OnceLock<CString>,
    archive_id: OnceLock<CString>,
    archive_location: OnceLock<CString>,
    tree_hash: OnceLock<CString>,
    part_size: AtomicU64,
}

impl Upload {
    /// A handle for an upload to a vault. Sends nothing.
    ///
    /// # Errors
    /// `Invalid`, `Forked`, `Busy` inside a log callback of the client.
    pub fn new(client: &Arc<Client>, vault: &str) -> Result<Arc<Self>> {
        client.creator.check()?;
        reentrancy::check_not_in_callback(&**client)?;
        check_vault_name(vault)?;
        Ok(Arc::new(Self {
            client: Arc::clone(client),
            vault: to_cstring(vault),
            creator: CreatorPid::current(),
            lock: HandleLock::default(),
            cancel: Arc::default(),
            bandwidth: Arc::new(TokenBucket::child_of(&client.bandwidth)),
            options: Mutex::default(),
            state: AtomicState::default(),
            facts: Facts::default(),
            parts: OnceCell::new(),
            known: Mutex::default(),
            notes: Mutex::default(),
            size_known: Mutex::default(),
            completing: Mutex::default(),
            pushed: Mutex::default(),
            stream_outcome: Mutex::default(),
            background: Background::default(),
            counters: Counters::default(),
            listener: ProgressCallback::default(),
            stopped_by: Mutex::default(),
        }))
    }

    /// The text that the vault keeps with the archive; empty: none.
    ///
    /// # Errors
    /// `Invalid`; as all setters, `State` after the first working call, `Busy`, `Forked`.
    pub fn set_description(&self, text: &str) -> Result<()> {
        check_description(text)?;
        self.set(|options| text.clone_into(&mut options.description))
    }

    /// The size of all parts but the last, in bytes.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_part_size(&self, bytes: u64) -> Result<()> {
        check_part_size(bytes)?;
        self.set(|options| options.part_size = Some(bytes))
    }

    /// Attaches the handle to an upload that exists already, for good. Sends nothing.
    ///
    /// # Errors
    /// As [`Upload::set_description`]; `State` if it is attached to another one.
    pub fn set_upload_id(&self, id: &str) -> Result<()> {
        check_upload_id(id)?;
        self.set(|_| drop(self.facts.id.set(to_cstring(id))))?;
        match self.id().map(CStr::to_string_lossy) {
            Some(attached) if attached != id => Err(Error::new(
                Kind::State,
                format!("the handle is attached to upload {attached}: one handle is one upload"),
            )),
            _ => Ok(()),
        }
    }

    /// Keeps a journal at a path, and goes on from the one that is there.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_journal(&self, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Err(Error::invalid("the path of the journal is empty"));
        }
        self.set(|options| options.journal = Some(path.to_owned()))
    }

    /// Has `transfer` send these parts alone; `count` `u32::MAX`: to the end.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_part_range(&self, first: u32, count: u32) -> Result<()> {
        if count == 0 {
            return Err(Error::invalid("a part range of 0 parts is not allowed: it has at least 1"));
        }
        self.set(|options| options.part_range = Some(PartRange { first, count }))
    }

    /// What the archive has, in bytes: checked before it is completed.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_archive_size(&self, bytes: u64) -> Result<()> {
        check_archive_size(bytes)?;
        self.set(|options| options.archive_size = Some(bytes))
    }

    /// What a stream of unknown length may have, in bytes: chooses its part size.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_expected_size(&self, bytes: u64) -> Result<()> {
        check_archive_size(bytes)?;
        self.set(|options| options.expected_size = Some(bytes))
    }

    /// Takes the bytes from a file, opened by the first working call that needs it.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_source_file(&self, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Err(Error::invalid("the path of the source file is empty"));
        }
        self.set_source(SourceSpec::File(path.to_owned()))
    }

    /// Takes the bytes from memory.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_source_memory(&self, bytes: &'static [u8]) -> Result<()> {
        self.set_source(SourceSpec::Memory(bytes))
    }

    /// Takes the bytes from a callback, from the first to the last; `size`: how many there are, if that is known.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_source_callback(&self, read: ReadFn, size: Option<u64>) -> Result<()> {
        if let Some(bytes) = size {
            check_archive_size(bytes)?;
        }
        self.set_source(SourceSpec::Callback(Arc::new(CallbackReader::new(read)), size))
    }

    /// Who is told how far it is; `None`: nobody. May be set between working calls.
    ///
    /// # Errors
    /// `Busy`, `Forked`.
    pub fn set_progress(&self, progress: Option<ProgressFn>) -> Result<()> {
        self.admit()?;
        let _entered = self.lock.enter(Access::Exclusive, &self.cancel)?;
        drop(self.listener.replace(progress));
        Ok(())
    }

    /// Makes the upload or resumes it, sends what is missing, and completes it.
    ///
    /// # Errors
    /// Everything that can go wrong; [`Error::is_resumable`] says whether it can be carried on.
    pub fn run(&self) -> Result<()> {
        self.admit()?;
        let entered = self.enter(Access::Exclusive)?;
        self.run_inside(&entered, Operation::Run)
    }

    /// As [`Upload::run`], but without completing.
    ///
    /// # Errors
    /// As [`Upload::run`].
    pub fn transfer(&self) -> Result<()> {
        self.admit()?;
        let entered = self.enter(Access::Exclusive)?;
        self.run_inside(&entered, Operation::Transfer)
    }

    /// Asks the call that is at work to stop, or the next one. Safe in a signal handler.
    pub fn cancel(&self) {
        self.cancel.raise();
    }

    /// Bytes of parts a second that this upload may send; 0: no limit of its own. The client's holds as well. At any time,
    /// and at once for parts that are being sent.
    ///
    /// # Errors
    /// `Forked`.
    pub fn set_bandwidth_limit(&self, bytes_per_second: u64) -> Result<()> {
        self.creator.check()?;
        self.bandwidth.set_limit(bytes_per_second);
        Ok(())
    }

    /// Where the upload stands.
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// How far it is.
    ///
    /// # Errors
    /// `Forked`.
    pub fn progress(&self) -> Result<Progress> {
        self.creator.check()?;
        Ok(self.counters.snapshot(self.client.service.clock.monotonic()))
    }

    /// The upload ID.
    pub fn id(&self) -> Option<&CStr> {
        self.facts.id.get().map(CString::as_c_str)
    }

    /// The upload's path at the service.
    pub fn location(&self) -> Option<&CStr> {
        self.facts.location.get().map(CString::as_c_str)
    }

    /// The archive ID.
    pub fn archive_id(&self) -> Option<&CStr> {
        self.facts.archive_id.get().map(CString::as_c_str)
    }

    /// The archive's path at the service.
    pub fn archive_location(&self) -> Option<&CStr> {
        self.facts.archive_location.get().map(CString::as_c_str)
    }

    /// The archive's tree hash, 64 hexadecimal digits.
    pub fn tree_hash(&self) -> Option<&CStr> {
        self.facts.tree_hash.get().map(CString::as_c_str)
    }

    /// The vault.
    pub fn vault(&self) -> &CStr {
        &self.vault
    }

    /// The part size in bytes; 0 until it is known.
    pub fn part_size(&self) -> u64 {
        self.facts.part_size.load(Ordering::Acquire)
    }

    /// The handle's owner lets it go: whatever is at work stops, and nothing starts any more.
    pub fn release(&self) {
        if self.creator.check().is_ok() {
            self.cancel.raise_for(Reason::HandleFreed);
            // A thread that waits for the answer to Complete is left to write down what it learns.
            if self.state() != State::Completing {
                self.release_journal();
            }
        }
    }

    fn set(&self, change: impl FnOnce(&mut Options)) -> Result<()> {
        self.admit()?;
        let _entered = self.lock.enter(Access::Exclusive, &self.cancel)?;
        let mut options = lock(&self.options);
        options.may_set()?;
        change(&mut options);
        Ok(())
    }

    fn set_source(&self, source: SourceSpec) -> Result<()> {
        let mut replaced = None;
        // Its end is the caller's code, and wants no lock held.
        self.set(|options| replaced = options.source.replace(source))
    }

    /// Refuses a call from a place where none may come from.
    fn admit(&self) -> Result<()> {
        self.creator.check()?;
        reentrancy::check_not_in_callback(self)?;
        reentrancy::check_not_in_callback(&*self.client)
    }

    /// Lets a working call in, unless a stream is on its way.
    fn enter(&self, access: Access) -> Result<Admission<'_>> {
        let entered = self.lock.enter(access, &self.cancel)?;
        if self.is_being_written() {
            return Err(Error::new(Kind::Busy, "a stream is being written: finish it, or abort"));
        }
        Ok(entered)
    }

    /// A call that works on the upload: through the gate, past the state machine, on threads of its own.
    fn working<T: Send>(
        &self,
        access: Access,
        call: Operation,
        job: impl FnOnce(Action, &RequestContext) -> Result<T> + Send,
    ) -> Result<T> {
        self.admit()?;
        let entered = self.enter(access)?;
        self.work(&entered, call, &WakeEvent::default(), job, || self.deliver())
    }

    /// The same, inside the gate.
    fn work<T: Send>(
        &self,
        entered: &Admission<'_>,
        call: Operation,
        bell: &WakeEvent,
        job: impl FnOnce(Action, &RequestContext) -> Result<T> + Send,
        attendant: impl CallbackPump,
    ) -> Result<T> {
        let job = || {
            let action = self.begin(call)?;
            self.cancel.check()?;
            job(action, &self.context())
        };
        run_on_worker(bell, job, attendant).map_err(|error| self.finalize_error(error, entered))
    }

    /// All at once, inside the gate.
    fn run_inside(&self, entered: &Admission<'_>, call: Operation) -> Result<()> {
        let ending = if call == Operation::Transfer { Goal::AllParts } else { Goal::Archive };
        let source = lock(&self.options).source.clone();
        let bell = Arc::new(WakeEvent::default());
        let Some(SourceSpec::Callback(reader, size)) = source else {
            let job = |action, context: &RequestContext| self.run_to_the_end(action, ending, context);
            return self.work(entered, call, &bell, job, || self.deliver());
        };
        let pipe = Arc::new(Pipe::new(Arc::clone(&bell)));
        let was_read = reader.was_read();
        let job = |action, context: &RequestContext| match was_read {
            true => self.end_of_stream(action, ending, context),
            false => self.stream_to_the_end(action, &pipe, size, ending, context),
        };
        self.work(entered, call, &bell, job, Reading { upload: self, pipe: &pipe, reader: &reader })
    }

    /// What the state machine says to a call, after the journal and an upload ID that the caller gave have been taken into
    /// account.
    fn begin(&self, call: Operation) -> Result<Action> {
        let mode = match call {
            Operation::Run => Some(Mode::Run),
            Operation::Transfer => Some(Mode::Transfer),
            Operation::Write => Some(Mode::Write),
            Operation::PutPart => Some(Mode::ByHand),
            _ => None,
        };
        if let Some(mode) = mode {
            self.may_use(mode)?;
        }
        self.load_journal(call)?;
        let mut options = lock(&self.options);
        let state = self.state();
        let attached = state == State::New && self.id().is_some();
        let from = if attached { state.after(Event::Known)? } else { state };
        let action = from.answer(call).map_err(|error| self.about_ended_journal(error, from, &options))?;
        // A call that finds nothing to do, as on a completed upload, does not ask how the upload came about.
        if action == Action::Nothing {
            self.check_made()?;
        } else {
            if let Some(mode) = mode {
                options.may_use(mode)?;
                options.fix(mode);
            }
            if attached {
                self.happened(Event::Known)?;
            }
            options.start();
        }
        Ok(action)
    }

    /// Checks that parts may be sent in a way. On a completed upload none is sent, whatever way is taken.
    fn may_use(&self, mode: Mode) -> Result<()> {
        match (mode, self.state()) {
            (Mode::Run | Mode::Transfer, State::Completed) => Ok(()),
            _ => lock(&self.options).may_use(mode),
        }
    }

    fn happened(&self, event: Event) -> Result<()> {
        self.state.change(|state| state.after(event))
    }

    fn context(&self) -> RequestContext {
        RequestContext {
            cancel: Arc::clone(&self.cancel),
            grace: Duration::ZERO,
            response_timeout: None,
            sent: Arc::clone(&self.counters.bytes_sent),
            retries: Arc::clone(&self.counters.retries),
            bandwidth: Some(Arc::clone(&self.bandwidth)),
        }
    }

    /// The name of the upload at the service.
    fn name(&self) -> Result<UploadName<'_>> {
        let id = self.id().and_then(|id| id.to_str().ok());
        let id = id.ok_or_else(|| Error::new(Kind::Internal, "the upload has no ID here"))?;
        Ok(UploadName { vault: self.vault_name(), id })
    }

    fn vault_name(&self) -> &str {
        self.vault.to_str().unwrap_or_default()
    }

    /// Makes the upload, and has it in the journal before anything is sent.
    fn initiate_now(
        &self,
        part_size: u64,
        archive_size: Option<u64>,
        source: Option<Identity>,
        context: &RequestContext,
    ) -> Result<()> {
        let description = lock(&self.options).description.clone();
        let made = self.client.service.initiate(self.vault_name(), &description, part_size, context)?;
        let _ = self.facts.id.set(to_cstring(made.id.as_str()));
        let _ = self.facts.location.set(to_cstring(made.location));
        self.facts.set_part_size(part_size);
        self.happened(Event::Known)?;
        let _ = self.parts.set(Mutex::new(Parts::new(part_size)));
        self.say(Level::Info, format_args!("upload {} initiated with parts of {part_size} bytes", made.id));
        self.begin_journal(archive_size, source)
    }

    /// The parts as far as they are known; asks the service once if the upload existed before this handle.
    fn known_parts(&self, context: &RequestContext) -> Result<&Mutex<Parts>> {
        self.parts.get_or_try_init(|| {
            let listed = self.list(context)?;
            let mut parts = Parts::new(self.part_size());
            parts.adopt(&listed);
            Ok(Mutex::new(parts))
        })
    }

    /// The parts as far as they are known here, for who lists them anyway.
    fn parts_so_far(&self) -> &Mutex<Parts> {
        self.parts.get_or_init(|| Mutex::new(Parts::new(self.part_size())))
    }

    /// The parts that the service holds, by their index.
    fn list(&self, context: &RequestContext) -> Result<BTreeMap<u32, StoredListing>> {
        let listed = self.list_as_told(context)?;
        resume::by_index(listed.part_size, &listed.parts)
    }

    /// What the service tells of an upload that exists, and its handle takes over.
    fn list_as_told(&self, context: &RequestContext) -> Result<UploadParts> {
        let listed = self.client.service.list_parts(self.name()?, context)?;
        let wanted = lock(&self.options).part_size;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != listed.part_size) {
            return Err(Error::invalid(format!(
                "part size {wanted} was set, but the upload was initiated with parts of {} bytes",
                listed.part_size
            )));
        }
        let known = self.part_size();
        if known != 0 && known != listed.part_size {
            return Err(Error::new(
                Kind::Protocol,
                format!(
                    "the service lists parts of {} bytes, but the upload has parts of {known} bytes",
                    listed.part_size
                ),
            ));
        }
        self.facts.set_part_size(listed.part_size);
        Ok(listed)
    }

    /// Fails if a source has not the size that the archive is to have.
    fn check_size(&self, source: u64) -> Result<()> {
        if let Some(wanted) = lock(&self.options).archive_size.filter(|wanted| *wanted != source) {
            return Err(Error::invalid(format!("archive size {wanted} was set, but the source has {source} bytes")));
        }
        match *lock(&self.size_known) {
            Some(before) if before != source => Err(resume::another_size(source, before)),
            _ => Ok(()),
        }
    }

    /// The error of a cancel, if a callback asked for it, is that of the callback.
    fn as_callback_error(&self, error: Error) -> Error {
        if error.kind() == Kind::Canceled && self.cancel.is_raised_for(Reason::Callback) {
            return Error::new(Kind::Callback, *lock(&self.stopped_by));
        }
        error
    }

    /// What an error means for the upload: why it stopped, and whether it can be carried on.
    fn finalize_error(&self, error: Error, entered: &Admission<'_>) -> Error {
        let error = self.as_callback_error(error).redacted(self.client.service.keys.redactor());
        if matches!(error.kind(), Kind::Canceled | Kind::OutcomeUnknown) {
            entered.was_canceled();
        }
        let by_caller = matches!(error.kind(), Kind::Invalid | Kind::State | Kind::Busy);
        let gone = error.kind() == Kind::NotFound;
        let resumable = self.state().is_resumable() && !gone;
        let error = error.resumable(resumable);
        // What is kept after an unknown outcome cannot be said: an upload or an archive.
        let tell = !by_caller && error.kind() != Kind::OutcomeUnknown;
        let error = match self.id().filter(|_| tell) {
            Some(id) if resumable => error.with_hint(format_args!(
                "the upload is kept and can be resumed: upload ID {} in vault {}",
                id.to_string_lossy(),
                self.vault_name()
            )),
            Some(id) if gone => error.with_hint(format_args!(
                "the service does not know upload ID {} in vault {}: it was completed or aborted, has expired 24 hours \
                 after its last part, or never was",
                id.to_string_lossy(),
                self.vault_name()
            )),
            _ => error,
        };
        let error = match lock(&self.options).journal.as_deref().filter(|_| tell && self.id().is_some()) {
            Some(path) if gone => {
                error.with_hint(format_args!("to upload the archive anew, remove its journal {}", path.display()))
            }
            Some(path) => error.with_hint(format_args!("its journal is {}", path.display())),
            None => error,
        };
        self.say(Level::Error, format_args!("{error}"));
        self.deliver_log();
        error
    }

    fn say(&self, level: Level, line: std::fmt::Arguments<'_>) {
        self.client.log.write(level, line);
    }
}

/// The caller's thread in a call whose source is a callback: it reads as well.
struct Reading<'a> {
    upload: &'a Upload,
    pipe: &'a Pipe,
    reader: &'a CallbackReader,
}

impl CallbackPump for Reading<'_> {
    fn deliver(&mut self) {
        self.upload.deliver();
    }

    fn on_wake(&mut self) {
        if self.upload.cancel.is_raised() {
            return;
        }
        let _inside = CallbackScope::enter(self.upload);
        match self.pipe.read(|room| self.reader.read(room)) {
            ReadStep::Idle | ReadStep::Read => {}
            ReadStep::Stop => self.upload.stop_for("the read callback did not return GLACIER_CONTINUE"),
            ReadStep::Overrun => {
                self.upload.stop_for("the read callback says that it gave more bytes than there was room for")
            }
        }
    }
}

impl Facts {
    fn set_part_size(&self, bytes: u64) {
        self.part_size.store(bytes, Ordering::Release);
    }

    /// There is an archive.
    fn made(&self, id: String, location: String, tree: Digest) {
        let _ = self.tree_hash.set(to_cstring(tree.to_hex()));
        let _ = self.archive_location.set(to_cstring(location));
        let _ = self.archive_id.set(to_cstring(id));
    }
}
