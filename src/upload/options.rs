//! Which settings and calls go together: one pure check for each.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::source::SourceSpec;

/// What the caller set, and what the first calls fixed.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) description: String,
    pub(crate) part_size: Option<u64>,
    pub(crate) source: Option<SourceSpec>,
    pub(crate) journal: Option<PathBuf>,
    /// The parts that `transfer` is to send.
    pub(crate) part_range: Option<PartRange>,
    /// What the archive must have.
    pub(crate) archive_size: Option<u64>,
    /// What a stream of unknown length is guessed to have.
    pub(crate) expected_size: Option<u64>,
    mode: Option<Mode>,
    started: bool,
}

/// Some of the parts of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartRange {
    pub(crate) first: u32,
    /// `u32::MAX`: to the end.
    pub(crate) count: u32,
}

/// How the parts of an upload are sent: a handle keeps to one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By `run`, or `start`.
    Run,
    /// By `transfer`, which does not complete.
    Transfer,
    /// By `write` and `finish`.
    Write,
    /// By `put_part`.
    ByHand,
}

impl Mode {
    /// The calls that keep to it. `run` and `transfer` go together.
    fn way(self) -> &'static str {
        match self {
            Self::Run | Self::Transfer => "run all at once (run, transfer, start)",
            Self::Write => "written as a stream (write, finish)",
            Self::ByHand => "put by hand, part by part (put_part)",
        }
    }
}

impl Options {
    /// Checks that a setter may still be called.
    pub(crate) fn may_set(&self) -> Result<()> {
        if self.started {
            return Err(state("settings come before the first call that works on the upload"));
        }
        Ok(())
    }

    /// Checks that a mode may be used, without fixing it.
    pub(crate) fn may_use(&self, mode: Mode) -> Result<()> {
        if let Some(fixed) = self.mode.filter(|fixed| fixed.way() != mode.way()) {
            let message = format!("this upload is {}: it cannot be {} as well", fixed.way(), mode.way());
            return Err(Error::new(Kind::State, message));
        }
        match (mode, &self.source, self.part_range) {
            (Mode::Run | Mode::Transfer, None, _) => Err(state("no source is set: there is nothing to upload")),
            (Mode::Write, Some(_), _) => Err(state("a source is set: bytes cannot be pushed as well")),
            (Mode::Transfer, Some(SourceSpec::Callback(..)), Some(_)) => {
                Err(state("a part range is set: it needs a source that can be read at any place, a file or memory"))
            }
            (Mode::Run | Mode::Write | Mode::ByHand, _, Some(_)) => {
                Err(state("a part range is set: it is for transfer alone"))
            }
            _ => Ok(()),
        }
    }

    /// A working call begins: settings are fixed from here on.
    pub(crate) fn start(&mut self) {
        self.started = true;
    }

    /// The first call that sends parts fixes how they are sent.
    pub(crate) fn fix(&mut self, mode: Mode) {
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
        Options { source: Some(SourceSpec::Memory(b"x")), ..Options::default() }
    }

    #[test]
    fn settings_end_with_the_first_working_call() {
        let mut options = with_source();
        options.may_set().unwrap();
        options.start();
        assert_eq!(options.may_set().unwrap_err().kind(), Kind::State);
    }

    #[test]
    fn a_handle_keeps_to_one_way() {
        let all = [Mode::Run, Mode::Transfer, Mode::Write, Mode::ByHand];
        for (fixed, other) in all.into_iter().flat_map(|fixed| all.map(|other| (fixed, other))) {
            let mut options = if fixed == Mode::Write { Options::default() } else { with_source() };
            options.may_use(fixed).unwrap();
            options.fix(fixed);
            options.may_use(fixed).unwrap();
            let together =
                fixed == other || [fixed, other].iter().all(|mode| matches!(mode, Mode::Run | Mode::Transfer));
            let expected = if together { None } else { Some(Kind::State) };
            assert_eq!(options.may_use(other).err().map(|error| error.kind()), expected, "{fixed:?} {other:?}");
        }
    }

    #[test]
    fn which_modes_go_with_which_source() {
        let kind = |options: &Options, mode| options.may_use(mode).err().map(|error| error.kind());
        let none = Options::default();
        assert_eq!((kind(&none, Mode::Run), kind(&none, Mode::Transfer)), (Some(Kind::State), Some(Kind::State)));
        assert_eq!((kind(&none, Mode::Write), kind(&none, Mode::ByHand)), (None, None));
        assert_eq!(kind(&with_source(), Mode::Write), Some(Kind::State));
    }

    #[test]
    fn a_part_range_is_for_transfer_from_what_can_be_read_at_any_place() {
        let mut options = Options { part_range: Some(PartRange { first: 1, count: 2 }), ..with_source() };
        options.may_use(Mode::Transfer).unwrap();
        assert_eq!(options.may_use(Mode::Run).unwrap_err().kind(), Kind::State);
        let reader = Arc::new(CallbackReader::new(Box::new(|_| ReadOutcome::Bytes(0))));
        options.source = Some(SourceSpec::Callback(reader, None));
        assert_eq!(options.may_use(Mode::Transfer).unwrap_err().kind(), Kind::State);
    }
}
