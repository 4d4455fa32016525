//! `glacier-mp resume`.

use std::path::Path;
use std::sync::Arc;

use glacier_mp::client::Client;
use glacier_mp::upload::{JournalEnd, JournalSummary};
use serde_json::json;

use super::upload::{check_sources, journal_choice};
use crate::args::ResumeArgs;
use crate::console::{Output, count, message, path_text, shown};
use crate::exit::{Exit, Failure, Result};
use crate::size::show_size;
use crate::state::StateDirectory;
use crate::state::entry::{UploadKey, unfinished};
use crate::upload::{Context, Invocation, Job, JobSource, Settings, client, new_display, run as run_uploads};

/// Runs the subcommand.
///
/// # Errors
/// Nothing could be started.
pub(crate) fn run(args: ResumeArgs, invocation: &Invocation, output: &Arc<Output>) -> Result<Exit> {
    let state = StateDirectory::find(&args.transfer.state)?;
    if args.list {
        return list(&state, args.transfer.json, output);
    }
    let vault = args.vault.clone().unwrap_or_default();
    if args.upload_id.is_some() && args.files.len() != 1 {
        return Err(Failure::usage("--upload-id needs one FILE, or - for standard input"));
    }
    state.prepare()?;
    let display = new_display(&args.transfer, output);
    let client = client(args.connection.config()?, &args.transfer, &display)?;
    let account_id = args.connection.account_id();
    let mut jobs: Vec<_> = args.files.iter().map(|path| job(path, &args)).collect();
    if jobs.is_empty() {
        jobs = recorded_jobs(&state, &vault, &client, &account_id)?;
    } else if args.upload_id.is_none() && args.transfer.journal.is_none() {
        check_recorded(&jobs, &recorded_jobs(&state, &vault, &client, &account_id)?)?;
    }
    if jobs.is_empty() {
        message(&format!("no upload to vault {} is unfinished", shown(&vault)));
        return Ok(Exit::Done);
    }
    check_sources(&jobs, &args.transfer)?;
    let settings = Settings {
        vault,
        part_size: None,
        expected_size: None,
        is_restart: false,
        journal: journal_choice(&args.transfer),
        state,
    };
    let context = Context::new(settings, client, account_id, &jobs, display);
    run_uploads(context, &jobs, &args.transfer, invocation, output)
}

fn job(path: &Path, args: &ResumeArgs) -> Job {
    Job { source: JobSource::from_argument(path), upload_id: args.upload_id.clone(), description: None }
}

/// Returns the unfinished uploads to a vault that the state directory records.
fn recorded_jobs(state: &StateDirectory, vault: &str, client: &Client, account_id: &str) -> Result<Vec<Job>> {
    let is_wanted =
        |key: &UploadKey| key.vault == vault && key.endpoint == client.endpoint() && key.account_id == account_id;
    let keys = unfinished(state)?.into_iter().map(|(key, _)| key).filter(is_wanted);
    let job = |source| Job { source: JobSource::File(source), upload_id: None, description: None };
    Ok(keys.filter_map(|key| key.source()).map(job).collect())
}

/// Checks that each job has an unfinished upload: `resume` begins none.
fn check_recorded(jobs: &[Job], recorded: &[Job]) -> Result<()> {
    match jobs.iter().find(|job| recorded.iter().all(|known| known.source != job.source)) {
        Some(job) => Err(Failure::new(format!(
            "no unfinished upload of {} is recorded for this vault, endpoint and account; nothing was sent; glacier-mp resume \
             --list lists all, and --upload-id resumes an upload of another machine",
            shown(&job.name())
        ))),
        None => Ok(()),
    }
}

fn list(state: &StateDirectory, is_json: bool, output: &Output) -> Result<Exit> {
    for (key, path) in unfinished(state)? {
        let source = key.source().map(path_text).unwrap_or_default();
        let summary = match JournalSummary::read(&path) {
            Ok(Some(summary)) => summary,
            Ok(None) => continue,
            Err(error) => {
                message(&format!("{}: {error}", shown(&source)));
                continue;
            }
        };
        let JournalSummary { upload_id, part_size, archive_size, parts_done, end, .. } = summary;
        let status = match end {
            None => "unfinished",
            Some(JournalEnd::Completing) => "completing",
            Some(JournalEnd::Completed { .. }) => "completed",
            Some(JournalEnd::Aborted) => "aborted",
        };
        if is_json {
            output.json(&json!({
                "vault": key.vault, "endpoint": key.endpoint, "account_id": key.account_id, "source": source,
                "upload_id": upload_id, "status": status, "part_size": part_size, "size": archive_size,
                "parts_done": parts_done,
            }));
            continue;
        }
        let size = archive_size.map(|size| format!(" of {}", show_size(size))).unwrap_or_default();
        output.line(&format!(
            "{}{size}: {status}, {} of {} done, vault {} at {}, upload ID {}",
            shown(&source),
            count(u64::try_from(parts_done).unwrap_or(u64::MAX), "part"),
            show_size(part_size),
            shown(&key.vault),
            shown(&key.endpoint),
            shown(&upload_id)
        ));
    }
    Ok(Exit::Done)
}
