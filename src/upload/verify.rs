//! The one rule for `Ok`: the service acknowledged, with equal hashes, exactly the bytes that the source of the call has.
//!
//! Each path to success ends here: before Complete, and before `transfer` returns, the acknowledged parts are compared with
//! the source; an archive that exists already is compared with it as a whole. A part whose hash is trusted is not read
//! again. All others are: what was hashed before and is hashed again with the same result was in the source in between.
//! A source that comes once is compared while it is read; see `stream`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::journal::Record;
use super::parts::StoredPart;
use super::pipeline::hash::Hashed;
use super::resume::{PendingPart, SourceMatch, another_size};
use super::{Upload, lock};
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::log::Level;
use crate::plan::Plan;
use crate::source::file::Identity;
use crate::source::{Source, SourceSpec};
use crate::sync::Mutex;
use crate::treehash::{Digest, combine};

/// How often a source is hashed at most while its ctime changes. Each equal hash proves that the source had these bytes
/// since the one before, so that a source whose attributes are changed all the time does not fail.
const PASSES: u32 = 3;

impl Upload {
    /// Compares the identity of the source with the one that is remembered, and remembers this one.
    ///
    /// # Errors
    /// `SourceChanged` if its size is another.
    pub(crate) fn compare_source(&self, now: Option<Identity>) -> Result<SourceMatch> {
        let found = lock(&self.known).compare(now)?;
        if let (SourceMatch::MaybeChanged, Some(now)) = (found, now) {
            self.say(
                Level::Warn,
                format_args!("the source may have changed since it was read: it is read again and compared"),
            );
            self.note(&Record::Source(now));
        }
        Ok(found)
    }

