//! The failure of a file that changed, which the journal and the end of an upload report.

use glacier_mp::upload::JournalSummary;

use super::context::Context;
use super::job::Job;
use crate::console::shown;
use crate::exit::Failure;

/// Returns the failure of a file that has other bytes than its unfinished upload. `cause`: how the library found out.
pub(super) fn changed(job: &Job, summary: &JournalSummary, cause: Option<&Failure>, context: &Context) -> Failure {
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::new(format!("the file changed since its unfinished upload {}{cause}", shown(&summary.upload_id)))
        .with_hint(format_args!("to keep its parts, restore the file {}", shown(&job.name())))
        .with_hint(format_args!(
            "to abort that upload and upload the file as it is now, run: {}",
            context.invocation.restart_command(job, Some(summary))
        ))
}
