//! Repair: if the service rejects Complete because of its parts, the parts that are missing or differ are sent again, and
//! Complete is sent again.

use std::collections::BTreeMap;

use super::call::Call;
use super::pipeline::send_parts;
use super::session::resume::{self, PendingPart};
use super::verify::check_parts;
use crate::api::ListedPart;
use crate::error::{Error, Kind, Result};
use crate::log::Level;
use crate::plan::Plan;
use crate::retry::rejected_parts;
use crate::source::Source;
use crate::sync::lock;

/// How often Complete is repaired.
const MAX_REPAIRS: u32 = 3;

/// Why Complete is neither repaired nor sent again.
const NO_DIFFERENCE: &str = "ListParts shows every part with the expected hash";

/// Completes an upload whose source can be read again, and repairs it if Complete is rejected.
///
/// # Errors
/// Those of [`check_parts`], of sending parts and of Complete.
pub(crate) fn complete_with_repair(call: &Call<'_>, source: &Source, plan: &Plan) -> Result<()> {
    let session = call.session;
    let size = plan.archive_size();
    let mut repairs = 0;
    loop {
        check_parts(call, source, plan, 0..plan.part_count())?;
        let tree = lock(session.parts()).archive_hash(size)?;
        let rejection = match session.complete_once(size, tree, call.context) {
            Err(error) if repairs < MAX_REPAIRS && rejected_parts(&error) => error,
            outcome => return outcome,
        };
        let listed = session.stored_parts(call.settings.part_size, call.context)?;
        let different = different_parts(call, plan, &listed)?;
        if different.is_empty() && repairs > 0 {
            return Err(rejection.with_hint(NO_DIFFERENCE));
        }
        repairs += 1;
        let indexes: Vec<_> = different.iter().map(|part| part.index.to_string()).collect();
        let remedy = if indexes.is_empty() {
            format!("{NO_DIFFERENCE}; the library retries Complete")
        } else {
            let parts = indexes.join(", ");
            format!(
                "the library sends again the parts that the service lacks or holds with another hash (part {parts}), and \
                 retries Complete"
            )
        };
        session.log(Level::Warn, format_args!("the service rejected Complete ({rejection}); {remedy}"));
        send_parts(session, source, plan, different, call.context)?;
    }
}

/// Completes an upload whose source cannot be read again. If Complete is rejected, the error names the part to send again; if
/// no part differs, Complete is sent once more.
///
/// # Errors
/// `Incomplete` names the part, also one that another handle put beyond the end; those of Complete.
pub(crate) fn complete_without_source(call: &Call<'_>, size: u64) -> Result<()> {
    let session = call.session;
    let tree = lock(session.parts()).archive_hash(size)?;
    let plan = Plan::new(size, Some(session.part_size()))?;
    session.set_totals(&plan);
    let rejection = match session.complete_once(size, tree, call.context) {
        Err(error) if rejected_parts(&error) => error,
        outcome => return outcome,
    };
    let listed = call.session.stored_parts(call.settings.part_size, call.context)?;
    if let Some((index, part)) = resume::part_beyond(&listed, size) {
        return Err(rejection.with_kind(Kind::Incomplete).with_hint(format_args!(
            "the service holds part {index} (bytes {}) beyond the end of the archive of {size} bytes, which this handle did not \
             put: complete with the archive size that includes it, or abort the upload",
            part.range.in_bytes()
        )));
    }
    if let Some(part) = different_parts(call, &plan, &listed)?.first() {
        return Err(rejection.with_kind(Kind::Incomplete).with_hint(format_args!(
            "the service lacks part {} (bytes {}), or holds it with another hash: send it again",
            part.index,
            part.range.in_bytes()
        )));
    }
    // The list may be right about the end of the last part.
    if let Some(difference) = lock(session.parts()).difference_of_listed_end(size) {
        return Err(rejection.with_kind(Kind::Incomplete).with_hint(difference));
    }
    session.log(
        Level::Warn,
        format_args!("the service rejected Complete ({rejection}); {NO_DIFFERENCE}; the library retries Complete"),
    );
    let add_hint = |error: Error| if rejected_parts(&error) { error.with_hint(NO_DIFFERENCE) } else { error };
    session.complete_once(size, tree, call.context).map_err(add_hint)
}

/// Returns the parts that are missing or different in the list of the service.
fn different_parts(call: &Call<'_>, plan: &Plan, listed: &BTreeMap<u32, ListedPart>) -> Result<Vec<PendingPart>> {
    let mut parts = call.session.with_source_record(|record| resume::diff(plan, listed, record))?.pending;
    parts.retain(PendingPart::differs_at_service);
    Ok(parts)
}
