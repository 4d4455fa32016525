//! Which settings and calls go together: one pure check for each.

use crate::error::{Error, Kind, Result};
use crate::source::Origin;

/// What the caller set, and what the first calls fixed.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) description: String,
    pub(super) part_size: Option<u64>,
    pub(super) source: Option<Origin>,
    mode: Option<Mode>,
    started: bool,
}

/// How the parts of an upload are sent: a handle keeps to one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// By `run`.
    AllAtOnce,
    /// By `put_part`.
    ByHand,
}

impl Options {
    /// Checks that a setter may still be called.
    pub(super) fn may_set(&self) -> Result<()> {
        if self.started {
            return Err(Error::new(Kind::State, "settings come before the first call that works on the upload"));
        }
        Ok(())
    }

    /// Checks that a mode may be used, without fixing it.
    pub(super) fn may_use(&self, mode: Mode) -> Result<()> {
        match (mode, self.mode, &self.source) {
            (Mode::AllAtOnce, Some(Mode::ByHand), _) => {
                Err(Error::new(Kind::State, "parts of this upload were put by hand: complete it by hand as well"))
            }
            (Mode::ByHand, Some(Mode::AllAtOnce), _) => {
                Err(Error::new(Kind::State, "this upload is run all at once: parts cannot be put by hand as well"))
            }
            (Mode::AllAtOnce, _, None) => Err(Error::new(Kind::State, "no source is set: there is nothing to upload")),
            _ => Ok(()),
        }
    }

    /// A working call begins: settings are fixed from here on.
    pub(super) fn start(&mut self) {
        self.started = true;
    }

    /// The first call that sends parts fixes how they are sent.
    pub(super) fn fix(&mut self, mode: Mode) {
        self.mode = Some(mode);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_source() -> Options {
        Options { source: Some(Origin::Memory(b"x")), ..Options::default() }
    }

    #[test]
    fn settings_end_with_the_first_working_call() {
        let mut options = with_source();
        options.may_set().unwrap();
        options.start();
        assert_eq!(options.may_set().unwrap_err().kind(), Kind::State);
    }

    #[test]
    fn a_handle_keeps_to_one_mode() {
        for (fixed, other) in [(Mode::AllAtOnce, Mode::ByHand), (Mode::ByHand, Mode::AllAtOnce)] {
            let mut options = with_source();
            options.may_use(fixed).unwrap();
            options.fix(fixed);
            options.may_use(fixed).unwrap();
            assert_eq!(options.may_use(other).unwrap_err().kind(), Kind::State);
        }
    }

    #[test]
    fn a_run_needs_a_source_and_put_part_does_not() {
        assert_eq!(Options::default().may_use(Mode::AllAtOnce).unwrap_err().kind(), Kind::State);
        Options::default().may_use(Mode::ByHand).unwrap();
    }
}
