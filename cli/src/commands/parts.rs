//! `glacier-mp parts`.

use glacier_mp::upload::Upload;
use serde_json::json;

use super::service::with_client;
use crate::args::PartsArgs;
use crate::console::Output;
use crate::exit::{Exit, Result};

/// Runs the subcommand.
///
/// # Errors
/// Those of the settings and the service.
pub(crate) fn run(args: &PartsArgs, output: &Output) -> Result<Exit> {
    let parts = with_client(&args.connection, |client, stop| {
        let upload = Upload::new(client, &args.vault.name)?;
        upload.set_upload_id(&args.id)?;
        stop.add(&upload);
        Ok(upload.list_parts()?)
    })?;
    for part in parts {
        if args.json {
            output.json(&json!({"offset": part.offset, "length": part.length, "tree_hash": part.tree_hash.to_hex()}));
        } else {
            output.line(&format!("{}  {}  {}", part.tree_hash, part.offset, part.length));
        }
    }
    Ok(Exit::Done)
}
