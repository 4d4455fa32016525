//! The rule of success: the service acknowledged, with equal hashes, exactly the bytes that the source of the call has.
//!
//! Each path to `Ok` ends here. Before Complete, and before `transfer` returns, the acknowledged parts are compared with the
//! source; an archive that exists is compared with the source as a whole. A part whose hash is trusted is not read again. All
//! other parts are: bytes that were hashed before and have the same hash now were in the source in between. A stream is
//! compared while it is read; see `stream`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::call::Call;
use super::pipeline::hash_parts;
use super::pipeline::part::HashedPart;
use super::session::Session;
use super::session::counters::add;
use super::session::parts::StoredPart;
use super::session::resume::PendingPart;
use super::session::source_record::size_changed;
use crate::error::{Error, Kind, Result};
use crate::log::Level;
use crate::plan::Plan;
use crate::source::Source;
use crate::source::settling::compare_until_unchanged;
use crate::sync::{Mutex, lock};
use crate::treehash::{Digest, combine};

/// Fails unless the acknowledged parts of a range have the source's bytes. Parts that are not acknowledged are left to the
/// check for missing parts.
///
/// # Errors
/// `SourceChanged` names the part or the change; `Io`.
pub(crate) fn check_parts(call: &Call<'_>, source: &Source, plan: &Plan, range: Range<u32>) -> Result<()> {
    let session = call.session;
    compare_until_unchanged(|| {
        let before = source.check_unchanged()?;
        // The caller keeps a memory source unchanged during a call.
        if before.is_some() {
            session.compare_source(before)?;
        }
        let unproved = unproved_parts(session, plan, range.clone());
        if unproved.is_empty() {
            return Ok(true);
        }
        session.log(
            Level::Info,
            format_args!("{} parts are read again and compared, because the source may have changed", unproved.len()),
        );
        let compare = |HashedPart { pending, hashes, .. }: HashedPart<'_>| {
            pending.check_unchanged(hashes.tree)?;
            if pending.trusted {
                let stored = StoredPart { length: pending.range.length(), tree: hashes.tree };
                session.record_part(pending.index, stored, true);
            }
            Ok(())
        };
        hash_parts(session, source, plan, unproved, &compare, call.context)?;
        Ok(source.check_unchanged()? == before)
    })
}

/// Returns the acknowledged parts of a range whose hashes may no longer be those of the source's bytes.
fn unproved_parts(session: &Session, plan: &Plan, range: Range<u32>) -> Vec<PendingPart> {
    let parts = lock(session.parts());
    let stored: Vec<_> = range.filter_map(|index| Some((plan.range(index)?, index, parts.stored(index)?))).collect();
    drop(parts);
    session.with_source_record(|record| {
        let unproved = stored.into_iter().filter(|(_, index, stored)| !record.is_trusted(*index, *stored));
        unproved
            .map(|(range, index, stored)| PendingPart { expected: Some(stored.tree), ..PendingPart::new(index, range) })
            .collect()
    })
}

/// Fails unless the archive has the source's bytes. Sends nothing, and does not read a file that has the identity of the
/// uploaded one.
///
/// # Errors
/// `SourceChanged`; `Io` if the source cannot be read. Both name the archive.
pub(crate) fn check_archive(call: &Call<'_>) -> Result<()> {
    call.session.count_archive();
    if call.is_stream {
        return call.session.check_stream();
    }
    compare_archive(call).map_err(|error| name_archive(call.session, error))
}

/// Adds to an error of the source that the archive exists already.
pub(crate) fn name_archive(session: &Session, error: Error) -> Error {
    if !matches!(error.kind(), Kind::SourceChanged | Kind::SourceShort | Kind::Io | Kind::Invalid) {
        return error;
    }
    let archive = session.archive_id().unwrap_or_default().to_string_lossy();
    error.with_hint(format_args!(
        "the upload is completed as archive {archive}; to upload another archive, use another handle with another journal"
    ))
}

