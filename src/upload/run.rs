//! Runs an upload from its current state to its goal: resume or initiate, transfer the parts, complete, repair.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::call::Call;
use super::complete::complete;
use super::options::PartRange;
use super::pipeline::{send_all, send_parts};
use super::repair::{complete_with_repair, complete_without_source};
use super::session::Session;
use super::session::resume::{PendingPart, all_parts, diff};
use super::session::state::{Action, State};
use super::stream::compare::compare_with_archive;
use super::stream::pipe::Pipe;
use super::stream::{Stream, announced_size};
use super::verify::{check_archive, check_parts};
use crate::error::{Error, Kind, Result};
use crate::log::Level;
use crate::plan::{self, Plan};
use crate::source::Source;

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The service holds all parts.
    Parts,
    /// The archive exists.
    Archive,
}

/// Uploads a source that can be read at any offset.
///
/// # Errors
/// The errors of every step.
pub(crate) fn run(call: &Call<'_>, action: Action, goal: Goal) -> Result<()> {
    call.session.start_progress();
    if archive_exists(call, action)? {
        return check_archive(call);
    }
    let source = call.open_source()?.ok_or_else(|| Error::new(Kind::Internal, "a run without a source"))?;
    call.check_size(source.size())?;
    let (plan, range, pending) = resume_or_initiate(call, &source)?;
    send_parts(call.session, &source, &plan, pending, call.context)?;
    match goal {
        Goal::Parts => check_parts(call, &source, &plan, range),
        Goal::Archive => complete_with_repair(call, &source, &plan),
    }
}

/// Uploads a stream that no call has read yet. `announced`: its size in bytes, if it is known.
///
/// # Errors
/// The errors of every step.
pub(crate) fn run_stream(
    call: &Call<'_>,
    action: Action,
    pipe: &Pipe,
    announced: Option<u64>,
    goal: Goal,
) -> Result<()> {
    let Call { session, settings, context, .. } = *call;
    session.start_progress();
    if archive_exists(call, action)? {
        return compare_with_archive(call, pipe, announced);
    }
    let announced = announced_size(call, announced)?;
    let is_new = session.state() == State::New;
    let listed = if is_new { None } else { Some(session.stored_parts(settings.part_size, context)?) };
    let part_size = match &listed {
        Some(_) => session.part_size(),
        None => plan::part_size(settings.part_size, announced, settings.expected_size, plan::STREAM_PART_SIZE)?,
    };
    let memory = &session.client.memory;
    plan::check_stream_memory(part_size, memory.limit())?;
    let plan = announced.map(|size| Plan::new(size, Some(part_size))).transpose()?;
    let reservation = memory.reserve(usize::try_from(part_size).unwrap_or(usize::MAX))?;
    let log = &session.client.log;
    let listed = listed.unwrap_or_default();
    let mut stream = Stream::begin(pipe, log, reservation, part_size, announced, listed, &context.cancel)?;
    if let Some(plan) = &plan {
        session.set_totals(plan);
    }
    count_workers(session);
    if is_new {
        session.initiate(&settings.description, part_size, announced, None, context)?;
    } else {
        session.begin_journal(&settings.description, announced, None)?;
        session.reset_parts();
    }
    send_all(session, &mut stream, session.client.workers as usize, context)?;
    let size = stream.size();
    session.set_totals(&Plan::new(size, Some(part_size))?);
    session.stream_ended(Some(size), Ok(()))?;
    match goal {
        Goal::Parts => Ok(()),
        Goal::Archive => complete_without_source(call, size),
    }
}

/// Finishes the upload of a stream that an earlier call read, and that cannot be read again.
///
/// # Errors
/// `State` if that call did not read the stream to its end; those of Complete.
pub(crate) fn finish_stream(call: &Call<'_>, action: Action, goal: Goal) -> Result<()> {
    if action == Action::Proceed && !call.session.has_all_of_stream() {
        return Err(Error::new(
            Kind::State,
            "the read callback has already been called and cannot restart at byte 0; resume with a new handle that has the \
             same journal or upload ID, and a callback that starts at byte 0",
        ));
    }
    match goal {
        Goal::Parts if action != Action::Nothing => Ok(()),
        _ => complete(call, action),
    }
}

/// Returns true if the archive exists. Sends a lost Complete again to find out.
fn archive_exists(call: &Call<'_>, action: Action) -> Result<bool> {
    match action {
        Action::Nothing => Ok(true),
        Action::RepeatComplete => call.session.retry_lost_complete(call.context),
        Action::Proceed => Ok(false),
    }
}

/// Initiates the upload, or compares an existing one with the source. Returns the plan of the archive, the range of the parts
/// that this call sends, and the pending ones of them.
fn resume_or_initiate(call: &Call<'_>, source: &Source) -> Result<(Plan, Range<u32>, Vec<PendingPart>)> {
    let Call { session, settings, context, .. } = *call;
    let (size, identity) = (source.size(), source.identity());
    if session.state() == State::New {
        let plan = Plan::new(size, settings.part_size)?;
        if settings.part_range.is_some() {
            let message = "a part range is set: it needs the ID of an upload that exists, or its journal";
            return Err(Error::new(Kind::State, message));
        }
        session.set_totals(&plan);
        count_workers(session);
        session.initiate(&settings.description, plan.part_size(), Some(size), identity, context)?;
        session.compare_source(identity)?;
        return Ok((plan, 0..plan.part_count(), all_parts(&plan)));
    }
    let listed = session.stored_parts(settings.part_size, context)?;
    let plan = Plan::new(size, Some(session.part_size()))?;
    let range = range_of(settings.part_range, &plan)?;
    session.set_totals(&plan);
    count_workers(session);
    session.begin_journal(&settings.description, Some(size), identity)?;
    session.compare_source(identity)?;
    let diff = session.with_source_record(|record| diff(&plan, &listed, record))?;
    session.reset_parts();
    for (index, stored) in diff.done.iter().filter(|(index, _)| range.contains(index)) {
        session.found_stored(*index, *stored);
    }
    let mut pending = diff.pending;
    pending.retain(|part| range.contains(&part.index));
    let id = session.name()?.id;
    session.log(
        Level::Info,
        format_args!(
            "upload {id} resumed: {} of {} parts must be read, and sent if the service does not hold them",
            pending.len(),
            range.len()
        ),
    );
    Ok((plan, range, pending))
}

/// Returns the range of the parts that this call sends.
fn range_of(range: Option<PartRange>, plan: &Plan) -> Result<Range<u32>> {
    let Some(PartRange { first, count }) = range else { return Ok(0..plan.part_count()) };
    let end = if count == u32::MAX { Some(plan.part_count()) } else { first.checked_add(count) };
    match end {
        Some(end) if first < end && end <= plan.part_count() => Ok(first..end),
        _ => Err(Error::invalid(format!(
            "the part range of {count} parts from part {first} is outside the archive: it has {} parts, with the indexes 0 to {}",
            plan.part_count(),
            plan.part_count() - 1
        ))),
    }
}

fn count_workers(session: &Session) {
    session.counters.workers.store(session.client.workers.into(), Ordering::Relaxed);
}
