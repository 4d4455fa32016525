//! A source that can be read only once, from its first byte to its last: read by the caller's callback, or pushed. Each part
//! is held in memory until the service has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Upload;
use super::lock;
use super::pipe::Pipe;
use super::prepare::Left;
use super::resume::{self, Listed, Todo};
use super::state::{Action, State};
use super::transfer::Ending;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::http::Watch;
use crate::limits::{MIB, PARTS_MAX};
use crate::log::Level;
use crate::memory::{Buffer, Reserve};
use crate::plan::{self, Plan, STREAM_WARNS_AT};
use crate::treehash::TreeHasher;

/// The stream, cut into parts as it comes.
#[derive(Debug)]
pub(super) struct Stream {
    pipe: Arc<Pipe>,
    memory: Reserve,
    part_size: u64,
    /// The bytes that it is to have, if that was said.
    announced: Option<u64>,
    listed: BTreeMap<u32, Listed>,
    /// The first part, which is waited for before the upload is made.
    first: Option<(Buffer, usize)>,
    next: u32,
    size: u64,
    ended: bool,
}

impl Upload {
    /// From wherever the upload stands to its archive, or to its last part.
    pub(super) fn stream_to_the_end(
        &self,
        action: Action,
        pipe: &Arc<Pipe>,
        announced: Option<u64>,
        ending: Ending,
        watch: &Watch,
    ) -> Result<()> {
        self.counters.start(self.client.service.clock.monotonic());
        if action == Action::RepeatComplete && self.completes_by_repeating(watch)? {
            return Ok(());
        }
        let announced = self.announced_size(announced)?;
        let listed = match self.state() {
            State::New => None,
            _ => Some(self.list(watch)?),
        };
        let limit = self.client.memory.limit();
        let part_size = match &listed {
            Some(_) => self.part_size(),
            None => {
                let options = lock(&self.options);
                plan::part_size_of_stream(options.part_size, announced, options.expected_size)?
            }
        };
        plan::check_stream_fits(part_size, limit)?;
        let plan = announced.map(|size| Plan::new(size, Some(part_size))).transpose()?;
        let mut stream = Stream {
            pipe: Arc::clone(pipe),
            memory: self.client.memory.reserve(usize::try_from(part_size).unwrap_or(usize::MAX))?,
            part_size,
            announced,
            listed: listed.unwrap_or_default(),
            first: None,
            next: 0,
            size: 0,
            ended: false,
        };
        stream.wait_for_the_first_part(&watch.cancel)?;
        if let Some(plan) = &plan {
            self.count_on(plan);
        }
        self.count_workers();
        if self.state() == State::New {
            self.initiate_now(part_size, announced, None, watch)?;
        } else {
            self.begin_journal(announced, None)?;
            *lock(self.parts_so_far()) = super::parts::Parts::new(part_size);
        }
        self.send_all(Left::Stream(&mut stream), self.client.workers as usize, watch)?;
        let size = stream.size;
        self.count_on(&Plan::new(size, Some(part_size))?);
        *lock(&self.size_known) = Some(size);
        match ending {
            Ending::AllParts => Ok(()),
            Ending::Archive => self.complete_unhealed(size, watch),
        }
    }

    /// What is left of a stream that an earlier call read, and no call can read again.
    pub(super) fn end_of_stream(&self, action: Action, ending: Ending, watch: &Watch) -> Result<()> {
        if action == Action::Proceed && !self.has_all_of_stream() {
            return Err(Error::new(
                Kind::State,
                "the read callback was called before, and cannot begin at byte 0 again: a new handle with the same journal \
                 or the upload ID carries on, with a callback that begins there",
            ));
        }
        match ending {
            Ending::AllParts => Ok(()),
            Ending::Archive => self.complete_as(action, watch),
        }
    }

    /// Whether the service has a stream to its end: what is left is Complete.
    pub(super) fn has_all_of_stream(&self) -> bool {
        lock(&self.size_known).is_some_and(|size| self.remembers_all_of(size))
    }