/// Fails if the archive has another size than the one that was set.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_set_size(call: &Call<'_>) -> Result<()> {
    match (call.settings.archive_size, call.session.archive_size()) {
        (Some(set), Some(size)) if set != size => {
            Err(Error::invalid(format!("archive size {set} was set, but the archive has {size} bytes")))
        }
        _ => Ok(()),
    }
}

fn compare_archive(call: &Call<'_>) -> Result<()> {
    let session = call.session;
    check_set_size(call)?;
    let Some(source) = call.open_source()? else { return Ok(()) };
    if let Some(size) = session.archive_size().filter(|size| *size != source.size()) {
        return Err(size_changed(source.size(), size));
    }
    let tree = session.archive_tree()?;
    let plan =
        Plan::new(source.size(), Some(session.part_size())).map_err(|error| error.with_kind(Kind::SourceChanged))?;
    session.compare_source(source.identity())?;
    let recorded =
        recorded_parts(session, &plan).filter(|parts| tree_of(parts.values().map(|(stored, _)| *stored)) == Some(tree));
    if recorded.as_ref().is_some_and(|parts| parts.values().all(|(_, trusted)| *trusted)) {
        return Ok(());
    }
    session.start_progress();
    session.set_totals(&plan);
    let expected = |index| recorded.as_ref().and_then(|parts| parts.get(&index)).map(|(stored, _)| stored.tree);
    let mut is_read_again = false;
    compare_until_unchanged(|| {
        let before = source.identity();
        let pending = |index| {
            plan.range(index).map(|range| PendingPart { expected: expected(index), ..PendingPart::new(index, range) })
        };
        let hashed = Mutex::new(BTreeMap::new());
        let keep = |HashedPart { pending, hashes, .. }: HashedPart<'_>| {
            pending.check_unchanged(hashes.tree)?;
            let length = pending.range.length();
            add(&session.counters.bytes_hashed, length);
            lock(&hashed).insert(pending.index, (StoredPart { length, tree: hashes.tree }, pending.trusted));
            Ok(())
        };
        let parts = (0..plan.part_count()).filter_map(pending).collect();
        hash_parts(session, &source, &plan, parts, &keep, call.context)?;
        let hashed = std::mem::take(&mut *lock(&hashed));
        let now = source.check_unchanged()?;
        let found = tree_of(hashed.values().map(|(stored, _)| *stored));
        if let Some(found) = found.filter(|found| *found != tree) {
            return Err(tree_differs(found, tree));
        }
        session.with_source_record(|record| {
            hashed.iter().for_each(|(index, (stored, trusted))| record.insert(*index, *stored, *trusted));
        });
        let is_proved = is_read_again || hashed.values().all(|(_, trusted)| *trusted);
        is_read_again = true;
        Ok(is_proved && now == before)
    })
}

/// Returns all parts of the archive as recorded, each with whether its hash is trusted; `None` if one is not recorded.
fn recorded_parts(session: &Session, plan: &Plan) -> Option<BTreeMap<u32, (StoredPart, bool)>> {
    session.with_source_record(|record| {
        let has_length = |index, stored: &StoredPart| plan.range(index).is_some_and(|it| it.length() == stored.length);
        let recorded = |index| record.part(index).filter(|stored| has_length(index, stored));
        let part = |index| recorded(index).map(|stored| (index, (stored, record.is_trusted(index, stored))));
        (0..plan.part_count()).map(part).collect()
    })
}

/// Returns the error of a source that does not have the tree hash of the archive.
pub(crate) fn tree_differs(source: Digest, archive: Digest) -> Error {
    Error::new(
        Kind::SourceChanged,
        format!(
            "the source has the tree hash {source}, but the archive has {archive}: the source was replaced or modified"
        ),
    )
}

/// Returns the tree hash of an archive of these parts.
fn tree_of(parts: impl Iterator<Item = StoredPart>) -> Option<Digest> {
    combine(&parts.map(|part| part.tree).collect::<Vec<_>>()).ok()
}
