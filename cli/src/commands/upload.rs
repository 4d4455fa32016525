//! `glacier-mp upload`.

use std::collections::HashSet;
use std::sync::Arc;

use glacier_mp::client::Client;
use glacier_mp::plan::{STREAM_PART_SIZE, check_stream_memory, part_size as part_size_of};

use crate::args::{TransferArgs, UploadArgs};
use crate::console::{Output, shown};
use crate::exit::{Exit, Failure, Result};
use crate::state::StateDirectory;
use crate::upload::{
    Context, Invocation, Job, JobSource, JournalChoice, Settings, config, new_display, run as run_uploads,
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
    check_standard_input(&jobs, part_size, expected_size, &transfer)?;
    let settings = Settings {
        part_size,
        expected_size,
        is_restart: restart,
        journal: journal_choice(&transfer),
        state: StateDirectory::find(&transfer.state)?,
    };
    let display = new_display(&transfer, output);
    let config = config(&connection, &transfer, &display)?;
    settings.state.prepare()?;
    let client = Client::new(&config)?;
    let account_id = connection.account_id();
    let context = Context::new(settings, client, account_id, &jobs, display, invocation);
    run_uploads(context, &jobs, &transfer, output)
}

/// Checks the options of standard input.
///
/// # Errors
/// The rule.
fn check_standard_input(
    jobs: &[Job],
    part_size: Option<u64>,
    expected: Option<u64>,
    transfer: &TransferArgs,
) -> Result<()> {
    if !jobs.iter().any(|job| job.source == JobSource::Stdin) {
        return match expected {
            Some(_) => Err(Failure::usage(
                "--expected-size is the size of standard input, and no source is -: leave it out, the size of a file is known",
            )),
            None => Ok(()),
        };
    }
    // A journal can name another part size.
    if part_size.is_none() && transfer.journal.is_some() {
        return Ok(());
    }
    let part_size = part_size_of(part_size, None, expected, STREAM_PART_SIZE);
    part_size.and_then(|bytes| check_stream_memory(bytes, transfer.memory)).map_err(Failure::of_option)
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
