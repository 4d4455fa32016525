//! A source to upload, and what became of it.

use std::path::{Path, PathBuf};

use crate::console::path_text;
use crate::exit::{Exit, Failure};
use crate::state::catalog::ArchiveRecord;

/// A source to upload.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) vault: String,
    pub(crate) source: JobSource,
    /// The ID of the upload to resume without a journal.
    pub(crate) upload_id: Option<String>,
    /// The description that the user gave.
    pub(crate) description: Option<String>,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum JobSource {
    /// A file, by its absolute path without symbolic links if it exists.
    File(PathBuf),
    Stdin,
}

/// The result of a job.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(ArchiveRecord),
    Failed {
        failure: Failure,
        /// The ID of an unfinished upload that has no journal.
        upload_id: Option<String>,
    },
    /// The command was stopped before.
    NotStarted,
}

impl Outcome {
    /// Returns the exit status that the outcome asks for.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Done(_) => Exit::Done,
            Self::Failed { failure, .. } => failure.exit,
            Self::NotStarted => Exit::Stopped,
        }
    }
}

impl JobSource {
    /// Creates the source of an argument: `-` is standard input.
    pub(crate) fn from_argument(path: &Path) -> Self {
        if path.as_os_str() == "-" {
            return Self::Stdin;
        }
        let full = path.canonicalize().or_else(|_| std::path::absolute(path));
        Self::File(full.unwrap_or_else(|_| path.to_owned()))
    }

    /// Returns the name in the catalog and in JSON. Messages show it escaped.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path_text(path),
            Self::Stdin => "-".to_owned(),
        }
    }
}

impl Job {
    /// Returns the name in the catalog and in JSON. Messages show it escaped.
    pub(crate) fn name(&self) -> String {
        self.source.name()
    }

    /// Returns the size in bytes, if it is known.
    pub(crate) fn size(&self) -> Option<u64> {
        match &self.source {
            JobSource::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
            JobSource::Stdin => None,
        }
    }
}
