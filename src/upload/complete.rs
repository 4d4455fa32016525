//! Complete as its own operation: the size of the archive is determined, the parts are checked, then Complete is sent.

use super::call::Call;
use super::repair::complete_without_source;
use super::session::state::Action;
use super::verify::{check_archive, check_parts};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::sync::lock;

/// Completes an upload, as the state machine decided.
///
/// # Errors
/// `Incomplete` names the part that is missing; `Invalid` if the size of the archive is not known; those of Complete.
pub(crate) fn complete(call: &Call<'_>, action: Action) -> Result<()> {
    let Call { session, settings, context, .. } = *call;
    match action {
        Action::Nothing => return check_archive(call),
        Action::RepeatComplete => {
            session.repeat_complete(context)?;
            return check_archive(call);
        }
        Action::Proceed if call.is_stream && !session.has_all_of_stream() => {
            return Err(Error::invalid("the archive size is not known: the stream was not read to its end"));
        }
        Action::Proceed => {}
    }
    let source = call.open_source()?;
    let size = match call.archive_size(source.as_ref())? {
        Some(size) => size,
        None if session.is_initiated_here() => lock(session.parts()).end(),
        None => {
            return Err(Error::invalid(
                "the archive size is not known: this handle did not initiate the upload; set a source or the archive size",
            ));
        }
    };
    if !(session.is_initiated_here() && session.has_record_of_all(size)) {
        session.adopt_listed(settings.part_size, context)?;
    }
    if let Some(source) = source {
        let plan = Plan::new(size, Some(session.part_size()))?;
        session.compare_source(source.identity())?;
        check_parts(call, &source, &plan, 0..plan.part_count())?;
    }
    complete_without_source(call, size)
}
