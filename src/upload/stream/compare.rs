//! A stream whose archive exists already is read and compared with it.
//!
//! Equal tree hashes do not prove equal lengths: the hashes of two leaves, 64 bytes, have the tree hash of the two leaves.

use super::super::call::Call;
use super::super::session::counters::add;
use super::super::session::source_record::size_changed;
use super::super::verify::{check_set_size, name_archive, tree_differs};
use super::pipe::Pipe;
use super::{announced_size, ended_early};
use crate::error::{Error, Kind, Result};
use crate::limits::MIB;
use crate::treehash::TreeHasher;

/// Reads a stream whose archive exists, and fails if the archive has other bytes. Reads at most one byte more than the archive
/// has.
///
/// # Errors
/// `SourceChanged`, `SourceShort` or `Invalid`, with the name of the archive; `Canceled`, `Memory`.
pub(crate) fn compare_with_archive(call: &Call<'_>, pipe: &Pipe, announced: Option<u64>) -> Result<()> {
    let session = call.session;
    session.count_archive();
    let named = |error| name_archive(session, error);
    let archive_size = session.archive_size();
    let announced = check_announced(call, announced, archive_size).map_err(named)?;
    let outcome = compare_bytes(call, pipe, announced, archive_size)?;
    session.stream_ended(None, outcome.map_err(named))
}

/// Compares the announced size of a stream with the archive, and returns it.
fn check_announced(call: &Call<'_>, of_source: Option<u64>, archive_size: Option<u64>) -> Result<Option<u64>> {
    check_set_size(call)?;
    let announced = announced_size(call, of_source)?;
    match (announced, archive_size) {
        (Some(announced), Some(size)) if announced != size => Err(size_changed(announced, size)),
        _ => Ok(announced),
    }
}

/// Reads the stream. Returns whether it has the bytes of the archive; fails if it cannot be read.
fn compare_bytes(
    call: &Call<'_>,
    pipe: &Pipe,
    announced: Option<u64>,
    archive_size: Option<u64>,
) -> Result<Result<()>> {
    let (session, cancel) = (call.session, &call.context.cancel);
    let archive = session.archive_tree()?;
    let (mut hasher, mut size) = (TreeHasher::new(), 0);
    loop {
        // The byte after the archive shows that the stream is longer.
        let left = archive_size.map_or(u64::MAX, |archive_size| archive_size + 1 - size);
        let buffer = session.client.memory.acquire(usize::try_from(left.min(MIB)).unwrap_or(1 << 20), cancel)?;
        let (buffer, length) = pipe.fill(buffer, cancel)?;
        hasher.update(&buffer[..length]);
        add(&session.counters.bytes_hashed, length as u64);
        size += length as u64;
        if let Some(archive_size) = archive_size.filter(|archive_size| size > *archive_size) {
            return Ok(Err(Error::new(
                Kind::SourceChanged,
                format!("the stream has more than the {archive_size} bytes of the archive"),
            )));
        }
        if length < buffer.len() {
            break;
        }
    }
    let tree = hasher.finish();
    Ok(match (announced, archive_size) {
        (Some(announced), _) if size < announced => Err(ended_early(size, announced)),
        (_, Some(archive_size)) if size != archive_size => Err(size_changed(size, archive_size)),
        _ if tree != archive => Err(tree_differs(tree, archive)),
        (Some(announced), _) if size != announced => Err(size_changed(size, announced)),
        _ => Ok(()),
    })
}
