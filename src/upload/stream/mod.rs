//! A source that can be read only once, from its first byte to its last: read by the caller's callback, or pushed. Each part
//! is held in memory until the service has it.

pub(crate) mod pipe;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::limits::{MIB, PARTS_MAX};
use crate::log::Level;
use crate::memory::{Buffer, Reservation};
use crate::plan::{self, Plan, STREAM_WARNING_PART};
use crate::source::SourceSpec;
use crate::sync::cancel::Cancel;
use crate::treehash::TreeHasher;
use crate::upload::Upload;
use crate::upload::lock;
use crate::upload::pipeline::Goal;
use crate::upload::pipeline::read::Left;
use crate::upload::progress::add;
use crate::upload::resume::{self, PendingPart, StoredListing};
use crate::upload::state::{Action, State};
use crate::upload::stream::pipe::Pipe;
use crate::upload::verify::another_hash;

/// The stream, cut into parts as it comes.
#[derive(Debug)]
pub(crate) struct Stream {
    pipe: Arc<Pipe>,
    memory: Reservation,
    part_size: u64,
    /// The bytes that it is to have, if that was said.
    announced: Option<u64>,
    listed: BTreeMap<u32, StoredListing>,
    /// The first part, which is waited for before the upload is made.
    first: Option<(Buffer, usize)>,
    next: u32,
    size: u64,
    ended: bool,
}

impl Upload {
    /// From wherever the upload stands to its archive, or to its last part.
    pub(crate) fn stream_to_the_end(
        &self,
        action: Action,
        pipe: &Arc<Pipe>,
        announced: Option<u64>,
        ending: Goal,
        context: &RequestContext,
    ) -> Result<()> {
        self.counters.start(self.client.service.clock.monotonic());
        let is_archive = match action {
            Action::Nothing => true,
            Action::RepeatComplete => self.retry_lost_complete(context)?,
            Action::Proceed => false,
        };
        if is_archive {
            return self.compare_with_archive(pipe, announced, context);
        }
        let announced = self.announced_size(announced)?;
        let listed = match self.state() {
            State::New => None,
            _ => Some(self.list(context)?),
        };
        let limit = self.client.memory.limit();
        let part_size = match &listed {
            Some(_) => self.part_size(),
            None => {
                let options = lock(&self.options);
                plan::stream_part_size(options.part_size, announced, options.expected_size)?
            }
        };
        plan::check_stream_memory(part_size, limit)?;
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
        stream.wait_for_the_first_part(&context.cancel)?;
        if let Some(plan) = &plan {
            self.count_on(plan);
        }
        self.count_workers();
        if self.state() == State::New {
            self.initiate_now(part_size, announced, None, context)?;
        } else {
            self.begin_journal(announced, None)?;
            *lock(self.parts_so_far()) = crate::upload::parts::Parts::new(part_size);
        }
        self.send_all(Left::Stream(&mut stream), self.client.workers as usize, context)?;
        let size = stream.size;
        self.count_on(&Plan::new(size, Some(part_size))?);
        *lock(&self.size_known) = Some(size);
        *lock(&self.stream_outcome) = Some(Ok(()));
        match ending {
            Goal::AllParts => Ok(()),
            Goal::Archive => self.complete_once(size, context),
        }
    }

    /// What is left of a stream that an earlier call read, and no call can read again.
    pub(crate) fn end_of_stream(&self, action: Action, ending: Goal, context: &RequestContext) -> Result<()> {
        if action == Action::Proceed && !self.has_all_of_stream() {
            return Err(Error::new(
                Kind::State,
                "the read callback has already been called and cannot restart at byte 0; resume with a new handle, which has the \
                 same journal or the upload ID, and a callback that starts at byte 0",
            ));
        }
        match ending {
            Goal::AllParts if action != Action::Nothing => Ok(()),
            _ => self.complete_as(action, context),
        }
    }

