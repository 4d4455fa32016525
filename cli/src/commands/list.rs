//! `glacier-mp list`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glacier_mp::client::ListedUpload;
use serde_json::{Value, json};

use super::service::with_client;
use crate::args::ListArgs;
use crate::console::{Output, shown};
use crate::exit::{Exit, Result};
use crate::size::show_size;

/// Runs the subcommand.
///
/// # Errors
/// Those of the settings and the service.
pub(crate) fn run(args: &ListArgs, output: &Output) -> Result<Exit> {
    let mut uploads =
        with_client(&args.connection, |client, _| client.list_uploads(&args.vault.name).map_err(Into::into))?;
    let age = args.older_than.unwrap_or_default();
    uploads.retain(|upload| is_older(upload, age));
    uploads.sort_by(|one, other| (one.created_unix, &one.id).cmp(&(other.created_unix, &other.id)));
    for upload in &uploads {
        if args.json {
            output.json(&as_json(upload));
        } else {
            output.line(&as_line(upload));
        }
    }
    Ok(Exit::Done)
}

/// Returns whether an upload was initiated at least this long ago.
pub(super) fn is_older(upload: &ListedUpload, age: Duration) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let limit = now.saturating_sub(age).as_secs();
    age.is_zero() || u64::try_from(upload.created_unix).is_ok_and(|created| created <= limit)
}

/// Returns an upload as one line: ID, time, part size, description.
pub(super) fn as_line(upload: &ListedUpload) -> String {
    let ListedUpload { id, description, created, part_size, .. } = upload;
    let description = shown(description.as_deref().unwrap_or(""));
    format!("{}  {}  parts of {}  {description}", shown(id), shown(created), show_size(*part_size))
        .trim_end()
        .to_owned()
}

fn as_json(upload: &ListedUpload) -> Value {
    let ListedUpload { id, description, created, part_size, .. } = upload;
    json!({"upload_id": id, "created": created, "part_size": part_size, "description": description})
}