    /// Fails unless the acknowledged parts of a range have the source's bytes. Those that are not acknowledged are left to
    /// the check that all are there.
    ///
    /// # Errors
    /// `SourceChanged` names the part, or what changed; `Io`.
    pub(crate) fn check_parts(
        &self,
        source: &Source,
        plan: &Plan,
        range: Range<u32>,
        context: &RequestContext,
    ) -> Result<()> {
        for _ in 0..PASSES {
            let before = source.check_unchanged()?;
            // Memory is the caller's promise for as long as a call lasts.
            if before.is_some() {
                self.compare_source(before)?;
            }
            let unproved = self.unproved_parts(plan, range.clone(), context)?;
            if unproved.is_empty() {
                break;
            }
            self.say(
                Level::Info,
                format_args!("{} parts are read again and compared, as the source may have changed", unproved.len()),
            );
            let same = |Hashed { todo, hashes, .. }: Hashed<'_>| {
                todo.check_unchanged(hashes.tree)?;
                if todo.trusted {
                    self.remember(todo.index, StoredPart { length: todo.range.length(), tree: hashes.tree }, true);
                }
                Ok(())
            };
            self.hash_parts_of(source, plan, unproved, &same, context)?;
            if source.check_unchanged()? == before {
                break;
            }
        }
        Ok(())
    }

    /// The acknowledged parts of a range whose hashes may not be those of the source's bytes any more.
    fn unproved_parts(&self, plan: &Plan, range: Range<u32>, context: &RequestContext) -> Result<Vec<PendingPart>> {
        let parts = lock(self.known_parts(context)?);
        let held: Vec<_> = range.filter_map(|index| Some((plan.range(index)?, index, parts.held(index)?))).collect();
        drop(parts);
        let known = lock(&self.known);
        let unproved = held.into_iter().filter(|(_, index, held)| !known.is_trusted(*index, *held));
        Ok(unproved
            .map(|(range, index, held)| PendingPart { expected: Some(held.tree), ..PendingPart::new(index, range) })
            .collect())
    }

    /// Fails unless the archive has the source's bytes. Sends nothing, and does not read a source whose identity is that of
    /// the file that was uploaded.
    ///
    /// # Errors
    /// `SourceChanged`; `Io`, if the source cannot be read; both name the archive.
    pub(crate) fn check_archive(&self, context: &RequestContext) -> Result<()> {
        let origin = lock(&self.options).source.clone();
        if self.is_being_streamed(origin.as_ref()) {
            return self.check_stream();
        }
        let Some(origin) = origin else { return Ok(()) };
        self.compare_archive(&origin, context).map_err(|error| self.about_archive(error))
    }

    /// Says in an error about the source that there is an archive already.
    pub(crate) fn about_archive(&self, error: Error) -> Error {
        if !matches!(error.kind(), Kind::SourceChanged | Kind::SourceShort | Kind::Io | Kind::Invalid) {
            return error;
        }
        let archive = self.archive_id().unwrap_or_default().to_string_lossy();
        error.with_hint(format_args!(
            "the upload is completed, as archive {archive}; to upload another archive, use another handle, with another journal"
        ))
    }

    fn compare_archive(&self, origin: &SourceSpec, context: &RequestContext) -> Result<()> {
        let Some(source) = self.open(origin)? else { return Ok(()) };
        if let Some(size) = self.archive_size().filter(|size| *size != source.size()) {
            return Err(another_size(source.size(), size));
        }
        let tree = self.archive_tree()?;
        let plan =
            Plan::new(source.size(), Some(self.part_size())).map_err(|error| error.with_kind(Kind::SourceChanged))?;
        self.compare_source(source.identity())?;
        let parts =
            self.remembered_parts(&plan).filter(|parts| hash_of(parts.values().map(|(held, _)| *held)) == Some(tree));
        if parts.as_ref().is_some_and(|parts| parts.values().all(|(_, trusted)| *trusted)) {
            return Ok(());
        }
        self.counters.start(self.client.service.clock.monotonic());
        self.count_on(&plan);
        let expected = |index| parts.as_ref().and_then(|parts| parts.get(&index)).map(|(held, _)| held.tree);
        for pass in 1..=PASSES {
            let before = source.identity();
            let todo = |index| {
                plan.range(index)
                    .map(|range| PendingPart { expected: expected(index), ..PendingPart::new(index, range) })
            };
            let hashed = Mutex::new(BTreeMap::new());
            let keep = |Hashed { todo, hashes, .. }: Hashed<'_>| {
                todo.check_unchanged(hashes.tree)?;
                super::progress::add(&self.counters.bytes_hashed, todo.range.length());
                lock(&hashed)
                    .insert(todo.index, (StoredPart { length: todo.range.length(), tree: hashes.tree }, todo.trusted));
                Ok(())
            };
            self.hash_parts_of(&source, &plan, (0..plan.part_count()).filter_map(todo).collect(), &keep, context)?;
            let hashed = std::mem::take(&mut *lock(&hashed));
            let now = source.check_unchanged()?;
            let have = hash_of(hashed.values().map(|(held, _)| *held));
            if let Some(have) = have.filter(|have| *have != tree) {
                return Err(another_hash(have, tree));
            }
            let mut known = lock(&self.known);
            hashed.iter().for_each(|(index, (held, trusted))| known.note(*index, *held, *trusted));
            drop(known);
            let is_proved = pass > 1 || hashed.values().all(|(_, trusted)| *trusted);
            if is_proved && now == before {
                break;
            }
        }
        Ok(())
    }

    /// Opens the source. One that has become empty is another one, not one that cannot be.
    pub(crate) fn open(&self, origin: &SourceSpec) -> Result<Option<Source>> {
        let size = self.archive_size();
        origin.open().map_err(|error| match size {
            Some(before) if error.kind() == Kind::Invalid => another_size(0, before),
            _ => error,
        })
    }

    /// All parts of the archive as they are remembered, each with whether its hash is trusted.
    fn remembered_parts(&self, plan: &Plan) -> Option<BTreeMap<u32, (StoredPart, bool)>> {
        let known = lock(&self.known);
        let part = |index| known.part(index).map(|held| (index, (held, known.is_trusted(index, held))));
        (0..plan.part_count()).map(part).collect()
    }

    /// The archive's size, if it is known here.
    fn archive_size(&self) -> Option<u64> {
        let completing = lock(&self.completing).map(|(size, _)| size);
        completing.or(*lock(&self.size_known))
    }

    /// The archive's tree hash.
    pub(crate) fn archive_tree(&self) -> Result<Digest> {
        let tree = self.tree_hash().and_then(|hash| hash.to_str().ok()?.parse().ok());
        tree.ok_or_else(|| Error::new(Kind::Internal, "a completed upload without a tree hash"))
    }
}

/// The error of a source that is not what the archive was made of.
pub(crate) fn another_hash(source: Digest, archive: Digest) -> Error {
    Error::new(
        Kind::SourceChanged,
        format!(
            "the source has the tree hash {source}, but the archive has {archive}: the source was replaced or modified"
        ),
    )
}

/// The tree hash of an archive of these parts.
fn hash_of(parts: impl Iterator<Item = StoredPart>) -> Option<Digest> {
    combine(&parts.map(|part| part.tree).collect::<Vec<_>>()).ok()
}
