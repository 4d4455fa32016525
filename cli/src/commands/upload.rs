//! `glacier-mp upload`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::args::{TransferArgs, UploadArgs};
use crate::console::{Output, shown};
use crate::exit::{Exit, Failure, Result};
use crate::state::StateDirectory;
use crate::upload::{
    Context, Invocation, Job, JobSource, JournalChoice, Settings, client, new_display, run as run_uploads,
};

/// Runs the subcommand.
///
/// # Errors
/// Nothing could be started.
pub(crate) fn run(args: UploadArgs, invocation: &Invocation, output: &Arc<Output>) -> Result<Exit> {
    let UploadArgs { vault, files, description, part_size, restart, expected_size, transfer, connection } = args;
    let job = |path: &std::path::PathBuf| Job {
        vault: vault.name.clone(),
        source: JobSource::from_argument(path),
        upload_id: None,
        description: description.clone(),
    };
    let jobs: Vec<_> = files.iter().map(job).collect();
    check_sources(&jobs, &transfer)?;
    let settings = Settings {
        part_size,
        expected_size,
        is_restart: restart,
        journal: journal_choice(&transfer),
        state: StateDirectory::find(&transfer.state)?,
    };
    settings.state.prepare()?;
    let display = new_display(&transfer, output);
    let client = client(connection.config()?, &transfer, &display)?;
    let account_id = connection.account_id();
    let context = Context::new(settings, client, account_id, &jobs, display, invocation);
    run_uploads(context, &jobs, &transfer, output)
}

/// Checks that the sources differ, and that a journal has one source.
///
/// # Errors
/// The rule.
pub(super) fn check_sources(jobs: &[Job], transfer: &TransferArgs) -> Result<()> {
    let mut sources = HashSet::new();
    if let Some(job) = jobs.iter().find(|job| !sources.insert((&job.vault, &job.source))) {
        return Err(Failure::usage(format!("{} is given twice: each source is uploaded once", shown(&job.name()))));
    }
    if transfer.journal.is_some() && jobs.len() != 1 {
        return Err(Failure::usage(format!("--journal is the journal of one source, and {} are given", jobs.len())));
    }
    Ok(())
}

/// Returns where the journals of the command are.
pub(super) fn journal_choice(transfer: &TransferArgs) -> JournalChoice {
    match &transfer.journal {
        Some(path) => JournalChoice::At(path.clone()),
        None if transfer.no_journal => JournalChoice::None,
        None => JournalChoice::StateDirectory,
    }
}