    /// Reads a stream whose archive is there already, and fails if it is not that archive.
    pub(super) fn compare_with_archive(&self, pipe: &Pipe, watch: &Watch) -> Result<()> {
        let mut hasher = TreeHasher::new();
        loop {
            let buffer = self.client.memory.take(1 << 20, &watch.cancel)?;
            let (buffer, length) = pipe.fill(buffer, &watch.cancel)?;
            hasher.update(&buffer[..length]);
            if length < buffer.len() {
                break;
            }
        }
        let tree = hasher.finish().to_hex();
        match self.tree_hash().map(|hash| hash.to_string_lossy()) {
            Some(archive) if archive != tree => Err(Error::new(
                Kind::SourceChanged,
                format!(
                    "the upload is completed, and its archive has the tree hash {archive}, but the stream has {tree}"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The next part of a stream with its bytes; `None` after the last.
    pub(super) fn next_of_stream(&self, stream: &mut Stream, cancel: &Cancel) -> Result<Option<(Todo, Buffer, usize)>> {
        let next = stream.next(cancel)?;
        if let Some((todo, ..)) = &next
            && todo.index == STREAM_WARNS_AT
            && stream.announced.is_none()
        {
            self.say(
                Level::Warn,
                format_args!(
                    "part {STREAM_WARNS_AT} of a stream of unknown length: an upload ends at {PARTS_MAX} parts, here at {} \
                     bytes; a larger expected size makes larger parts",
                    u64::from(PARTS_MAX) * stream.part_size
                ),
            );
        }
        Ok(next)
    }

    /// The size that the stream was said to have.
    fn announced_size(&self, of_source: Option<u64>) -> Result<Option<u64>> {
        if let Some(size) = of_source {
            self.check_size(size)?;
        }
        Ok(of_source.or(lock(&self.options).archive_size))
    }
}

impl Stream {
    /// Waits for the bytes of the first part, or the end: an empty stream starts nothing.
    fn wait_for_the_first_part(&mut self, cancel: &Cancel) -> Result<()> {
        let (buffer, length) = self.pipe.fill(self.memory.take(cancel)?, cancel)?;
        if length == 0 {
            return Err(Error::invalid("the stream is empty: an archive has at least 1 byte"));
        }
        self.first = Some((buffer, length));
        Ok(())
    }

    fn next(&mut self, cancel: &Cancel) -> Result<Option<(Todo, Buffer, usize)>> {
        if self.ended {
            return Ok(None);
        }
        let (buffer, length) = match self.first.take() {
            Some(first) => first,
            None => self.pipe.fill(self.memory.take(cancel)?, cancel)?,
        };
        self.ended = length < buffer.len();
        self.size += length as u64;
        self.check_size()?;
        if self.ended {
            // Before its short end replaces a part of what was longer.
            resume::check_end(&self.listed, self.size)?;
        }
        if length == 0 {
            return Ok(None);
        }
        let index = self.next;
        if index == PARTS_MAX {
            return Err(self.too_long());
        }
        self.next += 1;
        let range = plan::ByteRange { first: self.size - length as u64, last: self.size - 1 };
        let listed = self.listed.get(&index).filter(|part| part.covers(range)).map(|part| part.tree);
        Ok(Some((Todo { index, range, listed, expected: None }, buffer, length)))
    }

    /// Holds the stream to what was said of its length.
    fn check_size(&self) -> Result<()> {
        match self.announced {
            Some(announced) if self.size > announced => Err(Error::new(
                Kind::SourceChanged,
                format!("the stream has more than the {announced} bytes that were announced"),
            )),
            Some(announced) if self.ended && self.size < announced => Err(Error::new(
                Kind::SourceShort,
                format!("the stream ended after {} bytes, of {announced} that were announced", self.size),
            )),
            _ => Ok(()),
        }
    }

    fn too_long(&self) -> Error {
        Error::new(
            Kind::Limit,
            format!(
                "the stream is longer than {PARTS_MAX} parts of {} MiB, {} bytes: it needs an upload with larger parts, by its \
                 part size or its expected size",
                self.part_size / MIB,
                u64::from(PARTS_MAX) * self.part_size
            ),
        )
    }
}
