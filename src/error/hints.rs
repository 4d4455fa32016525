//! The hints in the message of an error. A program that does what a hint asks for, or gives another, removes it.

use std::fmt;

use super::Error;
use crate::sanitize::{TEXT_MAX, escaped};

/// The hints that can be removed from the message.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    /// Of the ID of the upload and its state.
    upload: Option<String>,
    /// Of the journal.
    journal: Option<String>,
}

impl Hints {
    /// Returns the texts, which can contain secrets.
    pub(super) fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        [&mut self.upload, &mut self.journal].into_iter().flatten()
    }
}

impl Error {
    /// Appends a hint to the message.
    #[must_use]
    pub fn with_hint(mut self, hint: impl fmt::Display) -> Self {
        self.append_hint(hint);
        self
    }

    /// Appends a hint that names the upload and its state.
    #[must_use]
    pub fn with_upload_hint(mut self, hint: impl fmt::Display) -> Self {
        self.details.hints.upload = Some(self.append_hint(hint));
        self
    }

    /// Appends a hint that names the journal, or tells what to do with it.
    #[must_use]
    pub fn with_journal_hint(mut self, hint: impl fmt::Display) -> Self {
        self.details.hints.journal = Some(self.append_hint(hint));
        self
    }

    /// Removes the hint of [`Error::with_upload_hint`] from the message, for a program that says what becomes of the upload.
    #[must_use]
    pub fn without_upload_hint(mut self) -> Self {
        let hint = self.details.hints.upload.take();
        self.remove_hint(hint);
        self
    }

    /// Removes the hint of [`Error::with_journal_hint`] from the message, for a program that does with the journal what the
    /// hint asks for.
    #[must_use]
    pub fn without_journal_hint(mut self) -> Self {
        let hint = self.details.hints.journal.take();
        self.remove_hint(hint);
        self
    }

    fn append_hint(&mut self, hint: impl fmt::Display) -> String {
        let hint = escaped(&hint.to_string(), TEXT_MAX);
        self.message = format!("{}; {hint}", self.message);
        hint
    }

    fn remove_hint(&mut self, hint: Option<String>) {
        if let Some(hint) = hint {
            self.message = self.message.replacen(&format!("; {hint}"), "", 1);
        }
    }
}
