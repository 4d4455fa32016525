//! The settings of an upload, and the rules that say which of them and which calls exclude each other. Pure.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::source::SourceSpec;

/// The settings that the caller made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) description: String,
    /// In bytes.
    pub(crate) part_size: Option<u64>,
    pub(crate) source: Option<SourceSpec>,
    pub(crate) journal: Option<PathBuf>,
    /// The parts that `transfer` sends.
    pub(crate) part_range: Option<PartRange>,
    /// The size that the archive must have, in bytes.
    pub(crate) archive_size: Option<u64>,
    /// The size that a stream of unknown length probably has, in bytes.
    pub(crate) expected_size: Option<u64>,
}

/// The settings of a handle, and what the first calls fixed.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    mode: Option<Mode>,
    started: bool,
}

/// A range of the parts of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartRange {
    pub(crate) first: u32,
    /// `u32::MAX`: to the last part.
    pub(crate) count: u32,
}

/// How the parts of an upload are sent. A handle uses one mode; `Run` and `Transfer` can be mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By `run` or `start`.
    Run,
    /// By `transfer`, which does not complete.
    Transfer,
    /// By `write` and `finish`.
    Write,
    /// By `put_part`.
    ByHand,
}

impl Mode {
    /// Returns the calls of the mode.
    fn calls(self) -> &'static str {
        match self {
            Self::Run | Self::Transfer => "run, transfer and start",
            Self::Write => "write and finish",
            Self::ByHand => "put_part",
        }
    }
}

impl Options {
    /// Fails if settings can no longer be changed.
    pub(crate) fn check_settable(&self) -> Result<()> {
        if self.started {
            return Err(state(
                "this setting can no longer be changed: set it before the first working call, such as run, write or initiate",
            ));
        }
        Ok(())
    }

    /// Fails if a mode cannot be used.
    pub(crate) fn check_mode(&self, mode: Mode) -> Result<()> {
        if let Some(fixed) = self.mode.filter(|fixed| fixed.calls() != mode.calls()) {
            let message =
                format!("this handle sends its parts by {}: it cannot also use {}", fixed.calls(), mode.calls());
            return Err(Error::new(Kind::State, message));
        }
        match (mode, &self.settings.source, self.settings.part_range) {
            (Mode::Run | Mode::Transfer, None, _) => Err(state(
                "no source is set: set a file, memory or a callback (glacier_upload_set_source_...) before run or transfer",
            )),
            (Mode::Write, Some(_), _) => Err(state("a source is set: a stream cannot be written as well")),
            (Mode::Transfer, Some(SourceSpec::Callback(..)), Some(_)) => {
                Err(state("a part range is set: it needs a source that can be read at any offset, a file or memory"))
            }
            (Mode::Run | Mode::Write | Mode::ByHand, _, Some(_)) => {
                Err(state("a part range is set: only transfer can use it"))
            }
            _ => Ok(()),
        }
    }

    /// Fixes the settings: a working call begins.
    pub(crate) fn start(&mut self) {
        self.started = true;
    }

    /// Fixes the mode: a call that sends parts begins.
    pub(crate) fn fix_mode(&mut self, mode: Mode) {
        self.mode = Some(mode);
    }
}

fn state(why: &str) -> Error {
    Error::new(Kind::State, why)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::{CallbackReader, ReadOutcome};

    fn with_source() -> Options {
        let mut options = Options::default();
        options.settings.source = Some(SourceSpec::Memory(b"x"));
        options
    }

    #[test]
    fn rejects_settings_after_the_first_working_call() {
        let mut options = with_source();
        options.check_settable().unwrap();
        options.start();
        assert_eq!(options.check_settable().unwrap_err().kind(), Kind::State);
    }

    #[test]
    fn rejects_a_second_mode() {
        let all = [Mode::Run, Mode::Transfer, Mode::Write, Mode::ByHand];
        for (fixed, other) in all.into_iter().flat_map(|fixed| all.map(|other| (fixed, other))) {
            let mut options = if fixed == Mode::Write { Options::default() } else { with_source() };
            options.check_mode(fixed).unwrap();
            options.fix_mode(fixed);
            options.check_mode(fixed).unwrap();
            let together =
                fixed == other || [fixed, other].iter().all(|mode| matches!(mode, Mode::Run | Mode::Transfer));
            let expected = if together { None } else { Some(Kind::State) };
            assert_eq!(options.check_mode(other).err().map(|error| error.kind()), expected, "{fixed:?} {other:?}");
        }
    }

    #[test]
    fn checks_mode_against_source() {
        let kind = |options: &Options, mode| options.check_mode(mode).err().map(|error| error.kind());
        let none = Options::default();
        assert_eq!((kind(&none, Mode::Run), kind(&none, Mode::Transfer)), (Some(Kind::State), Some(Kind::State)));
        assert_eq!((kind(&none, Mode::Write), kind(&none, Mode::ByHand)), (None, None));
        assert_eq!(kind(&with_source(), Mode::Write), Some(Kind::State));
    }

    #[test]
    fn accepts_part_range_only_for_transfer_of_a_seekable_source() {
        let mut options = with_source();
        options.settings.part_range = Some(PartRange { first: 1, count: 2 });
        options.check_mode(Mode::Transfer).unwrap();
        assert_eq!(options.check_mode(Mode::Run).unwrap_err().kind(), Kind::State);
        let reader = Arc::new(CallbackReader::new(Box::new(|_| ReadOutcome::Bytes(0))));
        options.settings.source = Some(SourceSpec::Callback(reader, None));
        assert_eq!(options.check_mode(Mode::Transfer).unwrap_err().kind(), Kind::State);
    }
}
