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

impl Invocation {
    /// Returns the commands that resume the unfinished jobs, quoted for a shell: one for all that have journals or have not
    /// begun, and one for each upload that only its ID names.
    pub(super) fn resume_commands(&self, settings: &Settings, jobs: &[Job], outcomes: &[Outcome]) -> Vec<OsString> {
        let unfinished = || jobs.iter().zip(outcomes).filter(|(_, outcome)| outcome.exit() == Exit::Stopped);
        let id_of = |job: &Job, outcome: &Outcome| match outcome {
            Outcome::Failed { upload_id: Some(id), .. } => Some(id.clone()),
            _ => job.upload_id.clone(),
        };
        let with_id = unfinished().filter_map(|(job, outcome)| {
            let mut words = vec![OsString::from(format!("--upload-id={}", id_of(job, outcome)?))];
            words.extend(sources([job]));
            Some(self.command("resume", settings, words))
        });
        let without_id = unfinished().filter(|(job, outcome)| id_of(job, outcome).is_none()).map(|(job, _)| job);
        let without_id: Vec<_> = without_id.collect();
        let together = (!without_id.is_empty())
            .then(|| self.command(&self.subcommand, settings, sources(without_id.iter().copied())));
        together.into_iter().chain(with_id).collect()
    }

    fn command(&self, subcommand: &str, settings: &Settings, rest: Vec<OsString>) -> OsString {
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
        words.extend(rest);
        shell::command(&words)
    }
}

fn sources<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Vec<OsString> {
    let source = |job: &Job| match &job.source {
        JobSource::File(path) => path.clone().into_os_string(),
        JobSource::Stdin => "-".into(),
    };
    jobs.into_iter().map(source).collect()
}
