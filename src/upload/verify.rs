//! The one rule for `Ok`: the service acknowledged, with equal hashes, exactly the bytes that the source of the call has.
//!
//! Each path to success ends here: before Complete, and before `transfer` returns, the acknowledged parts are compared with
//! the source; an archive that exists already is compared with it as a whole. A part whose hash is trusted is not read
//! again. All others are: what was hashed before and is hashed again with the same result was in the source in between.
//! A source that comes once is compared while it is read; see `stream`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::hashing::Hashed;
use super::journal::Entry;
use super::parts::Held;
use super::resume::{SourceMatch, Todo, another_size};
use super::{Upload, lock};
use crate::error::{Error, Kind, Result};
use crate::file::Identity;
use crate::http::Watch;
use crate::log::Level;
use crate::plan::Plan;
use crate::source::{Origin, Source};
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
    pub(super) fn compare_source(&self, now: Option<Identity>) -> Result<SourceMatch> {
        let found = lock(&self.known).compare(now)?;
        if let (SourceMatch::MaybeChanged, Some(now)) = (found, now) {
            self.say(
                Level::Warn,
                format_args!("the source may have changed since it was read: it is read again and compared"),
            );
            self.note(&Entry::Source(now));
        }
        Ok(found)
    }

    /// Fails unless the acknowledged parts of a range have the source's bytes. Those that are not acknowledged are left to
    /// the check that all are there.
    ///
    /// # Errors
    /// `SourceChanged` names the part, or what changed; `Io`.
    pub(super) fn check_parts(&self, source: &Source, plan: &Plan, range: Range<u32>, watch: &Watch) -> Result<()> {
        for _ in 0..PASSES {
            let before = source.check_unchanged()?;
            // Memory is the caller's promise for as long as a call lasts.
            if before.is_some() {
                self.compare_source(before)?;
            }
            let unproved = self.unproved_parts(plan, range.clone(), watch)?;
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
                    self.remember(todo.index, Held { length: todo.range.length(), tree: hashes.tree }, true);
                }
                Ok(())
            };
            self.hash_parts_of(source, plan, unproved, &same, watch)?;
            if source.check_unchanged()? == before {
                break;
            }
        }
        Ok(())
    }

    /// The acknowledged parts of a range whose hashes may not be those of the source's bytes any more.
    fn unproved_parts(&self, plan: &Plan, range: Range<u32>, watch: &Watch) -> Result<Vec<Todo>> {
        let parts = lock(self.known_parts(watch)?);
        let held: Vec<_> = range.filter_map(|index| Some((plan.range(index)?, index, parts.held(index)?))).collect();
        drop(parts);
        let known = lock(&self.known);
        let unproved = held.into_iter().filter(|(_, index, held)| !known.is_trusted(*index, *held));
        Ok(unproved.map(|(range, index, held)| Todo { expected: Some(held.tree), ..Todo::new(index, range) }).collect())
    }

    /// Fails unless the archive has the source's bytes. Sends nothing, and does not read a source whose identity is that of
    /// the file that was uploaded.
    ///
    /// # Errors
    /// `SourceChanged`; `Io`, if the source cannot be read; both name the archive.
    pub(super) fn check_archive(&self, watch: &Watch) -> Result<()> {
        let origin = lock(&self.options).source.clone();
        if self.is_being_streamed(origin.as_ref()) {
            return self.check_stream();
        }
        let Some(origin) = origin else { return Ok(()) };
        self.compare_archive(&origin, watch).map_err(|error| self.about_archive(error))
    }

    /// Says in an error about the source that there is an archive already.
    pub(super) fn about_archive(&self, error: Error) -> Error {
        if !matches!(error.kind(), Kind::SourceChanged | Kind::SourceShort | Kind::Io | Kind::Invalid) {
            return error;
        }
        let archive = self.archive_id().unwrap_or_default().to_string_lossy();
        error.with_note(format_args!(
            "the upload is completed, as archive {archive}; to upload another archive, use another handle, with another journal"
        ))
    }

    fn compare_archive(&self, origin: &Origin, watch: &Watch) -> Result<()> {
        let Some(source) = self.open(origin)? else { return Ok(()) };
        if let Some(size) = self.archive_size().filter(|size| *size != source.size()) {
            return Err(another_size(source.size(), size));
        }
        let tree = self.archive_tree()?;
        let plan =
            Plan::new(source.size(), Some(self.part_size())).map_err(|error| error.of_kind(Kind::SourceChanged))?;
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
            let todo =
                |index| plan.range(index).map(|range| Todo { expected: expected(index), ..Todo::new(index, range) });
            let hashed = Mutex::new(BTreeMap::new());
            let keep = |Hashed { todo, hashes, .. }: Hashed<'_>| {
                todo.check_unchanged(hashes.tree)?;
                super::events::add(&self.counters.bytes_hashed, todo.range.length());
                lock(&hashed)
                    .insert(todo.index, (Held { length: todo.range.length(), tree: hashes.tree }, todo.trusted));
                Ok(())
            };
            self.hash_parts_of(&source, &plan, (0..plan.part_count()).filter_map(todo).collect(), &keep, watch)?;
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
    pub(super) fn open(&self, origin: &Origin) -> Result<Option<Source>> {
        let size = self.archive_size();
        origin.open().map_err(|error| match size {
            Some(before) if error.kind() == Kind::Invalid => another_size(0, before),
            _ => error,
        })
    }

    /// All parts of the archive as they are remembered, each with whether its hash is trusted.
    fn remembered_parts(&self, plan: &Plan) -> Option<BTreeMap<u32, (Held, bool)>> {
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
    pub(super) fn archive_tree(&self) -> Result<Digest> {
        let tree = self.tree_hash().and_then(|hash| hash.to_str().ok()?.parse().ok());
        tree.ok_or_else(|| Error::new(Kind::Internal, "a completed upload without a tree hash"))
    }
}

/// The error of a source that is not what the archive was made of.
pub(super) fn another_hash(source: Digest, archive: Digest) -> Error {
    Error::new(
        Kind::SourceChanged,
        format!(
            "the source has the tree hash {source}, but the archive has {archive}: the source was replaced or modified"
        ),
    )
}

/// The tree hash of an archive of these parts.
fn hash_of(parts: impl Iterator<Item = Held>) -> Option<Digest> {
    combine(&parts.map(|part| part.tree).collect::<Vec<_>>()).ok()
}
