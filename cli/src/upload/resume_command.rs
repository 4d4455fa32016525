//! The commands that resume what is unfinished, or start it again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use glacier_mp::shell_quote;
use glacier_mp::upload::JournalSummary;

use super::description::default_description;
use super::job::{Job, JobSource, Outcome};
use crate::args::PROXY_USER;
use crate::console::shown;
use crate::exit::Exit;

/// The options that the subcommand `resume` does not have.
const ONLY_UPLOAD: [&str; 3] = ["--description=", "--part-size=", "--expected-size="];
/// The options that apply to standard input alone.
const ONLY_STDIN: [&str; 1] = ["--expected-size="];
/// The options that exclude the journals of the state directory.
const OTHER_JOURNAL: [&str; 2] = ["--journal=", "--no-journal"];

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
    /// Whether [`PROXY_USER`] stands in it for the user name and the password of the proxy.
    pub(crate) needs_proxy_password: bool,
}

impl Invocation {
    /// Returns the commands that resume the unfinished jobs: for each vault one for all that have journals or have not begun,
    /// and one for each upload that only its ID names.
    pub(super) fn resume_commands(&self, jobs: &[Job], outcomes: &[Outcome]) -> Vec<ResumeCommand> {
        let unfinished = || jobs.iter().zip(outcomes).filter(|(_, outcome)| outcome.exit() == Exit::Stopped);
        let id_of = |job: &Job, outcome: &Outcome| match outcome {
            Outcome::Failed { upload_id: Some(id), .. } => Some(id.clone()),
            _ => job.upload_id.clone(),
        };
        let with_id = unfinished().filter_map(|(job, outcome)| {
            let id = format!("--upload-id={}", id_of(job, outcome)?);
            Some(self.command("resume", &job.vault, [id.into()], &[job]))
        });
        let without_id = unfinished().filter(|(job, outcome)| id_of(job, outcome).is_none()).map(|(job, _)| job);
        let mut vaults: BTreeMap<&str, Vec<&Job>> = BTreeMap::new();
        without_id.for_each(|job| vaults.entry(&job.vault).or_default().push(job));
        let together = vaults.into_iter().map(|(vault, jobs)| self.command(&self.subcommand, vault, [], &jobs));
        together.chain(with_id).collect()
    }

    /// Returns the command that uploads a source again, for a message. It aborts an unfinished upload. The new archive has the
    /// description of `earlier`, unless the user gave another.
    pub(super) fn restart_command(&self, job: &Job, earlier: Option<&JournalSummary>) -> String {
        let mut extra = vec!["--restart".into()];
        let default = match &job.source {
            JobSource::File(path) => default_description(path),
            JobSource::Stdin => String::new(),
        };
        let kept = earlier.map(|summary| &summary.description).filter(|description| **description != default);
        if let Some(description) = kept.filter(|_| !self.has_option("--description=")) {
            extra.push(format!("--description={description}").into());
        }
        shown(&self.command("upload", &job.vault, extra, &[job]).text.to_string_lossy())
    }

    /// Returns the command that resumes an upload of the state directory whose file was moved, for a message.
    pub(super) fn moved_command(&self, job: &Job, id: &str) -> String {
        let mut words = self.words("resume", &job.vault, &OTHER_JOURNAL);
        words.push(format!("--upload-id={id}").into());
        format!("{} NEWPATH", shown(&shell_quote::command(&words).to_string_lossy()))
    }

    /// Returns the command that resumes the upload of a file that the state directory records, for a message.
    pub(super) fn resume_command(&self, vault: &str, path: &Path) -> String {
        let mut words = self.words("resume", vault, &OTHER_JOURNAL);
        words.push(path.into());
        shown(&shell_quote::command(&words).to_string_lossy())
    }

    fn command(
        &self,
        subcommand: &str,
        vault: &str,
        extra: impl IntoIterator<Item = OsString>,
        jobs: &[&Job],
    ) -> ResumeCommand {
        let reads_stdin = jobs.iter().any(|job| job.source == JobSource::Stdin);
        let mut words = self.words(subcommand, vault, if reads_stdin { &[] } else { &ONLY_STDIN });
        words.extend(extra);
        words.extend(jobs.iter().map(|job| match &job.source {
            JobSource::File(path) => path.clone().into_os_string(),
            JobSource::Stdin => "-".into(),
        }));
        let needs_proxy_password = words.iter().any(|word| {
            word.to_str().and_then(|word| word.strip_prefix("--proxy=")).is_some_and(|url| url.contains(PROXY_USER))
        });
        ResumeCommand { text: shell_quote::command(&words), reads_stdin, needs_proxy_password }
    }

    /// Returns the words of a command up to its options: those that the user gave, without those that the subcommand does
    /// not have and those that are left out.
    fn words(&self, subcommand: &str, vault: &str, left_out: &[&str]) -> Vec<OsString> {
        let mut words = vec![self.program.clone(), subcommand.into()];
        let is_one_of = |option: &OsString, names: &[&str]| {
            let option = option.to_string_lossy();
            names.iter().any(|name| option.starts_with(name))
        };
        let only_upload: &[&str] = if subcommand == "upload" { &[] } else { &ONLY_UPLOAD };
        let is_allowed = |option: &&OsString| !is_one_of(option, only_upload) && !is_one_of(option, left_out);
        words.extend(self.options.iter().filter(is_allowed).cloned());
        // The vault can come from the environment, which another shell may not have.
        if !self.has_option("--vault=") {
            words.push(format!("--vault={vault}").into());
        }
        words
    }

    /// Returns whether the user gave an option. The name ends with `=`.
    fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| option.to_string_lossy().starts_with(name))
    }
}
