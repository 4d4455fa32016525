//! `glacier-mp resume`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use glacier_mp::client::Client;
use glacier_mp::upload::{JournalEnd, JournalSummary};
use serde_json::json;

use super::upload::{check_sources, journal_choice};
use crate::args::ResumeArgs;
use crate::console::{Output, count, message, path_text, shown, shown_path};
use crate::exit::{Exit, Failure, Result};
use crate::size::show_size;
use crate::state::StateDirectory;
use crate::state::entry::{UploadKey, unfinished};
use crate::upload::{Context, Invocation, Job, JobSource, Settings, config, new_display, run as run_uploads};

/// Runs the subcommand.
///
/// # Errors
/// Nothing could be started.
pub(crate) fn run(args: ResumeArgs, invocation: &Invocation, output: &Arc<Output>) -> Result<Exit> {
    let state = StateDirectory::find(&args.transfer.state)?;
    if args.list {
        return list(&state, args.transfer.json, output);
    }
    if args.upload_id.is_some() && args.files.len() != 1 {
        return Err(Failure::usage("--upload-id needs one FILE, or - for standard input"));
    }
    let display = new_display(&args.transfer, output);
    let client = Client::new(&config(&args.connection, &args.transfer, &display)?)?;
    let account_id = args.connection.account_id();
    let recorded = recorded_jobs(&state, args.vault.as_deref(), &client, &account_id)?;
    let jobs = match args.files.as_slice() {
        [] => recorded,
        files if args.upload_id.is_none() && args.transfer.journal.is_none() => {
            jobs_of(files, &recorded, args.vault.as_deref())?
        }
        files => {
            let vault = vault_of(&args, &state)?;
            files.iter().map(|path| job(path, &vault, &args)).collect()
        }
    };
    state.prepare()?;
    if jobs.is_empty() {
        message(&match &args.vault {
            Some(vault) => format!("no upload to vault {} is unfinished", shown(vault)),
            None => "no upload with this endpoint and account is unfinished".to_owned(),
        });
        return Ok(Exit::Done);
    }
    check_sources(&jobs, &args.transfer)?;
    let settings = Settings {
        part_size: None,
        expected_size: None,
        is_restart: false,
        journal: journal_choice(&args.transfer),
        state,
    };
    let context = Context::new(settings, client, account_id, &jobs, display, invocation);
    run_uploads(context, &jobs, &args.transfer, output)
}

fn job(path: &Path, vault: &str, args: &ResumeArgs) -> Job {
    Job {
        vault: vault.to_owned(),
        source: JobSource::from_argument(path),
        upload_id: args.upload_id.clone(),
        description: None,
    }
}

/// Returns the vault of an upload that its ID or its journal names. `resume` begins no upload.
///
/// # Errors
/// The journal is damaged, or records no upload and no ID is given; no journal names the vault.
fn vault_of(args: &ResumeArgs, state: &StateDirectory) -> Result<String> {
    let given = args.transfer.journal.as_deref();
    let summary = given.map(JournalSummary::read).transpose()?.flatten();
    if let (None, None, Some(path)) = (&summary, &args.upload_id, given) {
        return Err(Failure::new(format!(
            "the journal {} does not exist or records no upload; nothing was sent",
            shown_path(path)
        )));
    }
    if let Some(vault) = &args.vault {
        return Ok(vault.clone());
    }
    match (summary, &args.upload_id) {
        (Some(summary), None) => return Ok(summary.vault),
        (Some(summary), Some(id)) if summary.upload_id == *id => return Ok(summary.vault),
        _ => {}
    }
    let journals = unfinished(state)?.into_iter().map(|(_, journal)| journal);
    let mut summaries = journals.filter_map(|journal| JournalSummary::read(&journal).ok().flatten());
    let is_wanted = |summary: &JournalSummary| args.upload_id.as_ref() == Some(&summary.upload_id);
    summaries.find(is_wanted).map(|summary| summary.vault).ok_or_else(|| {
        Failure::usage("no journal names the vault of this upload: add --vault, or set GLACIER_MP_VAULT")
    })
}

/// Returns the unfinished uploads that the state directory records, to a vault or to all.
fn recorded_jobs(state: &StateDirectory, vault: Option<&str>, client: &Client, account_id: &str) -> Result<Vec<Job>> {
    let is_wanted = |key: &UploadKey| {
        vault.is_none_or(|vault| key.vault == vault)
            && key.endpoint == client.endpoint()
            && key.account_id == account_id
    };
    let keys = unfinished(state)?.into_iter().map(|(key, _)| key).filter(is_wanted);
    let job = |key: UploadKey| {
        let source = JobSource::File(key.source()?);
        Some(Job { vault: key.vault, source, upload_id: None, description: None })
    };
    Ok(keys.filter_map(job).collect())
}

/// Returns the recorded uploads of files. `resume` begins none.
///
/// # Errors
/// A file has none.
fn jobs_of(files: &[PathBuf], recorded: &[Job], vault: Option<&str>) -> Result<Vec<Job>> {
    let vault = vault.map(|vault| format!(" to vault {}", shown(vault))).unwrap_or_default();
    let mut jobs = Vec::new();
    for path in files {
        let source = JobSource::from_argument(path);
        let before = jobs.len();
        jobs.extend(recorded.iter().filter(|job| job.source == source).cloned());
        if jobs.len() == before {
            return Err(Failure::new(format!(
                "no unfinished upload of {}{vault} is recorded for this endpoint and account; nothing was sent; glacier-mp \
                 resume --list lists all with their IDs; if the file was moved, or another machine began its upload, run: \
                 glacier-mp resume --upload-id=ID FILE",
                shown(&source.name())
            )));
        }
    }
    Ok(jobs)
}

fn list(state: &StateDirectory, is_json: bool, output: &Output) -> Result<Exit> {
    for (key, path) in unfinished(state)? {
        let source = key.source().map(path_text).unwrap_or_default();
        let summary = match JournalSummary::read(&path) {
            Ok(Some(summary)) => summary,
            Ok(None) => continue,
            Err(error) => {
                message(&format!("{}: {}", shown(&source), Failure::from(error)));
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
