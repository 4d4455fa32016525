//! `glacier-mp archives`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::ArchivesArgs;
use crate::console::{Output, message, shown, shown_path};
use crate::exit::{Exit, Result};
use crate::size::show_size;
use crate::state::StateDirectory;
use crate::state::catalog::{ArchiveRecord, parse};

/// Runs the subcommand.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) fn run(args: &ArchivesArgs, output: &Output) -> Result<Exit> {
    let catalog = StateDirectory::find(&args.state)?.catalog();
    let mut number = 0;
    catalog.read(|record| {
        number += 1;
        match record {
            Some(record) if is_wanted(args, &record) => {
                if args.json {
                    output.json(&record);
                } else {
                    output.line(&as_line(&record));
                }
            }
            Some(_) => {}
            None => message(&format!("line {number} of the catalog {} is damaged", shown_path(catalog.path()))),
        }
    })?;
    Ok(Exit::Done)
}

fn is_wanted(args: &ArchivesArgs, record: &ArchiveRecord) -> bool {
    let is_new = args.newer_than.is_none_or(|age| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let limit = now.saturating_sub(age).as_secs();
        parse(&record.time).and_then(|time| u64::try_from(time).ok()).is_some_and(|time| time >= limit)
    });
    let is_in_vault = args.vault.as_ref().is_none_or(|vault| *vault == record.vault);
    let matches = args.text.as_ref().is_none_or(|text| {
        let text = text.to_lowercase();
        let fields = [&record.description, &record.source, &record.archive_id, &record.tree_hash];
        fields.iter().any(|field| field.to_lowercase().contains(&text))
    });
    is_new && is_in_vault && matches
}

/// Returns a record as one line: ID, time, vault, size, source, and the description if it is not the name of the source.
fn as_line(record: &ArchiveRecord) -> String {
    let ArchiveRecord { time, vault, archive_id, size, description, source, .. } = record;
    let is_name = source.rsplit('/').next() == Some(description);
    let description = if is_name { String::new() } else { format!("  {}", shown(description)) };
    let [archive_id, time, vault, source] = [archive_id, time, vault, source].map(|text| shown(text));
    format!("{archive_id}  {time}  {vault}  {}  {source}{description}", show_size(*size)).trim_end().to_owned()
}