    /// Whether the service has this handle's stream to its end: what is left is Complete.
    pub(crate) fn has_all_of_stream(&self) -> bool {
        matches!(*lock(&self.stream_outcome), Some(Ok(())))
    }

    /// Whether the source of a call is a stream.
    pub(crate) fn is_being_streamed(&self, source: Option<&SourceSpec>) -> bool {
        matches!(source, Some(SourceSpec::Callback(..))) || lock(&self.pushed).is_some()
    }

    /// Fails unless this handle's stream came to its end, and is what the service has.
    pub(crate) fn check_stream(&self) -> Result<()> {
        lock(&self.stream_outcome).clone().unwrap_or_else(|| {
            Err(Error::new(
                Kind::State,
                "this handle has not read its stream to the end, so that whether the upload has the same bytes is not known; \
                 resume with a new handle and the stream from byte 0",
            ))
        })
    }

    /// Reads a stream whose archive is there already, and fails if it is not that archive.
    fn compare_with_archive(&self, pipe: &Pipe, announced: Option<u64>, context: &RequestContext) -> Result<()> {
        let announced = self.announced_size(announced).map_err(|error| self.about_archive(error))?;
        let archive = self.archive_tree()?;
        let (mut hasher, mut size) = (TreeHasher::new(), 0);
        loop {
            let buffer = self.client.memory.acquire(1 << 20, &context.cancel)?;
            let (buffer, length) = pipe.fill(buffer, &context.cancel)?;
            hasher.update(&buffer[..length]);
            add(&self.counters.bytes_hashed, length as u64);
            size += length as u64;
            if length < buffer.len() {
                break;
            }
        }
        let tree = hasher.finish();
        let outcome = match announced {
            _ if tree != archive => Err(another_hash(tree, archive)),
            Some(announced) if announced != size => Err(ended_early(size, announced)),
            _ => Ok(()),
        };
        let outcome = outcome.map_err(|error| self.about_archive(error));
        lock(&self.stream_outcome).insert(outcome).clone()
    }

    /// The next part of a stream with its bytes; `None` after the last.
    pub(crate) fn next_of_stream(
        &self,
        stream: &mut Stream,
        cancel: &Cancel,
    ) -> Result<Option<(PendingPart, Buffer, usize)>> {
        let next = stream.next(cancel)?;
        if let Some((todo, ..)) = &next
            && todo.index == STREAM_WARNING_PART
            && stream.announced.is_none()
        {
            self.say(
                Level::Warn,
                format_args!(
                    "part {STREAM_WARNING_PART} of a stream of unknown length: an upload ends at {PARTS_MAX} parts, here at {} \
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
        let (buffer, length) = self.pipe.fill(self.memory.acquire(cancel)?, cancel)?;
        if length == 0 {
            return Err(Error::invalid("the stream is empty: an archive has at least 1 byte"));
        }
        self.first = Some((buffer, length));
        Ok(())
    }

    fn next(&mut self, cancel: &Cancel) -> Result<Option<(PendingPart, Buffer, usize)>> {
        if self.ended {
            return Ok(None);
        }
        let (buffer, length) = match self.first.take() {
            Some(first) => first,
            None => self.pipe.fill(self.memory.acquire(cancel)?, cancel)?,
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
        Ok(Some((PendingPart { listed, ..PendingPart::new(index, range) }, buffer, length)))
    }

    /// Holds the stream to what was said of its length.
    fn check_size(&self) -> Result<()> {
        match self.announced {
            Some(announced) if self.size > announced => Err(Error::new(
                Kind::SourceChanged,
                format!("the stream has more than the {announced} bytes that were announced"),
            )),
            Some(announced) if self.ended && self.size < announced => Err(ended_early(self.size, announced)),
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

fn ended_early(size: u64, announced: u64) -> Error {
    Error::new(Kind::SourceShort, format!("the stream ended after {size} bytes, of {announced} that were announced"))
}
