//! The upload handle: one upload, from its first byte to its archive.
//!
//! Any thread may hold it. A gate decides who may work on it, the state machine what may be done, and each working call is
//! done on threads of the library while the caller's own thread waits and delivers its callbacks.

mod by_hand;
mod complete;
mod events;
mod gate;
mod options;
mod parts;
mod prepare;
mod queue;
mod resume;
pub mod state;
mod transfer;
mod worker;

use std::ffi::{CStr, CString};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use once_cell::sync::OnceCell;

use self::events::{Counters, Listener};
pub use self::events::{Flow, Progress, ProgressFn};
use self::gate::{Entry, Gate};
use self::options::{Mode, Options};
use self::parts::{Held, Parts};
use self::state::{Action, Call, Event, State};
use crate::api::UploadName;
use crate::cancel::{Cancel, Reason};
use crate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::file::Identity;
use crate::http::Watch;
use crate::limits::{check_description, check_part_size, check_upload_id, check_vault_name};
use crate::log::{Level, c_text};
use crate::reentry;
use crate::source::Origin;
use crate::sys::process::Owner;
use crate::treehash::Digest;
use crate::working::while_working;

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
    owner: Owner,
    gate: Gate,
    cancel: Arc<Cancel>,
    options: Mutex<Options>,
    state: Mutex<State>,
    facts: Facts,
    /// What is known of its parts, once there is a part size. For an upload that existed before, the first who asks the
    /// service does so for all.
    parts: OnceCell<Mutex<Parts>>,
    /// The source whose bytes the known parts have.
    identity: Mutex<Option<Identity>>,
    /// Size and tree hash of the Complete that was sent.
    completing: Mutex<Option<(u64, Digest)>>,
    counters: Counters,
    listener: Listener,
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
        client.owner.check()?;
        reentry::refuse(&**client)?;
        check_vault_name(vault)?;
        Ok(Arc::new(Self {
            client: Arc::clone(client),
            vault: c_text(vault),
            owner: Owner::current(),
            gate: Gate::default(),
            cancel: Arc::default(),
            options: Mutex::default(),
            state: Mutex::new(State::New),
            facts: Facts::default(),
            parts: OnceCell::new(),
            identity: Mutex::default(),
            completing: Mutex::default(),
            counters: Counters::default(),
            listener: Listener::default(),
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
        let mut attached = id.to_owned();
        self.set(|_| {
            let known = self.facts.id.get_or_init(|| c_text(id));
            attached = known.to_string_lossy().into_owned();
        })?;
        if attached == id {
            return Ok(());
        }
        Err(Error::new(Kind::State, format!("the handle is attached to upload {attached}: one handle is one upload")))
    }

    /// Takes the bytes from a file, opened by the first working call that needs it.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_source_file(&self, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Err(Error::invalid("the path of the source file is empty"));
        }
        self.set(|options| options.source = Some(Origin::File(path.to_owned())))
    }

    /// Takes the bytes from memory.
    ///
    /// # Errors
    /// As [`Upload::set_description`].
    pub fn set_source_memory(&self, bytes: &'static [u8]) -> Result<()> {
        self.set(|options| options.source = Some(Origin::Memory(bytes)))
    }

    /// Who is told how far it is; `None`: nobody. May be set between working calls.
    ///
    /// # Errors
    /// `Busy`, `Forked`.
    pub fn set_progress(&self, progress: Option<ProgressFn>) -> Result<()> {
        self.admit()?;
        let _entered = self.gate.enter(Entry::Alone, &self.cancel)?;
        drop(self.listener.replace(progress));
        Ok(())
    }

    /// Makes the upload or resumes it, sends what is missing, and completes it.
    ///
    /// # Errors
    /// Everything that can go wrong; [`Error::is_resumable`] says whether it can be carried on.
    pub fn run(&self) -> Result<()> {
        self.working(Entry::Alone, Call::Run, |action, watch| match action {
            Action::Nothing => Ok(()),
            Action::RepeatComplete | Action::Proceed => self.run_to_the_end(action, watch),
        })
    }

    /// Asks the call that is at work to stop, or the next one. Safe in a signal handler.
    pub fn cancel(&self) {
        self.cancel.raise();
    }

    /// Where the upload stands.
    pub fn state(&self) -> State {
        *lock(&self.state)
    }

    /// How far it is.
    ///
    /// # Errors
    /// `Forked`.
    pub fn progress(&self) -> Result<Progress> {
        self.owner.check()?;
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
        if self.owner.check().is_ok() {
            self.cancel.raise_for(Reason::Released);
        }
    }

    fn set(&self, change: impl FnOnce(&mut Options)) -> Result<()> {
        self.admit()?;
        let _entered = self.gate.enter(Entry::Alone, &self.cancel)?;
        let mut options = lock(&self.options);
        options.may_set()?;
        change(&mut options);
        Ok(())
    }

    /// Refuses a call from a place where none may come from.
    fn admit(&self) -> Result<()> {
        self.owner.check()?;
        reentry::refuse(self)?;
        reentry::refuse(&*self.client)
    }

    /// A call that works on the upload: through the gate, past the state machine, on threads of its own.
    fn working<T: Send>(
        &self,
        entry: Entry,
        call: Call,
        job: impl FnOnce(Action, &Watch) -> Result<T> + Send,
    ) -> Result<T> {
        self.admit()?;
        let entered = self.gate.enter(entry, &self.cancel)?;
        let mode = match call {
            Call::Run => Some(Mode::AllAtOnce),
            Call::PutPart => Some(Mode::ByHand),
            _ => None,
        };
        let action = self.begin(call, mode).map_err(|error| error.resumable(self.state().is_resumable()))?;
        let result = while_working(
            || {
                self.cancel.check()?;
                job(action, &self.watch())
            },
            || self.deliver(),
        );
        result.map_err(|error| self.judge(error, &entered))
    }

    /// What the state machine says to a call, after an upload ID that the caller gave has been taken into account.
    fn begin(&self, call: Call, mode: Option<Mode>) -> Result<Action> {
        let mut options = lock(&self.options);
        let mut state = lock(&self.state);
        let attached = *state == State::New && self.id().is_some();
        let from = if attached { state.after(Event::Known)? } else { *state };
        let action = from.answer(call)?;
        // A call that finds nothing to do, as on a completed upload, does not ask how the upload came about.
        if action != Action::Nothing {
            if let Some(mode) = mode {
                options.may_use(mode)?;
                options.fix(mode);
            }
            *state = from;
            options.start();
        }
        Ok(action)
    }

    fn happened(&self, event: Event) -> Result<()> {
        let mut state = lock(&self.state);
        *state = state.after(event)?;
        Ok(())
    }

    fn watch(&self) -> Watch {
        Watch {
            cancel: Arc::clone(&self.cancel),
            grace: Duration::ZERO,
            answer_timeout: None,
            sent: Arc::clone(&self.counters.bytes_sent),
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

    /// Makes the upload.
    fn initiate_now(&self, part_size: u64, watch: &Watch) -> Result<()> {
        let description = lock(&self.options).description.clone();
        let made = self.client.service.initiate(self.vault_name(), &description, part_size, watch)?;
        check_upload_id(&made.id).map_err(|error| {
            Error::new(Kind::Protocol, format!("the service gave an upload ID that cannot be one: {error}"))
        })?;
        let _ = self.facts.id.set(c_text(made.id.as_str()));
        let _ = self.facts.location.set(c_text(made.location));
        self.happened(Event::Known)?;
        let _ = self.parts.set(Mutex::new(Parts::new(part_size)));
        self.facts.part_size.store(part_size, Ordering::Release);
        self.say(Level::Info, format_args!("upload {} initiated with parts of {part_size} bytes", made.id));
        Ok(())
    }

    /// The parts as far as they are known; asks the service once if the upload existed before this handle.
    fn known_parts(&self, watch: &Watch) -> Result<&Mutex<Parts>> {
        self.parts.get_or_try_init(|| {
            let listed = self.client.service.list_parts(self.name()?, watch)?;
            self.adopt(&listed)?;
            let mut parts = Parts::new(listed.part_size);
            for part in &listed.parts {
                let index = u32::try_from(part.range.first / listed.part_size).unwrap_or(u32::MAX);
                // The live service was seen to give an end that is one too large.
                let length = part.range.length().min(listed.part_size);
                parts.acknowledged(index, Held { length, tree: part.tree_hash });
            }
            Ok(Mutex::new(parts))
        })
    }

    /// Takes over what the service tells of an upload that existed before.
    fn adopt(&self, listed: &crate::api::UploadParts) -> Result<()> {
        if let Some(wanted) = lock(&self.options).part_size.filter(|wanted| *wanted != listed.part_size) {
            return Err(Error::invalid(format!(
                "part size {wanted} was set, but the upload was initiated with parts of {} bytes",
                listed.part_size
            )));
        }
        self.facts.part_size.store(listed.part_size, Ordering::Release);
        Ok(())
    }

    /// What an error means for the upload: why it stopped, and whether it can be carried on.
    fn judge(&self, error: Error, entered: &gate::Entered<'_>) -> Error {
        let error = match error.kind() {
            Kind::Canceled if self.cancel.is_raised_for(Reason::Callback) => {
                Error::new(Kind::Callback, "the progress callback did not return GLACIER_CONTINUE")
            }
            Kind::Canceled | Kind::OutcomeUnknown => {
                entered.was_canceled();
                error
            }
            _ => error,
        };
        let by_caller = matches!(error.kind(), Kind::Invalid | Kind::State | Kind::Busy);
        let gone = error.kind() == Kind::NotFound;
        let resumable = self.state().is_resumable() && !gone;
        let error = error.resumable(resumable);
        // What is kept after an unknown outcome cannot be said: an upload or an archive.
        let tell = !by_caller && error.kind() != Kind::OutcomeUnknown;
        let error = match self.id().filter(|_| tell) {
            Some(id) if resumable => error.with_note(format_args!(
                "the upload is kept and can be resumed: upload ID {} in vault {}",
                id.to_string_lossy(),
                self.vault_name()
            )),
            Some(id) if gone => error.with_note(format_args!(
                "the service does not know upload ID {} in vault {}: it was completed or aborted, has expired 24 hours \
                 after its last part, or never was",
                id.to_string_lossy(),
                self.vault_name()
            )),
            _ => error,
        };
        self.say(Level::Error, format_args!("{error}"));
        self.deliver_log();
        error
    }

    fn say(&self, level: Level, line: std::fmt::Arguments<'_>) {
        self.client.log.write(level, line);
    }
}

/// Locks what no panic can leave half done: each change under these locks is a single assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
