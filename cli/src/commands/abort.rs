//! `glacier-mp abort`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;

use glacier_mp::client::Client;
use glacier_mp::upload::{JournalSummary, Upload};

use super::list::{as_line, is_older};
use super::service::with_client;
use crate::args::{AbortArgs, StateArgs};
use crate::console::{Output, message, shown};
use crate::exit::{Exit, Failure, Result};
use crate::state::StateDirectory;
use crate::state::entry::{Entry, unfinished};
use crate::stop::Stop;

/// Runs the subcommand.
///
/// # Errors
/// Those of the settings and the service; nobody can be asked.
pub(crate) fn run(args: &AbortArgs, output: &Output) -> Result<Exit> {
    with_client(&args.connection, |client, stop| {
        let vault = &args.vault.name;
        let mut ids = args.ids.clone();
        let mut lines: Vec<_> = ids.iter().map(|id| shown(id)).collect();
        if let Some(age) = args.older_than {
            let mut uploads = client.list_uploads(vault)?;
            uploads.retain(|upload| is_older(upload, age));
            lines = uploads.iter().map(as_line).collect();
            ids = uploads.into_iter().map(|upload| upload.id).collect();
        }
        if ids.is_empty() {
            message("no upload is that old: nothing was aborted");
            return Ok(Exit::Done);
        }
        if !args.yes && !is_confirmed(&lines, vault)? {
            message("nothing was aborted");
            return Ok(Exit::Done);
        }
        let mut exit = Exit::Done;
        for id in &ids {
            match abort(client, vault, id, &args.state, stop) {
                Ok(()) => output.line(&shown(id)),
                Err(failure) => {
                    message(&format!("upload {}: {failure}", shown(id)));
                    exit = exit.worse(failure.exit);
                }
            }
        }
        Ok(if exit == Exit::Stopped { Exit::Failed } else { exit })
    })
}

fn abort(client: &Arc<Client>, vault: &str, id: &str, state: &StateArgs, stop: &Stop) -> Result<()> {
    let entry = entry_of(client, vault, id, state)?;
    let upload = Upload::new(client, vault)?;
    upload.set_upload_id(id)?;
    if let Some(entry) = &entry {
        upload.set_journal(entry.journal())?;
    }
    stop.add(&upload);
    upload.abort()?;
    drop(upload);
    entry.map_or(Ok(()), Entry::remove)
}

/// Locks the entry of the state directory that has this upload, if there is one.
fn entry_of(client: &Client, vault: &str, id: &str, state: &StateArgs) -> Result<Option<Entry>> {
    let Ok(state) = StateDirectory::find(state) else { return Ok(None) };
    let is_wanted = |summary: &JournalSummary| {
        summary.upload_id == id && summary.vault == vault && summary.endpoint == client.endpoint()
    };
    for (key, path) in unfinished(&state)? {
        if JournalSummary::read(&path).ok().flatten().is_some_and(|summary| is_wanted(&summary)) {
            return Entry::lock(&state, &key).map(Some);
        }
    }
    Ok(None)
}

/// Asks whether the uploads are to be aborted.
fn is_confirmed(uploads: &[String], vault: &str) -> Result<bool> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(Failure::usage("standard input is no terminal, so nobody can be asked: add --yes to abort"));
    }
    uploads.iter().for_each(|upload| message(upload));
    let count = match uploads.len() {
        1 => "this upload".to_owned(),
        count => format!("these {count} uploads"),
    };
    let question = format!("abort {count} to vault {} and delete the parts? [y/N] ", shown(vault));
    let _ = io::stderr().write_all(question.as_bytes());
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|cause| Failure::new(format!("cannot read the reply: {cause}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
