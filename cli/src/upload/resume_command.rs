//! The command that resumes what is unfinished.

use std::ffi::OsString;

use super::{Job, JobSource, Outcome, Settings};
use crate::exit::Exit;
use crate::shell;

/// The options that the subcommand `resume` does not have.
const ONLY_UPLOAD: [&str; 3] = ["--description=", "--part-size=", "--expected-size="];

/// The command line of this process.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    /// The name or path of the program.
    pub(crate) program: OsString,
    pub(crate) subcommand: String,
    /// The options that the user gave.
    pub(crate) options: Vec<OsString>,
}

/// A command that resumes uploads.
#[derive(Clone, Debug)]
pub(crate) struct ResumeCommand {
    /// The command, quoted for a shell.
    pub(crate) text: OsString,
    /// Whether it needs the bytes that this process read from standard input, from the first one.
    pub(crate) reads_stdin: bool,
}

impl Invocation {
    /// Returns the commands that resume the unfinished jobs: one for all that have journals or have not begun, and one for
    /// each upload that only its ID names.
    pub(super) fn resume_commands(
        &self,
        settings: &Settings,
        jobs: &[Job],
        outcomes: &[Outcome],
    ) -> Vec<ResumeCommand> {
        let unfinished = || jobs.iter().zip(outcomes).filter(|(_, outcome)| outcome.exit() == Exit::Stopped);
        let id_of = |job: &Job, outcome: &Outcome| match outcome {
            Outcome::Failed { upload_id: Some(id), .. } => Some(id.clone()),
            _ => job.upload_id.clone(),
        };
        let with_id = unfinished().filter_map(|(job, outcome)| {
            let id = format!("--upload-id={}", id_of(job, outcome)?);
            Some(self.command("resume", settings, Some(id.into()), &[job]))
        });
        let without_id = unfinished().filter(|(job, outcome)| id_of(job, outcome).is_none()).map(|(job, _)| job);
        let without_id: Vec<_> = without_id.collect();
        let together = (!without_id.is_empty()).then(|| self.command(&self.subcommand, settings, None, &without_id));
        together.into_iter().chain(with_id).collect()
    }

    fn command(&self, subcommand: &str, settings: &Settings, id: Option<OsString>, jobs: &[&Job]) -> ResumeCommand {
        let mut words = vec![self.program.clone(), subcommand.into()];
        let is_allowed = |option: &&OsString| {
            let option = option.to_string_lossy();
            subcommand == "upload" || !ONLY_UPLOAD.iter().any(|only| option.starts_with(only))
        };
        words.extend(self.options.iter().filter(is_allowed).cloned());
        // The vault can come from the environment, which another shell may not have.
        if !self.options.iter().any(|option| option.to_string_lossy().starts_with("--vault=")) {
            words.push(format!("--vault={}", settings.vault).into());
        }
        words.extend(id);
        words.extend(jobs.iter().map(|job| match &job.source {
            JobSource::File(path) => path.clone().into_os_string(),
            JobSource::Stdin => "-".into(),
        }));
        let reads_stdin = jobs.iter().any(|job| job.source == JobSource::Stdin);
        ResumeCommand { text: shell::command(&words), reads_stdin }
    }
}
