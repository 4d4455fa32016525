//! Restores a session from its journal.

use super::Session;
use super::part_map::PartMap;
use super::parts::StoredPart;
use super::source_record::SourceRecord;
use super::state::{Operation, State};
use crate::error::{Error, Kind, Result};
use crate::ffi_text::to_cstring;
use crate::sync::lock;
use crate::treehash::{Digest, combine_all};
use crate::upload::journal::record::{Header, Outcome, Replay};
use crate::upload::options::Settings;

impl Session {
    /// Opens the journal that is set, once, and continues from what it records.
    ///
    /// # Errors
    /// As [`Journal::open`](crate::upload::journal::Journal::open); `Journal` if it is of another upload than the settings
    /// name.
    pub(crate) fn load_journal(&self, settings: &Settings, operation: Operation) -> Result<()> {
        let Some((file, replay)) = self.journal.open(settings, operation)? else { return Ok(()) };
        let Replay { header, source, parts, trusted, completing, end, .. } = replay;
        let Some(header) = header else { return Ok(()) };
        self.check_header(&header, settings)
            .map_err(|error| error.with_context(format_args!("journal {}", file.path().display())))?;
        let state = match (&end, &completing, parts.is_empty()) {
            (Some(Outcome::Completed { .. }), ..) => State::Completed,
            (Some(Outcome::Aborted), ..) => State::Aborted,
            (None, Some(_), _) => State::Completing,
            (None, None, false) => State::Transferring,
            (None, None, true) => State::Initiated,
        };
        let has_ended = end.is_some();
        let _ = self.facts.id.set(to_cstring(header.upload_id));
        self.facts.set_part_size(header.part_size);
        let of_parts = || match &end {
            Some(Outcome::Completed { tree, .. }) => size_of_archive(&parts, *tree),
            _ => None,
        };
        *lock(&self.archive_size) = header.archive_size.or_else(|| completing.is_none().then(of_parts).flatten());
        *lock(&self.source_record) = SourceRecord::from_journal(source, parts, trusted);
        *lock(&self.pending_complete) = completing;
        if let Some(Outcome::Completed { archive_id, location, tree }) = end {
            self.facts.set_archive(archive_id, location, tree);
        }
        self.state.change(|_| Ok(state))?;
        self.journal.resume(file, has_ended);
        Ok(())
    }

    /// Fails if the journal is of another upload than the one that the settings name.
    fn check_header(&self, header: &Header, settings: &Settings) -> Result<()> {
        let service = &self.client.service;
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let id = self.id().map(|id| id.to_string_lossy().into_owned());
        let size = |bytes: Option<u64>| bytes.map(|bytes| bytes.to_string());
        for (what, set, recorded) in [
            ("endpoint", Some(self.client.endpoint.clone()), &header.endpoint),
            ("region", Some(service.signer.region().to_owned()), &header.region),
            ("account", Some(service.account_id.clone()), &header.account_id),
            ("vault", Some(self.vault_name().to_owned()), &header.vault),
            ("upload ID", id, &header.upload_id),
            ("part size", size(settings.part_size), &header.part_size.to_string()),
            (
                "archive size",
                header.archive_size.and(size(settings.archive_size)),
                &size(header.archive_size).unwrap_or_default(),
            ),
            ("description", set(&settings.description), &header.description),
        ] {
            if let Some(set) = set.filter(|set| set != recorded) {
                let message = format!(
                    "it is of another upload: its {what} is {recorded}, not {set}; set the recorded value to resume that upload, or \
                     use another journal"
                );
                return Err(Error::new(Kind::Journal, message));
            }
        }
        Ok(())
    }
}

/// Returns the size of an archive with this tree hash, from the records of its parts. The record of Complete has the size too,
/// but a failed write of the journal can lose it.
fn size_of_archive(parts: &PartMap<StoredPart>, tree: Digest) -> Option<u64> {
    let is_whole = (0..).zip(parts.keys()).all(|(index, recorded)| index == *recorded);
    let root = combine_all(parts.values().map(|part| part.tree.0)).ok()?;
    (is_whole && root == tree).then(|| parts.values().map(|part| part.length).sum())
}
